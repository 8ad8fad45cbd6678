"""x87 instructions in every encoding, from states with all kinds of operands, control words, tags and pending exceptions.

What the manual leaves undefined of the status word is compared all the same: both sides leave it to one processor. Only C1 behind FCOMI and its kin is
not compared: they clear it, but on processors of AMD they do not.
"""
import struct

import fxstate
from layout import DATA, DATA_SIZE
from writer import ALL, number

STATES = 64
C1 = 0x200 << 16
SIGN, BIG, BIAS = 0x8000, 0x7fff, 0x3fff
SIGNIFICANDS = [0, 1, 1 << 62, (1 << 62) + 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, 3 << 62, (3 << 62) + 1, (1 << 64) - 1, (1 << 64) - 0x400, 0xfffffffffffffbff,
                0xffffff8000000000, 0xffffff7fffffffff, 0xaaaaaaaaaaaaaaaa, 0xc90fdaa22168c235, 5 << 61, (1 << 63) + (1 << 10), (1 << 63) + (1 << 11)]
EXPONENTS = [0, 1, 2, 63, 64, BIAS - 1075, BIAS - 1074, BIAS - 1023, BIAS - 1022, BIAS - 150, BIAS - 127, BIAS - 126, BIAS - 65, BIAS - 64, BIAS - 2, BIAS - 1, BIAS,
             BIAS + 1, BIAS + 2, BIAS + 14, BIAS + 15, BIAS + 30, BIAS + 31, BIAS + 52, BIAS + 61, BIAS + 62, BIAS + 63, BIAS + 64, BIAS + 127, BIAS + 128,
             BIAS + 1023, BIAS + 1024, BIG - 64, BIG - 1, BIG]
SINGLES = [0, 1, 0x80000000, 0x7fffff, 0x800000, 0x3f800000, 0xbf800000, 0x3f800001, 0x40490fdb, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0xffc00000,
           0x7fffffff, 0x3eaaaaab, 0x4f000000, 0xcf000000, 0x5f000000]
DOUBLES = [0, 1, 1 << 63, (1 << 52) - 1, 1 << 52, 0x3ff0000000000000, 0xbff0000000000000, 0x3ff0000000000001, 0x400921fb54442d18, 0x7fefffffffffffff,
           0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001, 0xfff8000000000000, 0x7fffffffffffffff, 0x3fd5555555555555, 0x43e0000000000000,
           0xc3e0000000000000, 0x43dfffffffffffff, 0x3ca0000000000000, 0x3cafffffffffffff, 0x4340000000000001]


def extended(r):
    """A value in 80 bits: a number near 1, one of the special ones, or anything."""
    kind = r.randrange(8)
    sign = r.randrange(2) * SIGN
    if kind < 3:
        return struct.pack('<QH', r.getrandbits(64) | 1 << 63, sign | BIAS + r.randrange(-8, 9))
    if kind == 3:
        return struct.pack('<QH', (r.getrandbits(24) | 1 << 23) << 40, sign | BIAS + r.randrange(-3, 40))
    if kind == 4:
        return struct.pack('<QH', r.getrandbits(64), r.getrandbits(16))
    significand = r.choice(SIGNIFICANDS)
    if r.randrange(2):
        significand |= 1 << 63
    return struct.pack('<QH', significand, sign | r.choice(EXPONENTS))


def control(r):
    masks = r.choice([0x3f] * 6 + [0, r.getrandbits(6), 0x3f ^ 1 << r.randrange(6)])
    return masks | 0x40 | r.choice([0x300] * 3 + [0, 0x200, 0x100]) | r.randrange(4) * r.randrange(2) << 10


def states(r):
    images = []
    for _ in range(STATES):
        top = r.randrange(8)
        full = r.choice([1, 2, 3, 4, 4, 6, 8])
        tags = 0
        for k in range(full):
            tags |= 1 << (top + k & 7)
        if r.randrange(4) == 0:
            tags = r.getrandbits(8)
        word = control(r)
        status = top << 11 | r.getrandbits(16) & 0x4700
        flags = r.choice([0, 0x20, 0x7f, r.getrandbits(7)])
        if r.randrange(16):
            flags &= word | 0x40            # nothing that is not masked
        if flags & ~word & 0x3f:
            flags |= 0x8080
        images.append(fxstate.image([extended(r) for _ in range(8)], [], word, status | flags, tags))
    return images


