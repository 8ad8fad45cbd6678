"""Shadow page tables, used as a TLB that the VMM fills (SDM vol. 3, 31.3: "virtual TLB").

The processor walks only these; the guest's own tables are read when an access misses. As with a TLB an entry may outlive a change of the guest's
tables until INVLPG or a write to CR3, CR0 or CR4. While the guest has paging off, linear addresses are guest-physical ones and the shadow
is their identity. The shadow has the format of PAE paging whatever the guest's is, for only that can forbid fetching from a page.

A write to CR3 takes all tables out of the directories but keeps them, and which regions were in use with that CR3. When the guest returns
to an address space, those regions get the tables again that were made from what the guest's directory leads to now, without the entries
that the guest has changed. So the kernel's tables serve in all address spaces, and a switch costs a look at each translation in use instead of a page
fault for it.

A shadow entry is writable only if the guest's dirty bit is set, so that the first write is seen. CR0.WP is always 1 for the processor. Where the
guest has it 0 and the supervisor writes to a page that is read-only, the entry becomes writable and loses U/S; the next user access takes it back.
A large page of the guest's becomes pages of 2 MB where its frames allow, but not while CR0.WP is 0: then parts of it can differ.
"""
from hyper.vmm.full.paging import (ALLOWED, CR0_PG, CR0_WP, ERROR_FETCH, ERROR_USER, ERROR_WRITE, PRESENT, WRITABLE, USER, ACCESSED, DIRTY, LARGE)
from hyper.vmm.full.shadow_table import ENTRY, ShadowTable, key_of
from hyper.vmx import fields

FILLED, REFLECT, DEVICE = range(3)
FEWEST_FRAMES = 28              # one instruction with the delivery of an exception touches less than 20 regions of 2 MB
DIRECTORIES, REGIONS = 4, 2048  # a directory maps 1 GB, one of its entries a region of 2 MB
SPACES = 32                     # address spaces that are remembered
NO_EXECUTE = -1 << 63           # bit 63: XD


class AddressSpace(object):
    """A value of the guest's CR3 and the regions that were in use when it was left."""

    def __init__(self):
        self.cr3 = -1
        self.regions = []


