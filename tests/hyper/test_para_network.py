"""The virtual firewall-router: rings, pages exchanged on receive, rules, rates, and what is refused."""
import struct

import pytest

from hyper.board.fittings import Fittings, Wire
from hyper.board.virtio_net import Link
from hyper.errors import UserError
from hyper.options import ETHERNET_ADDRESS
from hyper.vmm.para.frame_table import NO_OWNER
from hyper.vmm.para.layout import EINVAL, ENOSYS, EPERM, ESRCH, EVENT_NETWORK, FRAME
from hyper.vmm.para.network.interface import OFFSET, SEND_TIME
from hyper.vmm.para.network.rule_text import parse_rule
from hyper.vmm.para.network.rules import ANY, PHYSICAL, Packet
from para_parts import Bench, DIRECTORY, NET_UPDATE, NETWORK_OP, TABLE, check_counts

INDICES = 76                    # of the first interface in shared_info
ADDRESSES = [0x0a00020f, 0x0a000210, 0x0a000211]
OUTSIDE = 0x0a000202


class Wall(Link):
    """What is outside: keeps what is sent to it, and gives what it was told to."""

    def __init__(self):
        self.sent = []
        self.coming = []

    def send(self, frame):
        self.sent.append(frame)

    def receive(self):
        return self.coming.pop(0) if self.coming else ''


def udp(source, destination, source_port=1000, destination_port=2000, data='payload', to='\x02\0\0\0\0\1'):
    packet = struct.pack('>HHHH', source_port, destination_port, 8 + len(data), 0) + data
    header = struct.pack('>BBHHHBBHII', 0x45, 0, 20 + len(packet), 0, 0, 64, 17, 0, source, destination)
    return to + '\x02\0\0\0\0\2\x08\0' + header + packet


def arp(source, target):
    return '\xff' * 6 + '\x02\0\0\0\0\2\x08\6' + struct.pack('>HHBBH6sI6sI', 1, 0x800, 6, 4, 1, '\x02\0\0\0\0\2', source, '\0' * 6, target)


