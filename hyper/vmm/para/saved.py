"""Taking a paravirtual domain out of one machine and putting it into another.

Its memory is a list of pages. Each is a frame that the domain owns: its own in the order of their numbers, then shared_info and the rings. Machine frames mean
nothing elsewhere, so in a page table each present entry has the place of its page in this list in place of a frame number (it is canonical).
A place is vacant for each page that the domain has given to the network for a packet to come. While it runs the network exchanges pages: a frame that goes
leaves its place vacant, and one that comes takes a vacant place.
All other state is lines of text, each a name and numbers. Who puts a domain together from pages and lines need not be trusted: page tables, pins and
descriptor tables are put into use by the same checks as those of any guest.

A kernel also holds frame numbers where they cannot be found. So a domain gets the frames that it had if they are free. If they are not, it must have
stopped itself when it was asked to: then it looks for its frames again when it goes on.

While the domain runs on, Memory logs which frames are written to; see Memory.log_writes.
"""
from hyper.board import raw
from hyper.board.disk import Snapshot
from hyper.cpu import fpu
from hyper.errors import UserError
from hyper.vmm.para import context, setup
from hyper.vmm.para.block.disks import VIRTUAL
from hyper.vmm.para.build import ANY_FRAME
from hyper.vmm.para.descriptor_tables import NO_FRAME
from hyper.vmm.para.frame_table import L1, L2, UNTYPED
from hyper.vmm.para.interface import XEN_1_0, XEN_1_2
from hyper.vmm.para.layout import ENTRIES, FIRST_RESERVED_SLOT, FRAME, M32, PRESENT, TABLE_PAGES
from hyper.vmm.para.network import saved as network
from hyper.vmx import fields

NOT_THERE = -1
FPU_WORDS = fpu.SIZE // 4
MXCSR_MAY = 0xffbf
CONTROL_MAY, CONTROL_ONES = 0x1f3f, 0x40
CR0_TS = 1 << 3
BLOCKING_MAY = 3                # by STI and by MOV SS
KIND_BITS = 3                   # of a pin: its page above its type
MOST_TIME = 1 << 62
BAD = 'the saved domain is damaged: '


def pages_of(domain):
    """The frames of the list, ANY_FRAME for a vacant place."""
    table = domain.table
    taken = {}
    last = [domain.shared_frame] + domain.rings
    for frame in last:
        taken[frame] = True
    pages = len(domain.page_frames)
    own = [ANY_FRAME] * pages           # by number of page
    for page in range(pages):
        frame = domain.page_frames[page]
        if frame not in taken and table.owner[frame] == domain.number:
            taken[frame] = True
            own[page] = frame
    others = []
    for frame in range(table.count):
        if table.owner[frame] == domain.number and frame not in taken:
            page = table.page(frame)
            if page < pages and own[page] == ANY_FRAME:
                own[page] = frame
            else:
                others.append(frame)
    vacant = 0
    for interface in domain.interfaces:
        vacant += len(interface.buffers)
    frames = []
    for frame in own:
        if frame != ANY_FRAME:
            frames.append(frame)
        elif vacant > 0:
            vacant -= 1
            frames.append(ANY_FRAME)
    return frames + others + [ANY_FRAME] * vacant + last


def check_disks(domain, drives):
    """Raises UserError if the domain has other disks than files, which it finds again: it was made with these Drives."""
    ring = domain.block
    if ring is None:
        return
    given = len(ring.grants) > 0 or len(ring.numbers) != len(drives)
    for k in range(len(drives)):
        if isinstance(drives[k].disk, Snapshot):
            raise UserError('%s: what it has written to disk %d is in the memory of this machine only (snapshot), so it cannot be saved' % (domain.name, k))
        if VIRTUAL | k not in ring.disks or ring.disks[VIRTUAL | k].key != '':
            given = True
    if given:
        raise UserError('%s: has disks that a privileged domain has given it, which are not elsewhere, so it cannot be saved' % domain.name)


