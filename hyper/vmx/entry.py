"""VM entries (SDM vol. 3, chapter 26): the checks, the guest's state into the processor, event injection.

The checks stand in the order of the manual. Each function returns '' or the rule that was broken, in words: `VMX.failed_check` keeps it for people.
"""
from hyper.board import raw
from hyper.cpu import faults, flags
from hyper.cpu.mode import ES, CS, SS, DS, FS, GS, LDTR, TR
from hyper.cpu.mmu import CR0_PE, CR0_PG, CR0_WP, is_malformed_pdpte, uses_pae
from hyper.cpu.system import (STOP_VMEXIT, AR_ACCESSED, AR_CODE, AR_DPL, AR_G, AR_P, AR_READABLE, AR_S, AR_TYPE, AR_UNUSABLE, DPL_SHIFT)
from hyper.vmx import controls, ept, events, exits, msr_areas, reasons, vmcs
from hyper.vmx.controls import conforms
from hyper.vmx.exits import ACTIVE, HALTED, BLOCKING_BY_MOV_SS, BLOCKING_BY_NMI, BLOCKING_BY_SMI, BLOCKING_BY_STI, PENDING_SINGLE_STEP

# exit qualifications of a failure because of guest state (26.7)
PDPTE_FAILURE, NMI_FAILURE, LINK_POINTER_FAILURE = 2, 3, 4

RFLAGS_RESERVED = 0xffc08028
PENDING_DEBUG_RESERVED = 0xffffaff0
PENDING_DEBUG_ENABLED = 1 << 12         # a breakpoint that is enabled was met
DEBUGCTL_BTF = 1 << 1
DEBUGCTL_RESERVED = 0xffffe03c
ACCESS_RESERVED = 0xfffe0f00
CR4_PAGING = 0xb0               # PSE, PAE, PGE: translations depend on them


def enter(vmx, launch):
    """From 26.2 on, with a current VMCS in the right launch state."""
    system = vmx.system
    storage = vmx.storage
    at = vmx.current
    if not vmx.controls_checked:
        failed = check_controls(vmx)
        if failed != '':
            refuse(vmx, reasons.ERROR_INVALID_CONTROLS, failed)
            return
        failed = check_host(vmx)
        if failed != '':
            refuse(vmx, reasons.ERROR_INVALID_HOST_STATE, failed)
            return
        vmx.controls_checked = True
    event = raw.load32(storage, at + vmcs.ENTRY_INTERRUPTION_INFORMATION)
    if event & events.VALID:
        failed = check_injection(vmx, event)
        if failed != '':
            refuse(vmx, reasons.ERROR_INVALID_CONTROLS, failed)
            return
    # What the processor itself saved at the last exit is consistent, so the guest state need be checked again only if VMWRITE has changed a field of
    # it, or a control that the checks depend on. EFLAGS.VM changes what segments must look like, and EFLAGS is written without a mark.
    vm86 = raw.load32(storage, at + vmcs.GUEST_RFLAGS) & flags.VM
    unrestricted = is_unrestricted(vmx)
    fresh = vmx.guest_checked and vmx.checked_vm86 == vm86 and vmx.checked_unrestricted == unrestricted
    if not fresh:
        failed = check_guest(vmx, unrestricted)
        if failed != '':
            fail_late(vmx, reasons.INVALID_GUEST_STATE, 0, failed)
            return
        if not check_link_pointer(vmx):
            fail_late(vmx, reasons.INVALID_GUEST_STATE, LINK_POINTER_FAILURE, 'the VMCS link pointer is neither all ones nor that of another VMCS')
            return
    failed = check_every_time(vmx, event)
    if failed != '':
        fail_late(vmx, reasons.INVALID_GUEST_STATE, NMI_FAILURE if failed == NMI_RULE else 0, failed)
        return
    if uses_pae(field(vmx, vmcs.GUEST_CR0), field(vmx, vmcs.GUEST_CR4)) and not read_pdptes(vmx):
        fail_late(vmx, reasons.INVALID_GUEST_STATE, PDPTE_FAILURE, 'a guest page-directory-pointer entry has reserved bits')
        return
    vmx.guest_checked = True
    vmx.checked_vm86 = vm86
    vmx.checked_unrestricted = unrestricted
    load_guest(vmx, fresh and vmx.resident == at)
    vmx.resident = -1
    entry = msr_areas.load(vmx, vmcs.ENTRY_MSR_LOAD_ADDRESS, vmcs.ENTRY_MSR_LOAD_COUNT)
    if entry != 0:
        fail_late(vmx, reasons.MSR_LOADING, entry, 'an MSR of the VM-entry load list cannot be loaded')
        return
    vmx.succeed()
    vmx.failed_check = ''
    if launch:
        raw.store32(storage, at + vmcs.LAUNCH_STATE, vmcs.LAUNCHED)
    system.vmx_non_root = True
    vmx.host_tsc_offset = system.tsc_offset
    if raw.load32(storage, at + vmcs.PROCESSOR_CONTROLS) & controls.USE_TSC_OFFSETTING:
        system.tsc_offset += raw.load64(storage, at + vmcs.TSC_OFFSET)
    vmx.guest_tsc_offset = system.tsc_offset
    system.interrupt_changed()
    if event & events.VALID:
        inject(vmx, event)
    else:
        deliver_pending_debug(vmx)


