"""The display adapter on PCI: a linear framebuffer behind a memory BAR, with the registers of Bochs's VBE extension ("dispi"), as QEMU's standard VGA
has them (docs/specs/standard-vga in QEMU's sources). SeaBIOS's vgabios-stdvga and Linux's bochs driver know it.

It adds modes to the VGA registers of hyper/board/vga.py, which stay as they are. There is no banked window at A0000.
"""

from hyper.board import raw
from hyper.board.bus import Device, all_ones
from hyper.board.pci import Function

BOCHS = 0x1234
STANDARD_VGA = 0x1111
REVISION = 2
CLASS_VGA = 0x030000
FRAMEBUFFER = 0                 # the BAR
SIZE = 16 << 20

INDEX_PORT = 0x1ce              # 16 bits each
DATA_PORT = 0x1cf
ID, XRES, YRES, BPP, ENABLE, BANK, VIRTUAL_WIDTH, VIRTUAL_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY_64K = range(11)
REGISTERS = 11
FIRST_ID = 0xb0c0
LAST_ID = 0xb0c5
ENABLED = 0x01
CAPABILITIES = 0x02             # XRES, YRES and BPP read as the most there is
EIGHT_BIT_DAC = 0x20
LINEAR = 0x40
KEEP_MEMORY = 0x80
ENABLE_BITS = ENABLED | CAPABILITIES | EIGHT_BIT_DAC | LINEAR | KEEP_MEMORY
MOST_X = 2560
MOST_Y = 1600
MOST_BITS = 32
DEPTHS = [4, 8, 15, 16, 24, 32]


class VideoMemory(object):
    """The bytes of a framebuffer; the host gives them when they are touched."""

    def __init__(self):
        self.size = SIZE
        self.allocated = False

    def storage_of(self):
        if not self.allocated:
            self.storage = raw.allocate(self.size + 8)
            self.allocated = True
        return self.storage

    def contains(self, offset, size):
        return 0 <= offset and 0 <= size and offset <= self.size - size

    def load(self, offset, size):
        """1, 2 or 4 bytes; all ones outside."""
        if not self.contains(offset, size):
            return all_ones(size)
        return raw.load(self.storage_of(), offset, size)

    def store(self, offset, value, size):
        if self.contains(offset, size):
            raw.store(self.storage_of(), offset, value, size)

    def read_bytes(self, offset, size):
        """Fewer where memory ends."""
        if not self.contains(offset, 0):
            return ''
        return raw.load_bytes(self.storage_of(), offset, min(size, self.size - offset))

    def clear(self):
        if self.allocated:
            raw.fill(self.storage, 0, 0, self.size)

    def close(self):
        if self.allocated:
            raw.free(self.storage)
            self.allocated = False


class Dispi(Device):
    """The index and data ports."""

    _immutable_fields_ = ['display']

    widest = 2

    def __init__(self, display):
        self.display = display

    def connect(self, bus):
        bus.add_ports(INDEX_PORT, DATA_PORT, self)

    def read_port(self, port, size):
        if size != 2:
            return all_ones(size)
        if port == INDEX_PORT:
            return self.display.index
        return self.display.read_register()

    def write_port(self, port, size, value):
        if size == 2 and port == INDEX_PORT:
            self.display.index = value
        elif size == 2:
            self.display.write_register(value)


class Display(Function):
    """`memory` is VideoMemory, `vga` the Vga, whose palette an 8-bit mode uses."""

    _immutable_fields_ = ['memory', 'vga', 'registers', 'dispi']

    def __init__(self, memory, vga):
        Function.__init__(self, BOCHS, STANDARD_VGA, REVISION, CLASS_VGA)
        self.memory = memory
        self.vga = vga
        self.add_memory_bar(FRAMEBUFFER, SIZE)
        self.registers = [0] * REGISTERS
        self.dispi = Dispi(self)
        self.reset()

    def reset(self):
        for i in range(REGISTERS):
            self.registers[i] = 0
        self.registers[ID] = LAST_ID
        self.registers[MEMORY_64K] = SIZE >> 16
        self.index = 0
        self.vga.wide_dac = False
        self.memory.clear()

    # the framebuffer

    def read_memory(self, bar, offset, size):
        return self.memory.load(offset, size)

    def write_memory(self, bar, offset, size, value):
        self.memory.store(offset, value, size)

    # the registers

    def read_register(self):
        index = self.index
        if index >= REGISTERS:
            return 0xffff
        if self.registers[ENABLE] & CAPABILITIES:
            if index == XRES:
                return MOST_X
            if index == YRES:
                return MOST_Y
            if index == BPP:
                return MOST_BITS
        return self.registers[index]

    def write_register(self, value):
        index = self.index
        registers = self.registers
        if index == ID:
            if FIRST_ID <= value <= LAST_ID:
                registers[ID] = value
        elif index == XRES:
            if value <= MOST_X:
                registers[XRES] = value & ~7
        elif index == YRES:
            if value <= MOST_Y:
                registers[YRES] = value
        elif index == BPP:
            if value == 0:
                value = 8
            if value in DEPTHS:
                registers[BPP] = value
        elif index == ENABLE:
            self.enable(value)
        elif index == BANK or index == X_OFFSET or index == Y_OFFSET:
            registers[index] = value
        elif index == VIRTUAL_WIDTH:
            self.set_width(value)

    def enable(self, value):
        registers = self.registers
        if value & ENABLED and not registers[ENABLE] & ENABLED:
            self.set_width(registers[XRES])
            registers[X_OFFSET] = 0
            registers[Y_OFFSET] = 0
            if not value & KEEP_MEMORY:
                self.memory.clear()
        registers[ENABLE] = value & ENABLE_BITS
        self.vga.wide_dac = value & EIGHT_BIT_DAC != 0

    def set_width(self, value):
        """The width in memory, which is never less than what is shown; the height follows from it."""
        registers = self.registers
        width = max(value, registers[XRES])
        registers[VIRTUAL_WIDTH] = width
        registers[VIRTUAL_HEIGHT] = 0
        if self.pitch() > 0:
            registers[VIRTUAL_HEIGHT] = min(SIZE // self.pitch(), 0xffff)

    # what is shown

    def is_on(self):
        registers = self.registers
        return registers[ENABLE] & ENABLED != 0 and registers[XRES] > 0 and registers[YRES] > 0 and registers[BPP] > 0

    def pitch(self):
        """Bytes of a line in memory."""
        if self.registers[BPP] == 4:
            return self.registers[VIRTUAL_WIDTH] >> 3       # of each of four planes, which are not drawn
        return self.registers[VIRTUAL_WIDTH] * ((self.registers[BPP] + 7) >> 3)

    def start(self):
        """The offset of the first pixel."""
        return self.registers[Y_OFFSET] * self.pitch() + self.registers[X_OFFSET] * ((self.registers[BPP] + 7) >> 3)
