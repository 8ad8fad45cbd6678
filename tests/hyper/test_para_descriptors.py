"""GDT and LDT of paravirtual domains: which descriptors are allowed, where they stand, and what a change does to loaded segments."""
import pytest

from hyper.vmm.para import descriptors
from hyper.vmm.para.frame_table import DESCRIPTORS, UNTYPED, WRITABLE
from hyper.vmm.para.layout import EFAULT, EINVAL, HYPERVISOR
from hyper.vmx import fields
from para_parts import Bench, DIRECTORY, PT_UPDATE, SET_GDT, TABLE, UPDATE_DESCRIPTOR, run
from test_para_page_tables import EXTENDED, FLUSH, NEW_BASE, SET_LDT, extended, make_space
from test_para_traps import KERNEL, trap


def segment(base=0, limit=0xfffff, kind=0x3, dpl=3, present=True, flags=0x4):
    """The two words of a code or data segment; `flags`: G 8, D/B 4."""
    high = base & 0xff000000 | base >> 16 & 0xff | limit & 0xf0000 | kind << 8 | 1 << 12 | dpl << 13 | present << 15 | flags << 20
    return (base & 0xffff) << 16 | limit & 0xffff, high


def gate(selector=0x819, kind=0xc, dpl=3, parameters=0):
    return selector << 16 | 0x1234, kind << 8 | dpl << 13 | 1 << 15 | parameters


@pytest.mark.parametrize('words', [
    (0, 0), segment(), segment(dpl=1), segment(dpl=2), segment(kind=0xb), segment(kind=0xf), segment(dpl=0, present=False), segment(limit=0xfc3ff, flags=0xc),
    segment(base=0xfc300000, limit=0xfffff), segment(base=0xfc3fffff, limit=0), gate(), gate(dpl=1, parameters=31),
    segment(base=0xfc3f0000, kind=7, flags=0, limit=0x10)])
def test_descriptors_of_the_guests_own_memory_are_allowed(words):
    assert descriptors.is_allowed(*words)


@pytest.mark.parametrize('words', [
    segment(dpl=0), segment(kind=0xb, dpl=0), segment(kind=0xf, dpl=0), segment(limit=0xfc400, flags=0xc), segment(flags=0xc), segment(base=0xfc400000, limit=0),
    segment(base=0xfc3fffff, limit=1), segment(base=0xffffffff, limit=0xfffff), segment(base=0xfc300000, limit=0x100, flags=0xc), segment(kind=7),
    segment(base=0x1000, kind=7, flags=0xc), segment(base=0xfc3f0001, kind=7, flags=0), gate(dpl=0), gate(kind=0x4), gate(kind=0x5), gate(kind=0xe),
    gate(kind=0xf), gate(kind=0x6), gate(kind=0x9), gate(kind=0xb), gate(kind=0x2), gate(kind=0), gate(parameters=0x20), gate(parameters=0x80)])
def test_descriptors_that_could_reach_the_hypervisor_or_ring_0_are_not(words):
    assert not descriptors.is_allowed(*words)


@pytest.fixture
def bench():
    return Bench()


def make_gdt(bench, pages, entries=512):
    """set_gdt with the frames of pages, which are unmapped first."""
    bench.write(1, [bench.frame(page) for page in pages])
    return bench.call(SET_GDT, bench.address(1), entries)


def test_a_gdt_gets_the_hypervisors_descriptors_and_marks_the_rest_accessed(bench):
    bench.write(20, segment(0x1000, 0x10, kind=2), offset=8)
    bench.write(20, [0xffffffff] * 80, offset=256 * 8)
    bench.unmap(20)
    assert make_gdt(bench, [20]) == 0
    memory = bench.table.memory
    at = bench.machine(20)
    assert memory.read32(at + 12) == segment(0x1000, 0x10, kind=3)[1]
    assert memory.read32(at + 0x818 + 4) == 0xcfbb00 and memory.read32(at + 0x818) == 0xc3ff
    assert [memory.read32(at + 8 * k) for k in (256, 257, 263, 295)] == [0] * 4
    assert bench.counts(20) == (DESCRIPTORS, 1, 1)
    assert bench.domain.vmx.vmread(fields.GUEST_GDTR_LIMIT) == 512 * 8 - 1


def test_a_gdt_cannot_be_written_while_it_is_one(bench):
    bench.unmap(20)
    assert make_gdt(bench, [20]) == 0
    assert bench.map(20, bench.machine(20) | 3) == -EINVAL
    assert bench.map(20, bench.machine(20) | 1) == 0
    bench.unmap(21)
    assert make_gdt(bench, [21]) == 0
    assert bench.counts(20) == (UNTYPED, 0, 1)
    assert bench.map(20, bench.machine(20) | 3) == 0


