"""Machine memory: RAM from physical address 0, in 4 KB frames.

The owner of decoded code registers itself as `watcher`; a write by anyone (a store of the processor, DMA, the VMM) to bytes that have been
decoded tells it, so that no stale code is ever run.
"""
from hyper.board import raw

FRAME = 4096
CODE, LOGGED = 1, 2             # of a frame's byte in code_frames


class CodeWatcher(object):
    """Told when bytes of a frame that holds decoded code are written."""

    def code_written(self, address, size):
        raise NotImplementedError


class Memory(object):
    """`size` bytes of RAM (a multiple of 4096). Reads outside it give all ones, writes outside it vanish.

    All values are unsigned little-endian. `storage` is for the processor's fast path only.
    """
    _immutable_fields_ = ['size', 'storage', 'code_frames']

    def __init__(self, size):
        assert size % FRAME == 0
        self.size = size
        self.storage = raw.allocate(size + 8)
        self.code_frames = raw.allocate(size // FRAME + 1)      # one byte a frame: CODE if code was decoded from it, LOGGED if the next write is to be noted
        self.watcher = None
        self.logged = []                # frames with LOGGED, or those that had it and were written to
        self.noted = []                 # frames that were written to since they were LOGGED

    def close(self):
        raw.free(self.storage)
        raw.free(self.code_frames)

    def contains(self, address, size):
        return address >= 0 and size >= 0 and address <= self.size - size

    def read8(self, address):
        if not self.contains(address, 1):
            return 0xff
        return raw.load8(self.storage, address)

    def read16(self, address):
        if not self.contains(address, 2):
            return 0xffff
        return raw.load16(self.storage, address)

    def read32(self, address):
        if not self.contains(address, 4):
            return 0xffffffff
        return raw.load32(self.storage, address)

    def read64(self, address):
        """Signed 64-bit."""
        if not self.contains(address, 8):
            return -1
        return raw.load64(self.storage, address)

    def read(self, address, size):
        """Unsigned value of 1, 2 or 4 bytes."""
        if size == 4:
            return self.read32(address)
        if size == 2:
            return self.read16(address)
        return self.read8(address)

    def write8(self, address, value):
        if self.contains(address, 1):
            raw.store8(self.storage, address, value)
            self.written(address, 1)

    def write16(self, address, value):
        if self.contains(address, 2):
            raw.store16(self.storage, address, value)
            self.written(address, 2)

    def write32(self, address, value):
        if self.contains(address, 4):
            raw.store32(self.storage, address, value)
            self.written(address, 4)

    def write64(self, address, value):
        if self.contains(address, 8):
            raw.store64(self.storage, address, value)
            self.written(address, 8)

    def write(self, address, value, size):
        if size == 4:
            self.write32(address, value)
        elif size == 2:
            self.write16(address, value)
        else:
            self.write8(address, value)

    def read_bytes(self, address, size):
        """A string of `size` bytes; bytes outside RAM read as FFh."""
        if self.contains(address, size):
            return raw.load_bytes(self.storage, address, size)
        parts = ['\x00'] * size
        for i in range(size):
            parts[i] = chr(self.read8(address + i))
        return ''.join(parts)

    def write_bytes(self, address, data):
        if self.contains(address, len(data)):
            raw.store_bytes(self.storage, address, data)
        else:
            for i in range(len(data)):
                if self.contains(address + i, 1):
                    raw.store8(self.storage, address + i, ord(data[i]))
        self.written(address, len(data))

    def clear(self, address, size):
        """Set a range inside RAM to zero."""
        if size > 0 and self.contains(address, size):
            raw.fill(self.storage, address, 0, size)
            self.written(address, size)

    def written(self, address, size):
        """Tell the watcher if decoded code lies in a range of RAM just written; note a write that is logged."""
        if size <= 0 or self.watcher is None:
            return
        frame = address // FRAME
        last = (address + size - 1) // FRAME
        while frame <= last:
            if self.contains(frame * FRAME, FRAME) and raw.load8(self.code_frames, frame):
                if raw.load8(self.code_frames, frame) & LOGGED:
                    raw.store8(self.code_frames, frame, raw.load8(self.code_frames, frame) & ~LOGGED)
                    self.noted.append(frame)
                start = max(address, frame * FRAME)
                end = min(address + size, (frame + 1) * FRAME)
                self.watcher.code_written(start, end - start)
            frame += 1

    def has_code(self, address):
        return raw.load8(self.code_frames, address // FRAME) & CODE != 0

    def tells_writes(self, address):
        """Whether a write to the frame must be told, since there is code in it or it is logged."""
        return raw.load8(self.code_frames, address // FRAME) != 0

    def mark_code(self, address, present):
        other = raw.load8(self.code_frames, address // FRAME) & LOGGED
        raw.store8(self.code_frames, address // FRAME, other | (CODE if present else 0))

    # -- which frames are written to: the processor does not keep translations for writing to a frame with code, so it tells of each write to one that
    # is logged until it has been noted. What it stores by itself, the accessed and dirty bits of page tables, is not noted.

    def log_writes(self, frames):
        """From now on the first write to each of these frames (their numbers) is noted, and of no others. The processor must forget its translations."""
        for frame in self.logged:
            raw.store8(self.code_frames, frame, raw.load8(self.code_frames, frame) & ~LOGGED)
        self.logged = []
        self.noted = []
        self.log_writes_also(frames)

    def log_writes_also(self, frames):
        for frame in frames:
            self.logged.append(frame)
        self.log_writes_again(frames)

    def log_writes_again(self, frames):
        for frame in frames:
            raw.store8(self.code_frames, frame, raw.load8(self.code_frames, frame) | LOGGED)

    def written_frames(self):
        """Those noted since the last time; they are not logged any more."""
        noted = self.noted
        self.noted = []
        return noted
