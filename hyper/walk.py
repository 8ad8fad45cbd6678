"""A debugger's look through page tables: no access rights, no accessed bits, no faults (SDM vol. 3, 4.3 and 4.4)."""
from rpython.rlib.objectmodel import specialize

CR0_PAGING = 1 << 31
CR4_LARGE_PAGES = 1 << 4
CR4_PAE = 1 << 5
PRESENT = 0x01
LARGE = 0x80
FRAME = 0xfffff000
WIDE_FRAME = 0xffffff000        # of an entry with 36 bits of address


@specialize.argtype(0)
def walk(memory, cr0, cr3, cr4, address):
    """The physical address of a linear one, -1 if it is not mapped. `memory` has read32(); the tables hold its addresses."""
    address &= 0xffffffff
    if not cr0 & CR0_PAGING:
        return address
    if cr4 & CR4_PAE:
        return walk_pae(memory, cr3, address)
    directory_entry = memory.read32((cr3 & FRAME) + (address >> 22) * 4)
    if not directory_entry & PRESENT:
        return -1
    if directory_entry & LARGE and cr4 & CR4_LARGE_PAGES:
        return directory_entry & 0xffc00000 | (directory_entry & 0x1e000) << 19 | address & 0x3fffff
    entry = memory.read32((directory_entry & FRAME) + (address >> 12 & 0x3ff) * 4)
    if not entry & PRESENT:
        return -1
    return entry & FRAME | address & 0xfff


@specialize.argtype(0)
def walk_pae(memory, cr3, address):
    pointer = entry_at(memory, (cr3 & 0xffffffe0) + (address >> 30) * 8)
    if not pointer & PRESENT:
        return -1
    directory_entry = entry_at(memory, (pointer & WIDE_FRAME) + (address >> 21 & 0x1ff) * 8)
    if not directory_entry & PRESENT:
        return -1
    if directory_entry & LARGE:
        return directory_entry & WIDE_FRAME & ~0x1fffff | address & 0x1fffff
    entry = entry_at(memory, (directory_entry & WIDE_FRAME) + (address >> 12 & 0x1ff) * 8)
    if not entry & PRESENT:
        return -1
    return entry & WIDE_FRAME | address & 0xfff


@specialize.argtype(0)
def entry_at(memory, address):
    """What is looked at of an entry of 8 bytes: all but its highest bits."""
    return memory.read32(address) | (memory.read32(address + 4) & 0xf) << 32
