"""The store of Xen 3 through its ring, the grant table, and the block device that is found by them."""
import struct

import pytest

from hyper.board.disk import DiskError
from xen3_parts import Bench, EINVAL, ENOSYS, FREE, MemoryDisk, SELF, STORE, TABLES
from hyper.vmm.xen3.store.connection import (ANSWER_CONSUMED, ANSWER_PRODUCED, ANSWERS, DIRECTORY, ERROR, GET_DOMAIN_PATH, GET_PERMS, MKDIR, READ,
                                             REQUEST_CONSUMED, REQUEST_PRODUCED, RESET_WATCHES, RING, RM, SET_PERMS, TRANSACTION_END, TRANSACTION_START,
                                             UNWATCH, WATCH, WATCH_EVENT, WRITE)

SEND, ALLOC = 4, 6
PAGE = FREE + 1
VBD = 'device/vbd/51712'


class Guest(object):
    """A front end in Python: it speaks through the rings as a kernel would."""

    def __init__(self, bench):
        self.bench = bench
        self.page = bench.machine(STORE)
        self.number = 0
        self.input = ''
        self.events = []

    def counter(self, offset):
        return self.bench.memory.read32(self.page + offset)

    def send(self, text):
        """Bytes of requests, as there is room."""
        memory = self.bench.memory
        while text:
            produced = self.counter(REQUEST_PRODUCED)
            room = RING - (produced - self.counter(REQUEST_CONSUMED) & 0xffffffff)
            assert room > 0, 'nobody reads'
            for k, c in enumerate(text[:room]):
                memory.write8(self.page + (produced + k) % RING, ord(c))
            memory.write32(self.page + REQUEST_PRODUCED, produced + len(text[:room]) & 0xffffffff)
            text = text[room:]
            self.kick()

    def kick(self):
        assert self.bench.structure('event_channel_op', SEND, [2]) == 0
        while True:
            consumed = self.counter(ANSWER_CONSUMED)
            size = self.counter(ANSWER_PRODUCED) - consumed & 0xffffffff
            if size == 0:
                return
            self.input += ''.join(chr(self.bench.memory.read8(self.page + ANSWERS + (consumed + k) % RING)) for k in range(size))
            self.bench.memory.write32(self.page + ANSWER_CONSUMED, consumed + size & 0xffffffff)
            assert self.bench.structure('event_channel_op', SEND, [2]) == 0

    def ask(self, kind, contents, transaction=0):
        """The answer's contents; an error's name in a list."""
        self.number += 1
        self.send(struct.pack('<4I', kind, self.number, transaction, len(contents)) + contents)
        answer = None
        while len(self.input) >= 16:
            what, number, tx, size = struct.unpack_from('<4I', self.input)
            body, self.input = self.input[16:16 + size], self.input[16 + size:]
            if what == WATCH_EVENT:
                self.events.append(tuple(body.split('\0')[:2]))
            else:
                assert number == self.number and tx == transaction and what in (kind, ERROR)
                answer = [body[:-1]] if what == ERROR else body
        assert answer is not None
        return answer

    def read(self, path, transaction=0):
        return self.ask(READ, path + '\0', transaction)

    def write(self, path, text, transaction=0):
        return self.ask(WRITE, path + '\0' + text, transaction)


@pytest.fixture
def guest():
    return Guest(Bench(disks=[MemoryDisk(64)], check=0))


def test_a_domain_finds_itself_and_its_devices(guest):
    assert guest.read('name') == 'd0' and guest.read('/local/domain/1/name') == 'd0'
    assert guest.ask(DIRECTORY, 'device/vbd\0') == '51712\0'
    assert guest.read(VBD + '/backend') == '/local/domain/0/backend/vbd/1/51712'
    assert guest.read('/local/domain/0/backend/vbd/1/51712/dev') == 'xvda'
    assert guest.ask(GET_DOMAIN_PATH, '7\0') == '/local/domain/7\0'


