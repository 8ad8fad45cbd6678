import random
import struct

from hyper.board.pci import Pci
from hyper.board.virtio_console import QUEUE_SIZE, VirtioConsole

from board_parts import Board

BASE = 0xc000
RINGS = [0x10000, 0x14000]
AVAILABLE = 16 * QUEUE_SIZE
USED = 0x1000
BUFFERS = [0x30000, 0x40000]
MS = 10 ** 6


class ConsoleBoard(Board):
    def __init__(self):
        Board.__init__(self)
        self.device = VirtioConsole(self.clock, self.ram, self.sink)
        pci = Pci(self.bus)
        pci.add(3, 0, self.device)
        self.device.put32(0x10, BASE | 1)
        self.device.put16(4, 5)
        pci.remap()
        self.start()

    def start(self):
        self.write(18, 1, 0)
        self.made = [0, 0]
        for queue in (0, 1):
            self.write(14, 2, queue)
            self.write(8, 4, RINGS[queue] >> 12)
            for at in range(0, 0x2000, 4):
                self.ram.write32(RINGS[queue] + at, 0)
        self.write(18, 1, 7)

    def write(self, offset, size, value):
        self.bus.write_port(BASE + offset, size, value)

    def read(self, offset, size):
        return self.bus.read_port(BASE + offset, size)

    def offer(self, queue, address, size, flags):
        index = self.made[queue] % QUEUE_SIZE
        self.ram.write_bytes(RINGS[queue] + 16 * index, struct.pack('<QIHH', address, size, flags, 0))
        self.ram.write16(RINGS[queue] + AVAILABLE + 4 + 2 * index, index)
        self.made[queue] += 1
        self.ram.write16(RINGS[queue] + AVAILABLE + 2, self.made[queue] & 0xffff)
        self.write(16, 2, queue)

    def used(self, queue):
        return self.ram.read16(RINGS[queue] + USED + 2)

    def wait(self, time=MS):
        self.run_to(self.hand.time + time)


def test_what_the_guest_writes_comes_out_in_order():
    board = ConsoleBoard()
    board.ram.write_bytes(BUFFERS[1], 'one two')
    board.offer(1, BUFFERS[1], 4, 0)
    board.offer(1, BUFFERS[1] + 4, 3, 0)
    assert board.sink.text == ''
    board.wait()
    assert board.sink.text == 'one two' and board.used(1) == 2 and board.device.interrupt


def test_keys_wait_for_buffers_and_fill_them():
    board = ConsoleBoard()
    board.device.receive('abcdef')
    board.wait()
    board.offer(0, BUFFERS[0], 4, 2)
    board.wait()
    assert board.ram.read_bytes(BUFFERS[0], 5) == 'abcd\0' and board.used(0) == 1
    board.offer(0, BUFFERS[0], 4, 2)
    board.wait()
    assert board.ram.read_bytes(BUFFERS[0], 4) == 'efcd' and board.ram.read32(RINGS[0] + USED + 4 + 8 + 4) == 2
    board.device.receive('x' * 100000)
    assert len(board.device.typed) == 65536


def test_a_new_window_size_is_told_with_an_interrupt():
    board = ConsoleBoard()
    assert (board.read(20, 2), board.read(22, 2)) == (80, 25) and board.read(0, 4) & 1
    board.device.set_window(132, 43)
    assert (board.read(20, 2), board.read(22, 2)) == (132, 43) and board.read(19, 1) == 2 and board.read(19, 1) == 0


def test_a_driver_that_comes_later_is_told_of_the_size_once():
    board = ConsoleBoard()
    board.write(18, 1, 0)
    board.device.set_window(100, 50)
    assert board.read(19, 1) == 0
    board.write(18, 1, 3)
    assert board.read(19, 1) == 0
    board.write(18, 1, 7)
    assert board.read(19, 1) == 2 and board.read(20, 2) == 100
    board.write(18, 1, 7)
    assert board.read(19, 1) == 0


def test_nobody_listens_before_a_driver_is_ready():
    board = ConsoleBoard()
    assert board.device.is_open()
    board.write(18, 1, 0)
    assert not board.device.is_open()


def test_a_request_of_all_of_memory_again_and_again_ends():
    board = ConsoleBoard()
    for index in range(QUEUE_SIZE):
        board.ram.write_bytes(RINGS[1] + 16 * index, struct.pack('<QIHH', 0, 1 << 20, int(index < QUEUE_SIZE - 1), (index + 1) % QUEUE_SIZE))
    board.ram.write16(RINGS[1] + AVAILABLE + 2, 1)
    board.write(16, 2, 1)
    board.wait()
    assert len(board.sink.text) == 65536 and board.used(1) == 1


def test_random_rings_do_no_harm():
    random.seed(19)
    board = ConsoleBoard()
    for i in range(3000):
        queue = random.randrange(2)
        board.offer(queue, random.choice([BUFFERS[queue], random.getrandbits(21), random.getrandbits(64)]), random.getrandbits(12),
                    random.choice([0, 1, 2, 2, 3, 4, random.getrandbits(16)]))
        if random.randrange(3) == 0:
            board.device.receive('x' * random.randrange(200))
        board.wait(random.randrange(MS))
        if i % 50 == 0:
            board.start()
            board.sink.text = ''
    board.start()
    board.sink.text = ''
    board.ram.write_bytes(BUFFERS[1], 'alive')
    board.offer(1, BUFFERS[1], 5, 0)
    board.wait()
    assert board.sink.text == 'alive'
