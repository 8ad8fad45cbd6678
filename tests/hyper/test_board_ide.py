import random
import struct

from hyper.board.ata_disk import AtaDisk
from hyper.board.disk import SECTOR
from hyper.board.ide import IdeFunction
from hyper.board.pci import Pci

from board_parts import Board, MemoryDisk

BASE = 0x1f0
CONTROL = 0x3f6
MASTER = 0xc000
TABLE = 0x8000
DATA = 0x10000
BUSY, READY, REQUEST, FAILED = 0x80, 0x40, 0x08, 0x01
ABORTED, NOT_FOUND = 4, 0x10


class Host(Board):
    """A driver of the channel; `second` puts the disk second."""

    def __init__(self, sectors=4096, read_only=False, place=0):
        Board.__init__(self)
        self.disk = MemoryDisk(sectors, read_only)
        self.function = IdeFunction(self.clock, self.wires, self.ram)
        self.function.channels[0].attach(place, AtaDisk(self.disk, 'serial'))
        pci = Pci(self.bus)
        from hyper.board.chipset import IsaBridge
        pci.add(1, 0, IsaBridge(self.wires))
        pci.add(1, 1, self.function)
        self.pci = pci
        self.function.connect(self.bus)
        self.function.put32(0x20, MASTER | 1)
        self.function.put16(4, 5)
        self.function.set_up()
        pci.remap()
        self.device = place << 4

    def wait(self):
        self.run_to(self.hand.time + 10 ** 8)

    def start(self, command, sector=0, count=0, feature=0):
        """A command with a 28-bit address; returns before anything has happened."""
        for offset, value in enumerate([feature, count & 0xff, sector & 0xff, sector >> 8 & 0xff, sector >> 16 & 0xff,
                                        0xe0 | self.device | sector >> 24 & 15, command]):
            self.outb(BASE + 1 + offset, value)

    def run(self, command, sector=0, count=0, feature=0):
        self.start(command, sector, count, feature)
        self.wait()
        return self.inb(BASE + 7)

    def words(self, count):
        return ''.join(struct.pack('<H', self.bus.read_port(BASE, 2)) for i in range(count))

    def put(self, data):
        for i in range(0, len(data), 4):
            self.bus.write_port(BASE, 4, struct.unpack_from('<I', data, i)[0])

    def regions(self, *regions):
        for i, (address, size) in enumerate(regions):
            self.ram.write_bytes(TABLE + 8 * i, struct.pack('<IHH', address, size & 0xffff, 0x8000 if i == len(regions) - 1 else 0))

    def dma(self, command, sector, count, to_memory, first=True):
        """Does a DMA command; the device's status."""
        self.outb(MASTER + 2, 6)
        self.bus.write_port(MASTER + 4, 4, TABLE)
        self.outb(MASTER, 8 if to_memory else 0)
        self.start(command, sector, count)
        self.outb(MASTER, 9 if to_memory else 1)
        self.wait()
        self.result = self.inb(MASTER + 2)
        self.outb(MASTER, 0)
        return self.inb(BASE + 7)


def sector_data(number, count=1):
    return ''.join(struct.pack('<I', 0x5ec70000 + n) * 128 for n in range(number, number + count))


def test_identify_tells_name_size_and_modes():
    host = Host()
    assert host.run(0xec) == READY | 0x10 | REQUEST and host.wires.rises[14] == 1
    data = host.words(256)
    words = struct.unpack('<256H', data)
    assert words[60] | words[61] << 16 == 4096 and words[100] == 4096
    assert ''.join(data[2 * i + 1] + data[2 * i] for i in range(27, 32)) == 'HYPER DISK'
    assert words[49] & 0x300 == 0x300 and words[1] * words[3] * words[6] <= 4096
    assert host.inb(BASE + 7) == READY | 0x10


def test_sectors_are_read_with_an_interrupt_each_and_the_status_read_takes_it_away():
    host = Host()
    host.start(0x20, 100, 3)
    assert host.inb(CONTROL) == BUSY and not host.wires.level[14]
    host.wait()
    for k in range(3):
        assert host.wires.level[14] and host.inb(BASE + 7) & REQUEST and not host.wires.level[14]
        assert host.words(256) == sector_data(100 + k)
        host.wait()
    assert host.inb(BASE + 7) == READY | 0x10 and host.wires.rises[14] == 3