def refuse(vmx, error, failed):
    vmx.failed_check = failed
    vmx.fail(error)


def fail_late(vmx, reason, qualification, failed):
    """26.7: the failure looks like a VM exit, but only the exit reason and qualification are written, and no MSR is stored."""
    vmx.failed_check = failed
    vmx.succeed()
    raw.store32(vmx.storage, vmx.current + vmcs.EXIT_REASON, reason | reasons.ENTRY_FAILURE)
    raw.store32(vmx.storage, vmx.current + vmcs.EXIT_QUALIFICATION, qualification)
    vmx.resident = -1
    vmx.guest_checked = False
    vmx.flush_wanted = True
    system = vmx.system
    if vmx.vmm_host:
        system.stop = STOP_VMEXIT
        return
    if not exits.load_host(vmx):
        exits.vmx_abort(vmx, exits.ABORT_HOST_POINTERS)
    elif msr_areas.load(vmx, vmcs.EXIT_MSR_LOAD_ADDRESS, vmcs.EXIT_MSR_LOAD_COUNT) != 0:
        exits.vmx_abort(vmx, exits.ABORT_LOADING_MSRS)


def field(vmx, offset):
    return raw.load32(vmx.storage, vmx.current + offset)


def field64(vmx, offset):
    return raw.load64(vmx.storage, vmx.current + offset)


def secondary_controls(vmx):
    """The secondary controls that are in force."""
    if field(vmx, vmcs.PROCESSOR_CONTROLS) & controls.ACTIVATE_SECONDARY_CONTROLS == 0:
        return 0
    return field(vmx, vmcs.SECONDARY_CONTROLS)


def is_unrestricted(vmx):
    return secondary_controls(vmx) & controls.UNRESTRICTED_GUEST != 0


# -- 26.2.1: controls

def check_controls(vmx):
    failed = check_execution_controls(vmx)
    if failed == '':
        failed = check_exit_controls(vmx)
    if failed == '':
        failed = check_entry_controls(vmx)
    return failed


def is_page(vmx, address):
    return address & 0xfff == 0 and vmx.capabilities.is_physical(address)


