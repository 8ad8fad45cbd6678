"""net_update and network_op of 1.0, and net_io_op, which takes the place of the first in 1.2. Structures are of 32-bit words."""
from hyper.vmm.para.layout import (EFAULT, EINVAL, ENOSYS, ENOSPC, EPERM, ESRCH, FRAME, NET_FLUSH, NET_INFORMATION, NET_PUSH, NET_RESET, NETWORK_ADD,
                                   NETWORK_COUNTERS, NETWORK_DELETE, NETWORK_LIST, NETWORK_PARAMETERS, NETWORK_QUERY)
from hyper.vmm.para.credit import Credit
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.para.network.interface import MOST_INTERFACES
from hyper.vmm.para.network.rules import ACCEPT, ANY, COUNT, PHYSICAL, PROTOCOL_ARP, Rule
from hyper.vmm.para.structure import Structure

RULE_WORDS = 10
MICROSECOND = 1000
MOST_PERIOD = 1000000           # microseconds


def net_update(domain):
    """There are requests in rings of the domain's interfaces."""
    result = 0
    for interface in domain.interfaces:
        pushed = interface.push()
        if pushed != 0:
            result = pushed
    return result


def net_io_op(domain):
    """{operation, index of the interface; for the last operation frame of the rings, 6 bytes of the Ethernet address}"""
    linear = domain.linear
    at = domain.arguments[0]
    operation = linear.read32(at)
    index = linear.read32(at + 4)
    if operation == NOT_MAPPED or index == NOT_MAPPED:
        return -EFAULT
    if index >= len(domain.interfaces):
        return -EINVAL
    interface = domain.interfaces[index]
    if operation == NET_PUSH:
        return interface.push()
    if operation == NET_FLUSH:
        return interface.flush()
    if operation == NET_RESET:
        return interface.reset()
    if operation == NET_INFORMATION:
        address = interface.address
        low = ord(address[0]) | ord(address[1]) << 8 | ord(address[2]) << 16 | ord(address[3]) << 24
        if not linear.write32(at + 8, interface.shared // FRAME) or not linear.write32(at + 12, low):
            return -EFAULT
        if not linear.write16(at + 16, ord(address[4]) | ord(address[5]) << 8):
            return -EFAULT
        return 0
    return -ENOSYS


def network_op(domain):
    """Of the privileged domain: {operation, arguments}"""
    if not domain.privileged:
        return -EPERM
    at = domain.arguments[0]
    operation = domain.linear.read32(at)
    if operation == NOT_MAPPED:
        return -EFAULT
    if operation == NETWORK_ADD or operation == NETWORK_DELETE:
        return change_rules(domain, operation, at + 4)
    if operation == NETWORK_LIST:
        return list_rules(domain)
    if operation == NETWORK_QUERY:
        return query(domain, at + 4)
    if operation == NETWORK_COUNTERS:
        return counters(domain, at + 4)
    if operation == NETWORK_PARAMETERS:
        return set_parameters(domain, at + 4)
    return -ENOSYS


def change_rules(domain, operation, at):
    """A rule: source, destination, u16 ports of both, masks of both, u16 masks of the ports, u16 protocol, u16 -, interfaces of both, u16 action."""
    words = [0] * RULE_WORDS
    for k in range(RULE_WORDS):
        words[k] = domain.linear.read32(at + 4 * k)
        if words[k] == NOT_MAPPED:
            return -EFAULT
    protocol = words[6] & 0xffff
    action = words[9] & 0xffff
    if protocol > PROTOCOL_ARP or action != ACCEPT and action != COUNT:
        return -EINVAL
    router = domain.host.devices.router
    if action == ACCEPT and words[8] != PHYSICAL and words[8] not in router.interfaces:
        return -EINVAL
    if words[7] != PHYSICAL and words[7] != ANY and words[7] not in router.interfaces:
        return -EINVAL
    rule = Rule(words[0], words[1], words[2] & 0xffff, words[2] >> 16, words[3], words[4], words[5] & 0xffff, words[5] >> 16, protocol,
                words[7], words[8], action)
    if operation == NETWORK_ADD:
        if not router.rules.add(rule):
            return -ENOSPC
        return 0
    if not router.rules.remove(rule):
        return -ESRCH
    return 0


def list_rules(domain):
    """The rules to the domain's console."""
    for rule in domain.host.devices.router.rules.rules:
        for character in rule.text():
            domain.sink.write_byte(ord(character))
        domain.sink.write_byte(ord('\n'))
    return 0


def query(domain, at):
    """{domain, address of a buffer}: the count of that domain's interfaces goes to the buffer, and their indices behind it."""
    number = domain.linear.read32(at)
    buffer = domain.linear.read32(at + 4)
    if number == NOT_MAPPED or buffer == NOT_MAPPED:
        return -EFAULT
    count = 0
    for index in range(MOST_INTERFACES):
        if number << 12 | index in domain.host.devices.router.interfaces:
            count += 1
            if not domain.linear.write32(buffer + 4 * count, index):
                return -EFAULT
    if not domain.linear.write32(buffer, count):
        return -EFAULT
    return 0


def find(domain, structure):
    """The interface that a structure begins with, {domain, index}; None if there is none."""
    number = structure.word(0)
    index = structure.word(1)
    if index >= MOST_INTERFACES:
        return None
    return domain.host.devices.router.interfaces.get(number << 12 | index, None)


def counters(domain, at):
    """{domain, index; bytes sent and received, packets sent and received, 64 bits each; bytes of credit, microseconds of its period}"""
    structure = Structure(domain.linear, at)
    interface = find(domain, structure)
    if structure.faulted:
        return -EFAULT
    if interface is None:
        return -EINVAL
    values = [interface.bytes_sent, interface.bytes_received, interface.packets_sent, interface.packets_received]
    for k in range(len(values)):
        structure.put(2 + 2 * k, values[k])
        structure.put(3 + 2 * k, values[k] >> 32)
    amount = 0
    period = 0
    if interface.credit is not None:
        amount = interface.credit.amount
        period = interface.credit.period // MICROSECOND
    structure.put(10, amount)
    structure.put(11, period)
    return structure.result(0)


def set_parameters(domain, at):
    """{domain, index, bytes of credit, microseconds of its period}; 0 for no limit."""
    structure = Structure(domain.linear, at)
    interface = find(domain, structure)
    amount = structure.word(2)
    period = structure.word(3)
    if structure.faulted:
        return -EFAULT
    if interface is None:
        return -EINVAL
    if amount == 0 and period == 0:
        interface.credit = None
    elif amount == 0 or period == 0 or period > MOST_PERIOD:
        return -EINVAL
    else:
        interface.credit = Credit(interface.clock, amount, period * MICROSECOND)
    return 0