def test_nodes_are_written_read_listed_and_removed(guest):
    assert guest.write('data/a/b', 'text') == 'OK\0' and guest.read('data/a/b') == 'text'
    assert guest.write('data/a/c', '') == 'OK\0' and guest.ask(DIRECTORY, 'data/a\0') == 'b\0c\0'
    assert guest.ask(MKDIR, 'data/d\0') == 'OK\0' and guest.read('data/d') == ''
    assert guest.ask(RM, 'data/a\0') == 'OK\0' and guest.read('data/a/b') == ['ENOENT']
    assert guest.ask(RM, 'data/a\0') == 'OK\0' and guest.ask(RM, 'data/x/y\0') == ['ENOENT']


def test_what_is_malformed_is_refused(guest):
    for path in ('', '//', 'data/', '/data//x', 'da ta', 'x' * 2049, '/' + 'x' * 3072):
        assert guest.read(path) == ['EINVAL'], path
    assert guest.ask(READ, 'data') == ['EINVAL']
    assert guest.ask(99, 'data\0') == ['ENOSYS'] and guest.ask(0, 'data\0') == ['ENOSYS']
    assert guest.write('data/a', 'x' * 2049) == ['ENOSPC']
    assert guest.ask(SET_PERMS, 'data\0x0\0') == ['EINVAL'] and guest.ask(RM, '/\0') == ['EINVAL']


def test_others_nodes_are_theirs():
    bench = Bench(domains=2)
    bench.use(1)
    guest = Guest(bench)
    assert guest.write('data/secret', 'mine') == 'OK\0'
    assert guest.ask(GET_PERMS, 'data/secret\0') == 'n2\0r0\0'
    for path in ('/local/domain/1/name', '/local/domain/1/data', '/local/domain/1/data/none'):
        assert guest.read(path) == ['EACCES'], path
    assert guest.read('/tool') == ['ENOENT']
    for path in ('/local/domain/1/data/x', '/local/domain/2/name', '/other', '/local/domain/0/backend/vbd/2/51712/state'):
        assert guest.write(path, 'x') == ['EACCES'], path
    assert guest.ask(SET_PERMS, 'data/secret\0n2\0r3\0') == 'OK\0' and guest.ask(GET_PERMS, 'data/secret\0') == 'n2\0r3\0'
    assert guest.ask(SET_PERMS, 'data/secret\0n0\0') == ['EACCES'] and guest.ask(SET_PERMS, '/local/domain/2\0n2\0') == ['EACCES']


def test_watches_tell_of_changes_at_and_below_them(guest):
    assert guest.ask(WATCH, 'data\0token\0') == 'OK\0' and guest.ask(WATCH, 'data\0token\0') == ['EEXIST']
    assert guest.events == [('data', 'token')]
    guest.write('data/a', '1')
    guest.write('control/x', '1')
    guest.ask(RM, 'data/a\0')
    assert guest.events[1:] == [('data/a', 'token')] * 2
    assert guest.ask(UNWATCH, 'data\0other\0') == ['ENOENT'] and guest.ask(UNWATCH, 'data\0token\0') == 'OK\0'
    guest.write('data/a', '2')
    assert len(guest.events) == 3
    guest.ask(WATCH, '/local/domain/1/data/deep/er\0t\0')
    guest.write('data/deep/er', '1')
    guest.ask(RM, 'data/deep\0')
    assert guest.events[3:] == [('/local/domain/1/data/deep/er', 't')] * 3
    for k in range(127):
        assert guest.ask(WATCH, 'data\0%d\0' % k) == 'OK\0'
    assert guest.ask(WATCH, 'data\0more\0') == ['E2BIG']
    assert guest.ask(RESET_WATCHES, '\0') == 'OK\0' and guest.ask(WATCH, 'data\0more\0') == 'OK\0'


