"""Who gets which machine frames.

Frames are given out from below, single ones from those that came back first. A frame that was never given out is known to be zero, since
machine memory begins as zeros, and is not touched: so memory that no domain uses costs the host nothing.
"""
from rpython.rlib.listsort import TimSort

FRAME = 4096
NONE = -1


class Range(object):
    """`count` frames that follow each other, from machine address `start` on."""

    def __init__(self, start, count):
        self.start = start
        self.count = count


class FrameAllocator(object):
    """Gives out the frames of machine memory from address `first` (a multiple of 4096) to its end. All are cleared when they are given out."""
    _immutable_fields_ = ['memory', 'first', 'end']

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
        if count <= 0:
            return NONE
        if count > (self.end - start) // FRAME:
            return self.take_returned(count, alignment)
        skipped = self.next
        while skipped < start:
            self.returned.append(skipped)
            skipped += FRAME
        self.next = start + count * FRAME
        return start

    def take_returned(self, count, alignment):
        """A range of frames that all came back."""
        if count > len(self.returned):
            return NONE
        TimSort(self.returned).sort()
        first = 0
        while first + count <= len(self.returned):
            start = self.returned[first]
            last = first + 1
            while last < first + count and self.returned[last] == start + (last - first) * FRAME:
                last += 1
            if start & (alignment - 1) == 0 and last == first + count:
                assert first >= 0
                del self.returned[first:last]
                self.memory.clear(start, count * FRAME)
                return start
            first = last if start & (alignment - 1) == 0 else first + 1
        return NONE

    def take_frames(self, count):
        """The machine addresses of so many frames, which follow each other if there are such. At least `count` must be free."""
        frames = []
        start = self.take_range(count, FRAME)
        for k in range(count):
            frames.append(self.take() if start == NONE else start + k * FRAME)
        return frames

    def take_exactly(self, frames):
        """Whether these frames (machine addresses) were all free; then they are taken."""
        wanted = {}
        highest = -1
        for frame in frames:
            wanted[frame] = True
            highest = max(highest, frame)
        free = 0
        for frame in self.returned:
            if frame in wanted:
                free += 1
        for frame in frames:
            if frame >= self.next and frame < self.end and frame % FRAME == 0:
                free += 1
        if free != len(frames) or len(wanted) != len(frames):
            return False
        left = []
        for frame in self.returned:
            if frame in wanted:
                self.memory.clear(frame, FRAME)
            else:
                left.append(frame)
        self.returned = left
        while self.next <= highest:
            if self.next not in wanted:
                self.returned.append(self.next)
            self.next += FRAME
        return True

    def give_back_range(self, whole):
        for k in range(whole.count):
            self.give_back(whole.start + k * FRAME)

    def give_back(self, frame):
        """The frame may be given out again."""
        assert frame % FRAME == 0 and self.first <= frame < self.next
        self.returned.append(frame)
