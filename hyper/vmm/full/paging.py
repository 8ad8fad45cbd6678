"""The guest's page tables, as the VMM walks them (SDM vol. 3, 4.3: 32-bit paging; 4.4: PAE paging).

A walk leaves its result in the object: nothing is allocated for it.
"""
from hyper.cpu.mmu import (CR0_PE, CR0_PG, CR0_WP, CR4_PAE, CR4_PSE, EFER_NXE, PAE_LARGE_RESERVED, PAE_RESERVED, PHYSICAL_PAGE, PSE36_RESERVED,
                           is_malformed_pdpte, uses_pae)
from hyper.vmm.full.memory import PAGE

M32 = 0xffffffff
PRESENT, WRITABLE, USER, ACCESSED, DIRTY, LARGE = 0x01, 0x02, 0x04, 0x20, 0x40, 0x80

# page-fault error code (4.7)
ERROR_PRESENT, ERROR_WRITE, ERROR_USER, ERROR_RESERVED, ERROR_FETCH = 1, 2, 4, 8, 16
ALLOWED = -1                    # in place of an error code


class GuestPaging(object):
    """`cr0`, `cr3`, `cr4`, `efer` and `pointers` (the page-directory-pointer registers) are the values that the guest believes to be in force.

    After a walk that was ALLOWED: `frame` is the guest-physical address of the 4 KB page, `rights` has WRITABLE and USER as all levels
    together give them, `executable` says whether it may be fetched from, `dirty` whether the page's dirty bit is set, `large` whether it is part
    of a larger page; `directory_entry` and `entry` are the entries that led there, the same if it is, as they are after the walk.
    """
    _immutable_fields_ = ['guest', 'pointers']

    def __init__(self, guest):
        self.guest = guest
        self.cr0 = 0
        self.cr3 = 0
        self.cr4 = 0
        self.efer = 0
        self.pointers = [0] * 4
        self.frame = 0
        self.rights = 0
        self.executable = True
        self.dirty = False
        self.large = False
        self.directory_entry = 0
        self.entry = 0

    def load_pointers(self, cr0, cr3, cr4):
        """Loads the page-directory-pointer registers if these control registers mean PAE paging. False, with nothing changed, if they are malformed."""
        if not uses_pae(cr0, cr4):
            return True
        table = cr3 & 0xffffffe0
        for k in range(4):
            if is_malformed_pdpte(self.guest.read64(table + 8 * k)):
                return False
        for k in range(4):
            self.pointers[k] = self.guest.read64(table + 8 * k)
        return True

    def walk(self, address, write, user, fetch=False):
        """Translates a linear address for an access; sets accessed and dirty bits. ALLOWED, or the error code of the page fault."""
        self.executable = True
        if not self.cr0 & CR0_PG:
            self.frame = address & PAGE
            self.rights = WRITABLE | USER
            self.dirty = True
            self.large = True
            self.directory_entry = self.entry = identity(address)
            return ALLOWED
        error = (ERROR_WRITE if write else 0) | (ERROR_USER if user else 0)
        if self.cr4 & CR4_PAE:
            return self.walk_pae(address, write, user, fetch, error)
        guest = self.guest
        directory_at = (self.cr3 & PAGE) + (address >> 22) * 4
        directory_entry = guest.read32(directory_at)
        if not directory_entry & PRESENT:
            return error
        if directory_entry & LARGE and self.cr4 & CR4_PSE:
            if directory_entry & PSE36_RESERVED:
                return error | ERROR_PRESENT | ERROR_RESERVED
            if not self.permits(directory_entry, write, user):
                return error | ERROR_PRESENT
            entry = self.mark(directory_at, directory_entry, write)
            self.found(self.large_frame(entry, address), directory_entry, entry, entry, True)
            return ALLOWED
        table_at = (directory_entry & PAGE) + (address >> 12 & 0x3ff) * 4
        entry = guest.read32(table_at)
        if not entry & PRESENT:
            return error
        rights = directory_entry & entry
        if not self.permits(rights, write, user):
            return error | ERROR_PRESENT
        directory_entry = self.mark(directory_at, directory_entry, False)
        self.found(entry & PAGE, rights, directory_entry, self.mark(table_at, entry, write), False)
        return ALLOWED

    def walk_pae(self, address, write, user, fetch, error):
        """Entries are signed, so XD makes them negative."""
        guest = self.guest
        no_execute = self.efer & EFER_NXE != 0
        if fetch and no_execute:
            error |= ERROR_FETCH
        pointer = self.pointers[address >> 30]
        if not pointer & PRESENT:
            return error
        directory_at = (pointer & PHYSICAL_PAGE) + (address >> 21 & 0x1ff) * 8
        directory_entry = guest.read64(directory_at)
        if not directory_entry & PRESENT:
            return error
        large = directory_entry & LARGE != 0
        if directory_entry & PAE_RESERVED or directory_entry < 0 and not no_execute or large and directory_entry & PAE_LARGE_RESERVED:
            return error | ERROR_PRESENT | ERROR_RESERVED
        at = directory_at
        entry = directory_entry
        if not large:
            at = (directory_entry & PHYSICAL_PAGE) + (address >> 12 & 0x1ff) * 8
            entry = guest.read64(at)
            if not entry & PRESENT:
                return error
            if entry & PAE_RESERVED or entry < 0 and not no_execute:
                return error | ERROR_PRESENT | ERROR_RESERVED
        rights = directory_entry & entry & M32
        executable = directory_entry >= 0 and entry >= 0
        if fetch and not executable or not self.permits(rights, write, user):
            return error | ERROR_PRESENT
        if large:
            frame = self.large_frame(entry, address)
        else:
            directory_entry = self.mark(directory_at, directory_entry, False)
            frame = entry & PHYSICAL_PAGE
        entry = self.mark(at, entry, write)
        self.found(frame, rights, entry if large else directory_entry, entry, large)
        self.executable = executable
        return ALLOWED

    def found(self, frame, rights, directory_entry, entry, large):
        self.frame = frame
        self.rights = rights
        self.dirty = entry & DIRTY != 0
        self.large = large
        self.directory_entry = directory_entry
        self.entry = entry

    def permits(self, rights, write, user):
        if user:
            return rights & USER != 0 and (not write or rights & WRITABLE != 0)
        return not write or rights & WRITABLE != 0 or not self.cr0 & CR0_WP

    def mark(self, at, entry, write):
        """Sets the accessed bit, for a write to a page also the dirty bit. Gives the entry as it is then."""
        marked = entry | ACCESSED | (DIRTY if write else 0)
        if entry != marked:
            self.guest.write32(at, marked & M32)
        return marked

    # -- without an access

    def directory_entry_of(self, address):
        """The directory entry that a walk would use without changing it, 0 if there is none: it is absent, malformed or not marked as accessed."""
        if not self.cr0 & CR0_PG:
            return identity(address)
        if self.cr4 & CR4_PAE:
            pointer = self.pointers[address >> 30]
            if not pointer & PRESENT:
                return 0
            entry = self.guest.read64((pointer & PHYSICAL_PAGE) + (address >> 21 & 0x1ff) * 8)
            malformed = (entry & PAE_RESERVED != 0 or entry < 0 and self.efer & EFER_NXE == 0 or
                         self.is_large(entry) and entry & PAE_LARGE_RESERVED != 0)
        else:
            entry = self.guest.read32((self.cr3 & PAGE) + (address >> 22) * 4)
            malformed = self.is_large(entry) and entry & PSE36_RESERVED != 0
        if malformed or not entry & PRESENT or not entry & ACCESSED:
            return 0
        return entry

    def is_large(self, directory_entry):
        return directory_entry & LARGE != 0 and (self.cr4 & (CR4_PAE | CR4_PSE) != 0 or not self.cr0 & CR0_PG)

    def large_frame(self, directory_entry, address):
        """The guest-physical address of the 4 KB page at linear `address`, part of a large page."""
        if self.cr0 & CR0_PG and not self.cr4 & CR4_PAE:
            return directory_entry & 0xffc00000 | (directory_entry & 0x1e000) << 19 | address & 0x3ff000
        return directory_entry & PHYSICAL_PAGE & ~0x1fffff | address & 0x1ff000

    def table_of(self, directory_entry, address):
        """The guest-physical address of the entries for the 2 MB at linear `address`."""
        if self.cr4 & CR4_PAE:
            return directory_entry & PHYSICAL_PAGE
        return (directory_entry & PAGE) + (address >> 21 & 1) * 0x800

    def table_entry(self, table, index):
        """An entry of what `table_of` gave."""
        if self.cr4 & CR4_PAE:
            return self.guest.read64(table + index * 8)
        return self.guest.read32(table + index * 4)


def identity(address):
    """What stands for a directory entry while paging is off: a page of 2 MB where linear addresses are physical ones."""
    return address & 0xffe00000 | PRESENT | WRITABLE | USER | ACCESSED | DIRTY | LARGE
