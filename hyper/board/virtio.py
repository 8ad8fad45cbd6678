"""A virtio device as a PCI function, transitional: a driver uses the legacy interface, all in one I/O BAR, or the modern one of VIRTIO 1.0, whose
structures lie in another I/O BAR, where capabilities say.

Source: Virtual I/O Device (VIRTIO) 1.1, sections 4.1.4 (structures), 4.1.4.8 (legacy layout) and 2.1 (status). A driver that breaks the rules of a queue
gets DEVICE_NEEDS_RESET and an interrupt; the device then does nothing until the driver resets it. There is no MSI-X. A driver that cannot use ports,
as firmware may be, reaches them through a window in configuration space (4.1.4.9), which iPXE wants to be there.
"""

from hyper.board import pci
from hyper.board.bus import all_ones
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

# the modern interface: one BAR has all structures
MODERN_BAR = 2
MODERN_PORTS = 256
COMMON, ISR, NOTIFY, CONFIG = 0x00, 0x40, 0x48, 0x80
COMMON_SIZE, CONFIG_SIZE = 0x38, 0x40
CAPABILITY_VENDOR = 0x09
KIND_COMMON, KIND_NOTIFY, KIND_ISR, KIND_CONFIG, KIND_WINDOW = 1, 2, 3, 4, 5
FIRST_CAPABILITY = 0x40         # in configuration space
CAPABILITY_SIZE = 20
WINDOW = FIRST_CAPABILITY + 4 * CAPABILITY_SIZE         # the capability of the window: what it shows is the driver's choice
WINDOW_BAR, WINDOW_OFFSET, WINDOW_SIZE, WINDOW_DATA = WINDOW + 4, WINDOW + 8, WINDOW + 12, WINDOW + 16
# the common structure
OFFER_SELECT, OFFER, ACCEPT_SELECT, ACCEPT, CONFIG_VECTOR, QUEUES, STATUS, GENERATION = 0x00, 0x04, 0x08, 0x0c, 0x10, 0x12, 0x14, 0x15
SELECT, SIZE, VECTOR, ENABLE, NOTIFY_OFFSET, DESCRIPTORS, AVAILABLE, USED = 0x16, 0x18, 0x1a, 0x1c, 0x1e, 0x20, 0x28, 0x30
NO_VECTOR = 0xffff

FEATURE_INDIRECT = 1 << 28
FEATURE_VERSION_1 = 1           # of the features from 32 on
STATUS_DRIVER_OK = 0x04
STATUS_FEATURES_OK = 0x08
STATUS_NEEDS_RESET = 0x40
INTERRUPT_QUEUE = 1
INTERRUPT_CONFIG = 2


