"""kbd_op; and the hypercalls of devices that a domain does not have."""
from hyper.vmm.para.layout import ENOSYS


def no_device(domain):
    """net_update, network_op."""
    return -ENOSYS


def kbd_op(domain):
    """Every domain has a console, and so a keyboard, of its own."""
    return domain.keyboard.operate(domain.arguments[0])
