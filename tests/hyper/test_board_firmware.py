"""What a machine with its own firmware has: the ROM at both places, QEMU's configuration device, and the processor as after reset."""
import random
import struct

import pytest

from board_parts import Collector
from hyper.board.firmware import DATA, ITEM_DIRECTORY, ITEM_SIGNATURE, SELECTOR
from hyper.board.machine import Machine, World
from hyper.cpu import models
from hyper.errors import UserError
from hyper.loader import firmware
from hyper.loader.file import ImageFile

KB, MB = 1 << 10, 1 << 20
ROM = ''.join([chr(k >> 8 & 0xff) for k in range(256 * KB - 16)]) + '\xb8\x34\x12' + '\xf4'.ljust(13, '\x90')      # mov $0x1234, %ax; hlt


class Parts(object):
    def __init__(self, rom=ROM):
        self.machine = Machine(2 * MB, models.find(''), World())
        self.machine.add_pc(Collector())
        self.machine.load(firmware.load(ImageFile('rom', rom)))
        self.machine.add_firmware(rom, '')
        self.bus = self.machine.bus

    def item(self, selector, size):
        self.bus.write_port(SELECTOR, 2, selector)
        return ''.join([chr(self.bus.read_port(DATA, 1)) for _ in range(size)])


def test_the_processor_begins_in_the_last_sixteen_bytes_of_the_rom_in_real_mode():
    parts = Parts()
    parts.machine.run(10, -1, -1.0)
    system = parts.machine.system
    assert system.regs[0] == 0x1234 and system.halted and system.cr0 & 1 == 0 and system.base[1] == 0xf0000


def test_the_rom_lies_below_4_gb_and_its_last_128_kb_in_ram_below_1_mb():
    parts = Parts()
    system = parts.machine.system
    for at in (0, 1, 128 * KB, 256 * KB - 20):
        assert system.read_physical((1 << 32) - 256 * KB + at, 4) == struct.unpack('<I', ROM[at:at + 4])[0]
    system.write_physical((1 << 32) - 4, 0, 4)
    assert system.read_physical((1 << 32) - 4, 4) == 0x90909090
    assert parts.machine.memory.read_bytes(MB - 128 * KB, 4 * KB) == ROM[128 * KB:132 * KB]
    assert system.read_physical((1 << 32) - 257 * KB, 4) == 0xffffffff


def test_items_are_selected_and_read_byte_by_byte_and_are_followed_by_zeros():
    parts = Parts()
    assert parts.item(ITEM_SIGNATURE, 6) == 'QEMU\0\0'
    assert parts.item(ITEM_SIGNATURE, 2) == 'QE'
    assert parts.item(0x7777, 3) == '\0\0\0'


def test_the_directory_names_the_serial_console():
    parts = Parts()
    count, size, selector, reserved, name = struct.unpack('>IIHH56s', parts.item(ITEM_DIRECTORY, 68))
    assert (count, size, name.rstrip('\0')) == (1, 8, 'etc/sercon-port')
    assert struct.unpack('<Q', parts.item(selector, size)) == (0x3f8,)


def test_random_accesses_of_the_configuration_device_do_no_harm():
    random.seed(19)
    parts = Parts()
    for _ in range(5000):
        size = random.choice([1, 2, 4])
        port = random.choice([SELECTOR - 1, SELECTOR, DATA, DATA + 1])
        if random.randrange(3) == 0:
            selector = random.choice([ITEM_SIGNATURE, ITEM_DIRECTORY, 0x20, 0x21, random.getrandbits(16)])
            parts.bus.write_port(port, size, selector if size == 2 else random.getrandbits(8 * size))
        else:
            assert 0 <= parts.bus.read_port(port, size) < 1 << 8 * size
    assert parts.item(ITEM_SIGNATURE, 4) == 'QEMU'


@pytest.mark.parametrize('size', [0, 1, 64 * KB - 1, 64 * KB + 512, 17 * MB])
def test_a_file_that_is_no_rom_image_is_refused(size):
    with pytest.raises(UserError) as caught:
        firmware.load(ImageFile('file.bin', 'x' * size))
    assert 'file.bin' in caught.value.text
