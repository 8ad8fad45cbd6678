import struct

import pytest

from hyper.symbols import Symbols, Symbol, load

from loader_parts import file_of, refused

NAMES = '\0main\0\0helper\0data\0'


def symbol(name, address, kind, section=1):
    return struct.pack('<IIIBBH', NAMES.index(name + '\0'), address, 4, kind, 0, section)


def elf_with_symbols(symbols, names=NAMES, link=2, entry_size=40, count=3):
    """An ELF file of a header, the names, the symbols and three section headers: none, the symbol table, its names."""
    names_at = 52
    symbols_at = names_at + len(names)
    table = symbols_at + len(symbols)
    header = struct.pack('<16sHHIIIIIHHHHHH', '\x7fELF\x01\x01\x01', 2, 3, 1, 0, 0, table, 0, 52, 0, 0, entry_size, count, 0)
    sections = '\0' * 40
    sections += struct.pack('<10I', 0, 2, 0, 0, symbols_at, len(symbols), link, 0, 4, 16)
    sections += struct.pack('<10I', 0, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return file_of(header + names + symbols + sections)


def test_an_address_is_in_the_function_that_begins_last_before_it():
    symbols = Symbols([Symbol(0x2000, 'b'), Symbol(0x1000, 'a')])
    assert [symbols.name(address) for address in (0xfff, 0x1000, 0x1fff, 0x2000, 0x2abc)] == ['', 'a', 'a', 'b', 'b']
    assert symbols.name(0xf0000000) == ''


def test_a_map_has_code_and_data_and_only_code_counts():
    symbols = load(file_of('c1000000 T _stext\nc1000100 t helper\nc1000180 D data\nbad T line\n\nc1000200 T module\t[m]\n'))
    assert symbols.name(0xc1000190) == 'helper' and symbols.name(0xc1000000) == '_stext'


def test_an_elf_file_has_them_in_its_symbol_table():
    symbols = load(elf_with_symbols(symbol('main', 0x1000, 2) + symbol('helper', 0x800, 0x12) + symbol('data', 0x900, 1) + symbol('data', 0x880, 2, 0)))
    assert [symbols.name(address) for address in (0x7ff, 0x8ff, 0x9ff, 0x1000)] == ['', 'helper', 'helper', 'main']


def test_damaged_files_are_refused_with_one_line():
    refused(lambda: load(file_of('nothing here')), 'no symbols in it')
    refused(lambda: load(file_of('')), 'no symbols in it')
    refused(lambda: load(elf_with_symbols(symbol('main', 1, 2), link=3)), 'section 3 of 3')
    refused(lambda: load(elf_with_symbols(symbol('main', 1, 2), entry_size=8)), 'section headers')
    refused(lambda: load(elf_with_symbols(symbol('main', 1, 2), count=60000)), 'truncated')
    whole = elf_with_symbols(symbol('main', 1, 2)).data
    for size in range(4, len(whole) - 16):                  # the last words of the last header say nothing that is needed
        refused(lambda: load(file_of(whole[:size])))


@pytest.mark.parametrize('name', [len(NAMES), 0xffffffff])
def test_a_name_outside_its_table_is_none(name):
    refused(lambda: load(elf_with_symbols(struct.pack('<IIIBBH', name, 1, 4, 2, 0, 1))), 'no symbols in it')
