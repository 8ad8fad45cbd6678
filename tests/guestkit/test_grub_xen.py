"""Debian's GRUB for Xen, which nobody here wrote, runs as a paravirtual domain: it finds its console, its store and a disk, reads a configuration and
lists files."""
import io
import struct
import tarfile
import zlib

import pytest

import debian
from guestkit import Machine

SECTOR = 512
FIRST = 2048                    # sector of the partition
CONFIGURATION = b'echo "the configuration of the disk, read"\n'
FILES = {'boot/grub/grub.cfg': CONFIGURATION, 'readme.txt': b'a file on the disk\n', 'large': bytes(range(256)) * 1000}


@pytest.fixture
def disk(tmp_path):
    """A disk with one partition, which is an archive: GRUB reads it as a file system."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, data in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    data = archive.getvalue()
    record = bytearray(SECTOR)
    record[446:462] = struct.pack('<B3sB3sII', 0, b'\0\2\0', 0x83, b'\0\2\0', FIRST, len(data) // SECTOR)
    record[510:] = b'\x55\xaa'
    path = tmp_path / 'disk.img'
    path.write_bytes(bytes(record) + bytes((FIRST - 1) * SECTOR) + data)
    return path


def boot(*words):
    """GRUB at its prompt."""
    image = debian.find('grub-xen-host', 'usr/lib/grub-xen/grub-i386-xen.bin')
    machine = Machine.from_words([str(image), '--mode', 'para', '--memory', '32M', '--report', 'none', *words])
    machine.run(output='grub>', seconds=300)
    assert b'Welcome to GRUB!' in machine.output and b'grub>' in machine.output, bytes(machine.output[-2000:])
    return machine


def command(machine, text, answer):
    """Types a command; the output up to the answer, which must come."""
    start = len(machine.output)
    machine.type(text + '\r')
    machine.run(output=answer, seconds=120)
    output = bytes(machine.output[start:])
    assert answer.encode() in output, output[-2000:]
    return output


def test_it_reads_a_configuration_lists_a_disk_and_shows_a_file(disk):
    with boot('--disk', f'{disk},ro', '--check-frames', '50') as machine:
        assert b'(xen/xvda,msdos1)/boot/grub/grub.cfg' in machine.output
        assert b'the configuration of the disk, read' in machine.output
        output = command(machine, 'ls (xen/xvda,msdos1)/', 'readme.txt')
        assert b'boot/' in output and b'large' in output
        command(machine, 'cat (xen/xvda,msdos1)/readme.txt', 'a file on the disk')
        command(machine, 'crc (xen/xvda,msdos1)/large', '%08x' % zlib.crc32(FILES['large']))
        machine.type('halt\r')
        stop = machine.run(seconds=120)
        assert stop.ended and stop.status == 0


def test_without_a_disk_it_comes_to_its_prompt():
    with boot() as machine:
        output = command(machine, 'ls', 'memdisk')
        assert b'xvda' not in output
        command(machine, 'ls (memdisk)/', 'grub.cfg')


def test_two_of_them_run_beside_each_other(disk):
    image = debian.find('grub-xen-host', 'usr/lib/grub-xen/grub-i386-xen.bin')
    with Machine.from_words([str(image), '--mode', 'para', '--copies', '2', '--disk', f'{disk},ro', '--report', 'none']) as machine:
        for domain in machine.domains:
            machine.run(output='grub>', seconds=300)            # of either
        for domain in machine.domains:
            assert b'the configuration of the disk, read' in domain.output and b'grub>' in domain.output