class Saving(object):
    """Of a ParaDomain with the Drives that it was made with, from when its pages are first looked at until it is gone or goes on. Raises UserError if it cannot be saved."""

    def __init__(self, domain, drives):
        name = domain.name
        if domain.interface is not XEN_1_0 and domain.interface is not XEN_1_2:
            raise UserError('%s: only a domain of interface 1.0 or 1.2 can be saved' % name)
        if domain.privileged:
            raise UserError('%s: a privileged domain cannot be saved' % name)
        if not domain.alive or not domain.built:
            raise UserError('%s: does not run, so it cannot be saved' % name)
        check_disks(domain, drives)
        self.domain = domain
        self.drives = drives
        self.memory = domain.table.memory
        self.frames = pages_of(domain)
        self.place = {}                 # by frame
        self.came = []                  # frames that have taken places, and which `dirty` has not told of
        logged = []
        for k in range(len(self.frames)):
            if self.frames[k] != ANY_FRAME:
                self.place[self.frames[k]] = k
                logged.append(self.frames[k])
        self.memory.log_writes(logged)
        domain.vmx.flush()              # so that the next store to each page is seen

    def end(self):
        self.memory.log_writes([])

    def dirty(self):
        """A text with a character for each page: '1' if it was written to since the last time."""
        marks = ['0'] * len(self.frames)
        written = self.memory.written_frames()
        self.settle()
        for frame in self.came:
            k = self.place.get(frame, NOT_THERE)
            if k >= 0:
                marks[k] = '1'
        self.memory.log_writes_also(self.came)
        self.came = []
        again = []
        for frame in written:
            k = self.place.get(frame, NOT_THERE)
            if k >= 0:
                marks[k] = '1'
                again.append(frame)
        self.memory.log_writes_again(again)
        self.domain.vmx.flush()
        return ''.join(marks)

    def settle(self):
        """Gives vacant places to the frames that have come since; whether there are such."""
        frames = pages_of(self.domain)
        if len(frames) != len(self.frames):
            return True                 # its memory has another size: it cannot be saved any more
        came = []
        there = {}
        for frame in frames:
            there[frame] = True
        vacant = []
        for k in range(len(self.frames)):
            frame = self.frames[k]
            if frame != ANY_FRAME and frame not in there:
                del self.place[frame]
                self.frames[k] = ANY_FRAME
            if self.frames[k] == ANY_FRAME:
                vacant.append(k)
        for frame in frames:
            if frame != ANY_FRAME and frame not in self.place:
                k = vacant.pop()
                self.frames[k] = frame
                self.place[frame] = k
                came.append(frame)
        self.came += came
        return len(came) > 0

    def holds(self, k):
        """Whether there is a page at the place, and still the domain's."""
        return self.frames[k] != ANY_FRAME and self.domain.paging.owns(self.frames[k])

    def own(self):
        """How many pages are not shared with the hypervisor."""
        return len(self.frames) - 1 - len(self.domain.rings)

    def head(self):
        """What the other side must know before anything else, as lines: the version of the interface and the frames."""
        self.settle()
        lines = ['interface %s' % self.domain.interface.version]
        words = ['frames']
        for k in range(self.own()):
            words.append('%d' % self.frames[k])
        lines.append(' '.join(words))
        return '\n'.join(lines)

    def kind(self, k):
        """What the page is used as: a type of the frame table."""
        if not self.holds(k) or self.domain.table.uses[self.frames[k]] == 0:
            return UNTYPED
        return self.domain.table.kind[self.frames[k]]

    def kinds(self):
        """A text with a digit for each page."""
        digits = []
        for k in range(len(self.frames)):
            digits.append(chr(ord('0') + self.kind(k)))
        return ''.join(digits)

    def page(self, k):
        """Its contents; those of a page table are canonical."""
        if not self.holds(k):
            return '\0' * FRAME
        at = self.frames[k] * FRAME
        kind = self.kind(k)
        data = self.memory.read_bytes(at, FRAME)
        if kind != L1 and kind != L2:
            return data
        parts = []
        for i in range(ENTRIES):
            entry = self.memory.read32(at + 4 * i)
            if kind == L2 and i >= FIRST_RESERVED_SLOT:
                entry = 0
            elif entry & PRESENT:
                entry = self.place.get(entry >> 12, 0) << 12 | entry & 0xfff
            for j in range(4):
                parts.append(chr(entry >> (8 * j) & 0xff))
        return ''.join(parts)

    def state(self):
        """The lines. The domain must not run any more."""
        domain = self.domain
        if domain.waits_for_disks():
            raise UserError('%s: waits for its disks; try again' % domain.name)
        check_disks(domain, self.drives)                # a privileged domain may have given it some meanwhile
        if self.settle():
            raise UserError('%s: has got or given pages meanwhile; try again' % domain.name)
        domain.host.take_out(domain)
        words = context.store(domain)
        words[context.BASE] = self.place[domain.paging.base] << 12
        for k in range(TABLE_PAGES):
            if domain.tables.gdt[k] != NO_FRAME:
                words[context.GDT_FRAMES + k] = self.place[domain.tables.gdt[k]]
        vmx = domain.vmx
        table = domain.table
        lines = Lines()
        lines.add('context', words)
        words = []
        for k in range(FPU_WORDS):
            words.append(raw.load32(domain.fpu.image, 4 * k))
        words.append(domain.fpu.mxcsr)
        lines.add('fpu', words)
        lines.add('cr2', [domain.cr2])
        lines.add('task_switched', [int(vmx.vmread(fields.GUEST_CR0) & CR0_TS != 0)])
        lines.add('blocking', [vmx.vmread(fields.GUEST_INTERRUPTIBILITY) & BLOCKING_MAY])
        lines.add('asleep', [int(domain.asleep)])
        lines.add('moves', [int(domain.suspended)])
        own = self.own()
        assert own >= 0
        lines.add('frames', self.frames[:own])
        lines.add('pages', [domain.pages, domain.most_pages])
        lines.add('times', [domain.virtual_time(), domain.times.next_tick, domain.times.now(), domain.times.wall()])
        lines.add('block_ring', [0, 0] if domain.block is None else [domain.block.consumer, domain.block.producer])
        numbers = []
        pins = []
        for k in range(len(self.frames)):
            frame = self.frames[k]
            if frame == ANY_FRAME:
                numbers.append(M32)
                continue
            numbers.append(table.page(frame))
            if table.pinned[frame]:
                pins.append(k << KIND_BITS | table.kind[frame])
        lines.add('machine_to_physical', numbers)
        lines.add('pins', pins)
        keys = []
        for k in range(domain.keyboard.typed, len(domain.keyboard.text)):
            keys.append(ord(domain.keyboard.text[k]))
        lines.add('typed', keys)
        lines.add('scan_codes', domain.keyboard.codes)
        network.store(domain, lines, self.place)
        return lines.text()


