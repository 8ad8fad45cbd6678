"""`guestkit bench`: what is measured, in which order, and where it goes."""
import argparse
import json
import os
import pathlib
import platform
import sys
import time

from guestkit.arguments import Parser
from guestkit.bench import devices, domains, guests, limits, linux, operations, plot, round_trips, show, workloads
from guestkit.build import OUT
from guestkit.errors import BadInput
from guestkit.linux.debian import PLACE, Debian

EXAMPLES = '''
Examples
  guestkit bench                            all of it, some ten minutes: tables, build/bench.json, build/bench.png
  guestkit bench --quick                    the same with fewer and shorter rounds
  guestkit bench --only fork --mode para    one operation, one way
  guestkit bench --linux                    Debian's Linux to its shell, and work in it, beside QEMU: a table, build/bench-linux.json
  guestkit bench --devices                  disk, console and network: a table, build/bench-devices.json
  guestkit bench --domains                  many domains that compute, shares, 500 small ones, what hypercalls and page tables cost: tables, a plot
  guestkit bench --peers                    the CPU workloads beside QEMU: a table, build/bench-peers.json

A time is read from the clock of the host as the guest prints a line before and after each round; booting is not in it. The first round of an
operation is not counted, the result is the median of the others.
'''
ROUNDS, QUICK_ROUNDS = 5, 2
LENGTH, QUICK_LENGTH = 0.3, 0.05        # seconds of a round
RUNS, QUICK_RUNS = 3, 1                 # of each workload
SHARE, QUICK_SHARE = 0.3, 0.05          # of the iterations that --peers runs
SHARE_WITHOUT_JIT = 0.1
STATUS_NO_QEMU = 0


def parser():
    parser = Parser(prog='guestkit bench', description='Measures what each way to run a kernel costs.', epilog=EXAMPLES,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument('--peers', action='store_true', help='the CPU workloads beside QEMU instead')
    instead.add_argument('--linux', action='store_true', help="Debian's Linux instead: the time to its shell and work in it, beside QEMU")
    instead.add_argument('--devices', action='store_true', help='disk, console and network instead: rings against emulated devices')
    instead.add_argument('--domains', action='store_true', help='many domains instead: throughput of up to 128, shares by weight, 500 small ones; what requests and devices cost')
    parser.add_argument('--quick', action='store_true', help='fewer and shorter rounds, less exact')
    parser.add_argument('--only', metavar='NAME', action='append', help='only this operation or workload; may be repeated')
    parser.add_argument('--mode', metavar='MODE', action='append', choices=[mode.name for mode in guests.MODES],
                        help='only this way to run the kernel: native, para, full-vtlb, full-ept; may be repeated')
    parser.add_argument('--rounds', type=int, metavar='N', help=f'counted rounds of an operation (default {ROUNDS})')
    parser.add_argument('--runs', type=int, metavar='N', help=f'runs of each workload (default {RUNS})')
    parser.add_argument('--guests', metavar='DIRECTORY', default=OUT, help=f'where the guests are (default {OUT})')
    parser.add_argument('--out', metavar='DIRECTORY', default='build', help='where the results go (default build)')
    return parser


class Progress:
    """One line on a terminal that says what is being measured; nothing where nobody looks."""

    def __init__(self):
        self.is_terminal = sys.stderr.isatty()
        self.begin = time.monotonic()

    def __call__(self, text):
        if self.is_terminal:
            print(f'\r\x1b[K{time.monotonic() - self.begin:5.0f} s  {text}', end='', file=sys.stderr, flush=True)

    def done(self):
        if self.is_terminal:
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)


def bench(words):
    """The command; returns the exit status."""
    options = parser().parse_args(words)
    known = list(linux.WORK) if options.linux else devices.NAMES if options.devices else [*operations.OPERATIONS, *workloads.ITERATIONS]
    for name in options.only or []:
        if name not in known:
            raise BadInput(f'--only {name}: not known; choose from {", ".join(known)}')
    for name, value in (('--rounds', options.rounds), ('--runs', options.runs)):
        if value is not None and not 1 <= value <= 1000:
            raise BadInput(f'{name} {value}: give 1 to 1000')
    say = Progress()
    out = pathlib.Path(options.out)
    if options.linux:
        return bench_linux(options, out, say)
    if options.devices:
        return bench_devices(options, out, say)
    if options.peers:
        return bench_peers(options, out, say)
    if options.domains:
        return bench_domains(options, out, say)
    setup = guests.find_setup(options.guests)
    data = measure(options, setup, say)
    say.done()
    print(f'measured on {data["host"]["processor"]}, {data["host"]["when"]}')
    print(show.bench_text(data), end='')
    write(out / 'bench.json', data)
    if plot.plot(data, out / 'bench.png'):
        print(f'written: {out / "bench.png"}')
    return 0


def bench_peers(options, out, say):
    if not guests.has_qemu():
        print('guestkit bench --peers: not measured: qemu-system-i386 is not installed (Debian: apt install qemu-system-x86)')
        return STATUS_NO_QEMU
    setup = guests.find_setup(options.guests)
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    names = [name for name in workloads.ITERATIONS if options.only is None or name in options.only]
    data = workloads.peers(setup, runs, names, say)
    say.done()
    data['host'] = host()
    print(show.peers_text(data), end='')
    write(out / 'bench-peers.json', data)
    return 0


