"""Domains with the interface of Xen 3: small kernels in assembly with notes, and a bench that makes hypercalls for one that is not run.

Every hypercall is followed by a check of the frame table.
"""
import struct

from assemble import assemble
from hyper.board.disk import Disk, Drive
from hyper.board.fittings import Fittings
from hyper.board.machine import World
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.loader.file import ImageFile
from hyper.options import ETHERNET_ADDRESS
from hyper.vmm.frames import FRAME
from hyper.vmm.hypervisor import Hypervisor
from hyper.vmm.xen3.interface import CALLS
from loader_parts import elf
from para_parts import Console

LOAD = 0xc0000000
MB = 1 << 20
MEMORY = 4 * MB
CALL = dict((name, number) for number, (name, call) in enumerate(CALLS))
SELF = 0x7ff0
# pages of a domain with a kernel of one page and no module: the list of frames has one too
LIST, START_INFO, STORE, CONSOLE, POINTERS, DIRECTORIES, TABLES, STACK = 1, 2, 3, 4, 5, 6, 10, 12
FREE = 16                       # pages from here on are mapped and nothing's
EFAULT, EINVAL, ENOSYS, EPERM = -14, -22, -38, -1

PRELUDE = '''
    .macro hyp number, ebx=$0, ecx=$0, edx=$0, esi=$0
    mov \\ebx, %ebx
    mov \\ecx, %ecx
    mov \\edx, %edx
    mov \\esi, %esi
    mov $\\number, %eax
    int $0x82
    .endm
    .macro finish
    movl $0, (0xc0000f00)
    hyp 29, $2, $0xc0000f00
    .endm
'''


def note(kind, data):
    return struct.pack('<III4s', 4, len(data), kind, 'Xen\0') + data + '\0' * (-len(data) % 4)


NOTES = [(5, 'xen-3.0\0'), (8, 'generic\0'), (9, 'yes\0'), (3, struct.pack('<I', LOAD)), (4, struct.pack('<I', LOAD))]


def with_notes(parts, entry, notes):
    """An ELF image with a note segment."""
    text = ''.join(note(kind, data) for kind, data in notes)
    plain = bytearray(elf(parts + [(0x40000000, 0x40000000, text, len(text))], entry))
    struct.pack_into('<I', plain, 52 + 32 * len(parts), 4)          # what looked like a segment to load is one of notes
    return str(plain)


def image_of(source, notes=()):
    """A kernel of one page, at its base."""
    code = assemble(PRELUDE + source, LOAD)
    return ImageFile('kernel', with_notes([(LOAD, LOAD, code, FRAME)], LOAD, NOTES + list(notes)))


class MemoryDisk(Disk):
    def __init__(self, sectors, read_only=False):
        Disk.__init__(self, sectors, read_only)
        self.data = bytearray(sectors * 512)
        self.flushes = 0

    def read(self, sector, count):
        return str(self.data[sector * 512:(sector + count) * 512])

    def write(self, sector, data):
        self.data[sector * 512:sector * 512 + len(data)] = data

    def flush(self):
        self.flushes += 1


def make(sources, memory=MEMORY, line='', modules=(), disks=(), check=1, images=None):
    """A hypervisor with a domain for each kernel."""
    images = images or [image_of(source) for source in sources]
    fittings = Fittings([Drive(disk, 'ide') for disk in disks], None, ETHERNET_ADDRESS, None, False)
    configs = [DomainConfig('d%d' % k, 'para', '', memory, line, image, list(modules), -1, Console(), '', fittings)
               for k, image in enumerate(images)]
    hypervisor = Hypervisor(models.find(''), World(), configs, check)
    for domain, config in zip(hypervisor.domains, configs):
        domain.text = lambda config=config: config.sink.text
    return hypervisor


def run(source, most=20000, **options):
    """Runs a kernel to its end, or so many instructions; the domain."""
    hypervisor = make([source], **options)
    hypervisor.run(most, -1, -1.0)
    return hypervisor.domains[0]


def signed(value):
    return value - (1 << 32) if value >> 31 else value


class Bench(object):
    """A domain that is not run: hypercalls are made for it from here, its structures lie in the free pages."""

    def __init__(self, domains=1, **options):
        self.hypervisor = make(['finish'] * domains, **options)
        self.use(0)

    def use(self, number):
        self.domain = self.hypervisor.domains[number]
        self.domain.make_current()
        self.paging = self.domain.paging
        self.memory = self.paging.memory
        self.frames = self.domain.page_frames

    def call(self, name, *arguments):
        for k in range(7):
            self.domain.arguments[k] = arguments[k] & 0xffffffff if k < len(arguments) else 0
        self.paging.work = 0
        result = self.domain.call(CALL[name])
        if self.domain.why.startswith('the frame table'):
            raise AssertionError(self.domain.why)
        return result

    def address(self, page, offset=0):
        return LOAD + page * FRAME + offset

    def frame(self, page):
        return self.frames[page]

    def machine(self, page, offset=0):
        return self.frame(page) * FRAME + offset

    def put(self, words, page=FREE, offset=0):
        """Words into a page that is mapped writable; their address."""
        for k, word in enumerate(words):
            assert self.domain.linear.write32(self.address(page, offset) + 4 * k, word & 0xffffffff)
        return self.address(page, offset)

    def word(self, page=FREE, offset=0):
        return self.memory.read32(self.machine(page, offset))

    def shared(self, offset):
        return self.memory.read32(self.domain.shared_frame * FRAME + offset)

    def structure(self, name, command, words, *more):
        """A hypercall (command, structure)."""
        return self.call(name, command, self.put(words), *more)

    def update(self, *updates):
        """mmu_update with (address, value) pairs."""
        words = []
        for address, value in updates:
            words += [address & 0xffffffff, address >> 32, value & 0xffffffff, value >> 32 & 0xffffffff]
        return self.call('mmu_update', self.put(words), len(updates), self.address(FREE, 0xff0), SELF)

    def extended(self, *operations):
        """mmuext_op with (command, first, second) triples."""
        words = []
        for operation in operations:
            words += (list(operation) + [0, 0])[:3]
        return self.call('mmuext_op', self.put(words), len(operations), self.address(FREE, 0xff0), SELF)

    def done(self):
        """How many of those were."""
        return self.word(FREE, 0xff0)

    def map(self, page, entry, flags=2):
        return self.call('update_va_mapping', self.address(page), entry & 0xffffffff, entry >> 32 & 0xffffffff, flags)

    def read_only(self, page):
        assert self.map(page, self.machine(page) | 5) == 0

    def entry_at(self, page):
        """The machine address of the page-table entry that maps a page."""
        return self.machine(TABLES + (page >> 9), 8 * (page & 0x1ff))

    def counts(self, page):
        frame = self.frame(page)
        table = self.paging.table
        return table.kind[frame], table.uses[frame], table.references[frame]
