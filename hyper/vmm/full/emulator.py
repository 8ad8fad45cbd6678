"""Does for the guest an instruction that touches device memory or an address without memory: there the VMM must see the access itself.

One turn of a repeated string instruction is done for each exit; the guest then goes on with the rest. An instruction that the VMM does not know at
such an address stops the domain, with its bytes in the message.
"""
from hyper.vmm.full.alu import Alu, mask, CMP, SUB, CF, ZF
from hyper.vmm.full.decode import (Decoder, TWO_BYTES, REP_NONE, REP_EQUAL, REP_NOT_EQUAL)
from hyper.vmm.full.guest import ES, SS, FLAG_DF, M32, BIG
from hyper.vmm.full.reflected import Unsupported
from hyper.vmx import fields

EAX, ECX, ESP, ESI, EDI = 0, 1, 4, 6, 7
HEX = '0123456789abcdef'


class Emulator(object):
    """`guest` is the GuestProcessor. `emulate` does the instruction at CS:RIP."""
    _immutable_fields_ = ['guest', 'decoder', 'alu']

    def __init__(self, guest):
        self.guest = guest
        self.decoder = Decoder(guest)
        self.alu = Alu()
        self.user = False

    def emulate(self):
        """Raises Reflected for the instruction's own fault, with nothing changed, or Unsupported."""
        guest = self.guest
        guest.look_at_paging()
        instruction = self.decoder.instruction
        if not self.decoder.decode():
            raise self.unknown()
        self.user = self.decoder.user
        self.alu.flags = guest.flags()
        opcode = instruction.opcode
        if 0xa4 <= opcode <= 0xa7 or 0xaa <= opcode <= 0xaf:
            if not self.string(opcode):
                return
        else:
            if opcode >= TWO_BYTES:
                done = self.two_bytes(opcode & 0xff)
            elif opcode < 0x40:
                done = self.arithmetic(opcode)
            else:
                done = self.one_byte(opcode)
            if not done:
                raise self.unknown()
        guest.set_flags(self.alu.flags)
        guest.advance(instruction.length)

    def unknown(self):
        text = ''
        decoder = self.decoder
        for k in range(8):
            byte = self.guest.load((decoder.start + k) & M32, 1, False) if (decoder.start + k) & 0xfff or k == 0 else 0
            text += ' ' + HEX[byte >> 4] + HEX[byte & 15]
        return Unsupported('uses an instruction on device memory that the VMM does not emulate:' + text)

    # -- operands

    def address(self, size, write):
        instruction = self.decoder.instruction
        return self.guest.linear(instruction.segment, instruction.offset, size, write)

    def read(self, size):
        """The ModRM operand."""
        instruction = self.decoder.instruction
        if instruction.mode == 3:
            return self.guest.part(instruction.rm, size)
        return self.guest.load(self.address(size, False), size, self.user)

    def write(self, value, size):
        instruction = self.decoder.instruction
        if instruction.mode == 3:
            self.guest.set_part(instruction.rm, value, size)
        else:
            self.guest.store(self.address(size, True), value, size, self.user)

    def size(self, opcode):
        """Of an opcode whose lowest bit says so."""
        if opcode & 1:
            return self.decoder.instruction.operand_size
        return 1

    # -- instructions; each says whether it is known

    def arithmetic(self, opcode):
        instruction = self.decoder.instruction
        size = self.size(opcode)
        operation = opcode >> 3
        memory = self.read(size)
        register = self.guest.part(instruction.reg, size)
        if opcode & 2:
            value = self.alu.calculate(operation, register, memory, size)
            if operation != CMP:
                self.guest.set_part(instruction.reg, value, size)
        else:
            value = self.alu.calculate(operation, memory, register, size)
            if operation != CMP:
                self.write(value, size)
        return True

    def one_byte(self, opcode):
        instruction = self.decoder.instruction
        guest = self.guest
        size = self.size(opcode)
        reg = instruction.reg
        if 0x80 <= opcode <= 0x83:
            value = self.alu.calculate(reg, self.read(size), instruction.immediate & mask(size), size)
            if reg != CMP:
                self.write(value, size)
        elif opcode == 0x84 or opcode == 0x85:
            self.alu.calculate(4, self.read(size), guest.part(reg, size), size)
        elif opcode == 0x86 or opcode == 0x87:
            value = self.read(size)
            self.write(guest.part(reg, size), size)
            guest.set_part(reg, value, size)
        elif opcode == 0x88 or opcode == 0x89:
            self.write(guest.part(reg, size), size)
        elif opcode == 0x8a or opcode == 0x8b:
            guest.set_part(reg, self.read(size), size)
        elif opcode == 0xa0 or opcode == 0xa1:
            guest.set_part(EAX, guest.load(self.address(size, False), size, self.user), size)
        elif opcode == 0xa2 or opcode == 0xa3:
            guest.store(self.address(size, True), guest.part(EAX, size), size, self.user)
        elif opcode == 0xc6 or opcode == 0xc7:
            if reg != 0:
                return False
            self.write(instruction.immediate & mask(size), size)
        elif opcode == 0xf6 or opcode == 0xf7:
            return self.group3(size)
        elif opcode == 0xfe or opcode == 0xff:
            return self.group5(opcode, size)
        else:
            return False
        return True

    def group3(self, size):
        reg = self.decoder.instruction.reg
        value = self.read(size)
        if reg < 2:
            self.alu.calculate(4, value, self.decoder.instruction.immediate & mask(size), size)
        elif reg == 2:
            self.write(~value & mask(size), size)
        elif reg == 3:
            self.write(self.alu.calculate(SUB, 0, value, size), size)
        else:
            return False
        return True

    def group5(self, opcode, size):
        reg = self.decoder.instruction.reg
        if reg == 0:
            self.write(self.alu.increment(self.read(size), size), size)
        elif reg == 1:
            self.write(self.alu.decrement(self.read(size), size), size)
        elif reg == 6 and opcode == 0xff:
            self.push(self.read(size), size)
        else:
            return False
        return True

    def push(self, value, size):
        guest = self.guest
        stack_mask = M32 if guest.read(fields.GUEST_SS_ACCESS) & BIG else 0xffff
        old = guest.register(ESP)
        top = (old - size) & stack_mask
        guest.store(guest.linear(SS, top, size, True), value, size, self.user)
        guest.set_register(ESP, old & ~stack_mask | top)

    def two_bytes(self, opcode):
        instruction = self.decoder.instruction
        guest = self.guest
        size = self.size(opcode)
        reg = instruction.reg
        if opcode == 0xb6 or opcode == 0xb7 or opcode == 0xbe or opcode == 0xbf:
            narrow = 1 + (opcode & 1)
            value = self.read(narrow)
            if opcode >= 0xbe:
                half = 1 << (8 * narrow - 1)
                value = (value ^ half) - half
            guest.set_part(reg, value & mask(instruction.operand_size), instruction.operand_size)
        elif opcode == 0xb0 or opcode == 0xb1:
            value = self.read(size)
            expected = guest.part(EAX, size)
            self.alu.calculate(CMP, expected, value, size)
            if value == expected:
                self.write(guest.part(reg, size), size)
            else:
                self.write(value, size)         # the processor writes in either case
                guest.set_part(EAX, value, size)
        elif opcode == 0xc0 or opcode == 0xc1:
            value = self.read(size)
            source = guest.part(reg, size)
            self.write(self.alu.calculate(0, value, source, size), size)
            if instruction.mode != 3 or instruction.rm != reg:
                guest.set_part(reg, value, size)
        elif opcode == 0xba:
            if reg < 4:
                return False
            self.bit(reg - 4, instruction.immediate)
        else:
            number = guest.part(reg, instruction.operand_size)
            if instruction.mode != 3:
                # a bit string: the number is signed and reaches beyond the operand
                bits = 8 * instruction.operand_size
                half = 1 << (bits - 1)
                signed = (number ^ half) - half
                offset = instruction.offset + (signed >> (5 if bits == 32 else 4)) * instruction.operand_size
                instruction.offset = offset & (M32 if instruction.address_size == 4 else 0xffff)
            self.bit((opcode >> 3) & 3, number)
        return True

    def bit(self, operation, number):
        """BT, BTS, BTR, BTC (0-3) of the ModRM operand."""
        size = self.decoder.instruction.operand_size
        bit = 1 << (number & (8 * size - 1))
        value = self.read(size)
        self.alu.replace(CF, CF if value & bit else 0)
        if operation == 1:
            self.write(value | bit, size)
        elif operation == 2:
            self.write(value & ~bit, size)
        elif operation == 3:
            self.write(value ^ bit, size)

    # -- strings

    def string(self, opcode):
        """One turn of MOVS, CMPS, STOS, LODS or SCAS. True if the instruction is complete."""
        instruction = self.decoder.instruction
        guest = self.guest
        address_mask = M32 if instruction.address_size == 4 else 0xffff
        if instruction.rep != REP_NONE and guest.register(ECX) & address_mask == 0:
            return True
        size = self.size(opcode)
        kind = opcode & 0xfe
        user = self.user
        source_at = 0
        target_at = 0
        if kind == 0xa4 or kind == 0xa6 or kind == 0xac:
            source_at = guest.linear(instruction.segment, guest.register(ESI) & address_mask, size, False)
        if kind != 0xac:
            target_at = guest.linear(ES, guest.register(EDI) & address_mask, size, kind == 0xa4 or kind == 0xaa)
        if kind == 0xa4:
            guest.store(target_at, guest.load(source_at, size, user), size, user)
        elif kind == 0xaa:
            guest.store(target_at, guest.part(EAX, size), size, user)
        elif kind == 0xac:
            guest.set_part(EAX, guest.load(source_at, size, user), size)
        elif kind == 0xa6:
            a = guest.load(source_at, size, user)
            self.alu.calculate(CMP, a, guest.load(target_at, size, user), size)
        else:
            self.alu.calculate(CMP, guest.part(EAX, size), guest.load(target_at, size, user), size)
        step = -size if self.alu.flags & FLAG_DF else size
        if kind == 0xa4 or kind == 0xa6 or kind == 0xac:
            self.move(ESI, step, address_mask)
        if kind != 0xac:
            self.move(EDI, step, address_mask)
        if instruction.rep == REP_NONE:
            return True
        self.move(ECX, -1, address_mask)
        complete = guest.register(ECX) & address_mask == 0
        if kind == 0xa6 or kind == 0xae:
            equal = self.alu.flags & ZF != 0
            if instruction.rep == REP_EQUAL and not equal or instruction.rep == REP_NOT_EQUAL and equal:
                complete = True
        if not complete:
            guest.set_flags(self.alu.flags)
        return complete

    def move(self, register, step, address_mask):
        guest = self.guest
        old = guest.register(register)
        guest.set_register(register, old & ~address_mask | (old + step) & address_mask)