def check_execution_controls(vmx):
    """26.2.1.1"""
    c = vmx.capabilities
    pin = field(vmx, vmcs.PIN_CONTROLS)
    primary = field(vmx, vmcs.PROCESSOR_CONTROLS)
    if not conforms(pin, c.pin_must, c.pin_may):
        return 'pin-based controls that IA32_VMX_PINBASED_CTLS does not allow'
    if not conforms(primary, c.processor_must, c.processor_may):
        return 'processor-based controls that IA32_VMX_PROCBASED_CTLS does not allow'
    secondary = secondary_controls(vmx)
    if not conforms(secondary, c.secondary_must, c.secondary_may):
        return 'secondary controls that IA32_VMX_PROCBASED_CTLS2 does not allow'
    if field(vmx, vmcs.CR3_TARGET_COUNT) > c.cr3_targets:
        return 'more CR3-target values than there are'
    if primary & controls.USE_IO_BITMAPS:
        if not is_page(vmx, field64(vmx, vmcs.IO_BITMAP_A)) or not is_page(vmx, field64(vmx, vmcs.IO_BITMAP_B)):
            return 'an I/O bitmap is at no page of the physical address space'
    if primary & controls.USE_MSR_BITMAPS and not is_page(vmx, field64(vmx, vmcs.MSR_BITMAP)):
        return 'the MSR bitmap is at no page of the physical address space'
    if primary & controls.USE_TPR_SHADOW:
        page = field64(vmx, vmcs.VIRTUAL_APIC_ADDRESS)
        threshold = field(vmx, vmcs.TPR_THRESHOLD)
        if not is_page(vmx, page):
            return 'the virtual-APIC page is at no page of the physical address space'
        if threshold & ~0xf or threshold > vmx.memory.read8(page + 0x80) >> 4:
            return 'the TPR threshold is above the virtual TPR or has reserved bits'
    if pin & controls.NMI_EXITING == 0 and pin & controls.VIRTUAL_NMIS:
        return 'virtual NMIs without NMI exiting'
    if pin & controls.VIRTUAL_NMIS == 0 and primary & controls.NMI_WINDOW_EXITING:
        return 'NMI-window exiting without virtual NMIs'
    if secondary & controls.ENABLE_VPID and field(vmx, vmcs.VPID) == 0:
        return 'VPID 0, which is the host\'s'
    if secondary & controls.ENABLE_EPT and not ept.is_pointer(field64(vmx, vmcs.EPT_POINTER), c.physical_mask):
        return 'the EPT pointer is malformed'
    if secondary & controls.UNRESTRICTED_GUEST and secondary & controls.ENABLE_EPT == 0:
        return 'an unrestricted guest without EPT'
    return ''


def check_exit_controls(vmx):
    """26.2.1.2"""
    c = vmx.capabilities
    if not conforms(field(vmx, vmcs.EXIT_CONTROLS), c.exit_must, c.exit_may):
        return 'VM-exit controls that IA32_VMX_EXIT_CTLS does not allow'
    if not msr_areas.area_is_valid(vmx, vmcs.EXIT_MSR_STORE_ADDRESS, vmcs.EXIT_MSR_STORE_COUNT):
        return 'the VM-exit MSR-store list is misplaced'
    if not msr_areas.area_is_valid(vmx, vmcs.EXIT_MSR_LOAD_ADDRESS, vmcs.EXIT_MSR_LOAD_COUNT):
        return 'the VM-exit MSR-load list is misplaced'
    return ''


def check_entry_controls(vmx):
    """26.2.1.3, but for the event, which `check_injection` looks at on every entry."""
    c = vmx.capabilities
    entry = field(vmx, vmcs.ENTRY_CONTROLS)
    if not conforms(entry, c.entry_must, c.entry_may):
        return 'VM-entry controls that IA32_VMX_ENTRY_CTLS does not allow'
    if not msr_areas.area_is_valid(vmx, vmcs.ENTRY_MSR_LOAD_ADDRESS, vmcs.ENTRY_MSR_LOAD_COUNT):
        return 'the VM-entry MSR-load list is misplaced'
    if entry & (controls.ENTRY_TO_SMM | controls.DEACTIVATE_DUAL_MONITOR):
        return 'an entry to SMM from outside SMM'
    return ''


