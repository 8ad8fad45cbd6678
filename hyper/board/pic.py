"""The pair of 8259A interrupt controllers of a PC, with the edge/level registers of its chip set.

Source: Intel 8259A datasheet (order 231468); the ELCR as in the 82371SB (PIIX3) datasheet, which also makes ICW1's
level bit (LTIM) void.
"""

from hyper.board.bus import Device

MASTER_COMMAND = 0x20
MASTER_DATA = 0x21
SLAVE_COMMAND = 0xa0
SLAVE_DATA = 0xa1
MASTER_ELCR = 0x4d0
SLAVE_ELCR = 0x4d1

CASCADE = 2                     # the master's input that the slave drives
LINES = 16
NONE = -1

ICW1_NEEDS_ICW4 = 0x01
ICW1_SINGLE = 0x02
ICW1 = 0x10                     # set in what makes a command-port write ICW1
ICW4_AUTO_EOI = 0x02
ICW4_SPECIAL_NESTED = 0x10
OCW3 = 0x08                     # set (with ICW1 clear) in what makes it OCW3; else it is OCW2
OCW3_READ_ISR = 0x01
OCW3_READ_REGISTER = 0x02
OCW3_POLL = 0x04
OCW3_SPECIAL_MASK = 0x20
OCW3_SET_SPECIAL_MASK = 0x40
POLL_PENDING = 0x80

# OCW2 bits 7-5: rotate, specific, end of interrupt
ROTATE_IN_AUTO_EOI_CLEAR = 0
EOI = 1
SPECIFIC_EOI = 3
ROTATE_IN_AUTO_EOI_SET = 4
ROTATE_ON_EOI = 5
SET_PRIORITY = 6
ROTATE_ON_SPECIFIC_EOI = 7

# what the next write to the data port is
MASK = 0
ICW2 = 2
ICW3 = 3
ICW4 = 4


class InterruptListener(object):
    def interrupt_changed(self):
        """The answer of pending() may have changed."""


class Chip(object):
    """One 8259A: eight inputs, one output."""

    _immutable_fields_ = ['level_allowed', 'base']

    def __init__(self, level_allowed, base):
        self.level_allowed = level_allowed      # inputs that the ELCR may make level-triggered
        self.base = base                        # first vector before anybody sets another
        self.lines = 0                          # the levels of the inputs: wires, so no reset touches them
        self.reset()

    def reset(self):
        """As firmware leaves it, except that every input is masked: a guest that asks for nothing gets nothing."""
        self.vector = self.base
        self.level = 0
        self.initialize(0)
        self.expects = MASK
        self.mask = 0xff

    def initialize(self, icw1):
        self.requests = self.lines & self.level     # the edge detectors are cleared
        self.in_service = 0
        self.mask = 0
        self.lowest = 7
        self.special_mask = False
        self.special_nested = False
        self.auto_eoi = False
        self.rotate_in_auto_eoi = False
        self.read_in_service = False
        self.poll = False
        self.icw1 = icw1
        self.expects = ICW2

    def set_line(self, line, level):
        """An edge sets the request; the request lasts only while the input stays high (8259A, Interrupt Request)."""
        bit = 1 << line
        if level:
            if self.level & bit or not self.lines & bit:
                self.requests |= bit
            self.lines |= bit
        else:
            self.requests &= ~bit
            self.lines &= ~bit

    def set_level(self, value):
        self.level = value & self.level_allowed
        self.requests |= self.lines & self.level

    def highest(self):
        """The request that the output stands for, or NONE."""
        wanted = self.requests & ~self.mask
        blocking = self.in_service
        if self.special_mask:
            blocking &= ~self.mask
        if wanted == 0:
            return NONE
        for i in range(8):
            line = (self.lowest + 1 + i) & 7
            bit = 1 << line
            if blocking & bit:
                if self.special_nested and line == CASCADE and wanted & bit:
                    return line
                return NONE
            if wanted & bit:
                return line
        return NONE

    def accept(self, line):
        """The processor has taken the request."""
        bit = 1 << line
        if not self.level & bit:
            self.requests &= ~bit
        if not self.auto_eoi:
            self.in_service |= bit
        elif self.rotate_in_auto_eoi:
            self.lowest = line

    def acknowledge(self):
        """The line accepted, or NONE if the request has gone; then the vector is that of input 7 (spurious)."""
        line = self.highest()
        if line != NONE:
            self.accept(line)
        return line

    def write_command(self, value):
        if value & ICW1:
            self.initialize(value)
        elif value & OCW3:
            if value & OCW3_SET_SPECIAL_MASK:
                self.special_mask = value & OCW3_SPECIAL_MASK != 0
            if value & OCW3_POLL:
                self.poll = True
            elif value & OCW3_READ_REGISTER:
                self.read_in_service = value & OCW3_READ_ISR != 0
        else:
            self.end_or_rotate(value >> 5, value & 7)

    def end_or_rotate(self, operation, line):
        if operation == EOI or operation == ROTATE_ON_EOI:
            ended = self.highest_in_service()
            if ended != NONE:
                self.in_service &= ~(1 << ended)
                if operation == ROTATE_ON_EOI:
                    self.lowest = ended
        elif operation == SPECIFIC_EOI or operation == ROTATE_ON_SPECIFIC_EOI:
            self.in_service &= ~(1 << line)
            if operation == ROTATE_ON_SPECIFIC_EOI:
                self.lowest = line
        elif operation == SET_PRIORITY:
            self.lowest = line
        elif operation == ROTATE_IN_AUTO_EOI_SET:
            self.rotate_in_auto_eoi = True
        elif operation == ROTATE_IN_AUTO_EOI_CLEAR:
            self.rotate_in_auto_eoi = False

    def highest_in_service(self):
        serviced = self.in_service
        if self.special_mask:
            serviced &= ~self.mask      # a masked one is not ended by a non-specific EOI in special mask mode
        for i in range(8):
            line = (self.lowest + 1 + i) & 7
            if serviced & (1 << line):
                return line
        return NONE

    def write_data(self, value):
        if self.expects == ICW2:
            self.vector = value & 0xf8
            if not self.icw1 & ICW1_SINGLE:
                self.expects = ICW3
            elif self.icw1 & ICW1_NEEDS_ICW4:
                self.expects = ICW4
            else:
                self.expects = MASK
        elif self.expects == ICW3:      # which input cascades is the board's wiring here
            if self.icw1 & ICW1_NEEDS_ICW4:
                self.expects = ICW4
            else:
                self.expects = MASK
        elif self.expects == ICW4:
            self.auto_eoi = value & ICW4_AUTO_EOI != 0
            self.special_nested = value & ICW4_SPECIAL_NESTED != 0
            self.expects = MASK
        else:
            self.mask = value

    def read_command(self):
        if self.read_in_service:
            return self.in_service
        return self.requests

    def ready(self):
        """Half-initialized, it asks for nothing."""
        return self.expects == MASK


