"""Direct paging: the guest's own page tables are the processor's, and hold machine frames. What keeps them harmless is that the hypervisor checks every
entry before the processor can see it, and that nothing else can write a frame while it is a table.

References: an entry of a page table (L1) counts as one reference to the frame it maps, of type WRITABLE if it may be written through it. An entry
of a page directory (L2) counts as one to the table, of type L1. So do the base pointer and a pin. A frame's contents are checked when it gets its first
reference as a table, and the references they make are dropped with the last.

Stale translations: the processor may still hold a writable translation of a frame whose last writable mapping is gone. So a frame
remembers when it lost that mapping (`stamp`, in number of flushes), and if no flush came since, there is one before it can be a table.
The processor keeps translations while other domains run, who may be those that make the frame a table or get it; so a domain that has dropped any
reference since the last flush is `stale`, and flushes before it runs again.
"""
from hyper.board import raw
from hyper.vmm.para.descriptors import are_allowed, check_frame
from hyper.vmm.para.frame_table import L1, L2, MOST_REFERENCES, NO_OWNER, UNTYPED, WRITABLE
from hyper.vmm.para.layout import (ACCESSED, DIRTY, ENTRIES, ENTRY_FORBIDDEN, FIRST_RESERVED_SLOT, FRAME, M2P_SLOT, PAGE, PRESENT, PRIVATE_SLOT, WRITE)
from hyper.vmm.para.refusals import Refusals
from hyper.vmx import fields

NO_FRAME = -1

# why something is refused
FOREIGN = 'a frame that is not the domain\'s'
TOO_MANY = 'too many references to a frame'
FORBIDDEN_BITS = 'an entry with bits that the interface does not allow'
NO_TABLE = 'an entry of what is no page table'


