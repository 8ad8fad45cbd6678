"""The keyboard controller (Intel 8042) with a keyboard on which nobody types.

It answers what kernels ask at start, so that none waits for a time-out; there is no mouse port. A20 is always on.
"""

from hyper.board.bus import Device

DATA = 0x60
COMMAND = 0x64                  # status when read

STATUS_FULL = 0x01              # a byte waits at DATA
STATUS_SYSTEM = 0x04            # the self-test has passed
STATUS_COMMAND = 0x08           # the last write was to COMMAND
STATUS_UNLOCKED = 0x10

CONTROL_INTERRUPT = 0x01        # of the command byte: IRQ 1 when a byte waits
CONTROL_SYSTEM = 0x04
CONTROL_KEYBOARD_OFF = 0x10
CONTROL_TRANSLATE = 0x40        # scan codes of set 2 are given as set 1

READ_CONTROL = 0x20             # up to 3F: the controller's 32 bytes of memory, of which the first is its command byte
WRITE_CONTROL = 0x60            # up to 7F
MOUSE_TEST = 0xa9
SELF_TEST = 0xaa
KEYBOARD_TEST = 0xab
KEYBOARD_OFF = 0xad
KEYBOARD_ON = 0xae
READ_INPUTS = 0xc0
READ_OUTPUTS = 0xd0
WRITE_OUTPUTS = 0xd1
WRITE_KEYBOARD_BUFFER = 0xd2
WRITE_MOUSE_BUFFER = 0xd3
WRITE_MOUSE = 0xd4
PULSE = 0xf0                    # up to FF; a clear bit 0 resets the processor

SELF_TEST_PASSED = 0x55
MOUSE_CLOCK_LOW = 0x01          # the result of a test of a mouse port that is not there
INPUTS = 0x80                   # keyboard not locked
OUTPUTS = 0xcf                  # reset line high, A20 on
OUTPUT_RUN = 0x01               # low resets the processor

KEYBOARD_LEDS = 0xed
KEYBOARD_ECHO = 0xee
KEYBOARD_SCAN_SET = 0xf0
KEYBOARD_IDENTIFY = 0xf2
KEYBOARD_RATE = 0xf3
KEYBOARD_FIRST_PLAIN = 0xf4     # enable, disable, set defaults and the key-type commands need only be acknowledged
KEYBOARD_LAST_PLAIN = 0xfa
KEYBOARD_RESET = 0xff
ACKNOWLEDGE = 0xfa
RESEND = 0xfe
TEST_PASSED = 0xaa

NO_COMMAND = 0
MEMORY = 32
QUEUE = 64                      # bytes that may wait; a guest that asks and never reads loses the rest


class Keyboard(Device):
    """`power` has reset()."""

    _immutable_fields_ = ['pic', 'irq', 'power']

    def __init__(self, pic, irq, power):
        self.pic = pic
        self.irq = irq
        self.power = power
        self.memory = [0] * MEMORY
        self.reset()

    def connect(self, bus):
        bus.add_ports(DATA, DATA, self)
        bus.add_ports(COMMAND, COMMAND, self)

    def reset(self):
        for i in range(MEMORY):
            self.memory[i] = 0
        self.memory[0] = CONTROL_INTERRUPT | CONTROL_SYSTEM | CONTROL_TRANSLATE
        self.pending = NO_COMMAND       # controller command that waits for its data byte
        self.keyboard_pending = NO_COMMAND
        self.last_was_command = False
        self.scan_set = 2
        self.queue = []
        self.last = 0
        self.update()

    def update(self):
        self.pic.set_line(self.irq, len(self.queue) > 0 and self.memory[0] & CONTROL_INTERRUPT != 0)

    def answer(self, byte):
        if len(self.queue) < QUEUE:
            self.queue.append(byte)
        self.update()

    def read_port(self, port, size):
        if port == COMMAND:
            status = STATUS_UNLOCKED | self.memory[0] & STATUS_SYSTEM
            if len(self.queue) > 0:
                status |= STATUS_FULL
            if self.last_was_command:
                status |= STATUS_COMMAND
            return status
        if len(self.queue) > 0:
            self.last = self.queue.pop(0)
            self.pic.set_line(self.irq, False)      # the next byte is a new edge
            self.update()
        return self.last

    def write_port(self, port, size, value):
        self.last_was_command = port == COMMAND
        if port == COMMAND:
            self.command(value)
        elif self.pending != NO_COMMAND:
            command = self.pending
            self.pending = NO_COMMAND
            self.data_for(command, value)
        else:
            self.keyboard(value)

    def command(self, value):
        self.pending = NO_COMMAND
        if READ_CONTROL <= value < READ_CONTROL + MEMORY:
            self.answer(self.memory[value - READ_CONTROL])
        elif value >= PULSE:
            if not value & 1:
                self.power.reset()
        elif value == SELF_TEST:
            self.memory[0] |= CONTROL_SYSTEM
            self.answer(SELF_TEST_PASSED)
        elif value == KEYBOARD_TEST:
            self.answer(0)
        elif value == MOUSE_TEST:
            self.answer(MOUSE_CLOCK_LOW)
        elif value == KEYBOARD_OFF:
            self.memory[0] |= CONTROL_KEYBOARD_OFF
        elif value == KEYBOARD_ON:
            self.memory[0] &= ~CONTROL_KEYBOARD_OFF
        elif value == READ_INPUTS:
            self.answer(INPUTS)
        elif value == READ_OUTPUTS:
            self.answer(OUTPUTS)
        elif WRITE_CONTROL <= value < WRITE_CONTROL + MEMORY or WRITE_OUTPUTS <= value <= WRITE_MOUSE:
            self.pending = value

    def data_for(self, command, value):
        if command == WRITE_OUTPUTS:
            if not value & OUTPUT_RUN:
                self.power.reset()
        elif command == WRITE_KEYBOARD_BUFFER or command == WRITE_MOUSE_BUFFER:
            self.answer(value)          # without the mouse's mark in the status: so a kernel sees there is no mouse
        elif command == WRITE_MOUSE:
            self.answer(RESEND)
        else:
            self.memory[command - WRITE_CONTROL] = value
            self.update()

    def keyboard(self, value):
        """A byte for the keyboard itself."""
        command = self.keyboard_pending
        self.keyboard_pending = NO_COMMAND
        self.memory[0] &= ~CONTROL_KEYBOARD_OFF     # data for the keyboard opens its interface
        if command != NO_COMMAND and value < KEYBOARD_LEDS:
            self.answer(ACKNOWLEDGE)
            if command == KEYBOARD_SCAN_SET:
                if value == 0:
                    self.answer(self.scan_set)
                elif value <= 3:
                    self.scan_set = value
        elif value == KEYBOARD_ECHO:
            self.answer(KEYBOARD_ECHO)
        elif value == KEYBOARD_IDENTIFY:
            self.answer(ACKNOWLEDGE)
            self.answer(0xab)
            if self.memory[0] & CONTROL_TRANSLATE:
                self.answer(0x41)
            else:
                self.answer(0x83)
        elif value == KEYBOARD_LEDS or value == KEYBOARD_SCAN_SET or value == KEYBOARD_RATE:
            self.keyboard_pending = value
            self.answer(ACKNOWLEDGE)
        elif KEYBOARD_FIRST_PLAIN <= value <= KEYBOARD_LAST_PLAIN:
            self.answer(ACKNOWLEDGE)
        elif value == KEYBOARD_RESET:
            self.scan_set = 2
            self.answer(ACKNOWLEDGE)
            self.answer(TEST_PASSED)
        else:
            self.answer(RESEND)
