"""The virtio block device.

Source: Virtual I/O Device (VIRTIO) 1.1, section 5.2. A request takes machine time: it is done when that has passed, one after the other.
"""

from hyper.board.clock import Timer
from hyper.board.disk import DiskError, SECTOR
from hyper.board.dma import BadAddress
from hyper.board.virtio import FEATURE_INDIRECT, VirtioFunction
from hyper.board.virtqueue import RingError, Virtqueue
from hyper.loader.file import pack32, pack64

DEVICE = 1                      # transitional id 1001h
KIND = 2
CLASS_STORAGE = 0x010000
QUEUE_SIZE = 128

FEATURE_SIZE_MAX = 1 << 1
FEATURE_SEG_MAX = 1 << 2
FEATURE_RO = 1 << 5
FEATURE_BLK_SIZE = 1 << 6
FEATURE_FLUSH = 1 << 9

READ = 0
WRITE = 1
FLUSH = 4
GET_ID = 8

OK = '\x00'
IO_ERROR = '\x01'
UNSUPPORTED = '\x02'

HEADER = 16                     # bytes: type, reserved, sector
MOST_SEGMENTS = QUEUE_SIZE - 2  # beside the header and the status
MOST_SEGMENT = 1 << 20
MOST_DATA = MOST_SEGMENTS * MOST_SEGMENT
ID_SIZE = 20
CHUNK = 128                     # sectors that are moved at a time

REQUEST_TIME = 10000            # ns, and one for each byte


def block_config(disk):
    """struct virtio_blk_config up to blk_size; the geometry is not told."""
    return pack64(disk.sectors) + pack32(MOST_SEGMENT) + pack32(MOST_SEGMENTS) + pack32(0) + pack32(SECTOR)


class RequestTimer(Timer):
    _immutable_fields_ = ['device']

    def __init__(self, device):
        self.device = device

    def expire(self):
        self.device.serve()


class VirtioBlock(VirtioFunction):
    """`name` is what the guest sees as the disk's serial number, at most 20 bytes."""

    _immutable_fields_ = ['clock', 'queue', 'disk', 'name', 'timer']

    def __init__(self, clock, ram, disk, name):
        features = FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH | FEATURE_INDIRECT
        if disk.read_only:
            features |= FEATURE_RO
        self.clock = clock
        self.queue = Virtqueue(ram, QUEUE_SIZE)
        self.disk = disk
        self.name = name
        self.timer = RequestTimer(self)
        VirtioFunction.__init__(self, DEVICE, KIND, CLASS_STORAGE, features, [self.queue], block_config(disk))

    def notified(self, number):
        if not self.timer.scheduled:
            self.clock.schedule(self.timer, self.clock.now() + REQUEST_TIME)

    def stop(self):
        self.clock.cancel(self.timer)

    def serve(self):
        """Does one request, and arranges for the next."""
        if not self.works():
            return
        try:
            if self.queue.waiting() == 0:
                return
            request = self.queue.take()
            size = self.execute(request)
            if self.queue.waiting() > 0:
                self.clock.schedule(self.timer, self.clock.now() + REQUEST_TIME + size)
        except RingError:
            self.broken()
        except BadAddress:
            self.broken()

    def execute(self, request):
        """Does a request and gives it back; how many bytes it moved."""
        room = request.writable_size() - 1              # beside the status
        if request.readable_size() < HEADER or room < 0:
            raise RingError
        ram = request.ram
        header = request.read(0, HEADER)
        kind = ord(header[0]) | ord(header[1]) << 8 | ord(header[2]) << 16 | ord(header[3]) << 24
        sector = 0
        for i in range(7, -1, -1):                      # above 2**63 it is negative, and no sector
            sector = sector << 8 | ord(header[8 + i])
        written = 0
        moved = 0
        try:
            if kind == READ:
                moved = self.check(sector, room)
                self.read(request, sector, moved)
                written = moved
                status = OK
            elif kind == WRITE and not self.disk.read_only:
                moved = self.check(sector, request.readable_size() - HEADER)
                self.write(request, sector, moved)
                status = OK
            elif kind == WRITE:
                status = IO_ERROR
            elif kind == FLUSH:
                self.disk.flush()
                status = OK
            elif kind == GET_ID and room >= ID_SIZE:
                request.write(0, self.name + '\x00' * (ID_SIZE - len(self.name)))
                written = ID_SIZE
                status = OK
            else:
                status = UNSUPPORTED
        except DiskError:
            status = IO_ERROR
        request.write(room, status)
        self.give_back(self.queue, request, written + 1)
        return moved

    def check(self, sector, size):
        """The size, if such data can be moved; raises DiskError."""
        if size % SECTOR != 0 or size > MOST_DATA or not self.disk.contains(sector, size // SECTOR):
            raise DiskError
        return size

    def read(self, request, sector, size):
        at = 0
        while at < size:
            count = min(CHUNK, (size - at) // SECTOR)
            request.write(at, self.disk.read(sector, count))
            sector += count
            at += count * SECTOR

    def write(self, request, sector, size):
        at = 0
        while at < size:
            count = min(CHUNK, (size - at) // SECTOR)
            self.disk.write(sector, request.read(HEADER + at, count * SECTOR))
            sector += count
            at += count * SECTOR
