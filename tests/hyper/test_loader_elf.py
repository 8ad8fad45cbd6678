import random

from hyper.errors import UserError
from hyper.loader.detect import load
from hyper.loader.elf import parse

from loader_parts import Ram, elf, file_of, refused, request


def test_segments_go_to_their_physical_addresses_with_zeros_after():
    data = elf([(0xc0100000, 0x100000, 'code', 4), (0xc0101000, 0x101000, 'data', 0x2000)], 0xc0100002)
    image = load(file_of(data), request())
    ram = Ram(4 << 20)
    image.place(ram)
    assert ram.get(0x100000, 5) == 'code\xcc'
    assert ram.get(0x101000, 6) == 'data\0\0' and ram.get(0x102ffe, 3) == '\0\0\xcc'
    assert image.entry.eip == 0x100002 and image.entry.protected


def test_the_descriptor_table_describes_the_segments_entered_with():
    image = load(file_of(elf([(0x100000, 0x100000, 'code', 4)], 0x100000)), request())
    ram = Ram(4 << 20)
    image.place(ram)
    state = image.entry
    assert (state.cs, state.ds, state.gdt_limit) == (0x10, 0x18, 0x1f)
    assert ram.get(state.gdt + 0x10, 8) == '\xff\xff\0\0\0\x9b\xcf\0'
    assert ram.get(state.gdt + 0x18, 8) == '\xff\xff\0\0\0\x93\xcf\0'


def test_every_truncation_is_refused():
    data = elf([(0x100000, 0x100000, 'some code', 9)], 0x100000)
    for size in range(1, len(data)):
        refused(lambda: load(file_of(data[:size]), request()))
    refused(lambda: load(file_of(''), request()), 'empty')


def test_other_classes_types_and_processors_are_refused():
    part = [(0x100000, 0x100000, 'code', 4)]
    refused(lambda: parse(file_of(elf(part, 0x100000, ident='\x7fELF\x02\x01\x01'))), '32-bit')
    refused(lambda: parse(file_of(elf(part, 0x100000, ident='\x7fELF\x01\x02\x01'))), 'little-endian')
    refused(lambda: parse(file_of(elf(part, 0x100000, machine=62))), 'processor')
    refused(lambda: parse(file_of(elf(part, 0x100000, kind=1))), 'no executable')
    refused(lambda: parse(file_of(elf(part, 0x100000, kind=3))), 'fixed addresses')


def test_damaged_headers_are_refused():
    part = (0x100000, 0x100000, 'code', 4)
    refused(lambda: parse(file_of(elf([part], 0x100000, count=0))), 'program headers')
    refused(lambda: parse(file_of(elf([part], 0x100000, count=65535))), 'program headers')
    refused(lambda: parse(file_of(elf([part], 0x100000, table=0xfffffff0))), 'truncated')
    refused(lambda: parse(file_of(elf([(0x100000, 0x100000, 'code', 2)], 0x100000))), 'in memory')
    refused(lambda: parse(file_of(elf([(0xfffff000, 0xfffff000, 'code', 0x2000)], 0xfffff000))), '4 GB')
    refused(lambda: parse(file_of(elf([part], 0x200000))), 'entry point')
    refused(lambda: parse(file_of(elf([part, (0x100003, 0x100003, 'x', 1)], 0x100000))), 'overlap')


def test_an_image_above_the_memory_says_how_much_it_needs():
    image = load(file_of(elf([(0x800000, 0x800000, 'code', 4)], 0x800000)), request())
    refused(lambda: image.place(Ram(4 << 20)), '--memory 9M')


def test_random_damage_is_refused_or_loaded_but_never_more():
    random.seed(7)
    whole = elf([(0x100000, 0x100000, 'code', 4), (0x101000, 0x101000, 'data', 0x100)], 0x100000)
    for i in range(3000):
        data = bytearray(whole)
        for j in range(random.randrange(1, 4)):
            data[random.randrange(len(data))] = random.choice([0, 1, 0x7f, 0x80, 0xff, random.randrange(256)])
        try:
            load(file_of(str(data)), request(memory=2 << 20)).place(Ram(2 << 20))
        except UserError as error:
            assert '\n' not in error.text
