"""Operands: registers and memory, one class for each kind and size, so that `get` and `set` ask nothing.

Values are unsigned ints of the operand's size. Memory operands of flat segments are linear addresses at once; others go through
the checks of their segment. The address of an operand is computed again by each `get` and `set`; a trace computes it once.
"""
from hyper.cpu import flags
from hyper.cpu.faults import GuestFault, GP, SS as FAULT_SS
from hyper.cpu.mode import CHECKED, CS, DS, SS
from hyper.cpu.operations.base import LEAVES

M32 = 0xffffffff


class Operand(object):
    is_memory = False
    size = 0                # in bytes; an immediate has that of the instruction

    def get(self, cpu, mode):
        raise NotImplementedError

    def set(self, cpu, mode, value):
        raise NotImplementedError

    def writable(self, cpu, mode):
        """For read-modify-write: the offset in RAM of a memory operand that may be changed in place, else -1; raises the fault of a write."""
        return -1


class Register(Operand):
    """A general register; `number` is its place in CPU.regs."""
    _immutable_fields_ = ['number']

    def __init__(self, number):
        self.number = number


class Register32(Register):
    size = 4

    def get(self, cpu, mode):
        n = self.number
        assert n >= 0
        return cpu.regs[n]

    def set(self, cpu, mode, value):
        n = self.number
        assert n >= 0
        cpu.regs[n] = value


class Register16(Register):
    size = 2

    def get(self, cpu, mode):
        n = self.number
        assert n >= 0
        return cpu.regs[n] & 0xffff

    def set(self, cpu, mode, value):
        n = self.number
        assert n >= 0
        cpu.regs[n] = (cpu.regs[n] & 0xffff0000) | value


class Register8Low(Register):
    """AL CL DL BL."""
    size = 1

    def get(self, cpu, mode):
        n = self.number
        assert n >= 0
        return cpu.regs[n] & 0xff

    def set(self, cpu, mode, value):
        n = self.number
        assert n >= 0
        cpu.regs[n] = (cpu.regs[n] & 0xffffff00) | value


class Register8High(Register):
    """AH CH DH BH."""
    size = 1

    def get(self, cpu, mode):
        n = self.number
        assert n >= 0
        return (cpu.regs[n] >> 8) & 0xff

    def set(self, cpu, mode, value):
        n = self.number
        assert n >= 0
        cpu.regs[n] = (cpu.regs[n] & 0xffff00ff) | (value << 8)


class Memory(Operand):
    """Memory at base + index << scale + displacement in a segment; base and index are register numbers or -1.

    address_mask is FFFFh for 16-bit addressing."""
    _immutable_fields_ = ['segment', 'base', 'index', 'scale', 'displacement', 'address_mask']
    is_memory = True

    def __init__(self, segment, base, index, scale, displacement, address_mask):
        self.segment = segment
        self.base = base
        self.index = index
        self.scale = scale
        self.displacement = displacement
        self.address_mask = address_mask

    def offset(self, cpu):
        """The effective address."""
        base = self.base
        index = self.index
        if base >= 0:
            if index >= 0:
                return (cpu.regs[base] + (cpu.regs[index] << self.scale) + self.displacement) & self.address_mask
            if self.displacement == 0 and self.address_mask == M32:
                return cpu.regs[base]
            return (cpu.regs[base] + self.displacement) & self.address_mask
        if index >= 0:
            return ((cpu.regs[index] << self.scale) + self.displacement) & self.address_mask
        return self.displacement & self.address_mask

    def linear(self, cpu, mode, displacement, size, write):
        """Linear address of `size` bytes at the operand plus a displacement, checked if the segment is not flat; for operands of several parts.
        Its accesses then say `self.check`."""
        raise NotImplementedError

    def beyond(self, cpu, mode, distance, size, write):
        """The same for what lies at any distance from the operand: the sum wraps as an address does."""
        raise NotImplementedError

    def check(self):
        """The segment that an access at `linear` must name."""
        raise NotImplementedError


class FlatMemory(Memory):
    pass

    def linear(self, cpu, mode, displacement, size, write):
        offset = self.offset(cpu) + displacement
        if offset + (size - 1) > M32:
            raise GuestFault(FAULT_SS if self.segment == SS else GP, 0)
        return offset

    def beyond(self, cpu, mode, distance, size, write):
        return (self.offset(cpu) + distance) & self.address_mask

    def check(self):
        return self.segment


