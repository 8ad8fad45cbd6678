"""What the paravirtual domains of a hypervisor share beside memory: through it they reach each other and the machine's devices."""


class Devices(object):
    """`channels` has the EventChannels of domains by number."""
    _immutable_fields_ = ['channels']

    def __init__(self):
        self.channels = {}
