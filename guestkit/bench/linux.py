"""Debian's Linux beside QEMU: from the start of the process to the shell, then work that a shell script does in the guest.

Every engine boots the same kernel, ramdisk and command line. The time to the shell is that from starting the program; a piece of work is timed from the
arrival of the line before it to that of the line after it, and prints a checksum that must be the same everywhere.
"""
import time

from guestkit.bench.child import BenchError, run, run_hyper
from guestkit.bench.guests import FULL_EPT, FULL_VTLB, NATIVE
from guestkit.bench.lines import Lines
from guestkit.bench.workloads import QEMU, QEMU_POWER_OFF, geometric_mean
from guestkit.linux import boot

MODES = (NATIVE, FULL_VTLB, FULL_EPT)
BOOT = 'boot'
MOST_SECONDS = 600
# What a piece of work does; its output is the checksum. 20 MB are ten times busybox.
WORK = {
    'md5sum': 'dd if=/dev/zero bs=1M count=20 2>/dev/null | md5sum',
    'gzip': 'for i in 0 1 2 3 4 5 6 7 8 9; do cat /bin/busybox; done | gzip -c | md5sum',
    'sort': 'seq 1 60000 | rev | sort | md5sum',
    'shell_loop': 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo $i',
    'dd_tmpfs': 'for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/tmp/file bs=64k count=256 2>/dev/null; rm /tmp/file; done; echo done',
    'fork_exec': 'i=0; while [ $i -lt 300 ]; do /bin/busybox true; i=$((i + 1)); done; echo $i',
}


def script(names):
    """The shell script that does the work of these names."""
    lines = [f'echo bench {BOOT} 1 0']
    for name in names:
        lines += [f'echo begin {name}', f'sum=$({WORK[name]})', f'echo bench {name} 1 0 $(echo "$sum" | cut -d " " -f 1)']
    return '\n'.join(lines) + '\n'


def prepare(out, debian, names):
    return boot.prepare(out, debian, script(names), name='bench.gz')


def qemu(linux):
    """The command that boots it on QEMU's translator."""
    return ['qemu-system-i386', '-accel', 'tcg', '-kernel', str(linux.kernel), '-initrd', str(linux.initrd), '-append', boot.APPEND_BARE, '-m', boot.MEMORY,
            '-nodefaults', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']


def time_one(hyper, linux, engine, names):
    """{name: Round} of one boot on a Mode or QEMU, and the counters of the run ({} for QEMU)."""
    lines = Lines()
    lines.begun[BOOT] = time.monotonic()
    if engine == QEMU:
        outcome = run(qemu(linux), MOST_SECONDS, lines)
        if outcome.status not in QEMU_POWER_OFF:
            raise BenchError(f'QEMU: status {outcome.status}; it said: ' + ' / '.join(outcome.text[-6:]))
    else:
        outcome = run_hyper(hyper, linux.words(engine.words, boot.APPEND_BARE), MOST_SECONDS, lines=lines)
    rounds = {round.name: round for round in outcome.rounds}
    missing = [name for name in (BOOT, *names) if name not in rounds]
    if missing:
        raise BenchError(f'{", ".join(missing)}: not measured; the guest said: ' + ' / '.join(outcome.text[-6:]))
    return rounds, outcome


def measure(hyper, linux, names, modes, runs, with_qemu, say):
    """What build/bench-linux.json holds but for the host."""
    engines = [*modes, *([QEMU] if with_qemu else [])]
    seconds = {name: {} for name in (BOOT, *names)}
    checksums = {name: set() for name in names}
    data = {'work': seconds, 'exits': {}, 'instructions': {}, 'peak_bytes': {}}
    for turn in range(runs):
        for engine in engines:
            key = getattr(engine, 'name', engine)
            say(f'Linux, {key}, run {turn + 1} of {runs}')
            rounds, outcome = time_one(hyper, linux, engine, names)
            for name in seconds:
                seconds[name].setdefault(key, []).append(rounds[name].seconds)
            for name in names:
                checksums[name].add(rounds[name].checksum)
            data['peak_bytes'][key] = max(outcome.peak, data['peak_bytes'].get(key, 0))
            if outcome.report:
                data['exits'][key] = outcome.report['domains'][0]['exits']
                data['instructions'][key] = outcome.report['instructions']
    for name, sums in checksums.items():
        if len(sums) != 1:
            raise BenchError(f'{name}: different results: {", ".join(sorted(sums))}')
    for row in seconds.values():
        for key, values in row.items():
            row[key] = sorted(values)[len(values) // 2]
    if with_qemu:
        for name, choose in (('geomean', geometric_mean), ('least', min)):
            data[name] = {mode.name: choose([seconds[work][QEMU] / seconds[work][mode.name] for work in names]) for mode in modes} if names else {}
    return data
