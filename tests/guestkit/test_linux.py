"""Debian's own Linux kernel: fetched, packed, booted to a shell; and what of that can be tried without it."""
import gzip
import os
import shutil
import struct
import subprocess

import pytest

import debian
from conftest import ROOT
from test_cli import guestkit
from test_terminal import Session

from guestkit import Machine
from guestkit.errors import BadInput
from guestkit.linux import boot, kallsyms, modules
from guestkit.linux.debian import Debian, FetchError
from guestkit.linux.command import default_network
from guestkit.linux.initramfs import Archive

MODES = {'native': ['--mode', 'native'], 'full-vtlb': ['--mode', 'full', '--mmu', 'vtlb'], 'full-ept': ['--mode', 'full', '--mmu', 'ept']}
SECONDS = 400                   # for a run without the JIT on a busy host


@pytest.fixture(scope='session')
def packages():
    """Skips where the packages cannot be had; their directory."""
    debian.find(boot.PACKAGE, 'boot/vmlinuz-*')
    debian.find(boot.BUSYBOX, 'bin/busybox')
    return debian.DEBIAN.place


@pytest.fixture(scope='session')
def kernel(packages):
    return debian.find(boot.PACKAGE, 'boot/vmlinuz-*')


def linux(packages, tmp_path, *words):
    return guestkit('linux', '--place', str(packages), '--out', str(tmp_path), '--timeout', str(SECONDS), *words, seconds=SECONDS + 60)


def only_if_asked_for():
    if not os.environ.get('ALL_BOOTS'):
        pytest.skip('a boot takes time, and another one stands for it; set ALL_BOOTS=1 for all')


@pytest.mark.parametrize('mode', sorted(MODES))
def test_it_boots_to_a_shell_that_runs_a_script_and_ends_with_its_status(packages, tmp_path, mode):
    if mode != 'full-ept':
        only_if_asked_for()
    status, output, errors = linux(packages, tmp_path, *MODES[mode])
    assert status == 0, output + errors
    for line in ('Linux 6.1', 'md5sum: b6d81b360a5672d80c27430f39153e2c', 'sort: 10000', 'loop: 12497500', 'fork and exec: 20',
                 'pipe: through a pipe', 'virtio disk: ', 'IDE disk: ', 'all is well', 'reboot: Power down'):
        assert line in output, output
    numbers = b''.join(b'%d\n' % number for number in range(1, 10001))
    assert numbers[:4096] in (tmp_path / 'virtio.img').read_bytes()         # a cluster of the file system is as large
    assert (tmp_path / 'ide.img').read_bytes()[100 * 512:].startswith(numbers)
    if default_network() == 'user':
        assert 'address: 10.0.2.15' in output and 'network: ' in output, output
    assert 'the shell was there after' in errors and 'powered off' in errors
    if mode != 'native':
        assert 'exits by reason' in errors and 'exits by function' in errors and 'isapnp_init' in errors, errors


def test_a_person_types_in_its_shell_and_leaves(packages, tmp_path):
    status, _, errors = linux(packages, tmp_path, '--shell', '--prepare')
    assert status == 0
    symbols = next(tmp_path.glob('System.map-*'))
    session = Session('--mode', 'full', '--mmu', 'ept', '--memory', '64M', '--kernel', str(next(packages.glob('*/boot/vmlinuz-*-686'))), '--initrd',
                      str(tmp_path / 'shell.gz'), '--append', boot.APPEND, '--realtime', '--symbols', str(symbols))
    try:
        session.until(b'/ # ', SECONDS)
        session.type(b'ls /\n')
        session.until(b'modules  root', 60)
        session.type(b'date +%s; echo $((6 * 7))\n')
        session.until(b'\n42\r', 60)
        session.type(b'\x01s')
        session.until(b'exits by function', 60)
        session.type(b'exit\n')
        assert session.child.wait(60) == 0
    finally:
        session.close()


CONSOLE_SCRIPT = '''
for pci in /sys/bus/pci/drivers/virtio-pci/0*; do echo "$(basename $pci) $(cat $pci/device)"; done
for device in /sys/bus/virtio/devices/*; do echo "version 1: $(cut -c 33 $device/features)"; done
echo 'through the virtio console' > /dev/hvc0
sleep 0.1
stty size < /dev/hvc0
echo ready
read line < /dev/hvc0
echo "read: $line"
'''


