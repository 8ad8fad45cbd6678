"""A virtio device as a PCI function, by the legacy interface: all its registers in one I/O BAR.

Source: Virtual I/O Device (VIRTIO) 1.1, sections 4.1.4.8 (legacy PCI layout) and 2.1 (status). A driver that breaks the rules of a queue gets
DEVICE_NEEDS_RESET and an interrupt; the device then does nothing until the driver resets it.
"""

from hyper.board import pci
from hyper.board.pci import Function

QUMRANET = 0x1af4
FIRST_DEVICE = 0x1000           # transitional device ids
REVISION_LEGACY = 0
PORTS = 64

HOST_FEATURES = 0
GUEST_FEATURES = 4
QUEUE_PAGE = 8
QUEUE_SIZE = 12
QUEUE_SELECT = 14
QUEUE_NOTIFY = 16
DEVICE_STATUS = 18
INTERRUPT_STATUS = 19
DEVICE_CONFIG = 20

FEATURE_INDIRECT = 1 << 28
STATUS_NEEDS_RESET = 0x40
INTERRUPT_QUEUE = 1
INTERRUPT_CONFIG = 2


class VirtioFunction(Function):
    """`kind` is the virtio device type, `queues` its Virtqueues, `device_config` the bytes of its own configuration."""

    _immutable_fields_ = ['features', 'queues', 'device_config']

    def __init__(self, device, kind, class_code, features, queues, device_config):
        Function.__init__(self, QUMRANET, FIRST_DEVICE + device, REVISION_LEGACY, class_code)
        self.put16(pci.SUBSYSTEM_VENDOR, QUMRANET)
        self.put16(pci.SUBSYSTEM, kind)
        self.add_io_bar(0, PORTS)
        self.add_interrupt_pin(1)
        self.features = features
        self.queues = queues
        self.device_config = device_config
        self.forget()

    # for the device

    def notified(self, number):
        """The driver has put something into a queue."""

    def stop(self):
        """The driver resets the device: nothing that was under way may touch memory any more."""

    def works(self):
        """Whether the device may use its queues."""
        return self.is_master() and not self.status & STATUS_NEEDS_RESET

    def give_back(self, queue, request, written):
        queue.give_back(request, written)
        if queue.wants_interrupt():
            self.raise_interrupt(INTERRUPT_QUEUE)

    def broken(self):
        """The driver has done what no driver may do."""
        self.status |= STATUS_NEEDS_RESET
        self.stop()
        self.raise_interrupt(INTERRUPT_CONFIG)

    # registers

    def forget(self):
        self.driver_features = 0
        self.selected = 0
        self.status = 0
        self.interrupts = 0
        self.set_interrupt(False)
        for queue in self.queues:
            queue.place(0)

    def raise_interrupt(self, which):
        self.interrupts |= which
        self.set_interrupt(True)

    def reset(self):
        self.stop()
        self.forget()

    def register(self, offset):
        """The first byte and the size of the register at an offset, as a pair."""
        if offset < QUEUE_SIZE:
            return offset & ~3, 4
        if offset < DEVICE_STATUS:
            return offset & ~1, 2
        return offset, 1

    def read_register(self, offset):
        if offset == HOST_FEATURES:
            return self.features
        if offset == GUEST_FEATURES:
            return self.driver_features
        if offset == QUEUE_SELECT:
            return self.selected
        if offset == DEVICE_STATUS:
            return self.status
        if offset == INTERRUPT_STATUS:
            value = self.interrupts
            self.interrupts = 0
            self.set_interrupt(False)
            return value
        if offset >= DEVICE_CONFIG:
            if offset - DEVICE_CONFIG < len(self.device_config):
                return ord(self.device_config[offset - DEVICE_CONFIG])
            return 0
        if self.selected < len(self.queues):
            queue = self.queues[self.selected]
            if offset == QUEUE_PAGE:
                return queue.page
            if offset == QUEUE_SIZE:
                return queue.size
        return 0

    def write_register(self, offset, value):
        if offset == GUEST_FEATURES:
            self.driver_features = value & self.features
        elif offset == QUEUE_PAGE:
            if self.selected < len(self.queues):
                self.queues[self.selected].place(value)
        elif offset == QUEUE_SELECT:
            self.selected = value
        elif offset == QUEUE_NOTIFY:
            if value < len(self.queues) and self.works():
                self.notified(value)
        elif offset == DEVICE_STATUS:
            if value == 0:
                self.reset()
            else:
                self.status = value & ~STATUS_NEEDS_RESET | self.status & STATUS_NEEDS_RESET

    def read_io(self, bar, offset, size):
        value = 0
        i = 0
        while i < size:
            first, width = self.register(offset + i)
            skip = offset + i - first
            value |= (self.read_register(first) >> (8 * skip)) << (8 * i)
            i += width - skip
        return value

    def write_io(self, bar, offset, size, value):
        """A register is written as a whole or not at all."""
        i = 0
        while i < size:
            first, width = self.register(offset + i)
            skip = offset + i - first
            if skip == 0 and i + width <= size:
                self.write_register(first, (value >> (8 * i)) & ((1 << (8 * width)) - 1))
            i += width - skip
