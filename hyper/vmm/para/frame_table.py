"""What each machine frame is used for: owner, type, counts; and the machine-to-physical table that guests read.

A frame has an existence count, of everything that refers to it, and a type with a count of its own: of the references that need the frame to be
of that type. Types exclude one another; the type can change only when its count is zero.
"""
from hyper.vmm.para.layout import FRAME, PRESENT, ACCESSED

NO_OWNER = -1
UNTYPED, L1, L2, DESCRIPTORS, WRITABLE, L3, L2_TOP = range(7)           # the last two with PAE only
TYPE_NAMES = ['none', 'L1', 'L2', 'descriptors', 'writable', 'L3', 'top L2']
MOST_REFERENCES = (1 << 26) - 1         # of either count; what would exceed it is refused
NO_PAGE = 0xffffffff                    # the machine-to-physical entry of a frame that is no domain's page


def frames_wanted(machine_frames):
    """How many frames the hypervisor needs for its own: the machine-to-physical table, the page table that maps it, the flat descriptors."""
    return (machine_frames * 4 + FRAME - 1) // FRAME + 2


class FrameTable(object):
    """Of the whole machine: `memory`, with frames of the hypervisor's own as `frames_wanted` says."""
    _immutable_fields_ = ['memory', 'count', 'owner', 'kind', 'uses', 'references', 'pinned', 'stamp', 'm2p', 'm2p_table', 'descriptors']

    def __init__(self, memory, frames):
        count = memory.size // FRAME
        self.memory = memory
        self.count = count
        self.owner = [NO_OWNER] * count         # number of a domain
        self.kind = [UNTYPED] * count
        self.uses = [0] * count                 # references that need the type
        self.references = [0] * count           # all references
        self.pinned = [False] * count
        self.stamp = [0] * count                # see DirectPaging.flushes
        self.checks = None                      # the PeriodicCheck, if one was asked for
        self.m2p_table = frames[0]              # machine addresses
        self.descriptors = frames[1]
        self.m2p = frames[2:]
        assert len(frames) == frames_wanted(count)
        for k in range(len(self.m2p)):
            memory.write32(self.m2p_table + 4 * k, self.m2p[k] | PRESENT | ACCESSED)
            for i in range(FRAME // 4):
                memory.write32(self.m2p[k] + 4 * i, NO_PAGE)

    def is_frame(self, frame):
        return 0 <= frame < self.count

    def set_page(self, frame, page):
        """The machine-to-physical entry of a frame: the number of a domain's page, or NO_PAGE."""
        assert frame >= 0
        self.memory.write32(self.m2p[frame >> 10] + (frame & 0x3ff) * 4, page)

    def page(self, frame):
        assert frame >= 0
        return self.memory.read32(self.m2p[frame >> 10] + (frame & 0x3ff) * 4)

    def give(self, frame, domain, page):
        """A frame without references becomes a page of a domain."""
        assert frame >= 0
        assert self.references[frame] == 0 and self.uses[frame] == 0
        self.owner[frame] = domain
        self.set_page(frame, page)

    def abandon(self, frame):
        """The owner of a frame is gone; others may still refer to it."""
        assert frame >= 0
        self.owner[frame] = NO_OWNER
        self.set_page(frame, NO_PAGE)

    def take_back(self, frame):
        """A frame without references is no domain's any more."""
        assert frame >= 0
        assert self.references[frame] == 0 and self.uses[frame] == 0
        self.owner[frame] = NO_OWNER
        self.kind[frame] = UNTYPED
        self.set_page(frame, NO_PAGE)
