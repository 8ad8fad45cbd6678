"""A 16550A serial port.

Bytes leave at once, whatever the divisor says: a guest that waits for the transmitter would only burn machine time.
What comes in from outside waits in a backlog, so it does not overrun the FIFO of a slow guest. Source: National
Semiconductor PC16550D datasheet.
"""

from hyper.board.bus import Device
from hyper.board.clock import Timer

DATA = 0                        # receive buffer, transmit holding; divisor low with LCR_DIVISOR
ENABLE = 1                      # interrupt enable; divisor high with LCR_DIVISOR
IDENTIFY = 2                    # interrupt identification; FIFO control when written
LINE_CONTROL = 3
MODEM_CONTROL = 4
LINE_STATUS = 5
MODEM_STATUS = 6
SCRATCH = 7

IER_RECEIVED = 0x01
IER_EMPTY = 0x02
IER_LINE = 0x04
IER_MODEM = 0x08
IIR_MODEM = 0x00
IIR_NONE = 0x01
IIR_EMPTY = 0x02
IIR_RECEIVED = 0x04
IIR_LINE = 0x06
IIR_TIMEOUT = 0x0c
IIR_FIFOS = 0xc0
FCR_ENABLE = 0x01
FCR_CLEAR_RECEIVE = 0x02
LCR_DIVISOR = 0x80
MCR_DTR = 0x01
MCR_RTS = 0x02
MCR_OUT1 = 0x04
MCR_OUT2 = 0x08
MCR_LOOP = 0x10
LSR_READY = 0x01
LSR_OVERRUN = 0x02
LSR_ERRORS = 0x1e
LSR_HOLDING_EMPTY = 0x20
LSR_EMPTY = 0x40
MSR_DELTA_CTS = 0x01
MSR_DELTA_DSR = 0x02
MSR_RING_ENDED = 0x04
MSR_DELTA_DCD = 0x08
MSR_CTS = 0x10
MSR_DSR = 0x20
MSR_RING = 0x40
MSR_DCD = 0x80
CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD     # what a ready terminal shows

TRIGGERS = [1, 4, 8, 14]
FIFO = 16
BACKLOG = 65536                 # bytes from outside that may wait; more are dropped
CRYSTAL = 1843200
SECOND = 1000000000


class CharSink(object):
    """Where output goes."""

    def write_byte(self, b):
        """Takes one byte, 0..255."""


class ReceiveTimeout(Timer):
    def __init__(self, uart):
        self.uart = uart

    def expire(self):
        self.uart.timed_out = True
        self.uart.update()


