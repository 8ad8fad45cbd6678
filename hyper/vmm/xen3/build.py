"""Makes a domain for a kernel of Xen 3 from its configuration: the domain builder.

The pages of a domain are mapped from the base of its image in the order of their numbers, up to an end at a multiple of 4 MB with half a megabyte
or more left behind what is there:

    0           kernel
                module, on the next page
                list of the frames of all pages
                start_info
                the store's ring, the console's ring
                page tables, mapped read-only: the L3, four L2, the L1s
                the initial stack, growing down

The other pages are the domain's and not mapped. Frames of shared_info and of the grant table are the hypervisor's; the guest maps them.
"""
from hyper.errors import UserError
from hyper.loader import inflate, xen_notes
from hyper.loader.file import Block, megabytes, pack32
from hyper.vmm.frames import FRAME
from hyper.vmm.para import setup
from hyper.vmm.para.frame_table import L3
from hyper.vmm.para.layout import ACCESSED, DIRTY, PRESENT, USER, WRITE
from hyper.vmm.xen3 import layout
from hyper.vmm.xen3.block import BlockBackend
from hyper.vmm.xen3.domain import FIRST_GRANT_FRAME, OWN_FRAMES, Xen3Domain
from hyper.vmm.xen3.grants import CONSOLE_REFERENCE, GRANT_FRAMES, STORE_REFERENCE
from hyper.vmm.xen3.interface import hypercall_page
from hyper.vmm.xen3.layout import BACKEND, END, ENTRIES, KERNEL_CS, KERNEL_DS, POINTERS
from hyper.vmm.xen3.neighbours import Neighbours
from hyper.vmx import fields

ESI = 6
CR4_PAE = 1 << 5
PADDING = 512 << 10
ALIGNMENT = 4 << 20
TABLE_SPAN = ENTRIES * FRAME
PAGE_ENTRY = PRESENT | WRITE | USER | ACCESSED | DIRTY
READ_ONLY_ENTRY = PRESENT | USER | ACCESSED
MOST_DISKS = 16                 # with a letter each that has a device number of the old kind


def memory_needed(config):
    """Bytes of machine memory that the domain takes."""
    return config.memory + OWN_FRAMES * FRAME


def notes_of(config):
    """The Notes of an image for Xen 3, None if it is none or the configuration asks for another interface."""
    if config.interface != '' or inflate.is_gzip(config.image):
        return None
    return xen_notes.find(config.image)


