import random

from hyper.board.io_apic import BASE, InterruptLines, IoApic

from board_parts import Board

MASKED, LEVEL, ACTIVE_LOW, IRR, LOGICAL = 1 << 16, 1 << 15, 1 << 13, 1 << 14, 1 << 11


class Processor(object):
    """In place of a local APIC with identifier 0 and logical destination 1."""

    def __init__(self):
        self.enabled = True
        self.software = True
        self.heard = []

    def is_software_enabled(self):
        return self.software

    def is_addressed(self, destination, is_logical):
        return destination & 1 != 0 if is_logical else destination in (0, 0xff)

    def accept(self, vector, level):
        self.heard.append((vector, level))

    def nmi(self):
        self.heard.append('nmi')

    def initialize(self):
        self.heard.append('init')


class ApicBoard(Board):
    def __init__(self):
        Board.__init__(self)
        self.processor = Processor()
        self.apic = IoApic(self.processor, self.processor)
        self.apic.connect(self.bus)
        self.lines = InterruptLines(self.wires)
        self.lines.io_apic = self.apic

    def read(self, which):
        self.bus.write_memory(BASE, 4, which)
        return self.bus.read_memory(BASE + 0x10, 4)

    def write(self, which, value):
        self.bus.write_memory(BASE, 4, which)
        self.bus.write_memory(BASE + 0x10, 4, value)

    def entry(self, number, low, destination=0):
        self.write(0x11 + 2 * number, destination << 24)
        self.write(0x10 + 2 * number, low)


def test_it_has_24_inputs_that_are_masked_at_first():
    board = ApicBoard()
    assert board.read(1) == 0x00170011
    assert all(board.read(0x10 + 2 * n) == MASKED for n in range(24)) and board.read(0x40) == 0
    board.write(0, 0xffffffff)
    assert board.read(0) == 0x0f000000 and board.read(2) == 0x0f000000
    assert board.bus.read_memory(BASE + 0x13, 1) == 0x0f and board.bus.read_memory(BASE + 0x20, 4) == 0


def test_an_edge_is_sent_once_and_lost_while_masked():
    board = ApicBoard()
    board.lines.set_line(4, True)
    board.lines.set_line(4, False)
    board.entry(4, 0x34)
    assert board.processor.heard == []
    board.lines.set_line(4, True)
    board.lines.set_line(4, True)
    assert board.processor.heard == [(0x34, False)] and board.wires.level[4]
    board.lines.set_line(4, False)
    board.lines.set_line(4, True)
    assert len(board.processor.heard) == 2


def test_a_level_is_sent_again_only_after_its_end():
    board = ApicBoard()
    board.entry(11, 0x5b | LEVEL)
    board.lines.set_line(11, True)
    assert board.processor.heard == [(0x5b, True)] and board.read(0x10 + 22) & IRR
    board.lines.set_line(11, False)
    board.lines.set_line(11, True)
    assert len(board.processor.heard) == 1
    board.apic.end_of_interrupt(0x5c)
    assert len(board.processor.heard) == 1
    board.apic.end_of_interrupt(0x5b)
    assert len(board.processor.heard) == 2
    board.lines.set_line(11, False)
    board.apic.end_of_interrupt(0x5b)
    assert len(board.processor.heard) == 2 and not board.read(0x10 + 22) & IRR


def test_unmasking_sends_a_level_that_is_there_and_polarity_turns_it_around():
    board = ApicBoard()
    board.lines.set_line(10, True)
    board.entry(10, 0x50 | LEVEL | MASKED)
    assert board.processor.heard == []
    board.entry(10, 0x50 | LEVEL)
    assert board.processor.heard == [(0x50, True)]
    board.entry(9, 0x49 | LEVEL | ACTIVE_LOW)
    assert board.processor.heard[1:] == [(0x49, True)]
    board.lines.set_line(9, True)
    board.apic.end_of_interrupt(0x49)
    assert len(board.processor.heard) == 2


def test_the_timer_comes_to_input_2():
    board = ApicBoard()
    board.entry(0, 0x30)
    board.entry(2, 0x32)
    board.lines.set_line(0, True)
    assert board.processor.heard == [(0x32, False)]


def test_destinations_and_modes_decide_who_hears_what():
    board = ApicBoard()
    for low, destination, heard in [(0x40, 1, []), (0x40, 0xff, [(0x40, False)]), (0x40 | LOGICAL, 2, []), (0x41 | LOGICAL, 3, [(0x41, False)]),
                                    (0x42 | 1 << 8, 0, [(0x42, False)]), (4 << 8, 0, ['nmi']), (5 << 8, 0, ['init']), (2 << 8, 0, [])]:
        board.processor.heard = []
        board.lines.set_line(5, False)
        board.entry(5, low, destination)
        board.lines.set_line(5, True)
        assert board.processor.heard == heard
    board.processor.heard = []
    board.processor.software = False
    board.entry(6, 0x46 | LEVEL)
    board.lines.set_line(6, True)
    assert board.processor.heard == [] and not board.read(0x10 + 12) & IRR


def test_random_accesses_do_no_harm():
    random.seed(15)
    board = ApicBoard()
    for i in range(10000):
        what = random.randrange(4)
        size = random.choice([1, 2, 4])
        if what == 0:
            board.bus.write_memory(BASE + random.choice([0, 0x10, random.randrange(0x1000 - 4)]), size, random.getrandbits(8 * size))
        elif what == 1:
            assert 0 <= board.bus.read_memory(BASE + random.choice([0, 0x10, random.randrange(0x1000 - 4)]), size) < 1 << 8 * size
        elif what == 2:
            board.lines.set_line(random.choice([0, 1, 3, 4, 9, 10, 15]), random.randrange(2) == 1)
        else:
            board.apic.end_of_interrupt(random.getrandbits(8))
        board.write(0x10 + 2 * random.randrange(24), random.getrandbits(17))
    assert all(heard in ('nmi', 'init') or 0 <= heard[0] <= 255 for heard in board.processor.heard)
