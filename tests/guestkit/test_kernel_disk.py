"""The kernel's disk: what it writes, e2fsck finds sound and debugfs reads; on the block ring and on IDE."""
import os
import shutil
import subprocess

import pytest

from guestkit import BadInput
from guestkit.mkfs import make_file_system, mkfs, size_of
from test_kernel import HYPER, MODES, guests    # noqa: F401

E2FSCK, DEBUGFS = (shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin') for name in ('e2fsck', 'debugfs'))
pytestmark = pytest.mark.skipif(not E2FSCK or not DEBUGFS, reason='e2fsprogs is not installed')
WAYS = ['native', 'para', 'full-vtlb']
BIG = bytes(i * 7 + i // 251 & 0xff for i in range(300000))        # of more than 12 blocks: so with blocks of pointers


@pytest.fixture
def disk(tmp_path):
    files = tmp_path / 'files'
    (files / 'sub').mkdir(parents=True)
    (files / 'hello').write_text('hello\n')
    (files / 'big').write_bytes(BIG)
    (files / 'sub' / 'deep').write_text('deep\n')
    image = tmp_path / 'disk.img'
    make_file_system(image, files, 4 << 20)
    return image


def run(guests, mode, disk, command, words=''):         # noqa: F811
    image, *options = MODES[mode]
    if not HYPER.exists():
        pytest.skip(f'{HYPER} is not built: run make')
    done = subprocess.run([HYPER, 'run', guests / image, *options, '--module', guests / 'archive.img', '--disk', f'{disk}{words}', '--report', 'none',
                           '--append', f'init=/bin/sh -c "{command}"'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr           # 3: the interface of para knows no status, so the kernel ends by a trap
    return done.stdout.replace('\r', '').split('free\n', 1)[1], int(done.returncode != 0)


def sound(disk):
    """Whether the file system is: -f looks at all of it, -n changes nothing."""
    return subprocess.run([E2FSCK, '-fn', disk], capture_output=True, check=False).returncode == 0


def file_of(disk, path):
    return subprocess.run([DEBUGFS, '-R', f'cat {path}', disk], capture_output=True, check=True).stdout


@pytest.mark.parametrize('mode', WAYS)
def test_files_are_read(guests, disk, mode):            # noqa: F811
    text, status = run(guests, mode, disk, 'cat /disk/hello /disk/sub/deep; cat /disk/big | wc; ls /disk/sub')
    assert (status, text.splitlines()[:2]) == (0, ['hello', 'deep']) and '300000 bytes' in text and '/disk/sub/deep' in text


@pytest.mark.parametrize('mode', WAYS)
def test_what_is_written_is_on_the_disk_and_the_file_system_is_sound(guests, disk, mode):       # noqa: F811
    assert run(guests, mode, disk, 'cat /disk/big | put /disk/copy; mkdir /disk/made; echo one | put /disk/made/a; echo two | put -a /disk/made/a; rm /disk/hello')[1] == 0
    assert sound(disk)
    assert file_of(disk, '/copy') == BIG and file_of(disk, '/made/a') == b'one\ntwo\n' and file_of(disk, '/hello') == b''
    assert run(guests, mode, disk, 'rm /disk/copy /disk/big; cat /disk/made/a')[0] == 'one\ntwo\n' and sound(disk)


def test_a_full_disk_is_an_error_and_stays_sound(guests, disk):         # noqa: F811
    make_file_system(disk, None, 512 << 10)
    text, status = run(guests, 'para', disk, 'cat /bin/check /bin/check /bin/check /bin/check /bin/check /bin/check /bin/check /bin/check | put /disk/a')
    for round in range(40):
        if status:
            break
        text, status = run(guests, 'para', disk, f'cat /bin/check /bin/sh /bin/check | put /disk/b{round}')
    assert status == 1 and 'the disk is full' in text and sound(disk)


def test_many_files_make_a_directory_grow(guests, disk):                # noqa: F811
    names = [f'{"n" * 90}{i}' for i in range(30)]
    for part in (names[:10], names[10:20], names[20:]):
        text, status = run(guests, 'para', disk, '; '.join(f'put /disk/sub/{name[70:]} < /etc/motd' for name in part))
        assert status == 0, text
    assert sound(disk) and file_of(disk, f'/sub/{names[29][70:]}').startswith(b'One kernel')


def test_what_cannot_be_is_an_error(guests, disk):      # noqa: F811
    for command, message in (('cat /disk/none', 'not found'), ('cat /disk/sub', 'a directory'), ('cat /disk/hello/x', 'no directory'),
                             ('mkdir /disk/sub', 'exists'), ('rm /disk/sub', 'a directory'), ('put /etc/x < /etc/motd', 'read-only')):
        text, status = run(guests, 'para', disk, command)
        assert status == 1 and message in text, text
    assert sound(disk)


def test_a_read_only_disk_is_not_changed(guests, disk):                 # noqa: F811
    before = disk.read_bytes()
    run(guests, 'para', disk, 'echo x | put /disk/new', ',ro')
    assert disk.read_bytes() == before


def test_a_disk_without_a_file_system_is_refused_in_words(guests, tmp_path):            # noqa: F811
    disk = tmp_path / 'empty.img'
    disk.write_bytes(bytes(1 << 20))
    text, status = run(guests, 'para', disk, 'ls /disk')
    assert status == 1 and 'guestkit mkfs' in text


def test_mkfs_says_what_is_wrong(tmp_path):
    assert size_of('512K') == 512 << 10
    for words in (['a', '--size', '1X'], ['a', '--size', '5'], ['a', '--what'], ['a', 'b', 'c'], [str(tmp_path / 'a'), str(tmp_path / 'none')],
                  [str(tmp_path / 'none' / 'a')]):
        with pytest.raises(BadInput):
            mkfs(words)
