import random
import struct

from hyper.board.pci import Pci
from hyper.board.virtio_block import QUEUE_SIZE, VirtioBlock

from board_parts import Board, MemoryDisk

BASE = 0xc000
RINGS = 0x10000
AVAILABLE = RINGS + 16 * QUEUE_SIZE
USED = RINGS + 0x1000
HEADER = 0x20000
DATA = 0x21000
STATUS = 0x20800
READ, WRITE, FLUSH, GET_ID = 0, 1, 4, 8
NEXT, TO_DRIVER, INDIRECT = 1, 2, 4


class Driver(Board):
    """A driver of the device, as Linux's is, that can also do everything wrong."""

    def __init__(self, sectors=64, read_only=False):
        Board.__init__(self)
        self.disk = MemoryDisk(sectors, read_only)
        self.device = VirtioBlock(self.clock, self.ram, self.disk, 'disk0')
        pci = Pci(self.bus)
        pci.add(3, 0, self.device)
        self.device.put32(0x10, BASE | 1)
        self.device.put16(4, 5)
        pci.remap()
        self.pci = pci
        self.start()

    def start(self):
        self.write(18, 1, 0)
        self.write(18, 1, 3)
        self.write(8, 4, RINGS >> 12)
        self.write(18, 1, 7)
        self.made = 0
        for at in range(RINGS, USED + 0x1000, 4):
            self.ram.write32(at, 0)

    def read(self, offset, size):
        return self.bus.read_port(BASE + offset, size)

    def write(self, offset, size, value):
        self.bus.write_port(BASE + offset, size, value)

    def describe(self, index, address, size, flags, after=0, table=RINGS):
        self.ram.write_bytes(table + 16 * index, struct.pack('<QIHH', address, size, flags, after))

    def offer(self, head):
        self.ram.write16(AVAILABLE + 4 + 2 * (self.made % QUEUE_SIZE), head)
        self.made += 1
        self.ram.write16(AVAILABLE + 2, self.made & 0xffff)

    def notify(self, wait=10 ** 9):
        self.write(16, 2, 0)
        self.run_to(self.hand.time + wait)

    def header(self, kind, sector):
        self.ram.write_bytes(HEADER, struct.pack('<IIQ', kind, 0, sector & (1 << 64) - 1))
        self.ram.write8(STATUS, 0xee)

    def request(self, kind, sector, size, address=DATA):
        """Does a usual request; its status byte."""
        self.header(kind, sector)
        self.describe(0, HEADER, 16, NEXT, 1)
        self.describe(1, address, size, NEXT | (TO_DRIVER if kind != WRITE else 0), 2)
        self.describe(2, STATUS, 1, TO_DRIVER)
        if size == 0:
            self.describe(0, HEADER, 16, NEXT, 2)
        self.offer(0)
        self.notify()
        return self.ram.read8(STATUS)

    def used(self):
        return self.ram.read16(USED + 2)

    def is_broken(self):
        return self.read(18, 1) & 0x40 != 0


def test_the_registers_tell_capacity_queue_and_features():
    driver = Driver()
    assert driver.read(20, 4) == 64 and driver.read(24, 4) == 0
    assert driver.read(12, 2) == QUEUE_SIZE and driver.read(8, 4) == RINGS >> 12
    assert driver.read(40, 4) == 512
    assert driver.read(0, 4) & (1 << 9) and not driver.read(0, 4) & (1 << 5)
    assert Driver(read_only=True).read(0, 4) & (1 << 5)
    driver.write(14, 2, 1)
    assert driver.read(12, 2) == 0 and driver.read(8, 4) == 0
    assert driver.read(18, 2) == 0x0007                     # status, and no interrupt


def test_data_are_read_and_written_and_the_interrupt_follows_after_machine_time():
    driver = Driver()
    assert driver.request(READ, 5, 1024) == 0
    assert driver.ram.read_bytes(DATA, 1024) == struct.pack('<I', 0x5ec70005) * 128 + struct.pack('<I', 0x5ec70006) * 128
    assert driver.ram.read32(USED + 4) == 0 and driver.ram.read32(USED + 8) == 1025 and driver.used() == 1
    assert driver.device.interrupt
    assert driver.read(19, 1) == 1 and driver.read(19, 1) == 0 and not driver.device.interrupt
    driver.ram.write_bytes(DATA, 'x' * 512)
    driver.header(WRITE, 63)
    driver.offer(0)
    driver.describe(1, DATA, 512, NEXT, 2)
    driver.notify(wait=5000)
    assert driver.used() == 1 and driver.disk.bytes[-1:] != 'x'
    driver.run_to(driver.hand.time + 10 ** 6)
    assert driver.used() == 2 and driver.disk.bytes[-512:] == 'x' * 512 and driver.ram.read8(STATUS) == 0


