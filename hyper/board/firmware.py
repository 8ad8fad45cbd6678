"""What a machine has for its own firmware: the ROM below 4 GB, and the configuration device by which QEMU's machines tell firmware what they are
(docs/specs/fw_cfg in QEMU's sources; "selector" and "data" are its names). SeaBIOS knows it.

The ROM's last part lies in RAM below 1 MB too, where the chip set shadows it. The processor begins there: code is fetched only from RAM.
"""
from hyper.board.bus import Device
from hyper.board.display import BOCHS, STANDARD_VGA
from hyper.board.pci import SUBSYSTEM, SUBSYSTEM_VENDOR

TOP = 1 << 32
SELECTOR = 0x510                # 16 bits: which item; its bytes are then read one by one at DATA
DATA = 0x511

ITEM_SIGNATURE, ITEM_ID, ITEM_RAM_SIZE, ITEM_PROCESSORS, ITEM_BOOT_MENU, ITEM_MOST_PROCESSORS, ITEM_DIRECTORY = 0x00, 0x01, 0x03, 0x05, 0x0e, 0x0f, 0x19
FIRST_FILE = 0x20
FILE_NAME = 56                  # bytes of a name in the directory
SERIAL_CONSOLE = 'etc/sercon-port'      # SeaBIOS then has its screen and its keyboard on this serial port

QEMU_VENDOR, QEMU_MACHINE = 0x1af4, 0x1100      # subsystem of the host bridge, by which SeaBIOS knows that all this is there


def little_endian(value, size):
    return ''.join([chr(value >> 8 * k & 0xff) for k in range(size)])


def big_endian(value, size):
    return ''.join([chr(value >> 8 * (size - 1 - k) & 0xff) for k in range(size)])


class Rom(Device):
    _immutable_fields_ = ['data']

    widest = 4

    def __init__(self, data):
        self.data = data

    def connect(self, bus):
        bus.add_memory(TOP - len(self.data), TOP - 1, self)

    def read_memory(self, address, size):
        value = 0
        for k in range(size):
            at = address + k - (TOP - len(self.data))
            if 0 <= at < len(self.data):
                value |= ord(self.data[at]) << 8 * k
        return value


class FirmwareConfig(Device):
    """Read only; an item that does not exist, and what lies behind the end of one, reads as zeros."""

    widest = 2

    def __init__(self, memory_size):
        self.items = {}
        self.files = []             # directory entries
        self.item = ''
        self.at = 0
        self.items[ITEM_SIGNATURE] = 'QEMU'
        self.items[ITEM_ID] = little_endian(1, 4)
        self.items[ITEM_RAM_SIZE] = little_endian(memory_size, 8)
        self.items[ITEM_PROCESSORS] = little_endian(1, 2)
        self.items[ITEM_MOST_PROCESSORS] = little_endian(1, 2)
        self.items[ITEM_BOOT_MENU] = little_endian(1, 2)

    def add_file(self, name, data):
        selector = FIRST_FILE + len(self.files)
        self.items[selector] = data
        self.files.append(big_endian(len(data), 4) + big_endian(selector, 2) + '\0\0' + name + '\0' * (FILE_NAME - len(name)))
        self.items[ITEM_DIRECTORY] = big_endian(len(self.files), 4) + ''.join(self.files)

    def connect(self, bus):
        bus.add_ports(SELECTOR, DATA, self)

    def reset(self):
        self.item = ''
        self.at = 0

    def write_port(self, port, size, value):
        if port == SELECTOR and size == 2:
            self.item = self.items.get(value, '')
            self.at = 0

    def read_port(self, port, size):
        if port != DATA:
            return 0
        at = self.at
        self.at += 1
        if at < len(self.item):
            return ord(self.item[at])
        return 0


def add(pc, bus, data, memory_size, serial_port, video_rom):
    """Give a PC the ROM and the rest; SeaBIOS gets the serial port for its console, and the ROM of the display adapter, '' for none."""
    Rom(data).connect(bus)
    config = FirmwareConfig(memory_size)
    config.add_file(SERIAL_CONSOLE, little_endian(serial_port, 8))
    if video_rom != '':
        config.add_file('pci%x,%x.rom' % (BOCHS, STANDARD_VGA), video_rom)
    config.connect(bus)
    bridge = pc.pci.functions[0]
    assert bridge is not None
    bridge.put16(SUBSYSTEM_VENDOR, QEMU_VENDOR)
    bridge.put16(SUBSYSTEM, QEMU_MACHINE)
