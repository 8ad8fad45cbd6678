"""set_gdt and update_descriptor."""
from hyper.vmm.para.calls import segments
from hyper.vmm.para.descriptor_tables import PER_FRAME
from hyper.vmm.para.layout import EFAULT, EINVAL, TABLE_PAGES
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.layout import MOST_GDT_ENTRIES


def set_gdt(domain):
    """A list of frame numbers, and how many descriptors are in the frames."""
    entries = domain.arguments[1]
    if entries > MOST_GDT_ENTRIES:
        return -EINVAL
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
    """One descriptor, by its machine address; both of 64 bits."""
    a = domain.arguments
    if a[1] != 0:
        return -EINVAL
    a[1] = a[2]
    a[2] = a[3]
    return segments.update_descriptor(domain)
