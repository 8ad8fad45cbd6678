"""Machines that boot from their disks, by Debian's SeaBIOS: boot sectors, GRUB from an ISO and from a disk, memtest86+, Linux loaded by GRUB."""
import io
import shutil
import subprocess
import tarfile

import pytest

import debian
from guestkit import BadInput, Machine, Reason
from guestkit import firmware as guestkit_firmware
from guestkit.linux import boot

from test_cli import guestkit
from test_linux import only_if_asked_for

SECONDS = 100                   # for what takes a JIT some seconds

# A boot sector as those of small systems are: it prints by INT 10h, reads the next sector by INT 13h, prints what is in it, and ends the machine with 5;
# with 9 if the read failed.
BOOT_SECTOR = '''
        .code16
        .globl _start
_start: xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $0x7c00, %sp
        cld
        mov $greeting, %si
        call print
        mov $0x0201, %ax
        mov $0x7e00, %bx
        mov $2, %cx
        mov $0, %dh
        int $0x13
        jc failed
        mov $0x7e00, %si
        call print
        mov $5, %al
        out %al, $0xf4
failed: mov $9, %al
        out %al, $0xf4
print:  lodsb
        test %al, %al
        jz 1f
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        jmp print
1:      ret
greeting: .asciz "boot sector: "
        .org 510
        .word 0xaa55
'''


@pytest.fixture(scope='module')
def seabios():
    return debian.find(guestkit_firmware.PACKAGE, guestkit_firmware.PATTERN)


@pytest.fixture(scope='module')
def disk(tmp_path_factory):
    """A raw image with the boot sector, and a text in the next sector."""
    directory = tmp_path_factory.mktemp('boot')
    (directory / 'boot.S').write_text(BOOT_SECTOR)
    subprocess.run(['as', '--32', '-o', directory / 'boot.o', directory / 'boot.S'], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', directory / 'boot.bin', directory / 'boot.o'], check=True)
    image = directory / 'disk.img'
    image.write_bytes((directory / 'boot.bin').read_bytes() + b'the second sector, as it is\r\n\0'.ljust(512, b'\0') + bytes(1 << 20))
    return image


def boot_words(seabios, *words):
    return ['--firmware', str(seabios), '--report', 'none', *words]


@pytest.mark.parametrize('words', ['', ',snapshot', ',virtio'])
def test_a_boot_sector_runs_and_reads_its_disk(seabios, disk, words):
    with Machine.from_words(boot_words(seabios, '--memory', '16M', '--disk', f'{disk}{words}')) as machine:
        stop = machine.run(seconds=SECONDS)
        assert stop.status == 5 and b'boot sector: the second sector' in machine.output, machine.output[-500:]


@pytest.mark.skipif(not shutil.which('qemu-img'), reason='needs qemu-img')
def test_a_qcow2_image_boots(seabios, disk, tmp_path):
    qcow2 = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk, qcow2], check=True)
    with Machine.from_words(boot_words(seabios, '--memory', '16M', '--disk', f'{qcow2},snapshot')) as machine:
        assert machine.run(seconds=SECONDS).status == 5


def test_a_disk_alone_boots_and_so_does_a_machine_without_an_image(seabios, disk, monkeypatch):
    monkeypatch.setattr(guestkit_firmware, 'INSTALLED', seabios)
    assert guestkit_firmware.added(['--disk', 'd']) == ['--disk', 'd', '--firmware', str(seabios)]
    assert guestkit_firmware.added(['kernel', '--disk', 'd']) == ['kernel', '--disk', 'd']
    with Machine(None, memory='16M', disks=[f'{disk},ro']) as machine:
        assert machine.run(seconds=SECONDS).status == 5


def test_a_picture_of_the_screen_has_what_the_boot_sector_printed(seabios, disk, tmp_path):
    """The text lies in the memory of the VGA, and its font is the video BIOS's own."""
    with Machine.from_words(boot_words(seabios, '--memory', '16M', '--disk', f'{disk},ro')) as machine:
        machine.run(seconds=SECONDS)
        cells = machine.physical.read(0xb8000, 80 * 25 * 2)[::2]
        assert b'boot sector: the second sector' in cells, cells
        image = machine.screenshot(tmp_path / 'screen.png')
        assert image.size == (640, 400) and len(image.getcolors()) == 2


def test_seabios_hears_the_keys_of_the_pc_s_keyboard(seabios, disk):
    with Machine.from_words(boot_words(seabios, '--memory', '16M', '--disk', f'{disk},ro')) as machine:
        machine.run(output='Press ESC for boot menu', seconds=SECONDS)
        machine.press('\x1b')
        assert machine.run(output='Select boot device', seconds=SECONDS).reason == Reason.OUTPUT, machine.output[-300:]
        machine.press('1')
        assert machine.run(seconds=SECONDS).status == 5


@pytest.fixture(scope='module')
def grub(tmp_path_factory):
    """Makes an ISO image of Debian's rescue disk of GRUB with a configuration of ours in place of its example."""
    data = debian.find('grub-rescue-pc', 'usr/lib/grub-rescue/grub-rescue-cdrom.iso').read_bytes()
    first = data.index(b'#\n# Sample GRUB configuration file')
    last = data.index(b'\0', first)
    directory = tmp_path_factory.mktemp('grub')

    def make(name, configuration):
        path = directory / name
        path.write_bytes(data[:first] + configuration.encode().ljust(last - first, b'\n') + data[last:])
        return path
    return make


