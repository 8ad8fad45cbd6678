"""A domain is taken out of one machine and put into another, where it goes on; what was tampered with is refused."""
import pytest

from hyper.board.disk import Drive, NO_DRIVES, Snapshot
from hyper.board.fittings import BARE
from hyper.board.machine import World
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.errors import UserError
from hyper.vmm.hypervisor import Hypervisor
from hyper.vmm.para.block.disks import CAN_READ, Grant, VIRTUAL, VirtualDisk
from hyper.vmm.para.frame_table import L1, L2
from hyper.vmm.para.interface import XEN_1_0
from hyper.vmm.para.layout import FRAME
from hyper.vmm.para.saved import Restoring, Saving

from para_parts import Console, MB, SHARED, check_counts, image_of
from test_para_block import MemoryDisk, Rig

# counts in memory, and says so at the end; a page of it is written again and again
COUNT = '''
    mov $3000, %ecx
    fld1
1:  incl 0xc0002000
    mov %ecx, 0xc0003000
    dec %ecx
    jnz 1b
    fld1
    faddp
    fistpl 0xc0002004
    cmpl $3000, 0xc0002000
    jne 2f
    cmpl $2, 0xc0002004
    jne 2f
    say "right"
2:  finish
'''
WAIT_FOR_STOP = '''
    movl $0x40, SHARED + 4
1:  testl $0x40, SHARED
    jz 1b
    andl $~0x40, SHARED
    mov $8, %eax
    mov $2, %ebx
    vmcall
    say "again"
    finish
'''.replace('SHARED', '0x%x' % SHARED)


def machine(memory=8 * MB, taken=0):
    """A hypervisor, of whose frames some are taken."""
    hypervisor = Hypervisor(models.find(''), World(), [], memory=memory)
    hypervisor.machine.world.input_closed = lambda: False
    hypervisor.machine.world.input_by_caller = lambda: True
    if taken:
        hypervisor.create(DomainConfig('other', 'para', '', taken, '', image_of('1: jmp 1b\n'), [], -1, Console()))
        hypervisor.pause(hypervisor.domains[0])
    return hypervisor


def started(source=COUNT, instructions=5000):
    hypervisor = machine()
    domain = hypervisor.create(DomainConfig('d', 'para', '', MB, '', image_of(source), [], -1, Console()))
    hypervisor.run(instructions, -1, -1.0)
    return hypervisor, domain


def saved(hypervisor, domain):
    """Frames, pages with types, state."""
    hypervisor.pause(domain)
    saving = Saving(domain, NO_DRIVES)
    pages = [(saving.kind(k), saving.page(k)) for k in range(len(saving.frames))]
    state = saving.state()
    assert saving.kinds() == ''.join('%d' % kind for kind, page in pages)
    saving.end()
    return saving.frames[:saving.own()], pages, state


def restored(hypervisor, frames, pages, state, fittings=BARE):
    domain = hypervisor.create_saved('d', XEN_1_0, frames, Console(), fittings)
    restoring = Restoring(domain)
    for k, (kind, data) in enumerate(pages):
        restoring.put(k, kind, data)
    try:
        restoring.finish(state)
    except UserError:
        hypervisor.destroy(domain)
        check_counts(hypervisor)
        raise
    return domain


def test_a_domain_goes_on_in_another_machine_to_the_right_result():
    hypervisor, domain = started()
    before = domain.instructions
    there = machine()
    other = restored(there, *saved(hypervisor, domain))
    check_counts(there)
    there.run(100, -1, -1.0)
    assert other.instructions == before                 # still paused
    there.unpause(other)
    there.run(20000, -1, -1.0)
    assert (other.why, other.sink.text) == ('exited', 'right')
    assert other.instructions > before