def test_a_page_that_can_be_written_is_no_gdt(bench):
    assert make_gdt(bench, [20]) == -EINVAL
    assert make_gdt(bench, [TABLE]) == -EINVAL and make_gdt(bench, [DIRECTORY]) == -EINVAL
    assert bench.counts(20) == (WRITABLE, 1, 1)


def test_a_bad_descriptor_refuses_the_gdt_and_leaves_the_page_as_it_was(bench):
    for where in (0, 255, 296, 511):
        bench.write(20, segment(dpl=0), offset=8 * where)
        bench.write(20, [7] * 80, offset=256 * 8)
        bench.unmap(20)
        assert make_gdt(bench, [20]) == -EINVAL
        assert bench.counts(20) == (UNTYPED, 0, 0)
        assert bench.table.memory.read32(bench.machine(20) + 0x818) == 7
        assert bench.map(20, bench.machine(20) | 3) == 0
        bench.write(20, [0, 0], offset=8 * where)


def test_a_bad_frame_of_many_refuses_all(bench):
    for page in (20, 21, 22):
        bench.unmap(page)
    assert make_gdt(bench, [20, 21, 22, 23], 2048) == -EINVAL
    assert [bench.counts(page)[1:] for page in (20, 21, 22)] == [(0, 0)] * 3
    assert make_gdt(bench, [20, 21, 22, 20], 2048) == 0
    assert bench.counts(20) == (DESCRIPTORS, 2, 2)


def test_sizes_and_lists_of_a_gdt_are_checked(bench):
    for entries in (0, 1, 295, 8193, 0xffffffff):
        assert bench.call(SET_GDT, bench.address(1), entries) == -EINVAL
    for list in (0, 0x1000, HYPERVISOR, 0xfffffffc):
        assert bench.call(SET_GDT, list, 512) == -EFAULT
    bench.write(1, [0xffffffff])
    assert bench.call(SET_GDT, bench.address(1), 512) == -EINVAL
    bench.write(1, [bench.domain.region >> 12])
    assert bench.call(SET_GDT, bench.address(1), 512) == -EINVAL


def test_update_descriptor_checks_what_and_where(bench):
    low, high = segment(0x2000, 0x20, kind=2)
    bench.unmap(20)
    assert make_gdt(bench, [20]) == 0
    at = bench.machine(20)
    assert bench.call(UPDATE_DESCRIPTOR, at + 8, low, high) == 0
    assert bench.table.memory.read32(at + 12) == high | 0x100
    assert bench.call(UPDATE_DESCRIPTOR, at + 8, *segment(dpl=0)) == -EINVAL
    assert bench.table.memory.read32(at + 12) == high | 0x100
    assert bench.call(UPDATE_DESCRIPTOR, at + 4, low, high) == -EINVAL
    for reserved in (256, 259, 262, 295):
        assert bench.call(UPDATE_DESCRIPTOR, at + 8 * reserved, low, high) == -EINVAL
    for place in (bench.machine(TABLE), bench.machine(DIRECTORY), bench.domain.region, 0, bench.table.descriptors, bench.domain.traps.frame, 0xfffffff8,
                  bench.paging.private_table):
        assert bench.call(UPDATE_DESCRIPTOR, place, low, high) == -EINVAL
    assert bench.call(UPDATE_DESCRIPTOR, bench.machine(21), low, high) == 0        # an ordinary page


def test_an_ldt_is_mapped_page_by_page_when_it_is_needed(bench):
    bench.write(20, segment(0x3000, 0x30))
    bench.read_only(20)
    bench.unmap(21)
    assert bench.requests((bench.address(20) | EXTENDED, SET_LDT | 1024 << 8)) == 0
    vmx = bench.domain.vmx
    assert vmx.vmread(fields.GUEST_LDTR_LIMIT) == 8191 and vmx.vmread(fields.GUEST_LDTR_ACCESS) == 0x82
    assert bench.counts(20) == (UNTYPED, 0, 1)
    assert bench.domain.tables.find(7) and bench.domain.tables.low == segment(0x3000, 0x30)[0]
    assert bench.counts(20) == (DESCRIPTORS, 1, 2)
    assert not bench.domain.tables.find(512 * 8 | 7)            # on a page that is not there
    assert not bench.domain.tables.find(1024 * 8 | 7)
    assert bench.map(20, bench.machine(20) | 3) == -EINVAL
    assert extended(bench, FLUSH, 0) == 0
    assert bench.counts(20) == (UNTYPED, 0, 1)


def test_an_ldt_page_that_can_be_written_or_is_bad_is_not_mapped(bench):
    bench.read_only(21)
    assert bench.requests((bench.address(20) | EXTENDED, SET_LDT | 1024 << 8)) == 0
    assert not bench.domain.tables.map_ldt(0)
    assert bench.domain.tables.map_ldt(1)
    bench.write(22, segment(dpl=0))
    bench.read_only(22)
    assert bench.requests((bench.address(22) | EXTENDED, SET_LDT | 512 << 8)) == 0
    assert not bench.domain.tables.map_ldt(0) and bench.counts(21) == (UNTYPED, 0, 1)


