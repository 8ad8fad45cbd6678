"""RDMSR, WRMSR and RDPMC (exit reasons 31, 32 and 15): the MSRs of the host's processor model, each domain's its own, without those of VT-x."""
from rpython.rlib.rarithmetic import intmask

from hyper.cpu.models import model as models
from hyper.cpu.models.registers import APIC_BASE, FEATURE_CONTROL, VMX_FIRST
from hyper.vmm.full.guest import M32
from hyper.vmm.full.paging import EFER_NXE
from hyper.vmm.full.reflected import general_protection
from hyper.vmx import fields

EAX, ECX, EDX = 0, 1, 2
TSC, EFER = 0x10, 0xc0000080
SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP = 0x174, 0x175, 0x176
VMX_LAST = 0x4ff


def exit_rdmsr(domain):
    guest = domain.guest
    value = read(domain, guest.register(ECX))
    guest.set_register(EAX, value & M32)
    guest.set_register(EDX, value >> 32 & M32)
    guest.skip_instruction()


def exit_wrmsr(domain):
    guest = domain.guest
    write(domain, guest.register(ECX), intmask(guest.register(EDX) << 32 | guest.register(EAX)))
    guest.skip_instruction()


def exit_rdpmc(domain):
    guest = domain.guest
    value = domain.msrs.read_counter(guest.register(ECX))
    if value < 0:
        raise general_protection()
    guest.set_register(EAX, value & M32)
    guest.set_register(EDX, value >> 32 & M32)
    guest.skip_instruction()


def is_hidden(index):
    """VT-x, which CPUID does not tell a domain of either."""
    return index == FEATURE_CONTROL or VMX_FIRST <= index <= VMX_LAST


def read(domain, index):
    guest = domain.guest
    if index == TSC:
        return domain.time_stamp()
    if SYSENTER_CS <= index <= SYSENTER_EIP and domain.model.features & models.SEP:
        if index == SYSENTER_CS:
            return guest.read(fields.GUEST_SYSENTER_CS)
        if index == SYSENTER_ESP:
            return guest.read(fields.GUEST_SYSENTER_ESP)
        return guest.read(fields.GUEST_SYSENTER_EIP)
    if index == EFER and domain.model.extended_features & models.NX:
        return guest.paging.efer
    if is_hidden(index) or not domain.msrs.has(index):
        raise general_protection()
    return domain.msrs.get(index)


def write(domain, index, value):
    guest = domain.guest
    if index == TSC:
        domain.set_time_stamp(value)
    elif SYSENTER_CS <= index <= SYSENTER_EIP and domain.model.features & models.SEP:
        if index == SYSENTER_CS:
            guest.write(fields.GUEST_SYSENTER_CS, value & M32)
        elif index == SYSENTER_ESP:
            guest.write(fields.GUEST_SYSENTER_ESP, value & M32)
        else:
            guest.write(fields.GUEST_SYSENTER_EIP, value & M32)
    elif index == EFER and domain.model.extended_features & models.NX:
        if value & ~EFER_NXE:
            raise general_protection()
        domain.set_efer(value)
    elif is_hidden(index) or not domain.msrs.set(index, value):
        raise general_protection()
    elif index == APIC_BASE:
        domain.set_apic_base(value)
