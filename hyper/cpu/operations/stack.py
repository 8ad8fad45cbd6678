"""PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE (SDM vol. 2)."""
from rpython.rlib.jit import unroll_safe

from hyper.cpu import control
from hyper.cpu.faults import Abort
from hyper.cpu.mode import SS, M32
from hyper.cpu.operations.base import Operation, SlowTerminator, READS, LEAVES
from hyper.cpu.operations.operands import Immediate, Register
from hyper.cpu.templates import frame as F
from hyper.cpu.templates.assembler import RCX, RBP, R8, STACK


class Push(Operation):
    _immutable_fields_ = ['source', 'size']

    def __init__(self, source, size):
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        mode.push(cpu, self.source.get(cpu, mode), self.size)

    def effect(self):
        return LEAVES | (READS if self.size != 4 else 0)

    def template(self, c):
        source = self.source
        if self.size != 4 or not c.has_template(source):
            return False
        if source.is_memory:
            c.store(c.read(source, 4), RBP, F.TEMPORARY)
        c.access_stack(-4, 4, True)
        if isinstance(source, Immediate):
            c.at_operand(0xc7, 0, 4)
            c.immediate(source.value, 4)
        elif isinstance(source, Register):
            c.at_operand(0x89, R8 + source.number, 4)
        else:
            c.load(RCX, RBP, F.TEMPORARY)
            c.at_operand(0x89, RCX, 4)
        c.move_stack(-4)
        return True


class PushSegment(Operation):
    """The selector, zero-extended; with 32-bit operands only its 16 bits are written, as silicon does."""
    _immutable_fields_ = ['segment', 'size']

    def __init__(self, segment, size):
        self.segment = segment
        self.size = size

    def execute(self, cpu, mode):
        mode.store_at(SS, (cpu.regs[4] - self.size) & mode.sp_mask, mode.system.selector[self.segment], 2)
        mode.move_stack(cpu, -self.size)


class Pop(Operation):
    """A memory operand based on ESP uses ESP after the increment."""
    _immutable_fields_ = ['target', 'size']

    def __init__(self, target, size):
        self.target = target
        self.size = size

    def execute(self, cpu, mode):
        esp = cpu.regs[4]
        value = mode.peek(cpu, 0, self.size)
        mode.move_stack(cpu, self.size)
        if self.target.is_memory:
            try:
                self.target.set(cpu, mode, value)
            except Abort:
                cpu.regs[4] = esp
                raise
        else:
            self.target.set(cpu, mode, value)

    def effect(self):
        return LEAVES | (READS if self.size != 4 or self.target.is_memory else 0)

    def template(self, c):
        target = self.target
        if self.size != 4 or target.is_memory:
            return False
        assert isinstance(target, Register)
        c.access_stack(0, 4, False)
        c.move_stack(4)
        c.at_operand(0x8b, R8 + target.number, 4)
        return True


class PushAll(Operation):
    _immutable_fields_ = ['size']

    def __init__(self, size):
        self.size = size

    @unroll_safe
    def execute(self, cpu, mode):
        size = self.size
        m = M32 if size == 4 else 0xffff
        esp = cpu.regs[4]
        # in order, as silicon does: a fault leaves bytes below the stack changed
        i = 0
        while i < 8:
            mode.store_at(SS, (esp - size * (i + 1)) & mode.sp_mask, cpu.regs[i] & m, size)
            i += 1
        mode.move_stack(cpu, -8 * size)


