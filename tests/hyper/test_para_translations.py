"""The processor keeps a domain's translations while others run; none is used after what it says is no longer so."""
import pytest

from hyper.vmm.para.frame_table import L1
from para_parts import FRAME, LOAD, PAGES, check_counts, make

PAGE = 20                       # of the kernel, that its loop writes to
WRITER = '''
    movl $2, 0xc0100000
    movl $2, 0xc0100004
    1: incl 0xc0014000
    hyp 8
    jmp 1b
'''                             # it yields after each write


class Bench(object):
    """Two domains that write to a page and yield by turns."""

    def __init__(self, **options):
        self.hypervisor = make([WRITER, WRITER], **options)
        self.memory = self.hypervisor.memory
        self.table = self.hypervisor.frame_table
        self.first, self.second = self.hypervisor.domains
        self.run()

    def run(self, turns=6):
        for turn in range(turns):
            if self.hypervisor.scheduler.pick() is not None:
                self.hypervisor.turn()

    def run_other_than(self, domain):
        """Until the processor holds the translations of the other domain."""
        while self.hypervisor.vmx.translated == domain.region:
            self.hypervisor.turn()

    def frame(self, domain, page=PAGE):
        return domain.page_frames[page]

    def counter(self, domain):
        return self.memory.read32(self.frame(domain) * FRAME)

    def entry_at(self, domain, page=PAGE):
        """The machine address of the page-table entry of a page."""
        return domain.linear.table_entry(LOAD + page * FRAME)

    def unmap(self, domain):
        """From outside, and without a flush."""
        domain.make_current()
        assert domain.paging.write_l1_entry(self.entry_at(domain), 0)


def test_a_domain_that_changes_nothing_keeps_its_translations():
    bench = Bench()
    bench.run_other_than(bench.first)
    at = bench.entry_at(bench.first)
    entry = bench.memory.read32(at)
    bench.memory.write32(at, 0)         # behind everybody's back
    before = bench.counter(bench.first)
    bench.run()
    assert bench.first.alive and bench.counter(bench.first) > before
    bench.memory.write32(at, entry)
    check_counts(bench.hypervisor)


@pytest.mark.parametrize('runs', ['first', 'second'])
def test_a_page_that_is_unmapped_from_outside_is_written_to_no_more(runs):
    bench = Bench()
    if runs == 'second':
        bench.run_other_than(bench.first)
    else:
        bench.run_other_than(bench.second)
    bench.unmap(bench.first)
    before = bench.counter(bench.first)
    if runs == 'first':
        bench.run_other_than(bench.first)
    bench.run()
    assert bench.first.died and bench.second.alive
    assert bench.counter(bench.first) - before <= (1 if runs == 'first' else 0)


def test_a_frame_that_another_domain_had_mapped_writable_is_not_written_to_once_it_is_a_table():
    """The second, privileged, maps the first's page; both unmap it without a flush, the privileged one first; then it becomes a table."""
    bench = Bench()
    first, second = bench.first, bench.second
    second.privileged = second.paging.privileged = True
    frame = bench.frame(first)
    second.make_current()
    assert second.paging.write_l1_entry(bench.entry_at(second), frame * FRAME | 7)
    bench.run()
    assert bench.table.uses[frame] == 2
    before = bench.memory.read32(frame * FRAME)
    bench.run()
    assert bench.memory.read32(frame * FRAME) >= before + 4     # both write to it
    bench.run_other_than(second)
    second.make_current()
    assert second.paging.write_l1_entry(bench.entry_at(second), 0)
    bench.unmap(first)
    bench.memory.clear(frame * FRAME, FRAME)
    first.make_current()
    assert first.paging.pin(frame, L1)
    check_counts(bench.hypervisor)
    bench.run(10)
    assert bench.memory.read_bytes(frame * FRAME, FRAME) == '\x00' * FRAME
    assert first.died and second.died


def test_a_page_that_is_mapped_to_another_frame_is_written_to_there():
    bench = Bench()
    bench.run_other_than(bench.first)
    bench.first.make_current()
    other = bench.frame(bench.first, PAGE + 1)
    assert bench.first.paging.write_l1_entry(bench.entry_at(bench.first), other * FRAME | 7)
    before = bench.counter(bench.first)
    bench.run()
    assert bench.counter(bench.first) == before and bench.memory.read32(other * FRAME) > 0


def test_what_a_guest_unmaps_and_does_not_flush_is_gone_after_another_ran():
    """The guest checks the page before and after it has yielded."""
    kernel = '''
        movl $2, 0xc0100000
        movl $2, 0xc0100004
        incl 0xc0014000
        hyp 20, $0xc0014, $0, $0
        incl 0xc0014000
        say "still there"
        hyp 8
        incl 0xc0014000
        say "too long"
        finish
    '''
    hypervisor = make([kernel, WRITER])
    hypervisor.run(3000, -1, -1.0)
    domain = hypervisor.domains[0]
    assert domain.text() == 'still there' and domain.died


def test_the_frame_checker_finds_a_translation_by_which_a_table_could_be_written():
    bench = Bench()
    bench.run_other_than(bench.first)
    frame = bench.frame(bench.first)
    bench.unmap(bench.first)
    bench.first.paging.stale = False            # as if it did not matter
    check_counts(bench.hypervisor)
    bench.table.stamp[frame] = 0
    bench.memory.clear(frame * FRAME, FRAME)
    assert bench.first.paging.pin(frame, L1)
    with pytest.raises(AssertionError):
        check_counts(bench.hypervisor)


def test_domains_that_take_turns_compute_what_they_do_alone():
    kernel = '''
        movl $2, 0xc0100000
        movl $2, 0xc0100004
        mov $%d, %%ebp
        1: mov $0xc0014000, %%edi
        2: add %%ebp, (%%edi)
        roll $1, (%%edi)
        add $4096, %%edi
        cmp $0xc0030000, %%edi
        jb 2b
        hyp 8
        dec %%ebp
        jnz 1b
        finish
    '''
    sums = []
    for count in (1, 3):
        hypervisor = make([kernel % (40 + 7 * k) for k in range(3)][:count], check_every=1)
        hypervisor.run(100000, -1, -1.0)
        domain = hypervisor.domains[0]
        assert [other.why for other in hypervisor.domains] == ['exited'] * count
        sums.append([hypervisor.memory.read32(domain.page_frames[page] * FRAME) for page in range(PAGE, PAGE + 28)])
    assert sums[0] == sums[1] and PAGES > PAGE + 28