def check_injection(vmx, event):
    """26.2.1.3: the event to inject."""
    kind = events.kind_of(event)
    vector = event & events.VECTOR
    if kind == 1 or kind == events.OTHER_EVENT or event & events.RESERVED:
        return 'an event of a reserved type'
    if kind == events.NMI and vector != faults.NMI:
        return 'an NMI with another vector than 2'
    if kind == events.HARDWARE_EXCEPTION and vector > 31:
        return 'a hardware exception with a vector above 31'
    protected = field(vmx, vmcs.GUEST_CR0) & CR0_PE != 0 or not is_unrestricted(vmx)
    pushes = protected and kind == events.HARDWARE_EXCEPTION and events.pushes_error_code(vector)
    if pushes != (event & events.HAS_ERROR != 0):
        return 'an error code where the event has none, or none where it has one'
    if pushes and field(vmx, vmcs.ENTRY_EXCEPTION_ERROR_CODE) & 0xffff0000:
        return 'reserved bits in the error code'
    if events.has_length(kind):
        length = field(vmx, vmcs.ENTRY_INSTRUCTION_LENGTH)
        if length < 1 or length > 15:
            return 'a software event whose instruction has no length of 1 to 15 bytes'
    return ''


# -- 26.2.2 to 26.2.4: host state

HOST_SELECTORS = [vmcs.HOST_ES_SELECTOR, vmcs.HOST_CS_SELECTOR, vmcs.HOST_SS_SELECTOR, vmcs.HOST_DS_SELECTOR, vmcs.HOST_FS_SELECTOR,
                  vmcs.HOST_GS_SELECTOR, vmcs.HOST_TR_SELECTOR]


def check_host(vmx):
    c = vmx.capabilities
    if not conforms(field(vmx, vmcs.HOST_CR0), c.cr0_must, c.cr0_may):
        return 'a host CR0 that VMX operation does not allow'
    if not conforms(field(vmx, vmcs.HOST_CR4), c.cr4_must, c.cr4_may):
        return 'a host CR4 that VMX operation does not allow'
    for k in range(len(HOST_SELECTORS)):
        if field(vmx, HOST_SELECTORS[k]) & 7:
            return 'a host selector with RPL or TI'
    if field(vmx, vmcs.HOST_CS_SELECTOR) == 0 or field(vmx, vmcs.HOST_TR_SELECTOR) == 0 or field(vmx, vmcs.HOST_SS_SELECTOR) == 0:
        return 'a null selector for the host\'s CS, SS or TR'
    # 26.2.4: this processor has no 64-bit mode
    if field(vmx, vmcs.EXIT_CONTROLS) & controls.HOST_ADDRESS_SPACE_SIZE or field(vmx, vmcs.ENTRY_CONTROLS) & controls.IA_32E_MODE_GUEST:
        return 'a 64-bit host or guest'
    return ''


# -- 26.3.1: guest state

def check_guest(vmx, unrestricted):
    failed = check_guest_registers(vmx, unrestricted)
    if failed == '':
        failed = check_guest_segments(vmx, unrestricted)
    if failed == '' and (field(vmx, vmcs.GUEST_GDTR_LIMIT) | field(vmx, vmcs.GUEST_IDTR_LIMIT)) & 0xffff0000:        # 26.3.1.3
        failed = 'a guest GDTR or IDTR limit above FFFFh'
    return failed


def check_guest_registers(vmx, unrestricted):
    """26.3.1.1"""
    c = vmx.capabilities
    cr0 = field(vmx, vmcs.GUEST_CR0)
    must = c.cr0_must
    if unrestricted:
        must &= ~(CR0_PE | CR0_PG)
        if cr0 & CR0_PG and cr0 & CR0_PE == 0:
            return 'guest CR0.PG without CR0.PE'
    if not conforms(cr0, must, c.cr0_may):
        return 'a guest CR0 that VMX operation does not allow'
    if not conforms(field(vmx, vmcs.GUEST_CR4), c.cr4_must, c.cr4_may):
        return 'a guest CR4 that VMX operation does not allow'
    if field(vmx, vmcs.ENTRY_CONTROLS) & controls.LOAD_DEBUG_CONTROLS:
        if field(vmx, vmcs.GUEST_DEBUGCTL) & DEBUGCTL_RESERVED or field(vmx, vmcs.GUEST_DEBUGCTL + 4):
            return 'reserved bits in the guest\'s IA32_DEBUGCTL'
    return ''


