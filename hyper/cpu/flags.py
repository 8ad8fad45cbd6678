"""EFLAGS (SDM vol. 1, 3.4.3) and lazy condition codes.

An arithmetic instruction stores what it did (operation, size, two values); a flag is computed when something asks. In a trace the operation and size
are constants, so `cmp; jl` becomes one signed comparison.

    CC_ADD, CC_SUB   values are the two operands
    CC_LOGIC         first is the result; CF = OF = AF = 0
    CC_INC, CC_DEC   first is the result, second the preserved CF
    CC_RESULT        first is the result, second has CF in bit 0, OF in bit 1, AF in bit 2
    CC_FLAGS         first holds the six flags at their places in EFLAGS
"""
from rpython.rlib.jit import promote

CF, PF, AF, ZF, SF, TF, IF, DF, OF = 1 << 0, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11
IOPL, NT, RF, VM, AC, VIF, VIP, ID = 3 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21
IOPL_SHIFT = 12
ALWAYS = 1 << 1
ARITHMETIC = CF | PF | AF | ZF | SF | OF
DEFINED = ARITHMETIC | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID

CC_ADD, CC_SUB, CC_LOGIC, CC_INC, CC_DEC, CC_RESULT, CC_FLAGS = range(7)

M32 = 0xffffffff


def mask(size):
    """All ones in `size` bytes (1, 2 or 4)."""
    if size == 4:
        return 0xffffffff
    if size == 2:
        return 0xffff
    return 0xff


def sign_bit(size):
    return (mask(size) >> 1) + 1


def signed(value, size):
    """The signed value of an unsigned one of `size` bytes."""
    if size == 4:
        return ((value & 0xffffffff) ^ 0x80000000) - 0x80000000
    if size == 2:
        return ((value & 0xffff) ^ 0x8000) - 0x8000
    return ((value & 0xff) ^ 0x80) - 0x80


def parity(value):
    """PF of a result: 1 if its low byte has an even number of ones."""
    value ^= value >> 4
    return (0x9669 >> (value & 15)) & 1


def set_flags(cpu, op, size, a, b):
    cpu.cc_op = op
    cpu.cc_size = size
    cpu.cc_a = a
    cpu.cc_b = b


def result(cpu, op, size):
    """The value that ZF, SF and PF describe (not for CC_FLAGS)."""
    if op == CC_ADD:
        return (cpu.cc_a + cpu.cc_b) & mask(size)
    if op == CC_SUB:
        return (cpu.cc_a - cpu.cc_b) & mask(size)
    return cpu.cc_a


def carry(cpu):
    op = promote(cpu.cc_op)
    if op == CC_SUB:
        return int(cpu.cc_a < cpu.cc_b)
    if op == CC_ADD:
        size = promote(cpu.cc_size)
        return int(((cpu.cc_a + cpu.cc_b) & mask(size)) < cpu.cc_a)
    if op == CC_LOGIC:
        return 0
    if op == CC_FLAGS:
        return cpu.cc_a & 1
    return cpu.cc_b & 1


def overflow(cpu):
    op = promote(cpu.cc_op)
    size = promote(cpu.cc_size)
    if op == CC_ADD:
        r = cpu.cc_a + cpu.cc_b
        return ((cpu.cc_a ^ r) & (cpu.cc_b ^ r)) >> (size * 8 - 1) & 1
    if op == CC_SUB:
        r = cpu.cc_a - cpu.cc_b
        return ((cpu.cc_a ^ cpu.cc_b) & (cpu.cc_a ^ r)) >> (size * 8 - 1) & 1
    if op == CC_LOGIC:
        return 0
    if op == CC_INC:
        return int(cpu.cc_a == sign_bit(size))
    if op == CC_DEC:
        return int(cpu.cc_a == sign_bit(size) - 1)
    if op == CC_FLAGS:
        return (cpu.cc_a >> 11) & 1
    return (cpu.cc_b >> 1) & 1


def adjust(cpu):
    """AF: carry out of bit 3."""
    op = promote(cpu.cc_op)
    if op == CC_ADD:
        return ((cpu.cc_a ^ cpu.cc_b ^ (cpu.cc_a + cpu.cc_b)) >> 4) & 1
    if op == CC_SUB:
        return ((cpu.cc_a ^ cpu.cc_b ^ (cpu.cc_a - cpu.cc_b)) >> 4) & 1
    if op == CC_LOGIC:
        return 0
    if op == CC_INC:
        return int(cpu.cc_a & 15 == 0)
    if op == CC_DEC:
        return int(cpu.cc_a & 15 == 15)
    if op == CC_FLAGS:
        return (cpu.cc_a >> 4) & 1
    return (cpu.cc_b >> 2) & 1


def zero(cpu):
    op = promote(cpu.cc_op)
    if op == CC_SUB:
        return cpu.cc_a == cpu.cc_b
    if op == CC_FLAGS:
        return (cpu.cc_a & ZF) != 0
    return result(cpu, op, promote(cpu.cc_size)) == 0


def sign(cpu):
    op = promote(cpu.cc_op)
    size = promote(cpu.cc_size)
    if op == CC_FLAGS:
        return (cpu.cc_a & SF) != 0
    return (result(cpu, op, size) & sign_bit(size)) != 0


def even(cpu):
    op = promote(cpu.cc_op)
    if op == CC_FLAGS:
        return (cpu.cc_a & PF) != 0
    return parity(result(cpu, op, promote(cpu.cc_size))) != 0


def below_or_equal(cpu):
    op = promote(cpu.cc_op)
    if op == CC_SUB:
        return cpu.cc_a <= cpu.cc_b
    if op == CC_LOGIC:
        return cpu.cc_a == 0
    return carry(cpu) != 0 or zero(cpu)


def less(cpu):
    op = promote(cpu.cc_op)
    if op == CC_SUB:
        size = promote(cpu.cc_size)
        return signed(cpu.cc_a, size) < signed(cpu.cc_b, size)
    if op == CC_LOGIC:
        size = promote(cpu.cc_size)
        return (cpu.cc_a & sign_bit(size)) != 0
    return sign(cpu) != (overflow(cpu) != 0)


def less_or_equal(cpu):
    op = promote(cpu.cc_op)
    if op == CC_SUB:
        size = promote(cpu.cc_size)
        return signed(cpu.cc_a, size) <= signed(cpu.cc_b, size)
    if op == CC_LOGIC:
        size = promote(cpu.cc_size)
        return signed(cpu.cc_a, size) <= 0
    return zero(cpu) or sign(cpu) != (overflow(cpu) != 0)


def condition(cpu, code):
    """Whether condition `code` (0-15, SDM vol. 2, appendix B.1.4.7) holds; `code` is constant in a trace."""
    kind = code >> 1
    if kind == 0:
        holds = overflow(cpu) != 0
    elif kind == 1:
        holds = carry(cpu) != 0
    elif kind == 2:
        holds = zero(cpu)
    elif kind == 3:
        holds = below_or_equal(cpu)
    elif kind == 4:
        holds = sign(cpu)
    elif kind == 5:
        holds = even(cpu)
    elif kind == 6:
        holds = less(cpu)
    else:
        holds = less_or_equal(cpu)
    if code & 1:
        return not holds
    return holds


def arithmetic(cpu):
    """The six arithmetic flags at their places in EFLAGS."""
    if promote(cpu.cc_op) == CC_FLAGS:
        return cpu.cc_a
    return (carry(cpu) | (int(even(cpu)) << 2) | (adjust(cpu) << 4) | (int(zero(cpu)) << 6) | (int(sign(cpu)) << 7) | (overflow(cpu) << 11))
