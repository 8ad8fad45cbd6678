"""Virtio devices by the interface of VIRTIO 1.0: capabilities, features, queues whose rings lie anywhere."""
import random
import struct

from hyper.board.pci import Pci
from hyper.board.virtio_block import VirtioBlock
from hyper.board.virtio_net import Link, VirtioNet

from board_parts import Board, MemoryDisk

LEGACY, BASE = 0xc000, 0xc100
TABLE, AVAILABLE, USED, HEADER, DATA, STATUS_BYTE = 0x10010, 0x12004, 0x15008, 0x20000, 0x21000, 0x20800
STATUS, SELECT, SIZE, ENABLE, ADDRESSES = 0x14, 0x16, 0x18, 0x1c, 0x20
NOTIFY = 0x48
FEATURES_OK = 8


class ModernBoard(Board):
    """A driver as Linux's virtio_pci_modern is, on a disk."""

    def __init__(self, device=None):
        Board.__init__(self)
        self.disk = MemoryDisk(64)
        self.device = device(self) if device else VirtioBlock(self.clock, self.ram, self.disk, 'disk0')
        pci = Pci(self.bus)
        pci.add(3, 0, self.device)
        self.device.put32(0x10, LEGACY | 1)
        self.device.put32(0x18, BASE | 1)
        self.device.put16(4, 5)
        pci.remap()

    def read(self, offset, size):
        return self.bus.read_port(BASE + offset, size)

    def write(self, offset, size, value):
        self.bus.write_port(BASE + offset, size, value)

    def start(self, size=16):
        self.write(STATUS, 1, 0)
        self.write(STATUS, 1, 3)
        self.write(8, 4, 1)
        self.write(0xc, 4, 1)
        self.write(STATUS, 1, 3 | FEATURES_OK)
        assert self.read(STATUS, 1) & FEATURES_OK
        self.write(SELECT, 2, 0)
        self.write(SIZE, 2, size)
        for k, address in enumerate((TABLE, AVAILABLE, USED)):
            self.write(ADDRESSES + 8 * k, 4, address)
            self.write(ADDRESSES + 8 * k + 4, 4, 0)
        self.write(ENABLE, 2, 1)
        self.write(STATUS, 1, 7 | FEATURES_OK)
        self.ram.write32(AVAILABLE, 0)
        self.ram.write32(USED, 0)
        self.made = 0
        self.size = size

    def describe(self, index, address, size, flags, after):
        self.ram.write_bytes(TABLE + 16 * index, struct.pack('<QIHH', address, size, flags, after))

    def notify(self):
        self.ram.write16(AVAILABLE + 4 + 2 * (self.made % self.size), 0)
        self.made += 1
        self.ram.write16(AVAILABLE + 2, self.made)
        self.write(NOTIFY, 2, 0)
        self.run_to(self.hand.time + 10 ** 7)

    def read_sector(self, sector):
        self.ram.write_bytes(HEADER, struct.pack('<IIQ', 0, 0, sector))
        self.ram.write8(STATUS_BYTE, 0xee)
        self.describe(0, HEADER, 16, 1, 1)
        self.describe(1, DATA, 512, 3, 2)
        self.describe(2, STATUS_BYTE, 1, 2, 0)
        self.notify()
        return self.ram.read8(STATUS_BYTE)


def test_the_capabilities_say_where_the_structures_are():
    device = ModernBoard().device
    assert device.config[6] & 0x10
    found = {}
    at = device.config[0x34]
    while at:
        assert device.config[at] == 9
        found[device.config[at + 3]] = (device.config[at + 4], device.get32(at + 8), device.get32(at + 12))
        at = device.config[at + 1]
    assert found == {1: (2, 0, 0x38), 2: (2, 0x48, 4), 3: (2, 0x40, 1), 4: (2, 0x80, 0x40), 5: (0, 0, 0)}


class ConfigurationBoard(ModernBoard):
    """A driver that uses no ports but those of configuration space."""

    def __init__(self):
        ModernBoard.__init__(self)
        self.device.pci.connect()

    def config(self, offset):
        self.bus.write_port(0xcf8, 4, 0x80000000 | 3 << 11 | offset & 0xfc)
        return 0xcfc | offset & 3

    def show(self, offset, size, bar=2):
        for register, width, value in ((0x94, 1, bar), (0x98, 4, offset), (0x9c, 4, size)):
            self.bus.write_port(self.config(register), width, value)

    def read(self, offset, size):
        self.show(offset, size)
        return self.bus.read_port(self.config(0xa0), size)

    def write(self, offset, size, value):
        self.show(offset, size)
        self.bus.write_port(self.config(0xa0), size, value)


def test_a_disk_is_read_through_the_window_in_configuration_space_alone():
    board = ConfigurationBoard()
    board.device.put16(4, 4)                                # answers at no port
    board.device.pci.remap()
    board.start()
    for sector in range(20):
        assert board.read_sector(sector) == 0 and board.ram.read32(DATA) == 0x5ec70000 + sector
    assert board.device.interrupt and board.read(0x40, 1) == 1 and not board.device.interrupt
    assert board.read(0x80, 4) == 64


