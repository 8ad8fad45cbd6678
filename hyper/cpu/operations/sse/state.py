"""When MMX and SSE instructions may run, and what becomes of their exceptions."""
from rpython.rlib.jit import dont_look_inside

from hyper.board import raw
from hyper.cpu import fpu, x87
from hyper.cpu.faults import GuestFault, GP, NM, UD, XM
from hyper.cpu.operations.sse.arithmetic import UNMASKED

EM, TS = 1 << 2, 1 << 3                         # CR0
OSFXSR, OSXMMEXCPT = 1 << 9, 1 << 10            # CR4
EXCEPTIONS = 0x3f


def check_sse(system):
    """Before an instruction on XMM registers or MXCSR (SDM vol. 3, table 13-1)."""
    if system.cr0 & EM or not system.cr4 & OSFXSR:
        raise GuestFault(UD)
    if system.cr0 & TS:
        raise GuestFault(NM)


def check_mmx(system):
    """Before an instruction on MMX registers: x87 exceptions that are pending come first."""
    if system.cr0 & EM:
        raise GuestFault(UD)
    if system.cr0 & TS:
        raise GuestFault(NM)
    if raw.load16(system.fpu.image, fpu.STATUS) & x87.SUMMARY:
        x87.pending(system)


def check(system, entry):
    if entry.xmm:
        check_sse(system)
    if entry.mmx:
        check_mmx(system)


@dont_look_inside
def note(system, flags):
    """Set exception flags in MXCSR; raises what becomes of one that is not masked."""
    system.fpu.mxcsr |= flags & EXCEPTIONS
    if flags & UNMASKED:
        raise GuestFault(XM if system.cr4 & OSXMMEXCPT else UD)


@dont_look_inside
def load_mxcsr(system, value):
    if value & ~system.model.mxcsr_mask():
        raise GuestFault(GP, 0)
    system.fpu.mxcsr = value
