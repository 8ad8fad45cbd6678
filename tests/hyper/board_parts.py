"""What the tests of the devices share: a time that the test moves, and listeners that remember."""

import struct

from hyper.board.bus import Bus
from hyper.board.clock import Clock, DeadlineListener, Source
from hyper.board.disk import Disk, DiskError, SECTOR
from hyper.board.dma import Ram
from hyper.board.memory import Memory
from hyper.board.local_apic import ProcessorPins
from hyper.board.pic import PicPair
from hyper.board.power import PowerListener
from hyper.board.uart import CharSink


class Hand(Source):
    """A time set by hand."""

    def __init__(self):
        self.time = 0

    def now(self):
        return self.time


class Listener(ProcessorPins, DeadlineListener, PowerListener):
    def __init__(self):
        self.heard = []

    def interrupt_changed(self):
        self.heard.append('interrupt')

    def nmi(self):
        self.heard.append('NMI')

    def initialize(self):
        self.heard.append('INIT')

    def deadline_changed(self):
        self.heard.append('deadline')

    def power_off(self):
        self.heard.append('power off')

    def reset(self):
        self.heard.append('reset')

    def exit(self, status):
        self.heard.append(('exit', status))


class Collector(CharSink):
    def __init__(self):
        self.text = ''

    def write_byte(self, b):
        self.text += chr(b)


class Wires(object):
    """In place of a PIC: the levels of the lines and the rising edges seen."""

    def __init__(self):
        self.level = [False] * 16
        self.rises = [0] * 16

    def set_line(self, irq, level):
        if level and not self.level[irq]:
            self.rises[irq] += 1
        self.level[irq] = bool(level)


class Board(object):
    def __init__(self):
        self.hand = Hand()
        self.clock = Clock(self.hand)
        self.wires = Wires()
        self.sink = Collector()
        self.listener = Listener()
        self.bus = Bus()
        self.ram = Ram(Memory(1 << 20), 0, 1 << 20)

    def run_to(self, time):
        """Lets machine time pass, stopping at each deadline as a processor does."""
        while self.clock.next_deadline() <= time:
            self.hand.time = max(self.hand.time, self.clock.next_deadline())
            self.clock.run_due(self.hand.time)
        self.hand.time = time

    def inb(self, port):
        return self.bus.read_port(port, 1)

    def outb(self, port, value):
        self.bus.write_port(port, 1, value)


class MemoryDisk(Disk):
    """Sectors whose words are 5EC70000 plus their number; counts flushes, and fails when told to."""

    def __init__(self, sectors, read_only=False):
        Disk.__init__(self, sectors, read_only)
        self.bytes = bytearray(
            ''.join(struct.pack('<I', 0x5ec70000 + n) * (SECTOR // 4) for n in range(sectors)))
        self.flushes = 0
        self.fails = False

    def read(self, sector, count):
        assert self.contains(sector, count)
        if self.fails:
            raise DiskError
        return str(self.bytes[sector * SECTOR:(sector + count) * SECTOR])

    def write(self, sector, data):
        assert self.contains(sector, len(data) // SECTOR) and len(data) % SECTOR == 0 and not self.read_only
        self.bytes[sector * SECTOR:sector * SECTOR + len(data)] = data

    def flush(self):
        if self.fails:
            raise DiskError
        self.flushes += 1


def initialized_pics(listener=None):
    """A pair of PICs as kernels set it up: vectors 20..2F, every input enabled."""
    pics = PicPair(listener or Listener())
    for port, values in [(0x20, [0x11]), (0x21, [0x20, 0x04, 0x01, 0x00]),
                         (0xa0, [0x11]), (0xa1, [0x28, 0x02, 0x01, 0x00])]:
        for value in values:
            pics.write_port(port, 1, value)
    return pics
