"""VM exits (SDM vol. 3, chapter 27).

Two kinds of host. If the guest was entered by `VMX.enter`, the host is the VMM in RPython: it runs no instructions of this machine, so loading its
state would only fill registers that the next entry fills again. The processor keeps the guest's values, leaves non-root operation and stops with
STOP_VMEXIT; that the VMCS's host state is valid was checked at the entry. If guest code made the entry, its state is loaded and execution goes on there.
"""
from hyper.board import raw
from hyper.cpu import faults, flags, monitor
from hyper.cpu.mode import ES, CS, SS, DS, FS, GS, LDTR, TR
from hyper.cpu.mmu import CR0_PE, uses_pae
from hyper.cpu.system import STOP_SHUTDOWN, STOP_VMEXIT, AR_UNUSABLE
from hyper.vmx import controls, events, intercepts, msr_areas, reasons, vmcs

# VMX-abort indicators (27.7)
ABORT_SAVING_MSRS, ABORT_HOST_POINTERS, ABORT_LOADING_MSRS = 1, 2, 4

# interruptibility state (24.4.2)
BLOCKING_BY_STI, BLOCKING_BY_MOV_SS, BLOCKING_BY_SMI, BLOCKING_BY_NMI = 1, 2, 4, 8
PENDING_ENABLED_BREAKPOINT, PENDING_SINGLE_STEP = 1 << 12, 1 << 14        # in the pending debug exceptions
ACTIVE, HALTED, SHUTDOWN, WAIT_FOR_SIPI = range(4)

HOST_CODE_ACCESS = 0xc09b               # 27.5.2: present, ring 0, 32-bit, 4 GB
HOST_DATA_ACCESS = 0xc093
HOST_TASK_ACCESS = 0x8b


# -- the exits of events, for hyper.cpu.interrupts

def intercept(system, abort):
    """The exit that a faults.Intercept asks for; `system` is at the instruction."""
    vm_exit(system, abort.reason, abort.qualification, system.instruction_length, 0, 0, abort.physical, abort.linear)


def exception(system, vector, kind, error, qualification):
    """The exit of an exception: kind as in `events`; error: the code or faults.NO_ERROR_CODE; qualification: the linear address for #PF, what DR6 would
    get for #DB, else 0."""
    has_error = error != faults.NO_ERROR_CODE and system.cr0 & CR0_PE != 0      # real mode has none (27.2.2)
    length = system.instruction_length if events.has_length(kind) else 0
    vm_exit(system, reasons.EXCEPTION_OR_NMI, qualification, length, events.information(vector, kind, has_error), error if has_error else 0)


def external_interrupt(system):
    """The exit of a request on the INTR pin; the controls say whether it is acknowledged."""
    interruption = 0
    if intercepts.field(system, vmcs.EXIT_CONTROLS) & controls.ACKNOWLEDGE_INTERRUPT_ON_EXIT:
        interruption = events.information(system.interrupts.acknowledge() & 0xff, events.EXTERNAL_INTERRUPT, False)
    vm_exit(system, reasons.EXTERNAL_INTERRUPT, 0, 0, interruption)


def nmi(system):
    """The exit of an NMI, which then blocks further ones in the host."""
    vm_exit(system, reasons.EXCEPTION_OR_NMI, 0, 0, events.information(faults.NMI, events.NMI, False))
    system.nmi_blocked = True


def interrupt_window(system):
    vm_exit(system, reasons.INTERRUPT_WINDOW)


def nmi_window(system):
    vm_exit(system, reasons.NMI_WINDOW)


def triple_fault(system):
    vm_exit(system, reasons.TRIPLE_FAULT)


# -- the exit

