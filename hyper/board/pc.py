"""The set of devices of a PC, on a bus that is a machine's own or a domain's."""

from hyper.board.i8042 import Keyboard
from hyper.board.pic import PicPair
from hyper.board.pit import Pit
from hyper.board.power import PowerControl
from hyper.board.rtc import Rtc
from hyper.board.uart import Uart
from hyper.board.vga import Vga

COM1 = 0x3f8
IRQ_TIMER = 0
IRQ_KEYBOARD = 1
IRQ_COM1 = 4
IRQ_RTC = 8

START_OF_TIME = 1065744000      # 10 October 2003, 00:00 UTC: the time of day at machine time 0 unless another is given


class PC(object):
    """All devices, connected.

    `interrupt_listener` hears interrupt_changed(); `power_listener` hears power_off(), reset() and exit(status);
    `sink` (CharSink) takes what the guest writes to COM1 and to the debug port; `memory_size` is in bytes;
    `start_of_time` in seconds since 1970.
    """

    _immutable_fields_ = ['pic', 'pit', 'rtc', 'uart', 'keyboard', 'power', 'vga']

    def __init__(self, bus, clock, interrupt_listener, power_listener, sink, memory_size, start_of_time=START_OF_TIME):
        self.pic = PicPair(interrupt_listener)
        self.pit = Pit(clock, self.pic, IRQ_TIMER)
        self.rtc = Rtc(clock, self.pic, IRQ_RTC, start_of_time, memory_size)
        self.uart = Uart(COM1, clock, self.pic, IRQ_COM1, sink)
        self.keyboard = Keyboard(self.pic, IRQ_KEYBOARD, power_listener)
        self.power = PowerControl(power_listener, sink)
        self.vga = Vga(clock)
        self.pic.connect(bus)
        self.pit.connect(bus)
        self.rtc.connect(bus)
        self.uart.connect(bus)
        self.keyboard.connect(bus)
        self.power.connect(bus)
        self.vga.connect(bus)
        self.pic.reset()            # forgets the edges of wires that were high from the start

    def reset(self):
        self.pit.reset()
        self.rtc.reset()
        self.uart.reset()
        self.keyboard.reset()
        self.power.reset()
        self.vga.reset()
        self.pic.reset()

    def pending(self):
        """Whether the PICs ask for an interrupt."""
        return self.pic.pending()

    def acknowledge(self):
        """The vector of that interrupt, which goes into service."""
        return self.pic.acknowledge()

    def receive(self, text):
        """Bytes typed at the console, for COM1."""
        for c in text:
            self.uart.receive(ord(c))
