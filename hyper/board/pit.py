"""The 8254 timer of a PC: channel 0 drives IRQ 0, channel 2 the speaker; port 61h gates and shows channel 2.

A channel is a function of time: what it was loaded with and when give count and output at any moment, so nothing runs
between accesses except a timer at the edges of channel 0's output. Source: Intel 8254 datasheet (order 231164).
A count starts with the input tick in which it is written.
"""

from hyper.board.bus import Device
from hyper.board.clock import Timer

HERTZ = 1193182
SECOND = 1000000000
REFRESH = 15085                 # ns between two toggles of the memory refresh bit of port 61h

CONTROL = 0x43
PORT_B = 0x61
PORT_B_GATE = 0x01
PORT_B_SPEAKER = 0x02
PORT_B_REFRESH = 0x10
PORT_B_OUT2 = 0x20

READ_BACK = 3                   # "channel" of the control word
NOT_COUNT = 0x20                # in a read-back command: do not latch the count
NOT_STATUS = 0x10
STATUS_OUT = 0x80
STATUS_NULL = 0x40

LATCH = 0                       # access field of the control word, else which bytes are moved
LOW = 1
HIGH = 2
LOW_HIGH = 3

FOREVER = -1


def ticks_at(now):
    """Whole ticks of the input clock in `now` ns."""
    return now // SECOND * HERTZ + now % SECOND * HERTZ // SECOND


def time_of(tick):
    """The first ns in which ticks_at() gives `tick`."""
    return tick // HERTZ * SECOND + (tick % HERTZ * SECOND + HERTZ - 1) // HERTZ


def from_bcd(value):
    return ((value >> 12 & 15) * 10 + (value >> 8 & 15)) * 100 + (value >> 4 & 15) * 10 + (value & 15)


def to_bcd(value):
    return value // 1000 % 10 << 12 | value // 100 % 10 << 8 | value // 10 % 10 << 4 | value % 10


