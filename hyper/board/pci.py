"""PCI: one bus with its functions, configuration mechanism #1, base address registers, and the wires INTA#..INTD#.

Source: PCI Local Bus Specification 2.3, sections 3.2.2.3 (CONFIG_ADDRESS, CONFIG_DATA) and 6 (configuration space).
A memory BAR answers only where there is neither RAM nor another device, so nothing here ever moves memory under the processor.
"""

from hyper.board.bus import Device, all_ones

CONFIG_ADDRESS = 0xcf8
CONFIG_DATA = 0xcfc
ENABLE = 0x80000000             # of CONFIG_ADDRESS: accesses of CONFIG_DATA are configuration cycles
ADDRESS_BITS = 0x80fffffc

LEAST_MEMORY = 0x100000         # where memory BARs can begin
CONFIG_SIZE = 256
SLOTS = 32
FUNCTIONS = 8
WIRES = 4

# configuration space, type 00h header
VENDOR = 0x00
DEVICE = 0x02
COMMAND = 0x04
STATUS = 0x06
REVISION = 0x08
CLASS = 0x09                    # three bytes: interface, subclass, base class
CACHE_LINE = 0x0c               # and the latency timer in the next byte
HEADER_TYPE = 0x0e
BAR = 0x10
BARS_END = 0x28
SUBSYSTEM_VENDOR = 0x2c
SUBSYSTEM = 0x2e
INTERRUPT_LINE = 0x3c
INTERRUPT_PIN = 0x3d

COMMAND_IO = 0x0001
COMMAND_MEMORY = 0x0002
COMMAND_MASTER = 0x0004
COMMAND_NO_INTERRUPT = 0x0400
COMMAND_BITS = 0x0547           # I/O, memory, master, parity error response, SERR#, interrupt disable
CAPABILITIES = 0x34             # where their list begins
STATUS_CAPABILITIES = 0x10      # of the low byte: there are some
STATUS_INTERRUPT = 0x08         # bit 3 of the low byte: asks for an interrupt, disabled or not
MANY_FUNCTIONS = 0x80           # of HEADER_TYPE
BAR_IO = 0x1
BAR_PREFETCHABLE = 0x8          # of a memory BAR


class InterruptRouter(object):
    """Where the four wires of the bus end."""

    def set_wire(self, wire, level):
        """Drives wire 0..3."""


class Window(Device):
    """The ports of one I/O BAR."""

    _immutable_fields_ = ['function', 'bar', 'size']

    widest = 4

    def __init__(self, function, bar, size):
        self.function = function
        self.bar = bar
        self.size = size
        self.first = -1             # the first port while it is mapped

    def read_port(self, port, size):
        offset = port - self.first
        if offset < 0 or offset + size > self.size:
            return all_ones(size)
        return self.function.read_io(self.bar, offset, size)

    def write_port(self, port, size, value):
        offset = port - self.first
        if 0 <= offset and offset + size <= self.size:
            self.function.write_io(self.bar, offset, size, value)

    def wanted(self):
        """The first port that the BAR and the command register ask for, or -1."""
        function = self.function
        first = function.get32(BAR + 4 * self.bar) & ~(self.size - 1)
        if not function.get16(COMMAND) & COMMAND_IO or first == 0 or first + self.size > 0x10000:
            return -1
        return first


class MemoryWindow(Device):
    """The addresses of one memory BAR."""

    _immutable_fields_ = ['function', 'bar', 'size']

    widest = 4

    def __init__(self, function, bar, size):
        self.function = function
        self.bar = bar
        self.size = size
        self.first = -1             # the first address while it is mapped

    def read_memory(self, address, size):
        offset = address - self.first
        if offset < 0 or offset + size > self.size:
            return all_ones(size)
        return self.function.read_memory(self.bar, offset, size)

    def write_memory(self, address, size, value):
        offset = address - self.first
        if 0 <= offset and offset + size <= self.size:
            self.function.write_memory(self.bar, offset, size, value)

    def wanted(self):
        """The first address that the BAR and the command register ask for, or -1."""
        function = self.function
        first = function.get32(BAR + 4 * self.bar) & ~(self.size - 1)
        if not function.get16(COMMAND) & COMMAND_MEMORY or first == 0:
            return -1
        return first


