"""console_write."""
from hyper.vmm.para.layout import CONTINUE, EFAULT, FRAME, MOST_WORK
from hyper.vmm.para.linear_memory import NOT_MAPPED


def console_write(domain):
    """Bytes to the domain's console; on a fault, those before it are written."""
    at = domain.arguments[0]
    count = domain.arguments[1]
    linear = domain.linear
    paging = domain.paging
    if not linear.contains(at, count):
        return -EFAULT
    while count > 0:
        if paging.work > MOST_WORK:
            domain.arguments[0] = at
            domain.arguments[1] = count
            return CONTINUE
        machine = linear.machine(at, False)
        if machine == NOT_MAPPED:
            return -EFAULT
        size = min(count, FRAME - (at & 0xfff))
        for k in range(size):
            domain.sink.write_byte(paging.memory.read8(machine + k))
        paging.work += size
        at += size
        count -= size
    return 0