class Lines(object):
    def __init__(self):
        self.lines = []

    def add(self, name, numbers):
        words = [name]
        for number in numbers:
            words.append('%d' % number)
        self.lines.append(' '.join(words))

    def text(self):
        return '\n'.join(self.lines)


def parse(text):
    """The numbers by name; raises UserError. None is negative, or larger than a time can be."""
    found = {}
    for line in text.split('\n'):
        words = line.split(' ')
        numbers = []
        for word in words[1:]:
            numbers.append(number_of(word))
        found[words[0]] = numbers
    return found


def number_of(word):
    if len(word) == 0 or len(word) > 19:
        raise UserError(BAD + 'a number of it is none')
    value = 0
    for c in word:
        if not '0' <= c <= '9' or value > MOST_TIME // 10:
            raise UserError(BAD + 'a number of it is none')
        value = value * 10 + ord(c) - ord('0')
    return value


class Restoring(object):
    """Of a ParaDomain with memory and no image, which was made for so many pages. All methods raise UserError; then the domain can only be destroyed."""

    def __init__(self, domain):
        self.domain = domain
        self.memory = domain.table.memory
        self.frames = pages_of(domain)  # ANY_FRAME for those that have turned out to be vacant
        self.kinds = [UNTYPED] * len(self.frames)
        self.found = {}

    def put(self, k, kind, data):
        """A page as `Saving` gives it. It may come again."""
        own = len(self.frames) - 1 - len(self.domain.rings)
        if k < 0 or k >= len(self.frames) or len(data) != FRAME or kind < 0 or kind > 4 or (k >= own and (kind == L1 or kind == L2)):
            raise self.damaged('a page that it cannot have')
        self.kinds[k] = kind
        self.memory.write_bytes(self.frames[k] * FRAME, data)

    def numbers(self, name, count, most):
        """The `count` numbers of a name, or with a negative count any number of them, each at most `most`."""
        if name not in self.found:
            raise self.damaged('%s is missing' % name)
        numbers = self.found[name]
        if count >= 0 and len(numbers) != count:
            raise self.damaged('%s has another size' % name)
        for number in numbers:
            if number > most:
                raise self.damaged('a number of %s is too large' % name)
        return numbers

    def frame(self, k):
        """The frame of a page."""
        if k < 0 or k >= len(self.frames) or self.frames[k] == ANY_FRAME:
            raise self.damaged('it refers to a page that it does not have')
        return self.frames[k]

    def damaged(self, why):
        return UserError(BAD + why)

    def refused(self, why):
        """It is good, but cannot be here."""
        return UserError('%s: %s' % (self.domain.name, why))

    def finish(self, text):
        """The domain is as it was."""
        domain = self.domain
        self.found = parse(text)
        network.load(domain, self, self.vacate())
        table = domain.table
        numbers = self.numbers('machine_to_physical', len(self.frames), M32)
        for k in range(len(self.frames)):
            if self.frames[k] == ANY_FRAME:
                continue
            if self.kinds[k] == L1 or self.kinds[k] == L2:
                self.place_entries(self.frames[k] * FRAME)
            table.set_page(self.frames[k], numbers[k])
        domain.make_current()
        setup.prepare(domain, 0, 0)
        words = self.numbers('context', context.WORDS, M32)
        words[context.BASE] = self.frame(words[context.BASE] >> 12) << 12
        if words[context.GDT_ENTRIES] > 0:
            for k in range(min(TABLE_PAGES, (words[context.GDT_ENTRIES] + 511) // 512)):
                words[context.GDT_FRAMES + k] = self.frame(words[context.GDT_FRAMES + k])
        why = context.load(domain, words)
        if why != '':
            raise self.damaged(why)
        for pin in self.numbers('pins', -1, M32):
            kind = pin & (1 << KIND_BITS) - 1
            if kind != L1 and kind != L2 or not domain.paging.pin(self.frame(pin >> KIND_BITS), kind):
                raise self.damaged('a page table of it is refused')
        self.finish_processor()
        self.finish_rest()
        network.begin(domain, self)
        domain.paging.work = 0
        domain.built = True

    def vacate(self):
        """The frames of vacant places, which the domain does not use. Checks whether it needs the frames that it had."""
        vacant = []
        same = True
        numbers = self.numbers('frames', len(self.frames) - 1 - len(self.domain.rings), M32)
        for k in range(len(numbers)):
            if numbers[k] == ANY_FRAME:
                vacant.append(self.frames[k])
                self.frames[k] = ANY_FRAME
            elif numbers[k] != self.frames[k]:
                same = False
        if not same and self.numbers('moves', 1, 1)[0] == 0:
            raise UserError('its kernel has not stopped itself, and its machine frames are taken here; restore it to a hypervisor without other domains')
        return vacant

    def place_entries(self, at):
        """A canonical table becomes one with frames."""
        for i in range(ENTRIES):
            entry = self.memory.read32(at + 4 * i)
            if entry & PRESENT:
                self.memory.write32(at + 4 * i, self.frame(entry >> 12) << 12 | entry & 0xfff)

    def finish_processor(self):
        domain = self.domain
        vmx = domain.vmx
        words = self.numbers('fpu', FPU_WORDS + 1, M32)
        image = domain.fpu.image
        for k in range(FPU_WORDS):
            raw.store32(image, 4 * k, words[k])
        raw.store16(image, fpu.CONTROL, raw.load16(image, fpu.CONTROL) & CONTROL_MAY | CONTROL_ONES)
        domain.fpu.mxcsr = words[FPU_WORDS] & MXCSR_MAY
        domain.cr2 = self.numbers('cr2', 1, M32)[0]
        if self.numbers('task_switched', 1, 1)[0]:
            vmx.vmwrite(fields.GUEST_CR0, vmx.vmread(fields.GUEST_CR0) | CR0_TS)
        vmx.vmwrite(fields.GUEST_INTERRUPTIBILITY, self.numbers('blocking', 1, 1)[0])

    def finish_rest(self):
        domain = self.domain
        domain.asleep = self.numbers('asleep', 1, 1)[0] != 0
        domain.most_pages = self.numbers('pages', 2, M32)[1]
        if domain.most_pages < domain.pages:
            raise self.damaged('it has more pages than it may')
        times = self.numbers('times', 4, MOST_TIME)
        domain.instructions = times[0]
        domain.times.next_tick = times[1]
        domain.times.go_on_from(times[2], times[3])
        ring = self.numbers('block_ring', 2, M32)
        if domain.block is not None:
            domain.block.consumer = ring[0]
            domain.block.producer = ring[1]
        text = []
        for key in self.numbers('typed', -1, 255):
            text.append(chr(key))
        domain.keyboard.text = ''.join(text)
        codes = self.numbers('scan_codes', -1, 255)
        domain.keyboard.codes = codes[:]
        if domain.asleep:
            domain.times.sleep()
