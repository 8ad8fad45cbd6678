"""ADD OR ADC SBB AND SUB XOR CMP, TEST, INC, DEC, NEG, NOT, XADD, CMPXCHG, CMPXCHG8B (SDM vol. 2).

The eight operations of the first group have one class for each common form of 32-bit operands, made by `_make`, and a general one for the rest.
A store may fault, so flags are set after it, or after `writable` has said that it will not.
"""
from hyper.board import raw
from hyper.cpu.flags import (CC_ADD, CC_SUB, CC_LOGIC, CC_INC, CC_DEC, CC_RESULT, CC_FLAGS, ZF, M32, mask, signed, carry, set_flags, arithmetic)
from hyper.cpu.operations.base import Operation, READS, WRITES, CHANGES, LEAVES
from hyper.cpu.operations.operands import Immediate, Register, Register8High, leaves
from hyper.cpu.templates.assembler import RAX, RCX, R8

ADD, OR, ADC, SBB, AND, SUB, XOR, CMP = range(8)


def load_ram(mode, offset, size):
    """A value at an offset in RAM given by `writable`."""
    if size == 4:
        return raw.load32(mode.storage, offset)
    if size == 2:
        return raw.load16(mode.storage, offset)
    return raw.load8(mode.storage, offset)


def store_ram(mode, offset, value, size):
    if size == 4:
        raw.store32(mode.storage, offset, value)
    elif size == 2:
        raw.store16(mode.storage, offset, value)
    else:
        raw.store8(mode.storage, offset, value)


def value_of(cpu, kind, a, b, size):
    """The result, without flags."""
    if kind == ADD:
        return (a + b) & mask(size)
    if kind == OR:
        return a | b
    if kind == ADC:
        return (a + b + carry(cpu)) & mask(size)
    if kind == SBB:
        return (a - b - carry(cpu)) & mask(size)
    if kind == AND:
        return a & b
    if kind == XOR:
        return a ^ b
    return (a - b) & mask(size)


def flags_of(cpu, kind, a, b, r, size):
    """Set the flags for result `r` of `a` and `b`."""
    if kind == ADD:
        set_flags(cpu, CC_ADD, size, a, b)
    elif kind == SUB or kind == CMP:
        set_flags(cpu, CC_SUB, size, a, b)
    elif kind == ADC:
        out = (a + b + carry(cpu)) >> (size * 8)
        over = (((a ^ r) & (b ^ r)) >> (size * 8 - 1)) & 1
        set_flags(cpu, CC_RESULT, size, r, out | (over << 1) | (((a ^ b ^ r) >> 2) & 4))
    elif kind == SBB:
        out = int(a - b - carry(cpu) < 0)
        over = (((a ^ b) & (a ^ r)) >> (size * 8 - 1)) & 1
        set_flags(cpu, CC_RESULT, size, r, out | (over << 1) | (((a ^ b ^ r) >> 2) & 4))
    else:
        set_flags(cpu, CC_LOGIC, size, r, 0)


def effect_of(kind):
    return WRITES | READS if kind == ADC or kind == SBB else WRITES


def want_carry(c, kind):
    """In a template, before the instruction."""
    if kind == ADC or kind == SBB:
        c.want_flags()


def want_carry_at(c, kind):
    """If the operand is memory that has been accessed."""
    if kind == ADC or kind == SBB:
        c.free_accumulator()
        c.want_flags()


def instruction_template(c, kind, target, source, size):
    """One of the group, in its own form: of registers, memory and constants, but not of AH to BH."""
    if not c.has_template(target) or not c.has_template(source):
        return False
    wide = int(size != 1)
    if target.is_memory:
        c.access(target, size, kind != CMP)
        want_carry_at(c, kind)
        if isinstance(source, Immediate):
            c.at_operand(0x80 | wide, kind, size)
            c.immediate(source.value, size)
        else:
            assert isinstance(source, Register)
            c.at_operand(kind << 3 | wide, R8 + source.number, size)
    else:
        assert isinstance(target, Register)
        if source.is_memory:
            c.access(source, size, False)
            want_carry_at(c, kind)
            c.at_operand(kind << 3 | 2 | wide, R8 + target.number, size)
        else:
            want_carry(c, kind)
            if isinstance(source, Immediate):
                c.arithmetic_immediate(kind, R8 + target.number, signed(source.value, size), size)
            else:
                assert isinstance(source, Register)
                c.arithmetic(kind, R8 + target.number, R8 + source.number, size)
    c.have_flags()
    return True


