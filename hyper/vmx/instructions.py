"""The VMX instructions as guest code executes them: faults of mode and privilege, VM exits in non-root operation, and the flags that tell how an
instruction ended (SDM vol. 3, 30.2 and 30.3).

Called at rest by the engine's operations (by way of hyper.cpu.control), with EIP already behind the instruction."""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu import flags
from hyper.cpu.faults import GuestFault, UD, GP
from hyper.cpu.mmu import CR0_PE
from hyper.vmx import intercepts, reasons
from hyper.vmx.operation import FAIL_INVALID, FAIL_VALID

CR4_VMXE = 1 << 13
VMCALL, VMLAUNCH, VMRESUME, VMXOFF = 1, 2, 3, 4         # 0F 01 with these in the ModR/M byte's low bits
VMXON, VMCLEAR, VMPTRLD, VMPTRST = range(4)
POINTER_REASONS = [reasons.VMXON, reasons.VMCLEAR, reasons.VMPTRLD, reasons.VMPTRST]
CALL_REASONS = [0, reasons.VMCALL, reasons.VMLAUNCH, reasons.VMRESUME, reasons.VMXOFF]


def check(system, reason, displacement=0):
    """What every VMX instruction checks before its operand is looked at: #UD, VM exit, #GP. reason: its own exit reason. VMXON is different in that it
    may be executed outside VMX operation, VMCALL in that it exits from any ring."""
    vmx = system.vmx
    if vmx is None or system.cr0 & CR0_PE == 0 or system.eflags & flags.VM:
        raise GuestFault(UD)
    if reason == reasons.VMXON:
        if system.cr4 & CR4_VMXE == 0:
            raise GuestFault(UD)
    elif not vmx.on:
        raise GuestFault(UD)
    if system.vmx_non_root:
        intercepts.vmx_instruction(system, reason, displacement)
    if system.cpl > 0 and reason != reasons.VMCALL:
        raise GuestFault(GP, 0)


def conclude(system):
    """Set the flags: all clear, CF for VMfailInvalid, ZF for VMfailValid."""
    status = system.vmx.status
    value = 0
    if status == FAIL_INVALID:
        value = flags.CF
    elif status == FAIL_VALID:
        value = flags.ZF
    system.eflags = (system.eflags & ~flags.ARITHMETIC) | value


@dont_look_inside
def execute(system, number):
    """VMCALL, VMLAUNCH, VMRESUME, VMXOFF. In non-root operation VMCALL exits in any mode but none of the others' checks apply to it."""
    vmx = system.vmx
    if number == VMCALL and system.vmx_non_root:
        intercepts.vmx_instruction(system, reasons.VMCALL)
    check(system, CALL_REASONS[number])
    vmx.vmm_host = False
    if number == VMCALL:
        vmx.vmcall()
    elif number == VMXOFF:
        vmx.vmxoff()
    else:
        entered_from = system.eip
        vmx.enter_guest(number == VMLAUNCH)
        if vmx.status == 0:
            return              # the guest's state, or the host's after a late failure, is loaded
        assert system.eip == entered_from
    conclude(system)


@dont_look_inside
def check_pointer(system, kind):
    """Before the operand of VMXON, VMCLEAR, VMPTRLD or VMPTRST is looked at."""
    check(system, POINTER_REASONS[kind])


@dont_look_inside
def pointer(system, kind, physical):
    """VMXON, VMCLEAR, VMPTRLD with the 64-bit operand."""
    vmx = system.vmx
    vmx.vmm_host = False
    if kind == VMXON:
        vmx.vmxon(physical)
    elif kind == VMCLEAR:
        vmx.vmclear(physical)
    else:
        vmx.vmptrld(physical)
    conclude(system)


@dont_look_inside
def store_pointer(system):
    """VMPTRST: the 64-bit value to store."""
    value = system.vmx.vmptrst()
    conclude(system)
    return value


@dont_look_inside
def check_access(system, write):
    """Before the operands of VMREAD or VMWRITE are looked at."""
    check(system, reasons.VMWRITE if write else reasons.VMREAD)


@dont_look_inside
def read(system, encoding):
    """VMREAD: the value, or -1 if nothing is to be written to the operand."""
    value = system.vmx.vmread(encoding)
    conclude(system)
    return value


@dont_look_inside
def write(system, encoding, value):
    system.vmx.vmwrite(encoding, value)
    conclude(system)


@dont_look_inside
def check_invalidate(system, vpid):
    """Before the operands of INVVPID or INVEPT are looked at."""
    vmx = system.vmx
    if vmx is None or not vmx.capabilities.has_ept:
        raise GuestFault(UD)
    check(system, reasons.INVVPID if vpid else reasons.INVEPT)


@dont_look_inside
def invalidate(system, vpid, kind, low, address):
    """INVVPID, INVEPT: kind: the type in the register operand; low: the VPID or the EPT pointer's low half; address: the linear address."""
    if vpid:
        system.vmx.invvpid(kind, low, address)
    else:
        system.vmx.invept(kind)
    conclude(system)
