"""RDMSR and WRMSR (exit reasons 31 and 32): the few MSRs that a domain has. Any other is #GP, as on a processor without it."""
from hyper.cpu.models.model import NX
from hyper.vmm.full.guest import M32
from hyper.vmm.full.paging import EFER_NXE
from hyper.vmm.full.reflected import general_protection
from hyper.vmx import fields

EAX, ECX, EDX = 0, 1, 2
TSC = 0x10
MICROCODE_REVISION = 0x8b
SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP = 0x174, 0x175, 0x176
EFER = 0xc0000080

# Those that only read: index and value. Nothing of what they describe (APIC, machine checks, performance counters) exists.
CONSTANTS = [
    (0x017, 0),                 # IA32_PLATFORM_ID
    (0x01b, 0xfee00000),        # IA32_APIC_BASE: disabled
    (0x02a, 0),                 # EBL_CR_POWERON
    (MICROCODE_REVISION, 0),
    (0x1a0, 0),                 # IA32_MISC_ENABLE
]
CONSTANT_INDEXES = [_index for _index, _value in CONSTANTS]
CONSTANT_VALUES = [_value for _index, _value in CONSTANTS]


def exit_rdmsr(domain):
    guest = domain.guest
    index = guest.register(ECX)
    high = 0
    if index == SYSENTER_CS:
        low = guest.read(fields.GUEST_SYSENTER_CS)
    elif index == SYSENTER_ESP:
        low = guest.read(fields.GUEST_SYSENTER_ESP)
    elif index == SYSENTER_EIP:
        low = guest.read(fields.GUEST_SYSENTER_EIP)
    elif index == TSC:
        time = domain.time_stamp()
        low = time & M32
        high = time >> 32 & M32
    elif index == EFER and has_efer(domain):
        low = guest.paging.efer
    else:
        low = constant(index)
    guest.set_register(EAX, low)
    guest.set_register(EDX, high)
    guest.skip_instruction()


def has_efer(domain):
    return domain.model.extended_features & NX != 0


def constant(index):
    for k in range(len(CONSTANT_INDEXES)):
        if CONSTANT_INDEXES[k] == index:
            return CONSTANT_VALUES[k]
    raise general_protection()


def exit_wrmsr(domain):
    guest = domain.guest
    index = guest.register(ECX)
    low = guest.register(EAX)
    if index == SYSENTER_CS:
        guest.write(fields.GUEST_SYSENTER_CS, low)
    elif index == SYSENTER_ESP:
        guest.write(fields.GUEST_SYSENTER_ESP, low)
    elif index == SYSENTER_EIP:
        guest.write(fields.GUEST_SYSENTER_EIP, low)
    elif index == TSC:
        domain.set_time_stamp(guest.register(EDX) << 32 | low)
    elif index == EFER and has_efer(domain):
        if low & ~EFER_NXE or guest.register(EDX):
            raise general_protection()
        domain.set_efer(low)
    else:
        constant(index)         # a write to what only reads is ignored, to anything else #GP
    guest.skip_instruction()
