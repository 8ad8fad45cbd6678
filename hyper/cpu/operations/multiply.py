"""MUL, IMUL, DIV, IDIV (SDM vol. 2). Flags that MUL and IMUL leave undefined come from the low half of the product; DIV and IDIV change none."""
from rpython.rlib.jit import dont_look_inside
from rpython.rlib.rarithmetic import r_uint, intmask

from hyper.cpu.faults import GuestFault, DE
from hyper.cpu.flags import CC_RESULT, M32, mask, signed, set_flags
from hyper.cpu.operations.base import Operation, READS, WRITES, LEAVES
from hyper.cpu.operations.operands import Immediate, Register, leaves
from hyper.cpu.templates.assembler import RAX, RCX, RDX, R8, CMP, AE, BE, NE


class SignedMultiply(Operation):
    """IMUL with two or three operands: target := first * second."""
    _immutable_fields_ = ['target', 'first', 'second', 'size']

    def __init__(self, target, first, second, size):
        self.target = target
        self.first = first
        self.second = second
        self.size = size

    def execute(self, cpu, mode):
        size = self.size
        product = signed(self.first.get(cpu, mode), size) * signed(self.second.get(cpu, mode), size)
        r = product & mask(size)
        lost = int(signed(r, size) != product)
        set_flags(cpu, CC_RESULT, size, r, lost | (lost << 1))
        self.target.set(cpu, mode, r)

    def effect(self):
        if self.size != 4:
            return READS | LEAVES
        return WRITES | leaves(self.first) | leaves(self.second)

    def template(self, c):
        target = self.target
        first = self.first
        second = self.second
        if self.size != 4 or not c.has_template(first) or not c.has_template(second):
            return False
        assert isinstance(target, Register)
        to = R8 + target.number
        if isinstance(second, Immediate):
            c.registers(0x69, to, c.read(first, 4))
            c.word(second.value)
        else:
            c.registers(0x0faf, to, c.read(second, 4))
        c.have_result_flags(to, 4)
        return True


class Accumulator(Operation):
    """MUL, IMUL, DIV and IDIV with one operand work on AX, DX:AX or EDX:EAX."""
    _immutable_fields_ = ['source', 'size']

    def __init__(self, source, size):
        self.source = source
        self.size = size

    def set_pair(self, cpu, low, high):
        """Store two halves of the accumulator pair."""
        if self.size == 4:
            cpu.regs[0] = low
            cpu.regs[2] = high
        elif self.size == 2:
            cpu.regs[0] = (cpu.regs[0] & 0xffff0000) | low
            cpu.regs[2] = (cpu.regs[2] & 0xffff0000) | high
        else:
            cpu.regs[0] = (cpu.regs[0] & 0xffff0000) | (high << 8) | low

    def low(self, cpu):
        return cpu.regs[0] & mask(self.size)

    def high(self, cpu):
        if self.size == 4:
            return cpu.regs[2]
        if self.size == 2:
            return cpu.regs[2] & 0xffff
        return (cpu.regs[0] >> 8) & 0xff


def pair_effect(operation):
    if operation.size != 4:
        return READS | LEAVES
    return WRITES | leaves(operation.source)


def multiply_template(c, operation, extension):
    if operation.size != 4 or not c.has_template(operation.source):
        return False
    factor = c.read(operation.source, 4)
    c.move(RAX, R8)
    c.registers(0xf7, extension, factor)
    c.move(R8, RAX)
    c.move(R8 + 2, RDX)
    c.have_result_flags(R8, 4)
    return True


class Multiply(Accumulator):
    pass

    def effect(self):
        return pair_effect(self)

    def template(self, c):
        return multiply_template(c, self, 4)

    def execute(self, cpu, mode):
        size = self.size
        # two 32-bit factors may exceed a signed 64-bit product
        product = r_uint(self.source.get(cpu, mode)) * r_uint(self.low(cpu))
        low = intmask(product) & mask(size)
        high = intmask(product >> (size * 8))
        lost = int(high != 0)
        self.set_pair(cpu, low, high)
        set_flags(cpu, CC_RESULT, size, low, lost | (lost << 1))


