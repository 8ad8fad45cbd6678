"""Extended page tables as the VMM builds them, walked as the processor does."""
from hyper.board.bus import Bus, Device
from hyper.board.memory import Memory
from hyper.vmm.full.ept import ExtendedTables, frames_needed
from hyper.vmm.full.memory import GuestMemory

MB = 1 << 20


def tables_of(base, size, large=True, bus=None):
    memory = Memory(16 * MB)
    guest = GuestMemory(memory, base, size, bus or Bus())
    frames = [12 * MB + 4096 * k for k in range(frames_needed(size))]
    return memory, ExtendedTables(memory, guest, frames, large)


def walk(memory, tables, address):
    """(machine address, level of the leaf) or None."""
    assert tables.pointer() & 0xfff == 0x1e
    table = tables.pointer() & ~0xfff
    for level, shift in [(4, 39), (3, 30), (2, 21), (1, 12)]:
        entry = memory.read64(table + (address >> shift & 511) * 8)
        if not entry & 7:
            return None
        assert entry & 7 == 7
        if level == 1 or entry & 0x80:
            assert entry >> 3 & 7 == 6
            return entry & ~0xfff | address & ((1 << shift) - 1), level
        table = entry & ~0xfff


def test_nothing_is_mapped_at_first():
    memory, tables = tables_of(4 * MB, 4 * MB)
    assert walk(memory, tables, 0) is None
    assert walk(memory, tables, 3 * MB) is None


def test_aligned_memory_gets_large_pages():
    memory, tables = tables_of(4 * MB, 4 * MB)
    assert tables.fill(2 * MB + 0x1234)
    assert walk(memory, tables, 3 * MB + 5) == (4 * MB + 3 * MB + 5, 2)
    assert walk(memory, tables, 0) is None


def test_what_is_not_aligned_or_whole_gets_small_pages():
    memory, tables = tables_of(5 * MB, 3 * MB)
    assert tables.fill(0x1234)
    assert walk(memory, tables, 0x1234) == (5 * MB + 0x1234, 1)
    assert walk(memory, tables, 0x2000) is None
    memory, tables = tables_of(4 * MB, 3 * MB)
    assert tables.fill(2 * MB)
    assert walk(memory, tables, 2 * MB) == (6 * MB, 1)


def test_a_processor_without_large_pages_gets_small_ones():
    memory, tables = tables_of(4 * MB, 4 * MB, large=False)
    assert tables.fill(0)
    assert walk(memory, tables, 0) == (4 * MB, 1)


def test_addresses_outside_of_memory_are_refused():
    memory, tables = tables_of(4 * MB, 4 * MB)
    for address in [4 * MB, 0xfee00000, 0xffffffff]:
        assert not tables.fill(address)
        assert walk(memory, tables, address) is None


def test_device_memory_inside_ram_is_left_out():
    bus = Bus()
    bus.add_memory(0xb8000, 0xb8fff, Device())
    memory, tables = tables_of(4 * MB, 4 * MB, bus=bus)
    assert not tables.fill(0xb8010)
    assert tables.fill(0xb9000)
    assert walk(memory, tables, 0xb8000) is None
    assert walk(memory, tables, 0xb9000) == (4 * MB + 0xb9000, 1)


def test_the_pool_is_enough_for_all_of_memory_in_small_pages():
    memory, tables = tables_of(5 * MB, 3 * MB)
    for address in range(0, 3 * MB, 4096):
        assert tables.fill(address)
    assert tables.used <= len(tables.frames)
