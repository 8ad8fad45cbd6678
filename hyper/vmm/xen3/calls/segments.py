"""set_gdt and update_descriptor."""
from hyper.vmm.para.calls import segments
from hyper.vmm.para.layout import EINVAL
from hyper.vmm.xen3.layout import MOST_GDT_ENTRIES


def set_gdt(domain):
    """A list of frame numbers, and how many descriptors are in the frames."""
    entries = domain.arguments[1]
    if entries > MOST_GDT_ENTRIES:
        return -EINVAL
    return segments.load_gdt(domain, entries)


def update_descriptor(domain):
    """One descriptor, by its machine address; both of 64 bits."""
    a = domain.arguments
    if a[1] != 0:
        return -EINVAL
    a[1] = a[2]
    a[2] = a[3]
    return segments.update_descriptor(domain)
