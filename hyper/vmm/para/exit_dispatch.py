"""What the hypervisor does about each basic exit reason of a paravirtual domain: a table of handlers, each a function of the domain."""
from hyper.cpu import faults
from hyper.cpu.models import model as models
from hyper.vmm.para.bounce import FLAG_RF, NO_ADDRESS, NO_ERROR
from hyper.vmm.para.instruction import advance, length_of_int
from hyper.vmm.para.layout import CONTINUE, ELSEWHERE, FRAME, HYPERCALL_VECTOR, HYPERVISOR, KERNEL_RING, LDT, M32, TABLE_PAGES, TRAP_DPL
from hyper.vmx import events, fields, reasons

REASONS = 64
RPL = 3
IDT_ERROR, ERROR_SOURCES = 2, 7         # of an error code: a gate of the IDT was meant, not by an external event
CR0_TS = 1 << 3
EAX, ECX, EDX, EBX, ESI, EDI = 0, 1, 2, 3, 6, 7
DR6 = 6
IO_IN, IO_STRING = 1 << 3, 1 << 4       # of an exit qualification
VERSION_LEAF, EXTENDED_LEAF = 1, 0x80000001
# what needs ring 0 or a bit of CR4, or page tables that the interface does not have: it validates two levels of small pages
HIDDEN_EDX = (models.VME | models.PSE | models.PAE | models.MCE | models.APIC | models.SEP | models.MTRR | models.PGE | models.MCA | models.PAT |
              models.PSE36)
HIDDEN_ECX = models.VMX | models.MONITOR
HIDDEN_EXTENDED_EDX = models.NX
HAS_HYPERVISOR = 1 << 31                # of ECX
PROTECTED = 'an instruction of ring 0, or beyond a segment (#GP of the kernel)'


def ring(domain):
    return domain.vmx.vmread(fields.GUEST_CS_SELECTOR) & RPL


# -- hypercalls

def exit_vmcall(domain):
    if ring(domain) == KERNEL_RING:
        hypercall(domain, domain.vmx.vmread(fields.EXIT_INSTRUCTION_LENGTH))
    else:
        domain.bounce.trap(faults.GP, 0, NO_ADDRESS, FLAG_RF)


def hypercall(domain, length):
    """The guest in ring 1 makes the hypercall of EAX, by an instruction of so many bytes."""
    regs = domain.system.regs
    a = domain.arguments
    a[0] = regs[EBX]
    a[1] = regs[ECX]
    a[2] = regs[EDX]
    a[3] = regs[ESI]
    a[4] = regs[EDI]
    domain.paging.work = 0
    result = domain.call(regs[EAX])
    domain.system.pass_time(domain.paging.work)         # so that machine time does not stand still for a guest that does nothing else
    if result == ELSEWHERE:
        return
    if result == CONTINUE:
        # the instruction is executed again; events can come before
        regs[EBX] = a[0]
        regs[ECX] = a[1]
        return
    regs[EAX] = result & M32
    advance(domain.vmx, length)
    if domain.descriptors_changed:
        domain.descriptors_changed = False
        domain.bounce.reload()


# -- exceptions

def exit_exception(domain):
    vmx = domain.vmx
    information = vmx.vmread(fields.EXIT_INTERRUPTION_INFORMATION)
    vector = information & events.VECTOR
    kind = events.kind_of(information)
    if vector == faults.PF:
        page_fault(domain, vmx.vmread(fields.EXIT_INTERRUPTION_ERROR_CODE), vmx.vmread(fields.EXIT_QUALIFICATION))
    elif kind != events.HARDWARE_EXCEPTION:
        # INT3, INTO, INT1: the handler returns behind the instruction
        advance(vmx, vmx.vmread(fields.EXIT_INSTRUCTION_LENGTH))
        domain.bounce.trap(vector, NO_ERROR, NO_ADDRESS, 0)
    elif vector == faults.GP:
        general_protection(domain, vmx.vmread(fields.EXIT_INTERRUPTION_ERROR_CODE))
    elif vector == faults.DB:
        domain.set_debug_register(DR6, domain.debug_register(DR6) | vmx.vmread(fields.EXIT_QUALIFICATION))
        domain.bounce.trap(vector, NO_ERROR, NO_ADDRESS, 0)
    else:
        if vector == faults.NM:
            vmx.vmwrite(fields.GUEST_CR0, vmx.vmread(fields.GUEST_CR0) & ~CR0_TS)
        error = NO_ERROR
        if information & events.HAS_ERROR:
            error = vmx.vmread(fields.EXIT_INTERRUPTION_ERROR_CODE)
        domain.bounce.trap(vector, error, NO_ADDRESS, FLAG_RF)


