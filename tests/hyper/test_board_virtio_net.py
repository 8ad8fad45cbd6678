import random
import struct

from hyper.board.pci import Pci
from hyper.board.virtio_net import Link, QUEUE_SIZE, VirtioNet

from board_parts import Board

BASE = 0xc000
RINGS = [0x10000, 0x14000]
AVAILABLE = 16 * QUEUE_SIZE
USED = 0x2000
BUFFERS = [0x30000, 0x40000]
MS = 10 ** 6


class Cable(Link):
    def __init__(self):
        self.sent = []
        self.coming = []

    def send(self, frame):
        self.sent.append(frame)

    def receive(self):
        return self.coming.pop(0) if self.coming else ''


class NetBoard(Board):
    def __init__(self):
        Board.__init__(self)
        self.cable = Cable()
        self.device = VirtioNet(self.clock, self.ram, self.cable, '\x52\x54\x00\x12\x34\x56')
        pci = Pci(self.bus)
        pci.add(3, 0, self.device)
        self.device.put32(0x10, BASE | 1)
        self.device.put16(4, 5)
        pci.remap()
        self.start()

    def start(self):
        self.write(18, 1, 0)
        self.write(18, 1, 3)
        self.made = [0, 0]
        for queue in (0, 1):
            self.write(14, 2, queue)
            self.write(8, 4, RINGS[queue] >> 12)
            for at in range(0, 0x4000, 4):
                self.ram.write32(RINGS[queue] + at, 0)
        self.write(18, 1, 7)

    def write(self, offset, size, value):
        self.bus.write_port(BASE + offset, size, value)

    def offer(self, queue, address, size, flags):
        index = self.made[queue] % QUEUE_SIZE
        self.ram.write_bytes(RINGS[queue] + 16 * index, struct.pack('<QIHH', address, size, flags, 0))
        self.ram.write16(RINGS[queue] + AVAILABLE + 4 + 2 * index, index)
        self.made[queue] += 1
        self.ram.write16(RINGS[queue] + AVAILABLE + 2, self.made[queue])
        self.write(16, 2, queue)

    def used(self, queue):
        return self.ram.read16(RINGS[queue] + USED + 2)

    def wait(self, time):
        self.run_to(self.hand.time + time)


def test_frames_leave_without_their_header_and_odd_ones_are_lost():
    board = NetBoard()
    frame = ''.join(chr(n) for n in range(60))
    board.ram.write_bytes(BUFFERS[1], 'h' * 10 + frame)
    for size in (70, 9, 20, 10 + 1519):
        board.offer(1, BUFFERS[1], size, 0)
    board.wait(MS)
    assert board.cable.sent == [frame] and board.used(1) == 4 and board.device.interrupt


def test_frames_come_when_there_is_a_buffer():
    board = NetBoard()
    board.cable.coming = ['a' * 60, 'b' * 100, 'c' * 60]
    board.wait(10 * MS)
    assert len(board.cable.coming) == 3
    board.offer(0, BUFFERS[0], 1600, 2)
    board.offer(0, BUFFERS[0] + 1600, 50, 2)
    board.wait(2 * MS)
    assert board.used(0) == 2 and board.ram.read_bytes(BUFFERS[0], 71) == '\0' * 10 + 'a' * 60 + '\0'
    assert board.ram.read32(RINGS[0] + USED + 8) == 70 and board.ram.read32(RINGS[0] + USED + 16) == 0
    assert board.cable.coming == ['c' * 60] and board.device.interrupt
    board.offer(0, BUFFERS[0], 1600, 2)
    board.wait(2 * MS)
    assert board.cable.coming == [] and board.used(0) == 3


def test_a_broken_ring_needs_a_reset_and_a_reset_stops_the_looking():
    board = NetBoard()
    board.offer(0, BUFFERS[0], 1600, 2)
    board.offer(1, (1 << 20) - 5, 70, 0)
    board.wait(MS)
    assert board.bus.read_port(BASE + 18, 1) & 0x40 and board.clock.timers == []
    board.start()
    assert not board.bus.read_port(BASE + 18, 1) & 0x40


def test_random_rings_do_no_harm():
    random.seed(17)
    board = NetBoard()
    for i in range(3000):
        queue = random.randrange(2)
        board.offer(queue, random.choice([BUFFERS[queue], random.getrandbits(21)]), random.choice([70, 1600, random.getrandbits(12)]),
                    random.choice([0, 1, 2, 2, 3, 4]))
        if random.randrange(3) == 0:
            board.cable.coming.append('x' * random.randrange(14, 1515))
        board.wait(random.randrange(MS))
        if i % 50 == 0:
            board.start()
    assert all(14 <= len(frame) <= 1518 for frame in board.cable.sent)
