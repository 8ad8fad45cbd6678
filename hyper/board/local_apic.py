"""The local APIC of a processor (xAPIC; SDM vol. 3, chapter 10): its own interrupts by priority, a timer, messages to itself, and the two pins LINT0
and LINT1, to which the board connects the PICs and NMI.

It is the only one on its bus: messages to others find nobody. The timer's clock is that of machine time, a tick a nanosecond. After power-on it
stands as firmware leaves it, in virtual wire mode: enabled, the PICs' interrupts pass through LINT0 (ExtINT), NMI comes by LINT1.
"""

from hyper.board.bus import Device
from hyper.board.clock import Timer
from hyper.board.pic import InterruptListener

SIZE = 0x1000
DEFAULT_BASE = 0xfee00000
GLOBAL_ENABLE = 1 << 11         # of IA32_APIC_BASE
NONE = -1
M32 = 0xffffffff

# registers by offset / 16 (table 10-1)
(ID, VERSION, TASK_PRIORITY, ARBITRATION_PRIORITY, PROCESSOR_PRIORITY, EOI, REMOTE_READ, LOGICAL_DESTINATION, DESTINATION_FORMAT, SPURIOUS) = (
    0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f)
IN_SERVICE, TRIGGER_MODE, REQUEST = 0x10, 0x18, 0x20    # eight registers each
ERROR_STATUS, COMMAND_LOW, COMMAND_HIGH, INITIAL_COUNT, CURRENT_COUNT, DIVIDE = 0x28, 0x30, 0x31, 0x38, 0x39, 0x3e
LVT_TIMER, LVT_THERMAL, LVT_COUNTER, LVT_LINT0, LVT_LINT1, LVT_ERROR = 0x32, 0x33, 0x34, 0x35, 0x36, 0x37

# of an entry of the local vector table, and of the command register (figures 10-8, 10-12)
VECTOR, MODE, POLARITY, REMOTE_IRR, LEVEL_TRIGGERED, MASKED, PERIODIC = 0xff, 0x700, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17
FIXED, LOWEST_PRIORITY, SMI, NMI, INIT, STARTUP, EXTERNAL = 0, 1, 2, 4, 5, 6, 7         # delivery modes
MODE_SHIFT = 8
LOGICAL, ASSERT = 1 << 11, 1 << 14
SHORTHAND_SHIFT = 18
NO_SHORTHAND, TO_SELF, TO_ALL, TO_OTHERS = range(4)
COMMAND_WRITABLE = 0x000ccfff
# which bits of LVT_TIMER to LVT_ERROR can be written
LVT_WRITABLE = [VECTOR | MASKED | PERIODIC, VECTOR | MODE | MASKED, VECTOR | MODE | MASKED, VECTOR | MODE | POLARITY | LEVEL_TRIGGERED | MASKED,
                VECTOR | MODE | POLARITY | LEVEL_TRIGGERED | MASKED, VECTOR | MASKED]

SOFTWARE_ENABLE = 1 << 8        # of SPURIOUS
SPURIOUS_WRITABLE = 0x3ff
FLAT_MODEL = 15                 # of DESTINATION_FORMAT; any other is the cluster model
FIRST_VECTOR = 16               # lower ones are illegal
# of ERROR_STATUS
SEND_ACCEPT, SEND_ILLEGAL_VECTOR, RECEIVED_ILLEGAL_VECTOR, ILLEGAL_REGISTER = 1 << 2, 1 << 5, 1 << 6, 1 << 7

VIRTUAL_WIRE_LINT0 = EXTERNAL << MODE_SHIFT
VIRTUAL_WIRE_LINT1 = NMI << MODE_SHIFT

P6, NETBURST = 6, 15            # families
CORE = 0xe                      # model number of the first of its kind


class ProcessorPins(InterruptListener):
    """What a local APIC does to its processor."""

    def nmi(self):
        """A nonmaskable interrupt."""

    def initialize(self):
        """INIT."""


class LevelListener(object):
    def end_of_interrupt(self, vector):
        """The processor has ended a level-triggered interrupt."""


