"""A domain's GDT and LDT, as for Xen 1, but that the hypervisor's descriptors are in a page of its own behind the guest's."""
from hyper.vmm.para import descriptors
from hyper.vmm.para.descriptor_tables import DescriptorTables, GDT_PAGE, NO_FRAME, PER_FRAME
from hyper.vmm.para.frame_table import DESCRIPTORS
from hyper.vmm.para.layout import ACCESSED, FRAME, PRESENT, TABLE_PAGES
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
        entry = 0
        if frame != NO_FRAME:
            entry = frame * FRAME | PRESENT | ACCESSED
        self.memory.write64(self.private_table + 8 * page, entry)

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
