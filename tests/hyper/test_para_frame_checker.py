"""The checker of the frame table: it is content with what direct paging does, and finds every single thing that would be wrong."""
import pytest

from hyper.board import machine as stops
from hyper.vmm.para.frame_checker import FrameChecker
from hyper.vmm.para.frame_table import L1
from para_parts import Bench, DIRECTORY, SET_GDT, TABLE, make

CALLS = ' hyp 20, $0xc0020, $0, $1\n hyp 30\n say "on"\n finish\n'


@pytest.fixture
def bench():
    bench = Bench(2)
    bench.read_only(20)
    bench.write(1, [bench.frame(20)])
    assert bench.requests() == 0 and bench.call(SET_GDT, bench.address(1), 300) == 0
    return bench


def found(bench):
    return FrameChecker(bench.table, bench.hypervisor.domains).check()


def poke(bench, page, offset, value):
    bench.table.memory.write32(bench.machine(page) + offset, value)


def test_nothing_is_wrong_with_what_hypercalls_do(bench):
    assert found(bench) == ''


def test_a_count_that_no_reference_explains_is_found(bench):
    bench.table.references[bench.frame(30)] += 1
    assert found(bench) == "frame 0x%x, domain 0's, has 2 references (1 of type writable) in the frame table, but 1 references (1 of type writable) are found" % (
        bench.frame(30))


def test_a_count_of_the_type_is_found_to_be_wrong(bench):
    bench.table.uses[bench.frame(TABLE)] += 1
    assert '(2 of type L1) in the frame table, but 2 references (1 of type L1)' in found(bench)


def test_a_wrong_type_is_found(bench):
    bench.table.kind[bench.frame(30)] = L1
    assert 'of type' in found(bench)


def test_an_entry_that_appeared_behind_the_back_of_the_hypervisor_is_found(bench):
    poke(bench, TABLE, 4 * 30, bench.machine(DIRECTORY) | 3)
    assert 'is of type L2 and, for a writable mapping' in found(bench) or 'is of type writable and, for' in found(bench)
    poke(bench, TABLE, 4 * 30, bench.machine(31) | 3)
    assert 'frame 0x%x' % bench.frame(30) in found(bench)


@pytest.mark.parametrize('bits', [0x80, 0x100])
def test_forbidden_bits_are_found(bench, bits):
    poke(bench, TABLE, 4 * 30, bench.machine(30) | 3 | bits)
    assert 'forbidden bits' in found(bench)


def test_a_mapping_of_a_foreign_frame_is_found(bench):
    other = bench.hypervisor.domains[1]
    for frame, whose in ((other.paging.base, "domain 1's"), (0, "no domain's"), (bench.table.count, 'which is none')):
        poke(bench, TABLE, 4 * 30, frame << 12 | 1)
        assert found(bench) == 'a mapping in frame 0x%x of domain 0 refers to frame 0x%x, %s' % (bench.frame(TABLE), frame, whose)


def test_a_slot_of_the_hypervisor_that_changed_is_found(bench):
    for slot in (0x3f0, 0x3f1, 0x3ff):
        before = bench.table.memory.read32(bench.machine(DIRECTORY) + 4 * slot)
        poke(bench, DIRECTORY, 4 * slot, bench.machine(30) | 3)
        assert 'slot 0x%x' % slot in found(bench)
        poke(bench, DIRECTORY, 4 * slot, before)
    assert found(bench) == ''


def test_a_descriptor_that_is_not_allowed_is_found(bench):
    poke(bench, 20, 8 * 7, 0x0000ffff), poke(bench, 20, 8 * 7 + 4, 0x00cf9300)
    assert 'holds a descriptor that is not allowed' in found(bench)


def test_a_descriptor_table_that_the_processor_does_not_have_is_found(bench):
    bench.table.memory.write32(bench.paging.private_table, bench.machine(30) | 0x21)
    assert 'not mapped as its descriptor tables say' in found(bench)


def test_a_lost_pin_is_found(bench):
    bench.table.pinned[bench.frame(TABLE)] = True
    assert 'in the frame table' in found(bench)


def test_after_every_hypercall_if_that_is_asked_for():
    hypervisor = make([CALLS], check_every=1)
    hypervisor.run(10000, -1, -1.0)
    assert hypervisor.domains[0].why == 'exited' and hypervisor.frame_table.checks.checks == 3
    hypervisor = make([CALLS], check_every=2)
    hypervisor.run(10000, -1, -1.0)
    assert hypervisor.frame_table.checks.checks == 1


def test_a_mistake_stops_the_machine_and_says_what_is_wrong():
    hypervisor = make([CALLS, 'finish'], check_every=1)
    hypervisor.frame_table.references[hypervisor.domains[1].page_frames[0]] = 77
    hypervisor.run(10000, -1, -1.0)
    assert hypervisor.machine.ended == stops.CRASHED and hypervisor.status() == 3 and hypervisor.domains[0].text() == ''
    assert hypervisor.machine.why.startswith('the frame table is wrong after update_va_mapping of domain 0: frame 0x')
