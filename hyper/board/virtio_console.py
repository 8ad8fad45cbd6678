"""The virtio console: one port, whose other end is the domain's console, with the size of its window.

Source: Virtual I/O Device (VIRTIO) 1.1, section 5.3, without MULTIPORT.
"""

from hyper.board.clock import Timer
from hyper.board.dma import BadAddress
from hyper.board.virtio import FEATURE_INDIRECT, INTERRUPT_CONFIG, STATUS_DRIVER_OK, VirtioFunction
from hyper.board.virtqueue import RingError, Virtqueue
from hyper.loader.file import pack16, pack32

DEVICE = 3                      # transitional id 1003h
KIND = 3
CLASS_COMMUNICATION = 0x078000
QUEUE_SIZE = 64
RECEIVE = 0                     # the queues
TRANSMIT = 1

FEATURE_SIZE = 1 << 0
COLUMNS = 80
LINES = 25
PORTS = 1

MOST_WRITTEN = 1 << 16          # bytes that are taken of one request
MOST_TYPED = 1 << 16            # bytes that wait for the driver
AT_ONCE = 64                    # requests that are done at one moment
WRITE_TIME = 10000              # ns from a notification until the bytes are out


def console_config(columns, lines):
    return pack16(columns) + pack16(lines) + pack32(PORTS) + pack32(0)


class ServeTimer(Timer):
    _immutable_fields_ = ['device']

    def __init__(self, device):
        self.device = device

    def expire(self):
        self.device.serve()


class VirtioConsole(VirtioFunction):
    """`sink` (CharSink) takes what the guest writes."""

    _immutable_fields_ = ['clock', 'sink', 'receive_queue', 'transmit_queue', 'timer']

    def __init__(self, clock, ram, sink):
        self.clock = clock
        self.sink = sink
        self.typed = ''
        self.has_window = False     # whether anybody has told its size
        self.receive_queue = Virtqueue(ram, QUEUE_SIZE)
        self.transmit_queue = Virtqueue(ram, QUEUE_SIZE)
        self.timer = ServeTimer(self)
        VirtioFunction.__init__(self, DEVICE, KIND, CLASS_COMMUNICATION, FEATURE_SIZE | FEATURE_INDIRECT, [self.receive_queue, self.transmit_queue],
                                console_config(COLUMNS, LINES))

    def receive(self, text):
        """Bytes typed. What has no room is lost, as on a line without flow control."""
        room = MOST_TYPED - len(self.typed)
        if len(text) > room:
            text = text[:max(room, 0)]
        self.typed += text
        self.notified(RECEIVE)

    def set_window(self, columns, lines):
        self.has_window = True
        self.config_changed(console_config(columns, lines))

    def write_status(self, value):
        """A driver that has just got ready is told that the configuration has changed if there is a size: Linux's looks at it only then."""
        before = self.status
        VirtioFunction.write_status(self, value)
        if self.has_window and self.status & ~before & STATUS_DRIVER_OK:
            self.raise_interrupt(INTERRUPT_CONFIG)

    def notified(self, number):
        if not self.timer.scheduled:
            self.clock.schedule(self.timer, self.clock.now() + WRITE_TIME)

    def stop(self):
        self.clock.cancel(self.timer)
        self.typed = ''

    def serve(self):
        if not self.works():
            return
        try:
            self.transmit()
            self.deliver()
        except RingError:
            self.broken()
        except BadAddress:
            self.broken()

    def transmit(self):
        count = 0
        while self.transmit_queue.waiting() > 0:
            if count == AT_ONCE:
                self.notified(TRANSMIT)
                return
            count += 1
            request = self.transmit_queue.take()
            for c in request.read(0, min(request.readable_size(), MOST_WRITTEN)):
                self.sink.write_byte(ord(c))
            self.give_back(self.transmit_queue, request, 0)

    def deliver(self):
        while self.typed != '' and self.receive_queue.waiting() > 0:
            request = self.receive_queue.take()
            size = min(request.writable_size(), len(self.typed))
            assert size >= 0
            request.write(0, self.typed[:size])
            self.typed = self.typed[size:]
            self.give_back(self.receive_queue, request, size)
