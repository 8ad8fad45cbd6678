import calendar
import random
import time

import pytest

from hyper.board.rtc import Rtc, date_of, days_of

from board_parts import Board

SECOND = 10 ** 9


def board_with_rtc(when='2003-10-10 21:34:56', memory=64 << 20):
    board = Board()
    base = calendar.timegm(time.strptime(when, '%Y-%m-%d %H:%M:%S'))
    board.rtc = Rtc(board.clock, board.wires, 8, base, memory)
    board.rtc.connect(board.bus)
    return board


def get(board, index):
    board.outb(0x70, index)
    return board.inb(0x71)


def put(board, index, value):
    board.outb(0x70, index)
    board.outb(0x71, value)


def shown(board):
    return [get(board, i) for i in (0x32, 9, 8, 7, 4, 2, 0)]


def test_dates_and_days_agree_over_four_centuries():
    for day in range(-25000, 130000, 7):
        parts = time.gmtime(day * 86400)
        assert date_of(day) == (parts.tm_year, parts.tm_mon, parts.tm_mday)
        assert days_of(parts.tm_year, parts.tm_mon, parts.tm_mday) == day


def test_it_shows_the_base_plus_machine_time_in_bcd():
    board = board_with_rtc()
    assert shown(board) == [0x20, 0x03, 0x10, 0x10, 0x21, 0x34, 0x56]
    assert get(board, 6) == 6           # a Friday
    board.run_to(5 * SECOND)
    assert get(board, 0) == 0x01 and get(board, 2) == 0x35


def test_binary_and_12_hour_formats():
    board = board_with_rtc()
    put(board, 0x0b, 0x06)
    assert get(board, 4) == 21 and get(board, 0) == 56
    put(board, 0x0b, 0x00)
    assert get(board, 4) == 0x89        # 9 pm
    put(board, 4, 0x12)                 # 12 am
    put(board, 0x0b, 0x02)
    assert get(board, 4) == 0x00


def test_setting_the_time_stops_it_until_set_is_cleared():
    board = board_with_rtc()
    put(board, 0x0b, 0x82)
    for index, value in [(0x32, 0x19), (9, 0x99), (8, 0x12), (7, 0x31), (4, 0x23), (2, 0x59), (0, 0x58)]:
        put(board, index, value)
    board.run_to(10 * SECOND)
    assert shown(board) == [0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58]
    put(board, 0x0b, 0x02)
    board.run_to(12 * SECOND)
    assert shown(board) == [0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00]


@pytest.mark.parametrize('memory, extended, high', [(8 << 20, 7 << 10, 0), (64 << 20, 63 << 10, 48 << 4), (1 << 30, 0xffff, 1008 << 4)])
def test_cmos_tells_the_memory_size(memory, extended, high):
    board = board_with_rtc(memory=memory)
    assert get(board, 0x15) | get(board, 0x16) << 8 == 640
    assert get(board, 0x17) | get(board, 0x18) << 8 == extended
    assert get(board, 0x30) | get(board, 0x31) << 8 == extended
    assert get(board, 0x34) | get(board, 0x35) << 8 == high


def test_the_periodic_interrupt_comes_once_for_each_reading_of_register_c():
    board = board_with_rtc()
    put(board, 0x0b, 0x42)
    board.run_to(SECOND // 1024 + 1)
    assert board.wires.level[8]
    assert get(board, 0x0c) == 0xc0
    assert not board.wires.level[8] and get(board, 0x0c) == 0
    board.run_to(SECOND)
    assert board.wires.rises[8] == 2    # nobody read C meanwhile


def test_the_update_interrupt_comes_each_second():
    board = board_with_rtc()
    put(board, 0x0b, 0x12)
    for second in range(1, 4):
        board.run_to(second * SECOND)
        assert get(board, 0x0c) & 0x90 == 0x90
        assert get(board, 0x0c) & 0x90 == 0
    assert board.wires.rises[8] == 3


def test_the_alarm_comes_when_the_time_matches():
    board = board_with_rtc()
    put(board, 1, 0x00)
    put(board, 3, 0x35)
    put(board, 5, 0xff)                 # any hour
    put(board, 0x0b, 0x22)
    board.run_to(3 * SECOND + 999999999)
    assert not board.wires.level[8]
    board.run_to(4 * SECOND)
    assert board.wires.level[8] and get(board, 0x0c) & 0xa0 == 0xa0


def test_flags_are_set_without_interrupts_enabled():
    board = board_with_rtc()
    board.run_to(SECOND)
    assert get(board, 0x0c) == 0x50
    assert not board.wires.level[8]


def test_the_update_in_progress_bit_precedes_each_second():
    board = board_with_rtc()
    assert get(board, 0x0a) == 0x26
    board.run_to(SECOND - 100000)
    assert get(board, 0x0a) == 0xa6
    board.run_to(SECOND)
    assert get(board, 0x0a) == 0x26


def test_reset_stops_interrupts_and_keeps_memory():
    board = board_with_rtc()
    put(board, 0x50, 0x77)
    put(board, 0x0b, 0x72)
    board.rtc.reset()
    board.run_to(2 * SECOND)
    assert not board.wires.level[8] and get(board, 0x50) == 0x77


def test_it_survives_garbage():
    random.seed(3)
    board = board_with_rtc()
    for i in range(5000):
        if random.randrange(3):
            put(board, random.randrange(256), random.randrange(256))
        else:
            assert 0 <= get(board, random.randrange(256)) <= 255
        if i % 10 == 0:
            board.run_to(board.hand.time + random.randrange(10 ** 8))
