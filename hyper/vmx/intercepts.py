"""What exits from VMX non-root operation (SDM vol. 3, chapter 25).

The processor's slow paths ask here when `system.vmx_non_root` is set, after the faults that have priority over the exit (25.1.1). Each function raises
the Intercept if the VMCS asks for the exit, else returns. The controls are read in the VMCS where they are needed.
"""
from hyper.board import raw
from hyper.cpu import faults
from hyper.cpu.faults import Intercept
from hyper.cpu.mode import ES, DS
from hyper.vmx import controls, reasons, vmcs

M32 = 0xffffffff

# exit qualification of control-register accesses (table 27-3): bits 5:4
MOV_TO_CR, MOV_FROM_CR, CLTS, LMSW = 0 << 4, 1 << 4, 2 << 4, 3 << 4
LMSW_MEMORY = 1 << 6
# of MOV DR (27-4) and I/O (27-5)
DR_READ = 1 << 4
IO_IN, IO_STRING, IO_REP, IO_IMMEDIATE = 1 << 3, 1 << 4, 1 << 5, 1 << 6
# of a task switch (27-2): bits 31:30
BY_CALL, BY_IRET, BY_JMP, BY_GATE = range(4)

CR0_PE, CR0_MP, CR0_EM, CR0_TS = 1, 2, 4, 8


def field(system, offset):
    """The 32 bits at an offset in the current VMCS."""
    vmx = system.vmx
    return raw.load32(vmx.storage, vmx.current + offset)


def pin_control(system, bit):
    return field(system, vmcs.PIN_CONTROLS) & bit != 0


def processor_control(system, bit):
    return field(system, vmcs.PROCESSOR_CONTROLS) & bit != 0


def secondary_control(system, bit):
    return processor_control(system, controls.ACTIVATE_SECONDARY_CONTROLS) and field(system, vmcs.SECONDARY_CONTROLS) & bit != 0


# -- instructions that exit always

def cpuid(system):
    raise Intercept(reasons.CPUID)


def invd(system):
    raise Intercept(reasons.INVD)


def task_switch(system, selector, source):
    """source: BY_CALL, BY_IRET, BY_JMP or BY_GATE (a task gate in the IDT)."""
    raise Intercept(reasons.TASK_SWITCH, (selector & 0xffff) | (source << 30))


def vmx_instruction(system, reason, displacement=0):
    """One of the VMX instructions, with the reason that is its own. Those with a memory operand give its displacement as the qualification."""
    raise Intercept(reason, displacement & M32)


# -- instructions that exit if a control says so

def hlt(system):
    if processor_control(system, controls.HLT_EXITING):
        raise Intercept(reasons.HLT)


def monitor(system):
    if processor_control(system, controls.MONITOR_EXITING):
        raise Intercept(reasons.MONITOR)


def mwait(system, armed):
    """`armed`: whether MONITOR has chosen a line."""
    if processor_control(system, controls.MWAIT_EXITING):
        raise Intercept(reasons.MWAIT, int(armed))


def invlpg(system, address):
    if processor_control(system, controls.INVLPG_EXITING):
        raise Intercept(reasons.INVLPG, address)


def rdtsc(system):
    if processor_control(system, controls.RDTSC_EXITING):
        raise Intercept(reasons.RDTSC)


def rdpmc(system):
    if processor_control(system, controls.RDPMC_EXITING):
        raise Intercept(reasons.RDPMC)


def pause(system):
    if processor_control(system, controls.PAUSE_EXITING):
        raise Intercept(reasons.PAUSE)


def wbinvd(system):
    if secondary_control(system, controls.WBINVD_EXITING):
        raise Intercept(reasons.WBINVD)


def mov_dr(system, dr, is_read, gpr):
    if processor_control(system, controls.MOV_DR_EXITING):
        raise Intercept(reasons.DR_ACCESS, (dr & 7) | (DR_READ if is_read else 0) | (gpr << 8))


# -- MSRs (24.6.9)

READ_LOW, READ_HIGH, WRITE_LOW, WRITE_HIGH = 0, 0x400, 0x800, 0xc00


def rdmsr(system, index):
    if msr_exits(system, index, READ_LOW, READ_HIGH):
        raise Intercept(reasons.RDMSR)


def wrmsr(system, index):
    if msr_exits(system, index, WRITE_LOW, WRITE_HIGH):
        raise Intercept(reasons.WRMSR)


def msr_exits(system, index, low, high):
    if not processor_control(system, controls.USE_MSR_BITMAPS):
        return True
    bitmap = field(system, vmcs.MSR_BITMAP) | (field(system, vmcs.MSR_BITMAP + 4) << 32)
    if 0 <= index <= 0x1fff:
        return bitmap_has(system, bitmap + low, index)
    if 0xc0000000 <= index <= 0xc0001fff:
        return bitmap_has(system, bitmap + high, index - 0xc0000000)
    return True


def bitmap_has(system, bitmap, bit):
    """One bit of a bitmap in machine memory; outside RAM all are ones."""
    return (system.memory.read8(bitmap + (bit >> 3)) >> (bit & 7)) & 1 != 0


# -- I/O (24.6.4, 25.1.3)

def io(system, port, size, is_in, string=False, rep=False, immediate=False, linear=-1):
    """linear: of the memory operand of a string instruction; -1 takes ES:EDI for INS and DS:ESI for OUTS, of the code segment's address size."""
    if not io_exits(system, port, size):
        return
    qualification = (size - 1) | (port << 16)
    if is_in:
        qualification |= IO_IN
    if immediate:
        qualification |= IO_IMMEDIATE
    if string:
        qualification |= IO_STRING
        if rep:
            qualification |= IO_REP
        if linear < 0:
            mask = M32 if system.mode.code32 else 0xffff
            if is_in:
                linear = (system.base[ES] + (system.regs[7] & mask)) & M32
            else:
                linear = (system.base[DS] + (system.regs[6] & mask)) & M32
    raise Intercept(reasons.IO_INSTRUCTION, qualification, -1, linear)


