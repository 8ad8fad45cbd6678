"""The results as a picture, where matplotlib is installed."""
from guestkit.bench.tables import time_text

COLOURS = {'native': '#444444', 'para': '#0072b2', 'full-vtlb': '#d55e00', 'full-ept': '#009e73'}
OTHER_COLOURS = ('#56b4e9', '#cc79a7', '#e69f00')


def plot(data, path):
    """Draws operations and workloads against native; False if matplotlib is not there."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use('Agg')
    from matplotlib import pyplot
    operations = {name: row for name, row in data['operations'].items() if row.get('native')}
    workloads = {name: {mode: part['seconds'] for mode, part in row.items()} for name, row in data.get('workloads', {}).items() if 'native' in row}
    panels = [(title, rows, log) for title, rows, log in (
        ('Operations of the kernel: time relative to the bare machine (shorter is better)', operations, True),
        ('Programs that use the processor alone: time relative to the bare machine (shorter is better)', workloads, False)) if rows]
    if not panels:
        return False
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(13, 1 + 5 * len(panels)), squeeze=False, layout='constrained')
    for (title, rows, log), axis in zip(panels, axes[:, 0]):
        bars(axis, title, rows, log)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def bars(axis, title, rows, log):
    """Groups of bars, one a mode, each with its ratio to native written on it."""
    modes = [mode for mode in COLOURS if mode != 'native' and any(mode in row for row in rows.values())]
    width = 0.8 / max(1, len(modes))
    for i, mode in enumerate(modes):
        places = [k + (i - (len(modes) - 1) / 2) * width for k in range(len(rows))]
        ratios = [row[mode] / row['native'] if mode in row else 0 for row in rows.values()]
        drawn = axis.bar(places, ratios, width * 0.92, label=mode, color=COLOURS[mode], zorder=2)
        labels = [f'{ratio:.0f}' if ratio >= 9.95 else f'{ratio:.1f}' if ratio else '' for ratio in ratios]
        axis.bar_label(drawn, labels, fontsize=7, padding=1, rotation=90 if len(rows) > 10 else 0)
    axis.axhline(1, color=COLOURS['native'], linewidth=1, linestyle='--', zorder=3)
    axis.text(len(rows) - 0.4, 1, ' native', va='center', ha='left', fontsize=8, color=COLOURS['native'])
    if log:
        axis.set_yscale('log')
        axis.yaxis.set_major_formatter(tick)
        axis.yaxis.set_minor_formatter(tick)
    axis.margins(x=0.01, y=0.14)
    axis.set_xlim(-0.6, len(rows) - 0.4)
    axis.set_ylabel('times native')
    axis.set_title(title, loc='left', fontsize=11)
    axis.set_xticks(range(len(rows)), [label(name, row) for name, row in rows.items()], fontsize=8, rotation=35, ha='right')
    finish(axis)
    axis.legend(fontsize=9, frameon=False, loc='upper left', ncols=len(modes))


def tick(value, _):
    """The text at a mark of a logarithmic axis: 1, 2 and 5 of each decade have one."""
    text = f'{value:g}'
    return text if text.strip('0.') in ('1', '2', '5') else ''


def label(name, row):
    return name.replace('context_switch_', 'switch ').replace('_', ' ')


def plot_domains(data, path):
    """Draws what many domains get done together, relative to one, over their number, and what their requests cost; False if matplotlib is not there."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use('Agg')
    from matplotlib import pyplot
    panels = 2 if data.get('costs') else 1
    figure, axes = pyplot.subplots(panels, 1, figsize=(11, 5 * panels + panels - 1), squeeze=False, layout='constrained')
    draw_throughput(axes[0, 0], data['throughput'])
    if panels > 1:
        draw_costs(axes[1, 0], data['costs'])
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def draw_throughput(axis, throughput):
    """As in the Xen paper: the throughput of 1 to 128 domains that compute at once, relative to that of one."""
    counts = []
    others = iter(OTHER_COLOURS)
    for name, row in throughput.items():
        counts = [int(count) for count in row]
        first = next(iter(row.values()))
        axis.plot(counts, [value / first for value in row.values()], marker='o', label=name, color=COLOURS.get(name) or next(others), zorder=2)
    axis.axhline(0.95, color=COLOURS['native'], linewidth=1, linestyle='--', zorder=1)
    axis.text(counts[0], 0.95, '95%', va='top', ha='left', fontsize=8, color=COLOURS['native'])
    axis.set_xscale('log', base=2)
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.set_ylim(0, 1.15)
    axis.set_xlabel('domains that compute at once')
    axis.set_ylabel('throughput of all, relative to one')
    axis.set_title('Many domains: what all of them together get done (higher is better)', loc='left', fontsize=11)
    finish(axis)
    axis.legend(fontsize=9, frameon=False, loc='lower left')


def draw_costs(axis, rows):
    """A group of bars for each request, one for each mode."""
    modes = [mode for mode in COLOURS if any(mode in row for row in rows.values())]
    width = 0.8 / len(modes)
    for i, mode in enumerate(modes):
        places = [k + (i - (len(modes) - 1) / 2) * width for k, row in enumerate(rows.values()) if mode in row]
        values = [row[mode] for row in rows.values() if mode in row]
        drawn = axis.bar(places, values, width * 0.92, label=mode, color=COLOURS[mode], zorder=2)
        axis.bar_label(drawn, [time_text(value) for value in values], fontsize=7, padding=2, rotation=90)
    axis.set_yscale('log')
    axis.margins(x=0.01, y=0.22)
    axis.set_xticks(range(len(rows)), [name.replace('_', ' ') for name in rows], fontsize=8, rotation=35, ha='right')
    axis.set_ylabel('ns on the host')
    axis.set_title("What a domain's requests cost (lower is better)", loc='left', fontsize=11)
    finish(axis)
    axis.legend(fontsize=9, frameon=False, loc='upper left', ncols=len(modes))


def finish(axis):
    axis.grid(axis='y', color='#dddddd', zorder=0)
    axis.spines[['top', 'right']].set_visible(False)
