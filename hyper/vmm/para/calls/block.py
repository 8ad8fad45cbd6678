"""block_io_op: in 1.0 it only says that there are requests in the ring; in 1.2 it has operations, in a structure {u32 operation, u32 frame of
the ring, which the last one writes}."""
from hyper.vmm.para.layout import BLOCK_RESET, BLOCK_RING_ADDRESS, BLOCK_SIGNAL, EFAULT, ENOSYS, FRAME
from hyper.vmm.para.linear_memory import NOT_MAPPED


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
    if operation == BLOCK_RING_ADDRESS:
        if not domain.linear.write32(at + 4, domain.block.shared // FRAME):
            return -EFAULT
        return 0
    return -ENOSYS
