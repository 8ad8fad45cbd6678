"""Direct paging: what a guest may do to page tables, and what is refused with nothing done."""
import pytest

from hyper.vmm.para.frame_table import DESCRIPTORS, L1, L2, MOST_REFERENCES, UNTYPED, WRITABLE
from hyper.vmm.para.layout import EFAULT, EINVAL, EPERM, HYPERVISOR
from hyper.vmx import fields
from para_parts import Bench, DIRECTORY, LOAD, PAGES, PT_UPDATE, SET_GDT, START_INFO, TABLE, UPDATE_VA_MAPPING, check_counts

P, W, U, PS, G = 1, 2, 4, 0x80, 0x100
PIN_L1, PIN_L2, PIN_L3, PIN_L4, UNPIN, NEW_BASE, FLUSH, INVLPG, SET_LDT = range(9)
EXTENDED = 3


@pytest.fixture
def bench():
    return Bench()


def extended(bench, command, page, more=0):
    return bench.requests((bench.machine(page) | EXTENDED, command | more << 8))


def make_table(bench, page, entries=()):
    """A page with the entries of a table, mapped read-only."""
    bench.write(page, entries)
    bench.read_only(page)


def make_space(bench):
    """A second directory in page 40, with the kernel's table and an empty table in page 41."""
    bench.write(40, [bench.machine(TABLE) | P | W | U], offset=4 * (LOAD >> 22))
    bench.write(40, [bench.machine(41) | P | W | U], offset=0)
    bench.read_only(40)
    bench.read_only(41)


def test_the_builder_counts_what_its_tables_say(bench):
    check_counts(bench.hypervisor)
    assert bench.counts(0) == (WRITABLE, 1, 1)
    assert bench.counts(DIRECTORY) == (L2, 1, 2)            # the base pointer; its read-only mapping
    assert bench.counts(TABLE) == (L1, 1, 2)


def test_a_page_can_be_mapped_where_none_was(bench):
    bench.unmap(20)
    assert bench.counts(20) == (UNTYPED, 0, 0)
    assert bench.requests((bench.entry_at(20), bench.machine(20) | P | W | U)) == 0
    assert bench.counts(20) == (WRITABLE, 1, 1) and bench.entry(20) == bench.machine(20) | P | W | U


def test_a_frame_can_be_mapped_twice(bench):
    assert bench.map(21, bench.machine(20) | P) == 0
    assert bench.counts(20) == (WRITABLE, 1, 2) and bench.counts(21) == (UNTYPED, 0, 0)


def test_a_table_cannot_be_mapped_writable(bench):
    for page in (TABLE, DIRECTORY):
        before = bench.entry(20)
        assert bench.map(20, bench.machine(page) | P | W) == -EINVAL
        assert bench.requests((bench.entry_at(20), bench.machine(page) | P | W)) == -EINVAL
        assert bench.entry(20) == before
        assert bench.map(20, bench.machine(page) | P) == 0


def test_a_domain_cannot_map_a_foreign_frame():
    bench = Bench(2)
    other = bench.hypervisor.domains[1]
    foreign = [other.page_frames[0], other.shared_frame, other.paging.base, other.region >> 12, bench.domain.region >> 12,
               bench.paging.private_table >> 12, bench.table.m2p_table >> 12, bench.table.m2p[0] >> 12, 0, 1, bench.table.count, 0xfffff]
    before = bench.entry(20)
    for frame in foreign:
        for rights in (P, P | W, P | W | U):
            assert bench.map(20, frame << 12 | rights) == -EINVAL
    assert bench.entry(20) == before


def test_large_and_global_entries_are_refused(bench):
    make_space(bench)
    for bits in (PS, G, PS | G):
        assert bench.map(20, bench.machine(20) | P | W | bits) == -EINVAL
        assert bench.requests((bench.address(DIRECTORY) + 4, bench.machine(41) | P | bits)) == -EINVAL
    assert bench.entry(20) & ~0x60 == bench.machine(20) | P | W


def test_an_entry_that_is_not_present_may_hold_anything(bench):
    assert bench.map(20, 0xfffffffe) == 0
    assert bench.counts(20) == (UNTYPED, 0, 0) and bench.entry(20) == 0xfffffffe


def test_nothing_can_be_mapped_at_the_hypervisors_addresses(bench):
    make_space(bench)
    assert bench.call(UPDATE_VA_MAPPING, HYPERVISOR >> 12, bench.machine(20) | P, 0) == -EINVAL
    assert bench.call(UPDATE_VA_MAPPING, 0xfffff, bench.machine(20) | P, 0) == -EINVAL
    assert bench.call(UPDATE_VA_MAPPING, 0xffffffff, bench.machine(20) | P, 0) == -EINVAL
    for slot in range(HYPERVISOR >> 22, 1024):
        before = bench.table.memory.read32(bench.machine(DIRECTORY) + 4 * slot)
        assert bench.requests((bench.address(DIRECTORY) + 4 * slot, bench.machine(41) | P)) == -EINVAL
        assert bench.requests((bench.address(DIRECTORY) + 4 * slot, 0)) == -EINVAL
        assert bench.table.memory.read32(bench.machine(DIRECTORY) + 4 * slot) == before


