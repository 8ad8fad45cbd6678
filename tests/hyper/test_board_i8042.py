import random

from hyper.board.i8042 import Keyboard

from board_parts import Board


def board_with_keyboard():
    board = Board()
    board.keyboard = Keyboard(board.wires, 1, 12, board.listener)
    board.keyboard.connect(board.bus)
    return board


def answers(board):
    bytes = []
    while board.inb(0x64) & 1:
        bytes.append(board.inb(0x60))
    return bytes


def test_the_self_test_passes():
    board = board_with_keyboard()
    board.outb(0x64, 0xaa)
    assert answers(board) == [0x55] and board.inb(0x64) & 4
    board.outb(0x64, 0xab)
    assert answers(board) == [0x00]


def test_the_command_byte_is_read_and_written():
    board = board_with_keyboard()
    board.outb(0x64, 0x60)
    board.outb(0x60, 0x45)
    board.outb(0x64, 0x20)
    assert answers(board) == [0x45]


def test_the_keyboard_answers_reset_and_identify():
    board = board_with_keyboard()
    board.outb(0x60, 0xff)
    assert answers(board) == [0xfa, 0xaa]
    board.outb(0x60, 0xf2)
    assert answers(board) == [0xfa, 0xab, 0x41]
    board.outb(0x60, 0xed)
    board.outb(0x60, 0x07)
    assert answers(board) == [0xfa, 0xfa]
    board.outb(0x60, 0x00)
    assert answers(board) == [0xfe]


def test_each_answer_is_an_interrupt_of_its_own():
    board = board_with_keyboard()
    board.outb(0x60, 0xff)
    assert board.wires.level[1] and board.wires.rises[1] == 1
    board.inb(0x60)
    assert board.wires.level[1] and board.wires.rises[1] == 2
    board.inb(0x60)
    assert not board.wires.level[1]


def to_mouse(board, *values):
    """What the mouse answers to bytes; each must be marked as its."""
    heard = []
    for value in values:
        board.outb(0x64, 0xd4)
        board.outb(0x60, value)
        while board.inb(0x64) & 1:
            assert board.inb(0x64) & 0x20
            heard.append(board.inb(0x60))
    return heard


def test_what_is_typed_comes_as_scan_codes_one_after_the_other():
    board = board_with_keyboard()
    board.keyboard.type('aB\x03')
    assert board.wires.level[1]
    assert answers(board) == [0x1e, 0x9e, 0x2a, 0x30, 0xb0, 0xaa, 0x1d, 0x2e, 0xae, 0x9d]
    assert not board.wires.level[1] and board.wires.rises[1] == 10
    board.keyboard.type('\x80')
    assert answers(board) == []


def test_without_translation_the_codes_are_those_of_set_2():
    board = board_with_keyboard()
    board.outb(0x64, 0x60)
    board.outb(0x60, 0x05)
    board.keyboard.type('a ')
    assert answers(board) == [0x1c, 0xf0, 0x1c, 0x29, 0xf0, 0x29]


def test_keys_wait_while_the_keyboard_is_off():
    board = board_with_keyboard()
    board.outb(0x64, 0xad)
    board.keyboard.type('a')
    assert answers(board) == []
    board.outb(0x64, 0xae)
    assert answers(board) == [0x1e, 0x9e]
    board.outb(0x60, 0xf5)
    assert answers(board) == [0xfa]
    board.keyboard.type('a' * 5000)
    assert answers(board) == [] and len(board.keyboard.typed) == 4096
    board.outb(0x60, 0xf4)
    assert answers(board)[:3] == [0xfa, 0x1e, 0x9e]


def test_the_mouse_answers_and_interrupts_on_its_own_line():
    board = board_with_keyboard()
    board.outb(0x64, 0xa9)
    assert answers(board) == [0]
    board.outb(0x64, 0xd3)
    board.outb(0x60, 0x5a)
    assert board.inb(0x64) & 0x21 == 0x21 and answers(board) == [0x5a]
    assert to_mouse(board, 0xff) == [0xfa, 0xaa, 0x00]
    assert to_mouse(board, 0xf2) == [0xfa, 0x00]
    assert to_mouse(board, 0xe8, 3, 0xf3, 40, 0xe7, 0xe9) == [0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x10, 3, 40]
    assert to_mouse(board, 0xee, 0x55, 0xec) == [0xfa, 0x55, 0xfa]
    assert to_mouse(board, 0x17) == [0xfe]
    assert board.wires.rises[12] == 0
    before = board.wires.rises[1]
    board.outb(0x64, 0x60)
    board.outb(0x60, 0x47)
    assert to_mouse(board, 0xf4) == [0xfa] and board.wires.rises[12] == 1 and board.wires.rises[1] == before


def test_movements_are_packets_once_the_host_wants_them():
    board = board_with_keyboard()
    board.keyboard.move_mouse(5, 0, 0)
    assert answers(board) == []
    to_mouse(board, 0xf4)
    board.keyboard.move_mouse(10, 20, 1)
    assert answers(board) == [0x08 | 0x20 | 1, 15, -20 & 0xff]
    board.keyboard.move_mouse(-1000, -1000, 6)
    assert answers(board) == [0x08 | 0x10 | 6, -255 & 0xff, 255]
    assert to_mouse(board, 0xf0) == [0xfa]
    board.keyboard.move_mouse(1, 0, 0)
    assert answers(board) == []
    assert to_mouse(board, 0xeb) == [0xfa, 0x08, 1, 0]
    board.outb(0x64, 0xa7)
    board.keyboard.move_mouse(1, 0, 0)
    assert to_mouse(board, 0xea, 0xeb) == [0xfa, 0xfa, 0x08, 0, 0]
    for _ in range(1000):
        board.outb(0x64, 0xa8)
        board.keyboard.move_mouse(1, 1, 0)
    heard = answers(board)
    assert len(heard) == 63 and all(byte & 0xc8 == 0x08 for byte in heard[::3])         # whole packets


def test_a20_is_on_and_the_reset_pulse_resets():
    board = board_with_keyboard()
    board.outb(0x64, 0xd0)
    assert answers(board)[0] & 3 == 3
    board.outb(0x64, 0xff)
    board.outb(0x64, 0xd1)
    board.outb(0x60, 0xdf)
    assert board.listener.heard == []
    board.outb(0x64, 0xfe)
    assert board.listener.heard == ['reset']


def test_it_survives_garbage():
    random.seed(5)
    board = board_with_keyboard()
    for i in range(20000):
        port = random.choice([0x60, 0x64])
        if i % 7 == 0:
            board.keyboard.type(chr(random.randrange(256)))
            board.keyboard.move_mouse(random.randrange(-300, 300), random.randrange(-300, 300), random.randrange(8))
        if random.randrange(3):
            board.outb(port, random.randrange(256))
        else:
            assert 0 <= board.inb(port) <= 255
