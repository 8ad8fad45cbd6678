"""The block ring: a page that a domain shares with the hypervisor, by which it asks for sectors of its disks.

The page has two indices, of the next request (written by the guest) and of the next response (written here), and 64 entries. A response takes the
place of a request that was taken out. Responses come in the order in which requests are done, and are told from each other by the guest's id. A
request of operation SPECIAL without segments is a barrier: it is done when all before it are, and nothing after it begins earlier.

What the guest writes is read once, into a Request, when it says that there is something; what it writes later has no effect on that. Frames are
looked at at the moment when data are moved.
"""
from hyper.board.clock import Timer
from hyper.board.disk import DiskError, SECTOR
from hyper.vmm.para.block.disks import CAN_READ, CAN_WRITE, Extent, Piece
from hyper.vmm.para.frame_table import WRITABLE
from hyper.vmm.para.layout import EINVAL, EVENT_BLOCK, EVENT_BLOCK_UPDATE, FRAME

ENTRIES = 64
ENTRY_SIZE = 60
MOST_SEGMENTS = 12
REQUESTS, RESPONSES, FIRST_ENTRY = 0, 4, 8      # offsets
SECTORS_OF_SEGMENT = 0x1ff
MOST_AT_ONCE = 16               # requests of one domain that the disks have; the others wait for their turn in the ring
CHUNK = 128                     # sectors that are moved at a time, at most
REQUEST_WORK = 64

READ, WRITE, READ_AHEAD, SPECIAL = 0, 1, 2, 4
GOOD, BAD = 0, 1
NO_EXTENTS = []                 # shared: nobody changes it


class Request(object):
    """A copy of a ring's entry."""
    _immutable_fields_ = ['ring', 'id', 'sector', 'device', 'operation', 'segments', 'size']

    def __init__(self, ring, id, sector, device, operation, segments):
        self.ring = ring
        self.id = id
        self.sector = sector
        self.device = device
        self.operation = operation
        self.segments = segments        # as in the entry: an address, and in its low bits a number of sectors
        size = 0
        for segment in segments:
            size += (segment & SECTORS_OF_SEGMENT) * SECTOR
        self.size = size
        self.pieces = 0                 # that are not done yet
        self.status = GOOD

    def is_barrier(self):
        return self.operation == SPECIAL and len(self.segments) == 0

    def writes(self):
        return self.operation == WRITE


class Part(object):
    """`size` bytes at a machine address."""
    _immutable_fields_ = ['address', 'size']

    def __init__(self, address, size):
        self.address = address
        self.size = size


class Transfer(Piece):
    """A Piece of a Request, at most CHUNK sectors: from or to some places in memory, one after the other, but at once from or to the disk."""
    _immutable_fields_ = ['parts']

    def __init__(self, request, disk, sector):
        Piece.__init__(self, request, disk, sector)
        self.parts = []

    def has_room_at(self, disk, sector):
        """Whether the sector of the disk can be its next one."""
        return disk is self.disk and sector == self.sector + self.count and self.count < CHUNK

    def add(self, address, count):
        self.parts.append(Part(address, count * SECTOR))
        self.count += count

    def perform(self, disk):
        request = self.request
        ring = request.ring
        if not ring.closed and request.status == GOOD:
            try:
                if request.writes():
                    self.write(disk, ring.domain.paging)
                else:
                    self.read(disk, ring.domain.paging)
            except DiskError:
                request.status = BAD
        request.pieces -= 1
        if request.pieces == 0:
            ring.finished(request)

    def write(self, disk, paging):
        data = []
        for part in self.parts:
            data.append(gather(paging, part.address, part.size))
        disk.write(self.sector, ''.join(data))

    def read(self, disk, paging):
        data = disk.read(self.sector, self.count)
        at = 0
        for part in self.parts:
            end = at + part.size
            assert 0 <= at <= end
            scatter(paging, part.address, data[at:end])
            at = end


def gather(paging, address, size):
    """Bytes of the domain's memory; raises DiskError if not all of the frames are its own."""
    frame = address // FRAME
    while frame * FRAME < address + size:
        if not paging.owns(frame):
            raise DiskError
        frame += 1
    return paging.memory.read_bytes(address, size)


def scatter(paging, address, data):
    """Writes bytes to the domain's memory; raises DiskError, with nothing written, if not all frames are its own to write to."""
    if not may_write(paging, address, len(data)):
        raise DiskError
    paging.memory.write_bytes(address, data)