class VirtioFunction(Function):
    """`kind` is the virtio device type, `queues` its Virtqueues, `device_config` the bytes of its own configuration."""

    _immutable_fields_ = ['features', 'queues']

    def __init__(self, device, kind, class_code, features, queues, device_config):
        Function.__init__(self, QUMRANET, FIRST_DEVICE + device, REVISION_LEGACY, class_code)
        self.put16(pci.SUBSYSTEM_VENDOR, QUMRANET)
        self.put16(pci.SUBSYSTEM, kind)
        self.add_io_bar(0, PORTS)
        self.add_io_bar(MODERN_BAR, MODERN_PORTS)
        self.add_capabilities()
        self.add_interrupt_pin(1)
        self.features = features
        self.queues = queues
        self.device_config = device_config
        self.forget()

    def add_capabilities(self):
        at = FIRST_CAPABILITY
        self.config[pci.STATUS] |= pci.STATUS_CAPABILITIES
        self.config[pci.CAPABILITIES] = at
        for kind, offset, size in [(KIND_COMMON, COMMON, COMMON_SIZE), (KIND_NOTIFY, NOTIFY, 4), (KIND_ISR, ISR, 1), (KIND_CONFIG, CONFIG, CONFIG_SIZE)]:
            self.config[at] = CAPABILITY_VENDOR
            self.config[at + 1] = at + CAPABILITY_SIZE
            self.config[at + 2] = CAPABILITY_SIZE if kind == KIND_NOTIFY else CAPABILITY_SIZE - 4
            self.config[at + 3] = kind
            self.config[at + 4] = MODERN_BAR
            self.put32(at + 8, offset)
            self.put32(at + 12, size)           # what follows for the notifications is their multiplier: all are at one place
            at += CAPABILITY_SIZE
        assert at == WINDOW
        self.config[WINDOW] = CAPABILITY_VENDOR
        self.config[WINDOW + 2] = CAPABILITY_SIZE
        self.config[WINDOW + 3] = KIND_WINDOW
        self.allow(WINDOW_BAR, 1, 0xff)
        self.allow_range(WINDOW_OFFSET, WINDOW_DATA + 3)

    # for the device

    def is_modern(self):
        """Whether the driver has chosen VIRTIO 1.0, which changes what some devices exchange."""
        return self.driver_version & FEATURE_VERSION_1 != 0

    def is_open(self):
        """Whether a driver is there and ready."""
        return self.status & STATUS_DRIVER_OK != 0 and self.works()

    def config_changed(self, device_config):
        """The device's own configuration is another now."""
        self.device_config = device_config
        self.generation = (self.generation + 1) & 0xff
        if self.status & STATUS_DRIVER_OK:
            self.raise_interrupt(INTERRUPT_CONFIG)

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
        self.driver_version = 0     # the same from feature 32 on
        self.offer_select = 0
        self.accept_select = 0
        self.generation = 0
        self.selected = 0
        self.status = 0
        self.interrupts = 0
        self.set_interrupt(False)
        for queue in self.queues:
            queue.forget()

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
            return self.take_interrupts()
        if offset >= DEVICE_CONFIG:
            return self.config_byte(offset - DEVICE_CONFIG)
        if self.selected < len(self.queues):
            queue = self.queues[self.selected]
            if offset == QUEUE_PAGE:
                return queue.page
            if offset == QUEUE_SIZE:
                return queue.size
        return 0

    def take_interrupts(self):
        value = self.interrupts
        self.interrupts = 0
        self.set_interrupt(False)
        return value

    def config_byte(self, at):
        if at < len(self.device_config):
            return ord(self.device_config[at])
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
            self.notify(value)
        elif offset == DEVICE_STATUS:
            self.write_status(value)

    def notify(self, number):
        if number < len(self.queues) and self.works():
            self.notified(number)

    def write_status(self, value):
        if value == 0:
            self.reset()
        else:
            self.status = value & ~STATUS_NEEDS_RESET | self.status & STATUS_NEEDS_RESET

    # the window in configuration space: each access of its data, of however many bytes, is one of the register

    def window_size(self):
        """The bytes of the register that the window shows, 0 where it shows none."""
        bar, offset, size = self.config[WINDOW_BAR], self.get32(WINDOW_OFFSET), self.get32(WINDOW_SIZE)
        if size not in [1, 2, 4] or offset % size != 0:
            return 0
        if bar == MODERN_BAR and offset < MODERN_PORTS or bar == 0 and offset < PORTS:
            return size
        return 0

    def config_asked(self, first):
        size = self.window_size()
        if first & ~3 == WINDOW_DATA and size > 0:
            self.put32(WINDOW_DATA, self.read_io(self.config[WINDOW_BAR], self.get32(WINDOW_OFFSET), size) & all_ones(size))

    def config_written(self, first, last):
        size = self.window_size()
        if first & ~3 == WINDOW_DATA and size > 0:
            self.write_io(self.config[WINDOW_BAR], self.get32(WINDOW_OFFSET), size, self.get32(WINDOW_DATA) & all_ones(size))

    # the modern structures

    def read_common(self, offset):
        """The register at an offset of the common structure; those of 64 bits are two of 32."""
        if offset == OFFER_SELECT:
            return self.offer_select
        if offset == OFFER:
            if self.offer_select == 0:
                return self.features
            if self.offer_select == 1:
                return FEATURE_VERSION_1
        elif offset == ACCEPT_SELECT:
            return self.accept_select
        elif offset == ACCEPT:
            if self.accept_select == 0:
                return self.driver_features
            if self.accept_select == 1:
                return self.driver_version
        elif offset == CONFIG_VECTOR or offset == VECTOR:
            return NO_VECTOR
        elif offset == QUEUES:
            return len(self.queues)
        elif offset == STATUS:
            return self.status
        elif offset == GENERATION:
            return self.generation
        elif offset == SELECT:
            return self.selected
        elif self.selected < len(self.queues):
            queue = self.queues[self.selected]
            if offset == SIZE:
                return queue.size
            if offset == ENABLE:
                return int(queue.enabled)
            if offset >= DESCRIPTORS:
                address = queue.descriptors
                if offset >= USED:
                    address = queue.used
                elif offset >= AVAILABLE:
                    address = queue.available
                return (address >> (8 * (offset & 4))) & 0xffffffff
        return 0

    def write_common(self, offset, value):
        if offset == OFFER_SELECT:
            self.offer_select = value
        elif offset == ACCEPT_SELECT:
            self.accept_select = value
        elif offset == ACCEPT:
            if self.accept_select == 0:
                self.driver_features = value & self.features
            elif self.accept_select == 1:
                self.driver_version = value & FEATURE_VERSION_1
        elif offset == STATUS:
            if value & STATUS_FEATURES_OK and not self.is_modern():
                value &= ~STATUS_FEATURES_OK            # by this interface only VIRTIO 1.0
            self.write_status(value)
        elif offset == SELECT:
            self.selected = value
        elif self.selected < len(self.queues):
            queue = self.queues[self.selected]
            if offset == SIZE:
                queue.resize(value)
            elif offset == ENABLE:
                if value == 1:
                    queue.enable()
            elif offset >= DESCRIPTORS and not queue.enabled:
                if offset >= USED:
                    queue.used = half_set(queue.used, offset, value)
                elif offset >= AVAILABLE:
                    queue.available = half_set(queue.available, offset, value)
                else:
                    queue.descriptors = half_set(queue.descriptors, offset, value)

    def common_register(self, offset):
        """The first byte and the size of the register at an offset of the common structure, as a pair."""
        if offset < CONFIG_VECTOR or offset >= DESCRIPTORS:
            return offset & ~3, 4
        if STATUS <= offset < SELECT:
            return offset, 1
        return offset & ~1, 2

    def read_modern(self, offset, size):
        value = 0
        i = 0
        while i < size:
            at = offset + i
            if at < COMMON_SIZE:
                first, width = self.common_register(at)
                skip = at - first
                value |= (self.read_common(first) >> (8 * skip)) << (8 * i)
                i += width - skip
                continue
            if at == ISR:
                value |= self.take_interrupts() << (8 * i)
            elif at >= CONFIG:
                value |= self.config_byte(at - CONFIG) << (8 * i)
            i += 1
        return value

    def write_modern(self, offset, size, value):
        if offset == NOTIFY:
            self.notify(value & 0xffff)
            return
        i = 0
        while i < size and offset + i < COMMON_SIZE:
            first, width = self.common_register(offset + i)
            skip = offset + i - first
            if skip == 0 and i + width <= size:
                self.write_common(first, (value >> (8 * i)) & ((1 << (8 * width)) - 1))
            i += width - skip

    def read_io(self, bar, offset, size):
        if bar == MODERN_BAR:
            return self.read_modern(offset, size)
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
        if bar == MODERN_BAR:
            self.write_modern(offset, size, value)
            return
        i = 0
        while i < size:
            first, width = self.register(offset + i)
            skip = offset + i - first
            if skip == 0 and i + width <= size:
                self.write_register(first, (value >> (8 * i)) & ((1 << (8 * width)) - 1))
            i += width - skip


def half_set(address, offset, value):
    """An address of 64 bits with the half at an offset of the common structure changed; above 2**63 it is negative, and none of RAM."""
    if offset & 4:
        return address & 0xffffffff | value << 32
    return address & ~0xffffffff | value
