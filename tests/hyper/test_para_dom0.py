"""dom0_op: the privileged domain makes, builds, starts, watches and ends another; nobody else does."""
import struct

import pytest

from hyper.board.machine import World
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.vmm.hypervisor import Hypervisor
from hyper.vmm.messages import Messages, MOST_BYTES
from hyper.vmm.para import context
from hyper.vmm.para.layout import EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM, ESRCH, FRAME

from assemble import assemble
from para_parts import Console, LOAD, MB, PRELUDE, PT_UPDATE, TABLE, check_counts, image_of

PAGES = 64                      # of the domain that is made
OP, WINDOW, BUFFER = 2, 3, 4    # pages of domain 0: the operation, through which foreign frames are seen, for lists
CREATE, DESTROY, START, STOP, INFO, BUILD, IOPL, MEMORY_LIST, SCHEDULER, ADJUST, FRAME_INFO = 8, 9, 10, 11, 12, 13, 14, 2, 6, 7, 18
VERSION_1_2 = 0xaaaa0003
NUMBERS = {'1.0': (10, 20, 1), '1.2': (9, 19, 1)}      # dom0_op, update_va_mapping, pt_update
DIRECTORY_PAGE, TABLE_PAGE, START_PAGE = PAGES - 1, PAGES - 2, PAGES - 3


class Dom0(object):
    """Domain 0 is not run: its hypercalls are made from here. `privileged` says whether it is."""

    def __init__(self, privileged=True, interface='1.0'):
        config = DomainConfig('dom0', 'para', '', MB, '', image_of('finish'), [], -1, Console(), interface, privileged=privileged)
        self.hypervisor = Hypervisor(models.find(''), World(), [config], memory=8 * MB)
        self.hypervisor.machine.world.input_closed = lambda: False
        self.hypervisor.machine.world.input_by_caller = lambda: True
        self.consoles = {}
        self.hypervisor.consoles.console = lambda number, name: self.consoles.setdefault(number, Console())
        self.domain = self.hypervisor.domains[0]
        self.domain.make_current()
        self.paging = self.domain.paging
        self.interface = interface
        self.at = LOAD + OP * FRAME
        self.union = self.at + (4 if interface == '1.0' else 8)

    def call(self, number, *arguments):
        for k in range(7):
            self.domain.arguments[k] = arguments[k] & 0xffffffff if k < len(arguments) else 0
        self.paging.work = 0
        self.domain.make_current()
        result = self.domain.call(number)
        assert self.domain.vmx.current == self.domain.region
        check_counts(self.hypervisor)
        return result

    def op(self, command, *words):
        data = [command] + ([VERSION_1_2] if self.interface == '1.2' else []) + list(words)
        for k, word in enumerate(data):
            assert self.domain.linear.write32(self.at + 4 * k, word & 0xffffffff)
        return self.call(NUMBERS[self.interface][0], self.at)

    def word(self, number):
        return self.domain.linear.read32(self.union + 4 * number)

    def create(self, kb=PAGES * 4, name='made'):
        words = struct.unpack('<4I', name.ljust(16, '\0'))
        result = self.op(CREATE, kb, *words)
        return result if result < 0 else self.word(5)

    def frames(self, number):
        assert self.op(MEMORY_LIST, number, PAGES + 10, LOAD + BUFFER * FRAME) == 0
        return [self.domain.linear.read32(LOAD + BUFFER * FRAME + 4 * k) for k in range(self.word(3))]

    def window(self, entry):
        return self.call(NUMBERS[self.interface][1], (LOAD >> 12) + WINDOW, entry, 3)

    def fill(self, frame, data):
        """Writes through a mapping of a foreign frame."""
        assert self.window(frame << 12 | 3) == 0
        data = data.ljust(-len(data) % 4 + len(data), '\0')
        for k, (word,) in enumerate(struct.unpack_from('<I', data, at) for at in range(0, len(data), 4)):
            assert self.domain.linear.write32(LOAD + WINDOW * FRAME + 4 * k, word)
        assert self.window(0) == 0

    def prepare(self, number, source):
        """A kernel and its tables in the memory of a new domain, laid out as the builder does; the machine address of the page directory."""
        frames = self.frames(number)
        assert len(frames) == PAGES
        self.fill(frames[0], assemble(PRELUDE + source, LOAD))
        entries = [frames[page] << 12 | (1 if page in (DIRECTORY_PAGE, TABLE_PAGE) else 3) for page in range(PAGES)]
        self.fill(frames[TABLE_PAGE], struct.pack('<%dI' % PAGES, *entries))
        directory = [0] * (LOAD >> 22) + [frames[TABLE_PAGE] << 12 | 7]
        self.fill(frames[DIRECTORY_PAGE], struct.pack('<%dI' % len(directory), *directory))
        return frames[DIRECTORY_PAGE] << 12

    def build(self, number, directory):
        line = struct.unpack('<64I', 'hello'.ljust(256, '\0'))
        return self.op(BUILD, number, directory, LOAD, LOAD + PAGES * FRAME, LOAD + START_PAGE * FRAME, 0, *(line + (0, 0)))

    def run(self, instructions=4000):
        self.hypervisor.pause(self.domain)
        self.hypervisor.run(instructions, -1, -1.0)
        self.hypervisor.unpause(self.domain)