def vm_exit(system, reason, qualification=0, instruction_length=0, interruption=0, error=0, physical=-1, linear=-1):
    """Leave non-root operation: write the exit information, save the guest's state, load the host's.

    reason: basic exit reason; qualification: 32 bits; instruction_length: bytes, where the reason comes from an instruction; interruption: an
    interruption-information word; error: its error code; physical: guest-physical address, linear: guest-linear address, or -1. `system.vectoring`, if
    not 0, is the event whose delivery caused the exit, in the same format, and `system.vectoring_error` its error code."""
    vmx = system.vmx
    storage = vmx.storage
    at = vmx.current
    raw.store32(storage, at + vmcs.EXIT_REASON, reason)
    raw.store32(storage, at + vmcs.EXIT_QUALIFICATION, qualification)
    raw.store32(storage, at + vmcs.EXIT_INTERRUPTION_INFORMATION, interruption)
    raw.store32(storage, at + vmcs.EXIT_INTERRUPTION_ERROR_CODE, error)
    raw.store32(storage, at + vmcs.EXIT_INSTRUCTION_INFORMATION, vmx.instruction_information)
    vmx.instruction_information = 0
    if physical >= 0:
        raw.store64(storage, at + vmcs.GUEST_PHYSICAL_ADDRESS, physical)
    if linear >= 0:
        raw.store32(storage, at + vmcs.GUEST_LINEAR_ADDRESS, linear)
    vectoring = system.vectoring
    raw.store32(storage, at + vmcs.IDT_VECTORING_INFORMATION, vectoring)
    if vectoring:
        raw.store32(storage, at + vmcs.IDT_VECTORING_ERROR_CODE, system.vectoring_error)
        if events.has_length(events.kind_of(vectoring)):
            instruction_length = system.instruction_length
        system.vectoring = 0
    raw.store32(storage, at + vmcs.EXIT_INSTRUCTION_LENGTH, instruction_length)
    # an event is injected once (24.8.3)
    entry = raw.load32(storage, at + vmcs.ENTRY_INTERRUPTION_INFORMATION)
    raw.store32(storage, at + vmcs.ENTRY_INTERRUPTION_INFORMATION, entry & ~events.VALID)
    save_guest(vmx)
    if not msr_areas.store(vmx, vmcs.EXIT_MSR_STORE_ADDRESS, vmcs.EXIT_MSR_STORE_COUNT):
        vmx_abort(vmx, ABORT_SAVING_MSRS)
        return
    leave(vmx)


def save_guest(vmx):
    """27.3: what the processor writes here is consistent, so an entry after it need not check it again."""
    from hyper.cpu import interrupts
    system = vmx.system
    storage = vmx.storage
    at = vmx.current
    raw.store32(storage, at + vmcs.GUEST_CR0, system.cr0)
    raw.store32(storage, at + vmcs.GUEST_CR3, system.cr3)
    raw.store32(storage, at + vmcs.GUEST_CR4, system.cr4)
    if raw.load32(storage, at + vmcs.EXIT_CONTROLS) & controls.SAVE_DEBUG_CONTROLS:
        raw.store32(storage, at + vmcs.GUEST_DR7, system.dr[7])
    raw.store32(storage, at + vmcs.GUEST_SYSENTER_CS, system.sysenter_cs)
    raw.store32(storage, at + vmcs.GUEST_SYSENTER_ESP, system.sysenter_esp)
    raw.store32(storage, at + vmcs.GUEST_SYSENTER_EIP, system.sysenter_eip)
    for s in range(8):
        raw.store32(storage, at + vmcs.GUEST_ES_SELECTOR + 4 * s, system.selector[s])
        raw.store32(storage, at + vmcs.GUEST_ES_BASE + 4 * s, system.base[s])
        raw.store32(storage, at + vmcs.GUEST_ES_LIMIT + 4 * s, system.limits[s])
        raw.store32(storage, at + vmcs.GUEST_ES_ACCESS + 4 * s, system.access[s])
    raw.store32(storage, at + vmcs.GUEST_GDTR_BASE, system.gdtr_base)
    raw.store32(storage, at + vmcs.GUEST_GDTR_LIMIT, system.gdtr_limit)
    raw.store32(storage, at + vmcs.GUEST_IDTR_BASE, system.idtr_base)
    raw.store32(storage, at + vmcs.GUEST_IDTR_LIMIT, system.idtr_limit)
    raw.store32(storage, at + vmcs.GUEST_RSP, system.regs[4])
    raw.store32(storage, at + vmcs.GUEST_RIP, system.eip)
    raw.store32(storage, at + vmcs.GUEST_RFLAGS, system.eflags)
    interruptibility = 0
    shadow = interrupts.in_shadow(system)
    if shadow:
        interruptibility = BLOCKING_BY_MOV_SS if system.shadow_of_stack else BLOCKING_BY_STI
    if system.nmi_blocked:
        interruptibility |= BLOCKING_BY_NMI
    raw.store32(storage, at + vmcs.GUEST_INTERRUPTIBILITY, interruptibility)
    raw.store32(storage, at + vmcs.GUEST_ACTIVITY, HALTED if system.halted and not system.waits_for_store else ACTIVE)
    # the single-step trap behind an instruction that blocks events is still to come, and an entry would miss it (26.3.1.5)
    pending = system.debug.traps
    if pending & 0xf:
        pending |= PENDING_ENABLED_BREAKPOINT
    system.debug.traps = 0
    if system.eflags & flags.TF and (shadow or system.halted):
        pending |= PENDING_SINGLE_STEP
    raw.store32(storage, at + vmcs.GUEST_PENDING_DEBUG, pending)
    vmx.checked_vm86 = system.eflags & flags.VM
    if vmx.capabilities.has_secondary and raw.load32(storage, at + vmcs.EXIT_CONTROLS) & controls.SAVE_EFER:
        raw.store64(storage, at + vmcs.GUEST_EFER, system.efer)
    if system.ept is not None and uses_pae(system.cr0, system.cr4):
        for k in range(4):
            raw.store64(storage, at + vmcs.GUEST_PDPTE0 + 8 * k, system.pdptes[k])