def access_of(vmx, segment):
    return field(vmx, vmcs.GUEST_ES_ACCESS + 4 * segment)


def check_guest_segments(vmx, unrestricted):
    """26.3.1.2"""
    if access_of(vmx, TR) & AR_UNUSABLE or field(vmx, vmcs.GUEST_TR_SELECTOR) & 4:
        return 'guest TR is unusable or in the LDT'
    ldtr_usable = access_of(vmx, LDTR) & AR_UNUSABLE == 0
    if ldtr_usable and field(vmx, vmcs.GUEST_LDTR_SELECTOR) & 4:
        return 'guest LDTR is in the LDT'
    if field(vmx, vmcs.GUEST_RFLAGS) & flags.VM:
        for s in range(6):
            if (field(vmx, vmcs.GUEST_ES_BASE + 4 * s) != field(vmx, vmcs.GUEST_ES_SELECTOR + 4 * s) << 4 or
                    field(vmx, vmcs.GUEST_ES_LIMIT + 4 * s) != 0xffff or access_of(vmx, s) != 0xf3):
                return 'a guest segment that virtual-8086 mode cannot have'
    else:
        failed = check_code_and_stack(vmx, unrestricted)
        if failed != '':
            return failed
        for s in range(6):
            if s != CS and s != SS and not check_data_segment(vmx, s, unrestricted):
                return 'a guest data segment has bad access rights'
            if (access_of(vmx, s) & AR_UNUSABLE == 0 or s == CS) and not is_well_formed(vmx, s, True):
                return 'a guest segment\'s access rights or limit are malformed'
    kind = access_of(vmx, TR) & AR_TYPE
    if (kind != 3 and kind != 11) or not is_well_formed(vmx, TR, False):
        return 'guest TR is no busy task-state segment'
    if ldtr_usable and (access_of(vmx, LDTR) & AR_TYPE != 2 or not is_well_formed(vmx, LDTR, False)):
        return 'guest LDTR is no LDT'
    return ''


def check_code_and_stack(vmx, unrestricted):
    cs = access_of(vmx, CS)
    ss = access_of(vmx, SS)
    kind = cs & AR_TYPE
    cs_dpl = (cs & AR_DPL) >> DPL_SHIFT
    ss_dpl = (ss & AR_DPL) >> DPL_SHIFT
    ss_rpl = field(vmx, vmcs.GUEST_SS_SELECTOR) & 3
    if not unrestricted and ss_rpl != field(vmx, vmcs.GUEST_CS_SELECTOR) & 3:
        return 'guest SS and CS differ in RPL'
    if kind == 9 or kind == 11:
        if cs_dpl != ss_dpl:
            return 'guest CS and SS differ in DPL'
    elif kind == 13 or kind == 15:
        if cs_dpl > ss_dpl:
            return 'guest conforming CS is less privileged than SS'
    elif kind != 3 or not unrestricted or cs_dpl != 0:
        return 'guest CS is no accessed code segment'
    if ss & AR_UNUSABLE == 0 and ss & AR_TYPE != 3 and ss & AR_TYPE != 7:
        return 'guest SS is no writable data segment'
    if not unrestricted and ss_dpl != ss_rpl:
        return 'guest SS has another DPL than RPL'
    if ss_dpl != 0 and (kind == 3 or field(vmx, vmcs.GUEST_CR0) & CR0_PE == 0):
        return 'guest SS has a DPL in real mode'
    return ''


