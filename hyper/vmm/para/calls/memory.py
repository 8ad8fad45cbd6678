"""dom_mem_op: the balloon, by which a domain gives pages back and asks for them again.

The operation is {u32 op, u32 size, u32 list}: `list` is the linear address of `size` frame numbers. The result is how many were done.
"""
from hyper.vmm.frames import NONE
from hyper.vmm.para.direct_paging import FOREIGN
from hyper.vmm.para.frame_table import NO_PAGE
from hyper.vmm.para.layout import EFAULT, EINVAL, FRAME, HYPERVISOR, MEMORY_LESS, MEMORY_MORE
from hyper.vmm.para.linear_memory import NOT_MAPPED


def dom_mem_op(domain):
    linear = domain.linear
    operation = linear.read32(domain.arguments[0])
    size = linear.read32(domain.arguments[0] + 4)
    frames = linear.read32(domain.arguments[0] + 8)
    if operation == NOT_MAPPED or size == NOT_MAPPED or frames == NOT_MAPPED or not linear.contains(frames, size * 4):
        return -EFAULT
    if operation == MEMORY_MORE:
        return take(domain, frames, size)
    if operation == MEMORY_LESS:
        return give_back(domain, frames, size)
    return -EINVAL


def take(domain, at, size):
    """Frames for the domain, as long as it has fewer than it began with; their numbers go to the list."""
    done = 0
    while done < size:
        if domain.pages >= domain.most_pages:
            domain.refusals.because('more memory than the domain began with')
            break
        address = domain.frames.take()
        if address == NONE:
            domain.refusals.because('memory that the machine does not have')
            break
        if not domain.linear.write32(at + 4 * done, address // FRAME):
            domain.frames.give_back(address)
            domain.refusals.because('a list that the guest cannot access')
            break
        domain.paging.table.give(address // FRAME, domain.number, NO_PAGE)
        domain.pages += 1
        domain.paging.work += FRAME // 4            # it was cleared
        done += 1
    return done


def give_back(domain, at, size):
    """Frames of the list that nothing refers to."""
    paging = domain.paging
    done = 0
    while done < size:
        frame = domain.linear.read32(at + 4 * done)
        if frame == NOT_MAPPED:
            domain.refusals.because('a list that the guest cannot access')
            break
        if not paging.owns(frame):
            domain.refusals.because(FOREIGN)
            break
        if paging.references[frame] > 0:
            domain.refusals.because('to give a frame back that is referred to')
            break
        paging.table.take_back(frame)
        domain.frames.give_back(frame * FRAME)
        domain.pages -= 1
        paging.work += 1
        done += 1
    if done > 0:
        paging.flush()
    return done
