import struct

import pytest

from hyper.loader import acpi, detect
from hyper.loader.entry import BootRequest
from hyper.loader.file import ImageFile

BASE = 0xf0000


def found(has_apics):
    """The tables by signature, followed from the RSDP as a kernel does."""
    text = acpi.tables(BASE, has_apics)
    assert text[:8] == 'RSD PTR ' and sum(map(ord, text[:20])) & 0xff == 0 and len(text) < 0x10000

    def table(address):
        at = address - BASE
        size = struct.unpack_from('<I', text, at + 4)[0]
        body = text[at:at + size]
        assert len(body) == size and sum(map(ord, body)) & 0xff == 0
        return body
    rsdt = table(struct.unpack_from('<I', text, 16)[0])
    tables = {'RSDT': rsdt}
    for at in range(36, len(rsdt), 4):
        body = table(struct.unpack_from('<I', rsdt, at)[0])
        tables[body[:4]] = body
    facs, dsdt = struct.unpack_from('<II', tables['FACP'], 36)
    assert facs % 64 == 0 and text[facs - BASE:facs - BASE + 8] == 'FACS' + struct.pack('<I', 64)
    tables['DSDT'] = table(dsdt)
    return tables


def test_every_table_is_reached_from_the_rsdp_with_a_right_checksum():
    assert sorted(found(False)) == ['DSDT', 'FACP', 'RSDT']
    assert sorted(found(True)) == ['APIC', 'DSDT', 'FACP', 'RSDT']


def test_the_fadt_names_the_registers_of_the_chip_set():
    fadt = found(False)['FACP']
    assert len(fadt) == 244
    assert struct.unpack_from('<H', fadt, 46)[0] == 9
    assert [struct.unpack_from('<I', fadt, at)[0] for at in (48, 56, 64, 76)] == [0, 0x600, 0x604, 0x608]
    assert struct.unpack_from('<BBBBQB', fadt, 116) == (1, 8, 0, 0, 0xcf9, 6)


def test_lengths_of_aml_packages_are_encoded_by_their_size():
    for size in (0, 1, 62, 63, 64, 4092, 4093, 4094, 5000):
        coded = acpi.sized('x' * size)
        first = ord(coded[0])
        more = first >> 6
        length = first & 0x3f if more == 0 else first & 0x0f
        for i in range(more):
            length |= ord(coded[1 + i]) << (4 + 8 * i)
        assert length == len(coded) and coded.endswith('x' * size) and len(coded) == size + 1 + more


def test_names_of_hardware_are_compressed():
    assert acpi.eisa_id('PNP0A03') == '\x0c\x41\xd0\x0a\x03'


def test_the_pins_of_each_slot_are_routed_as_the_board_wires_them():
    dsdt = found(False)['DSDT']
    for slot, pin, link in [(3, 0, 'LNKC'), (4, 0, 'LNKD'), (5, 0, 'LNKA'), (3, 3, 'LNKB')]:
        assert '\x0c' + struct.pack('<I', slot << 16 | 0xffff) + '\x0a' + chr(pin) + link + '\x00' in dsdt
    for link, irq in [('LNKA', 10), ('LNKD', 11)]:
        at = dsdt.index(link + '\x08_HID')
        assert dsdt[at:].index('\x89\x06\x00\x09\x01' + struct.pack('<I', irq)) < 60
    assert '\x08_S5_\x12' in dsdt


def test_an_image_gets_the_tables_unless_it_lies_there_itself():
    file = ImageFile('flat', '\xf4' * 100)
    image = detect.load(file, BootRequest(2 << 20, '', [], 0x7c00))
    assert BASE in [segment.address for segment in image.segments]
    image = detect.load(file, BootRequest(2 << 20, '', [], BASE + 64))
    assert BASE not in [segment.address for segment in image.segments]
