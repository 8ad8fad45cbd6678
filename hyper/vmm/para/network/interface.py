"""A network interface of a domain: a page with two rings of 256 entries that it shares with the hypervisor, and their indices in shared_info.

Transmitting: a request names a packet in memory; it is sent when its response comes. Receiving: a request names a page-table entry of the domain's,
which maps a page that nothing else refers to. The hypervisor takes that page away, and later puts one with a packet in its place: so the page
changes hands with the packet in it, and what the processor knew of the entry is forgotten before.

Indices go from 0 to 255 and round; they and the entries are read once, when the guest says that there is something.
"""
from hyper.board.clock import Timer
from hyper.vmm.para.frame_table import L1, NO_PAGE, WRITABLE
from hyper.vmm.para.layout import ACCESSED, DIRTY, EINVAL, ENTRY_FORBIDDEN, EVENT_NETWORK, FRAME, PRESENT, WRITE

ENTRIES = 256
ENTRY_SIZE = 8
RECEIVE_RING = ENTRIES * ENTRY_SIZE
MOST_INTERFACES = 8             # of a domain
# indices, from the interface's place in shared_info on
TRANSMIT_REQUESTS, TRANSMIT_RESPONSES, TRANSMIT_EVENT, RECEIVE_REQUESTS, RECEIVE_RESPONSES, RECEIVE_EVENT = 0, 4, 8, 12, 16, 20
INDICES_SIZE = 24
OK, BAD_PAGE, DROPPED = 0, 1, 2
LEAST_PACKET, MOST_PACKET = 14, 1514
OFFSET = 2                      # of a packet in its page: what follows the Ethernet header is aligned so
SEND_TIME = 4000                # ns from when the guest says so until the first packet leaves; further ones go with it
BYTE_TIME = 1                   # ns
AT_ONCE = 64                    # packets that are sent at one moment
REQUEST_WORK = 16
MULTICAST = 1                   # of an Ethernet address's first byte
FIRST_ADDRESS, LAST_ADDRESS = 0x0a00020f, 0x0a0002fe        # the usual ones: 10.0.2.15 is domain 0's, and so on


class Outgoing(object):
    """A copy of a transmit request."""
    _immutable_ = True

    def __init__(self, id, size, address):
        self.id = id
        self.size = size
        self.address = address


class Buffer(object):
    """An entry that a packet's page shall be put into: its machine address and flags, and the number of the page that was there."""
    _immutable_ = True

    def __init__(self, id, entry, flags, page):
        self.id = id
        self.entry = entry
        self.flags = flags
        self.page = page


