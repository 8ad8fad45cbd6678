"""What moving bytes costs: the rings of a paravirtual domain against the devices of a PC that a hypervisor emulates, or that a machine has.

The kernel's `micro=` operations (kernel/device_micro.c) move them: a disk's pages in requests of 12, eight at a time; lines to the console;
datagrams to another domain and back. Three numbers say what that costs: bytes in a second of the host's time, of which the hypervisor takes its
part; bytes in a second of machine time, which the devices' models decide; and instructions and exits for each kilobyte, of all domains.
Instructions and exits are those of a boot less those of one that moves a tenth as much.
"""
import pathlib
import tempfile
from dataclasses import dataclass

from guestkit.bench.child import BenchError, run_hyper
from guestkit.bench.guests import PARA
from guestkit.bench.lines import steady
from guestkit.bench.operations import LEAST_TIMED
from guestkit.bench.tables import bytes_text, digits, table

KB = 1024
DISK_SIZE = 16 << 20
MOST_SECONDS = 300
DATAGRAM = 1472
ROUNDS = 3
LEAST_BYTES = 1 << 19            # of a round
LENGTH, QUICK_LENGTH = 0.3, 0.03 # seconds of a round


@dataclass(frozen=True)
class Operation:
    """`unit` is the bytes that one iteration moves, `words` what a domain needs for it."""
    name: str
    text: str
    unit: int
    words: tuple = ()


OPERATIONS = (Operation('disk_read', 'disk, reading', 4096, ('--disk', '{disk}')),
              Operation('disk_write', 'disk, writing', 4096, ('--disk', '{disk}')),
              Operation('console', 'console', 1),
              Operation('network', 'network, there and back', 2 * DATAGRAM, ('--net', 'domains')))
NAMES = [operation.name for operation in OPERATIONS]


def boot(setup, mode, operation, iterations, disk):
    """An Outcome; the network has a second domain, which is the first one, and echoes."""
    extra = [word.format(disk=disk) for word in operation.words]
    append = f'micro={operation.name}:{iterations}:{ROUNDS}'
    if operation.name != 'network':
        return run_hyper(setup.hyper, setup.words(mode, append, extra=extra), MOST_SECONDS)
    words = setup.words(mode, 'init=/bin/sleep 100000000', extra=extra) + ['--domain', *setup.words(mode, append, extra=extra)]
    return run_hyper(setup.hyper, [*words, '--expect', 'network done'], MOST_SECONDS)


def counts(report):
    """Instructions and exits of all domains, or of the machine."""
    return sum(domain['instructions'] for domain in report['domains']), sum(sum(domain['exits'].values()) for domain in report['domains'])


def rounds_of(outcome, mode, operation):
    rounds = [round for round in outcome.rounds if round.name == operation.name]
    if len(rounds) != ROUNDS:
        raise BenchError(f'{operation.name} in {mode.name}: {len(rounds)} rounds instead of {ROUNDS}; the guest said: ' + ' / '.join(outcome.text[-3:]))
    return rounds


def iterations_of(setup, mode, operation, disk, length):
    """Those that a round of so many seconds has, found by boots with more and more of them."""
    iterations = LEAST_BYTES // operation.unit
    while True:
        ns = steady(rounds_of(boot(setup, mode, operation, iterations, disk), mode, operation))
        if ns * iterations >= LEAST_TIMED:
            return max(iterations, int(length * 1e9 / ns))
        iterations *= 8


def measure_one(setup, mode, operation, disk, length):
    iterations = iterations_of(setup, mode, operation, disk, length)
    outcome = boot(setup, mode, operation, iterations, disk)
    rounds = rounds_of(outcome, mode, operation)
    instructions, exits = counts(outcome.report)
    least = counts(boot(setup, mode, operation, iterations // 10, disk).report)
    kilobytes = (iterations - iterations // 10) * ROUNDS * operation.unit / KB
    return {'bytes_per_second': operation.unit * 1e9 / steady(rounds), 'bytes_per_machine_second': operation.unit * iterations * 1e9 / rounds[-1].machine_ns,
            'instructions_per_kb': (instructions - least[0]) / kilobytes, 'exits_per_kb': (exits - least[1]) / kilobytes}


def measure(setup, modes, names, length, say):
    """{operation: {mode: numbers}}, of rounds of so many seconds; the network is on rings only."""
    data = {}
    with tempfile.TemporaryDirectory(prefix='guestkit-') as directory:
        disk = pathlib.Path(directory) / 'disk.img'
        disk.write_bytes(bytes(DISK_SIZE))
        for operation in OPERATIONS:
            if operation.name not in names:
                continue
            data[operation.name] = {}
            for mode in modes:
                if operation.name == 'network' and mode is not PARA:
                    continue
                say(f'{operation.text}, {mode.name}')
                data[operation.name][mode.name] = measure_one(setup, mode, operation, disk, length)
    return data


def text(data):
    """The table."""
    rows = []
    for operation in OPERATIONS:
        for mode, numbers in data.get(operation.name, {}).items():
            rows.append((operation.text, mode, f'{bytes_text(numbers["bytes_per_second"])}/s', f'{bytes_text(numbers["bytes_per_machine_second"])}/s',
                         digits(numbers['instructions_per_kb']), digits(numbers['exits_per_kb'])))
    return table(('moved by', 'mode', 'on the host', 'machine time', 'instructions/KB', 'exits/KB'), rows)
