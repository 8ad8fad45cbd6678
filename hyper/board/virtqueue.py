"""A split virtqueue: rings in guest memory by which a driver hands buffers to a device.

Source: Virtual I/O Device (VIRTIO) 1.1, section 2.6. The driver is not trusted: whatever it writes, taking a request ends after at most as many
descriptors as the queue has, and every buffer handed out lies in RAM.
"""

PAGE = 4096                     # of the legacy interface: alignment of the table and of the used ring
DESCRIPTOR = 16
USED_ELEMENT = 8
NEXT = 1
WRITE = 2
INDIRECT = 4
NO_INTERRUPT = 1                # of the available ring's flags


class RingError(Exception):
    """The driver has broken the rules of the queue."""


class Buffer(object):
    _immutable_fields_ = ['address', 'size']

    def __init__(self, address, size):
        self.address = address
        self.size = size


class Request(object):
    """Buffers that belong together: first those that the device reads, then those that it writes."""

    _immutable_fields_ = ['ram', 'head', 'readable', 'writable']

    def __init__(self, ram, head):
        self.ram = ram
        self.head = head
        self.readable = []
        self.writable = []

    def add(self, address, size, is_writable):
        self.ram.check(address, size)
        if is_writable:
            self.writable.append(Buffer(address, size))
        elif len(self.writable) > 0:
            raise RingError
        else:
            self.readable.append(Buffer(address, size))

    def readable_size(self):
        return total(self.readable)

    def writable_size(self):
        return total(self.writable)

    def read(self, offset, size):
        """`size` bytes from `offset` of the readable ones, which are so many."""
        parts = []
        for buffer in self.readable:
            if offset < buffer.size and size > 0:
                here = min(size, buffer.size - offset)
                parts.append(self.ram.read_bytes(buffer.address + offset, here))
                size -= here
                offset = 0
            else:
                offset -= min(offset, buffer.size)
        return ''.join(parts)

    def write(self, offset, data):
        """Bytes to `offset` of the writable ones, which are so many."""
        done = 0
        for buffer in self.writable:
            if offset < buffer.size and done < len(data):
                until = done + min(len(data) - done, buffer.size - offset)
                assert 0 <= done <= until
                self.ram.write_bytes(buffer.address + offset, data[done:until])
                done = until
                offset = 0
            else:
                offset -= min(offset, buffer.size)


def total(buffers):
    size = 0
    for buffer in buffers:
        size += buffer.size
    return size


class Virtqueue(object):
    """`most` is the number of descriptors that it can have, a power of two; it has as many if the driver does not ask for fewer. All methods that
    look at memory raise RingError or BadAddress."""

    _immutable_fields_ = ['ram', 'most']

    def __init__(self, ram, most):
        self.ram = ram
        self.most = most
        self.forget()

    def forget(self):
        self.size = self.most
        self.place(0)

    def place(self, page):
        """Puts the rings at the start of a page frame, as the legacy interface lays them out; 0 for nowhere."""
        self.page = page
        self.enabled = page != 0
        self.descriptors = page * PAGE
        self.available = self.descriptors + self.size * DESCRIPTOR
        self.used = (self.available + 6 + 2 * self.size + PAGE - 1) & ~(PAGE - 1)
        self.taken = 0              # how many requests were, modulo 10000h
        self.returned = 0

    def resize(self, size):
        """As the driver of a modern device asks, before it enables the queue."""
        if 0 < size <= self.most and size & (size - 1) == 0 and not self.enabled:
            self.size = size

    def enable(self):
        """The rings are where the driver of a modern device has put each."""
        self.enabled = True
        self.taken = 0
        self.returned = 0

    def waiting(self):
        """How many requests the driver has made available and the device has not taken."""
        if not self.enabled:
            return 0
        count = (self.ram.read16(self.available + 2) - self.taken) & 0xffff
        if count > self.size:
            raise RingError
        return count

    def take(self):
        """The next Request, which there must be."""
        head = self.ram.read16(self.available + 4 + 2 * (self.taken & (self.size - 1)))
        self.taken = (self.taken + 1) & 0xffff
        request = Request(self.ram, head)
        table = self.descriptors
        entries = self.size
        index = head
        is_indirect = False
        count = 0
        while True:
            if index >= entries or count >= self.size:
                raise RingError
            at = table + index * DESCRIPTOR
            address = self.ram.read64(at)
            size = self.ram.read32(at + 8)
            flags = self.ram.read16(at + 12)
            if flags & INDIRECT:
                if is_indirect or flags & NEXT or size == 0 or size % DESCRIPTOR != 0:
                    raise RingError
                is_indirect = True
                table = address
                entries = size // DESCRIPTOR
                index = 0
                self.ram.check(address, size)
                continue
            count += 1
            request.add(address, size, flags & WRITE != 0)
            if not flags & NEXT:
                return request
            index = self.ram.read16(at + 14)

    def give_back(self, request, written):
        """The driver gets a request back, with `written` bytes in its buffers."""
        at = self.used + 4 + USED_ELEMENT * (self.returned & (self.size - 1))
        self.ram.write32(at, request.head)
        self.ram.write32(at + 4, written)
        self.returned = (self.returned + 1) & 0xffff
        self.ram.write16(self.used + 2, self.returned)

    def wants_interrupt(self):
        return not self.ram.read16(self.available) & NO_INTERRUPT