def test_a_transaction_is_seen_whole_or_not_at_all(guest):
    start = lambda: int(guest.ask(TRANSACTION_START, '\0')[:-1])
    first = start()
    assert guest.write('data/a', '1', first) == 'OK\0' and guest.read('data/a', first) == '1' and guest.read('data/a') == ['ENOENT']
    assert guest.ask(TRANSACTION_END, 'T\0', first) == 'OK\0' and guest.read('data/a') == '1'
    second = start()
    guest.write('data/a', '2', second)
    assert guest.ask(TRANSACTION_END, 'F\0', second) == 'OK\0' and guest.read('data/a') == '1'
    third = start()
    guest.write('data/a', '3', third)
    guest.write('data/b', '3')
    assert guest.ask(TRANSACTION_END, 'T\0', third) == ['EAGAIN'] and guest.read('data/a') == '1'
    assert guest.read('data/a', third) == ['ENOENT']
    for k in range(10):
        start()
    assert guest.ask(TRANSACTION_START, '\0') == ['EBUSY']


def test_a_domain_owns_only_so_many_nodes(guest):
    count = 0
    while count < 1200 and guest.write('data/%d' % count, '') == 'OK\0':
        count += 1
    assert 900 < count < 1000 and guest.write('data/x', '') == ['ENOSPC']
    guest.ask(RM, 'data/0\0')
    assert guest.write('data/x', '') == 'OK\0'


def test_a_guest_that_breaks_its_ring_or_the_form_is_not_listened_to(guest):
    bench = guest.bench
    bench.memory.write32(guest.page + REQUEST_PRODUCED, RING + 1)
    guest.kick()
    assert bench.domain.store.broken and bench.domain.alive
    guest = Guest(Bench())
    guest.send(struct.pack('<4I', READ, 1, 0, 5000))
    assert guest.bench.domain.store.broken


def test_answers_wait_while_their_ring_is_full_and_end_if_nobody_takes_them(guest):
    bench = guest.bench
    connection = bench.domain.store
    guest.write('data/a', 'x' * 2000)
    for k in range(3):
        connection.handle(READ, k, 0, 'data/a\0')
    guest.kick()
    assert len(guest.input) == 3 * 2016
    for k in range(300):
        connection.handle(READ, k, 0, 'data/a\0')
    assert connection.broken


# -- grants

SETUP_TABLE, DUMP_TABLE, COPY, QUERY_SIZE, SET_VERSION, GET_VERSION = 2, 3, 5, 6, 8, 10


def test_the_grant_table_is_set_up(guest):
    bench = guest.bench
    assert bench.structure('grant_table_op', QUERY_SIZE, [SELF, 0, 0, 0], 1) == 0 and bench.word(FREE, 8) == 4 and bench.word(FREE, 12) == 0
    assert bench.structure('grant_table_op', SETUP_TABLE, [SELF, 2, 0, bench.address(FREE, 64)], 1) == 0 and bench.word(FREE, 8) == 0
    frame = bench.word(FREE, 64)
    assert bench.domain.grants.frames[:2] == [frame, bench.word(FREE, 68)] and bench.map(PAGE, frame << 12 | 7) == 0
    assert bench.domain.linear.read32(bench.address(PAGE)) & 0xffff == 1        # the console's page, granted to domain 0
    for words, status in (([SELF, 5, 0, 0], 0xffff), ([3, 1, 0, 0], 0xfffe)):
        assert bench.structure('grant_table_op', SETUP_TABLE, words, 1) == 0 and bench.word(FREE, 8) == status
    assert bench.structure('grant_table_op', SET_VERSION, [1], 1) == 0 and bench.structure('grant_table_op', SET_VERSION, [2], 1) == EINVAL
    assert bench.structure('grant_table_op', GET_VERSION, [SELF, 0], 1) == 0 and bench.word(FREE, 4) == 1
    assert bench.structure('grant_table_op', 0, [0] * 8, 1) == ENOSYS and bench.structure('grant_table_op', 99, [0], 1) == ENOSYS
    assert bench.structure('grant_table_op', DUMP_TABLE, [SELF], 1) == 0


def grant(bench, reference, page, domain=0, flags=1):
    at = bench.domain.grants.entry(reference)
    bench.memory.write32(at + 4, bench.frame(page))
    bench.memory.write32(at, flags | domain << 16)


