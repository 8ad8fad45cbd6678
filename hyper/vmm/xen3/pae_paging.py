"""Direct paging with the three levels of PAE.

The four entries of the L3 in use are copied into a page of the hypervisor's, which is what CR3 points to: guests may set bits in them that the
processor wants to be zero. The fourth must be present, and its L2 is of a type of its own, L2_TOP, for the hypervisor's entries at its end.
"""
from hyper.board import raw
from hyper.vmm.para.descriptors import are_allowed, check_frame
from hyper.vmm.para.direct_paging import DirectPaging, NO_FRAME
from hyper.vmm.para.frame_table import L1, L2, L2_TOP, L3, UNTYPED, WRITABLE
from hyper.vmm.para.layout import ACCESSED, DIRTY, ENTRY_FORBIDDEN, FRAME, PRESENT, WRITE
from hyper.vmm.xen3.layout import ENTRIES, FIRST_RESERVED_ENTRY, HIGH_HALF, M2P_ENTRY, M2P_TABLES, POINTERS, PRIVATE_ENTRY, TOP
from hyper.vmx import fields

FORBIDDEN = ENTRY_FORBIDDEN | HIGH_HALF         # in a present entry of any level. No-execute is not offered
POINTER_BITS = 0xfffff000 | PRESENT             # what the processor may see of an L3 entry
ADDRESS_AND_WRITE = 0xfffff000 | WRITE