class PicOutput(InterruptListener):
    """The wire from the PICs to LINT0."""

    def __init__(self, apic):
        self.apic = apic

    def interrupt_changed(self):
        self.apic.pics_changed()


class ApicTimer(Timer):
    def __init__(self, apic):
        self.apic = apic

    def expire(self):
        self.apic.timer_expired()


class LocalApic(Device):
    """`pic` has pending() and acknowledge() and drives LINT0, `pins` are the ProcessorPins, `model` says which processor's it is."""

    _immutable_fields_ = ['bus', 'clock', 'pic', 'pins', 'timer', 'in_service', 'trigger_mode', 'request', 'lvt', 'version', 'last_entry',
                          'has_old_bus']

    widest = 4

    def __init__(self, bus, clock, pic, pins, model):
        self.bus = bus
        self.clock = clock
        self.pic = pic
        self.pins = pins
        self.timer = ApicTimer(self)
        self.level_listener = LevelListener()
        self.in_service = [0] * 8
        self.trigger_mode = [0] * 8
        self.request = [0] * 8
        self.lvt = [0] * 6
        number = model.signature >> 4 & 15 | model.signature >> 12 & 0xf0
        # the serial APIC bus of the Pentium and the P6 tells a sender that nobody has accepted
        self.has_old_bus = model.family < NETBURST and (model.family < P6 or number < CORE)
        if not self.has_old_bus:
            self.version = 0x14
            self.last_entry = 5
        elif model.family == P6:
            self.version = 0x11
            self.last_entry = 4         # no thermal sensor
        else:
            self.version = 0x10
            self.last_entry = 3         # nor performance counters
        self.lint0 = False
        self.base = DEFAULT_BASE
        self.enabled = True             # by IA32_APIC_BASE
        self.power_up()

    def connect(self):
        self.bus.add_memory(self.base, self.base + SIZE - 1, self)
        self.pic.listener = PicOutput(self)

    # -- states (10.4.7)

    def power_up(self):
        """The state that the manual gives for RESET."""
        self.clock.cancel(self.timer)
        for k in range(8):
            self.in_service[k] = 0
            self.trigger_mode[k] = 0
            self.request[k] = 0
        for k in range(6):
            self.lvt[k] = MASKED
        self.identifier = 0
        self.task_priority = 0
        self.logical_destination = 0
        self.destination_format = M32
        self.spurious = 0xff
        self.errors = 0                 # since the last write to ERROR_STATUS
        self.error_status = 0
        self.command_low = 0
        self.command_high = 0
        self.initial_count = 0
        self.started = 0                # when the timer began to count down from `counted_from`
        self.counted_from = 0
        self.divide = 0

    def reset(self):
        """As firmware leaves it."""
        self.power_up()
        self.spurious |= SOFTWARE_ENABLE
        self.lvt[LVT_LINT0 - LVT_TIMER] = VIRTUAL_WIRE_LINT0
        self.lvt[LVT_LINT1 - LVT_TIMER] = VIRTUAL_WIRE_LINT1
        self.set_base(DEFAULT_BASE | GLOBAL_ENABLE)

    def set_base(self, value):
        """A write to IA32_APIC_BASE: where the registers are, and whether there is an APIC at all. Disabled it forgets all."""
        base = value & 0xffffff000
        enabled = value & GLOBAL_ENABLE != 0
        if self.enabled and not enabled:
            self.power_up()
        if base != self.base or enabled != self.enabled:
            if self.enabled:
                self.bus.remove_memory(self)
            self.base = base
            self.enabled = enabled
            if enabled:
                self.bus.add_memory(base, base + SIZE - 1, self)
        self.changed()

    def is_software_enabled(self):
        return self.spurious & SOFTWARE_ENABLE != 0

    # -- what the processor sees

    def pending(self):
        """Whether there is an interrupt for the processor."""
        if not self.enabled:
            return self.pic.pending()
        return self.deliverable() != NONE or (self.passes_external() and self.pic.pending())

    def acknowledge(self):
        """The vector of the interrupt that the processor takes now."""
        if self.enabled:
            vector = self.deliverable()
            if vector != NONE:
                clear_bit(self.request, vector)
                set_bit(self.in_service, vector)
                if vector == self.lvt[0] & VECTOR:
                    self.schedule()
                return vector
            if not self.passes_external():
                return self.spurious & VECTOR
        return self.pic.acknowledge()

    def passes_external(self):
        return self.lvt[LVT_LINT0 - LVT_TIMER] & (MASKED | MODE) == EXTERNAL << MODE_SHIFT

    def deliverable(self):
        """The vector of the highest request that is above the processor's priority, or NONE."""
        vector = highest(self.request)
        if vector != NONE and vector & 0xf0 > self.processor_priority() & 0xf0:
            return vector
        return NONE

    def processor_priority(self):
        """10.8.3.1."""
        servicing = highest(self.in_service)
        if servicing == NONE or self.task_priority & 0xf0 >= servicing & 0xf0:
            return self.task_priority
        return servicing & 0xf0

    def changed(self):
        self.pins.interrupt_changed()

    # -- interrupts coming in

    def accept(self, vector, level):
        """A fixed interrupt."""
        if vector < FIRST_VECTOR:
            self.error(RECEIVED_ILLEGAL_VECTOR)
            return
        set_bit(self.request, vector)
        if level:
            set_bit(self.trigger_mode, vector)
        else:
            clear_bit(self.trigger_mode, vector)
        self.changed()

    def error(self, bit):
        self.errors |= bit
        entry = self.lvt[LVT_ERROR - LVT_TIMER]
        if entry & MASKED == 0:
            if entry & VECTOR < FIRST_VECTOR:
                self.errors |= RECEIVED_ILLEGAL_VECTOR      # an error about the error has no further interrupt
            else:
                self.accept(entry & VECTOR, False)

    def pics_changed(self):
        """The PICs' output, which is the LINT0 pin, may have changed."""
        level = self.pic.pending()
        rises = level and not self.lint0
        self.lint0 = level
        if self.enabled and not self.passes_external():
            self.drive(LVT_LINT0, level, rises)
        self.changed()

    def pulse_nmi_pin(self):
        """The board's NMI, which is the LINT1 pin."""
        if self.enabled:
            self.drive(LVT_LINT1, True, True)
        else:
            self.pins.nmi()

    def drive(self, which, level, rises):
        """A pin is at `level`, and has just risen or not."""
        entry = self.lvt[which - LVT_TIMER]
        if entry & MASKED:
            return
        mode = (entry & MODE) >> MODE_SHIFT
        if mode == FIXED and entry & LEVEL_TRIGGERED and which == LVT_LINT0:
            if level and entry & REMOTE_IRR == 0:
                self.lvt[which - LVT_TIMER] = entry | REMOTE_IRR
                self.accept(entry & VECTOR, True)
        elif rises:
            if mode == FIXED:
                self.accept(entry & VECTOR, False)
            elif mode == NMI:
                self.pins.nmi()
            elif mode == INIT:
                self.pins.initialize()

    def end_of_interrupt(self):
        vector = highest(self.in_service)
        if vector == NONE:
            return
        clear_bit(self.in_service, vector)
        entry = self.lvt[LVT_LINT0 - LVT_TIMER]
        if has_bit(self.trigger_mode, vector):
            if entry & REMOTE_IRR and entry & VECTOR == vector:
                self.lvt[LVT_LINT0 - LVT_TIMER] = entry & ~REMOTE_IRR
                self.drive(LVT_LINT0, self.lint0, False)
            self.level_listener.end_of_interrupt(vector)
        self.changed()

    # -- messages (10.6)

    def send(self):
        command = self.command_low
        mode = (command & MODE) >> MODE_SHIFT
        vector = command & VECTOR
        shorthand = command >> SHORTHAND_SHIFT & 3
        if mode == FIXED or mode == LOWEST_PRIORITY:
            if vector < FIRST_VECTOR:
                self.error(SEND_ILLEGAL_VECTOR)
                return
        elif mode == INIT and command & (ASSERT | LEVEL_TRIGGERED) == LEVEL_TRIGGERED:
            return                          # INIT level de-assert only synchronizes arbitration
        to_self = shorthand == TO_SELF or shorthand == TO_ALL or (shorthand == NO_SHORTHAND and self.is_destination())
        if not to_self:
            if self.has_old_bus and shorthand == NO_SHORTHAND:
                self.error(SEND_ACCEPT)
            return
        if mode == FIXED or mode == LOWEST_PRIORITY:
            self.accept(vector, False)
        elif shorthand == NO_SHORTHAND:     # with a shorthand that includes the sender the others are no valid messages (table 10-3)
            if mode == NMI:
                self.pins.nmi()
            elif mode == INIT:
                self.pins.initialize()

    def is_destination(self):
        """Whether the destination field of the command names this APIC."""
        return self.is_addressed(self.command_high >> 24, self.command_low & LOGICAL != 0)

    def is_addressed(self, destination, is_logical):
        """Whether a destination of eight bits names this APIC (10.6.2)."""
        if not is_logical:
            return destination == self.identifier >> 24 or destination == 0xff
        logical = self.logical_destination >> 24
        if self.destination_format >> 28 == FLAT_MODEL:
            return destination & logical != 0
        if destination >> 4 != logical >> 4 and destination >> 4 != 15:
            return False
        return destination & logical & 15 != 0

    # -- the timer (10.5.4)

    def divisor(self):
        code = self.divide >> 1 & 4 | self.divide & 3
        if code == 7:
            return 1
        return 2 << code

    def current_count(self):
        if self.counted_from == 0:
            return 0
        ticks = (self.clock.now() - self.started) // self.divisor()
        left = self.counted_from - ticks
        if left > 0:
            return left
        if self.lvt[0] & PERIODIC == 0:
            return 0
        # it was loaded again when it reached 0
        return self.initial_count - (-left) % self.initial_count

    def restart(self, count):
        """Counts down from here: after a write to the initial count, or a change of what decides about the end."""
        self.counted_from = count
        self.started = self.clock.now()
        self.schedule()

    def schedule(self):
        """Only a timer that can interrupt needs a deadline; its count is computed when it is read. While its request waits a further one would change
        nothing, so a short period costs only those who take its interrupts."""
        count = self.current_count()
        entry = self.lvt[0]
        if count == 0 or entry & MASKED or not self.enabled or has_bit(self.request, entry & VECTOR):
            self.clock.cancel(self.timer)
            return
        divisor = self.divisor()
        since = (self.clock.now() - self.started) % divisor
        self.clock.schedule(self.timer, self.clock.now() - since + count * divisor)

    def timer_expired(self):
        entry = self.lvt[0]
        if not entry & PERIODIC:
            self.counted_from = 0
        self.accept(entry & VECTOR, False)

    # -- registers

    def read_memory(self, address, size):
        offset = address - self.base
        at = offset & 15
        if at + size > 4:
            return 0                    # only the first four of sixteen bytes are there
        return self.read_register(offset >> 4) >> (8 * at)

    def write_memory(self, address, size, value):
        offset = address - self.base
        if size == 4 and offset & 15 == 0:
            self.write_register(offset >> 4, value)

    def read_register(self, which):
        if IN_SERVICE <= which < IN_SERVICE + 8:
            return self.in_service[which - IN_SERVICE]
        if TRIGGER_MODE <= which < TRIGGER_MODE + 8:
            return self.trigger_mode[which - TRIGGER_MODE]
        if REQUEST <= which < REQUEST + 8:
            return self.request[which - REQUEST]
        if self.has_entry(which):
            return self.lvt[which - LVT_TIMER]
        if which == ID:
            return self.identifier
        if which == VERSION:
            return self.version | self.last_entry << 16
        if which == TASK_PRIORITY:
            return self.task_priority
        if which == ARBITRATION_PRIORITY or which == PROCESSOR_PRIORITY:
            return self.processor_priority()
        if which == LOGICAL_DESTINATION:
            return self.logical_destination
        if which == DESTINATION_FORMAT:
            return self.destination_format
        if which == SPURIOUS:
            return self.spurious
        if which == ERROR_STATUS:
            return self.error_status
        if which == COMMAND_LOW:
            return self.command_low
        if which == COMMAND_HIGH:
            return self.command_high
        if which == INITIAL_COUNT:
            return self.initial_count
        if which == CURRENT_COUNT:
            return self.current_count()
        if which == DIVIDE:
            return self.divide
        if which != EOI and which != REMOTE_READ:
            self.error(ILLEGAL_REGISTER)
        return 0

    def has_entry(self, which):
        """Whether `which` is a register of the local vector table, which grew from model to model."""
        if which == LVT_THERMAL:
            return self.last_entry >= 5
        if which == LVT_COUNTER:
            return self.last_entry >= 4
        return LVT_TIMER <= which <= LVT_ERROR

    def write_register(self, which, value):
        if self.has_entry(which):
            self.write_entry(which, value)
        elif which == ID:
            self.identifier = value & 0xff000000
        elif which == TASK_PRIORITY:
            self.task_priority = value & 0xff
            self.changed()
        elif which == EOI:
            self.end_of_interrupt()
        elif which == LOGICAL_DESTINATION:
            self.logical_destination = value & 0xff000000
        elif which == DESTINATION_FORMAT:
            self.destination_format = value | 0x0fffffff
        elif which == SPURIOUS:
            self.write_spurious(value)
        elif which == ERROR_STATUS:
            self.error_status = self.errors
            self.errors = 0
        elif which == COMMAND_LOW:
            self.command_low = value & COMMAND_WRITABLE
            self.send()
        elif which == COMMAND_HIGH:
            self.command_high = value & 0xff000000
        elif which == INITIAL_COUNT:
            self.initial_count = value
            self.restart(value)
        elif which == DIVIDE:
            count = self.current_count()
            self.divide = value & 0xb
            self.restart(count)
        elif not is_only_read(which):
            self.error(ILLEGAL_REGISTER)

    def write_entry(self, which, value):
        k = which - LVT_TIMER
        count = self.current_count()
        before = self.lvt[k]
        entry = value & LVT_WRITABLE[k] | before & REMOTE_IRR
        if not self.is_software_enabled():
            entry |= MASKED
        if entry & LEVEL_TRIGGERED == 0:
            entry &= ~REMOTE_IRR
        self.lvt[k] = entry
        if which == LVT_TIMER:
            if (entry ^ before) & PERIODIC:
                self.restart(count)
            else:
                self.schedule()
        elif which == LVT_LINT0:
            if not self.passes_external():
                self.drive(LVT_LINT0, self.lint0, False)
            self.changed()

    def write_spurious(self, value):
        self.spurious = value & SPURIOUS_WRITABLE
        if self.has_old_bus:
            self.spurious |= 0xf
        if not self.is_software_enabled():
            for k in range(6):
                self.lvt[k] |= MASKED
            self.schedule()
        self.changed()


def is_only_read(which):
    """Registers that ignore writes."""
    return (which == VERSION or which == ARBITRATION_PRIORITY or which == PROCESSOR_PRIORITY or which == REMOTE_READ or which == CURRENT_COUNT or
            IN_SERVICE <= which < ERROR_STATUS)


# -- 256 bits in eight words

def set_bit(words, bit):
    words[bit >> 5] |= 1 << (bit & 31)


def clear_bit(words, bit):
    words[bit >> 5] &= ~(1 << (bit & 31))


def has_bit(words, bit):
    return words[bit >> 5] >> (bit & 31) & 1 != 0


def highest(words):
    """The number of the highest bit that is set, or NONE."""
    k = 7
    while k >= 0:
        word = words[k]
        if word:
            bit = 31
            while word >> bit & 1 == 0:
                bit -= 1
            return k * 32 + bit
        k -= 1
    return NONE