def read_high(c, target, source, write):
    """The operands of an instruction with AH to BH: the source, always in RCX, and that of a register target in RAX. False if there is no template."""
    if target.is_memory:
        if not c.has_template(target):
            return False
        c.access(target, 1, write)
        c.read(source, 1)
        return True
    if source.is_memory and not c.has_template(source):
        return False
    assert isinstance(target, Register)
    c.save_flags()
    c.read(source, 1)
    c.zero_extend(RAX, R8 + target.number, 2)
    if isinstance(target, Register8High):
        c.shift(5, RAX, 8)
    return True


def high_template(c, kind, target, source):
    if kind == ADC or kind == SBB or not read_high(c, target, source, kind != CMP):
        return False
    if target.is_memory:
        c.at_operand(kind << 3, RCX, 1)
        c.have_flags()
        return True
    c.arithmetic(kind, RAX, RCX, 1)
    c.have_flags()
    if kind != CMP:
        c.move(RCX, RAX)
        c.save_flags()
        c.write_register(target, 1, RCX)
    return True


class Arithmetic(Operation):
    """Any operands. `kind` is one of ADD ... CMP."""
    _immutable_fields_ = ['kind', 'target', 'source', 'size']

    def __init__(self, kind, target, source, size):
        self.kind = kind
        self.target = target
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        kind = self.kind
        size = self.size
        b = self.source.get(cpu, mode)
        if kind == CMP:
            set_flags(cpu, CC_SUB, size, self.target.get(cpu, mode), b)
            return
        offset = self.target.writable(cpu, mode)
        if offset >= 0:
            a = load_ram(mode, offset, size)
            r = value_of(cpu, kind, a, b, size)
            store_ram(mode, offset, r, size)
        else:
            a = self.target.get(cpu, mode)
            r = value_of(cpu, kind, a, b, size)
            self.target.set(cpu, mode, r)
        flags_of(cpu, kind, a, b, r, size)

    def effect(self):
        return effect_of(self.kind) | leaves(self.target) | leaves(self.source)

    def template(self, c):
        if isinstance(self.target, Register8High) or isinstance(self.source, Register8High):
            return high_template(c, self.kind, self.target, self.source)
        return instruction_template(c, self.kind, self.target, self.source, self.size)


class RegisterRegister(Operation):
    """A 32-bit register and another."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source


class RegisterImmediate(Operation):
    """A 32-bit register and a constant."""
    _immutable_fields_ = ['target', 'value']

    def __init__(self, target, value):
        self.target = target
        self.value = value


class RegisterMemory(Operation):
    """A 32-bit register and a memory operand."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source


def _make(kind):
    """The three quick classes of one operation."""
    def perform(cpu, target, b):
        assert target >= 0
        a = cpu.regs[target]
        r = value_of(cpu, kind, a, b, 4)
        flags_of(cpu, kind, a, b, r, 4)
        if kind != CMP:
            cpu.regs[target] = r

    class OfRegister(RegisterRegister):
        def execute(self, cpu, mode):
            source = self.source
            assert source >= 0
            perform(cpu, self.target, cpu.regs[source])

        def effect(self):
            return effect_of(kind)

        def template(self, c):
            want_carry(c, kind)
            c.arithmetic(kind, R8 + self.target, R8 + self.source)
            c.have_flags()
            return True

    class OfImmediate(RegisterImmediate):
        def execute(self, cpu, mode):
            perform(cpu, self.target, self.value)

        def effect(self):
            return effect_of(kind)

        def template(self, c):
            want_carry(c, kind)
            c.arithmetic_immediate(kind, R8 + self.target, signed(self.value, 4))
            c.have_flags()
            return True

    class OfMemory(RegisterMemory):
        def execute(self, cpu, mode):
            perform(cpu, self.target, self.source.get(cpu, mode))

        def effect(self):
            return effect_of(kind) | LEAVES

        def template(self, c):
            if not c.has_template(self.source):
                return False
            c.access(self.source, 4, False)
            want_carry_at(c, kind)
            c.at_operand(kind << 3 | 3, R8 + self.target, 4)
            c.have_flags()
            return True

    return OfRegister, OfImmediate, OfMemory


_FORMS = [_make(kind) for kind in range(8)]
_REGISTER_REGISTER = [form[0] for form in _FORMS]
_REGISTER_IMMEDIATE = [form[1] for form in _FORMS]
_REGISTER_MEMORY = [form[2] for form in _FORMS]


def register_register(kind, target, source):
    """32-bit registers."""
    return _REGISTER_REGISTER[kind](target, source)