def leave(vmx):
    """Out of non-root operation, and to the host."""
    system = vmx.system
    system.vmx_non_root = False
    system.halted = False
    monitor.forget(system)
    system.shadow = False
    # the guest may have written the TSC meanwhile, which moves the host's with it
    system.tsc_offset = vmx.host_tsc_offset + (system.tsc_offset - vmx.guest_tsc_offset)
    if vmx.vmm_host:
        # the registers go on holding the guest's state, unless the VMM writes it or enters another guest
        vmx.resident = vmx.current
        vmx.guest_checked = True
        system.stop = STOP_VMEXIT
        return
    vmx.resident = -1
    vmx.guest_checked = True
    if not load_host(vmx):
        vmx_abort(vmx, ABORT_HOST_POINTERS)
        return
    if not msr_areas.load(vmx, vmcs.EXIT_MSR_LOAD_ADDRESS, vmcs.EXIT_MSR_LOAD_COUNT) == 0:
        vmx_abort(vmx, ABORT_LOADING_MSRS)
        return
    system.interrupt_changed()


def load_host(vmx):
    """27.5, for a host that is guest code. False if its page-directory-pointer entries are malformed."""
    system = vmx.system
    storage = vmx.storage
    at = vmx.current
    system.ept = None
    system.cr0 = host_cr0(system.cr0, raw.load32(storage, at + vmcs.HOST_CR0))
    system.cr3 = raw.load32(storage, at + vmcs.HOST_CR3)
    system.cr4 = raw.load32(storage, at + vmcs.HOST_CR4)
    system.debug.write(7, 0)
    system.sysenter_cs = raw.load32(storage, at + vmcs.HOST_SYSENTER_CS)
    system.sysenter_esp = raw.load32(storage, at + vmcs.HOST_SYSENTER_ESP)
    system.sysenter_eip = raw.load32(storage, at + vmcs.HOST_SYSENTER_EIP)
    system.eflags = flags.ALWAYS
    system.eip = raw.load32(storage, at + vmcs.HOST_RIP)
    system.regs[4] = raw.load32(storage, at + vmcs.HOST_RSP)
    system.cpl = 0
    system.set_segment(CS, raw.load32(storage, at + vmcs.HOST_CS_SELECTOR), 0, 0xffffffff, HOST_CODE_ACCESS)
    load_data_segment(system, ES, raw.load32(storage, at + vmcs.HOST_ES_SELECTOR), 0)
    load_data_segment(system, SS, raw.load32(storage, at + vmcs.HOST_SS_SELECTOR), 0)
    load_data_segment(system, DS, raw.load32(storage, at + vmcs.HOST_DS_SELECTOR), 0)
    load_data_segment(system, FS, raw.load32(storage, at + vmcs.HOST_FS_SELECTOR), raw.load32(storage, at + vmcs.HOST_FS_BASE))
    load_data_segment(system, GS, raw.load32(storage, at + vmcs.HOST_GS_SELECTOR), raw.load32(storage, at + vmcs.HOST_GS_BASE))
    system.set_segment(TR, raw.load32(storage, at + vmcs.HOST_TR_SELECTOR), raw.load32(storage, at + vmcs.HOST_TR_BASE), 0x67, HOST_TASK_ACCESS)
    system.set_segment(LDTR, 0, 0, 0, AR_UNUSABLE)
    system.gdtr_base = raw.load32(storage, at + vmcs.HOST_GDTR_BASE)
    system.gdtr_limit = 0xffff
    system.idtr_base = raw.load32(storage, at + vmcs.HOST_IDTR_BASE)
    system.idtr_limit = 0xffff
    system.mmu.flush_current()
    system.update_mode()
    if uses_pae(system.cr0, system.cr4):
        try:
            system.mmu.load_pdptes(system.cr3)
        except faults.GuestFault:
            return False
    return True


def load_data_segment(system, segment, selector, base):
    """A null selector leaves the segment unusable."""
    access = HOST_DATA_ACCESS
    if selector == 0:
        access |= AR_UNUSABLE
    system.set_segment(segment, selector & 0xffff, base, 0xffffffff, access)


CR0_UNCHANGED = 0x7ffaffd0      # ET, CD, NW and the reserved bits: neither entries nor exits change them (26.3.2.1, 27.5.1)


def host_cr0(now, loaded):
    return (now & CR0_UNCHANGED) | (loaded & ~CR0_UNCHANGED & 0xffffffff)


def vmx_abort(vmx, indicator):
    """27.7: the indicator is in the VMCS region, and the processor in shutdown."""
    raw.store32(vmx.storage, vmx.current + vmcs.ABORT_INDICATOR, indicator)
    vmx.system.vmx_non_root = False
    vmx.system.stop = STOP_SHUTDOWN
