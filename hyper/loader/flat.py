"""Images without a format: bytes for an address, and boot sectors."""

from hyper.errors import UserError
from hyper.loader import elf
from hyper.loader.entry import EntryState, Image, Layout, LOW_MEMORY_KB, Segment
from hyper.loader.file import hexadecimal, pack16

SECTOR = 512
SECTOR_ADDRESS = 0x7c00
BOOT_DRIVE = 0x80               # in DL: the first hard disk
BIOS_SEGMENT = 0xf000
DUMMY_RETURN = 0xff53           # of the BIOS: an IRET, where the IBM PC has its own
IRET = '\xcf'
CONVENTIONAL_KB = 0x413         # BIOS data: KB of low memory


def refuse_modules(file, request, what):
    if len(request.modules) > 0:
        raise UserError("%s: %s takes no --module; leave it out or build a multiboot image" % (file.name, what))


def load(file, request):
    """The bytes at request.at, entered there in protected mode with ESP below the top of low memory."""
    refuse_modules(file, request, "a flat image")
    if request.at + file.size() > request.memory_size:
        raise UserError("%s: %d bytes at %s do not fit in the memory; give a lower --at or more --memory"
                        % (file.name, file.size(), hexadecimal(request.at)))
    layout = Layout(file.name, request.memory_size)
    layout.add(Segment(request.at, file.data, file.size()))
    state = EntryState(request.at)
    layout.add_gdt(state)
    return Image(file.name, layout.segments, state)


def load_elf(file, request):
    """An executable with no boot protocol: entered like a flat image, at its entry point."""
    refuse_modules(file, request, "an ELF image without a multiboot header")
    program = elf.parse(file)
    layout = Layout(file.name, request.memory_size)
    for segment in program.segments():
        layout.add(segment)
    state = EntryState(program.physical_entry())
    layout.add_gdt(state)
    return Image(file.name, layout.segments, state)


def is_boot_sector(file):
    return file.size() == SECTOR and file.has(SECTOR - 2, '\x55\xaa')


def load_boot_sector(file, request):
    """The sector at 7C00h in real mode. Every interrupt vector leads to an IRET, as there is no BIOS to call."""
    refuse_modules(file, request, "a boot sector")
    vectors = (pack16(DUMMY_RETURN) + pack16(BIOS_SEGMENT)) * 256
    size = pack16(LOW_MEMORY_KB)
    segments = [Segment(0, vectors, len(vectors)),
                Segment(CONVENTIONAL_KB, size, len(size)),
                Segment(SECTOR_ADDRESS, file.data, SECTOR),
                Segment(BIOS_SEGMENT * 16 + DUMMY_RETURN, IRET, 1)]
    state = EntryState(SECTOR_ADDRESS)
    state.protected = False
    state.cs = 0
    state.ds = 0
    state.esp = SECTOR_ADDRESS
    state.edx = BOOT_DRIVE
    return Image(file.name, segments, state)
