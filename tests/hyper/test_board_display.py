"""The display adapter: its framebuffer, its modes, and what the screen is told to show."""
import random

from hyper.board import screen
from hyper.board.display import (BPP, CAPABILITIES, ENABLE, ENABLED, ID, KEEP_MEMORY, LINEAR, SIZE, VIRTUAL_HEIGHT, VIRTUAL_WIDTH, VideoMemory,
                                 X_OFFSET, XRES, Y_OFFSET, YRES)
from hyper.board.fittings import Fittings
from hyper.board.local_apic import ProcessorPins
from hyper.board.pc import PC
from hyper.cpu import models
from hyper.options import ETHERNET_ADDRESS

from board_parts import Board

AT = 0xe0000000                 # where the BAR is set up
COMMAND, BAR0 = 4, 0x10


class DisplayBoard(Board):
    def __init__(self):
        Board.__init__(self)
        fittings = Fittings([], None, ETHERNET_ADDRESS, VideoMemory(), False, False)
        self.pc = PC(self.bus, self.clock, ProcessorPins(), self.listener, self.sink, self.ram, fittings, models.find(''))

    def write(self, index, value):
        self.bus.write_port(0x1ce, 2, index)
        self.bus.write_port(0x1cf, 2, value)

    def read(self, index):
        self.bus.write_port(0x1ce, 2, index)
        return self.bus.read_port(0x1cf, 2)

    def config(self, register, value, size=4):
        self.bus.write_port(0xcf8, 4, 0x80000000 | 2 << 11 | register)
        self.bus.write_port(0xcfc, size, value)

    def read_config(self, register):
        self.bus.write_port(0xcf8, 4, 0x80000000 | 2 << 11 | register)
        return self.bus.read_port(0xcfc, 4)

    def mode(self, width, height, bits, flags=ENABLED | LINEAR):
        self.write(ENABLE, 0)
        self.write(XRES, width)
        self.write(YRES, height)
        self.write(BPP, bits)
        self.write(ENABLE, flags)

    def shown(self):
        return self.pc.screen().split('\n')[0].split(' ')


def test_after_power_on_the_screen_is_text_of_80_by_25_with_the_colours_of_every_bios():
    board = DisplayBoard()
    assert board.shown() == ['text', '80', '25', '753664', '160', '16', '0', '13', '14']
    assert board.pc.screen().split('\n')[1].split(' ')[:8] == ['000000', '0000aa', '00aa00', '00aaaa', 'aa0000', 'aa00aa', 'aa5500', 'aaaaaa']


def test_text_follows_start_cursor_and_palette():
    board = DisplayBoard()
    for index, value in ((0x0c, 0), (0x0d, 80), (0x0e, 0), (0x0f, 85), (0x0a, 0x20)):
        board.outb(0x3d4, index)
        board.outb(0x3d5, value)
    assert board.shown()[1:] == ['80', '25', '%d' % (0xb8000 + 160), '160', '16', '-1', '0', '14']
    board.outb(0x3c8, 7)
    for value in (63, 32, 0):
        board.outb(0x3c9, value)
    assert board.pc.screen().split('\n')[1].split(' ')[7] == 'ff8200'


def test_a_mode_is_set_and_told():
    board = DisplayBoard()
    assert board.read(ID) == 0xb0c5 and board.read(10) == 256
    board.mode(1024, 768, 32)
    assert board.shown() == ['packed', '1024', '768', '32', 'display', '0', '4096']
    assert board.read(VIRTUAL_WIDTH) == 1024 and board.read(VIRTUAL_HEIGHT) == 4096
    board.write(VIRTUAL_WIDTH, 1280)
    board.write(Y_OFFSET, 2)
    board.write(X_OFFSET, 3)
    assert board.shown()[4:] == ['display', '%d' % (2 * 5120 + 12), '5120']
    board.write(ENABLE, 0)
    assert board.shown()[0] == 'text'


def test_the_most_there_is_and_what_is_more_than_that():
    board = DisplayBoard()
    board.write(ENABLE, CAPABILITIES)
    assert [board.read(index) for index in (XRES, YRES, BPP)] == [2560, 1600, 32]
    board.mode(640, 480, 16)
    for index, value in ((XRES, 2561), (YRES, 1601), (BPP, 17), (BPP, 64), (ID, 0xb0c6), (99, 5)):
        board.write(index, value)
    assert board.shown()[:4] == ['packed', '640', '480', '16'] and board.read(ID) == 0xb0c5 and board.read(99) == 0xffff


