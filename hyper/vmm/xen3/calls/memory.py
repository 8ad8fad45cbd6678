"""memory_op: the balloon, and what there is of memory."""
from hyper.vmm.frames import NONE
from hyper.vmm.para.frame_table import NO_PAGE
from hyper.vmm.para.layout import CONTINUE, EFAULT, EINVAL, ENOSYS, EPERM, FRAME, MOST_WORK
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.calls.page_tables import is_self
from hyper.vmm.xen3.layout import M2P

(INCREASE, DECREASE, MAXIMUM_RAM_PAGE, CURRENT, MAXIMUM, MACHPHYS_LIST, POPULATE) = range(7)
MACHPHYS_MAPPING = 12
COMMAND, COMMAND_BITS = 0x3f, 6  # of the first argument; a number of extents done before is above


def memory_op(domain):
    command = domain.arguments[0] & COMMAND
    at = domain.arguments[1]
    linear = domain.linear
    if command == MAXIMUM_RAM_PAGE:
        return domain.paging.table.count - 1
    if command == CURRENT or command == MAXIMUM:
        number = linear.read32(at)
        if number == NOT_MAPPED:
            return -EFAULT
        if not is_self(domain, number & 0xffff):
            return -EPERM
        return domain.pages if command == CURRENT else domain.most_pages
    if command == MACHPHYS_MAPPING:
        count = domain.paging.table.count
        if linear.write32(at, M2P) and linear.write32(at + 4, M2P + len(domain.paging.table.m2p) * FRAME) and linear.write32(at + 8, count - 1):
            return 0
        return -EFAULT
    if command == INCREASE or command == DECREASE or command == POPULATE:
        return reserve(domain, command, at, domain.arguments[0] >> COMMAND_BITS)
    return -ENOSYS


def reserve(domain, command, at, done):
    """{u32 list of extents, u32 how many, u32 order, u32 flags, u16 domain}; the result is how many were done."""
    linear = domain.linear
    extents = linear.read32(at)
    count = linear.read32(at + 4)
    order = linear.read32(at + 8)
    number = linear.read32(at + 16)
    if extents == NOT_MAPPED or count == NOT_MAPPED or order == NOT_MAPPED or number == NOT_MAPPED or not linear.contains(extents, count * 4):
        return -EFAULT
    if not is_self(domain, number & 0xffff):
        return -EPERM
    if order != 0:
        return -EINVAL          # single pages only
    changed = False
    result = 0
    while done < count:
        if domain.paging.work > MOST_WORK:
            domain.arguments[0] = command | done << COMMAND_BITS
            result = CONTINUE
            break
        if command == DECREASE:
            fine = give_back(domain, extents + 4 * done)
        else:
            fine = take(domain, extents + 4 * done, command == POPULATE)
        if not fine:
            break
        changed = True
        domain.paging.work += 4
        done += 1
    if changed and command == DECREASE:
        domain.paging.flush()
    return result if result == CONTINUE else done


def take(domain, at, populate):
    """A frame for the domain, whose number takes the place of the page's in the list."""
    page = domain.linear.read32(at)
    if page == NOT_MAPPED or domain.pages >= domain.most_pages:
        return False
    address = domain.frames.take()
    if address == NONE:
        return False
    if not domain.linear.write32(at, address // FRAME):
        domain.frames.give_back(address)
        return False
    domain.paging.table.give(address // FRAME, domain.number, page if populate else NO_PAGE)
    domain.pages += 1
    return True


def give_back(domain, at):
    """A frame that nothing refers to."""
    paging = domain.paging
    frame = domain.linear.read32(at)
    if frame == NOT_MAPPED or not paging.owns(frame) or paging.references[frame] > 0:
        return False
    paging.table.take_back(frame)
    domain.frames.give_back(frame * FRAME)
    domain.pages -= 1
    return True
