"""Many domains in one process, and what a guest takes of the host's memory."""
from guestkit.bench import runs
from guestkit.bench.child import run_hyper
from guestkit.bench.guests import NATIVE, PARA

COUNT = 100
MEMORY = '4M'
MEMORY_BYTES = 4 << 20
GUEST_BYTES = 32 << 20
SECONDS = 120
SLEEP = 'init=/bin/sleep 200'   # milliseconds: all of them are idle at once
REALTIME = ('--realtime',)      # so that it lasts: the memory is looked at every 20 ms


def boot(setup, count):
    """The Run of so many domains of 4 MB that boot, sleep and end."""
    return runs.measure(setup.hyper, setup.words(PARA, SLEEP, MEMORY, ('--copies', str(count), *REALTIME)))


def many_domains(setup, count=COUNT):
    """Boots so many domains to their end in one process; what one more that is idle takes."""
    one, many = boot(setup, 1), boot(setup, count)
    return {'count': count, 'memory_bytes': MEMORY_BYTES, 'seconds': many.seconds, 'peak_bytes': many.peak,
            'bytes_per_domain': (many.peak - one.peak) // (count - 1)}


def guest_memory(setup):
    """The most memory that the process of a 32 MB guest takes while it does what an operating system does."""
    outcome = run_hyper(setup.hyper, setup.words(NATIVE, 'init=/bin/bench -r 2 fork:200 exec:200 sh:50 mmap:500 page_fault:5000'), SECONDS)
    cold = run_hyper(setup.hyper, setup.words(NATIVE, 'init=/bin/cold cold:20'), SECONDS)
    return {'guest_bytes': GUEST_BYTES, 'peak_bytes': max(outcome.peak, cold.peak), 'peak_bytes_processes': outcome.peak,
            'peak_bytes_cold': cold.peak}
