"""block_io_op of 1.2: virtual disks that the privileged domain puts together, and what domains are told of disks."""
import random

import pytest

from hyper.board.disk import Drive
from hyper.errors import UserError
from hyper.vmm.para.layout import EFAULT, EINVAL, ENOSPC, ENOSYS, EPERM, ESRCH, EVENT_BLOCK_UPDATE
from hyper.vmm.para.saved import Saving
from test_para_block import CREATE as CREATE_1_0, PHYSICAL, READ, Rig, SECTORS, VIRTUAL, WRITE, virtual_disk

BLOCK_IO_OP, UPDATE_VA_MAPPING = 11, 19
CREATE, GROW, SHRINK, SET, DELETE, PROBE, INFO = 3, 4, 5, 6, 7, 8, 9
READABLE, WRITABLE = 1, 2
OP, LIST, SIGNAL = 30, 31, 32           # pages
EVERY = 0xffffffff
DISK, READ_ONLY_FLAG, VIRTUAL_FLAG = 0x20, 0x40, 0x80
NUMBER = 0x0301


class Rig12(Rig):
    """Two domains of 1.2 with a disk each (of the same file); domain 0 is privileged."""

    def __init__(self, **options):
        Rig.__init__(self, domains=2, interface='1.2', **options)
        self.domains[0].privileged = True

    def op(self, *words, **options):
        domain = self.domains[options.get('domain', 0)]
        self.bench.domain = domain
        for k, word in enumerate(words):
            assert domain.linear.write32(self.bench.address(OP) + 4 * k, word)
        return self.bench.call(BLOCK_IO_OP, self.bench.address(OP))

    def push(self, domain=0):
        self.bench.domain = self.domains[domain]
        assert self.bench.domain.linear.write32(self.bench.address(SIGNAL), 0)
        return self.bench.call(BLOCK_IO_OP, self.bench.address(SIGNAL))

    def list(self, words):
        self.bench.domain = self.domains[0]
        self.bench.write(LIST, words)
        return self.bench.address(LIST)

    def probe(self, number, most=20, domain=0):
        """The entries, or an error."""
        result = self.op(PROBE, number, most, self.bench.address(LIST), 0, domain=domain)
        return result if result else [tuple(self.words(LIST, 3 * k + 3, domain)[-3:]) for k in range(self.words(OP, 5, domain)[4])]

    def info(self, number, disk, most=20, domain=0):
        """The mode, and the extents; or an error."""
        result = self.op(INFO, number, disk | most << 16, self.bench.address(LIST), 0, domain=domain)
        if result:
            return result
        word = self.words(OP, 5, domain)[4]
        return word >> 16, [tuple(self.words(LIST, 3 * k + 3, domain)[-3:]) for k in range(word & 0xffff)]

    def told(self, domain=1):
        """Whether the event has come since the last time."""
        events = self.domains[domain].events
        before = events.memory.read32(events.shared)
        events.memory.write32(events.shared, before & ~EVENT_BLOCK_UPDATE)
        return before & EVENT_BLOCK_UPDATE != 0

    def make(self, mode=READABLE | WRITABLE, extents=((PHYSICAL, 1000, 10), (PHYSICAL, 50, 6))):
        assert self.op(CREATE, 1, NUMBER | mode << 16) == 0
        for extent in extents:
            assert self.op(GROW, 1, NUMBER, *extent) == 0

    def sector(self, sector, operation=READ):
        """Its number as domain 1 finds it, 'bad' if it may not."""
        if self.do(operation, sector, [self.buffer(10, 1, 1)], NUMBER, domain=1):
            return 'bad'
        return self.words(10, 1, 1)[0]


@pytest.fixture
def rig():
    return Rig12()


