"""The registers of a VGA card in text mode. Its memory is plain memory at A0000 to BFFFF, without planes; hyper/board/screen.py tells what is shown.

Registers keep what is written, and the retrace bits follow machine time, because programs wait for them.
"""

from hyper.board.bus import Device

CRTC_INDEX_MONO = 0x3b4
STATUS_MONO = 0x3ba
ATTRIBUTE = 0x3c0               # index and data in turn; 3C1 reads the data
ATTRIBUTE_READ = 0x3c1
MISCELLANEOUS = 0x3c2           # write; the read port is 3CC
SEQUENCER = 0x3c4
DAC_MASK = 0x3c6
DAC_READ_INDEX = 0x3c7
DAC_WRITE_INDEX = 0x3c8
DAC_DATA = 0x3c9
FEATURE_READ = 0x3ca
MISCELLANEOUS_READ = 0x3cc
GRAPHICS = 0x3ce
CRTC = 0x3d4
STATUS = 0x3da

FRAME = 14285714                # ns of one frame at 70 Hz
LINE = 31778                    # ns of one line
SHOWN = 400 * LINE              # of a frame; the rest is retrace
LINE_SHOWN = 25422              # of a line
STATUS_NOT_SHOWING = 0x01
STATUS_RETRACE = 0x08

# 80 x 25 text, from the mode 3 parameters of the IBM VGA reference
CRTC_TEXT = [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
             0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff]
SEQUENCER_TEXT = [0x03, 0x00, 0x03, 0x00, 0x02]
GRAPHICS_TEXT = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff]
ATTRIBUTE_TEXT = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
                  0x0c, 0x00, 0x0f, 0x08, 0x00]
MISCELLANEOUS_TEXT = 0x67       # colour addresses, memory on, 28 MHz


class Registers(object):
    """An index and the registers it chooses; an index past the last reads zero and keeps nothing."""

    _immutable_fields_ = ['initial']

    def __init__(self, initial):
        self.initial = initial
        self.values = initial[:]
        self.index = 0

    def reset(self):
        self.values = self.initial[:]
        self.index = 0

    def read(self):
        if self.index < len(self.values):
            return self.values[self.index]
        return 0

    def write(self, value):
        if self.index < len(self.values):
            self.values[self.index] = value


class Vga(Device):
    _immutable_fields_ = ['clock', 'crtc', 'sequencer', 'graphics', 'attribute']

    def __init__(self, clock):
        self.clock = clock
        self.crtc = Registers(CRTC_TEXT)
        self.sequencer = Registers(SEQUENCER_TEXT)
        self.graphics = Registers(GRAPHICS_TEXT)
        self.attribute = Registers(ATTRIBUTE_TEXT)
        self.palette = [0] * (256 * 3)
        self.reset()

    def connect(self, bus):
        bus.add_ports(CRTC_INDEX_MONO, CRTC_INDEX_MONO + 1, self)
        bus.add_ports(STATUS_MONO, STATUS_MONO, self)
        bus.add_ports(ATTRIBUTE, GRAPHICS + 1, self)
        bus.add_ports(CRTC, CRTC + 1, self)
        bus.add_ports(STATUS, STATUS, self)

    def reset(self):
        self.crtc.reset()
        self.sequencer.reset()
        self.graphics.reset()
        self.attribute.reset()
        self.attribute_data = False     # the next write to 3C0 is data
        self.miscellaneous = MISCELLANEOUS_TEXT
        self.dac_mask = 0xff
        self.wide_dac = False           # colours have 8 bits for each component, not 6
        self.dac_index = 0              # byte of the palette that is next
        self.dac_reading = False

    def status(self):
        self.attribute_data = False     # reading the status resets the turn of 3C0
        into = self.clock.now() % FRAME
        if into >= SHOWN:
            return STATUS_NOT_SHOWING | STATUS_RETRACE
        if into % LINE >= LINE_SHOWN:
            return STATUS_NOT_SHOWING
        return 0

    def read_port(self, port, size):
        if port == STATUS or port == STATUS_MONO:
            return self.status()
        if port == CRTC or port == CRTC_INDEX_MONO:
            return self.crtc.index
        if port == CRTC + 1 or port == CRTC_INDEX_MONO + 1:
            return self.crtc.read()
        if port == SEQUENCER:
            return self.sequencer.index
        if port == SEQUENCER + 1:
            return self.sequencer.read()
        if port == GRAPHICS:
            return self.graphics.index
        if port == GRAPHICS + 1:
            return self.graphics.read()
        if port == ATTRIBUTE:
            return self.attribute.index
        if port == ATTRIBUTE_READ:
            return self.attribute.read()
        if port == MISCELLANEOUS_READ:
            return self.miscellaneous
        if port == DAC_MASK:
            return self.dac_mask
        if port == DAC_READ_INDEX:
            if self.dac_reading:
                return 3
            return 0
        if port == DAC_WRITE_INDEX:
            return self.dac_index // 3
        if port == DAC_DATA:
            return self.palette[self.next_of_palette()]
        if port == FEATURE_READ or port == MISCELLANEOUS:
            return 0
        return 0xff

    def next_of_palette(self):
        at = self.dac_index
        self.dac_index = (at + 1) % len(self.palette)
        return at

    def write_port(self, port, size, value):
        if port == CRTC or port == CRTC_INDEX_MONO:
            self.crtc.index = value
        elif port == CRTC + 1 or port == CRTC_INDEX_MONO + 1:
            self.crtc.write(value)
        elif port == SEQUENCER:
            self.sequencer.index = value
        elif port == SEQUENCER + 1:
            self.sequencer.write(value)
        elif port == GRAPHICS:
            self.graphics.index = value
        elif port == GRAPHICS + 1:
            self.graphics.write(value)
        elif port == ATTRIBUTE:
            if self.attribute_data:
                self.attribute.write(value)
            else:
                self.attribute.index = value & 0x1f
            self.attribute_data = not self.attribute_data
        elif port == MISCELLANEOUS:
            self.miscellaneous = value
        elif port == DAC_MASK:
            self.dac_mask = value
        elif port == DAC_READ_INDEX:
            self.dac_index = value * 3
            self.dac_reading = True
        elif port == DAC_WRITE_INDEX:
            self.dac_index = value * 3
            self.dac_reading = False
        elif port == DAC_DATA:
            self.palette[self.next_of_palette()] = value & (0xff if self.wide_dac else 0x3f)
