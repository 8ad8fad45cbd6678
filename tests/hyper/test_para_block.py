"""The block ring of paravirtual domains: disks, batches, barriers, rates, and what is refused."""
import struct

import pytest

from hyper.board.disk import Disk, DiskError, Drive
from hyper.board.fittings import Fittings
from hyper.options import ETHERNET_ADDRESS
from hyper.vmm.para.block.disks import GATHER_TIME, POSITION_TIME
from hyper.vmm.para.credit import Credit
from hyper.vmm.para.layout import EINVAL, EVENT_BLOCK, FRAME
from para_parts import Bench, BLOCK_IO_OP, DIRECTORY, make, TABLE

READ, WRITE, READ_AHEAD, BARRIER, PROBE_PHYSICAL, CREATE, DELETE, PROBE_VIRTUAL, GRANT, PROBE_GRANTS, PROBE_ALL = 0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12
PHYSICAL, VIRTUAL = 0x1000, 0x3000
SECTORS = 4000


class MemoryDisk(Disk):
    """Each sector holds its number, until it is written to."""

    def __init__(self, read_only=False):
        Disk.__init__(self, SECTORS, read_only)
        self.written = {}
        self.moved = []         # (sector, count) in the order of their being done
        self.broken = False

    def read(self, sector, count):
        if self.broken:
            raise DiskError
        self.moved.append((sector, count))
        return ''.join(self.written.get(k, struct.pack('<I', k) * 128) for k in range(sector, sector + count))

    def write(self, sector, data):
        self.moved.append((sector, len(data) // 512))
        for k in range(len(data) // 512):
            self.written[sector + k] = data[512 * k:512 * k + 512]


class Rig(object):
    """Domains with a disk each, that are not run: this is the driver of one."""

    def __init__(self, domains=1, read_only=False, rate=0, **options):
        self.bench = Bench(domains, fittings=Fittings([Drive(MemoryDisk(read_only), 'ide', rate)], None, ETHERNET_ADDRESS, None, False), **options)
        self.domains = self.bench.hypervisor.domains
        self.disk = self.domains[0].block.disks[VIRTUAL].extents[0].disk.disk
        self.clock = self.bench.hypervisor.clock
        self.memory = self.bench.hypervisor.memory
        self.producer = [0] * domains
        self.seen = [0] * domains

    def put(self, operation, sector=0, segments=(), device=VIRTUAL, id=7, domain=0):
        ring = self.domains[domain].block.shared
        at = ring + 8 + 60 * self.producer[domain]
        self.memory.write_bytes(at, struct.pack('<IIHBB', id, sector, device, operation, len(segments)) + struct.pack('<%dI' % len(segments), *segments))
        self.producer[domain] = (self.producer[domain] + 1) % 64
        self.memory.write32(ring, self.producer[domain])

    def push(self, domain=0):
        self.bench.domain = self.domains[domain]
        return self.bench.call(BLOCK_IO_OP)

    def buffer(self, page, sectors, domain=0):
        return self.domains[domain].page_frames[page] * FRAME | sectors

    def pass_time(self, time=1000000000):
        """Until nothing is due within so many ns."""
        system = self.bench.hypervisor.system
        end = system.now() + time
        while self.clock.next_deadline() <= end:
            system.idle += max(self.clock.next_deadline() - system.now(), 0)
            self.clock.run_due(system.now())
        system.idle += max(end - system.now(), 0)

    def responses(self, domain=0):
        """Those that are new: (id, operation, status)."""
        ring = self.domains[domain].block.shared
        found = []
        while self.seen[domain] != self.memory.read32(ring + 4):
            at = ring + 8 + 60 * self.seen[domain]
            found.append((self.memory.read32(at), self.memory.read16(at + 4), self.memory.read32(at + 8)))
            self.seen[domain] = (self.seen[domain] + 1) % 64
        return found

    def do(self, operation, sector=0, segments=(), device=VIRTUAL, domain=0):
        """One request to its end; the status."""
        self.put(operation, sector, segments, device, domain=domain)
        assert self.push(domain) == 0
        self.pass_time()
        (id, done, status), = self.responses(domain)
        assert id == 7 and done == operation
        return status

    def words(self, page, count, domain=0):
        at = self.domains[domain].page_frames[page] * FRAME
        return [self.memory.read32(at + 4 * k) for k in range(count)]

    def write(self, page, data):
        self.memory.write_bytes(self.bench.machine(page), data)


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def privileged():
    rig = Rig(domains=2)
    rig.domains[0].privileged = True
    return rig


def test_sectors_come_to_the_segments_in_order_and_an_event_says_so(rig):
    assert rig.do(READ, 100, [rig.buffer(10, 2), rig.buffer(12, 1)]) == 0
    assert (rig.words(10, 1), rig.words(12, 1)) == ([100], [102])
    assert rig.memory.read32(rig.bench.machine(10) + 512) == 101 and rig.memory.read32(rig.bench.machine(10) + 1024) != 102
    assert rig.memory.read32(rig.domains[0].events.shared) & EVENT_BLOCK


def test_what_is_written_is_read_again(rig):
    rig.write(10, 'x' * 4096)
    assert rig.do(WRITE, 8, [rig.buffer(10, 8)]) == 0
    assert rig.disk.written[8] == rig.disk.written[15] == 'x' * 512 and 16 not in rig.disk.written
    assert rig.do(READ_AHEAD, 15, [rig.buffer(11, 1)]) == 0 and rig.words(11, 1) == [0x78787878]


def test_a_segment_can_be_longer_than_a_page_and_a_request_has_twelve(rig):
    assert rig.do(READ, 0, [rig.buffer(10, 24)] + [rig.buffer(20 + k, 8) for k in range(11)]) == 0
    assert rig.words(12, 1) == [16] and rig.words(30, 1) == [24 + 80]


def test_segments_of_a_request_are_moved_from_and_to_the_disk_at_once(rig):
    segments = [rig.buffer(10 + 2 * k, 8) for k in range(12)]
    assert rig.do(READ, 100, segments) == 0 and [rig.words(10 + 2 * k, 1)[0] for k in range(12)] == list(range(100, 196, 8))
    assert rig.do(WRITE, 300, segments) == 0 and [rig.disk.written[300 + k][:4] for k in range(96)] == [struct.pack('<I', 100 + k) for k in range(96)]
    assert rig.disk.moved == [(100, 96), (300, 96)]


def test_a_long_request_is_moved_in_parts_that_others_may_come_between(rig):
    assert rig.do(READ, 0, [rig.buffer(10, 120), rig.buffer(40, 16), rig.buffer(50, 200)]) == 0
    assert rig.disk.moved == [(0, 128), (128, 128), (256, 80)]
    assert (rig.words(40, 1), rig.words(41, 1), rig.words(50, 1), rig.words(65, 1)) == ([120], [128], [136], [256])


def test_the_ring_goes_round(rig):
    for k in range(130):
        assert rig.do(READ, k, [rig.buffer(10, 1)]) == 0 and rig.words(10, 1) == [k]


def test_a_batch_is_served_in_the_order_of_sectors_and_answered_as_it_is_done(rig):
    for k, sector in enumerate([300, 100, 200, 101]):
        rig.put(READ, sector, [rig.buffer(10 + k, 1)], id=sector)
    rig.push()
    assert rig.responses() == []
    rig.pass_time()
    assert [sector for sector, count in rig.disk.moved] == [100, 101, 200, 300]
    assert [id for id, operation, status in rig.responses()] == [100, 101, 200, 300]
    assert rig.domains[0].block.disks[VIRTUAL].extents[0].disk.positionings == 3          # 101 follows 100


def test_a_request_takes_machine_time(rig):
    rig.put(READ, 100, [rig.buffer(10, 8)])
    start = rig.clock.now()
    rig.push()
    rig.pass_time(GATHER_TIME + POSITION_TIME + 4096 - 1)
    assert rig.responses() == []
    rig.pass_time(1)
    assert len(rig.responses()) == 1 and rig.clock.now() - start <= GATHER_TIME + POSITION_TIME + 4096


def test_nothing_passes_a_barrier(rig):
    for id, (operation, sector) in enumerate([(READ, 300), (READ, 200), (BARRIER, 0), (READ, 100), (READ, 50)]):
        rig.put(operation, sector, [rig.buffer(10, 1)] if operation == READ else [], id=id)
    rig.push()
    rig.pass_time()
    assert [id for id, operation, status in rig.responses()] == [1, 0, 2, 4, 3]


def test_domains_are_served_in_turns_by_batches(privileged):
    rig = privileged
    extents = struct.pack('<III10s2xI', 1, 1, 5, 'shared', 1) + struct.pack('<III', PHYSICAL, 0, SECTORS)
    rig.write(20, extents)
    assert rig.do(CREATE, 0, [rig.buffer(20, 1)]) == 0
    for k in range(40):
        rig.put(READ, 1000 + 2 * k, [rig.buffer(10, 1)])
    rig.push()
    for k in range(3):
        rig.put(READ, 1001 + 2 * k, [rig.buffer(10, 1, 1)], VIRTUAL | 5, domain=1)
    rig.push(1)
    rig.pass_time()
    order = [sector for sector, count in rig.disk.moved]
    assert order[:6] == [1000, 1001, 1002, 1003, 1004, 1005]        # one batch, sorted
    assert len(rig.responses()) == 40 and len(rig.responses(1)) == 3
    assert sorted(order) == order


def test_a_rate_limits_the_bytes_of_a_second():
    rig = Rig(rate=409600)              # 4096 in 10 ms
    start = rig.clock.now()
    for k in range(10):
        rig.put(READ, 8 * k, [rig.buffer(10, 8)])
    rig.push()
    rig.pass_time(45000000)
    assert len(rig.responses()) == 5
    rig.pass_time()
    assert len(rig.responses()) == 5 and rig.clock.now() - start >= 90000000


def test_credit_that_is_not_used_does_not_gather():
    class Time(object):
        moment = 0

        def now(self):
            return self.moment
    clock = Time()
    credit = Credit(clock, 100, 10)
    assert credit.take(250) and not credit.take(1) and credit.more_at() == 20
    clock.moment = 20
    assert credit.take(1)
    clock.moment = 1000
    assert credit.take(100) and not credit.take(1) and credit.more_at() == 1010


def test_probes_tell_of_virtual_disks_and_of_no_physical_ones(rig):
    assert rig.do(PROBE_VIRTUAL, 0, [rig.buffer(10, 2)]) == 0
    assert rig.words(10, 3) == [1, VIRTUAL | 0x20 << 16, SECTORS]
    assert rig.do(PROBE_PHYSICAL, 0, [rig.buffer(10, 2)]) == 0 and rig.words(10, 1) == [0]


def bad_requests(rig):
    """What must be refused: (operation, sector, segments, device)."""
    good = rig.buffer(10, 1)
    foreign = rig.domains[1].page_frames[0] * FRAME | 1
    return [(READ, SECTORS, [good], VIRTUAL), (READ, SECTORS - 1, [rig.buffer(10, 2)], VIRTUAL), (READ, 0xffffffff, [good], VIRTUAL),
            (READ, 0, [], VIRTUAL), (READ, 0, [rig.buffer(10, 0)], VIRTUAL), (READ, 0, [good] * 13, VIRTUAL), (READ, 0, [good], VIRTUAL | 1),
            (READ, 0, [good], PHYSICAL), (READ, 0, [good], 0x2000), (READ, 0, [good], 0), (READ, 0, [foreign], VIRTUAL), (WRITE, 0, [foreign], VIRTUAL),
            (READ, 0, [0xfffff001], VIRTUAL), (READ, 0, [good, 0x7fffffff], VIRTUAL), (READ, 0, [rig.domains[0].region | 1], VIRTUAL),
            (READ, 0, [rig.buffer(TABLE, 1)], VIRTUAL), (READ, 0, [rig.buffer(DIRECTORY, 1)], VIRTUAL), (READ, 0, [rig.buffer(DIRECTORY - 3, 32)], VIRTUAL),
            (3, 0, [good], VIRTUAL), (6, 0, [good], VIRTUAL), (BARRIER, 0, [good], VIRTUAL), (255, 0, [good], VIRTUAL),
            (CREATE, 0, [good], VIRTUAL), (DELETE, 0, [good], VIRTUAL), (GRANT, 0, [good], VIRTUAL), (PROBE_ALL, 0, [good], VIRTUAL),
            (PROBE_GRANTS, 0, [good], VIRTUAL), (PROBE_VIRTUAL, 0, [], VIRTUAL), (PROBE_VIRTUAL, 0, [rig.buffer(TABLE, 1)], VIRTUAL),
            (PROBE_VIRTUAL, 0, [foreign], VIRTUAL), (PROBE_VIRTUAL, 0, [rig.buffer(10, 0)], VIRTUAL)]


def test_what_a_domain_may_not_do_is_refused_and_touches_nothing():
    rig = Rig(domains=2)
    before = rig.words(TABLE, 1024), rig.words(DIRECTORY, 1024), rig.words(0, 1024, 1)
    for operation, sector, segments, device in bad_requests(rig):
        assert rig.do(operation, sector, segments, device) == 1, (operation, sector, segments, device)
    assert (rig.words(TABLE, 1024), rig.words(DIRECTORY, 1024), rig.words(0, 1024, 1)) == before
    assert rig.disk.written == {} and rig.do(READ, 0, [rig.buffer(10, 1)]) == 0


def test_a_frame_that_becomes_a_table_meanwhile_is_not_written_to(rig):
    rig.put(READ, 100, [rig.buffer(10, 1)])
    assert rig.push() == 0
    rig.write(10, '\x00' * 4096)
    rig.bench.read_only(10)
    assert rig.bench.requests((rig.bench.machine(10) | 3, 0)) == 0          # pinned as a page table
    rig.pass_time()
    assert rig.responses() == [(7, READ, 1)] and rig.words(10, 1) == [0]


def test_a_request_that_changes_after_it_was_taken_out_is_done_as_it_was(rig):
    rig.put(READ, 100, [rig.buffer(10, 1)])
    rig.push()
    rig.memory.write32(rig.domains[0].block.shared + 8 + 12, rig.buffer(11, 1))
    rig.pass_time()
    assert rig.words(10, 1) == [100] and rig.words(11, 1) != [100]


def test_an_index_out_of_range_or_over_unanswered_requests_is_refused(rig):
    ring = rig.domains[0].block.shared
    for index in (64, 0x80000000, 0xffffffff):
        rig.memory.write32(ring, index)
        assert rig.push() == -EINVAL
    rig.memory.write32(ring, 0)
    for k in range(3):
        rig.put(READ, k, [rig.buffer(10, 1)])
    assert rig.push() == 0
    rig.memory.write32(ring, 2)
    assert rig.push() == -EINVAL
    rig.pass_time()
    assert len(rig.responses()) == 3


def test_a_read_only_disk_is_not_written_to():
    rig = Rig(read_only=True)
    assert rig.do(WRITE, 0, [rig.buffer(10, 1)]) == 1 and rig.do(READ, 0, [rig.buffer(10, 1)]) == 0 and rig.disk.written == {}


def test_an_error_of_the_host_fails_the_request(rig):
    rig.disk.broken = True
    assert rig.do(READ, 0, [rig.buffer(10, 1)]) == 1


def test_the_end_of_a_domain_ends_its_requests(rig):
    for k in range(3):
        rig.put(READ, k, [rig.buffer(10, 1)])
    rig.push()
    rig.domains[0].die('for the test')
    rig.pass_time()
    assert rig.disk.moved == [] and rig.responses() == [] and rig.bench.hypervisor.devices.block.rings == []


def virtual_disk(mode, domain, number, extents, key='key'):
    return struct.pack('<III10s2xI', mode, domain, number, key, len(extents)) + ''.join(struct.pack('<III', *extent) for extent in extents)


def test_the_privileged_domain_makes_virtual_disks_of_extents(privileged):
    rig = privileged
    assert rig.do(PROBE_PHYSICAL, 0, [rig.buffer(10, 2)]) == 0
    assert rig.words(10, 3) == [1, PHYSICAL | 0x20 << 16, SECTORS]
    rig.write(20, virtual_disk(1, 1, 5, [(PHYSICAL, 1000, 10), (PHYSICAL, 50, 6)]))
    assert rig.do(CREATE, 0, [rig.buffer(20, 1)]) == 0
    assert rig.do(READ, 8, [rig.buffer(10, 4, 1)], VIRTUAL | 5, domain=1) == 0
    assert [rig.memory.read32(rig.domains[1].page_frames[10] * FRAME + 512 * k) for k in range(4)] == [1008, 1009, 50, 51]
    assert rig.do(READ, 13, [rig.buffer(10, 4, 1)], VIRTUAL | 5, domain=1) == 1
    assert rig.do(PROBE_ALL, 0, [rig.buffer(10, 2)]) == 0 and rig.words(10, 1) == [3]
    assert rig.do(DELETE, 0, [rig.buffer(20, 1)]) == 0 and rig.do(DELETE, 0, [rig.buffer(20, 1)]) == 1
    assert rig.do(READ, 8, [rig.buffer(10, 4, 1)], VIRTUAL | 5, domain=1) == 1


def test_virtual_disks_that_cannot_be_are_refused(privileged):
    rig = privileged
    for disk in (virtual_disk(3, 1, 5, [(PHYSICAL, 0, 8)]), virtual_disk(0, 1, 5, [(PHYSICAL, 0, 8)]), virtual_disk(1, 9, 5, [(PHYSICAL, 0, 8)]),
                 virtual_disk(1, 1, 4096, [(PHYSICAL, 0, 8)]), virtual_disk(1, 1, 0, [(PHYSICAL, 0, 8)]), virtual_disk(1, 1, 5, []),
                 virtual_disk(1, 1, 5, [(PHYSICAL, 0, 0)]), virtual_disk(1, 1, 5, [(PHYSICAL, SECTORS - 1, 2)]), virtual_disk(1, 1, 5, [(VIRTUAL, 0, 8)]),
                 virtual_disk(1, 1, 5, [(PHYSICAL, 0xffffffff, 0xffffffff)]), virtual_disk(1, 1, 5, [(PHYSICAL, 0, 8)] * 100)):
        rig.write(20, disk)
        assert rig.do(CREATE, 0, [rig.buffer(20, 1)]) == 1
    rig.write(20, virtual_disk(2, 1, 5, [(PHYSICAL, 0, 8)]))
    assert rig.do(CREATE, 0, [rig.buffer(20, 1)]) == 0 and rig.do(WRITE, 0, [rig.buffer(10, 1, 1)], VIRTUAL | 5, domain=1) == 1


def test_a_domain_uses_of_a_physical_disk_what_it_was_granted(privileged):
    rig = privileged
    rig.write(20, struct.pack('<IIHHII', 1, 1, PHYSICAL, 2, 100, 10))
    assert rig.do(GRANT, 0, [rig.buffer(20, 1)]) == 0
    assert rig.do(READ, 100, [rig.buffer(10, 8, 1)], PHYSICAL, domain=1) == 0 and rig.words(10, 1, 1) == [100]
    assert rig.do(READ, 104, [rig.buffer(10, 8, 1)], PHYSICAL, domain=1) == 1
    assert rig.do(WRITE, 100, [rig.buffer(10, 1, 1)], PHYSICAL, domain=1) == 1
    rig.write(21, struct.pack('<III', 0, 1, 0))
    assert rig.do(PROBE_GRANTS, 0, [rig.buffer(21, 1)]) == 0
    assert rig.words(21, 7) == [1, 1, 0, PHYSICAL | 2 << 16, 100, 10, 1]
    assert rig.do(PROBE_PHYSICAL, 0, [rig.buffer(10, 1, 1)], domain=1) == 0 and rig.words(10, 2, 1) == [1, PHYSICAL | 0x20 << 16]
    rig.write(20, struct.pack('<IIHHII', 0, 1, PHYSICAL, 2, 100, 10))
    assert rig.do(GRANT, 0, [rig.buffer(20, 1)]) == 0 and rig.do(GRANT, 0, [rig.buffer(20, 1)]) == 1
    assert rig.do(READ, 100, [rig.buffer(10, 8, 1)], PHYSICAL, domain=1) == 1
    assert rig.do(READ, 100, [rig.buffer(10, 8)], PHYSICAL) == 0                    # all of it is the privileged domain's


def test_a_disk_whose_file_is_closed_fails_and_is_no_more_told_of(privileged):
    rig = privileged
    rig.write(20, virtual_disk(1, 1, 5, [(PHYSICAL, 0, 8)]))
    assert rig.do(CREATE, 0, [rig.buffer(20, 1)]) == 0
    rig.put(READ, 0, [rig.buffer(10, 1, 1)], VIRTUAL | 5, domain=1)
    assert rig.push(1) == 0
    rig.bench.hypervisor.devices.block.remove_disk(rig.disk)
    rig.pass_time()
    assert rig.responses(1) == [(7, READ, 1)] and rig.disk.moved == []
    assert rig.do(READ, 0, [rig.buffer(10, 1)], PHYSICAL) == 1
    assert rig.do(PROBE_PHYSICAL, 0, [rig.buffer(10, 1)]) == 0 and rig.words(10, 1) == [0]


def test_1_2_asks_for_the_ring_by_an_operation():
    rig = Rig(interface='1.2')
    bench = rig.bench
    bench.write(30, [2, 0])
    assert bench.call(11, bench.address(30)) == 0 and rig.words(30, 2) == [2, rig.domains[0].block.shared // FRAME]
    rig.put(READ, 9, [rig.buffer(10, 1)])
    bench.write(30, [0])
    assert bench.call(11, bench.address(30)) == 0
    bench.write(31, [1])
    assert bench.call(11, bench.address(31)) == -EINVAL         # not while there is something to do
    rig.pass_time()
    assert rig.words(10, 1) == [9] and bench.call(11, bench.address(31)) == 0
    assert bench.call(11, 0x1000) == -14