SHOW = '''
    lea 112(%esi), %ebx
    hyp 2, %ebx, $5
    say " from another"
    finish
'''


def test_domain_0_makes_builds_starts_inspects_and_destroys_another():
    dom0 = Dom0()
    free = dom0.hypervisor.frames.free()
    number = dom0.create()
    assert number == 1
    assert dom0.op(INFO, 1) == 0
    assert [dom0.word(k) for k in (0, 5, 6, 7, 10)] == [1, 0, 0, 1, PAGES]
    directory = dom0.prepare(number, SHOW)
    assert dom0.op(START, number) == -EINVAL            # not built
    assert dom0.build(number, directory) == 0
    assert dom0.build(number, directory) == -EINVAL     # is built
    dom0.run()
    assert dom0.consoles[1].text == ''
    assert dom0.op(START, number) == 0
    dom0.run()
    assert dom0.consoles[1].text == 'hello from another'
    assert dom0.op(INFO, 0) == 0 and (dom0.word(0), dom0.word(6)) == (0, 1)
    assert dom0.op(INFO, 1) == 0 and dom0.word(11) > 10
    assert dom0.op(DESTROY, number, 1) == 0
    assert dom0.hypervisor.find(1) is None and dom0.hypervisor.frames.free() == free
    assert dom0.op(INFO, 1) == -ESRCH


def test_a_domain_is_built_from_a_context_in_interface_1_2():
    dom0 = Dom0(interface='1.2')
    number = dom0.create()
    directory = dom0.prepare(number, 'mov $3, %ecx\n 1: jmp 1b\n')
    words = [0] * context.WORDS
    words[context.BASE] = directory
    for place, value in ((context.CS, 0x819), (context.SS, 0x821), (context.DS, 0x821), (context.ES, 0x821), (context.EIP, LOAD),
                         (context.ESP, LOAD + START_PAGE * FRAME), (context.STACK_SELECTOR, 0x821), (context.EBX, 77)):
        words[place] = value
    for place, value in ((context.CS, 0x08), (context.SS, 0x833), (context.DS, 0x18), (context.STACK_SELECTOR, 0), (context.DEBUG + 7, 1 << 13),
                         (context.FAST_TRAP, 0x80), (context.GDT_ENTRIES, 5), (context.BASE, 0)):
        bad = list(words)
        bad[place] = value
        if place == context.BASE:
            bad[place] = dom0.paging.base << 12         # a table of domain 0's
        assert dom0.op(BUILD, number, 0, *bad) == -EINVAL, place
    assert dom0.op(BUILD, number, 0, *words) == 0
    assert dom0.op(START, number) == 0
    dom0.run(200)
    assert dom0.hypervisor.find(number).registers[1] == 3       # ECX
    assert dom0.op(STOP, number) == 0
    assert dom0.op(INFO, number) == 0
    assert dom0.word(13) == dom0.hypervisor.find(number).shared_frame
    assert dom0.word(14 + context.ECX) == 3 and dom0.word(14 + context.CS) == 0x819
    assert dom0.op(FRAME_INFO, dom0.hypervisor.find(number).paging.base) == 0 and dom0.word(1) == number
    assert dom0.call(9, dom0.at + 2) == -EPERM          # another version


def test_only_the_privileged_domain_may_ask():
    dom0 = Dom0(privileged=False)
    for command in (MEMORY_LIST, SCHEDULER, ADJUST, CREATE, DESTROY, START, STOP, INFO, BUILD, IOPL):
        assert dom0.op(command, 0) == -EPERM
    assert len(dom0.hypervisor.domains) == 1


