"""Many domains that compute, beside one: what all of them together get done, and who gets how much. Runs are as runs.py says. Beside that the table of
what a domain's requests cost (costs.py), and of what its devices move (devices.py).
"""
import re

from guestkit.bench import costs, devices, limits, runs
from guestkit.bench.child import BenchError, run_hyper
from guestkit.bench.guests import FULL_EPT, FULL_VTLB, NATIVE, PARA

MODES = (PARA, FULL_VTLB, FULL_EPT)
COUNTS, QUICK_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128), (1, 16, 128)
MEMORY = '4M'
WORK, LARGE_WORK = 'init=/bin/work crc32:1000000', 'init=/bin/work sieve:1000000'      # in 64 KB, and in 1 MB each
LARGE, LARGE_LONG, LONG = 'para, 1 MB each', 'para, 1 MB each, --allowance 5ms', ('--allowance', '5ms')
BOOT, COMPUTE, QUICK_COMPUTE = 5_000_000, 2_000_000_000, 300_000_000       # instructions: of a domain, and of all together
TIMES, QUICK_TIMES = 3, 1       # that each is measured
LONG_COMPUTE = 1_280_000_000    # two turns of 5 ms for each of 128
WARM_UP = 300_000_000           # so that compiling is not in it
SECOND = 1_000_000_000
ADVANCES = (5, 10, 20, 40)      # mcu_advance of sixteen domains, four of each
OF_EACH = 4
MANY = 500
SLEEPS, SLEEP_NS, COMPUTING = 20, 10_000_000, 8
SECONDS = 600


def throughput(setup, mode, counts, length, times, work=WORK, words=()):
    """{domains: million instructions a second of all of them together}."""
    lines = [(setup.words(mode, work, MEMORY, ('--copies', str(count), *words)), BOOT * count + WARM_UP) for count in counts]
    done = dict(zip(counts, runs.beyond(setup.hyper, lines, length, times)))
    for count, run in done.items():
        if min(run.instructions) <= 0:
            raise BenchError(f'{count} domains: one of them did not run')
        if run.seconds <= 0:
            raise BenchError(f'{count} domains: the longer run took no longer than the shorter one; the host is too busy to measure')
    return {str(count): run.mips for count, run in done.items()}


def shares(setup):
    """What domains of four weights get in a second of machine time: rows of mcu_advance, share due, and the least and the most that one got."""
    words = []
    for advance in ADVANCES:
        new = setup.words(PARA, WORK, MEMORY, ('--copies', str(OF_EACH), '--mcu-advance', str(advance)))
        words += ['--domain', *new] if words else new
    instructions = runs.beyond(setup.hyper, [(words, 2 * BOOT * len(ADVANCES) * OF_EACH)], SECOND, 1)[0].instructions
    weights = sum(OF_EACH / advance for advance in ADVANCES)
    rows = []
    for k, advance in enumerate(ADVANCES):
        got = [value / sum(instructions) for value in instructions[k * OF_EACH:(k + 1) * OF_EACH]]
        rows.append({'mcu_advance': advance, 'due': 1 / advance / weights, 'least': min(got), 'most': max(got)})
    return rows


def many(setup, count=MANY):
    """So many small domains booted to their end in one process: seconds and bytes of each."""
    one, all_of_them = limits.boot(setup, 1), limits.boot(setup, count)
    return {'count': count, 'seconds': all_of_them.seconds, 'seconds_each': (all_of_them.seconds - one.seconds) / (count - 1),
            'peak_bytes': all_of_them.peak, 'bytes_each': (all_of_them.peak - one.peak) // (count - 1)}


def latency(setup, others, words=()):
    """By how many ns of machine time a domain that sleeps for 10 ms again and again is late each time, beside others that compute."""
    line = setup.words(PARA, f'init=/bin/bench -r 1 sleep:{SLEEPS} null_call:1', MEMORY, words)
    if others:
        line += ['--domain', *setup.words(PARA, WORK, MEMORY, ('--copies', str(others)))]
    outcome = run_hyper(setup.hyper, [*line, '--expect', 'bench null_call'], SECONDS)
    for text in [f'bench {round.name} {round.iterations} {round.machine_ns}' for round in outcome.rounds] + outcome.text:
        found = re.search(rf'bench sleep {SLEEPS} (\d+)', text)
        if found:
            return int(found[1]) / SLEEPS - SLEEP_NS
    raise BenchError('sleep: not measured; the guest said: ' + ' / '.join(outcome.text[-6:]))


def latencies(setup):
    return {'alone': latency(setup, 0), 'unwarped': latency(setup, COMPUTING), 'warped': latency(setup, COMPUTING, ('--warp', '50ms')),
            'round robin': latency(setup, COMPUTING, ('--scheduler', 'rr'))}


def series(modes):
    """Name, mode, work and words of each row of throughputs. With 1 MB each the host's caches do not hold what many domains use, so they must be left
    alone for longer."""
    rows = [(mode.name, mode, WORK, ()) for mode in modes]
    if PARA in modes:
        rows += [(LARGE, PARA, LARGE_WORK, ()), (LARGE_LONG, PARA, LARGE_WORK, LONG)]
    return rows


def domains(setup, modes, quick, say):
    """What build/bench-domains.json holds."""
    length, counts, times = (QUICK_COMPUTE, QUICK_COUNTS, QUICK_TIMES) if quick else (COMPUTE, COUNTS, TIMES)
    data = {'throughput': {}}
    for name, mode, work, words in series(modes):
        say(f'{counts[0]} to {counts[-1]} domains, {name}')
        data['throughput'][name] = throughput(setup, mode, counts, max(length, LONG_COMPUTE) if words else length, times, work, words)
    if PARA in modes:
        say('shares of sixteen domains')
        data['shares'] = shares(setup)
        say('latency of waking')
        data['latency'] = latencies(setup)
        say(f'{MANY} domains')
        data['many'] = many(setup)
    data['costs'] = costs.measure(setup, [NATIVE, *modes], quick, say)
    data['devices'] = devices.measure(setup, modes, devices.NAMES, devices.QUICK_LENGTH if quick else devices.LENGTH, say)
    return data
