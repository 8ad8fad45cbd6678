"""One table of the shadow: what the processor walks for a region of 2 MB of linear memory."""
from hyper.vmm.full.paging import LARGE, PHYSICAL_PAGE, PRESENT, USER, WRITABLE

ENTRIES, ENTRY = 512, 8         # a page table of PAE paging: its entries, and the bytes of one
NEVER, DROPPED = 0, 2           # in place of a guest's entry, which has PRESENT set; DROPPED ones are in the log
KEY_EXECUTE = 8                 # in a key, in place of XD
REGION_SHIFT = 36               # of a key: above a physical address

assert (NEVER | DROPPED) & PRESENT == 0


class ShadowTable(object):
    """Made from one page table of the guest's, or from a large page of which it holds parts. `frame` is its machine address.

    With each translation it keeps the guest's entry that it came from, so that a table which was out of use for a while can be
    taken up again: `check` drops those whose entry is another now.
    """
    _immutable_fields_ = ['memory', 'frame', 'sources', 'log']

    def __init__(self, memory, frame):
        self.memory = memory
        self.frame = frame
        self.key = 0                        # what it is made from
        self.sources = [NEVER] * ENTRIES    # the guest's entries
        self.log = [0] * ENTRIES            # which of them are not NEVER
        self.count = 0

    def region(self):
        """Linear address >> 21."""
        return self.key >> REGION_SHIFT

    def is_large(self):
        return self.key & LARGE != 0

    def enter(self, index, entry, source):
        """Whether a translation was replaced."""
        before = self.sources[index]
        if before == NEVER:
            place = self.count
            assert place >= 0
            self.log[place] = index
            self.count = place + 1
        self.sources[index] = source
        self.memory.write64(self.frame + index * ENTRY, entry)
        return before & PRESENT != 0

    def drop(self, index):
        if self.sources[index] != NEVER:
            self.sources[index] = DROPPED
            self.memory.write64(self.frame + index * ENTRY, 0)

    def clear(self):
        for k in range(self.count):
            index = self.log[k]
            self.sources[index] = NEVER
            self.memory.write64(self.frame + index * ENTRY, 0)
        self.count = 0

    def check(self, paging, directory_entry, large):
        """Drops what the guest's tables no longer say; `directory_entry` is the one that leads to them, or the large page's own."""
        table = paging.table_of(directory_entry, self.region() << 21)
        kept = 0
        for k in range(self.count):
            index = self.log[k]
            source = directory_entry if large else paging.table_entry(table, index)
            if self.sources[index] == source:
                self.log[kept] = index
                kept += 1
            else:
                self.sources[index] = NEVER
                self.memory.write64(self.frame + index * ENTRY, 0)
        self.count = kept


def key_of(index, directory_entry, large):
    """What a table is made from: the page table of the guest's or the large page, with which rights, for which region."""
    key = index << REGION_SHIFT | directory_entry & (PHYSICAL_PAGE | WRITABLE | USER)
    if directory_entry < 0:
        key |= KEY_EXECUTE
    if large:
        key |= LARGE
    return key
