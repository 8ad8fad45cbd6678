"""Event channels of two levels: each port has a bit in shared_info that says its event has come and one that masks it; a selector word says which
words of the first have such bits that are not masked, and a byte that there are any.

A port leads to another domain's port, to a back end of the hypervisor's (a Receiver), or is fed by a virtual interrupt.
"""
from hyper.vmm.para.events import Events
from hyper.vmm.para.layout import EINVAL, EVENT_DIE
from hyper.vmm.xen3.layout import (BACKEND, EEXIST, ENOSPC, ESRCH, MASK, PENDING, PENDING_SELECTOR, PORTS, SELF, UPCALL_MASK, UPCALL_PENDING, VIRQS)

FREE, UNBOUND, INTERDOMAIN, PHYSICAL, VIRTUAL, IPI, RESERVED = range(7)         # of a port, numbered as its status is told
NO_PORT = 0


class Receiver(object):
    """Something of the hypervisor's at the other end of a port."""

    def kicked(self):
        """The guest has sent an event."""


class Channels(Events):
    """Of the Xen3Domain `domain`; `shared` is the machine address of its shared_info, `peers` the list of all such domains, by which others are found."""
    _immutable_fields_ = ['identity', 'peers', 'state', 'receiver', 'remote_domain', 'remote_port', 'virq']

    def __init__(self, domain, memory, shared, peers):
        Events.__init__(self, domain, memory, shared)
        self.identity = domain.identity
        self.peers = peers
        self.state = [FREE] * PORTS
        self.receiver = [None] * PORTS          # of INTERDOMAIN: a back end
        self.remote_domain = [0] * PORTS        # a domain's number: UNBOUND, who may bind; INTERDOMAIN, who has
        self.remote_port = [NO_PORT] * PORTS
        self.virq = [NO_PORT] * VIRQS           # its port
        self.polled = []                        # ports whose events end the guest's poll
        self.state[NO_PORT] = RESERVED
        memory.write8(shared + UPCALL_MASK, 1)

    # -- as Events

    def is_pending(self):
        return self.memory.read8(self.shared + UPCALL_PENDING) != 0

    def is_masked(self):
        return self.memory.read8(self.shared + UPCALL_MASK) != 0

    def wanted(self):
        if self.is_pending() and not self.is_masked():
            return True
        for port in self.polled:
            if self.has_come(port):
                return True
        return False

    def is_due(self):
        return self.is_pending() and not self.is_masked() and self.domain.traps.event_address != 0

    def can_come(self):
        return not self.is_masked() and self.domain.traps.event_address != 0

    def can_wake(self):
        return True

    def mask(self):
        self.memory.write8(self.shared + UPCALL_MASK, 1)

    def unmask(self):
        self.memory.write8(self.shared + UPCALL_MASK, 0)

    def deliver(self):
        if self.is_due():
            self.domain.bounce.event()          # which masks

    def send(self, event):
        """An event of Xen 1: the only one that anybody sends to a domain of another interface asks it to end."""
        if event == EVENT_DIE:
            self.domain.ask_to_end()

    # -- bits

    def has_come(self, port):
        return self.memory.read32(self.shared + PENDING + (port >> 5) * 4) >> (port & 31) & 1 != 0

    def port_is_masked(self, port):
        return self.memory.read32(self.shared + MASK + (port >> 5) * 4) >> (port & 31) & 1 != 0

    def set_pending(self, port):
        """An event has come on a port."""
        memory = self.memory
        at = self.shared + PENDING + (port >> 5) * 4
        word = memory.read32(at)
        bit = 1 << (port & 31)
        if word & bit:
            return
        memory.write32(at, word | bit)
        if not self.port_is_masked(port):
            self.select(port)
        self.domain.event_sent()

    def select(self, port):
        memory = self.memory
        at = self.shared + PENDING_SELECTOR
        memory.write32(at, memory.read32(at) | 1 << (port >> 5))
        memory.write8(self.shared + UPCALL_PENDING, 1)

    def unmask_port(self, port):
        if not 0 < port < PORTS or self.state[port] == FREE:
            return -EINVAL
        memory = self.memory
        at = self.shared + MASK + (port >> 5) * 4
        word = memory.read32(at)
        bit = 1 << (port & 31)
        if word & bit:
            memory.write32(at, word & ~bit)
            if self.has_come(port):
                self.select(port)
                self.domain.event_sent()
        return 0

    # -- ports

    def take(self):
        """A free port, NO_PORT if there is none."""
        for port in range(1, PORTS):
            if self.state[port] == FREE:
                self.clear_bits(port)
                return port
        return NO_PORT

    def clear_bits(self, port):
        memory = self.memory
        for at in [self.shared + PENDING + (port >> 5) * 4, self.shared + MASK + (port >> 5) * 4]:
            memory.write32(at, memory.read32(at) & ~(1 << (port & 31)))

    def connect(self, receiver):
        """A new port to a back end, for the domain builder."""
        port = self.take()
        assert port != NO_PORT
        self.state[port] = INTERDOMAIN
        self.remote_domain[port] = BACKEND
        self.receiver[port] = receiver
        return port

    def attach(self, port, receiver):
        """A back end binds to a port that the guest has made for it; False if the guest has not."""
        if not 0 < port < PORTS or self.state[port] != UNBOUND or self.remote_domain[port] != BACKEND:
            return False
        self.state[port] = INTERDOMAIN
        self.receiver[port] = receiver
        return True

    def detach(self, port, receiver):
        """The back end goes; nothing happens if the guest has closed the port before."""
        if self.state[port] == INTERDOMAIN and self.receiver[port] is receiver:
            self.receiver[port] = None
            self.state[port] = UNBOUND

    def is_attached(self, port, receiver):
        return self.state[port] == INTERDOMAIN and self.receiver[port] is receiver

    def peer(self, number):
        """The Channels of another domain, None if there is no such living domain with them."""
        for domain in self.peers:
            if domain.identity == number and domain.alive:
                return domain.ports
        return None

    def allocate(self, remote):
        """A port that the domain `remote` may bind to; its number, or an error."""
        port = self.take()
        if port == NO_PORT:
            return -ENOSPC
        self.state[port] = UNBOUND
        self.remote_domain[port] = self.identity if remote == SELF else remote
        return port

    def bind(self, remote, remote_port):
        """A port that leads to one of another domain which waits for that; its number, or an error."""
        if remote == SELF:
            remote = self.identity
        other = self.peer(remote)
        if other is None:
            return -ESRCH
        if not 0 < remote_port < PORTS or other.state[remote_port] != UNBOUND or other.remote_domain[remote_port] != self.identity:
            return -EINVAL
        port = self.take()
        if port == NO_PORT:
            return -ENOSPC
        self.state[port] = INTERDOMAIN
        self.remote_domain[port] = remote
        self.remote_port[port] = remote_port
        other.state[remote_port] = INTERDOMAIN
        other.remote_port[remote_port] = port
        self.set_pending(port)          # so that nothing sent before is missed
        return port

    def bind_virtual(self, number):
        if not 0 <= number < VIRQS:
            return -EINVAL
        if self.virq[number] != NO_PORT:
            return -EEXIST
        port = self.take()
        if port == NO_PORT:
            return -ENOSPC
        self.state[port] = VIRTUAL
        self.remote_port[port] = number
        self.virq[number] = port
        return port

    def bind_ipi(self):
        port = self.take()
        if port == NO_PORT:
            return -ENOSPC
        self.state[port] = IPI
        return port

    def raise_virtual(self, number):
        """A virtual interrupt, if the guest has bound it."""
        port = self.virq[number]
        if port != NO_PORT:
            self.set_pending(port)

    def close(self, port):
        if not 0 < port < PORTS or self.state[port] == FREE:
            return -EINVAL
        state = self.state[port]
        if state == VIRTUAL:
            self.virq[self.remote_port[port]] = NO_PORT
        elif state == INTERDOMAIN and self.receiver[port] is None:
            other = self.peer(self.remote_domain[port])
            if other is not None:
                remote = self.remote_port[port]
                other.state[remote] = UNBOUND
                other.remote_port[remote] = NO_PORT
        self.state[port] = FREE
        self.receiver[port] = None
        self.remote_domain[port] = 0
        self.remote_port[port] = NO_PORT
        self.clear_bits(port)
        return 0

    def send_to(self, port):
        """The guest sends an event."""
        if not 0 < port < PORTS:
            return -EINVAL
        state = self.state[port]
        if state == INTERDOMAIN:
            receiver = self.receiver[port]
            if receiver is not None:
                receiver.kicked()
            else:
                other = self.peer(self.remote_domain[port])
                if other is not None:
                    other.set_pending(self.remote_port[port])
        elif state == IPI:
            self.set_pending(port)
        elif state != UNBOUND:          # what is sent before somebody binds is lost
            return -EINVAL
        return 0

    def release(self):
        """The domain has ended: those at the other ends see their ports unbound."""
        for port in range(1, PORTS):
            if self.state[port] != FREE:
                self.close(port)