class SegmentedMemory(Memory):
    pass

    def linear(self, cpu, mode, displacement, size, write):
        return self.address(mode, self.offset(cpu) + displacement, size, write)

    def beyond(self, cpu, mode, distance, size, write):
        return self.address(mode, (self.offset(cpu) + distance) & self.address_mask, size, write)

    def address(self, mode, offset, size, write):
        if write:
            return mode.write_address(self.segment, offset, size)
        return mode.read_address(self.segment, offset, size)

    def check(self):
        return CHECKED


class Flat32(FlatMemory):
    size = 4

    def get(self, cpu, mode):
        return mode.load32(self.offset(cpu), self.segment)

    def set(self, cpu, mode, value):
        mode.store32(self.offset(cpu), value, self.segment)

    def writable(self, cpu, mode):
        return mode.writable(self.offset(cpu), 4, self.segment)


class Flat16(FlatMemory):
    size = 2

    def get(self, cpu, mode):
        return mode.load16(self.offset(cpu), self.segment)

    def set(self, cpu, mode, value):
        mode.store16(self.offset(cpu), value, self.segment)

    def writable(self, cpu, mode):
        return mode.writable(self.offset(cpu), 2, self.segment)


class Flat8(FlatMemory):
    size = 1

    def get(self, cpu, mode):
        return mode.load8(self.offset(cpu), self.segment)

    def set(self, cpu, mode, value):
        mode.store8(self.offset(cpu), value, self.segment)

    def writable(self, cpu, mode):
        return mode.writable(self.offset(cpu), 1, self.segment)


class Segmented32(SegmentedMemory):
    size = 4

    def get(self, cpu, mode):
        return mode.load32(mode.read_address(self.segment, self.offset(cpu), 4), CHECKED)

    def set(self, cpu, mode, value):
        mode.store32(mode.write_address(self.segment, self.offset(cpu), 4), value, CHECKED)

    def writable(self, cpu, mode):
        return mode.writable(mode.write_address(self.segment, self.offset(cpu), 4), 4, CHECKED)


class Segmented16(SegmentedMemory):
    size = 2

    def get(self, cpu, mode):
        return mode.load16(mode.read_address(self.segment, self.offset(cpu), 2), CHECKED)

    def set(self, cpu, mode, value):
        mode.store16(mode.write_address(self.segment, self.offset(cpu), 2), value, CHECKED)

    def writable(self, cpu, mode):
        return mode.writable(mode.write_address(self.segment, self.offset(cpu), 2), 2, CHECKED)


class Segmented8(SegmentedMemory):
    size = 1

    def get(self, cpu, mode):
        return mode.load8(mode.read_address(self.segment, self.offset(cpu), 1), CHECKED)

    def set(self, cpu, mode, value):
        mode.store8(mode.write_address(self.segment, self.offset(cpu), 1), value, CHECKED)

    def writable(self, cpu, mode):
        return mode.writable(mode.write_address(self.segment, self.offset(cpu), 1), 1, CHECKED)


class Immediate(Operand):
    """A constant source."""
    _immutable_fields_ = ['value']

    def __init__(self, value):
        self.value = value

    def get(self, cpu, mode):
        return self.value


def leaves(operand):
    """What an operand adds to Operation.effect(): LEAVES if it is in memory."""
    return LEAVES if operand.is_memory else 0


def register(number, size):
    """The operand for a register number as instructions encode it."""
    if size == 4:
        return Register32(number)
    if size == 2:
        return Register16(number)
    if number < 4:
        return Register8Low(number)
    return Register8High(number - 4)


def memory(flat, segment, base, index, scale, displacement, address_mask, size):
    """A memory operand; segments that are flat in the mode need no check of their own."""
    if flat and segment <= DS and segment != CS:
        if size == 4:
            return Flat32(segment, base, index, scale, displacement, address_mask)
        if size == 2:
            return Flat16(segment, base, index, scale, displacement, address_mask)
        return Flat8(segment, base, index, scale, displacement, address_mask)
    if size == 4:
        return Segmented32(segment, base, index, scale, displacement, address_mask)
    if size == 2:
        return Segmented16(segment, base, index, scale, displacement, address_mask)
    return Segmented8(segment, base, index, scale, displacement, address_mask)
