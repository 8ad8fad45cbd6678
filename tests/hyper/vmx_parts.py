"""A machine in VMX operation, with a VMCS that enters a small flat guest, for the tests of hyper.vmx."""
from hyper.board.memory import Memory
from hyper.cpu import flags, models
from hyper.cpu.system import System
from hyper.vmx import controls, events, fields, host, reasons
from hyper.vmx.controls import Capabilities
from hyper.vmx.operation import VMX, SUCCEED

REGION, VMCS, OTHER_VMCS, DIRECTORY = 0x1000, 0x2000, 0x3000, 0x4000
IO_BITMAPS, MSR_BITMAP, MSR_LIST, EPT_TABLES = 0x5000, 0x7000, 0x8000, 0x10000
CODE, STACK = 0x20000, 0x30000
MEMORY = 0x100000

# Core 2 Duo T7500 (facts/vt-x.md), and a processor with the secondary controls
CORE_2 = [0x005A08000000000B, 0x0000003F00000016, 0xF7F9FFFE0401E172, 0x0003EFFF00036DFF, 0x00001FFF000011FF, 0x403C0, 0x80000021, 0xFFFFFFFF,
          0x2000, 0x67FF, 0x2C, 0, 0]
WITH_EPT = CORE_2[:2] + [0xF7F9FFFE0401E172 | 1 << 63] + CORE_2[3:11] + [0xE2 << 32, 0]


class Interrupts(object):
    """An interrupt controller with one request."""

    def __init__(self, vector):
        self.vector = vector
        self.acknowledged = 0

    def pending(self):
        return self.acknowledged == 0

    def acknowledge(self):
        self.acknowledged += 1
        return self.vector


def make(msrs=CORE_2):
    """A processor in VMX root operation."""
    system = System(Memory(MEMORY), models.find('pentium-3'))
    system.vmx = VMX(system, Capabilities(msrs, 36))
    host.start(system.vmx, REGION)
    assert system.vmx.status == SUCCEED
    return system.vmx


def make_with_guest(msrs=CORE_2, **controls_wanted):
    """With a VMCS, current and clear, whose guest runs at CODE in ring 0, flat, paged one to one."""
    vmx = make(msrs)
    load(vmx)
    fill(vmx, **controls_wanted)
    return vmx


def load(vmx, at=VMCS):
    host.clear_region(vmx, at)
    vmx.vmclear(at)
    vmx.vmptrld(at)
    assert vmx.status == SUCCEED


def fill(vmx, pin=0, processor=0, exit=0, entry=0, secondary=0):
    host.prepare_host_state(vmx)
    host.prepare_controls(vmx, pin, processor, exit, entry, secondary)
    vmx.memory.write32(DIRECTORY, 0x83 | 0x40 | 0x20)
    w = vmx.vmwrite
    w(fields.GUEST_CR0, 0x80000031)
    w(fields.GUEST_CR3, DIRECTORY)
    w(fields.GUEST_CR4, 0x2010)
    for s in range(6):
        w(fields.GUEST_ES_SELECTOR + 2 * s, 0x10)
        w(fields.GUEST_ES_LIMIT + 2 * s, 0xffffffff)
        w(fields.GUEST_ES_ACCESS + 2 * s, 0xc093)
    w(fields.GUEST_CS_SELECTOR, 0x08)
    w(fields.GUEST_CS_ACCESS, 0xc09b)
    w(fields.GUEST_LDTR_ACCESS, 0x10000)
    w(fields.GUEST_TR_ACCESS, 0x8b)
    w(fields.GUEST_TR_LIMIT, 0x67)
    w(fields.GUEST_RIP, CODE)
    w(fields.GUEST_RSP, STACK)
    w(fields.GUEST_RFLAGS, 2)


def enter(vmx, launch=True):
    """Only the entry: the guest's state in the processor, nothing run."""
    vmx.vmm_host = True
    vmx.enter_guest(launch)


def enters(vmx):
    """Whether the guest can be entered; leaves it again by an exit."""
    from hyper.vmx import exits
    enter(vmx)
    if vmx.status == SUCCEED and vmx.system.vmx_non_root:
        exits.vm_exit(vmx.system, reasons.HLT)
        vmx.vmclear(VMCS)
        vmx.vmptrld(VMCS)
        return True
    return False


def exit_reason(vmx):
    return vmx.vmread(fields.EXIT_REASON)


def qualification(vmx):
    return vmx.vmread(fields.EXIT_QUALIFICATION)
