import random

from hyper.board.clock import Clock
from hyper.board.disk import Drive
from hyper.board.display import VideoMemory
from hyper.board.fittings import BARE, Fittings
from hyper.board.local_apic import ProcessorPins
from hyper.board.pc import PC
from hyper.board.power import PowerControl
from hyper.board.virtio_net import Link
from hyper.cpu import models
from hyper.options import ETHERNET_ADDRESS

from board_parts import Board, MemoryDisk


def board_with_pc():
    board = Board()
    board.pc = PC(board.bus, board.clock, board.listener, board.listener, board.sink, board.ram, BARE, models.find(''))
    return board


def test_power_off_exit_and_reset_reach_the_listener():
    board = board_with_pc()
    board.listener.heard = []
    board.bus.write_port(0x604, 2, 0x2000)
    board.outb(0xf4, 0x2a)
    board.outb(0x501, 0x15)
    board.outb(0xcf9, 0x02)
    board.outb(0xcf9, 0x06)
    board.outb(0x64, 0xfe)
    board.outb(0x92, 0x03)
    assert board.listener.heard == ['power off', ('exit', 0x2a), ('exit', 0x2b), 'reset', 'reset', 'reset']


def test_what_is_no_power_off_does_nothing():
    board = board_with_pc()
    board.listener.heard = []
    board.bus.write_port(0x604, 2, 0x3400)
    board.bus.write_port(0x604, 1, 0x20)
    board.bus.write_port(0x604, 2, 0x0000)
    board.outb(0x92, 0x02)
    board.outb(0xcf9, 0x00)
    assert board.listener.heard == []


def test_the_debug_port_and_com1_write_to_the_console():
    board = board_with_pc()
    assert board.inb(0xe9) == 0xe9
    board.outb(0xe9, ord('x'))
    board.outb(0x3f8, ord('y'))
    board.outb(0x80, 0x12)
    assert board.sink.text == 'xy' and board.inb(0x80) == 0x12


def test_vga_registers_keep_what_is_written_and_retrace_follows_time():
    board = board_with_pc()
    board.bus.write_port(0x3d4, 2, 0x5a0e)      # index and data in one access
    assert board.inb(0x3d5) == 0x5a
    board.outb(0x3d4, 0xf0)
    assert board.inb(0x3d5) == 0
    board.inb(0x3da)
    board.outb(0x3c0, 0x10)
    board.outb(0x3c0, 0x77)
    board.inb(0x3da)
    board.outb(0x3c0, 0x10)
    assert board.inb(0x3c1) == 0x77
    assert board.inb(0x3cc) & 1
    board.outb(0x3c8, 1)
    for value in (1, 2, 0xff):
        board.outb(0x3c9, value)
    board.outb(0x3c7, 1)
    assert [board.inb(0x3c9) for i in range(3)] == [1, 2, 0x3f]
    seen = set()
    for i in range(200):
        board.run_to(i * 80000)
        seen.add(board.inb(0x3da))
    assert seen == set([0, 1, 9])


def test_an_unprogrammed_pc_interrupts_nobody_and_a_programmed_one_does():
    board = board_with_pc()
    board.run_to(10 ** 9)
    assert not board.pc.pending()
    for port, values in [(0x20, [0x11]), (0x21, [0x20, 4, 1, 0xfe]), (0xa0, [0x11]), (0xa1, [0x28, 2, 1, 0xff])]:
        for value in values:
            board.outb(port, value)
    board.outb(0x43, 0x34)
    board.outb(0x40, 0xa9)
    board.outb(0x40, 0x04)
    assert not board.pc.pending()
    board.run_to(10 ** 9 + 10 ** 6 + 10 ** 4)
    assert board.pc.pending() and board.pc.acknowledge() == 0x20


def test_the_equipment_of_qemus_pc_that_is_not_here_reads_as_nothing():
    board = board_with_pc()
    for port in (0x3f4, 0xcf8, 0xcfc, 0x2f8, 0x3e8):
        assert board.inb(port) == 0xff


