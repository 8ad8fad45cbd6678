"""What the paravirtual domains of a hypervisor share beside memory: through it they reach each other and the machine's devices."""
from hyper.vmm.para.block.disks import BlockDevices
from hyper.vmm.para.block.operations import Operations
from hyper.vmm.para.guest_time import SECOND
from hyper.vmm.para.network.router import Router


class Devices(object):
    """`channels` has the EventChannels of domains by number, `block` the disks and block rings, `router` the network between them; `wall_start` is the
    wall-clock time at machine time 0, in ns since 1970."""
    _immutable_fields_ = ['channels', 'block', 'block_operations', 'router']

    def __init__(self, clock, frames):
        self.channels = {}
        self.block = BlockDevices()
        self.block_operations = Operations(self.block)
        self.router = Router(clock, frames)
        self.wall_start = clock.start_of_time * SECOND