def test_a_new_directory_gets_the_hypervisors_tables(bench):
    make_space(bench)
    bench.table.memory.write32(bench.machine(40) + 4 * 1015, bench.machine(20) | P | W | U)
    assert extended(bench, PIN_L2, 40) == 0
    memory = bench.table.memory
    for slot in range(HYPERVISOR >> 22, 1024):
        assert memory.read32(bench.machine(40) + 4 * slot) == memory.read32(bench.machine(DIRECTORY) + 4 * slot)
    assert memory.read32(bench.machine(40) + 4 * 1015) == 0


def test_an_update_of_a_page_that_is_no_table_is_refused(bench):
    assert bench.requests((bench.address(20), bench.machine(20) | P)) == -EINVAL
    assert bench.requests((bench.address(START_INFO), 0)) == -EINVAL
    assert bench.requests((0x1000, 0)) == -EFAULT               # not mapped
    assert bench.requests((HYPERVISOR, 0)) == -EFAULT
    assert bench.requests((0xfffffffc, 0)) == -EFAULT


def test_a_table_is_checked_whole_before_it_is_pinned(bench):
    make_table(bench, 30, [bench.machine(20) | P, bench.machine(21) | P | W, bench.machine(TABLE) | P | W])
    before = [bench.counts(page) for page in (20, 21, 30)]
    assert extended(bench, PIN_L1, 30) == -EINVAL
    assert [bench.counts(page) for page in (20, 21, 30)] == before


def test_a_table_cannot_map_itself_writable(bench):
    make_table(bench, 30, [bench.machine(30) | P | W])
    assert extended(bench, PIN_L1, 30) == -EINVAL
    assert bench.counts(30) == (UNTYPED, 0, 1)


def test_a_table_can_map_itself_read_only(bench):
    make_table(bench, 30, [bench.machine(30) | P])
    assert extended(bench, PIN_L1, 30) == 0
    assert bench.counts(30) == (L1, 1, 3)
    assert extended(bench, UNPIN, 30) == 0
    assert bench.counts(30) == (UNTYPED, 0, 1)


def test_a_page_that_is_mapped_writable_cannot_become_a_table(bench):
    assert extended(bench, PIN_L1, 20) == -EINVAL
    assert extended(bench, PIN_L2, 20) == -EINVAL
    assert bench.counts(20) == (WRITABLE, 1, 1)


def test_types_exclude_one_another(bench):
    make_space(bench)
    assert extended(bench, PIN_L1, 41) == 0
    assert extended(bench, PIN_L2, 41) == -EINVAL
    assert extended(bench, PIN_L2, 40) == 0
    assert extended(bench, PIN_L1, 40) == -EINVAL
    assert bench.requests((bench.address(DIRECTORY) + 4, bench.machine(40) | P)) == -EINVAL     # an L2 as an L1


def test_a_pin_holds_the_type(bench):
    make_table(bench, 30)
    assert extended(bench, PIN_L1, 30) == 0
    assert bench.map(30, bench.machine(30) | P | W) == -EINVAL
    assert extended(bench, PIN_L1, 30) == -EINVAL               # once only
    assert extended(bench, UNPIN, 30) == 0
    assert extended(bench, UNPIN, 30) == -EINVAL
    assert bench.map(30, bench.machine(30) | P | W) == 0


def test_there_are_no_tables_of_higher_levels(bench):
    make_table(bench, 30)
    assert extended(bench, PIN_L3, 30) == -EINVAL and extended(bench, PIN_L4, 30) == -EINVAL
    for command in range(9, 256, 41):
        assert extended(bench, command, 30) == -EINVAL


def test_a_new_base_pointer_keeps_and_drops_references(bench):
    make_space(bench)
    assert extended(bench, NEW_BASE, 40) == 0
    assert bench.counts(40) == (L2, 1, 2) and bench.counts(41) == (L1, 1, 2)
    assert bench.counts(DIRECTORY) == (UNTYPED, 0, 1) and bench.counts(TABLE) == (L1, 1, 2)
    assert bench.domain.vmx.vmread(fields.GUEST_CR3) == bench.machine(40)
    assert extended(bench, NEW_BASE, 20) == -EINVAL
    assert bench.paging.base == bench.frame(40)


def test_a_directory_without_the_kernel_can_be_the_base_and_the_next_call_faults(bench):
    bench.unmap(42)
    bench.read_only(43)
    assert extended(bench, NEW_BASE, 43) == 0
    assert bench.call(PT_UPDATE, bench.address(1), 1) == -EFAULT


def test_a_table_shared_by_two_directories_is_counted_twice(bench):
    make_space(bench)
    assert extended(bench, PIN_L2, 40) == 0
    assert bench.counts(TABLE) == (L1, 2, 3)
    assert extended(bench, UNPIN, 40) == 0
    assert bench.counts(TABLE) == (L1, 1, 2)


