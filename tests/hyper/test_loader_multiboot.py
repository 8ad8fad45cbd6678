import struct

from hyper.loader.detect import MULTIBOOT, detect, load
from hyper.loader.file import ImageFile

from loader_parts import Ram, elf, file_of, refused, request


def header(flags, *addresses):
    return struct.pack('<III', 0x1badb002, flags, -(0x1badb002 + flags) & 0xffffffff) + struct.pack('<%dI' % len(addresses), *addresses)


def kernel(flags=3, address=0x100000):
    return elf([(address, address, header(flags) + 'kernel', 0x1000)], address + 12)


def placed(data, **options):
    image = load(file_of(data), request(**options))
    ram = Ram(options.get('memory', 4 << 20))
    image.place(ram)
    return image.entry, ram


def test_an_elf_kernel_is_entered_with_the_magic_and_its_information():
    assert detect(file_of(kernel())) == MULTIBOOT
    state, ram = placed(kernel(), line='root=none quiet')
    assert (state.eax, state.eip) == (0x2badb002, 0x10000c)
    info = state.ebx
    assert ram.u32(info) & 0x24d == 0x24d
    assert ram.u32(info + 4) == 639 and ram.u32(info + 8) == 3 << 10
    assert ram.string(ram.u32(info + 16)) == 'root=none quiet'
    assert ram.string(ram.u32(info + 64)) == 'hyper'


def test_the_memory_map_covers_ram_and_leaves_the_hole():
    state, ram = placed(kernel())
    length, at = ram.u32(state.ebx + 44), ram.u32(state.ebx + 48)
    areas, end = [], at + length
    while at < end:
        areas.append(struct.unpack_from('<QQI', ram.bytes, at + 4))
        at += ram.u32(at) + 4
    assert areas == [(0, 639 << 10, 1), (639 << 10, 1 << 10, 2), (0xf0000, 0x10000, 2), (1 << 20, 3 << 20, 1)]


def test_modules_are_page_aligned_above_the_kernel_and_named():
    modules = [ImageFile('one', 'first module'), ImageFile('two', 'x' * 5000)]
    state, ram = placed(kernel(), modules=modules)
    assert ram.u32(state.ebx + 20) == 2
    table = ram.u32(state.ebx + 24)
    for i in range(2):
        start, end, name, zero = struct.unpack_from('<4I', ram.bytes, table + 16 * i)
        assert start % 4096 == 0 and start >= 0x101000
        assert ram.get(start, end - start) == modules[i].data and ram.string(name) == modules[i].name


def test_nothing_lies_on_anything_else_even_for_a_kernel_in_low_memory():
    data = elf([(0x9000, 0x9000, header(3), 0x80000)], 0x900c)
    image = load(file_of(data), request(line='x' * 9000, modules=[ImageFile('m', 'y' * 9000)]))
    areas = sorted((s.address, s.address + s.size) for s in image.segments)
    for (first, end), (following, _) in zip(areas, areas[1:]):
        assert end <= following
    assert areas[0][0] >= 0x1000


def test_a_file_with_addresses_in_its_header_is_loaded_by_them():
    data = 'junk' * 4 + header(0x10003, 0x200010, 0x200008, 0x200038, 0x202000, 0x200030) + 'k' * 16
    state, ram = placed(data)
    assert state.eip == 0x200030
    assert ram.get(0x200008, 0x30) == data[8:0x38]
    assert ram.get(0x200038, 0x1fc8) == '\0' * 0x1fc8


def test_bad_headers_are_refused():
    refused(lambda: placed(kernel(flags=0x8)), '0x8')
    refused(lambda: placed(header(0x10000, 0x100000, 0x200000, 0, 0, 0x200000)), 'before')
    refused(lambda: placed(header(0x10000, 0x100000, 0x100000, 0x200000, 0, 0x100000)), 'truncated')
    refused(lambda: placed(header(0x10000, 0x100000, 0x100000, 0, 0, 0x300000)), 'entry_addr')
    refused(lambda: placed(header(0x10000)), 'truncated')


def test_a_module_without_room_says_how_much_memory_is_needed():
    refused(lambda: placed(kernel(), modules=[ImageFile('m', 'x' * (4 << 20))]), '--memory 6M')
