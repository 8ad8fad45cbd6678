"""An initial ramdisk for Linux, byte by byte: a cpio archive of the "new ASCII" format (newc), gzipped.

Device nodes are entries like any others here, so that making one needs no root. The same contents give the same bytes.
"""
import gzip
import pathlib
import stat

MAGIC = b'070701'
TRAILER = 'TRAILER!!!'


class Archive:
    """Names are relative to the root of the ramdisk. Directories on the way to a name are made."""

    def __init__(self):
        self.entries = {}               # name: (mode, data, major, minor)

    def add(self, name, mode, data=b'', major=0, minor=0):
        name = name.strip('/')
        parent = name.rpartition('/')[0]
        if parent and parent not in self.entries:
            self.directory(parent)
        self.entries[name] = (mode, data, major, minor)

    def directory(self, name, permissions=0o755):
        self.add(name, stat.S_IFDIR | permissions)

    def file(self, name, data, permissions=0o644):
        """`data` is bytes, text, or the path of a file of the host."""
        if isinstance(data, pathlib.Path):
            data = data.read_bytes()
        self.add(name, stat.S_IFREG | permissions, data.encode() if isinstance(data, str) else data)

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def characters(self, name, major, minor, permissions=0o600):
        """The node of a character device."""
        self.add(name, stat.S_IFCHR | permissions, b'', major, minor)

    def cpio(self):
        return b''.join(entry(number, name, *self.entries[name]) for number, name in enumerate(self.entries, 1)) + entry(0, TRAILER, 0, b'', 0, 0)

    def compressed(self):
        return gzip.compress(self.cpio(), mtime=0)


def entry(number, name, mode, data, major, minor):
    """The header with its 13 fields of eight hexadecimal digits, the name with a zero, the data; each padded to four bytes."""
    name = name.encode() + b'\0'
    links = 2 if stat.S_ISDIR(mode) else 1
    header = MAGIC + b''.join(b'%08X' % field for field in (number, mode, 0, 0, links, 0, len(data), 0, 0, major, minor, len(name), 0))
    return padded(header + name) + padded(data)


def padded(data):
    return data + b'\0' * (-len(data) % 4)
