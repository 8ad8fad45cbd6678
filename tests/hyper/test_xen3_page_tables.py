"""Direct paging with three levels: what mmu_update, mmuext_op and update_va_mapping do and refuse. The frame table is checked after each."""
import pytest

from hyper.vmm.para.frame_table import L1, L2, L2_TOP, L3, UNTYPED, WRITABLE
from hyper.vmm.xen3.layout import FIRST_RESERVED_ENTRY, MOST_GDT_ENTRIES
from xen3_parts import Bench, EINVAL, ENOSYS, EPERM, FREE, POINTERS, SELF, TABLES, run

(PIN_L1, PIN_L2, PIN_L3, PIN_L4, UNPIN, NEW_BASE) = range(6)
CLEAR_PAGE, COPY_PAGE = 16, 17
PAGE, OTHER = FREE + 1, FREE + 2


@pytest.fixture
def bench():
    return Bench()


def make_table(bench, page, entries):
    """A page with (index, entry) pairs and nothing else, no longer mapped writable."""
    for k in range(0, 4096, 4):
        bench.memory.write32(bench.machine(page, k), 0)
    for k, entry in entries:
        bench.memory.write64(bench.machine(page, 8 * k), entry)
    bench.read_only(page)


def make_space(bench, first):
    """An L3 with four L2, the kernel's L1s in the last one; pages from `first` on."""
    for k in range(4):
        entries = [(j, bench.machine(TABLES + j) | 7) for j in range(2)] if k == 3 else []
        make_table(bench, first + 1 + k, entries)
    make_table(bench, first, [(k, bench.machine(first + 1 + k) | 3) for k in range(4)])


def test_a_mapping_is_changed_and_its_references_move(bench):
    assert bench.counts(PAGE) == (WRITABLE, 1, 1)
    assert bench.map(PAGE, bench.machine(OTHER) | 7) == 0
    assert bench.counts(PAGE)[1:] == (0, 0) and bench.counts(OTHER) == (WRITABLE, 2, 2)
    assert bench.map(PAGE, bench.machine(OTHER) | 5) == 0
    assert bench.counts(OTHER) == (WRITABLE, 1, 2)
    assert bench.map(PAGE, 0) == 0 and bench.counts(OTHER) == (WRITABLE, 1, 1)


def test_an_entry_with_forbidden_bits_or_a_foreign_frame_is_refused():
    bench = Bench(domains=2)
    foreign = bench.hypervisor.domains[1].page_frames[0]
    for entry in (bench.machine(PAGE) | 0x87, bench.machine(PAGE) | 0x107, bench.machine(PAGE) | 7 | 1 << 63, bench.machine(PAGE) | 7 | 1 << 32,
                  foreign << 12 | 5, 7, 0xfffff007):
        assert bench.map(PAGE, entry) == EINVAL, hex(entry)
    assert bench.counts(PAGE) == (WRITABLE, 1, 1)


def test_a_page_table_cannot_be_mapped_writable(bench):
    assert bench.map(PAGE, bench.machine(TABLES) | 7) == EINVAL
    assert bench.map(PAGE, bench.machine(POINTERS) | 7) == EINVAL
    assert bench.map(PAGE, bench.machine(TABLES) | 5) == 0


def test_only_addresses_with_a_table_below_the_hypervisor_can_be_mapped(bench):
    for address in (0, 0xc0400000, 0xf5800000, 0xfffff000):
        assert bench.call('update_va_mapping', address, 0, 0, 2) == EINVAL


def test_mmu_update_stops_at_what_is_refused_and_tells_how_many_were_done(bench):
    entry = bench.entry_at(PAGE)
    assert bench.update((entry, bench.machine(OTHER) | 7), (entry, bench.machine(TABLES) | 7), (entry, 0)) == EINVAL
    assert bench.done() == 1 and bench.counts(OTHER)[1] == 2
    assert bench.update((entry, 0), (entry + 8, bench.machine(OTHER) | 7)) == 0 and bench.done() == 2
    assert bench.update((entry + 4, 0)) == EINVAL and bench.done() == 0
    assert bench.update((entry | 3, 0)) == ENOSYS
    assert bench.update((entry | 1 << 32, 0)) == EINVAL


