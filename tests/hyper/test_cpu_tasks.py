"""Task switches (SDM vol. 3, chapter 7): by JMP, CALL, IRET and task gates, to TSSs of both sizes; what is saved, linked, marked busy; faults of the new
task come in the new task."""
import struct

import pytest

from cpu_parts import (CODE, DATA, DIRECTORY, GDT, HANDLERS, INNER_STACK, LDT_SELECTOR, STACK, TSS, TSS_SELECTOR, KERNEL_CODE, KERNEL_DATA, USER_CODE,
                       USER_DATA, FREE, Guest, descriptor, gate)
from hyper.cpu import flags
from hyper.cpu.mode import CS, SS, DS, ES, FS, GS, LDTR, TR

NEW = 0x3100                # the new task's TSS
NEW_CODE, NEW_STACK = 0x7000, 0x1f000
SELECTOR, GATE = FREE, FREE + 8
TSS32, TSS16, BUSY, TASK_GATE = 9, 1, 2, 5
GP, NP, SS_FAULT, TS, DF, UD, PF = 13, 11, 12, 10, 8, 6, 14
NT = flags.NT


class Tasks(Guest):
    """The first task is that of cpu_parts; `source` runs in it. The second one's registers are EAX = A0h and so on."""

    def __init__(self, source, second='hlt', size=4, ring=0, cs=KERNEL_CODE, data=KERNEL_DATA, **fields):
        Guest.__init__(self, source, ring)
        code = self.code
        self.write(second, NEW_CODE)
        self.code = code
        self.size = size
        self.define(SELECTOR, descriptor(NEW, 0x67 if size == 4 else 0x2b, 0x80 | (TSS32 if size == 4 else TSS16)))
        self.define(GATE, gate(TASK_GATE, SELECTOR, 0, dpl=3))
        values = dict(eip=NEW_CODE, eflags=2, cs=cs, ss=data, ds=data, es=data, fs=0, gs=0, ldt=0, cr3=0, trap=0)
        for k in range(8):
            values['r%d' % k] = 0xa0 + k
        values['r4'] = NEW_STACK
        values.update(fields)
        for name in values:
            self.put(name, values[name])

    def place(self, name, size):
        wide = {'link': 0, 'cr3': 0x1c, 'eip': 0x20, 'eflags': 0x24, 'es': 0x48, 'cs': 0x4c, 'ss': 0x50, 'ds': 0x54, 'fs': 0x58, 'gs': 0x5c, 'ldt': 0x60,
                'trap': 0x64}
        narrow = {'link': 0, 'eip': 0xe, 'eflags': 0x10, 'es': 0x22, 'cs': 0x24, 'ss': 0x26, 'ds': 0x28, 'ldt': 0x2a}
        if name[0] == 'r':
            return 0x28 + 4 * int(name[1]) if size == 4 else 0x12 + 2 * int(name[1])
        return (wide if size == 4 else narrow).get(name)

    def put(self, name, value):
        at = self.place(name, self.size)
        if at is None:
            return
        if self.size == 4:
            self.memory.write32(NEW + at, value)
        else:
            self.memory.write16(NEW + at, value)

    def saved(self, name):
        """A field of the first task's TSS, which is a 32-bit one."""
        return self.memory.read32(TSS + self.place(name, 4))

    def is_busy(self, selector):
        return self.memory.read8(GDT + selector + 5) & BUSY != 0


SWITCHES = ['ljmp $0x40, $0', 'lcall $0x40, $0', 'ljmp $0x48, $0', 'lcall $0x48, $0', 'int $0x50']


