"""The memory of a fully virtualized domain: guest-physical addresses, from 0, on machine frames that follow each other."""

M32 = 0xffffffff
FRAME = 4096
PAGE = 0xfffff000
LARGE_SIZE = 2 << 20
LARGE_MASK = LARGE_SIZE - 1


class GuestMemory(object):
    """`size` bytes of guest RAM on the machine addresses from `base` (both multiples of 4096); `bus` says where devices lie.

    Reads outside of RAM and devices give all ones, writes there vanish, as on the bare machine. Nothing here reaches machine memory outside of the
    range.
    """
    _immutable_fields_ = ['memory', 'base', 'size', 'bus']

    def __init__(self, memory, base, size, bus):
        assert base % FRAME == 0 and size % FRAME == 0 and memory.contains(base, size)
        self.memory = memory
        self.base = base
        self.size = size
        self.bus = bus

    def contains(self, address, size):
        return address >= 0 and size >= 0 and address <= self.size - size

    def machine(self, address):
        """The machine address of a byte of RAM, -1 for device memory and for addresses where there is none."""
        if not self.contains(address, 1) or self.bus.is_memory(address):
            return -1
        return self.base + address

    def large_page(self, address):
        """The machine address of the 2 MB around an address if one large page can map them, else -1."""
        first = address & ~LARGE_MASK
        start = self.base + first
        if start & LARGE_MASK or not self.contains(first, LARGE_SIZE):
            return -1
        for area in self.bus.ranges:
            if area.first < first + LARGE_SIZE and first <= area.last:
                return -1
        return start

    def read(self, address, size):
        """Unsigned value of 1, 2 or 4 bytes as the guest would read it, from RAM or a device."""
        if self.bus.is_memory(address):
            return self.bus.read_memory(address, size)
        if not self.contains(address, size):
            return (1 << (8 * size)) - 1
        return self.memory.read(self.base + address, size)

    def write(self, address, value, size):
        if self.bus.is_memory(address):
            self.bus.write_memory(address, size, value)
        elif self.contains(address, size):
            self.memory.write(self.base + address, value, size)

    def read32(self, address):
        """A doubleword of RAM, such as a page-table entry; all ones outside."""
        if not self.contains(address, 4):
            return M32
        return self.memory.read32(self.base + address)

    def write32(self, address, value):
        if self.contains(address, 4):
            self.memory.write32(self.base + address, value)

    def read64(self, address):
        """Signed; all ones outside."""
        if not self.contains(address, 8):
            return -1
        return self.memory.read64(self.base + address)

    def read8(self, address):
        if not self.contains(address, 1):
            return 0xff
        return self.memory.read8(self.base + address)

    def write8(self, address, value):
        if self.contains(address, 1):
            self.memory.write8(self.base + address, value)

    def place(self, image):
        """What a loader found, into RAM. Raises UserError if it does not fit."""
        image.place(self.memory, self.base, self.size)

    def write_bytes(self, address, data):
        """Bytes outside of RAM vanish."""
        room = self.size - address
        if address < 0 or room <= 0:
            return
        if len(data) > room:
            data = data[:room]
        self.memory.write_bytes(self.base + address, data)
