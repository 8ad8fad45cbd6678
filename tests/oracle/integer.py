"""Integer instructions of every family in every encoding, with registers that point into the data pages or hold numbers worth trying.

Not made: what differs from one system to the next (INT 80h, SYSENTER, CPUID, RDTSC), and values that the manual leaves undefined. Which flags are
undefined is from the "Flags Affected" section of each instruction in SDM vol. 2; a snippet remembers it for each of its instructions, and defines the
flags before an instruction that reads them.
"""
import struct

from layout import CODE, DATA, DATA_SIZE
from writer import AF, ALL, CF, DF, EAX, ECX, EDX, OF, PF, SF, ZF

# what a condition reads, by condition code >> 1
CONDITION_READS = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF]


# -- one function for each family; called with the writer

def f_arithmetic(w):
    kind = w.r.randrange(8)
    if kind in (2, 3):
        w.reads(CF)
    size = w.prefixes(lock=True)
    form = w.r.randrange(8)
    if form < 4:
        w.byte(kind << 3 | form)
        w.modrm(w.r.randrange(8))
    elif form == 4:
        w.byte(kind << 3 | 4)
        w.immediate(1)
    elif form == 5:
        w.byte(kind << 3 | 5)
        w.immediate(size)
    elif form == 6:
        opcode = w.r.choice([0x80, 0x82, 0x83])
        w.byte(opcode)
        w.modrm(kind)
        w.immediate(1)
    else:
        w.byte(0x81)
        w.modrm(kind)
        w.immediate(size)
    w.defines(ALL)
    if kind in (1, 4, 6):
        w.undefines(AF)


def f_test(w):
    size = w.prefixes()
    form = w.r.randrange(4)
    if form == 0:
        w.byte(0x84 | w.r.randrange(2))
        w.modrm(w.r.randrange(8))
    elif form == 1:
        w.byte(0xa8)
        w.immediate(1)
    elif form == 2:
        w.byte(0xa9)
        w.immediate(size)
    else:
        w.byte(0xf7)
        w.modrm(w.r.randrange(2))
        w.immediate(size)
    w.defines(ALL)
    w.undefines(AF)


def f_increment(w):
    w.prefixes(lock=True)
    if w.r.randrange(2):
        w.byte(0x40 | w.r.choice([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15]))
    else:
        w.byte(0xfe | w.r.randrange(2))
        w.modrm(w.r.randrange(2))
    w.defines(ALL & ~CF)


def f_not_neg(w):
    w.prefixes(lock=True)
    kind = w.r.choice([2, 3])
    w.byte(0xf6 | w.r.randrange(2))
    w.modrm(kind)
    if kind == 3:
        w.defines(ALL)


def f_multiply(w):
    size = w.prefixes()
    form = w.r.randrange(5)
    if form < 2:
        w.byte(0xf6 | w.r.randrange(2))
        w.modrm(4 + form)
    elif form == 2:
        w.byte(0x0f, 0xaf)
        w.modrm(w.r.randrange(8))
    elif form == 3:
        w.byte(0x69)
        w.modrm(w.r.randrange(8))
        w.immediate(size)
    else:
        w.byte(0x6b)
        w.modrm(w.r.randrange(8))
        w.immediate(1)
    w.defines(CF | OF)
    w.undefines(SF | ZF | AF | PF)


def f_divide(w):
    if w.r.randrange(3):
        w.byte(0x31, 0xd2)      # xor edx, edx: quotients that fit
        w.defines(ALL)
        w.undefines(AF)
        w.mark()
    w.prefixes()
    w.byte(0xf6 | w.r.randrange(2))
    w.modrm(w.r.choice([6, 7]))
    w.undefines(ALL)


