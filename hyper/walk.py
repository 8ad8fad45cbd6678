"""A debugger's look through page tables: no access rights, no accessed bits, no faults (SDM vol. 3, 4.3)."""
from rpython.rlib.objectmodel import specialize

CR0_PAGING = 1 << 31
CR4_LARGE_PAGES = 1 << 4
PRESENT = 0x01
LARGE = 0x80
FRAME = 0xfffff000


@specialize.argtype(0)
def walk(memory, cr0, cr3, cr4, address):
    """The physical address of a linear one, -1 if it is not mapped. `memory` has read32(); the tables hold its addresses."""
    address &= 0xffffffff
    if not cr0 & CR0_PAGING:
        return address
    directory_entry = memory.read32((cr3 & FRAME) + (address >> 22) * 4)
    if not directory_entry & PRESENT:
        return -1
    if directory_entry & LARGE and cr4 & CR4_LARGE_PAGES:
        return directory_entry & 0xffc00000 | address & 0x3fffff
    entry = memory.read32((directory_entry & FRAME) + (address >> 12 & 0x3ff) * 4)
    if not entry & PRESENT:
        return -1
    return entry & FRAME | address & 0xfff
