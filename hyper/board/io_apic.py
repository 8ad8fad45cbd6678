"""The I/O APIC of a PC (Intel 82093AA, 290566): 24 inputs, each of which its entry of the redirection table sends to a local APIC.

Inputs 0-15 are the interrupt lines of the board, except that the timer's line 0 is at input 2; input 0 is not connected.
"""

from hyper.board.bus import Device
from hyper.board.local_apic import FIXED, INIT, LOWEST_PRIORITY, LevelListener, NMI

BASE = 0xfec00000
SIZE = 0x1000
SELECT = 0x00                   # the two doublewords of its memory
WINDOW = 0x10

ID = 0x00                       # registers by SELECT
VERSION = 0x01
ARBITRATION = 0x02
TABLE = 0x10                    # two for each input: the low half first

INPUTS = 24
VERSION_VALUE = 0x11 | (INPUTS - 1) << 16
ID_BITS = 0x0f000000

# the low half of an entry
VECTOR = 0xff
MODE_SHIFT = 8
LOGICAL = 1 << 11
ACTIVE_LOW = 1 << 13
REMOTE_IRR = 1 << 14
LEVEL = 1 << 15
MASKED = 1 << 16
WRITABLE = VECTOR | 7 << MODE_SHIFT | LOGICAL | ACTIVE_LOW | LEVEL | MASKED
DESTINATION = 0xff000000        # of the high half

TIMER_LINE = 0
TIMER_INPUT = 2


class InterruptLines(object):
    """The interrupt lines of the board: each ends at the PICs and, where there is one, at the I/O APIC."""

    _immutable_fields_ = ['pic']

    def __init__(self, pic):
        self.pic = pic
        self.io_apic = None

    def set_line(self, irq, level):
        """Drives line `irq` (0..15, not 2) high or low."""
        self.pic.set_line(irq, level)
        if self.io_apic is not None:
            self.io_apic.set_input(TIMER_INPUT if irq == TIMER_LINE else irq, level)


class EndOfInterrupt(LevelListener):
    _immutable_fields_ = ['io_apic']

    def __init__(self, io_apic):
        self.io_apic = io_apic

    def end_of_interrupt(self, vector):
        self.io_apic.end_of_interrupt(vector)


class IoApic(Device):
    """`apic` is the processor's LocalApic, `pins` its ProcessorPins."""

    _immutable_fields_ = ['apic', 'pins', 'low', 'high', 'inputs']

    widest = 4

    def __init__(self, apic, pins):
        self.apic = apic
        self.pins = pins
        self.low = [MASKED] * INPUTS
        self.high = [0] * INPUTS
        self.inputs = [False] * INPUTS      # levels: wires, so no reset touches them
        self.reset()

    def connect(self, bus):
        bus.add_memory(BASE, BASE + SIZE - 1, self)

    def reset(self):
        self.selected = 0
        self.identifier = 0
        for i in range(INPUTS):
            self.low[i] = MASKED
            self.high[i] = 0

    # interrupts

    def is_active(self, number):
        """Whether the input is at the level that its entry means by active."""
        return self.inputs[number] != (self.low[number] & ACTIVE_LOW != 0)

    def set_input(self, number, level):
        if self.inputs[number] == level:
            return
        self.inputs[number] = level
        if self.is_active(number):
            self.activated(number)

    def activated(self, number):
        """An edge, or a level that nobody is servicing yet, is sent."""
        entry = self.low[number]
        if entry & MASKED:
            return
        if not entry & LEVEL:
            self.send(number)
        elif not entry & REMOTE_IRR and self.send(number):
            self.low[number] |= REMOTE_IRR

    def send(self, number):
        """Whether the local APIC has accepted it as one that will end with an EOI."""
        entry = self.low[number]
        apic = self.apic
        if not apic.enabled or not apic.is_addressed(self.high[number] >> 24, entry & LOGICAL != 0):
            return False
        mode = entry >> MODE_SHIFT & 7
        if mode == FIXED or mode == LOWEST_PRIORITY:
            if not apic.is_software_enabled():
                return False
            apic.accept(entry & VECTOR, entry & LEVEL != 0)
            return True
        if mode == NMI:
            self.pins.nmi()
        elif mode == INIT:
            self.pins.initialize()
        return False

    def end_of_interrupt(self, vector):
        """The processor has ended a level-triggered interrupt; where the level is still active there is another."""
        for i in range(INPUTS):
            entry = self.low[i]
            if entry & LEVEL and entry & REMOTE_IRR and entry & VECTOR == vector:
                self.low[i] = entry & ~REMOTE_IRR
                if self.is_active(i):
                    self.activated(i)

    # registers

    def read_memory(self, address, size):
        offset = address - BASE
        value = 0
        if offset & ~3 == SELECT:
            value = self.selected
        elif offset & ~3 == WINDOW:
            value = self.read_register(self.selected)
        return value >> (8 * (offset & 3))

    def write_memory(self, address, size, value):
        offset = address - BASE
        if offset == SELECT:
            self.selected = value & 0xff
        elif offset == WINDOW and size == 4:
            self.write_register(self.selected, value)

    def read_register(self, which):
        if which == ID or which == ARBITRATION:
            return self.identifier
        if which == VERSION:
            return VERSION_VALUE
        number = (which - TABLE) >> 1
        if 0 <= number < INPUTS:
            if which & 1:
                return self.high[number]
            return self.low[number]
        return 0

    def write_register(self, which, value):
        number = (which - TABLE) >> 1
        if which == ID:
            self.identifier = value & ID_BITS
        elif 0 <= number < INPUTS:
            if which & 1:
                self.high[number] = value & DESTINATION
            else:
                self.write_entry(number, value)

    def write_entry(self, number, value):
        before = self.low[number]
        entry = value & WRITABLE
        if entry & LEVEL:
            entry |= before & REMOTE_IRR
        self.low[number] = entry
        if entry & LEVEL and self.is_active(number):
            self.activated(number)
