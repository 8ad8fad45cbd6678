"""Control, debug and model-specific registers, descriptor-table registers, CPUID, flags, ports (SDM vol. 2, and vol. 3 chapters 2, 9, 17).

Slow paths of the engine: each is called with the state at rest, checks everything, then changes it; a fault leaves all as it was.
"""
from rpython.rlib.rarithmetic import intmask

from hyper.cpu import faults, flags
from hyper.cpu.faults import GuestFault
from hyper.cpu.mmu import CR0_AM, CR0_PE, CR0_PG, CR0_WP, EFER_NXE, uses_pae
from hyper.cpu.debug import DR6_BD, DR7_GD
from hyper.cpu.mode import SS, TR
from hyper.cpu.models import model as models
from hyper.cpu.models.registers import APIC_BASE, MICROCODE_REVISION

M32 = 0xffffffff

CR0_MP, CR0_EM, CR0_TS, CR0_ET, CR0_NE, CR0_NW, CR0_CD = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 29, 1 << 30
CR0_DEFINED = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG
CR0_FLUSHING = CR0_PE | CR0_PG | CR0_WP
CR0_POINTERS = CR0_PG | CR0_NW | CR0_CD         # a change of one loads the page-directory-pointer registers (vol. 3, 4.4.1)
CR4_VME, CR4_PVI, CR4_TSD, CR4_DE, CR4_PSE, CR4_PAE, CR4_MCE, CR4_PGE, CR4_PCE, CR4_OSFXSR, CR4_OSXMMEXCPT = [1 << k for k in range(11)]
CR4_VMXE = 1 << 13
CR4_FLUSHING = CR4_PSE | CR4_PAE | CR4_PGE

VERSION_LEAF = 1

POPF_ALWAYS = flags.ARITHMETIC | flags.TF | flags.DF | flags.NT | flags.AC | flags.ID


def require_ring_0(system):
    """#GP(0) in any other ring."""
    if system.cpl != 0:
        raise GuestFault(faults.GP, 0)


# -- control registers

def read_cr(system, number, register):
    """MOV from control register `number`; register: the general one that takes the value."""
    require_ring_0(system)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        return intercepts.read_cr(system, number, register)
    if number == 0:
        return system.cr0
    if number == 2:
        return system.cr2
    if number == 3:
        return system.cr3
    if number == 4:
        return system.cr4
    raise faults.undefined()


def write_cr(system, number, register, value):
    """MOV to a control register."""
    require_ring_0(system)
    if number == 0:
        check_cr0(value)
        if system.vmx_non_root:
            from hyper.vmx import intercepts
            value = intercepts.write_cr(system, 0, register, value)
        set_cr0(system, value)
    elif number == 2:
        system.cr2 = value
    elif number == 3:
        if system.vmx_non_root:
            from hyper.vmx import intercepts
            value = intercepts.write_cr(system, 3, register, value)
        load_cr3(system, value)
    elif number == 4:
        check_cr4(system, value)
        if system.vmx_non_root:
            from hyper.vmx import intercepts
            value = intercepts.write_cr(system, 4, register, value)
        set_cr4(system, value)
    else:
        raise faults.undefined()


def check_cr0(value):
    """Combinations that no processor loads."""
    if value & (CR0_PG | CR0_PE) == CR0_PG or value & (CR0_NW | CR0_CD) == CR0_NW:
        raise GuestFault(faults.GP, 0)


def set_cr0(system, value):
    """Load CR0; reserved bits are ignored. #GP if VMX operation forbids the value."""
    value = (value & CR0_DEFINED) | CR0_ET
    check_cr0(value)
    vmx = system.vmx
    if vmx is not None and vmx.on:
        must = vmx.capabilities.cr0_must
        if system.vmx_non_root:
            from hyper.vmx import controls, intercepts
            if intercepts.secondary_control(system, controls.UNRESTRICTED_GUEST):
                must &= ~(CR0_PE | CR0_PG)
        if value & must != must:
            raise GuestFault(faults.GP, 0)
    changed = system.cr0 ^ value
    if changed & CR0_POINTERS and uses_pae(value, system.cr4):
        system.mmu.load_pdptes(system.cr3)
    system.cr0 = value
    if changed & CR0_FLUSHING:
        system.mmu.flush_current()
    if changed & CR0_PE:
        for segment in range(6):
            system.update_segment(segment)
    if changed & (CR0_PE | CR0_PG | CR0_AM):
        system.update_mode()


