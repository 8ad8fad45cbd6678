"""Power management of the chip set: ACPI's PM1 registers and the PM timer, with the PIIX4 function that names them to PCI.

Source: Advanced Configuration and Power Interface 6.0, section 4.8; Intel 82371AB datasheet (290562) for the function. The machine is always in
ACPI mode: there is no SMI command port. No power or sleep button is ever pressed.
"""

from hyper.board.bus import Device
from hyper.board.clock import Timer
from hyper.board.pci import Function

BASE = 0x600                    # the first port as long as nobody moves them
PORTS = 64                      # that the function gives away; registers are in the first of them
STATUS, ENABLE, CONTROL, TIMER = 0, 2, 4, 8
PM1_STATUS, PM1_CONTROL, PM_TIMER = BASE + STATUS, BASE + CONTROL, BASE + TIMER
SCI = 9                         # the interrupt line

TIMER_EVENT = 0x0001            # of status and enable: the highest bit of the timer has changed
ENABLE_BITS = 0x0721            # timer, global lock, power button, sleep button, RTC
SCI_ENABLED = 0x0001            # of control
CONTROL_BITS = 0x1c07           # what is kept: sleep type, global lock release, bus-master reload
SLEEP = 0x2000
SLEEP_TYPE = 0x1c00
SLEEP_OFF = 0x0000              # the sleep type of S5

FREQUENCY = 3579545             # Hz
SECOND = 1000000000             # ns
TIMER_BITS = 24
HALF_BITS = TIMER_BITS - 1

INTEL = 0x8086
PIIX4_POWER = 0x7113
CLASS_BRIDGE_OTHER = 0x068000
REVISION = 3
PORTS_REGISTER = 0x40
ENABLE_REGISTER = 0x80
ACTIVITY_REGISTER = 0x58        # device activity B
APM_SMI = 1 << 25               # writes to the APM port raise an SMI. There is no SMM here; set, it tells firmware that another has set SMM up


def ticks(ns):
    """What the PM timer has counted since power-on, before it is cut to 24 bits."""
    return ns // SECOND * FREQUENCY + ns % SECOND * FREQUENCY // SECOND


def time_of(count):
    """The first moment at which ticks() gives so much."""
    whole = count // FREQUENCY
    return whole * SECOND + ((count - whole * FREQUENCY) * SECOND + FREQUENCY - 1) // FREQUENCY


class HalfTimer(Timer):
    _immutable_fields_ = ['owner']

    def __init__(self, owner):
        self.owner = owner

    def expire(self):
        self.owner.update()


class PowerManagement(Device):
    """`listener` has power_off()."""

    _immutable_fields_ = ['clock', 'pic', 'listener', 'timer']

    widest = 4

    def __init__(self, clock, pic, listener):
        self.clock = clock
        self.pic = pic
        self.listener = listener
        self.timer = HalfTimer(self)
        self.bus = None
        self.first = -1
        self.reset()

    def connect(self, bus):
        self.bus = bus
        self.move(BASE)

    def move(self, first):
        """Answers at the ports from `first` on, except where another does, and at none if that is -1."""
        if self.bus is not None:
            if self.first >= 0:
                self.bus.remove_ports(self.first, self.first + PORTS - 1, self)
            if first >= 0:
                self.bus.add_free_ports(first, first + PORTS - 1, self)
            self.first = first

    def reset(self):
        self.move(BASE)
        self.enable = 0
        self.control = 0
        self.half = self.now_half()     # the half of the timer's range in which its event was acknowledged
        self.update()

    def now_half(self):
        return ticks(self.clock.now()) >> HALF_BITS

    def status(self):
        if self.now_half() != self.half:
            return TIMER_EVENT
        return 0

    def update(self):
        """Drives the SCI, and arranges for the next change of it."""
        asks = self.status() & self.enable != 0
        self.pic.set_line(SCI, asks)
        if self.enable & TIMER_EVENT and not asks:
            self.clock.schedule(self.timer, time_of((self.half + 1) << HALF_BITS))
        else:
            self.clock.cancel(self.timer)

    def read_word(self, register):
        if register == STATUS:
            return self.status()
        if register == ENABLE:
            return self.enable
        if register == CONTROL:
            return self.control | SCI_ENABLED
        if register == TIMER or register == TIMER + 2:
            count = ticks(self.clock.now()) & ((1 << TIMER_BITS) - 1)
            return (count >> (8 * (register - TIMER))) & 0xffff
        return 0

    def read_port(self, port, size):
        register = port - self.first
        value = 0
        i = 0
        while i < size:
            skip = (register + i) & 1
            value |= (self.read_word((register + i) & ~1) >> (8 * skip)) << (8 * i)
            i += 2 - skip
        return value

    def write_port(self, port, size, value):
        """Writes of a byte change nothing: the registers are of 16 bits."""
        register = port - self.first
        if size == 1 or register & 1:
            return
        self.write_word(register, value & 0xffff)
        if size == 4:
            self.write_word(register + 2, value >> 16)

    def write_word(self, register, value):
        if register == STATUS:
            if value & TIMER_EVENT:
                self.half = self.now_half()
                self.update()
        elif register == ENABLE:
            self.enable = value & ENABLE_BITS
            self.update()
        elif register == CONTROL:
            self.control = value & CONTROL_BITS & ~SCI_ENABLED
            if value & SLEEP and value & SLEEP_TYPE == SLEEP_OFF:
                self.listener.power_off()


class PowerFunction(Function):
    """Moves the registers above: it has no BAR for them, but registers of its own."""

    _immutable_fields_ = ['power']

    def __init__(self, power):
        Function.__init__(self, INTEL, PIIX4_POWER, REVISION, CLASS_BRIDGE_OTHER)
        self.power = power
        self.put32(PORTS_REGISTER, BASE | 1)
        self.allow(PORTS_REGISTER, 2, 0x10000 - PORTS)
        self.config[ENABLE_REGISTER] = 1
        self.allow(ENABLE_REGISTER, 1, 1)
        self.put32(ACTIVITY_REGISTER, APM_SMI)

    def config_written(self, first, last):
        if first <= ENABLE_REGISTER and last >= PORTS_REGISTER:
            self.power.move(self.get16(PORTS_REGISTER) & ~1 if self.config[ENABLE_REGISTER] & 1 else -1)