@pytest.mark.parametrize('append', ['', 'virtio_pci.force_legacy=1'])
def test_a_virtio_console_and_a_disk_work_by_either_interface(packages, tmp_path, append):
    if append:
        only_if_asked_for()
    made = boot.prepare(tmp_path, Debian(packages), CONSOLE_SCRIPT, drivers=boot.MODULES)
    (tmp_path / 'disk').write_bytes(bytes(1 << 20))
    words = [*made.words(['--mode', 'native'], f'{boot.APPEND} {append}'), '--virtio-console', '--disk', f'{tmp_path}/disk,virtio']
    with Machine.from_words(words) as machine:
        machine.domains[0].set_window(132, 43)
        machine.run(output='ready', seconds=SECONDS)
        machine.type('typed\n')
        stop = machine.run(seconds=SECONDS)
        output = machine.output.decode()
        assert stop.status == 0 and 'read: typed' in output, output
        assert 'through the virtio console' in output and '43 132' in output, output
        assert output.count('version 1: ' + ('0' if append else '1')) == 2, output


def test_the_kernel_with_page_address_extension_boots_too(packages, tmp_path):
    only_if_asked_for()
    debian.find('linux-image-686-pae', 'boot/vmlinuz-*')
    status, output, errors = linux(packages, tmp_path, '--package', 'linux-image-686-pae')
    assert status == 0 and 'all is well' in output and '-686-pae i686' in output, output + errors


def test_the_exit_status_of_a_script_is_that_of_the_run(packages, tmp_path):
    only_if_asked_for()
    script = tmp_path / 'script'
    script.write_text('echo $LINES-$word; exit 7\n')
    status, output, _ = linux(packages, tmp_path, '--script', str(script), '--append', 'word=said', '--mode', 'native')
    assert status == 7 and '-said' in output


def test_the_symbols_are_those_of_the_kernel(kernel):
    symbols = kallsyms.symbols(kallsyms.payload(kernel.read_bytes()))
    names = {name for _, _, name in symbols}
    assert len(symbols) > 20000 and {'start_kernel', '_stext', 'schedule', 'do_sys_openat2'} <= names
    assert all(kind in 'tTdDbBrRvVwWAa' for _, kind, _ in symbols)
    assert all(address >= 0xc0000000 for address, kind, _ in symbols if kind in 'tT')


def test_a_damaged_kernel_has_no_symbols_and_says_so(kernel, tmp_path):
    data = kernel.read_bytes()
    for text, damaged in (('not a bzImage', b'x' * 5000), ('damaged', data[:30000] + bytes(9) + data[30009:]), ('not a bzImage', data[:0x203])):
        path = tmp_path / 'vmlinuz'
        path.write_bytes(damaged)
        status, output, errors = guestkit('symbols', str(path))
        assert (status, output) == (2, '') and text in errors and errors.count('\n') == 1


# -- without the packages

def test_modules_come_after_those_that_they_need(tmp_path):
    for name, needs in (('virtio_net', 'net_failover,virtio-ring'), ('net_failover', 'failover'), ('failover', ''), ('virtio_ring', ''), ('lost', 'absent')):
        (tmp_path / f'{name}.ko').write_bytes(b'\x7fELF\0license=GPL\0depends=' + needs.encode() + b'\0name=x\0')
    assert [path.stem for path in modules.in_order(tmp_path, ['virtio_net', 'failover'])] == ['failover', 'net_failover', 'virtio_ring', 'virtio_net']
    with pytest.raises(BadInput, match='no module absent, which lost needs'):
        modules.in_order(tmp_path, ['lost'])
    (tmp_path / 'lost.ko').write_bytes(b'text')
    with pytest.raises(BadInput, match='lost.ko: is no module'):
        modules.in_order(tmp_path, ['lost'])


def made_up_kernel(names, later=False, order_of_names=b''):
    """The tables of kallsyms as scripts/kallsyms.c writes them, with no token but single characters, and one of two."""
    tokens = [bytes([code]) if code != 0 else b'' for code in range(256)]
    tokens[0x80] = b'sys_'
    base, offsets = 0xc1000000, [16 * number for number in range(len(names))]
    text, markers = b'', []
    for number, name in enumerate(names):
        if number % 256 == 0:
            markers.append(len(text))
        name = (b'T' + name.encode()).replace(b'sys_', b'\x80')
        text += (bytes([len(name)]) if len(name) < 0x80 else bytes([len(name) & 0x7f | 0x80, len(name) >> 7])) + name
    index, at = [], 0
    for token in tokens:
        index.append(at)
        at += len(token) + 1
    place = struct.pack(f'<{len(offsets)}II', *offsets, base)
    pieces = [] if later else [place]
    pieces += [struct.pack('<I', len(names)), text, struct.pack(f'<{len(markers)}I', *markers), order_of_names, b'\0'.join(tokens) + b'\0',
               struct.pack('<256H', *index)]
    return b'\x7fELF' + b''.join(piece + bytes(-len(piece) % 4) for piece in pieces + ([place] if later else [])) + bytes(64)


