"""Extended page tables (SDM vol. 3, 28.2): guest-physical to machine-physical addresses in four levels, pages of 4 KB and 2 MB.

Guest-physical addresses have 36 bits. Accessed and dirty flags for EPT, execute-only pages and 1 GB pages are not offered.
"""
from hyper.board import raw
from hyper.cpu.faults import Intercept
from hyper.cpu.mmu import READ, WRITE, FETCH
from hyper.vmx import reasons

READABLE, WRITABLE, EXECUTABLE = 1, 2, 4
RIGHTS = READABLE | WRITABLE | EXECUTABLE
LARGE_PAGE = 1 << 7
ADDRESS = 0x000ffffffffff000

# exit qualification of an EPT violation (27.2.1): bits 2:0 the access, bits 5:3 the rights, and
LINEAR_VALID, OF_LINEAR_ADDRESS = 1 << 7, 1 << 8

# A small cache of translations: what a paging-structure cache is for on silicon
CACHE_ENTRIES = 512
ENTRY_SIZE = 16
TAG, FRAME = 0, 8               # the guest page and the generation; machine page and rights
GENERATION_SHIFT = 36
LAST_GENERATION = (1 << 26) - 1
PAGE = 0xffffff000


def is_pointer(value, physical_mask):
    """Whether a 64-bit value is a valid EPT pointer (26.2.1.1): memory type 0 or 6, a walk of 4 levels, no reserved bit."""
    memory_type = value & 7
    return (memory_type == 0 or memory_type == 6) and (value >> 3) & 7 == 3 and value & 0xfc0 == 0 and value & ~physical_mask == 0


class EPT(object):
    """The tables that `root` leads to, walked for `system`."""
    _immutable_fields_ = ['memory', 'cache', 'physical_mask']

    def __init__(self, system, vmx):
        self.memory = system.memory
        self.physical_mask = vmx.capabilities.physical_mask
        self.cache = raw.allocate(CACHE_ENTRIES * ENTRY_SIZE)
        self.generation = 1
        self.root = 0
        # the last two entries of the guest's paging structures that were translated: machine page, guest page, rights
        self.table = 0
        self.table_guest = 0
        self.table_rights = 0
        self.table_before = 0
        self.table_before_guest = 0
        self.table_before_rights = 0

    def set_pointer(self, pointer):
        """Use another EPT pointer, a valid one."""
        self.root = pointer & ADDRESS
        self.flush()

    def flush(self):
        """Forget cached translations."""
        self.generation += 1
        if self.generation > LAST_GENERATION:
            raw.fill(self.cache, 0, 0, CACHE_ENTRIES * ENTRY_SIZE)
            self.generation = 1

    def translate(self, guest, access, linear):
        """The machine-physical address of guest-physical `guest`, which is the translation of `linear`. access: READ, WRITE or FETCH. Raises the
        Intercept of an EPT violation or misconfiguration."""
        return self._translate(guest, access, linear, LINEAR_VALID | OF_LINEAR_ADDRESS) & ~0xfff | (guest & 0xfff)

    def translate_table(self, guest, access, linear):
        """The machine-physical address of an entry of the guest's own paging structures, used in translating `linear`."""
        entry = self._translate(guest, access, linear, LINEAR_VALID)
        machine = entry & ~0xfff
        self.table_before = self.table
        self.table_before_guest = self.table_guest
        self.table_before_rights = self.table_rights
        self.table = machine
        self.table_guest = guest & PAGE
        self.table_rights = entry & RIGHTS
        return machine | (guest & 0xfff)

    def translate_pointer(self, guest):
        """The same of an entry of the page-directory-pointer table, which is loaded for no linear address."""
        return self._translate(guest, READ, -1, 0) & ~0xfff | (guest & 0xfff)

    def check_table_write(self, machine, linear):
        """Raise the violation if an entry that `translate_table` gave may not be written, to set its accessed or dirty bit."""
        page = machine & ~0xfff
        if page == self.table and self.table_rights & WRITABLE == 0:
            violation(self.table_guest | (machine & 0xfff), WRITE, self.table_rights, linear, LINEAR_VALID)
        elif page == self.table_before and self.table_before_rights & WRITABLE == 0:
            violation(self.table_before_guest | (machine & 0xfff), WRITE, self.table_before_rights, linear, LINEAR_VALID)

    def _translate(self, guest, access, linear, purpose):
        """Machine page and rights, in one word."""
        page = guest & PAGE
        at = ((page >> 12) & (CACHE_ENTRIES - 1)) * ENTRY_SIZE
        tag = page | (self.generation << GENERATION_SHIFT)
        if raw.load64(self.cache, at + TAG) == tag:
            entry = raw.load64(self.cache, at + FRAME)
            if entry & right_of(access):
                return entry
        entry = self._walk(guest, access, linear, purpose)
        raw.store64(self.cache, at + TAG, tag)
        raw.store64(self.cache, at + FRAME, entry)
        return entry

    def _walk(self, guest, access, linear, purpose):
        table = self.root
        rights = RIGHTS
        shift = 39
        while True:
            entry = self.memory.read64(table + (((guest >> shift) & 0x1ff) << 3))
            if entry & RIGHTS == 0:
                violation(guest, access, 0, linear, purpose)
            leaf = shift == 12 or (shift == 21 and entry & LARGE_PAGE != 0)
            if not self._well_formed(entry, shift, leaf):
                raise Intercept(reasons.EPT_MISCONFIGURATION, 0, guest, linear)
            rights &= entry
            if leaf:
                break
            table = entry & ADDRESS
            shift -= 9
        if rights & right_of(access) == 0:
            violation(guest, access, rights, linear, purpose)
        inside = (1 << shift) - 1
        return (entry & ADDRESS & ~inside) | (guest & inside & ~0xfff) | rights

    def _well_formed(self, entry, shift, leaf):
        """28.2.3.1: no misconfiguration. An entry outside RAM reads as all ones, which is one."""
        rights = entry & RIGHTS
        if rights & READABLE == 0:              # write-only, write-execute; execute-only, which is not offered
            return False
        if entry & ADDRESS & ~self.physical_mask:
            return False
        if leaf:
            memory_type = (entry >> 3) & 7
            if memory_type == 2 or memory_type == 3 or memory_type == 7:
                return False
            return shift == 12 or entry & 0x1ff000 == 0
        return entry & 0xf8 == 0


def right_of(access):
    """The permission bit that an access needs, which is also its bit in the exit qualification."""
    if access == WRITE:
        return WRITABLE
    if access == FETCH:
        return EXECUTABLE
    return READABLE


def violation(guest, access, rights, linear, purpose):
    raise Intercept(reasons.EPT_VIOLATION, right_of(access) | (rights << 3) | purpose, guest, linear)
