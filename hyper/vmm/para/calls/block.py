"""block_io_op: in 1.0 it only says that there are requests in the ring; in 1.2 it has operations, in a structure {u32 operation, what is the operation's}.
That of the ring's address is {u32 frame of the ring}, written here; those of virtual disks are in virtual_disks.py."""
from hyper.vmm.para.calls import virtual_disks
from hyper.vmm.para.layout import BLOCK_RESET, BLOCK_RING_ADDRESS, BLOCK_SIGNAL, DISK_CREATE, DISK_INFO, EFAULT, ENOSYS, FRAME
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.para.structure import Structure


def block_io_op(domain):
    return domain.block.push()


def block_io_op_1_2(domain):
    at = domain.arguments[0]
    operation = domain.linear.read32(at)
    if operation == NOT_MAPPED:
        return -EFAULT
    if operation == BLOCK_SIGNAL:
        return domain.block.push()
    if operation == BLOCK_RESET:
        return domain.block.reset()
    structure = Structure(domain.linear, at + 4)
    if operation == BLOCK_RING_ADDRESS:
        structure.put(0, domain.block.shared // FRAME)
        return structure.result(0)
    if DISK_CREATE <= operation <= DISK_INFO:
        return virtual_disks.operate(domain, operation, structure)
    return -ENOSYS
