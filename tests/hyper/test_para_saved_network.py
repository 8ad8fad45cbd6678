"""A domain with network interfaces is taken out of one machine and put into another: what waits in its rings, its pages and its rules come along."""
import struct

import pytest

from hyper.board.disk import NO_DRIVES
from hyper.board.fittings import Fittings, Wire
from hyper.errors import UserError
from hyper.options import ETHERNET_ADDRESS
from hyper.vmm.para.frame_table import NO_OWNER
from hyper.vmm.para.layout import FRAME
from hyper.vmm.para.network.interface import OFFSET
from hyper.vmm.para.network.rule_text import parse_rule
from hyper.vmm.para.network.rules import PHYSICAL
from hyper.vmm.para.saved import Saving

from para_parts import Bench, check_counts
from test_para_network import ADDRESSES, OUTSIDE, Rig, Wall, arp, udp
from test_para_saved import machine, restored, saved, tampered


class Arrived(Bench):
    """Makes hypercalls for a domain that has come from elsewhere."""

    def __init__(self, hypervisor):
        self.hypervisor = hypervisor
        self.paging = hypervisor.domains[-1].paging


class Moved(Rig):
    """What a Rig is, for a domain that has come to another machine."""

    def __init__(self, parts, wires=1, address=0, hypervisor=None):
        self.wall = Wall()
        fittings = Fittings([], self.wall, ETHERNET_ADDRESS, None, False)
        fittings.interfaces = [Wire(True, 0, True, address)] * wires
        hypervisor = hypervisor or machine()
        self.domains = [restored(hypervisor, *parts, fittings=fittings)]
        self.memory = hypervisor.memory
        self.clock = hypervisor.clock
        self.router = hypervisor.devices.router
        self.router.plug(self.wall)
        self.bench = Arrived(hypervisor)
        check_counts(hypervisor)


def move(rig, domain=1, **options):
    return Moved(saved(rig.bench.hypervisor, rig.domains[domain]), **options)


