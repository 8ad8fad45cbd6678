"""The keyboard controller (Intel 8042) with a keyboard and a mouse (mouse.py). A20 is always on."""

from hyper.board.bus import Device
from hyper.board.mouse import Mouse, PACKET
from hyper.board.scan_codes import RELEASED, RELEASED_SET_2, SET_2, strokes

DATA = 0x60
COMMAND = 0x64                  # status when read

STATUS_FULL = 0x01              # a byte waits at DATA
STATUS_SYSTEM = 0x04            # the self-test has passed
STATUS_COMMAND = 0x08           # the last write was to COMMAND
STATUS_UNLOCKED = 0x10
STATUS_MOUSE = 0x20             # that byte is the mouse's

CONTROL_INTERRUPT = 0x01        # of the command byte: IRQ 1 when a byte waits
CONTROL_MOUSE_INTERRUPT = 0x02  # IRQ 12 when a byte of the mouse does
CONTROL_SYSTEM = 0x04
CONTROL_KEYBOARD_OFF = 0x10
CONTROL_MOUSE_OFF = 0x20
CONTROL_TRANSLATE = 0x40        # scan codes of set 2 are given as set 1

READ_CONTROL = 0x20             # up to 3F: the controller's 32 bytes of memory, of which the first is its command byte
WRITE_CONTROL = 0x60            # up to 7F
MOUSE_OFF = 0xa7
MOUSE_ON = 0xa8
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
INPUTS = 0x80                   # keyboard not locked
OUTPUTS = 0xcf                  # reset line high, A20 on
OUTPUT_RUN = 0x01               # low resets the processor

KEYBOARD_LEDS = 0xed
KEYBOARD_ECHO = 0xee
KEYBOARD_SCAN_SET = 0xf0
KEYBOARD_IDENTIFY = 0xf2
KEYBOARD_RATE = 0xf3
KEYBOARD_ENABLE = 0xf4
KEYBOARD_DISABLE = 0xf5
KEYBOARD_FIRST_PLAIN = 0xf6     # set defaults and the key-type commands need only be acknowledged
KEYBOARD_LAST_PLAIN = 0xfa
KEYBOARD_RESET = 0xff
ACKNOWLEDGE = 0xfa
RESEND = 0xfe
TEST_PASSED = 0xaa

NO_COMMAND = 0
MEMORY = 32
QUEUE = 64                      # bytes that may wait; a guest that asks and never reads loses the rest
MOST_TYPED = 4096               # scan codes that wait for room in that
MOUSE_BYTE = 0x100              # marks the mouse's in the queue


class Keyboard(Device):
    """The controller, and the keyboard on it. `power` has reset()."""

    _immutable_fields_ = ['pic', 'irq', 'mouse_irq', 'power', 'mouse']

    def __init__(self, pic, irq, mouse_irq, power):
        self.pic = pic
        self.irq = irq
        self.mouse_irq = mouse_irq
        self.power = power
        self.mouse = Mouse()
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
        self.scanning = True
        self.queue = []                 # what the guest can read, with MOUSE_BYTE where that is
        self.typed = []                 # scan codes of set 1
        self.last = 0
        self.mouse.reset()
        self.update()

    def update(self):
        is_full = len(self.queue) > 0
        is_mouse = is_full and self.queue[0] & MOUSE_BYTE != 0
        self.pic.set_line(self.irq, is_full and not is_mouse and self.memory[0] & CONTROL_INTERRUPT != 0)
        self.pic.set_line(self.mouse_irq, is_mouse and self.memory[0] & CONTROL_MOUSE_INTERRUPT != 0)

    def answer(self, byte):
        if len(self.queue) < QUEUE:
            self.queue.append(byte)
        self.update()

    def take_from_mouse(self):
        """What the mouse has to say becomes readable."""
        for byte in self.mouse.take():
            self.answer(byte | MOUSE_BYTE)

    # from outside

    def type(self, text):
        """Characters typed; their keys come one after the other as the guest reads them."""
        for c in text:
            if len(self.typed) < MOST_TYPED:
                for code in strokes(ord(c)):
                    self.typed.append(code)
        self.refill()

    def refill(self):
        """The next key, if nothing waits and the guest wants any."""
        if len(self.queue) > 0 or len(self.typed) == 0 or not self.scanning or self.memory[0] & CONTROL_KEYBOARD_OFF:
            return
        code = self.typed.pop(0)
        if self.memory[0] & CONTROL_TRANSLATE or self.scan_set == 1:
            self.answer(code)
            return
        if code & RELEASED:
            self.answer(RELEASED_SET_2)
        self.answer(SET_2[code & ~RELEASED])

    def move_mouse(self, right, down, buttons):
        if not self.memory[0] & CONTROL_MOUSE_OFF:
            self.mouse.move(right, down, buttons, len(self.queue) + PACKET <= QUEUE)
            self.take_from_mouse()

    def read_port(self, port, size):
        if port == COMMAND:
            status = STATUS_UNLOCKED | self.memory[0] & STATUS_SYSTEM
            if len(self.queue) > 0:
                status |= STATUS_FULL
                if self.queue[0] & MOUSE_BYTE:
                    status |= STATUS_MOUSE
            if self.last_was_command:
                status |= STATUS_COMMAND
            return status
        if len(self.queue) > 0:
            self.last = self.queue.pop(0) & 0xff
            self.pic.set_line(self.irq, False)      # the next byte is a new edge
            self.pic.set_line(self.mouse_irq, False)
            self.refill()
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
            self.answer(0)
        elif value == MOUSE_OFF:
            self.memory[0] |= CONTROL_MOUSE_OFF
        elif value == MOUSE_ON:
            self.memory[0] &= ~CONTROL_MOUSE_OFF
        elif value == KEYBOARD_OFF:
            self.memory[0] |= CONTROL_KEYBOARD_OFF
        elif value == KEYBOARD_ON:
            self.memory[0] &= ~CONTROL_KEYBOARD_OFF
            self.refill()
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
        elif command == WRITE_KEYBOARD_BUFFER:
            self.answer(value)
        elif command == WRITE_MOUSE_BUFFER:
            self.answer(value | MOUSE_BYTE)
        elif command == WRITE_MOUSE:
            self.mouse.write(value)
            self.take_from_mouse()
        else:
            self.memory[command - WRITE_CONTROL] = value
            self.refill()
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
        elif value == KEYBOARD_ENABLE or value == KEYBOARD_DISABLE:
            self.scanning = value == KEYBOARD_ENABLE
            self.answer(ACKNOWLEDGE)
        elif KEYBOARD_FIRST_PLAIN <= value <= KEYBOARD_LAST_PLAIN:
            self.answer(ACKNOWLEDGE)
        elif value == KEYBOARD_RESET:
            self.scan_set = 2
            self.scanning = True
            self.answer(ACKNOWLEDGE)
            self.answer(TEST_PASSED)
        else:
            self.answer(RESEND)