def test_a_disk_is_made_empty_and_grows_and_shrinks_by_extents_at_its_end(rig):
    rig.make(extents=())
    assert rig.sector(0) == 'bad' and rig.info(1, NUMBER) == (3, [])
    assert rig.op(GROW, 1, NUMBER, PHYSICAL, 1000, 10) == 0 and rig.sector(9) == 1009 and rig.sector(10) == 'bad'
    assert rig.op(GROW, 1, NUMBER, PHYSICAL, 50, 6) == 0 and rig.sector(10) == 50 and rig.sector(15) == 55 and rig.sector(16) == 'bad'
    assert rig.info(1, NUMBER) == (3, [(PHYSICAL, 1000, 10), (PHYSICAL, 50, 6)])
    assert rig.op(SHRINK, 1, NUMBER) == 0 and rig.sector(9) == 1009 and rig.sector(10) == 'bad'
    assert rig.op(SHRINK, 1, NUMBER) == 0 and rig.sector(0) == 'bad'
    assert rig.op(SHRINK, 1, NUMBER) == -EINVAL
    assert rig.op(DELETE, 1, NUMBER) == 0 and rig.info(1, NUMBER) == -EINVAL


def test_a_fresh_list_of_extents_takes_the_place_of_all_or_of_none(rig):
    rig.make()
    assert rig.op(SET, 1, NUMBER | 2 << 16, rig.list([PHYSICAL, 7, 1, PHYSICAL, 3, 1])) == 0
    assert [rig.sector(k) for k in range(3)] == [7, 3, 'bad']
    assert rig.op(SET, 1, NUMBER | 2 << 16, rig.list([PHYSICAL, 9, 1, PHYSICAL, SECTORS, 1])) == -EINVAL
    assert rig.info(1, NUMBER) == (3, [(PHYSICAL, 7, 1), (PHYSICAL, 3, 1)])
    assert rig.op(SET, 1, NUMBER | 101 << 16, rig.list([PHYSICAL, 9, 1] * 101)) == -ENOSPC
    assert rig.op(SET, 1, NUMBER | 1 << 16, 0x1000) == -EFAULT
    assert rig.op(SET, 1, NUMBER, 0x1000) == 0 and rig.info(1, NUMBER) == (3, [])


@pytest.mark.parametrize('mode', [READABLE, WRITABLE])
def test_a_disk_is_used_only_in_its_mode(rig, mode):
    rig.make(mode)
    assert (rig.sector(0) != 'bad') == (mode == READABLE)
    assert (rig.sector(0, WRITE) != 'bad') == (mode == WRITABLE) == (1000 in rig.disk.written)


def test_whose_disks_change_is_told_so_and_nobody_else(rig):
    rig.make(extents=())
    assert rig.told() and not rig.told(0)
    for words in ((GROW, 1, NUMBER, PHYSICAL, 0, 1), (SHRINK, 1, NUMBER), (SET, 1, NUMBER, 0), (DELETE, 1, NUMBER)):
        assert rig.op(*words) == 0 and rig.told() and not rig.told(0)
    for words in ((GROW, 1, NUMBER, PHYSICAL, 0, 1), (CREATE, 1, NUMBER), (PROBE, 1, 0, 0), (INFO, 1, VIRTUAL, 0)):
        rig.op(*words)
        assert not rig.told()
    rig.write(20, virtual_disk(1, 1, 5, [(PHYSICAL, 0, 8)]))
    assert rig.do(CREATE_1_0, 0, [rig.buffer(20, 1)]) == 0 and rig.told()          # by the ring, as 1.0 has it


def test_a_domain_of_1_0_is_sent_no_event_that_it_does_not_know():
    rig = Rig(domains=2)
    rig.domains[0].privileged = True
    rig.write(20, virtual_disk(1, 1, 5, [(PHYSICAL, 0, 8)]))
    assert rig.do(CREATE_1_0, 0, [rig.buffer(20, 1)]) == 0
    events = rig.domains[1].events
    assert events.memory.read32(events.shared) & EVENT_BLOCK_UPDATE == 0


def test_probes_tell_of_all_disks_of_a_domain_or_of_every_domain(rig):
    rig.make(READABLE)
    own = (VIRTUAL | (DISK | VIRTUAL_FLAG) << 16, SECTORS, 1)
    made = (NUMBER | (DISK | VIRTUAL_FLAG | READ_ONLY_FLAG) << 16, 16, 1)
    assert rig.probe(1) == [own, made] == rig.probe(1, domain=1)
    of_0 = [(PHYSICAL | DISK << 16, SECTORS, 0), (VIRTUAL | (DISK | VIRTUAL_FLAG) << 16, SECTORS, 0)]
    assert rig.probe(0) == of_0 and rig.probe(EVERY) == of_0 + [own, made]
    assert rig.probe(EVERY, 1) == of_0[:1] and rig.probe(EVERY, 0) == []
    rig.write(20, virtual_disk(2, 1, 5, [(PHYSICAL, 0, 8)]))
    assert rig.do(CREATE_1_0, 0, [rig.buffer(20, 1)]) == 0
    assert rig.probe(1) == [own, made, (VIRTUAL + 5 | (DISK | VIRTUAL_FLAG | READ_ONLY_FLAG) << 16, 8, 1)]
    assert rig.info(1, VIRTUAL | 5) == (READABLE, [(PHYSICAL, 0, 8)])


