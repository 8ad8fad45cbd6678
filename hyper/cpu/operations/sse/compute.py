"""Instructions whose work is done by arithmetic.c."""
from hyper.board import raw
from hyper.cpu import fpu
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.operands import RESULT
from hyper.cpu.operations.sse.state import check, note
from hyper.cpu.operations.sse.template import LOAD, STORE, XMM0, XMM1, begin, has_template, image, instruction, load_xmm
from hyper.cpu.templates.assembler import NO_INDEX, R8, RCX


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


    def template(self, c):
        entry = self.entry
        source = self.source
        by_constant = entry.source.kind == 'I'
        if not entry.same_on_host or not has_template(c, source, 16):
            return False
        begin(c)
        if by_constant:
            image(c)
        else:
            load_xmm(c, XMM1, source)
        c.memory(LOAD, XMM0, RCX, NO_INDEX, 0, self.to, 2)
        if by_constant:
            instruction(c, entry, entry.group, XMM0)
        else:
            instruction(c, entry, XMM0, XMM1)
        if entry.immediate:
            c.byte(self.immediate)
        c.memory(STORE, XMM0, RCX, NO_INDEX, 0, self.to, 2)
        return True


class ComputeMMX(Compute):
    """The result is in an MMX register, and makes the x87 register that it lies in a NaN."""

    def template(self, c):
        return False

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

    def template(self, c):
        entry = self.entry
        if not entry.same_on_host:
            return False
        begin(c)
        load_xmm(c, XMM1, self.source)
        instruction(c, entry, R8 + self.to, XMM1)
        if entry.immediate:
            c.byte(self.immediate)
        return True
