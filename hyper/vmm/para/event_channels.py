"""Event channels between domains (1.2): a channel is one bit that the other end can set, with an event that says so.

Each of two domains opens a channel to the other; the second one connects both. Nobody can send through a channel that its owner has not opened
for that very domain. Which channels have been sent through, and which the other end has closed, is in two bitmaps in shared_info, each with a
word that says which words of it are not zero.
"""
from hyper.vmm.para.layout import (CHANNEL_CLOSED, CHANNEL_CONNECTED, CHANNEL_DISCONNECTED, CHANNELS_CLOSED_BY_PEER, CHANNELS_PENDING, EEXIST, EINVAL, ENOSPC,
                                   EVENT_CHANNEL, MOST_CHANNELS, SELECTOR)

NOBODY = -1
NO_CHANNEL = -1


class Channel(object):
    """One end. `target` is the domain that it is for, NOBODY while it is closed; `peer` the number of the other end, NO_CHANNEL until there is one."""

    def __init__(self):
        self.target = NOBODY
        self.peer = NO_CHANNEL


class EventChannels(object):
    """Of a ParaDomain; `ends` has those of all domains by their numbers."""
    _immutable_fields_ = ['number', 'events', 'ends']

    def __init__(self, number, events, ends):
        self.number = number
        self.events = events
        self.ends = ends
        self.channels = []
        ends[number] = self

    def open(self, target):
        """A channel for a domain, which need not exist yet; its number, or an error."""
        if target == self.number:
            return -EINVAL
        number = NO_CHANNEL
        for k in range(len(self.channels)):
            if self.channels[k].target == target:
                return -EEXIST
            if number == NO_CHANNEL and self.channels[k].target == NOBODY:
                number = k
        if number == NO_CHANNEL:
            number = len(self.channels)
            if number == MOST_CHANNELS:
                return -ENOSPC
            self.channels.append(Channel())
        self.channels[number].target = target
        other = self.ends.get(target, None)
        if other is not None:
            peer = other.waiting_for(self.number)
            if peer != NO_CHANNEL:
                self.channels[number].peer = peer
                other.channels[peer].peer = number
                other.notify(CHANNELS_PENDING, peer)
        return number

    def waiting_for(self, domain):
        """The number of the channel that waits for a domain to open one, too."""
        for k in range(len(self.channels)):
            if self.channels[k].target == domain and self.channels[k].peer == NO_CHANNEL:
                return k
        return NO_CHANNEL

    def is_open(self, number):
        return number < len(self.channels) and self.channels[number].target != NOBODY

    def close(self, number):
        if not self.is_open(number):
            return -EINVAL
        channel = self.channels[number]
        if channel.peer != NO_CHANNEL:
            other = self.ends[channel.target]
            other.channels[channel.peer].peer = NO_CHANNEL
            other.notify(CHANNELS_CLOSED_BY_PEER, channel.peer)
        channel.target = NOBODY
        channel.peer = NO_CHANNEL
        return 0

    def send(self, number):
        if not self.is_open(number) or self.channels[number].peer == NO_CHANNEL:
            return -EINVAL
        channel = self.channels[number]
        self.ends[channel.target].notify(CHANNELS_PENDING, channel.peer)
        return 0

    def status(self, number):
        if not self.is_open(number):
            return CHANNEL_CLOSED
        if self.channels[number].peer == NO_CHANNEL:
            return CHANNEL_DISCONNECTED
        return CHANNEL_CONNECTED

    def close_all(self):
        """The domain has ended."""
        for k in range(len(self.channels)):
            self.close(k)
        if self.ends.get(self.number, None) is self:
            del self.ends[self.number]

    def notify(self, bitmap, number):
        """Sets the bit of a channel, and sends an event unless one of its neighbours has done so already."""
        memory = self.events.memory
        at = self.events.shared + bitmap + number // 32 * 4
        word = memory.read32(at)
        bit = 1 << (number & 31)
        if word & bit:
            return
        memory.write32(at, word | bit)
        at = self.events.shared + bitmap + SELECTOR
        word = memory.read32(at)
        bit = 1 << number // 32
        if word & bit:
            return
        memory.write32(at, word | bit)
        self.events.send(EVENT_CHANNEL)
