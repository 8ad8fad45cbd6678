"""A guest's linear memory as hypercalls reach it: through the guest's own page tables with the rights of its kernel, and below the hypervisor.

What is mapped there is the domain's, since direct paging lets nothing else in.
"""
from hyper.vmm.para.layout import ACCESSED, DIRTY, FRAME, HYPERVISOR, PAGE, PRESENT, WRITE

NOT_MAPPED = -1


class LinearMemory(object):
    """`paging` is the DirectPaging of the domain."""
    _immutable_fields_ = ['paging', 'memory']

    def __init__(self, paging):
        self.paging = paging
        self.memory = paging.memory

    def contains(self, address, size):
        """Whether a range of a size that the guest gave lies below the hypervisor."""
        return size >= 0 and address >= 0 and size <= HYPERVISOR and address <= HYPERVISOR - size

    def machine(self, address, write):
        """The machine address of a byte, NOT_MAPPED if the guest's kernel could not access it so. Marks the page accessed, and dirty."""
        if address >= HYPERVISOR or address < 0:
            return NOT_MAPPED
        memory = self.memory
        directory_at = self.paging.base * FRAME + (address >> 22) * 4
        directory_entry = memory.read32(directory_at)
        if not directory_entry & PRESENT:
            return NOT_MAPPED
        at = (directory_entry & PAGE) + (address >> 12 & 0x3ff) * 4
        entry = memory.read32(at)
        if not entry & PRESENT:
            return NOT_MAPPED
        marks = ACCESSED
        if write:
            if not directory_entry & entry & WRITE:
                return NOT_MAPPED
            marks |= DIRTY
        if entry & marks != marks:
            memory.write32(at, entry | marks)
            if not directory_entry & ACCESSED:
                memory.write32(directory_at, directory_entry | ACCESSED)
        return entry & PAGE | address & 0xfff

    def table_entry(self, address):
        """The machine address of the page-table entry of a linear address, NOT_MAPPED if there is no table."""
        if address >= HYPERVISOR or address < 0:
            return NOT_MAPPED
        directory_entry = self.memory.read32(self.paging.base * FRAME + (address >> 22) * 4)
        if not directory_entry & PRESENT:
            return NOT_MAPPED
        return (directory_entry & PAGE) + (address >> 12 & 0x3ff) * 4

    def read32(self, address):
        """NOT_MAPPED if it cannot be read whole."""
        if address & 0xfff > 0xffc:
            value = 0
            for k in range(4):
                part = self.read8(address + k)
                if part < 0:
                    return NOT_MAPPED
                value |= part << (8 * k)
            return value
        at = self.machine(address, False)
        if at < 0:
            return NOT_MAPPED
        return self.memory.read32(at)

    def read8(self, address):
        at = self.machine(address, False)
        if at < 0:
            return NOT_MAPPED
        return self.memory.read8(at)

    def write8(self, address, value):
        """False if it cannot be written."""
        at = self.machine(address, True)
        if at < 0:
            return False
        self.memory.write8(at, value)
        return True

    def write16(self, address, value):
        """Of an even address; False if it cannot be written."""
        at = self.machine(address, True)
        if at < 0 or address & 1:
            return False
        self.memory.write16(at, value)
        return True

    def write32(self, address, value):
        """False, with nothing written, if it cannot be written whole."""
        if address & 0xfff > 0xffc:
            for k in range(4):
                if self.machine(address + k, True) < 0:
                    return False
            for k in range(4):
                self.memory.write8(self.machine(address + k, True), value >> (8 * k) & 0xff)
            return True
        at = self.machine(address, True)
        if at < 0:
            return False
        self.memory.write32(at, value)
        return True
