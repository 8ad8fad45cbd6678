"""What a decoded instruction is: an immutable object whose `execute` is its semantics.

`execute(cpu, mode)` completes the instruction or raises an Abort with nothing changed. An operation that can transfer control is a Terminator: it
ends its block and sets `cpu.eip`. Slow paths work on the state at rest: see `SlowOperation`.
"""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu.faults import GuestFault, Breakpoint


# what an operation does with the arithmetic flags, and whether it may end early, in a fault or because its template leaves it to the interpreter
READS, WRITES, CHANGES, LEAVES = 1, 2, 4, 8


class Operation(object):
    """An instruction in the middle of a block. It knows nothing of where it stands, so equal instructions can share one (`Mode.share`), but for
    some that do not."""
    ends_block = False
    far = False             # mode, page or stop request may have changed after it
    checks = False          # events are looked at behind it, even if it goes forward
    indirect = False        # its target is not known when it is decoded
    counts = 1              # instructions retired
    shared = True           # may be one object for equal bytes at different places: see Mode.share
    computes = False        # has no template, but the JIT does well with it, so it is not called: see runner.give_to_jit
    called = True           # without a template: whether template code can call it, which begins it again if it aborts: see runner.perform
    enables_interrupts = False      # STI: the block ends after the next instruction, and events are checked there

    def execute(self, cpu, mode):
        raise NotImplementedError

    # -- for hyper.cpu.templates

    def effect(self):
        """READS, WRITES (all of the flags), CHANGES (some, or perhaps none), LEAVES."""
        return READS | LEAVES

    def template(self, c):
        """Write the host's code for it with a Compiler; False, with nothing written, if there is none."""
        return False


class Terminator(Operation):
    """The last operation of a block; `next` is the EIP of the instruction behind it."""
    _immutable_fields_ = ['next']
    ends_block = True
    called = False
    repeats = False         # whether it may come back to itself

    def __init__(self, next_eip):
        self.next = next_eip


class Fall(Terminator):
    """Not an instruction: the block ends here, and goes on at `next`."""
    counts = 0

    def execute(self, cpu, mode):
        cpu.eip = self.next

    def effect(self):
        return 0

    def template(self, c):
        c.save_flags()
        c.retire()
        c.go_to(self.next)
        return True


class FallAndCheck(Fall):
    """The end of a block behind which events must be looked at."""
    checks = True


class Indirect(Terminator):
    """A transfer whose target is found when it runs. One seen to go to many targets becomes `megamorphic`: compiled code is then left there, and
    the target's own code entered, in place of an ever longer chain of comparisons."""
    _immutable_fields_ = ['megamorphic?', 'targets']
    indirect = True
    MANY = 24

    def __init__(self, next_eip):
        Terminator.__init__(self, next_eip)
        self.megamorphic = False
        self.targets = []
        self.last_target = -1

    @dont_look_inside
    def note(self, target):
        """Remember a target; called by the interpreter when it differs from the last."""
        self.last_target = target
        if self.megamorphic or target in self.targets:
            return
        self.targets.append(target)
        if len(self.targets) > self.MANY:
            self.megamorphic = True


class SlowOperation(Operation):
    """An instruction done by a slow path that changes neither mode nor flow."""

    def execute(self, cpu, mode):
        system = mode.system
        cpu.save(system)
        self.slow(system)
        cpu.load(system)

    def slow(self, system):
        """The work, with the state at rest."""
        raise NotImplementedError


class SlowTerminator(Indirect):
    """An instruction done by a slow path that may change mode, privilege, stack, page tables or flow, or stop the processor."""
    far = True
    checks = True
    MANY = 8

    def execute(self, cpu, mode):
        system = mode.system
        cpu.save(system)
        system.eip = self.next
        self.slow(system)
        cpu.load(system)

    def slow(self, system):
        """The work, with the state at rest but EIP already at `next`: a transfer sets system.eip."""
        raise NotImplementedError


class Faulting(Terminator):
    """Raises a fault when it is reached: bytes that are no instruction, or bytes that cannot be fetched."""
    _immutable_fields_ = ['vector', 'error']

    def __init__(self, next_eip, vector, error):
        Terminator.__init__(self, next_eip)
        self.vector = vector
        self.error = error

    def execute(self, cpu, mode):
        raise GuestFault(self.vector, self.error)


class Unfetchable(Terminator):
    """Stands where an instruction's bytes cannot be fetched: translating the page again raises the fault, or finds that it has been mended."""
    _immutable_fields_ = ['page']
    counts = 0
    far = True

    def __init__(self, eip, page):
        Terminator.__init__(self, eip)
        self.page = page

    def execute(self, cpu, mode):
        self.fetch(mode)
        cpu.eip = self.next

    @dont_look_inside
    def fetch(self, mode):
        mode.system.mmu.physical(self.page, 2, mode.user)


class Stop(Terminator):
    """A breakpoint of the debugger or the guest."""
    counts = 0

    def execute(self, cpu, mode):
        raise Breakpoint()
