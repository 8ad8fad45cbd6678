"""What writes snippets: the bytes of instructions with their operands, and what the manual leaves undefined behind each of them."""
import random
import struct

from layout import DATA, DATA_SIZE

CF, PF, AF, ZF, SF, DF, OF = 1, 4, 0x10, 0x40, 0x80, 0x400, 0x800
ALL = CF | PF | AF | ZF | SF | OF
EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
POINTERS = [EBX, EBP, ESI, EDI]
INTERESTING = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 0x7f, 0x80, 0x81, 0x99, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
               0x80000001, 0xfffffffe, 0xffffffff, 0xaaaaaaaa, 0x55555555]


class Random(object):
    """Numbers that are the same for a seed in Python 2 and 3."""

    def __init__(self, seed):
        self.getrandbits = random.Random(seed).getrandbits

    def randrange(self, low, high=None):
        if high is None:
            low, high = 0, low
        return low + (self.getrandbits(32) * (high - low) >> 32)

    def choice(self, choices):
        return choices[self.getrandbits(32) * len(choices) >> 32]


def number(r):
    kind = r.randrange(4)
    if kind == 0:
        return r.choice(INTERESTING)
    if kind == 1:
        return r.getrandbits(8)
    if kind == 2:
        return r.getrandbits(32) & 0xffff0000 | r.choice(INTERESTING) & 0xffff
    return r.getrandbits(32)


class Writer(object):
    """Collects the bytes of one snippet."""

    def __init__(self, r):
        self.r = r
        self.code = b''
        self.unknown = 0            # what is undefined now: flags in bits 0-15, those of the x87 status word in bits 16-31
        self.marks = []

    # -- encoding

    def byte(self, *values):
        self.code += struct.pack('%dB' % len(values), *[v & 0xff for v in values])

    def immediate(self, size, value=None):
        if value is None:
            value = number(self.r)
        self.code += struct.pack('<I', value & 0xffffffff)[:size]

    def memory(self, reg):
        """ModR/M, SIB and displacement of a memory operand that most often lies in the data pages."""
        r = self.r
        kind = r.randrange(12)
        if kind == 0:                       # absolute
            self.byte(reg << 3 | 5)
            self.immediate(4, DATA + r.randrange(DATA_SIZE - 16))
        elif kind == 1:                     # ESP, which needs a SIB
            self.byte(0x44 | reg << 3, 0x24, r.randrange(-64, 64))
        elif kind == 2:                     # an index of any value: mostly a page fault
            self.byte(0x44 | reg << 3, r.randrange(4) << 6 | r.choice([EAX, ECX, EDX]) << 3 | r.choice(POINTERS), r.randrange(-64, 64))
        elif kind == 3:                     # index without base
            self.byte(0x04 | reg << 3, r.choice(POINTERS) << 3 | 5)
            self.immediate(4, r.randrange(-64, 64))
        elif kind == 4 and r.randrange(8) == 0:     # anything at all
            self.byte(0x84 | reg << 3, r.getrandbits(8))
            self.immediate(4)
        elif kind == 5:
            base = r.choice(POINTERS)
            self.byte(0x80 | reg << 3 | base)
            self.immediate(4, r.randrange(-200, 200))
        elif kind == 6:
            base = r.choice([EBX, ESI, EDI])
            self.byte(reg << 3 | base)
        else:
            self.byte(0x40 | reg << 3 | r.choice(POINTERS), r.randrange(-64, 64))

    def modrm(self, reg):
        if self.r.randrange(2):
            self.byte(0xc0 | reg << 3 | self.r.randrange(8))
        else:
            self.memory(reg)

    def prefixes(self, sixteen=True, lock=False):
        """Operand-size and useless segment prefixes; the operand size that results."""
        r = self.r
        size = 4
        if r.randrange(16) == 0:
            self.byte(r.choice([0x26, 0x36, 0x3e]))
        if lock and r.randrange(8) == 0:
            self.byte(0xf0)
        if sixteen and r.randrange(3) == 0:
            self.byte(0x66)
            size = 2
        return size

    # -- flags

    def defines(self, flags):
        self.unknown &= ~flags

    def undefines(self, flags):
        self.unknown |= flags

    def reads(self, flags):
        """Before the instruction: make the flags it reads known."""
        if self.unknown & flags:
            self.byte(0x83, 0xf8 | self.r.randrange(8), self.r.getrandbits(8))     # CMP r32, imm8
            self.defines(ALL)
            self.mark()

    def mark(self):
        self.marks.append((len(self.code), self.unknown))