def cr4_allowed(system):
    """The bits that the model has."""
    model = system.model
    features = model.features
    allowed = 0
    if features & models.VME:
        allowed |= CR4_VME | CR4_PVI
    if features & models.TSC:
        allowed |= CR4_TSD
    if features & models.DE:
        allowed |= CR4_DE
    if features & models.PSE:
        allowed |= CR4_PSE
    if features & models.PAE:
        allowed |= CR4_PAE
    if features & models.MCE:
        allowed |= CR4_MCE
    if features & models.PGE:
        allowed |= CR4_PGE
    if model.has_rdpmc:
        allowed |= CR4_PCE
    if features & models.FXSR:
        allowed |= CR4_OSFXSR
    if features & models.SSE:
        allowed |= CR4_OSXMMEXCPT
    if system.vmx is not None:
        allowed |= CR4_VMXE
    return allowed


def check_cr4(system, value):
    if value & ~cr4_allowed(system) & ~system.cr4:
        raise GuestFault(faults.GP, 0)


def set_cr4(system, value):
    vmx = system.vmx
    if vmx is not None and vmx.on and value & vmx.capabilities.cr4_must != vmx.capabilities.cr4_must:
        raise GuestFault(faults.GP, 0)
    changed = system.cr4 ^ value
    if changed & CR4_FLUSHING and uses_pae(system.cr0, value):
        system.mmu.load_pdptes(system.cr3)
    system.cr4 = value
    if changed & CR4_FLUSHING:
        system.mmu.flush_current()
    if changed & CR4_DE:
        system.debug.update()


def load_cr3(system, value):
    """Load CR3: translations are forgotten, but for global ones. #GP(0) if PAE paging finds malformed pointers there."""
    if uses_pae(system.cr0, system.cr4):
        system.mmu.load_pdptes(value)
    system.cr3 = value
    system.mmu.flush_local()


def smsw(system):
    """SMSW, which any ring may execute: CR0."""
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        return intercepts.read_cr(system, 0)
    return system.cr0


def lmsw(system, value):
    """LMSW: PE can be set with it, not cleared."""
    require_ring_0(system)
    value &= 0xf
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        value = intercepts.lmsw(system, value)
    set_cr0(system, (system.cr0 & ~0xe) | value)


def clts(system):
    require_ring_0(system)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        if intercepts.clts(system):
            return
    system.cr0 &= ~CR0_TS


def invlpg(system, address):
    require_ring_0(system)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.invlpg(system, address)
    system.mmu.invalidate(address)


# -- debug registers (vol. 3, 17.2)

def debug_register(system, number, is_read, register):
    """Which register a MOV means: 4 and 5 are other names of 6 and 7, unless CR4.DE is set. DR7.GD guards all. The VM exit comes first (25.1.3)."""
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.mov_dr(system, number, is_read, register)
    if number == 4 or number == 5:
        if system.cr4 & CR4_DE:
            raise faults.undefined()
        number += 2
    require_ring_0(system)
    if system.dr[7] & DR7_GD:
        raise GuestFault(faults.DB, faults.NO_ERROR_CODE, DR6_BD)
    return number


def read_dr(system, number, register):
    return system.dr[debug_register(system, number, True, register)]


def write_dr(system, number, register, value):
    system.debug.write(debug_register(system, number, False, register), value)


# -- descriptor-table registers

def sgdt(system):
    """Base and limit, in any ring."""
    return system.gdtr_base, system.gdtr_limit


def sidt(system):
    return system.idtr_base, system.idtr_limit


def lgdt(system, base, limit):
    require_ring_0(system)
    system.gdtr_base = base
    system.gdtr_limit = limit


def lidt(system, base, limit):
    require_ring_0(system)
    system.idtr_base = base
    system.idtr_limit = limit


# -- caches: there are none

