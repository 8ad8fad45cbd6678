"""MOV, MOVZX, MOVSX, LEA, XCHG, CMOVcc, SETcc, BSWAP, XLAT, CBW/CWDE, CWD/CDQ, LAHF, SAHF, SALC, NOP (SDM vol. 2)."""
from hyper.cpu import flags
from hyper.cpu.flags import CC_FLAGS, M32, mask, signed, set_flags, condition, arithmetic, carry, overflow
from hyper.cpu.operations.base import Operation


class Nop(Operation):
    pass

    def execute(self, cpu, mode):
        pass


class Move(Operation):
    """MOV between any operands."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, self.source.get(cpu, mode))


class MoveRegister(Operation):
    """MOV of one 32-bit register to another."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        t = self.target
        s = self.source
        assert t >= 0 and s >= 0
        cpu.regs[t] = cpu.regs[s]


class MoveImmediate(Operation):
    """MOV of a constant to a 32-bit register."""
    _immutable_fields_ = ['target', 'value']

    def __init__(self, target, value):
        self.target = target
        self.value = value

    def execute(self, cpu, mode):
        t = self.target
        assert t >= 0
        cpu.regs[t] = self.value


class Load(Operation):
    """MOV of 32 bits of memory to a register."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        t = self.target
        assert t >= 0
        cpu.regs[t] = self.source.get(cpu, mode)


class Store(Operation):
    """MOV of a 32-bit register to memory."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        s = self.source
        assert s >= 0
        self.target.set(cpu, mode, cpu.regs[s])


class MoveZeroExtended(Move):
    """MOVZX: the operands have their own sizes."""


class MoveSignExtended(Operation):
    _immutable_fields_ = ['target', 'source', 'source_size', 'size']

    def __init__(self, target, source, source_size, size):
        self.target = target
        self.source = source
        self.source_size = source_size
        self.size = size

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, signed(self.source.get(cpu, mode), self.source_size) & mask(self.size))


class LoadEffectiveAddress(Operation):
    _immutable_fields_ = ['target', 'source', 'size']

    def __init__(self, target, source, size):
        self.target = target
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, self.source.offset(cpu) & mask(self.size))


class Exchange(Operation):
    """XCHG; `target` may be memory."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        self.target.writable(cpu, mode)
        old = self.target.get(cpu, mode)
        new = self.source.get(cpu, mode)
        self.target.set(cpu, mode, new)
        self.source.set(cpu, mode, old)


class ConditionalMove(Operation):
    """CMOVcc: the source is read even if the condition fails."""
    _immutable_fields_ = ['code', 'target', 'source']

    def __init__(self, code, target, source):
        self.code = code
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        value = self.source.get(cpu, mode)
        if condition(cpu, self.code):
            self.target.set(cpu, mode, value)


class SetOnCondition(Operation):
    _immutable_fields_ = ['code', 'target']

    def __init__(self, code, target):
        self.code = code
        self.target = target

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, int(condition(cpu, self.code)))


class ByteSwap(Operation):
    """BSWAP; of a 16-bit register it gives zero, as silicon does."""
    _immutable_fields_ = ['target', 'size']

    def __init__(self, target, size):
        self.target = target
        self.size = size

    def execute(self, cpu, mode):
        if self.size == 2:
            self.target.set(cpu, mode, 0)
            return
        v = self.target.get(cpu, mode)
        self.target.set(cpu, mode, ((v & 0xff) << 24) | ((v & 0xff00) << 8) | ((v >> 8) & 0xff00) | (v >> 24))


class Translate(Operation):
    """XLAT: AL := [EBX + AL]; `address` is a byte operand based on EBX or BX."""
    _immutable_fields_ = ['address']

    def __init__(self, address):
        self.address = address

    def execute(self, cpu, mode):
        at = self.address.beyond(cpu, mode, cpu.regs[0] & 0xff, 1, False)
        cpu.regs[0] = (cpu.regs[0] & 0xffffff00) | mode.load8(at, self.address.check())


class ConvertAccumulator(Operation):
    """CBW (size 2), CWDE (size 4)."""
    _immutable_fields_ = ['size']

    def __init__(self, size):
        self.size = size

    def execute(self, cpu, mode):
        if self.size == 4:
            cpu.regs[0] = signed(cpu.regs[0], 2) & M32
        else:
            cpu.regs[0] = (cpu.regs[0] & 0xffff0000) | (signed(cpu.regs[0], 1) & 0xffff)


class ConvertDouble(Operation):
    """CWD (size 2), CDQ (size 4)."""
    _immutable_fields_ = ['size']

    def __init__(self, size):
        self.size = size

    def execute(self, cpu, mode):
        if self.size == 4:
            cpu.regs[2] = (cpu.regs[0] >> 31) * M32
        else:
            cpu.regs[2] = (cpu.regs[2] & 0xffff0000) | (((cpu.regs[0] >> 15) & 1) * 0xffff)


class LoadFlags(Operation):
    """LAHF."""

    def execute(self, cpu, mode):
        value = (arithmetic(cpu) & 0xd5) | flags.ALWAYS
        cpu.regs[0] = (cpu.regs[0] & 0xffff00ff) | (value << 8)


class StoreFlags(Operation):
    """SAHF: OF stays."""

    def execute(self, cpu, mode):
        value = (cpu.regs[0] >> 8) & 0xd5
        set_flags(cpu, CC_FLAGS, 4, value | (overflow(cpu) << 11), 0)


class SetAccumulatorOnCarry(Operation):
    """SALC (undocumented): AL := FFh if CF else 0."""

    def execute(self, cpu, mode):
        cpu.regs[0] = (cpu.regs[0] & 0xffffff00) | (carry(cpu) * 0xff)


class Carry(Operation):
    """CLC (0), STC (1), CMC (2)."""
    _immutable_fields_ = ['action']

    def __init__(self, action):
        self.action = action

    def execute(self, cpu, mode):
        known = arithmetic(cpu)
        if self.action == 0:
            known &= ~flags.CF
        elif self.action == 1:
            known |= flags.CF
        else:
            known ^= flags.CF
        set_flags(cpu, CC_FLAGS, 4, known, 0)


class Direction(Operation):
    """CLD, STD. DF is kept in System.eflags, whatever the mode."""
    _immutable_fields_ = ['up']

    def __init__(self, up):
        self.up = up

    def execute(self, cpu, mode):
        system = mode.system
        if self.up:
            system.eflags &= ~flags.DF
        else:
            system.eflags |= flags.DF
