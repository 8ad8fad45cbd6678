"""What the paravirtual domains of a hypervisor share beside memory: through it they reach each other and the machine's devices."""
from hyper.vmm.para.block.disks import BlockDevices
from hyper.vmm.para.block.operations import Operations


class Devices(object):
    """`channels` has the EventChannels of domains by number, `block` the disks and block rings."""
    _immutable_fields_ = ['channels', 'block', 'block_operations']

    def __init__(self):
        self.channels = {}
        self.block = BlockDevices()
        self.block_operations = Operations(self.block)
