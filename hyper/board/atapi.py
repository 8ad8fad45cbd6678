"""A CD-ROM drive on an IDE channel, with a disc that is never changed.

Sources: AT Attachment with Packet Interface 6 (T13/1410D) for the packet protocol; SCSI Multimedia Commands 3 (T10/1363-D) for the commands.
"""

from hyper.board import ata
from hyper.board.ata import ABORTED, AtaDevice, BLOCK_TIME, COMMAND_TIME, COUNT, ERROR, GOES_ON, HIGH, MID, put_string, words_text
from hyper.board.disk import DiskError, SECTOR

BLOCK = 2048                    # bytes of a sector of a disc
BLOCK_SECTORS = BLOCK // SECTOR
CHUNK = 32                      # blocks that are read at a time

# commands of the device
PACKET = 0xa0
IDENTIFY_PACKET = 0xa1
SET_FEATURES = 0xef
STANDBY_NOW = 0xe0
SLEEP = 0xe6
PACKET_SIZE = 12
USES_DMA = 0x01                 # of the features of PACKET

# why there is an interrupt, in the count register
COMMAND_PHASE = 1
TO_HOST = 2
STATUS_PHASE = 3

# packet commands
TEST_UNIT_READY = 0x00
REQUEST_SENSE = 0x03
INQUIRY = 0x12
MODE_SENSE_6 = 0x1a
START_STOP = 0x1b
PREVENT_REMOVAL = 0x1e
READ_CAPACITY = 0x25
READ_10 = 0x28
SEEK = 0x2b
READ_TOC = 0x43
GET_CONFIGURATION = 0x46
GET_EVENT_STATUS = 0x4a
READ_DISC_INFORMATION = 0x51
MODE_SENSE_10 = 0x5a
READ_12 = 0xa8

# sense keys, and additional sense codes
NO_SENSE = 0
MEDIUM_ERROR = 3
ILLEGAL_REQUEST = 5
UNRECOVERED_READ = 0x11
INVALID_COMMAND = 0x20
OUT_OF_RANGE = 0x21
INVALID_FIELD = 0x24

PROFILE_CDROM = 0x0008
LEAD_OUT = 0xaa
DATA_TRACK = 0x14
PAGE_ERRORS = 0x01
PAGE_CAPABILITIES = 0x2a
PAGE_ALL = 0x3f
MEDIA_CLASS = 0x10              # of GET EVENT STATUS
MSF_OFFSET = 150                # frames before block 0


def big16(value):
    return chr((value >> 8) & 0xff) + chr(value & 0xff)


def big32(value):
    return big16(value >> 16) + big16(value)


def get16(packet, at):
    return ord(packet[at]) << 8 | ord(packet[at + 1])


def get32(packet, at):
    return get16(packet, at) << 16 | get16(packet, at + 2)


def cut(text, size):
    if size >= len(text):
        return text
    assert size >= 0
    return text[:size]