def check_data_segment(vmx, segment, unrestricted):
    access = access_of(vmx, segment)
    if access & AR_UNUSABLE:
        return True
    if access & AR_ACCESSED == 0 or (access & AR_CODE and access & AR_READABLE == 0):
        return False
    if not unrestricted and access & AR_TYPE <= 11:
        return (access & AR_DPL) >> DPL_SHIFT >= field(vmx, vmcs.GUEST_ES_SELECTOR + 4 * segment) & 3
    return True


def is_well_formed(vmx, segment, ordinary):
    """S, P, reserved bits, and the granularity that the limit needs."""
    access = access_of(vmx, segment)
    limit = field(vmx, vmcs.GUEST_ES_LIMIT + 4 * segment)
    if (access & AR_S != 0) != ordinary or access & AR_P == 0 or access & ACCESS_RESERVED:
        return False
    if access & AR_G:
        return limit & 0xfff == 0xfff
    return limit & 0xfff00000 == 0


def check_link_pointer(vmx):
    """26.3.1.5"""
    link = field64(vmx, vmcs.VMCS_LINK_POINTER)
    if link == -1:
        return True
    return vmx.is_pointer(link) and link != vmx.current and vmx.memory.read32(link) == vmx.capabilities.revision


NMI_RULE = 'an NMI injected behind STI'


def check_every_time(vmx, event):
    """26.3.1.4 and 26.3.1.5: fields that are written for most entries."""
    rflags = field(vmx, vmcs.GUEST_RFLAGS)
    if rflags & RFLAGS_RESERVED or rflags & flags.ALWAYS == 0:
        return 'guest RFLAGS has reserved bits'
    if rflags & flags.VM and field(vmx, vmcs.GUEST_CR0) & CR0_PE == 0:
        return 'guest RFLAGS.VM in real mode'
    blocking = field(vmx, vmcs.GUEST_INTERRUPTIBILITY)
    activity = field(vmx, vmcs.GUEST_ACTIVITY)
    injects = event & events.VALID != 0
    kind = events.kind_of(event)
    if injects and kind == events.EXTERNAL_INTERRUPT and rflags & flags.IF == 0:
        return 'an external interrupt injected into a guest with RFLAGS.IF = 0'
    if blocking | activity:
        failed = check_activity(vmx, activity, blocking, event)
        if failed != '':
            return failed
        failed = check_interruptibility(vmx, blocking, rflags, injects, kind)
        if failed != '':
            return failed
    pending = field(vmx, vmcs.GUEST_PENDING_DEBUG)
    if pending & PENDING_DEBUG_RESERVED:
        return 'reserved bits in the pending debug exceptions'
    if blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) or activity == HALTED:
        steps = rflags & flags.TF != 0 and field(vmx, vmcs.GUEST_DEBUGCTL) & DEBUGCTL_BTF == 0
        if steps != (pending & PENDING_SINGLE_STEP != 0):
            return 'pending single-step differs from RFLAGS.TF'
    return ''


def check_activity(vmx, activity, blocking, event):
    if activity > 3 or vmx.capabilities.activity_states & (1 << activity) == 0:
        return 'an activity state that IA32_VMX_MISC does not offer'
    if activity == HALTED and access_of(vmx, SS) & AR_DPL:
        return 'a halted guest outside ring 0'
    if activity != ACTIVE:
        if blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS):
            return 'an inactive guest with blocking by STI or MOV SS'
        if event & events.VALID and not wakes(activity, event):
            return 'an event that does not wake the inactive guest'
    return ''


def wakes(activity, event):
    """Whether an event may be injected into an inactive guest."""
    kind = events.kind_of(event)
    vector = event & events.VECTOR
    if kind == events.NMI or (kind == events.HARDWARE_EXCEPTION and vector == faults.MC):
        return activity != exits.WAIT_FOR_SIPI
    if activity != HALTED:
        return False
    return kind == events.EXTERNAL_INTERRUPT or (kind == events.HARDWARE_EXCEPTION and vector == faults.DB)


