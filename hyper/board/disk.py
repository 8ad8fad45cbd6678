"""Disks as the controllers see them: arrays of sectors, in a raw image file, perhaps under a snapshot."""

import os
import stat

from rpython.rtyper.lltypesystem import lltype, rffi
from rpython.translator.tool.cbuild import ExternalCompilationInfo

from hyper.errors import UserError

SECTOR = 512
BLOCK_SECTORS = 8               # a snapshot keeps changes by blocks of so many sectors
BLOCK = BLOCK_SECTORS * SECTOR
QCOW_MAGIC = 'QFI\xfb'

CD_BLOCK = 2048
VOLUME = 16 * CD_BLOCK // SECTOR        # where the first volume descriptor lies
VOLUME_PRIMARY = '\x01CD001'
VOLUME_BLOCKS = 80              # of the descriptor, a little-endian doubleword

LOCK_SHARED = 1
LOCK_EXCLUSIVE = 2
LOCK_AT_ONCE = 4
UNLOCK = 8

_flock = rffi.llexternal('flock', [rffi.INT, rffi.INT], rffi.INT, compilation_info=ExternalCompilationInfo(includes=['sys/file.h']), releasegil=False)


class DiskError(Exception):
    """The host could not read or write."""


class Disk(object):
    """`sectors` of 512 bytes each. Who calls keeps inside of them, and does not write to a read-only one."""

    _immutable_fields_ = ['sectors', 'read_only']

    def __init__(self, sectors, read_only):
        self.sectors = sectors
        self.read_only = read_only

    def contains(self, sector, count):
        return sector >= 0 and count >= 0 and sector <= self.sectors - count

    def read(self, sector, count):
        """The bytes of `count` sectors; raises DiskError."""
        raise NotImplementedError

    def write(self, sector, data):
        """Whole sectors; raises DiskError."""
        raise NotImplementedError

    def flush(self):
        """Returns when all that was written would survive a loss of power; raises DiskError."""

    def lock(self):
        """Keeps other machines from writing to it, or if it is written to here from reading it; raises UserError."""

    def unlock(self):
        """Another machine may have it. Nothing is read or written until it is locked again."""

    def close(self):
        pass


class FileDisk(Disk):
    """A raw image. Writes reach the operating system at once, so the end of this process loses none."""

    _immutable_fields_ = ['name', 'descriptor']

    def __init__(self, name, descriptor, sectors, read_only):
        Disk.__init__(self, sectors, read_only)
        self.name = name
        self.descriptor = descriptor
        self.shares = read_only         # with others that only read

    def lock(self):
        if not flock(self.descriptor, (LOCK_SHARED if self.shares else LOCK_EXCLUSIVE) | LOCK_AT_ONCE):
            raise UserError("--disk %s: in use by another machine; end that one, or give a copy of the file" % self.name)

    def unlock(self):
        flock(self.descriptor, UNLOCK)

    def read(self, sector, count):
        parts = []
        left = count * SECTOR
        try:
            os.lseek(self.descriptor, sector * SECTOR, 0)
            while left > 0:
                part = os.read(self.descriptor, left)
                if part == '':
                    raise DiskError             # somebody has cut the file
                parts.append(part)
                left -= len(part)
        except OSError:
            raise DiskError
        return ''.join(parts)

    def write(self, sector, data):
        try:
            os.lseek(self.descriptor, sector * SECTOR, 0)
            done = 0
            while done < len(data):
                assert done >= 0
                done += os.write(self.descriptor, data[done:])
        except OSError:
            raise DiskError

    def flush(self):
        if self.read_only:
            return
        try:
            os.fsync(self.descriptor)
        except OSError:
            raise DiskError

    def close(self):
        os.close(self.descriptor)


