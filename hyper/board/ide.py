"""The IDE controller of PIIX3: two channels of two devices each, at the ports and interrupt lines that every PC has.

Source: Intel 82371SB datasheet (290550), section 2.7; AT Attachment 6 (T13/1410D) for the channel.
"""

from hyper.board import ata, bus_master, pci
from hyper.board.ata import BUSY, DEVICE_SECOND, DIAGNOSED, REQUEST, WANTS_DMA
from hyper.board.bus import Device
from hyper.board.bus_master import BusMaster
from hyper.board.clock import Timer
from hyper.board.pci import Function

INTEL = 0x8086
PIIX3_IDE = 0x7010
CLASS_IDE = 0x010180            # both channels at their old ports; a bus master
TIMING = 0x40                   # two words, one a channel
TIMING_ON = 0x8000              # the channel answers at its ports
SLAVE_TIMING = 0x44
MASTER_BAR = 4
MASTER_PORTS = 16
CHANNEL_PORTS = 8               # of the bus master

COMMAND_BLOCKS = [0x1f0, 0x170]
CONTROLS = [0x3f6, 0x376]
IRQS = [14, 15]

CONTROL_SILENT = 0x02           # nIEN
CONTROL_RESET = 0x04            # SRST
CONTROL_HIGH_ORDER = 0x80       # reads give the previous values of the registers
DIAGNOSE = 0x90                 # a command that both devices obey
DEVICE_RESET = 0x08
NO_DEVICE_STATUS = 0


class ChannelTimer(Timer):
    _immutable_fields_ = ['channel']

    def __init__(self, channel):
        self.channel = channel

    def expire(self):
        device = self.channel.waiting
        if device is not None:
            self.channel.waiting = None
            device.due()


class ChannelHost(ata.Host):
    _immutable_fields_ = ['channel']

    def __init__(self, channel):
        self.channel = channel

    def interrupt(self):
        self.channel.raise_interrupt()

    def wait(self, device, time):
        self.channel.wait(device, time)

    def dma_wanted(self, device):
        self.channel.try_dma()


