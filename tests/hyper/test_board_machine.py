import struct

import pytest
pytest.importorskip('hyper.cpu.models')

from hyper.board import machine as stops
from hyper.board.machine import Machine, World
from hyper.cpu import models
from hyper.loader.detect import load
from hyper.loader.entry import BootRequest
from hyper.loader.file import ImageFile

from board_parts import Collector

AT = 0x100000
MB = 1 << 20

POWER_OFF = '\x66\xba\x04\x06\x66\xb8\x00\x20\x66\xef'      # mov $0x604, %dx; mov $0x2000, %ax; out %ax, (%dx)
SELF = '\xeb\xfe'                                           # jmp .


class Typed(World):
    """A world in which some text has been typed before the start."""

    def __init__(self, text):
        self.text = text

    def read_input(self):
        text = self.text
        self.text = ''
        return text


def machine(code, text='', memory=2 * MB):
    made = Machine(memory, models.find(''), Typed(text))
    made.sink = Collector()
    made.add_pc(made.sink)
    made.load(load(ImageFile('code', code), BootRequest(memory, '', [], AT)))
    return made


def out(port, value):
    return '\xb0' + chr(value) + '\x66\xba' + struct.pack('<H', port) + '\xee'      # mov, mov, out %al, (%dx)


def test_output_goes_to_the_console_and_power_off_ends_with_status_0():
    m = machine(''.join(out(0xe9, ord(c)) for c in 'hi ') + out(0x3f8, ord('!')) + POWER_OFF + SELF)
    assert m.run(-1, -1, -1.0) == stops.POWERED_OFF
    assert m.sink.text == 'hi !' and m.status() == 0


def test_the_exit_device_gives_the_status_and_nothing_after_it_runs():
    m = machine(out(0xf4, 42) + out(0xe9, ord('x')) + SELF)
    assert m.run(-1, -1, -1.0) == stops.EXITED
    assert m.status() == 42 and m.sink.text == ''
    assert m.run(-1, -1, -1.0) == stops.EXITED


def test_a_reset_ends_the_run_with_a_word_about_it():
    m = machine(out(0x64, 0xfe) + SELF)
    assert m.run(-1, -1, -1.0) == stops.POWERED_OFF
    assert 'reset' in m.why


def test_the_instruction_limit_is_exact_and_a_run_goes_on_after_it():
    m = machine('\x40' * 1000 + POWER_OFF + SELF)           # inc %eax
    assert m.run(7, -1, -1.0) == stops.LIMIT
    assert m.system.icount == 7 and m.system.regs[0] == 7
    assert m.run(100, -1, -1.0) == stops.LIMIT
    assert m.system.regs[0] == 107
    assert m.run(-1, -1, -1.0) == stops.POWERED_OFF


def test_a_run_stops_at_an_address_before_its_instruction_and_leaves_it_when_it_goes_on():
    m = machine('\x40\x41\xeb\xfc')                         # 1: inc %eax; inc %ecx; jmp 1b
    assert m.run(-1, AT + 1, -1.0) == stops.ADDRESS
    assert m.system.eip == AT + 1 and (m.system.regs[0], m.system.regs[1]) == (1, 0)
    assert m.run(-1, AT + 1, -1.0) == stops.ADDRESS
    assert (m.system.regs[0], m.system.regs[1]) == (2, 1)


def test_a_guest_that_can_never_go_on_is_stopped():
    assert machine('\xf4').run(-1, -1, 20.0) == stops.CRASHED              # hlt with interrupts off
    assert machine('\xfb\xf4').run(-1, -1, 20.0) == stops.CRASHED          # hlt with them on, and no device set up
    assert machine(SELF).run(-1, -1, 20.0) == stops.CRASHED
    assert machine('\xf3\x90\xeb\xfc').run(-1, -1, 20.0) == stops.CRASHED  # 1: pause; jmp 1b
    m = machine('\x0f\x0b')                                                # ud2 without an interrupt table
    assert m.run(-1, -1, 20.0) == stops.CRASHED
    assert m.status() == 3 and 'triple' in m.why


def test_a_busy_guest_is_stopped_when_the_time_is_over():
    m = machine('\x40\xeb\xfd')                             # 1: inc %eax; jmp 1b
    assert m.run(-1, -1, 0.2) == stops.TIMEOUT
    assert m.status() == 124


def test_input_is_echoed_by_polling_the_uart():
    code = ('\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7'          # 1: mov $0x3fd, %dx; in (%dx), %al; test $1, %al; jz 1b
            '\x66\xba\xf8\x03\xec\xee'                      # mov $0x3f8, %dx; in; out
            '\x3c\x0a\x75\xed')                             # cmp $10, %al; jne 1b
    m = machine(code + POWER_OFF + SELF, text='echo\n')
    assert m.run(1000, -1, 20.0) == stops.POWERED_OFF
    assert m.sink.text == 'echo\n'


