"""What a domain's VMCS holds before its first entry: controls, masks, and the guest's state at its entry point."""
from hyper.errors import UserError
from hyper.vmm.full import cr_access
from hyper.vmm.full.cr_access import (CR0_ET, CR0_FIXED_EPT, CR0_GUEST_OWNED, CR4_OFFERED, CR4_VMXE)
from hyper.vmm.full.paging import CR0_PE
from hyper.vmm.full.reflected import PF
from hyper.vmx import controls, fields, host

M32 = 0xffffffff
ACCESS_CODE, ACCESS_DATA, ACCESS_REAL_CODE, ACCESS_REAL_DATA, ACCESS_TASK = 0xc09b, 0xc093, 0x9b, 0x93, 0x8b
UNUSABLE = 1 << 16
ES, CS, SS, DS, FS, GS, LDTR, TR = range(8)
EFLAGS_ALWAYS = 2
RESET_DR7 = 0x400
REAL_IDT_LIMIT = 0x3ff

PIN = controls.EXTERNAL_INTERRUPT_EXITING | controls.NMI_EXITING | controls.VIRTUAL_NMIS
PROCESSOR = (controls.HLT_EXITING | controls.MWAIT_EXITING | controls.MONITOR_EXITING | controls.RDPMC_EXITING | controls.MOV_DR_EXITING |
             controls.UNCONDITIONAL_IO_EXITING | controls.USE_TSC_OFFSETTING)
PROCESSOR_SHADOW = controls.INVLPG_EXITING | controls.CR3_LOAD_EXITING | controls.CR3_STORE_EXITING
SECONDARY_EPT = controls.ENABLE_EPT | controls.UNRESTRICTED_GUEST


def require(capabilities, with_ept):
    """Raises UserError if the processor cannot run such a domain."""
    if with_ept and (not capabilities.has_ept or not capabilities.secondary_may & controls.UNRESTRICTED_GUEST):
        raise UserError('--mmu ept: this processor model has no extended page tables; choose one that has with --cpu nehalem, or --mmu vtlb')


def prepare_controls(domain):
    """Returns the processor controls as written."""
    vmx = domain.vmx
    processor = PROCESSOR
    secondary = 0
    if domain.ept is not None:
        processor |= controls.ACTIVATE_SECONDARY_CONTROLS
        secondary = SECONDARY_EPT
    else:
        processor |= PROCESSOR_SHADOW
    host.prepare_host_state(vmx)
    complete = host.prepare_controls(vmx, PIN, processor, controls.SAVE_DEBUG_CONTROLS, controls.LOAD_DEBUG_CONTROLS, secondary)
    if not complete:
        raise UserError('--mode full: this processor model lacks controls of VT-x that it needs; choose another with --cpu')
    vmx.write64(fields.TSC_OFFSET, 0)
    if domain.ept is not None:
        vmx.write64(fields.EPT_POINTER, domain.ept.pointer())
        vmx.vmwrite(fields.EXCEPTION_BITMAP, 0)
        vmx.vmwrite(fields.CR0_MASK, CR0_FIXED_EPT)
        vmx.vmwrite(fields.CR4_MASK, ~CR4_OFFERED & M32)
    else:
        vmx.vmwrite(fields.EXCEPTION_BITMAP, 1 << PF)
        vmx.vmwrite(fields.PAGE_FAULT_MASK, 0)
        vmx.vmwrite(fields.PAGE_FAULT_MATCH, 0)
        vmx.vmwrite(fields.CR0_MASK, ~CR0_GUEST_OWNED & M32)
        vmx.vmwrite(fields.CR4_MASK, M32)
    return vmx.vmread(fields.PROCESSOR_CONTROLS)


def enter_state(domain, entry):
    """The guest's registers from an EntryState of the loader; raises UserError for real mode without an unrestricted guest."""
    vmx = domain.vmx
    if not entry.protected and domain.ept is None:
        raise UserError('%s: starts in real mode, which --mmu vtlb cannot run; use --mmu ept or --mode native' % domain.name)
    regs = [entry.eax, 0, entry.edx, entry.ebx, 0, 0, entry.esi, 0]
    for k in range(8):
        domain.registers[k] = regs[k]
    for s in range(6):
        selector = entry.cs if s == CS else entry.ds
        if entry.protected:
            segment(vmx, s, selector, 0, M32, ACCESS_CODE if s == CS else ACCESS_DATA)
        else:
            segment(vmx, s, selector, selector << 4, 0xffff, ACCESS_REAL_CODE if s == CS else ACCESS_REAL_DATA)
    segment(vmx, LDTR, 0, 0, 0, UNUSABLE)
    segment(vmx, TR, 0, 0, 0xffff, ACCESS_TASK)
    vmx.vmwrite(fields.GUEST_GDTR_BASE, entry.gdt)
    vmx.vmwrite(fields.GUEST_GDTR_LIMIT, entry.gdt_limit)
    vmx.vmwrite(fields.GUEST_IDTR_BASE, 0)
    vmx.vmwrite(fields.GUEST_IDTR_LIMIT, 0xffff if entry.protected else REAL_IDT_LIMIT)
    vmx.vmwrite(fields.GUEST_RIP, entry.eip)
    vmx.vmwrite(fields.GUEST_RSP, entry.esp)
    vmx.vmwrite(fields.GUEST_RFLAGS, EFLAGS_ALWAYS)
    vmx.vmwrite(fields.GUEST_DR7, RESET_DR7)
    cr0 = CR0_ET | (CR0_PE if entry.protected else 0)
    if domain.ept is not None:
        cr_access.write_cr0(domain, cr0)
        cr_access.write_cr4(domain, 0)
        vmx.vmwrite(fields.GUEST_CR3, 0)
    else:
        cr_access.set_cr0(domain, cr0)
        cr_access.set_cr4(domain, 0)
        domain.shadow.forget()


def segment(vmx, s, selector, base, limit, access):
    vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, selector)
    vmx.vmwrite(fields.GUEST_ES_BASE + 2 * s, base)
    vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * s, limit)
    vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, access)