class DirectPaging(object):
    """Of the domain `number`. `private_table` is the machine address of its page table for the hypervisor's private area."""
    _immutable_fields_ = ['number', 'table', 'memory', 'vmx', 'private_table', 'owner', 'kind', 'uses', 'references', 'refusals']

    def __init__(self, number, table, vmx, private_table):
        self.number = number
        self.table = table
        self.memory = table.memory
        self.vmx = vmx
        self.private_table = private_table
        self.owner = table.owner
        self.kind = table.kind
        self.uses = table.uses
        self.references = table.references
        self.base = NO_FRAME            # of the page directory in use
        self.privileged = False
        self.flushes = 1
        self.stale = False
        self.refusals = Refusals()
        self.work = 0                   # entries looked at, for those who bound what one hypercall does

    # -- the translations that the processor holds

    def flush(self):
        """Makes the processor forget all translations before the guest runs on."""
        self.flushes += 1
        self.stale = False
        self.vmx.vmwrite(fields.GUEST_CR3, self.base * FRAME)

    def invalidate(self, linear):
        self.vmx.invalidate(linear)

    def resume(self):
        """Others have run meanwhile."""
        if self.stale:
            self.flush()

    # -- references. Those that take one return False, with nothing changed, if the frame cannot have it

    def owns(self, frame):
        if frame < 0 or frame >= self.table.count:
            return False
        return self.owner[frame] == self.number

    def may_map(self, frame):
        """The privileged domain maps frames of others, too, to build them."""
        if frame < 0 or frame >= self.table.count:
            return False
        owner = self.owner[frame]
        return owner == self.number or self.privileged and owner != NO_OWNER

    def get(self, frame):
        """A reference without a type: a mapping that cannot be written through."""
        if not self.may_map(frame):
            return self.refusals.because(FOREIGN)
        assert frame >= 0
        count = self.references[frame]
        if count >= MOST_REFERENCES:
            return self.refusals.because(TOO_MANY)
        self.references[frame] = count + 1
        return True

    def put(self, frame):
        assert frame >= 0
        self.stale = True
        self.references[frame] -= 1

    def get_typed(self, frame, kind):
        """A reference that needs the frame to be of a type; with the first one the contents are checked."""
        if not self.owns(frame) and (kind != WRITABLE or not self.may_map(frame)):
            return self.refusals.because(FOREIGN)
        assert frame >= 0
        count = self.references[frame]
        uses = self.uses[frame]
        if count >= MOST_REFERENCES:
            return self.refusals.because(TOO_MANY)
        if uses == 0:
            self.kind[frame] = kind
            self.uses[frame] = 1
            self.references[frame] = count + 1
            if kind != WRITABLE:
                if not self.check(frame, kind):
                    self.uses[frame] = 0
                    self.kind[frame] = UNTYPED
                    self.references[frame] -= 1
                    return False
                if self.table.stamp[frame] == self.flushes:
                    self.flush()
            return True
        if self.kind[frame] != kind:
            if kind == WRITABLE:
                return self.refusals.because('a writable mapping of a page table or descriptor table')
            if self.kind[frame] == WRITABLE:
                return self.refusals.because('a table in a frame that is mapped writable')
            return self.refusals.because('a frame that is in use as a table of another type')
        self.uses[frame] = uses + 1
        self.references[frame] = count + 1
        return True

    def put_typed(self, frame):
        assert frame >= 0
        self.stale = True
        uses = self.uses[frame] - 1
        self.uses[frame] = uses
        self.references[frame] -= 1
        if uses == 0:
            kind = self.kind[frame]
            self.kind[frame] = UNTYPED
            if kind == WRITABLE:
                self.table.stamp[frame] = self.flushes
            else:
                self.drop(frame, kind)

    # -- what tables contain

    def check(self, frame, kind):
        """Takes the references that the contents of a new table make."""
        if kind == L1:
            return self.check_l1(frame)
        if kind == L2:
            return self.check_l2(frame)
        if not check_frame(self.memory, frame):
            return self.refusals.because('a descriptor that is not allowed in a descriptor table')
        return True

    def drop(self, frame, kind):
        """Drops the references that the contents of a table made."""
        if kind == L1:
            self.drop_l1(frame, ENTRIES)
        elif kind == L2:
            self.drop_l2(frame, FIRST_RESERVED_SLOT)

    def next_present(self, frame, first, end):
        """The number of the next present entry of a table, from `first` on; `end` if there is none. Most entries of most tables are zero."""
        storage = self.memory.storage       # the frame is one of RAM, for it has an owner
        at = frame * FRAME
        k = first
        while k < end:
            if k & 1 == 0 and raw.load64(storage, at + 4 * k) == 0:
                k += 2
            elif raw.load32(storage, at + 4 * k) & PRESENT:
                return k
            else:
                k += 1
        return end

    def check_l1(self, frame):
        memory = self.memory
        at = frame * FRAME
        self.work += ENTRIES
        k = self.next_present(frame, 0, ENTRIES)
        while k < ENTRIES:
            if not self.get_l1_entry(memory.read32(at + 4 * k)):
                self.drop_l1(frame, k)
                return False
            k = self.next_present(frame, k + 1, ENTRIES)
        return True

    def drop_l1(self, frame, count):
        """Drops the references of the first entries."""
        memory = self.memory
        at = frame * FRAME
        self.work += count
        k = self.next_present(frame, 0, count)
        while k < count:
            self.put_l1_entry(memory.read32(at + 4 * k))
            k = self.next_present(frame, k + 1, count)

    def check_l2(self, frame):
        memory = self.memory
        at = frame * FRAME
        self.work += ENTRIES
        k = self.next_present(frame, 0, FIRST_RESERVED_SLOT)
        while k < FIRST_RESERVED_SLOT:
            if not self.get_l2_entry(memory.read32(at + 4 * k)):
                self.drop_l2(frame, k)
                return False
            k = self.next_present(frame, k + 1, FIRST_RESERVED_SLOT)
        for k in range(FIRST_RESERVED_SLOT, ENTRIES):
            memory.write32(at + 4 * k, self.reserved_slot(k))
        return True

    def reserved_slot(self, k):
        """The entry of a page directory that is the hypervisor's."""
        if k == M2P_SLOT:
            return self.table.m2p_table | PRESENT | ACCESSED
        if k == PRIVATE_SLOT:
            return self.private_table | PRESENT | ACCESSED
        return 0

    def drop_l2(self, frame, count):
        memory = self.memory
        at = frame * FRAME
        self.work += count
        k = self.next_present(frame, 0, count)
        while k < count:
            self.put_typed(memory.read32(at + 4 * k) >> 12)
            k = self.next_present(frame, k + 1, count)

    def get_l1_entry(self, entry):
        """The reference of a present entry of a page table."""
        if entry & ENTRY_FORBIDDEN:
            return self.refusals.because(FORBIDDEN_BITS)
        if entry & WRITE:
            return self.get_typed(entry >> 12, WRITABLE)
        return self.get(entry >> 12)

    def put_l1_entry(self, entry):
        if entry & WRITE:
            self.put_typed(entry >> 12)
        else:
            self.put(entry >> 12)

    def get_l2_entry(self, entry):
        if entry & ENTRY_FORBIDDEN:
            return self.refusals.because(FORBIDDEN_BITS)
        return self.get_typed(entry >> 12, L1)

    def tally(self, checker, frame, kind):
        """Tells a FrameChecker what a frame of the domain's that is a table refers to, and what must not be in it."""
        memory = self.memory
        at = frame * FRAME
        end = ENTRIES
        if kind == L2:
            end = FIRST_RESERVED_SLOT
            for k in range(FIRST_RESERVED_SLOT, ENTRIES):
                if memory.read32(at + 4 * k) & ~(ACCESSED | DIRTY) != self.reserved_slot(k) & ~(ACCESSED | DIRTY):
                    checker.report("slot 0x%x of the page directory in frame 0x%x of domain %d is not the hypervisor's" % (k, frame, self.number))
        elif kind != L1:
            if not are_allowed(memory, frame):
                checker.report('frame 0x%x of domain %d holds a descriptor that is not allowed' % (frame, self.number))
            return
        k = self.next_present(frame, 0, end)
        while k < end:
            entry = memory.read32(at + 4 * k)
            if entry & ENTRY_FORBIDDEN:
                checker.report('entry 0x%x of the table in frame 0x%x of domain %d has forbidden bits: 0x%x' % (k, frame, self.number, entry))
            if kind == L2:
                checker.refer(self.number, entry >> 12, L1, 'a directory entry', frame)
            elif entry & WRITE:
                checker.refer(self.number, entry >> 12, WRITABLE, 'a writable mapping', frame)
            else:
                checker.refer(self.number, entry >> 12, UNTYPED, 'a mapping', frame)
            k = self.next_present(frame, k + 1, end)

    # -- changing tables in use; False, with nothing changed, if that is refused

    def write_entry(self, at, value):
        """Changes the entry at a machine address, which must be in a frame of the domain's that is a table."""
        frame = at >> 12
        if at & 3 or not self.owns(frame) or self.uses[frame] == 0:
            return self.refusals.because(NO_TABLE)
        kind = self.kind[frame]
        if kind == L1:
            return self.write_l1_entry(at, value)
        if kind == L2:
            return self.write_l2_entry(at, value)
        return self.refusals.because(NO_TABLE)

    def write_l1_entry(self, at, value):
        old = self.memory.read32(at)
        if old & PRESENT and value & PRESENT and (old ^ value) & (PAGE | WRITE) == 0:
            if value & ENTRY_FORBIDDEN:
                return self.refusals.because(FORBIDDEN_BITS)
            self.memory.write32(at, value)
            return True
        if value & PRESENT and not self.get_l1_entry(value):
            return False
        self.memory.write32(at, value)
        if old & PRESENT:
            self.put_l1_entry(old)
        return True

    def write_l2_entry(self, at, value):
        if (at & 0xfff) >> 2 >= FIRST_RESERVED_SLOT:
            return self.refusals.because('a slot of a page directory that is the hypervisor\'s')
        if value & PRESENT and not self.get_l2_entry(value):
            return False
        old = self.memory.read32(at)
        self.memory.write32(at, value)
        if old & PRESENT:
            self.put_typed(old >> 12)
        return True

    def pin(self, frame, kind):
        if self.owns(frame) and self.table.pinned[frame]:
            return self.refusals.because('a table that is pinned already')
        if not self.get_typed(frame, kind):
            return False
        self.table.pinned[frame] = True
        return True

    def unpin(self, frame):
        if not self.owns(frame):
            return self.refusals.because(FOREIGN)
        if not self.table.pinned[frame]:
            return self.refusals.because('to unpin what is not pinned')
        self.table.pinned[frame] = False
        self.put_typed(frame)
        return True

    def release(self):
        """Drops all references of a domain that is gone."""
        for frame in range(self.table.count):
            if self.table.pinned[frame] and self.owner[frame] == self.number:
                self.unpin(frame)
        if self.base != NO_FRAME:
            self.put_typed(self.base)
            self.base = NO_FRAME

    def set_base(self, frame):
        """A new page directory."""
        if not self.get_typed(frame, L2):
            return False
        old = self.base
        self.base = frame
        if old != NO_FRAME:
            self.put_typed(old)
        self.flush()
        return True
