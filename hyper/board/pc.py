"""The set of devices of a PC, on a bus that is a machine's own or a domain's."""

from hyper.board import chipset, screen
from hyper.board.ata_disk import AtaDisk
from hyper.board.atapi import CdRom
from hyper.board.chipset import HostBridge, IsaBridge
from hyper.board.coprocessor import CoprocessorError
from hyper.board.display import Display
from hyper.board.i8042 import Keyboard
from hyper.board.ide import IdeFunction
from hyper.board.io_apic import EndOfInterrupt, InterruptLines, IoApic
from hyper.board.local_apic import LocalApic
from hyper.board.pci import Pci
from hyper.board.pic import PicPair
from hyper.board.pit import Pit
from hyper.board.power import PowerControl
from hyper.board.power_management import PowerFunction, PowerManagement
from hyper.board.rtc import Rtc
from hyper.board.uart import Uart
from hyper.board.vga import Vga
from hyper.board.virtio_block import VirtioBlock
from hyper.board.virtio_console import VirtioConsole
from hyper.board.virtio_net import VirtioNet
from hyper.cpu.models.model import APIC
from hyper.options import CDROM, VIRTIO

COM1 = 0x3f8
IRQ_TIMER = 0
IRQ_KEYBOARD = 1
IRQ_COM1 = 4
IRQ_RTC = 8
IRQ_MOUSE = 12
IRQ_COPROCESSOR = 13
DISPLAY_SLOT = 2                # of PCI
NETWORK_SLOT = 3
FIRST_DISK_SLOT = 4
CONSOLE_SLOT = 24


class PC(object):
    """All devices, connected.

    `pins` are the processor's ProcessorPins, `model` tells if it has a local APIC, the field `apic`, else None; `power_listener` hears power_off(),
    reset() and exit(status); `sink` (CharSink) takes what the guest writes to COM1 and to the debug port; `ram` (Ram) is the memory; `fittings`
    (Fittings) are what else it has.
    """

    _immutable_fields_ = ['pic', 'lines', 'pit', 'rtc', 'uart', 'keyboard', 'coprocessor', 'power', 'power_management', 'vga', 'pci',
                          'isa_bridge', 'ide', 'display', 'console', 'types', 'apic', 'io_apic']

    def __init__(self, bus, clock, pins, power_listener, sink, ram, fittings, model):
        self.pic = PicPair(pins)
        self.lines = InterruptLines(self.pic)
        self.apic = None
        self.io_apic = None
        self.pit = Pit(clock, self.lines, IRQ_TIMER)
        self.rtc = Rtc(clock, self.lines, IRQ_RTC, clock.start_of_time, ram.size)
        self.uart = Uart(COM1, clock, self.lines, IRQ_COM1, sink)
        self.keyboard = Keyboard(self.lines, IRQ_KEYBOARD, IRQ_MOUSE, power_listener)
        self.coprocessor = CoprocessorError(self.lines, IRQ_COPROCESSOR)
        self.power = PowerControl(power_listener, sink)
        self.power_management = PowerManagement(clock, self.lines, power_listener)
        self.vga = Vga(clock)
        self.pci = Pci(bus, ram.size)
        self.isa_bridge = IsaBridge(self.lines)
        self.pci.router = self.isa_bridge.router
        self.pci.add(0, 0, HostBridge())
        self.pci.add(1, 0, self.isa_bridge)
        self.ide = IdeFunction(clock, self.lines, ram)
        self.pci.add(1, 1, self.ide)
        self.pci.add(1, 3, PowerFunction(self.power_management))
        self.display = None
        if fittings.video is not None:
            self.display = Display(fittings.video, self.vga)
            self.display.dispi.connect(bus)
            self.pci.add(DISPLAY_SLOT, 0, self.display)
        self.add_drives(clock, ram, fittings.drives)
        if fittings.link is not None:
            self.pci.add(NETWORK_SLOT, 0, VirtioNet(clock, ram, fittings.link, fittings.ethernet_address))
        self.types = fittings.types
        self.console = None
        if fittings.console:
            self.console = VirtioConsole(clock, ram, sink)
            self.pci.add(CONSOLE_SLOT, 0, self.console)
        self.pic.connect(bus)
        self.pit.connect(bus)
        self.rtc.connect(bus)
        self.uart.connect(bus)
        self.keyboard.connect(bus)
        self.coprocessor.connect(bus)
        self.power.connect(bus)
        self.power_management.connect(bus)
        self.vga.connect(bus)
        self.pci.connect()
        self.ide.connect(bus)
        self.pic.reset()            # forgets the edges of wires that were high from the start
        if model.features & APIC:
            self.apic = LocalApic(bus, clock, self.pic, pins, model)
            self.apic.connect()
            self.apic.reset()
            self.io_apic = IoApic(self.apic, pins)
            self.io_apic.connect(bus)
            self.lines.io_apic = self.io_apic
            self.apic.level_listener = EndOfInterrupt(self.io_apic)
        self.set_up()

    def add_drives(self, clock, ram, drives):
        slot = FIRST_DISK_SLOT
        place = 0
        for i in range(len(drives)):
            name = 'hyper-disk-%d' % i
            disk = drives[i].disk
            if drives[i].interface == VIRTIO:
                self.pci.add(slot, 0, VirtioBlock(clock, ram, disk, name))
                slot += 1
                continue
            if drives[i].interface == CDROM:
                self.ide.channels[place >> 1].attach(place & 1, CdRom(disk, name))
            else:
                self.ide.channels[place >> 1].attach(place & 1, AtaDisk(disk, name))
            place += 1

    def set_up(self):
        """What firmware does before a kernel runs."""
        chipset.set_up(self.pci, self.isa_bridge, self.pic)
        self.ide.set_up()

    def reset(self):
        self.pit.reset()
        self.rtc.reset()
        self.uart.reset()
        self.keyboard.reset()
        self.coprocessor.reset()
        self.power.reset()
        self.power_management.reset()
        self.vga.reset()
        self.pci.reset()
        self.pic.reset()
        self.set_up()
        if self.apic is not None:
            self.apic.reset()
            self.io_apic.reset()

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

    def set_window(self, columns, lines):
        """The size of the window that shows the console, which only a virtio console tells the guest."""
        if self.console is not None:
            self.console.set_window(columns, lines)

    def screen(self):
        """What is shown, as hyper/board/screen.py has it."""
        return screen.describe(self.vga, self.display)

    def receive(self, text):
        """Bytes typed at the console: for the keyboard, if that is wanted; for the virtio console, if a driver has opened it, else for COM1."""
        if self.types:
            self.keyboard.type(text)
            return
        if self.console is not None and self.console.is_open():
            self.console.receive(text)
            return
        for c in text:
            self.uart.receive(ord(c))