def test_an_ldt_goes_with_its_address_space(bench):
    make_space(bench)
    bench.read_only(20)
    assert bench.requests((bench.address(20) | EXTENDED, SET_LDT | 512 << 8)) == 0
    assert bench.domain.tables.map_ldt(0)
    assert extended(bench, NEW_BASE, 40) == 0
    assert bench.counts(20) == (UNTYPED, 0, 1)


def test_an_ldt_must_be_whole_pages_below_the_hypervisor(bench):
    for base, entries in ((0xc0014010, 8), (0xfc000000, 1), (0xfbfff000, 513), (0xfffff000, 8192), (0xc0014000, 8193), (0xc0014000, 0xffffff)):
        assert bench.requests((base & ~3 | EXTENDED, SET_LDT | entries << 8)) == -EINVAL
    assert bench.requests((0 | EXTENDED, SET_LDT)) == 0
    assert bench.domain.vmx.vmread(fields.GUEST_LDTR_ACCESS) & 0x10000


# -- with the processor

OWN_GDT = '''
    mov 0xc00fe080, %eax                # the frame of page 32
    shr $12, %eax
    mov %eax, 0xc0012000
    movl $0x20000010, 0xc0020008        # selector 9: base 0x12000, relative to nothing; ring 1 data
    movl $0xc040b201, 0xc002000c
    hyp 20, $0xc0020, $0                # not writable any more
    hyp 3, $0xc0012000, $512
    test %eax, %eax
    jz 1f
    say "refused"
1:
'''


def test_a_segment_of_the_guests_own_gdt_can_be_loaded_and_used():
    domain = run(KERNEL + ' start:' + OWN_GDT + ' mov $9, %eax\n mov %eax, %fs\n movl $0x1234, %fs:8\n cmpl $0x1234, 0xc0012008\n jne 2f\n say "there"\n'
                 ' 2: movl $0, %fs:14\n finish\n', most=3000)
    assert domain.text() == 'there'


def test_beyond_its_limit_the_segment_faults():
    log = trap(' start:' + OWN_GDT.replace('0xc0012000', '0xc0011000') + ' mov $9, %eax\n mov %eax, %fs\n movl $0, %fs:14\n')
    assert log.handler == 13 and log.stack[0] == 0


def test_a_change_to_a_loaded_segment_takes_effect_on_return_from_the_hypercall():
    domain = run(KERNEL + ' start:' + OWN_GDT + ''' mov $9, %eax
        mov %eax, %gs
        mov 0xc0012000, %ebx
        shl $12, %ebx
        add $8, %ebx
        hyp 15, %ebx, $0x30000010, $0xc040b201
        movl $0x77, %gs:4
        cmpl $0x77, 0xc0013004
        jne 2f
        say "moved"
        2: finish''', most=3000)
    assert domain.text() == 'moved'


def test_a_loaded_segment_that_is_taken_away_calls_the_failsafe_callback():
    log = trap(' start:' + OWN_GDT + ''' mov $9, %eax
        mov %eax, %gs
        mov 0xc0012000, %ebx
        shl $12, %ebx
        add $8, %ebx
        hyp 15, %ebx, $0, $0
        back: ud2''')
    assert log.handler == 2000 and log.stack[:4] == [0x821, 0x821, 0x821, 9] and log.stack[5] == 0x819
    assert log.domain.vmx.vmread(fields.GUEST_GS_SELECTOR) == 0


def test_an_ldt_segment_is_loaded_by_way_of_a_page_fault_that_the_guest_does_not_see():
    source = ''' start: movl $0x20000010, 0xc0020008
        movl $0xc040b201, 0xc002000c
        mov 0xc00fe080, %edx
        and $~2, %edx
        hyp 20, $0xc0020, %edx, $2
        movl $0xc0020003, 0xc0012000
        movl $0x20008, 0xc0012004
        hyp 1, $0xc0012000, $1
        mov $0xd, %eax
        mov %eax, %fs
        movl $0x55, %fs:4
        cmpl $0x55, 0xc0012004
        jne 1f
        say "ldt"
        1: finish'''
    domain = run(KERNEL + source.replace('hyp 20, $0xc0020, %edx, $2', 'mov %edx, %esi\n hyp 20, $0xc0020, %esi, $2'), most=3000)
    assert domain.text() == 'ldt' and domain.exits[0] == 1


def test_an_ldt_that_cannot_be_mapped_is_a_page_fault_of_the_guest_at_its_own_address():
    log = trap(''' start: movl $0xc0020003, 0xc0012000
        movl $0x20008, 0xc0012004
        hyp 1, $0xc0012000, $1
        mov $0xd, %eax
        mov %eax, %fs''')
    assert log.handler == 14 and log.stack[0] == 0xc0020008
