"""What writes snippets: the bytes of instructions with their operands, and what the manual leaves undefined behind each of them."""
import random
import struct

from layout import BASES, CODE, DATA, DATA_SIZE, LDT_DATA, NULL, USER_CS, USER_DS

CF, PF, AF, ZF, SF, DF, OF = 1, 4, 0x10, 0x40, 0x80, 0x400, 0x800
ALL = CF | PF | AF | ZF | SF | OF
EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
ES, CS, SS, DS, FS, GS = range(6)
OVERRIDES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]
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


class Setting(object):
    """In what segments a snippet runs: selectors of layout.py. In 16-bit code, and with segments that start at DATA, registers point to DATA less."""

    def __init__(self, cs=USER_CS, ss=USER_DS, ds=USER_DS, es=USER_DS, fs=LDT_DATA, gs=NULL):
        self.segments = [es, cs, ss, ds, fs, gs]
        self.code32 = cs == USER_CS
        self.registers_base = DATA if ds == USER_DS else 0


FLAT = Setting()


class Writer(object):
    """Collects the bytes of one snippet, which will lie at the offset `start` of its code segment."""

    def __init__(self, r, setting=FLAT, start=CODE):
        self.r = r
        self.setting = setting
        self.start = start
        self.code = b''
        self.unknown = 0            # what is undefined now: flags in bits 0-15, those of the x87 status word in bits 16-31
        self.marks = []
        self.override = -1
        self.address32 = setting.code32

    # -- encoding

    def byte(self, *values):
        self.code += struct.pack('%dB' % len(values), *[v & 0xff for v in values])

    def immediate(self, size, value=None):
        if value is None:
            value = number(self.r)
        self.code += struct.pack('<I', value & 0xffffffff)[:size]

    def here(self):
        """The offset in the code segment of the next byte."""
        return self.start + len(self.code)

    def bias(self, segment):
        """What added to a register that points to data gives its offset in a segment."""
        if self.override >= 0:
            segment = self.override
        return DATA - BASES[self.setting.segments[segment]] - self.setting.registers_base

    def memory(self, reg):
        """ModR/M, SIB and displacement of a memory operand that most often lies in the data pages."""
        r = self.r
        if not self.address32:
            self.memory16(reg)
            return
        kind = r.randrange(12)
        bias = self.bias(DS)
        if kind == 0:                       # absolute
            self.byte(reg << 3 | 5)
            self.immediate(4, DATA + r.randrange(DATA_SIZE - 16) - BASES[self.setting.segments[DS if self.override < 0 else self.override]])
        elif kind == 1:                     # ESP, which needs a SIB
            self.displaced(reg, 4, [0x24], r.randrange(-64, 64) + self.bias(SS))
        elif kind == 2:                     # an index of any value: mostly a page fault
            base = r.choice(POINTERS)
            self.displaced(reg, 4, [r.randrange(4) << 6 | r.choice([EAX, ECX, EDX]) << 3 | base], r.randrange(-64, 64))
        elif kind == 3:                     # index without base
            self.byte(0x04 | reg << 3, r.choice(POINTERS) << 3 | 5)
            self.immediate(4, r.randrange(-64, 64) + bias)
        elif kind == 4 and r.randrange(8) == 0:     # anything at all
            self.byte(0x84 | reg << 3, r.getrandbits(8))
            self.immediate(4)
        elif kind == 5:
            base = r.choice(POINTERS)
            self.byte(0x80 | reg << 3 | base)
            self.immediate(4, r.randrange(-200, 200) + self.bias(SS if base == EBP else DS))
        elif kind == 6 and bias == 0:
            self.byte(reg << 3 | r.choice([EBX, ESI, EDI]))
        else:
            base = r.choice(POINTERS)
            self.displaced(reg, base, [], r.randrange(-64, 64) + self.bias(SS if base == EBP else DS))

    def displaced(self, reg, rm, sib, displacement):
        """With a displacement of 8 bits, or of 32 if it needs them."""
        short = -128 <= displacement < 128
        self.byte((0x40 if short else 0x80) | reg << 3 | rm, *sib)
        self.immediate(1 if short else 4, displacement)

    def memory16(self, reg):
        mod, rm = self.r.randrange(3), self.r.randrange(8)
        self.byte(mod << 6 | reg << 3 | rm)
        if mod == 0 and rm == 6:
            self.immediate(2, self.r.randrange(DATA_SIZE))
        elif mod == 1:
            self.immediate(1, self.r.randrange(-64, 64))
        elif mod == 2:
            self.immediate(2, self.r.randrange(-200, 200) if self.r.randrange(4) else None)

    def modrm(self, reg):
        if self.r.randrange(2):
            self.byte(0xc0 | reg << 3 | self.r.randrange(8))
        else:
            self.memory(reg)

    def prefixes(self, sixteen=True, lock=False, ignored=False):
        """Prefixes in any order: operand size, address size, segment, LOCK, and repetition where it is ignored. Returns the operand size."""
        r = self.r
        taken = []
        size = 4 if self.setting.code32 else 2
        if r.randrange(8) == 0:
            self.override = r.randrange(6)
            taken.append(OVERRIDES[self.override])
            if r.randrange(8) == 0:
                taken.insert(0, r.choice(OVERRIDES))        # the last one counts
        if r.randrange(4 if self.override >= 0 else 24) == 0:
            self.address32 = not self.address32
            taken.append(0x67)
        if r.randrange(8 if lock else 128) == 0:
            taken.append(0xf0)
        if ignored and r.randrange(32) == 0:
            taken.append(r.choice([0xf2, 0xf3]))
        if sixteen and r.randrange(3) == 0:
            taken.append(0x66)
            size ^= 6
        if taken and r.randrange(4) == 0 and OVERRIDES.count(taken[0]) == 0:
            taken.reverse()
        self.byte(*taken)
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
        """An instruction begins here."""
        self.override = -1
        self.address32 = self.setting.code32
        self.marks.append((len(self.code), self.unknown))