def test_shared_info_cannot_become_a_table(bench):
    assert bench.call(UPDATE_VA_MAPPING, 0xc0100, 0, 0) == 0            # not mapped any more
    frame = bench.domain.shared_frame
    for command in (PIN_L1, PIN_L2, NEW_BASE):
        assert bench.requests((frame << 12 | EXTENDED, command)) == -EINVAL
    assert bench.requests((bench.address(DIRECTORY), frame << 12 | P)) == -EINVAL
    bench.write(1, [frame])
    assert bench.call(SET_GDT, bench.address(1), 512) == -EINVAL


def test_counts_that_would_overflow_are_refused(bench):
    bench.table.references[bench.frame(20)] += MOST_REFERENCES - 1
    for entry in (P, P | W):
        bench.paging.work = 0
        bench.domain.arguments[:3] = [bench.address(21) >> 12, bench.machine(20) | entry, 0]
        assert bench.domain.call(UPDATE_VA_MAPPING) == -EINVAL
    bench.table.references[bench.frame(20)] -= MOST_REFERENCES - 1
    check_counts(bench.hypervisor)
    assert bench.map(21, bench.machine(20) | P) == 0


def test_requests_before_a_refused_one_stay_done_and_those_after_it_are_not(bench):
    bench.unmap(20), bench.unmap(21), bench.unmap(22)
    result = bench.requests((bench.entry_at(20), bench.machine(20) | P), (bench.entry_at(21), bench.machine(TABLE) | P | W),
                            (bench.entry_at(22), bench.machine(22) | P))
    assert result == -EINVAL
    assert (bench.entry(20), bench.entry(21), bench.entry(22)) == (bench.machine(20) | P, 0, 0)


def test_unchecked_updates_are_for_a_privileged_domain(bench):
    assert bench.requests((bench.entry_at(20) | 1, bench.machine(TABLE) | P | W)) == -EPERM


def test_the_machine_to_physical_entry_of_an_own_frame_can_be_set(bench):
    assert bench.table.page(bench.frame(20)) == 20
    assert bench.requests((bench.machine(20) | 2, 77)) == 0
    assert bench.table.page(bench.frame(20)) == 77
    for frame in (0, bench.table.m2p[0] >> 12, bench.table.count, 0xfffff):
        assert bench.requests((frame << 12 | 2, 5)) == -EINVAL


def test_requests_that_cannot_be_read_fault(bench):
    assert bench.call(PT_UPDATE, 0x1000, 1) == -EFAULT
    assert bench.call(PT_UPDATE, HYPERVISOR - 4, 1) == -EFAULT
    assert bench.call(PT_UPDATE, 0xfffffff8, 1) == -EFAULT
    assert bench.call(PT_UPDATE, bench.address(1), 0xffffffff) == -EFAULT
    assert bench.call(PT_UPDATE, bench.address(1), 0x20000000) == -EFAULT
    assert bench.call(PT_UPDATE, 0, 0) == 0


def test_requests_may_stand_across_pages(bench):
    bench.unmap(20)
    at = bench.address(2) - 4
    assert bench.domain.linear.write32(at, bench.entry_at(20)) and bench.domain.linear.write32(at + 4, bench.machine(20) | P)
    assert bench.call(PT_UPDATE, at, 1) == 0
    assert bench.entry(20) == bench.machine(20) | P


def test_a_frame_that_has_lost_its_writable_mapping_becomes_a_table_only_with_a_flush(bench):
    before = bench.paging.flushes
    bench.read_only(30)
    assert bench.paging.flushes == before
    assert extended(bench, PIN_L1, 30) == 0
    assert bench.paging.flushes == before + 1
    bench.read_only(31)
    assert extended(bench, FLUSH, 0) == 0
    before = bench.paging.flushes
    assert extended(bench, PIN_L1, 31) == 0
    assert bench.paging.flushes == before


def test_flags_of_update_va_mapping_flush(bench):
    before = bench.paging.flushes
    assert bench.call(UPDATE_VA_MAPPING, bench.address(20) >> 12, 0, 1) == 0
    assert bench.paging.flushes == before + 1
    assert bench.call(UPDATE_VA_MAPPING, bench.address(20) >> 12, bench.machine(20) | P, 2) == 0
    assert bench.paging.flushes == before + 1


def test_update_va_mapping_needs_a_table(bench):
    assert bench.call(UPDATE_VA_MAPPING, 0x1000, bench.machine(20) | P, 0) == -EINVAL


def test_a_batch_that_does_much_is_continued(bench):
    from hyper.vmm.para.layout import CONTINUE, MOST_WORK
    bench.read_only(30)
    pairs = [(bench.machine(30) | EXTENDED, PIN_L1 if k % 2 == 0 else UNPIN) for k in range(60)]
    for k, (pointer, value) in enumerate(pairs):
        bench.write(1, [pointer, value], offset=8 * k)
    rounds = 0
    result = CONTINUE
    arguments = [bench.address(1), 60]
    while result == CONTINUE:
        result = bench.call(PT_UPDATE, *arguments)
        assert bench.paging.work < MOST_WORK + 2048
        arguments = bench.domain.arguments[:2]
        rounds += 1
    assert result == 0 and rounds > 1 and bench.counts(30) == (UNTYPED, 0, 1)
