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
from hyper.vmm.xen3.domain import FIRST_GRANT_FRAME, OWN_FRAMES, SHARED_FRAMES, SHARED_INFO, Xen3Domain
from hyper.vmm.xen3.grants import CONSOLE_REFERENCE, STORE_REFERENCE
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
    if len(config.fittings.interfaces) > 0:
        raise UserError('--net: there is no network device for a kernel of Xen 3; leave it out')
    if config.privileged:
        raise UserError('--privileged: a kernel of Xen 3 cannot control others; leave it out')
    drives = config.fittings.drives
    if len(drives) > MOST_DISKS:
        raise UserError('%d disks: %d are the most' % (len(drives), MOST_DISKS))
    for drive in drives:
        if drive.rate > 0:
            raise UserError('--disk rate=: the disks of a kernel of Xen 3 have no limited rate; leave it out')
    plan = Plan(config.image.name, config.memory, image, len(module))
    if hypervisor.neighbours is None:
        hypervisor.neighbours = Neighbours()
    hypervisor.require(plan.pages + OWN_FRAMES)
    frames = hypervisor.take_pages(plan.pages + SHARED_FRAMES)
    own = []
    for k in range(OWN_FRAMES):
        if k == SHARED_INFO or k >= FIRST_GRANT_FRAME:
            own.append(frames.pop() * FRAME)
        else:
            own.append(hypervisor.take_frame())
    domain = Xen3Domain(number, config.name, hypervisor.vmx, hypervisor.frame_table, hypervisor.clock, hypervisor.frames, own, config.sink, hypervisor,
                        hypervisor.neighbours)
    domain.make_vmcs()              # before the first table is put into use
    try:
        fill(domain, plan, image, module, config.command_line, frames)
        furnish(domain, plan, drives)
        start(domain, plan, image)
    except UserError:
        domain.release(hypervisor.frames)
        raise
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
            raise UserError('%s: a domain whose kernel begins at 0x%x has no room for it below the hypervisor; give it a smaller --module' % (
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


def fill(domain, plan, image, module, command_line, frames):
    """The domain's memory, on frames of these numbers."""
    table = domain.paging.table
    memory = table.memory
    domain.page_frames = frames
    domain.pages = plan.pages
    domain.most_pages = plan.pages
    numbers = []
    for page in range(plan.pages):
        table.give(frames[page], domain.number, page)
        numbers.append(pack32(frames[page]))
    write_pages(memory, frames, 0, image.data)
    if image.hypercall_page != xen_notes.NONE:
        write_pages(memory, frames, (image.hypercall_page - image.base) // FRAME, hypercall_page())
    write_pages(memory, frames, plan.module, module)
    write_pages(memory, frames, plan.list, ''.join(numbers))
    for k in range(POINTERS):
        memory.write64(frames[plan.pointers] * FRAME + 8 * k, frames[plan.pointers + 1 + k] * FRAME | PRESENT)
    first_table = plan.pointers + 1 + POINTERS
    for k in range(plan.tables):
        slot = plan.first_span() // TABLE_SPAN + k
        memory.write64(frames[plan.pointers + 1 + slot // ENTRIES] * FRAME + slot % ENTRIES * 8, frames[first_table + k] * FRAME | PAGE_ENTRY)
    for page in range(plan.mapped):
        rights = PAGE_ENTRY
        if plan.pointers <= page < plan.stack:
            rights = READ_ONLY_ENTRY
        index = (plan.address(page) - plan.first_span()) // FRAME
        memory.write64(frames[first_table + index // ENTRIES] * FRAME + index % ENTRIES * 8, frames[page] * FRAME | rights)
    pinned = domain.paging.pin(frames[plan.pointers], L3)
    assert pinned
    valid = domain.paging.set_base(frames[plan.pointers])
    assert valid
    domain.connect(frames[plan.console] * FRAME, frames[plan.store] * FRAME)
    write_pages(memory, frames, plan.start_info, start_info(domain, plan, command_line))


def write_pages(memory, frames, page, data):
    """Data on pages that follow each other, from the beginning of one."""
    done = 0
    while done < len(data):
        end = min(done + FRAME, len(data))
        assert 0 <= done <= end
        memory.write_bytes(frames[page] * FRAME, data[done:end])
        page += 1
        done = end


def start_info(domain, plan, command_line):
    if len(command_line) >= layout.COMMAND_LINE_SIZE:
        raise UserError('--append: longer than the %d bytes that a paravirtual domain can take; shorten it' % (layout.COMMAND_LINE_SIZE - 1))
    block = Block(FRAME)
    block.put(0, layout.MAGIC)
    block.put32(layout.NR_PAGES, plan.pages)
    block.put32(layout.SHARED_INFO, domain.shared_frame * FRAME)
    block.put32(layout.STORE_FRAME, domain.page_frames[plan.store])
    block.put32(layout.STORE_PORT, domain.store.port)
    block.put32(layout.CONSOLE_FRAME, domain.page_frames[plan.console])
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
    frames = domain.page_frames
    domain.grants.put(CONSOLE_REFERENCE, BACKEND, frames[plan.console])
    domain.grants.put(STORE_REFERENCE, BACKEND, frames[plan.store])
    store = domain.neighbours.store
    home = domain.home()
    store.give(home, BACKEND, domain.identity)
    for name in ['control', 'control/shutdown', 'data', 'device', 'drivers', 'error', 'feature']:
        store.give(home + '/' + name, domain.identity, BACKEND)
    for name, text in [('name', domain.name), ('domid', '%d' % domain.identity), ('memory/target', '%d' % (plan.pages * 4)),
                       ('console/ring-ref', '%d' % (frames[plan.console])), ('console/port', '%d' % domain.console.port), ('console/type', 'hyper'),
                       ('console/limit', '1048576'), ('store/ring-ref', '%d' % (frames[plan.store])), ('store/port', '%d' % domain.store.port)]:
        store.put(home + '/' + name, text)
    for k in range(len(drives)):
        backend = BlockBackend(domain, store, drives[k], k)
        domain.backends.append(backend)
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
