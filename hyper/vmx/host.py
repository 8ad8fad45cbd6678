"""For a VMM in RPython: bring a processor into VMX operation, and give each VMCS a valid host state.

The processor wants a consistent host (SDM vol. 3, 26.2.2 to 26.2.4) though none of its code ever runs on this machine: the VMM is the host's code.
"""
from hyper.cpu.mmu import CR0_PE, CR0_PG
from hyper.cpu.system import AR_UNUSABLE
from hyper.cpu.mode import CS, SS, DS, ES, FS, GS, LDTR, TR
from hyper.vmx import exits, fields, vmcs

CODE_SELECTOR, DATA_SELECTOR, TASK_SELECTOR = 0x08, 0x10, 0x18
RIP_MARKER = 0xfffffff0         # "the VMM": no such instruction is ever fetched
CR0_NE, CR0_ET = 1 << 5, 1 << 4


def start(vmx, region):
    """Put the processor at rest into flat protected mode with the CR0 and CR4 that VMX operation demands, write the revision identifier to the VMXON
    region at `region` (physical, 4 KB-aligned, in RAM) and execute VMXON. `vmx.status` tells."""
    system = vmx.system
    c = vmx.capabilities
    system.cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_ET | c.cr0_must
    system.cr4 = c.cr4_must
    system.cpl = 0
    system.set_segment(CS, CODE_SELECTOR, 0, 0xffffffff, exits.HOST_CODE_ACCESS)
    for s in range(6):
        if s != CS:
            system.set_segment(s, DATA_SELECTOR, 0, 0xffffffff, exits.HOST_DATA_ACCESS)
    system.set_segment(TR, TASK_SELECTOR, 0, 0x67, exits.HOST_TASK_ACCESS)
    system.set_segment(LDTR, 0, 0, 0, AR_UNUSABLE)
    system.mmu.flush()
    system.update_mode()
    clear_region(vmx, region)
    vmx.vmxon(region)


def clear_region(vmx, region):
    """Make a page of RAM a clear VMXON or VMCS region: zeros behind the revision identifier."""
    vmx.memory.clear(region, vmcs.SIZE)
    vmx.memory.write32(region, vmx.capabilities.revision)


def prepare_host_state(vmx, marker=RIP_MARKER):
    """Fill the host area of the current VMCS: flat selectors, CR0 and CR4 as VMX operation demands them, `marker` as RIP."""
    c = vmx.capabilities
    vmx.vmwrite(fields.HOST_CR0, CR0_PE | CR0_PG | CR0_NE | CR0_ET | c.cr0_must)
    vmx.vmwrite(fields.HOST_CR3, 0)
    vmx.vmwrite(fields.HOST_CR4, c.cr4_must)
    vmx.vmwrite(fields.HOST_CS_SELECTOR, CODE_SELECTOR)
    vmx.vmwrite(fields.HOST_ES_SELECTOR, DATA_SELECTOR)
    vmx.vmwrite(fields.HOST_SS_SELECTOR, DATA_SELECTOR)
    vmx.vmwrite(fields.HOST_DS_SELECTOR, DATA_SELECTOR)
    vmx.vmwrite(fields.HOST_FS_SELECTOR, 0)
    vmx.vmwrite(fields.HOST_GS_SELECTOR, 0)
    vmx.vmwrite(fields.HOST_TR_SELECTOR, TASK_SELECTOR)
    vmx.vmwrite(fields.HOST_RIP, marker)
    vmx.vmwrite(fields.HOST_RSP, 0)


def prepare_controls(vmx, pin, processor, exit, entry, secondary=0):
    """Write the controls of the current VMCS: the wanted bits, those that the processor demands, and of the wanted ones none that it does not have.
    Returns whether all that was wanted is there."""
    c = vmx.capabilities
    whole = (pin & ~c.pin_may) | (processor & ~c.processor_may) | (exit & ~c.exit_may) | (entry & ~c.entry_may) | (secondary & ~c.secondary_may)
    vmx.vmwrite(fields.PIN_CONTROLS, (pin & c.pin_may) | c.pin_must)
    vmx.vmwrite(fields.PROCESSOR_CONTROLS, (processor & c.processor_may) | c.processor_must)
    vmx.vmwrite(fields.EXIT_CONTROLS, (exit & c.exit_may) | c.exit_must)
    vmx.vmwrite(fields.ENTRY_CONTROLS, (entry & c.entry_may) | c.entry_must)
    if c.has_secondary:
        vmx.vmwrite(fields.SECONDARY_CONTROLS, (secondary & c.secondary_may) | c.secondary_must)
    vmx.vmwrite(fields.VMCS_LINK_POINTER, 0xffffffff)
    vmx.vmwrite(fields.VMCS_LINK_POINTER + 1, 0xffffffff)
    return whole & 0xffffffff == 0