def build(hypervisor, config, number, notes):
    """The domain, ready to run; raises UserError. `hypervisor` has a FrameTable."""
    image = xen_notes.load(config.image, notes, config.memory)
    if len(config.modules) > 1:
        raise UserError('--module: a paravirtual kernel takes one; give them as one archive')
    module = ''
    if len(config.modules) > 0:
        module = config.modules[0].data
    drives = config.fittings.drives
    if len(drives) > MOST_DISKS:
        raise UserError('%d disks: %d are the most' % (len(drives), MOST_DISKS))
    for drive in drives:
        if drive.rate > 0:
            raise UserError('--disk rate=: the disks of a kernel of Xen 3 have no limited rate; leave it out')
    plan = Plan(config.image.name, config.memory, image, len(module))
    if hypervisor.neighbours is None:
        hypervisor.neighbours = Neighbours()
    own = []
    for k in range(FIRST_GRANT_FRAME):
        own.append(hypervisor.take_frame())
    grants = hypervisor.take_range(GRANT_FRAMES, FRAME)
    for k in range(GRANT_FRAMES):
        own.append(grants + k * FRAME)
    base = hypervisor.take_range(plan.pages, FRAME)
    domain = Xen3Domain(number, config.name, hypervisor.vmx, hypervisor.frame_table, hypervisor.clock, hypervisor.frames, own, config.sink, hypervisor,
                        hypervisor.neighbours)
    domain.make_vmcs()              # before the first table is put into use
    fill(domain, plan, image, module, config.command_line, base // FRAME)
    furnish(domain, plan, drives)
    start(domain, plan, image)
    return domain


class Plan(object):
    """Which page is what. Raises UserError if a domain of so many bytes cannot hold it."""

    def __init__(self, name, memory, image, module_size):
        self.base = image.base
        self.pages = memory // FRAME
        self.module = pages_of(len(image.data))
        self.module_size = module_size
        self.list = self.module + pages_of(module_size)
        self.start_info = self.list + pages_of(self.pages * 4)
        self.store = self.start_info + 1
        self.console = self.start_info + 2
        self.pointers = self.start_info + 3
        self.tables = 0                     # how many L1
        while True:
            self.stack = self.pointers + 1 + POINTERS + self.tables
            end = image.base + (self.stack + 1) * FRAME + PADDING
            self.end = (end + ALIGNMENT - 1) & ~(ALIGNMENT - 1)
            wanted = (self.end - self.first_span() + TABLE_SPAN - 1) // TABLE_SPAN
            if wanted == self.tables:
                break
            self.tables = wanted
        self.mapped = (self.end - image.base) // FRAME
        if self.end > END:
            raise UserError('%s: a domain whose kernel begins at 0x%x has no room for it and its module below the hypervisor; give it a smaller --module' % (
                name, image.base))
        if self.mapped > self.pages:
            raise UserError('%s: kernel, module and page tables need %s; give the domain more --memory' % (name, megabytes(self.mapped * FRAME)))

    def first_span(self):
        """Where the addresses begin that the first L1 maps."""
        return self.base & ~(TABLE_SPAN - 1)

    def address(self, page):
        """Its virtual address."""
        return self.base + page * FRAME


def pages_of(size):
    return (size + FRAME - 1) // FRAME


def fill(domain, plan, image, module, command_line, first_frame):
    """The domain's memory, on the frames that follow `first_frame`."""
    table = domain.paging.table
    memory = table.memory
    base = first_frame * FRAME
    domain.first_frame = first_frame
    domain.pages = plan.pages
    domain.most_pages = plan.pages
    frames = []
    for page in range(plan.pages):
        table.give(first_frame + page, domain.number, page)
        frames.append(pack32(first_frame + page))
    memory.write_bytes(base, image.data)
    if image.hypercall_page != xen_notes.NONE:
        memory.write_bytes(base + image.hypercall_page - image.base, hypercall_page())
    memory.write_bytes(base + plan.module * FRAME, module)
    memory.write_bytes(base + plan.list * FRAME, ''.join(frames))
    directories = base + (plan.pointers + 1) * FRAME
    tables = directories + POINTERS * FRAME
    for k in range(POINTERS):
        memory.write64(base + plan.pointers * FRAME + 8 * k, directories + k * FRAME | PRESENT)
    for k in range(plan.tables):
        memory.write64(directories + (plan.first_span() // TABLE_SPAN + k) * 8, tables + k * FRAME | PAGE_ENTRY)
    for page in range(plan.mapped):
        rights = PAGE_ENTRY
        if plan.pointers <= page < plan.stack:
            rights = READ_ONLY_ENTRY
        memory.write64(tables + (plan.address(page) - plan.first_span()) // FRAME * 8, base + page * FRAME | rights)
    pinned = domain.paging.pin(first_frame + plan.pointers, L3)
    assert pinned
    valid = domain.paging.set_base(first_frame + plan.pointers)
    assert valid
    domain.connect(base + plan.console * FRAME, base + plan.store * FRAME)
    memory.write_bytes(base + plan.start_info * FRAME, start_info(domain, plan, first_frame, command_line))


def start_info(domain, plan, first_frame, command_line):
    if len(command_line) >= layout.COMMAND_LINE_SIZE:
        raise UserError('--append: longer than the %d bytes that a paravirtual domain can take; shorten it' % (layout.COMMAND_LINE_SIZE - 1))
    block = Block(FRAME)
    block.put(0, layout.MAGIC)
    block.put32(layout.NR_PAGES, plan.pages)
    block.put32(layout.SHARED_INFO, domain.shared_frame * FRAME)
    block.put32(layout.STORE_FRAME, first_frame + plan.store)
    block.put32(layout.STORE_PORT, domain.store.port)
    block.put32(layout.CONSOLE_FRAME, first_frame + plan.console)
    block.put32(layout.CONSOLE_PORT, domain.console.port)
    block.put32(layout.PT_BASE, plan.address(plan.pointers))
    block.put32(layout.NR_PT_FRAMES, 1 + POINTERS + plan.tables)
    block.put32(layout.MFN_LIST, plan.address(plan.list))
    if plan.module_size > 0:
        block.put32(layout.MOD_START, plan.address(plan.module))
        block.put32(layout.MOD_LEN, plan.module_size)
    block.put(layout.COMMAND_LINE, command_line)
    return block.text()


def furnish(domain, plan, drives):
    """What the domain finds in the store and in its grant table."""
    first = domain.first_frame
    domain.grants.put(CONSOLE_REFERENCE, BACKEND, first + plan.console)
    domain.grants.put(STORE_REFERENCE, BACKEND, first + plan.store)
    store = domain.neighbours.store
    home = domain.home()
    store.give(home, BACKEND, domain.identity)
    for name in ['control', 'control/shutdown', 'data', 'device', 'drivers', 'error', 'feature']:
        store.give(home + '/' + name, domain.identity, BACKEND)
    for name, text in [('name', domain.name), ('domid', '%d' % domain.identity), ('memory/target', '%d' % (plan.pages * 4)),
                       ('console/ring-ref', '%d' % (first + plan.console)), ('console/port', '%d' % domain.console.port), ('console/type', 'hyper'),
                       ('console/limit', '1048576'), ('store/ring-ref', '%d' % (first + plan.store)), ('store/port', '%d' % domain.store.port)]:
        store.put(home + '/' + name, text)
    for k in range(len(drives)):
        backend = BlockBackend(domain, store, drives[k], k)
        backend.publish()


def start(domain, plan, image):
    """The registers at the entry point."""
    stack = plan.address(plan.stack + 1)
    setup.prepare(domain, image.entry, stack)
    vmx = domain.vmx
    for s in range(6):
        vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, KERNEL_DS)
    vmx.vmwrite(fields.GUEST_CS_SELECTOR, KERNEL_CS)
    vmx.vmwrite(fields.GUEST_CR4, vmx.vmread(fields.GUEST_CR4) | CR4_PAE)
    domain.xen3_tables.limit()
    domain.paging.flush()
    domain.registers[ESI] = plan.address(plan.start_info)
    domain.traps.set_stack(KERNEL_DS, stack)
