"""The virtual firewall-router: interfaces of domains, the machine's own network, and the rules between them."""
from hyper.board.clock import Timer
from hyper.errors import UserError
from hyper.vmm.para.network.rules import ANY, ETHERNET_HEADER, PHYSICAL, Rules, interface_text

TAKEN = 'the network address %s is that of another domain here; give each its own, by ip= of --net and of its kernel'
LOOK_TIME = 250000              # ns between two looks for packets from outside
AT_ONCE = 64                    # packets from outside that are taken in at a look


class Router(Timer):
    """`link` is the machine's network (Link), None while there is none. As a Timer it looks for what comes from there."""
    _immutable_fields_ = ['clock', 'frames', 'rules', 'interfaces', 'parked']

    def __init__(self, clock, frames):
        self.clock = clock
        self.frames = frames
        self.rules = Rules()
        self.interfaces = {}            # by number
        self.link = None
        self.parked = []                # frames that domains have given for packets to come, the oldest first
        self.dropped = 0                # packets that no rule accepted, or that went to nobody

    def configure(self, rules):
        """Adds rules that somebody has written; raises UserError."""
        for rule in rules:
            for interface in [rule.source_interface, rule.destination_interface]:
                if interface != PHYSICAL and interface != ANY and interface not in self.interfaces:
                    raise UserError("--rule: there is no interface %s; domains are numbered from 0 in their order, and their --net likewise" %
                                    interface_text(interface))
            if not self.rules.add(rule):
                raise UserError("--rule: too many")

    def has_address(self, address, domain):
        """Whether an interface of another domain has a network address."""
        for interface in self.interfaces.values():
            if interface.network_address == address and address != 0 and interface.number >> 12 != domain:
                return True
        return False

    def plug(self, link):
        """The machine's network, if it is not there already."""
        if self.link is None:
            self.link = link
            self.clock.schedule(self, self.clock.now() + LOOK_TIME)

    def unplug(self):
        self.link = None
        self.clock.cancel(self)

    def expire(self):
        link = self.link
        if link is None:
            return
        for k in range(AT_ONCE):
            data = link.receive()
            if data == '':
                break
            if len(data) >= ETHERNET_HEADER:
                self.route(PHYSICAL, data)
        self.clock.schedule(self, self.clock.now() + LOOK_TIME)

    def route(self, source, data):
        """Brings a frame where it goes; False if that is nowhere."""
        assert data is not None             # which the translator does not know
        destination = self.rules.destination(data, source)
        if destination == PHYSICAL and source != PHYSICAL and self.link is not None:
            self.link.send(data)
            return True
        if destination != ANY and destination in self.interfaces:
            self.interfaces[destination].deliver(data)
            return True
        self.dropped += 1
        return False

    def take_parked(self):
        """The machine address of a frame for a packet: there are as many as domains have given."""
        return self.parked.pop(0)
