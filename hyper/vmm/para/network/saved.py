"""The network of a domain that is saved: the state of its interfaces, what waits in their rings, and the rules that are its own.

Machine addresses are those of pages of the list, as in page tables (hyper/vmm/para/saved.py). In rules an interface of the domain is its index.

Not all rules that name an interface are the domain's. Those that come along concern what it sends with its own address, or is sent to that: they are narrowed
to it. Others, and those that name an interface of another domain, stay behind, so that no file decides where packets of others go.
"""
from hyper.vmm.para.credit import Credit
from hyper.vmm.para.layout import ENTRY_FORBIDDEN, FRAME, M32
from hyper.vmm.para.network.interface import Buffer, ENTRIES, FIRST_ADDRESS, LAST_ADDRESS, MULTICAST, Outgoing
from hyper.vmm.para.network.rules import ACCEPT, ANY, COUNT, dotted, PHYSICAL, PROTOCOL_ARP, Rule
from hyper.vmm.para.network.router import TAKEN

# numbers of an interface; a credit without period is none, and what is spent of it is told, since it can be in debt
(ETHERNET_ADDRESS, NETWORK_ADDRESS, TRANSMIT_CONSUMER, TRANSMIT_PRODUCER, RECEIVE_CONSUMER, RECEIVE_PRODUCER, CREDIT, CREDIT_PERIOD, CREDIT_SPENT,
 BYTES_SENT, PACKETS_SENT, BYTES_RECEIVED, PACKETS_RECEIVED, PACKETS_LOST, NUMBERS) = range(15)
MOST_SIZE = 0xffff              # of a transmit request, good or bad
MOST_COUNT = 1 << 61
REQUEST_NUMBERS, BUFFER_NUMBERS, RULE_NUMBERS = 3, 4, 13
NO_ADDRESS = M32                # a machine address that is not of the domain's memory: the request will be refused
EVERY_BIT = 0xffffffff


def store(domain, lines, place):
    """The Lines of the network of a domain; `place` has its pages by frame."""
    for interface in domain.interfaces:
        numbers = [0] * NUMBERS
        numbers[ETHERNET_ADDRESS] = number_of_address(interface.address)
        numbers[NETWORK_ADDRESS] = interface.network_address
        numbers[TRANSMIT_CONSUMER] = interface.transmit_consumer
        numbers[TRANSMIT_PRODUCER] = interface.transmit_producer
        numbers[RECEIVE_CONSUMER] = interface.receive_consumer
        numbers[RECEIVE_PRODUCER] = interface.receive_producer
        credit = interface.credit
        if credit is not None:
            numbers[CREDIT] = credit.amount
            numbers[CREDIT_PERIOD] = credit.period
            numbers[CREDIT_SPENT] = credit.amount - credit.left
        numbers[BYTES_SENT] = interface.bytes_sent
        numbers[PACKETS_SENT] = interface.packets_sent
        numbers[BYTES_RECEIVED] = interface.bytes_received
        numbers[PACKETS_RECEIVED] = interface.packets_received
        numbers[PACKETS_LOST] = interface.packets_lost
        lines.add('network_%d' % interface.index, numbers)
        numbers = []
        for request in interface.outgoing:
            numbers += [request.id, request.size, place_of(request.address, place)]
        lines.add('transmit_%d' % interface.index, numbers)
        numbers = []
        for buffer in interface.buffers:
            numbers += [buffer.id, place_of(buffer.entry, place), buffer.flags, buffer.page]
        lines.add('receive_%d' % interface.index, numbers)
    numbers = []
    for rule in domain.host.devices.router.rules.rules:
        own = narrowed(rule, domain)
        if own is not None:
            numbers += [own.source, own.destination, own.source_port, own.destination_port, own.source_mask, own.destination_mask, own.source_port_mask,
                        own.destination_port_mask, own.protocol, own.source_interface, own.destination_interface, own.action, own.count]
    lines.add('rules', numbers)