def check_interruptibility(vmx, blocking, rflags, injects, kind):
    by_instruction = blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)
    if blocking & ~0xf:
        return 'reserved bits in the interruptibility state'
    if by_instruction == BLOCKING_BY_STI | BLOCKING_BY_MOV_SS:
        return 'blocking by STI and by MOV SS at once'
    if blocking & BLOCKING_BY_STI and rflags & flags.IF == 0:
        return 'blocking by STI with RFLAGS.IF = 0'
    if injects and kind == events.EXTERNAL_INTERRUPT and by_instruction:
        return 'an external interrupt injected while STI or MOV SS blocks it'
    if blocking & BLOCKING_BY_SMI:
        return 'blocking by SMI outside SMM'
    if injects and kind == events.NMI:
        if blocking & BLOCKING_BY_MOV_SS:
            return 'an NMI injected while MOV SS blocks it'
        if blocking & BLOCKING_BY_NMI and field(vmx, vmcs.PIN_CONTROLS) & controls.VIRTUAL_NMIS:
            return 'a virtual NMI injected while one is blocked'
        if blocking & BLOCKING_BY_STI:
            return NMI_RULE             # which processors may or may not demand: these do
    return ''


def read_pdptes(vmx):
    """26.3.1.6: the page-directory-pointer registers for the guest, into `vmx.pdptes`: from the VMCS if EPT is on, else from memory. False if one of
    them is malformed."""
    in_vmcs = secondary_controls(vmx) & controls.ENABLE_EPT != 0
    table = field(vmx, vmcs.GUEST_CR3) & 0xffffffe0
    for k in range(4):
        if in_vmcs:
            entry = field64(vmx, vmcs.GUEST_PDPTE0 + 8 * k)
        else:
            entry = vmx.memory.read64(table + 8 * k)
        if is_malformed_pdpte(entry):
            return False
        vmx.pdptes[k] = entry
    return True


# -- 26.3.2: loading

def load_guest(vmx, resident):
    """resident: the processor still holds all of this guest's state but what changes on most entries."""
    system = vmx.system
    storage = vmx.storage
    at = vmx.current
    switches = vmx.vmm_host and vmx.translated != at
    if switches:
        vmx.put_aside()
    cr0_before = system.cr0
    cr3_before = system.cr3
    cr4_before = system.cr4
    if not resident:
        system.cr0 = exits.host_cr0(system.cr0, raw.load32(storage, at + vmcs.GUEST_CR0))
        system.cr4 = raw.load32(storage, at + vmcs.GUEST_CR4)
        if raw.load32(storage, at + vmcs.ENTRY_CONTROLS) & controls.LOAD_DEBUG_CONTROLS:
            system.debug.write(7, raw.load32(storage, at + vmcs.GUEST_DR7))
        system.sysenter_cs = raw.load32(storage, at + vmcs.GUEST_SYSENTER_CS)
        system.sysenter_esp = raw.load32(storage, at + vmcs.GUEST_SYSENTER_ESP)
        system.sysenter_eip = raw.load32(storage, at + vmcs.GUEST_SYSENTER_EIP)
        system.gdtr_base = raw.load32(storage, at + vmcs.GUEST_GDTR_BASE)
        system.gdtr_limit = raw.load32(storage, at + vmcs.GUEST_GDTR_LIMIT)
        system.idtr_base = raw.load32(storage, at + vmcs.GUEST_IDTR_BASE)
        system.idtr_limit = raw.load32(storage, at + vmcs.GUEST_IDTR_LIMIT)
    if secondary_controls(vmx) & controls.ENABLE_EPT:
        pointer = raw.load64(storage, at + vmcs.EPT_POINTER)
        system.ept = vmx.ept
    else:
        pointer = -1
        system.ept = None
    system.cr3 = raw.load32(storage, at + vmcs.GUEST_CR3)
    if uses_pae(system.cr0, system.cr4):
        for k in range(4):
            system.pdptes[k] = vmx.pdptes[k]
    system.regs[4] = raw.load32(storage, at + vmcs.GUEST_RSP)
    system.eip = raw.load32(storage, at + vmcs.GUEST_RIP)
    eflags = system.eflags
    system.eflags = raw.load32(storage, at + vmcs.GUEST_RFLAGS)
    if not resident:
        load_guest_segments(vmx)
    blocking = raw.load32(storage, at + vmcs.GUEST_INTERRUPTIBILITY)
    system.shadow = blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) != 0
    system.shadow_at = system.icount - 1        # over the guest's next instruction
    system.shadow_of_stack = blocking & BLOCKING_BY_MOV_SS != 0
    system.debug.traps = 0
    system.nmi_blocked = blocking & BLOCKING_BY_NMI != 0
    # nothing here wakes a processor from shutdown or the wait for a SIPI, so those look like a halt
    system.halted = raw.load32(storage, at + vmcs.GUEST_ACTIVITY) != ACTIVE
    # see operation.py about what may be kept
    if pointer != vmx.ept_pointer:
        vmx.ept_pointer = pointer
        vmx.ept.set_pointer(pointer)
        if not switches:
            vmx.flush_wanted = True
    if not switches and (vmx.flush_wanted or system.cr3 != cr3_before or (system.cr0 ^ cr0_before) & (CR0_PG | CR0_WP | CR0_PE) or
                         (system.cr4 ^ cr4_before) & CR4_PAGING or not vmx.vmm_host):
        vmx.flush_wanted = False
        system.mmu.flush_current()
    if not resident or (eflags ^ system.eflags) & flags.AC:
        system.update_mode()
    if switches:
        vmx.bring_back()


