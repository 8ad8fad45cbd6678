"""Where templates keep what they share with the engine: raw storage, one frame a processor, in RBP while they run.

FLAGS: byte 0 is OF, byte 1 the other arithmetic flags as LAHF gives them. KEY and the cache: see `templates.cache_key`.
"""
REGISTERS = 0           # eight of 4 bytes
FLAGS = 32
EIP = 36
ICOUNT = 40
DEADLINE = 48
TLB = 56                # address of the bank of the mode
RAM = 64                # address of machine memory
KEY = 72
FILL = 80               # address of the function that fills the TLB
SYSTEM = 88             # number of the processor
BLOCK = 96              # number of the block that was left last
INDEX = 100             # the operation at which it was left
LINK = 104              # the jump by which it was left, if that can lead on from now on, else 0
ENDED = 108             # how an operation ended that was called, and must not be done by the interpreter though the block was left at it, else 0
TEMPORARY = 112
SSE = 116               # whether SSE instructions are allowed
PERFORM = 120           # address of the function that does an operation
SAVED = 128             # caller-saved registers, around a call of FILL
FPU = 184               # address of the image of the FPU
SEGMENTS = 192          # for each of ES to GS: base, highest offset to read, to write
SEGMENT_SIZE = 24
BASE, READ_TOP, WRITE_TOP = 0, 8, 16
CACHE = 384             # where the code of blocks is: pairs of KEY | linear address, and host address
CACHE_ENTRIES = 32768   # few of a kernel's and a program's hot blocks must meet in one
SIZE = CACHE + 16 * CACHE_ENTRIES

# how an operation that was called ended: aborted, as if it had not begun; done; done, and not to be followed by the next instruction of this code
LEFT_ALONE, PERFORMED, ELSEWHERE = range(3)
# in ENDED: it has written to its own page, and EIP is behind it; it is to be executed alone, at EIP
WROTE_CODE, ALONE = 1, 2


def cache_slot(address):
    """Where the cache keeps the block at a linear address."""
    return CACHE + 16 * ((address ^ address >> 12) & (CACHE_ENTRIES - 1))
