"""The functions of a Linux kernel by address, out of the bzImage itself.

A kernel carries its own symbols (CONFIG_KALLSYMS), compressed by replacing frequent pieces of names with single bytes ("tokens"). Nothing points to the
tables, so they are found by their shape: the token table by the tokens that are the ten digits, the names by their count and by the markers
after them. This is how scripts/kallsyms.c of Linux from 4.6 on writes them for a 32-bit kernel, each aligned to 4 bytes:

    offsets of the symbols, 4 bytes each; the base that they are relative to        (from 6.4 on these two are at the end)
    how many symbols there are, 4 bytes
    names: a length (two bytes from 128), then so many tokens, of which the first character is the symbol's type as nm has it
    markers: where each 256th name begins, 4 bytes each
    (from 6.2 on, and in some older: the order of the names, 3 bytes each)
    token table: 256 strings, each with a zero; token index: where each of them begins, 2 bytes each
"""
import array
import lzma
import struct
import zlib

from guestkit.errors import BadInput

MAGIC_AT, MAGIC = 0x202, b'HdrS'
SETUP_SECTORS = 0x1f1
PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x248, 0x24c
SECTOR = 512
DIGITS = b'0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00'
NAMES_A_MARKER = 256
LEAST_SYMBOLS, MOST_SYMBOLS = 1000, 1 << 20
LONGEST_TOKEN = 64              # generously


def is_bzimage(data):
    return data[MAGIC_AT:MAGIC_AT + 4] == MAGIC


def payload(data, name='bzImage'):
    """The ELF file that a bzImage decompresses when it starts. Raises BadInput."""
    if not is_bzimage(data) or len(data) < PAYLOAD_LENGTH + 4:
        raise BadInput(f'{name}: not a bzImage; give the vmlinuz of a Linux kernel')
    offset, length = struct.unpack_from('<II', data, PAYLOAD_OFFSET)
    start = ((data[SETUP_SECTORS] or 4) + 1) * SECTOR + offset
    packed = data[start:start + length]
    try:
        if packed.startswith(b'\xfd7zXZ\0'):
            return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed)
        if packed.startswith(b'\x1f\x8b'):
            return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed)
    except (lzma.LZMAError, zlib.error) as error:
        raise BadInput(f'{name}: damaged: its kernel cannot be decompressed ({error}); get a whole copy') from None
    raise BadInput(f'{name}: its kernel is compressed in a way that is not known here (neither XZ nor gzip); use the vmlinux it was made of')


class NotFound(Exception):
    pass


def symbols(data, name='kernel'):
    """[(address, type, name)] of a decompressed kernel, in the order of its table. Raises BadInput."""
    at = data.find(DIGITS)
    while at >= 0:
        try:
            return read(data, at)
        except (NotFound, struct.error, IndexError, ValueError):
            at = data.find(DIGITS, at + 1)
    raise BadInput(f'{name}: no table of symbols found in it (a 32-bit Linux with CONFIG_KALLSYMS, from 4.6 on, has one)')


def words(data, at, count):
    return struct.unpack_from(f'<{count}I', data, at)


def aligned(at):
    return at + 3 & ~3


def read(data, digits_at):
    """The symbols, given where the tokens of the digits are."""
    table, tokens, end = token_table(data, digits_at)
    names, count = find_names(data, table)
    for offsets_at, base_at in ((names - 8 - 4 * count, names - 8), (end, end + 4 * count)):
        offsets = words(data, offsets_at, count) if offsets_at >= 0 else (1, 0)
        if all(a <= b for a, b in zip(offsets, offsets[1:])):
            break
    else:
        raise NotFound
    base, = words(data, base_at, 1)
    found = []
    at = names
    for offset in offsets:
        length, at = name_length(data, at)
        text = b''.join(tokens[byte] for byte in data[at:at + length]).decode('latin-1')
        at += length
        found.append((base + offset & 0xffffffff, text[:1], text[1:]))
    return found


def token_table(data, digits_at):
    """(where it begins, the 256 tokens, where the index after it ends); the index must be the right one."""
    second = digits_at
    for _ in range(ord('0') - 1):               # a digit is the token of its own code, so there are as many before it
        second = data.rfind(b'\0', max(0, second - LONGEST_TOKEN), second - 1) + 1
        if second == 0:
            raise NotFound
    tokens = data[second:second + 255 * LONGEST_TOKEN].split(b'\0')[:255]
    end = aligned(second + sum(len(token) + 1 for token in tokens))
    index = struct.unpack_from('<256H', data, end)
    begin = second - index[1]                   # what is before the table need not end with a zero, so only the index tells
    tokens.insert(0, data[begin:second - 1])
    at = 0
    for token, place in zip(tokens, index, strict=True):
        if at != place:
            raise NotFound
        at += len(token) + 1
    return begin, tokens, end + 512


def name_length(data, at):
    """(the number of tokens, where they begin)."""
    length = data[at]
    if length < 0x80:
        return length, at + 1
    return length & 0x7f | data[at + 1] << 7, at + 2


def find_names(data, table):
    """(where they begin, how many) of the names that end before the token table, with their markers after them."""
    candidates = array.array('I', data[:table & ~3])
    for number in range(len(candidates) - 1, 0, -1):
        count = candidates[number]
        if LEAST_SYMBOLS <= count <= MOST_SYMBOLS and is_names(data, 4 * number + 4, count, table):
            return 4 * number + 4, count
    raise NotFound


def is_names(data, begin, count, end):
    """Whether so many names begin there and their markers follow, all before `end`."""
    if begin + 2 * count > end:
        return False
    markers = []
    at = begin
    for number in range(count):
        if number % NAMES_A_MARKER == 0:
            markers.append(at - begin)
        length, at = name_length(data, at)
        at += length
        if length == 0 or at > end:
            return False
    return words(data, aligned(at), len(markers)) == tuple(markers)


def map_text(found):
    """The same as a System.map."""
    return ''.join(f'{address:08x} {kind} {name}\n' for address, kind, name in sorted(found))