def test_accessed_and_dirty_bits_are_kept_if_that_is_asked_for(bench):
    entry = bench.entry_at(PAGE)
    bench.memory.write32(entry, bench.memory.read32(entry) | 0x60)
    assert bench.update((entry | 2, bench.machine(PAGE) | 7)) == 0
    assert bench.memory.read32(entry) & 0x60 == 0x60
    assert bench.update((entry, bench.machine(PAGE) | 7)) == 0
    assert bench.memory.read32(entry) & 0x60 == 0


def test_mmu_update_writes_a_page_that_is_no_table(bench):
    assert bench.update((bench.machine(PAGE, 8), 0x1122334455667788)) == 0
    assert bench.memory.read64(bench.machine(PAGE, 8)) == 0x1122334455667788


def test_machine_to_physical_entries_of_own_frames_can_be_set(bench):
    assert bench.update((bench.machine(PAGE) | 1, 0x1234)) == 0
    assert bench.paging.table.page(bench.frame(PAGE)) == 0x1234


def test_other_domains_cannot_be_meant():
    bench = Bench(domains=2)
    assert bench.call('mmu_update', bench.put([0] * 4), 1, 0, 2) == EPERM
    assert bench.call('mmuext_op', bench.put([6, 0, 0]), 1, 0, 2) == EPERM
    assert bench.call('update_va_mapping_otherdomain', bench.address(PAGE), 0, 0, 0, 2) == EPERM
    assert bench.call('update_va_mapping_otherdomain', bench.address(PAGE), 0, 0, 0, SELF) == 0


def test_tables_of_each_level_are_pinned_and_unpinned(bench):
    make_space(bench, PAGE)
    assert bench.extended((PIN_L3, bench.frame(PAGE))) == 0
    assert bench.counts(PAGE) == (L3, 1, 2)
    assert [bench.counts(PAGE + 1 + k)[0] for k in range(4)] == [L2, L2, L2, L2_TOP]
    assert bench.counts(TABLES) == (L1, 2, 3)
    assert bench.extended((PIN_L3, bench.frame(PAGE))) == EINVAL           # once is enough
    assert bench.extended((PIN_L2, bench.frame(PAGE + 1)), (PIN_L1, bench.frame(TABLES))) == 0
    assert bench.extended((UNPIN, bench.frame(PAGE)), (UNPIN, bench.frame(PAGE + 1)), (UNPIN, bench.frame(TABLES))) == 0
    assert bench.counts(PAGE) == (UNTYPED, 0, 1) and bench.counts(TABLES) == (L1, 1, 2)
    assert bench.extended((UNPIN, bench.frame(PAGE))) == EINVAL


def test_a_new_base_is_used_and_the_processor_sees_clean_pointers(bench):
    make_space(bench, PAGE)
    assert bench.extended((NEW_BASE, bench.frame(PAGE)), (UNPIN, bench.frame(POINTERS))) == 0
    assert bench.paging.base == bench.frame(PAGE)
    for k in range(4):
        assert bench.memory.read64(bench.paging.pointers + 8 * k) == bench.machine(PAGE + 1 + k) | 1
    assert bench.counts(POINTERS)[:2] == (UNTYPED, 0)


def test_a_bad_l3_is_refused(bench):
    make_space(bench, PAGE)
    last = bench.machine(PAGE, 24)
    good = bench.memory.read64(last)
    for entry in (0, bench.machine(PAGE + 1) | 1, good | 0x80, good - (1 << 63)):
        bench.memory.write64(last, entry)
        assert bench.extended((PIN_L3, bench.frame(PAGE))) == EINVAL
    bench.memory.write64(last, good)
    bench.memory.write64(bench.machine(PAGE), good)
    assert bench.extended((PIN_L3, bench.frame(PAGE))) == EINVAL           # the top L2 stands in its place only
    assert bench.counts(PAGE + 4)[1] == 0


def test_the_hypervisors_entries_are_put_into_the_top_l2_and_stay(bench):
    make_space(bench, PAGE)
    bench.memory.write64(bench.machine(PAGE + 4, 8 * FIRST_RESERVED_ENTRY), bench.machine(TABLES) | 7)
    assert bench.extended((PIN_L3, bench.frame(PAGE))) == 0
    assert bench.memory.read64(bench.machine(PAGE + 4, 8 * FIRST_RESERVED_ENTRY)) & ~0x60 == bench.paging.m2p_tables[0] | 1
    for k in (FIRST_RESERVED_ENTRY, 482, 511):
        assert bench.update((bench.machine(PAGE + 4, 8 * k), 0)) == EINVAL
    assert bench.update((bench.machine(PAGE + 4, 8 * 5), bench.machine(TABLES) | 7)) == 0


