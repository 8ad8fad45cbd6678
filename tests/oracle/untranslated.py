"""The untranslated engine's side (Python 2.7)."""
import layout
import sides
from hyper.board.machine import EXITED, Machine, World
from hyper.board.uart import CharSink
from hyper.cpu import models
from hyper.loader.entry import GDT, EntryState

GDT_AT = 0x800


def run(image, packed, count):
    """The results of a packed batch."""
    size = sides.results_size(count)
    machine = Machine((sides.RESULTS + size + 0xfff) & ~0xfff, models.find(''), World())
    machine.add_pc(CharSink())
    memory = machine.memory
    memory.write_bytes(sides.ENTRY, image)
    memory.write_bytes(GDT_AT, GDT)
    memory.storage[sides.BATCH:sides.BATCH + len(packed)] = packed
    state = EntryState(sides.ENTRY)
    state.gdt = GDT_AT
    state.gdt_limit = len(GDT) - 1
    machine.enter(state)
    assert machine.run(-1, -1, -1.0) == EXITED and machine.exit_status == 0, machine.why
    results = layout.unpack_results(bytes(memory.storage[sides.RESULTS:sides.RESULTS + size]))
    machine.close()
    return results