def number_of_address(address):
    number = 0
    for c in address:
        number = number << 8 | ord(c)
    return number


def place_of(address, place):
    k = place.get(address // FRAME, -1)
    if k < 0:
        return NO_ADDRESS
    return k * FRAME + address % FRAME


def narrowed(rule, domain):
    """What a rule says of the domain's own addresses, with indices for interfaces; None if that is nothing."""
    source = interface_of(rule.source_interface, domain)
    destination = interface_of(rule.destination_interface, domain)
    if source < 0 or destination < 0 or source >= PHYSICAL and destination >= PHYSICAL:
        return None
    own = Rule(rule.source, rule.destination, rule.source_port, rule.destination_port, rule.source_mask, rule.destination_mask, rule.source_port_mask,
               rule.destination_port_mask, rule.protocol, source, destination, rule.action)
    own.count = rule.count
    if rule.action == ACCEPT:
        if destination < PHYSICAL:
            address = domain.interfaces[destination].network_address
            if address == 0 or address & rule.destination_mask != rule.destination:
                return None
            own.destination = address
            own.destination_mask = EVERY_BIT
        else:
            address = domain.interfaces[source].network_address
            if address == 0 or address & rule.source_mask != rule.source:
                return None
            own.source = address
            own.source_mask = EVERY_BIT
    return own


def interface_of(number, domain):
    """The index of an interface of the domain; PHYSICAL and ANY as they are; -1 for another domain's."""
    if number >= PHYSICAL:
        return number
    if number >> 12 != domain.number:
        return -1
    return number & 0xfff


def load(domain, restoring, vacant):
    """Puts the interfaces into the state that a Restoring has found, with `vacant`, frames of the domain's that nothing refers to, for packets to come. Raises
    UserError."""
    for interface in domain.interfaces:
        numbers = restoring.numbers('network_%d' % interface.index, NUMBERS, MOST_COUNT)
        load_numbers(interface, restoring, numbers)
        load_transmit(interface, restoring)
        load_receive(interface, restoring, vacant)
    if len(vacant) > 0:
        raise restoring.damaged('it has fewer pages than it needs')


def load_numbers(interface, restoring, numbers):
    for k in range(TRANSMIT_CONSUMER, RECEIVE_PRODUCER + 1):
        if numbers[k] >= ENTRIES:
            raise restoring.damaged('an index of a network ring is out of range')
    ethernet = numbers[ETHERNET_ADDRESS]
    network = numbers[NETWORK_ADDRESS]
    if ethernet >= 1 << 48 or ethernet >> 40 & MULTICAST or not is_allowed(interface, network):
        raise restoring.damaged('an interface has an address that it cannot have')
    address = ''
    for k in range(6):
        address += chr(ethernet >> (40 - 8 * k) & 0xff)
    interface.address = address
    router = interface.router
    if router.has_address(network, interface.domain.number):
        raise restoring.refused(TAKEN % dotted(network))
    interface.network_address = network
    interface.transmit_consumer = numbers[TRANSMIT_CONSUMER]
    interface.transmit_producer = numbers[TRANSMIT_PRODUCER]
    interface.receive_consumer = numbers[RECEIVE_CONSUMER]
    interface.receive_producer = numbers[RECEIVE_PRODUCER]
    interface.credit = None
    amount = numbers[CREDIT]
    period = numbers[CREDIT_PERIOD]
    if period > 0:
        if amount == 0 or amount > M32 or numbers[CREDIT_SPENT] > amount + MOST_SIZE:
            raise restoring.damaged('the credit of an interface is none')
        interface.credit = Credit(interface.clock, amount, period)
        interface.credit.left = amount - numbers[CREDIT_SPENT]
    interface.bytes_sent = numbers[BYTES_SENT]
    interface.packets_sent = numbers[PACKETS_SENT]
    interface.bytes_received = numbers[BYTES_RECEIVED]
    interface.packets_received = numbers[PACKETS_RECEIVED]
    interface.packets_lost = numbers[PACKETS_LOST]


def is_allowed(interface, address):
    """Whether the interface may have the network address: that of its configuration, or if there is none a usual one."""
    if interface.network_address != 0:
        return address == interface.network_address
    return address == 0 or FIRST_ADDRESS <= address <= LAST_ADDRESS


def load_transmit(interface, restoring):
    numbers = restoring.numbers('transmit_%d' % interface.index, -1, M32)
    count = interface.transmit_consumer - interface.transmit_producer & ENTRIES - 1
    if len(numbers) != count * REQUEST_NUMBERS:
        raise restoring.damaged('a network ring has another number of requests')
    for k in range(count):
        at = k * REQUEST_NUMBERS
        address = machine_address(restoring, numbers[at + 2])
        interface.outgoing.append(Outgoing(numbers[at] & 0xffff, numbers[at + 1] & MOST_SIZE, address))


def load_receive(interface, restoring, vacant):
    numbers = restoring.numbers('receive_%d' % interface.index, -1, M32)
    count = interface.receive_consumer - interface.receive_producer & ENTRIES - 1
    if len(numbers) != count * BUFFER_NUMBERS or count > len(vacant):
        raise restoring.damaged('a network ring has another number of requests')
    for k in range(count):
        at = k * BUFFER_NUMBERS
        entry = machine_address(restoring, numbers[at + 1])
        frame = vacant.pop()
        interface.domain.table.take_back(frame)
        interface.router.parked.append(frame * FRAME)
        interface.buffers.append(Buffer(numbers[at] & 0xffff, entry, numbers[at + 2] & (FRAME - 1) & ~ENTRY_FORBIDDEN, numbers[at + 3]))


def machine_address(restoring, address):
    if address == NO_ADDRESS:
        return address
    return restoring.frame(address // FRAME) * FRAME + address % FRAME


def begin(domain, restoring):
    """The domain is as it was: from now on packets pass, by its rules. Raises UserError if one of those is not its own."""
    numbers = restoring.numbers('rules', -1, MOST_COUNT)
    if len(numbers) % RULE_NUMBERS != 0:
        raise restoring.damaged('a rule of it is cut short')
    for k in range(len(numbers) // RULE_NUMBERS):
        at = k * RULE_NUMBERS
        rule = rule_of(domain, numbers, at)
        if rule is None:
            raise restoring.damaged('a rule of it is none, or concerns others')
        rule.count = numbers[at + 12]
        if not domain.host.devices.router.rules.add(rule):
            raise restoring.refused('there are too many rules of the network here')
    for interface in domain.interfaces:
        interface.begin_sending()


def rule_of(domain, numbers, at):
    """The Rule with such numbers, as `narrowed` gives them; None for what it does not give."""
    for k in range(12):
        most = M32
        if 2 <= k <= 3 or 6 <= k <= 7:
            most = 0xffff               # ports and their masks
        if numbers[at + k] > most:
            return None
    action = numbers[at + 11]
    source = number_of_interface(numbers[at + 9], domain)
    destination = number_of_interface(numbers[at + 10], domain)
    if source < 0 or destination < 0 or numbers[at + 8] > PROTOCOL_ARP or action != ACCEPT and action != COUNT or action == ACCEPT and destination == ANY:
        return None
    rule = Rule(numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3], numbers[at + 4], numbers[at + 5], numbers[at + 6], numbers[at + 7],
                numbers[at + 8], source, destination, action)
    own = narrowed(rule, domain)
    if own is None or own.source != rule.source or own.source_mask != rule.source_mask or own.destination != rule.destination or \
            own.destination_mask != rule.destination_mask:
        return None
    return rule


def number_of_interface(index, domain):
    if index == PHYSICAL or index == ANY:
        return index
    if index < len(domain.interfaces):
        return domain.interfaces[index].number
    return -1
