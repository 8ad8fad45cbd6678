import random

from hyper.board.pit import HERTZ, Pit, ticks_at, time_of

from board_parts import Board


def board_with_pit():
    board = Board()
    board.pit = Pit(board.clock, board.wires, 0)
    board.pit.connect(board.bus)
    board.wires.rises[0] = 0
    return board


def program(board, channel, mode, count, access=3, bcd=0):
    board.outb(0x43, channel << 6 | access << 4 | mode << 1 | bcd)
    board.outb(0x40 + channel, count & 0xff)
    if access == 3:
        board.outb(0x40 + channel, count >> 8)


def latched(board, channel):
    board.outb(0x43, channel << 6)
    low = board.inb(0x40 + channel)
    return low | board.inb(0x40 + channel) << 8


def status(board, channel):
    board.outb(0x43, 0xe0 | 2 << channel)
    return board.inb(0x40 + channel)


def at_tick(board, tick):
    board.run_to(time_of(tick))


def test_ticks_and_nanoseconds_agree_without_overflow():
    for tick in [0, 1, 2, 1193181, 1193182, 123456789012, 10 ** 15]:
        assert ticks_at(time_of(tick)) == tick
        assert tick == 0 or ticks_at(time_of(tick) - 1) == tick - 1
        assert time_of(tick) < 1 << 62


def test_the_rate_generator_interrupts_once_a_period_without_drift():
    board = board_with_pit()
    program(board, 0, 2, 11932)
    board.run_to(10 ** 9)
    assert board.wires.rises[0] == HERTZ // 11932
    board.run_to(10 ** 10)
    assert board.wires.rises[0] == 10 * HERTZ // 11932


def test_the_square_wave_interrupts_once_a_period_and_is_high_for_half_of_it():
    board = board_with_pit()
    program(board, 0, 3, 1001)
    at_tick(board, 500)
    assert board.wires.level[0]
    at_tick(board, 501)
    assert not board.wires.level[0]
    at_tick(board, 1001)
    assert board.wires.level[0] and board.wires.rises[0] == 1


def test_one_shot_mode_0_goes_low_when_programmed_and_rises_once():
    board = board_with_pit()
    program(board, 0, 0, 100)
    assert not board.wires.level[0]
    at_tick(board, 99)
    assert not board.wires.level[0] and latched(board, 0) == 1
    at_tick(board, 100)
    assert board.wires.level[0]
    at_tick(board, 5000)
    assert board.wires.rises[0] == 1
    assert latched(board, 0) == (100 - 5000) & 0xffff


def test_mode_0_written_again_starts_again():
    board = board_with_pit()
    program(board, 0, 0, 100)
    at_tick(board, 50)
    board.outb(0x40, 200)
    board.outb(0x40, 0)
    at_tick(board, 249)
    assert board.wires.rises[0] == 0
    at_tick(board, 250)
    assert board.wires.rises[0] == 1


def test_the_software_strobe_interrupts_after_the_count():
    board = board_with_pit()
    program(board, 0, 4, 100)
    at_tick(board, 100)
    assert board.wires.rises[0] == 0
    at_tick(board, 102)
    assert board.wires.rises[0] == 1
    at_tick(board, 100000)
    assert board.wires.rises[0] == 1


def test_a_new_count_of_a_periodic_mode_waits_for_the_end_of_the_cycle():
    board = board_with_pit()
    program(board, 0, 2, 1000)
    at_tick(board, 400)
    board.outb(0x40, 100)
    board.outb(0x40, 0)
    assert status(board, 0) & 0x40
    at_tick(board, 999)
    assert board.wires.rises[0] == 0
    at_tick(board, 1000)
    assert board.wires.rises[0] == 1
    at_tick(board, 1100)
    assert board.wires.rises[0] == 2 and not status(board, 0) & 0x40


def test_a_latched_count_stands_until_it_is_read():
    board = board_with_pit()
    program(board, 0, 2, 10000)
    at_tick(board, 1000)
    board.outb(0x43, 0x00)
    at_tick(board, 3000)
    board.outb(0x43, 0x00)
    assert board.inb(0x40) | board.inb(0x40) << 8 == 9000
    assert latched(board, 0) == 7000


def test_unlatched_reads_give_low_and_high_byte_in_turn():
    board = board_with_pit()
    program(board, 0, 2, 0x1234)
    assert board.inb(0x40) == 0x34
    assert board.inb(0x40) == 0x12


def test_counts_of_one_byte_and_zero_for_the_largest():
    board = board_with_pit()
    program(board, 2, 2, 0x20, access=1)
    assert board.inb(0x42) == 0x20
    program(board, 0, 2, 0)
    at_tick(board, 65535)
    assert board.wires.rises[0] == 0
    at_tick(board, 65536)
    assert board.wires.rises[0] == 1


def test_bcd_counts_in_decimal():
    board = board_with_pit()
    program(board, 0, 2, 0x1000, bcd=1)
    at_tick(board, 1)
    assert latched(board, 0) == 0x0999
    at_tick(board, 1000)
    assert board.wires.rises[0] == 1


def test_read_back_latches_status_before_count():
    board = board_with_pit()
    program(board, 0, 2, 0x4321)
    board.outb(0x43, 0xc2)
    assert board.inb(0x40) == 0x80 | 0x30 | 2 << 1
    assert board.inb(0x40) == 0x21
    assert board.inb(0x40) == 0x43


def test_channel_2_counts_while_port_61h_gates_it_and_shows_there():
    board = board_with_pit()
    board.outb(0x61, 0)
    program(board, 2, 0, 1000)
    at_tick(board, 5000)
    assert not board.inb(0x61) & 0x20 and latched(board, 2) == 1000
    board.outb(0x61, 1)
    at_tick(board, 5999)
    assert not board.inb(0x61) & 0x20
    at_tick(board, 6000)
    assert board.inb(0x61) & 0x21 == 0x21
    assert board.wires.rises[0] == 0


def test_a_low_gate_holds_the_count_and_a_high_one_goes_on():
    board = board_with_pit()
    board.outb(0x61, 1)
    program(board, 2, 0, 1000)
    at_tick(board, 300)
    board.outb(0x61, 0)
    at_tick(board, 9000)
    assert latched(board, 2) == 700
    board.outb(0x61, 1)
    at_tick(board, 9100)
    assert latched(board, 2) == 600


def test_a_rising_gate_triggers_the_hardware_one_shot():
    board = board_with_pit()
    board.outb(0x61, 0)
    program(board, 2, 1, 100)
    at_tick(board, 1000)
    assert board.inb(0x61) & 0x20
    board.outb(0x61, 1)
    assert not board.inb(0x61) & 0x20
    at_tick(board, 1099)
    assert not board.inb(0x61) & 0x20
    at_tick(board, 1100)
    assert board.inb(0x61) & 0x20


def test_the_refresh_bit_toggles_with_time():
    board = board_with_pit()
    seen = set()
    for i in range(10):
        board.run_to(i * 15085 + 10)
        seen.add((i & 1, board.inb(0x61) & 0x10))
    assert seen == set([(0, 0), (1, 0x10)])


def test_it_survives_garbage():
    random.seed(2)
    board = board_with_pit()
    for i in range(5000):
        port = random.choice([0x40, 0x41, 0x42, 0x43, 0x61])
        if random.randrange(2):
            board.outb(port, random.randrange(256))
        else:
            assert 0 <= board.inb(port) <= 255
        if i % 10 == 0:
            board.run_to(board.hand.time + random.randrange(100000))