def test_entries_of_l2_and_l3_in_use_are_changed(bench):
    make_space(bench, PAGE)
    assert bench.extended((PIN_L3, bench.frame(PAGE)), (NEW_BASE, bench.frame(PAGE))) == 0
    make_table(bench, PAGE + 6, [])
    assert bench.update((bench.machine(PAGE + 1), bench.machine(PAGE + 6) | 7)) == 0
    assert bench.counts(PAGE + 6)[:2] == (L1, 1)
    assert bench.update((bench.machine(PAGE + 1), bench.machine(PAGE + 6) | 0x87)) == EINVAL
    assert bench.update((bench.machine(PAGE), 0)) == 0
    assert bench.memory.read64(bench.paging.pointers) == 0
    assert bench.update((bench.machine(PAGE, 24), 0)) == EINVAL
    assert bench.update((bench.machine(PAGE, 32), 1)) == EINVAL
    assert bench.counts(PAGE + 6)[1] == 0


def test_pages_are_cleared_and_copied_but_tables_are_not(bench):
    bench.put([0x12345678], PAGE)
    assert bench.extended((COPY_PAGE, bench.frame(OTHER), bench.frame(PAGE))) == 0
    assert bench.word(OTHER) == 0x12345678
    assert bench.extended((CLEAR_PAGE, bench.frame(OTHER))) == 0 and bench.word(OTHER) == 0
    assert bench.extended((CLEAR_PAGE, bench.frame(TABLES))) == EINVAL
    assert bench.extended((COPY_PAGE, bench.frame(OTHER), 0)) == EINVAL


def test_the_balloon_gives_frames_back_and_takes_them_again(bench):
    pages = bench.domain.pages
    assert bench.map(PAGE, 0) == 0
    bench.put([bench.frame(PAGE), bench.frame(TABLES)], FREE, 0x100)
    words = [bench.address(FREE, 0x100), 2, 0, 0, SELF]
    assert bench.structure('memory_op', 1, words) == 1                     # the table is in use
    assert bench.domain.pages == pages - 1
    bench.put([PAGE, 0], FREE, 0x100)
    assert bench.structure('memory_op', 6, words) == 1                     # it has what it may have
    frame = bench.word(FREE, 0x100)
    assert bench.paging.owns(frame) and bench.paging.table.page(frame) == PAGE
    assert bench.structure('memory_op', 3, [SELF]) == pages == bench.structure('memory_op', 4, [SELF])
    assert bench.structure('memory_op', 3, [2]) == EPERM
    assert bench.structure('memory_op', 12, []) == 0 and bench.word() == 0xf5800000


def test_descriptors_are_checked_and_the_hypervisors_are_there_with_any_gdt(bench):
    for page in (PAGE,):
        bench.memory.clear(bench.machine(page), 4096)
        bench.memory.write64(bench.machine(page, 8), 0x00cfbb000000ffff & ~0xf000000000000 | 0x3 << 48)
        bench.read_only(page)
    assert bench.call('set_gdt', bench.put([bench.frame(PAGE)]), 512) == 0
    assert bench.domain.tables.find(0xe019) and bench.domain.tables.find(9) and not bench.domain.tables.find(0x2009)
    assert bench.call('set_gdt', bench.put([bench.frame(PAGE)]), MOST_GDT_ENTRIES + 1) == EINVAL
    assert bench.call('set_gdt', bench.put([bench.frame(TABLES)]), 512) == EINVAL
    assert bench.call('update_descriptor', bench.machine(PAGE, 16), 0, 0xffff, 0xcf9b00) == EINVAL      # to 4 GB
    assert bench.call('update_descriptor', bench.machine(PAGE, 16), 0, 0xffff, 0x40bb00) == 0
    assert bench.call('update_descriptor', bench.machine(TABLES), 0, 0xffff, 0x40bb00) == EINVAL


def test_a_kernel_switches_to_tables_of_its_own_and_runs_on():
    domain = run('''
    mov 0xc0001000 + 4 * 5, %eax            # the L3's frame
    mov %eax, 0xc0000e04
    mov $5, %ebx
    mov %ebx, 0xc0000e00
    hyp 26, $0xc0000e00, $1, $0xc0000f10, $0x7ff0
    mov %eax, 0xc0000e80
    finish
    ''')
    assert domain.why == 'powered off' and domain.linear.read32(0xc0000e80) == 0 and domain.linear.read32(0xc0000f10) == 1
