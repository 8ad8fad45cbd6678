"""How a PC reports x87 exceptions while CR0.NE is 0 (SDM vol. 1, appendix D; 82371SB datasheet, coprocessor error): FERR# raises IRQ 13, and the handler's
write to port F0h takes the request back and drives IGNNE# until FERR# goes away."""

from hyper.board.bus import Device

CLEAR_ERROR = 0xf0


class CoprocessorError(Device):
    _immutable_fields_ = ['pic', 'irq']

    def __init__(self, pic, irq):
        self.pic = pic
        self.irq = irq
        self.reset()

    def connect(self, bus):
        bus.add_ports(CLEAR_ERROR, CLEAR_ERROR, self)

    def reset(self):
        self.reported = False       # FERR#
        self.ignored = False        # IGNNE#
        self.pic.set_line(self.irq, False)

    def report(self):
        """FERR#; whether IGNNE# is driven."""
        if not self.ignored:
            self.reported = True
            self.pic.set_line(self.irq, True)
        return self.ignored

    def settle(self):
        """FERR# has gone away."""
        self.reported = False
        self.ignored = False

    def write_port(self, port, size, value):
        self.pic.set_line(self.irq, False)
        self.ignored = self.reported