def may_write(paging, address, size):
    """Whether the domain could write there itself: no table is among the frames."""
    frame = address // FRAME
    while frame * FRAME < address + size:
        if not paging.owns(frame):
            return False
        assert frame >= 0
        if paging.uses[frame] > 0 and paging.kind[frame] != WRITABLE:
            return False
        frame += 1
    return True


class BlockRing(Timer):
    """Of a ParaDomain; `shared` is the machine address of the page, `devices` the BlockDevices of all domains. As a Timer it waits for Credit."""
    _immutable_fields_ = ['domain', 'clock', 'memory', 'shared', 'devices', 'operations']

    def __init__(self, domain, clock, memory, shared, devices, operations):
        self.domain = domain
        self.clock = clock
        self.memory = memory
        self.shared = shared
        self.devices = devices
        self.operations = operations
        self.disks = {}                 # VirtualDisks by device number
        self.numbers = []               # of the disks, in the order of their making
        self.grants = []
        self.consumer = 0               # the next request to take out
        self.producer = 0               # the next response
        self.waiting = []
        self.at_disks = 0               # how many requests the disks have
        self.done = 0                   # requests, and bytes that they have moved
        self.bytes = 0
        self.closed = False
        devices.rings.append(self)

    def close(self):
        """The domain has ended: nothing more is read or written for it."""
        self.closed = True
        self.waiting = []
        self.clock.cancel(self)
        for k in range(len(self.devices.rings)):
            if self.devices.rings[k] is self:
                del self.devices.rings[k]
                return

    def is_idle(self):
        return len(self.waiting) == 0 and self.at_disks == 0

    def reset(self):
        """The guest begins again with both indices at 0."""
        if not self.is_idle():
            return -EINVAL
        self.consumer = 0
        self.producer = 0
        self.memory.write32(self.shared + RESPONSES, 0)
        return 0

    # -- disks

    def add(self, disk):
        self.disks[disk.number] = disk
        self.numbers.append(disk.number)

    def remove(self, number):
        del self.disks[number]
        self.numbers.remove(number)

    def replace(self, disk):
        """What the disk of that number has been asked for, and is handed on already, is done as it was."""
        self.disks[disk.number] = disk

    def disks_changed(self):
        """Tells the guest that it may use other disks than before, if its interface has an event for that."""
        if self.domain.interface.layout.shared_is_machine:
            self.domain.events.send(EVENT_BLOCK_UPDATE)

    def modes_of(self, disk):
        """In which modes the domain may use a PhysicalDisk as it is, or a part of it; 0 for in none."""
        if disk.disk.sectors == 0 or disk.number in self.disks:
            return 0
        mode = 0
        if self.domain.privileged:
            mode = CAN_READ | CAN_WRITE
        for grant in self.grants:
            if grant.disk is disk:
                mode |= grant.mode
        if disk.disk.read_only:
            mode &= ~CAN_WRITE
        return mode

    # -- requests

    def push(self):
        """Takes out the requests that the guest has put into the ring."""
        producer = self.memory.read32(self.shared + REQUESTS)
        outstanding = (self.consumer - self.producer) & (ENTRIES - 1)
        if producer >= ENTRIES or (producer - self.producer) & (ENTRIES - 1) < outstanding:
            self.domain.refusals.because('an index of the block ring out of range, or over requests that have no response yet')
            return -EINVAL
        while self.consumer != producer:
            request = self.read(self.shared + FIRST_ENTRY + self.consumer * ENTRY_SIZE)
            self.consumer = (self.consumer + 1) & (ENTRIES - 1)
            self.take(request)
        self.pull()
        return 0

    def read(self, at):
        memory = self.memory
        word = memory.read32(at + 8)
        count = word >> 24
        operation = word >> 16 & 0xff
        segments = []
        for k in range(min(count, MOST_SEGMENTS)):
            segments.append(memory.read32(at + 12 + 4 * k))
        self.domain.paging.work += REQUEST_WORK
        request = Request(self, memory.read32(at), memory.read32(at + 4), word & 0xffff, operation, segments)
        if count > MOST_SEGMENTS:
            request.status = BAD
            self.domain.refusals.because('a request of the block ring with too many segments')
        return request

    def take(self, request):
        operation = request.operation
        if request.status != GOOD:
            self.respond(request, request.status)
        elif operation == READ or operation == WRITE or operation == READ_AHEAD or request.is_barrier():
            self.waiting.append(request)
        else:
            status = self.operations.perform(self, request)
            if status != GOOD:
                self.domain.refusals.because('an operation of the block ring that is not there, not permitted, or with bad arguments')
            self.respond(request, status)

    def pull(self):
        """Hands waiting requests on to the disks, as many as they may have, up to a barrier and as far as credit reaches."""
        while len(self.waiting) > 0 and not self.closed:
            request = self.waiting[0]
            if request.is_barrier():
                if self.at_disks > 0:
                    return
                self.waiting.pop(0)
                self.respond(request, GOOD)
                continue
            if self.at_disks >= MOST_AT_ONCE:
                return
            credit = None
            if request.device in self.disks:
                credit = self.disks[request.device].credit
            if credit is not None and not credit.take(request.size):
                self.clock.schedule(self, credit.more_at())
                return
            self.waiting.pop(0)
            self.at_disks += 1
            request.pieces = 1          # is not done while it is being handed on
            if not self.hand_on(request):
                request.status = BAD
            request.pieces -= 1
            if request.pieces == 0:
                self.at_disks -= 1
                self.respond(request, request.status)

    def expire(self):
        self.pull()

    def hand_on(self, request):
        """Gives the pieces of a request to the disks; False, with none given, if it is refused."""
        extents = self.allowed(request)
        if len(extents) == 0:
            return self.domain.refusals.because('sectors of a disk that the domain may not access so')
        if request.size == 0 or not self.is_memory(request):
            return self.domain.refusals.because('a segment of the block ring that is empty, or not in memory of the domain')
        sector = request.sector         # of the first extent, where the segment begins
        last = None
        for segment in request.segments:
            count = segment & SECTORS_OF_SEGMENT
            address = segment - count
            start = sector
            for extent in extents:
                if start >= extent.size:
                    start -= extent.size
                elif count > 0:
                    part = min(count, extent.size - start)
                    last = self.give(request, extent.disk, extent.offset + start, part, address, last)
                    address += part * SECTOR
                    count -= part
                    start = 0
            sector += segment & SECTORS_OF_SEGMENT
        return True

    def give(self, request, disk, sector, count, address, last):
        """Gives sectors of a request to a disk, with its last Transfer as far as they follow that; the one that is the last now."""
        while count > 0:
            if last is None or not last.has_room_at(disk, sector):
                last = Transfer(request, disk, sector)
                request.pieces += 1
                disk.add(last)
            here = min(count, CHUNK - last.count)
            last.add(address, here)
            sector += here
            address += here * SECTOR
            count -= here
        return last

    def is_memory(self, request):
        """Whether segments are none of them empty, and lie in the domain's memory."""
        paging = self.domain.paging
        for segment in request.segments:
            count = segment & SECTORS_OF_SEGMENT
            address = segment - count
            if count == 0:
                return False
            frame = address // FRAME
            while frame * FRAME < address + count * SECTOR:
                if not paging.owns(frame):
                    return False
                frame += 1
                paging.work += 1
        return True

    def allowed(self, request):
        """The Extents that the request's sectors count from; none if it may not access all of those so."""
        count = request.size // SECTOR
        wanted = CAN_READ
        if request.writes():
            wanted = CAN_WRITE
        if request.device in self.disks:
            virtual = self.disks[request.device]
            if request.sector + count <= virtual.sectors and virtual.mode & wanted:
                return virtual.extents
            return NO_EXTENTS
        disk = self.devices.find_disk(request.device)
        if disk is None or not disk.disk.contains(request.sector, count):
            return NO_EXTENTS
        if request.writes() and disk.disk.read_only:
            return NO_EXTENTS
        if not self.domain.privileged and not self.is_granted(disk, request.sector, count, wanted):
            return NO_EXTENTS
        return [Extent(disk, 0, disk.disk.sectors)]

    def is_granted(self, disk, sector, count, wanted):
        for grant in self.grants:
            if grant.disk is disk and grant.mode & wanted and grant.first <= sector and sector + count <= grant.first + grant.count:
                return True
        return False

    def finished(self, request):
        """The disks have done a request."""
        self.at_disks -= 1
        if self.closed:
            return
        if request.status == GOOD:
            self.bytes += request.size
        self.respond(request, request.status)
        self.pull()

    def respond(self, request, status):
        memory = self.memory
        at = self.shared + FIRST_ENTRY + self.producer * ENTRY_SIZE
        memory.write32(at, request.id)
        memory.write16(at + 4, request.operation)
        memory.write32(at + 8, status)
        self.producer = (self.producer + 1) & (ENTRIES - 1)
        memory.write32(self.shared + RESPONSES, self.producer)
        self.done += 1
        self.domain.events.send(EVENT_BLOCK)
