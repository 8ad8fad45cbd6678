import gzip
import io
import random
import struct
import zlib

import pytest

from hyper.errors import UserError
from hyper.loader.detect import load as load_native
from hyper.loader.inflate import Inflater, crc32
from hyper.loader.xen import load

from loader_parts import elf, file_of, refused, request

MB = 1 << 20
FIXED = 4                       # of zlib.h; Python 2.7 has no name for it


def packed(data, name='vmlinux', level=9):
    out = io.BytesIO()
    with gzip.GzipFile(name, 'wb', level, out) as pack:
        pack.write(data)
    return out.getvalue()


def test_the_format_of_2003_gives_address_and_kernel():
    image = load(file_of('XenoGues' + struct.pack('<I', 0xc0000000) + 'kernel'), MB)
    assert (image.load_address, image.data, image.entry) == (0xc0000000, 'kernel', 0xc0000000)


def test_an_elf_is_laid_out_from_its_lowest_virtual_address():
    data = elf([(0xc0001000, 0x1000, 'data', 8), (0xc0000000, 0, 'code', 4)], 0xc0000001)
    image = load(file_of(data), MB)
    assert image.load_address == 0xc0000000 and image.entry == 0xc0000001
    assert image.data == 'code' + '\0' * 4092 + 'data\0\0\0\0'


def test_both_may_be_packed():
    raw = 'XenoGues' + struct.pack('<I', 0xc0000000) + 'kernel' * 1000
    assert load(file_of(packed(raw)), MB).data == 'kernel' * 1000
    data = elf([(0xc0000000, 0, 'code', 4)], 0xc0000000)
    assert load(file_of(packed(data)), MB).data == 'code'


def test_bad_images_are_refused():
    refused(lambda: load(file_of('#!/bin/sh'), MB), 'neither')
    refused(lambda: load(file_of('XenoGues'), MB), 'truncated')
    refused(lambda: load(file_of('XenoGues\0\0\0\xc0'), MB), 'no kernel')
    refused(lambda: load(file_of('XenoGues\1\0\0\xc0x'), MB), 'load address')
    refused(lambda: load(file_of('XenoGues\0\0\0\xfcx'), MB), 'load address')
    refused(lambda: load(file_of('XenoGues\0\0\0\xc0' + 'x' * 100), 50), '--memory')
    refused(lambda: load(file_of(elf([(0xc0000000, 0, 'code', 4), (0x1000, 0x1000, 'far', 3)], 0xc0000000)), MB), '--memory')
    refused(lambda: load(file_of(elf([(0xc0000000, 0, 'code', 4)], 1)), MB), 'physical')
    refused(lambda: load_native(file_of('XenoGues\0\0\0\xc0x'), request()), '--mode para')


def test_unpacking_agrees_with_zlib_for_every_kind_of_block():
    random.seed(8)
    texts = ['', 'a', 'abc' * 30000, ''.join(chr(random.randrange(256)) for i in range(70000)),
             ''.join(random.choice('the quick brown fox') for i in range(20000))]
    for text in texts:
        assert crc32(text) == zlib.crc32(text) & 0xffffffff
        for level in (0, 1, 9):
            for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, FIXED):
                pack = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
                assert Inflater(pack.compress(text) + pack.flush(), 0, 1 << 20).run() == text


def test_damaged_and_too_large_packed_data_is_refused():
    raw = 'XenoGues' + struct.pack('<I', 0xc0000000) + 'kernel' * 100
    data = packed(raw)
    refused(lambda: load(file_of(data), 500), 'more than')
    random.seed(9)
    for i in range(len(data) - 1):
        with pytest.raises(UserError):
            load(file_of(data[:i]), MB)
    for i in range(2000):
        damaged = bytearray(data)
        damaged[random.randrange(18, len(data))] ^= 1 << random.randrange(8)
        with pytest.raises(UserError):
            load(file_of(str(damaged)), MB)