@pytest.mark.parametrize('later, order_of_names', [(False, b''), (False, bytes(range(256)) * 9), (True, bytes(3 * 1500))])
def test_symbols_are_found_in_each_layout_of_the_tables(later, order_of_names):
    names = [f'sys_call{number}' for number in range(1499)] + ['long_' * 40]
    found = kallsyms.symbols(made_up_kernel(names, later, order_of_names))
    assert [name for _, _, name in found] == names
    assert found[3] == (0xc1000030, 'T', 'sys_call3')


def test_a_kernel_without_symbols_says_so():
    for data in (b'', b'\x7fELF' + bytes(5000), made_up_kernel(['a'] * 1500)[:-700]):
        with pytest.raises(BadInput, match='CONFIG_KALLSYMS'):
            kallsyms.symbols(data)


def test_a_ramdisk_is_what_cpio_makes_of_its_files_and_needs_no_root(tmp_path):
    archive = Archive()
    archive.file('bin/deep/program', b'\x7fELF', 0o755)
    archive.file('text', 'words\n')
    archive.link('sh', 'bin/deep/program')
    archive.characters('dev/console', 5, 1)
    data = archive.compressed()
    assert data == archive.compressed()
    if shutil.which('cpio') is None:
        pytest.skip('cpio is not installed')
    listing = subprocess.run(['cpio', '-itv'], input=gzip.decompress(data), capture_output=True, check=True).stdout.decode().splitlines()
    assert [line.split()[0] + ' ' + line.split(':')[-1][3:].strip() for line in listing] == [
        'drwxr-xr-x bin', 'drwxr-xr-x bin/deep', '-rwxr-xr-x bin/deep/program', '-rw-r--r-- text', 'lrwxrwxrwx sh -> bin/deep/program',
        'drwxr-xr-x dev', 'crw------- dev/console']
    assert '5,   1' in listing[-1]


def test_packages_that_cannot_be_had_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(Debian, 'apt', lambda self, *words, check=True: '')
    monkeypatch.setattr(Debian, 'command', lambda self, *words: ['sh', '-c', 'echo E: no such package >&2; exit 100'])
    with pytest.raises(FetchError, match='linux-image-686: not downloaded: E: no such package'):
        Debian(tmp_path).find('linux-image-686', 'boot/vmlinuz-*')
    assert not list(tmp_path.glob('*.unpacking'))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(FetchError, match='not found'):
        Debian(tmp_path).find('linux-image-686', 'boot/vmlinuz-*')


def test_what_was_fetched_before_is_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', '')
    place = tmp_path / 'linux-image-6.1.0-50-686' / 'boot'
    place.mkdir(parents=True)
    (place / 'vmlinuz-6.1.0-50-686').write_text('x')
    assert Debian(tmp_path).find('linux-image-686', 'boot/vmlinuz-*') == place / 'vmlinuz-6.1.0-50-686'
    with pytest.raises(FetchError):
        Debian(tmp_path).find('linux-image-686-pae', 'boot/vmlinuz-*')


def test_bad_options_are_one_line():
    for words, text in ((['--shell', '--script', 'x'], 'one of them'), (['--mode', 'native', '--mmu', 'ept'], '--mode full'),
                        (['--script', '/nowhere'], 'cannot be read'), (['--net', 'wires'], 'choose from'), (['--frobnicate'], 'frobnicate')):
        status, output, errors = guestkit('linux', *words)
        assert (status, output) == (2, '') and text in errors and errors.count('\n') == 1, errors


def test_a_package_that_only_depends_on_a_versioned_one_is_followed_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Debian, 'apt', lambda self, *words, check=True: 'linux-image-686\n  Depends: linux-image-6.1.0-50-686\n')
    assert Debian(tmp_path).versioned('linux-image-686') == 'linux-image-6.1.0-50-686'
    monkeypatch.setattr(Debian, 'apt', lambda self, *words, check=True: 'busybox-static\n  Conflicts: <busybox>\n')
    assert Debian(tmp_path).versioned('busybox-static') == 'busybox-static'
    monkeypatch.setattr(Debian, 'apt', lambda self, *words, check=True: 'x\n  Depends: linux-image-6.1.0-50-686-pae\n')
    assert Debian(tmp_path).versioned('linux-image-686-pae') == 'linux-image-6.1.0-50-686-pae'
    assert Debian(tmp_path).versioned('linux-image-686') == 'linux-image-686'
