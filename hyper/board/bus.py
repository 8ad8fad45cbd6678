"""A bus: which device answers at an I/O port or a physical address.

A bus serves a machine or a domain; nothing here knows which. What no device claims reads as all ones, and writes
to it vanish, as on an ISA bus with nobody driving it.
"""

from rpython.rlib.jit import dont_look_inside

PORTS = 0x10000
PAGE_BITS = 8                   # the port table has two levels, so that an almost empty bus is small
PAGE_PORTS = 1 << PAGE_BITS


def all_ones(size):
    """What an undriven bus shows to a read of `size` bytes."""
    return (1 << (8 * size)) - 1


class Device(object):
    """Something on a bus. `size` is 1, 2 or 4 bytes and never above `widest`; values are non-negative."""

    widest = 1                  # widest access in bytes the device takes whole; the bus splits wider ones into bytes

    def read_port(self, port, size):
        return all_ones(size)

    def write_port(self, port, size, value):
        pass

    def read_memory(self, address, size):
        return all_ones(size)

    def write_memory(self, address, size, value):
        pass

    def reset(self):
        """Returns to the state after power-on."""


class MemoryRange(object):
    _immutable_fields_ = ['first', 'last', 'device']

    def __init__(self, first, last, device):
        self.first = first
        self.last = last
        self.device = device


class Bus(object):
    _immutable_fields_ = ['unclaimed', 'no_ports', 'ports', 'ranges']

    def __init__(self):
        self.unclaimed = Device()
        self.no_ports = [self.unclaimed] * PAGE_PORTS
        self.ports = [self.no_ports] * (PORTS >> PAGE_BITS)
        self.ranges = []

    def add_ports(self, first, last, device):
        """The device answers at the ports first..last (both included) from now on, whoever did before."""
        assert 0 <= first <= last < PORTS
        for port in range(first, last + 1):
            page = port >> PAGE_BITS
            if self.ports[page] is self.no_ports:
                self.ports[page] = [self.unclaimed] * PAGE_PORTS
            self.ports[page][port & (PAGE_PORTS - 1)] = device

    def add_free_ports(self, first, last, device):
        """As add_ports, but only at ports where no device answers."""
        for port in range(first, last + 1):
            if self.device_at_port(port) is self.unclaimed:
                self.add_ports(port, port, device)

    def remove_ports(self, first, last, device):
        """The device answers at the ports first..last no longer; those that are another's stay so."""
        for port in range(first, last + 1):
            if self.device_at_port(port) is device:
                self.ports[port >> PAGE_BITS][port & (PAGE_PORTS - 1)] = self.unclaimed

    def add_memory(self, first, last, device):
        """The device answers at the physical addresses first..last (both included)."""
        assert 0 <= first <= last
        self.ranges.append(MemoryRange(first, last, device))

    def is_free_memory(self, first, last):
        """Whether no device answers anywhere at the physical addresses first..last."""
        for area in self.ranges:
            if area.first <= last and first <= area.last:
                return False
        return True

    def remove_memory(self, device):
        """The device answers at no physical address any more."""
        kept = [area for area in self.ranges if area.device is not device]
        while len(self.ranges) > 0:
            self.ranges.pop()
        for area in kept:
            self.ranges.append(area)

    def device_at_port(self, port):
        port &= PORTS - 1
        return self.ports[port >> PAGE_BITS][port & (PAGE_PORTS - 1)]

    def device_at_address(self, address):
        for area in self.ranges:
            if area.first <= address <= area.last:
                return area.device
        return self.unclaimed

    def is_memory(self, address):
        """Whether a device answers at this physical address."""
        return self.device_at_address(address) is not self.unclaimed

    @dont_look_inside
    def read_port(self, port, size):
        """The value of `size` (1, 2, 4) bytes read at the port; a byte device sees one read a byte, lowest first."""
        device = self.device_at_port(port)
        if size <= device.widest:
            return device.read_port(port & (PORTS - 1), size) & all_ones(size)
        value = 0
        for i in range(size):
            at = (port + i) & (PORTS - 1)
            value |= (self.device_at_port(at).read_port(at, 1) & 0xff) << (8 * i)
        return value

    @dont_look_inside
    def write_port(self, port, size, value):
        """Writes `size` (1, 2, 4) bytes at the port; a byte device sees one write a byte, lowest first."""
        device = self.device_at_port(port)
        if size <= device.widest:
            device.write_port(port & (PORTS - 1), size, value & all_ones(size))
            return
        for i in range(size):
            at = (port + i) & (PORTS - 1)
            self.device_at_port(at).write_port(at, 1, (value >> (8 * i)) & 0xff)

    @dont_look_inside
    def read_memory(self, address, size):
        """The value of `size` (1, 2, 4) bytes read from the device at a physical address."""
        device = self.device_at_address(address)
        if size <= device.widest:
            return device.read_memory(address, size) & all_ones(size)
        value = 0
        for i in range(size):
            value |= (self.device_at_address(address + i).read_memory(address + i, 1) & 0xff) << (8 * i)
        return value

    @dont_look_inside
    def write_memory(self, address, size, value):
        """Writes `size` (1, 2, 4) bytes to the device at a physical address."""
        device = self.device_at_address(address)
        if size <= device.widest:
            device.write_memory(address, size, value & all_ones(size))
            return
        for i in range(size):
            self.device_at_address(address + i).write_memory(address + i, 1, (value >> (8 * i)) & 0xff)
