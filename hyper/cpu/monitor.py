"""MONITOR and MWAIT (SDM vol. 2; vol. 3, 8.10.2): waiting until somebody stores to a line of memory, or for an event.

MWAIT may always end early. It does if the line is not as it was at MONITOR, or if an event has been taken since, whose handler can have written to
it.
"""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu import faults
from hyper.cpu.faults import GuestFault
from hyper.cpu.mmu import READ

LINE = 64                       # bytes, as CPUID 5 says
NOTHING = -1
WAKE_BY_MASKED = 1              # in ECX of MWAIT: an interrupt ends it even if IF is clear


@dont_look_inside
def monitor(system, segment, offset):
    """Watch the line of an address from now on."""
    if system.cpl != 0:
        raise faults.undefined()
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.monitor(system)
    if system.regs[1] != 0:
        raise GuestFault(faults.GP, 0)
    address = system.check_segment(segment, offset, 1, False)
    system.monitored = system.mmu.physical(address, READ, False) & ~(LINE - 1)
    system.monitored_content = content(system)


@dont_look_inside
def mwait(system):
    """Wait, if MONITOR has chosen a line and nothing has happened since."""
    if system.cpl != 0:
        raise faults.undefined()
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.mwait(system, system.monitored != NOTHING)
    if system.regs[1] & ~WAKE_BY_MASKED:
        raise GuestFault(faults.GP, 0)
    if system.monitored == NOTHING:
        return
    system.halted = True
    system.waits_for_store = True
    system.wakes_by_masked = system.regs[1] & WAKE_BY_MASKED != 0
    system.interrupt_changed()


def forget(system):
    """An event has been taken, or the wait is over."""
    system.monitored = NOTHING
    system.waits_for_store = False


def content(system):
    """The line, as a string."""
    return system.memory.read_bytes(system.monitored, LINE)


def ends(system):
    """Whether MWAIT's wait ends here, without an event being taken."""
    if system.monitored == NOTHING or content(system) != system.monitored_content:
        return True
    interrupts = system.interrupts
    return system.wakes_by_masked and interrupts is not None and interrupts.pending()