def test_a_window_on_what_is_no_register_shows_nothing():
    board = ConfigurationBoard()
    for offset, size, bar in ((0, 3, 2), (2, 4, 2), (256, 1, 2), (0xfffffffc, 4, 2), (64, 4, 0), (0, 4, 1), (0, 4, 255), (0, 0, 2), (0, 1 << 31, 2)):
        board.show(offset, size, bar)
        board.bus.write_port(board.config(0xa0), 4, 0x12345678)
        assert board.bus.read_port(board.config(0xa0), 4) == 0x12345678
    board.write(STATUS, 1, 3)
    board.show(STATUS, 1)
    assert board.bus.read_port(board.config(0x9c), 4) == 1
    assert ModernBoard.read(board, STATUS, 1) == 3


def test_the_window_shows_as_many_bytes_as_are_asked_for_and_any_access_of_its_data_is_one_of_the_register():
    board = ConfigurationBoard()
    ModernBoard.write(board, ADDRESSES, 4, 0x12345678)
    for size, shown in ((1, 0x78), (2, 0x5678), (4, 0x12345678)):
        board.show(ADDRESSES, size)
        assert board.bus.read_port(board.config(0xa0), 4) == shown
    for k in range(4):                                      # a byte after the other
        board.bus.write_port(board.config(0xa0 + k), 1, 0x90 + k)
    assert ModernBoard.read(board, ADDRESSES, 4) == 0x93929190
    ModernBoard.write(board, ADDRESSES, 4, 0xabcdef01)
    assert board.bus.read_port(board.config(0xa2), 2) == 0xabcd


def test_the_window_on_the_legacy_interface_is_that_interface():
    board = ConfigurationBoard()
    board.show(18, 1, 0)                                    # the status
    board.bus.write_port(board.config(0xa0), 1, 3)
    assert board.bus.read_port(board.config(0xa0), 1) == 3 == ModernBoard.read(board, STATUS, 1)
    board.show(0, 4, 0)
    assert board.bus.read_port(board.config(0xa0), 4) == board.device.features


def test_a_disk_is_read_through_rings_that_lie_apart():
    board = ModernBoard()
    board.start()
    for sector in range(40):
        assert board.read_sector(sector) == 0 and board.ram.read32(DATA) == 0x5ec70000 + sector
    assert board.ram.read16(USED + 2) == 40 and board.device.interrupt
    assert board.read(0x40, 1) == 1 and not board.device.interrupt
    assert board.read(0x80, 4) == 64 and board.read(SIZE, 2) == 16 and board.read(0x12, 2) == 1
    assert [board.read(ADDRESSES + 8 * k, 4) for k in range(3)] == [TABLE, AVAILABLE, USED]


def test_a_driver_of_the_old_interface_cannot_agree_here():
    board = ModernBoard()
    board.write(STATUS, 1, 3 | FEATURES_OK)
    assert not board.read(STATUS, 1) & FEATURES_OK
    board.write(0, 4, 1)
    assert board.read(4, 4) == 1                            # VERSION_1 is offered
    board.write(0, 4, 2)
    assert board.read(4, 4) == 0


def test_sizes_that_are_none_and_rings_outside_of_memory_do_no_harm():
    board = ModernBoard()
    board.start()
    for size in (0, 3, 129, 256, 0xffff):
        board.write(SIZE, 2, size)
        assert board.read(SIZE, 2) == 16
    for high, low in ((0, 0xfffffff0), (0xffffffff, 0xffffffff), (0x7fffffff, 0xffffffff), (0x80000000, 0)):
        board.write(STATUS, 1, 0)
        board.write(ADDRESSES + 8, 4, low)
        board.write(ADDRESSES + 12, 4, high)
        assert board.read(ADDRESSES + 12, 4) == high
        board.write(ENABLE, 2, 1)
        board.write(STATUS, 1, 7)
        board.write(NOTIFY, 2, 0)
        board.run_to(board.hand.time + 10 ** 6)
        assert board.read(STATUS, 1) & 0x40
    board.start()
    assert board.read_sector(5) == 0


def test_a_modern_network_has_a_header_of_twelve_bytes():
    class Cable(Link):
        sent = []

        def send(self, frame):
            self.sent.append(frame)

    cable = Cable()
    board = ModernBoard(lambda board: VirtioNet(board.clock, board.ram, cable, 'abcdef'))
    board.start()
    board.write(SELECT, 2, 1)
    for k, address in enumerate((TABLE, AVAILABLE, USED)):
        board.write(ADDRESSES + 8 * k, 4, address)
    board.write(ENABLE, 2, 1)
    board.ram.write_bytes(DATA, 'h' * 12 + 'f' * 60)
    board.describe(0, DATA, 72, 0, 0)
    board.ram.write16(AVAILABLE + 2, 1)
    board.write(NOTIFY, 2, 1)
    board.run_to(board.hand.time + 10 ** 6)
    assert cable.sent == ['f' * 60]


def test_random_accesses_do_no_harm():
    random.seed(23)
    board = ModernBoard()
    for i in range(6000):
        size = random.choice([1, 2, 4])
        offset = random.choice([STATUS, SELECT, SIZE, ENABLE, NOTIFY, random.randrange(0x38), random.randrange(256)])
        if random.randrange(3):
            board.write(offset, size, random.choice([0, 1, 7, 15, TABLE, random.getrandbits(32)]) & (1 << 8 * size) - 1)
        else:
            assert 0 <= board.read(offset, size) < 1 << 8 * size
        if random.randrange(4) == 0:
            board.ram.write32(TABLE + random.randrange(0, 64, 4), random.getrandbits(random.choice([4, 17, 32])))
        if i % 20 == 0:
            board.run_to(board.hand.time + random.randrange(10 ** 6))
    board.start()
    assert board.read_sector(7) == 0 and board.ram.read32(DATA) == 0x5ec70007