def f_shift(w):
    kind = w.r.randrange(8)
    if kind in (2, 3):
        w.reads(CF)
    w.prefixes()
    form = w.r.randrange(3)
    operand = w.r.randrange(2)
    count = -1
    if form == 0:
        w.byte(0xc0 | operand)
        w.modrm(kind)
        count = w.r.choice([0, 1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 30, 31, 32, 33, 63, 0xff])
        w.byte(count)
    elif form == 1:
        w.byte(0xd0 | operand)
        w.modrm(kind)
        count = 1
    else:
        w.byte(0xd2 | operand)
        w.modrm(kind)
    if count >= 0 and count & 31 == 0:
        return
    if count != 1:
        w.undefines(OF)
    elif count == 1:
        w.defines(OF)
    if kind >= 4:
        if count > 0:
            w.defines(CF | PF | ZF | SF)
        w.undefines(AF)
        # CF is undefined for SHL and SHR of as many places as the operand has, or more
        if kind != 7 and (count < 0 or count & 31 >= 8):
            w.undefines(CF)
    elif count > 0 and kind < 2:
        w.defines(CF)


def f_double_shift(w):
    """Operands of 16 bits only with counts up to 16: the result is undefined beyond."""
    size = w.prefixes()
    left = w.r.randrange(2)
    if size == 4 and w.r.randrange(2):
        w.byte(0x0f, 0xa5 if left else 0xad)
        w.modrm(w.r.randrange(8))
        w.undefines(OF | AF)
        return
    w.byte(0x0f, 0xa4 if left else 0xac)
    w.modrm(w.r.randrange(8))
    count = w.r.randrange(17) if size == 2 else w.r.randrange(64)
    w.byte(count)
    if count & 31 == 0:
        return
    w.defines(CF | PF | ZF | SF | OF)
    w.undefines(AF)
    if count & 31 != 1:
        w.undefines(OF)


def f_bits(w):
    w.prefixes()
    kind = w.r.randrange(4)
    if w.r.randrange(2):
        w.byte(0x0f, 0xba)
        w.modrm(4 + kind)
        w.immediate(1)
    else:
        w.byte(0x0f, 0xa3 + 8 * kind)
        if w.r.randrange(2):
            w.byte(0xc0 | w.r.randrange(64))
        else:
            w.memory(w.r.choice([EAX, ECX, EDX]))
    w.defines(CF)
    w.undefines(OF | SF | AF | PF)


def f_bit_scan(w):
    w.prefixes()
    w.byte(0x0f, w.r.choice([0xbc, 0xbd]))
    w.modrm(w.r.choice([EAX, ECX, EDX]))
    w.defines(ZF)
    w.undefines(CF | OF | SF | AF | PF)


def f_decimal(w):
    kind = w.r.randrange(6)
    if kind < 2:
        w.reads(CF | AF)
        w.byte(0x27 if kind == 0 else 0x2f)
        w.defines(ALL)
        w.undefines(OF)
    elif kind < 4:
        w.reads(AF)
        w.byte(0x37 if kind == 2 else 0x3f)
        w.defines(AF | CF)
        w.undefines(OF | SF | ZF | PF)
    else:
        w.byte(0xd4 if kind == 4 else 0xd5, w.r.choice([10, 10, 0, 1, 7, 16, 255]))
        w.defines(SF | ZF | PF)
        w.undefines(OF | AF | CF)


def f_move(w):
    size = w.prefixes()
    form = w.r.randrange(6)
    if form < 2:
        w.byte(0x88 | w.r.randrange(4))
        w.modrm(w.r.randrange(8))
    elif form == 2:
        w.byte(0xb0 | w.r.choice([0, 1, 2, 4, 5, 6]))
        w.immediate(1)
    elif form == 3:
        w.byte(0xb8 | w.r.choice([EAX, ECX, EDX]))
        w.immediate(size)
    elif form == 4:
        w.byte(0xc6)
        w.modrm(0)
        w.immediate(1)
    else:
        w.byte(0xa0 | w.r.randrange(4))
        w.immediate(4, DATA + w.r.randrange(DATA_SIZE))


def f_extend(w):
    w.prefixes()
    form = w.r.randrange(4)
    if form < 2:
        w.byte(0x0f, w.r.choice([0xb6, 0xb7, 0xbe, 0xbf]))
        w.modrm(w.r.choice([EAX, ECX, EDX]))
    else:
        w.byte(0x96 + form)     # CBW/CWDE, CWD/CDQ


