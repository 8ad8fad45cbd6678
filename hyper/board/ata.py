"""What every device on an IDE channel has: the task file, and data that pass word by word or by the bus master.

Source: AT Attachment with Packet Interface 6 (T13/1410D).
"""

from hyper.board.disk import DiskError
from hyper.board.dma import BadAddress

# offsets of the command block
DATA = 0
ERROR = 1                       # features when written
COUNT = 2
LOW = 3
MID = 4
HIGH = 5
DEVICE = 6
STATUS = 7                      # command when written

BUSY = 0x80
READY = 0x40
SEEK_DONE = 0x10
REQUEST = 0x08                  # DRQ
FAILED = 0x01                   # CHK of a packet device
ABORTED = 0x04                  # of the error register
DIAGNOSED = 0x01

DEVICE_LBA = 0x40
DEVICE_SECOND = 0x10
DEVICE_FIXED = 0xa0             # bits that read as 1

# what the device waits for
IDLE = 0
STARTED = 1                     # time, then does its command
SENDS = 2                       # the host to read the buffer
RECEIVES = 3                    # the host to fill the buffer
GOES_ON = 4                     # time, then the next block
STORES = 5                      # time, then what was received is dealt with
WANTS_DMA = 6                   # the bus master to be started
MOVES = 7                       # time, then the bus master moves everything

COMMAND_TIME = 10000            # ns from a command to its effect
BLOCK_TIME = 2000               # and from one block of a command to the next


class Host(object):
    """The channel, as its devices see it. `bus_master` is where DMA goes."""

    def interrupt(self):
        pass

    def wait(self, device, time):
        """Calls due() of the device after so many ns."""

    def dma_wanted(self, device):
        """The device is ready for DMA."""


class AtaDevice(object):
    """Subclasses give execute() and what follows from it."""

    signature_mid = 0
    signature_high = 0

    def __init__(self):
        self.host = Host()
        self.bus_master = None
        self.registers = [0] * 8            # as last written by the host or set by the device
        self.before = [0] * 8               # what they were before: the high halves of 48-bit commands
        self.status = 0
        self.error = 0
        self.restart()

    def restart(self):
        """The state after a reset."""
        self.state = IDLE
        self.command = 0
        self.buffer = ''                    # what the host reads
        self.at = 0
        self.received = []                  # what the host has written: characters
        self.expected = 0
        self.sign()
        self.status = self.rest_status()
        self.error = DIAGNOSED

    def rest_status(self):
        return READY | SEEK_DONE

    def sign(self):
        """The signature by which hosts tell disks from packet devices."""
        self.registers[COUNT] = 1
        self.registers[LOW] = 1
        self.registers[MID] = self.signature_mid
        self.registers[HIGH] = self.signature_high
        self.registers[DEVICE] &= DEVICE_SECOND

    # what the channel calls

    def write_register(self, offset, value):
        self.before[offset] = self.registers[offset]
        self.registers[offset] = value

    def read_register(self, offset, high_order):
        if offset == ERROR:
            return self.error
        if offset == STATUS:
            return self.status
        if offset == DEVICE:
            return self.registers[DEVICE] | DEVICE_FIXED
        if high_order:
            return self.before[offset]
        return self.registers[offset]

    def begin(self, command):
        if self.status & (BUSY | REQUEST):
            return                          # a command in the middle of another is ignored
        self.command = command
        self.error = 0
        self.status = BUSY
        self.state = STARTED
        self.host.wait(self, COMMAND_TIME)

    def due(self):
        """The time that the device asked for has come."""
        try:
            if self.state == STARTED:
                self.execute(self.command)
            elif self.state == GOES_ON:
                self.go_on()
            elif self.state == STORES:
                self.store(''.join(self.received))
            elif self.state == MOVES:
                self.move()
        except DiskError:
            self.fail(ABORTED)
        except BadAddress:
            self.bus_master.fail()
            self.fail(ABORTED)

    def read_data(self, size):
        if self.state != SENDS:
            return 0
        value = 0
        for i in range(size):
            if self.at < len(self.buffer):
                value |= ord(self.buffer[self.at]) << (8 * i)
                self.at += 1
        if self.at >= len(self.buffer):
            self.buffer = ''
            self.sent()
        return value

    def write_data(self, size, value):
        if self.state != RECEIVES:
            return
        for i in range(size):
            if len(self.received) < self.expected:
                self.received.append(chr((value >> (8 * i)) & 0xff))
        if len(self.received) == self.expected:
            self.status = BUSY
            self.state = STORES
            self.host.wait(self, BLOCK_TIME)

    def dma_started(self):
        """The bus master has been started while the device wants it."""
        self.state = MOVES
        self.host.wait(self, self.dma_time())

    # what commands use

    def done(self):
        self.status = self.rest_status()
        self.state = IDLE
        self.host.interrupt()

    def fail(self, error):
        self.error = error
        self.status = self.rest_status() | FAILED
        self.state = IDLE
        self.host.interrupt()

    def send(self, data):
        """Lets the host read the data, and tells it."""
        self.buffer = data
        self.at = 0
        self.state = SENDS
        self.status = self.rest_status() | REQUEST
        self.host.interrupt()

    def receive(self, size):
        """Lets the host write so many bytes."""
        self.received = []
        self.expected = size
        self.state = RECEIVES
        self.status = self.rest_status() | REQUEST

    def want_dma(self):
        self.state = WANTS_DMA
        self.status = self.rest_status() | REQUEST
        self.host.dma_wanted(self)

    # what subclasses do; each may raise DiskError or BadAddress

    def execute(self, command):
        """Does a command or its first part."""
        raise NotImplementedError

    def sent(self):
        """The host has read what it was sent."""
        self.status = self.rest_status()
        self.state = IDLE

    def go_on(self):
        """The next block of a command that sends several."""
        raise NotImplementedError

    def store(self, data):
        """The host has written all that was expected."""
        raise NotImplementedError

    def move(self):
        """Moves the data of the command by the bus master."""
        raise NotImplementedError

    def dma_time(self):
        return COMMAND_TIME

    def reset_by_command(self):
        """DEVICE RESET, which only packet devices know."""


def put_string(words, first, count, text):
    """Characters as IDENTIFY has them: two a word, the first in the high byte, filled with spaces."""
    for i in range(count):
        pair = [0x20, 0x20]
        for k in range(2):
            if 2 * i + k < len(text):
                pair[k] = ord(text[2 * i + k])
        words[first + i] = pair[0] << 8 | pair[1]


def words_text(words):
    parts = []
    for word in words:
        parts.append(chr(word & 0xff))
        parts.append(chr(word >> 8))
    return ''.join(parts)