def timer_program(ticks, body):
    """Sets up the PICs, the PIT with so many ticks a period and an interrupt gate for IRQ 0 at vector 20h; then runs the body at `main`.

    The handler counts in EBX and ends the interrupt.
    """
    table = AT + 0x1000
    handler = AT + 0x800
    code = ''
    for port, value in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xfe),
                        (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1), (0xa1, 0xff),
                        (0x43, 0x34), (0x40, ticks & 0xff), (0x40, ticks >> 8)]:
        code += out(port, value)
    code += '\x0f\x01\x1d' + struct.pack('<I', AT + 0x7f0)  # lidt
    code += body
    image = bytearray(0x1000 + 0x21 * 8)
    image[:len(code)] = code
    image[0x7f0:0x7f6] = struct.pack('<HI', 0x21 * 8 - 1, table)
    end = '\x43\x50' + '\xb0\x20\xe6\x20' + '\x58\xcf'      # inc %ebx; push %eax; out $0x20, $0x20; pop %eax; iret
    image[0x800:0x800 + len(end)] = end
    image[0x1000 + 0x20 * 8:] = struct.pack('<HHHH', handler & 0xffff, 0x10, 0x8e00, handler >> 16)
    return str(image)


def test_timer_interrupts_wake_a_halted_guest_without_running_through_the_wait():
    m = machine(timer_program(1193, '\xfb' + '\xf4\x83\xfb\x05\x75\xfa' + POWER_OFF + SELF))     # sti; 1: hlt; cmp $5, %ebx; jne 1b
    assert m.run(-1, -1, 20.0) == stops.POWERED_OFF
    assert m.system.regs[3] == 5
    assert 4900000 < m.system.now() < 5100000               # five periods of 1 ms, minus what the set-up took
    assert m.system.icount < 200


def test_timer_interrupts_reach_a_busy_guest_at_the_same_instruction_each_time():
    ends = []
    for slices in (1, 3):
        m = machine(timer_program(12, '\xfb' + '\x40\x83\xfb\x02\x75\xfa' + POWER_OFF + SELF), memory=2 * MB)
        m.watch.period = lambda: 10000 // slices
        assert m.run(100000, -1, 120.0) == stops.POWERED_OFF
        ends.append((m.system.icount, m.system.regs[0], m.system.now()))
    assert ends[0] == ends[1]


class Wall(World):
    """A world of real time whose clock the test moves."""
    realtime = True

    def __init__(self):
        self.slept = []
        self.time = 1e9

    def wait_for_input(self, milliseconds):
        self.slept.append(milliseconds)
        self.time += milliseconds / 1000.0


@pytest.fixture
def wall(monkeypatch):
    world = Wall()
    monkeypatch.setattr(stops.time, 'time', lambda: world.time)
    return world


def machine_by(wall, code):
    made = Machine(2 * MB, models.find(''), wall)
    made.sink = Collector()
    made.add_pc(made.sink)
    made.load(load(ImageFile('code', code), BootRequest(2 * MB, '', [], AT)))
    made.watch.period = lambda: 1000000
    return made


def test_an_idle_guest_of_real_time_sleeps_until_the_wall_is_there(wall):
    m = machine_by(wall, timer_program(59659, '\xfb' + '\xf4\x83\xfb\x04\x75\xfa' + POWER_OFF + SELF))      # four halts of 50 ms
    assert m.run(-1, -1, -1.0) == stops.POWERED_OFF
    assert 190 <= sum(wall.slept) <= 230
    assert m.clock.start_of_time == 1000000000


def test_a_busy_guest_of_real_time_is_moved_on_to_the_wall_but_past_no_tick(wall):
    m = machine_by(wall, timer_program(11932, '\xfb' + '\x40\x83\xfb\x05\x75\xfa' + POWER_OFF + SELF))      # until five ticks of 10 ms have come
    m.watch.period = lambda: 1000
    wall.time += 0.2
    assert m.run(-1, -1, -1.0) == stops.POWERED_OFF
    assert m.system.regs[3] == 5 and wall.slept == []
    assert 49000000 < m.system.now() < 51000000 and m.system.icount < 100000


def test_time_does_not_leap_while_interrupts_are_off(wall):
    m = machine_by(wall, '\xb9' + struct.pack('<I', 3000) + '\x49\x75\xfd' + POWER_OFF + SELF)               # mov $3000, %ecx; 1: dec %ecx; jnz 1b
    m.watch.period = lambda: 1000
    wall.time += 0.2
    assert m.run(-1, -1, -1.0) == stops.POWERED_OFF
    assert m.system.now() == m.system.icount


def test_looking_whether_a_guest_is_stuck_changes_nothing_in_it():
    made = machine(SELF)
    memory, system = made.memory, made.system
    memory.write32(0x1000, 0x2007)
    memory.write32(0x2004, AT | 7)          # linear 1000h
    system.cr0, system.cr3, system.eip, system.eflags = 0x80000011, 0x1000, 0x1000, 2
    assert made.stuck()
    assert memory.read32(0x1000) == 0x2007 and memory.read32(0x2004) == AT | 7
    system.eip = 0x2000                     # not mapped
    assert not made.stuck()
