"""x86-64 machine code, written into raw storage: the few forms that templates are made of (SDM vol. 2, chapter 2).

Operations are on 32 bits unless `size` (1, 2 or 4 bytes) or a name says otherwise. A memory operand is a base register, perhaps an index with its scale
(the power of two), and a displacement. Positions are offsets in the storage.
"""
from hyper.board import raw

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 = range(9)
STACK = 12              # ESP of the guest: see Compiler
NO_INDEX = -1
ADD, OR, ADC, SBB, AND, SUB, XOR, CMP = range(8)
O, NO, B, AE, E, NE, BE, A, S, NS, P, NP, L, GE, LE, G = range(16)      # conditions


class Assembler(object):

    def __init__(self, storage):
        self.storage = storage
        self.at = 0

    # -- bytes

    def byte(self, value):
        raw.store8(self.storage, self.at, value)
        self.at += 1

    def word(self, value):
        """32 bits."""
        raw.store32(self.storage, self.at, value & 0xffffffff)
        self.at += 4

    def quad(self, value):
        raw.store64(self.storage, self.at, value)
        self.at += 8

    # -- encodings

    def prefixes(self, size, wide, reg, index, base):
        """66 for 16 bits, and REX where it is needed; for bytes it always is, or registers 4 to 7 would be AH to BH."""
        if size == 2:
            self.byte(0x66)
        rex = 0x40 | wide << 3 | (reg >> 3) << 2 | base >> 3
        if index != NO_INDEX:
            rex |= (index >> 3) << 1
        if rex != 0x40 or size == 1:
            self.byte(rex)

    def opcode(self, code):
        """One byte, or two of which the first is 0F."""
        if code > 0xff:
            self.byte(code >> 8)
        self.byte(code & 0xff)

    def address(self, reg, base, index, scale, displacement):
        """ModR/M, SIB and displacement."""
        reg = (reg & 7) << 3
        if displacement == 0 and base & 7 != RBP:
            mod = 0
        elif -128 <= displacement <= 127:
            mod = 0x40
        else:
            mod = 0x80
        if index != NO_INDEX:
            self.byte(mod | reg | 4)
            self.byte(scale << 6 | (index & 7) << 3 | base & 7)
        else:
            self.byte(mod | reg | base & 7)
            if base & 7 == RSP:
                self.byte(0x24)
        if mod == 0x40:
            self.byte(displacement & 0xff)
        elif mod == 0x80:
            self.word(displacement)

    def registers(self, code, reg, rm, size=4, wide=0):
        """An instruction with ModR/M of two registers."""
        self.prefixes(size, wide, reg, NO_INDEX, rm)
        self.opcode(code)
        self.byte(0xc0 | (reg & 7) << 3 | rm & 7)

    def memory(self, code, reg, base, index, scale, displacement, size=4, wide=0):
        """An instruction with ModR/M of a register (or an extension of the opcode) and memory."""
        self.prefixes(size, wide, reg, index, base)
        self.opcode(code)
        self.address(reg, base, index, scale, displacement)

    def immediate(self, value, size):
        if size == 4:
            self.word(value)
        else:
            self.byte(value & 0xff)
            if size == 2:
                self.byte(value >> 8 & 0xff)

    # -- instructions

    def move(self, to, source):
        self.registers(0x89, source, to)

    def move_immediate(self, to, value):
        self.prefixes(4, 0, 0, NO_INDEX, to)
        self.byte(0xb8 | to & 7)
        self.word(value)

    def move_quad(self, to, value):
        """64 bits."""
        self.prefixes(4, 1, 0, NO_INDEX, to)
        self.byte(0xb8 | to & 7)
        self.quad(value)

    def load(self, to, base, displacement):
        self.memory(0x8b, to, base, NO_INDEX, 0, displacement)

    def load_quad(self, to, base, displacement):
        self.memory(0x8b, to, base, NO_INDEX, 0, displacement, 4, 1)

    def store(self, source, base, displacement):
        self.memory(0x89, source, base, NO_INDEX, 0, displacement)

    def store_quad(self, source, base, displacement):
        self.memory(0x89, source, base, NO_INDEX, 0, displacement, 4, 1)

    def store_immediate(self, base, displacement, value):
        self.memory(0xc7, 0, base, NO_INDEX, 0, displacement)
        self.word(value)

    def lea(self, to, base, index, scale, displacement):
        """The low 32 bits of an address."""
        self.memory(0x8d, to, base, index, scale, displacement)

    def lea_scaled(self, to, index, scale, displacement):
        """Of one without a base."""
        self.prefixes(4, 0, to, index, 0)
        self.byte(0x8d)
        self.byte((to & 7) << 3 | 4)
        self.byte(scale << 6 | (index & 7) << 3 | 5)
        self.word(displacement)

    def lea_quad(self, to, base, displacement):
        self.memory(0x8d, to, base, NO_INDEX, 0, displacement, 4, 1)

    def arithmetic(self, kind, to, source, size=4):
        self.registers(kind << 3 | int(size != 1), source, to, size)

    def arithmetic_immediate(self, kind, to, value, size=4):
        if size == 1:
            self.registers(0x80, kind, to, 1)
            self.byte(value & 0xff)
        elif -128 <= value <= 127:
            self.registers(0x83, kind, to, size)
            self.byte(value & 0xff)
        else:
            self.registers(0x81, kind, to, size)
            self.immediate(value, size)

    def shift(self, kind, to, count, size=4):
        """By a constant; kind: the extension of the opcode."""
        self.registers(0xc0 | int(size != 1), kind, to, size)
        self.byte(count)

    def zero_extend(self, to, source, size):
        self.registers(0x0fb6 | int(size == 2), to, source, 1)

    def sign_extend(self, to, source, size):
        self.registers(0x0fbe | int(size == 2), to, source, 1)

    def swap_bytes(self, register):
        self.prefixes(4, 0, 0, NO_INDEX, register)
        self.byte(0x0f)
        self.byte(0xc8 | register & 7)

    def set(self, condition, to):
        """A byte: 1 if the condition holds, else 0."""
        self.registers(0x0f90 | condition, 0, to, 1)

    # -- jumps: 32-bit displacements, each given by the position it is relative to, behind it

    def jump(self):
        """Returns the position behind it, for `land`."""
        self.byte(0xe9)
        self.word(0)
        return self.at

    def jump_if(self, condition):
        self.byte(0x0f)
        self.byte(0x80 | condition)
        self.word(0)
        return self.at

    def jump_to(self, position):
        self.byte(0xe9)
        self.word(position - (self.at + 4))

    def jump_if_to(self, condition, position):
        self.byte(0x0f)
        self.byte(0x80 | condition)
        self.word(position - (self.at + 4))

    def call(self, position):
        self.byte(0xe8)
        self.word(position - (self.at + 4))

    def land(self, jump):
        """The jump that ends at a position leads here."""
        self.link(jump, self.at)

    def link(self, jump, position):
        raw.store32(self.storage, jump - 4, (position - jump) & 0xffffffff)
