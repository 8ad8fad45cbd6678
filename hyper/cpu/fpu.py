"""The state of the floating-point unit: one image in raw memory, laid out as FXSAVE lays it out (SDM vol. 1, table 10-2; vol. 2, FXSAVE), shared by
x87, MMX and SSE.

Between instructions the image differs from what FXSAVE stores in one thing: register slot k holds R(k), the physical register, and not ST(k). So MM(k)
is always the significand at REGISTERS + 16 * k. TOP is in the status word; the tag word is the abridged one, a bit for each R(k) that is not empty.
MXCSR is not in the image but a field, which a trace reads only once.
"""
from hyper.board import raw

CONTROL, STATUS, TAGS, OPCODE, IP, CS, DP, DS = 0, 2, 4, 6, 8, 12, 16, 20      # FCW FSW FTW FOP FIP FCS FDP FDS
MXCSR, REGISTERS, XMM = 24, 32, 160
REGISTER, EXPONENT = 16, 8      # bytes of a slot; where its sign and exponent lie
SIZE = 512
OPERAND = 416           # what an x87 instruction stores, in the part of the image that is left to software
SCRATCH_SIZE = 32               # behind the image: operands that have no place of their own

CONTROL_INITIAL, CONTROL_RESET, MXCSR_INITIAL = 0x37f, 0x40, 0x1f80
TOP, TOP_SHIFT = 0x3800, 11
ALL_VALID = 0xff


class FPU(object):
    """`image` is the raw memory."""
    _immutable_fields_ = ['image']

    def __init__(self):
        self.image = raw.allocate(SIZE + SCRATCH_SIZE)
        self.reset()

    def reset(self):
        """The state after RESET (SDM vol. 3, table 9-1)."""
        raw.fill(self.image, 0, 0, SIZE)
        raw.store16(self.image, CONTROL, CONTROL_RESET)
        raw.store8(self.image, TAGS, ALL_VALID)
        self.mxcsr = MXCSR_INITIAL

    def initialize(self):
        """FNINIT: the registers keep their contents, and are empty."""
        image = self.image
        raw.fill(image, 0, 0, MXCSR)
        raw.store16(image, CONTROL, CONTROL_INITIAL)

    def copy_from(self, other):
        """The state of another unit."""
        for at in range(0, SIZE, 8):
            raw.store64(self.image, at, raw.load64(other.image, at))
        self.mxcsr = other.mxcsr

    # -- MMX (SDM vol. 1, 9.5)

    def mmx_enter(self):
        """What each MMX instruction but EMMS does: TOP becomes 0 and no register is empty."""
        image = self.image
        raw.store16(image, STATUS, raw.load16(image, STATUS) & ~TOP)
        raw.store8(image, TAGS, ALL_VALID)

    def mmx_leave(self):
        """EMMS: all registers are empty."""
        self.mmx_enter()
        raw.store8(self.image, TAGS, 0)
