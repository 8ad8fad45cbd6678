"""Operations of the block ring that move no sectors: probes, for all; and for the privileged domain virtual disks and who may use physical ones.

Each has one segment, a buffer with a structure (of 32-bit words if nothing else is said):

    5, 9    physical disks that the domain may use, its virtual disks: count; each with u16 device, u16 kind, sectors
    7       makes a virtual disk: mode (1 read and write, 2 read), domain, number, 10 bytes of a key, at 24 the count of extents; each with
            disk (a device number), first sector, sectors
    8       deletes one: domain and number as there
    10      grants a domain sectors of a physical disk: mode (1 read, 2 write; 0 takes it back), domain, u16 device, u16 partition, first sector, sectors
    11      what a domain was granted: count (written here), domain, number of the first one that is wanted; each with u16 device, u16 partition,
            first sector, sectors, mode
    12      the virtual disks of all domains: count; each with domain, number, 10 bytes of its key, u16 mode

The number of a virtual disk here is an index: its device number is of type 3. Those that interface 1.2 has given numbers of other types are not told by 12.
"""
from hyper.board.disk import SECTOR
from hyper.vmm.para.block.disks import CAN_READ, CAN_WRITE, Grant, INDEX, KIND_DISK, MOST_EXTENTS, MOST_VIRTUAL_DISKS, VIRTUAL, VirtualDisk
from hyper.vmm.para.block.ring import BAD, GOOD, SECTORS_OF_SEGMENT, may_write

PROBE_PHYSICAL, CREATE, DELETE, PROBE_VIRTUAL, GRANT, PROBE_GRANTS, PROBE_ALL = 5, 7, 8, 9, 10, 11, 12
READ_WRITE, READ_ONLY = 1, 2    # modes of virtual disks
KEY_AT, KEY_SIZE = 12, 10
COUNT_AT, EXTENTS_AT, EXTENT_SIZE = 24, 28, 12
MOST_GRANTS = 254


class Buffer(object):
    """Memory of the domain's, which could write there itself."""
    _immutable_fields_ = ['memory', 'address', 'size']

    def __init__(self, memory, address, size):
        self.memory = memory
        self.address = address
        self.size = size
        self.at = 0                     # where the next word goes

    def get(self, offset):
        assert offset + 4 <= self.size
        return self.memory.read32(self.address + offset)

    def has_room(self, size):
        return self.at + size <= self.size

    def put32(self, value):
        self.memory.write32(self.address + self.at, value)
        self.at += 4

    def put16(self, value):
        self.memory.write16(self.address + self.at, value)
        self.at += 2

    def put_text(self, text):
        self.memory.write_bytes(self.address + self.at, text)
        self.at += len(text)


