"""Rules of the virtual firewall-router: where packets go, and which go nowhere.

The first rule that accepts a packet says where it goes; one that no rule accepts is dropped. Rules that lead to a domain stand before those that
lead outside, so that domains reach each other though each may also reach all the world; otherwise they stand in the order in which they were added.
"""

PHYSICAL, ANY = 0xfffff001, 0xfffff002          # interfaces; any other is a domain's: domain << 12 | index
PROTOCOL_ANY, PROTOCOL_IP, PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ARP = range(5)
PROTOCOLS = ['any', 'ip', 'tcp', 'udp', 'arp']
ACCEPT, COUNT = range(2)
MOST_RULES = 1024

ETHERNET_HEADER = 14
TYPE_IP, TYPE_ARP = 0x0800, 0x0806
IP_TCP, IP_UDP = 6, 17
FRAGMENT_OFFSET = 0x1fff


def byte(data, at):
    return ord(data[at])


def word16(data, at):
    return ord(data[at]) << 8 | ord(data[at + 1])


def word32(data, at):
    return word16(data, at) << 16 | word16(data, at + 2)


class Packet(object):
    """What rules look at, of an Ethernet frame of at least 14 bytes. `kind` is NOTHING for what is neither IP nor ARP, or is cut short."""
    NOTHING = -1

    def __init__(self, data):
        self.kind = self.NOTHING
        self.source = 0
        self.destination = 0
        self.source_port = 0
        self.destination_port = 0
        kind = word16(data, 12)
        if kind == TYPE_IP:
            self.parse_ip(data)
        elif kind == TYPE_ARP and len(data) >= ETHERNET_HEADER + 28 and word32(data, 14) == 0x00010800 and word16(data, 18) == 0x0604:
            self.kind = PROTOCOL_ARP
            self.source = word32(data, ETHERNET_HEADER + 14)
            self.destination = word32(data, ETHERNET_HEADER + 24)

    def announces(self):
        """Whether it tells all where an address is (RFC 5227, 3)."""
        return self.kind == PROTOCOL_ARP and self.source == self.destination

    def parse_ip(self, data):
        at = ETHERNET_HEADER
        if len(data) < at + 20:
            return
        header = (byte(data, at) & 0xf) * 4
        if byte(data, at) >> 4 != 4 or header < 20 or len(data) < at + header:
            return
        self.kind = PROTOCOL_IP
        self.source = word32(data, at + 12)
        self.destination = word32(data, at + 16)
        protocol = byte(data, at + 9)
        if protocol != IP_TCP and protocol != IP_UDP or word16(data, at + 6) & FRAGMENT_OFFSET or len(data) < at + header + 4:
            return
        self.kind = PROTOCOL_TCP if protocol == IP_TCP else PROTOCOL_UDP
        self.source_port = word16(data, at + header)
        self.destination_port = word16(data, at + header + 2)


class Rule(object):
    """A packet matches if its addresses and ports are, under their masks, those of the rule."""
    _immutable_fields_ = ['source', 'destination', 'source_port', 'destination_port', 'source_mask', 'destination_mask', 'source_port_mask',
                          'destination_port_mask', 'protocol', 'source_interface', 'destination_interface', 'action']

    def __init__(self, source, destination, source_port, destination_port, source_mask, destination_mask, source_port_mask, destination_port_mask, protocol,
                 source_interface, destination_interface, action):
        self.source = source & source_mask
        self.destination = destination & destination_mask
        self.source_port = source_port & source_port_mask
        self.destination_port = destination_port & destination_port_mask
        self.source_mask = source_mask
        self.destination_mask = destination_mask
        self.source_port_mask = source_port_mask
        self.destination_port_mask = destination_port_mask
        self.protocol = protocol
        self.source_interface = source_interface
        self.destination_interface = destination_interface
        self.action = action
        self.count = 0                  # packets that have matched

    def matches(self, packet, interface):
        if self.source_interface != ANY and self.source_interface != interface:
            return False
        protocol = self.protocol
        if protocol == PROTOCOL_IP:
            if packet.kind == PROTOCOL_ARP:
                return False
        elif protocol != PROTOCOL_ANY and protocol != packet.kind:
            return False
        return (packet.source & self.source_mask == self.source and packet.destination & self.destination_mask == self.destination and
                packet.source_port & self.source_port_mask == self.source_port and
                packet.destination_port & self.destination_port_mask == self.destination_port)

    def equals(self, other):
        return (self.source == other.source and self.destination == other.destination and self.source_port == other.source_port and
                self.destination_port == other.destination_port and self.source_mask == other.source_mask and
                self.destination_mask == other.destination_mask and self.source_port_mask == other.source_port_mask and
                self.destination_port_mask == other.destination_port_mask and self.protocol == other.protocol and
                self.source_interface == other.source_interface and self.destination_interface == other.destination_interface and
                self.action == other.action)

    def text(self):
        return '%s %s from %s %s:%d to %s %s:%d, %d packets' % (
            'accept' if self.action == ACCEPT else 'count', PROTOCOLS[self.protocol], interface_text(self.source_interface),
            address_text(self.source, self.source_mask), self.source_port, interface_text(self.destination_interface),
            address_text(self.destination, self.destination_mask), self.destination_port, self.count)


def interface_text(interface):
    if interface == PHYSICAL:
        return 'physical'
    if interface == ANY:
        return 'any'
    return '%d.%d' % (interface >> 12, interface & 0xfff)


def address_text(address, mask):
    if mask == 0:
        return '*'
    return dotted(address)


def dotted(address):
    return '%d.%d.%d.%d' % (address >> 24, address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff)


def to_interface(address, interface):
    """The rule that lets an interface get what is sent to its address."""
    return Rule(0, address, 0, 0, 0, 0xffffffff, 0, 0, PROTOCOL_ANY, ANY, interface, ACCEPT)


def to_outside(address, interface):
    """The rule that lets an interface send to the outside with its address."""
    return Rule(address, 0, 0, 0, 0xffffffff, 0, 0, 0, PROTOCOL_ANY, interface, PHYSICAL, ACCEPT)


class Rules(object):
    _immutable_fields_ = ['rules']

    def __init__(self):
        self.rules = []

    def add(self, rule):
        """False if there are too many."""
        if len(self.rules) >= MOST_RULES:
            return False
        at = len(self.rules)
        if rule.destination_interface != PHYSICAL:
            while at > 0 and self.rules[at - 1].destination_interface == PHYSICAL:
                at -= 1
        assert at >= 0
        self.rules.insert(at, rule)
        return True

    def remove(self, rule):
        """The first one that equals; False if there is none."""
        for k in range(len(self.rules)):
            if self.rules[k].equals(rule):
                del self.rules[k]
                return True
        return False

    def remove_interface(self, interface):
        """All that name an interface, which is gone."""
        for k in range(len(self.rules) - 1, -1, -1):
            rule = self.rules[k]
            if rule.source_interface == interface or rule.destination_interface == interface:
                del self.rules[k]

    def destination(self, data, interface):
        """The interface that a frame from an interface goes to; ANY if it goes nowhere."""
        packet = Packet(data)
        if packet.kind == Packet.NOTHING:
            return ANY
        for rule in self.rules:
            if rule.matches(packet, interface):
                if packet.announces() and rule.destination_interface == interface:
                    continue                    # it is for the others
                rule.count += 1
                if rule.action == ACCEPT:
                    return rule.destination_interface
        return ANY