class MultiplySigned(Accumulator):
    pass

    def effect(self):
        return pair_effect(self)

    def template(self, c):
        return multiply_template(c, self, 5)

    def execute(self, cpu, mode):
        size = self.size
        product = signed(self.source.get(cpu, mode), size) * signed(self.low(cpu), size)
        low = product & mask(size)
        lost = int(signed(low, size) != product)
        self.set_pair(cpu, low, (product >> (size * 8)) & mask(size))
        set_flags(cpu, CC_RESULT, size, low, lost | (lost << 1))


@dont_look_inside
def divide_long(high, low, divisor):
    """Quotient of an unsigned 64-bit number whose high half is not 0; raises #DE."""
    if high >= divisor:
        raise GuestFault(DE)
    return intmask(((r_uint(high) << 32) | r_uint(low)) / r_uint(divisor))


class Divide(Accumulator):
    pass

    def execute(self, cpu, mode):
        size = self.size
        divisor = self.source.get(cpu, mode)
        if divisor == 0:
            raise GuestFault(DE)
        high = self.high(cpu)
        low = self.low(cpu)
        if high == 0:
            quotient = low // divisor
        else:
            if size == 4:
                quotient = divide_long(high, low, divisor)
            else:
                quotient = ((high << (size * 8)) | low) // divisor
                if quotient > mask(size):
                    raise GuestFault(DE)
        number = (high << (size * 8)) | low     # wraps where it exceeds 63 bits, and so does the product: the difference is right
        self.set_pair(cpu, quotient, (number - quotient * divisor) & mask(size))

    def effect(self):
        return LEAVES | (READS if self.size != 4 else 0)

    def template(self, c):
        if self.size != 4 or not c.has_template(self.source):
            return False
        c.save_flags()
        divisor = c.read(self.source, 4)
        c.arithmetic(CMP, R8 + 2, divisor)
        c.leave_at(c.jump_if(AE))           # #DE
        c.move(RAX, R8)
        c.move(RDX, R8 + 2)
        c.registers(0xf7, 6, divisor)
        c.move(R8, RAX)
        c.move(R8 + 2, RDX)
        return True


@dont_look_inside
def divide_signed(number, divisor, bits):
    """Quotient, truncated towards zero; raises #DE if it does not fit in `bits`."""
    if divisor == 0:
        raise GuestFault(DE)
    magnitude = r_uint(number)
    if number < 0:
        magnitude = r_uint(0) - magnitude
    positive = magnitude / r_uint(divisor if divisor > 0 else -divisor)
    limit = r_uint(1) << (bits - 1)
    if (number < 0) != (divisor < 0):
        if positive > limit:
            raise GuestFault(DE)
        return -intmask(positive)
    if positive >= limit:
        raise GuestFault(DE)
    return intmask(positive)


class DivideSigned(Accumulator):
    pass

    def execute(self, cpu, mode):
        size = self.size
        divisor = signed(self.source.get(cpu, mode), size)
        low = self.low(cpu)
        high = signed(self.high(cpu), size)
        number = intmask(r_uint(high) << (size * 8)) | low
        quotient = divide_signed(number, divisor, size * 8)
        self.set_pair(cpu, quotient & mask(size), (number - quotient * divisor) & mask(size))

    def effect(self):
        return LEAVES | (READS if self.size != 4 else 0)

    def template(self, c):
        if self.size != 4 or not c.has_template(self.source):
            return False
        c.save_flags()
        c.registers(0x63, RCX, c.read(self.source, 4), 4, 1)        # MOVSXD
        c.lea(RAX, RCX, -1, 0, 1)
        c.arithmetic_immediate(CMP, RAX, 1)         # a divisor of 0 or -1
        c.leave_at(c.jump_if(BE))
        c.move(RAX, R8)
        c.move(RDX, R8 + 2)
        c.registers(0xc1, 4, RDX, 4, 1)             # SHL by 32
        c.byte(32)
        c.registers(0x09, RDX, RAX, 4, 1)           # OR
        c.byte(0x48)                                # CQO
        c.byte(0x99)
        c.registers(0xf7, 7, RCX, 4, 1)
        c.registers(0x63, RCX, RAX, 4, 1)
        c.registers(0x39, RAX, RCX, 4, 1)           # CMP: whether the quotient has 32 bits
        c.leave_at(c.jump_if(NE))
        c.move(R8, RAX)
        c.move(R8 + 2, RDX)
        return True
