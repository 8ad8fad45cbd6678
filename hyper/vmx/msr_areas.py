"""The lists of MSRs that VM entries load and VM exits store and load (SDM vol. 3, 24.7.2, 24.8.2, 26.4, 27.4, 27.6).

An entry has 16 bytes: index, 4 reserved bytes, value."""
from hyper.board import raw
from hyper.cpu.faults import GuestFault

ENTRY = 16
FS_BASE, GS_BASE = 0xc0000100, 0xc0000101
MICROCODE_UPDATE, SMBASE = 0x79, 0x9e
MAXIMUM = 512                   # entries looked at: what IA32_VMX_MISC recommends as the bound, see 24.7.2


def area_is_valid(vmx, address_offset, count_offset):
    """26.2.1.2: the list is aligned and lies inside the physical address space."""
    count = raw.load32(vmx.storage, vmx.current + count_offset)
    if count == 0:
        return True
    address = raw.load64(vmx.storage, vmx.current + address_offset)
    mask = vmx.capabilities.physical_mask
    return address & 15 == 0 and address & ~mask == 0 and (address + count * ENTRY - 1) & ~mask == 0


def load(vmx, address_offset, count_offset):
    """Write the MSRs of a list. 0, or the number (from 1) of the entry that cannot be loaded."""
    count = raw.load32(vmx.storage, vmx.current + count_offset)
    if count == 0:
        return 0
    from hyper.cpu import control
    address = raw.load64(vmx.storage, vmx.current + address_offset)
    memory = vmx.memory
    for k in range(count):
        if k >= MAXIMUM:
            return k + 1
        at = address + k * ENTRY
        index = memory.read32(at)
        if index == FS_BASE or index == GS_BASE or index == MICROCODE_UPDATE or not is_listable(index) or memory.read32(at + 4) != 0:
            return k + 1
        try:
            control.set_msr(vmx.system, index, memory.read64(at + 8))
        except GuestFault:
            return k + 1
    return 0


def store(vmx, address_offset, count_offset):
    """Read the MSRs of a list into it; False if one of them cannot be."""
    count = raw.load32(vmx.storage, vmx.current + count_offset)
    if count == 0:
        return True
    from hyper.cpu import control
    address = raw.load64(vmx.storage, vmx.current + address_offset)
    memory = vmx.memory
    for k in range(count):
        if k >= MAXIMUM:
            return False
        at = address + k * ENTRY
        index = memory.read32(at)
        if not is_listable(index) or memory.read32(at + 4) != 0:
            return False
        try:
            value = control.get_msr(vmx.system, index)
        except GuestFault:
            return False
        memory.write64(at + 8, value)
    return True


def is_listable(index):
    """Not an x2APIC register, nor the SMBASE."""
    return index >> 8 != 8 and index != SMBASE