@pytest.mark.parametrize('size', [4, 2])
@pytest.mark.parametrize('switch', SWITCHES)
def test_a_switch_saves_one_task_and_loads_the_other(switch, size):
    guest = Tasks('mov $0x11, %eax; mov $0x22, %ebx; stc;' + switch, size=size)
    guest.vector(0x50, gate(TASK_GATE, SELECTOR, 0))
    assert guest.run() is None
    high = 0 if size == 4 else 0xffff0000
    assert [guest.eax, guest.ecx, guest.esi, guest.edi] == [0xa0 | high, 0xa1 | high, 0xa6 | high, 0xa7 | high]
    assert guest.esp == NEW_STACK & (0xffffffff if size == 4 else 0xffff) | high
    assert (guest.saved('r0'), guest.saved('r3'), guest.saved('eip'), guest.saved('cs'), guest.saved('ds')) == (
        0x11, 0x22, CODE + len(guest.code), KERNEL_CODE, KERNEL_DATA)
    assert guest.saved('eflags') & flags.CF and guest.saved('eflags') & NT == 0
    nested = 'call' in switch or 'int' in switch
    system = guest.system
    assert (guest.is_busy(TSS_SELECTOR), guest.is_busy(SELECTOR)) == (nested, True)
    assert guest.flag(NT) == nested and (not nested or guest.memory.read16(NEW) == TSS_SELECTOR)
    assert system.selector[TR] == SELECTOR and system.base[TR] == NEW and system.cr0 & 8


@pytest.mark.parametrize('size', [4, 2])
def test_iret_goes_back_to_the_task_that_called(size):
    guest = Tasks('mov $0x11, %eax; lcall $0x40, $0; mov %eax, %ebx; hlt', 'mov $7, %eax; iret', size=size)
    assert guest.run() is None
    assert (guest.eax, guest.ebx, guest.esp) == (0x11, 0x11, STACK)
    assert not guest.flag(NT) and guest.is_busy(TSS_SELECTOR) and not guest.is_busy(SELECTOR)
    at = NEW + guest.place('eip', size)
    assert (guest.memory.read32(at) if size == 4 else guest.memory.read16(at)) == NEW_CODE + 6
    eflags = guest.memory.read16(NEW + guest.place('eflags', size))
    assert eflags & NT == 0


def test_a_task_that_is_called_again_goes_on_behind_its_iret():
    guest = Tasks('lcall $0x40, $0; lcall $0x48, $0; hlt', 'mov $0x14000, %edi; 1: incl (%edi); iret; jmp 1b')
    assert guest.run() is None and guest.memory.read32(DATA) == 2


def test_an_exception_pushes_its_error_code_on_the_new_tasks_stack():
    guest = Tasks('mov $0x7777, %eax; mov %eax, %ds', 'pop %edx; hlt')
    guest.vector(GP, gate(TASK_GATE, SELECTOR, 0))
    assert guest.run() is None
    assert guest.edx == 0x7774 and guest.saved('eip') == CODE + 5 and guest.flag(NT)


def test_a_task_may_be_of_another_ring_and_in_virtual_8086_mode():
    guest = Tasks('ljmp $0x40, $0', 'int $0x30', cs=USER_CODE, data=USER_DATA)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    guest.memory.write32(NEW + 4, INNER_STACK)
    guest.memory.write32(NEW + 8, KERNEL_DATA)
    event = guest.run()
    assert (event.vector, event.cs, event.esp) == (0x30, USER_CODE, NEW_STACK)
    guest = Tasks('ljmp $0x40, $0', '.code16; mov %cs, %ax; hlt', cs=0x700, data=0x1000, eip=0, eflags=flags.VM | 2)
    guest.memory.write32(NEW + 4, INNER_STACK)
    guest.memory.write32(NEW + 8, KERNEL_DATA)
    event = guest.run()
    assert (event.vector, event.cs, event.eip, event.eflags & flags.VM) == (GP, 0x700, 2, flags.VM) and guest.eax == 0x700


def test_a_switch_loads_cr3_if_paging_is_on():
    guest = Tasks('ljmp $0x40, $0', cr3=0xb000)
    guest.enable_paging()
    guest.memory.write32(0xb000, guest.memory.read32(DIRECTORY))
    assert guest.run() is None and guest.system.cr3 == 0xb000