def f_exchange(w):
    w.prefixes()
    form = w.r.randrange(5)
    if form == 0:
        w.byte(0x86 | w.r.randrange(2))
        w.modrm(w.r.choice([EAX, ECX, EDX]))
    elif form == 1:
        w.byte(0x90 | w.r.choice([0, 1, 2]))
    elif form == 2:
        w.byte(0x0f, 0xc0 | w.r.randrange(2))
        w.modrm(w.r.choice([EAX, ECX, EDX]))
        w.defines(ALL)
    elif form == 3:
        w.byte(0x0f, 0xb0 | w.r.randrange(2))
        w.modrm(w.r.choice([EAX, ECX, EDX]))
        w.defines(ALL)
    else:
        w.byte(0x0f, 0xc7)
        w.memory(1)
        w.defines(ZF)


def f_swap(w):
    w.byte(0x0f, 0xc8 | w.r.choice([EAX, ECX, EDX]))


def f_lea(w):
    w.prefixes()
    w.byte(0x8d)
    w.memory(w.r.choice([EAX, ECX, EDX]))


def f_conditional(w):
    code = w.r.randrange(16)
    w.reads(CONDITION_READS[code >> 1])
    form = w.r.randrange(3)
    if form == 0:
        w.byte(0x0f, 0x90 | code)
        w.modrm(w.r.randrange(8))
    elif form == 1:
        w.prefixes()
        w.byte(0x0f, 0x40 | code)
        w.modrm(w.r.choice([EAX, ECX, EDX]))
    else:
        # over an instruction of one to three bytes, which leaves the flags alone
        inside = w.r.choice([b'\x90', b'\x89\xc1', b'\x0f\xc8', b'\x8d\x40\x05', b'\xb0\x07', b'\x66\xb9\x34\x12'])
        if w.r.randrange(2):
            w.byte(0x70 | code, len(inside))
        else:
            w.byte(0x0f, 0x80 | code, len(inside), 0, 0, 0)
        w.mark()
        w.code += inside


def f_loop(w):
    """LOOP and JECXZ forwards: they only choose."""
    kind = w.r.randrange(4)
    if kind < 2:
        w.reads(ZF)
    if w.r.randrange(4) == 0:
        w.byte(0x67)
    w.byte(0xe0 | kind, 2)
    w.mark()
    w.byte(0x89, 0xc2)


def f_stack(w):
    size = w.prefixes()
    form = w.r.randrange(11)
    if form < 2:
        w.byte(0x50 | w.r.randrange(8))
    elif form == 2:
        w.byte(0x58 | w.r.choice([EAX, ECX, EDX]))
    elif form == 3:
        w.byte(0x6a)
        w.immediate(1)
    elif form == 4:
        w.byte(0x68)
        w.immediate(size)
    elif form == 5:
        w.byte(0xff)
        w.modrm(6)
    elif form == 6:
        w.byte(0x8f)
        w.memory(0)
    elif form == 7:
        w.byte(0x60)
    elif form == 8:
        w.byte(0x61)
    elif form == 9:
        w.byte(0xc8, w.r.choice([0, 4, 16, 255]), 0, w.r.choice([0, 0, 1, 2, 3, 31, 32]))
    else:
        w.byte(0xc9)


def f_flags(w):
    form = w.r.randrange(9)
    if form == 0:
        w.reads(ALL)
        w.byte(0x9c)
    elif form == 1:
        w.byte(0x68)
        w.immediate(4, 0x202 | w.r.getrandbits(32) & (ALL | DF))
        w.mark()
        w.byte(0x9d)
        w.defines(ALL)
    elif form == 2:
        w.byte(0x9e)
        w.defines(ALL & ~OF)
    elif form == 3:
        w.reads(ALL & ~OF)
        w.byte(0x9f)
    elif form == 4:
        w.reads(CF)
        w.byte(0xd6)
    elif form == 5:
        w.byte(w.r.choice([0xfc, 0xfd]))
    elif form == 6:
        w.byte(0xf8)
        w.defines(CF)
    elif form == 7:
        w.byte(0xf9)
        w.defines(CF)
    else:
        w.reads(CF)
        w.byte(0xf5)


