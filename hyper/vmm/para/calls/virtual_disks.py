"""Operations 3 to 9 of block_io_op in 1.2: virtual disks, which the privileged domain puts together from extents of physical ones, and what disks there
are. The structures:

    3 create        u32 domain; u16 number, u16 mode (1 it can be read, 2 written); it has no extents yet
    4 grow          u32 domain; u16 number, u16 -; an extent, which is appended
    5 shrink        u32 domain; u16 number: its last extent is removed
    6 set extents   u32 domain; u16 number, u16 count; u32 address of the extents, which take the place of all it had
    7 delete        u32 domain; u16 number
    8 probe         u32 domain, or FFFFFFFFh for all; u32 most entries; u32 their address; u32 how many there are, written here
    9 info          u32 domain; u16 number, u16 most extents; u32 their address; u16 how many there are, u16 mode, written here

An extent is {u16 device number of the physical disk, u16 -, u32 first sector, u32 sectors}, an entry of a probe {u16 device number, u16 kind, u32 sectors,
u32 domain}. The number of a virtual disk is what requests have as their device, any that was chosen for it; a physical disk of the same number is out of the
domain's reach. A domain whose disks are changed is sent an event.
"""
from hyper.vmm.para.block.disks import CAN_READ, CAN_WRITE, MOST_EXTENTS, MOST_VIRTUAL_DISKS, NO_KEY, KIND_DISK, VirtualDisk
from hyper.vmm.para.layout import (DISK_CREATE, DISK_DELETE, DISK_GROW, DISK_INFO, DISK_PROBE, DISK_SET_EXTENTS, DISK_SHRINK, EFAULT, EINVAL, ENOSPC, EPERM,
                                   ESRCH, M32)
from hyper.vmm.para.structure import Structure

EVERY_DOMAIN = 0xffffffff
MOST_ENTRIES = 0x7fffffff       # of a probe: the field has a sign
KIND_READ_ONLY, KIND_VIRTUAL = 0x40, 0x80
EXTENT_WORDS = ENTRY_WORDS = 3
BAD_EXTENT = 'an extent that is empty, not within its disk, or not to be written to'


def operate(domain, operation, structure):
    if operation == DISK_PROBE:
        return probe(domain, structure)
    if operation == DISK_INFO:
        return info(domain, structure)
    if not domain.privileged:
        return -EPERM
    devices = domain.host.devices.block
    ring = devices.find_ring(structure.word(0))
    number = structure.word(1) & 0xffff
    if structure.faulted:
        return -EFAULT
    if ring is None:
        return -ESRCH
    if operation == DISK_CREATE:
        result = create(domain, ring, number, structure.word(1) >> 16)
    elif number not in ring.disks:
        domain.refusals.because('there is no such virtual disk')
        return -EINVAL
    elif operation == DISK_GROW:
        result = grow(domain, ring, ring.disks[number], structure)
    elif operation == DISK_SHRINK:
        result = shrink(domain, ring, ring.disks[number])
    elif operation == DISK_SET_EXTENTS:
        result = set_extents(domain, ring, ring.disks[number], structure)
    else:
        assert operation == DISK_DELETE
        ring.remove(number)
        result = 0
    if result == 0:
        ring.disks_changed()
    return result


def create(domain, ring, number, mode):
    if mode == 0 or mode > CAN_READ | CAN_WRITE:
        domain.refusals.because('a virtual disk that cannot be read or written, or in modes that are none')
        return -EINVAL
    if number in ring.disks:
        domain.refusals.because('a virtual disk that there is already')
        return -EINVAL
    if len(ring.numbers) >= MOST_VIRTUAL_DISKS:
        return -ENOSPC
    ring.add(VirtualDisk(number, mode, [], KIND_DISK, None, NO_KEY))
    return 0


def read_extent(devices, structure, word, mode):
    """The Extent that begins at that word, None if it is refused."""
    return devices.extent(structure.word(word) & 0xffff, structure.word(word + 1), structure.word(word + 2), mode)


