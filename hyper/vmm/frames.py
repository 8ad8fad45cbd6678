"""Who gets which machine frames.

Frames are given out from below, single ones from those that came back first. A frame that was never given out is known to be zero, since
machine memory begins as zeros, and is not touched: so memory that no domain uses costs the host nothing.
"""
FRAME = 4096
NONE = -1


class FrameAllocator(object):
    """Gives out the frames of machine memory from address `first` (a multiple of 4096) to its end. All are cleared when they are given out."""
    _immutable_fields_ = ['memory', 'first', 'end', 'returned', 'ranges']

    def __init__(self, memory, first):
        assert first % FRAME == 0
        self.memory = memory
        self.first = first
        self.end = memory.size
        self.next = first               # all from here on were never given out
        self.returned = []              # machine addresses of single frames

    def free(self):
        """How many frames are left. A range of so many may not be there."""
        return (self.end - self.next) // FRAME + len(self.returned)

    def take(self):
        """The machine address of a frame, NONE if there is none left."""
        if len(self.returned) > 0:
            frame = self.returned.pop()
            self.memory.clear(frame, FRAME)
            return frame
        return self.take_range(1, FRAME)

    def take_range(self, count, alignment):
        """The machine address of `count` frames that follow each other, at a multiple of `alignment` bytes (a power of two, at least
        4096); NONE if there is no such range. Frames left out for the alignment are given out singly later."""
        start = (self.next + alignment - 1) & ~(alignment - 1)
        if count <= 0 or count > (self.end - start) // FRAME:
            return NONE
        skipped = self.next
        while skipped < start:
            self.returned.append(skipped)
            skipped += FRAME
        self.next = start + count * FRAME
        return start

    def give_back(self, frame):
        """The frame may be given out again."""
        assert frame % FRAME == 0 and self.first <= frame < self.next
        self.returned.append(frame)
