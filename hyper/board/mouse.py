"""A PS/2 mouse with three buttons: what it answers, and packets of three bytes as it is moved.

Source: IBM PS/2 Hardware Interface Technical Reference, mouse; the default is 100 samples a second, 4 counts a millimetre, scaling 1:1.
"""

ACKNOWLEDGE = 0xfa
RESEND = 0xfe
TEST_PASSED = 0xaa
IDENTITY = 0x00

SCALING_1_1, SCALING_2_1, RESOLUTION, STATUS, STREAM, READ_DATA, WRAP_OFF, WRAP, REMOTE = 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xee, 0xf0
IDENTIFY, RATE, ENABLE, DISABLE, DEFAULTS, RESET = 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xff
NO_COMMAND = 0

STATUS_SCALING, STATUS_ENABLED, STATUS_REMOTE = 0x10, 0x20, 0x40
PACKET_ALWAYS, PACKET_LEFT, PACKET_UP_IS_NEGATIVE = 0x08, 0x10, 0x20       # bit 3; the signs of the two movements
BUTTONS = 7                     # left, right, middle from bit 0 on
PACKET = 3                      # bytes
FARTHEST = 255                  # of one packet
MOST_WAITING = 48               # bytes


class Mouse(object):
    """`write` is a byte from the host, `take` gives the bytes for it."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.out = []
        self.set_defaults()
        self.wrap = False
        self.pending = NO_COMMAND
        self.right = 0              # movement that no packet has told yet
        self.up = 0
        self.buttons = 0

    def set_defaults(self):
        self.rate = 100
        self.resolution = 2
        self.doubled = False
        self.enabled = False
        self.remote = False

    def say(self, byte):
        if len(self.out) < MOST_WAITING:
            self.out.append(byte)

    def take(self):
        out = self.out
        self.out = []
        return out

    def move(self, right, down, buttons, has_room):
        """It was moved by so many counts, and these buttons are down now; a packet tells it where there is room for one, else a later one."""
        self.right = clamp(self.right + right)
        self.up = clamp(self.up - down)
        self.buttons = buttons & BUTTONS
        if has_room and self.enabled and not self.remote and not self.wrap:
            self.tell()

    def tell(self):
        first = PACKET_ALWAYS | self.buttons
        if self.right < 0:
            first |= PACKET_LEFT
        if self.up < 0:
            first |= PACKET_UP_IS_NEGATIVE
        self.say(first)
        self.say(self.right & 0xff)
        self.say(self.up & 0xff)
        self.right = 0
        self.up = 0

    def write(self, value):
        command = self.pending
        self.pending = NO_COMMAND
        if self.wrap and value != RESET and value != WRAP_OFF:
            self.say(value)
        elif command == RATE:
            self.rate = value
            self.say(ACKNOWLEDGE)
        elif command == RESOLUTION:
            self.resolution = value & 3
            self.say(ACKNOWLEDGE)
        else:
            self.command(value)

    def command(self, value):
        if value == RESET:
            self.reset()
            self.say(ACKNOWLEDGE)
            self.say(TEST_PASSED)
            self.say(IDENTITY)
            return
        if not (SCALING_1_1 <= value <= WRAP_OFF or value == WRAP or value == REMOTE or IDENTIFY <= value <= DEFAULTS):
            self.say(RESEND)
            return
        self.say(ACKNOWLEDGE)
        if value == RATE or value == RESOLUTION:
            self.pending = value
        elif value == SCALING_1_1 or value == SCALING_2_1:
            self.doubled = value == SCALING_2_1
        elif value == STATUS:
            self.say((STATUS_SCALING if self.doubled else 0) | (STATUS_ENABLED if self.enabled else 0) | (STATUS_REMOTE if self.remote else 0)
                     | (self.buttons & 1) << 2 | (self.buttons & 4) >> 1 | (self.buttons & 2) >> 1)
            self.say(self.resolution)
            self.say(self.rate)
        elif value == READ_DATA:
            self.tell()
        elif value == STREAM or value == REMOTE:
            self.remote = value == REMOTE
        elif value == WRAP or value == WRAP_OFF:
            self.wrap = value == WRAP
        elif value == IDENTIFY:
            self.say(IDENTITY)
        elif value == ENABLE or value == DISABLE:
            self.enabled = value == ENABLE
        elif value == DEFAULTS:
            self.set_defaults()


def clamp(count):
    return max(-FARTHEST, min(FARTHEST, count))
