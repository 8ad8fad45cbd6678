"""Makes a paravirtual domain from its configuration: the domain builder.

The pages of a domain are mapped from the load address of its image in the order of their numbers:

    0           kernel
                module, on the next page
                free pages
                the initial stack, growing down from
                start_info
                page tables, mapped read-only; the first one is the highest
    nr_pages-1  page directory, mapped read-only
    nr_pages    shared_info, which is the hypervisor's (1.0)
"""
from hyper.errors import UserError
from hyper.loader import xen
from hyper.loader.file import Block, megabytes
from hyper.options import CDROM
from hyper.vmm.frames import FRAME
from hyper.vmm.para import descriptors, setup
from hyper.vmm.para.block.disks import Extent, KIND_CDROM, KIND_DISK, VirtualDisk
from hyper.vmm.para.block.ring import BlockRing
from hyper.vmm.para.credit import per_second
from hyper.vmm.para.domain import OWN_FRAMES, ParaDomain
from hyper.vmm.para.frame_checker import FrameChecker, PeriodicCheck
from hyper.vmm.para.frame_table import FrameTable, frames_wanted
from hyper.vmm.para.interface import XEN_1_0, XEN_1_2
from hyper.vmm.para.layout import ACCESSED, DIRTY, HYPERVISOR, KERNEL_DS, OWNS_CONSOLE, PRESENT, START_BLOCK_RING, USER, WRITE

ESI = 6
TABLE_ENTRY = PRESENT | WRITE | ACCESSED | DIRTY
READ_ONLY_ENTRY = PRESENT | ACCESSED
DIRECTORY_ENTRY = PRESENT | WRITE | USER | ACCESSED


def memory_needed(config):
    """Bytes of machine memory that the domain takes."""
    return config.memory + OWN_FRAMES * FRAME


def shared_memory(machine_memory):
    """Bytes that the hypervisor needs beside, once there is a paravirtual domain, for a machine with so much memory for domains."""
    frames = machine_memory // FRAME
    return frames_wanted(frames + frames_wanted(frames) + 2) * FRAME


