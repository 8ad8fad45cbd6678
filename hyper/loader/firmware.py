"""A PC's firmware: the end of its ROM shadowed below 1 MB, and the processor as after reset."""

from hyper.errors import UserError
from hyper.loader.entry import EntryState, HIGH, Image, Segment

LEAST = 64 << 10
MOST = 16 << 20
SHADOWED = 128 << 10
RESET_SEGMENT = 0xf000
RESET_OFFSET = 0xfff0


def load(file):
    size = file.size()
    if size < LEAST or size > MOST or size % LEAST != 0:
        raise UserError("%s: %d bytes; firmware is a ROM image of 64K to 16M, like SeaBIOS's bios.bin" % (file.name, size))
    shadowed = min(size, SHADOWED)
    start = size - shadowed
    assert start >= 0
    state = EntryState(RESET_OFFSET)
    state.protected = False
    state.cs = RESET_SEGMENT
    state.ds = 0
    state.esp = 0
    return Image(file.name, [Segment(HIGH - shadowed, file.data[start:], shadowed)], state)
