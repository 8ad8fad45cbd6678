"""Programs that use the processor alone, as user programs of the kernel, with paging and the timer on (user/work.c,
user/floating.c, user/cold.py).

Every engine boots the same kernel with the same program for the same number of iterations, and is timed the same way: from the arrival of
the line before the work to that of the line after it. So booting is not in it, but compiling is, by whichever translator. Engines take turns;
the median of some runs counts. Each workload prints a checksum that must be the same everywhere.
"""
import statistics
from dataclasses import dataclass

from guestkit.bench.child import BenchError, run, run_hyper
from guestkit.bench.guests import FULL_EPT, FULL_VTLB, NATIVE, PARA

# Iterations that take QEMU's translator one to three seconds on a processor of 2020.
ITERATIONS = {'sieve': 60, 'crc32': 1600, 'quicksort_tree': 20, 'matrix': 150, 'calls_strings': 2000, 'bytecode': 6000, 'random_access': 3000,
              'x87_matrix': 40, 'x87_mandelbrot': 40, 'x87_fir': 100,
              'sse_matrix': 100, 'sse_mandelbrot': 100, 'sse_fir': 250, 'cold': 30}
COLD = 'cold'                   # reported beside the others, not among them
MOST_SECONDS = 600
QEMU = 'qemu'
QEMU_POWER_OFF = (0, 1)         # exit statuses: powered off, or by the exit device with 0
WITHOUT_JIT = 'without JIT'


@dataclass(frozen=True)
class Timing:
    """`seconds` on the host, `instructions` of the guest (machine nanoseconds), and what the program made of it."""
    seconds: float
    instructions: int
    checksum: str
    peak: int

    @property
    def mips(self):
        return self.instructions / self.seconds / 1e6


def append_for(name, share):
    return f'init=/bin/{program_of(name)} {name}:{iterations_of(name, share)}'


def program_of(name):
    if name == COLD:
        return 'cold'
    unit = name.split('_')[0]
    return unit if unit in ('x87', 'sse') else 'work'


def iterations_of(name, share):
    return max(1, int(ITERATIONS[name] * share))


def time_one(setup, engine, name, share=1.0):
    """The Timing of a workload on an engine: a Mode, QEMU or WITHOUT_JIT; `share` of its iterations."""
    append = append_for(name, share)
    if engine == QEMU:
        outcome = run(setup.qemu(append), MOST_SECONDS)
        if outcome.status not in QEMU_POWER_OFF:
            raise BenchError(f'QEMU: status {outcome.status}; it said: ' + ' / '.join(outcome.text[-6:]))
    elif engine == WITHOUT_JIT:
        outcome = run_hyper(setup.native, setup.words(NATIVE, append), MOST_SECONDS)
    else:
        outcome = run_hyper(setup.hyper, setup.words(engine, append), MOST_SECONDS)
    if len(outcome.rounds) != 1 or outcome.rounds[0].name != name:
        raise BenchError(f'{name}: not measured; the guest said: ' + ' / '.join(outcome.text[-6:]))
    round = outcome.rounds[0]
    return Timing(round.seconds, round.machine_ns, round.checksum, outcome.peak)


def take_turns(setup, engines, name, runs, share=1.0, say=None):
    """{engine: median Timing}; raises BenchError if the checksums are not the same."""
    timings = {engine: [] for engine in engines}
    for turn in range(runs):
        for engine in engines:
            if say:
                say(f'{name}, {getattr(engine, "name", engine)}, run {turn + 1} of {runs}')
            timings[engine].append(time_one(setup, engine, name, share))
    checksums = {timing.checksum for row in timings.values() for timing in row}
    if len(checksums) != 1:
        raise BenchError(f'{name}: different results: ' + ', '.join(
            f'{getattr(engine, "name", engine)} {row[0].checksum}' for engine, row in timings.items()))
    return {engine: sorted(row, key=lambda timing: timing.seconds)[len(row) // 2] for engine, row in timings.items()}


def geometric_mean(values):
    return statistics.geometric_mean(values) if values else None


def peers(setup, runs, names=None, say=None):
    """What build/bench-peers.json holds: seconds of each workload, and how many times as fast as QEMU."""
    engines = [PARA, FULL_VTLB, FULL_EPT, NATIVE, QEMU]
    keys = {PARA: 'para_s', FULL_VTLB: 'full_s', FULL_EPT: 'full_ept_s', NATIVE: 'native_s', QEMU: 'qemu_s'}
    workloads = {}
    for name in names or ITERATIONS:
        timings = take_turns(setup, engines, name, runs, say=say)
        workloads[name] = {keys[engine]: timings[engine].seconds for engine in engines}
        workloads[name]['iterations'] = ITERATIONS[name]
        workloads[name]['instructions'] = timings[NATIVE].instructions
    cold = workloads.pop(COLD, None)
    result = {'workloads': workloads}
    ways = {'para': 'para_s', 'full': 'full_s', 'full-ept': 'full_ept_s', 'native': 'native_s'}
    result['geomean'] = {way: geometric_mean([row['qemu_s'] / row[key] for row in workloads.values()]) for way, key in ways.items()}
    result['least'] = {way: min(row['qemu_s'] / row[key] for row in workloads.values()) if workloads else None for way, key in ways.items()}
    if cold:
        result['cold'] = {**cold, **{way: cold['qemu_s'] / cold[key] for way, key in ways.items()}}
    return result
