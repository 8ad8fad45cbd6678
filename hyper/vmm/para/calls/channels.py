"""event_channel_op of 1.2."""
from hyper.vmm.para.layout import CHANNEL_CLOSE, CHANNEL_OPEN, CHANNEL_SEND, CHANNEL_STATUS, EINVAL, ENOSYS, MOST_DOMAIN_NUMBER


def event_channel_op(domain):
    """An operation, and the domain to open a channel to or else the number of the channel."""
    operation = domain.arguments[0]
    number = domain.arguments[1]
    if number > MOST_DOMAIN_NUMBER:
        return -EINVAL
    channels = domain.channels
    if operation == CHANNEL_OPEN:
        return channels.open(number)
    if operation == CHANNEL_CLOSE:
        return channels.close(number)
    if operation == CHANNEL_SEND:
        return channels.send(number)
    if operation == CHANNEL_STATUS:
        return channels.status(number)
    return -ENOSYS
