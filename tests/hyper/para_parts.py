"""Paravirtual domains with small kernels in assembly."""
from assemble import assemble
from hyper.board.fittings import BARE
from hyper.board.machine import World
from hyper.board.uart import CharSink
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.loader.file import ImageFile
from hyper.vmm.hypervisor import Hypervisor
from hyper.vmm.para import setup
from hyper.vmm.para.frame_checker import FrameChecker
from hyper.vmm.para.layout import FRAME
from loader_parts import elf

LOAD = 0xc0000000
MB = 1 << 20
MEMORY = MB
PAGES = MEMORY // FRAME
PAGE_OF_SHARED = PAGES          # its page number in the kernel's mapping
DIRECTORY, TABLE, START_INFO = PAGES - 1, PAGES - 2, PAGES - 3
STACK = LOAD + START_INFO * FRAME
SHARED = LOAD + PAGE_OF_SHARED * FRAME

(SET_TRAP_TABLE, PT_UPDATE, CONSOLE_WRITE, SET_GDT, STACK_SWITCH, SET_CALLBACKS, NET_UPDATE, FPU_TASKSWITCH, YIELD, EXIT, DOM0_OP, NETWORK_OP, BLOCK_IO_OP,
 SET_DEBUGREG, GET_DEBUGREG, UPDATE_DESCRIPTOR, SET_FAST_TRAP, DOM_MEM_OP, MULTICALL, KBD_OP, UPDATE_VA_MAPPING) = range(21)

# What kernels are written with: `hyp` makes a hypercall, `say` one to write to the console, `finish` the one to exit
PRELUDE = '''
    .macro hyp number, ebx=$0, ecx=$0, edx=$0, esi=$0
    mov \\ebx, %ebx
    mov \\ecx, %ecx
    mov \\edx, %edx
    mov \\esi, %esi
    mov $\\number, %eax
    vmcall
    .endm
    .macro say text
    pushf
    pusha
    jmp 8f
9:  .ascii "\\text"
8:  hyp 2, $9b, $(8b - 9b)
    popa
    popf
    .endm
    .macro finish
    mov $9, %eax
    vmcall
    .endm
'''


class Console(CharSink):
    def __init__(self):
        self.text = ''

    def write_byte(self, b):
        self.text += chr(b)


def image_of(source):
    """An ELF image of a kernel in assembly."""
    code = assemble(PRELUDE + source, LOAD)
    return ImageFile('kernel', elf([(LOAD, 0, code, len(code) + 64)], LOAD))


def make(sources, memory=MEMORY, line='', modules=(), interface='', lines=None, fittings=BARE, check_every=0):
    """A hypervisor with a domain for each kernel; `lines` are command lines that differ."""
    configs = [DomainConfig('d%d' % k, 'para', '', memory, lines[k] if lines else line, image_of(source), list(modules), -1, Console(), interface, fittings)
               for k, source in enumerate(sources)]
    hypervisor = Hypervisor(models.find(''), World(), configs, check_every)
    for domain, config in zip(hypervisor.domains, configs):
        domain.text = lambda config=config: config.sink.text
    return hypervisor


def run(source, most=20000, **options):
    """Runs a kernel to its end, or so many instructions; the domain."""
    hypervisor = make([source], **options)
    hypervisor.run(most, -1, -1.0)
    domain = hypervisor.domains[0]
    check_counts(hypervisor)
    return domain


def check_counts(hypervisor):
    """The frame table must be what tables, base pointers, pins and descriptor tables say."""
    assert FrameChecker(hypervisor.frame_table, hypervisor.domains).check() == ''


class Bench(object):
    """A domain that is not run: hypercalls are made for it from here, and the frame table is checked after each."""

    def __init__(self, domains=1, **options):
        self.hypervisor = make(['finish'] * domains, **options)
        self.domain = self.hypervisor.domains[0]
        self.domain.make_current()
        self.paging = self.domain.paging
        self.table = self.paging.table
        self.first = self.domain.page_frames[0]

    def call(self, number, *arguments):
        for k in range(7):
            self.domain.arguments[k] = arguments[k] & 0xffffffff if k < len(arguments) else 0
        self.paging.work = 0
        result = self.domain.call(number)
        check_counts(self.hypervisor)
        return result

    def start_again(self):
        """The guest is in ring 1 at its beginning again, whatever became of it."""
        domain = self.domain
        domain.alive = True
        domain.asleep = False
        setup.prepare(domain, LOAD, STACK)

    def requests(self, *requests):
        """pt_update with (pointer, value) pairs."""
        at = self.address(1)
        for k, (pointer, value) in enumerate(requests):
            assert self.domain.linear.write32(at + 8 * k, pointer) and self.domain.linear.write32(at + 8 * k + 4, value)
        return self.call(PT_UPDATE, at, len(requests))

    def write(self, page, words, offset=0):
        """Words into a page that the kernel may write."""
        for k, word in enumerate(words):
            assert self.domain.linear.write32(self.address(page) + offset + 4 * k, word)

    def frame(self, page):
        return self.first + page

    def machine(self, page):
        return self.frame(page) * FRAME

    def address(self, page):
        return LOAD + page * FRAME

    def entry_at(self, page):
        """The linear address of the page-table entry that maps a page."""
        return self.address(TABLE) + 4 * (page & 0x3ff)

    def entry(self, page):
        return self.table.memory.read32(self.machine(TABLE) + 4 * page)

    def unmap(self, page):
        assert self.call(UPDATE_VA_MAPPING, self.address(page) >> 12, 0, 0) == 0

    def map(self, page, entry):
        return self.call(UPDATE_VA_MAPPING, self.address(page) >> 12, entry, 0)

    def read_only(self, page):
        assert self.map(page, self.machine(page) | 1) == 0

    def counts(self, page):
        frame = self.frame(page)
        return self.table.kind[frame], self.table.uses[frame], self.table.references[frame]