def test_a_packet_comes_into_a_page_that_was_offered_before():
    rig = Rig()
    rig.offer(1, 40)
    rig.offer(1, 41, 8)
    entry = rig.memory.read32(rig.entry(1, 39))
    there = move(rig)
    moved = there.domains[0]
    assert moved.number == 0 and moved.interfaces[0].address == rig.domains[1].interfaces[0].address and moved.pages == rig.domains[1].pages
    assert len(there.router.parked) == 2 and [there.memory.read32(there.entry(0, page)) for page in (39, 40, 41)] == [entry, 0, 0]
    assert [moved.paging.owner[frame // FRAME] for frame in there.router.parked] == [NO_OWNER] * 2
    there.wall.coming = [udp(OUTSIDE, ADDRESSES[0]), udp(OUTSIDE, ADDRESSES[1]), udp(OUTSIDE, ADDRESSES[1], data='second')]
    there.pass_time()
    data = udp(OUTSIDE, ADDRESSES[1], to=moved.interfaces[0].address)
    assert there.response(0, 12) == (9, len(data), 0, OFFSET) and there.mapped(0, 40)[OFFSET:OFFSET + len(data)] == data
    assert there.response(0, 12, 1)[0] == 8 and 'second' in there.mapped(0, 41)
    frame = there.memory.read32(there.entry(0, 40)) // FRAME
    assert moved.paging.owner[frame] == 0 and moved.table.page(frame) == 40 and there.index(0, 16) == 2 and there.router.dropped == 1


def test_rings_go_on_where_they_were_and_counters_with_them():
    rig = Rig()
    for k in range(12):
        rig.offer(1, 40)
        rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
        rig.send(1, udp(ADDRESSES[1], OUTSIDE))
    there = move(rig)
    there.offer(0, 42, 7)
    there.send(0, udp(ADDRESSES[1], OUTSIDE))
    there.wall.coming = [udp(OUTSIDE, ADDRESSES[1])]
    there.pass_time()
    assert there.wall.sent == [udp(ADDRESSES[1], OUTSIDE)] and there.index(0, 4) == there.index(0, 16) == 13 and there.response(0, 12, 12)[0] == 7
    interface = there.domains[0].interfaces[0]
    assert (interface.packets_sent, interface.packets_received, interface.bytes_sent) == (13, 13, 13 * 49)


def test_requests_that_wait_for_credit_are_sent_there_at_the_same_rate():
    rig = Rig(rate=4900)                # 49 bytes in 10 ms: a packet
    for k in range(5):
        rig.memory.write_bytes(rig.machine(1, 20) + 64, udp(ADDRESSES[1], OUTSIDE))
        rig.put(1, 0, k, 49, rig.machine(1, 20) + 64)
    rig.put(1, 0, 5, 49, rig.machine(0, 20) + 64)        # not of its memory
    rig.push(1)
    rig.pass_time(15000000)
    assert len(rig.wall.sent) == 2
    there = move(rig)
    there.pass_time(15000000)
    assert len(there.wall.sent) < 3 and there.index(0, 4) < 5
    there.pass_time(60000000)
    assert there.wall.sent == [udp(ADDRESSES[1], OUTSIDE)] * 3 and there.index(0, 4) == 6
    assert [there.status(0, k) for k in range(6)] == [0] * 5 + [1]


def test_pages_that_are_exchanged_while_it_is_saved_come_along():
    rig = Rig()
    for page in (40, 41):
        rig.offer(1, page)
    rig.offer(0, 44)                                    # frames of others stand between
    domain = rig.domains[1]
    saving = Saving(domain, NO_DRIVES)
    frames = saving.frames[:saving.own()]
    assert frames.count(0) == 2
    pages = [(saving.kind(k), saving.page(k)) for k in range(len(saving.frames))]
    rig.router.parked.reverse()
    for turn in range(3):
        rig.send(0, udp(ADDRESSES[0], ADDRESSES[1], data='turn %d' % turn))
        rig.offer(1, 40)
        rig.send(0, udp(ADDRESSES[0], ADDRESSES[1], data='again %d' % turn))
        marks = saving.dirty()
        assert '1' in marks
        for k, mark in enumerate(marks):
            if mark == '1':
                pages[k] = saving.kind(k), saving.page(k)
        rig.memory.write_bytes(rig.memory.read32(rig.entry(1, 41)) // FRAME * FRAME + 2000, 'written later')
        rig.offer(1, 41)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1], data='last'))
    rig.bench.hypervisor.pause(domain)
    marks = saving.dirty()
    kinds = saving.kinds()
    for k, mark in enumerate(marks):
        if mark == '1' or kinds[k] in '12':
            pages[k] = saving.kind(k), saving.page(k)
    state = saving.state()
    before = [rig.mapped(1, page) for page in range(30, 45) if rig.memory.read32(rig.entry(1, page))]
    saving.end()
    assert rig.memory.logged == []
    state = tampered(state, 'moves', lambda words: ['1'])               # some frames are others now
    there = Moved((frames, pages, state))
    after = [there.mapped(0, page) for page in range(30, 45) if there.memory.read32(there.entry(0, page))]
    assert after == before and any('last' in page for page in after)
    assert len(there.router.parked) == len(domain.interfaces[0].buffers)


def test_a_kernel_that_does_not_stop_itself_is_refused_once_its_frames_are_others():
    rig = Rig()
    rig.offer(1, 40)
    rig.offer(0, 44)
    rig.router.parked.reverse()
    saving = Saving(rig.domains[1], NO_DRIVES)
    frames = saving.frames[:saving.own()]
    saving.end()
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    rig.bench.hypervisor.pause(rig.domains[1])
    parts = saved(rig.bench.hypervisor, rig.domains[1])
    Moved(parts)
    with pytest.raises(UserError) as caught:
        Moved((frames,) + parts[1:])
    assert 'has not stopped itself' in caught.value.text


def test_what_is_being_saved_must_not_run_on_before_its_state_is_told():
    rig = Rig()
    rig.offer(1, 40)
    saving = Saving(rig.domains[1], NO_DRIVES)
    rig.send(0, udp(ADDRESSES[0], ADDRESSES[1]))
    with pytest.raises(UserError) as caught:
        saving.state()
    assert 'try again' in caught.value.text
    assert '1' in saving.dirty()
    saving.state()


