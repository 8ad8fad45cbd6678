import os
import struct

import pytest

from hyper.board.disk import CD_BLOCK, DiskError, FileDisk, SECTOR, open_disk
from hyper.errors import UserError
from hyper.options import parse


@pytest.fixture
def image(tmpdir):
    path = tmpdir.join('disk.img')
    path.write_binary(''.join(chr(n) * SECTOR for n in range(20)))
    return str(path)


def contents(name):
    with open(name, 'rb') as file:
        return file.read()


def test_sectors_are_read_and_written_in_place_at_once(image):
    disk = open_disk(image, False, False)
    assert disk.sectors == 20 and disk.read(3, 2) == '\x03' * SECTOR + '\x04' * SECTOR
    disk.write(19, 'x' * SECTOR)
    assert contents(image)[-SECTOR:] == 'x' * SECTOR and len(contents(image)) == 20 * SECTOR
    disk.flush()
    disk.close()


def test_a_flush_synchronizes_the_file_and_its_failure_is_an_error(image, monkeypatch):
    synchronized = []
    disk = open_disk(image, False, False)
    monkeypatch.setattr(os, 'fsync', synchronized.append)
    disk.flush()
    assert synchronized == [disk.descriptor]

    def fail(descriptor):
        raise OSError(5, 'I/O error')
    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(DiskError):
        disk.flush()


def test_a_snapshot_shows_its_changes_and_leaves_the_file(image):
    before = contents(image)
    disk = open_disk(image, False, True)
    assert not disk.read_only
    disk.write(6, 'a' * SECTOR + 'b' * SECTOR + 'c' * SECTOR)     # across two blocks
    disk.write(19, 'z' * SECTOR)                                    # in the last, short one
    assert disk.read(5, 5) == '\x05' * SECTOR + 'a' * SECTOR + 'b' * SECTOR + 'c' * SECTOR + '\x09' * SECTOR
    assert disk.read(16, 4) == ''.join(chr(n) * SECTOR for n in range(16, 19)) + 'z' * SECTOR
    disk.flush()
    disk.close()
    assert contents(image) == before


def test_a_file_that_shrinks_meanwhile_is_an_error_of_the_read(image):
    disk = open_disk(image, True, False)
    with open(image, 'r+b') as file:
        file.truncate(5 * SECTOR)
    assert disk.read(4, 1) == '\x04' * SECTOR
    with pytest.raises(DiskError):
        disk.read(4, 2)


def test_two_machines_can_share_what_neither_writes_to(image):
    first = open_disk(image, True, False)
    second = open_disk(image, False, True)
    with pytest.raises(UserError) as error:
        open_disk(image, False, False)
    assert 'in use' in error.value.text
    first.close()
    second.close()
    third = open_disk(image, False, False)
    with pytest.raises(UserError):
        open_disk(image, True, False)
    third.close()


def test_a_disk_that_is_unlocked_can_be_locked_by_another_machine_and_back(image):
    here = open_disk(image, False, False)
    there = open_disk(image, False, False, SECTOR, False)
    with pytest.raises(UserError):
        there.lock()
    here.unlock()
    there.lock()
    with pytest.raises(UserError) as error:
        here.lock()
    assert 'in use' in error.value.text
    there.close()
    here.lock()
    with pytest.raises(UserError):
        open_disk(image, True, False)
    here.close()


def refusal(name, read_only=True):
    with pytest.raises(UserError) as error:
        open_disk(name, read_only, False)
    assert '\n' not in error.value.text and name in error.value.text
    return error.value.text


def test_a_file_that_is_no_disk_is_refused_with_one_line(tmpdir):
    assert 'No such file' in refusal(str(tmpdir.join('none')))
    assert 'is no file' in refusal(str(tmpdir)) and 'is no file' in refusal('/dev/null')
    path = tmpdir.join('x')
    path.write_binary('')
    assert 'is empty' in refusal(str(path))
    with pytest.raises(UserError) as error:
        open_disk(str(path), True, False, CD_BLOCK)
    assert 'give an ISO image' in error.value.text
    path.write_binary('x' * 1000)
    assert '1000 bytes' in refusal(str(path))
    path.write_binary('QFI\xfb' + '\0' * 508)
    assert 'qemu-img convert' in refusal(str(path))
    path.write_binary('x' * SECTOR)
    assert open_disk(str(path), False, False).sectors == 1          # no refusal has left it locked


def test_an_iso_image_that_is_shorter_than_its_volume_is_refused(tmpdir):
    path = tmpdir.join('x.iso')
    volume = '\x01CD001\x01'.ljust(80, '\0') + struct.pack('<I', 20)
    whole = '\0' * (16 * CD_BLOCK) + volume.ljust(CD_BLOCK, '\0') + 'x' * (3 * CD_BLOCK)
    path.write_binary(whole)
    assert open_disk(str(path), True, False, CD_BLOCK).sectors == 80
    path.write_binary(whole[:-CD_BLOCK])
    with pytest.raises(UserError) as caught:
        open_disk(str(path), True, False, CD_BLOCK)
    assert 'of 20 blocks that has 19' in caught.value.text
    path.write_binary(whole[:15 * CD_BLOCK])                        # has no volume
    assert open_disk(str(path), True, False, CD_BLOCK).sectors == 60


def test_a_file_that_may_not_be_written_says_how_to_use_it(image, monkeypatch):
    os_open = os.open

    def open_read_only(name, flags, mode):
        if flags & os.O_RDWR:
            raise OSError(13, 'Permission denied')
        return os_open(name, flags, mode)
    monkeypatch.setattr(os, 'open', open_read_only)
    assert ',ro or ,snapshot' in refusal(image, read_only=False)


def test_the_words_of_the_option_are_understood_or_refused():
    disks = parse(['k', '--disk', 'a.img', '--disk', 'b.img,ro', '--disk', 'c.img,snapshot,virtio']).domains[0].disks
    assert [(d.file, d.read_only, d.snapshot) for d in disks] == [('a.img', False, False), ('b.img', True, False), ('c.img', False, True)]
    for words in (['--disk'], ['--disk', ''], ['--disk', 'a.img,floppy'],
                  ['--disk', 'a.img', '--copies', '2', '--mode', 'full'], ['--disk', 'a.img,ro,virtio'] * 17, ['--disk', 'a.img'] * 5):
        with pytest.raises(UserError):
            parse(['k'] + words)
    parse(['k', '--disk', 'a.img,ro', '--copies', '2', '--mode', 'full'])
