"""The guest's page tables, as the VMM walks them (SDM vol. 3, 4.3: 32-bit paging).

A walk leaves its result in the object: nothing is allocated for it.
"""
from hyper.vmm.full.memory import PAGE

CR0_PE, CR0_WP, CR0_PG = 1 << 0, 1 << 16, 1 << 31
CR4_PSE = 1 << 4
PRESENT, WRITABLE, USER, ACCESSED, DIRTY, LARGE = 0x01, 0x02, 0x04, 0x20, 0x40, 0x80
LARGE_RESERVED = 0x3fe000       # bits 21:13 of an entry for a 4 MB page, on a processor without PSE-36

# page-fault error code (4.7)
ERROR_PRESENT, ERROR_WRITE, ERROR_USER, ERROR_RESERVED = 1, 2, 4, 8
ALLOWED = -1                    # in place of an error code


class GuestPaging(object):
    """`cr0`, `cr3`, `cr4` are the values that the guest believes to be in force.

    After a walk that was ALLOWED: `frame` is the guest-physical address of the 4 KB page, `rights` has WRITABLE and USER as all levels
    together give them, `dirty` says whether the page's dirty bit is set, `large` whether it is part of a 4 MB page.
    """
    _immutable_fields_ = ['guest']

    def __init__(self, guest):
        self.guest = guest
        self.cr0 = 0
        self.cr3 = 0
        self.cr4 = 0
        self.frame = 0
        self.rights = 0
        self.dirty = False
        self.large = False

    def walk(self, address, write, user):
        """Translates a linear address for an access; sets accessed and dirty bits. ALLOWED, or the error code of the page fault."""
        if not self.cr0 & CR0_PG:
            self.frame = address & PAGE
            self.rights = WRITABLE | USER
            self.dirty = True
            self.large = False
            return ALLOWED
        guest = self.guest
        error = (ERROR_WRITE if write else 0) | (ERROR_USER if user else 0)
        directory_at = (self.cr3 & PAGE) + (address >> 22) * 4
        directory_entry = guest.read32(directory_at)
        if not directory_entry & PRESENT:
            return error
        if directory_entry & LARGE and self.cr4 & CR4_PSE:
            if directory_entry & LARGE_RESERVED:
                return error | ERROR_PRESENT | ERROR_RESERVED
            if not self.permits(directory_entry, write, user):
                return error | ERROR_PRESENT
            self.mark(directory_at, directory_entry, write)
            self.frame = directory_entry & 0xffc00000 | address & 0x3ff000
            self.rights = directory_entry
            self.dirty = write or directory_entry & DIRTY != 0
            self.large = True
            return ALLOWED
        table_at = (directory_entry & PAGE) + (address >> 12 & 0x3ff) * 4
        entry = guest.read32(table_at)
        if not entry & PRESENT:
            return error
        rights = directory_entry & entry
        if not self.permits(rights, write, user):
            return error | ERROR_PRESENT
        self.mark(directory_at, directory_entry, False)
        self.mark(table_at, entry, write)
        self.frame = entry & PAGE
        self.rights = rights
        self.dirty = write or entry & DIRTY != 0
        self.large = False
        return ALLOWED

    def permits(self, rights, write, user):
        if user:
            return rights & USER != 0 and (not write or rights & WRITABLE != 0)
        return not write or rights & WRITABLE != 0 or not self.cr0 & CR0_WP

    def mark(self, at, entry, write):
        """Sets the accessed bit, for a write to a page also the dirty bit."""
        bits = ACCESSED | (DIRTY if write else 0)
        if entry & bits != bits:
            self.guest.write32(at, entry | bits)
