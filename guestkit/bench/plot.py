"""The results as a picture, where matplotlib is installed."""

COLOURS = {'native': '#444444', 'para': '#0072b2', 'full-vtlb': '#d55e00', 'full-ept': '#009e73'}


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
        ('Programs that use the processor alone: time relative to the bare machine', workloads, False)) if rows]
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
    axis.text(len(rows) - 0.45, 1, ' native', va='center', ha='left', fontsize=8, color=COLOURS['native'])
    if log:
        axis.set_yscale('log')
        axis.yaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axis.margins(x=0.01, y=0.14)
    axis.set_xlim(-0.6, len(rows) - 0.4)
    axis.set_ylabel('times native')
    axis.set_title(title, loc='left', fontsize=11)
    axis.set_xticks(range(len(rows)), [label(name, row) for name, row in rows.items()], fontsize=8, rotation=35, ha='right')
    axis.grid(axis='y', color='#dddddd', zorder=0)
    axis.spines[['top', 'right']].set_visible(False)
    axis.legend(fontsize=9, frameon=False, loc='upper left', ncols=len(modes))


def label(name, row):
    return name.replace('context_switch_', 'switch ').replace('_', ' ')


def plot_domains(data, path):
    """Draws what many domains get done together, relative to one, over their number; False if matplotlib is not there."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(figsize=(9, 5), layout='constrained')
    counts = []
    for mode, row in data['throughput'].items():
        counts = [int(count) for count in row]
        first = next(iter(row.values()))
        axis.plot(counts, [value / first for value in row.values()], marker='o', label=mode, color=COLOURS[mode], zorder=2)
    axis.axhline(0.95, color=COLOURS['native'], linewidth=1, linestyle='--', zorder=1)
    axis.text(counts[-1], 0.95, '95% ', va='bottom', ha='right', fontsize=8, color=COLOURS['native'])
    axis.set_xscale('log', base=2)
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.set_ylim(0, 1.15)
    axis.set_xlabel('domains that compute at once')
    axis.set_ylabel('throughput of all, relative to one')
    axis.set_title('Many domains: what all of them together get done (longer is better)', loc='left', fontsize=11)
    axis.grid(axis='y', color='#dddddd', zorder=0)
    axis.spines[['top', 'right']].set_visible(False)
    axis.legend(fontsize=9, frameon=False, loc='lower left')
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True
