"""EMMS, LDMXCSR, STMXCSR, MASKMOVQ, MASKMOVDQU, CLFLUSH."""
from rpython.rlib.jit import dont_look_inside

from hyper.board import raw
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.state import check_mmx, check_sse, load_mxcsr


class EmptyMMX(Operation):
    """EMMS."""

    def execute(self, cpu, mode):
        system = mode.system
        check_mmx(system)
        system.fpu.mmx_leave()


class LoadMXCSR(Operation):
    _immutable_fields_ = ['source']

    def __init__(self, source):
        self.source = source

    def execute(self, cpu, mode):
        check_sse(mode.system)
        load_mxcsr(mode.system, self.source.get(cpu, mode))


class StoreMXCSR(Operation):
    _immutable_fields_ = ['target']

    def __init__(self, target):
        self.target = target

    def execute(self, cpu, mode):
        check_sse(mode.system)
        self.target.set(cpu, mode, mode.system.fpu.mxcsr)


@dont_look_inside
def store_selected(mode, address, segment, source, mask, size):
    """Those of `size` bytes in the FPU's image whose mask byte has its highest bit set; all of them must be writable before one is written."""
    image = mode.system.fpu.image
    for k in range(size):
        if raw.load8(image, mask + k) & 0x80:
            mode.writable((address + k) & 0xffffffff, 1, segment)
    for k in range(size):
        if raw.load8(image, mask + k) & 0x80:
            mode.store8((address + k) & 0xffffffff, raw.load8(image, source + k), segment)


class MaskedMove(Operation):
    """MASKMOVDQU, and MASKMOVQ if `mmx`: `source` and `mask` are offsets of the image."""
    _immutable_fields_ = ['target', 'source', 'mask', 'mmx']

    def __init__(self, target, source, mask, mmx):
        self.target = target
        self.source = source
        self.mask = mask
        self.mmx = mmx

    def execute(self, cpu, mode):
        system = mode.system
        if self.mmx:
            check_mmx(system)
        else:
            check_sse(system)
        size = 8 if self.mmx else 16
        store_selected(mode, self.target.linear(cpu, mode, 0, size, True), self.target.check(), self.source, self.mask, size)
        if self.mmx:
            system.fpu.mmx_enter()


class FlushLine(Operation):
    """CLFLUSH: there are no caches to flush, but it faults as a load of the byte does."""
    _immutable_fields_ = ['operand']

    def __init__(self, operand):
        self.operand = operand

    def execute(self, cpu, mode):
        self.operand.get(cpu, mode)