def invd(system):
    require_ring_0(system)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.invd(system)


def wbinvd(system):
    require_ring_0(system)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.wbinvd(system)


def pause(system):
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.pause(system)


# -- identification, counters, MSRs

def cpuid(system):
    """Any ring; always exits from non-root operation."""
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.cpuid(system)
    leaf = system.regs[0]
    answer = system.model.cpuid(leaf, system.regs[1])
    hidden = 0
    if leaf == VERSION_LEAF:
        system.msrs.reload(MICROCODE_REVISION)
        hidden = system.msrs.hidden_features()
    system.regs[0] = answer.eax
    system.regs[1] = answer.ecx
    system.regs[2] = answer.edx & ~hidden
    system.regs[3] = answer.ebx


def set_edx_eax(system, value):
    system.regs[0] = value & M32
    system.regs[2] = (value >> 32) & M32


def rdtsc(system):
    if system.cr4 & CR4_TSD and system.cpl != 0:
        raise GuestFault(faults.GP, 0)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.rdtsc(system)
    set_edx_eax(system, system.now() + system.tsc_offset)


def rdpmc(system):
    """The performance counter that ECX names."""
    if system.cr4 & CR4_PCE == 0 and system.cpl != 0 and system.cr0 & CR0_PE:
        raise GuestFault(faults.GP, 0)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.rdpmc(system)
    value = system.msrs.read_counter(system.regs[1])
    if value < 0:
        raise GuestFault(faults.GP, 0)
    set_edx_eax(system, value)


def rdmsr(system):
    require_ring_0(system)
    index = system.regs[1]
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.rdmsr(system, index)
    set_edx_eax(system, get_msr(system, index))


def wrmsr(system):
    require_ring_0(system)
    index = system.regs[1]
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.wrmsr(system, index)
    set_msr(system, index, intmask(system.regs[0] | (system.regs[2] << 32)))


TIME_STAMP_COUNTER, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP = 0x10, 0x174, 0x175, 0x176
EFER = 0xc0000080


def get_msr(system, index):
    """The 64-bit value of an MSR, signed; #GP(0) if there is no such MSR."""
    features = system.model.features
    if index == TIME_STAMP_COUNTER and features & models.TSC:
        return system.now() + system.tsc_offset
    if SYSENTER_CS <= index <= SYSENTER_EIP and features & models.SEP:
        if index == SYSENTER_CS:
            return system.sysenter_cs
        if index == SYSENTER_ESP:
            return system.sysenter_esp
        return system.sysenter_eip
    if index == EFER and system.model.extended_features & models.NX:
        return system.efer
    if not system.msrs.has(index):
        raise GuestFault(faults.GP, 0)
    return system.msrs.get(index)


def set_msr(system, index, value):
    """Write an MSR; #GP(0) if there is none, or it cannot take the value."""
    features = system.model.features
    if index == TIME_STAMP_COUNTER and features & models.TSC:
        if not system.model.has_whole_tsc:
            value &= M32
        system.tsc_offset = value - system.now()
    elif SYSENTER_CS <= index <= SYSENTER_EIP and features & models.SEP:
        if index == SYSENTER_CS:
            system.sysenter_cs = value & M32
        elif index == SYSENTER_ESP:
            system.sysenter_esp = value & M32
        else:
            system.sysenter_eip = value & M32
    elif index == EFER and system.model.extended_features & models.NX:
        if value & ~EFER_NXE:
            raise GuestFault(faults.GP, 0)
        system.efer = value
        system.mmu.flush_current()
    elif not system.msrs.set(index, value):
        raise GuestFault(faults.GP, 0)
    elif index == APIC_BASE and system.interrupts is not None:
        system.interrupts.set_apic_base(value)
        system.mmu.flush()              # the registers may have come to lie where RAM was


# -- flags

def iopl(system):
    return (system.eflags & flags.IOPL) >> flags.IOPL_SHIFT


def check_iopl(system):
    """#GP(0) unless CPL <= IOPL; in virtual-8086 mode unless IOPL is 3."""
    if system.cr0 & CR0_PE and system.cpl > iopl(system):
        raise GuestFault(faults.GP, 0)