def test_sectors_are_written_and_blocks_of_several_have_one_interrupt():
    host = Host()
    assert host.run(0x30, 7, 2) & REQUEST and host.wires.rises[14] == 0
    host.put('a' * SECTOR)
    assert host.inb(CONTROL) == BUSY
    host.wait()
    host.put('b' * SECTOR)
    host.wait()
    assert host.wires.rises[14] == 1 or host.wires.level[14]
    assert str(host.disk.bytes[7 * SECTOR:9 * SECTOR]) == 'a' * SECTOR + 'b' * SECTOR
    assert host.run(0xc4, 0, 8) & FAILED                       # no block size yet
    assert host.run(0xc6, 0, 4) == READY | 0x10
    host.run(0xc4, 20, 6)
    assert host.words(1024) == sector_data(20, 4)
    host.wait()
    assert host.words(512) == sector_data(24, 2)
    assert host.run(0xc6, 0, 3) & FAILED


def test_cylinders_heads_and_48_bits_address_the_same_sectors():
    host = Host()
    for offset, value in enumerate([0, 1, 2, 1, 0, 0xa3, 0x20]):     # cylinder 1, head 3, sector 2
        host.outb(BASE + 1 + offset, value)
    host.wait()
    assert host.words(256) == sector_data((1 * 16 + 3) * 63 + 1)
    for register, values in [(2, [0, 1]), (3, [0, 0x34]), (4, [0, 0x02]), (5, [0, 0])]:
        for value in values:
            host.outb(BASE + register, value)
    host.outb(BASE + 6, 0xe0)
    host.outb(BASE + 7, 0x24)
    host.wait()
    assert host.words(256) == sector_data(0x234)
    host.outb(CONTROL, 0x80)
    assert host.inb(BASE + 3) == 0
    host.outb(CONTROL, 0)
    assert host.inb(BASE + 3) == 0x34
    assert host.run(0xf8) == READY | 0x10 and [host.inb(BASE + i) for i in (3, 4, 5)] == [0xff, 0x0f, 0]


def test_the_bus_master_scatters_and_gathers():
    host = Host()
    host.regions((DATA, 512), (DATA + 0x1002, 1024))
    status = host.dma(0xc8, 9, 3, True)
    assert status == READY | 0x10 and host.result & 7 == 4          # interrupt, not active, no error
    assert host.ram.read_bytes(DATA, 512) == sector_data(9) and host.ram.read_bytes(DATA + 0x1002, 1024) == sector_data(10, 2)
    host.ram.write_bytes(DATA, 'd' * 1024)
    host.regions((DATA, 1024))
    assert host.dma(0xca, 50, 2, False) == READY | 0x10
    assert str(host.disk.bytes[50 * SECTOR:52 * SECTOR]) == 'd' * 1024
    host.regions((DATA, 0))                                         # 64 KB: more than there is
    assert host.dma(0xc8, 9, 1, True) == READY | 0x10 and host.result & 7 == 5


def test_dma_that_cannot_be_is_an_error_and_touches_nothing_outside():
    host = Host()
    for regions, command, to_memory in [([((1 << 20) - 256, 512)], 0xc8, True), ([(0xfffffff0, 512)], 0xca, False),
                                        ([(DATA, 256)], 0xc8, True), ([(DATA, 512)], 0xc8, False), ([(DATA, 512)], 0xca, True)]:
        host.regions(*regions)
        before = str(host.disk.bytes)
        assert host.dma(command, 9, 1, to_memory) & FAILED and host.result & 3 == 2
        assert host.inb(BASE + 1) == ABORTED and str(host.disk.bytes) == before
    host.bus.write_port(MASTER + 4, 4, 0xfffffffc)
    host.outb(MASTER, 8)
    host.start(0xc8, 9, 1)
    host.outb(MASTER, 9)
    host.wait()
    assert host.inb(MASTER + 2) & 2 and host.inb(BASE + 7) & FAILED


def test_dma_waits_for_bus_mastering_and_for_its_start():
    host = Host()
    host.regions((DATA, 512))
    host.function.put16(4, 1)
    host.dma(0xc8, 9, 1, True)
    assert host.ram.read32(DATA) == 0
    host = Host()
    host.regions((DATA, 512))
    host.bus.write_port(MASTER + 4, 4, TABLE)
    host.outb(MASTER, 9)                                            # started before there is a command
    host.start(0xc8, 9, 1)
    host.wait()
    assert host.ram.read_bytes(DATA, 512) == sector_data(9)


def test_what_is_beyond_the_disk_or_not_allowed_is_an_error():
    host = Host()
    for command in (0x20, 0x30, 0xc8, 0xca, 0x40):
        assert host.run(command, 4095, 2) & FAILED and host.inb(BASE + 1) == NOT_FOUND
    assert host.run(0x77) & FAILED and host.inb(BASE + 1) == ABORTED
    host.disk.fails = True
    assert host.run(0x20, 0, 1) & FAILED and host.run(0xe7) & FAILED
    host = Host(read_only=True)
    assert host.run(0x30, 0, 1) & FAILED and host.run(0xca, 0, 1) & FAILED
    assert host.run(0x20, 0, 1) & REQUEST