def test_the_framebuffer_is_memory_behind_the_bar_and_a_new_mode_clears_it():
    board = DisplayBoard()
    board.bus.write_memory(AT + 100, 4, 0x12345678)
    board.bus.write_memory(AT + SIZE - 1, 1, 0x55)
    assert board.bus.read_memory(AT + 102, 2) == 0x1234 and board.bus.read_memory(AT + SIZE - 1, 1) == 0x55
    assert board.bus.read_memory(AT + SIZE, 4) == 0xffffffff
    assert board.pc.display.memory.read_bytes(100, 4) == '\x78\x56\x34\x12' and board.pc.display.memory.read_bytes(SIZE - 1, 9) == '\x55'
    board.mode(640, 480, 8, ENABLED | KEEP_MEMORY)
    assert board.bus.read_memory(AT + 100, 4) == 0x12345678
    board.mode(640, 480, 8)
    assert board.bus.read_memory(AT + 100, 4) == 0


def test_the_bar_moves_and_never_onto_ram_or_another_device():
    board = DisplayBoard()
    board.config(BAR0, 0xffffffff)
    assert board.read_config(BAR0) == (-SIZE & 0xffffffff | 8)
    board.config(BAR0, 0xc0000000)
    board.bus.write_memory(0xc0000000, 4, 7)
    assert board.bus.read_memory(0xc0000000, 4) == 7 and board.bus.read_memory(AT, 4) == 0xffffffff
    for address in (0, 0xfe000000):                     # RAM; the APICs
        board.config(BAR0, address)
        assert not board.bus.is_memory(0xc0000000) and not board.bus.is_memory(address)
    board.config(BAR0, AT)
    assert board.bus.read_memory(AT, 4) == 7
    board.config(COMMAND, 0, 2)
    assert board.bus.read_memory(AT, 4) == 0xffffffff


def test_planes_are_not_drawn_and_mode_13_is():
    board = DisplayBoard()
    board.mode(640, 480, 4)
    assert board.shown() == ['off']
    board.write(ENABLE, 0)
    for port, index, value in ((0x3ce, 6, 0x05), (0x3ce, 5, 0x40), (0x3d4, 9, 0x41), (0x3d4, 0x12, 0x8f), (0x3d4, 7, 0x1f)):
        board.outb(port, index)
        board.outb(port + 1, value)
    assert board.shown() == ['packed', '320', '200', '8', 'physical', '655360', '320']
    board.outb(0x3ce, 5)
    board.outb(0x3cf, 0)
    assert board.shown() == ['off']


def test_random_registers_do_no_harm_and_what_is_told_can_be_drawn():
    random.seed(21)
    board = DisplayBoard()
    for i in range(4000):
        what = random.randrange(5)
        if what == 0:
            board.write(random.randrange(12), random.choice([0, 1, 8, 0x41, 640, 0xffff, random.getrandbits(16)]))
        elif what == 1:
            board.outb(random.choice(range(0x3b0, 0x3e0)), random.getrandbits(8))
        elif what == 2:
            board.config(random.choice([COMMAND, BAR0, 0x14, 0x30, 0x3c]), random.getrandbits(32))
        elif what == 3:
            board.bus.write_memory(random.choice([AT, AT + SIZE - 3, random.getrandbits(32)]), 4, random.getrandbits(32))
        else:
            assert 0 <= board.read(random.randrange(12)) <= 0xffff
        if i % 5 == 0:
            first, second = (screen.describe(board.pc.vga, board.pc.display) + '\n').split('\n')[:2]
            words = first.split(' ')
            assert words[0] in ('off', 'text', 'packed')
            assert len(second.split(' ')) == {'off': 1, 'text': 16, 'packed': 256}[words[0]]
            assert min(int(word) for word in words[1:] + ['0'] if word[-1].isdigit()) >= -0x10000
    board.config(COMMAND, 7, 2)
    board.config(BAR0, AT)
    board.bus.write_memory(AT, 4, 9)
    assert board.bus.read_memory(AT, 4) == 9