class Rig(object):
    """Domains with an interface each, that are not run: this is their drivers."""

    def __init__(self, domains=2, outside=True, rate=0, rules=True, wires=1):
        self.wall = Wall()
        fittings = Fittings([], self.wall, ETHERNET_ADDRESS, None, False)
        fittings.interfaces = [Wire(outside, rate, rules)] * wires
        self.bench = Bench(domains, fittings=fittings)
        self.domains = self.bench.hypervisor.domains
        self.memory = self.bench.hypervisor.memory
        self.clock = self.bench.hypervisor.clock
        self.router = self.bench.hypervisor.devices.router

    def index(self, domain, offset):
        return self.memory.read32(self.domains[domain].shared_frame * FRAME + INDICES + offset)

    def set_index(self, domain, offset, value):
        self.memory.write32(self.domains[domain].shared_frame * FRAME + INDICES + offset, value)

    def machine(self, domain, page):
        return self.domains[domain].page_frames[page] * FRAME

    def push(self, domain):
        self.bench.domain = self.domains[domain]
        self.domains[domain].make_current()
        return self.bench.call(NET_UPDATE)

    def put(self, domain, ring, id, size, address):
        at = self.domains[domain].interfaces[0].shared + 2048 * (ring // 12) + 8 * self.index(domain, ring)
        self.memory.write_bytes(at, struct.pack('<HHI', id, size, address))
        self.set_index(domain, ring, (self.index(domain, ring) + 1) % 256)

    def send(self, domain, data, page=20):
        """Puts a packet into a page and asks for it to be sent."""
        self.memory.write_bytes(self.machine(domain, page) + 64, data)
        self.put(domain, 0, 5, len(data), self.machine(domain, page) + 64)
        assert self.push(domain) == 0
        self.pass_time()

    def offer(self, domain, page, id=9):
        self.put(domain, 12, id, 0, self.entry(domain, page))
        return self.push(domain)

    def entry(self, domain, page):
        return self.machine(domain, TABLE) + 4 * page

    def response(self, domain, ring, number=0):
        """id, size (of a transmit: status), status, offset"""
        at = self.domains[domain].interfaces[0].shared + 2048 * (ring // 12) + 8 * number
        return struct.unpack('<HHBB', self.memory.read_bytes(at, 6))

    def status(self, domain, number=0):
        return self.memory.read8(self.domains[domain].interfaces[0].shared + 8 * number + 2)

    def pass_time(self, time=1000000):
        system = self.bench.hypervisor.system
        end = system.now() + time
        while self.clock.next_deadline() <= end:
            system.idle += max(self.clock.next_deadline() - system.now(), 0)
            self.clock.run_due(system.now())
        system.idle += max(end - system.now(), 0)
        check_counts(self.bench.hypervisor)

    def operation(self, *words):
        self.bench.domain = self.domains[0]
        self.domains[0].make_current()
        self.bench.write(30, words)
        return self.bench.call(NETWORK_OP, self.bench.address(30))

    def mapped(self, domain, page):
        """The bytes of the page that the entry maps now, from a packet's offset on."""
        return self.memory.read_bytes(self.memory.read32(self.entry(domain, page)) & 0xfffff000, FRAME)


@pytest.fixture
def rig():
    return Rig()


def rule(source=0, destination=0, ports=0, source_mask=0, destination_mask=0, port_masks=0, protocol=0, come=ANY, go=PHYSICAL, action=0):
    return [source, destination, ports, source_mask, destination_mask, port_masks, protocol, come, go, action]


def test_a_packet_from_one_domain_comes_to_the_other_in_an_exchanged_page(rig):
    before = rig.memory.read32(rig.entry(1, 40))
    assert rig.offer(1, 40) == 0
    assert rig.memory.read32(rig.entry(1, 40)) == 0 and rig.domains[1].paging.owner[before >> 12] == NO_OWNER      # taken away meanwhile
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    data = udp(ADDRESSES[0], ADDRESSES[1], to=rig.domains[1].interfaces[0].address)
    assert rig.response(1, 12) == (9, len(data), 0, OFFSET) and rig.mapped(1, 40)[OFFSET:OFFSET + len(data)] == data
    after = rig.memory.read32(rig.entry(1, 40))
    assert rig.domains[1].paging.owner[after >> 12] == 1 and rig.domains[1].paging.table.page(after >> 12) == 40
    assert rig.response(0, 0)[0] == 5 and rig.status(0) == 0


def test_the_page_that_comes_holds_nothing_but_the_packet(rig):
    rig.memory.write_bytes(rig.machine(0, 41), 'secret' * 600)
    rig.offer(0, 41)
    rig.offer(1, 40)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    page = rig.mapped(1, 40)
    assert 'secret' not in page and page[OFFSET + 49:] == '\0' * (FRAME - OFFSET - 49)
    assert rig.memory.read32(rig.entry(1, 40)) >> 12 == rig.machine(0, 41) >> 12          # the frame that was first given


def test_events_come_when_the_responses_pass_the_marks(rig):
    rig.set_index(1, 20, 2)
    rig.set_index(0, 8, 1)
    rig.offer(1, 40)
    rig.offer(1, 41)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    events = [rig.memory.read32(domain.events.shared) & EVENT_NETWORK for domain in rig.domains]
    assert events == [EVENT_NETWORK, 0]
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.memory.read32(rig.domains[1].events.shared) & EVENT_NETWORK and rig.index(1, 16) == 2


def test_packets_go_outside_and_come_from_there(rig):
    rig.send(0, udp(ADDRESSES[0], OUTSIDE))
    assert rig.wall.sent == [udp(ADDRESSES[0], OUTSIDE)]
    rig.offer(1, 40)
    rig.wall.coming = [udp(OUTSIDE, ADDRESSES[2]), udp(OUTSIDE, ADDRESSES[1])]
    rig.pass_time()
    assert rig.index(1, 16) == 1 and rig.router.dropped == 1


def test_address_resolution_is_routed_by_its_addresses(rig):
    rig.offer(1, 40)
    rig.send(0, arp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.index(1, 16) == 1 and rig.mapped(1, 40)[OFFSET:OFFSET + 6] == '\xff' * 6
    rig.send(0, arp(ADDRESSES[0], OUTSIDE))
    assert len(rig.wall.sent) == 1


def test_a_domain_cannot_send_with_an_address_of_another(rig):
    rig.send(0, udp(ADDRESSES[1], OUTSIDE))
    rig.send(0, arp(ADDRESSES[1], OUTSIDE))
    assert rig.wall.sent == [] and rig.status(0) == 2 and rig.router.dropped == 2


def test_what_is_no_ip_or_is_cut_short_is_dropped(rig):
    good = udp(ADDRESSES[0], OUTSIDE)
    for data in (good[:12] + '\x86\xdd' + good[14:], good[:20], good[:33], good[:14] + '\x65' + good[15:], good[:14] + '\x44' + good[15:], good[:14]):
        rig.send(0, data)
    assert rig.wall.sent == [] and rig.router.dropped == 6
    assert Packet(good[:14] + '\x4f' + good[15:]).kind == Packet.NOTHING


def test_only_what_rules_let_through_passes():
    rig = Rig(rules=False)
    rig.domains[0].privileged = True
    rig.send(0, udp(ADDRESSES[0], OUTSIDE))
    assert rig.wall.sent == []
    web = rule(ports=80 << 16, port_masks=0xffff0000, protocol=3, come=0)
    assert rig.operation(0, *web) == 0
    rig.send(0, udp(ADDRESSES[0], OUTSIDE))
    assert rig.wall.sent == []
    rig.send(0, udp(ADDRESSES[0], OUTSIDE, destination_port=80))
    assert len(rig.wall.sent) == 1
    assert rig.operation(0, *rule(come=0, go=0, action=1)) == 0            # counts, and lets others decide
    rig.send(0, udp(ADDRESSES[0], OUTSIDE, destination_port=80))
    assert len(rig.wall.sent) == 2 and [r.count for r in rig.router.rules.rules] == [1, 2]
    assert rig.operation(1, *web) == 0 and rig.operation(1, *web) == -ESRCH
    rig.send(0, udp(ADDRESSES[0], OUTSIDE, destination_port=80))
    assert len(rig.wall.sent) == 2
    assert rig.operation(2) == 0
    assert rig.domains[0].text() == 'count any from 0.0 *:0 to 0.0 *:0, 2 packets\n'


def test_the_privileged_domain_asks_for_interfaces_and_their_counters(rig):
    rig.domains[0].privileged = True
    assert rig.operation(3, 1, rig.bench.address(31)) == 0
    assert [rig.memory.read32(rig.machine(0, 31) + 4 * k) for k in range(2)] == [1, 0]
    rig.offer(1, 40)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.operation(5, 1, 0, 1000, 500) == 0 and rig.operation(4, 1, 0) == 0
    words = struct.unpack('<IIIQQQQII', rig.memory.read_bytes(rig.machine(0, 30), 52))
    assert words == (4, 1, 0, 0, 49, 0, 1, 1000, 500)
    assert rig.operation(4, 1, 1) == -EINVAL and rig.operation(5, 1, 0, 0, 5) == -EINVAL and rig.operation(6) == -ENOSYS


def test_rules_that_cannot_be_are_refused(rig):
    assert rig.operation(0, *rule()) == -EPERM
    rig.domains[0].privileged = True
    for bad in (rule(go=ANY), rule(go=0x5000), rule(come=0x5000), rule(protocol=5), rule(action=2), rule(go=8)):
        assert rig.operation(0, *bad) == -EINVAL


def test_a_rate_limits_what_is_sent():
    rig = Rig(rate=4900)                # 49 bytes in 10 ms: a packet
    for k in range(5):
        rig.memory.write_bytes(rig.machine(0, 20) + 64, udp(ADDRESSES[0], OUTSIDE))
        rig.put(0, 0, k, 49, rig.machine(0, 20) + 64)
    rig.push(0)
    rig.pass_time(25000000)
    assert len(rig.wall.sent) == 3
    rig.pass_time(50000000)
    assert len(rig.wall.sent) == 5


def test_a_packet_without_a_buffer_is_lost(rig):
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.domains[1].interfaces[0].packets_lost == 1 and rig.index(1, 16) == 0


def test_transmit_requests_out_of_bounds_are_refused(rig):
    good = rig.machine(0, 20)
    for size, address in ((13, good), (1515, good), (100, good + FRAME - 99), (100, rig.machine(1, 20)), (100, 0xfffff000), (0xffff, good)):
        before = rig.index(0, 4)
        rig.put(0, 0, 1, size, address)
        assert rig.push(0) == 0
        rig.pass_time()
        assert rig.index(0, 4) == before + 1 and rig.status(0, before) == 1
    assert rig.wall.sent == []


def test_pages_that_a_domain_cannot_give_are_refused(rig):
    bench = rig.bench
    shared = rig.domains[0].shared_frame
    bench.domain = rig.domains[0]
    bench.domain.make_current()
    assert bench.map(50, bench.machine(51) | 3) == 0           # 51 is mapped twice, and so is shared_info
    bench.unmap(52)
    bench.read_only(53)
    assert bench.map(54, shared * FRAME | 3) == 0
    entries = [rig.entry(0, 50), rig.entry(0, 51), rig.entry(0, 52), rig.entry(0, 53), rig.entry(0, 54), rig.entry(0, 55) + 2, rig.entry(0, TABLE), rig.entry(1, 40),
               rig.machine(0, 20), rig.machine(0, DIRECTORY) + 0xc00, 0xfffffffc]
    for k, entry in enumerate(entries):
        rig.put(0, 12, k, 0, entry)
        assert rig.push(0) == 0
        assert rig.response(0, 12, k)[:3] == (k, 0, 1), 'entry %d' % k
    assert rig.router.parked == []


def test_an_entry_that_was_filled_meanwhile_is_left_alone(rig):
    rig.offer(1, 40)
    rig.bench.domain = rig.domains[1]
    rig.domains[1].make_current()
    table = rig.entry(1, 40)
    rig.domains[1].paging.write_entry(table, rig.machine(1, 41) | 1)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.response(1, 12)[2] == 1 and rig.memory.read32(table) == rig.machine(1, 41) | 1 and rig.router.parked == []


def test_indices_that_cannot_be_are_refused(rig):
    for offset in (0, 12):
        for value in (256, 0xffffffff, 0x80000000):
            rig.set_index(0, offset, value)
            assert rig.push(0) == -EINVAL
        rig.set_index(0, offset, 0)
    rig.offer(0, 40)
    rig.offer(0, 41)
    rig.set_index(0, 12, 1)
    assert rig.push(0) == -EINVAL


def test_the_end_of_a_domain_frees_what_it_gave_and_its_rules(rig):
    rig.offer(1, 40)
    rig.offer(1, 41)
    free = rig.bench.hypervisor.frames.free()
    rig.domains[1].die('for the test')
    assert rig.bench.hypervisor.frames.free() == free + 2 and rig.router.parked == []
    assert [rule.destination_interface for rule in rig.router.rules.rules] == [0, PHYSICAL]
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.wall.sent == [udp(ADDRESSES[0], ADDRESSES[1])]       # outside, as any other address
    rig.domains[0].die('for the test')


def test_the_rings_go_round(rig):
    for k in range(300):
        rig.offer(1, 40)
        rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    assert rig.domains[1].interfaces[0].packets_received == 300 and rig.index(1, 16) == 44


def test_rules_are_written_by_people_too():
    rule = parse_rule('accept,from=0.1,to=physical,source=10.0.2.0/24,destination=1.2.3.4,protocol=tcp,dport=80,sport=5')
    assert rule.text() == 'accept tcp from 0.1 10.0.2.0:5 to physical 1.2.3.4:80, 0 packets' and rule.source_mask == 0xffffff00
    assert parse_rule('count,from=any,to=any').text() == 'count any from any *:0 to any *:0, 0 packets'
    for text in ('', 'drop', 'accept,to=any', 'accept,to=0', 'accept,to=0.8', 'accept,to=65536.0', 'accept,source=1.2.3', 'accept,source=1.2.3.256', 'accept,source=1.2.3.4/33',
                 'accept,dport=65536', 'accept,protocol=icmp', 'accept,what=1', 'accept,from', 'accept,dport=80=90'):
        with pytest.raises(UserError):
            parse_rule(text)


def test_rules_of_the_configuration_are_added_if_their_interfaces_are_there():
    rig = Rig(rules=False)
    rig.router.configure([parse_rule('accept,from=0.0,to=1.0,protocol=udp,dport=2000'), parse_rule('accept,from=1.0,to=physical')])
    rig.offer(1, 40)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1], destination_port=2001))
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    rig.send(1, udp(ADDRESSES[1], OUTSIDE))
    assert rig.domains[1].interfaces[0].packets_received == 1 and len(rig.wall.sent) == 1
    with pytest.raises(UserError):
        rig.router.configure([parse_rule('accept,from=2.0,to=physical')])
