"""MOV, MOVZX, MOVSX, LEA, XCHG, CMOVcc, SETcc, BSWAP, XLAT, CBW/CWDE, CWD/CDQ, LAHF, SAHF, SALC, NOP (SDM vol. 2)."""
from hyper.cpu import flags
from hyper.cpu.flags import CC_FLAGS, M32, mask, signed, set_flags, condition, arithmetic, carry, overflow
from hyper.cpu.operations.base import Operation, READS, CHANGES, LEAVES
from hyper.cpu.operations.operands import Immediate, Register, Register8High, leaves
from hyper.cpu.templates.assembler import RAX, RCX, RDX, R8


class Nop(Operation):
    pass

    def execute(self, cpu, mode):
        pass

    def effect(self):
        return 0

    def template(self, c):
        return True


class Move(Operation):
    """MOV between any operands."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, self.source.get(cpu, mode))

    def effect(self):
        return leaves(self.target) | leaves(self.source)

    def template(self, c):
        target = self.target
        source = self.source
        size = target.size
        if target.is_memory:
            if not c.has_template(target):
                return False
            c.access(target, size, True)
            if isinstance(source, Immediate):
                c.at_operand(0xc6 | int(size != 1), 0, size)
                c.immediate(source.value, size)
            else:
                assert isinstance(source, Register)
                register = R8 + source.number
                if isinstance(source, Register8High):
                    c.zero_extend(RCX, register, 2)
                    c.shift(5, RCX, 8)
                    register = RCX
                c.at_operand(0x88 | int(size != 1), register, size)
            return True
        assert isinstance(target, Register)
        if isinstance(target, Register8High):
            if source.is_memory and not c.has_template(source):
                return False
            c.save_flags()
            c.write_register(target, 1, c.read(source, 1))
        elif source.is_memory:
            if not c.has_template(source):
                return False
            c.access(source, size, False)
            c.at_operand(0x8a | int(size != 1), R8 + target.number, size)
        else:
            c.write_register(target, size, c.read(source, size))
        return True


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

    def effect(self):
        return 0

    def template(self, c):
        c.move(R8 + self.target, R8 + self.source)
        return True


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

    def effect(self):
        return 0

    def template(self, c):
        c.move_immediate(R8 + self.target, self.value)
        return True


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

    def effect(self):
        return LEAVES

    def template(self, c):
        if not c.has_template(self.source):
            return False
        c.access(self.source, 4, False)
        c.at_operand(0x8b, R8 + self.target, 4)
        return True


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

    def effect(self):
        return LEAVES

    def template(self, c):
        if not c.has_template(self.target):
            return False
        c.access(self.target, 4, True)
        c.at_operand(0x89, R8 + self.source, 4)
        return True


class MoveZeroExtended(Move):
    """MOVZX: the operands have their own sizes."""

    def template(self, c):
        target = self.target
        source = self.source
        if target.size != 4 or (source.is_memory and not c.has_template(source)):
            return False
        assert isinstance(target, Register)
        if source.is_memory:
            c.access(source, source.size, False)
            c.at_operand(0x0fb6 | int(source.size == 2), R8 + target.number, 4)
        else:
            c.move(R8 + target.number, c.read(source, source.size))
        return True


class MoveSignExtended(Operation):
    _immutable_fields_ = ['target', 'source', 'source_size', 'size']

    def __init__(self, target, source, source_size, size):
        self.target = target
        self.source = source
        self.source_size = source_size
        self.size = size

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, signed(self.source.get(cpu, mode), self.source_size) & mask(self.size))

    def effect(self):
        return leaves(self.source)

    def template(self, c):
        target = self.target
        source = self.source
        if self.size != 4 or not c.has_template(source):
            return False
        assert isinstance(target, Register)
        if source.is_memory:
            c.access(source, self.source_size, False)
            c.at_operand(0x0fbe | int(self.source_size == 2), R8 + target.number, 4)
        else:
            assert isinstance(source, Register)
            c.sign_extend(R8 + target.number, R8 + source.number, self.source_size)
        return True


class LoadEffectiveAddress(Operation):
    _immutable_fields_ = ['target', 'source', 'size']

    def __init__(self, target, source, size):
        self.target = target
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, self.source.offset(cpu) & mask(self.size))

    def effect(self):
        return 0

    def template(self, c):
        target = self.target
        if self.size != 4 or not c.has_template(self.source):
            return False
        assert isinstance(target, Register)
        c.effective_address(R8 + target.number, self.source)
        return True


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

    def effect(self):
        return leaves(self.target)

    def template(self, c):
        target = self.target
        source = self.source
        size = target.size
        if not c.has_template(target) or not c.has_template(source):
            return False
        assert isinstance(source, Register)
        if target.is_memory:
            c.access(target, size, True)
            c.at_operand(0x8a | int(size != 1), RCX, size)
            c.at_operand(0x88 | int(size != 1), R8 + source.number, size)
        else:
            assert isinstance(target, Register)
            c.move(RCX, R8 + target.number)
            c.registers(0x88 | int(size != 1), R8 + source.number, R8 + target.number, size)
        c.registers(0x88 | int(size != 1), RCX, R8 + source.number, size)
        return True


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

    def effect(self):
        return READS | leaves(self.source)

    def template(self, c):
        target = self.target
        if target.size != 4 or not c.has_template(self.source):
            return False
        assert isinstance(target, Register)
        register = c.read(self.source, 4)
        c.want_flags()
        c.registers(0x0f40 | self.code, R8 + target.number, register)
        return True


class SetOnCondition(Operation):
    _immutable_fields_ = ['code', 'target']

    def __init__(self, code, target):
        self.code = code
        self.target = target

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, int(condition(cpu, self.code)))

    def effect(self):
        return READS | leaves(self.target)

    def template(self, c):
        target = self.target
        if not c.has_template(target):
            return False
        if target.is_memory:
            c.access(target, 1, True)
            c.free_accumulator()
            c.want_flags()
            c.at_operand(0x0f90 | self.code, 0, 1)
        else:
            assert isinstance(target, Register)
            c.want_flags()
            c.set(self.code, R8 + target.number)
        return True


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

    def effect(self):
        return 0

    def template(self, c):
        target = self.target
        if self.size != 4:
            return False
        assert isinstance(target, Register)
        c.swap_bytes(R8 + target.number)
        return True


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

    def effect(self):
        return 0

    def template(self, c):
        if self.size == 4:
            c.sign_extend(R8, R8, 2)
        else:
            c.registers(0x0fbe, R8, R8, 2)
        return True


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

    def effect(self):
        return 0 if self.size == 4 else READS | LEAVES

    def template(self, c):
        if self.size != 4:
            return False
        c.move(RAX, R8)
        c.byte(0x99)            # CDQ
        c.move(R8 + 2, RDX)
        return True


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

    def effect(self):
        return CHANGES | (READS if self.action == 2 else 0)

    def template(self, c):
        c.keep_flags()
        if self.action == 0:
            c.byte(0xf8)
        elif self.action == 1:
            c.byte(0xf9)
        else:
            c.want_flags()
            c.byte(0xf5)
        c.have_flags()
        return True


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
