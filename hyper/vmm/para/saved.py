"""Taking a paravirtual domain out of one machine and putting it into another.

Its memory is a list of pages. Each is a frame that the domain owns: its own in the order of their numbers, then shared_info and the rings. Machine frames mean
nothing elsewhere, so in a page table each present entry has the place of its page in this list in place of a frame number (it is canonical).
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
from hyper.vmm.para.descriptor_tables import NO_FRAME
from hyper.vmm.para.frame_table import L1, L2, UNTYPED
from hyper.vmm.para.interface import XEN_1_0, XEN_1_2
from hyper.vmm.para.layout import ENTRIES, FIRST_RESERVED_SLOT, FRAME, M32, PRESENT, TABLE_PAGES
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
    """The frames of the list."""
    table = domain.table
    taken = {}
    frames = []
    last = [domain.shared_frame] + domain.rings
    for frame in last:
        taken[frame] = True
    for frame in domain.page_frames:
        if frame not in taken and table.owner[frame] == domain.number:
            taken[frame] = True
            frames.append(frame)
    for frame in range(table.count):
        if table.owner[frame] == domain.number and frame not in taken:
            frames.append(frame)
    return frames + last


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
        if len(domain.interfaces) > 0:
            raise UserError('%s: has network interfaces, which cannot be saved' % name)
        check_disks(domain, drives)
        self.domain = domain
        self.drives = drives
        self.memory = domain.table.memory
        self.frames = pages_of(domain)
        self.place = {}                 # by frame
        for k in range(len(self.frames)):
            self.place[self.frames[k]] = k
        self.memory.log_writes(self.frames)
        domain.vmx.flush()              # so that the next store to each page is seen

    def end(self):
        self.memory.log_writes([])

    def dirty(self):
        """A text with a character for each page: '1' if it was written to since the last time."""
        marks = ['0'] * len(self.frames)
        written = self.memory.written_frames()
        again = []
        for frame in written:
            k = self.place.get(frame, NOT_THERE)
            if k >= 0:
                marks[k] = '1'
                again.append(frame)
        self.memory.log_writes_again(again)
        self.domain.vmx.flush()
        return ''.join(marks)

    def kind(self, k):
        """What the page is used as: a type of the frame table."""
        frame = self.frames[k]
        if self.domain.table.uses[frame] == 0:
            return UNTYPED
        return self.domain.table.kind[frame]

    def kinds(self):
        """A text with a digit for each page."""
        digits = []
        for k in range(len(self.frames)):
            digits.append(chr(ord('0') + self.kind(k)))
        return ''.join(digits)

    def page(self, k):
        """Its contents; those of a page table are canonical."""
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
        if len(pages_of(domain)) != len(self.frames):
            raise UserError('%s: has changed the size of its memory meanwhile; try again' % domain.name)
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
        lines.add('pages', [domain.pages, domain.most_pages])
        lines.add('times', [domain.virtual_time(), domain.times.next_tick, domain.times.now(), domain.times.wall()])
        lines.add('block_ring', [0, 0] if domain.block is None else [domain.block.consumer, domain.block.producer])
        numbers = []
        pins = []
        for k in range(len(self.frames)):
            frame = self.frames[k]
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
    """Of a ParaDomain with memory and no image, which was made for so many pages. All methods raise UserError; then the domain can only be destroyed.
    `same` says that its frames are those that it had."""

    def __init__(self, domain, same):
        self.domain = domain
        self.memory = domain.table.memory
        self.same = same
        self.frames = pages_of(domain)
        self.kinds = [UNTYPED] * len(self.frames)
        self.found = {}

    def put(self, k, kind, data):
        """A page as `Saving` gives it. It may come again."""
        own = len(self.frames) - 1 - len(self.domain.rings)
        if k < 0 or k >= len(self.frames) or len(data) != FRAME or kind < 0 or kind > 4 or (k >= own and (kind == L1 or kind == L2)):
            raise UserError(BAD + 'a page that it cannot have')
        self.kinds[k] = kind
        self.memory.write_bytes(self.frames[k] * FRAME, data)

    def numbers(self, name, count, most):
        """The `count` numbers of a name, or with a negative count any number of them, each at most `most`."""
        if name not in self.found:
            raise UserError(BAD + '%s is missing' % name)
        numbers = self.found[name]
        if count >= 0 and len(numbers) != count:
            raise UserError(BAD + '%s has another size' % name)
        for number in numbers:
            if number > most:
                raise UserError(BAD + 'a number of %s is too large' % name)
        return numbers

    def frame(self, k):
        """The frame of a page."""
        if k < 0 or k >= len(self.frames):
            raise UserError(BAD + 'it refers to a page that it does not have')
        return self.frames[k]

    def finish(self, text):
        """The domain is as it was."""
        domain = self.domain
        self.found = parse(text)
        if not self.same and self.numbers('moves', 1, 1)[0] == 0:
            raise UserError('its kernel has not stopped itself, and its machine frames are taken here; restore it to a hypervisor without other domains')
        table = domain.table
        for k in range(len(self.frames)):
            if self.kinds[k] == L1 or self.kinds[k] == L2:
                self.place_entries(self.frames[k] * FRAME)
        numbers = self.numbers('machine_to_physical', len(self.frames), M32)
        for k in range(len(self.frames)):
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
            raise UserError(BAD + why)
        for pin in self.numbers('pins', -1, M32):
            kind = pin & (1 << KIND_BITS) - 1
            if kind != L1 and kind != L2 or not domain.paging.pin(self.frame(pin >> KIND_BITS), kind):
                raise UserError(BAD + 'a page table of it is refused')
        self.finish_processor()
        self.finish_rest()
        domain.paging.work = 0
        domain.built = True

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
            raise UserError(BAD + 'it has more pages than it may')
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
