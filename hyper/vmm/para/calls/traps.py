"""set_trap_table, stack_switch, set_callbacks, set_fast_trap, fpu_taskswitch."""
from hyper.vmm.para.descriptors import is_kernel_selector
from hyper.vmm.para.layout import EFAULT, EINVAL, EPERM, TRAP_INFO_SIZE
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.para.traps import NO_FAST_TRAP, VECTORS
from hyper.vmx import fields

CR0_TS = 1 << 3
NOT_RING_1 = 'a handler or stack that is not in ring 1'


def set_trap_table(domain):
    """The handlers, from a list that a handler at 0 ends. The fast trap stays if its new handler can be one."""
    linear = domain.linear
    traps = domain.traps
    first = domain.arguments[0]
    count = 0
    while True:
        at = first + count * TRAP_INFO_SIZE
        word = linear.read32(at)
        address = linear.read32(at + 4)
        if word == NOT_MAPPED or address == NOT_MAPPED:
            return -EFAULT
        if address == 0:
            break
        if not is_kernel_selector(word >> 16):
            domain.refusals.because(NOT_RING_1)
            return -EPERM
        count += 1
        if count > VECTORS:
            return -EINVAL
    traps.clear()
    for k in range(count):
        at = first + k * TRAP_INFO_SIZE
        word = linear.read32(at)
        vector = word & 0xff
        traps.flags[vector] = word >> 8 & 0xff
        traps.selector[vector] = word >> 16
        traps.address[vector] = linear.read32(at + 4)
    traps.set_fast_trap(traps.fast)
    return 0


def stack_switch(domain):
    """Where entries from outer rings build their frames."""
    if not is_kernel_selector(domain.arguments[0]):
        domain.refusals.because(NOT_RING_1)
        return -EPERM
    domain.traps.set_stack(domain.arguments[0] & 0xffff, domain.arguments[1])
    return 0


def set_callbacks(domain):
    a = domain.arguments
    if not is_kernel_selector(a[0]) or not is_kernel_selector(a[2]):
        domain.refusals.because(NOT_RING_1)
        return -EPERM
    traps = domain.traps
    traps.event_selector = a[0] & 0xffff
    traps.event_address = a[1]
    traps.failsafe_selector = a[2] & 0xffff
    traps.failsafe_address = a[3]
    return 0


def set_fast_trap(domain):
    """0 for none."""
    vector = domain.arguments[0]
    if vector != NO_FAST_TRAP and not domain.traps.may_be_fast(vector):
        domain.refusals.because('a fast trap that is an exception, a hypercall, or without a handler that leaves events as they are')
        return -EINVAL
    domain.traps.set_fast_trap(vector)
    return 0


def fpu_taskswitch(domain):
    """The next floating-point instruction traps (#NM), once."""
    vmx = domain.vmx
    vmx.vmwrite(fields.GUEST_CR0, vmx.vmread(fields.GUEST_CR0) | CR0_TS)
    return 0