class Snapshot(Disk):
    """Writes to a disk that are kept in memory and lost at the end."""

    _immutable_fields_ = ['under', 'blocks']

    def __init__(self, under):
        Disk.__init__(self, under.sectors, False)
        self.under = under
        self.blocks = {}            # number of a block -> its bytes, for those that were written to

    def block(self, number):
        if number in self.blocks:
            return self.blocks[number]
        first = number * BLOCK_SECTORS
        return self.under.read(first, min(BLOCK_SECTORS, self.sectors - first))

    def read(self, sector, count):
        parts = []
        while count > 0:
            offset = sector % BLOCK_SECTORS
            here = min(count, BLOCK_SECTORS - offset)
            start = offset * SECTOR
            end = start + here * SECTOR
            assert 0 <= start <= end
            parts.append(self.block(sector // BLOCK_SECTORS)[start:end])
            sector += here
            count -= here
        return ''.join(parts)

    def write(self, sector, data):
        done = 0
        while done < len(data):
            number = sector // BLOCK_SECTORS
            start = sector % BLOCK_SECTORS * SECTOR
            here = min(len(data) - done, BLOCK - start)
            end = start + here
            until = done + here
            assert 0 <= start <= end and 0 <= done <= until
            old = self.block(number)
            self.blocks[number] = old[:start] + data[done:until] + old[end:]
            sector += here // SECTOR
            done = until

    def lock(self):
        self.under.lock()

    def unlock(self):
        self.under.unlock()

    def close(self):
        self.under.close()


def check_volume(name, disk):
    """Refuses a disk that is shorter than its primary volume descriptor says (ECMA-119, 8.4), where it has one. Raises UserError."""
    try:
        descriptor = disk.read(VOLUME, 1) if disk.contains(VOLUME, 1) else ''
    except DiskError:
        descriptor = ''
    if not descriptor.startswith(VOLUME_PRIMARY):
        return
    blocks = 0
    for k in range(4):
        blocks |= ord(descriptor[VOLUME_BLOCKS + k]) << 8 * k
    there = disk.sectors * SECTOR // CD_BLOCK
    if blocks > there:
        raise UserError("--disk %s: an ISO image of %d blocks that has %d, so it is cut short; get a whole copy" % (name, blocks, there))


def open_disk(name, read_only, snapshot, unit=SECTOR, locked=True):
    """The disk in a raw image file, whose size is in whole units of so many bytes, CD_BLOCK for one of those; raises UserError. It is locked unless the caller does that later."""
    written = not read_only and not snapshot
    try:
        mode = os.stat(name).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            raise UserError("--disk %s: is no file; give the path of a raw disk image" % name)
        descriptor = os.open(name, os.O_RDWR if written else os.O_RDONLY, 0)
    except OSError as error:
        advice = "give the path of a raw disk image"
        if written and can_read(name):
            advice = "make it writable, or add ,ro or ,snapshot"
        raise UserError("--disk %s: cannot be opened (%s); %s" % (name, os.strerror(error.errno), advice))
    try:
        disk = FileDisk(name, descriptor, count_sectors(name, descriptor, unit), read_only)
        if unit == CD_BLOCK:
            check_volume(name, disk)
        disk.shares = not written
        if locked:
            disk.lock()
    except UserError:
        os.close(descriptor)
        raise
    if snapshot and not read_only:
        return Snapshot(disk)
    return disk


def can_read(name):
    try:
        os.close(os.open(name, os.O_RDONLY, 0))
    except OSError:
        return False
    return True


def count_sectors(name, descriptor, unit):
    try:
        start = os.read(descriptor, 4)
        size = os.lseek(descriptor, 0, 2)
    except OSError as error:
        raise UserError("--disk %s: cannot be read (%s); give the path of a raw disk image" % (name, os.strerror(error.errno)))
    if start == QCOW_MAGIC:
        raise UserError("--disk %s: a qcow2 image; convert it with: qemu-img convert -O raw %s disk.img" % (name, name))
    if size == 0:
        if unit == CD_BLOCK:
            raise UserError("--cdrom %s: is empty; give an ISO image" % name)
        raise UserError("--disk %s: is empty; make it with: truncate -s 64M %s" % (name, name))
    if size % unit != 0:
        raise UserError("--disk %s: %d bytes are not whole sectors of %d, so it is cut short or no raw image; get a whole copy" % (name, size, unit))
    return size // SECTOR


def flock(descriptor, operation):
    return rffi.cast(lltype.Signed, _flock(rffi.cast(rffi.INT, descriptor), rffi.cast(rffi.INT, operation))) == 0


class Drive(object):
    """A disk and how it is attached; `interface` is a word of hyper.options, `rate` the most bytes a second, 0 for no limit."""

    _immutable_fields_ = ['disk', 'interface', 'rate']

    def __init__(self, disk, interface, rate=0):
        self.disk = disk
        self.interface = interface
        self.rate = rate


NO_DRIVES = []                  # shared: nobody changes it