class Operations(object):
    """`devices` are the BlockDevices."""
    _immutable_fields_ = ['devices']

    def __init__(self, devices):
        self.devices = devices

    def perform(self, ring, request):
        """The status of a request."""
        if len(request.segments) != 1 or request.size == 0:
            return BAD
        paging = ring.domain.paging
        address = request.segments[0] & ~SECTORS_OF_SEGMENT
        if not may_write(paging, address, request.size):
            return BAD
        buffer = Buffer(paging.memory, address, request.size)
        operation = request.operation
        if operation == PROBE_PHYSICAL:
            return self.probe_physical(ring, buffer)
        if operation == PROBE_VIRTUAL:
            return self.probe_virtual(ring, buffer)
        if not ring.domain.privileged:
            return BAD
        if operation == CREATE:
            return self.create(buffer)
        if operation == DELETE:
            return self.delete(buffer)
        if operation == GRANT:
            return self.grant(buffer)
        if operation == PROBE_GRANTS:
            return self.probe_grants(buffer)
        if operation == PROBE_ALL:
            return self.probe_all(buffer)
        return BAD

    # -- probes

    def probe_physical(self, ring, buffer):
        devices = []
        for disk in self.devices.disks:
            if ring.modes_of(disk) != 0:
                devices.append((disk.number, disk.kind, disk.disk.sectors))
        return put_devices(buffer, devices)

    def probe_virtual(self, ring, buffer):
        devices = []
        for number in ring.numbers:
            disk = ring.disks[number]
            devices.append((number, disk.kind, disk.sectors))
        return put_devices(buffer, devices)

    def probe_all(self, buffer):
        count = 0
        buffer.put32(0)
        for ring in self.devices.rings:
            for number in ring.numbers:
                disk = ring.disks[number]
                if number & ~INDEX == VIRTUAL and buffer.has_room(20):
                    buffer.put32(ring.domain.number)
                    buffer.put32(number & INDEX)
                    buffer.put_text(disk.key + '\x00' * (KEY_SIZE - len(disk.key)))
                    buffer.put16(READ_WRITE if disk.mode & CAN_WRITE else READ_ONLY)
                    count += 1
        buffer.at = 0
        buffer.put32(count)
        return GOOD

    def probe_grants(self, buffer):
        ring = self.devices.find_ring(buffer.get(4))
        if ring is None:
            return BAD
        first = buffer.get(8)
        count = 0
        buffer.at = 12
        for k in range(len(ring.grants)):
            if k >= first and buffer.has_room(16):
                grant = ring.grants[k]
                buffer.put16(grant.disk.number)
                buffer.put16(grant.partition)
                buffer.put32(grant.first)
                buffer.put32(grant.count)
                buffer.put32(grant.mode)
                count += 1
        buffer.at = 0
        buffer.put32(count)
        return GOOD

    # -- what the privileged domain sets up

    def create(self, buffer):
        mode = buffer.get(0)
        ring = self.devices.find_ring(buffer.get(4))
        number = buffer.get(8)
        count = buffer.get(COUNT_AT)
        if mode != READ_WRITE and mode != READ_ONLY or ring is None or number > INDEX or VIRTUAL | number in ring.disks:
            return BAD
        access = CAN_READ
        if mode == READ_WRITE:
            access |= CAN_WRITE
        if count == 0 or count > MOST_EXTENTS or EXTENTS_AT + count * EXTENT_SIZE > buffer.size or len(ring.numbers) >= MOST_VIRTUAL_DISKS:
            return BAD
        extents = []
        for k in range(count):
            at = EXTENTS_AT + k * EXTENT_SIZE
            extent = self.devices.extent(buffer.get(at), buffer.get(at + 4), buffer.get(at + 8), access)
            if extent is None:
                return BAD
            extents.append(extent)
        key = buffer.memory.read_bytes(buffer.address + KEY_AT, KEY_SIZE)
        ring.add(VirtualDisk(VIRTUAL | number, access, extents, KIND_DISK, None, key))
        ring.disks_changed()
        return GOOD

    def delete(self, buffer):
        """What the disk has been asked for already is still done."""
        ring = self.devices.find_ring(buffer.get(4))
        number = buffer.get(8)
        if ring is None or number > INDEX or VIRTUAL | number not in ring.disks:
            return BAD
        ring.remove(VIRTUAL | number)
        ring.disks_changed()
        return GOOD

    def grant(self, buffer):
        mode = buffer.get(0)
        ring = self.devices.find_ring(buffer.get(4))
        word = buffer.get(8)
        first = buffer.get(12)
        count = buffer.get(16)
        disk = self.devices.find_disk(word & 0xffff)
        if mode & ~(CAN_READ | CAN_WRITE) or ring is None or disk is None or count == 0 or not disk.disk.contains(first, count):
            return BAD
        for k in range(len(ring.grants)):
            grant = ring.grants[k]
            if grant.disk is disk and grant.first == first and grant.count == count:
                del ring.grants[k]
                break
        else:
            if mode == 0 or len(ring.grants) >= MOST_GRANTS:
                return BAD
        if mode:
            ring.grants.append(Grant(disk, word >> 16, first, count, mode))
        ring.disks_changed()
        return GOOD


def put_devices(buffer, devices):
    """As many as there is room for."""
    count = min(len(devices), (buffer.size - 4) // 8)
    buffer.put32(count)
    for k in range(count):
        number, kind, sectors = devices[k]
        buffer.put16(number)
        buffer.put16(kind)
        buffer.put32(sectors & 0xffffffff)
    return GOOD
