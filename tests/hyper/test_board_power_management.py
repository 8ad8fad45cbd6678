import random

from hyper.board.power_management import PowerFunction, PowerManagement, ticks, time_of

from board_parts import Board

SCI = 9
HALF = 1 << 23


class PowerBoard(Board):
    def __init__(self):
        Board.__init__(self)
        self.power = PowerManagement(self.clock, self.wires, self.listener)
        self.power.connect(self.bus)

    def read(self, port, size=2):
        return self.bus.read_port(port, size)

    def write(self, port, value, size=2):
        self.bus.write_port(port, size, value)


def test_the_timer_counts_3579545_a_second_in_24_bits():
    board = PowerBoard()
    assert board.read(0x608, 4) == 0
    board.run_to(10 ** 9)
    assert board.read(0x608, 4) == 3579545
    board.run_to(10 ** 10)
    assert board.read(0x608, 4) == 35795450 & 0xffffff
    assert board.read(0x609, 1) == 35795450 >> 8 & 0xff
    for count in (1, 3579544, 3579545, 3579546, 10 ** 12):
        assert ticks(time_of(count)) == count and ticks(time_of(count) - 1) == count - 1


def test_the_highest_bit_of_the_timer_interrupts_where_that_is_enabled():
    board = PowerBoard()
    assert board.clock.timers == []
    board.write(0x602, 1)
    board.run_to(time_of(HALF) - 1)
    assert board.read(0x600) == 0 and not board.wires.level[SCI]
    board.run_to(time_of(HALF))
    assert board.read(0x600) == 1 and board.wires.level[SCI]
    board.write(0x600, 1)
    assert board.read(0x600) == 0 and not board.wires.level[SCI]
    board.run_to(time_of(2 * HALF))
    assert board.wires.level[SCI]
    board.write(0x602, 0)
    assert not board.wires.level[SCI] and board.clock.timers == [] and board.read(0x600) == 1


def test_only_the_sleep_type_of_s5_powers_off():
    board = PowerBoard()
    assert board.read(0x604) == 1
    for value, size in [(0x3400, 2), (0x20, 1), (0, 2), (0x1c00, 2)]:
        board.write(0x604, value, size)
    assert board.listener.heard == [] and board.read(0x604) == 0x1c01
    board.write(0x604, 0x2000)
    assert board.listener.heard == ['power off']


def test_a_doubleword_writes_both_registers_and_a_byte_none():
    board = PowerBoard()
    board.write(0x600, 0xffff0000, 4)
    assert board.read(0x602) == 0x0721 and board.read(0x600, 4) == 0x07210000
    board.write(0x602, 0, 1)
    assert board.read(0x602) == 0x0721
    assert board.read(0x601, 2) == 0x2100


def test_random_accesses_do_no_harm():
    random.seed(14)
    board = PowerBoard()
    for i in range(5000):
        size = random.choice([1, 2, 4])
        port = random.randrange(0x5fe, 0x60e)
        if random.randrange(2):
            board.write(port, random.getrandbits(8 * size), size)
        else:
            assert 0 <= board.read(port, size) < 1 << 8 * size
        board.run_to(board.hand.time + random.randrange(10 ** 9))


def test_firmware_finds_the_registers_by_pci_and_system_management_mode_already_set_up():
    function = PowerFunction(PowerBoard().power)
    assert function.get32(0) == 0x71138086 and function.get32(0x40) == 0x601 and function.config[0x80] & 1
    assert function.get32(0x58) & 1 << 25


def configure(function, offset, value):
    function.write_config(offset, value)
    function.config_written(offset, offset)


def test_firmware_moves_the_registers_and_takes_them_away():
    board = PowerBoard()
    function = PowerFunction(board.power)
    board.run_to(10 ** 9)
    configure(function, 0x41, 0xb0)
    assert board.read(0xb008, 4) == 3579545 and board.read(0x608, 4) == 0xffffffff
    configure(function, 0x80, 0)
    assert board.read(0xb008, 4) == 0xffffffff
    configure(function, 0x80, 1)
    board.write(0xb004, 0x2000)
    assert board.listener.heard == ['power off']
    board.power.reset()
    assert board.read(0x608, 4) == 3579545 and board.read(0xb008, 4) == 0xffffffff


def test_the_registers_take_no_ports_of_another_device():
    board = PowerBoard()
    other = PowerManagement(board.clock, board.wires, board.listener)
    other.connect(board.bus)
    assert board.bus.device_at_port(0x608) is board.power
