"""kbd_op; and the hypercalls of devices and of domain control that a domain does not have."""
from hyper.vmm.para.layout import ENOSYS, EPERM


def no_device(domain):
    """net_update, network_op."""
    return -ENOSYS


def not_privileged(domain):
    """dom0_op, which is the privileged domain's."""
    return -EPERM


def kbd_op(domain):
    """Every domain has a console, and so a keyboard, of its own."""
    return domain.keyboard.operate(domain.arguments[0])