class Channel(object):
    """One counter. Times are in ticks."""

    def __init__(self, gate):
        self.gate = gate
        self.clear()

    def clear(self):
        self.mode = 3
        self.access = LOW_HIGH
        self.bcd = False
        self.loaded = False         # a count has been written since the control word
        self.started = False        # counting: has been triggered, where the mode needs that
        self.count = 0x10000        # of the running cycle
        self.next_count = 0         # written while a periodic mode counts: used from its next cycle on; 0 for none
        self.start = 0              # the tick in which the running cycle began
        self.frozen = 0             # elapsed ticks at which a low gate holds the count
        self.half_written = -1      # low byte of a count of which the high byte is to come
        self.high_next = False      # the next read of a two-byte count gives its high byte
        self.latched = []           # bytes that reads give first

    def periodic(self):
        return self.mode == 2 or self.mode == 3

    def triggered(self):
        """Whether the mode waits for a rising gate."""
        return self.mode == 1 or self.mode == 5

    def held(self):
        return not self.gate and not self.triggered()

    def settle(self, tick):
        """Begins the cycle of a count written meanwhile, if its moment has passed."""
        if not self.periodic() or self.next_count == 0 or self.held():
            return
        if tick - self.start >= self.count:
            self.start += (tick - self.start) // self.count * self.count
            self.count = self.next_count
            self.next_count = 0

    def elapsed(self, tick):
        if self.held():
            return self.frozen
        return tick - self.start

    def control(self, value):
        mode = value >> 1 & 7
        if mode > 5:
            mode -= 4               # the top bit of modes 2 and 3 is not decoded
        self.mode = mode
        self.bcd = value & 1 != 0
        self.access = value >> 4 & 3
        self.loaded = False
        self.started = False
        self.next_count = 0
        self.frozen = 0
        self.half_written = -1
        self.high_next = False
        self.latched = []

    def write(self, tick, byte):
        if self.access == LOW:
            self.load(tick, byte)
        elif self.access == HIGH:
            self.load(tick, byte << 8)
        elif self.half_written < 0:
            self.half_written = byte
            if self.mode == 0:
                self.started = False    # the first byte stops a running count (mode 0, rule 1)
                self.loaded = False
        else:
            self.load(tick, self.half_written | byte << 8)
            self.half_written = -1

    def load(self, tick, value):
        if self.bcd:
            value = from_bcd(value)
            if value == 0:
                value = 10000
        elif value == 0:
            value = 0x10000
        if value == 1 and self.periodic():
            value = 2                   # 1 is not allowed there
        self.settle(tick)
        if self.started and self.periodic():
            self.next_count = value
            return
        self.loaded = True
        if self.triggered() and self.started:
            self.next_count = value         # for the next trigger
            return
        self.count = value
        if self.triggered():
            return
        self.begin(tick)

    def begin(self, tick):
        self.start = tick
        self.frozen = 0
        self.started = True

    def set_gate(self, tick, gate):
        if gate == self.gate:
            return
        self.settle(tick)
        if not gate:
            self.frozen = tick - self.start
        self.gate = gate
        if not gate or not self.loaded:
            return
        if self.triggered() or self.periodic():
            if self.next_count != 0:
                self.count = self.next_count
                self.next_count = 0
            self.begin(tick)
        elif self.started:
            self.start = tick - self.frozen

    def output(self, tick):
        self.settle(tick)
        elapsed = self.elapsed(tick)
        if not self.started:
            return self.mode != 0
        if self.mode == 0:
            return elapsed >= self.count
        if self.mode == 1:
            return elapsed >= self.count
        if not self.gate and self.periodic():
            return True                 # a low gate forces the output high at once
        if self.mode == 2:
            return elapsed % self.count != self.count - 1
        if self.mode == 3:
            return elapsed % self.count < (self.count + 1) // 2
        return elapsed != self.count    # modes 4, 5: low for one tick

    def next_rise(self, tick):
        """The tick in which the output next becomes high, FOREVER if it does not."""
        self.settle(tick)
        if not self.started or self.held():
            return FOREVER
        elapsed = self.elapsed(tick)
        if self.periodic():
            return tick + self.count - elapsed % self.count
        rise = self.count
        if self.mode >= 4:
            rise += 1
        if elapsed < rise:
            return self.start + rise
        return FOREVER

    def next_fall(self, tick):
        """The tick in which the output next becomes low; those of one tick's length are left out."""
        if self.mode != 3 or not self.started or self.held():
            return FOREVER
        high = (self.count + 1) // 2
        into = self.elapsed(tick) % self.count
        if into < high:
            return tick + high - into
        return FOREVER                  # a rise comes first

    def value(self, tick):
        """What the counting element holds, 16 bits."""
        self.settle(tick)
        if not self.started:
            count = self.count
        elif self.mode == 2:
            count = self.count - self.elapsed(tick) % self.count
        elif self.mode == 3:
            half = (self.count + 1) // 2
            into = self.elapsed(tick) % self.count
            if into >= half:
                into -= half
            count = (self.count & ~1) - 2 * into
            if count <= 0:
                count = 2
        else:
            count = self.count - self.elapsed(tick)
        if self.bcd:
            return to_bcd(count % 10000)
        return count & 0xffff

    def latch_count(self, tick):
        if len(self.latched) > 0:
            return                      # a second latch before the first is read is ignored
        value = self.value(tick)
        if self.access == LOW:
            self.latched = [value & 0xff]
        elif self.access == HIGH:
            self.latched = [value >> 8]
        else:
            self.latched = [value & 0xff, value >> 8]

    def status(self, tick):
        status = self.access << 4 | self.mode << 1
        if self.bcd:
            status |= 1
        if self.output(tick):
            status |= STATUS_OUT
        if not self.loaded or self.next_count != 0:
            status |= STATUS_NULL
        return status

    def read(self, tick):
        if len(self.latched) > 0:
            return self.latched.pop(0)
        value = self.value(tick)
        if self.access == LOW:
            return value & 0xff
        if self.access == HIGH:
            return value >> 8
        self.high_next = not self.high_next
        if self.high_next:
            return value & 0xff
        return value >> 8


