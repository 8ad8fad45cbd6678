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
from hyper.board.disk import NO_DRIVES
from hyper.errors import UserError
from hyper.loader import xen
from hyper.loader.file import megabytes
from hyper.options import CDROM
from hyper.vmm.frames import FRAME
from hyper.vmm.para import descriptors, setup
from hyper.vmm.para.block.disks import CAN_READ, CAN_WRITE, Extent, KIND_CDROM, KIND_DISK, VIRTUAL, VirtualDisk
from hyper.vmm.para.block.ring import BlockRing
from hyper.vmm.para.credit import per_second
from hyper.vmm.para.domain import OWN_FRAMES, ParaDomain, SHARED_FRAMES
from hyper.vmm.para.frame_checker import FrameChecker, PeriodicCheck
from hyper.vmm.para.frame_table import FrameTable, frames_wanted
from hyper.vmm.para.network.interface import INDICES_SIZE, Interface, usual_address
from hyper.vmm.para.network.router import TAKEN
from hyper.vmm.para.network.rules import dotted, to_interface, to_outside
from hyper.vmm.para.interface import XEN_1_0, XEN_1_2
from hyper.vmm.para.layout import ACCESSED, DIRTY, HYPERVISOR, KERNEL_DS, PRESENT, USER, WRITE
from hyper.vmm.para.start_info import start_info
from hyper.vmm.xen3 import build as xen3

ESI = 6
ANY_FRAME = 0                   # in place of a frame's number; frame 0 is no domain's
TABLE_ENTRY = PRESENT | WRITE | ACCESSED | DIRTY
READ_ONLY_ENTRY = PRESENT | ACCESSED
DIRECTORY_ENTRY = PRESENT | WRITE | USER | ACCESSED


def memory_needed(config):
    """Bytes of machine memory that the domain takes."""
    if xen3.notes_of(config) is not None:
        return xen3.memory_needed(config)
    return config.memory + (OWN_FRAMES + len(config.fittings.interfaces)) * FRAME


def shared_memory(machine_memory):
    """Bytes that the hypervisor needs beside, once there is a paravirtual domain, for a machine with so much memory for domains."""
    frames = machine_memory // FRAME
    return frames_wanted(frames + frames_wanted(frames) + 2) * FRAME


