"""Memory as devices reach it: the RAM of a machine, or of one domain, from address 0."""


class BadAddress(Exception):
    """A device was told to use memory that is not there."""


class Ram(object):
    """`size` bytes at `base` of a Memory. Every access is checked: what does not lie in it as a whole raises BadAddress."""

    _immutable_fields_ = ['memory', 'base', 'size']

    def __init__(self, memory, base, size):
        assert memory.contains(base, size)
        self.memory = memory
        self.base = base
        self.size = size

    def check(self, address, size):
        if address < 0 or size < 0 or address > self.size - size:
            raise BadAddress

    def read8(self, address):
        self.check(address, 1)
        return self.memory.read8(self.base + address)

    def read16(self, address):
        self.check(address, 2)
        return self.memory.read16(self.base + address)

    def read32(self, address):
        self.check(address, 4)
        return self.memory.read32(self.base + address)

    def read64(self, address):
        """Signed, so that an address of the upper half of the 64-bit space is no address of RAM."""
        self.check(address, 8)
        return self.memory.read64(self.base + address)

    def write8(self, address, value):
        self.check(address, 1)
        self.memory.write8(self.base + address, value)

    def write16(self, address, value):
        self.check(address, 2)
        self.memory.write16(self.base + address, value)

    def write32(self, address, value):
        self.check(address, 4)
        self.memory.write32(self.base + address, value)

    def read_bytes(self, address, size):
        self.check(address, size)
        return self.memory.read_bytes(self.base + address, size)

    def write_bytes(self, address, data):
        self.check(address, len(data))
        self.memory.write_bytes(self.base + address, data)
