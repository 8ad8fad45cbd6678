"""An ATA hard disk: the commands of AT Attachment 6 (T13/1410D) that systems use, with 28- and 48-bit and CHS addresses, PIO and multiword DMA."""

from hyper.board import ata
from hyper.board.ata import (ABORTED, AtaDevice, BLOCK_TIME, COMMAND_TIME, COUNT, DEVICE, DEVICE_LBA, ERROR, GOES_ON, HIGH, LOW, MID, put_string,
                             words_text)
from hyper.board.disk import DiskError, SECTOR

NO_DATA = 0
READ = 1
WRITE = 2
READ_DMA = 3
WRITE_DMA = 4

# commands that address sectors: how their data move, whether addresses have 48 bits, whether in blocks of several sectors
TRANSFERS = {
    0x20: (READ, False, False), 0x21: (READ, False, False), 0x24: (READ, True, False),
    0x29: (READ, True, True), 0xc4: (READ, False, True),
    0x30: (WRITE, False, False), 0x31: (WRITE, False, False), 0x34: (WRITE, True, False),
    0x39: (WRITE, True, True), 0xc5: (WRITE, False, True),
    0xc8: (READ_DMA, False, False), 0xc9: (READ_DMA, False, False), 0x25: (READ_DMA, True, False),
    0xca: (WRITE_DMA, False, False), 0xcb: (WRITE_DMA, False, False), 0x35: (WRITE_DMA, True, False),
    0x40: (NO_DATA, False, False), 0x41: (NO_DATA, False, False), 0x42: (NO_DATA, True, False),     # READ VERIFY
}

RECALIBRATE = 0x10              # up to 1F
SEEK = 0x70
READ_NATIVE_MAX_EXT = 0x27
READ_NATIVE_MAX = 0xf8
SET_GEOMETRY = 0x91
SET_MULTIPLE = 0xc6
STANDBY_NOW = 0xe0
IDLE_NOW = 0xe1
STANDBY = 0xe2
IDLE = 0xe3
CHECK_POWER = 0xe5
SLEEP = 0xe6
FLUSH = 0xe7
FLUSH_EXT = 0xea
IDENTIFY = 0xec
SET_FEATURES = 0xef

ENABLE_CACHE = 0x02             # subcommands of SET FEATURES
SET_MODE = 0x03
DISABLE_CACHE = 0x82
MODES_PIO = 0
MODES_MULTIWORD = 4

NOT_FOUND = 0x10                # IDNF
ACTIVE_OR_IDLE = 0xff
MOST_MULTIPLE = 16
MOST_28 = 0x0fffffff
HEADS = 16
TRACK = 63
MOST_CYLINDERS = 16383
CHUNK = 128                     # sectors that are moved at a time


