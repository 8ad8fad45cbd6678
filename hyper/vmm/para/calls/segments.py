"""set_gdt and update_descriptor."""
from hyper.vmm.para import descriptors
from hyper.vmm.para.descriptor_tables import PER_FRAME
from hyper.vmm.para.direct_paging import FOREIGN
from hyper.vmm.para.frame_table import DESCRIPTORS, L1, L2
from hyper.vmm.para.layout import EFAULT, EINVAL, LAST_RESERVED_DESCRIPTOR, MOST_DESCRIPTORS, TABLE_PAGES
from hyper.vmm.para.linear_memory import NOT_MAPPED


def set_gdt(domain):
    """A list of frame numbers, and how many descriptors are in the frames."""
    entries = domain.arguments[1]
    if entries <= LAST_RESERVED_DESCRIPTOR or entries > MOST_DESCRIPTORS:
        domain.refusals.because('a GDT too large, or too small for the hypervisor\'s descriptors')
        return -EINVAL
    return load_gdt(domain, entries)


def load_gdt(domain, entries):
    """The first argument is where the frames are listed."""
    count = (entries + PER_FRAME - 1) // PER_FRAME
    frames = [0] * TABLE_PAGES
    for k in range(count):
        frame = domain.linear.read32(domain.arguments[0] + 4 * k)
        if frame == NOT_MAPPED:
            return -EFAULT
        frames[k] = frame
    if not domain.tables.set_gdt(frames, count, entries):
        return -EINVAL
    domain.descriptors_changed = True
    return 0


def update_descriptor(domain):
    """One descriptor, by its machine address."""
    at = domain.arguments[0]
    low = domain.arguments[1]
    high = domain.arguments[2]
    paging = domain.paging
    frame = at >> 12
    why = ''
    if at & 7:
        why = 'a descriptor that is not aligned'
    elif not paging.owns(frame):
        why = FOREIGN
    elif not domain.tables.may_write(at):
        why = 'a descriptor that is the hypervisor\'s'
    else:
        why = descriptors.why_refused(low, high)
    if why != '':
        paging.refusals.because(why)
        return -EINVAL
    if paging.uses[frame] > 0:
        kind = paging.kind[frame]
        if kind == L1 or kind == L2:
            paging.refusals.because('a descriptor in a page table')
            return -EINVAL
        if kind == DESCRIPTORS:
            domain.descriptors_changed = True
    paging.memory.write32(at, low)
    paging.memory.write32(at + 4, descriptors.with_accessed(high))
    return 0
