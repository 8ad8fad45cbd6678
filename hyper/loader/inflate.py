"""Unpacks gzip files (RFC 1952) of deflated data (RFC 1951). Our own, so that nothing has to be linked."""

from hyper.errors import UserError
from hyper.loader.file import ImageFile, megabytes

HEADER_CRC = 0x02
EXTRA = 0x04
NAME = 0x08
COMMENT = 0x10
RESERVED = 0xe0
DEFLATE = 8

MOST_BITS = 15
LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
               227, 258]
LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
DISTANCE_BASE = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
                 4097, 6145, 8193, 12289, 16385, 24577]
DISTANCE_EXTRA = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]
CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]


def make_crc_table():
    table = []
    for value in range(256):
        for bit in range(8):
            value = value >> 1 ^ (0xedb88320 if value & 1 else 0)
        table.append(value)
    return table

CRC_TABLE = make_crc_table()


class Damaged(Exception):
    """The data is not what a compressor writes."""


class Code(object):
    """A canonical prefix code, as the number of codes of each length and the symbols in order of code."""

    def __init__(self, lengths):
        self.counts = [0] * (MOST_BITS + 1)
        for length in lengths:
            self.counts[length] += 1
        self.counts[0] = 0
        offsets = [0] * (MOST_BITS + 2)
        left = 1
        for length in range(1, MOST_BITS + 1):
            left = left * 2 - self.counts[length]
            if left < 0:
                raise Damaged()             # more codes than the lengths allow
            offsets[length + 1] = offsets[length] + self.counts[length]
        self.symbols = [0] * len(lengths)
        for symbol in range(len(lengths)):
            length = lengths[symbol]
            if length:
                self.symbols[offsets[length]] = symbol
                offsets[length] += 1


class Inflater(object):
    def __init__(self, data, at, limit):
        self.data = data
        self.at = at
        self.limit = limit
        self.hold = 0
        self.held = 0
        self.out = []

    def byte(self):
        if self.at >= len(self.data):
            raise Damaged()
        at = self.at
        assert at >= 0
        self.at += 1
        return ord(self.data[at])

    def bits(self, count):
        while self.held < count:
            self.hold |= self.byte() << self.held
            self.held += 8
        value = self.hold & (1 << count) - 1
        self.hold >>= count
        self.held -= count
        return value

    def symbol(self, code):
        first = 0
        index = 0
        value = 0
        for length in range(1, MOST_BITS + 1):
            value |= self.bits(1)
            count = code.counts[length]
            if value - first < count:
                place = index + value - first
                assert place >= 0
                return code.symbols[place]
            index += count
            first = first + count << 1
            value <<= 1
        raise Damaged()

    def put(self, c):
        if len(self.out) >= self.limit:
            raise Damaged()
        self.out.append(c)

    def run(self):
        last = False
        while not last:
            last = self.bits(1) == 1
            kind = self.bits(2)
            if kind == 0:
                self.stored()
            elif kind == 1:
                self.compressed(Code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), Code([5] * 30))
            elif kind == 2:
                self.described()
            else:
                raise Damaged()
        return ''.join(self.out)

    def stored(self):
        self.hold = 0
        self.held = 0
        count = self.byte() | self.byte() << 8
        if count ^ 0xffff != self.byte() | self.byte() << 8:
            raise Damaged()
        for i in range(count):
            self.put(chr(self.byte()))

    def described(self):
        literals = self.bits(5) + 257
        distances = self.bits(5) + 1
        codes = self.bits(4) + 4
        if literals > 286 or distances > 30:
            raise Damaged()
        assert literals >= 0
        lengths = [0] * 19
        for i in range(codes):
            lengths[CODE_ORDER[i]] = self.bits(3)
        code = Code(lengths)
        lengths = []
        while len(lengths) < literals + distances:
            symbol = self.symbol(code)
            value = 0
            count = 1
            if symbol < 16:
                value = symbol
            elif symbol == 16:
                if len(lengths) == 0:
                    raise Damaged()
                value = lengths[len(lengths) - 1]
                count = 3 + self.bits(2)
            elif symbol == 17:
                count = 3 + self.bits(3)
            else:
                count = 11 + self.bits(7)
            for i in range(count):
                lengths.append(value)
        if len(lengths) > literals + distances:
            raise Damaged()
        self.compressed(Code(lengths[:literals]), Code(lengths[literals:]))

    def compressed(self, literal, distance):
        symbol = self.symbol(literal)
        while symbol != 256:
            if symbol < 256:
                self.put(chr(symbol))
            else:
                symbol -= 257
                if symbol >= len(LENGTH_BASE):
                    raise Damaged()
                length = LENGTH_BASE[symbol] + self.bits(LENGTH_EXTRA[symbol])
                symbol = self.symbol(distance)
                if symbol >= len(DISTANCE_BASE):
                    raise Damaged()
                back = DISTANCE_BASE[symbol] + self.bits(DISTANCE_EXTRA[symbol])
                if back > len(self.out):
                    raise Damaged()
                for i in range(length):
                    place = len(self.out) - back
                    assert place >= 0
                    self.put(self.out[place])
            symbol = self.symbol(literal)


def crc32(text):
    crc = 0xffffffff
    for c in text:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ ord(c)) & 0xff]
    return crc ^ 0xffffffff


def is_gzip(file):
    return file.has(0, '\x1f\x8b')


def skip_header(file):
    what = "gzip header"
    flags = file.u8(3, what)
    if file.u8(2, what) != DEFLATE or flags & RESERVED:
        raise Damaged()
    at = 10
    if flags & EXTRA:
        at += 2 + file.u16(at, what)
    if flags & NAME:
        at = after_zero(file, at)
    if flags & COMMENT:
        at = after_zero(file, at)
    if flags & HEADER_CRC:
        at += 2
    return at


def after_zero(file, at):
    while file.u8(at, "gzip header") != 0:
        at += 1
    return at + 1


def unpack(file, limit):
    """The unpacked file, of at most `limit` bytes; raises UserError."""
    try:
        inflater = Inflater(file.data, skip_header(file), limit)
        data = inflater.run()
    except Damaged:
        raise UserError("%s: damaged gzip data, or more than %s when unpacked; pack it again"
                        % (file.name, megabytes(limit)))
    end = inflater.at
    if file.u32(end, "gzip checksum") != crc32(data) or file.u32(end + 4, "gzip size") != len(data) & 0xffffffff:
        raise UserError("%s: its gzip checksum is wrong; get a whole copy" % file.name)
    return ImageFile(file.name, data)