class Edge(Timer):
    """Wakes the PIT at the next edge of channel 0's output."""

    def __init__(self, pit):
        self.pit = pit

    def expire(self):
        self.pit.edge()


class Pit(Device):
    _immutable_fields_ = ['clock', 'pic', 'irq', 'channels[*]', 'timer']

    def __init__(self, clock, pic, irq):
        self.clock = clock
        self.pic = pic
        self.irq = irq
        self.channels = [Channel(True), Channel(True), Channel(False)]
        self.status_latched = [-1, -1, -1]
        self.speaker = False
        self.timer = Edge(self)
        self.reset()

    def connect(self, bus):
        bus.add_ports(0x40, CONTROL, self)
        bus.add_ports(PORT_B, PORT_B, self)

    def reset(self):
        for channel in self.channels:
            channel.clear()
        for i in range(3):
            self.status_latched[i] = -1
        self.speaker = False
        self.channels[2].gate = False
        self.clock.cancel(self.timer)
        self.pic.set_line(self.irq, True)       # an unprogrammed output is high: programming it makes no edge

    def tick(self):
        return ticks_at(self.clock.now())

    def edge(self):
        """The output of channel 0 rises or falls at this timer's moment."""
        tick = ticks_at(self.timer.when)
        channel = self.channels[0]
        high = channel.output(tick)
        if high:
            self.pic.set_line(self.irq, False)      # after a low of one tick, which has no timer of its own
        self.pic.set_line(self.irq, high)
        self.arm(tick)

    def arm(self, tick):
        channel = self.channels[0]
        edge = channel.next_rise(tick)
        fall = channel.next_fall(tick)
        if fall != FOREVER and (edge == FOREVER or fall < edge):
            edge = fall
        if edge == FOREVER:
            self.clock.cancel(self.timer)
        else:
            self.clock.schedule(self.timer, time_of(edge))

    def read_port(self, port, size):
        tick = self.tick()
        if port == PORT_B:
            return self.read_port_b(tick)
        number = port & 3
        if number == READ_BACK:
            return 0                    # the control word cannot be read
        status = self.status_latched[number]
        if status >= 0:
            self.status_latched[number] = -1
            return status
        return self.channels[number].read(tick)

    def read_port_b(self, tick):
        value = 0
        if self.channels[2].gate:
            value |= PORT_B_GATE
        if self.speaker:
            value |= PORT_B_SPEAKER
        if self.clock.now() // REFRESH & 1:
            value |= PORT_B_REFRESH
        if self.channels[2].output(tick):
            value |= PORT_B_OUT2
        return value

    def write_port(self, port, size, value):
        tick = self.tick()
        if port == PORT_B:
            self.speaker = value & PORT_B_SPEAKER != 0
            self.channels[2].set_gate(tick, value & PORT_B_GATE != 0)
            return
        number = port & 3
        if number == READ_BACK:
            number = value >> 6
            if number == READ_BACK:
                self.read_back(tick, value)
                return
            if value >> 4 & 3 == LATCH:
                self.channels[number].latch_count(tick)
                return
            self.channels[number].control(value)
        else:
            self.channels[number].write(tick, value)
        if number == 0:
            self.pic.set_line(self.irq, self.channels[0].output(tick))
            self.arm(tick)

    def read_back(self, tick, command):
        for number in range(3):
            if not command & 2 << number:
                continue
            if not command & NOT_COUNT:
                self.channels[number].latch_count(tick)
            if not command & NOT_STATUS and self.status_latched[number] < 0:
                self.status_latched[number] = self.channels[number].status(tick)