def test_a_flush_reaches_the_disk_and_without_the_cache_every_write_does():
    host = Host()
    assert host.run(0xe7) == READY | 0x10 and host.disk.flushes == 1
    assert host.run(0xea) == READY | 0x10 and host.disk.flushes == 2
    assert host.run(0xef, feature=0x82) == READY | 0x10
    host.disk.flushes = 0
    host.run(0x30, 7, 1)
    host.put('a' * SECTOR)
    host.wait()
    assert host.disk.flushes == 1


def test_an_absent_device_reads_as_zero_and_the_second_is_found_by_its_signature():
    host = Host(place=1)
    host.outb(BASE + 6, 0xa0)
    assert host.inb(BASE + 7) == 0
    host.outb(BASE + 7, 0xec)
    host.wait()
    assert not host.wires.level[14]
    host.outb(CONTROL, 4)
    host.outb(CONTROL, 0)
    host.outb(BASE + 6, 0xb0)
    assert [host.inb(BASE + i) for i in (1, 2, 3, 4, 5, 6, 7)] == [1, 1, 1, 0, 0, 0xb0, READY | 0x10]
    assert host.run(0xec) & REQUEST
    assert host.inb(0x177) == 0


def test_a_reset_ends_a_command_and_interrupts_can_be_silenced():
    host = Host()
    host.start(0x20, 0, 1)
    host.outb(CONTROL, 4)
    assert host.inb(CONTROL) == BUSY
    host.outb(CONTROL, 0)
    host.wait()
    assert host.inb(BASE + 7) == READY | 0x10 and host.wires.rises[14] == 0
    host.outb(CONTROL, 2)
    host.run(0x20, 0, 1)
    assert host.wires.rises[14] == 0
    host.words(256)
    host.run(0x90)
    host.outb(CONTROL, 0)


def test_a_channel_that_is_switched_off_does_not_answer():
    host = Host()
    host.function.put16(0x40, 0)
    assert host.inb(BASE + 7) == 0xff
    host.function.set_up()
    host.function.put16(4, 4)
    assert host.inb(BASE + 7) == 0xff


def test_random_accesses_do_no_harm():
    random.seed(13)
    host = Host(sectors=300)
    other = MemoryDisk(100, True)
    host.function.channels[0].attach(1, AtaDisk(other, 'other'))
    commands = [0x20, 0x30, 0xc8, 0xca, 0xec, 0xc4, 0xc5, 0xc6, 0xef, 0x24, 0x34, 0x25, 0x35, 0xe7, 0x90, 0x91, 0x08]
    for i in range(20000):
        what = random.randrange(9)
        size = random.choice([1, 2, 4])
        if what < 3:
            host.outb(BASE + random.randrange(1, 7), random.choice([0, 1, 2, 255, random.getrandbits(8)]))
        elif what == 3:
            host.outb(BASE + 7, random.choice(commands + [random.getrandbits(8)]))
        elif what == 4:
            host.bus.write_port(MASTER + random.choice([0, 0, 2, 4, random.randrange(16)]), size,
                                random.choice([1, 9, TABLE, random.getrandbits(32)]) & (1 << 8 * size) - 1)
        elif what == 5:
            for k in range(random.choice([1, 256])):
                host.bus.read_port(BASE, size)
        elif what == 6:
            for k in range(random.choice([1, 256])):
                host.bus.write_port(BASE, size, random.getrandbits(8 * size))
        elif what == 7:
            host.outb(CONTROL, random.choice([0, 0, 0, 2, 4, 0x80, random.getrandbits(8)]))
        else:
            assert 0 <= host.bus.read_port(random.choice([BASE + 1, BASE + 7, CONTROL, MASTER, 0x170, 0x376]), size) < 1 << 8 * size
        if i % 5 == 0:
            host.run_to(host.hand.time + random.randrange(10 ** 5))
        if i % 100 == 0:
            host.regions((random.choice([DATA, random.getrandbits(32)]), random.getrandbits(16)))
    host.outb(CONTROL, 4)
    host.outb(CONTROL, 0)
    assert host.run(0x20, 5, 1) & REQUEST
    assert len(other.bytes) == 100 * SECTOR and len(host.disk.bytes) == 300 * SECTOR
    assert str(other.bytes) == sector_data(0, 100)