def test_a_reset_returns_every_device_to_its_start():
    board = board_with_pc()
    for port in range(0x20, 0x100) + range(0x3c0, 0x400):
        if port not in (0xf4, 0x64, 0x92):
            board.outb(port, 0x5a)
    board.pc.reset()
    assert not board.pc.pending()
    assert board.inb(0x3fb) == 0x03 and board.inb(0x21) == 0xff


def test_random_accesses_of_every_size_at_every_port_do_no_harm():
    random.seed(6)
    board = board_with_pc()
    ports = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64, 0x80, 0x92, 0xe9, 0xf4,
             0xcf8, 0xcf9, 0xcfc, 0xcfe, 0x600, 0x604, 0x608, 0xc000, 0xffff] + range(0x1f0, 0x1f8) + range(0x3b0, 0x400)
    for i in range(20000):
        size = random.choice([1, 2, 4])
        port = random.choice(ports)
        if random.randrange(2):
            board.bus.write_port(port, size, random.getrandbits(8 * size))
        else:
            assert 0 <= board.bus.read_port(port, size) < 1 << (8 * size)
        if i % 100 == 0:
            board.run_to(board.hand.time + random.randrange(10 ** 6))
        if board.pc.pending():
            assert 0 <= board.pc.acknowledge() <= 255


def test_an_x87_error_raises_irq_13_until_port_f0_is_written_which_lets_it_be_ignored():
    board = board_with_pc()
    coprocessor = board.pc.coprocessor
    assert not coprocessor.report() and board.pc.pic.slave.requests & 1 << 5
    board.outb(0xf0, 0)
    assert not board.pc.pic.slave.requests & 1 << 5
    assert coprocessor.report()
    coprocessor.settle()
    assert not coprocessor.report()


def test_a_pc_with_disks_and_a_network_survives_random_accesses_of_ports_memory_and_rings():
    random.seed(18)
    board = Board()
    drives = [Drive(MemoryDisk(4000), 'ide'), Drive(MemoryDisk(4000, True), 'cdrom'), Drive(MemoryDisk(300), 'virtio')]
    board.pc = PC(board.bus, board.clock, ProcessorPins(), board.listener, board.sink, board.ram,
                  Fittings(drives, Link(), ETHERNET_ADDRESS, VideoMemory(), True, False), models.find(''))
    ports = [0xcf8, 0xcfc, 0xcfd, 0xcfe] * 4 + [0x600, 0x602, 0x604, 0x3f6, 0x376, 0x20, 0xa0] + range(0x1f0, 0x1f8) * 2 + range(0xc000, 0xc600) + [0x1ce, 0x1cf] * 4
    for i in range(10000):
        size = random.choice([1, 2, 4])
        function = 0x80000000 | random.choice([0, 1, 2, 3, 4, 24]) << 11 | random.randrange(4) << 8 | random.randrange(64) << 2
        value = random.choice([0, 1, function, random.getrandbits(8), random.getrandbits(32)]) & (1 << 8 * size) - 1
        address = random.choice([0xfec00000, 0xfec00010, 0xfee00000 + 16 * random.randrange(64), 0xe0000000 + random.getrandbits(25)])
        what = random.randrange(9)
        if what < 4:
            board.bus.write_port(random.choice(ports), size, value)
        elif what == 4:
            assert 0 <= board.bus.read_port(random.choice(ports), size) < 1 << 8 * size
        elif what == 5:
            board.bus.write_memory(address, size, value)
        elif what == 6:
            assert 0 <= board.bus.read_memory(address, size) < 1 << 8 * size
        elif what == 7:
            board.ram.write32(random.randrange(0, 1 << 14) & ~3, random.getrandbits(random.choice([8, 16, 32])))
        else:
            board.run_to(board.hand.time + random.randrange(10 ** 5))
        if board.pc.pending():
            assert 0 <= board.pc.acknowledge() <= 255