def test_an_ordinary_domain_asks_about_itself_only_and_changes_nothing(rig):
    rig.make()
    before = rig.info(1, NUMBER)
    assert rig.probe(0, domain=1) == rig.probe(EVERY, domain=1) == rig.info(0, VIRTUAL, domain=1) == -EPERM
    assert rig.info(1, NUMBER, domain=1) == before and rig.info(1, NUMBER, 1, domain=1) == (3, before[1][:1])
    for operation in (CREATE, GROW, SHRINK, SET, DELETE):
        assert rig.op(operation, 1, NUMBER, PHYSICAL, 0, 1, domain=1) == -EPERM
    assert rig.info(1, NUMBER) == before


def test_a_number_hides_the_physical_disk_that_has_it_too(rig):
    assert rig.op(CREATE, 0, PHYSICAL | READABLE << 16) == 0 and rig.op(GROW, 0, PHYSICAL, PHYSICAL, 70, 1) == 0
    assert rig.do(READ, 0, [rig.buffer(10, 1)], PHYSICAL) == 0 and rig.words(10, 1) == [70]
    assert (PHYSICAL | DISK << 16, SECTORS, 0) not in rig.probe(0)
    assert rig.op(DELETE, 0, PHYSICAL) == 0
    assert rig.do(READ, 0, [rig.buffer(10, 1)], PHYSICAL) == 0 and rig.words(10, 1) == [0]


def test_what_cannot_be_is_refused(rig):
    rig.make()
    for words in ((CREATE, 1, NUMBER | 1 << 16), (CREATE, 1, 7), (CREATE, 1, 7 | 4 << 16), (GROW, 1, 7, PHYSICAL, 0, 1), (SHRINK, 1, 7), (SET, 1, 7, 0),
                  (DELETE, 1, 7), (GROW, 1, NUMBER, PHYSICAL, 0, 0), (GROW, 1, NUMBER, PHYSICAL, SECTORS - 1, 2), (GROW, 1, NUMBER, VIRTUAL, 0, 1),
                  (GROW, 1, NUMBER, PHYSICAL, 0xffffffff, 0xffffffff), (PROBE, 1, 0x80000000, 0), (INFO, 1, 7, 0)):
        assert rig.op(*words) == -EINVAL, words
    for operation in (CREATE, GROW, SHRINK, SET, DELETE, PROBE, INFO):
        assert rig.op(operation, 9, NUMBER, 0, 0, 1) == -ESRCH
    for operation in (PROBE, INFO):
        assert rig.op(operation, 1, NUMBER | 1 << 16, 0x1000, 0, 0) == -EFAULT
    assert rig.op(10, 1, NUMBER) == -ENOSYS
    for number in range(62):
        assert rig.op(CREATE, 1, number | 1 << 16) == 0
    assert rig.op(CREATE, 1, 62 | 1 << 16) == -ENOSPC
    for k in range(98):
        assert rig.op(GROW, 1, NUMBER, PHYSICAL, k, 1) == 0
    assert rig.op(GROW, 1, NUMBER, PHYSICAL, 0, 1) == -ENOSPC


def test_a_structure_that_ends_where_nothing_is_mapped_changes_nothing(rig):
    rig.make()
    before = rig.probe(1), rig.info(1, NUMBER)
    bench = rig.bench
    assert bench.call(UPDATE_VA_MAPPING, bench.address(OP + 3) >> 12, 0, 3) == 0
    words = (1, NUMBER, PHYSICAL, 0)        # one too few to grow
    for operation, count in ((CREATE, 1), (GROW, 4), (SHRINK, 1), (SET, 2), (DELETE, 1), (PROBE, 2), (INFO, 2)):
        for given in range(count + 1):
            at = bench.address(OP + 3) - 4 * given - 4
            for k, word in enumerate((operation,) + words[:given]):
                assert bench.domain.linear.write32(at + 4 * k, word)
            assert bench.call(BLOCK_IO_OP, at) == -EFAULT, (operation, given)
    assert (rig.probe(1), rig.info(1, NUMBER)) == before


