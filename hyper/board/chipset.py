"""The chip set of a PC of 1996: the host bridge of the 440FX and the ISA bridge PIIX3, which routes the PCI interrupts.

Sources: Intel 82441FX (290549) and 82371SB (290550) datasheets. `set_up` does what firmware does before a kernel runs.
"""

from hyper.board import pci
from hyper.board.pci import Function, InterruptRouter
from hyper.board.power_management import SCI

INTEL = 0x8086
HOST_BRIDGE = 0x1237
ISA_BRIDGE = 0x7000
CLASS_HOST_BRIDGE = 0x060000
CLASS_ISA_BRIDGE = 0x060100

HOST_COMMAND = 0x0006           # both bridges can always access memory
ISA_COMMAND = 0x0007

# the host bridge
PAM = 0x59                      # seven bytes: which of C0000..FFFFF is RAM; here all is, whatever they say
PAM_READ_WRITE = 0x33
PAM_LAST = 0x5f
SMRAM = 0x72
SMRAM_DEFAULT = 0x02

# the ISA bridge
BUS_TIMING = 0x4c
CHIP_SELECT = 0x4e
ROUTE = 0x60                    # four bytes, of PIRQA#..PIRQD#
ROUTE_OFF = 0x80
ROUTE_IRQ = 0x0f
TOP_OF_MEMORY = 0x69
MOTHERBOARD_ROUTE = 0x70
DMA_CHANNELS = 0x76
DETERMINISTIC_LATENCY = 0x82
SMI_CONTROL = 0xa0
SMI_EVENTS = 0xaa               # two bytes

ROUTABLE = 0xdef8               # IRQs 3-7, 9-12, 14 and 15
IRQS = 16

FIRST_BAR_PORT = 0xc000         # where firmware begins to give out I/O space
FIRST_BAR_ADDRESS = 0xe0000000  # and memory
WIRE_IRQS = [10, 10, 11, 11]    # where firmware routes the wires


class HostBridge(Function):
    def __init__(self):
        Function.__init__(self, INTEL, HOST_BRIDGE, 2, CLASS_HOST_BRIDGE)
        self.put16(pci.COMMAND, HOST_COMMAND)
        self.allow(pci.COMMAND, 2, 0x0140)
        self.allow_range(0x50, 0x5f)
        self.allow_range(0x60, 0x67)            # DRAM row boundaries
        self.allow(SMRAM, 1, 0x7f)
        self.config[SMRAM] = SMRAM_DEFAULT


class IsaBridge(Function):
    """`pic` has set_line(irq, level)."""

    _immutable_fields_ = ['pic', 'router']

    def __init__(self, pic):
        Function.__init__(self, INTEL, ISA_BRIDGE, 0, CLASS_ISA_BRIDGE)
        self.put16(pci.COMMAND, ISA_COMMAND)
        self.allow(pci.COMMAND, 2, 0x0108)
        self.pic = pic
        self.router = WireRouter(self)
        self.levels = [False] * IRQS            # of the interrupt lines as the wires drive them
        self.allow(BUS_TIMING, 1, 0xff)
        self.config[BUS_TIMING] = 0x4d
        self.allow(CHIP_SELECT, 2, 0xffff)
        self.config[CHIP_SELECT] = 0x03
        for wire in range(pci.WIRES):
            self.allow(ROUTE + wire, 1, ROUTE_OFF | ROUTE_IRQ)
            self.config[ROUTE + wire] = ROUTE_OFF
        self.allow(TOP_OF_MEMORY, 1, 0xfe)
        self.config[TOP_OF_MEMORY] = 0x02
        self.allow(MOTHERBOARD_ROUTE, 1, 0xef)
        self.config[MOTHERBOARD_ROUTE] = ROUTE_OFF
        self.allow(DMA_CHANNELS, 2, 0x8f8f)
        self.put16(DMA_CHANNELS, 0x0c0c)
        self.allow(DETERMINISTIC_LATENCY, 1, 0x0f)
        self.allow(SMI_CONTROL, 1, 0x1f)
        self.config[SMI_CONTROL] = 0x08
        self.allow(SMI_EVENTS, 2, 0x00ff)

    def config_written(self, first, last):
        if first < ROUTE + pci.WIRES and last >= ROUTE:
            self.update()

    def irq(self, wire):
        """Where a wire is routed, -1 for nowhere."""
        route = self.config[ROUTE + wire]
        irq = route & ROUTE_IRQ
        if route & ROUTE_OFF or not ROUTABLE & 1 << irq:
            return -1
        return irq

    def update(self):
        levels = [False] * IRQS
        for wire in range(pci.WIRES):
            irq = self.irq(wire)
            if irq >= 0 and self.pci.levels[wire]:
                levels[irq] = True
        for irq in range(IRQS):
            if levels[irq] != self.levels[irq]:
                self.levels[irq] = levels[irq]
                self.pic.set_line(irq, levels[irq])


class WireRouter(InterruptRouter):
    _immutable_fields_ = ['bridge']

    def __init__(self, bridge):
        self.bridge = bridge

    def set_wire(self, wire, level):
        self.bridge.update()


def set_up(bus, bridge, pics):
    """What firmware leaves: shadow RAM on, every BAR with ports of its own, each wire routed to a level-triggered line, as the SCI's is."""
    host = bus.functions[0]
    assert host is not None
    for offset in range(PAM + 1, PAM_LAST + 1):
        host.config[offset] = PAM_READ_WRITE
    host.config[PAM] = PAM_READ_WRITE & 0xf0
    port = FIRST_BAR_PORT
    address = FIRST_BAR_ADDRESS
    levels = 1 << SCI
    for wire in range(pci.WIRES):
        bridge.config[ROUTE + wire] = WIRE_IRQS[wire]
        levels |= 1 << WIRE_IRQS[wire]
    for function in bus.present():
        for window in function.windows:
            port = (port + window.size - 1) & ~(window.size - 1)
            function.put32(pci.BAR + 4 * window.bar, port | pci.BAR_IO)
            port += window.size
        if len(function.windows) > 0:
            function.put16(pci.COMMAND, pci.COMMAND_IO | pci.COMMAND_MASTER)
        for window in function.memory_windows:
            address = (address + window.size - 1) & ~(window.size - 1)
            function.put32(pci.BAR + 4 * window.bar, address | pci.BAR_PREFETCHABLE)
            address += window.size
        if len(function.memory_windows) > 0:
            function.put16(pci.COMMAND, function.get16(pci.COMMAND) | pci.COMMAND_MEMORY)
        if function.wire() >= 0:
            function.config[pci.INTERRUPT_LINE] = WIRE_IRQS[function.wire()]
    pics.master.set_level(levels & 0xff)
    pics.slave.set_level(levels >> 8)
    bus.remap()
