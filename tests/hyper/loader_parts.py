"""Images for the tests of the loaders, made byte by byte, and the memory they go to."""

import struct

import pytest

from hyper.errors import UserError
from hyper.loader.entry import BootRequest
from hyper.loader.file import ImageFile


class Ram(object):
    def __init__(self, size):
        self.size = size
        self.bytes = bytearray('\xcc' * size)

    def write_bytes(self, address, data):
        assert 0 <= address and address + len(data) <= self.size
        self.bytes[address:address + len(data)] = data

    def get(self, address, size):
        return str(self.bytes[address:address + size])

    def u32(self, address):
        return struct.unpack_from('<I', self.bytes, address)[0]

    def string(self, address):
        return self.get(address, 4096).split('\0')[0]


def elf(parts, entry, machine=3, kind=2, ident='\x7fELF\x01\x01\x01', count=None, table=52):
    """`parts`: (virtual, physical, data, size in memory)."""
    count = len(parts) if count is None else count
    header = struct.pack('<16sHHIIIIIHHHHHH', ident, kind, machine, 1, entry, table, 0, 0, 52, 32, count, 0, 0, 0)
    offset = 52 + 32 * len(parts)
    headers = body = ''
    for virtual, physical, data, size in parts:
        headers += struct.pack('<8I', 1, offset + len(body), virtual, physical, len(data), size, 7, 4096)
        body += data
    return header + headers + body


def file_of(data, name='kernel'):
    return ImageFile(name, data)


def request(memory=4 << 20, line='', modules=(), at=-1):
    return BootRequest(memory, line, list(modules), at)


def refused(action, *words):
    """The message of the UserError that the action raises: one line with the file's name and these words."""
    with pytest.raises(UserError) as caught:
        action()
    text = caught.value.text
    assert text.startswith('kernel: ') and '\n' not in text
    for word in words:
        assert word in text
    return text