class Function(object):
    """A function of a PCI device. Subclasses add registers in their constructors and answer at their BARs."""

    _immutable_fields_ = ['config', 'writable', 'windows', 'memory_windows']

    def __init__(self, vendor, device, revision, class_code):
        self.config = [0] * CONFIG_SIZE
        self.writable = [0] * CONFIG_SIZE       # masks of the bits that the guest can change
        self.windows = []
        self.memory_windows = []
        self.power_on = self.config             # what a reset restores
        self.pci = None
        self.slot = 0
        self.interrupt = False                  # what the function asks for
        self.put16(VENDOR, vendor)
        self.put16(DEVICE, device)
        self.config[REVISION] = revision
        self.config[CLASS] = class_code & 0xff
        self.put16(CLASS + 1, class_code >> 8)
        self.allow(COMMAND, 2, COMMAND_BITS)
        self.allow(CACHE_LINE, 2, 0xffff)
        self.allow(INTERRUPT_LINE, 1, 0xff)

    # making one

    def allow(self, offset, size, mask):
        """The guest can change those bits of a register of `size` bytes."""
        for i in range(size):
            self.writable[offset + i] = (mask >> (8 * i)) & 0xff

    def allow_range(self, first, last):
        """The guest can change every bit of the bytes first..last."""
        for i in range(first, last + 1):
            self.writable[i] = 0xff

    def add_io_bar(self, bar, size):
        """BAR number `bar` takes `size` ports, a power of two from 4."""
        self.config[BAR + 4 * bar] = BAR_IO
        self.allow(BAR + 4 * bar, 4, ~(size - 1) & 0xffffffff)
        self.windows.append(Window(self, bar, size))

    def add_memory_bar(self, bar, size):
        """BAR number `bar` takes `size` bytes below 4 GB, a power of two from 16, and may be prefetched."""
        self.config[BAR + 4 * bar] = BAR_PREFETCHABLE
        self.allow(BAR + 4 * bar, 4, ~(size - 1) & 0xffffffff)
        self.memory_windows.append(MemoryWindow(self, bar, size))

    def add_interrupt_pin(self, pin):
        """`pin` is 1 (INTA#) to 4."""
        self.config[INTERRUPT_PIN] = pin

    # registers as numbers

    def get16(self, offset):
        return self.config[offset] | self.config[offset + 1] << 8

    def get32(self, offset):
        return self.get16(offset) | self.get16(offset + 2) << 16

    def put16(self, offset, value):
        self.config[offset] = value & 0xff
        self.config[offset + 1] = (value >> 8) & 0xff

    def put32(self, offset, value):
        self.put16(offset, value)
        self.put16(offset + 2, value >> 16)

    # what the guest does

    def read_config(self, offset):
        """A byte of configuration space."""
        value = self.config[offset]
        if offset == STATUS and self.interrupt:
            value |= STATUS_INTERRUPT
        return value

    def write_config(self, offset, value):
        mask = self.writable[offset]
        self.config[offset] = self.config[offset] & ~mask | value & mask

    def config_asked(self, first):
        """The guest is about to read configuration space from byte `first` on."""

    def config_written(self, first, last):
        """The guest has written the bytes first..last."""

    def read_io(self, bar, offset, size):
        """`size` bytes of a BAR's ports; offset and size lie inside it."""
        return all_ones(size)

    def write_io(self, bar, offset, size, value):
        pass

    def read_memory(self, bar, offset, size):
        """`size` bytes of a memory BAR; offset and size lie inside it."""
        return all_ones(size)

    def write_memory(self, bar, offset, size, value):
        pass

    def reset(self):
        """Returns what is not configuration space to the state after power-on."""

    # what the function does

    def is_master(self):
        """Whether it may access memory."""
        return self.get16(COMMAND) & COMMAND_MASTER != 0

    def set_interrupt(self, level):
        if self.interrupt != level:
            self.interrupt = level
            self.pci.update_wires()

    def wire(self):
        """The wire that it drives, -1 for none: those of neighbouring slots are turned by one."""
        pin = self.config[INTERRUPT_PIN]
        if pin == 0:
            return -1
        return (pin - 1 + self.slot - 1) & (WIRES - 1)

    def drives_wire(self):
        return self.interrupt and not self.get16(COMMAND) & COMMAND_NO_INTERRUPT


class AddressPort(Device):
    """CONFIG_ADDRESS, which only whole doublewords reach; the bytes inside it belong to other devices."""

    _immutable_fields_ = ['pci']

    widest = 4

    def __init__(self, pci):
        self.pci = pci

    def read_port(self, port, size):
        if size != 4:
            return all_ones(size)
        return self.pci.address

    def write_port(self, port, size, value):
        if size == 4:
            self.pci.address = value & ADDRESS_BITS


