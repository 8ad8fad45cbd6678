"""Near transfers of control: Jcc, JMP, CALL, RET, LOOP, JCXZ (SDM vol. 2). One that would leave CS faults itself, before anything changes."""
from hyper.cpu.faults import GuestFault, GP
from hyper.cpu.flags import M32, zero, condition
from hyper.cpu.operations.base import Terminator, Indirect, READS, LEAVES
from hyper.cpu.templates import frame
from hyper.cpu.templates.assembler import RAX, RBP, R8, E, NE


def check_target(mode, eip):
    """#GP(0) for an indirect target beyond the limit of CS."""
    if mode.cs_limit != M32 and eip > mode.cs_limit:
        raise GuestFault(GP, 0)


class Jump(Terminator):
    _immutable_fields_ = ['target']

    def __init__(self, next_eip, target):
        Terminator.__init__(self, next_eip)
        self.target = target

    def execute(self, cpu, mode):
        cpu.eip = self.target

    def taken(self, cpu):
        """Whether it will go to its target."""
        return True

    def effect(self):
        return 0

    def template(self, c):
        c.save_flags()
        c.retire()
        c.go_to(self.target)
        return True

    def fork(self, c, condition):
        """The end of the template of a conditional jump."""
        c.retire()
        taken = c.jump_if(condition)
        c.go_to(self.next)
        c.land(taken)
        c.go_to(self.target)


class JumpConditional(Jump):
    _immutable_fields_ = ['code']

    def __init__(self, next_eip, target, code):
        Jump.__init__(self, next_eip, target)
        self.code = code

    def execute(self, cpu, mode):
        if condition(cpu, self.code):
            cpu.eip = self.target
        else:
            cpu.eip = self.next

    def taken(self, cpu):
        return condition(cpu, self.code)

    def effect(self):
        return READS

    def template(self, c):
        c.flags_for_jump()
        self.fork(c, self.code)
        return True


class Loop(Jump):
    """LOOPNE (0), LOOPE (1), LOOP (2): the counter is CX or ECX by address size."""
    _immutable_fields_ = ['kind', 'counter_mask']

    def __init__(self, next_eip, target, kind, counter_mask):
        Jump.__init__(self, next_eip, target)
        self.kind = kind
        self.counter_mask = counter_mask

    def execute(self, cpu, mode):
        m = self.counter_mask
        count = (cpu.regs[1] - 1) & m
        cpu.regs[1] = (cpu.regs[1] & ~m) | count
        if count != 0 and (self.kind == 2 or zero(cpu) == (self.kind == 1)):
            cpu.eip = self.target
        else:
            cpu.eip = self.next

    def taken(self, cpu):
        return (cpu.regs[1] - 1) & self.counter_mask != 0 and (self.kind == 2 or zero(cpu) == (self.kind == 1))

    def template(self, c):
        if self.kind != 2 or self.counter_mask != M32:
            return False
        c.save_flags()
        c.registers(0xff, 1, R8 + 1)            # DEC
        self.fork(c, NE)
        return True


class JumpCounterZero(Jump):
    """JCXZ, JECXZ."""
    _immutable_fields_ = ['counter_mask']

    def __init__(self, next_eip, target, counter_mask):
        Jump.__init__(self, next_eip, target)
        self.counter_mask = counter_mask

    def execute(self, cpu, mode):
        if self.taken(cpu):
            cpu.eip = self.target
        else:
            cpu.eip = self.next

    def taken(self, cpu):
        return cpu.regs[1] & self.counter_mask == 0

    def template(self, c):
        if self.counter_mask != M32:
            return False
        c.save_flags()
        c.registers(0x85, R8 + 1, R8 + 1)       # TEST
        self.fork(c, E)
        return True


class Call(Jump):
    _immutable_fields_ = ['size']

    def __init__(self, next_eip, target, size):
        Jump.__init__(self, next_eip, target)
        self.size = size

    def execute(self, cpu, mode):
        mode.push(cpu, self.next, self.size)
        cpu.eip = self.target

    def effect(self):
        return LEAVES

    def template(self, c):
        if self.size != 4:
            return False
        c.push_constant(self.next)
        c.retire()
        c.go_to(self.target)
        return True


class JumpBeyondLimit(Terminator):
    """A relative jump or call of any kind whose target lies beyond the limit of CS: it faults if it is taken."""
    _immutable_fields_ = ['jump']

    def __init__(self, jump):
        Terminator.__init__(self, jump.next)
        self.jump = jump

    def execute(self, cpu, mode):
        if self.jump.taken(cpu):
            raise GuestFault(GP, 0)
        self.jump.execute(cpu, mode)


class JumpIndirect(Indirect):
    _immutable_fields_ = ['target']

    def __init__(self, next_eip, target):
        Indirect.__init__(self, next_eip)
        self.target = target

    def execute(self, cpu, mode):
        target = self.target.get(cpu, mode)
        check_target(mode, target)
        cpu.eip = target

    def effect(self):
        return LEAVES

    def template(self, c):
        if self.target.size != 4 or not c.has_template(self.target):
            return False
        c.save_flags()
        c.move(RAX, c.read(self.target, 4))
        c.check_target(RAX)
        c.go_to_register()
        return True


class CallIndirect(Indirect):
    _immutable_fields_ = ['target', 'size']

    def __init__(self, next_eip, target, size):
        Indirect.__init__(self, next_eip)
        self.target = target
        self.size = size

    def execute(self, cpu, mode):
        target = self.target.get(cpu, mode)
        check_target(mode, target)
        mode.push(cpu, self.next, self.size)
        cpu.eip = target

    def effect(self):
        return LEAVES

    def template(self, c):
        if self.size != 4 or self.target.size != 4 or not c.has_template(self.target):
            return False
        c.save_flags()
        c.move(RAX, c.read(self.target, 4))
        c.check_target(RAX)
        c.store(RAX, RBP, frame.TEMPORARY)
        c.push_constant(self.next)
        c.load(RAX, RBP, frame.TEMPORARY)
        c.go_to_register()
        return True


class Return(Indirect):
    """RET, releasing `release` bytes of arguments."""
    _immutable_fields_ = ['size', 'release']

    def __init__(self, next_eip, size, release):
        Indirect.__init__(self, next_eip)
        self.size = size
        self.release = release

    def execute(self, cpu, mode):
        target = mode.peek(cpu, 0, self.size)
        check_target(mode, target)
        cpu.eip = target
        mode.move_stack(cpu, self.size + self.release)

    def effect(self):
        return LEAVES

    def template(self, c):
        if self.size != 4:
            return False
        c.access_stack(0, 4, False)
        c.at_operand(0x8b, RAX, 4)
        c.check_target(RAX)
        c.move_stack(4 + self.release)
        c.go_to_register()
        return True
