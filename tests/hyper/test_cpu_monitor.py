"""MONITOR and MWAIT."""
import pytest

from board_parts import Collector
from cpu_parts import DATA, Guest
from hyper.board import machine as stops
from hyper.board.machine import Machine, World
from hyper.cpu import models
from hyper.loader.entry import EntryState
from assemble import assemble
from test_local_apic_guests import CODE, MB, START

UD, GP, PF = 6, 13, 14
WAIT = 'mov $0x9100, %eax; xor %ecx, %ecx; xor %edx, %edx; monitor; xor %eax, %eax; mov $FLAGS, %ecx; mwait\n'
TIMER = '''
        movl $0xb, apic + 0x3e0
        movl $0x40, apic + 0x320
        movl $50000, apic + 0x380
'''


def machine(source):
    made = Machine(2 * MB, models.find('core2duo'), World())
    made.add_pc(Collector())
    made.memory.write_bytes(CODE, assemble(START + source, CODE))
    made.enter(EntryState(CODE))
    return made


def run(source):
    made = machine(source)
    assert made.run(1000000, -1, -1.0) == stops.POWERED_OFF
    return made


@pytest.mark.parametrize('name', models.names())
def test_only_models_that_tell_of_them_have_them(name):
    has = models.find(name).more_features & 8 != 0
    assert has == (name in ['pentium-d', 'core2duo', 'nehalem'])
    for instruction in ['monitor', 'mwait']:
        event = Guest('xor %%ecx, %%ecx; mov $0x14000, %%eax; %s; hlt' % instruction, model=models.find(name)).run()
        assert (event is None) == has
        assert event is None or event.vector == UD
    if has:
        assert (models.find(name).cpuid(5, 0).eax, models.find(name).cpuid(5, 0).ebx) == (64, 64)


@pytest.mark.parametrize('instruction', ['monitor', 'mwait'])
def test_outside_ring_0_they_are_undefined(instruction):
    assert Guest('xor %%ecx, %%ecx; %s' % instruction, ring=3).run().vector == UD


def test_unknown_extensions_and_bad_addresses_fault():
    assert Guest('mov $1, %ecx; monitor').run().vector == GP
    assert Guest('mov $2, %ecx; mwait').run().vector == GP
    guest = Guest('xor %ecx, %ecx; mov $0x90000, %eax; monitor')
    guest.enable_paging()
    guest.map(0x90000, 0, 0)
    event = guest.run()
    assert (event.vector, event.error, guest.system.cr2) == (PF, 0, 0x90000)


def test_mwait_waits_for_an_interrupt():
    made = run(TIMER + 'sti\n' + WAIT.replace('FLAGS', '0') + 'jmp off')
    assert made.memory.read32(0x9000) == 1 and made.system.idle > 40000


def test_a_masked_interrupt_ends_it_if_that_is_asked_for():
    made = run(TIMER + 'cli\n' + WAIT.replace('FLAGS', '1') + 'mov apic + 0x220, %eax; mov %eax, 0x9010; jmp off')
    assert made.memory.read32(0x9000) == 0 and made.memory.read32(0x9010) == 1      # requested, not taken
    assert made.system.idle > 40000


@pytest.mark.parametrize('between', ['movl $1, 0x9104', 'int $0x40'])
def test_a_store_to_the_line_or_an_event_behind_monitor_keeps_it_from_waiting(between):
    made = run('mov $0x9100, %eax; xor %ecx, %ecx; xor %edx, %edx; monitor;' + between + '; xor %eax, %eax; mwait; jmp off')
    assert made.system.idle < 1000


def test_without_monitor_it_does_not_wait():
    assert run('xor %eax, %eax; xor %ecx, %ecx; mwait; jmp off').system.idle == 0


def test_a_store_by_a_device_ends_it():
    from hyper.board.clock import Timer

    class Store(Timer):
        def expire(self):
            made.memory.write32(0x913c, 7)

    made = machine('cli\n' + WAIT.replace('FLAGS', '0') + 'jmp off')
    made.clock.schedule(Store(), 70000)
    assert made.run(1000000, -1, -1.0) == stops.POWERED_OFF
    assert made.system.idle > 60000