def test_its_times_go_on_where_they_were():
    source = '1: rdtsc\n mov %eax, 0xc0002000\n jmp 1b\n'
    hypervisor, domain = started(source, 9000)
    there = machine()
    there.run(100, -1, -1.0)
    time = domain.times.now()
    other = restored(there, *saved(hypervisor, domain))
    assert abs(other.times.now() - time) < 10 and other.times.wall() >= domain.times.wall()
    stamp = there.memory.read32(other.page_frames[2] * FRAME)
    there.unpause(other)
    there.run(300, -1, -1.0)
    assert 200 < there.memory.read32(other.page_frames[2] * FRAME) - stamp < 400


def test_a_kernel_that_does_not_stop_itself_needs_its_own_frames():
    hypervisor, domain = started()
    parts = saved(hypervisor, domain)
    there = machine(taken=MB)
    with pytest.raises(UserError) as caught:
        restored(there, *parts)
    assert 'machine frames are taken' in caught.value.text


def test_a_kernel_that_stops_itself_goes_on_in_other_frames():
    hypervisor, domain = started(WAIT_FOR_STOP)
    assert domain.ask_to_stop()
    hypervisor.run(1000, -1, -1.0)
    assert domain.suspended and domain.paused
    there = machine(taken=MB)
    other = restored(there, *saved(hypervisor, domain))
    assert other.page_frames != domain.page_frames
    check_counts(there)
    there.unpause(other)
    there.run(1000, -1, -1.0)
    assert (other.why, other.sink.text) == ('exited', 'again')
    hypervisor.unpause(domain)                          # it can go on where it was, too
    hypervisor.run(1000, -1, -1.0)
    assert domain.sink.text == 'again'


def test_stop_means_nothing_to_a_kernel_that_masks_it():
    hypervisor, domain = started()
    assert not domain.ask_to_stop() and not domain.stopping


def test_pages_that_are_written_to_while_it_runs_are_logged():
    hypervisor, domain = started(instructions=100)
    saving = Saving(domain, NO_DRIVES)
    hypervisor.run(200, -1, -1.0)
    marks = saving.dirty()
    assert marks[2] == marks[3] == '1' and marks[4] == '0' and marks.count('1') < 6
    hypervisor.pause(domain)
    assert '1' not in saving.dirty()
    hypervisor.unpause(domain)
    hypervisor.run(200, -1, -1.0)
    assert saving.dirty()[2] == '1'
    saving.end()
    hypervisor.run(200, -1, -1.0)
    assert hypervisor.memory.noted == []


def test_pages_copied_while_it_runs_and_then_those_written_since_are_a_whole_domain():
    hypervisor, domain = started(instructions=100)
    saving = Saving(domain, NO_DRIVES)
    pages = [(saving.kind(k), saving.page(k)) for k in range(len(saving.frames))]
    for turn in range(3):
        hypervisor.run(1000, -1, -1.0)
        for k, mark in enumerate(saving.dirty()):
            if mark == '1':
                pages[k] = saving.kind(k), saving.page(k)
    hypervisor.pause(domain)
    for k, mark in enumerate(saving.dirty()):
        if mark == '1' or saving.kind(k) in (L1, L2):
            pages[k] = saving.kind(k), saving.page(k)
    there = machine()
    other = restored(there, domain.page_frames, pages, saving.state())
    there.unpause(other)
    there.run(20000, -1, -1.0)
    assert other.sink.text == 'right'


def tampered(state, name, change):
    lines = [line.split(' ') for line in state.split('\n')]
    for words in lines:
        if words[0] == name:
            words[1:] = change(words[1:])
    return '\n'.join(' '.join(words) for words in lines)


