"""Event channels between domains."""
from hyper.vmm.para.layout import (CHANNEL_CLOSE, CHANNEL_CLOSED, CHANNEL_CONNECTED, CHANNEL_DISCONNECTED, CHANNEL_OPEN, CHANNEL_SEND, CHANNEL_STATUS,
                                   CHANNELS_CLOSED_BY_PEER, CHANNELS_PENDING, EEXIST, EINVAL, ENOSPC, ENOSYS, EVENT_CHANNEL, EVENTS, MOST_CHANNELS, SELECTOR)
from para_parts import Bench, make

EVENT_CHANNEL_OP = 20


class Ends(object):
    """Two domains that are not run; hypercalls are made for them."""

    def __init__(self, domains=2):
        self.bench = Bench(domains, interface='1.2')
        self.domains = self.bench.hypervisor.domains

    def op(self, domain, operation, number=0):
        self.bench.domain = self.domains[domain]
        return self.bench.call(EVENT_CHANNEL_OP, operation, number)

    def shared(self, domain, offset):
        events = self.domains[domain].events
        return events.memory.read32(events.shared + offset)

    def take_event(self, domain):
        events = self.domains[domain].events
        events_seen = self.shared(domain, EVENTS)
        events.memory.write32(events.shared + EVENTS, 0)
        return events_seen & EVENT_CHANNEL != 0


def connected():
    ends = Ends()
    assert ends.op(0, CHANNEL_OPEN, 1) == 0 and ends.op(1, CHANNEL_OPEN, 0) == 0
    return ends


def test_a_channel_is_connected_when_both_domains_have_opened_it():
    ends = Ends()
    assert ends.op(0, CHANNEL_STATUS, 0) == CHANNEL_CLOSED
    assert ends.op(0, CHANNEL_OPEN, 1) == 0 and ends.op(0, CHANNEL_STATUS, 0) == CHANNEL_DISCONNECTED
    assert not ends.take_event(0)
    assert ends.op(1, CHANNEL_OPEN, 0) == 0 and ends.op(0, CHANNEL_STATUS, 0) == ends.op(1, CHANNEL_STATUS, 0) == CHANNEL_CONNECTED
    assert ends.take_event(0) and ends.shared(0, CHANNELS_PENDING) == 1        # the one that waited is told


def test_what_is_sent_sets_the_bit_of_the_other_end_with_one_event():
    ends = connected()
    assert ends.op(0, CHANNEL_SEND, 0) == 0
    assert ends.take_event(1) and ends.shared(1, CHANNELS_PENDING) == 1 and ends.shared(1, CHANNELS_PENDING + SELECTOR) == 1
    assert ends.op(0, CHANNEL_SEND, 0) == 0 and not ends.take_event(1)         # it has not looked yet


def test_a_channel_of_a_high_number_is_in_its_word_of_the_bitmap():
    ends = Ends()
    for k in range(40):
        assert ends.op(0, CHANNEL_OPEN, 100 + k) == k
    assert ends.op(0, CHANNEL_OPEN, 1) == 40 and ends.op(1, CHANNEL_OPEN, 0) == 0
    assert ends.shared(0, CHANNELS_PENDING + 4) == 1 << 8 and ends.shared(0, CHANNELS_PENDING + SELECTOR) == 2


def test_closing_disconnects_the_other_end_and_tells_it():
    ends = connected()
    ends.take_event(1)
    assert ends.op(0, CHANNEL_CLOSE, 0) == 0 and ends.op(0, CHANNEL_STATUS, 0) == CHANNEL_CLOSED
    assert ends.op(1, CHANNEL_STATUS, 0) == CHANNEL_DISCONNECTED and ends.op(1, CHANNEL_SEND, 0) == -EINVAL
    assert ends.take_event(1) and ends.shared(1, CHANNELS_CLOSED_BY_PEER) == 1 and ends.shared(1, CHANNELS_CLOSED_BY_PEER + SELECTOR) == 1
    assert ends.op(0, CHANNEL_OPEN, 1) == 0 and ends.op(1, CHANNEL_STATUS, 0) == CHANNEL_CONNECTED


def test_the_end_of_a_domain_closes_its_channels():
    ends = connected()
    ends.domains[0].die('for the test')
    assert ends.op(1, CHANNEL_STATUS, 0) == CHANNEL_DISCONNECTED and ends.shared(1, CHANNELS_CLOSED_BY_PEER) == 1
    assert ends.op(1, CHANNEL_CLOSE, 0) == 0 and ends.op(1, CHANNEL_OPEN, 0) == 0
    assert ends.op(1, CHANNEL_STATUS, 0) == CHANNEL_DISCONNECTED


def test_what_is_wrong_is_refused():
    ends = connected()
    assert ends.op(0, CHANNEL_OPEN, 0) == -EINVAL           # itself
    assert ends.op(0, CHANNEL_OPEN, 1) == -EEXIST
    assert ends.op(0, CHANNEL_OPEN, 0x10000) == -EINVAL     # no number of a domain
    assert ends.op(0, CHANNEL_CLOSE, 1) == -EINVAL and ends.op(0, CHANNEL_SEND, 1) == -EINVAL
    assert ends.op(0, CHANNEL_SEND, 0xffffffff) == -EINVAL and ends.op(0, CHANNEL_CLOSE, 1024) == -EINVAL
    assert ends.op(0, 4, 0) == -ENOSYS
    assert ends.op(0, CHANNEL_OPEN, 7) == 1 and ends.op(0, CHANNEL_SEND, 1) == -EINVAL     # nobody at the other end


def test_a_domain_has_1024_channels_at_most():
    ends = Ends()
    channels = ends.domains[0].channels
    assert [channels.open(10 + k) for k in range(MOST_CHANNELS)] == range(MOST_CHANNELS)
    assert channels.open(5000) == -ENOSPC
    assert channels.close(17) == 0 and channels.open(5000) == 17


# Maps shared_info at SHARED, opens a channel to the other domain (its number is in the command line) and waits until that has done so, too
PLAYER = '''
    .set SHARED, 0xc0040000
    .set CHANNELS, SHARED + 8
    mov %esi, %edi
    mov 4(%edi), %ecx
    or $3, %ecx
    hyp 19, $0xc0040, %ecx, $1
    movzbl 28(%edi), %ecx
    sub $'0', %ecx
    hyp 20, $0, %ecx
    movl $0x80, SHARED + 4
    .macro take
1:  movl $0, SHARED
    lock btrl $0, CHANNELS
    jc 2f
    hyp 8, $0
    jmp 1b
2:  movl $0, CHANNELS + 128
    .endm
'''
FIRST = PLAYER + ' take\n mov $5, %ebp\n3: hyp 20, $2, $0\n take\n dec %ebp\n jnz 3b\n say "home"\n hyp 8, $1\n'
SECOND = PLAYER + '4: take\n hyp 20, $2, $0\n jmp 4b\n'


def test_an_event_goes_there_and_back_between_two_domains():
    hypervisor = make([FIRST, SECOND], interface='1.2', lines=['1', '0'])
    hypervisor.run(4000, -1, -1.0)
    first, second = hypervisor.domains
    assert first.text() == 'home' and first.why == 'exited'
    assert first.hypercalls[EVENT_CHANNEL_OP] == 6 and second.hypercalls[EVENT_CHANNEL_OP] == 6
