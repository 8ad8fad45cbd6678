"""How a guest begins: the registers, and what is placed in its memory."""

from hyper.errors import UserError
from hyper.loader.file import hexadecimal, megabytes

PAGE = 4096
KERNEL_SPACE = 0xc0000000       # no memory is as large; paravirtual kernels are linked from here on
HIGH = 0x100000                 # where memory above the hole begins
LOW_TOP = 0x9f000               # end of low memory that loaders use; the EBDA would follow
LOW_BOTTOM = 0x1000             # interrupt table and BIOS data below

BOOT_CS = 0x10                  # selectors of the flat segments, as Linux and GRUB have them
BOOT_DS = 0x18
GDT = ('\x00' * 16
       + '\xff\xff\x00\x00\x00\x9b\xcf\x00'         # 10: code, 0..4 GB, 32 bit, ring 0
       + '\xff\xff\x00\x00\x00\x93\xcf\x00')        # 18: data, the same


class EntryState(object):
    """Registers at the first instruction; those not here are 0, interrupts and paging are off.

    Protected: `cs` and `ds` (for DS, ES, FS, GS, SS) are flat 4 GB ring-0 segments, described in a GDT at `gdt`.
    Real: `cs` and `ds` are segment values, base sixteen times that.
    """

    def __init__(self, eip):
        self.eip = eip
        self.esp = LOW_TOP
        self.eax = 0
        self.ebx = 0
        self.edx = 0
        self.esi = 0
        self.protected = True
        self.cs = BOOT_CS
        self.ds = BOOT_DS
        self.gdt = 0
        self.gdt_limit = 0


class Segment(object):
    """`data` at physical `address`, zeros after it up to `size` bytes."""

    def __init__(self, address, data, size):
        self.address = address
        self.data = data
        self.size = size


class Image(object):
    """What a loader has found in its file: what to place where, and how to begin."""

    def __init__(self, name, segments, entry):
        self.name = name
        self.segments = segments
        self.entry = entry

    def place(self, memory, base=0, size=-1):
        """Writes every segment. `memory` has size and write_bytes(address, bytes); the guest's begins at `base` in it and has `size` bytes,
        -1 for all of it."""
        if size < 0:
            size = memory.size
        for segment in self.segments:
            end = segment.address + segment.size
            if segment.address < 0 or end > size:
                if segment.address >= KERNEL_SPACE:
                    raise UserError("%s: is linked at %s, where no machine has memory; if it is a paravirtual kernel run it with --mode para"
                                    % (self.name, hexadecimal(segment.address)))
                raise UserError("%s: needs memory up to %s, there is %s; give it --memory %s or more"
                                % (self.name, hexadecimal(end), hexadecimal(size), megabytes(end)))
            at = base + segment.address
            memory.write_bytes(at, segment.data)
            zeros = segment.size - len(segment.data)
            at += len(segment.data)
            while zeros > 0:
                part = min(zeros, 1 << 16)
                memory.write_bytes(at, '\x00' * part)
                at += part
                zeros -= part


class Layout(object):
    """Gives out physical memory around an image, so that nothing a loader adds lies on anything else."""

    def __init__(self, name, memory_size):
        self.name = name
        self.memory_size = memory_size
        self.segments = []

    def add(self, segment):
        self.segments.append(segment)

    def free(self, address, size):
        for segment in self.segments:
            if address < segment.address + segment.size and segment.address < address + size:
                return False
        return True

    def top(self):
        """The end of the highest segment, at least HIGH."""
        top = HIGH
        for segment in self.segments:
            top = max(top, segment.address + segment.size)
        return top

    def fits(self, address, size):
        return ((LOW_BOTTOM <= address and address + size <= LOW_TOP or HIGH <= address)
                and address + size <= self.memory_size and self.free(address, size))

    def add_above(self, data, what):
        """Places data page-aligned above all there is; its address."""
        address = (self.top() + PAGE - 1) & ~(PAGE - 1)
        if not self.fits(address, len(data)):
            raise UserError("%s: no room for %s of %d bytes above the image; give it --memory %s or more"
                            % (self.name, what, len(data), megabytes(address + len(data))))
        self.add(Segment(address, data, len(data)))
        return address

    def add_low(self, data, what):
        """Places data in a free page of low memory, else above; its address."""
        address = 0x9000
        while address + len(data) <= LOW_TOP:
            if self.fits(address, len(data)):
                self.add(Segment(address, data, len(data)))
                return address
            address += PAGE
        return self.add_above(data, what)

    def add_gdt(self, entry):
        entry.gdt = self.add_low(GDT, "the descriptor table")
        entry.gdt_limit = len(GDT) - 1


class MemoryArea(object):
    def __init__(self, first, size, usable):
        self.first = first
        self.size = size
        self.usable = usable


LOW_MEMORY_KB = 639             # of conventional memory; the last KB is the BIOS's extended data area


def memory_map(memory_size):
    """What a BIOS's E820 call tells of a PC with so much memory."""
    conventional = min(memory_size, LOW_MEMORY_KB << 10)
    areas = [MemoryArea(0, conventional, True),
             MemoryArea(LOW_MEMORY_KB << 10, 1 << 10, False),
             MemoryArea(0xf0000, 0x10000, False)]
    if memory_size > HIGH:
        areas.append(MemoryArea(HIGH, memory_size - HIGH, True))
    return areas


class BootRequest(object):
    """What to boot with. `at` is a physical address for a flat image, -1 if none was given; `model` is the processor, None where that does not matter."""

    def __init__(self, memory_size, command_line, modules, at, model=None):
        self.memory_size = memory_size
        self.command_line = command_line
        self.modules = modules
        self.at = at
        self.model = model