def load_guest_segments(vmx):
    system = vmx.system
    storage = vmx.storage
    at = vmx.current
    if system.eflags & flags.VM:
        system.cpl = 3
    else:
        system.cpl = (raw.load32(storage, at + vmcs.GUEST_SS_ACCESS) & AR_DPL) >> DPL_SHIFT
    for s in range(8):
        system.set_segment(s, raw.load32(storage, at + vmcs.GUEST_ES_SELECTOR + 4 * s) & 0xffff, raw.load32(storage, at + vmcs.GUEST_ES_BASE + 4 * s),
                           raw.load32(storage, at + vmcs.GUEST_ES_LIMIT + 4 * s), raw.load32(storage, at + vmcs.GUEST_ES_ACCESS + 4 * s))


# -- 26.5: event injection

def inject(vmx, event):
    """Deliver the event as if it had happened in the guest. A fault on the way is the guest's, or exits, with the event as IDT-vectoring information."""
    from hyper.cpu import interrupts
    system = vmx.system
    kind = events.kind_of(event)
    error = faults.NO_ERROR_CODE
    if event & events.HAS_ERROR:
        error = field(vmx, vmcs.ENTRY_EXCEPTION_ERROR_CODE)
    return_eip = system.eip
    system.instruction_length = 0
    if events.has_length(kind):
        system.instruction_length = field(vmx, vmcs.ENTRY_INSTRUCTION_LENGTH)
        return_eip = (return_eip + system.instruction_length) & 0xffffffff
    system.halted = False
    system.shadow = False
    if kind == events.NMI:
        system.nmi_blocked = True
    try:
        interrupts.deliver(system, event & events.VECTOR, kind, error, return_eip)
    except faults.Abort, abort:
        interrupts.abort(system, abort)


def deliver_pending_debug(vmx):
    """26.6.3: debug exceptions that an instruction before the entry left. They come before anything else, unless MOV SS still holds them back."""
    pending = field(vmx, vmcs.GUEST_PENDING_DEBUG)
    if pending & (PENDING_DEBUG_ENABLED | PENDING_SINGLE_STEP):
        vmx.system.debug.traps = pending & (0xf | PENDING_SINGLE_STEP)