class CdRom(AtaDevice):
    """`disk` is read only, and whole blocks long; `name` is the serial number."""

    _immutable_fields_ = ['disk', 'name', 'blocks']

    signature_mid = 0x14
    signature_high = 0xeb

    def __init__(self, disk, name):
        self.disk = disk
        self.name = name
        self.blocks = disk.sectors // BLOCK_SECTORS
        AtaDevice.__init__(self)

    def restart(self):
        AtaDevice.restart(self)
        self.status = 0             # not ready before the first command, as packet devices are
        self.key = NO_SENSE
        self.code = 0
        self.limit = 0              # bytes of a block of data, which the host chooses
        self.uses_dma = False
        self.pending = ''           # what has been read or made and not sent
        self.block = 0              # what is to be read: so many blocks from here
        self.left = 0

    def reset_by_command(self):
        self.restart()

    # commands of the device

    def execute(self, command):
        if command == PACKET:
            self.uses_dma = self.registers[ERROR] & USES_DMA != 0
            self.limit = (self.registers[MID] | self.registers[HIGH] << 8) & ~1
            if self.limit == 0:
                self.limit = 0xfffe
            self.pending = ''
            self.left = 0
            self.registers[COUNT] = COMMAND_PHASE
            self.receive(PACKET_SIZE)
        elif command == IDENTIFY_PACKET:
            self.send(self.identity())
        elif command == SET_FEATURES or STANDBY_NOW <= command <= SLEEP:
            self.done()
        else:
            self.sign()             # IDENTIFY DEVICE tells by this that the device is no disk
            self.fail(ABORTED)

    def store(self, packet):
        """The packet has come."""
        kind = ord(packet[0])
        if kind == REQUEST_SENSE:
            sense = '\x70\x00' + chr(self.key) + '\x00' * 4 + '\x0a' + '\x00' * 4 + chr(self.code) + '\x00' * 5
            self.set_sense(NO_SENSE, 0)
            self.reply(sense, ord(packet[4]))
            return
        self.set_sense(NO_SENSE, 0)
        if kind == TEST_UNIT_READY or kind == START_STOP or kind == PREVENT_REMOVAL or kind == SEEK:
            self.complete()
        elif kind == INQUIRY:
            self.reply('\x05\x80\x00\x21\x1f\x00\x00\x00' + 'HYPER   ' + 'CD-ROM          ' + '1.0 ', ord(packet[4]))
        elif kind == READ_CAPACITY:
            self.reply(big32(self.blocks - 1) + big32(BLOCK), 8)
        elif kind == READ_10:
            self.read(get32(packet, 2), get16(packet, 7))
        elif kind == READ_12:
            self.read(get32(packet, 2), get32(packet, 6))
        elif kind == READ_TOC:
            self.table_of_contents(packet)
        elif kind == MODE_SENSE_6:
            self.mode_sense(ord(packet[2]) & 0x3f, '\x00\x00\x00', ord(packet[4]))
        elif kind == MODE_SENSE_10:
            self.mode_sense(ord(packet[2]) & 0x3f, '\x00\x00\x00\x00\x00\x00', get16(packet, 7))
        elif kind == GET_CONFIGURATION:
            features = '\x00\x00\x03\x04' + big16(PROFILE_CDROM) + '\x01\x00'       # the list of profiles
            self.reply(big32(len(features) + 4) + '\x00\x00' + big16(PROFILE_CDROM) + features, get16(packet, 7))
        elif kind == GET_EVENT_STATUS and ord(packet[1]) & 1:
            if ord(packet[4]) & MEDIA_CLASS:
                self.reply('\x00\x06\x04' + chr(MEDIA_CLASS) + '\x00\x02\x00\x00', get16(packet, 7))     # no event, a disc is in
            else:
                self.reply('\x00\x02\x80' + chr(MEDIA_CLASS), get16(packet, 7))
        elif kind == READ_DISC_INFORMATION:
            self.reply('\x00\x20\x0e\x01\x01\x01\x01' + '\x00' * 27, get16(packet, 7))
        else:
            self.refuse(ILLEGAL_REQUEST, INVALID_COMMAND)

    def set_sense(self, key, code):
        self.key = key
        self.code = code

    # ends

    def complete(self):
        self.registers[COUNT] = STATUS_PHASE
        self.done()

    def refuse(self, key, code):
        """CHECK CONDITION."""
        self.set_sense(key, code)
        self.pending = ''
        self.left = 0
        self.registers[COUNT] = STATUS_PHASE
        self.fail(key << 4)

    # data

    def reply(self, text, size):
        """Sends at most so many bytes of the text."""
        self.pending = cut(text, size)
        self.begin_data()

    def read(self, block, count):
        if block + count > self.blocks:
            self.refuse(ILLEGAL_REQUEST, OUT_OF_RANGE)
            return
        self.block = block
        self.left = count
        self.begin_data()

    def begin_data(self):
        if self.pending == '' and self.left == 0:
            self.complete()
        elif self.uses_dma:
            self.want_dma()
        else:
            self.go_on()

    def fill(self):
        """Reads on; False if the disc cannot be read, which the host has then been told."""
        if self.pending == '' and self.left > 0:
            count = min(self.left, CHUNK)
            try:
                self.pending = self.disk.read(self.block * BLOCK_SECTORS, count * BLOCK_SECTORS)
            except DiskError:
                self.refuse(MEDIUM_ERROR, UNRECOVERED_READ)
                return False
            self.block += count
            self.left -= count
        return True

    def go_on(self):
        """The next block of data, or the end."""
        if not self.fill():
            return
        if self.pending == '':
            self.complete()
            return
        here = min(self.limit, len(self.pending))
        assert here >= 0
        part = self.pending[:here]
        self.pending = self.pending[here:]
        self.registers[COUNT] = TO_HOST
        self.registers[MID] = here & 0xff
        self.registers[HIGH] = here >> 8
        self.send(part)

    def sent(self):
        if self.command == PACKET:
            self.status = ata.BUSY
            self.state = GOES_ON
            self.host.wait(self, BLOCK_TIME)
        else:
            AtaDevice.sent(self)

    def dma_time(self):
        return COMMAND_TIME + self.left * BLOCK + len(self.pending)

    def move(self):
        while self.pending != '' or self.left > 0:
            if not self.fill():
                self.bus_master.fail()
                return
            self.bus_master.to_memory(self.pending)
            self.pending = ''
        self.bus_master.finish()
        self.complete()

    # what commands tell

    def table_of_contents(self, packet):
        """One data track, one session."""
        in_msf = ord(packet[1]) & 2 != 0
        form = ord(packet[2]) & 0x0f
        if form == 0:
            form = ord(packet[9]) >> 6                  # where older hosts have it
        size = get16(packet, 7)
        if form == 0:
            first = ord(packet[6])
            tracks = ''
            if first <= 1:
                tracks += '\x00' + chr(DATA_TRACK) + '\x01\x00' + position(0, in_msf)
            if first <= 1 or first == LEAD_OUT:
                tracks += '\x00' + chr(DATA_TRACK) + chr(LEAD_OUT) + '\x00' + position(self.blocks, in_msf)
            else:
                self.refuse(ILLEGAL_REQUEST, INVALID_FIELD)
                return
            self.reply(big16(len(tracks) + 2) + '\x01\x01' + tracks, size)
        elif form == 1:
            self.reply('\x00\x0a\x01\x01\x00' + chr(DATA_TRACK) + '\x01\x00' + position(0, in_msf), size)
        else:
            self.refuse(ILLEGAL_REQUEST, INVALID_FIELD)

    def mode_sense(self, page, header, size):
        """`header` is what follows the length, whose size is that of the rest of the command's header."""
        pages = ''
        if page == PAGE_ERRORS or page == PAGE_ALL:
            pages += chr(PAGE_ERRORS) + '\x06' + '\x00' * 6
        if page == PAGE_CAPABILITIES or page == PAGE_ALL:
            # reads no CD-R; mode 2 forms, several sessions; locks, ejects, tray; speed 706 KB/s, 512 KB of buffer
            pages += chr(PAGE_CAPABILITIES) + '\x12\x00\x00\x70\x00\x29\x00' + big16(706) + big16(2) + big16(512) + big16(706) + '\x00' * 4
        if pages == '':
            self.refuse(ILLEGAL_REQUEST, INVALID_FIELD)
            return
        length = len(header) + len(pages)
        if len(header) == 3:
            self.reply(chr(length) + header + pages, size)
        else:
            self.reply(big16(length) + header + pages, size)

    def identity(self):
        """What IDENTIFY PACKET DEVICE sends."""
        words = [0] * 256
        words[0] = 0x85c0                               # CD-ROM, removable, fast DRQ, packets of 12 bytes
        put_string(words, 10, 10, self.name)
        put_string(words, 23, 4, '1.0')
        put_string(words, 27, 20, 'HYPER CD-ROM')
        words[49] = 0x0f00                              # IORDY, LBA, DMA
        words[53] = 0x0002
        words[63] = 0x0007
        words[64] = 0x0003
        for i in range(65, 69):
            words[i] = 120
        words[80] = 0x007e
        words[82] = 0x0210                              # DEVICE RESET, PACKET
        words[83] = 0x4000
        words[84] = 0x4000
        words[85] = 0x0210
        words[87] = 0x4000
        return words_text(words)


def position(block, in_msf):
    if not in_msf:
        return big32(block)
    frames = block + MSF_OFFSET
    return '\x00' + chr(frames // (60 * 75) & 0xff) + chr(frames // 75 % 60) + chr(frames % 75)
