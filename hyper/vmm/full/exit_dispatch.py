"""What the VMM does about each basic exit reason (SDM vol. 3, appendix C): a table of handlers, each a function of the domain."""
from hyper.vmm.full.cpuid import exit_cpuid
from hyper.vmm.full.cr_access import exit_cr_access
from hyper.vmm.full.dr_access import exit_dr_access
from hyper.vmm.full.hlt import exit_hlt
from hyper.vmm.full.io import exit_io
from hyper.vmm.full.msr import exit_rdmsr, exit_rdpmc, exit_wrmsr
from hyper.vmm.full.reflected import PF, Reflected, Unsupported, undefined
from hyper.vmm.full.task_switch import exit_task_switch
from hyper.vmm.full.vtlb import DEVICE, REFLECT
from hyper.vmm.domain import REASONS
from hyper.vmx import fields, reasons

VECTOR = 0xff


def exit_exception(domain):
    """Only page faults are in the exception bitmap, and those only with shadow page tables."""
    guest = domain.guest
    if guest.read(fields.EXIT_INTERRUPTION_INFORMATION) & VECTOR != PF:
        raise Unsupported('caused an exception that was not to exit')
    domain.injector.exited()
    address = guest.read(fields.EXIT_QUALIFICATION)
    error = guest.read(fields.EXIT_INTERRUPTION_ERROR_CODE)
    outcome = domain.shadow.fill(address, error)
    if outcome == REFLECT:
        domain.reflect(PF, domain.shadow.error, address)
    elif outcome == DEVICE:
        access_device(domain)
    else:
        domain.shadow_fills += 1


def exit_ept_violation(domain):
    domain.injector.exited()
    # what PSE-36 or PAE puts above 4 GB is no RAM
    if domain.guest.read(fields.GUEST_PHYSICAL_ADDRESS + 1) == 0 and domain.ept.fill(domain.guest.read(fields.GUEST_PHYSICAL_ADDRESS)):
        domain.shadow_fills += 1
    else:
        access_device(domain)


def access_device(domain):
    if domain.injector.is_delivering():
        raise Unsupported('has its stack or descriptor tables where there is no memory')
    domain.emulator.emulate()


def exit_invlpg(domain):
    guest = domain.guest
    if domain.shadow is not None:
        domain.shadow.invalidate(guest.read(fields.EXIT_QUALIFICATION))
    guest.skip_instruction()


def exit_ignored(domain):
    """INVD, WBINVD, PAUSE: there is no cache to flush."""
    domain.guest.skip_instruction()


def exit_undefined(domain):
    """An instruction of something that CPUID does not offer."""
    raise undefined()


def exit_external_interrupt(domain):
    if domain.host.host_interrupt(domain):
        domain.preempt()


def exit_interrupt_window(domain):
    """The entry that follows injects the interrupt, or the NMI."""


def exit_triple_fault(domain):
    domain.die('triple fault')


def exit_invalid_guest_state(domain):
    domain.die('VM-entry failure: ' + domain.guest.vmx.failed_check)


def exit_unexpected(domain):
    raise Unsupported('caused ' + reasons.reason_name(domain.guest.read(fields.EXIT_REASON)))


def _table():
    table = [exit_unexpected] * REASONS
    table[reasons.EXCEPTION_OR_NMI] = exit_exception
    table[reasons.EXTERNAL_INTERRUPT] = exit_external_interrupt
    table[reasons.TRIPLE_FAULT] = exit_triple_fault
    table[reasons.INTERRUPT_WINDOW] = exit_interrupt_window
    table[reasons.NMI_WINDOW] = exit_interrupt_window
    table[reasons.TASK_SWITCH] = exit_task_switch
    table[reasons.CPUID] = exit_cpuid
    table[reasons.HLT] = exit_hlt
    table[reasons.INVLPG] = exit_invlpg
    table[reasons.RDPMC] = exit_rdpmc
    table[reasons.CR_ACCESS] = exit_cr_access
    table[reasons.DR_ACCESS] = exit_dr_access
    table[reasons.IO_INSTRUCTION] = exit_io
    table[reasons.RDMSR] = exit_rdmsr
    table[reasons.WRMSR] = exit_wrmsr
    table[reasons.INVALID_GUEST_STATE] = exit_invalid_guest_state
    table[reasons.MSR_LOADING] = exit_invalid_guest_state
    table[reasons.EPT_VIOLATION] = exit_ept_violation
    for reason in [reasons.INVD, reasons.WBINVD, reasons.PAUSE]:
        table[reason] = exit_ignored
    for reason in [reasons.GETSEC, reasons.RSM, reasons.VMCALL, reasons.VMCLEAR, reasons.VMLAUNCH, reasons.VMPTRLD, reasons.VMPTRST, reasons.VMREAD,
                   reasons.VMRESUME, reasons.VMWRITE, reasons.VMXOFF, reasons.VMXON, reasons.MWAIT, reasons.MONITOR, reasons.INVEPT, reasons.INVVPID,
                   reasons.XSETBV]:
        table[reason] = exit_undefined
    return table


HANDLERS = _table()


def dispatch(domain, reason):
    """Handles a VM exit; `reason` as the VMCS has it."""
    handler = HANDLERS[reason & (REASONS - 1)]
    try:
        handler(domain)
    except Reflected, fault:
        domain.reflect(fault.vector, fault.error, fault.address)
    except Unsupported, refusal:
        domain.die('the guest ' + refusal.what)
