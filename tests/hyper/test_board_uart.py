import random

from hyper.board.uart import Uart

from board_parts import Board


def board_with_uart():
    board = Board()
    board.uart = Uart(0x3f8, board.clock, board.wires, 4, board.sink)
    board.uart.connect(board.bus)
    return board


def put(board, register, value):
    board.outb(0x3f8 + register, value)


def get(board, register):
    return board.inb(0x3f8 + register)


def test_bytes_go_out_at_once_and_the_transmitter_is_always_empty():
    board = board_with_uart()
    for c in 'hello\n':
        assert get(board, 5) & 0x60 == 0x60
        put(board, 0, ord(c))
    assert board.sink.text == 'hello\n'


def test_the_divisor_hides_data_and_enable():
    board = board_with_uart()
    put(board, 3, 0x83)
    put(board, 0, 0x34)
    put(board, 1, 0x12)
    assert (get(board, 0), get(board, 1)) == (0x34, 0x12)
    put(board, 3, 0x03)
    assert board.sink.text == '' and get(board, 1) == 0
    assert board.uart.divisor == 0x1234


def test_registers_a_driver_probes():
    board = board_with_uart()
    put(board, 7, 0xa5)
    assert get(board, 7) == 0xa5
    put(board, 1, 0xff)
    assert get(board, 1) == 0x0f
    put(board, 1, 0)
    put(board, 2, 0x01)
    assert get(board, 2) == 0xc1        # a 16550A, its FIFOs on, nothing pending
    put(board, 2, 0x00)
    assert get(board, 2) == 0x01


def test_received_bytes_wait_for_room_and_come_in_order():
    board = board_with_uart()
    for c in 'a long line that is longer than the FIFO':
        board.uart.receive(ord(c))
    text = ''
    while get(board, 5) & 1:
        text += chr(get(board, 0))
    assert text == 'a long line that is longer than the FIFO'
    assert not get(board, 5) & 0x02


def test_a_received_byte_interrupts_until_it_is_read():
    board = board_with_uart()
    put(board, 1, 0x01)
    board.uart.receive(0x41)
    assert board.wires.level[4] and get(board, 2) == 0x04
    assert get(board, 0) == 0x41
    assert not board.wires.level[4] and get(board, 2) == 0x01


def test_below_the_trigger_level_the_interrupt_waits_four_characters():
    board = board_with_uart()
    put(board, 3, 0x83)
    put(board, 0, 1)                    # 115200 baud
    put(board, 1, 0)
    put(board, 3, 0x03)
    put(board, 1, 0x01)
    put(board, 2, 0xc1)                 # trigger at 14
    board.uart.receive(0x41)
    board.run_to(4 * 86805 - 10)
    assert not board.wires.level[4]
    board.run_to(4 * 86806)
    assert board.wires.level[4] and get(board, 2) == 0xcc
    for i in range(13):
        board.uart.receive(0x42)
    assert get(board, 2) == 0xc4


def test_an_empty_transmitter_interrupts_when_enabled_and_after_each_byte_until_identified():
    board = board_with_uart()
    put(board, 1, 0x02)
    assert board.wires.level[4] and get(board, 2) == 0x02
    assert not board.wires.level[4] and get(board, 2) == 0x01
    put(board, 0, 0x41)
    assert board.wires.rises[4] == 2
    put(board, 0, 0x42)
    assert board.wires.rises[4] == 3    # each byte is an edge of its own


def test_loopback_returns_bytes_and_modem_lines():
    board = board_with_uart()
    assert get(board, 6) == 0xb0
    put(board, 4, 0x10)
    assert get(board, 6) & 0xf0 == 0
    put(board, 4, 0x1a)
    assert get(board, 6) == 0x90 | 0x09
    assert get(board, 6) == 0x90
    put(board, 0, 0x5a)
    assert board.sink.text == '' and get(board, 0) == 0x5a


def test_an_overrun_in_loopback_is_reported_once():
    board = board_with_uart()
    put(board, 4, 0x10)
    put(board, 1, 0x04)
    put(board, 0, 1)
    put(board, 0, 2)
    assert board.wires.level[4] and get(board, 2) == 0x06
    assert get(board, 5) & 0x03 == 0x03
    assert get(board, 5) & 0x02 == 0 and not board.wires.level[4]
    assert get(board, 0) == 2


def test_clearing_the_fifo_empties_it():
    board = board_with_uart()
    put(board, 2, 0x01)
    board.uart.receive(1)
    put(board, 2, 0x03)
    assert not get(board, 5) & 1


def test_it_survives_garbage():
    random.seed(4)
    board = board_with_uart()
    for i in range(20000):
        choice = random.randrange(3)
        if choice == 0:
            put(board, random.randrange(8), random.randrange(256))
        elif choice == 1:
            assert 0 <= get(board, random.randrange(8)) <= 255
        else:
            board.uart.receive(random.randrange(256))
        if i % 10 == 0:
            board.run_to(board.hand.time + random.randrange(100000))
    assert board.uart.room() >= 0
