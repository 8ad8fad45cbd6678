"""Control-register accesses (exit reason 28; SDM vol. 3, 27.2.1 table 27-3 for the qualification, 2.5 for the registers).

Without EPT the VMM owns CR3, all of CR4, and of CR0 all but TS, EM and MP. With EPT the guest owns CR3 and all that no rule of VMX operation
fixes. What the guest owns causes no exit; what it reads of the rest comes from the read shadow.
"""
from hyper.vmm.full.paging import CR0_PE, CR0_PG, CR0_WP, CR4_PAE, CR4_PSE
from hyper.vmm.full.reflected import Unsupported, general_protection
from hyper.vmx import fields

M32 = 0xffffffff
CR0_MP, CR0_EM, CR0_TS, CR0_ET, CR0_NE, CR0_NW, CR0_CD = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 29, 1 << 30
CR0_DEFINED = 0xe005003f
CR4_VME, CR4_PVI, CR4_TSD, CR4_DE, CR4_MCE, CR4_PGE, CR4_PCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_VMXE = (
    1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 13)
CR0_GUEST_OWNED = CR0_TS | CR0_EM | CR0_MP              # in vtlb
CR0_FIXED_EPT = CR0_NE                                  # an unrestricted guest may clear PE and PG
CR4_OFFERED = (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
CR4_OF_PAGING = CR4_PSE | CR4_PAE | CR4_PGE
CR4_OF_SHADOW = CR4_PAE                                 # the format of the shadow; its pages are not global
MOV_TO, MOV_FROM, CLTS, LMSW = range(4)


def exit_cr_access(domain):
    guest = domain.guest
    qualification = guest.read(fields.EXIT_QUALIFICATION)
    number = qualification & 15
    kind = qualification >> 4 & 3
    gpr = qualification >> 8 & 15
    if kind == MOV_TO:
        value = guest.register(gpr & 7)
        if number == 3:
            write_cr3(domain, value)
        elif number == 0:
            write_cr0(domain, value)
        elif number == 4:
            write_cr4(domain, value)
        else:
            raise Unsupported('writes a control register that it does not have')
    elif kind == MOV_FROM:
        # only CR3 is read by an exit: CR0 and CR4 have read shadows
        guest.set_register(gpr & 7, read_cr3(domain))
    elif kind == CLTS:
        write_cr0(domain, read_cr0(domain) & ~CR0_TS)
    else:
        source = qualification >> 16 & 0xf
        old = read_cr0(domain)
        write_cr0(domain, old & ~0xe | source)
    guest.skip_instruction()


def read_cr0(domain):
    """CR0 as the guest would read it."""
    guest = domain.guest
    mask = guest.read(fields.CR0_MASK)
    return guest.read(fields.CR0_SHADOW) & mask | guest.read(fields.GUEST_CR0) & ~mask & M32


def read_cr4(domain):
    """The same of CR4, of which the guest owns most with EPT."""
    guest = domain.guest
    mask = guest.read(fields.CR4_MASK)
    return guest.read(fields.CR4_SHADOW) & mask | guest.read(fields.GUEST_CR4) & ~mask & M32


def read_cr3(domain):
    if domain.ept is not None:
        return domain.guest.read(fields.GUEST_CR3)
    return domain.guest.paging.cr3


def write_cr3(domain, value):
    """The processor's CR3 stays at the shadow's root."""
    if domain.ept is not None:
        load_pointers(domain, domain.guest.read(fields.GUEST_CR0), value, domain.guest.read(fields.GUEST_CR4))
        domain.guest.write(fields.GUEST_CR3, value)
        return
    paging = domain.guest.paging
    load_pointers(domain, paging.cr0, value, paging.cr4)
    paging.cr3 = value
    domain.shadow.load()


def load_pointers(domain, cr0, cr3, cr4):
    """What loading a control register does with PAE paging; #GP(0) if the entries are malformed. (The processor does it for the guest only where it
    executes the instruction itself.)"""
    guest = domain.guest
    if not guest.paging.load_pointers(cr0, cr3, cr4):
        raise general_protection()
    if domain.ept is not None:
        for k in range(4):
            guest.vmx.write64(fields.GUEST_PDPTE0 + 2 * k, guest.paging.pointers[k])


def write_cr0(domain, value):
    if value & CR0_PG and not value & CR0_PE or value & CR0_NW and not value & CR0_CD:
        raise general_protection()
    value = value & CR0_DEFINED | CR0_ET
    guest = domain.guest
    if domain.ept is not None:
        load_pointers(domain, value, guest.read(fields.GUEST_CR3), guest.read(fields.GUEST_CR4))
        guest.write(fields.CR0_SHADOW, value)
        guest.write(fields.GUEST_CR0, value | CR0_FIXED_EPT)
        return
    if not value & CR0_PE:
        raise Unsupported('enters real mode, which this processor model cannot virtualize; use --mmu ept or --mode native')
    load_pointers(domain, value, guest.paging.cr3, guest.paging.cr4)
    set_cr0(domain, value)


def set_cr0(domain, value):
    """For shadow paging, once the value is known to be good."""
    guest = domain.guest
    paging = guest.paging
    if (paging.cr0 ^ value) & (CR0_PG | CR0_WP):
        domain.shadow.empty()
    paging.cr0 = value
    guest.write(fields.CR0_SHADOW, value)
    guest.write(fields.GUEST_CR0, value & ~(CR0_NW | CR0_CD) | CR0_PE | CR0_PG | CR0_WP | CR0_NE)


def write_cr4(domain, value):
    if value & ~CR4_OFFERED:
        raise general_protection()
    guest = domain.guest
    if domain.ept is not None:
        load_pointers(domain, guest.read(fields.GUEST_CR0), guest.read(fields.GUEST_CR3), value)
        guest.write(fields.CR4_SHADOW, value)
        guest.write(fields.GUEST_CR4, value | CR4_VMXE)
        return
    load_pointers(domain, guest.paging.cr0, guest.paging.cr3, value)
    set_cr4(domain, value)


def set_cr4(domain, value):
    guest = domain.guest
    paging = guest.paging
    changed = paging.cr4 ^ value
    paging.cr4 = value
    if changed & (CR4_PSE | CR4_PAE):
        domain.shadow.empty()
    elif changed & CR4_PGE:
        domain.shadow.load()
    guest.write(fields.CR4_SHADOW, value)
    guest.write(fields.GUEST_CR4, value & ~CR4_OF_PAGING | CR4_OF_SHADOW | CR4_VMXE)
