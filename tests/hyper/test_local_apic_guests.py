"""The local APIC as guest code uses it: on the bare machine and in a fully virtualized domain, where each access is emulated."""
import pytest

from assemble import assemble
from board_parts import Collector
from hyper.board import machine as stops
from hyper.board.machine import Machine, World
from hyper.cpu import models
from hyper.loader.entry import EntryState
from test_full_guest import CODE, MB, SETUP, Guest

START = SETUP + '''
        .set apic, 0xfee00000
        mov $0x40, %eax
        mov $on_timer, %edx
        call set_gate
        mov $0x41, %eax
        mov $on_message, %edx
        call set_gate
        mov $2, %eax
        mov $on_nmi, %edx
        call set_gate
        jmp body
on_timer:
        incl 0x9000
        movl $0, apic + 0xb0
        iret
on_message:
        incl 0x9004
        movl $0, apic + 0xb0
        iret
on_nmi: incl 0x9008
        iret
body:
'''


class Native(object):
    def __init__(self, source, model='core2duo'):
        self.machine = Machine(2 * MB, models.find(model), World())
        self.machine.add_pc(Collector())
        self.machine.memory.write_bytes(CODE, assemble(source, CODE))
        self.machine.enter(EntryState(CODE))
        self.reason = self.machine.run(1000000, -1, -1.0)
        self.memory = self.machine.memory


def run(how, source):
    """The memory of a guest that has powered off."""
    if how == 'native':
        guest = Native(source)
        assert guest.reason == stops.POWERED_OFF
        return guest.memory
    guest = Guest(how, source).run()
    assert (guest.domain.status, guest.domain.why) == (0, 'powered off')
    return guest.domain.memory


everywhere = pytest.mark.parametrize('how', ['native', 'vtlb', 'ept'])


@everywhere
def test_a_periodic_timer_wakes_hlt_again_and_again(how):
    memory = run(how, START + '''
        movl $0xb, apic + 0x3e0
        movl $0x20040, apic + 0x320
        movl $50000, apic + 0x380
        sti
    1:  hlt
        cmpl $5, 0x9000
        jb 1b
        jmp off''')
    assert memory.read32(0x9000) == 5


@everywhere
def test_a_message_to_itself_waits_for_the_task_priority(how):
    memory = run(how, START + '''
        sti
        movl $0x40, apic + 0x80
        movl $0x40041, apic + 0x300
        nop
        mov 0x9004, %eax
        mov %eax, 0x9010
        mov apic + 0x220, %eax
        mov %eax, 0x9014
        movl $0, apic + 0x80
    1:  cmpl $0, 0x9004
        je 1b
        mov apic + 0x220, %eax
        mov %eax, 0x9018
        jmp off''')
    assert [memory.read32(0x9010 + 4 * k) for k in range(3)] == [0, 2, 0]
    assert memory.read32(0x9004) == 1


@everywhere
def test_an_nmi_to_itself_comes_with_interrupts_off(how):
    memory = run(how, START + '''
        movl $0, apic + 0x310
        movl $0x4400, apic + 0x300
    1:  cmpl $1, 0x9008
        jne 1b
        movl $0x4400, apic + 0x300
    2:  cmpl $2, 0x9008
        jne 2b
        jmp off''')
    assert memory.read32(0x9008) == 2


@everywhere
def test_the_registers_can_be_moved_over_ram_and_away_again(how):
    memory = run(how, START + '''
        movl $0x12345678, 0x90080
        mov $0x1b, %ecx
        rdmsr
        mov %eax, 0x9010
        mov $0x90900, %eax
        wrmsr
        movl $0x50, 0x90080
        mov 0x90080, %eax
        mov %eax, 0x9014
        mov 0x90030, %eax
        mov %eax, 0x9018
        mov $0xfee00900, %eax
        wrmsr
        mov 0x90080, %eax
        mov %eax, 0x901c
        mov apic + 0x80, %eax
        mov %eax, 0x9020
        jmp off''')
    assert [memory.read32(0x9010 + 4 * k) for k in range(5)] == [0xfee00900, 0x50, 0x50014, 0x12345678, 0x50]


@everywhere
def test_switched_off_cpuid_does_not_tell_of_it(how):
    memory = run(how, START + '''
        mov $1, %eax
        cpuid
        mov %edx, 0x9010
        mov $0x1b, %ecx
        mov $0xfee00100, %eax
        xor %edx, %edx
        wrmsr
        mov $1, %eax
        cpuid
        mov %edx, 0x9014
        mov apic + 0x30, %eax
        mov %eax, 0x9018
        jmp off''')
    assert memory.read32(0x9010) ^ memory.read32(0x9014) == 1 << 9 and memory.read32(0x9010) & 1 << 9
    assert memory.read32(0x9018) == 0xffffffff


def test_a_486_has_none():
    guest = Native(SETUP + 'mov 0xfee00030, %eax\n mov %eax, 0x9010\n jmp off', '486')
    assert guest.reason == stops.POWERED_OFF and guest.memory.read32(0x9010) == 0xffffffff