@pytest.mark.parametrize('name, change', [
    ('context', lambda words: words[:-1]), ('context', lambda words: [str(1 << 40)] + words[1:]), ('context', lambda words: ['x'] + words[1:]),
    ('context', lambda words: words[:14] + ['8'] + words[15:]), ('cr2', lambda words: []), ('times', lambda words: words[:3]), ('nothing', None),
    ('pins', lambda words: ['77']), ('pins', lambda words: [str(5000 << 3 | 2)]), ('pages', lambda words: ['1', '1']), ('fpu', lambda words: ['-1'] * 129),
    ('machine_to_physical', lambda words: words[1:]), ('typed', lambda words: ['256']), ('asleep', lambda words: ['2'])])
def test_state_that_was_tampered_with_is_refused(name, change):
    hypervisor, domain = started()
    frames, pages, state = saved(hypervisor, domain)
    if name == 'nothing':
        state = ''
    else:
        state = tampered(state, name, change)
    there = machine()
    with pytest.raises(UserError) as caught:
        restored(there, frames, pages, state)
    assert 'damaged' in caught.value.text and '\n' not in caught.value.text


def test_page_tables_that_were_tampered_with_are_refused():
    hypervisor, domain = started()
    frames, pages, state = saved(hypervisor, domain)
    table = [k for k in range(len(pages)) if pages[k][0] == L1][0]
    directory = [k for k in range(len(pages)) if pages[k][0] == L2][0]
    for k, entry in ((table, 0x5000 << 12 | 1), (table, table << 12 | 3), (table, 1 | 1 << 7), (directory, 3 << 12 | 1)):
        bad = list(pages)
        bad[k] = bad[k][0], ''.join(chr(entry >> (8 * j) & 0xff) for j in range(4)) + bad[k][1][4:]
        with pytest.raises(UserError) as caught:
            restored(machine(), frames, bad, state)
        assert 'damaged' in caught.value.text
    for bad in ((len(pages), 0, '\0' * FRAME), (0, 7, '\0' * FRAME), (0, 0, 'x'), (len(pages) - 1, L1, '\0' * FRAME)):
        there = machine()
        restoring = Restoring(there.create_saved('d', XEN_1_0, frames, Console(), BARE))
        with pytest.raises(UserError):
            restoring.put(*bad)


def with_disk(disk):
    """A domain that is not run, and the drives that it was made with."""
    rig = Rig()
    domain = rig.domains[0]
    drives = [Drive(disk or rig.disk, 'ide')]
    return rig, domain, drives


def test_a_domain_is_not_saved_while_its_disks_have_something_to_do():
    rig, domain, drives = with_disk(None)
    saving = Saving(domain, drives)
    rig.put(0, 5, [rig.buffer(30, 8)])
    assert rig.push() == 0 and domain.waits_for_disks()
    with pytest.raises(UserError) as caught:
        saving.state()
    assert 'waits for its disks' in caught.value.text
    saving.dirty()
    rig.pass_time()
    assert not domain.waits_for_disks()
    assert saving.dirty()[30] == '1'                    # what a disk writes counts
    lines = saving.state().split('\n')
    assert 'block_ring 1 1' in lines


def test_a_domain_with_disks_that_cannot_come_along_is_not_saved():
    rig, domain, drives = with_disk(Snapshot(MemoryDisk()))
    with pytest.raises(UserError) as caught:
        Saving(domain, drives)
    assert 'snapshot' in caught.value.text
    for change in (lambda ring: ring.add(VirtualDisk(3, CAN_READ, [], key='made here ')), lambda ring: ring.remove(VIRTUAL),
                   lambda ring: ring.grants.append(Grant(None, 0, 0, 8, 1))):
        rig, domain, drives = with_disk(None)
        change(domain.block)
        with pytest.raises(UserError) as caught:
            Saving(domain, drives)
        assert 'privileged domain' in caught.value.text


def test_no_privileged_or_unbuilt_or_dead_domain_is_saved():
    hypervisor, domain = started()
    domain.privileged = True
    with pytest.raises(UserError):
        Saving(domain, NO_DRIVES)
    domain.privileged = False
    domain.die('test')
    with pytest.raises(UserError):
        Saving(domain, NO_DRIVES)
