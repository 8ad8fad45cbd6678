"""What cannot be booted is one line that says so, with status 2: kernels, ramdisks, ELF files, disks."""
import random

import pytest

import debian
from guestkit import BadInput, Machine
from guestkit.linux import boot

from test_cli import guestkit


def refused(*words):
    """The one line."""
    status, output, errors = guestkit('run', *words)
    assert (status, output) == (2, '') and errors.count('\n') == 1 and errors.startswith('guestkit: '), errors
    return errors


def test_a_kernel_that_is_none(tmp_path):
    path = tmp_path / 'vmlinuz'
    path.write_bytes(b'')
    assert f'{path}: is empty' in refused('--kernel', str(path))
    for data in (b'This is a letter, and boots nothing.\n' * 100, bytes(5000)):
        path.write_bytes(data)
        assert f'{path}: not ELF, multiboot, bzImage or a boot sector' in refused('--kernel', str(path))
    assert 'cannot be read' in refused('--kernel', str(tmp_path))
    assert 'cannot be read' in refused('--kernel', str(tmp_path / 'none'))


@pytest.fixture(scope='module')
def kernel():
    return debian.find(boot.PACKAGE, 'boot/vmlinuz-*')


def test_a_ramdisk_too_large_and_too_little_memory(kernel, tmp_path):
    path = tmp_path / 'initrd'
    path.write_bytes(bytes(60 << 20))
    assert 'no room for the initial ramdisk' in refused('--kernel', str(kernel), '--initrd', str(path), '--memory', '64M')
    assert '--memory' in refused('--kernel', str(kernel), '--memory', '16M')
    assert 'initial ramdisk' in refused('--kernel', str(kernel), '--initrd', str(path), '--initrd', str(path), '--memory', '256M')


def test_a_kernel_cut_short_or_damaged_in_its_header_never_does_more_than_refuse(kernel, tmp_path):
    data = kernel.read_bytes()
    path = tmp_path / 'vmlinuz'
    for size in (0x1f0, 0x202, 0x210, 0x264, 1024, 5000):
        path.write_bytes(data[:size])
        assert str(path) in refused('--kernel', str(path), '--memory', '64M')
    choices = random.Random(31)
    for _ in range(150):
        damaged = bytearray(data[:20000])
        for _ in range(choices.randrange(1, 6)):
            damaged[choices.randrange(0x1f0, 0x270)] = choices.choice([0, 1, 0x7f, 0xff, choices.randrange(256)])
        opens_or_is_refused(bytes(damaged), memory='64M', append='x')


def opens_or_is_refused(image, **options):
    try:
        Machine(image, **options).close()
    except BadInput as error:
        assert '\n' not in str(error) and 'internal' not in str(error), error


def test_a_damaged_elf_file_never_does_more_than_refuse(hello):
    with open(hello, 'rb') as file:
        data = file.read()
    choices = random.Random(32)
    for size in range(0, 200, 7):
        opens_or_is_refused(data[:size])
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(choices.randrange(1, 6)):
            damaged[choices.randrange(0x34 + 3 * 32)] = choices.choice([0, 1, 0x7f, 0x80, 0xff, choices.randrange(256)])
        opens_or_is_refused(bytes(damaged), modules=[b'module'], append='words')
        opens_or_is_refused(bytes(damaged), mode='para')


def test_networks_that_cannot_be_are_one_line(hello):
    for words, text in ((['--net', 'wire'], 'choose from'), (['--net', 'tap'], 'ifname'), (['--net', 'tap,ifname=lo'], 'not to be had'),
                        (['--net', 'user,mac=1'], 'mac='), (['--virtio-console', '--mode', 'para'], 'no PC')):
        assert text in refused(hello, *words)