def register_immediate(kind, target, value):
    return _REGISTER_IMMEDIATE[kind](target, value)


def register_memory(kind, target, source):
    """A 32-bit register and a 32-bit memory operand."""
    return _REGISTER_MEMORY[kind](target, source)


class Test(Operation):
    _immutable_fields_ = ['target', 'source', 'size']

    def __init__(self, target, source, size):
        self.target = target
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        set_flags(cpu, CC_LOGIC, self.size, self.target.get(cpu, mode) & self.source.get(cpu, mode), 0)

    def effect(self):
        return WRITES | leaves(self.target)

    def template(self, c):
        target = self.target
        source = self.source
        size = self.size
        if isinstance(source, Register8High):
            if not read_high(c, target, source, False):
                return False
            if target.is_memory:
                c.at_operand(0x84, RCX, 1)
            else:
                c.registers(0x84, RCX, RAX, 1)
        elif target.is_memory:
            if not c.has_template(target) or not c.has_template(source):
                return False
            c.access(target, size, False)
            if isinstance(source, Immediate):
                c.at_operand(0xf6 | int(size != 1), 0, size)
                c.immediate(source.value, size)
            else:
                assert isinstance(source, Register)
                c.at_operand(0x84 | int(size != 1), R8 + source.number, size)
        else:
            a = c.read(target, size)
            if isinstance(source, Immediate):
                c.registers(0xf6 | int(size != 1), 0, a, size)
                c.immediate(source.value, size)
            else:
                assert isinstance(source, Register)
                c.registers(0x84 | int(size != 1), R8 + source.number, a, size)
        c.have_flags()
        return True


class TestRegister(Operation):
    """TEST of two 32-bit registers, most often the same."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        t = self.target
        s = self.source
        assert t >= 0 and s >= 0
        if t == s:
            r = cpu.regs[t]
        else:
            r = cpu.regs[t] & cpu.regs[s]
        set_flags(cpu, CC_LOGIC, 4, r, 0)

    def effect(self):
        return WRITES

    def template(self, c):
        c.registers(0x85, R8 + self.source, R8 + self.target)
        c.have_flags()
        return True


class IncrementRegister(Operation):
    """INC or DEC of a 32-bit register; `delta` is 1 or -1."""
    _immutable_fields_ = ['target', 'delta']

    def __init__(self, target, delta):
        self.target = target
        self.delta = delta

    def execute(self, cpu, mode):
        t = self.target
        assert t >= 0
        r = (cpu.regs[t] + self.delta) & M32
        set_flags(cpu, CC_INC if self.delta > 0 else CC_DEC, 4, r, carry(cpu))
        cpu.regs[t] = r

    def effect(self):
        return CHANGES

    def template(self, c):
        c.keep_flags()
        c.registers(0xff, 0 if self.delta > 0 else 1, R8 + self.target)
        c.have_flags()
        return True


class Unary(Operation):
    """An operation that replaces its operand."""
    _immutable_fields_ = ['target', 'size']

    def __init__(self, target, size):
        self.target = target
        self.size = size

    def execute(self, cpu, mode):
        size = self.size
        offset = self.target.writable(cpu, mode)
        if offset >= 0:
            v = load_ram(mode, offset, size)
            store_ram(mode, offset, self.compute(v), size)
        else:
            v = self.target.get(cpu, mode)
            self.target.set(cpu, mode, self.compute(v))
        self.flags(cpu, v)

    def compute(self, v):
        raise NotImplementedError

    def flags(self, cpu, v):
        """Set the flags, given the operand's old value."""
        pass

    def instruction(self, c, code, extension):
        """The instruction of its template; `code` is that for bytes."""
        target = self.target
        if not c.has_template(target):
            return False
        code |= int(self.size != 1)
        keeps = self.effect() & CHANGES != 0
        if target.is_memory:
            c.access(target, self.size, True)
            if keeps and c.needed:
                c.free_accumulator()
            if keeps:
                c.keep_flags()
            c.at_operand(code, extension, self.size)
        else:
            assert isinstance(target, Register)
            if keeps:
                c.keep_flags()
            c.registers(code, extension, R8 + target.number, self.size)
        return True


class Increment(Unary):
    pass

    def compute(self, v):
        return (v + 1) & mask(self.size)

    def flags(self, cpu, v):
        set_flags(cpu, CC_INC, self.size, self.compute(v), carry(cpu))

    def effect(self):
        return CHANGES | leaves(self.target)

    def template(self, c):
        if not self.instruction(c, 0xfe, 0):
            return False
        c.have_flags()
        return True


