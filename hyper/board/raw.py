"""Raw storage: bytes outside the garbage collector, read and written at an offset, little-endian.

Translated, storage is zeroed memory of the C library, given by the operating system only when touched. Untranslated it is a
bytearray, since rffi's simulated memory would take minutes to allocate. Offsets are not checked: callers do that.
"""
import struct

from rpython.rlib.objectmodel import we_are_translated
from rpython.rlib.rarithmetic import intmask, r_uint
from rpython.rlib.rawstorage import raw_storage_getitem_unaligned, raw_storage_setitem_unaligned
from rpython.rtyper.lltypesystem import lltype, rffi

_calloc = rffi.llexternal('calloc', [rffi.SIZE_T, rffi.SIZE_T], rffi.CCHARP, releasegil=False)
_free = rffi.llexternal('free', [rffi.CCHARP], lltype.Void, releasegil=False)


def allocate(size):
    """Zeroed storage of `size` bytes; raises MemoryError if the host has none."""
    if not we_are_translated():
        return bytearray(size)
    storage = _calloc(rffi.cast(rffi.SIZE_T, size), rffi.cast(rffi.SIZE_T, 1))
    if not storage:
        raise MemoryError
    return storage


def free(storage):
    """Give storage back; it may not be used afterwards."""
    if we_are_translated():
        _free(storage)


def load8(storage, offset):
    if not we_are_translated():
        return storage[offset]
    return rffi.cast(lltype.Signed, raw_storage_getitem_unaligned(rffi.UCHAR, storage, offset))


def load16(storage, offset):
    if not we_are_translated():
        return struct.unpack_from('<H', storage, offset)[0]
    return rffi.cast(lltype.Signed, raw_storage_getitem_unaligned(rffi.USHORT, storage, offset))


def load32(storage, offset):
    if not we_are_translated():
        return struct.unpack_from('<I', storage, offset)[0]
    return rffi.cast(lltype.Signed, raw_storage_getitem_unaligned(rffi.UINT, storage, offset))


def load64(storage, offset):
    """A signed 64-bit word."""
    if not we_are_translated():
        return struct.unpack_from('<q', storage, offset)[0]
    return raw_storage_getitem_unaligned(lltype.Signed, storage, offset)


def load_double(storage, offset):
    if not we_are_translated():
        return struct.unpack_from('<d', storage, offset)[0]
    return raw_storage_getitem_unaligned(lltype.Float, storage, offset)


def load_single(storage, offset):
    """As a float, which holds every single."""
    if not we_are_translated():
        return struct.unpack_from('<f', storage, offset)[0]
    return rffi.cast(lltype.Float, raw_storage_getitem_unaligned(rffi.FLOAT, storage, offset))


def load(storage, offset, size):
    """An unsigned value of 1, 2 or 4 bytes."""
    if size == 4:
        return load32(storage, offset)
    if size == 2:
        return load16(storage, offset)
    return load8(storage, offset)


def store(storage, offset, value, size):
    """The low 1, 2 or 4 bytes of a value."""
    if size == 4:
        store32(storage, offset, value)
    elif size == 2:
        store16(storage, offset, value)
    else:
        store8(storage, offset, value)


def store8(storage, offset, value):
    if not we_are_translated():
        storage[offset] = value & 0xff
        return
    raw_storage_setitem_unaligned(storage, offset, rffi.cast(rffi.UCHAR, value))


def store16(storage, offset, value):
    if not we_are_translated():
        struct.pack_into('<H', storage, offset, value & 0xffff)
        return
    raw_storage_setitem_unaligned(storage, offset, rffi.cast(rffi.USHORT, value))


def store32(storage, offset, value):
    if not we_are_translated():
        struct.pack_into('<I', storage, offset, value & 0xffffffff)
        return
    raw_storage_setitem_unaligned(storage, offset, rffi.cast(rffi.UINT, value))


def store64(storage, offset, value):
    if not we_are_translated():
        struct.pack_into('<q', storage, offset, value)
        return
    raw_storage_setitem_unaligned(storage, offset, value)


def store_double(storage, offset, value):
    if not we_are_translated():
        struct.pack_into('<d', storage, offset, value)
        return
    raw_storage_setitem_unaligned(storage, offset, value)


def store_single(storage, offset, value):
    """A float, rounded to a single as the host rounds; it must not be too large for one."""
    if not we_are_translated():
        struct.pack_into('<f', storage, offset, value)
        return
    raw_storage_setitem_unaligned(storage, offset, rffi.cast(rffi.FLOAT, value))


_memcpy = rffi.llexternal('memmove', [rffi.CCHARP, rffi.CCHARP, rffi.SIZE_T], lltype.Void, releasegil=False)
_memset = rffi.llexternal('memset', [rffi.CCHARP, rffi.INT, rffi.SIZE_T], lltype.Void, releasegil=False)


def move(storage, target, source, size):
    """Copy `size` bytes inside one storage; the ranges may overlap."""
    if not we_are_translated():
        storage[target:target + size] = storage[source:source + size]
        return
    _memcpy(rffi.ptradd(storage, target), rffi.ptradd(storage, source), rffi.cast(rffi.SIZE_T, size))


def fill(storage, offset, byte, size):
    """Set `size` bytes to `byte`."""
    if not we_are_translated():
        storage[offset:offset + size] = chr(byte) * size
        return
    _memset(rffi.ptradd(storage, offset), rffi.cast(rffi.INT, byte), rffi.cast(rffi.SIZE_T, size))


def load_bytes(storage, offset, size):
    """A string of `size` bytes."""
    if not we_are_translated():
        return str(storage[offset:offset + size])
    return rffi.charpsize2str(rffi.ptradd(storage, offset), size)


def store_bytes(storage, offset, data):
    if not we_are_translated():
        storage[offset:offset + len(data)] = data
        return
    assert data is not None             # which the translator does not always know
    with rffi.scoped_nonmovingbuffer(data) as source:
        _memcpy(rffi.ptradd(storage, offset), source, rffi.cast(rffi.SIZE_T, len(data)))


_memcmp = rffi.llexternal('memcmp', [rffi.CCHARP, rffi.CCHARP, rffi.SIZE_T], rffi.INT, releasegil=False)


def are_equal(storage, offset, other, size):
    """Whether two ranges of one storage hold the same bytes."""
    if not we_are_translated():
        return storage[offset:offset + size] == storage[other:other + size]
    return rffi.cast(lltype.Signed, _memcmp(rffi.ptradd(storage, offset), rffi.ptradd(storage, other), rffi.cast(rffi.SIZE_T, size))) == 0


def holds(storage, offset, data):
    """Whether a string stands at the offset."""
    if not we_are_translated():
        return storage[offset:offset + len(data)] == data
    with rffi.scoped_nonmovingbuffer(data) as source:
        return rffi.cast(lltype.Signed, _memcmp(rffi.ptradd(storage, offset), source, rffi.cast(rffi.SIZE_T, len(data)))) == 0


def sample(storage, offset, size):
    """A number that ranges with the same bytes have in common, and others seldom."""
    number = r_uint(0)
    for at in range(offset, offset + size, 64):
        number = (number ^ r_uint(load64(storage, at))) * r_uint(0x9e3779b97f4a7c15)
        number ^= number >> 29
    return intmask(number)
