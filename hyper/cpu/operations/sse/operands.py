"""What SSE instructions read and write: registers at constant offsets of the FPU's image, general registers, memory.

An operand in RAM that the TLB knows is given to arithmetic.c where it lies; any other is first brought into the SCRATCH bytes behind the image.
"""
from hyper.board import raw
from hyper.cpu import fpu
from hyper.cpu.faults import GuestFault, GP
from hyper.cpu.operations.sse import arithmetic

SCRATCH, RESULT = fpu.SIZE, fpu.SIZE + 16           # where a source or a result lies that has no place in the image


def xmm(number):
    """The offset of an XMM register in the image."""
    return fpu.XMM + 16 * number


def mmx(number):
    return fpu.REGISTERS + fpu.REGISTER * number


def load_real(storage, at, size):
    if size == 8:
        return raw.load_double(storage, at)
    return raw.load_single(storage, at)


def load_doubles(storage, at):
    return raw.load_double(storage, at), raw.load_double(storage, at + 8)


def store_real(storage, at, value, size):
    if size == 8:
        raw.store_double(storage, at, value)
    else:
        raw.store_single(storage, at, value)


class Source(object):
    """An operand that is read."""

    def run(self, cpu, mode, number, to, immediate):
        """Do operation `number` on this and what is at offset `to` of the image; returns what arithmetic.c does."""
        raise NotImplementedError

    def load32(self, cpu, mode):
        raise NotImplementedError

    def load64(self, cpu, mode):
        """A signed word."""
        raise NotImplementedError

    def load_real(self, cpu, mode, size):
        """A double, or a single as a double, by its bytes."""
        raise NotImplementedError

    def load_doubles(self, cpu, mode):
        """Both doubles of 16 bytes."""
        raise NotImplementedError

    def copy128(self, cpu, mode, to):
        """Copy 16 bytes to an offset of the image."""
        raise NotImplementedError


class InImage(Source):
    """An XMM or MMX register."""
    _immutable_fields_ = ['at']

    def __init__(self, at):
        self.at = at

    def run(self, cpu, mode, number, to, immediate):
        system = mode.system
        image = system.fpu.image
        return arithmetic.run(number, image, to, image, self.at, immediate, system.fpu.mxcsr)

    def load32(self, cpu, mode):
        return raw.load32(mode.system.fpu.image, self.at)

    def load64(self, cpu, mode):
        return raw.load64(mode.system.fpu.image, self.at)

    def load_real(self, cpu, mode, size):
        return load_real(mode.system.fpu.image, self.at, size)

    def load_doubles(self, cpu, mode):
        return load_doubles(mode.system.fpu.image, self.at)

    def copy128(self, cpu, mode, to):
        image = mode.system.fpu.image
        low = raw.load64(image, self.at)
        high = raw.load64(image, self.at + 8)
        raw.store64(image, to, low)
        raw.store64(image, to + 8, high)


class General(Source):
    """A general register."""
    _immutable_fields_ = ['number']

    def __init__(self, number):
        self.number = number

    def run(self, cpu, mode, number, to, immediate):
        system = mode.system
        image = system.fpu.image
        raw.store32(image, SCRATCH, self.load32(cpu, mode))
        return arithmetic.run(number, image, to, image, SCRATCH, immediate, system.fpu.mxcsr)

    def load32(self, cpu, mode):
        n = self.number
        assert n >= 0
        return cpu.regs[n]


class InMemory(Source):
    """Memory: `operand` gives the address, `size` the bytes; `mask`: the address bits that must be zero."""
    _immutable_fields_ = ['operand', 'size', 'mask']

    def __init__(self, operand, size, mask):
        self.operand = operand
        self.size = size
        self.mask = mask

    def address(self, cpu, mode, write):
        """The linear address. An operand that is not aligned as it must be is #GP, before its page is looked at."""
        address = self.operand.linear(cpu, mode, 0, self.size, write)
        if address & self.mask:
            raise GuestFault(GP, 0)
        return address

    def run(self, cpu, mode, number, to, immediate):
        address = self.address(cpu, mode, False)
        system = mode.system
        image = system.fpu.image
        if mode.reads(address, self.size):
            return arithmetic.run(number, image, to, mode.storage, mode.place(address), immediate, system.fpu.mxcsr)
        mode.load_bytes_slow(address, self.size, self.operand.check(), image, SCRATCH)
        return arithmetic.run(number, image, to, image, SCRATCH, immediate, system.fpu.mxcsr)

    def load32(self, cpu, mode):
        return mode.load32(self.address(cpu, mode, False), self.operand.check())

    def load64(self, cpu, mode):
        return mode.load64(self.address(cpu, mode, False), self.operand.check())

    def load_real(self, cpu, mode, size):
        address = self.address(cpu, mode, False)
        if mode.reads(address, size):
            return load_real(mode.storage, mode.place(address), size)
        image = mode.system.fpu.image
        mode.load_bytes_slow(address, size, self.operand.check(), image, SCRATCH)
        return load_real(image, SCRATCH, size)

    def load_doubles(self, cpu, mode):
        address = self.address(cpu, mode, False)
        if mode.reads(address, 16):
            return load_doubles(mode.storage, mode.place(address))
        image = mode.system.fpu.image
        mode.load_bytes_slow(address, 16, self.operand.check(), image, SCRATCH)
        return load_doubles(image, SCRATCH)

    def copy128(self, cpu, mode, to):
        address = self.address(cpu, mode, False)
        image = mode.system.fpu.image
        if mode.reads(address, 16):
            at = mode.place(address)
            low = raw.load64(mode.storage, at)
            high = raw.load64(mode.storage, at + 8)
        else:
            mode.load_bytes_slow(address, 16, self.operand.check(), image, SCRATCH)
            low = raw.load64(image, SCRATCH)
            high = raw.load64(image, SCRATCH + 8)
        raw.store64(image, to, low)
        raw.store64(image, to + 8, high)

    # -- as a destination: from an offset of the image

    def store32(self, cpu, mode, value):
        mode.store32(self.address(cpu, mode, True), value, self.operand.check())

    def store64(self, cpu, mode, at):
        address = self.address(cpu, mode, True)
        image = mode.system.fpu.image
        if mode.writes(address, 8):
            raw.store64(mode.storage, mode.place(address), raw.load64(image, at))
        else:
            mode.store_bytes_slow(address, 8, self.operand.check(), image, at)

    def store128(self, cpu, mode, at):
        address = self.address(cpu, mode, True)
        image = mode.system.fpu.image
        if mode.writes(address, 16):
            place = mode.place(address)
            raw.store64(mode.storage, place, raw.load64(image, at))
            raw.store64(mode.storage, place + 8, raw.load64(image, at + 8))
        else:
            mode.store_bytes_slow(address, 16, self.operand.check(), image, at)