class PopAll(Operation):
    """The stored ESP is skipped."""
    _immutable_fields_ = ['size']

    def __init__(self, size):
        self.size = size

    def execute(self, cpu, mode):
        size = self.size
        edi = mode.peek(cpu, 0, size)
        esi = mode.peek(cpu, size, size)
        ebp = mode.peek(cpu, 2 * size, size)
        ebx = mode.peek(cpu, 4 * size, size)
        edx = mode.peek(cpu, 5 * size, size)
        ecx = mode.peek(cpu, 6 * size, size)
        eax = mode.peek(cpu, 7 * size, size)
        keep = 0 if size == 4 else 0xffff0000
        cpu.regs[7] = (cpu.regs[7] & keep) | edi
        cpu.regs[6] = (cpu.regs[6] & keep) | esi
        cpu.regs[5] = (cpu.regs[5] & keep) | ebp
        cpu.regs[3] = (cpu.regs[3] & keep) | ebx
        cpu.regs[2] = (cpu.regs[2] & keep) | edx
        cpu.regs[1] = (cpu.regs[1] & keep) | ecx
        cpu.regs[0] = (cpu.regs[0] & keep) | eax
        mode.move_stack(cpu, 8 * size)


class PushFlags(Operation):
    _immutable_fields_ = ['size']

    def __init__(self, size):
        self.size = size

    def execute(self, cpu, mode):
        cpu.save(mode.system)
        value = control.pushf(mode.system, self.size)
        mode.push(cpu, value if self.size == 4 else value & 0xffff, self.size)


class PopFlags(SlowTerminator):
    """It may enable interrupts, so the block ends and events are looked at."""
    _immutable_fields_ = ['size']
    called = True

    def __init__(self, next_eip, size):
        SlowTerminator.__init__(self, next_eip)
        self.size = size

    def execute(self, cpu, mode):
        system = mode.system
        value = mode.peek(cpu, 0, self.size)
        cpu.save(system)
        control.popf(system, value, self.size)
        cpu.load(system)
        mode.move_stack(cpu, self.size)
        cpu.eip = self.next


class Enter(Operation):
    """ENTER with a nesting level of 0 to 31."""
    _immutable_fields_ = ['allocate', 'level', 'size']
    called = False          # it may fault behind stores to what it reads, so it cannot be begun twice

    def __init__(self, allocate, level, size):
        self.allocate = allocate
        self.level = level
        self.size = size

    @unroll_safe
    def execute(self, cpu, mode):
        size = self.size
        m = M32 if size == 4 else 0xffff
        ebp = cpu.regs[5]
        top = (cpu.regs[4] - size) & mode.sp_mask
        mode.store_at(SS, top, ebp & m, size)
        frame = (cpu.regs[4] & ~mode.sp_mask) | top     # of ESP, on a 16-bit stack too
        i = 1
        while i < self.level:
            value = mode.load_at(SS, (ebp - i * size) & mode.sp_mask, size)
            top = (top - size) & mode.sp_mask
            mode.store_at(SS, top, value, size)
            i += 1
        if self.level > 0:
            top = (top - size) & mode.sp_mask
            mode.store_at(SS, top, frame & m, size)
        top = (top - self.allocate) & mode.sp_mask
        mode.check_writable(SS, top, size)      # the manual's check of the final stack pointer
        cpu.regs[5] = (ebp & ~m & M32) | (frame & m)
        if mode.stack32:
            cpu.regs[4] = top
        else:
            cpu.regs[4] = (cpu.regs[4] & 0xffff0000) | top


class Leave(Operation):
    _immutable_fields_ = ['size']

    def __init__(self, size):
        self.size = size

    def execute(self, cpu, mode):
        size = self.size
        frame = cpu.regs[5] & mode.sp_mask
        value = mode.load_at(SS, frame, size)
        if mode.stack32:
            cpu.regs[4] = (frame + size) & M32
        else:
            cpu.regs[4] = (cpu.regs[4] & 0xffff0000) | ((frame + size) & 0xffff)
        if size == 4:
            cpu.regs[5] = value
        else:
            cpu.regs[5] = (cpu.regs[5] & 0xffff0000) | value

    def effect(self):
        return LEAVES | (READS if self.size != 4 else 0)

    def template(self, c):
        if self.size != 4:
            return False
        c.save_flags()
        c.access_at(R8 + 5, 0, 4, False)
        c.lea(STACK, R8 + 5, -1, 0, 4)
        c.at_operand(0x8b, R8 + 5, 4)
        return True