def has_virtual_interrupts(system):
    """Whether VIF stands for IF (vol. 3, 20.3, 20.4): IOPL forbids IF, in virtual-8086 mode with CR4.VME or in ring 3 with CR4.PVI."""
    if system.cr0 & CR0_PE == 0 or iopl(system) == 3:
        return False
    if system.eflags & flags.VM:
        return system.cr4 & CR4_VME != 0
    return system.cpl == 3 and system.cr4 & CR4_PVI != 0


def cli(system):
    if has_virtual_interrupts(system):
        system.eflags &= ~flags.VIF
        return
    check_iopl(system)
    system.eflags &= ~flags.IF


def sti(system):
    """Interrupts are recognised behind the next instruction, if IF was 0."""
    if has_virtual_interrupts(system):
        if system.eflags & flags.VIP:
            raise GuestFault(faults.GP, 0)
        system.eflags |= flags.VIF
        return
    check_iopl(system)
    if system.eflags & flags.IF == 0:
        system.eflags |= flags.IF
        shadow(system, False)
        interrupts_enabled(system)


def shadow(system, of_stack):
    """The instruction behind this one is executed before events are taken; behind MOV SS (`of_stack`), before debug exceptions too."""
    system.shadow = True
    system.shadow_at = system.icount
    system.shadow_of_stack = of_stack
    if of_stack:
        system.debug.single_step = False


def interrupts_enabled(system):
    """IF has become 1: what waits for that must be looked at."""
    from hyper.vmx import intercepts
    interrupts = system.interrupts
    if (interrupts is not None and interrupts.pending()) or (system.vmx_non_root and intercepts.interrupt_window_exits(system)):
        system.interrupt_changed()


def has_vme(system, size):
    """In virtual-8086 mode with IOPL less than 3: whether PUSHF, POPF and IRET of `size` bytes work on VIF. #GP(0) if they do not."""
    if system.cr4 & CR4_VME == 0 or size != 2:
        raise GuestFault(faults.GP, 0)
    return True


def is_virtual(system, size):
    """Whether the flags that PUSHF, POPF and IRET of `size` bytes move have VIF in the place of IF; #GP(0) where IOPL forbids them."""
    return system.eflags & flags.VM != 0 and iopl(system) < 3 and has_vme(system, size)


def virtual_image(system):
    """FLAGS as virtual-8086 mode sees them with VME: IOPL is 3, IF is VIF."""
    image = (system.eflags | flags.IOPL) & ~flags.IF
    if system.eflags & flags.VIF:
        image |= flags.IF
    return image & 0xffff


def from_virtual_image(system, image):
    """EFLAGS for an image of that kind, with VIF moved; #GP(0) for what only the monitor may do (vol. 2, POPF)."""
    if image & flags.TF or (image & flags.IF and system.eflags & flags.VIP):
        raise GuestFault(faults.GP, 0)
    if image & flags.IF:
        return image | flags.VIF
    return image & ~flags.VIF


def pushf(system, size):
    """The flags as PUSHF of `size` bytes stores them; IOPL-sensitive in virtual-8086 mode."""
    if is_virtual(system, size):
        return virtual_image(system)
    return system.eflags & ~(flags.VM | flags.RF)


def popf(system, value, size):
    """POPF of `size` bytes."""
    changeable = POPF_ALWAYS
    if is_virtual(system, size):
        set_flags(system, from_virtual_image(system, value), (changeable & 0xffff) | flags.VIF)
        return
    if system.cr0 & CR0_PE == 0 or system.cpl == 0:
        changeable |= flags.IOPL | flags.IF
    elif system.eflags & flags.VM or system.cpl <= iopl(system):
        changeable |= flags.IF
    if size == 2:
        changeable &= 0xffff
    set_flags(system, value, changeable)


def set_flags(system, value, changeable):
    """Change some bits of EFLAGS; RF is cleared."""
    before = system.eflags
    system.eflags = (value & changeable) | (before & ~(changeable | flags.RF))
    flags_loaded(system, before)