class Channel(Device):
    """`devices` are two AtaDevices or None."""

    _immutable_fields_ = ['function', 'number', 'clock', 'pic', 'devices', 'master', 'timer', 'ports']

    widest = 4

    def __init__(self, function, number, clock, pic, ram):
        self.function = function
        self.number = number
        self.clock = clock
        self.pic = pic
        self.master = BusMaster(ram)
        self.devices = [None, None]
        self.timer = ChannelTimer(self)
        self.ports = COMMAND_BLOCKS[number]
        self.waiting = None         # the device that the timer is for
        self.reset()

    def attach(self, place, device):
        self.devices[place] = device
        device.host = ChannelHost(self)
        device.bus_master = self.master

    def connect(self, bus):
        bus.add_ports(self.ports, self.ports + 7, self)
        bus.add_ports(CONTROLS[self.number], CONTROLS[self.number], self)

    def reset(self):
        self.control = 0
        self.select = 0             # the device register, as written
        self.interrupt = False
        self.master.reset()
        self.restart_devices()

    def restart_devices(self):
        self.clock.cancel(self.timer)
        self.waiting = None
        self.drop_interrupt()
        for device in self.devices:
            if device is not None:
                device.restart()
        self.select = 0

    def selected(self):
        """The device that the host has selected, None if there is none."""
        if self.select & DEVICE_SECOND:
            return self.devices[1]
        return self.devices[0]

    # the interrupt

    def raise_interrupt(self):
        self.interrupt = True
        if not self.control & CONTROL_SILENT:
            self.master.status |= bus_master.INTERRUPT
        self.update()

    def drop_interrupt(self):
        self.interrupt = False
        self.update()

    def update(self):
        self.pic.set_line(IRQS[self.number], self.interrupt and not self.control & CONTROL_SILENT)

    # time and DMA

    def wait(self, device, time):
        self.waiting = device
        self.clock.schedule(self.timer, self.clock.now() + time)

    def try_dma(self):
        """Begins the DMA that both the device and the driver are ready for."""
        device = self.selected()
        if device is not None and device.state == WANTS_DMA and self.master.started() and self.function.is_master():
            device.dma_started()

    def write_master(self, offset, value):
        if self.master.write(offset, value):
            self.try_dma()

    # ports

    def answers(self):
        function = self.function
        return function.get16(TIMING + 2 * self.number) & TIMING_ON != 0 and function.get16(pci.COMMAND) & pci.COMMAND_IO != 0

    def read_port(self, port, size):
        if not self.answers():
            return (1 << (8 * size)) - 1
        offset = port - self.ports
        if offset == ata.DATA:
            device = self.selected()
            if device is None or size == 1:
                return 0
            return device.read_data(size)
        value = 0
        for i in range(size):
            value |= self.read_byte(port + i) << (8 * i)
        return value

    def read_byte(self, port):
        offset = port - self.ports
        is_alternate = port == CONTROLS[self.number]
        if not is_alternate and not 0 < offset < 8:
            return 0xff
        device = self.selected()
        if is_alternate or offset == ata.STATUS:
            if not is_alternate:
                self.drop_interrupt()
            if self.control & CONTROL_RESET and device is not None:
                return BUSY
            offset = ata.STATUS
        if device is None:
            return NO_DEVICE_STATUS
        return device.read_register(offset, self.control & CONTROL_HIGH_ORDER != 0)

    def write_port(self, port, size, value):
        if not self.answers():
            return
        offset = port - self.ports
        if offset == ata.DATA:
            device = self.selected()
            if device is not None and size > 1:
                device.write_data(size, value)
            return
        for i in range(size):
            self.write_byte(port + i, (value >> (8 * i)) & 0xff)

    def write_byte(self, port, value):
        if port == CONTROLS[self.number]:
            self.write_control(value)
            return
        offset = port - self.ports
        if not 0 < offset < 8:
            return
        if offset == ata.STATUS:
            self.command(value)
            return
        self.control &= ~CONTROL_HIGH_ORDER
        if offset == ata.DEVICE:
            self.select = value
        for device in self.devices:
            if device is not None and not device.status & (BUSY | REQUEST):
                device.write_register(offset, value)

    def write_control(self, value):
        before = self.control
        self.control = value
        if value & CONTROL_RESET and not before & CONTROL_RESET:
            self.restart_devices()
        self.update()

    def command(self, value):
        if self.control & CONTROL_RESET:
            return
        device = self.selected()
        self.drop_interrupt()
        if value == DIAGNOSE:
            self.restart_devices()
            if self.devices[0] is not None:
                self.raise_interrupt()
        elif device is not None:
            if value == DEVICE_RESET:
                device.reset_by_command()
            elif self.waiting is None:      # else one of them is busy, and the host should have known
                device.begin(value)


class IdeFunction(Function):
    _immutable_fields_ = ['channels']

    def __init__(self, clock, pic, ram):
        Function.__init__(self, INTEL, PIIX3_IDE, 0, CLASS_IDE)
        self.add_io_bar(MASTER_BAR, MASTER_PORTS)
        self.allow(TIMING, 4, 0xffffffff)
        self.allow(SLAVE_TIMING, 1, 0xff)
        self.channels = [Channel(self, 0, clock, pic, ram), Channel(self, 1, clock, pic, ram)]

    def connect(self, bus):
        for channel in self.channels:
            channel.connect(bus)

    def set_up(self):
        """What firmware does: both channels answer."""
        self.put16(TIMING, TIMING_ON)
        self.put16(TIMING + 2, TIMING_ON)

    def reset(self):
        for channel in self.channels:
            channel.reset()

    def read_io(self, bar, offset, size):
        value = 0
        for i in range(size):
            channel = self.channels[(offset + i) // CHANNEL_PORTS]
            value |= channel.master.read((offset + i) % CHANNEL_PORTS) << (8 * i)
        return value

    def write_io(self, bar, offset, size, value):
        for i in range(size):
            channel = self.channels[(offset + i) // CHANNEL_PORTS]
            channel.write_master((offset + i) % CHANNEL_PORTS, (value >> (8 * i)) & 0xff)
