"""Linux kernels and others in the bzImage format, entered in 32-bit mode as Linux's Documentation/arch/x86/boot.rst
("32-bit Boot Protocol") describes."""

from hyper.errors import UserError
from hyper.loader.entry import EntryState, HIGH, Image, Layout, PAGE, Segment, memory_map
from hyper.loader.file import Block, megabytes, pack32, pack64

SETUP_SECTORS = 0x1f1
KERNEL_SIZE = 0x1f4             # 2.04: in units of 16 bytes, the last of which need not be whole in the file
BOOT_FLAG = 0x1fe               # AA55h
HEADER_END_BYTE = 0x201         # the header ends at 202h plus this byte
MAGIC = 0x202                   # "HdrS"
VERSION = 0x206
LOADER_TYPE = 0x210
LOAD_FLAGS = 0x211
CODE32_START = 0x214
RAMDISK_IMAGE = 0x218
RAMDISK_SIZE = 0x21c
HEAP_END = 0x224
COMMAND_LINE = 0x228
RAMDISK_MOST = 0x22c            # 2.03: the highest address of the initial ramdisk
COMMAND_LINE_SIZE = 0x238       # 2.06
PREFERRED_ADDRESS = 0x258       # 2.10
INIT_SIZE = 0x260               # 2.10: memory needed there before the kernel has read the memory map

LOADED_HIGH = 0x01
CAN_USE_HEAP = 0x80
OTHER_LOADER = 0xff
OLDEST = 0x0202
SECTOR = 512

# struct boot_params, the "zero page"
PARAMETERS_SIZE = 4096
SCREEN_EXTENDED_KB = 0x002
SCREEN_MODE = 0x006
SCREEN_COLUMNS = 0x007
SCREEN_LINES = 0x00e
SCREEN_IS_VGA = 0x00f
SCREEN_POINTS = 0x010
EXTENDED_KB = 0x1e0
MAP_COUNT = 0x1e8
MAP = 0x2d0
AREA_USABLE = 1
AREA_RESERVED = 2


def is_bzimage(file):
    return file.has(BOOT_FLAG, '\x55\xaa') and file.has(MAGIC, 'HdrS')


def load(file, request):
    """The kernel at 1 MB, with its parameters, command line and initial ramdisk (the first module); raises UserError."""
    version = file.u16(VERSION, "setup header")
    if version < OLDEST:
        raise UserError("%s: boot protocol %d.%d is too old; 2.2 or newer is needed"
                        % (file.name, version >> 8, version & 0xff))
    if not file.u8(LOAD_FLAGS, "setup header") & LOADED_HIGH:
        raise UserError("%s: a zImage, which is loaded low; build it as a bzImage" % file.name)
    sectors = file.u8(SETUP_SECTORS, "setup header")
    if sectors == 0:
        sectors = 4
    start = (sectors + 1) * SECTOR
    if start >= file.size():
        raise UserError("%s: truncated: its kernel would begin at byte %d of %d; get a whole copy"
                        % (file.name, start, file.size()))
    kernel = file.bytes(start, file.size() - start, "kernel")
    if version >= 0x0204 and file.u32(KERNEL_SIZE, "setup header") > (len(kernel) + 15) // 16:
        raise UserError("%s: truncated: its kernel has %d bytes, and %d of them are there; get a whole copy"
                        % (file.name, file.u32(KERNEL_SIZE, "setup header") * 16, len(kernel)))
    layout = Layout(file.name, request.memory_size)
    layout.add(Segment(HIGH, kernel, len(kernel)))
    check_memory(file, version, request.memory_size)
    if len(request.modules) > 1:
        raise UserError("%s: a bzImage takes one --module, its initial ramdisk; %d were given"
                        % (file.name, len(request.modules)))
    check_command_line(file, version, request.command_line)

    parameters = Block(PARAMETERS_SIZE)
    header_end = min(MAGIC + file.u8(HEADER_END_BYTE, "setup header"), MAP)
    parameters.put(SETUP_SECTORS, file.bytes(SETUP_SECTORS, header_end - SETUP_SECTORS, "setup header"))
    parameters.put8(LOADER_TYPE, OTHER_LOADER)
    parameters.put8(LOAD_FLAGS, file.u8(LOAD_FLAGS, "setup header") & ~CAN_USE_HEAP)
    parameters.put32(CODE32_START, HIGH)
    parameters.put32(RAMDISK_IMAGE, 0)
    parameters.put32(RAMDISK_SIZE, 0)
    if len(request.modules) == 1:
        parameters.put32(RAMDISK_IMAGE, add_ramdisk(file, version, layout, request))
        parameters.put32(RAMDISK_SIZE, request.modules[0].size())
    parameters.put32(COMMAND_LINE, layout.add_low(request.command_line + '\x00', "the command line"))
    add_screen_and_memory(parameters, request.memory_size)
    state = EntryState(HIGH)
    state.esi = layout.add_low(parameters.text(), "the boot parameters")
    layout.add_gdt(state)
    return Image(file.name, layout.segments, state)


def check_memory(file, version, memory_size):
    if version < 0x020a:
        return
    needed = file.u32(PREFERRED_ADDRESS, "setup header") + file.u32(INIT_SIZE, "setup header")
    if needed > memory_size:
        raise UserError("%s: needs %s of memory to start, there is %s; give it --memory %s or more"
                        % (file.name, megabytes(needed), megabytes(memory_size), megabytes(needed)))


def check_command_line(file, version, text):
    most = 255
    if version >= 0x0206:
        most = file.u32(COMMAND_LINE_SIZE, "setup header")
    if len(text) > most:
        raise UserError("%s: the text of --append has %d characters, it takes %d; shorten it"
                        % (file.name, len(text), most))


def add_ramdisk(file, version, layout, request):
    """As high as the kernel allows, where the kernel does not unpack over it."""
    data = request.modules[0].data
    most = 0x37ffffff
    if version >= 0x0203:
        most = file.u32(RAMDISK_MOST, "setup header")
    address = (min(most + 1, request.memory_size) - len(data)) & ~(PAGE - 1)
    lowest = HIGH
    if version >= 0x020a:
        lowest = file.u32(PREFERRED_ADDRESS, "setup header") + file.u32(INIT_SIZE, "setup header")
    if address < lowest or not layout.fits(address, len(data)):
        raise UserError("%s: no room for the initial ramdisk of %d bytes; give it --memory %s or more"
                        % (file.name, len(data), megabytes(max(lowest, layout.top()) + len(data) + PAGE)))
    layout.add(Segment(address, data, len(data)))
    return address


def add_screen_and_memory(parameters, memory_size):
    extended = max(memory_size - HIGH, 0) >> 10
    parameters.put16(SCREEN_EXTENDED_KB, min(extended, 0xffff))
    parameters.put8(SCREEN_MODE, 3)
    parameters.put8(SCREEN_COLUMNS, 80)
    parameters.put8(SCREEN_LINES, 25)
    parameters.put8(SCREEN_IS_VGA, 1)
    parameters.put16(SCREEN_POINTS, 16)
    parameters.put32(EXTENDED_KB, extended)
    areas = memory_map(memory_size)
    parameters.put8(MAP_COUNT, len(areas))
    at = MAP
    for area in areas:
        kind = AREA_USABLE if area.usable else AREA_RESERVED
        parameters.put(at, pack64(area.first) + pack64(area.size) + pack32(kind))
        at += 20
