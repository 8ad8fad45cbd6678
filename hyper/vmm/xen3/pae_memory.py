"""A guest's linear memory as hypercalls reach it, through its page tables of three levels."""
from hyper.vmm.para.layout import ACCESSED, DIRTY, FRAME, PAGE, PRESENT, WRITE
from hyper.vmm.para.linear_memory import LinearMemory, NOT_MAPPED
from hyper.vmm.xen3.layout import END


class PaeMemory(LinearMemory):
    def contains(self, address, size):
        return size >= 0 and address >= 0 and size <= END and address <= END - size

    def directory_entry(self, address):
        """The machine address of the L2 entry of a linear address, NOT_MAPPED if there is none."""
        if address >= END or address < 0:
            return NOT_MAPPED
        pointer = self.memory.read32(self.paging.base * FRAME + (address >> 30) * 8)
        if not pointer & PRESENT:
            return NOT_MAPPED
        return (pointer & PAGE) + (address >> 21 & 0x1ff) * 8

    def table_entry(self, address):
        at = self.directory_entry(address)
        if at == NOT_MAPPED:
            return NOT_MAPPED
        entry = self.memory.read32(at)
        if not entry & PRESENT:
            return NOT_MAPPED
        return (entry & PAGE) + (address >> 12 & 0x1ff) * 8

    def machine(self, address, write):
        directory_at = self.directory_entry(address)
        if directory_at == NOT_MAPPED:
            return NOT_MAPPED
        memory = self.memory
        directory_entry = memory.read32(directory_at)
        if not directory_entry & PRESENT:
            return NOT_MAPPED
        at = (directory_entry & PAGE) + (address >> 12 & 0x1ff) * 8
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

    def read_text(self, address, size):
        """So many bytes, or fewer: up to where nothing is mapped."""
        parts = []
        while size > 0:
            machine = self.machine(address, False)
            if machine == NOT_MAPPED:
                break
            here = min(size, FRAME - (address & 0xfff))
            parts.append(self.memory.read_bytes(machine, here))
            address += here
            size -= here
        return ''.join(parts)

    def write_text(self, address, text):
        """False, perhaps with a part of it written, if it cannot be written whole."""
        done = 0
        while done < len(text):
            machine = self.machine(address + done, True)
            if machine == NOT_MAPPED:
                return False
            here = min(len(text) - done, FRAME - (address + done & 0xfff))
            end = done + here
            assert 0 <= done <= end
            self.memory.write_bytes(machine, text[done:end])
            done = end
        return True