def texts(rig):
    return [rule.text() for rule in rig.router.rules.rules]


def test_rules_of_its_own_come_along_under_its_new_number_and_address():
    rig = Rig(rules=False)
    rig.router.configure([parse_rule(text) for text in (
        'accept,from=physical,to=1.0,protocol=tcp,dport=80', 'accept,from=1.0,to=physical,protocol=tcp', 'count,from=1.0,to=any', 'accept,from=0.0,to=1.0',
        'accept,from=1.0,to=0.0', 'accept,from=0.0,to=physical', 'accept,from=any,to=1.0,destination=9.9.9.9', 'accept,from=1.0,to=physical,source=10.0.0.0/8')])
    there = move(rig)
    assert texts(there) == ['accept tcp from physical *:0 to 0.0 10.0.2.16:80, 0 packets', 'count any from 0.0 *:0 to any *:0, 0 packets',
                            'accept tcp from 0.0 10.0.2.16:0 to physical *:0, 0 packets', 'accept any from 0.0 10.0.2.16:0 to physical *:0, 0 packets']
    there.send(0, udp(ADDRESSES[1], OUTSIDE))
    there.send(0, udp(ADDRESSES[0], OUTSIDE))
    assert len(there.wall.sent) == 1
    again = move(there, 0)
    assert [text.rsplit(',', 1)[0] for text in texts(again)] == [text.rsplit(',', 1)[0] for text in texts(there)]


def test_an_announcement_of_its_own_address_gets_out():
    rig = Rig()
    rig.offer(0, 40)
    rig.send(0, arp(ADDRESSES[0], ADDRESSES[0]))
    assert rig.wall.sent == [arp(ADDRESSES[0], ADDRESSES[0])] and rig.index(0, 16) == 0


def test_an_address_that_is_taken_there_is_refused_and_new_domains_leave_out_those_of_guests():
    rig = Rig()
    frames, pages, state = saved(rig.bench.hypervisor, rig.domains[1])
    parts = frames, pages, tampered(state, 'moves', lambda words: ['1'])
    there = Moved(parts)
    with pytest.raises(UserError) as caught:
        Moved(parts, hypervisor=there.bench.hypervisor)
    assert '10.0.2.16 is that of another domain here' in caught.value.text and '\n' not in caught.value.text
    there.bench.hypervisor.next_number = 1
    assert there.bench.hypervisor.number_of_next() == 2                 # 1 would have 10.0.2.16


def test_the_end_of_a_domain_that_has_come_frees_all():
    rig = Rig()
    rig.offer(1, 40)
    rig.offer(1, 41)
    parts = saved(rig.bench.hypervisor, rig.domains[1])
    there = Moved(parts)
    hypervisor = there.bench.hypervisor
    before = hypervisor.frames.free()
    hypervisor.destroy(there.domains[0])
    assert hypervisor.frames.free() == before + there.domains[0].pages + 6 and there.router.parked == [] and there.router.rules.rules == []
    Moved(parts, hypervisor=hypervisor)
    assert hypervisor.frames.free() == before


FIELDS = ['ethernet', 'network', 'tc', 'tp', 'rc', 'rp', 'credit', 'period', 'spent']


def changed(field, value):
    return lambda words: words[:FIELDS.index(field)] + [str(value)] + words[FIELDS.index(field) + 1:]


RULE = ['0', '167772688', '0', '0', '0', '4294967295', '0', '0', '0', '4294963202', '0', '0', '0']


def rule(**fields):
    words = list(RULE)
    for name, value in fields.items():
        words[int(name[1:])] = str(value)
    return lambda old: words


def test_a_rule_of_the_form_used_here_is_good():
    rig = Rig(rules=False)
    frames, pages, state = saved(rig.bench.hypervisor, rig.domains[1])
    there = Moved((frames, pages, tampered(state, 'rules', rule())))
    assert texts(there) == ['accept any from any *:0 to 0.0 10.0.2.16:0, 0 packets']


