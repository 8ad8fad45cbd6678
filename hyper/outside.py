"""The network outside that the paravirtual domains of a machine share, each told by its addresses."""

from hyper import network, tap
from hyper.errors import UserError
from hyper.options import TAP


class Outside(object):
    """It is there as long as a domain has it: `user` if it is one in user space, else None."""

    def __init__(self):
        self.kind = ''
        self.link = None
        self.user = None
        self.domains = 0

    def join(self, kind, interface):
        """For a domain more; `kind` is USER or TAP, `interface` the name of one to be opened. Raises UserError."""
        if self.domains > 0 and self.kind != kind:
            raise UserError("--net %s: paravirtual domains share one network outside, which is --net %s already" % (kind, self.kind))
        if self.domains == 0:
            if kind == TAP:
                self.link = tap.connect(interface)
            else:
                self.user = network.connect()
                self.link = self.user
            self.kind = kind
        self.domains += 1

    def leave(self, router):
        """For a domain less; `router` is the Router that the link is plugged into, None if there is none yet."""
        self.domains -= 1
        if self.domains == 0:
            if router is not None:
                router.unplug()
            self.close()

    def close(self):
        link = self.link
        if link is not None:
            link.close()
        self.link = None
        self.user = None


class Attachment(object):
    """Of a domain to the Outside: `forwards` (Forward) are ports of this host that lead to its interfaces, `addresses` the network addresses of those.

    Some of it only one machine of a host can have: the ports, and a TAP interface. They are released before the domain goes on elsewhere."""
    _immutable_fields_ = ['outside', 'kind', 'interface', 'forwards']

    def __init__(self, outside, kind, interface, forwards, addresses):
        self.outside = outside
        self.kind = kind
        self.interface = interface
        self.forwards = forwards
        self.addresses = addresses
        self.joined = False
        self.forwarded = 0              # so many of them

    def attach(self, router):
        """Raises UserError; then it has no more than before, and no ports."""
        before = self.joined
        try:
            if not self.joined:
                self.outside.join(self.kind, self.interface)
                self.joined = True
            if router is not None:
                router.plug(self.outside.link)
            user = self.outside.user
            while self.forwarded < len(self.forwards) and user is not None:
                forward = self.forwards[self.forwarded]
                address = self.addresses[forward.interface]
                if address == 0:
                    raise UserError("--net forward=: the domain has no usual address, for its number is too high; give the interface one by ip=")
                user.forward(forward.is_udp, forward.host_port, address, forward.guest_port)
                self.forwarded += 1
        except UserError:
            self.release(router)
            if not before:
                self.leave(router)
            raise

    def release(self, router):
        """What only one machine can have. Connections that are there go on."""
        user = self.outside.user
        while self.forwarded > 0 and user is not None:
            self.forwarded -= 1
            forward = self.forwards[self.forwarded]
            user.end_forward(forward.is_udp, forward.host_port)
        if self.kind == TAP:
            self.leave(router)

    def detach(self, router):
        """The domain is gone."""
        self.release(router)
        user = self.outside.user
        if self.joined and user is not None:
            for forward in self.forwards:
                if not forward.is_udp:
                    user.reset(forward.host_port)
        self.leave(router)

    def leave(self, router):
        if self.joined:
            self.joined = False
            self.outside.leave(router)