def flags_loaded(system, before):
    """EFLAGS, which were `before`, have been loaded: what that calls for."""
    changed = system.eflags ^ before
    if changed & flags.AC and system.cpl == 3:
        system.update_mode()
    if system.eflags & (flags.TF | flags.RF) and system.debug.is_stepping():
        system.interrupt_changed()      # the engine must leave fast execution
    elif changed & system.eflags & flags.IF:
        interrupts_enabled(system)


# -- ports

IO_MAP_BASE, TSS32_AVAILABLE, TSS32_BUSY = 0x66, 9, 11


def check_port(system, port, size):
    """#GP(0) unless IOPL or the bitmap of the TSS permits access to `size` ports (vol. 1, 18.5)."""
    if system.cr0 & CR0_PE and (system.cpl > iopl(system) or system.eflags & flags.VM):
        check_io_bitmap(system, port, size)


def io_map_base(system):
    """Where the TSS says that its I/O permission bitmap is; #GP(0) if it cannot say that."""
    kind = system.access[TR] & 0xf
    if (kind != TSS32_BUSY and kind != TSS32_AVAILABLE) or system.limits[TR] < IO_MAP_BASE + 1:
        raise GuestFault(faults.GP, 0)
    return system.read_system(system.base[TR] + IO_MAP_BASE, 2)


def check_io_bitmap(system, port, size):
    at = io_map_base(system) + (port >> 3)
    if at + 1 > system.limits[TR]:
        raise GuestFault(faults.GP, 0)
    bits = system.read_system(system.base[TR] + at, 2) >> (port & 7)
    if bits & ((1 << size) - 1):
        raise GuestFault(faults.GP, 0)


def port_in(system, port, size, immediate):
    """IN: the value of `size` bytes. immediate: the port number is in the instruction."""
    check_port(system, port, size)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.io(system, port, size, True, False, False, immediate)
    system.debug.touch_port(port, size)
    return bus_in(system, port, size)


def port_out(system, port, size, value, immediate):
    check_port(system, port, size)
    if system.vmx_non_root:
        from hyper.vmx import intercepts
        intercepts.io(system, port, size, False, False, False, immediate)
    system.debug.touch_port(port, size)
    bus_out(system, port, size, value)


def intercept_port_string(system, port, size, is_in, repeated):
    """The VM exit that INS or OUTS may cause."""
    from hyper.vmx import intercepts
    intercepts.io(system, port, size, is_in, True, repeated)


def string_in(system, port, size):
    """One element of INS; its checks have been made."""
    system.debug.touch_port(port, size)
    return bus_in(system, port, size)


def string_out(system, port, size, value):
    system.debug.touch_port(port, size)
    bus_out(system, port, size, value)


def bus_in(system, port, size):
    bus = system.bus
    if bus is None:
        return (1 << (8 * size)) - 1
    return bus.read_port(port, size)


def bus_out(system, port, size, value):
    bus = system.bus
    if bus is not None:
        bus.write_port(port, size, value)


# -- the VMX instructions

def vmx_instruction(system, number):
    """VMCALL, VMLAUNCH, VMRESUME, VMXOFF by number."""
    if system.vmx is None:
        raise faults.undefined()
    from hyper.vmx import instructions
    instructions.execute(system, number)


def vmx_check(system, kind):
    from hyper.vmx import instructions
    instructions.check_pointer(system, kind)


def vmx_pointer(system, kind, pointer):
    from hyper.vmx import instructions
    instructions.pointer(system, kind, pointer)


def vmx_store_pointer(system):
    from hyper.vmx import instructions
    return instructions.store_pointer(system)


def vmx_check_access(system, write):
    from hyper.vmx import instructions
    instructions.check_access(system, write)


def vmx_read(system, field):
    from hyper.vmx import instructions
    return instructions.read(system, field)


def vmx_write(system, field, value):
    from hyper.vmx import instructions
    instructions.write(system, field, value)


def vmx_check_invalidate(system, vpid):
    from hyper.vmx import instructions
    instructions.check_invalidate(system, vpid)


def vmx_invalidate(system, vpid, kind, low, address):
    from hyper.vmx import instructions
    instructions.invalidate(system, vpid, kind, low, address)