def make_table(hypervisor):
    """The FrameTable of the machine."""
    frames = []
    for k in range(frames_wanted(hypervisor.memory.size // FRAME)):
        frames.append(hypervisor.take_frame())
    hypervisor.taken = []           # they are for all domains
    table = FrameTable(hypervisor.memory, frames)
    descriptors.write_reserved(hypervisor.memory, table.descriptors // FRAME)
    if hypervisor.check_every > 0:
        table.checks = PeriodicCheck(FrameChecker(table, hypervisor.domains), hypervisor.check_every)
    return table


def build(hypervisor, config, number):
    """The domain, ready to run; raises UserError."""
    notes = xen3.notes_of(config)
    if notes is not None:
        if hypervisor.frame_table is None:
            hypervisor.frame_table = make_table(hypervisor)
        return xen3.build(hypervisor, config, number, notes)
    image = xen.load(config.image, config.memory)
    if len(config.modules) > 1:
        raise UserError('--module: a paravirtual kernel takes one; give them as one archive')
    module = ''
    if len(config.modules) > 0:
        module = config.modules[0].data
    plan = Plan(config.image.name, config.memory, image, len(module))
    if hypervisor.frame_table is None:
        hypervisor.frame_table = make_table(hypervisor)
    hypervisor.require(plan.pages + OWN_FRAMES + len(config.fittings.interfaces))
    frames = hypervisor.take_pages(plan.pages + SHARED_FRAMES)
    domain = make(hypervisor, config.name, number, interface_of(config.interface), frames, config.sink, config.fittings.drives)
    domain.privileged = config.privileged
    domain.paging.privileged = config.privileged
    domain.make_vmcs()              # before the first table is put into use
    try:
        add_interfaces(hypervisor, domain, config.fittings.interfaces)
        fill(domain, plan, image, module, config.command_line, frames)
        start(domain, plan, image)
        connect(domain, config.fittings)
    except UserError:
        domain.close_devices()
        domain.release(hypervisor.frames)
        raise
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
        mode = CAN_READ if disk.read_only else CAN_READ | CAN_WRITE
        domain.block.add(VirtualDisk(VIRTUAL | k, mode, extents, kind, per_second(hypervisor.clock, drives[k].rate)))


def make(hypervisor, name, number, interface, frames, sink, drives):
    """The domain with frames for the hypervisor's own use, and no memory yet. Those that it shares with the domain are taken from the end of `frames`."""
    own = []
    for k in range(OWN_FRAMES - SHARED_FRAMES):
        own.append(hypervisor.take_frame())
    for k in range(SHARED_FRAMES):
        own.append(frames.pop() * FRAME)
    domain = ParaDomain(number, name, hypervisor.vmx, interface, hypervisor.frame_table, hypervisor.clock, hypervisor.frames, own, sink, hypervisor)
    add_disks(hypervisor, domain, drives, own[4])
    return domain


def build_empty(hypervisor, name, number, interface, pages, sink):
    """A domain with so many pages that the privileged domain is to build; raises UserError."""
    hypervisor.require(pages + OWN_FRAMES)
    frames = hypervisor.take_pages(pages + SHARED_FRAMES)
    domain = make(hypervisor, name, number, interface, frames, sink, NO_DRIVES)
    domain.make_vmcs()
    give_pages(domain, frames)
    return domain


def build_saved(hypervisor, name, number, interface, frames, sink, fittings):
    """A domain that is to get what was saved of one with these frames, and if they are free the same ones; any where it is ANY_FRAME. Packets do not pass yet.
    Raises UserError."""
    if hypervisor.frame_table is None:
        hypervisor.frame_table = make_table(hypervisor)
    hypervisor.require(len(frames) + OWN_FRAMES + len(fittings.interfaces))
    addresses = []
    for frame in frames:
        if frame != ANY_FRAME:
            addresses.append(frame * FRAME)
    pages = frames[:]
    wanted = len(addresses)
    if not hypervisor.frames.take_exactly(addresses):
        pages = [ANY_FRAME] * len(frames)
        wanted = 0
    others = hypervisor.take_pages(len(frames) - wanted)
    for k in range(len(pages)):
        if pages[k] == ANY_FRAME:
            pages[k] = others.pop()
    domain = make(hypervisor, name, number, interface, hypervisor.take_pages(SHARED_FRAMES), sink, fittings.drives)
    domain.make_vmcs()
    give_pages(domain, pages)
    add_interfaces(hypervisor, domain, fittings.interfaces)
    return domain


def give_pages(domain, frames):
    """The frames are the domain's pages, in the order of their numbers."""
    domain.page_frames = frames
    domain.pages = len(frames)
    domain.most_pages = len(frames)
    for page in range(len(frames)):
        domain.table.give(frames[page], domain.number, page)


def add_interfaces(hypervisor, domain, wires):
    """The network interfaces, which no rules are for yet."""
    router = hypervisor.devices.router
    for chosen in wires:
        rings = hypervisor.take_pages(1)[0] * FRAME
        domain.share_ring(rings)
        index = len(domain.interfaces)
        interface = Interface(domain, index, hypervisor.clock, hypervisor.memory, rings,
                              domain.shared_frame * FRAME + domain.interface.layout.network_indices + index * INDICES_SIZE, router, chosen.address)
        interface.credit = per_second(hypervisor.clock, chosen.rate)
        domain.interfaces.append(interface)


def connect(domain, fittings):
    """The network of a new domain: the rules that let each interface send with its own address and get what is sent to that. Raises UserError."""
    router = domain.host.devices.router
    for interface in domain.interfaces:
        chosen = fittings.interfaces[interface.index]
        if interface.network_address == 0:
            interface.network_address = usual_address(domain.number)
        address = interface.network_address
        if router.has_address(address, domain.number):
            raise UserError('%s: %s' % (domain.name, TAKEN % dotted(address)))
        if chosen.rules and address != 0:
            router.rules.add(to_interface(address, interface.number))
            if chosen.outside:
                router.rules.add(to_outside(address, interface.number))
        if chosen.outside:
            router.plug(fittings.link)


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


def fill(domain, plan, image, module, command_line, frames):
    """The domain's memory, on the frames by number of page; raises UserError."""
    table = domain.paging.table
    memory = table.memory
    give_pages(domain, frames)
    write(memory, frames, 0, image.data)
    write(memory, frames, plan.module, module)
    write(memory, frames, plan.start_info, start_info(
        domain, plan.pages, domain.shared_frame * FRAME if domain.interface.layout.shared_is_machine else plan.shared, plan.address(plan.directory),
        plan.address(plan.module), plan.module_size, command_line))
    directory = frames[plan.directory]
    for k in range(plan.tables):
        slot = plan.first_slot + k
        memory.write32(directory * FRAME + slot * 4, frames[plan.table(slot)] * FRAME | DIRECTORY_ENTRY)
    for page in range(plan.pages):
        rights = TABLE_ENTRY
        if page > plan.start_info:
            rights = READ_ONLY_ENTRY
        map_page(memory, plan, frames, plan.address(page), frames[page] * FRAME | rights)
    if not domain.interface.layout.shared_is_machine:
        map_page(memory, plan, frames, plan.shared, domain.shared_frame * FRAME | TABLE_ENTRY)
    valid = domain.paging.set_base(directory)
    assert valid


def write(memory, frames, page, data):
    """Puts data into pages from a number on."""
    at = 0
    while at < len(data):
        end = min(at + FRAME, len(data))
        assert end >= 0
        memory.write_bytes(frames[page] * FRAME, data[at:end])
        page += 1
        at += FRAME


def map_page(memory, plan, frames, address, entry):
    memory.write32(frames[plan.table(address >> 22)] * FRAME + (address >> 12 & 0x3ff) * 4, entry)


def start(domain, plan, image):
    """The registers at the entry point."""
    stack = plan.address(plan.start_info)
    setup.prepare(domain, image.entry, stack)
    domain.registers[ESI] = stack
    domain.traps.set_stack(KERNEL_DS, stack)