class DataPort(Device):
    """CONFIG_DATA."""

    _immutable_fields_ = ['pci']

    def __init__(self, pci):
        self.pci = pci

    widest = 4

    def read_port(self, port, size):
        function = self.pci.selected()
        if function is None:
            return all_ones(size)
        first = self.pci.address & 0xfc
        function.config_asked(first | port & 3)
        value = 0
        for i in range(size):
            byte = (port & 3) + i
            if byte < 4:
                value |= function.read_config(first + byte) << (8 * i)
            else:
                value |= 0xff << (8 * i)        # what lies behind CONFIG_DATA
        return value

    def write_port(self, port, size, value):
        function = self.pci.selected()
        if function is None:
            return
        first = self.pci.address & 0xfc | port & 3
        last = min(first + size - 1, first | 3)
        for offset in range(first, last + 1):
            function.write_config(offset, (value >> (8 * (offset - first))) & 0xff)
        if last >= COMMAND and first < BARS_END:
            self.pci.remap()
            self.pci.update_wires()
        function.config_written(first, last)


class Pci(object):
    """Bus 0 and the bridge to it. `ports` is the Bus whose address spaces it shares; RAM ends at `memory_size`."""

    _immutable_fields_ = ['ports', 'functions', 'levels', 'memory_size']

    def __init__(self, ports, memory_size=0):
        self.ports = ports
        self.memory_size = memory_size
        self.router = InterruptRouter()
        self.functions = [None] * (SLOTS * FUNCTIONS)
        self.levels = [False] * WIRES
        self.address = 0

    def connect(self):
        self.ports.add_ports(CONFIG_ADDRESS, CONFIG_ADDRESS, AddressPort(self))
        self.ports.add_ports(CONFIG_DATA, CONFIG_DATA + 3, DataPort(self))

    def add(self, slot, number, function):
        """The function answers as `number` of a slot."""
        self.functions[slot * FUNCTIONS + number] = function
        function.pci = self
        function.slot = slot
        function.power_on = function.config[:]
        if number > 0:
            first = self.functions[slot * FUNCTIONS]
            assert first is not None
            first.config[HEADER_TYPE] |= MANY_FUNCTIONS
            first.power_on[HEADER_TYPE] |= MANY_FUNCTIONS

    def present(self):
        """All functions, by rising slot and number."""
        found = []
        for function in self.functions:
            if function is not None:
                found.append(function)
        return found

    def selected(self):
        """The function that CONFIG_ADDRESS names, or None."""
        address = self.address
        if not address & ENABLE or address & 0xff0000:
            return None
        return self.functions[(address >> 8) & 0xff]

    def remap(self):
        """Gives every window the ports it asks for now. Ports of other devices stay theirs, and of two windows at one port the first has it."""
        for function in self.present():
            for window in function.windows:
                if window.first >= 0:
                    self.ports.remove_ports(window.first, window.first + window.size - 1, window)
                    window.first = -1
        for function in self.present():
            for window in function.windows:
                first = window.wanted()
                if first >= 0:
                    self.ports.add_free_ports(first, first + window.size - 1, window)
                    window.first = first
        self.remap_memory()

    def remap_memory(self):
        """The same for memory: a window that would lie on RAM, on a device or on another window is nowhere."""
        for function in self.present():
            for window in function.memory_windows:
                if window.first >= 0 and window.wanted() != window.first:
                    self.ports.remove_memory(window)
                    window.first = -1
        for function in self.present():
            for window in function.memory_windows:
                first = window.wanted()
                if window.first < 0 and first >= max(self.memory_size, LEAST_MEMORY) and self.ports.is_free_memory(first, first + window.size - 1):
                    self.ports.add_memory(first, first + window.size - 1, window)
                    window.first = first

    def update_wires(self):
        levels = [False] * WIRES
        for function in self.present():
            if function.wire() >= 0 and function.drives_wire():
                levels[function.wire()] = True
        for wire in range(WIRES):
            if levels[wire] != self.levels[wire]:
                self.levels[wire] = levels[wire]
                self.router.set_wire(wire, levels[wire])

    def reset(self):
        self.address = 0
        for function in self.present():
            for i in range(CONFIG_SIZE):
                function.config[i] = function.power_on[i]
            function.interrupt = False
            function.reset()
        self.remap()
        self.update_wires()
