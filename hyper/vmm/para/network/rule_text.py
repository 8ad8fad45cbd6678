"""A rule of the firewall-router as people write it: accept or count, and words KEY=VALUE; what is not given matches anything.

    from=, to=              an interface: DOMAIN.INDEX, physical, or any (from only)
    source=, destination=   an address, or one with the bits of its network: 10.0.2.0/24
    sport=, dport=          a port
    protocol=               ip, tcp, udp, arp
"""
from hyper.errors import UserError
from hyper.vmm.para.network.rules import ACCEPT, ANY, COUNT, PHYSICAL, PROTOCOL_ANY, PROTOCOLS, Rule

ADVICE = 'write it like accept,from=0.0,to=physical,protocol=tcp,dport=80'


def number(text, most):
    """Decimal digits; -1 for anything else, or more than that."""
    if text == '' or len(text) > 9:
        return -1
    value = 0
    for c in text:
        if c < '0' or c > '9':
            return -1
        value = value * 10 + ord(c) - ord('0')
    if value > most:
        return -1
    return value


def interface(text):
    if text == 'any':
        return ANY
    if text == 'physical':
        return PHYSICAL
    parts = text.split('.')
    if len(parts) != 2:
        return -1
    domain = number(parts[0], 0xffff)
    index = number(parts[1], 7)
    if domain < 0 or index < 0:
        return -1
    return domain << 12 | index


def address(text):
    parts = text.split('.')
    if len(parts) != 4:
        return -1
    value = 0
    for part in parts:
        byte = number(part, 255)
        if byte < 0:
            return -1
        value = value << 8 | byte
    return value


class RuleText(object):
    """The parts of a rule while its words are read."""

    def __init__(self, text):
        self.text = text
        self.addresses = [0, 0]         # source, destination
        self.masks = [0, 0]
        self.ports = [0, 0]
        self.port_masks = [0, 0]
        self.interfaces = [ANY, PHYSICAL]
        self.protocol = PROTOCOL_ANY

    def refuse(self, word):
        return UserError('--rule %s: %s is not known; %s' % (self.text, word, ADVICE))

    def take(self, word):
        parts = word.split('=')
        if len(parts) != 2:
            raise self.refuse(word)
        key = parts[0]
        value = parts[1]
        known = False
        if key == 'from' or key == 'to':
            known = self.take_interface(int(key == 'to'), value)
        elif key == 'source' or key == 'destination':
            known = self.take_address(int(key == 'destination'), value)
        elif key == 'sport' or key == 'dport':
            port = number(value, 0xffff)
            known = port >= 0
            self.ports[int(key == 'dport')] = port
            self.port_masks[int(key == 'dport')] = 0xffff
        elif key == 'protocol':
            for k in range(1, len(PROTOCOLS)):
                if PROTOCOLS[k] == value:
                    self.protocol = k
                    known = True
        if not known:
            raise self.refuse(word)

    def take_interface(self, which, value):
        self.interfaces[which] = interface(value)
        return self.interfaces[which] >= 0

    def take_address(self, which, value):
        parts = value.split('/')
        bits = 32
        if len(parts) == 2:
            bits = number(parts[1], 32)
        self.addresses[which] = address(parts[0])
        if len(parts) > 2 or bits < 0 or self.addresses[which] < 0:
            return False
        self.masks[which] = 0xffffffff << (32 - bits) & 0xffffffff
        return True


def parse_rule(text):
    """The Rule; raises UserError."""
    words = text.split(',')
    parts = RuleText(text)
    if words[0] == 'accept':
        action = ACCEPT
    elif words[0] == 'count':
        action = COUNT
    else:
        raise parts.refuse(words[0])
    for word in words[1:]:
        parts.take(word)
    if action == ACCEPT and parts.interfaces[1] == ANY:
        raise UserError('--rule %s: a packet goes to one interface; say which by to=' % text)
    return Rule(parts.addresses[0], parts.addresses[1], parts.ports[0], parts.ports[1], parts.masks[0], parts.masks[1],
                parts.port_masks[0], parts.port_masks[1], parts.protocol, parts.interfaces[0], parts.interfaces[1], action)