def test_flush_reaches_the_disk_before_the_request_is_done_and_the_id_is_told():
    driver = Driver()
    assert driver.request(FLUSH, 0, 0) == 0 and driver.disk.flushes == 1
    assert driver.request(GET_ID, 0, 20) == 0 and driver.ram.read_bytes(DATA, 20) == 'disk0' + '\0' * 15
    assert driver.request(GET_ID, 0, 19) == 2
    assert driver.request(99, 0, 512) == 2


def test_what_the_disk_cannot_do_is_an_error_of_the_request_alone():
    driver = Driver()
    for sector, size in [(64, 512), (63, 1024), (-1, 512), (1 << 62, 512), (0, 511), (1 << 55, 512)]:
        assert driver.request(READ, sector, size) == 1
        assert driver.request(WRITE, sector, size) == 1
    driver.disk.fails = True
    assert driver.request(READ, 0, 512) == 1 and driver.request(FLUSH, 0, 0) == 1
    driver.disk.fails = False
    assert driver.request(READ, 0, 512) == 0 and not driver.is_broken()
    locked = Driver(read_only=True)
    assert locked.request(WRITE, 0, 512) == 1 and locked.request(READ, 0, 512) == 0


def test_requests_are_done_one_after_the_other_in_their_order():
    driver = Driver()
    for k in range(4):
        driver.ram.write_bytes(HEADER + 16 * k, struct.pack('<IIQ', READ, 0, k))
        driver.describe(3 * k, HEADER + 16 * k, 16, NEXT, 3 * k + 1)
        driver.describe(3 * k + 1, DATA + 512 * k, 512, NEXT | TO_DRIVER, 3 * k + 2)
        driver.describe(3 * k + 2, STATUS + k, 1, TO_DRIVER)
        driver.offer(3 * k)
    driver.notify(wait=10000)
    assert driver.used() == 1
    driver.run_to(driver.hand.time + 10 ** 6)
    assert driver.used() == 4
    assert [driver.ram.read32(DATA + 512 * k) & 0xffff for k in range(4)] == [0, 1, 2, 3]


def test_an_indirect_table_works_and_the_rings_wrap_around():
    driver = Driver()
    table = 0x30000
    for k in range(3 * QUEUE_SIZE):
        driver.header(READ, k % 64)
        driver.describe(0, HEADER, 16, NEXT, 1, table)
        driver.describe(1, DATA, 512, NEXT | TO_DRIVER, 2, table)
        driver.describe(2, STATUS, 1, TO_DRIVER, 0, table)
        driver.describe(7, table, 48, INDIRECT)
        driver.offer(7)
        driver.notify(wait=10 ** 5)
        assert driver.ram.read8(STATUS) == 0 and driver.ram.read32(DATA) == 0x5ec70000 + k % 64
    assert driver.used() == 3 * QUEUE_SIZE


def test_a_driver_that_wants_no_interrupt_gets_none():
    driver = Driver()
    driver.ram.write16(AVAILABLE, 1)
    assert driver.request(READ, 0, 512) == 0 and not driver.device.interrupt and driver.read(19, 1) == 0


def assert_breaks(arrange):
    driver = Driver()
    before = driver.ram.read_bytes(0, RINGS)
    disk = str(driver.disk.bytes)
    driver.header(READ, 0)
    driver.describe(0, HEADER, 16, NEXT, 1)
    driver.describe(1, DATA, 512, NEXT | TO_DRIVER, 2)
    driver.describe(2, STATUS, 1, TO_DRIVER)
    arrange(driver)
    driver.notify()
    assert driver.is_broken() and driver.device.interrupt and driver.read(19, 1) == 2
    assert driver.used() == 0 and driver.ram.read_bytes(0, RINGS) == before and str(driver.disk.bytes) == disk
    driver.notify()
    assert driver.used() == 0                               # broken until it is reset
    driver.start()
    assert not driver.is_broken() and driver.request(READ, 1, 512) == 0 and driver.used() == 1