def test_no_disk_to_write_to_is_made_of_one_that_is_read_only():
    rig = Rig12(read_only=True)
    rig.make(extents=())
    assert rig.op(GROW, 1, NUMBER, PHYSICAL, 0, 1) == -EINVAL and rig.op(SET, 1, NUMBER | 1 << 16, rig.list([PHYSICAL, 0, 1])) == -EINVAL
    assert rig.op(CREATE, 1, 7 | READABLE << 16) == 0 and rig.op(GROW, 1, 7, PHYSICAL, 0, 1) == 0
    assert rig.probe(0)[0] == (PHYSICAL | (DISK | READ_ONLY_FLAG) << 16, SECTORS, 0)


def test_what_a_disk_has_been_asked_for_is_done_as_it_was(rig):
    rig.make()
    rig.put(READ, 12, [rig.buffer(10, 1, 1)], NUMBER, domain=1)
    assert rig.push(1) == 0
    assert rig.op(SET, 1, NUMBER, 0) == 0 and rig.op(DELETE, 1, NUMBER) == 0
    rig.pass_time()
    assert rig.responses(1) == [(7, READ, 0)] and rig.words(10, 1, 1) == [52]


def test_a_domain_that_has_ended_has_no_disks(rig):
    rig.make()
    rig.domains[1].die('for the test')
    assert rig.probe(1) == rig.info(1, NUMBER) == rig.op(DELETE, 1, NUMBER) == -ESRCH
    assert [entry for entry in rig.probe(EVERY) if entry[2] == 1] == []


def test_a_domain_whose_disks_a_privileged_one_has_changed_is_not_saved_even_if_that_comes_late(rig):
    drives = [Drive(rig.disk, 'ide')]
    saving = Saving(rig.domains[1], drives)
    assert rig.op(GROW, 1, VIRTUAL, PHYSICAL, 0, 1) == 0
    with pytest.raises(UserError) as caught:
        saving.state()
    assert 'privileged domain' in caught.value.text
    saving.end()
    with pytest.raises(UserError):
        Saving(rig.domains[1], drives)


@pytest.mark.parametrize('seed', range(3))
def test_no_operations_make_a_disk_that_reaches_beyond_physical_ones(seed):
    generator = random.Random(seed)
    rig = Rig12(read_only=seed == 2)
    values = [0, 1, 2, 3, 9, SECTORS - 1, SECTORS, 0x7fffffff, 0x80000000, 0xffffffff]
    numbers = [NUMBER, PHYSICAL, VIRTUAL, 0, 0xffff]
    done = 0
    for _ in range(400):
        def value():
            return generator.choice(values)
        extents = [word for k in range(4) for word in (generator.choice([PHYSICAL, PHYSICAL, VIRTUAL, value()]), value(), value() if k else 1)]
        at = rig.list(extents) if generator.randrange(8) else generator.choice([0x1000, 0xfbfffffc, 0xfffffff8])
        operation = generator.randrange(12)
        words = [operation, generator.choice([0, 1, 1, 1, value()]), generator.choice(numbers) | generator.choice([1, 2, 3, 4, 0xffff, 0]) << 16]
        words += extents[:3] if operation == GROW else [at, 0]
        result = rig.op(*words)
        assert result == 0 or -64 < result < 0
        done += result == 0
        for ring in rig.bench.hypervisor.devices.block.rings:
            assert sorted(ring.numbers) == sorted(ring.disks) and len(ring.numbers) <= 64
            for disk in ring.disks.values():
                assert 0 < disk.mode <= 3 and len(disk.extents) <= 100 and disk.sectors == sum(extent.size for extent in disk.extents)
                for extent in disk.extents:
                    assert extent.size > 0 and extent.disk.disk is rig.disk and extent.disk.disk.contains(extent.offset, extent.size)
                    assert not (disk.mode & WRITABLE and rig.disk.read_only)
    assert done > 40