def f_string(w):
    kind = w.r.choice([0xa4, 0xa6, 0xaa, 0xac, 0xae])
    repeated = w.r.randrange(3)
    if repeated:
        # mostly a short repetition: a byte into CL with the rest of ECX zero
        if w.r.randrange(8):
            w.byte(0xb9)
            w.immediate(4, w.r.choice([0, 1, 2, 3, 5, 8, 17, 40]))
            w.mark()
        if kind in (0xa6, 0xae):
            w.reads(ALL)
            # a fault on the way gives back the flags from before (SDM vol. 2, REP), which here it does not
            w.marks.append((len(w.code), ALL))
    if w.r.randrange(4) == 0:
        w.byte(0x66)
    if repeated:
        w.byte(0xf2 if repeated == 2 else 0xf3)
    w.byte(kind | w.r.randrange(2))
    if kind in (0xa6, 0xae):
        w.defines(ALL)


def f_xlat(w):
    w.byte(0xd7)


def f_call(w):
    """Calls and jumps to what follows them, and returns."""
    form = w.r.randrange(4)
    if form == 0:
        w.byte(0xe8, 0, 0, 0, 0)
    elif form == 1:
        w.byte(0xeb, 0)
    elif form == 2:
        # push the address behind the RET
        w.byte(0x68)
        w.immediate(4, CODE + len(w.code) + 4 + (3 if w.r.randrange(2) else 1))
        w.mark()
        if struct.unpack('<I', w.code[-4:])[0] == CODE + len(w.code) + 3:
            w.byte(0xc2, 4, 0)
        else:
            w.byte(0xc3)
    else:
        register = w.r.choice([EAX, ECX, EDX])
        w.byte(0xb8 | register)
        w.immediate(4, CODE + len(w.code) + 4 + 2)
        w.mark()
        w.byte(0xff, w.r.choice([0xd0, 0xe0]) | register)


def f_bound(w):
    w.prefixes()
    w.byte(0x62)
    w.memory(w.r.randrange(8))


def f_into(w):
    w.reads(OF)
    w.byte(0xce)


def f_privileged(w):
    """What ring 3 may not do, or no one may."""
    w.code += w.r.choice([b'\xfa', b'\xfb', b'\xf4', b'\xec', b'\xee', b'\xe4\x60', b'\xe6\x80', b'\x6c', b'\x6e', b'\x0f\x20\xc0', b'\x0f\x22\xc0', b'\x0f\x21\xf8',
                          b'\x0f\x30', b'\x0f\x32', b'\x0f\x06', b'\x0f\x08', b'\x0f\x09', b'\x0f\x01\x10', b'\x0f\x01\x18', b'\x0f\x01\xf0', b'\x0f\x0b',
                          b'\x0f\xff', b'\xf0\x90', b'\xf0\x01\xc0', b'\xcd\x20', b'\xcd\x0e', b'\x0f\x00\xd0', b'\x0f\x00\xd8', b'\xfe\xd0',
                          b'\xff\xff', b'\xc6\xc8\x00', b'\x8d\xc0', b'\x8f\xc8', b'\x0f\xba\xc0\x01', b'\x0f\xc7\xc8',
                          b'\x66' * 15 + b'\x90', b'\x66' * 14 + b'\x90', b'\xf0\x0f\xa3\x03', b'\xf0\x38\x03', b'\xf0\x81\x3b\0\0\0\0'])


def f_self_modifying(w):
    """Rewrites the immediate of the next instruction, or of one behind it."""
    value = w.r.getrandbits(8)
    distance = w.r.randrange(3)
    target = CODE + len(w.code) + 7 + distance + 1
    w.byte(0xc6, 0x05)
    w.immediate(4, target)
    w.byte(value)
    w.mark()
    w.code += b'\x90' * distance
    w.byte(0xb0, value ^ 0xff)


FAMILIES = ([f_arithmetic] * 6 + [f_test, f_increment, f_increment, f_not_neg] + [f_multiply] * 3 + [f_divide] * 2 + [f_shift] * 6 + [f_double_shift] * 2 +
            [f_bits] * 3 + [f_bit_scan] + [f_decimal] * 3 + [f_move] * 3 + [f_extend] * 2 + [f_exchange] * 3 + [f_swap, f_lea] + [f_conditional] * 4 +
            [f_loop] + [f_stack] * 4 + [f_flags] * 3 + [f_string] * 4 + [f_xlat, f_call, f_bound, f_into, f_privileged, f_self_modifying])
