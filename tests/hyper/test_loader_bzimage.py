import struct

from hyper.loader.detect import BZIMAGE, detect, load
from hyper.loader.file import ImageFile

from loader_parts import Ram, file_of, refused, request


def bzimage(version=0x20c, sectors=4, flags=1, init_size=0x100000, kernel='kernel code', most=0x7fffffff, line=255, size=0):
    setup = bytearray(512 * ((sectors or 4) + 1))
    struct.pack_into('<B', setup, 0x1f1, sectors)
    struct.pack_into('<I', setup, 0x1f4, size)
    struct.pack_into('<H', setup, 0x1fe, 0xaa55)
    struct.pack_into('<BB4sH', setup, 0x200, 0xeb, 0x66, 'HdrS', version)
    struct.pack_into('<BB', setup, 0x210, 0, flags)
    struct.pack_into('<I', setup, 0x22c, most)
    struct.pack_into('<I', setup, 0x238, line)
    struct.pack_into('<QI', setup, 0x258, 0x100000, init_size)
    return str(setup) + kernel


def placed(data, **options):
    image = load(file_of(data), request(**options))
    ram = Ram(options.get('memory', 4 << 20))
    image.place(ram)
    return image.entry, ram


def test_the_kernel_is_at_1_mb_and_entered_there_with_its_parameters():
    assert detect(file_of(bzimage())) == BZIMAGE
    state, ram = placed(bzimage(), line='console=ttyS0')
    assert ram.get(0x100000, 11) == 'kernel code'
    assert (state.eip, state.cs, state.ds, state.protected) == (0x100000, 0x10, 0x18, True)
    assert (state.eax, state.ebx) == (0, 0)
    zero = state.esi
    assert ram.get(zero + 0x202, 4) == 'HdrS' and ram.bytes[zero + 0x210] == 0xff
    assert ram.string(ram.u32(zero + 0x228)) == 'console=ttyS0'
    assert ram.u32(zero + 0x218) == 0 and ram.u32(zero + 0x214) == 0x100000
    assert ram.u32(zero + 0x1e0) == 3 << 10


def test_the_memory_map_is_in_the_parameters():
    state, ram = placed(bzimage())
    count = ram.bytes[state.esi + 0x1e8]
    areas = [struct.unpack_from('<QQI', ram.bytes, state.esi + 0x2d0 + 20 * i) for i in range(count)]
    assert areas == [(0, 639 << 10, 1), (639 << 10, 1 << 10, 2), (0xf0000, 0x10000, 2), (1 << 20, 3 << 20, 1)]


def test_the_ramdisk_is_as_high_as_memory_and_kernel_allow():
    disk = ImageFile('disk', 'd' * 5000)
    state, ram = placed(bzimage(), modules=[disk])
    address, size = ram.u32(state.esi + 0x218), ram.u32(state.esi + 0x21c)
    assert address == (4 << 20) - 8192 and ram.get(address, size) == disk.data
    state, ram = placed(bzimage(most=0x2fffff), modules=[disk])
    assert ram.u32(state.esi + 0x218) == 0x300000 - 8192


def test_a_setup_of_zero_sectors_means_four():
    state, ram = placed(bzimage(sectors=0))
    assert ram.get(0x100000, 11) == 'kernel code'


def test_what_cannot_be_started_is_refused():
    refused(lambda: placed(bzimage(version=0x201)), 'boot protocol 2.1')
    refused(lambda: placed(bzimage(flags=0)), 'zImage')
    refused(lambda: placed(bzimage(kernel='')), 'truncated')
    refused(lambda: placed(bzimage(kernel='x' * 32, size=3)), 'truncated', '48 bytes', '32 of them')
    placed(bzimage(kernel='x' * 33, size=3))
    placed(bzimage(version=0x203, kernel='x' * 32, size=3))
    refused(lambda: placed(bzimage(init_size=0x2000000)), '--memory 33M')
    refused(lambda: placed(bzimage(), line='x' * 256), '--append')
    refused(lambda: placed(bzimage(), modules=[ImageFile('a', 'a')] * 2), 'one --module')
    refused(lambda: placed(bzimage(), modules=[ImageFile('a', 'a' * (3 << 20))]), 'ramdisk', '--memory')


def test_every_truncation_is_refused_or_of_another_kind():
    data = bzimage()
    for size in range(2, 2560, 7):        # 512 bytes would be a boot sector
        refused(lambda: placed(data[:size]))