class AtaDisk(AtaDevice):
    """`name` is the serial number."""

    _immutable_fields_ = ['disk', 'name']

    def __init__(self, disk, name):
        self.disk = disk
        self.name = name
        self.heads = HEADS
        self.track = TRACK
        self.cylinders = min(MOST_CYLINDERS, disk.sectors // (HEADS * TRACK))
        self.multiple = 0
        self.mode = 0               # multiword DMA mode chosen, as a bit of word 63
        self.caches = True
        self.sector = 0             # where the command under way is, and how many sectors are left
        self.left = 0
        self.block = 1
        self.how = NO_DATA
        AtaDevice.__init__(self)

    # addresses

    def wide(self, offset, is_48):
        value = self.registers[offset]
        if is_48:
            value |= self.before[offset] << 8
        return value

    def address(self, is_48):
        """The sector that the registers name, -1 for none."""
        registers = self.registers
        if is_48:
            before = self.before
            return (registers[LOW] | registers[MID] << 8 | registers[HIGH] << 16
                    | before[LOW] << 24 | before[MID] << 32 | before[HIGH] << 40)
        head = registers[DEVICE] & 0x0f
        if registers[DEVICE] & DEVICE_LBA:
            return registers[LOW] | registers[MID] << 8 | registers[HIGH] << 16 | head << 24
        cylinder = registers[MID] | registers[HIGH] << 8
        if head >= self.heads or not 1 <= registers[LOW] <= self.track or cylinder >= self.cylinders:
            return -1
        return (cylinder * self.heads + head) * self.track + registers[LOW] - 1

    def put_address(self, sector, is_48):
        self.registers[LOW] = sector & 0xff
        self.registers[MID] = (sector >> 8) & 0xff
        self.registers[HIGH] = (sector >> 16) & 0xff
        if is_48:
            self.before[LOW] = (sector >> 24) & 0xff
            self.before[MID] = (sector >> 32) & 0xff
            self.before[HIGH] = (sector >> 40) & 0xff
        else:
            self.registers[DEVICE] = self.registers[DEVICE] & 0xf0 | (sector >> 24) & 0x0f

    # commands

    def execute(self, command):
        if command in TRANSFERS:
            self.begin_transfer(command)
        elif command == IDENTIFY:
            self.left = 0
            self.send(self.identity())
        elif command == FLUSH or command == FLUSH_EXT:
            self.disk.flush()
            self.done()
        elif command == SET_FEATURES:
            self.set_features(self.registers[ERROR], self.registers[COUNT])
        elif command == SET_MULTIPLE:
            self.set_multiple(self.registers[COUNT])
        elif command == SET_GEOMETRY:
            self.set_geometry(self.registers[COUNT], (self.registers[DEVICE] & 0x0f) + 1)
        elif command == READ_NATIVE_MAX:
            self.put_address(min(self.disk.sectors - 1, MOST_28), False)
            self.done()
        elif command == READ_NATIVE_MAX_EXT:
            self.put_address(self.disk.sectors - 1, True)
            self.done()
        elif command == CHECK_POWER:
            self.registers[COUNT] = ACTIVE_OR_IDLE
            self.done()
        elif command & 0xf0 == RECALIBRATE or command == SEEK or STANDBY_NOW <= command <= SLEEP:
            self.done()
        else:
            self.fail(ABORTED)

    def begin_transfer(self, command):
        self.how, is_48, in_blocks = TRANSFERS[command]
        if in_blocks and self.multiple == 0 or self.disk.read_only and self.how in [WRITE, WRITE_DMA]:
            self.fail(ABORTED)
            return
        self.left = self.wide(COUNT, is_48)
        if self.left == 0:
            self.left = 0x10000 if is_48 else 0x100
        self.sector = self.address(is_48)
        if not self.disk.contains(self.sector, self.left):
            self.fail(NOT_FOUND)
            return
        self.block = self.multiple if in_blocks else 1
        if self.how == READ:
            self.go_on()
        elif self.how == WRITE:
            self.receive(self.here() * SECTOR)
        elif self.how == NO_DATA:
            self.done()
        else:
            self.want_dma()

    def here(self):
        """How many sectors the next block has."""
        return min(self.block, self.left)

    def go_on(self):
        count = self.here()
        data = self.disk.read(self.sector, count)
        self.sector += count
        self.left -= count
        self.send(data)

    def sent(self):
        if self.left > 0:
            self.status = ata.BUSY
            self.state = GOES_ON
            self.host.wait(self, BLOCK_TIME)
        else:
            AtaDevice.sent(self)

    def store(self, data):
        self.disk.write(self.sector, data)
        self.sector += self.here()
        self.left -= self.here()
        if self.left > 0:
            self.receive(self.here() * SECTOR)
            self.host.interrupt()
        else:
            self.written()
            self.done()

    def dma_time(self):
        return COMMAND_TIME + self.left * SECTOR

    def move(self):
        while self.left > 0:
            count = min(self.left, CHUNK)
            if self.how == READ_DMA:
                self.bus_master.to_memory(self.disk.read(self.sector, count))
            else:
                self.disk.write(self.sector, self.bus_master.from_memory(count * SECTOR))
            self.sector += count
            self.left -= count
        if self.how == WRITE_DMA:
            self.written()
        self.bus_master.finish()
        self.done()

    def written(self):
        if not self.caches:
            self.disk.flush()

    def set_features(self, feature, value):
        if feature == ENABLE_CACHE:
            self.caches = True
        elif feature == DISABLE_CACHE:
            self.disk.flush()
            self.caches = False
        elif feature == SET_MODE and value >> 3 <= 1:
            pass                                        # PIO: every mode is as fast
        elif feature == SET_MODE and value >> 3 == MODES_MULTIWORD and value & 7 <= 2:
            self.mode = 1 << (value & 7)
        else:
            self.fail(ABORTED)
            return
        self.done()

    def set_multiple(self, count):
        if count > MOST_MULTIPLE or count & (count - 1):
            self.fail(ABORTED)
            return
        self.multiple = count
        self.done()

    def set_geometry(self, track, heads):
        if track == 0 or track > TRACK:
            self.fail(ABORTED)
            return
        self.heads = heads
        self.track = track
        self.cylinders = min(0xffff, self.disk.sectors // (heads * track))
        self.done()

    def identity(self):
        """What IDENTIFY DEVICE sends: 256 words, numbered as in the standard."""
        words = [0] * 256
        sectors = self.disk.sectors
        words[0] = 0x0040                               # fixed disk
        words[1] = min(MOST_CYLINDERS, sectors // (HEADS * TRACK))
        words[3] = HEADS
        words[6] = TRACK
        put_string(words, 10, 10, self.name)
        put_string(words, 23, 4, '1.0')
        put_string(words, 27, 20, 'HYPER DISK')
        words[47] = 0x8000 | MOST_MULTIPLE
        words[49] = 0x0f00                              # IORDY can be disabled, IORDY, LBA, DMA
        words[50] = 0x4000
        words[53] = 0x0003                              # words 54-58 and 64-70 are valid
        words[54] = self.cylinders
        words[55] = self.heads
        words[56] = self.track
        capacity = self.cylinders * self.heads * self.track
        words[57] = capacity & 0xffff
        words[58] = capacity >> 16
        if self.multiple > 0:
            words[59] = 0x0100 | self.multiple
        small = min(sectors, MOST_28)
        words[60] = small & 0xffff
        words[61] = small >> 16
        words[63] = 0x0007 | self.mode << 8             # multiword DMA 0-2
        words[64] = 0x0003                              # PIO 3 and 4
        for i in range(65, 69):
            words[i] = 120                              # ns a word
        words[80] = 0x007e                              # ATA-1 to ATA-6
        words[82] = 0x0020                              # write cache
        words[83] = 0x7400                              # 48-bit addresses, FLUSH CACHE, FLUSH CACHE EXT
        words[84] = 0x4000
        words[85] = 0x0020 if self.caches else 0
        words[86] = 0x3400
        words[87] = 0x4000
        words[93] = 0x6001
        for i in range(4):
            words[100 + i] = (sectors >> (16 * i)) & 0xffff
        return words_text(words)
