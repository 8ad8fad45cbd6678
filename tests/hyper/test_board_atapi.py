import random
import struct

from hyper.board.atapi import CdRom

from board_parts import MemoryDisk
from test_board_ide import BASE, CONTROL, DATA, MASTER, TABLE, Host, sector_data

READY, FAILED, REQUEST = 0x50, 0x01, 0x08


class CdHost(Host):
    def __init__(self, blocks=100):
        Host.__init__(self)
        self.disk = MemoryDisk(4 * blocks, True)
        self.function.channels[0].attach(0, CdRom(self.disk, 'serial'))
        self.outb(BASE + 6, 0)

    def packet(self, data, limit=0xfffe, dma=False):
        """Sends a packet; what the drive sends, with its last status in `status`."""
        self.outb(BASE + 1, 1 if dma else 0)
        self.outb(BASE + 4, limit & 0xff)
        self.outb(BASE + 5, limit >> 8)
        self.outb(BASE + 7, 0xa0)
        self.wait()
        assert self.inb(BASE + 7) & REQUEST and self.inb(BASE + 2) == 1
        self.put(data + '\0' * (12 - len(data)))
        self.wait()
        text = ''
        self.blocks = 0
        while True:
            self.status = self.inb(BASE + 7)
            if not self.status & REQUEST or dma:
                return text
            assert self.inb(BASE + 2) == 2
            size = self.inb(BASE + 4) | self.inb(BASE + 5) << 8
            assert 0 < size <= limit
            text += self.words(size // 2 + size % 2)[:size]
            self.blocks += 1
            self.wait()

    def sense(self):
        text = self.packet('\x03\0\0\0\x12')
        return ord(text[2]), ord(text[12])


def test_a_reset_leaves_the_signature_and_identify_device_fails_with_it():
    host = CdHost()
    host.outb(CONTROL, 4)
    host.outb(CONTROL, 0)
    assert [host.inb(BASE + i) for i in (4, 5, 7)] == [0x14, 0xeb, 0]
    assert host.run(0xec) & FAILED and [host.inb(BASE + i) for i in (4, 5)] == [0x14, 0xeb]
    assert host.run(0xa1) & REQUEST
    words = struct.unpack('<256H', host.words(256))
    assert words[0] == 0x85c0 and host.inb(BASE + 7) == READY


def test_blocks_are_read_by_pio_in_parts_that_the_host_chooses():
    host = CdHost()
    assert host.packet('\x28\0\0\0\0\x05\0\0\x03', limit=2048) == sector_data(20, 12)
    assert host.blocks == 3 and host.status == READY and host.inb(BASE + 2) == 3
    assert host.packet('\xa8\0\0\0\0\x63\0\0\0\x01', limit=1000) == sector_data(396, 4) and host.blocks == 3
    assert host.packet('\x28\0\0\0\0\x05\0\0\0') == '' and host.status == READY


def test_blocks_are_read_by_dma():
    host = CdHost()
    host.regions((DATA, 4096))
    host.bus.write_port(MASTER + 4, 4, TABLE)
    host.outb(MASTER, 8)
    host.outb(MASTER, 9)
    host.packet('\x28\0\0\0\0\x07\0\0\x02', dma=True)
    assert host.status == READY and host.ram.read_bytes(DATA, 4096) == sector_data(28, 8)


def test_capacity_contents_and_inquiry_are_told():
    host = CdHost()
    assert host.packet('\x25') == struct.pack('>II', 99, 2048)
    assert host.packet('\x12\0\0\0\x24')[8:16] == 'HYPER   ' and len(host.packet('\x12\0\0\0\x05')) == 5
    toc = host.packet('\x43\0\0\0\0\0\0\0\xff')
    assert toc == '\0\x12\1\1' + '\0\x14\1\0\0\0\0\0' + '\0\x14\xaa\0\0\0\0\x64'
    assert host.packet('\x43\2\0\0\0\0\xaa\0\xff')[8:] == '\0\0\x03\x19'
    assert len(host.packet('\x5a\0\x2a\0\0\0\0\0\xff')) == 28
    assert host.packet('\x46\0\0\0\0\0\0\0\xff')[6:8] == '\0\x08'
    assert host.packet('\0') == '' and host.status == READY


def test_what_cannot_be_done_is_a_check_condition_with_its_sense():
    host = CdHost()
    host.packet('\x28\0\0\0\0\x63\0\0\x02')
    assert host.status & FAILED and host.inb(BASE + 1) == 0x50
    assert host.sense() == (5, 0x21) and host.sense() == (0, 0)
    host.packet('\x2a')
    assert host.status & FAILED and host.sense() == (5, 0x20)
    host.packet('\xa8\0\xff\xff\xff\xff\xff\xff\xff\xff')
    assert host.status & FAILED
    host.packet('\x5a\0\x05\0\0\0\0\0\xff')
    assert host.sense() == (5, 0x24)
    host.disk.fails = True
    host.packet('\x28\0\0\0\0\0\0\0\x01')
    assert host.status & FAILED and host.sense() == (3, 0x11)


def test_random_packets_do_no_harm():
    random.seed(16)
    host = CdHost()
    for i in range(1500):
        data = chr(random.choice([0, 3, 0x12, 0x1a, 0x25, 0x28, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, random.getrandbits(8)]))
        data += ''.join(chr(random.choice([0, 0, 0, 1, 2, 0x3f, random.getrandbits(8)])) for k in range(11))
        if data[0] == '\xa8':
            data = data[:6] + '\0\0' + data[8:]
        host.packet(data, limit=random.choice([2, 12, 0xfffe, random.getrandbits(16) | 2]) if data[0] not in '\x28\xa8' else 0xf000)
        assert host.status & 0x81 in (0, 1)
    assert host.packet('\x25') == struct.pack('>II', 99, 2048)
