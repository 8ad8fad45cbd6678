"""Moves between XMM, MMX and general registers and memory, of 4, 8 and 16 bytes."""
from hyper.board import raw
from hyper.cpu import fpu
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.state import check
from hyper.cpu.operations.sse.template import LOAD, STORE, XMM0, access, begin, has_template, image, load_general, load_xmm
from hyper.cpu.templates.assembler import NO_INDEX, R8, RCX, RDI, RDX


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

    def template(self, c):
        entry = self.entry
        size = entry.target.size
        source = self.source
        to = self.to
        if entry.mmx or not has_template(c, source, size):
            return False
        begin(c)
        if size == 16:
            load_xmm(c, XMM0, source)
            c.memory(STORE, XMM0, RCX, NO_INDEX, 0, to, 2)
            return True
        load_general(c, source, size)
        clears = entry.target.clears
        c.memory(0x89, RDX, RCX, NO_INDEX, 0, to, 4, int(size == 8 or clears))
        if clears:
            c.memory(0xc7, 0, RCX, NO_INDEX, 0, to + 8, 4, 1)
            c.word(0)
        return True


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

    def template(self, c):
        size = self.entry.target.size
        target = self.target
        if self.entry.mmx or not has_template(c, target, size):
            return False
        begin(c)
        access(c, target, size, True)
        image(c)
        if size == 16:
            c.memory(LOAD, XMM0, RCX, NO_INDEX, 0, self.at, 2)
            c.at_operand(STORE, XMM0, 2)
        else:
            wide = int(size == 8)
            c.memory(0x8b, RDX, RCX, NO_INDEX, 0, self.at, 4, wide)
            c.memory(0x89, RDX, RDI, c.place, 0, 0, 4, wide)
        return True


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

    def template(self, c):
        if self.entry.mmx:
            return False
        begin(c)
        image(c)
        c.load(R8 + self.number, RCX, self.at)
        return True


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

    def template(self, c):
        if not has_template(c, self.target, 4):
            return False
        access(c, self.target, 4, True)
        c.at_operand(0x89, R8 + self.number, 4)
        return True
