"""`--symbols`: the functions of a kernel by address, from a System.map or the symbol table of an ELF file."""

from rpython.rlib.listsort import make_timsort_class

from hyper.errors import UserError
from hyper.loader import elf

SECTION_HEADER_SIZE = 40
SYMBOL_SIZE = 16
SYMBOL_TABLE = 2                # SHT_SYMTAB
NO_TYPE, FUNCTION = 0, 2        # symbol types that code has
DAMAGED = "section header"
MOST_BEYOND = 0x10000           # bytes after the last symbol that still count as its function's


class Symbol(object):
    def __init__(self, address, name):
        self.address = address
        self.name = name


class ByAddress(make_timsort_class()):
    def lt(self, a, b):
        return a.address < b.address


class Symbols(object):
    """`symbols` in any order."""

    def __init__(self, symbols):
        ByAddress(symbols).sort()
        self.symbols = symbols

    def name(self, address):
        """The function that a linear address is in, '' if it is in none."""
        low = 0
        high = len(self.symbols)
        while low < high:
            middle = (low + high) >> 1
            if self.symbols[middle].address <= address:
                low = middle + 1
            else:
                high = middle
        if low == 0 or low == len(self.symbols) and address - self.symbols[low - 1].address > MOST_BEYOND:
            return ''
        return self.symbols[low - 1].name


def load(file):
    """The Symbols in an ImageFile; raises UserError."""
    if elf.is_elf(file):
        symbols = of_elf(file)
    else:
        symbols = of_map(file.data)
    if len(symbols) == 0:
        raise UserError("%s: no symbols in it; give an ELF file that is not stripped, a System.map, or what guestkit symbols makes of a bzImage" % file.name)
    return Symbols(symbols)


def hexadecimal_value(text):
    """The value of at most 16 hexadecimal digits, -1 if the text is none."""
    value = 0
    for c in text:
        if '0' <= c and c <= '9':
            digit = ord(c) - ord('0')
        elif 'a' <= c and c <= 'f':
            digit = ord(c) - ord('a') + 10
        else:
            return -1
        value = value << 4 | digit
    if len(text) == 0 or len(text) > 15:
        return -1
    return value


def of_map(text):
    """Lines `ADDRESS TYPE NAME`, as nm and /proc/kallsyms write them; those of code count."""
    symbols = []
    for line in text.split('\n'):
        words = line.split(' ')
        if len(words) == 3 and (words[1] == 't' or words[1] == 'T' or words[1] == 'w' or words[1] == 'W'):
            address = hexadecimal_value(words[0])
            if address >= 0:
                symbols.append(Symbol(address, words[2]))
    return symbols


def of_elf(file):
    """The symbols of code in every symbol table of a 32-bit ELF file."""
    if file.u8(4, "class") != elf.CLASS_32 or file.u8(5, "byte order") != elf.LITTLE_ENDIAN:
        elf.refuse(file, "not a 32-bit little-endian ELF file")
    symbols = []
    table = file.u32(32, "section header offset")
    entry_size = file.u16(46, "section header size")
    count = file.u16(48, "section header count")
    if count > 0 and entry_size < SECTION_HEADER_SIZE:
        elf.refuse(file, "damaged ELF section headers (of %d bytes)" % entry_size)
    for i in range(count):
        at = table + i * entry_size
        if file.u32(at + 4, DAMAGED) == SYMBOL_TABLE:
            strings = file.u32(at + 24, DAMAGED)
            if strings >= count:
                elf.refuse(file, "a damaged ELF file: a symbol table's names are in section %d of %d" % (strings, count))
            strings_at = table + strings * entry_size
            add_table(file, symbols, file.u32(at + 16, DAMAGED), file.u32(at + 20, DAMAGED), file.u32(strings_at + 16, DAMAGED),
                      file.u32(strings_at + 20, DAMAGED))
    return symbols


def add_table(file, symbols, offset, size, names, names_size):
    file.check(offset, size, "symbol table")
    file.check(names, names_size, "string table")
    for at in range(offset, offset + size - SYMBOL_SIZE + 1, SYMBOL_SIZE):
        kind = file.u8(at + 12, "symbol") & 15
        name = file.u32(at, "symbol")
        address = file.u32(at + 4, "symbol")
        section = file.u16(at + 14, "symbol")
        if (kind == NO_TYPE or kind == FUNCTION) and name < names_size and section != 0 and section < 0xff00:
            start = names + name
            last = names + names_size
            assert start >= 0 and last >= 0
            end = file.data.find('\x00', start, last)
            if end > start and file.data[start] != '.' and file.data[start] != '$':
                symbols.append(Symbol(address, file.data[start:end]))
