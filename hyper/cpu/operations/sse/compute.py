"""Instructions whose work is done by arithmetic.c."""
from hyper.board import raw
from hyper.cpu import fpu
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.operands import RESULT
from hyper.cpu.operations.sse.state import check, note


class Compute(Operation):
    """The result is in an XMM register."""
    computes = True
    _immutable_fields_ = ['entry', 'to', 'source', 'immediate']

    def __init__(self, entry, to, source, immediate):
        self.entry = entry
        self.to = to
        self.source = source
        self.immediate = immediate

    def execute(self, cpu, mode):
        system = mode.system
        check(system, self.entry)
        flags = self.source.run(cpu, mode, self.entry.number, self.to, self.immediate)
        if self.entry.mmx:
            system.fpu.mmx_enter()      # as silicon does, even before an exception of MXCSR
        if flags:
            note(system, flags)


class ComputeMMX(Compute):
    """The result is in an MMX register, and makes the x87 register that it lies in a NaN."""

    def execute(self, cpu, mode):
        Compute.execute(self, cpu, mode)
        raw.store16(mode.system.fpu.image, self.to + fpu.EXPONENT, 0xffff)


class ComputeGeneral(Compute):
    """The result is in a general register: `to` is its number."""

    def execute(self, cpu, mode):
        system = mode.system
        check(system, self.entry)
        flags = self.source.run(cpu, mode, self.entry.number, RESULT, self.immediate)
        if self.entry.mmx:
            system.fpu.mmx_enter()
        if flags:
            note(system, flags)
        to = self.to
        assert to >= 0
        cpu.regs[to] = raw.load32(system.fpu.image, RESULT)
