import random

from hyper.board.i8042 import Keyboard

from board_parts import Board


def board_with_keyboard():
    board = Board()
    board.keyboard = Keyboard(board.wires, 1, board.listener)
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


def test_there_is_no_mouse_and_nobody_has_to_wait_to_learn_it():
    board = board_with_keyboard()
    board.outb(0x64, 0xd3)
    board.outb(0x60, 0x5a)
    assert board.inb(0x64) & 0x21 == 0x01       # not marked as the mouse's
    assert answers(board) == [0x5a]
    board.outb(0x64, 0xa9)
    assert answers(board) == [0x01]
    board.outb(0x64, 0xd4)
    board.outb(0x60, 0xff)
    assert answers(board) == [0xfe]


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
        if random.randrange(3):
            board.outb(port, random.randrange(256))
        else:
            assert 0 <= board.inb(port) <= 255