def bench_devices(options, out, say):
    setup = guests.find_setup(options.guests)
    modes = [mode for mode in guests.MODES if options.mode is None or mode.name in options.mode]
    names = [name for name in devices.NAMES if options.only is None or name in options.only]
    data = {'devices': devices.measure(setup, modes, names, devices.QUICK_LENGTH if options.quick else devices.LENGTH, say), 'host': host()}
    say.done()
    print(devices.text(data['devices']), end='')
    write(out / 'bench-devices.json', data)
    return 0


def bench_linux(options, out, say):
    modes = [mode for mode in linux.MODES if options.mode is None or mode.name in options.mode]
    if not modes:
        raise BadInput(f'--linux --mode {" --mode ".join(options.mode)}: it runs in ' + ', '.join(mode.name for mode in linux.MODES))
    names = [name for name in linux.WORK if options.only is None or name in options.only]
    made = linux.prepare(out / 'linux', Debian(PLACE, say), names)
    with_qemu = guests.has_qemu()
    data = linux.measure(guests.find_hyper(), made, names, modes, options.runs or (QUICK_RUNS if options.quick else RUNS), with_qemu, say)
    say.done()
    if not with_qemu:
        print('QEMU: not measured: qemu-system-i386 is not installed (Debian: apt install qemu-system-x86)')
    data['host'] = host()
    data['kernel'] = made.kernel.name
    print(show.linux_text(data), end='')
    write(out / 'bench-linux.json', data)
    return 0


def bench_domains(options, out, say):
    modes = [mode for mode in domains.MODES if options.mode is None or mode.name in options.mode]
    if not modes:
        raise BadInput(f'--domains --mode {" --mode ".join(options.mode)}: choose from ' + ', '.join(mode.name for mode in domains.MODES))
    data = domains.domains(guests.find_setup(options.guests), modes, options.quick, say)
    say.done()
    data['host'] = host()
    print(show.domains_text(data), end='')
    write(out / 'bench-domains.json', data)
    if plot.plot_domains(data, out / 'bench-domains.png'):
        print(f'written: {out / "bench-domains.png"}')
    return 0


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + '\n')
    print(f'\nwritten: {path}')


def host():
    """What was measured on."""
    name = platform.machine()
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            name = next((line.split(':', 1)[1].strip() for line in file if line.startswith('model name')), name)
    except OSError:
        pass
    return {'processor': name, 'processors': os.cpu_count(), 'when': time.strftime('%Y-%m-%d %H:%M')}


def measure(options, setup, say):
    """All of it, as bench.json holds it."""
    modes = [mode for mode in guests.MODES if options.mode is None or mode.name in options.mode]
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    length = QUICK_LENGTH if options.quick else LENGTH
    chosen = [name for name in operations.OPERATIONS if options.only is None or name in options.only]
    data = {'host': host(), 'operations': {name: {} for name in chosen}, 'instructions': {name: {} for name in chosen}, 'exits': {}}
    loops = {}
    for mode in modes:
        measurer = operations.Measurer(setup, mode, rounds, length)
        data['exits'][mode.name] = {}
        for name in chosen:
            say(f'{name}, {mode.name}')
            cost = measurer.operation(name)
            data['operations'][name][mode.name] = cost.ns
            data['instructions'][name][mode.name] = cost.instructions
            data['exits'][mode.name][name] = cost.exits
        if options.only is None and mode in round_trips.LOOPS:
            loops[mode.name] = {}
            for name in round_trips.LOOPS[mode]:
                say(f'round trip {name}, {mode.name}')
                loops[mode.name][name] = measurer.micro(name)
    null_call = data['operations'].get('null_call', {}).get('native')
    data['round_trips'] = {name: {'ns': ns, 'null_calls': ns / null_call if null_call else None}
                           for name, ns in round_trips.round_trips(loops).items()}
    measure_workloads(data, options, setup, modes, say)
    if options.only is None:
        say(f'{limits.COUNT} domains')
        data['domains'] = limits.many_domains(setup)
        say('memory of a guest')
        data['memory'] = limits.guest_memory(setup)
    return data


def measure_workloads(data, options, setup, modes, say):
    chosen = [name for name in workloads.ITERATIONS if options.only is None or name in options.only]
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    share = QUICK_SHARE if options.quick else SHARE
    data['workloads'] = {}
    for name in chosen:
        timings = workloads.take_turns(setup, modes, name, runs, share, say)
        data['workloads'][name] = {mode.name: {'seconds': timing.seconds, 'instructions': timing.instructions, 'mips': timing.mips}
                                   for mode, timing in timings.items()}
    if not chosen:
        return
    if setup.native is None:
        data['without_jit'] = {'missing': 'build/hyper-O2 is not built; run make native'}
        return
    mips = {}
    for name in chosen:
        mips[name] = workloads.take_turns(setup, [workloads.WITHOUT_JIT], name, runs, SHARE_WITHOUT_JIT * share / SHARE, say)[workloads.WITHOUT_JIT].mips
    hot = [value for name, value in mips.items() if name != workloads.COLD]
    data['without_jit'] = {'mips': mips, 'geomean': workloads.geometric_mean(hot or list(mips.values())), 'least': min(hot or mips.values())}
