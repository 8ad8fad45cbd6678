"""A domain's memory, by guest-physical or by linear addresses."""
from guestkit.errors import BadInput, MemoryFault

PHYSICAL = 0
LINEAR = 1
KINDS = ('physical', 'linear')


class Memory:
    """`memory[0x1000]` is a byte, `memory[0x1000:0x1010]` are bytes; both can be assigned to.

    Linear addresses go through the guest's page tables as they are now, without regard to access rights. MemoryFault is
    raised for what is not there.
    """

    def __init__(self, domain, space):
        self._domain = domain
        self._space = space

    def read(self, address, size):
        """`size` bytes."""
        if size < 0:
            raise BadInput(f'a read of {size} bytes: the size cannot be negative')
        buffer = self._domain.engine.ffi.new('char[]', size + 1)
        count = self._domain.call('hyper_read', self._space, address, buffer, size)
        data = bytes(self._domain.engine.ffi.buffer(buffer, count))
        if count < size:
            raise self._fault('read', address, count, size, data)
        return data

    def write(self, address, data):
        """Writes bytes. A MemoryFault leaves written what came before the byte that is not there."""
        data = bytes(data)
        count = self._domain.call('hyper_write', self._space, address, data, len(data))
        if count < len(data):
            raise self._fault('write', address, count, len(data), b'')

    def _fault(self, verb, address, count, size, data):
        why = 'is not mapped by the guest' if self._space == LINEAR else 'is beyond the memory of the guest'
        return MemoryFault(f'{verb} of {size} bytes at {KINDS[self._space]} {address:#x}: {address + count:#x} {why}', data)

    def read_u32(self, address):
        """A little-endian word of 32 bits."""
        return int.from_bytes(self.read(address, 4), 'little')

    def write_u32(self, address, value):
        self.write(address, (value & 0xffffffff).to_bytes(4, 'little'))

    def read_string(self, address, most=4096):
        """The bytes up to a zero byte, at most so many."""
        try:
            data = self.read(address, most)
        except MemoryFault as fault:
            if b'\0' not in fault.data:
                raise
            data = fault.data
        return data.split(b'\0', 1)[0]

    def __getitem__(self, key):
        if isinstance(key, slice):
            first, size = self._range(key)
            return self.read(first, size)
        return self.read(key, 1)[0]

    def __setitem__(self, key, value):
        if isinstance(key, slice):
            first, size = self._range(key)
            if len(value) != size:
                raise BadInput(f'{len(value)} bytes for {size} bytes of memory: memory cannot grow or shrink')
            self.write(first, value)
        else:
            self.write(key, bytes([value]))

    @staticmethod
    def _range(key):
        if key.start is None or key.stop is None or key.step is not None or key.stop < key.start:
            raise BadInput('a range of memory has a first address and an end: memory[0x1000:0x1010]')
        return key.start, key.stop - key.start