def grow(domain, ring, disk, structure):
    extent = read_extent(ring.devices, structure, 2, disk.mode)
    if structure.faulted:
        return -EFAULT
    if len(disk.extents) >= MOST_EXTENTS:
        return -ENOSPC
    if extent is None:
        domain.refusals.because(BAD_EXTENT)
        return -EINVAL
    ring.replace(disk.with_extents(disk.extents + [extent]))
    return 0


def shrink(domain, ring, disk):
    if len(disk.extents) == 0:
        domain.refusals.because('to shrink a virtual disk without extents')
        return -EINVAL
    ring.replace(disk.with_extents(disk.extents[:-1]))
    return 0


def set_extents(domain, ring, disk, structure):
    """All or none."""
    count = structure.word(1) >> 16
    array = Structure(domain.linear, structure.word(2))
    if structure.faulted:
        return -EFAULT
    if count > MOST_EXTENTS:
        return -ENOSPC
    extents = []
    for k in range(count):
        extent = read_extent(ring.devices, array, EXTENT_WORDS * k, disk.mode)
        if array.faulted:
            return -EFAULT
        if extent is None:
            domain.refusals.because(BAD_EXTENT)
            return -EINVAL
        extents.append(extent)
    ring.replace(disk.with_extents(extents))
    return 0


class Entries(object):
    """Of a probe: as many as there is room for."""
    _immutable_fields_ = ['array', 'most']

    def __init__(self, array, most):
        self.array = array
        self.most = most
        self.count = 0

    def add(self, device, kind, mode, sectors, domain):
        if self.count < self.most and not self.array.faulted:
            if not mode & CAN_WRITE:
                kind |= KIND_READ_ONLY
            at = ENTRY_WORDS * self.count
            self.array.put(at, device | kind << 16)
            self.array.put(at + 1, min(sectors, M32))
            self.array.put(at + 2, domain)
            self.count += 1

    def add_disks_of(self, ring):
        domain = ring.domain.number
        for disk in ring.devices.disks:
            mode = ring.modes_of(disk)
            if mode != 0:
                self.add(disk.number, disk.kind, mode, disk.disk.sectors, domain)
        for number in ring.numbers:
            disk = ring.disks[number]
            self.add(number, disk.kind | KIND_VIRTUAL, disk.mode, disk.sectors, domain)


def may_ask_about(domain, number):
    return domain.privileged or number == domain.number


def probe(domain, structure):
    number = structure.word(0)
    most = structure.word(1)
    entries = Entries(Structure(domain.linear, structure.word(2)), most)
    if structure.faulted:
        return -EFAULT
    if not may_ask_about(domain, number):
        return -EPERM
    if most > MOST_ENTRIES:
        return -EINVAL
    devices = domain.host.devices.block
    if number == EVERY_DOMAIN:
        for ring in devices.rings:
            entries.add_disks_of(ring)
    else:
        ring = devices.find_ring(number)
        if ring is None:
            return -ESRCH
        entries.add_disks_of(ring)
    domain.paging.work += entries.count
    if entries.array.faulted:
        return -EFAULT
    structure.put(3, entries.count)
    return structure.result(0)


def info(domain, structure):
    """Of one disk; as many extents as there is room for."""
    number = structure.word(0)
    word = structure.word(1)
    array = Structure(domain.linear, structure.word(2))
    if structure.faulted:
        return -EFAULT
    if not may_ask_about(domain, number):
        return -EPERM
    ring = domain.host.devices.block.find_ring(number)
    if ring is None:
        return -ESRCH
    if word & 0xffff not in ring.disks:
        domain.refusals.because('there is no such virtual disk')
        return -EINVAL
    disk = ring.disks[word & 0xffff]
    count = min(len(disk.extents), word >> 16)
    for k in range(count):
        extent = disk.extents[k]
        array.put(EXTENT_WORDS * k, extent.disk.number)
        array.put(EXTENT_WORDS * k + 1, extent.offset)
        array.put(EXTENT_WORDS * k + 2, extent.size)
    if array.faulted:
        return -EFAULT
    structure.put(3, count | disk.mode << 16)
    return structure.result(0)
