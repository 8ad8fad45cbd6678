"""The state that guest code changes all the time, as the JIT wants it: a virtualizable object.

In a trace its fields are plain values in host registers. Everything else of the processor is in `System`. While guest code runs the registers are
here; at rest they are in `System` (see `load` and `save`), where slow paths, the VMM, the debugger and tests find them.
"""
from rpython.rlib.jit import hint, unroll_safe

from hyper.cpu import flags

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)


class CPU(object):
    """General registers, EIP, condition codes, instruction count, and the index of the running operation in its block.

    `icount` grows once a block; the running instruction is number `icount + index`. The arithmetic flags are in cc_*; DF and the
    system flags are in System.eflags."""
    _virtualizable_ = ['regs[*]', 'eip', 'cc_op', 'cc_size', 'cc_a', 'cc_b', 'icount', 'index']

    def __init__(self):
        self = hint(self, access_directly=True, fresh_virtualizable=True)
        self.regs = [0] * 8
        self.eip = 0
        self.cc_op = flags.CC_FLAGS
        self.cc_size = 4
        self.cc_a = 0
        self.cc_b = 0
        self.icount = 0
        self.index = 0

    @unroll_safe
    def load(self, system):
        """Take registers, EIP and flags from `system`, after a slow path."""
        i = 0
        while i < 8:
            self.regs[i] = system.regs[i]
            i += 1
        self.eip = system.eip
        self.cc_op = flags.CC_FLAGS
        self.cc_size = 4
        self.cc_a = system.eflags & flags.ARITHMETIC
        self.cc_b = 0

    def resume(self, system):
        """Take the whole state at rest from `system`, before running."""
        self.load(system)
        self.icount = system.icount
        self.index = 0

    @unroll_safe
    def save(self, system):
        """Give the state to `system`, where it is at rest: its `icount` is that of the running instruction, which has not yet retired."""
        i = 0
        while i < 8:
            system.regs[i] = self.regs[i]
            i += 1
        system.eip = self.eip
        system.eflags = (system.eflags & ~flags.ARITHMETIC) | flags.arithmetic(self)
        system.icount = self.icount + self.index
