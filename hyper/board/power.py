"""The ports that end a run, and the ones that only look at it: power-off, exit, reset, debug output."""

from hyper.board.bus import Device

FAST_CONTROL = 0x92             # bit 0 resets, bit 1 is A20, which stays on
DEBUG_CODE = 0x80               # what firmware shows on a diagnostic card
DEBUG_OUTPUT = 0xe9             # a byte for the console; reads give the port's own number
EXIT = 0xf4                     # ends the run with the byte written as its exit status
DEBUG_EXIT = 0x501              # the same as QEMU's isa-debug-exit has it: the status is twice the byte, plus one
RESET = 0xcf9

FAST_RESET = 0x01
FAST_A20 = 0x02
RESET_PROCESSOR = 0x04


class PowerListener(object):
    """Whoever runs the machine or the domain. Each call means that it is to stop before its next instruction."""

    def power_off(self):
        pass

    def reset(self):
        pass

    def exit(self, status):
        """`status` is 0..255."""


class PowerControl(Device):
    _immutable_fields_ = ['listener', 'sink']

    def __init__(self, listener, sink):
        self.listener = listener
        self.sink = sink            # takes the debug output
        self.code = 0
        self.reset_control = 0

    def connect(self, bus):
        for port in [FAST_CONTROL, DEBUG_CODE, DEBUG_OUTPUT, EXIT, DEBUG_EXIT, RESET]:
            bus.add_ports(port, port, self)

    def reset(self):
        self.code = 0
        self.reset_control = 0

    def read_port(self, port, size):
        if port == FAST_CONTROL:
            return FAST_A20
        if port == DEBUG_CODE:
            return self.code
        if port == DEBUG_OUTPUT:
            return DEBUG_OUTPUT
        if port == RESET:
            return self.reset_control
        return 0

    def write_port(self, port, size, value):
        value &= 0xff
        if port == EXIT:
            self.listener.exit(value)
        elif port == DEBUG_EXIT:
            self.listener.exit((value << 1 | 1) & 0xff)
        elif port == RESET:
            if value & RESET_PROCESSOR and not self.reset_control & RESET_PROCESSOR:
                self.listener.reset()
            self.reset_control = value
        elif port == FAST_CONTROL:
            if value & FAST_RESET:
                self.listener.reset()
        elif port == DEBUG_CODE:
            self.code = value
        elif port == DEBUG_OUTPUT:
            self.sink.write_byte(value)