def put(w, words):
    """Writes words to the data pages, mostly; the address, which MODRM takes with `at`."""
    at = DATA + w.r.randrange(DATA_SIZE // 4 - 4) * 4 + (w.r.randrange(4) if w.r.randrange(8) == 0 else 0)
    for k in range(len(words)):
        w.byte(0xc7, 0x05)
        w.immediate(4, at + 4 * k)
        w.immediate(4, words[k])
        w.mark()
    return at


def operand(w, escape, reg, words):
    """An instruction on memory that holds `words`, or on memory as it is."""
    if w.r.randrange(3):
        at = put(w, words)
        w.byte(0xd8 | escape, reg << 3 | 5)
        w.immediate(4, at)
    else:
        w.byte(0xd8 | escape)
        w.memory(reg)


def value(w, escape, reg):
    """Words for what an instruction reads."""
    r = w.r
    if escape in (0, 1):
        return [r.choice(SINGLES)] if r.randrange(2) else [r.getrandbits(23) | r.randrange(120, 136) << 23 | r.randrange(2) << 31]
    if escape in (4, 5) and reg != 5:
        word = r.choice(DOUBLES) if r.randrange(2) else r.getrandbits(52) | r.randrange(0x3f0, 0x410) << 52 | r.randrange(2) << 63
        return [word & 0xffffffff, word >> 32]
    if escape == 7 and reg == 4:
        return [int(''.join([r.choice('0123456789' if r.randrange(50) else '0123456789abcdef') for _ in range(8)]), 16) for _ in range(2)] + [
            r.randrange(10) | r.randrange(10) << 4 | r.randrange(2) << 15 | (r.getrandbits(7) << 8 if r.randrange(8) == 0 else 0)]
    if escape == 3 and reg == 5:
        return list(struct.unpack('<III', extended(r) + b'\0\0'))
    return [number(r) for _ in range(2 if escape == 7 else 1)]


# -- families

def f_memory(w):
    escape, reg = w.r.choice([0, 2, 4, 6]), w.r.randrange(8)
    operand(w, escape, reg, value(w, escape, reg))


def f_load(w):
    escape, reg = w.r.choice([(1, 0), (3, 0), (5, 0), (7, 0), (3, 5), (3, 5), (7, 4), (7, 5)])
    operand(w, escape, reg, value(w, escape, reg))


def f_store(w):
    escape, reg = w.r.choice([(1, 2), (1, 3), (3, 1), (3, 2), (3, 3), (5, 1), (5, 2), (5, 3), (7, 1), (7, 2), (7, 3), (7, 6), (7, 7), (3, 7)])
    w.byte(0xd8 | escape)
    w.memory(reg)


def f_registers(w):
    escape, group = w.r.choice([(0, w.r.randrange(8)), (4, w.r.randrange(8)), (6, w.r.choice([0, 1, 2, 4, 5, 6, 7])), (1, 0), (1, 1), (1, 3), (5, 0), (5, 1), (5, 2),
                                (5, 3), (5, 4), (5, 5), (7, 0), (7, 1), (7, 2), (7, 3)])
    w.byte(0xd8 | escape, 0xc0 | group << 3 | w.r.randrange(8))


def f_conditional(w):
    w.reads(ALL)
    w.byte(0xda | w.r.randrange(2), 0xc0 | w.r.randrange(32))


def f_compare(w):
    form = w.r.randrange(4)
    if form == 0:
        w.byte(0xd9, w.r.choice([0xe4, 0xe5]))
    elif form == 1:
        w.code += w.r.choice([b'\xda\xe9', b'\xde\xd9'])
    else:
        w.byte(w.r.choice([0xdb, 0xdf]), w.r.choice([0xe8, 0xf0]) | w.r.randrange(8))
        w.defines(ALL)
        w.undefines(C1)
        w.mark()
        w.byte(0xd9, 0xf7, 0xd9, 0xf6)      # FINCSTP and FDECSTP clear it
        w.defines(C1)


def f_one(w):
    """D9 E0 to FF."""
    w.byte(0xd9, w.r.choice([0xe0, 0xe1, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee] + list(range(0xf0, 0x100))))


def f_control(w):
    form = w.r.randrange(12)
    if form < 4:
        at = put(w, [control(w.r) if w.r.randrange(4) else w.r.getrandbits(16)])
        w.byte(0xd9, 0x2d)
        w.immediate(4, at)
    elif form == 4:
        w.byte(0xd9)
        w.memory(7)
    elif form == 5:
        w.byte(0xdd)
        w.memory(7)
    elif form == 6:
        w.byte(0xdf, 0xe0)
    else:
        w.code += w.r.choice([b'\xdb\xe0', b'\xdb\xe1', b'\xdb\xe2', b'\xdb\xe2', b'\xdb\xe3', b'\xdb\xe4', b'\xd9\xd0', b'\x9b'])


def f_state(w):
    """A saved state, sometimes changed, and loaded again."""
    r = w.r
    size = 4
    full = r.randrange(2)
    prefix = b''
    if r.randrange(4) == 0:
        size, prefix = 2, b'\x66'
    at = DATA + r.randrange(DATA_SIZE - 512)
    w.code += prefix
    w.byte(0xdd if full else 0xd9, 6 << 3 | 5)
    w.immediate(4, at)
    w.mark()
    if r.randrange(2):
        for _ in range(r.randrange(3)):
            # a byte of the control, status or tag word
            w.byte(0xc6, 0x05)
            w.immediate(4, at + r.randrange(3) * size + r.randrange(2))
            w.byte(r.getrandbits(8))
            w.mark()
        w.code += prefix
        w.byte(0xdd if full else 0xd9, 4 << 3 | 5)
        w.immediate(4, at)


def f_undefined(w):
    w.code += w.r.choice([b'\xd9\xd1', b'\xd9\xe2', b'\xd9\xe6', b'\xd9\xef', b'\xda\xe0', b'\xda\xe8', b'\xdb\xe5', b'\xdb\xf8', b'\xdd\xf0', b'\xde\xd8', b'\xde\xda',
                          b'\xdf\xe1', b'\xdf\xf8', b'\xd9\x08', b'\xdb\x20', b'\xdb\x30', b'\xdd\x28'])


FAMILIES = ([f_memory] * 6 + [f_load] * 5 + [f_store] * 5 + [f_registers] * 8 + [f_conditional, f_conditional, f_compare, f_compare, f_compare] + [f_one] * 5 +
            [f_control] * 3 + [f_state, f_undefined])
