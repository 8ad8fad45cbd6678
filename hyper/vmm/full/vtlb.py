"""Shadow page tables, used as a TLB that the VMM fills (SDM vol. 3, 31.3: "virtual TLB").

The processor walks only these; the guest's own tables are read when an access misses. As with a TLB an entry may outlive a change of the guest's
tables until INVLPG or a write to CR3, CR0 or CR4. While the guest has paging off, linear addresses are guest-physical ones and the shadow
is their identity. The shadow has the format of PAE paging whatever the guest's is, for only that can forbid fetching from a page.

A shadow entry is writable only if the guest's dirty bit is set, so that the first write is seen. CR0.WP is always 1 for the processor. Where the
guest has it 0 and the supervisor writes to a page that is read-only, the entry becomes writable and loses U/S; the next user access takes it back.
"""
from hyper.vmm.full.memory import FRAME
from hyper.vmm.full.paging import (ALLOWED, ERROR_FETCH, ERROR_USER, ERROR_WRITE, PRESENT, WRITABLE, USER, ACCESSED, DIRTY)
from hyper.vmx import fields

FILLED, REFLECT, DEVICE = range(3)
FEWEST_FRAMES = 28              # one instruction with the delivery of an exception touches less than 20 regions of 2 MB
NO_TABLE = 0
ENTRY = 8                       # bytes
DIRECTORIES, REGIONS = 4, 2048  # a directory maps 1 GB, one of its entries a region of 2 MB
NO_EXECUTE = -1 << 63           # bit 63: XD


class ShadowTables(object):
    """Of one GuestProcessor. `frames` are the machine addresses of at least FEWEST_FRAMES cleared frames of the VMM's own, the bounded pool:
    the page-directory-pointer table, four directories, the rest tables. When they are used up the shadow is emptied."""
    _immutable_fields_ = ['vmx', 'memory', 'guest', 'paging', 'root', 'directories', 'spare', 'tables', 'large', 'touched']

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
        self.spare = frames[1 + DIRECTORIES:]   # a stack of unused tables, always cleared
        self.spare_count = len(self.spare)
        self.tables = [NO_TABLE] * REGIONS      # machine address of the table that a directory entry points to
        self.large = [False] * REGIONS          # whether it holds parts of a large page
        self.touched = [0] * len(self.spare)    # which directory entries are in use
        self.touched_count = 0
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
        entry = machine | self.rights(write) | PRESENT | ACCESSED
        if not paging.executable:
            entry |= NO_EXECUTE
        self.enter(address, entry)
        return FILLED

    def rights(self, write):
        """WRITABLE, DIRTY and USER of the shadow entry for the access just walked."""
        paging = self.paging
        rights = paging.rights & USER
        if paging.rights & WRITABLE:
            if paging.dirty:
                rights |= WRITABLE | DIRTY
        elif write:
            # only a supervisor with WP clear gets here
            rights = WRITABLE | DIRTY
        return rights

    def enter(self, address, entry):
        index = address >> 21
        table = self.tables[index]
        if table == NO_TABLE:
            table = self.take_table(index)
        if self.paging.large:
            self.large[index] = True
        at = table + (address >> 12 & 0x1ff) * ENTRY
        if self.memory.read32(at):
            self.vmx.invalidate(address)        # the processor may hold the entry that is replaced
        self.memory.write64(at, entry)

    def take_table(self, index):
        if self.spare_count == 0:
            self.empty()
        count = self.spare_count - 1
        assert count >= 0
        self.spare_count = count
        table = self.spare[count]
        self.tables[index] = table
        place = self.touched_count
        assert place >= 0
        self.touched[place] = index
        self.touched_count = place + 1
        self.memory.write64(self.directory_entry(index), table | PRESENT | WRITABLE | USER | ACCESSED)
        return table

    def directory_entry(self, index):
        return self.directories[index >> 9] + (index & 0x1ff) * ENTRY

    def empty(self):
        """Forgets all translations: on writes to CR3, and to bits of CR0 and CR4 that change paging. Costs one frame cleared for each region of
        2 MB that was touched."""
        for k in range(self.touched_count):
            index = self.touched[k]
            assert index >= 0
            table = self.tables[index]
            self.memory.write64(self.directory_entry(index), 0)
            self.memory.clear(table, FRAME)
            self.tables[index] = NO_TABLE
            self.large[index] = False
            count = self.spare_count
            assert count >= 0
            self.spare[count] = table
            self.spare_count = count + 1
        self.touched_count = 0
        self.forget()

    def forget(self):
        """Makes the processor drop what it holds of the shadow: the write to its CR3 does that, even of the same value."""
        self.vmx.vmwrite(fields.GUEST_CR3, self.root)

    def invalidate(self, address):
        """INVLPG: forgets the page at linear `address`, and the whole 4 MB if parts of a large page are there."""
        index = address >> 21
        if self.large[index] or self.large[index ^ 1]:
            self.clear(index)
            self.clear(index ^ 1)
            self.forget()
        elif self.tables[index] != NO_TABLE:
            self.memory.write64(self.tables[index] + (address >> 12 & 0x1ff) * ENTRY, 0)
            self.vmx.invalidate(address)

    def clear(self, index):
        """Forgets the translations of a region."""
        if self.tables[index] != NO_TABLE:
            self.memory.clear(self.tables[index], FRAME)
        self.large[index] = False
