"""The bus master of an IDE channel: moves a device's data to and from memory by a table of regions.

Source: Programming Interface for Bus Master IDE Controller 1.0; Intel 82371SB (290550), section 2.7.
"""

from hyper.board.dma import BadAddress

COMMAND = 0
STATUS = 2
TABLE = 4                       # four bytes: where the table of region descriptors lies

START = 0x01
TO_MEMORY = 0x08
COMMAND_BITS = START | TO_MEMORY

ACTIVE = 0x01
ERROR = 0x02                    # this bit and the next are cleared by writing 1
INTERRUPT = 0x04
STATUS_WRITABLE = 0x60          # which drives can do DMA: kept for the driver

REGION = 8                      # bytes of a descriptor: address, count, end of table
MOST_REGIONS = 8192             # a table lies within 64 KB
LAST = 0x8000


class BusMaster(object):
    _immutable_fields_ = ['ram']

    def __init__(self, ram):
        self.ram = ram
        self.reset()

    def reset(self):
        self.command = 0
        self.status = 0
        self.table = 0
        self.rewind()

    def rewind(self):
        """To the beginning of the table."""
        self.regions = 0            # how many have been looked at
        self.address = 0            # what is left of the current one
        self.left = 0
        self.at_end = False

    def started(self):
        return self.status & ACTIVE != 0

    def next_region(self):
        """The next region that the table gives; raises BadAddress if it gives none."""
        if self.at_end or self.regions == MOST_REGIONS:
            raise BadAddress
        at = self.table + self.regions * REGION
        self.regions += 1
        self.address = self.ram.read32(at) & ~1
        self.left = self.ram.read16(at + 4) & ~1
        if self.left == 0:
            self.left = 0x10000
        self.at_end = self.ram.read16(at + 6) & LAST != 0

    def to_memory(self, data):
        """Raises BadAddress where the regions are not RAM, too few, or meant for the other direction."""
        if not self.command & TO_MEMORY:
            raise BadAddress
        done = 0
        while done < len(data):
            if self.left == 0:
                self.next_region()
            here = min(self.left, len(data) - done)
            until = done + here
            assert 0 <= done <= until
            self.ram.write_bytes(self.address, data[done:until])
            self.address += here
            self.left -= here
            done = until

    def from_memory(self, size):
        """So many bytes; raises BadAddress as to_memory does."""
        if self.command & TO_MEMORY:
            raise BadAddress
        parts = []
        while size > 0:
            if self.left == 0:
                self.next_region()
            here = min(self.left, size)
            parts.append(self.ram.read_bytes(self.address, here))
            self.address += here
            self.left -= here
            size -= here
        return ''.join(parts)

    def finish(self):
        """The device has no more data: active goes on only if the table had room for more."""
        if self.at_end and self.left == 0:
            self.status &= ~ACTIVE

    def fail(self):
        self.status = self.status & ~ACTIVE | ERROR

    def read(self, offset):
        if offset == COMMAND:
            return self.command
        if offset == STATUS:
            return self.status
        if offset >= TABLE:
            return (self.table >> (8 * (offset - TABLE))) & 0xff
        return 0

    def write(self, offset, value):
        """Whether the channel has just been started."""
        if offset == COMMAND:
            before = self.command
            self.command = value & COMMAND_BITS
            if not value & START:
                self.status &= ~ACTIVE
            elif not before & START:
                self.status |= ACTIVE
                self.rewind()
                return True
        elif offset == STATUS:
            self.status = self.status & ~(value & (ERROR | INTERRUPT)) & ~STATUS_WRITABLE | value & STATUS_WRITABLE
        elif offset >= TABLE:
            shift = 8 * (offset - TABLE)
            self.table = (self.table & ~(0xff << shift) | value << shift) & 0xfffffffc
        return False
