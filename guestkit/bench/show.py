"""The tables that `guestkit bench` prints, from what it writes as JSON."""
from guestkit.bench import costs, devices
from guestkit.bench.round_trips import NAMES
from guestkit.bench.tables import bytes_text, count_text, ratio_text, table, time_text

PIPE_BLOCK = 65536              # bytes, an iteration of pipe_bandwidth
MOST_REASONS = 4


def section(title, text):
    return f'\n{title}\n\n{text}'


def modes_of(rows):
    """The modes in the rows of {name: {mode: value}}, in the order in which they were measured."""
    return list(dict.fromkeys(mode for row in rows.values() for mode in row))


def against_native(rows, text):
    """A table with a column for each mode, and after each but native how it compares with that."""
    modes = modes_of(rows)
    heading = ['']
    for mode in modes:
        heading += [mode] if mode == 'native' else [mode, '']
    lines = []
    for name, row in rows.items():
        line = [name]
        for mode in modes:
            line.append(text(row.get(mode)))
            if mode != 'native':
                line.append(ratio_text(row.get(mode), row.get('native')))
        lines.append(line)
    return table(heading, lines)


def bandwidth(ns):
    return '-' if ns is None else f'{PIPE_BLOCK / ns * 1e9 / 1e6:,.0f} MB/s'


def reasons_text(exits):
    reasons = [f'{count_text(count)} {reason.lower().replace("_", " ")}' for reason, count in exits.items() if count >= 0.05]
    return ', '.join(reasons[:MOST_REASONS]) or 'none'


def exits_table(exits):
    lines = [[name, mode, reasons_text(reasons)] for mode, rows in exits.items() for name, reasons in rows.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(2)]
    return ''.join(f'{name.ljust(widths[0])}  {mode.ljust(widths[1])}  {text}\n' for name, mode, text in lines)


def operations_text(data):
    text = section('Time of an operation, and how many times that of the bare machine', against_native(data['operations'], time_text))
    pipes = data['operations'].get('pipe_bandwidth')
    if pipes:
        text += '(pipe_bandwidth is of 64 KB: ' + ', '.join(f'{mode} {bandwidth(ns)}' for mode, ns in pipes.items()) + ')\n'
    text += section('Guest instructions of an operation', against_native(data['instructions'], count_text))
    exits = {mode: rows for mode, rows in data['exits'].items() if mode != 'native'}
    if exits:
        text += section('Exits and hypercalls of an operation, the most frequent ones', exits_table(exits))
    return text


def round_trips_text(data):
    rows = [[NAMES[name], time_text(row['ns']), '-' if row['null_calls'] is None else f'{row["null_calls"]:.1f}']
            for name, row in data['round_trips'].items()]
    return section('From the guest to the hypervisor and back', table(['', 'time', 'native null calls'], rows))


def workloads_text(data):
    seconds = {name: {mode: row['seconds'] * 1e9 for mode, row in modes.items()} for name, modes in data['workloads'].items()}
    text = section('Programs that use the processor alone', against_native(seconds, time_text))
    modes = modes_of(seconds)
    mips = [[name, *(f'{row[mode]["mips"]:,.0f}' if mode in row else '-' for mode in modes)] for name, row in data['workloads'].items()]
    return text + section('Their speed, million guest instructions a second', table(['', *modes], mips))


def without_jit_text(data):
    part = data['without_jit']
    if 'missing' in part:
        return section('Without the JIT', f'not measured: {part["missing"]}\n')
    rows = [[name, f'{mips:,.0f}'] for name, mips in part['mips'].items()]
    return section('Without the JIT, million guest instructions a second', table(['', 'MIPS'], rows + [['geometric mean', f'{part["geomean"]:,.0f}']]))


def limits_text(data):
    domains, memory = data['domains'], data['memory']
    return section('Domains and memory', f'{domains["count"]} domains of {bytes_text(domains["memory_bytes"])} booted and ran to their end in '
                   f'one process in {domains["seconds"]:.1f} s; an idle domain takes {bytes_text(domains["bytes_per_domain"])} '
                   f'(peak of the process {bytes_text(domains["peak_bytes"])})\n'
                   f'a guest of {bytes_text(memory["guest_bytes"])} takes at most {bytes_text(memory["peak_bytes"])} of the host\n')


def bench_text(data):
    parts = [('operations', operations_text), ('round_trips', round_trips_text), ('workloads', workloads_text),
             ('without_jit', without_jit_text), ('domains', limits_text)]
    return ''.join(text(data) for name, text in parts if data.get(name))


