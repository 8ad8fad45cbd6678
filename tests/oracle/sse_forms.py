"""MMX, SSE, SSE2, SSE3 and SSSE3: every form of the opcode map (hyper/cpu/operations/sse/table.py), with special values and every setting of MXCSR.

Not made: RCPPS, RCPSS, RSQRTPS, RSQRTSS, which the manual leaves to the processor within a bound; and bytes that are undefined on the Core 2 Duo but
an instruction of a later processor.
"""
import os
import runpy
import struct

import fxstate
from layout import DATA, DATA_SIZE
from writer import ALL, EAX, ECX, EDX

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = runpy.run_path(os.path.join(HERE, os.pardir, os.pardir, 'hyper', 'cpu', 'operations', 'sse', 'table.py'))
PREFIXES = {TABLE['NP']: b'', TABLE['P66']: b'\x66', TABLE['F3']: b'\xf3', TABLE['F2']: b'\xf2'}
MAPS = {TABLE['MAP_0F']: b'\x0f', TABLE['MAP_0F38']: b'\x0f\x38', TABLE['MAP_0F3A']: b'\x0f\x3a'}
APPROXIMATE = ['RCPPS', 'RCPSS', 'RSQRTPS', 'RSQRTSS']
ENTRIES = [entry for entry in TABLE['ENTRIES'] if entry.name not in APPROXIMATE]
FLOATING = [entry for entry in ENTRIES if entry.name[-2:] in ('PS', 'PD', 'SS', 'SD') or entry.name.startswith('CVT')]
STATES = 48
FREE = [EAX, ECX, EDX]
MASKS = 0x1f80


def single(r):
    """The bits of a number that is worth trying."""
    kind = r.randrange(8)
    if kind == 0:
        return r.choice([0, 1 << 31, 1, 0x807fffff, 0x00800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00001, 0xffc12345, 0xff800001, 0x3f800000,
                         0xbf800000, 0x4f000000, 0x4effffff, 0xcf000000, 0xcf000001, 0x3effffff, 0x3f000000, 0x3fc00000, 0x80000001])
    if kind == 1:
        return r.getrandbits(32)
    if kind == 2:
        return r.getrandbits(1) << 31 | r.getrandbits(23)                       # denormal
    if kind == 3:
        return r.getrandbits(1) << 31 | r.choice([1, 2, 0x30, 0x40, 0xbf, 0xc0, 0xfd, 0xfe]) << 23 | r.getrandbits(23)
    if kind == 4:
        return struct.unpack('<I', struct.pack('<f', float(r.randrange(-1000, 1000))))[0]
    return r.getrandbits(1) << 31 | (0x7f + r.randrange(-30, 34)) << 23 | r.getrandbits(23)


def double(r):
    kind = r.randrange(8)
    if kind == 0:
        return r.choice([0, 1 << 63, 1, 0x800fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000,
                         0x7ff8000000000000, 0x7ff4000000000001, 0xfff8123456789abc, 0xfff0000000000001, 0x3ff0000000000000, 0xbff0000000000000,
                         0x41e0000000000000, 0x41dfffffffc00000, 0x41dfffffffe00000, 0xc1e0000000000000, 0xc1e0000000100000, 0x47efffffe0000000,
                         0x47effffff0000000, 0x3810000000000000, 0x380fffffffffffff, 0x36a0000000000000])
    if kind == 1:
        return r.getrandbits(64)
    if kind == 2:
        return r.getrandbits(1) << 63 | r.getrandbits(52)
    if kind == 3:
        return r.getrandbits(1) << 63 | r.choice([1, 2, 0x200, 0x36a, 0x381, 0x47e, 0x47f, 0x5ff, 0x600, 0x7fd, 0x7fe]) << 52 | r.getrandbits(52)
    if kind == 4:
        return struct.unpack('<Q', struct.pack('<d', float(r.randrange(-1000, 1000))))[0]
    return r.getrandbits(1) << 63 | (0x3ff + r.randrange(-60, 70)) << 52 | r.getrandbits(52)


def wide(r):
    """16 bytes."""
    kind = r.randrange(4)
    if kind == 0:
        return struct.pack('<2Q', *[r.getrandbits(64) for _ in range(2)])
    if kind == 1:
        return struct.pack('<4I', *[single(r) for _ in range(4)])
    return struct.pack('<2Q', *[double(r) for _ in range(2)])


def mxcsr(r):
    kind = r.randrange(4)
    if kind == 0:
        return 0x1fa0
    if kind == 1:
        return MASKS | r.getrandbits(16) & 0xe07f
    if kind == 2:
        return MASKS & ~(0x80 << r.randrange(6)) | r.getrandbits(16) & 0xe07f
    return r.getrandbits(16)


def states(r):
    """MMX state as an instruction of MMX leaves it, or x87 state."""
    made = []
    for _ in range(STATES):
        if r.randrange(2):
            registers = [struct.pack('<QH', r.getrandbits(64), 0xffff) for _ in range(8)]
            made.append(fxstate.image(registers, [wide(r) for _ in range(8)], tags=0xff, mxcsr=mxcsr(r)))
        else:
            registers = [struct.pack('<QH', r.getrandbits(63) | 1 << 63, 0x3fff + r.randrange(-60, 60)) for _ in range(8)]
            made.append(fxstate.image(registers, [wide(r) for _ in range(8)], status=r.randrange(8) << 11, tags=r.getrandbits(8), mxcsr=mxcsr(r)))
    return made