def test_domain_0_sets_the_parameters_of_the_scheduler_within_their_limits():
    dom0 = Dom0()
    number = dom0.create()
    assert dom0.op(ADJUST, number, 20, 5000000, 2000000, 1000000) == 0
    parameters = dom0.hypervisor.find(number).account.parameters
    assert (parameters.mcu_advance, parameters.warp, parameters.warp_limit, parameters.unwarp) == (20, 5000000, 2000000, 1000000)
    assert dom0.op(ADJUST, number, 0, 0, 0, 0) == -EINVAL and dom0.hypervisor.find(number).account.parameters is parameters
    assert dom0.op(SCHEDULER, 1000000) == 0 and dom0.hypervisor.scheduler.allowance == 1000000
    assert dom0.op(SCHEDULER, 0) == -EINVAL and dom0.hypervisor.scheduler.allowance == 1000000


def test_what_domain_0_asks_for_is_checked():
    dom0 = Dom0()
    number = dom0.create()
    assert dom0.create(kb=0) == -EINVAL and dom0.create(kb=1 << 30) == -EINVAL and dom0.create(kb=1 << 20) == -ENOMEM
    for command in (MEMORY_LIST, DESTROY, START, STOP, BUILD, IOPL, ADJUST):
        assert dom0.op(command, 99) == -ESRCH
    assert dom0.op(DESTROY, 0, 1) == -EINVAL            # itself
    assert dom0.op(5, 0) == -ENOSYS and dom0.op(99, 0) == -ENOSYS
    assert dom0.op(IOPL, 0, 4) == -EINVAL
    assert dom0.op(MEMORY_LIST, number, 10, LOAD + 0x2ffffff) == -EFAULT
    assert dom0.call(10, 0xfc000000) == -EFAULT
    frames = dom0.frames(number)
    for directory in (frames[0] << 12 | 4, dom0.paging.base << 12, 0xfffff000, dom0.hypervisor.find(1).shared_frame << 12, frames[0] << 12):
        assert dom0.build(number, directory) == -EINVAL


def test_a_table_that_domain_0_has_mapped_writable_is_refused_and_a_bad_one_too():
    dom0 = Dom0()
    number = dom0.create()
    directory = dom0.prepare(number, SHOW)
    assert dom0.window(directory | 3) == 0
    assert dom0.build(number, directory) == -EINVAL
    assert dom0.window(0) == 0
    frames = dom0.frames(number)
    dom0.fill(frames[TABLE_PAGE], struct.pack('<I', dom0.paging.base << 12 | 1))         # maps a frame of domain 0
    assert dom0.build(number, directory) == -EINVAL


def test_frames_that_domain_0_still_maps_stay_until_it_does_not():
    dom0 = Dom0()
    free = dom0.hypervisor.frames.free()
    number = dom0.create()
    frame = dom0.frames(number)[5]
    assert dom0.window(frame << 12 | 3) == 0
    assert dom0.op(DESTROY, number, 1) == 0
    dom0.hypervisor.adopt()
    assert dom0.hypervisor.frames.free() == free - 1
    assert dom0.window(0) == 0
    dom0.hypervisor.adopt()
    assert dom0.hypervisor.frames.free() == free
    assert dom0.window(frame << 12 | 3) == -EINVAL      # nobody's now


def test_an_unprivileged_domain_does_not_map_what_domain_0_maps():
    dom0 = Dom0(privileged=False)
    other = dom0.hypervisor.create(DomainConfig('other', 'para', '', MB, '', image_of('finish'), [], -1, Console()))
    assert dom0.window(other.page_frames[3] << 12 | 1) == -EINVAL
    dom0.domain.make_current()
    entry = LOAD + TABLE * FRAME + 4 * WINDOW
    assert dom0.domain.linear.write32(dom0.at, entry | 1) and dom0.domain.linear.write32(dom0.at + 4, 0)
    assert dom0.call(PT_UPDATE, dom0.at, 1) == -EPERM


def test_io_privilege_lets_the_kernel_use_ports_behind_which_nothing_is():
    source = '''
    cmpl $0, 108(%esi)
    mov $0x55, %eax
    in $0x60, %al
    mov %eax, 0xc0001000
    finish
'''
    config = DomainConfig('dom0', 'para', '', MB, '', image_of(source), [], -1, Console(), privileged=True)
    for level in (0, 1):
        hypervisor = Hypervisor(models.find(''), World(), [config], memory=8 * MB)
        domain = hypervisor.domains[0]
        domain.set_iopl(level)
        hypervisor.run(1000, -1, 0.2)
        assert domain.died == (level == 0)
        if level:
            assert hypervisor.memory.read32(domain.page_frames[1] * FRAME) == 0xff


SET_TIME, READ_CONSOLE, PIN = 17, 19, 20


def wall(domain):
    """What shared_info says: seconds and microseconds, at which system time."""
    memory, layout, shared = domain.times.memory, domain.interface.layout, domain.times.shared
    return memory.read32(shared + layout.tv_sec), memory.read32(shared + layout.tv_usec), memory.read64(shared + layout.system_time)


