"""Extended page tables (SDM vol. 3, 28.2): guest-physical to machine addresses, built as EPT violations ask for them.

Guest-physical addresses are of 32 bits, so one PML4 entry and four page directories do. A violation of an address where the guest has no RAM is
left to the emulator. Nothing needs to be invalidated: what is not present is never cached.
"""
from hyper.vmm.full.memory import FRAME, LARGE_MASK, LARGE_SIZE, PAGE

READ, WRITE, EXECUTE = 1, 2, 4
ALL = READ | WRITE | EXECUTE
WRITE_BACK = 6 << 3                     # memory type of a leaf
LARGE = 1 << 7
POINTER_WRITE_BACK = 6
POINTER_WALK_LENGTH = 3 << 3            # four levels, less one
LEVEL_ENTRIES = 512


def frames_needed(memory_size):
    """The frames that the tables of a domain of so many bytes can take: PML4, PDPT, four directories, and a table for each 2 MB."""
    return 6 + (memory_size + LARGE_MASK) // LARGE_SIZE


class ExtendedTables(object):
    """`frames` are the machine addresses of `frames_needed` frames of the VMM's own; `large` says whether the processor offers 2 MB pages."""
    _immutable_fields_ = ['memory', 'guest', 'large', 'frames', 'directories', 'tables', 'root']

    def __init__(self, memory, guest, frames, large):
        assert len(frames) >= frames_needed(guest.size)
        self.memory = memory
        self.guest = guest
        self.large = large
        self.frames = frames
        self.root = frames[0]
        self.directories = frames[2:6]
        self.tables = [0] * ((guest.size + LARGE_MASK) // LARGE_SIZE)
        self.empty()

    def empty(self):
        """Maps nothing. If the tables have been in use the processor must be told."""
        self.used = 0
        self.take_frame()
        pointers = self.take_frame()
        self.write_entry(self.root, 0, pointers | ALL)
        for k in range(4):
            self.write_entry(pointers, k, self.take_frame() | ALL)
        for k in range(len(self.tables)):
            self.tables[k] = 0

    def pointer(self):
        """The EPT pointer for the VMCS (24.6.11)."""
        return self.root | POINTER_WRITE_BACK | POINTER_WALK_LENGTH

    def take_frame(self):
        frame = self.frames[self.used]
        self.used += 1
        self.memory.clear(frame, FRAME)
        return frame

    def write_entry(self, table, index, value):
        """Entries are of 64 bits; no machine address here needs more than 32."""
        self.memory.write32(table + index * 8, value & 0xffffffff)
        self.memory.write32(table + index * 8 + 4, value >> 32)

    def fill(self, address):
        """Maps the page of a guest-physical address; False if there is no RAM."""
        machine = self.guest.machine(address)
        if machine < 0:
            return False
        region = address // LARGE_SIZE
        assert region >= 0
        directory = self.directories[region // LEVEL_ENTRIES]
        if self.tables[region] == 0:
            start = self.guest.large_page(address) if self.large else -1
            if start >= 0:
                self.write_entry(directory, region % LEVEL_ENTRIES, start | ALL | WRITE_BACK | LARGE)
                return True
            self.tables[region] = self.take_frame()
            self.write_entry(directory, region % LEVEL_ENTRIES, self.tables[region] | ALL)
        self.write_entry(self.tables[region], address // FRAME % LEVEL_ENTRIES, (machine & PAGE) | ALL | WRITE_BACK)
        return True