def memory(w, reg, size):
    """A memory operand, mostly aligned where that is asked for."""
    if size == 16 and w.r.randrange(8):
        w.byte(reg << 3 | 5)
        w.immediate(4, DATA + 16 * w.r.randrange(DATA_SIZE // 16))
    else:
        w.memory(reg)


def form(w, entry):
    r = w.r
    kinds = [part[0] for part in entry.operands.split(',')]
    operand = entry.source if entry.source.kind in 'QWEM' else entry.target
    if entry.name == 'CVTPI2PS':
        kinds[1] = 'N'          # from memory too it makes the MMX registers valid (SDM vol. 2); not so on processors of AMD
    in_memory = 'M' in kinds or [kind for kind in kinds if kind in 'QWE'] and r.randrange(2)
    w.code += PREFIXES[entry.prefix] + MAPS[entry.map]
    w.byte(entry.opcode)
    reg = entry.group if entry.group >= 0 else r.choice(FREE) if 'G' == kinds[0] else r.randrange(8)
    if in_memory:
        memory(w, reg, operand.size if entry.aligned else 1)
    else:
        w.byte(0xc0 | reg << 3 | (r.choice(FREE) if kinds[0] == 'E' else r.randrange(8)))
    if entry.immediate:
        w.byte(r.choice([0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 63, 64, 255]) if r.randrange(2) else r.getrandbits(8))
    if 'COMIS' in entry.name:
        w.defines(ALL)


def f_any(w):
    form(w, w.r.choice(ENTRIES))


def f_floating(w):
    form(w, w.r.choice(FLOATING))


def f_value(w):
    """A number worth trying, stored where others read, through general registers' immediates."""
    at = DATA + 16 * w.r.randrange(DATA_SIZE // 16)
    value = wide(w.r)
    for k in range(0, 16, 4):
        w.byte(0xc7, 0x05)
        w.immediate(4, at + k)
        w.code += value[k:k + 4]
        w.mark()
    register = w.r.randrange(8)
    if w.r.randrange(2):
        w.byte(0x0f, 0x28, register << 3 | 5)
        w.immediate(4, at)
        w.mark()
    form = w.r.choice([(0x58, b''), (0x59, b'\xf2'), (0x5e, b'\x66'), (0x5c, b'\xf3'), (0x51, b''), (0x51, b'\x66'), (0x5d, b'\xf2'), (0xc2, b'')])
    w.code += form[1]
    w.byte(0x0f, form[0], w.r.randrange(8) << 3 | 5)
    w.immediate(4, at)
    if form[0] == 0xc2:
        w.byte(w.r.randrange(256))


def f_control(w):
    """LDMXCSR of a value just written."""
    at = DATA + 4 * w.r.randrange(DATA_SIZE // 4)
    w.byte(0xc7, 0x05)
    w.immediate(4, at)
    w.immediate(4, mxcsr(w.r) | (1 << w.r.randrange(18, 32) if w.r.randrange(8) == 0 else 0))
    w.mark()
    w.byte(0x0f, 0xae, 0x15)
    w.immediate(4, at)


def f_other(w):
    """Stores of MXCSR, EMMS, fences, masked moves."""
    kind = w.r.randrange(8)
    if kind < 2:
        w.byte(0x0f, 0xae)
        w.memory(3)
    elif kind == 2:
        w.byte(0x0f, 0x77)
    elif kind == 3:
        w.byte(0x0f, 0xae, w.r.choice([0xe8, 0xf0, 0xf8]))
    elif kind == 4:
        w.byte(0x0f, 0xae)
        w.memory(7)
    elif kind == 5:
        w.byte(0x0f, 0x18)
        w.memory(w.r.randrange(4))
    else:
        w.byte(0xbf)            # to where it cannot fault: how a processor looks at the pages of bytes that are not selected is its own affair
        w.immediate(4, DATA + w.r.randrange(DATA_SIZE - 16))
        w.mark()
        if w.r.randrange(2):
            w.byte(0x66)
        w.byte(0x0f, 0xf7, 0xc0 | w.r.randrange(64))


UNDEFINED = [b'\x0f\x13\xc1', b'\x0f\x17\xc1', b'\x0f\x2b\xc1', b'\x0f\xe7\xc1', b'\x0f\x50\x03', b'\x0f\xd7\x03', b'\x0f\xc5\x03\x00', b'\x0f\xf7\x03', b'\x0f\xc3\xc1',
             b'\x0f\x71\xc1\x01', b'\x0f\x72\x13\x01', b'\x66\x0f\x73\xe1\x01', b'\x0f\x73\xd9\x01', b'\x0f\x6c\xc1', b'\x0f\x38\x10\xc1', b'\xf0\x0f\x58\xc1',
             b'\xf0\x0f\x6f\x03', b'\xf2\x0f\xf0\xc1', b'\xf2\x0f\x28\xc1', b'\xf3\x0f\x28\xc1', b'\x0f\xd6\xc1', b'\x0f\xe6\xc1', b'\x0f\xd0\xc1', b'\x0f\x7c\xc1',
             b'\xf3\x0f\xfc\xc1', b'\xf2\x0f\xfc\xc1', b'\xf3\x0f\x14\xc1', b'\xf2\x0f\x54\xc1', b'\xf3\x0f\x50\xc1', b'\xf2\x0f\x2e\xc1', b'\x66\x0f\x12\xc1',
             b'\x66\x0f\x16\xc1', b'\x66\x0f\xd6\x05', b'\xf3\x0f\xc6\xc1\x00', b'\xf2\x0f\xc4\xc1\x00']


def f_undefined(w):
    w.code += w.r.choice(UNDEFINED)


FAMILIES = [f_any] * 20 + [f_floating] * 12 + [f_value] * 6 + [f_control, f_control, f_other, f_other, f_undefined]