def test_a_chain_that_loops_breaks_the_device_until_a_reset():
    def arrange(driver):
        driver.describe(2, STATUS, 1, TO_DRIVER | NEXT, 1)
        driver.offer(0)
    assert_breaks(arrange)


def test_descriptors_and_buffers_outside_of_what_there_is_break_the_device():
    def bad_head(driver):
        driver.offer(QUEUE_SIZE)

    def bad_next(driver):
        driver.describe(0, HEADER, 16, NEXT, QUEUE_SIZE)
        driver.offer(0)

    def bad_buffer(driver):
        driver.describe(1, (1 << 20) - 511, 512, NEXT | TO_DRIVER, 2)
        driver.offer(0)

    def far_buffer(driver):
        driver.describe(1, (1 << 64) - 512, 512, NEXT | TO_DRIVER, 2)
        driver.offer(0)

    def huge_buffer(driver):
        driver.describe(1, DATA, 0xffffffff, NEXT | TO_DRIVER, 2)
        driver.offer(0)

    def far_rings(driver):
        driver.write(8, 4, 0xffffffff)

    def too_many(driver):
        driver.ram.write16(AVAILABLE + 2, QUEUE_SIZE + 1)
    for arrange in (bad_head, bad_next, bad_buffer, far_buffer, huge_buffer, far_rings, too_many):
        assert_breaks(arrange)


def test_requests_of_the_wrong_form_break_the_device():
    def no_status(driver):
        driver.describe(1, DATA, 512, 0)
        driver.offer(0)

    def short_header(driver):
        driver.describe(0, HEADER, 15, NEXT, 1)
        driver.offer(0)

    def readable_last(driver):
        driver.describe(2, STATUS, 1, 0)
        driver.offer(0)

    def nested(driver):
        driver.describe(3, RINGS, 16 * QUEUE_SIZE, INDIRECT)
        driver.describe(0, RINGS, 16, INDIRECT)
        driver.offer(3)

    def odd_table(driver):
        driver.describe(3, RINGS, 17, INDIRECT)
        driver.offer(3)

    def table_with_next(driver):
        driver.describe(3, RINGS, 48, INDIRECT | NEXT, 0)
        driver.offer(3)
    for arrange in (no_status, short_header, readable_last, nested, odd_table, table_with_next):
        assert_breaks(arrange)


def test_without_bus_mastering_nothing_happens():
    driver = Driver()
    driver.device.put16(4, 1)
    assert driver.request(READ, 0, 512) == 0xee and driver.used() == 0


def test_a_reset_stops_what_was_under_way():
    driver = Driver()
    driver.header(READ, 0)
    driver.describe(0, HEADER, 16, NEXT, 1)
    driver.describe(1, DATA, 512, NEXT | TO_DRIVER, 2)
    driver.describe(2, STATUS, 1, TO_DRIVER)
    driver.offer(0)
    driver.notify(wait=100)
    driver.write(18, 1, 0)
    driver.run_to(10 ** 9)
    assert driver.ram.read8(STATUS) == 0xee and driver.clock.timers == []


def test_random_registers_and_rings_do_no_harm():
    random.seed(12)
    driver = Driver()
    for i in range(6000):
        what = random.randrange(5)
        size = random.choice([1, 2, 4])
        if what == 0:
            offset = random.choice([4, 8, 14, 16, 16, 16, 18, random.randrange(64)])
            driver.write(offset, size, random.choice([0, 0, 1, 7, RINGS >> 12, random.getrandbits(32)]) & (1 << 8 * size) - 1)
        elif what == 1:
            assert 0 <= driver.read(random.randrange(64), size) < 1 << 8 * size
        elif what == 2:
            driver.describe(random.randrange(QUEUE_SIZE), random.choice([HEADER, DATA, RINGS, random.getrandbits(21), random.getrandbits(64)]),
                            random.choice([1, 16, 512, 1024, random.getrandbits(20)]), random.choice([0, 1, 1, 2, 3, 4, random.getrandbits(16)]),
                            random.randrange(8))
        elif what == 3:
            driver.header(random.choice([0, 1, 4, 8, 11]), random.choice([0, 1, 63, 64, random.getrandbits(64)]))
        else:
            driver.ram.write32(AVAILABLE + random.choice([0, random.randrange(0, 64, 4)]), random.getrandbits(17) << 8)
        if i % 20 == 0:
            driver.run_to(driver.hand.time + random.randrange(10 ** 6))
        if i % 200 == 0:
            driver.start()
    driver.start()
    assert driver.request(READ, 1, 512) == 0
