"""Arithmetic with flags for the emulator (SDM vol. 1, 3.4.3.1): plain and complete, as little of it is ever needed."""

CF, PF, AF, ZF, SF, OF = 0x001, 0x004, 0x010, 0x040, 0x080, 0x800
ARITHMETIC = CF | PF | AF | ZF | SF | OF
ADD, OR, ADC, SBB, AND, SUB, XOR, CMP = range(8)        # as the opcode map numbers them


def mask(size):
    return (1 << (8 * size)) - 1


def result_flags(value, size):
    """ZF, SF and PF of a result of so many bytes."""
    flags = 0
    if value == 0:
        flags |= ZF
    if value >> (8 * size - 1) & 1:
        flags |= SF
    parity = value & 0xff
    parity ^= parity >> 4
    parity ^= parity >> 2
    parity ^= parity >> 1
    if not parity & 1:
        flags |= PF
    return flags


class Alu(object):
    """Does one operation at a time; `flags` (all of EFLAGS) goes in and comes out."""

    def __init__(self):
        self.flags = 0

    def replace(self, changed, value):
        self.flags = self.flags & ~changed | value

    def calculate(self, operation, a, b, size):
        """ADD to CMP of two unsigned operands; the result."""
        if operation == ADD:
            return self.add(a, b, 0, size)
        if operation == ADC:
            return self.add(a, b, self.flags & CF, size)
        if operation == SBB:
            return self.subtract(a, b, self.flags & CF, size)
        if operation == SUB or operation == CMP:
            return self.subtract(a, b, 0, size)
        if operation == OR:
            value = a | b
        elif operation == AND:
            value = a & b
        else:
            value = a ^ b
        self.replace(ARITHMETIC, result_flags(value, size))
        return value

    def add(self, a, b, carry, size):
        total = a + b + carry
        value = total & mask(size)
        flags = result_flags(value, size)
        if total != value:
            flags |= CF
        if (a ^ b ^ value) & 0x10:
            flags |= AF
        if (a ^ value) & (b ^ value) & (1 << (8 * size - 1)):
            flags |= OF
        self.replace(ARITHMETIC, flags)
        return value

    def subtract(self, a, b, borrow, size):
        total = a - b - borrow
        value = total & mask(size)
        flags = result_flags(value, size)
        if total < 0:
            flags |= CF
        if (a ^ b ^ value) & 0x10:
            flags |= AF
        if (a ^ b) & (a ^ value) & (1 << (8 * size - 1)):
            flags |= OF
        self.replace(ARITHMETIC, flags)
        return value

    def increment(self, a, size):
        """INC leaves CF alone; so does DEC."""
        carry = self.flags & CF
        value = self.add(a, 1, 0, size)
        self.replace(CF, carry)
        return value

    def decrement(self, a, size):
        carry = self.flags & CF
        value = self.subtract(a, 1, 0, size)
        self.replace(CF, carry)
        return value
