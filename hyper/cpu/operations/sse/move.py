"""Moves between XMM, MMX and general registers and memory, of 4, 8 and 16 bytes."""
from hyper.board import raw
from hyper.cpu import fpu
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.state import check


class Load(Operation):
    """To an XMM register. `to` may be the offset of its upper half; `clears`: the bytes above become zero."""
    computes = True
    _immutable_fields_ = ['entry', 'to', 'source']

    def __init__(self, entry, to, source):
        self.entry = entry
        self.to = to
        self.source = source

    def execute(self, cpu, mode):
        entry = self.entry
        system = mode.system
        check(system, entry)
        size = entry.target.size
        to = self.to
        image = system.fpu.image
        if size == 16:
            self.source.copy128(cpu, mode, to)
        elif size == 8:
            raw.store64(image, to, self.source.load64(cpu, mode))
        else:
            value = self.source.load32(cpu, mode)
            if entry.target.clears:
                raw.store64(image, to, value)
            else:
                raw.store32(image, to, value)
        if entry.target.clears:
            raw.store64(image, to + 8, 0)
        if entry.mmx:
            system.fpu.mmx_enter()


class LoadMMX(Operation):
    """To an MMX register."""
    computes = True
    _immutable_fields_ = ['entry', 'to', 'source']

    def __init__(self, entry, to, source):
        self.entry = entry
        self.to = to
        self.source = source

    def execute(self, cpu, mode):
        entry = self.entry
        system = mode.system
        check(system, entry)
        image = system.fpu.image
        if entry.target.size == 8:
            value = self.source.load64(cpu, mode)
        else:
            value = self.source.load32(cpu, mode)
        raw.store64(image, self.to, value)
        raw.store16(image, self.to + fpu.EXPONENT, 0xffff)
        system.fpu.mmx_enter()


class Store(Operation):
    """From a register to memory."""
    computes = True
    _immutable_fields_ = ['entry', 'target', 'at']

    def __init__(self, entry, target, at):
        self.entry = entry
        self.target = target
        self.at = at

    def execute(self, cpu, mode):
        entry = self.entry
        system = mode.system
        check(system, entry)
        size = entry.target.size
        if size == 16:
            self.target.store128(cpu, mode, self.at)
        elif size == 8:
            self.target.store64(cpu, mode, self.at)
        else:
            self.target.store32(cpu, mode, raw.load32(system.fpu.image, self.at))
        if entry.mmx:
            system.fpu.mmx_enter()


class StoreGeneral(Operation):
    """MOVD to a general register."""
    computes = True
    _immutable_fields_ = ['entry', 'number', 'at']

    def __init__(self, entry, number, at):
        self.entry = entry
        self.number = number
        self.at = at

    def execute(self, cpu, mode):
        system = mode.system
        check(system, self.entry)
        n = self.number
        assert n >= 0
        cpu.regs[n] = raw.load32(system.fpu.image, self.at)
        if self.entry.mmx:
            system.fpu.mmx_enter()


class StoreFromGeneral(Operation):
    """MOVNTI."""
    computes = True
    _immutable_fields_ = ['target', 'number']

    def __init__(self, target, number):
        self.target = target
        self.number = number

    def execute(self, cpu, mode):
        n = self.number
        assert n >= 0
        self.target.store32(cpu, mode, cpu.regs[n])
