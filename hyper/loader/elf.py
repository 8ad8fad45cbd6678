"""ELF executables for the IA-32: what to load, with nothing in the file believed.

Source: System V ABI, Object Files; its i386 supplement.
"""

from hyper.errors import UserError
from hyper.loader.entry import Segment
from hyper.loader.file import hexadecimal

MAGIC = '\x7fELF'
CLASS_32 = 1
LITTLE_ENDIAN = 1
EXECUTABLE = 2
MACHINE_386 = 3
LOAD = 1                        # PT_LOAD
HEADER_SIZE = 52
PROGRAM_HEADER_SIZE = 32
MOST_HEADERS = 128
LIMIT = 1 << 32


class Part(object):
    """A PT_LOAD segment: `file_size` bytes at `offset` of the file, `size` in memory."""

    def __init__(self, virtual, physical, offset, file_size, size):
        self.virtual = virtual
        self.physical = physical
        self.offset = offset
        self.file_size = file_size
        self.size = size


class Elf(object):
    """A checked executable: `parts` in file order, none overlapping another; `entry` is virtual."""

    def __init__(self, file, parts, entry):
        self.file = file
        self.parts = parts
        self.entry = entry

    def physical_entry(self):
        """The entry's load address: where virtual and physical differ, the paging is yet to come."""
        for part in self.parts:
            if part.virtual <= self.entry < part.virtual + part.size:
                return self.entry - part.virtual + part.physical
        return self.entry

    def data(self, part):
        return self.file.bytes(part.offset, part.file_size, "segment")

    def segments(self):
        """To be placed at the physical addresses."""
        result = []
        for part in self.parts:
            result.append(Segment(part.physical, self.data(part), part.size))
        return result


def is_elf(file):
    return file.has(0, MAGIC)


def refuse(file, why):
    raise UserError("%s: %s; build it as a static 32-bit executable (gcc -m32 -static, ld -m elf_i386)" % (file.name, why))


def parse(file):
    """Reads and checks the headers; raises UserError."""
    file.check(0, HEADER_SIZE, "ELF header")
    if not is_elf(file):
        refuse(file, "not an ELF file")
    if file.u8(4, "class") != CLASS_32 or file.u8(5, "byte order") != LITTLE_ENDIAN:
        refuse(file, "not a 32-bit little-endian ELF file")
    if file.u16(18, "machine") != MACHINE_386:
        refuse(file, "an ELF file for another processor (machine %d)" % file.u16(18, "machine"))
    if file.u16(16, "type") != EXECUTABLE:
        refuse(file, "an ELF file that is no executable with fixed addresses (type %d)" % file.u16(16, "type"))
    entry = file.u32(24, "entry")
    table = file.u32(28, "program header offset")
    entry_size = file.u16(42, "program header size")
    count = file.u16(44, "program header count")
    if entry_size < PROGRAM_HEADER_SIZE or count == 0 or count > MOST_HEADERS:
        refuse(file, "damaged ELF program headers (%d of %d bytes)" % (count, entry_size))
    file.check(table, entry_size * count, "program header table")
    parts = []
    for i in range(count):
        at = table + i * entry_size
        if file.u32(at, "program header") == LOAD:
            part = parse_part(file, at)
            if part.size > 0:
                parts.append(part)
    if len(parts) == 0:
        refuse(file, "an ELF file with nothing to load")
    check_overlap(file, parts)
    return Elf(file, parts, checked_entry(file, parts, entry))


def parse_part(file, at):
    what = "program header"
    part = Part(file.u32(at + 8, what), file.u32(at + 12, what), file.u32(at + 4, what), file.u32(at + 16, what),
                file.u32(at + 20, what))
    file.check(part.offset, part.file_size, "segment for address " + hexadecimal(part.virtual))
    if part.file_size > part.size:
        refuse(file, "damaged: a segment has %d bytes in the file and %d in memory" % (part.file_size, part.size))
    if part.physical + part.size > LIMIT or part.virtual + part.size > LIMIT:
        refuse(file, "damaged: a segment reaches past 4 GB")
    return part


def check_overlap(file, parts):
    for i in range(len(parts)):
        for j in range(i):
            a = parts[i]
            b = parts[j]
            if (a.physical < b.physical + b.size and b.physical < a.physical + a.size
                    or a.virtual < b.virtual + b.size and b.virtual < a.virtual + a.size):
                refuse(file, "damaged: its segments overlap at " + hexadecimal(max(a.physical, b.physical)))


def checked_entry(file, parts, entry):
    for part in parts:
        if part.virtual <= entry < part.virtual + part.size or part.physical <= entry < part.physical + part.size:
            return entry
    refuse(file, "its entry point " + hexadecimal(entry) + " is outside what it loads")
    return entry