@pytest.fixture(scope='module')
def parts():
    """Of a domain with a page offered and a packet that waits for credit."""
    rig = Rig(rate=4900)
    rig.offer(1, 40)
    rig.put(1, 0, 5, 49, rig.machine(1, 20) + 64)
    rig.push(1)
    return saved(rig.bench.hypervisor, rig.domains[1])


@pytest.fixture(scope='module')
def there(parts):
    """A machine whose domains are all refused, but for one that is gone."""
    moved = Moved(parts)
    moved.bench.hypervisor.destroy(moved.domains[0])
    return moved.bench.hypervisor


@pytest.mark.parametrize('name, change', [
    ('network_0', lambda words: words[:-1]), ('network_0', changed('ethernet', 1 << 48)), ('network_0', changed('ethernet', 1 << 40)),
    ('network_0', changed('network', 0x0a000202)), ('network_0', changed('network', 0x08080808)), ('network_0', changed('tc', 256)), ('network_0', changed('tp', 3)),
    ('network_0', changed('rc', 5)), ('network_0', changed('rp', 1)), ('network_0', changed('credit', 0)), ('network_0', changed('credit', 1 << 32)), ('network_0', changed('spent', 1 << 61)),
    ('transmit_0', lambda words: words[:-1]), ('transmit_0', lambda words: []), ('transmit_0', lambda words: words[:2] + [str(5000 << 12)]),
    ('transmit_0', lambda words: words[:2] + [str(1 << 32)]), ('receive_0', lambda words: words + words), ('receive_0', lambda words: words[:1]),
    ('receive_0', lambda words: [words[0], str(0x500 << 12)] + words[2:]), ('frames', lambda words: ['0'] + words[1:]), ('frames', lambda words: words[1:]),
    ('frames', lambda words: [word if word != '0' else '300' for word in words]), ('frames', lambda words: ['0'] * len(words)), ('rules', lambda words: words[:-1]),
    ('rules', rule(_1=0, _5=0)), ('rules', rule(_1=0x08080808)), ('rules', rule(_8=5)), ('rules', rule(_9=1, _10=PHYSICAL)), ('rules', rule(_9=0, _10=1)), ('rules', rule(_10=0xfffff002)),
    ('rules', rule(_9=0, _10=PHYSICAL)), ('rules', rule(_11=2)), ('rules', rule(_2=0x10000)), ('rules', rule(_9=PHYSICAL, _10=PHYSICAL))])
def test_a_network_that_was_tampered_with_is_refused(parts, there, name, change):
    frames, pages, state = parts
    free = there.frames.free()
    with pytest.raises(UserError) as caught:
        Moved((frames, pages, tampered(state, name, change)), hypervisor=there)
    assert there.domains == [] and there.devices.router.parked == there.devices.router.rules.rules == []
    assert there.frames.free() == free
    assert 'damaged' in caught.value.text or 'has not stopped itself' in caught.value.text
    assert '\n' not in caught.value.text


def test_a_page_that_was_given_away_cannot_be_mapped(parts, there):
    frames, pages, state = parts
    vacant = frames.index(0)
    table = [k for k in range(len(pages)) if pages[k][0] == 1][0]
    for flags in (1, 3):
        bad = list(pages)
        bad[table] = 1, pages[table][1][:160] + struct.pack('<I', vacant << 12 | flags) + pages[table][1][164:]
        with pytest.raises(UserError) as caught:
            Moved((frames, bad, state), hypervisor=there)
        assert 'does not have' in caught.value.text


def test_other_numbers_of_interfaces_than_the_configuration_has_are_refused():
    for wires, there in ((1, 2), (2, 1), (1, 0)):
        rig = Rig(wires=wires)
        with pytest.raises(UserError) as caught:
            move(rig, wires=there)
        assert 'damaged' in caught.value.text


def test_an_address_of_the_configuration_counts():
    rig = Rig()
    with pytest.raises(UserError):
        move(rig, address=0x0a000228)
    move(rig, address=ADDRESSES[1])