def test_pages_are_copied_between_domains_as_far_as_they_are_granted():
    bench = Bench(domains=2)
    grant(bench, 9, PAGE, 2, 1 | 4)
    bench.put([0x12345678], PAGE, 8)
    bench.use(1)

    def copy(source, target, length=4, flags=1):
        return bench.structure('grant_table_op', COPY, list(source) + list(target) + [length | flags << 16, 0], 1)
    assert copy((9, 1 | 8 << 16), (bench.frame(PAGE), SELF | 16 << 16)) == 0
    assert bench.word(FREE, 20) == 0 and bench.word(PAGE, 16) == 0x12345678
    own = (bench.frame(PAGE), SELF)
    refusals = [((10, 1), own, 4, 1, -3), ((9, 5), own, 4, 1, -2), (own, (9, 1), 4, 2, -3), ((9, 1 | 4095 << 16), own, 4, 1, -10),
                ((9, 1), (bench.frame(TABLES), SELF), 4, 1, -3), ((9, 1), (bench.frame(PAGE), 1), 4, 1, -8)]
    for source, target, length, flags, status in refusals:
        assert copy(source, target, length, flags) == 0 and bench.word(FREE, 20) == status & 0xffff, (source, target)


# -- the block device

RING_PAGE, DATA = FREE + 2, FREE + 3
READ_BLOCKS, WRITE_BLOCKS, BARRIER, FLUSH = range(4)


class FrontEnd(object):
    def __init__(self, disk=None, **words):
        self.disk = disk or MemoryDisk(64)
        self.bench = Bench(disks=[self.disk], check=5)
        self.guest = Guest(self.bench)
        self.ring = self.bench.machine(RING_PAGE)
        grant(self.bench, 20, RING_PAGE)
        grant(self.bench, 21, DATA)
        assert self.bench.structure('event_channel_op', ALLOC, [SELF, 0]) == 0
        self.port = self.bench.word(FREE, 4)
        words.setdefault('ring_ref', '20')
        words.setdefault('event_channel', str(self.port))
        for name in words:
            self.guest.write(VBD + '/' + name.replace('_', '-'), words[name])
        self.guest.write(VBD + '/state', '3')
        self.count = 0

    def state(self):
        return self.back('state')

    def back(self, name):
        return self.guest.read('/local/domain/0/backend/vbd/1/51712/' + name)

    def put(self, operation, sector, segments, identity=77):
        """Writes a request of (grant, first, last) segments into the ring."""
        at = self.ring + 64 + self.count % 32 * 108
        text = struct.pack('<BBHQQ', operation, len(segments), 0, identity, sector)
        text += ''.join(struct.pack('<IBBH', reference, first, last, 0) for reference, first, last in segments[:11])
        self.bench.memory.write_bytes(at, text)
        self.count += 1

    def push(self):
        self.bench.memory.write32(self.ring, self.count)
        assert self.bench.structure('event_channel_op', SEND, [self.port]) == 0

    def ask(self, *request):
        """The status of one request."""
        self.put(*request)
        self.push()
        assert self.bench.memory.read32(self.ring + 8) == self.count
        at = self.ring + 64 + (self.count - 1) % 32 * 108
        assert self.bench.memory.read64(at) == 77
        status = self.bench.memory.read16(at + 10)
        return status - 0x10000 if status & 0x8000 else status


def test_a_front_end_connects_reads_and_writes():
    front = FrontEnd()
    assert front.state() == '4' and front.back('sectors') == '64' and front.back('sector-size') == '512'
    front.disk.data[512 * 5:512 * 6] = 'five' * 128
    assert front.ask(READ_BLOCKS, 5, [(21, 2, 2)]) == 0
    assert front.bench.memory.read_bytes(front.bench.machine(DATA, 1024), 8) == 'fivefive'
    assert front.ask(WRITE_BLOCKS, 60, [(21, 2, 3), (21, 2, 2)]) == 0
    assert front.disk.data[512 * 60:512 * 60 + 4] == 'five' == front.disk.data[512 * 62:512 * 62 + 4]
    assert front.ask(BARRIER, 1, [(21, 0, 0)]) == 0 and front.disk.flushes == 2 and front.ask(FLUSH, 0, []) == 0 and front.disk.flushes == 3


