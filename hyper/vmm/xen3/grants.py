"""The grant table, version 1: by its entries a guest lets others use its pages.

An entry is {u16 flags, u16 domain, u32 frame}. The guest writes it; whoever uses the page is shown in two bits of the flags.
"""
from hyper.vmm.para.frame_table import UNTYPED, WRITABLE
from hyper.vmm.para.layout import FRAME

GRANT_FRAMES = 4                # of every domain
ENTRY_SIZE = 8
ENTRIES_OF_FRAME = FRAME // ENTRY_SIZE
ENTRIES = GRANT_FRAMES * ENTRIES_OF_FRAME
TYPE, ACCESS, READ_ONLY, READING, WRITING = 3, 1, 4, 8, 16      # of flags
NOT_GRANTED = -1
CONSOLE_REFERENCE, STORE_REFERENCE = 0, 1       # entries that the domain builder has filled


class Grants(object):
    """`frames` are the numbers of GRANT_FRAMES frames of the domain's."""
    _immutable_fields_ = ['paging', 'memory', 'frames', 'users']

    def __init__(self, paging, frames):
        self.paging = paging
        self.memory = paging.memory
        self.frames = frames
        self.users = [0] * ENTRIES      # how often each entry is in use
        self.writers = {}               # uses by frame, for writing and for reading
        self.readers = {}

    def uses(self, write):
        return self.writers if write else self.readers

    def tally(self, checker):
        """Tells a FrameChecker of the frames in use."""
        for frame in self.writers:
            for k in range(self.writers[frame]):
                checker.refer(self.paging.number, frame, WRITABLE, 'a grant', frame)
        for frame in self.readers:
            for k in range(self.readers[frame]):
                checker.refer(self.paging.number, frame, UNTYPED, 'a grant', frame)

    def entry(self, reference):
        """Its machine address."""
        return self.frames[reference // ENTRIES_OF_FRAME] * FRAME + reference % ENTRIES_OF_FRAME * ENTRY_SIZE

    def put(self, reference, domain, frame):
        """An entry for the guest, made by the domain builder."""
        at = self.entry(reference)
        self.memory.write16(at + 2, domain)
        self.memory.write32(at + 4, frame)
        self.memory.write16(at, ACCESS)

    def take(self, reference, user, write):
        """The machine address of the page that an entry grants to the domain `user`, with a reference to its frame; NOT_GRANTED if it does not."""
        if not 0 <= reference < ENTRIES:
            return NOT_GRANTED
        memory = self.memory
        at = self.entry(reference)
        flags = memory.read16(at)
        domain = memory.read16(at + 2)
        frame = memory.read32(at + 4)
        if flags & TYPE != ACCESS or domain != user or write and flags & READ_ONLY:
            return NOT_GRANTED
        if write:
            taken = self.paging.get_typed(frame, WRITABLE)
        else:
            taken = self.paging.get(frame)
        if not taken:
            return NOT_GRANTED
        self.users[reference] += 1
        uses = self.uses(write)
        uses[frame] = uses.get(frame, 0) + 1
        memory.write16(at, flags | READING | (WRITING if write else 0))
        return frame * FRAME

    def give_back(self, reference, page, write):
        """The end of a use."""
        frame = page // FRAME
        uses = self.uses(write)
        uses[frame] -= 1
        if uses[frame] == 0:
            del uses[frame]
        if write:
            self.paging.put_typed(frame)
        else:
            self.paging.put(frame)
        assert reference >= 0
        self.users[reference] -= 1
        if self.users[reference] == 0:
            at = self.entry(reference)
            self.memory.write16(at, self.memory.read16(at) & ~(READING | WRITING))
