"""Disks: what the kit does before the engine opens them, and what a guest's write and flush leave in the file."""
import shutil
import subprocess
import sys

import pytest

from guestkit import BadInput, Machine
from guestkit.disk import converted

from conftest import HYPER, ROOT

# Copies the first sector of the first IDE disk to the second by PIO, and flushes.
COPY_SECTOR = '''
#include "guest.h"
static unsigned short read_data(void)
{
    unsigned short value;
    asm volatile("inw %1, %0" : "=a"(value) : "d"((unsigned short)0x1f0));
    return value;
}
static void command(int sector, int code)
{
    outb(0x1f2, 1);
    outb(0x1f3, sector);
    outb(0x1f4, 0);
    outb(0x1f5, 0);
    outb(0x1f6, 0xe0);
    outb(0x1f7, code);
    while (inb(0x1f7) & 0x80)
        ;
}
int main(const char *command_line)
{
    static unsigned short words[256];
    int i;
    command(0, 0x20);
    for (i = 0; i < 256; i++)
        words[i] = read_data();
    command(1, 0x30);
    for (i = 0; i < 256; i++)
        outw(0x1f0, words[i]);
    while (inb(0x1f7) & 0x80)
        ;
    command(0, 0xe7);
    print("flushed\\n");
    while (*command_line)
        ;
    return inb(0x1f7) & 1 ? 9 : 5;
}
'''


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'disk.img'
    path.write_bytes(b'first'.ljust(512, b'.') + bytes(3 * 512))
    return path


def run(guest, *disks):
    with Machine(guest(COPY_SECTOR), disks=disks) as machine:
        return machine.run(seconds=20).status


def test_a_guest_copies_a_sector_and_the_file_has_it(guest, image):
    assert run(guest, image) == 5
    assert image.read_bytes()[512:1024] == b'first'.ljust(512, b'.') and image.stat().st_size == 2048


def test_a_killed_process_loses_nothing_that_was_flushed(guest, image):
    words = [HYPER, 'run', guest(COPY_SECTOR), '--disk', str(image), '--append', 'stay', '--timeout', '60']
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'flushed\n'
        process.kill()
    assert image.read_bytes()[512:1024] == b'first'.ljust(512, b'.')


def test_a_snapshot_leaves_the_file_and_a_read_only_disk_refuses(guest, image):
    before = image.read_bytes()
    assert run(guest, f'{image},snapshot') == 5
    run(guest, f'{image},ro')
    assert image.read_bytes() == before


def test_bad_disks_are_one_line(guest, image, tmp_path):
    for value in (f'{tmp_path}/none', f'{tmp_path}', f'{image},floppy', f'{image},cdrom,x'):
        with pytest.raises(BadInput) as error:
            Machine(guest(COPY_SECTOR), disks=[value])
        assert '\n' not in str(error.value)
    with Machine(guest(COPY_SECTOR), disks=[image]):
        with pytest.raises(BadInput, match='in use'):
            Machine(guest(COPY_SECTOR), disks=[image])


def test_a_guest_that_resets_its_machine_starts_anew_if_that_is_wanted(guest, image):
    source = COPY_SECTOR.replace('    command(0, 0x20);', """    command(1, 0x20);
    for (i = 0; i < 256; i++)
        words[i] = read_data();
    if (words[0])
        return 7;
    command(0, 0x20);""").replace('    print("flushed', '    outb(0xcf9, 6);\n    print("flushed')
    path = guest(source)
    before = image.read_bytes()
    words = [sys.executable, '-m', 'guestkit', 'run', path, '--disk', str(image), '--timeout', '60', '--report', 'none']
    for options, status in (([], 0), (['--reboot'], 7)):
        image.write_bytes(before)
        assert subprocess.run([*words, *options], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=100).returncode == status
    image.write_bytes(before)
    assert subprocess.run([*words, '--reboot', '--mode', 'full'], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=100).returncode == 7


@pytest.mark.skipif(not shutil.which('qemu-img'), reason='needs qemu-img')
def test_a_qcow2_image_is_converted_where_its_changes_may_be_forgotten(guest, image, tmp_path):
    qcow2 = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-O', 'qcow2', image, qcow2], check=True)
    with pytest.raises(BadInput, match='snapshot'):
        converted(['--disk', str(qcow2)], tmp_path)
    words = converted(['kernel', '--disk', f'{qcow2},snapshot'], tmp_path)
    path, _, options = words[2].partition(',')
    assert options == 'snapshot'
    with open(path, 'rb') as file:
        assert file.read() == image.read_bytes()
    whole = qcow2.read_bytes()
    qcow2.write_bytes(whole[:-65536])           # its last cluster is lost, which would read as zeros
    with pytest.raises(BadInput, match='cut short'):
        converted(['--disk', f'{qcow2},ro'], tmp_path)
    qcow2.write_bytes(b'QFI\xfb' + b'x' * 200)
    with pytest.raises(BadInput, match='cannot convert'):
        converted(['--disk', f'{qcow2},ro'], tmp_path)
