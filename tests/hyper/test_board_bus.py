from hyper.board.bus import Bus, Device


class Bytes(Device):
    """Remembers what it is asked; a read gives the low byte of the address."""

    def __init__(self, widest=1):
        self.widest = widest
        self.seen = []

    def read_port(self, port, size):
        self.seen.append(('in', port, size))
        return port & 0xff

    def write_port(self, port, size, value):
        self.seen.append(('out', port, size, value))

    def read_memory(self, address, size):
        return address & 0xff

    def write_memory(self, address, size, value):
        self.seen.append(('store', address, size, value))


def test_unclaimed_ports_and_addresses_read_all_ones_and_swallow_writes():
    bus = Bus()
    bus.write_port(0x300, 4, 0x12345678)
    bus.write_memory(0xfee00000, 4, 1)
    assert [bus.read_port(0x300, size) for size in (1, 2, 4)] == [0xff, 0xffff, 0xffffffff]
    assert bus.read_memory(0xfee00000, 2) == 0xffff
    assert not bus.is_memory(0xfee00000)


def test_a_device_answers_at_its_ports_and_only_there():
    bus = Bus()
    bus.add_ports(0x1ff, 0x200, Bytes())
    assert bus.read_port(0x1fe, 1) == 0xff
    assert bus.read_port(0x1ff, 1) == 0xff
    assert bus.read_port(0x200, 1) == 0x00
    assert bus.read_port(0x201, 1) == 0xff


def test_wide_accesses_to_byte_devices_are_split_lowest_first_even_across_devices():
    bus = Bus()
    device = Bytes()
    bus.add_ports(0x10, 0x12, device)
    assert bus.read_port(0x10, 4) == 0xff121110
    device.seen = []
    bus.write_port(0x11, 4, 0x44332211)
    assert device.seen == [('out', 0x11, 1, 0x11), ('out', 0x12, 1, 0x22)]


def test_an_access_at_the_last_port_wraps_to_the_first():
    bus = Bus()
    device = Bytes()
    bus.add_ports(0xffff, 0xffff, device)
    bus.add_ports(0, 0, device)
    assert bus.read_port(0xffff, 2) == 0x00ff


def test_a_wide_device_gets_the_access_whole():
    bus = Bus()
    device = Bytes(widest=4)
    bus.add_ports(0x10, 0x1f, device)
    bus.write_port(0x10, 2, 0xabcd1234)
    assert device.seen == [('out', 0x10, 2, 0x1234)]


def test_memory_devices_are_found_by_address_and_split_in_the_same_way():
    bus = Bus()
    device = Bytes()
    bus.add_memory(0xf0000000, 0xf0000002, device)
    assert bus.is_memory(0xf0000002) and not bus.is_memory(0xf0000003)
    assert bus.read_memory(0xf0000001, 4) == 0xffff0201
    bus.write_memory(0xf0000002, 2, 0xbeef)
    assert device.seen == [('store', 0xf0000002, 1, 0xef)]