class ShadowTables(object):
    """Of one GuestProcessor. `frames` are the machine addresses of at least FEWEST_FRAMES cleared frames of the VMM's own, the bounded pool:
    the page-directory-pointer table, four directories, the rest tables. When they are used up those that are not in use are taken, and if all
    are, the shadow is emptied."""
    _immutable_fields_ = ['vmx', 'memory', 'guest', 'paging', 'root', 'directories', 'frames', 'hooked', 'noted', 'touched', 'spaces', 'whole']

    def __init__(self, processor, frames):
        assert len(frames) >= FEWEST_FRAMES
        memory = processor.memory.memory
        self.vmx = processor.vmx
        self.memory = memory
        self.guest = processor.memory
        self.paging = processor.paging
        self.root = frames[0]
        self.directories = frames[1:1 + DIRECTORIES]
        for k in range(DIRECTORIES):
            memory.write64(self.root + k * ENTRY, self.directories[k] | PRESENT)
        self.frames = frames[1 + DIRECTORIES:]
        self.tables = []                        # at most one for each frame
        self.hand = 0                           # the table that is looked at next when one must be taken
        self.by_key = {}                        # tables that have been made from something
        self.whole = ShadowTable(memory, 0)     # stands for one where a region is a page of 2 MB
        self.hooked = [None] * REGIONS          # the table that a directory entry points to
        self.noted = [False] * REGIONS
        self.touched = [0] * REGIONS            # which regions are noted, all that are hooked among them
        self.touched_count = 0
        self.spaces = [AddressSpace() for k in range(SPACES)]
        self.space = self.spaces[0]
        self.space.cr3 = self.paging.cr3
        self.oldest = 1                         # the one that makes room for another
        self.error = 0                          # after REFLECT: the page fault's error code
        self.physical = 0                       # after DEVICE: the guest-physical address

    def fill(self, address, error):
        """What a page fault of the processor at linear `address` (32 bits) means; `error` is its error code.

        FILLED: a shadow entry allows the access now. REFLECT: it is the guest's own fault, with `self.error`. DEVICE: it is an access to
        `self.physical`, where there is no RAM.
        """
        write = error & ERROR_WRITE != 0
        user = error & ERROR_USER != 0
        paging = self.paging
        result = paging.walk(address, write, user, error & ERROR_FETCH != 0)
        if result != ALLOWED:
            self.error = result
            return REFLECT
        machine = self.guest.machine(paging.frame)
        if machine < 0:
            self.physical = paging.frame | address & 0xfff
            return DEVICE
        rights = shadow_rights(paging.rights, paging.dirty, paging.executable)
        if write and rights & WRITABLE == 0:
            # only a supervisor with WP clear gets here
            rights = rights & ~USER | WRITABLE | DIRTY
        if not paging.large or not self.enter_whole(address, paging.frame, rights):
            self.enter(address, machine & ~0xfff | rights)
        return FILLED

    def enter(self, address, entry):
        paging = self.paging
        index = address >> 21
        key = key_of(index, paging.directory_entry, paging.large)
        table = self.hooked[index]
        if table is None or table.key != key:
            table = self.take_up(key, paging.directory_entry, paging.large)
            if table is None:
                table = self.free_table()
                table.key = key
                self.by_key[key] = table
                self.hook_table(table)
        if table.enter(address >> 12 & 0x1ff, entry, paging.entry):
            self.vmx.invalidate(address)        # the processor may hold the entry that is replaced

    def enter_whole(self, address, frame, rights):
        """Maps the 2 MB around an address and a guest frame in one entry, if that can be."""
        start = self.guest.large_page(frame)
        if start < 0 or self.paging.cr0 & (CR0_PG | CR0_WP) == CR0_PG:
            return False
        index = address >> 21
        if self.hooked[index] is self.whole:
            self.vmx.invalidate(address)
        self.hook(index, self.whole, start | rights | LARGE)
        return True

    # -- tables

    def free_table(self):
        count = len(self.tables)
        if count == len(self.frames):
            for k in range(count):
                table = self.tables[self.hand]
                self.hand = (self.hand + 1) % count
                if self.hooked[table.region()] is not table:
                    table.clear()
                    del self.by_key[table.key]
                    return table
            self.empty()
        table = ShadowTable(self.memory, self.frames[len(self.tables)])
        self.tables.append(table)
        return table

    def hook(self, index, table, directory_entry):
        before = self.hooked[index]
        if before is not None and before is not table:
            self.forget()                       # the processor may hold translations of the other
        self.hooked[index] = table
        if not self.noted[index]:
            self.noted[index] = True
            place = self.touched_count
            assert place >= 0
            self.touched[place] = index
            self.touched_count = place + 1
        self.memory.write64(self.directory_entry(index), directory_entry)

    def hook_table(self, table):
        self.hook(table.region(), table, table.frame | PRESENT | WRITABLE | USER | ACCESSED)

    def take_up(self, key, directory_entry, large):
        """Hooks the table that has been made from something, if there is one, with those entries that are still true."""
        if key not in self.by_key:
            return None
        table = self.by_key[key]
        table.check(self.paging, directory_entry, large)
        self.hook_table(table)
        return table

    def unhook(self, index):
        if self.hooked[index] is not None:
            self.hooked[index] = None
            self.memory.write64(self.directory_entry(index), 0)

    def directory_entry(self, index):
        return self.directories[index >> 9] + (index & 0x1ff) * ENTRY

    # -- what the guest asks of a TLB

    def load(self):
        """Forgets what the guest's tables no longer say: after writes to CR3, even of the same value, and to bits of CR4 that flush the TLB."""
        self.leave()
        self.space = self.space_of(self.paging.cr3)
        for index in self.space.regions:
            self.return_to(index)
        self.forget()

    def leave(self):
        """Takes all tables out of the directories, and remembers for which regions there were any."""
        regions = []
        for k in range(self.touched_count):
            index = self.touched[k]
            assert index >= 0
            self.noted[index] = False
            if self.hooked[index] is not None:
                regions.append(index)
                self.unhook(index)
        self.touched_count = 0
        self.space.regions = regions

    def space_of(self, cr3):
        for space in self.spaces:
            if space.cr3 == cr3:
                return space
        space = self.spaces[self.oldest]
        self.oldest = (self.oldest + 1) % SPACES
        space.cr3 = cr3
        space.regions = []
        return space

    def return_to(self, index):
        """Takes up the table of a region that was in use in this address space before, if the guest's directory still leads to what it was made from."""
        paging = self.paging
        directory_entry = paging.directory_entry_of(index << 21)
        if directory_entry == 0:
            return
        large = paging.is_large(directory_entry)
        if large:
            address = index << 21
            rights = shadow_rights(directory_entry, directory_entry & DIRTY != 0, directory_entry >= 0)
            if self.enter_whole(address, paging.large_frame(directory_entry, address), rights):
                return
        self.take_up(key_of(index, directory_entry, large), directory_entry, large)

    def empty(self):
        """Forgets all translations: on writes to bits of CR0, CR4 and EFER that change what the guest's entries mean."""
        self.leave()
        for space in self.spaces:
            space.cr3 = -1
            space.regions = []
        self.space.cr3 = self.paging.cr3
        for table in self.tables:
            table.clear()
        self.tables = []
        self.by_key = {}
        self.forget()

    def forget(self):
        """Makes the processor drop what it holds of the shadow: the write to its CR3 does that, even of the same value."""
        self.vmx.vmwrite(fields.GUEST_CR3, self.root)

    def invalidate(self, address):
        """INVLPG: forgets the page at linear `address`, and the whole 4 MB if parts of a large page are there."""
        index = address >> 21
        if self.is_large(index) or self.is_large(index ^ 1):
            self.clear(index)
            self.clear(index ^ 1)
            self.forget()
        else:
            table = self.hooked[index]
            if table is not None:
                table.drop(address >> 12 & 0x1ff)
            self.vmx.invalidate(address)

    def is_large(self, index):
        table = self.hooked[index]
        return table is not None and (table is self.whole or table.is_large())

    def clear(self, index):
        """Forgets the translations of a region."""
        table = self.hooked[index]
        if table is not None:
            table.clear()
            self.unhook(index)


def shadow_rights(rights, dirty, executable):
    """The low bits and NO_EXECUTE of a shadow entry, from WRITABLE and USER of the guest's `rights`."""
    entry = rights & USER | PRESENT | ACCESSED
    if rights & WRITABLE and dirty:
        entry |= WRITABLE | DIRTY
    if not executable:
        entry |= NO_EXECUTE
    return entry
