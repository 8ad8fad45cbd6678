"""Segment descriptors of guests: which are allowed, and what is in them (SDM vol. 3, 3.4.5 and 3.5).

A descriptor is two words, `low` and `high`. Present ones must not give ring 0, be gates or system segments other than call gates, or reach the
hypervisor. In an allowed code or data segment the accessed bit is set when it is checked, so the processor never has to write it and the
tables can be mapped read-only.
"""
from hyper.vmm.para.layout import (FIRST_RESERVED_DESCRIPTOR, FRAME, LAST_RESERVED_DESCRIPTOR, KERNEL_CS, KERNEL_DS, USER_CS, USER_DS, M32, SEGMENT_END)

# of the high word
ACCESSED, WRITABLE, EXPAND_DOWN, CODE = 1 << 8, 1 << 9, 1 << 10, 1 << 11
READABLE, CONFORMING = WRITABLE, EXPAND_DOWN
ORDINARY, PRESENT, BIG, GRANULAR = 1 << 12, 1 << 15, 1 << 22, 1 << 23
DPL_SHIFT = 13
TYPE = 0xf00
CALL_GATE, LDT_SEGMENT = 0xc00, 0x200
GATE_RESERVED = 0xe0
REACHES = 'a segment that reaches the hypervisor'

IN_LDT, RPL = 4, 3              # of a selector


class FlatSegments(object):
    """The selectors of the hypervisor's flat segments for guests."""
    _immutable_ = True

    def __init__(self, kernel_cs, kernel_ds, user_cs, user_ds):
        self.kernel_cs = kernel_cs
        self.kernel_ds = kernel_ds
        self.user_cs = user_cs
        self.user_ds = user_ds


FLAT_SEGMENTS = FlatSegments(KERNEL_CS, KERNEL_DS, USER_CS, USER_DS)

# the hypervisor's descriptors in every GDT, from the first reserved one on: (selector, low, high)
FLAT_LOW = SEGMENT_END - 1 >> 12 & 0xffff
FLAT_HIGH = (SEGMENT_END - 1 >> 12) & 0xf0000 | BIG | GRANULAR
FLAT = [(KERNEL_CS, FLAT_HIGH | 0xbb00), (KERNEL_DS, FLAT_HIGH | 0xb300), (USER_CS, FLAT_HIGH | 0xfb00), (USER_DS, FLAT_HIGH | 0xf300)]
DEFAULT_ENTRIES = (USER_DS >> 3) + 1            # of the GDT of a domain that has not set its own


def dpl(high):
    return high >> DPL_SHIFT & 3


def base(low, high):
    return high & 0xff000000 | (high & 0xff) << 16 | low >> 16


def limit(low, high):
    """The limit in bytes."""
    value = high & 0xf0000 | low & 0xffff
    if high & GRANULAR:
        return value << 12 | 0xfff
    return value


def access(high):
    """Access rights as the VMCS has them."""
    return high >> 8 & 0xf0ff


def is_code_of(high, ring):
    """Whether code in a ring may be in the segment."""
    if high & (PRESENT | ORDINARY | CODE) != PRESENT | ORDINARY | CODE:
        return False
    if high & CONFORMING:
        return dpl(high) <= ring
    return dpl(high) == ring


def is_stack(high, ring):
    """Whether the segment can be the 32-bit stack of a ring."""
    wanted = PRESENT | ORDINARY | WRITABLE | BIG
    return high & (wanted | CODE | EXPAND_DOWN) == wanted and dpl(high) == ring


def is_readable_by(high, ring, selector):
    """Whether a data segment register can be loaded with the selector in a ring (SDM vol. 3, 5.6)."""
    if high & (PRESENT | ORDINARY) != PRESENT | ORDINARY or high & (CODE | READABLE) == CODE:
        return False
    if high & CODE and high & CONFORMING:
        return True
    return dpl(high) >= max(ring, selector & RPL)


def is_kernel_selector(selector):
    """Whether it can be the code or stack segment of a guest's handler: in ring 1, and not null."""
    return selector & RPL == 1 and selector & ~RPL & 0xffff != 0


def is_allowed(low, high):
    return why_refused(low, high) == ''


def why_refused(low, high):
    """Why a descriptor is not allowed, '' if it is."""
    if not high & PRESENT:
        return ''               # its use faults
    if dpl(high) == 0:
        return 'a descriptor of ring 0'
    if not high & ORDINARY:
        # the target of a call gate is a segment of the guest's or a flat one, none of which is in ring 0
        if high & TYPE == CALL_GATE and not high & GATE_RESERVED:
            return ''
        return 'a gate or system segment other than a call gate'
    start = base(low, high)
    end = start + limit(low, high)
    if high & (CODE | EXPAND_DOWN) == EXPAND_DOWN:
        if high & BIG:
            return REACHES          # to the end of the address space
        end = start + 0xffff
    if end >= SEGMENT_END:
        return REACHES
    return ''


def with_accessed(high):
    """The high word as it is stored."""
    if high & PRESENT and high & ORDINARY:
        return high | ACCESSED
    return high


def are_allowed(memory, frame):
    """Whether all descriptors in a frame are."""
    at = frame * FRAME
    end = at + FRAME
    while at < end:
        if not is_allowed(memory.read32(at), memory.read32(at + 4)):
            return False
        at += 8
    return True


def check_frame(memory, frame):
    """Whether all descriptors in a frame are allowed; marks them accessed."""
    if not are_allowed(memory, frame):
        return False
    at = frame * FRAME
    end = at + FRAME
    while at < end:
        high = memory.read32(at + 4)
        if with_accessed(high) != high:
            memory.write32(at + 4, with_accessed(high))
        at += 8
    return True


def write_reserved(memory, frame):
    """Puts the hypervisor's descriptors into the first frame of a GDT."""
    at = frame * FRAME
    memory.clear(at + FIRST_RESERVED_DESCRIPTOR * 8, (LAST_RESERVED_DESCRIPTOR + 1 - FIRST_RESERVED_DESCRIPTOR) * 8)
    for selector, high in FLAT:
        memory.write32(at + (selector & ~7), FLAT_LOW)
        memory.write32(at + (selector & ~7) + 4, high)
