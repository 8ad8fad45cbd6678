"""The set of devices of a PC, on a bus that is a machine's own or a domain's."""

from hyper.board import chipset
from hyper.board.chipset import HostBridge, IsaBridge
from hyper.board.coprocessor import CoprocessorError
from hyper.board.i8042 import Keyboard
from hyper.board.local_apic import LocalApic
from hyper.board.pci import Pci
from hyper.board.pic import PicPair
from hyper.board.pit import Pit
from hyper.board.power import PowerControl
from hyper.board.rtc import Rtc
from hyper.board.uart import Uart
from hyper.board.vga import Vga
from hyper.cpu.models.model import APIC

COM1 = 0x3f8
IRQ_TIMER = 0
IRQ_KEYBOARD = 1
IRQ_COM1 = 4
IRQ_RTC = 8
IRQ_COPROCESSOR = 13


class PC(object):
    """All devices, connected.

    `pins` are the processor's ProcessorPins, `model` tells if it has a local APIC, the field `apic`, else None; `power_listener` hears power_off(),
    reset() and exit(status); `sink` (CharSink) takes what the guest writes to COM1 and to the debug port; `ram` (Ram) is the memory.
    """

    _immutable_fields_ = ['pic', 'pit', 'rtc', 'uart', 'keyboard', 'coprocessor', 'power', 'vga', 'pci', 'isa_bridge', 'apic']

    def __init__(self, bus, clock, pins, power_listener, sink, ram, model):
        self.pic = PicPair(pins)
        self.apic = None
        self.pit = Pit(clock, self.pic, IRQ_TIMER)
        self.rtc = Rtc(clock, self.pic, IRQ_RTC, clock.start_of_time, ram.size)
        self.uart = Uart(COM1, clock, self.pic, IRQ_COM1, sink)
        self.keyboard = Keyboard(self.pic, IRQ_KEYBOARD, power_listener)
        self.coprocessor = CoprocessorError(self.pic, IRQ_COPROCESSOR)
        self.power = PowerControl(power_listener, sink)
        self.vga = Vga(clock)
        self.pci = Pci(bus)
        self.isa_bridge = IsaBridge(self.pic)
        self.pci.router = self.isa_bridge.router
        self.pci.add(0, 0, HostBridge())
        self.pci.add(1, 0, self.isa_bridge)
        self.pic.connect(bus)
        self.pit.connect(bus)
        self.rtc.connect(bus)
        self.uart.connect(bus)
        self.keyboard.connect(bus)
        self.coprocessor.connect(bus)
        self.power.connect(bus)
        self.vga.connect(bus)
        self.pci.connect()
        self.pic.reset()            # forgets the edges of wires that were high from the start
        if model.features & APIC:
            self.apic = LocalApic(bus, clock, self.pic, pins, model)
            self.apic.connect()
            self.apic.reset()
        chipset.set_up(self.pci, self.isa_bridge, self.pic)

    def reset(self):
        self.pit.reset()
        self.rtc.reset()
        self.uart.reset()
        self.keyboard.reset()
        self.coprocessor.reset()
        self.power.reset()
        self.vga.reset()
        self.pci.reset()
        self.pic.reset()
        chipset.set_up(self.pci, self.isa_bridge, self.pic)
        if self.apic is not None:
            self.apic.reset()

    def pending(self):
        """Whether the PICs or the local APIC have an interrupt for the processor."""
        if self.apic is not None:
            return self.apic.pending()
        return self.pic.pending()

    def acknowledge(self):
        """The vector of that interrupt, which goes into service."""
        if self.apic is not None:
            return self.apic.acknowledge()
        return self.pic.acknowledge()

    def set_apic_base(self, value):
        """A write to IA32_APIC_BASE."""
        if self.apic is not None:
            self.apic.set_base(value)

    def receive(self, text):
        """Bytes typed at the console, for COM1."""
        for c in text:
            self.uart.receive(ord(c))
