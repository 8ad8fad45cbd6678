"""Physical disks, which the hypervisor drives, and virtual ones, which domains see: lists of extents of physical ones.

A physical disk serves what all domains ask for in batches: while it works off one, in the order of its sectors from where it stands, requests
gather for the next. So nobody waits for longer than a batch, and neighbouring requests cost no positioning.
"""
from rpython.rlib.listsort import make_timsort_class

from hyper.board.clock import Timer
from hyper.board.disk import Disk, DiskError

GATHER_TIME = 4000              # ns that an idle disk waits for further requests after the first
POSITION_TIME = 10000           # ns to come to a sector that does not follow the last one
BYTE_TIME = 1                   # ns to move a byte

IDE = 1 << 12                   # types of device numbers
VIRTUAL = 3 << 12
INDEX = 0xfff
KIND_DISK = 0x20                # as probes tell them
KIND_CDROM = 0x05


class Piece(object):
    """`count` sectors of a physical disk that follow each other, for one request."""
    _immutable_fields_ = ['request', 'disk', 'sector']

    def __init__(self, request, disk, sector):
        self.request = request
        self.disk = disk
        self.sector = sector
        self.count = 0

    def perform(self, disk):
        raise NotImplementedError


def _before(a, b):
    return a.sector < b.sector


BySector = make_timsort_class(lt=_before)


class Gone(Disk):
    """In place of a disk whose file is closed."""

    def __init__(self):
        Disk.__init__(self, 0, True)

    def read(self, sector, count):
        raise DiskError

    def write(self, sector, data):
        raise DiskError


class PhysicalDisk(Timer):
    """`disk` is a hyper.board.disk.Disk, `number` its device number, `kind` what a probe tells of it."""
    _immutable_fields_ = ['clock', 'number', 'kind']

    def __init__(self, clock, disk, number, kind):
        self.clock = clock
        self.disk = disk
        self.number = number
        self.kind = kind
        self.batch = []                 # the next piece last
        self.gathered = []              # for the next batch
        self.under_way = None
        self.head = 0                   # the sector after the last one that was moved
        self.positionings = 0

    def add(self, piece):
        self.gathered.append(piece)
        if self.under_way is None and not self.scheduled:
            self.clock.schedule(self, self.clock.now() + GATHER_TIME)

    def expire(self):
        piece = self.under_way
        if piece is not None:
            self.under_way = None
            self.head = piece.sector + piece.count
            piece.perform(self.disk)
        self.begin_next()

    def begin_next(self):
        if len(self.batch) == 0:
            self.begin_batch()
        if len(self.batch) == 0:
            return
        piece = self.batch.pop()
        time = piece.count * 512 * BYTE_TIME
        if piece.sector != self.head:
            time += POSITION_TIME
            self.positionings += 1
        self.under_way = piece
        self.clock.schedule(self, self.clock.now() + time)

    def begin_batch(self):
        """In one sweep upwards from the head, then from the first sector to there."""
        pieces = self.gathered
        self.gathered = []
        BySector(pieces).sort()
        for k in range(len(pieces) - 1, -1, -1):
            if pieces[k].sector < self.head:
                self.batch.append(pieces[k])
        for k in range(len(pieces) - 1, -1, -1):
            if pieces[k].sector >= self.head:
                self.batch.append(pieces[k])


class Extent(object):
    """`size` sectors of a PhysicalDisk from `offset` on."""
    _immutable_fields_ = ['disk', 'offset', 'size']

    def __init__(self, disk, offset, size):
        self.disk = disk
        self.offset = offset
        self.size = size


CAN_READ, CAN_WRITE = 1, 2      # modes, which are ORed
NO_KEY = '\x00' * 10
MOST_EXTENTS = 100
MOST_VIRTUAL_DISKS = 64         # of a domain


class VirtualDisk(object):
    """`number` is its device number; `credit` limits its rate, or is None; `key` is text for who manages it, '' if the disk came with its domain."""
    _immutable_fields_ = ['number', 'mode', 'extents', 'kind', 'credit', 'key', 'sectors']

    def __init__(self, number, mode, extents, kind=KIND_DISK, credit=None, key=''):
        self.number = number
        self.mode = mode
        self.extents = extents
        self.kind = kind
        self.credit = credit
        self.key = key
        sectors = 0
        for extent in extents:
            sectors += extent.size
        self.sectors = sectors

    def with_extents(self, extents):
        """The disk as a privileged domain has changed it."""
        key = self.key
        if key == '':
            key = NO_KEY
        return VirtualDisk(self.number, self.mode, extents, self.kind, self.credit, key)


class Grant(object):
    """Sectors of a physical disk that a domain may use as they are."""
    _immutable_fields_ = ['disk', 'partition', 'first', 'count', 'mode']

    def __init__(self, disk, partition, first, count, mode):
        self.disk = disk
        self.partition = partition
        self.first = first
        self.count = count
        self.mode = mode


class BlockDevices(object):
    """Of a hypervisor: its disks, and the rings of its domains in the order of their making."""
    _immutable_fields_ = ['disks', 'rings']

    def __init__(self):
        self.disks = []
        self.rings = []

    def add_disk(self, clock, disk, kind):
        """The PhysicalDisk of a Disk, which several domains may have."""
        for physical in self.disks:
            if physical.disk is disk:
                return physical
        physical = PhysicalDisk(clock, disk, IDE | len(self.disks), kind)
        self.disks.append(physical)
        return physical

    def remove_disk(self, disk):
        """A Disk is about to be closed. Its number is not used again, and what is asked of it fails."""
        for physical in self.disks:
            if physical.disk is disk:
                physical.disk = Gone()

    def find_disk(self, number):
        """A PhysicalDisk by its device number, None if there is none."""
        at = number & INDEX
        if number & ~INDEX != IDE or at >= len(self.disks):
            return None
        return self.disks[at]

    def extent(self, number, first, count, mode):
        """Sectors of the disk with a device number; None if there are none such, or if they cannot be used in that mode."""
        disk = self.find_disk(number)
        if disk is None or count == 0 or not disk.disk.contains(first, count) or mode & CAN_WRITE and disk.disk.read_only:
            return None
        return Extent(disk, first, count)

    def find_ring(self, domain):
        for ring in self.rings:
            if ring.domain.number == domain:
                return ring
        return None