def io_exits(system, port, size):
    primary = field(system, vmcs.PROCESSOR_CONTROLS)
    if primary & controls.USE_IO_BITMAPS == 0:
        return primary & controls.UNCONDITIONAL_IO_EXITING != 0
    if port + size > 0x10000:
        return True
    for k in range(port, port + size):
        offset = vmcs.IO_BITMAP_A if k < 0x8000 else vmcs.IO_BITMAP_B
        bitmap = field(system, offset) | (field(system, offset + 4) << 32)
        if bitmap_has(system, bitmap, k & 0x7fff):
            return True
    return False


# -- control registers (24.6.6, 24.6.7, 25.1.3, 25.3)

def read_cr(system, n, gpr=0):
    """MOV from CR0, CR3 or CR4, and SMSW: the value that the guest sees."""
    if n == 0:
        return seen(system, system.cr0, vmcs.CR0_MASK, vmcs.CR0_SHADOW)
    if n == 4:
        return seen(system, system.cr4, vmcs.CR4_MASK, vmcs.CR4_SHADOW)
    if n == 3:
        if processor_control(system, controls.CR3_STORE_EXITING):
            raise Intercept(reasons.CR_ACCESS, 3 | MOV_FROM_CR | (gpr << 8))
        return system.cr3
    return system.cr2


def seen(system, real, mask_offset, shadow_offset):
    mask = field(system, mask_offset)
    return (real & ~mask) | (field(system, shadow_offset) & mask)


def write_cr(system, n, gpr, value):
    """MOV to CR0, CR3 or CR4: the value to load, with the bits that the host owns unchanged."""
    if n == 0:
        return loaded(system, 0, gpr, value, system.cr0, vmcs.CR0_MASK, vmcs.CR0_SHADOW)
    if n == 4:
        return loaded(system, 4, gpr, value, system.cr4, vmcs.CR4_MASK, vmcs.CR4_SHADOW)
    if n == 3 and processor_control(system, controls.CR3_LOAD_EXITING) and not is_cr3_target(system, value):
        raise Intercept(reasons.CR_ACCESS, 3 | MOV_TO_CR | (gpr << 8))
    return value


def loaded(system, n, gpr, value, real, mask_offset, shadow_offset):
    mask = field(system, mask_offset)
    if (value ^ field(system, shadow_offset)) & mask:
        raise Intercept(reasons.CR_ACCESS, n | MOV_TO_CR | (gpr << 8))
    return (value & ~mask & M32) | (real & mask)


def is_cr3_target(system, value):
    count = min(field(system, vmcs.CR3_TARGET_COUNT), 4)
    for k in range(count):
        if field(system, vmcs.CR3_TARGET_0 + 4 * k) == value:
            return True
    return False


def clts(system):
    """True if the host owns CR0.TS and shows it as 0 to the guest: CLTS then does nothing."""
    if field(system, vmcs.CR0_MASK) & CR0_TS == 0:
        return False
    if field(system, vmcs.CR0_SHADOW) & CR0_TS:
        raise Intercept(reasons.CR_ACCESS, CLTS)
    return True


def lmsw(system, value, memory=False, linear=-1):
    """The low 4 bits that LMSW of `value` loads really: host-owned bits unchanged. memory: whether the operand is in memory, at `linear`."""
    mask = field(system, vmcs.CR0_MASK)
    shadow = field(system, vmcs.CR0_SHADOW)
    differing = (value ^ shadow) & mask & (CR0_MP | CR0_EM | CR0_TS)
    if differing or (mask & value & ~shadow & CR0_PE):
        qualification = LMSW | ((value & 0xffff) << 16)
        if memory:
            raise Intercept(reasons.CR_ACCESS, qualification | LMSW_MEMORY, -1, linear)
        raise Intercept(reasons.CR_ACCESS, qualification)
    return (value & ~mask & 0xf) | (system.cr0 & mask & 0xf)


# -- events (25.2); the exits themselves are in `exits`

def exception_exits(system, vector, error):
    """Whether an exception causes an exit: its bit in the exception bitmap, turned round for a page fault whose error code does not match."""
    bit = (field(system, vmcs.EXCEPTION_BITMAP) >> (vector & 31)) & 1 != 0
    if vector == faults.PF and (error & field(system, vmcs.PAGE_FAULT_MASK)) != field(system, vmcs.PAGE_FAULT_MATCH):
        return not bit
    return bit


def external_interrupt_exits(system):
    """Whether a request on the INTR pin causes an exit, which it then does whatever EFLAGS.IF says."""
    return pin_control(system, controls.EXTERNAL_INTERRUPT_EXITING)


def nmi_exits(system):
    return pin_control(system, controls.NMI_EXITING)


def has_virtual_nmis(system):
    return pin_control(system, controls.VIRTUAL_NMIS)


def interrupt_window_exits(system):
    """Whether a moment in which interrupts could be taken (EFLAGS.IF = 1 and no blocking) causes an exit."""
    return processor_control(system, controls.INTERRUPT_WINDOW_EXITING)


def nmi_window_exits(system):
    """The same for NMIs, which virtual NMIs must be on for."""
    return processor_control(system, controls.NMI_WINDOW_EXITING)
