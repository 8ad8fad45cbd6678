"""The native engine's side (Python 3)."""
from guestkit.machine import Machine, Reason

import layout
import sides


def run(image, packed, count):
    """The results of a packed batch."""
    flat = image.ljust(sides.BATCH - sides.ENTRY, b'\0') + packed
    with Machine(flat, at=sides.ENTRY, memory=f'{(sides.RESULTS + sides.results_size(count) >> 20) + 1}M') as machine:
        stop = machine.run(seconds=300)
        assert stop.reason is Reason.EXITED and stop.status == 0, stop
        return layout.unpack_results(machine.physical.read(sides.RESULTS, sides.results_size(count)))
