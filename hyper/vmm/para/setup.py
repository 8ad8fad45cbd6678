"""What a paravirtual domain's VMCS holds before its first entry: controls, and the processor's state at the kernel's entry point."""
from hyper.cpu.models.model import FXSR, SSE
from hyper.errors import UserError
from hyper.vmm.para.descriptors import DEFAULT_ENTRIES
from hyper.vmm.para.layout import FLAT_LIMIT, FRAME, GDT, IDT, KERNEL_CS, KERNEL_DS, M32, TSS
from hyper.vmm.para.traps import TSS_SIZE
from hyper.vmx import controls, fields, host

PIN = controls.EXTERNAL_INTERRUPT_EXITING | controls.NMI_EXITING
PROCESSOR = (controls.HLT_EXITING | controls.INVLPG_EXITING | controls.MWAIT_EXITING | controls.MONITOR_EXITING | controls.RDPMC_EXITING |
             controls.CR3_LOAD_EXITING | controls.CR3_STORE_EXITING | controls.MOV_DR_EXITING | controls.UNCONDITIONAL_IO_EXITING |
             controls.USE_TSC_OFFSETTING)
CR0 = 0x80010033                # PG, WP, NE, ET, MP, PE
CR4_DE, CR4_OSFXSR, CR4_OSXMMEXCPT = 1 << 3, 1 << 9, 1 << 10
FLAGS_ALWAYS, FLAG_IF = 1 << 1, 1 << 9
DR7 = 0x400
ES, CS, SS, DS, FS, GS, LDTR, TR = range(8)
CODE_ACCESS, DATA_ACCESS, TASK_ACCESS, UNUSABLE = 0xc0bb, 0xc0b3, 0x8b, 1 << 16
IDT_LIMIT = 256 * 8 - 1
TASK_SELECTOR = 0x0838          # nothing stands there in the GDT: the processor has the TSS from the VMCS


def floating_point(model):
    """What CR4 must hold so that a guest can use all of the model."""
    bits = 0
    if model.features & FXSR:
        bits |= CR4_OSFXSR
    if model.features & SSE:
        bits |= CR4_OSXMMEXCPT
    return bits


def prepare(domain, entry, stack):
    """`entry` and `stack` are EIP and ESP. Raises UserError if the processor cannot do it."""
    vmx = domain.vmx
    host.prepare_host_state(vmx)
    if not host.prepare_controls(vmx, PIN, PROCESSOR, controls.SAVE_DEBUG_CONTROLS, controls.LOAD_DEBUG_CONTROLS):
        raise UserError('--mode para: this processor model lacks controls of VT-x that it needs; choose another with --cpu')
    vmx.write64(fields.TSC_OFFSET, 0)
    vmx.vmwrite(fields.EXCEPTION_BITMAP, M32)
    vmx.vmwrite(fields.PAGE_FAULT_MASK, 0)
    vmx.vmwrite(fields.PAGE_FAULT_MATCH, 0)
    vmx.vmwrite(fields.CR0_MASK, 0)
    vmx.vmwrite(fields.CR4_MASK, 0)
    capabilities = vmx.capabilities
    vmx.vmwrite(fields.GUEST_CR0, CR0 | capabilities.cr0_must)
    vmx.vmwrite(fields.GUEST_CR3, domain.paging.base * FRAME)
    vmx.vmwrite(fields.GUEST_CR4, CR4_DE | floating_point(domain.system.model) | capabilities.cr4_must)
    for s in range(6):
        segment(vmx, s, KERNEL_DS, 0, FLAT_LIMIT, DATA_ACCESS)
    segment(vmx, CS, KERNEL_CS, 0, FLAT_LIMIT, CODE_ACCESS)
    segment(vmx, LDTR, 0, 0, 0, UNUSABLE)
    segment(vmx, TR, TASK_SELECTOR, TSS, TSS_SIZE - 1, TASK_ACCESS)
    vmx.vmwrite(fields.GUEST_GDTR_BASE, GDT)
    vmx.vmwrite(fields.GUEST_GDTR_LIMIT, DEFAULT_ENTRIES * 8 - 1)
    vmx.vmwrite(fields.GUEST_IDTR_BASE, IDT)
    vmx.vmwrite(fields.GUEST_IDTR_LIMIT, IDT_LIMIT)
    vmx.vmwrite(fields.GUEST_DR7, DR7)
    vmx.vmwrite(fields.GUEST_RIP, entry)
    vmx.vmwrite(fields.GUEST_RSP, stack)
    vmx.vmwrite(fields.GUEST_RFLAGS, FLAGS_ALWAYS | FLAG_IF)


def segment(vmx, s, selector, base, limit, access):
    vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, selector)
    vmx.vmwrite(fields.GUEST_ES_BASE + 2 * s, base)
    vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * s, limit)
    vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, access)