def test_the_wall_clock_is_set_for_all_paravirtual_domains_and_those_that_come():
    dom0 = Dom0(interface='1.2')
    other = dom0.hypervisor.create(DomainConfig('other', 'para', '', MB, '', image_of('finish'), [], -1, Console()))
    dom0.hypervisor.system.idle += 7 * 10 ** 9
    assert dom0.op(SET_TIME, 2000000000, 250000, 5 * 10 ** 9 & 0xffffffff, 5 * 10 ** 9 >> 32) == 0
    seconds, microseconds, when = wall(dom0.domain)
    assert seconds == 2000000002 and microseconds == 250000 and when == 7 * 10 ** 9
    assert wall(other) == wall(dom0.domain)
    assert wall(dom0.hypervisor.find(dom0.create()))[:2] == (2000000002, 250000)
    before = dom0.domain.times.wall_start
    for words in ((2000000000, 1000000, 0, 0), (2000000000, 0, 8 * 10 ** 9 & 0xffffffff, 1), (2000000000, 0, 0, 1 << 31), (2000000000, 0, 0xffffffff, 0xffffffff),
                  (0, 0, 1, 0)):
        assert dom0.op(SET_TIME, *words) == -EINVAL, words
    assert dom0.domain.times.wall_start == before


def test_the_privileged_domain_reads_what_the_hypervisor_has_said():
    dom0 = Dom0(interface='1.2')
    dom0.hypervisor.destroy(dom0.hypervisor.find(dom0.create(name='short\n')))
    at = LOAD + BUFFER * FRAME

    def read(size, forget):
        result = dom0.op(READ_CONSOLE, at, size, forget)
        return result if result < 0 else ''.join(chr(dom0.domain.linear.read8(at + k)) for k in range(result))
    said = read(4096, 0)
    assert said == ('domain 0 (dom0): made, with 1024 KB of memory\n'
                    'domain 1 (short_): made, with 256 KB of memory\ndomain 1 (short_): destroyed\n')
    assert read(10, 1) == said[:10] and read(4096, 0) == said[10:] and read(0, 0) == ''
    assert dom0.op(READ_CONSOLE, at, 10, 2) == -EINVAL and dom0.op(READ_CONSOLE, 0x1000, 10, 1) == -EFAULT
    assert read(4096, 1) == said[10:] and read(4096, 1) == ''


def test_of_what_the_hypervisor_has_said_the_oldest_lines_go_first():
    messages = Messages()
    for k in range(3000):
        messages.add('line %d' % k)
    text = messages.oldest(1 << 20)
    assert len(text) <= MOST_BYTES and text.startswith('line ') and text.endswith('line 2999\n') and len(text) > MOST_BYTES - 20


def test_there_is_one_processor_to_pin_a_domain_to():
    dom0 = Dom0(interface='1.2')
    assert dom0.op(PIN, 0, 0) == 0 and dom0.op(PIN, 0, 0xffffffff) == 0
    assert dom0.op(PIN, 0, 1) == -EINVAL and dom0.op(PIN, 0, 0x80000000) == -EINVAL and dom0.op(PIN, 99, 0) == -ESRCH


@pytest.mark.parametrize('interface, commands', [('1.0', (0, 1, 3, 4, 5, 15, 16, 17, 18, 19, 20, 21)), ('1.2', (0, 1, 3, 4, 5, 15, 16, 21))])
def test_operations_that_there_are_not(interface, commands):
    dom0 = Dom0(interface=interface)
    for command in commands:
        assert dom0.op(command, 0, 0, 0, 0) == -ENOSYS, command


def test_a_structure_that_ends_where_nothing_is_mapped_does_nothing():
    dom0 = Dom0()
    number = dom0.create()
    parameters = dom0.hypervisor.find(number).account.parameters
    assert dom0.call(NUMBERS['1.0'][1], (LOAD >> 12) + BUFFER, 0, 3) == 0
    end = LOAD + BUFFER * FRAME
    for words in ((MEMORY_LIST, number, 10, LOAD), (SCHEDULER,), (ADJUST, number, 20, 1, 1), (CREATE, 256, 0, 0, 0, 0), (DESTROY, number), (START,), (IOPL, number),
                  (INFO, 0), (BUILD, number, 0)):
        for given in range(len(words)):
            for k in range(given + 1):
                assert dom0.domain.linear.write32(end - 4 * (given + 1) + 4 * k, words[k])
            assert dom0.call(NUMBERS['1.0'][0], end - 4 * (given + 1)) == -EFAULT, (words, given)
    assert dom0.hypervisor.find(number).account.parameters is parameters and len(dom0.hypervisor.domains) == 2