class Uart(Device):
    _immutable_fields_ = ['base', 'clock', 'pic', 'irq', 'timer']

    def __init__(self, base, clock, pic, irq, sink):
        self.base = base
        self.clock = clock
        self.pic = pic
        self.irq = irq
        self.sink = sink
        self.timer = ReceiveTimeout(self)
        self.backlog = []           # from outside, not yet in the FIFO
        self.reset()

    def connect(self, bus):
        bus.add_ports(self.base, self.base + 7, self)

    def reset(self):
        self.divisor = 12           # 9600 baud
        self.enable = 0
        self.line_control = 0x03
        self.modem_control = 0
        self.errors = 0
        self.delta = 0
        self.scratch = 0
        self.fifos = False
        self.trigger = 1
        self.fifo = []
        self.timed_out = False
        self.empty_reported = True  # "transmitter empty" has been told since it became so
        self.clock.cancel(self.timer)
        self.update()

    # from outside

    def receive(self, b):
        """A byte arrives from the other end; it waits until the guest has room for it."""
        if len(self.backlog) < BACKLOG:
            self.backlog.append(b & 0xff)
        self.refill()

    def room(self):
        """How many bytes receive() takes without dropping any."""
        return BACKLOG - len(self.backlog)

    def capacity(self):
        if self.fifos:
            return FIFO
        return 1

    def refill(self):
        if self.modem_control & MCR_LOOP:
            return                  # the input pin is cut off
        moved = 0
        while moved < len(self.backlog) and len(self.fifo) < self.capacity():
            self.fifo.append(self.backlog[moved])
            moved += 1
        if moved > 0:
            del self.backlog[:moved]
            self.received()

    def received(self):
        """The FIFO has grown: interrupt at the trigger level, or four character times after the last byte."""
        self.timed_out = False
        if self.fifos and len(self.fifo) < self.trigger:
            self.clock.schedule(self.timer, self.clock.now() + 4 * self.character_time())
        else:
            self.clock.cancel(self.timer)
        self.update()

    def character_time(self):
        """ns of ten bits."""
        return 10 * 16 * max(self.divisor, 1) * SECOND // CRYSTAL

    # interrupts

    def modem_status(self):
        if not self.modem_control & MCR_LOOP:
            return CONNECTED
        status = 0
        if self.modem_control & MCR_RTS:
            status |= MSR_CTS
        if self.modem_control & MCR_DTR:
            status |= MSR_DSR
        if self.modem_control & MCR_OUT1:
            status |= MSR_RING
        if self.modem_control & MCR_OUT2:
            status |= MSR_DCD
        return status

    def identification(self):
        """The pending interrupt of highest priority, as the low four bits of IIR."""
        if self.enable & IER_LINE and self.errors:
            return IIR_LINE
        if self.enable & IER_RECEIVED:
            if len(self.fifo) >= self.trigger:
                return IIR_RECEIVED
            if self.timed_out and len(self.fifo) > 0:
                return IIR_TIMEOUT
        if self.enable & IER_EMPTY and not self.empty_reported:
            return IIR_EMPTY
        if self.enable & IER_MODEM and self.delta:
            return IIR_MODEM
        return IIR_NONE

    def update(self):
        """Drives the line. OUT2 does not gate it, as in QEMU: small kernels forget to set it."""
        self.pic.set_line(self.irq, self.identification() != IIR_NONE)

    # registers

    def read_port(self, port, size):
        register = port - self.base
        if register == DATA:
            if self.line_control & LCR_DIVISOR:
                return self.divisor & 0xff
            return self.read_data()
        if register == ENABLE:
            if self.line_control & LCR_DIVISOR:
                return self.divisor >> 8
            return self.enable
        if register == IDENTIFY:
            return self.read_identification()
        if register == LINE_CONTROL:
            return self.line_control
        if register == MODEM_CONTROL:
            return self.modem_control
        if register == LINE_STATUS:
            status = LSR_HOLDING_EMPTY | LSR_EMPTY | self.errors
            if len(self.fifo) > 0:
                status |= LSR_READY
            self.errors = 0
            self.update()
            return status
        if register == MODEM_STATUS:
            status = self.modem_status() | self.delta
            self.delta = 0
            self.update()
            return status
        return self.scratch

    def read_data(self):
        value = 0
        if len(self.fifo) > 0:
            value = self.fifo.pop(0)
            self.timed_out = False
            if len(self.fifo) > 0:
                self.received()
            else:
                self.clock.cancel(self.timer)
                self.update()
        self.refill()
        return value

    def read_identification(self):
        value = self.identification()
        if value == IIR_EMPTY:
            self.empty_reported = True
            self.update()
        if self.fifos:
            value |= IIR_FIFOS
        return value

    def write_port(self, port, size, value):
        register = port - self.base
        if register == DATA:
            if self.line_control & LCR_DIVISOR:
                self.divisor = self.divisor & 0xff00 | value
            else:
                self.transmit(value)
        elif register == ENABLE:
            if self.line_control & LCR_DIVISOR:
                self.divisor = self.divisor & 0xff | value << 8
            else:
                self.write_enable(value & 0x0f)
        elif register == IDENTIFY:
            self.write_fifo_control(value)
        elif register == LINE_CONTROL:
            self.line_control = value
        elif register == MODEM_CONTROL:
            self.write_modem_control(value & 0x1f)
        elif register == SCRATCH:
            self.scratch = value

    def transmit(self, value):
        self.empty_reported = True
        self.update()
        if self.modem_control & MCR_LOOP:
            if len(self.fifo) < self.capacity():
                self.fifo.append(value)
            else:
                if not self.fifos:
                    self.fifo[0] = value
                self.errors |= LSR_OVERRUN
            self.received()
        else:
            self.sink.write_byte(value)
        self.empty_reported = False
        self.update()

    def write_enable(self, value):
        if value & IER_EMPTY and not self.enable & IER_EMPTY:
            self.empty_reported = False     # the transmitter is empty, as ever
        self.enable = value
        self.update()

    def write_fifo_control(self, value):
        fifos = value & FCR_ENABLE != 0
        if fifos != self.fifos or value & FCR_CLEAR_RECEIVE:
            self.fifo = []
            self.timed_out = False
            self.clock.cancel(self.timer)
        self.fifos = fifos
        self.trigger = 1
        if fifos:
            self.trigger = TRIGGERS[value >> 6 & 3]
        self.refill()
        self.update()

    def write_modem_control(self, value):
        before = self.modem_status()
        self.modem_control = value
        after = self.modem_status()
        changed = before ^ after
        self.delta |= changed >> 4 & (MSR_DELTA_CTS | MSR_DELTA_DSR | MSR_DELTA_DCD)
        if before & MSR_RING and not after & MSR_RING:
            self.delta |= MSR_RING_ENDED
        self.refill()
        self.update()
