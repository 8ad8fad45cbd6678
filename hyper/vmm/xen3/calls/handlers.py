"""set_trap_table, set_callbacks and callback_op, stack_switch, fpu_taskswitch, iret."""
from hyper.vmm.para.calls import traps
from hyper.vmm.para.layout import EFAULT, EINVAL, ELSEWHERE, ENOSYS, FRAME, TRAP_INFO_SIZE
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.para.traps import VECTORS
from hyper.vmm.xen3.bounce import FLAG_IF
from hyper.vmm.xen3.layout import UPCALL_MASK
from hyper.vmx import fields

CR0_TS = 1 << 3
RPL = 3
EAX = 0
REGISTER, UNREGISTER = range(2)
OF_EVENTS, OF_FAILSAFE = range(2)       # types of callbacks; those of 64-bit domains, NMI and SYSENTER are not here


def in_ring_1(selector):
    """A selector of ring 0 is one of ring 1: kernels are written for ring 0."""
    selector &= 0xffff
    if selector & RPL == 0 and selector != 0:
        return selector | 1
    return selector


def set_trap_table(domain):
    """The handlers in a list that one at 0 ends are added; no list takes all away."""
    linear = domain.linear
    table = domain.traps
    first = domain.arguments[0]
    if first == 0:
        table.clear()
        return 0
    for k in range(VECTORS + 1):
        at = first + k * TRAP_INFO_SIZE
        word = linear.read32(at)
        address = linear.read32(at + 4)
        if word == NOT_MAPPED or address == NOT_MAPPED:
            return -EFAULT
        if address == 0:
            return 0
        vector = word & 0xff
        table.flags[vector] = word >> 8 & 0xff
        table.selector[vector] = in_ring_1(word >> 16)
        table.address[vector] = address
    return -EINVAL


def set_callbacks(domain):
    a = domain.arguments
    a[0] = in_ring_1(a[0])
    a[2] = in_ring_1(a[2])
    return traps.set_callbacks(domain)


def callback_op(domain):
    linear = domain.linear
    at = domain.arguments[1]
    word = linear.read32(at)
    if word == NOT_MAPPED:
        return -EFAULT
    kind = word & 0xffff
    selector = 0
    address = 0
    if domain.arguments[0] == REGISTER:
        selector = linear.read32(at + 4)
        address = linear.read32(at + 8)
        if selector == NOT_MAPPED or address == NOT_MAPPED:
            return -EFAULT
        selector = in_ring_1(selector)
    elif domain.arguments[0] != UNREGISTER:
        return -ENOSYS
    table = domain.traps
    if kind == OF_EVENTS:
        table.event_selector = selector
        table.event_address = address
    elif kind == OF_FAILSAFE:
        table.failsafe_selector = selector
        table.failsafe_address = address
    else:
        return -ENOSYS
    return 0


def stack_switch(domain):
    domain.arguments[0] = in_ring_1(domain.arguments[0])
    return traps.stack_switch(domain)


def fpu_taskswitch(domain):
    """Whether the next floating-point instruction traps (#NM)."""
    if domain.arguments[0]:
        return traps.fpu_taskswitch(domain)
    vmx = domain.vmx
    vmx.vmwrite(fields.GUEST_CR0, vmx.vmread(fields.GUEST_CR0) & ~CR0_TS)
    return 0


def iret(domain):
    """Returns with a frame on the stack that has EAX before it, and whether events are masked as the opposite of the interrupt flag."""
    linear = domain.linear
    esp = domain.vmx.vmread(fields.GUEST_RSP)
    words = [0] * 6
    for k in range(6):
        words[k] = linear.read32(esp + 4 * k & 0xffffffff)
    for k in range(4):
        if words[k] == NOT_MAPPED:
            domain.die('iret with its stack at 0x%x, where nothing is mapped' % esp)
            return ELSEWHERE
    cs = in_ring_1(words[2] & 0xffff)
    flags = words[3]
    ss = 0
    to = esp + 16 & 0xffffffff
    if cs & RPL != 1:
        if words[4] == NOT_MAPPED or words[5] == NOT_MAPPED:
            domain.die('iret with its stack at 0x%x, where nothing is mapped' % esp)
            return ELSEWHERE
        to = words[4]
        ss = words[5] & 0xffff
    if not domain.returns.interrupt_return(cs, words[1], flags, ss, to):
        domain.die('iret to 0x%x:0x%x, which are not segments of its rings' % (cs, ss))
        return ELSEWHERE
    domain.system.regs[EAX] = words[0]
    domain.paging.memory.write8(domain.shared_frame * FRAME + UPCALL_MASK, int(flags & FLAG_IF == 0))
    return ELSEWHERE
