"""Kernels that follow the Multiboot Specification, version 0.6.96 ("multiboot 1")."""

from hyper.errors import UserError
from hyper.loader import elf
from hyper.loader.entry import EntryState, Image, Layout, LOW_MEMORY_KB, Segment, memory_map
from hyper.loader.file import Block, hexadecimal, pack32, pack64

HEADER_MAGIC = 0x1badb002
LOADER_MAGIC = 0x2badb002       # in EAX at the entry
SEARCH = 8192                   # the header lies in so many first bytes, aligned to 4
UNDERSTOOD = 0x00000007         # of the flags that must be: page-aligned modules, memory information, video mode
MUST_UNDERSTAND = 0x0000ffff
HAS_ADDRESSES = 0x00010000      # the header tells where to load, for files that are not ELF
LOADER_NAME = 'hyper'

INFO_SIZE = 120
INFO_MEMORY = 0x001
INFO_COMMAND_LINE = 0x004
INFO_MODULES = 0x008
INFO_MEMORY_MAP = 0x040
INFO_LOADER_NAME = 0x200
AREA_USABLE = 1
AREA_RESERVED = 2


def find_header(file):
    """The offset of the header, -1 if there is none."""
    offset = 0
    while offset + 12 <= min(file.size(), SEARCH):
        if file.u32(offset, "header") == HEADER_MAGIC:
            total = HEADER_MAGIC + file.u32(offset + 4, "header") + file.u32(offset + 8, "header")
            if total & 0xffffffff == 0:
                return offset
        offset += 4
    return -1


def load(file, request):
    """The image with its information structure; raises UserError."""
    header = find_header(file)
    flags = file.u32(header + 4, "multiboot header")
    if flags & MUST_UNDERSTAND & ~UNDERSTOOD:
        raise UserError("%s: its multiboot header asks for features %s that are not offered; build it for multiboot 1"
                        % (file.name, hexadecimal(flags & MUST_UNDERSTAND & ~UNDERSTOOD)))
    layout = Layout(file.name, request.memory_size)
    if flags & HAS_ADDRESSES:
        entry = load_by_addresses(file, header, layout)
    else:
        program = elf.parse(file)
        for segment in program.segments():
            layout.add(segment)
        entry = program.physical_entry()
    state = EntryState(entry)
    state.eax = LOADER_MAGIC
    state.ebx = add_information(layout, request)
    layout.add_gdt(state)
    return Image(file.name, layout.segments, state)


def load_by_addresses(file, header, layout):
    what = "multiboot header"
    header_address = file.u32(header + 12, what)
    load_address = file.u32(header + 16, what)
    load_end = file.u32(header + 20, what)
    bss_end = file.u32(header + 24, what)
    entry = file.u32(header + 28, what)
    offset = header - (header_address - load_address)
    if load_address > header_address or offset < 0:
        raise UserError("%s: its multiboot header names addresses before the file's start; mend header_addr or load_addr"
                        % file.name)
    if load_end == 0:
        load_end = load_address + file.size() - offset
    size = load_end - load_address
    file.check(offset, size, "multiboot load area")
    whole = max(bss_end, load_end) - load_address
    if not load_address <= entry < load_address + whole:
        raise UserError("%s: its multiboot entry %s is outside what it loads; mend entry_addr"
                        % (file.name, hexadecimal(entry)))
    layout.add(Segment(load_address, file.bytes(offset, size, what), whole))
    return entry


def add_information(layout, request):
    """Places modules, strings and tables, and the structure that points to them; its address."""
    starts = []
    for module in request.modules:
        starts.append(layout.add_above(module.data, "module " + module.name))
    strings = '\x00'.join([request.command_line, LOADER_NAME] + [module.name for module in request.modules]) + '\x00'
    at = layout.add_low(strings, "the command line")
    info = Block(INFO_SIZE)
    info.put32(0, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME)
    info.put32(4, LOW_MEMORY_KB)
    info.put32(8, max(request.memory_size - (1 << 20), 0) >> 10)
    info.put32(16, at)
    info.put32(64, at + len(request.command_line) + 1)
    at += len(request.command_line) + 1 + len(LOADER_NAME) + 1
    table = ''
    for i in range(len(starts)):
        module = request.modules[i]
        table += pack32(starts[i]) + pack32(starts[i] + module.size()) + pack32(at) + pack32(0)
        at += len(module.name) + 1
    if len(starts) > 0:
        info.put32(20, len(starts))
        info.put32(24, layout.add_low(table, "the module list"))
    areas = ''
    for area in memory_map(request.memory_size):
        kind = AREA_USABLE if area.usable else AREA_RESERVED
        areas += pack32(20) + pack64(area.first) + pack64(area.size) + pack32(kind)
    info.put32(44, len(areas))
    info.put32(48, layout.add_low(areas, "the memory map"))
    return layout.add_low(info.text(), "the multiboot information")