def make_table(hypervisor):
    """The FrameTable of the machine."""
    frames = []
    for k in range(frames_wanted(hypervisor.memory.size // FRAME)):
        frames.append(hypervisor.take_frame())
    table = FrameTable(hypervisor.memory, frames)
    descriptors.write_reserved(hypervisor.memory, table.descriptors // FRAME)
    if hypervisor.check_every > 0:
        table.checks = PeriodicCheck(FrameChecker(table, hypervisor.domains), hypervisor.check_every)
    return table


def build(hypervisor, config, number):
    """The domain, ready to run; raises UserError."""
    image = xen.load(config.image, config.memory)
    if len(config.modules) > 1:
        raise UserError('--module: a paravirtual kernel takes one; give them as one archive')
    module = ''
    if len(config.modules) > 0:
        module = config.modules[0].data
    plan = Plan(config.image.name, config.memory, image, len(module))
    if hypervisor.frame_table is None:
        hypervisor.frame_table = make_table(hypervisor)
    own = []
    for k in range(OWN_FRAMES):
        own.append(hypervisor.take_frame())
    base = hypervisor.take_range(plan.pages, FRAME)
    domain = ParaDomain(number, config.name, hypervisor.vmx, interface_of(config.interface), hypervisor.frame_table, hypervisor.clock, hypervisor.frames, own,
                        config.sink, hypervisor)
    add_disks(hypervisor, domain, config.fittings.drives, own[4])
    domain.make_vmcs()              # before the first table is put into use
    fill(domain, plan, image, module, config.command_line, base // FRAME)
    start(domain, plan, image)
    return domain


def add_disks(hypervisor, domain, drives, ring):
    """The block ring, on the frame at a machine address, with a virtual disk for each of the drives."""
    devices = hypervisor.devices
    domain.share_ring(ring)
    domain.block = BlockRing(domain, hypervisor.clock, hypervisor.memory, ring, devices.block, devices.block_operations)
    for k in range(len(drives)):
        disk = drives[k].disk
        kind = KIND_CDROM if drives[k].interface == CDROM else KIND_DISK
        extents = [Extent(devices.block.add_disk(hypervisor.clock, disk, kind), 0, disk.sectors)]
        domain.block.add(VirtualDisk(k, not disk.read_only, extents, kind, per_second(hypervisor.clock, drives[k].rate)))


def interface_of(version):
    """Of a word of hyper.options, '' for the usual one."""
    if version == XEN_1_2.version:
        return XEN_1_2
    return XEN_1_0


class Plan(object):
    """Which page is what. Raises UserError if a domain of so many bytes cannot hold it."""

    def __init__(self, name, memory, image, module_size):
        self.load_address = image.load_address
        self.pages = memory // FRAME
        self.module = pages_of(len(image.data))
        self.module_size = module_size
        self.shared = image.load_address + self.pages * FRAME
        if self.shared + FRAME > HYPERVISOR:
            raise UserError('%s: a domain loaded at 0x%x has room for %s below the hypervisor; give it less --memory' % (
                name, image.load_address, '%dM' % ((HYPERVISOR - FRAME - image.load_address) >> 20)))
        self.first_slot = image.load_address >> 22
        self.tables = (self.shared >> 22) - self.first_slot + 1
        self.directory = self.pages - 1
        self.start_info = self.directory - self.tables - 1
        used = self.module + pages_of(module_size)
        if used >= self.start_info:         # a page must be left for the stack
            raise UserError('%s: kernel, module and page tables need %s; give the domain more --memory' % (
                name, megabytes((used + self.pages - self.start_info + 1) * FRAME)))

    def table(self, slot):
        """The page that is the page table of a slot of the directory."""
        return self.directory - 1 - (slot - self.first_slot)

    def address(self, page):
        """Its virtual address."""
        return self.load_address + page * FRAME


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
    for page in range(plan.pages):
        table.give(first_frame + page, domain.number, page)
    memory.write_bytes(base, image.data)
    memory.write_bytes(base + plan.module * FRAME, module)
    memory.write_bytes(base + plan.start_info * FRAME, start_info(domain, plan, command_line))
    for k in range(plan.tables):
        slot = plan.first_slot + k
        memory.write32(base + plan.directory * FRAME + slot * 4, base + plan.table(slot) * FRAME | DIRECTORY_ENTRY)
    for page in range(plan.pages):
        rights = TABLE_ENTRY
        if page > plan.start_info:
            rights = READ_ONLY_ENTRY
        map_page(memory, plan, base, plan.address(page), base + page * FRAME | rights)
    if not domain.interface.layout.shared_is_machine:
        map_page(memory, plan, base, plan.shared, domain.shared_frame * FRAME | TABLE_ENTRY)
    valid = domain.paging.set_base(first_frame + plan.directory)
    assert valid


def map_page(memory, plan, base, address, entry):
    memory.write32(base + plan.table(address >> 22) * FRAME + (address >> 12 & 0x3ff) * 4, entry)


def start_info(domain, plan, command_line):
    layout = domain.interface.layout
    room = FRAME - layout.command_line - 1
    if len(command_line) > room:
        raise UserError('--append: longer than the %d bytes that a paravirtual domain can take; shorten it' % room)
    block = Block(FRAME)
    block.put32(layout.nr_pages, plan.pages)
    block.put32(layout.shared_info, domain.shared_frame * FRAME if layout.shared_is_machine else plan.shared)
    block.put32(layout.pt_base, plan.address(plan.directory))
    if plan.module_size > 0:
        block.put32(layout.mod_start, plan.address(plan.module))
        block.put32(layout.mod_len, plan.module_size)
    if not layout.shared_is_machine:
        block.put32(START_BLOCK_RING, domain.block.shared)
    block.put32(layout.dom_id, domain.number)
    block.put32(layout.flags, OWNS_CONSOLE)
    block.put(layout.command_line, command_line)
    return block.text()


def start(domain, plan, image):
    """The registers at the entry point."""
    stack = plan.address(plan.start_info)
    setup.prepare(domain, image.entry, stack)
    domain.registers[ESI] = stack
    domain.traps.set_stack(KERNEL_DS, stack)
