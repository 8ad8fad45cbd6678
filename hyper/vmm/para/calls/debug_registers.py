"""set_debugreg and get_debugreg: the guest's registers are in the processor while it runs, as with full virtualization."""
from hyper.vmm.para.layout import EINVAL, EPERM, HYPERVISOR

DR6, DR7 = 6, 7
DR6_ONES, DR6_MAY = 0xffff0ff0, 0x0000e00f
DR7_ONES, DR7_MAY = 0x400, 0xffff03ff
DR7_GENERAL_DETECT = 1 << 13
ON_PORTS = 2                    # kind of a breakpoint


def accepted(number, value):
    """The value that DR0 to DR3, DR6 or DR7 gets, negative if a guest may not have it."""
    if number < 4:
        return value if value <= HYPERVISOR - 4 else -EPERM
    if number == DR6:
        return value & DR6_MAY | DR6_ONES
    for k in range(4):
        if value >> (16 + 4 * k) & 3 == ON_PORTS:
            return -EPERM
    if number != DR7 or value & DR7_GENERAL_DETECT:
        return -EPERM
    return value & DR7_MAY | DR7_ONES


def set_debugreg(domain):
    number = domain.arguments[0]
    value = domain.arguments[1]
    if number < 4:
        if value > HYPERVISOR - 4:
            domain.refusals.because('a breakpoint in the hypervisor')
            return -EPERM
    elif number == DR6:
        value = value & DR6_MAY | DR6_ONES
    elif number == DR7:
        if value & DR7_GENERAL_DETECT:
            domain.refusals.because('to guard the debug registers')
            return -EPERM
        for k in range(4):
            if value >> (16 + 4 * k) & 3 == ON_PORTS:
                domain.refusals.because('a breakpoint on ports')
                return -EPERM
        value = value & DR7_MAY | DR7_ONES
    else:
        return -EINVAL
    domain.set_debug_register(number, value)
    return 0


def get_debugreg(domain):
    number = domain.arguments[0]
    if number > DR7 or number == 4 or number == 5:
        return -EINVAL
    return domain.debug_register(number)