class Interface(Timer):
    """`number` is domain << 12 | index, `shared` the machine address of the rings' page, `indices` that of the indices, `address` the Ethernet address,
    `network_address` the one of IP that the usual rules are for, 0 for none, `router` the Router. As a Timer it sends."""
    _immutable_fields_ = ['domain', 'index', 'number', 'clock', 'memory', 'shared', 'indices', 'router']

    def __init__(self, domain, index, clock, memory, shared, indices, router, network_address):
        self.domain = domain
        self.index = index
        self.number = domain.number << 12 | index
        self.clock = clock
        self.memory = memory
        self.shared = shared
        self.indices = indices
        self.address = ethernet_address(domain.number, index)
        self.network_address = network_address
        self.router = router
        self.credit = None              # of what it sends
        self.transmit_consumer = 0
        self.transmit_producer = 0
        self.receive_consumer = 0
        self.receive_producer = 0
        self.outgoing = []
        self.buffers = []
        self.closed = False
        self.bytes_sent = 0
        self.packets_sent = 0
        self.bytes_received = 0
        self.packets_received = 0
        self.packets_lost = 0           # for want of a buffer
        router.interfaces[self.number] = self

    def close(self):
        """The domain has ended."""
        self.closed = True
        self.clock.cancel(self)
        self.outgoing = []
        for buffer in self.buffers:
            self.router.frames.give_back(self.router.take_parked())
        self.buffers = []
        self.router.rules.remove_interface(self.number)
        if self.router.interfaces.get(self.number, None) is self:
            del self.router.interfaces[self.number]

    def flush(self):
        """All requests are answered at once: packets are dropped, and pages come back empty."""
        while len(self.outgoing) > 0:
            self.respond_transmit(self.outgoing.pop(0).id, DROPPED)
        self.clock.cancel(self)
        while len(self.buffers) > 0:
            self.give_page(self.buffers.pop(0), '', DROPPED)
        return 0

    def reset(self):
        """The guest begins again with all indices at 0."""
        if len(self.outgoing) > 0 or len(self.buffers) > 0:
            return -EINVAL
        self.transmit_consumer = 0
        self.transmit_producer = 0
        self.receive_consumer = 0
        self.receive_producer = 0
        self.memory.write32(self.indices + TRANSMIT_RESPONSES, 0)
        self.memory.write32(self.indices + RECEIVE_RESPONSES, 0)
        return 0

    # -- requests

    def push(self):
        """Takes out the requests of both rings; the VMCS of the domain is current."""
        if not self.push_transmit() or not self.push_receive():
            return -EINVAL
        return 0

    def producer(self, offset, consumer, responses):
        """An index of requests as the guest has it; -1 for one that cannot be."""
        producer = self.memory.read32(self.indices + offset)
        if producer >= ENTRIES or (producer - responses) & (ENTRIES - 1) < (consumer - responses) & (ENTRIES - 1):
            self.domain.refusals.because('an index of a network ring out of range, or over requests that have no response yet')
            return -1
        return producer

    def push_transmit(self):
        producer = self.producer(TRANSMIT_REQUESTS, self.transmit_consumer, self.transmit_producer)
        if producer < 0:
            return False
        memory = self.memory
        while self.transmit_consumer != producer:
            at = self.shared + self.transmit_consumer * ENTRY_SIZE
            word = memory.read32(at)
            self.transmit_consumer = (self.transmit_consumer + 1) & (ENTRIES - 1)
            self.outgoing.append(Outgoing(word & 0xffff, word >> 16, memory.read32(at + 4)))
            self.domain.paging.work += REQUEST_WORK
        self.begin_sending()
        return True

    def push_receive(self):
        producer = self.producer(RECEIVE_REQUESTS, self.receive_consumer, self.receive_producer)
        if producer < 0:
            return False
        memory = self.memory
        before = len(self.buffers)
        while self.receive_consumer != producer:
            at = self.shared + RECEIVE_RING + self.receive_consumer * ENTRY_SIZE
            id = memory.read16(at)
            entry = memory.read32(at + 4)
            self.receive_consumer = (self.receive_consumer + 1) & (ENTRIES - 1)
            self.domain.paging.work += REQUEST_WORK
            if not self.take_page(id, entry):
                self.domain.refusals.because('a page for a packet that is not mapped so, or that something else refers to')
                self.respond_receive(id, 0, BAD_PAGE)
        if len(self.buffers) > before:
            self.domain.paging.flush()
        return True

    # -- sending

    def begin_sending(self):
        if len(self.outgoing) > 0 and not self.scheduled:
            self.clock.schedule(self, self.clock.now() + SEND_TIME)

    def expire(self):
        """Sends what is there, as far as credit reaches; the next moment comes when that has gone over the wire."""
        time = 0
        count = 0
        while len(self.outgoing) > 0 and count < AT_ONCE:
            if self.credit is not None and not self.credit.take(self.outgoing[0].size):
                self.clock.schedule(self, self.credit.more_at())
                return
            packet = self.outgoing.pop(0)
            count += 1
            time += packet.size * BYTE_TIME
            self.respond_transmit(packet.id, self.send(packet))
            if self.closed:
                return
        if len(self.outgoing) > 0:
            self.clock.schedule(self, self.clock.now() + time)

    def send(self, packet):
        """The status of a transmit request."""
        size = packet.size
        address = packet.address
        if size < LEAST_PACKET or size > MOST_PACKET or address % FRAME + size > FRAME or not self.domain.paging.owns(address // FRAME):
            return BAD_PAGE
        self.packets_sent += 1
        self.bytes_sent += size
        if self.router.route(self.number, self.memory.read_bytes(address, size)):
            return OK
        return DROPPED

    def respond_transmit(self, id, status):
        memory = self.memory
        at = self.shared + self.transmit_producer * ENTRY_SIZE
        memory.write16(at, id)
        memory.write8(at + 2, status)
        self.transmit_producer = (self.transmit_producer + 1) & (ENTRIES - 1)
        memory.write32(self.indices + TRANSMIT_RESPONSES, self.transmit_producer)
        if memory.read32(self.indices + TRANSMIT_EVENT) == self.transmit_producer:
            self.domain.events.send(EVENT_NETWORK)

    # -- receiving

    def is_entry(self, entry):
        """Whether there is an entry of one of the domain's page tables at a machine address."""
        paging = self.domain.paging
        frame = entry // FRAME
        if entry & 3 or not paging.owns(frame):
            return False
        assert frame >= 0
        return paging.uses[frame] > 0 and paging.kind[frame] == L1

    def take_page(self, id, entry):
        """Takes away the page that an entry maps; False, with nothing changed, if the domain cannot give it."""
        paging = self.domain.paging
        if not self.is_entry(entry):
            return False
        mapping = self.memory.read32(entry)
        frame = mapping // FRAME
        if mapping & (PRESENT | WRITE) != PRESENT | WRITE or not paging.owns(frame):
            return False
        assert frame >= 0
        if paging.references[frame] != 1 or paging.uses[frame] != 1 or paging.kind[frame] != WRITABLE:
            return False                # something else refers to it
        page = paging.table.page(frame)
        done = paging.write_l1_entry(entry, 0)
        assert done
        paging.table.take_back(frame)
        self.router.parked.append(frame * FRAME)
        self.buffers.append(Buffer(id, entry, mapping & (FRAME - 1) & ~ENTRY_FORBIDDEN, page))
        return True

    def deliver(self, data):
        """A packet has come for the domain: it is lost if there is no buffer for it."""
        if len(data) > MOST_PACKET or len(self.buffers) == 0:
            self.packets_lost += 1
            return
        if not ord(data[0]) & MULTICAST:
            data = self.address + data[6:]
        if self.give_page(self.buffers.pop(0), data, OK):
            self.packets_received += 1
            self.bytes_received += len(data)

    def give_page(self, buffer, data, status):
        """Puts a page with a packet into the entry of a buffer, and answers the request; False if the entry cannot take it."""
        address = self.router.take_parked()
        if not self.is_entry(buffer.entry) or self.memory.read32(buffer.entry) & PRESENT:
            self.router.frames.give_back(address)       # the guest has changed the table meanwhile, and has lost a page by that
            self.domain.pages -= 1
            self.respond_receive(buffer.id, 0, BAD_PAGE)
            return False
        memory = self.memory
        memory.clear(address, FRAME)
        memory.write_bytes(address + OFFSET, data)
        paging = self.domain.paging
        paging.table.give(address // FRAME, self.domain.number, buffer.page)
        done = paging.write_l1_entry(buffer.entry, address | buffer.flags | PRESENT | WRITE | ACCESSED | DIRTY)
        assert done
        self.respond_receive(buffer.id, len(data), status)
        return True

    def respond_receive(self, id, size, status):
        memory = self.memory
        at = self.shared + RECEIVE_RING + self.receive_producer * ENTRY_SIZE
        memory.write16(at, id)
        memory.write16(at + 2, size)
        memory.write8(at + 4, status)
        memory.write8(at + 5, OFFSET)
        self.receive_producer = (self.receive_producer + 1) & (ENTRIES - 1)
        memory.write32(self.indices + RECEIVE_RESPONSES, self.receive_producer)
        if memory.read32(self.indices + RECEIVE_EVENT) == self.receive_producer:
            self.domain.events.send(EVENT_NETWORK)


def usual_address(domain):
    """The network address of the interfaces of a domain, if nothing else was said; 0 for none."""
    address = FIRST_ADDRESS + domain
    return address if address <= LAST_ADDRESS else 0


def ethernet_address(domain, index):
    """A local one."""
    return '\xaa\x00\x00' + chr(domain >> 8 & 0xff) + chr(domain & 0xff) + chr(index)
