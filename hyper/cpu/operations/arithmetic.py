"""ADD OR ADC SBB AND SUB XOR CMP, TEST, INC, DEC, NEG, NOT, XADD, CMPXCHG, CMPXCHG8B (SDM vol. 2).

The eight operations of the first group have one class for each common form of 32-bit operands, made by `_make`, and a general one for the rest.
A store may fault, so flags are set after it, or after `writable` has said that it will not.
"""
from hyper.board import raw
from hyper.cpu.flags import (CC_ADD, CC_SUB, CC_LOGIC, CC_INC, CC_DEC, CC_RESULT, CC_FLAGS, ZF, M32, mask, carry, set_flags, arithmetic)
from hyper.cpu.operations.base import Operation

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

    class OfImmediate(RegisterImmediate):
        def execute(self, cpu, mode):
            perform(cpu, self.target, self.value)

    class OfMemory(RegisterMemory):
        def execute(self, cpu, mode):
            perform(cpu, self.target, self.source.get(cpu, mode))

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


class Increment(Unary):
    pass

    def compute(self, v):
        return (v + 1) & mask(self.size)

    def flags(self, cpu, v):
        set_flags(cpu, CC_INC, self.size, self.compute(v), carry(cpu))


class Decrement(Unary):
    pass

    def compute(self, v):
        return (v - 1) & mask(self.size)

    def flags(self, cpu, v):
        set_flags(cpu, CC_DEC, self.size, self.compute(v), carry(cpu))


class Not(Unary):
    pass

    def compute(self, v):
        return v ^ mask(self.size)


class Negate(Unary):
    pass

    def compute(self, v):
        return (-v) & mask(self.size)

    def flags(self, cpu, v):
        set_flags(cpu, CC_SUB, self.size, 0, v)


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
