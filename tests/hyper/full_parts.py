"""Parts for tests of full virtualization: a VMCS without a processor, a guest with some RAM, page tables by hand."""
from hyper.board.bus import Bus, Device
from hyper.board.memory import Memory
from hyper.vmm.full.guest import GuestProcessor
from hyper.vmm.full.memory import GuestMemory
from hyper.vmx import fields

BASE = 0x40000                  # machine address of the guest's RAM
SIZE = 0x80000
P, W, U, A, D, PS = 1, 2, 4, 0x20, 0x40, 0x80
PE_PG, PE_PG_WP = 0x80000001, 0x80010001


class Vmcs(object):
    """Stands for hyper.vmx.operation.VMX: fields are kept, invalidations noted."""

    def __init__(self):
        self.fields = {}
        self.invalidated = []
        self.flushes = 0

    def vmread(self, encoding):
        return self.fields.get(encoding, 0)

    def vmwrite(self, encoding, value):
        self.fields[encoding] = value & 0xffffffff
        if encoding == fields.GUEST_CR3:
            self.flushes += 1

    def invalidate(self, linear):
        self.invalidated.append(linear)


class Registers(object):
    def __init__(self):
        self.regs = [0] * 8
        self.time = 0

    def pass_time(self, ns):
        self.time += ns


class Recorder(Device):
    """Device memory that notes what is done to it."""
    widest = 4

    def __init__(self):
        self.log = []
        self.value = 0x11223344

    def read_memory(self, address, size):
        self.log.append(('read', address, size))
        return self.value & ((1 << 8 * size) - 1)

    def write_memory(self, address, size, value):
        self.log.append(('write', address, size, value))

    def read_port(self, port, size):
        self.log.append(('in', port, size))
        return self.value & ((1 << 8 * size) - 1)

    def write_port(self, port, size, value):
        self.log.append(('out', port, size, value))


class Guest(object):
    """A GuestProcessor in flat protected mode, ring 0, on `size` bytes from `base` on of a machine."""

    def __init__(self, base=BASE, size=SIZE, machine=0x100000):
        self.machine = Memory(machine)
        self.bus = Bus()
        self.memory = GuestMemory(self.machine, base, size, self.bus)
        self.vmx = Vmcs()
        self.processor = GuestProcessor(self.vmx, Registers(), self.memory)
        for s in range(6):
            self.vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * s, 0xffffffff)
            self.vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, 0xc09b if s == 1 else 0xc093)
        self.vmx.vmwrite(fields.GUEST_RFLAGS, 2)
        self.paging = self.processor.paging
        self.regs = self.processor.system.regs

    def set_user(self):
        for s in range(6):
            self.vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, 0xc0fb if s == 1 else 0xc0f3)

    def map(self, linear, frame, rights, directory=0x1000, table=0x2000, directory_rights=P | W | U):
        """One 4 KB page in the guest's tables; paging is switched on."""
        self.memory.write32(directory + (linear >> 22) * 4, table | directory_rights)
        self.memory.write32(table + (linear >> 12 & 0x3ff) * 4, frame | rights)
        self.page_with(directory)

    def map_large(self, linear, frame, rights, directory=0x1000):
        self.memory.write32(directory + (linear >> 22) * 4, frame | rights | PS)
        self.page_with(directory)
        self.paging.cr4 = 0x10

    def page_with(self, directory):
        self.paging.cr3 = directory
        if not self.paging.cr0 & 0x80000000:
            self.paging.cr0 = PE_PG_WP

    def entry(self, linear, directory=0x1000, table=0x2000):
        return self.memory.read32(table + (linear >> 12 & 0x3ff) * 4)

    def code(self, data, at=0x4000):
        self.memory.write_bytes(at, data)
        self.vmx.vmwrite(fields.GUEST_RIP, at)