class PicPair(Device):
    """The master and the slave, as inputs 0..15 of the board."""

    _immutable_fields_ = ['master', 'slave']

    def __init__(self, listener):
        self.listener = listener
        self.master = Chip(0xf8, 0x08)          # IRQ 0, 1, 2, 8 and 13 are always edge-triggered
        self.slave = Chip(0xde, 0x70)

    def connect(self, bus):
        bus.add_ports(MASTER_COMMAND, MASTER_DATA, self)
        bus.add_ports(SLAVE_COMMAND, SLAVE_DATA, self)
        bus.add_ports(MASTER_ELCR, SLAVE_ELCR, self)

    def reset(self):
        self.master.reset()
        self.slave.reset()
        self.update()

    def set_line(self, irq, level):
        """Drives input `irq` (0..15, not 2) high or low."""
        if irq < 8:
            self.master.set_line(irq, level)
        else:
            self.slave.set_line(irq - 8, level)
        self.update()

    def update(self):
        """Carries the slave's output to the master and tells the listener."""
        self.master.set_line(CASCADE, self.slave.ready() and self.slave.highest() != NONE)
        self.listener.interrupt_changed()

    def pending(self):
        """Whether the pair asks the processor for an interrupt (the INTR pin)."""
        return self.master.ready() and self.master.highest() != NONE

    def acknowledge(self):
        """The vector (0..255) of the interrupt that the processor takes now, which goes into service."""
        line = self.master.acknowledge()
        if line == NONE:
            vector = self.master.vector + 7
        elif line == CASCADE:
            line = self.slave.acknowledge()
            if line == NONE:
                vector = self.slave.vector + 7
            else:
                vector = self.slave.vector + line
            self.master.set_line(CASCADE, False)    # the slave drops its output: a further request is a new edge
        else:
            vector = self.master.vector + line
        self.update()
        return vector

    def read_port(self, port, size):
        if port == MASTER_ELCR:
            return self.master.level
        if port == SLAVE_ELCR:
            return self.slave.level
        chip = self.slave
        if port == MASTER_COMMAND or port == MASTER_DATA:
            chip = self.master
        if chip.poll:
            return self.answer_poll(chip)
        if port == MASTER_DATA or port == SLAVE_DATA:
            return chip.mask
        return chip.read_command()

    def answer_poll(self, chip):
        """A read after the poll command acknowledges, as an interrupt would, and says which input it was."""
        chip.poll = False
        line = chip.acknowledge()
        if line == NONE:
            return 0
        if chip is self.slave:
            self.master.set_line(CASCADE, False)
        self.update()
        return POLL_PENDING | line

    def write_port(self, port, size, value):
        if port == MASTER_COMMAND:
            self.master.write_command(value)
        elif port == MASTER_DATA:
            self.master.write_data(value)
        elif port == SLAVE_COMMAND:
            self.slave.write_command(value)
        elif port == SLAVE_DATA:
            self.slave.write_data(value)
        elif port == MASTER_ELCR:
            self.master.set_level(value)
        elif port == SLAVE_ELCR:
            self.slave.set_level(value)
        self.update()
