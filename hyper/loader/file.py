"""An image file in memory, read with every offset checked."""

from hyper.errors import UserError


class ImageFile(object):
    """`name` is for messages and module strings; `data` is the file's bytes."""

    def __init__(self, name, data):
        self.name = name
        self.data = data

    def size(self):
        return len(self.data)

    def holds(self, offset, size):
        return offset >= 0 and size >= 0 and offset <= len(self.data) and size <= len(self.data) - offset

    def check(self, offset, size, what):
        if not self.holds(offset, size):
            raise UserError("%s: truncated or damaged: its %s would be at bytes %d to %d of %d; get a whole copy"
                            % (self.name, what, offset, offset + size, len(self.data)))

    def u8(self, offset, what):
        self.check(offset, 1, what)
        assert offset >= 0
        return ord(self.data[offset])

    def u16(self, offset, what):
        self.check(offset, 2, what)
        assert offset >= 0
        return ord(self.data[offset]) | ord(self.data[offset + 1]) << 8

    def u32(self, offset, what):
        self.check(offset, 4, what)
        assert offset >= 0
        return (ord(self.data[offset]) | ord(self.data[offset + 1]) << 8 | ord(self.data[offset + 2]) << 16
                | ord(self.data[offset + 3]) << 24)

    def bytes(self, offset, size, what):
        self.check(offset, size, what)
        end = offset + size
        assert 0 <= offset <= end
        return self.data[offset:end]

    def has(self, offset, text):
        """Whether `text` stands at the offset."""
        if not self.holds(offset, len(text)):
            return False
        for i in range(len(text)):
            if self.data[offset + i] != text[i]:
                return False
        return True


def hexadecimal(value):
    """A non-negative number as in messages: 0x and digits."""
    return '0x%x' % value


def megabytes(size):
    """A size in bytes as the number of MB that holds it, for messages."""
    return '%dM' % ((size + (1 << 20) - 1) >> 20)


def pack16(value):
    return chr(value & 0xff) + chr(value >> 8 & 0xff)


def pack32(value):
    return pack16(value & 0xffff) + pack16(value >> 16 & 0xffff)


def pack64(value):
    return pack32(value & 0xffffffff) + pack32(value >> 32 & 0xffffffff)


class Block(object):
    """Bytes under construction, each field at its offset."""

    def __init__(self, size):
        self.bytes = ['\x00'] * size

    def put(self, offset, text):
        assert offset >= 0
        for i in range(len(text)):
            self.bytes[offset + i] = text[i]

    def put8(self, offset, value):
        self.put(offset, chr(value & 0xff))

    def put16(self, offset, value):
        self.put(offset, pack16(value))

    def put32(self, offset, value):
        self.put(offset, pack32(value))

    def text(self):
        return ''.join(self.bytes)
