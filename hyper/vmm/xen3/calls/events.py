"""event_channel_op, and the older form that has the operation in the structure."""
from hyper.vmm.para.layout import EFAULT, EINVAL, ENOSYS, EPERM
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.channels import INTERDOMAIN, UNBOUND, VIRTUAL
from hyper.vmm.xen3.layout import ENOENT, PORTS, SELF

(BIND_INTERDOMAIN, BIND_VIRQ, BIND_PIRQ, CLOSE, SEND, STATUS, ALLOC_UNBOUND, BIND_IPI, BIND_VCPU, UNMASK, RESET) = range(11)
LOW = 0xffff


def event_channel_op(domain):
    return operate(domain, domain.arguments[0], domain.arguments[1])


def event_channel_op_compat(domain):
    at = domain.arguments[0]
    command = domain.linear.read32(at)
    if command == NOT_MAPPED:
        return -EFAULT
    return operate(domain, command, at + 4)


def operate(domain, command, at):
    linear = domain.linear
    channels = domain.ports
    first = linear.read32(at)
    if first == NOT_MAPPED:
        return -EFAULT
    if command == SEND:
        return channels.send_to(first)
    if command == CLOSE:
        return channels.close(first)
    if command == UNMASK:
        return channels.unmask_port(first)
    if command == ALLOC_UNBOUND:
        if first & LOW != SELF and first & LOW != domain.identity:
            return -EPERM
        return answer(domain, at + 4, channels.allocate(first >> 16))
    if command == BIND_IPI:
        if first != 0:
            return -ENOENT
        return answer(domain, at + 4, channels.bind_ipi())
    if command == RESET:
        if first & LOW != SELF and first & LOW != domain.identity:
            return -EPERM
        channels.release()
        return 0
    second = linear.read32(at + 4)
    if second == NOT_MAPPED:
        return -EFAULT
    if command == BIND_INTERDOMAIN:
        return answer(domain, at + 8, channels.bind(first & LOW, second))
    if command == BIND_VIRQ:
        if second != 0:
            return -ENOENT      # there is one vCPU
        return answer(domain, at + 8, channels.bind_virtual(first))
    if command == BIND_VCPU:
        if second != 0:
            return -ENOENT
        return 0
    if command == BIND_PIRQ:
        return -EPERM           # no domain here has physical interrupts
    if command == STATUS:
        return status(domain, at, first & LOW, second)
    return -ENOSYS


def answer(domain, at, port):
    """The number of a new port to the guest; or the error that there is instead."""
    if port < 0:
        return port
    if domain.linear.write32(at, port):
        return 0
    domain.ports.close(port)
    return -EFAULT


def status(domain, at, number, port):
    if number != SELF and number != domain.identity:
        return -EPERM
    if not 0 < port < PORTS:
        return -EINVAL
    channels = domain.ports
    linear = domain.linear
    state = channels.state[port]
    first = 0
    if state == UNBOUND or state == INTERDOMAIN:
        first = channels.remote_domain[port]
    elif state == VIRTUAL:
        first = channels.remote_port[port]
    second = 0
    if state == INTERDOMAIN:
        second = channels.remote_port[port]
    if linear.write32(at + 8, state) and linear.write32(at + 12, 0) and linear.write32(at + 16, first) and linear.write32(at + 20, second):
        return 0
    return -EFAULT