def page_fault(domain, error, address):
    """The guest's own, unless the processor has looked for a descriptor in a page of its LDT that was not mapped yet."""
    if LDT <= address < LDT + TABLE_PAGES * FRAME:
        tables = domain.tables
        if tables.map_ldt((address - LDT) // FRAME):
            return
        address = (tables.ldt_base + address - LDT) & M32
    elif address >= HYPERVISOR:
        domain.refusals.note('memory access', domain.linear_eip(), 'an access to the hypervisor\'s part of the address space')
    domain.system.cr2 = address
    domain.bounce.trap(faults.PF, error, address, FLAG_RF)


def general_protection(domain, error):
    """An INT instruction if the error code says that a gate of the IDT was not there, which is so for all but the fast trap."""
    if error & ERROR_SOURCES == IDT_ERROR:
        vector = error >> 3 & 0xff
        vmx = domain.vmx
        cpl = ring(domain)
        linear_eip = (vmx.vmread(fields.GUEST_CS_BASE) + vmx.vmread(fields.GUEST_RIP)) & M32
        if vector == HYPERCALL_VECTOR:
            if cpl == KERNEL_RING:
                hypercall(domain, length_of_int(domain.linear, linear_eip))
                return
        elif domain.traps.address[vector] != 0 and domain.traps.flags[vector] & TRAP_DPL >= cpl:
            advance(vmx, length_of_int(domain.linear, linear_eip))
            domain.bounce.trap(vector, NO_ERROR, NO_ADDRESS, 0)
            return
    if ring(domain) == KERNEL_RING:
        domain.refusals.note('instruction', domain.linear_eip(), PROTECTED)
    domain.bounce.trap(faults.GP, error, NO_ADDRESS, FLAG_RF)


# -- the rest

def exit_external_interrupt(domain):
    domain.times.look()
    if domain.host.host_interrupt(domain):
        domain.preempt()


def exit_triple_fault(domain):
    domain.die('triple fault')


def exit_task_switch(domain):
    """IRET with NT set; no descriptor of a guest leads to a task. There is no task to return to."""
    domain.bounce.trap(faults.TS, 0, NO_ADDRESS, FLAG_RF)


def exit_cpuid(domain):
    regs = domain.system.regs
    leaf = regs[EAX]
    answer = domain.system.model.cpuid(leaf, regs[ECX])
    ecx = answer.ecx
    edx = answer.edx
    if leaf == VERSION_LEAF:
        ecx = ecx & ~HIDDEN_ECX | HAS_HYPERVISOR
        edx &= ~domain.hidden_features
    elif leaf == EXTENDED_LEAF:
        edx &= ~HIDDEN_EXTENDED_EDX
    regs[EAX] = answer.eax
    regs[EBX] = answer.ebx
    regs[ECX] = ecx
    regs[EDX] = edx
    advance(domain.vmx, domain.vmx.vmread(fields.EXIT_INSTRUCTION_LENGTH))


def exit_privileged(domain):
    """An instruction of ring 0, in case its exit comes before its #GP."""
    domain.refusals.note('instruction', domain.linear_eip(), PROTECTED)
    domain.bounce.trap(faults.GP, 0, NO_ADDRESS, FLAG_RF)


def exit_io(domain):
    """IN and OUT, where dom0_op has allowed them: nothing is there. Those on strings are not allowed."""
    qualification = domain.vmx.vmread(fields.EXIT_QUALIFICATION)
    if ring(domain) > domain.iopl or domain.iopl == 0 or qualification & IO_STRING:
        exit_privileged(domain)
        return
    if qualification & IO_IN:
        regs = domain.system.regs
        size = (qualification & 7) + 1
        regs[EAX] = (regs[EAX] | (1 << 8 * size) - 1) & M32
    advance(domain.vmx, domain.vmx.vmread(fields.EXIT_INSTRUCTION_LENGTH))


def exit_undefined(domain):
    """An instruction of something that CPUID does not offer."""
    domain.bounce.trap(faults.UD, NO_ERROR, NO_ADDRESS, FLAG_RF)


def exit_failed_entry(domain):
    domain.die('VM-entry failure: ' + domain.vmx.failed_check)


def exit_unexpected(domain):
    domain.die('caused ' + reasons.reason_name(domain.vmx.vmread(fields.EXIT_REASON)))


def _table():
    table = [exit_unexpected] * REASONS
    table[reasons.EXCEPTION_OR_NMI] = exit_exception
    table[reasons.EXTERNAL_INTERRUPT] = exit_external_interrupt
    table[reasons.TRIPLE_FAULT] = exit_triple_fault
    table[reasons.TASK_SWITCH] = exit_task_switch
    table[reasons.CPUID] = exit_cpuid
    table[reasons.IO_INSTRUCTION] = exit_io
    table[reasons.VMCALL] = exit_vmcall
    table[reasons.INVALID_GUEST_STATE] = exit_failed_entry
    table[reasons.MSR_LOADING] = exit_failed_entry
    for reason in [reasons.HLT, reasons.INVD, reasons.INVLPG, reasons.RDPMC, reasons.CR_ACCESS, reasons.DR_ACCESS, reasons.RDMSR,
                   reasons.WRMSR, reasons.WBINVD]:
        table[reason] = exit_privileged
    for reason in [reasons.GETSEC, reasons.RSM, reasons.VMCLEAR, reasons.VMLAUNCH, reasons.VMPTRLD, reasons.VMPTRST, reasons.VMREAD, reasons.VMRESUME,
                   reasons.VMWRITE, reasons.VMXOFF, reasons.VMXON, reasons.MWAIT, reasons.MONITOR, reasons.INVEPT, reasons.INVVPID, reasons.XSETBV]:
        table[reason] = exit_undefined
    return table


HANDLERS = _table()


def dispatch(domain, reason):
    """Handles a VM exit; `reason` as the VMCS has it."""
    HANDLERS[reason & (REASONS - 1)](domain)
