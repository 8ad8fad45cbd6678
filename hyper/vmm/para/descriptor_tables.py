"""A domain's GDT and LDT, mapped for the processor in the hypervisor's private area, where the guest cannot write.

The frames of the GDT are mapped when the guest sets it. Those of the LDT, which the guest gives by its linear address, are mapped when the processor first
needs them, with a page fault; they are forgotten with the address space.
"""
from hyper.vmm.para import descriptors
from hyper.vmm.para.frame_table import DESCRIPTORS
from hyper.vmm.para.layout import (ACCESSED, FIRST_RESERVED_DESCRIPTOR, FRAME, GDT, HYPERVISOR, LAST_RESERVED_DESCRIPTOR, LDT, MOST_DESCRIPTORS, PRESENT,
                                   TABLE_PAGES)
from hyper.vmx import fields

GDT_PAGE, LDT_PAGE, OWN_PAGE = 0, TABLE_PAGES, 2 * TABLE_PAGES + 1         # in the private table
PER_FRAME = FRAME // 8
RESERVED_WORDS = (LAST_RESERVED_DESCRIPTOR + 1 - FIRST_RESERVED_DESCRIPTOR) * 2
LDT_ACCESS, UNUSABLE = 0x82, 1 << 16
NO_FRAME = -1


class DescriptorTables(object):
    """`paging` is the DirectPaging, `linear` the LinearMemory of the domain; `own` the machine address of the frame with IDT and TSS."""
    _immutable_fields_ = ['paging', 'linear', 'memory', 'vmx', 'private_table', 'gdt', 'ldt', 'default']

    def __init__(self, paging, linear, own):
        self.paging = paging
        self.linear = linear
        self.memory = paging.memory
        self.vmx = paging.vmx
        self.private_table = paging.private_table
        self.default = paging.table.descriptors // FRAME
        self.gdt = [NO_FRAME] * TABLE_PAGES     # the guest's frames
        self.gdt_entries = descriptors.DEFAULT_ENTRIES
        self.ldt = [NO_FRAME] * TABLE_PAGES
        self.ldt_base = 0
        self.ldt_entries = 0
        self.low = 0                            # of the descriptor found
        self.high = 0
        self.map_page(OWN_PAGE, own // FRAME)
        self.map_page(GDT_PAGE, self.default)

    def map_page(self, page, frame):
        self.memory.write32(self.private_table + 4 * page, self.entry(frame))

    def entry(self, frame):
        if frame == NO_FRAME:
            return 0
        return frame * FRAME | PRESENT | ACCESSED

    # -- the GDT

    def set_gdt(self, frames, count, entries):
        """The first `count` of `frames` hold `entries` descriptors. False, with nothing changed, if that is refused."""
        assert count <= TABLE_PAGES
        paging = self.paging
        for k in range(1, count):
            if not paging.get_typed(frames[k], DESCRIPTORS):
                self.put(frames, k)
                return False
        if not self.get_first(frames[0]):
            self.put(frames, count)
            return False
        for k in range(TABLE_PAGES):
            if self.gdt[k] != NO_FRAME:
                paging.put_typed(self.gdt[k])
            self.gdt[k] = frames[k] if k < count else NO_FRAME
            self.map_page(GDT_PAGE + k, self.gdt[k])
        self.gdt_entries = entries
        self.vmx.vmwrite(fields.GUEST_GDTR_LIMIT, entries * 8 - 1)
        paging.flush()
        return True

    def release(self):
        """Drops all references of a domain that is gone."""
        self.forget_ldt()
        for k in range(TABLE_PAGES):
            if self.gdt[k] != NO_FRAME:
                self.paging.put_typed(self.gdt[k])
                self.gdt[k] = NO_FRAME
            self.map_page(GDT_PAGE + k, NO_FRAME)
        self.map_page(GDT_PAGE, self.default)
        self.gdt_entries = descriptors.DEFAULT_ENTRIES
        self.ldt_entries = 0

    def put(self, frames, end):
        for k in range(1, end):
            self.paging.put_typed(frames[k])

    def get_first(self, frame):
        """The reference to the first frame, in which the hypervisor's descriptors replace whatever the guest had in their place."""
        paging = self.paging
        memory = self.memory
        if not paging.owns(frame) or paging.uses[frame] > 0 and paging.kind[frame] != DESCRIPTORS:
            return paging.get_typed(frame, DESCRIPTORS)         # which says why not
        before = [0] * RESERVED_WORDS
        for k in range(RESERVED_WORDS):
            before[k] = memory.read32(frame * FRAME + FIRST_RESERVED_DESCRIPTOR * 8 + 4 * k)
        descriptors.write_reserved(memory, frame)
        if paging.get_typed(frame, DESCRIPTORS):
            return True
        for k in range(RESERVED_WORDS):
            memory.write32(frame * FRAME + FIRST_RESERVED_DESCRIPTOR * 8 + 4 * k, before[k])
        return False

    # -- the LDT

    def set_ldt(self, base, entries):
        if entries > MOST_DESCRIPTORS or base & 0xfff or base + entries * 8 > HYPERVISOR:
            return self.paging.refusals.because('an LDT too large, not page-aligned or at the hypervisor')
        self.forget_ldt()
        self.ldt_base = base
        self.ldt_entries = entries
        vmx = self.vmx
        if entries == 0:
            vmx.vmwrite(fields.GUEST_LDTR_ACCESS, UNUSABLE)
        else:
            vmx.vmwrite(fields.GUEST_LDTR_BASE, LDT)
            vmx.vmwrite(fields.GUEST_LDTR_LIMIT, entries * 8 - 1)
            vmx.vmwrite(fields.GUEST_LDTR_ACCESS, LDT_ACCESS)
        return True

    def forget_ldt(self):
        """Drops the frames that were mapped."""
        for k in range(TABLE_PAGES):
            if self.ldt[k] != NO_FRAME:
                self.map_page(LDT_PAGE + k, NO_FRAME)
                self.paging.invalidate(LDT + k * FRAME)
                self.paging.put_typed(self.ldt[k])
                self.ldt[k] = NO_FRAME

    def map_ldt(self, page):
        """Maps one page of the LDT, from where the guest says it is; False if there is none, or it cannot hold descriptors."""
        if page * PER_FRAME >= self.ldt_entries:
            return False
        if self.ldt[page] != NO_FRAME:
            return True
        machine = self.linear.machine(self.ldt_base + page * FRAME, False)
        if machine < 0 or not self.paging.get_typed(machine // FRAME, DESCRIPTORS):
            return False
        self.ldt[page] = machine // FRAME
        self.map_page(LDT_PAGE + page, machine // FRAME)
        return True

    def tally(self, checker):
        """Tells a FrameChecker of the frames in use, and whether the processor has those."""
        for k in range(TABLE_PAGES):
            gdt = self.gdt[k]
            if gdt != NO_FRAME:
                checker.refer(self.paging.number, gdt, DESCRIPTORS, 'the GDT', gdt)
            elif k == 0:
                gdt = self.default
            self.tally_page(checker, GDT_PAGE + k, gdt)
            if self.ldt[k] != NO_FRAME:
                checker.refer(self.paging.number, self.ldt[k], DESCRIPTORS, 'the LDT', self.ldt[k])
            self.tally_page(checker, LDT_PAGE + k, self.ldt[k])

    def tally_page(self, checker, page, frame):
        if self.memory.read32(self.private_table + 4 * page) != self.entry(frame):
            checker.report('page 0x%x of the private area of domain %d is not mapped as its descriptor tables say' % (page, self.paging.number))

    # -- single descriptors

    def find(self, selector):
        """The descriptor of a selector into `low` and `high`; False if it is null or outside its table."""
        index = selector >> 3
        if selector & descriptors.IN_LDT:
            if index >= self.ldt_entries or not self.map_ldt(index // PER_FRAME):
                return False
            frame = self.ldt[index // PER_FRAME]
        else:
            if index == 0 or index >= self.gdt_entries:
                return False
            frame = self.gdt[index // PER_FRAME]
            if frame == NO_FRAME:
                frame = self.default
        at = frame * FRAME + index % PER_FRAME * 8
        self.low = self.memory.read32(at)
        self.high = self.memory.read32(at + 4)
        return True

    def may_write(self, at):
        """Whether the guest may change the descriptor at a machine address in a frame of descriptors."""
        index = (at & 0xfff) >> 3
        return at // FRAME != self.gdt[0] or index < FIRST_RESERVED_DESCRIPTOR or index > LAST_RESERVED_DESCRIPTOR