def test_answers_raise_an_event_if_the_front_end_wants_one():
    front = FrontEnd()
    pending = lambda: front.bench.shared(2048) >> front.port & 1
    front.ask(READ_BLOCKS, 0, [(21, 0, 0)])
    assert not pending()
    front.bench.memory.write32(front.ring + 12, 2)
    front.ask(READ_BLOCKS, 0, [(21, 0, 0)])
    assert pending()


@pytest.mark.parametrize('request', [
    (READ_BLOCKS, 64, [(21, 0, 0)]), (READ_BLOCKS, 63, [(21, 0, 1)]), (READ_BLOCKS, 1 << 40, [(21, 0, 0)]), (READ_BLOCKS, (1 << 64) - 1, [(21, 0, 0)]),
    (READ_BLOCKS, 0, [(21, 0, 8)]), (READ_BLOCKS, 0, [(21, 1, 0)]), (READ_BLOCKS, 0, [(22, 0, 0)]), (READ_BLOCKS, 0, [(1 << 31, 0, 0)]),
    (READ_BLOCKS, 0, []), (READ_BLOCKS, 0, [(21, 0, 0)] * 12)])
def test_a_request_that_cannot_be_is_refused(request):
    front = FrontEnd()
    before = str(front.disk.data)
    assert front.ask(*request) == -1 and front.state() == '4' and front.disk.data == before


def test_reads_do_not_reach_pages_that_are_tables_or_granted_for_reading_only():
    front = FrontEnd()
    grant(front.bench, 22, TABLES)
    grant(front.bench, 23, DATA, 0, 1 | 4)
    grant(front.bench, 24, DATA, 3)
    assert [front.ask(READ_BLOCKS, 0, [(g, 0, 0)]) for g in (22, 23, 24)] == [-1] * 3
    assert front.ask(WRITE_BLOCKS, 0, [(23, 0, 0)]) == 0
    assert front.ask(9, 0, [(21, 0, 0)]) == -2


def test_a_disk_that_cannot_be_written_or_fails_says_so():
    front = FrontEnd(MemoryDisk(64, True))
    assert front.back('mode') == 'r' and front.back('info') == '4' and front.ask(WRITE_BLOCKS, 0, [(21, 0, 0)]) == -1

    class Broken(MemoryDisk):
        def read(self, sector, count):
            raise DiskError
    front = FrontEnd(Broken(64))
    assert front.ask(READ_BLOCKS, 0, [(21, 0, 0)]) == -1


def test_a_ring_that_is_none_is_not_connected():
    for words in ({'ring_ref': '99'}, {'ring_ref': 'x'}, {'event_channel': '1'}, {'event_channel': '1023'}, {'protocol': 'x86_64-abi'}):
        assert FrontEnd(**words).state() == '6', words
    assert FrontEnd(protocol='x86_32-abi').state() == '4'


def test_a_broken_ring_is_left():
    front = FrontEnd()
    front.bench.memory.write32(front.ring, 33)
    assert front.bench.structure('event_channel_op', SEND, [front.port]) == 0
    assert front.state() == '6' and front.bench.domain.alive


def test_a_front_end_leaves_and_comes_again():
    front = FrontEnd()
    uses = lambda: front.bench.memory.read16(front.bench.domain.grants.entry(20))
    assert uses() == 1 | 8 | 16
    front.guest.write(VBD + '/state', '5')
    assert front.state() == '5'
    front.guest.write(VBD + '/state', '6')
    assert front.state() == '6' and uses() == 1
    front.guest.write(VBD + '/state', '1')
    assert front.state() == '2'
    front.guest.write(VBD + '/state', '3')
    front.bench.memory.clear(front.ring, 64)
    front.count = 0
    assert front.state() == '4' and front.ask(READ_BLOCKS, 0, [(21, 0, 0)]) == 0