class PaePaging(DirectPaging):
    """`private_table` and `m2p_tables` are machine addresses of L1 tables for the hypervisor's area, `pointers` that of the page for the L3 entries."""
    _immutable_fields_ = ['pointers', 'm2p_tables']

    def __init__(self, number, table, vmx, private_table, m2p_tables, pointers):
        DirectPaging.__init__(self, number, table, vmx, private_table)
        self.pointers = pointers
        self.m2p_tables = m2p_tables
        memory = self.memory
        for k in range(len(table.m2p)):
            memory.write64(m2p_tables[k >> 9] + 8 * (k & 0x1ff), table.m2p[k] | PRESENT | ACCESSED)

    def flush(self):
        self.flushes += 1
        self.stale = False
        self.vmx.vmwrite(fields.GUEST_CR3, self.pointers)

    def load_pointers(self):
        """The processor sees the L3 in use as it is now."""
        for k in range(POINTERS):
            entry = self.memory.read64(self.base * FRAME + 8 * k)
            if not entry & PRESENT:
                entry = 0
            self.memory.write64(self.pointers + 8 * k, entry & POINTER_BITS)

    # -- what tables contain

    def check(self, frame, kind):
        if kind == L1:
            return self.check_l1(frame)
        if kind == L2:
            return self.check_directory(frame, ENTRIES)
        if kind == L2_TOP:
            return self.check_top(frame)
        if kind == L3:
            return self.check_l3(frame)
        return check_frame(self.memory, frame)

    def drop(self, frame, kind):
        if kind == L1:
            self.drop_l1(frame, ENTRIES)
        elif kind == L2:
            self.drop_l2(frame, ENTRIES)
        elif kind == L2_TOP:
            self.drop_l2(frame, FIRST_RESERVED_ENTRY)
        elif kind == L3:
            self.drop_l3(frame, POINTERS)

    def next_present(self, frame, first, end):
        storage = self.memory.storage
        at = frame * FRAME
        k = first
        while k < end:
            if raw.load32(storage, at + 8 * k) & PRESENT:
                return k
            k += 1
        return end

    def check_l1(self, frame):
        at = frame * FRAME
        self.work += ENTRIES
        k = self.next_present(frame, 0, ENTRIES)
        while k < ENTRIES:
            if not self.get_l1_entry(self.memory.read64(at + 8 * k)):
                self.drop_l1(frame, k)
                return False
            k = self.next_present(frame, k + 1, ENTRIES)
        return True

    def drop_l1(self, frame, count):
        at = frame * FRAME
        self.work += count
        k = self.next_present(frame, 0, count)
        while k < count:
            self.put_l1_entry(self.memory.read64(at + 8 * k))
            k = self.next_present(frame, k + 1, count)

    def check_directory(self, frame, count):
        """The first entries of an L2."""
        at = frame * FRAME
        self.work += ENTRIES
        k = self.next_present(frame, 0, count)
        while k < count:
            if not self.get_l2_entry(self.memory.read64(at + 8 * k)):
                self.drop_l2(frame, k)
                return False
            k = self.next_present(frame, k + 1, count)
        return True

    def check_top(self, frame):
        if not self.check_directory(frame, FIRST_RESERVED_ENTRY):
            return False
        for k in range(FIRST_RESERVED_ENTRY, ENTRIES):
            self.memory.write64(frame * FRAME + 8 * k, self.reserved_entry(k))
        return True

    def reserved_entry(self, k):
        """What the hypervisor puts into the end of an L2_TOP."""
        if M2P_ENTRY <= k < M2P_ENTRY + M2P_TABLES:
            return self.m2p_tables[k - M2P_ENTRY] | PRESENT | ACCESSED
        if k == PRIVATE_ENTRY:
            return self.private_table | PRESENT | ACCESSED
        return 0

    def drop_l2(self, frame, count):
        at = frame * FRAME
        self.work += count
        k = self.next_present(frame, 0, count)
        while k < count:
            self.put_typed(self.memory.read64(at + 8 * k) >> 12)
            k = self.next_present(frame, k + 1, count)

    def check_l3(self, frame):
        for k in range(POINTERS):
            entry = self.memory.read64(frame * FRAME + 8 * k)
            if entry & PRESENT:
                if not self.get_l3_entry(k, entry):
                    self.drop_l3(frame, k)
                    return False
            elif k == TOP:
                self.drop_l3(frame, k)
                return False
        return True

    def drop_l3(self, frame, count):
        for k in range(count):
            entry = self.memory.read64(frame * FRAME + 8 * k)
            if entry & PRESENT:
                self.put_typed(entry >> 12)

    def get_l1_entry(self, entry):
        if entry & FORBIDDEN:
            return False
        if entry & WRITE:
            return self.get_typed(entry >> 12, WRITABLE)
        return self.get(entry >> 12)

    def get_l2_entry(self, entry):
        if entry & FORBIDDEN:
            return False
        return self.get_typed(entry >> 12, L1)

    def get_l3_entry(self, k, entry):
        if entry & FORBIDDEN:
            return False
        return self.get_typed(entry >> 12, L2_TOP if k == TOP else L2)

    def tally(self, checker, frame, kind):
        if kind == L1:
            self.tally_entries(checker, frame, ENTRIES, kind)
        elif kind == L2:
            self.tally_entries(checker, frame, ENTRIES, kind)
        elif kind == L3:
            self.tally_entries(checker, frame, POINTERS, kind)
        elif kind == L2_TOP:
            self.tally_entries(checker, frame, FIRST_RESERVED_ENTRY, kind)
            for k in range(FIRST_RESERVED_ENTRY, ENTRIES):
                if (self.memory.read64(frame * FRAME + 8 * k) ^ self.reserved_entry(k)) & ~(ACCESSED | DIRTY) != 0:
                    checker.report("entry 0x%x of the top L2 in frame 0x%x of domain %d is not the hypervisor's" % (k, frame, self.number))
        elif not are_allowed(self.memory, frame):
            checker.report('frame 0x%x of domain %d holds a descriptor that is not allowed' % (frame, self.number))

    def tally_entries(self, checker, frame, end, kind):
        k = self.next_present(frame, 0, end)
        while k < end:
            entry = self.memory.read64(frame * FRAME + 8 * k)
            to = entry >> 12
            if entry & FORBIDDEN:
                checker.report('entry 0x%x of the table in frame 0x%x of domain %d has forbidden bits: 0x%x' % (k, frame, self.number, entry))
            if kind == L3 and k == TOP:
                checker.refer(self.number, to, L2_TOP, 'an L3 entry', frame)
            elif kind == L3:
                checker.refer(self.number, to, L2, 'an L3 entry', frame)
            elif kind == L2 or kind == L2_TOP:
                checker.refer(self.number, to, L1, 'an L2 entry', frame)
            elif entry & WRITE:
                checker.refer(self.number, to, WRITABLE, 'a writable mapping', frame)
            else:
                checker.refer(self.number, to, UNTYPED, 'a mapping', frame)
            k = self.next_present(frame, k + 1, end)

    # -- changing tables in use

    def write_entry(self, at, value):
        """Also changes a word of a frame that is no table."""
        return self.change(at, value, False)

    def change(self, at, value, keep_marks):
        """As `write_entry`; `keep_marks`: the accessed and dirty bits stay as they are."""
        frame = at >> 12
        if at & 7 or not self.owns(frame):
            return False
        assert frame >= 0
        if keep_marks:
            value |= self.memory.read64(at) & (ACCESSED | DIRTY)
        if self.uses[frame] == 0:
            # a word of a page: the frame cannot become a table meanwhile
            self.memory.write64(at, value)
            return True
        kind = self.kind[frame]
        if kind == L1:
            return self.write_l1_entry(at, value)
        if kind == L2 or kind == L2_TOP:
            return self.write_l2_entry(at, value)
        if kind == L3:
            return self.write_l3_entry(at, value)
        if kind == WRITABLE:
            self.memory.write64(at, value)
            return True
        return False

    def write_l1_entry(self, at, value):
        old = self.memory.read64(at)
        if old & PRESENT and value & PRESENT and (old ^ value) & ADDRESS_AND_WRITE == 0:
            if value & FORBIDDEN:
                return False
            self.memory.write64(at, value)
            return True
        if value & PRESENT and not self.get_l1_entry(value):
            return False
        self.memory.write64(at, value)
        if old & PRESENT:
            self.put_l1_entry(old)
        return True

    def write_l2_entry(self, at, value):
        frame = at >> 12
        assert frame >= 0
        if self.kind[frame] == L2_TOP and (at & 0xfff) >> 3 >= FIRST_RESERVED_ENTRY:
            return False
        if value & PRESENT and not self.get_l2_entry(value):
            return False
        old = self.memory.read64(at)
        self.memory.write64(at, value)
        if old & PRESENT:
            self.put_typed(old >> 12)
        return True

    def write_l3_entry(self, at, value):
        k = (at & 0xfff) >> 3
        if k >= POINTERS or k == TOP and not value & PRESENT:
            return False
        if value & PRESENT and not self.get_l3_entry(k, value):
            return False
        old = self.memory.read64(at)
        self.memory.write64(at, value)
        if old & PRESENT:
            self.put_typed(old >> 12)
        if at >> 12 == self.base:
            self.load_pointers()
            self.flush()
        return True

    def set_base(self, frame):
        """A new L3."""
        if not self.get_typed(frame, L3):
            return False
        old = self.base
        self.base = frame
        self.load_pointers()
        if old != NO_FRAME:
            self.put_typed(old)
        self.flush()
        return True