@pytest.mark.parametrize('fields, vector, error', [
    (dict(cs=0), TS, 0), (dict(cs=KERNEL_DATA), TS, KERNEL_DATA), (dict(cs=0x200), TS, 0x200), (dict(ss=0), TS, 0), (dict(ss=KERNEL_CODE), TS, KERNEL_CODE),
    (dict(ss=USER_DATA), TS, USER_DATA & ~3), (dict(ds=0x50), NP, 0x50), (dict(ds=TSS_SELECTOR), TS, TSS_SELECTOR), (dict(ldt=KERNEL_DATA), TS, KERNEL_DATA),
    (dict(fs=0x204), TS, 0x204), (dict(ss=0x58), SS_FAULT, 0x58)])
@pytest.mark.parametrize('switch', ['ljmp $0x40, $0', 'lcall $0x48, $0'])
def test_what_is_wrong_with_the_new_tasks_segments_is_its_own_fault(switch, fields, vector, error):
    guest = Tasks('mov $0x11, %eax;' + switch, **fields)
    guest.define(0x50, descriptor(0, 0xffffffff, 0xc013))
    guest.define(0x58, descriptor(0, 0xffffffff, 0xc013))
    if 'ds' in fields or 'fs' in fields:
        event = guest.run()
        assert (event.vector, event.error, event.eip, event.cs) == (vector, error, NEW_CODE, KERNEL_CODE)
        assert guest.esp == NEW_STACK - 16
    else:
        assert guest.run() == 'shutdown'        # there is no stack for a handler yet
    # the new task's registers, not those of the instruction that has switched
    assert (guest.eax, guest.edi) == (0xa0, 0xa7) and guest.system.selector[TR] == SELECTOR
    assert guest.saved('r0') == 0x11


def test_a_task_that_begins_beyond_its_code_segment_faults_itself():
    guest = Tasks('ljmp $0x40, $0', cs=0x50)
    guest.define(0x50, descriptor(0, 0xfff, 0x409b))
    event = guest.run()
    assert (event.vector, event.error, event.eip, event.cs) == (GP, 0, NEW_CODE, 0x50) and guest.eax == 0xa0


@pytest.mark.parametrize('kind, limit, present, vector, error', [
    (TSS32 | BUSY, 0x67, True, GP, SELECTOR), (TSS32, 0x66, True, TS, SELECTOR), (TSS32, 0x67, False, NP, SELECTOR), (TSS16 | BUSY, 0x2b, True, GP, SELECTOR),
    (TSS16, 0x2a, True, TS, SELECTOR)])
def test_a_tss_that_cannot_be_entered_is_the_old_tasks_fault(kind, limit, present, vector, error):
    guest = Tasks('mov $0x11, %eax; lcall $0x40, $0')
    guest.define(SELECTOR, descriptor(NEW, limit, kind | (0x80 if present else 0)))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (vector, error, CODE + 5)
    assert guest.eax == 0x11 and guest.system.selector[TR] == TSS_SELECTOR


def test_iret_to_what_is_no_busy_task_faults():
    guest = Tasks('pushf; orl $0x4000, (%esp); popf; iret')
    guest.memory.write32(TSS, SELECTOR)
    event = guest.run()
    assert (event.vector, event.error) == (TS, SELECTOR)


def test_a_tss_whose_second_page_is_missing_faults_before_anything_is_saved():
    guest = Tasks('mov $0x11, %eax; ljmp $0x40, $0')
    guest.enable_paging()
    guest.define(SELECTOR, descriptor(0x150fd0, 0x67, 0x89))
    guest.map(0x151000, 0, 0)
    event = guest.run()
    assert (event.vector, event.error, event.eip, guest.system.cr2) == (PF, 0, CODE + 5, 0x151037)
    assert guest.saved('r0') == 0 and not guest.is_busy(SELECTOR)


def test_an_event_from_outside_says_so_in_the_error_code():
    guest = Tasks('ud2', ds=0x50)
    guest.define(0x50, descriptor(0, 0xffffffff, 0xc013))
    guest.vector(UD, gate(TASK_GATE, SELECTOR, 0))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (NP, 0x51, NEW_CODE)
    guest = Tasks('int $0x50', ds=0x50)
    guest.define(0x50, descriptor(0, 0xffffffff, 0xc013))
    guest.vector(0x50, gate(TASK_GATE, SELECTOR, 0))
    event = guest.run()
    assert (event.vector, event.error) == (NP, 0x50)
