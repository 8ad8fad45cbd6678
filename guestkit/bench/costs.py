"""What a domain's requests of the hypervisor cost, each way to run a kernel has its own: a hypercall or an access to a port, changes of page tables by one,
8, 64 and 512 entries, an event to another domain and back, a switch to another process and to another domain.

Nanoseconds of the host. Those of loops are timed as operations.py says. A switch between domains is seen in two domains that compute and change
places every 10 us, against one alone.
"""
import pathlib
import tempfile

from guestkit.bench import runs
from guestkit.bench.child import BenchError, run_hyper
from guestkit.bench.guests import FULL_EPT, FULL_VTLB, MODES, NATIVE, PARA
from guestkit.bench.lines import steady
from guestkit.bench.operations import Measurer
from guestkit.bench.tables import ratio_text, table, time_text
from guestkit.build import GUESTS, build_file

BATCHES = (1, 8, 64, 512)
TEXTS = {'request': 'hypercall that does nothing; access to a port',
         **{f'update_{n}': f'page-table entry changed, {n} together' for n in BATCHES},
         **{f'use_{n}': f'... and its page used, {n} together' for n in BATCHES},
         'event': 'event to another domain and back',
         'processes': 'switch to another process',
         'domains': 'switch to another domain',
         'domains_64k': '... each goes through 64 KB'}
REQUEST = {PARA: 'vmcall', FULL_VTLB: 'port', FULL_EPT: 'port'}
SECONDS = 300
EVENTS, EVENT_ROUNDS = 100_000, 4
SHORT_SLICE, LONG_SLICE = '10us', '100ms'
SWITCHERS = {'domains': 'init=/bin/work calls_strings:1000000', 'domains_64k': 'init=/bin/work crc32:1000000'}
WARM_UP = 400_000_000            # instructions
TIMER = 'EXTERNAL_INTERRUPT'


def events(setup, share):
    """A round trip between two domains."""
    with tempfile.TemporaryDirectory(prefix='guestkit-') as directory:
        guest = pathlib.Path(directory) / 'events.elf'
        build_file([GUESTS / 'events.c'], guest, 'para', ['XEN_1_2'])
        outcome = run_hyper(setup.hyper, [str(guest), *PARA.words, '--interface', '1.2', '--memory', '1M', '--copies', '2', '--append',
                                          f'{int(EVENTS * share)}:{EVENT_ROUNDS}'], SECONDS)
    if len(outcome.rounds) != EVENT_ROUNDS:
        raise BenchError('events: not measured; the guests said: ' + ' / '.join(outcome.text[-3:]))
    return steady(outcome.rounds)


def switch(setup, mode, append, length, times):
    """A switch between two domains."""
    lines = [(setup.words(mode, append, '4M', ('--copies', str(copies), '--scheduler', 'rr', '--allowance', slice)), WARM_UP)
             for copies, slice in ((1, LONG_SLICE), (2, SHORT_SLICE))]
    one, two = runs.beyond(setup.hyper, lines, length, times)
    switches = two.exits.get(TIMER, 0)
    if switches == 0:
        raise BenchError(f'two domains, {mode.name}: they did not take turns')
    return max(0.0, two.seconds - one.seconds * sum(two.instructions) / sum(one.instructions)) * 1e9 / switches


def measure(setup, modes, quick, say):
    """{name: {mode: ns}}."""
    data = {name: {} for name in TEXTS}
    rounds, length = (2, 0.05) if quick else (3, 0.15)
    for mode in modes:
        measurer = Measurer(setup, mode, rounds, length)

        def micro(name):
            say(f'{name}, {mode.name}')
            return measurer.micro(name).ns
        if mode in REQUEST:
            data['request'][mode.name] = micro(REQUEST[mode]) - micro('nothing')
        for n in BATCHES:
            for name in (f'update_{n}', f'use_{n}'):
                data[name][mode.name] = micro(name)
        say(f'switches, {mode.name}')
        data['processes'][mode.name] = measurer.operation('context_switch_2p_0k').ns - measurer.operation('context_switch_base_0k').ns
        if mode is not NATIVE:
            for name, append in SWITCHERS.items():
                data[name][mode.name] = switch(setup, mode, append, *((400_000_000, 2) if quick else (800_000_000, 3)))
        if mode is PARA:
            say('events')
            data['event'][mode.name] = events(setup, 0.2 if quick else 1)
    return {name: row for name, row in data.items() if row}


def text(data):
    """The table; how the others compare with para."""
    modes = [mode.name for mode in MODES if any(mode.name in row for row in data.values())]
    heading = ['']
    for mode in modes:
        heading += [mode] if mode == PARA.name else [mode, '']
    rows = []
    for name, row in data.items():
        line = [TEXTS[name]]
        for mode in modes:
            line.append(time_text(row.get(mode)))
            if mode != PARA.name:
                line.append(ratio_text(row.get(mode), row.get(PARA.name)))
        rows.append(line)
    return table(heading, rows)