def peers_text(data):
    keys = ['qemu_s', 'para_s', 'full_s', 'full_ept_s', 'native_s']
    names = ['QEMU', 'para', 'full-vtlb', 'full-ept', 'native']
    heading = ['', names[0]]
    for name in names[1:]:
        heading += [name, '']

    def row(name, seconds):
        line = [name, time_text(seconds['qemu_s'] * 1e9)]
        for key in keys[1:]:
            line += [time_text(seconds[key] * 1e9), ratio_text(seconds['qemu_s'], seconds[key])]
        return line

    def summary(name, values):
        line = [name, '']
        for way in ('para', 'full', 'full-ept', 'native'):
            line += ['', ratio_text(values[way], 1)]
        return line
    rows = [row(name, seconds) for name, seconds in data['workloads'].items()]
    if rows:
        rows += [summary('geometric mean', data['geomean']), summary('least', data['least'])]
    if 'cold' in data:
        rows.append(row('cold (by itself)', data['cold']))
    return section('Beside QEMU, and how many times as fast as it', table(heading, rows))


def linux_text(data):
    """The time to the shell and of each piece of work, beside QEMU where it was measured, and what exits there were."""
    modes = list(data['instructions'])
    engines = [key for key in next(iter(data['work'].values())) if key not in modes] + modes
    peer = engines[0] if engines[0] not in modes else None
    heading = ['']
    for key in engines:
        heading += [key] if key == peer or peer is None else [key, '']
    lines = []
    for name, row in data['work'].items():
        line = ['to the shell' if name == 'boot' else name]
        for key in engines:
            line.append(time_text(row[key] * 1e9))
            if peer is not None and key != peer:
                line.append(ratio_text(row[peer], row[key]))
        lines.append(line)
    if peer is not None and data.get('geomean'):
        for name, key in (('geometric mean of the work', 'geomean'), ('least', 'least')):
            line = [name, '']
            for mode in modes:
                line += ['', ratio_text(data[key][mode], 1)]
            lines.append(line)
    title = f'{data["kernel"]} to its shell, and work in it' + (', and how many times as fast as QEMU' if peer else '')
    text = section(title, table(heading, lines))
    rows = [[key, f'{data["instructions"][key] / 1e6:,.0f} million', bytes_text(data['peak_bytes'][key]), reasons_text(data['exits'][key])] for key in modes]
    return text + section('Instructions, memory of the process, exits', ''.join(f'{row[0]:10} {row[1]:>14} {row[2]:>8}  {row[3]}\n' for row in rows))


def domains_text(data):
    """Throughput of many domains against that of one, shares by weight, and what a small domain takes."""
    modes = list(data['throughput'])
    heading = ['domains']
    for mode in modes:
        heading += [mode, '']
    counts = list(next(iter(data['throughput'].values())))
    lines = []
    for count in counts:
        line = [count]
        for mode in modes:
            row = data['throughput'][mode]
            line += [f'{row[count]:,.0f}', f'{100 * row[count] / row[counts[0]]:.1f}%']
        lines.append(line)
    text = section('Domains that compute: million instructions a second of all together, and that against one', table(heading, lines))
    if 'shares' in data:
        rows = [[row['mcu_advance'], f'{100 * row["due"]:.2f}%', f'{100 * row["least"]:.2f}%', f'{100 * row["most"]:.2f}%',
                 f'{100 * max(row["due"] - row["least"], row["most"] - row["due"]) / row["due"]:.2f}%'] for row in data['shares']]
        text += section('Sixteen of them for a second of machine time: shares of the processor by weight',
                        table(['mcu_advance', 'due', 'least', 'most', 'off by'], rows))
    if 'latency' in data:
        text += section('A domain that sleeps for 10 ms beside eight that compute: how much later than that it runs, in machine time',
                        table(['', 'late'], [[name, time_text(ns)] for name, ns in data['latency'].items()]))
    if 'many' in data:
        many = data['many']
        text += section('Small domains', f'{many["count"]} domains booted and ran to their end in one process in {many["seconds"]:.1f} s: '
                        f'{time_text(many["seconds_each"] * 1e9)} and {bytes_text(many["bytes_each"])} each\n')
    if 'costs' in data:
        text += section("What a domain's requests cost, and how many times what they cost in para", costs.text(data['costs']))
    if 'devices' in data:
        text += section('What its devices move', devices.text(data['devices']))
    return text