class Decrement(Unary):
    pass

    def compute(self, v):
        return (v - 1) & mask(self.size)

    def flags(self, cpu, v):
        set_flags(cpu, CC_DEC, self.size, self.compute(v), carry(cpu))

    def effect(self):
        return CHANGES | leaves(self.target)

    def template(self, c):
        if not self.instruction(c, 0xfe, 1):
            return False
        c.have_flags()
        return True


class Not(Unary):
    pass

    def compute(self, v):
        return v ^ mask(self.size)

    def effect(self):
        return leaves(self.target)

    def template(self, c):
        return self.instruction(c, 0xf6, 2)


class Negate(Unary):
    pass

    def compute(self, v):
        return (-v) & mask(self.size)

    def flags(self, cpu, v):
        set_flags(cpu, CC_SUB, self.size, 0, v)

    def effect(self):
        return WRITES | leaves(self.target)

    def template(self, c):
        if not self.instruction(c, 0xf6, 3):
            return False
        c.have_flags()
        return True


class ExchangeAdd(Operation):
    """XADD."""
    _immutable_fields_ = ['target', 'source', 'size']

    def __init__(self, target, source, size):
        self.target = target
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        self.target.writable(cpu, mode)
        a = self.target.get(cpu, mode)
        b = self.source.get(cpu, mode)
        r = (a + b) & mask(self.size)
        if self.target.is_memory:
            self.target.set(cpu, mode, r)
            self.source.set(cpu, mode, a)
        else:
            self.source.set(cpu, mode, a)       # the sum wins where both are one register
            self.target.set(cpu, mode, r)
        set_flags(cpu, CC_ADD, self.size, a, b)

    def effect(self):
        return WRITES | leaves(self.target)

    def template(self, c):
        source = self.source
        if not self.target.is_memory or not c.has_template(self.target) or not c.has_template(source):
            return False
        assert isinstance(source, Register)
        c.access(self.target, self.size, True)
        c.at_operand(0x0fc0 | int(self.size != 1), R8 + source.number, self.size)
        c.have_flags()
        return True


class CompareExchange(Operation):
    """CMPXCHG; `accumulator` is AL, AX or EAX. Memory is written whether or not the comparison holds, as silicon does."""
    _immutable_fields_ = ['target', 'source', 'accumulator', 'size']

    def __init__(self, target, source, accumulator, size):
        self.target = target
        self.source = source
        self.accumulator = accumulator
        self.size = size

    def execute(self, cpu, mode):
        self.target.writable(cpu, mode)
        old = self.target.get(cpu, mode)
        wanted = self.accumulator.get(cpu, mode)
        if old == wanted:
            self.target.set(cpu, mode, self.source.get(cpu, mode))
        else:
            self.target.set(cpu, mode, old)
            self.accumulator.set(cpu, mode, old)
        set_flags(cpu, CC_SUB, self.size, wanted, old)

    def effect(self):
        return WRITES | leaves(self.target)

    def template(self, c):
        source = self.source
        if not self.target.is_memory or not c.has_template(self.target) or not c.has_template(source):
            return False
        assert isinstance(source, Register)
        c.access(self.target, self.size, True)
        c.free_accumulator()
        c.move(RAX, R8)
        c.at_operand(0x0fb0 | int(self.size != 1), R8 + source.number, self.size)
        c.registers(0x88 | int(self.size != 1), RAX, R8, self.size)
        c.have_flags()
        return True


class CompareExchange8Bytes(Operation):
    """CMPXCHG8B."""
    _immutable_fields_ = ['target']

    def __init__(self, target):
        self.target = target

    def execute(self, cpu, mode):
        target = self.target
        check = target.check()
        low_at = target.linear(cpu, mode, 0, 4, True)
        high_at = target.linear(cpu, mode, 4, 4, True)
        mode.writable(low_at, 4, check)
        mode.writable(high_at, 4, check)
        low = mode.load32(low_at, check)
        high = mode.load32(high_at, check)
        known = arithmetic(cpu) & ~ZF
        if low == cpu.regs[0] and high == cpu.regs[2]:
            mode.store32(low_at, cpu.regs[3], check)
            mode.store32(high_at, cpu.regs[1], check)
            known |= ZF
        else:
            mode.store32(low_at, low, check)
            mode.store32(high_at, high, check)
            cpu.regs[0] = low
            cpu.regs[2] = high
        set_flags(cpu, CC_FLAGS, 4, known, 0)
