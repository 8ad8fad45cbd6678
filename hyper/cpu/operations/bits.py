"""BT BTS BTR BTC, BSF, BSR (SDM vol. 2)."""
from hyper.cpu import flags
from hyper.cpu.flags import CC_FLAGS, CF, ZF, mask, signed, set_flags, arithmetic
from hyper.cpu.operations.base import Operation, READS, CHANGES, LEAVES
from hyper.cpu.operations.operands import Immediate, Register, leaves
from hyper.cpu.templates.assembler import R8
from hyper.cpu.operations.arithmetic import load_ram, store_ram

BT, BTS, BTR, BTC = range(4)


def changed(kind, value, bit):
    if kind == BTS:
        return value | bit
    if kind == BTR:
        return value & ~bit
    return value ^ bit


class BitTest(Operation):
    """With the bit number inside the operand: a register operand, or an immediate number."""
    _immutable_fields_ = ['kind', 'target', 'number', 'size']

    def __init__(self, kind, target, number, size):
        self.kind = kind
        self.target = target
        self.number = number
        self.size = size

    def execute(self, cpu, mode):
        n = self.number.get(cpu, mode) & (self.size * 8 - 1)
        if self.kind != BT:
            self.target.writable(cpu, mode)
        value = self.target.get(cpu, mode)
        if self.kind != BT:
            self.target.set(cpu, mode, changed(self.kind, value, 1 << n))
        set_flags(cpu, CC_FLAGS, 4, (arithmetic(cpu) & ~CF) | ((value >> n) & 1), 0)

    def effect(self):
        if self.size != 4:
            return READS | LEAVES
        return CHANGES | leaves(self.target)

    def template(self, c):
        target = self.target
        number = self.number
        if self.size != 4 or not c.has_template(target):
            return False
        if target.is_memory:
            c.access(target, 4, self.kind != BT)
            if c.needed:
                c.free_accumulator()
            c.keep_flags()
            c.at_operand(0x0fba, 4 + self.kind, 4)
            assert isinstance(number, Immediate)
            c.byte(number.value & 31)
        else:
            assert isinstance(target, Register)
            c.keep_flags()
            if isinstance(number, Immediate):
                c.registers(0x0fba, 4 + self.kind, R8 + target.number)
                c.byte(number.value & 31)
            else:
                assert isinstance(number, Register)
                c.registers(0x0fa3 | self.kind << 3, R8 + number.number, R8 + target.number)
        c.have_flags()
        return True


class BitTestString(Operation):
    """With memory and a register number: the number reaches to any distance from the operand."""
    _immutable_fields_ = ['kind', 'target', 'number', 'size']

    def __init__(self, kind, target, number, size):
        self.kind = kind
        self.target = target
        self.number = number
        self.size = size

    def execute(self, cpu, mode):
        size = self.size
        number = signed(self.number.get(cpu, mode), size)
        n = number & (size * 8 - 1)
        distance = (number >> (5 if size == 4 else 4)) * size
        at = self.target.beyond(cpu, mode, distance, size, self.kind != BT)
        check = self.target.check()
        if self.kind != BT:
            mode.writable(at, size, check)
        value = mode.load(at, size, check)
        if self.kind != BT:
            mode.store(at, changed(self.kind, value, 1 << n) & mask(size), size, check)
        set_flags(cpu, CC_FLAGS, 4, (arithmetic(cpu) & ~CF) | ((value >> n) & 1), 0)


class BitScan(Operation):
    """BSF, BSR. With a zero source ZF is set and the target stays, as silicon does."""
    _immutable_fields_ = ['reverse', 'target', 'source']

    def __init__(self, reverse, target, source):
        self.reverse = reverse
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        value = self.source.get(cpu, mode)
        known = arithmetic(cpu) & ~ZF
        if value == 0:
            known |= ZF
        elif self.reverse:
            self.target.set(cpu, mode, highest_bit(value))
        else:
            self.target.set(cpu, mode, highest_bit(value & -value))
        set_flags(cpu, CC_FLAGS, 4, known, 0)

    def effect(self):
        if self.target.size != 4:
            return READS | LEAVES
        return CHANGES | leaves(self.source)

    def template(self, c):
        target = self.target
        if target.size != 4 or not c.has_template(self.source):
            return False
        assert isinstance(target, Register)
        c.save_flags()
        c.registers(0x0fbd if self.reverse else 0x0fbc, R8 + target.number, c.read(self.source, 4))
        c.have_zero_flag()
        return True


def highest_bit(value):
    """The number of the highest one of a nonzero 32-bit value: a binary search without loops, so that a trace has it inline."""
    n = 0
    if value & 0xffff0000:
        n = 16
        value >>= 16
    if value & 0xff00:
        n += 8
        value >>= 8
    if value & 0xf0:
        n += 4
        value >>= 4
    if value & 0xc:
        n += 2
        value >>= 2
    return n + (value >> 1)
