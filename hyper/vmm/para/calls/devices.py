"""Hypercalls of devices and of domain control that this domain does not have."""
from hyper.vmm.para.layout import ENOSYS, EPERM


def no_device(domain):
    """net_update, network_op, block_io_op, event_channel_op."""
    return -ENOSYS


def not_privileged(domain):
    """dom0_op, which is the privileged domain's, and kbd_op, which is that of the owner of the keyboard."""
    return -EPERM