MENU = 'set timeout=-1\nmenuentry "Says which platform it is" { echo platform: $grub_platform it is; reboot }\nmenuentry "Another" { echo }\n'


@pytest.mark.parametrize('mode, option', [('native', '--cdrom'), ('full-ept', '--disk')])
def test_grub_boots_from_an_iso_and_from_a_disk_shows_its_menu_and_does_what_is_chosen(seabios, grub, mode, option):
    how = [] if mode == 'native' else ['--mode', 'full', '--mmu', 'ept']
    with Machine.from_words(boot_words(seabios, '--memory', '32M', option, str(grub('menu.iso', MENU)), *how)) as machine:
        assert machine.run(output='Another', seconds=SECONDS).reason == Reason.OUTPUT, machine.output[-500:]
        machine.type('\r')
        stop = machine.run(seconds=SECONDS)
        assert stop.reason == Reason.POWERED_OFF and 'reset' in machine.report().domains[0].state and b'platform: pc' in machine.output, machine.output[-500:]


def test_grub_loads_linux_from_another_disk(seabios, grub, tmp_path):
    only_if_asked_for()
    kernel = debian.find(boot.PACKAGE, 'boot/vmlinuz-*')
    busybox = debian.find(boot.BUSYBOX, 'bin/busybox')
    menu = f'set timeout=0\nmenuentry "Linux" {{\n linux (hd1)/vmlinuz {boot.APPEND}\n initrd (hd1)/initrd.gz\n}}\n'
    with tarfile.open(tmp_path / 'disk.tar', 'w') as archive:
        for name, data in {'vmlinuz': kernel.read_bytes(), 'initrd.gz': boot.ramdisk(busybox, 'echo "booted by $(cat /proc/cmdline)"\n')}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    with Machine.from_words(boot_words(seabios, '--memory', '96M', '--disk', f'{grub("linux.iso", menu)},ro', '--disk', f'{tmp_path}/disk.tar,ro')) as machine:
        machine.run(seconds=4 * SECONDS)
        assert b'booted by BOOT_IMAGE=(hd1)/vmlinuz console=ttyS0' in machine.output, machine.output[-500:]


def test_a_graphics_mode_that_grub_has_set_is_a_picture(seabios, grub, tmp_path):
    menu = 'insmod all_video\nset gfxmode=800x600x32\nloadfont unicode\ninsmod gfxterm\nterminal_output gfxterm\nset timeout=-1\nmenuentry "Drawn" { true }\n'
    with Machine.from_words(boot_words(seabios, '--memory', '64M', '--cdrom', str(grub('graphics.iso', menu)))) as machine:
        for _ in range(SECONDS):
            machine.run(seconds=1)
            image = machine.screenshot(tmp_path / 'screen.png')
            if image.size == (800, 600) and len(image.getcolors()) > 1:
                return
        raise AssertionError(f'{image.size}, {len(image.getcolors())} colours')


def test_memtest_starts_from_its_iso(seabios):
    only_if_asked_for()
    iso = debian.find('memtest86+', 'usr/lib/memtest86+/memtest86+ia32.iso')
    with Machine.from_words(boot_words(seabios, '--memory', '64M', '--cdrom', str(iso))) as machine:
        machine.run(output='executed automatically', seconds=SECONDS)
        machine.type('\r')
        wait_for_text(machine, b'Memtest86+ v', SECONDS)


def wait_for_text(machine, text, seconds):
    """A screen in text mode that no console shows."""
    end = 0
    while end < seconds:
        machine.run(seconds=1)
        end += 1
        if text in machine.physical.read(0xb8000, 80 * 25 * 2)[::2] or text in machine.output:
            return
    raise AssertionError(machine.physical.read(0xb8000, 80 * 25 * 2)[::2])


# -- what cannot boot

def test_what_is_no_disk_or_iso_is_one_line(disk, tmp_path):
    short = tmp_path / 'short.iso'
    short.write_bytes(bytes(2048 * 20 + 512))
    odd = tmp_path / 'odd.img'
    odd.write_bytes(b'x' * 700)
    qcow2 = tmp_path / 'cut.qcow2'
    qcow2.write_bytes(b'QFI\xfb' + b'\0\0\0\x03' + bytes(30))
    for words, text in ((['--cdrom', str(short)], 'cut short'), (['--disk', str(odd)], 'cut short'), (['--disk', f'{qcow2},ro'], 'cannot convert'),
                        (['--cdrom', str(tmp_path / 'none.iso')], 'cannot be opened'), (['--cdrom'], 'needs a value')):
        status, output, errors = guestkit('run', '--firmware', str(disk), *words)
        assert (status, output) == (2, '') and text in errors and errors.count('\n') == 1, errors


def test_a_qcow2_image_without_qemu_img_says_what_to_install(tmp_path, monkeypatch):
    qcow2 = tmp_path / 'disk.qcow2'
    qcow2.write_bytes(b'QFI\xfb' + bytes(600))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(BadInput, match='install qemu-utils'):
        Machine.from_words(['kernel', '--disk', f'{qcow2},ro'])


def test_a_disk_without_a_system_leaves_seabios_waiting(seabios, tmp_path):
    empty = tmp_path / 'empty.img'
    empty.write_bytes(bytes(1 << 20))
    with Machine.from_words(boot_words(seabios, '--memory', '16M', '--disk', str(empty))) as machine:
        machine.run(output='No bootable device', seconds=SECONDS)
        assert b'not a bootable disk' in machine.output and b'No bootable device' in machine.output
