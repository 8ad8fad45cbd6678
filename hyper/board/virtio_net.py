"""The virtio network device, on a link to a network outside of the machine.

Source: Virtual I/O Device (VIRTIO) 1.1, section 5.1, without offloads and without the control queue. What comes from outside is no part of machine
time: the device looks for it at regular moments of that.
"""

from hyper.board.clock import Timer
from hyper.board.dma import BadAddress
from hyper.board.virtio import FEATURE_INDIRECT, VirtioFunction
from hyper.board.virtqueue import RingError, Virtqueue
from hyper.loader.file import pack16

DEVICE = 0                      # transitional id 1000h
KIND = 1
CLASS_ETHERNET = 0x020000
QUEUE_SIZE = 256
RECEIVE = 0                     # the queues
TRANSMIT = 1

FEATURE_MAC = 1 << 5
FEATURE_STATUS = 1 << 16
LINK_UP = 1

HEADER = 10                     # bytes before a frame: struct virtio_net_hdr
HEADER_MODERN = 12
LEAST_FRAME = 14
MOST_FRAME = 1518
AT_ONCE = 64                    # frames that are moved at one moment
SEND_TIME = 10000               # ns from a notification until frames leave
LOOK_TIME = 1000000             # ns between two looks for frames from outside


class Link(object):
    """A network, as a device sees it. The base class is a cable that nobody has plugged in."""

    def send(self, frame):
        """Takes an Ethernet frame without its check sequence; it may be lost."""

    def receive(self):
        """The next frame, '' if there is none."""
        return ''

    def close(self):
        pass


class SendTimer(Timer):
    _immutable_fields_ = ['device']

    def __init__(self, device):
        self.device = device

    def expire(self):
        self.device.serve(TRANSMIT)


class LookTimer(Timer):
    _immutable_fields_ = ['device']

    def __init__(self, device):
        self.device = device

    def expire(self):
        self.device.serve(RECEIVE)


class VirtioNet(VirtioFunction):
    """`address` is the MAC address, six bytes."""

    _immutable_fields_ = ['clock', 'link', 'receive_queue', 'transmit_queue', 'send_timer', 'look_timer']

    def __init__(self, clock, ram, link, address):
        self.clock = clock
        self.link = link
        self.receive_queue = Virtqueue(ram, QUEUE_SIZE)
        self.transmit_queue = Virtqueue(ram, QUEUE_SIZE)
        self.send_timer = SendTimer(self)
        self.look_timer = LookTimer(self)
        VirtioFunction.__init__(self, DEVICE, KIND, CLASS_ETHERNET, FEATURE_MAC | FEATURE_STATUS | FEATURE_INDIRECT,
                                [self.receive_queue, self.transmit_queue], address + pack16(LINK_UP))

    def notified(self, number):
        if number == TRANSMIT:
            self.arrange(self.send_timer, SEND_TIME)
        else:
            self.arrange(self.look_timer, LOOK_TIME)

    def arrange(self, timer, time):
        if not timer.scheduled:
            self.clock.schedule(timer, self.clock.now() + time)

    def stop(self):
        self.clock.cancel(self.send_timer)
        self.clock.cancel(self.look_timer)

    def serve(self, number):
        """Moves the frames of a queue, and arranges for the next time."""
        if not self.works():
            return
        try:
            if number == TRANSMIT:
                self.transmit()
                if self.transmit_queue.waiting() > 0:
                    self.arrange(self.send_timer, SEND_TIME)
            else:
                self.deliver()
                self.arrange(self.look_timer, LOOK_TIME)
        except RingError:
            self.broken()
        except BadAddress:
            self.broken()

    def header(self):
        return HEADER_MODERN if self.is_modern() else HEADER

    def transmit(self):
        header = self.header()
        count = 0
        while count < AT_ONCE and self.transmit_queue.waiting() > 0:
            count += 1
            request = self.transmit_queue.take()
            size = request.readable_size() - header
            if LEAST_FRAME <= size <= MOST_FRAME:
                self.link.send(request.read(header, size))
            self.give_back(self.transmit_queue, request, 0)

    def deliver(self):
        count = 0
        while count < AT_ONCE and self.receive_queue.waiting() > 0:
            count += 1
            frame = self.link.receive()
            if frame == '':
                return
            request = self.receive_queue.take()
            data = '\x00' * HEADER + frame
            if self.is_modern():
                data = '\x00' * HEADER + '\x01\x00' + frame     # in one buffer
            if len(data) > request.writable_size():
                data = ''                               # the frame is lost: the driver has given too little room
            request.write(0, data)
            self.give_back(self.receive_queue, request, len(data))
