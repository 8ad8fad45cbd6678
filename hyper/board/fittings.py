"""What a PC is given beside what every PC has."""

from hyper.board.disk import NO_DRIVES
from hyper.options import ETHERNET_ADDRESS


class Wire(object):
    """A network interface of a paravirtual domain: whether it reaches the machine's network, its most bytes a second (0 for no limit), whether it gets
    the usual rules, and its address (0 for the usual one)."""

    _immutable_fields_ = ['outside', 'rate', 'rules', 'address']

    def __init__(self, outside, rate, rules, address=0):
        self.outside = outside
        self.rate = rate
        self.rules = rules
        self.address = address


NO_WIRES = []                   # shared: nobody changes it


class Fittings(object):
    """`drives` (Drive) are its disks, `link` (Link) is the network of its one adapter, None for no adapter, whose address is `ethernet_address`;
    `video` (VideoMemory) is the memory of its display adapter, None for no adapter; `console` says whether it has a virtio console,
    `types` whether what is typed at the console comes from its keyboard. `interfaces` (Wire) are what a paravirtual domain has instead of an adapter."""

    interfaces = NO_WIRES

    _immutable_fields_ = ['drives', 'link', 'ethernet_address', 'video', 'console', 'types']

    def __init__(self, drives, link, ethernet_address=ETHERNET_ADDRESS, video=None, console=False, types=False):
        self.drives = drives
        self.link = link
        self.ethernet_address = ethernet_address
        self.video = video
        self.console = console
        self.types = types


BARE = Fittings(NO_DRIVES, None)
