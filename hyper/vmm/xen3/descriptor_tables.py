"""A domain's GDT and LDT, as for Xen 1, but that the hypervisor's descriptors are in a page of its own behind the guest's."""
from hyper.vmm.para import descriptors
from hyper.vmm.para.descriptor_tables import DescriptorTables, GDT_PAGE, LDT_PAGE, NO_FRAME, PER_FRAME
from hyper.vmm.para.frame_table import DESCRIPTORS
from hyper.vmm.para.layout import FRAME, TABLE_PAGES
from hyper.vmm.xen3.layout import GDT_BYTES, KERNEL_CS, KERNEL_DS, RESERVED_PAGE, USER_CS, USER_DS
from hyper.vmx import fields

FLAT_SEGMENTS = descriptors.FlatSegments(KERNEL_CS, KERNEL_DS, USER_CS, USER_DS)
# selectors, and high words of their descriptors
FLAT = [(KERNEL_CS, descriptors.FLAT_HIGH | 0xbb00), (KERNEL_DS, descriptors.FLAT_HIGH | 0xb300), (USER_CS, descriptors.FLAT_HIGH | 0xfb00),
        (USER_DS, descriptors.FLAT_HIGH | 0xf300)]


class Xen3Tables(DescriptorTables):
    """`reserved` is the machine address of a cleared frame for the hypervisor's descriptors, `empty` of one that stays clear and stands for what the
    guest does not give."""
    _immutable_fields_ = ['reserved', 'empty']

    def __init__(self, paging, linear, own, reserved, empty):
        DescriptorTables.__init__(self, paging, linear, own)
        self.reserved = reserved // FRAME
        self.empty = empty // FRAME
        self.gdt_entries = 0
        for selector, high in FLAT:
            at = reserved + (selector & 0xff8)
            self.memory.write32(at, descriptors.FLAT_LOW)
            self.memory.write32(at + 4, high)
        for k in range(RESERVED_PAGE):
            self.map_page(GDT_PAGE + k, self.empty)
        self.map_page(GDT_PAGE + RESERVED_PAGE, self.reserved)

    def map_page(self, page, frame):
        self.memory.write64(self.private_table + 8 * page, self.entry(frame))

    def set_gdt(self, frames, count, entries):
        assert count <= RESERVED_PAGE
        paging = self.paging
        for k in range(count):
            if not paging.get_typed(frames[k], DESCRIPTORS):
                for j in range(k):
                    paging.put_typed(frames[j])
                return False
        for k in range(RESERVED_PAGE):
            if self.gdt[k] != NO_FRAME:
                paging.put_typed(self.gdt[k])
            self.gdt[k] = frames[k] if k < count else NO_FRAME
            self.map_page(GDT_PAGE + k, frames[k] if k < count else self.empty)
        self.gdt_entries = entries
        self.limit()
        paging.flush()
        return True

    def limit(self):
        """The GDT of the processor always reaches to the end of the hypervisor's descriptors."""
        self.vmx.vmwrite(fields.GUEST_GDTR_LIMIT, GDT_BYTES - 1)

    def tally(self, checker):
        for k in range(TABLE_PAGES):
            gdt = self.gdt[k]
            if gdt != NO_FRAME:
                checker.refer(self.paging.number, gdt, DESCRIPTORS, 'the GDT', gdt)
            elif k < RESERVED_PAGE:
                gdt = self.empty
            elif k == RESERVED_PAGE:
                gdt = self.reserved
            self.tally_page(checker, GDT_PAGE + k, gdt)
            if self.ldt[k] != NO_FRAME:
                checker.refer(self.paging.number, self.ldt[k], DESCRIPTORS, 'the LDT', self.ldt[k])
            self.tally_page(checker, LDT_PAGE + k, self.ldt[k])

    def tally_page(self, checker, page, frame):
        if self.memory.read64(self.private_table + 8 * page) != self.entry(frame):
            checker.report('page 0x%x of the private area of domain %d is not mapped as its descriptor tables say' % (page, self.paging.number))

    def find(self, selector):
        index = selector >> 3
        page = index // PER_FRAME
        if selector & descriptors.IN_LDT:
            return DescriptorTables.find(self, selector)
        frame = NO_FRAME
        if page == RESERVED_PAGE:
            frame = self.reserved
        elif page < TABLE_PAGES and index != 0:
            frame = self.gdt[page]
        if frame == NO_FRAME:
            return False
        at = frame * FRAME + index % PER_FRAME * 8
        self.low = self.memory.read32(at)
        self.high = self.memory.read32(at + 4)
        return True

    def may_write(self, at):
        return True             # the hypervisor's descriptors are in no frame of the guest's
