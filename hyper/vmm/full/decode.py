"""The VMM's instruction decoder: just enough of it to do for the guest what touches device memory, and string I/O (SDM vol. 2, chapter 2)."""
from hyper.vmm.full.guest import M32, ES, CS, SS, DS, FS, GS
from hyper.vmm.full.reflected import undefined, general_protection

LONGEST = 15                    # bytes of an instruction; a longer one is #GP
REP_NONE, REP_NOT_EQUAL, REP_EQUAL = range(3)
TWO_BYTES = 0x0f00              # opcodes behind 0F
NO_OVERRIDE = -1

# What follows an opcode: ModRM, an immediate of 1 byte, one of the operand size, an address, one of 1 byte or operand size by ModRM.reg
MODRM, BYTE, FULL, MOFFS, GROUP3 = 1, 2, 4, 8, 16
UNKNOWN = -1


def _forms():
    forms = [UNKNOWN] * 512
    for row in range(0x00, 0x40, 8):                # ADD OR ADC SBB AND SUB XOR CMP with a register
        for k in range(4):
            forms[row + k] = MODRM
    forms[0x80] = forms[0x82] = forms[0x83] = forms[0xc6] = MODRM | BYTE
    forms[0x81] = forms[0xc7] = MODRM | FULL
    forms[0xf6] = forms[0xf7] = MODRM | GROUP3
    for opcode in range(0x84, 0x8c):                # TEST, XCHG, MOV
        forms[opcode] = MODRM
    for opcode in [0xfe, 0xff]:                     # INC, DEC, PUSH
        forms[opcode] = MODRM
    for opcode in range(0xa0, 0xa4):
        forms[opcode] = MOFFS
    for opcode in [0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]:
        forms[opcode] = 0
    for opcode in [0xa3, 0xab, 0xb3, 0xbb, 0xb0, 0xb1, 0xb6, 0xb7, 0xbe, 0xbf, 0xc0, 0xc1]:
        forms[256 + opcode] = MODRM                 # BT BTS BTR BTC CMPXCHG MOVZX MOVSX XADD
    forms[256 + 0xba] = MODRM | BYTE                # BT.. with an immediate
    return forms


FORMS = _forms()


class Instruction(object):
    """A decoded instruction: `opcode` (TWO_BYTES | second byte behind 0F), `operand_size` and `address_size` in bytes, `segment` (of the memory
    operand; of the source for strings), `rep`, `mode`, `reg`, `rm` of ModRM, `offset` of the memory operand, `immediate` (unsigned,
    sign-extended to 32 bits where it is shorter), `length`. One object serves all."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.opcode = 0
        self.operand_size = 4
        self.address_size = 4
        self.override = NO_OVERRIDE
        self.segment = DS
        self.rep = REP_NONE
        self.mode = 0
        self.reg = 0
        self.rm = 0
        self.offset = 0
        self.immediate = 0
        self.length = 0


class Decoder(object):
    """Decodes the instruction at CS:RIP of a GuestProcessor into `instruction`."""
    _immutable_fields_ = ['guest', 'instruction']

    def __init__(self, guest):
        self.guest = guest
        self.instruction = Instruction()
        self.start = 0
        self.user = False

    def decode(self):
        """True if it is one that the VMM knows. Raises #UD for all-ones (what an address without memory holds), #GP for one too long, #PF if it
        cannot be fetched."""
        from hyper.vmx import fields
        guest = self.guest
        instruction = self.instruction
        instruction.clear()
        self.user = guest.is_user()
        self.start = guest.base(CS) + guest.read(fields.GUEST_RIP)
        if not guest.code_is_32_bit():
            instruction.operand_size = 2
            instruction.address_size = 2
        opcode = self.prefixes()
        form_at = opcode
        if opcode == 0x0f:
            opcode = TWO_BYTES | self.fetch()
            form_at = 256 + (opcode & 0xff)
        instruction.opcode = opcode
        form = FORMS[form_at]
        if form == UNKNOWN:
            return False
        if form & MODRM:
            self.modrm()
            if opcode == 0xff and instruction.reg == 7:
                raise undefined()
        if form & GROUP3:
            if instruction.reg < 2:
                form |= BYTE if opcode == 0xf6 else FULL
        if form & MOFFS:
            instruction.offset = self.fetch_value(instruction.address_size)
        elif form & BYTE:
            value = self.fetch()
            instruction.immediate = (value ^ 0x80) - 0x80 & M32
        elif form & FULL:
            instruction.immediate = self.fetch_value(instruction.operand_size)
        if instruction.override != NO_OVERRIDE:
            instruction.segment = instruction.override
        return True

    def prefixes(self):
        """Takes the prefixes; the byte after them."""
        instruction = self.instruction
        byte = self.fetch()
        while self.prefix(byte):
            byte = self.fetch()
        return byte

    def prefix(self, byte):
        """Takes a byte if it is a prefix."""
        instruction = self.instruction
        default = 4 if self.guest.code_is_32_bit() else 2
        if byte == 0x66:
            instruction.operand_size = 6 - default
        elif byte == 0x67:
            instruction.address_size = 6 - default
        elif byte == 0xf2:
            instruction.rep = REP_NOT_EQUAL
        elif byte == 0xf3:
            instruction.rep = REP_EQUAL
        elif byte == 0x26:
            instruction.override = ES
        elif byte == 0x2e:
            instruction.override = CS
        elif byte == 0x36:
            instruction.override = SS
        elif byte == 0x3e:
            instruction.override = DS
        elif byte == 0x64:
            instruction.override = FS
        elif byte == 0x65:
            instruction.override = GS
        else:
            return byte == 0xf0
        return True

    def fetch(self):
        instruction = self.instruction
        if instruction.length == LONGEST:
            raise general_protection()
        value = self.guest.load((self.start + instruction.length) & M32, 1, self.user)
        instruction.length += 1
        return value

    def fetch_value(self, size):
        value = 0
        for k in range(size):
            value |= self.fetch() << (8 * k)
        return value

    def fetch_displacement(self, size):
        """Sign-extended."""
        value = self.fetch_value(size)
        half = 1 << (8 * size - 1)
        return (value ^ half) - half

    def modrm(self):
        instruction = self.instruction
        byte = self.fetch()
        instruction.mode = byte >> 6
        instruction.reg = byte >> 3 & 7
        instruction.rm = byte & 7
        if instruction.mode == 3:
            return
        if instruction.address_size == 2:
            instruction.offset = self.address16() & 0xffff
        else:
            instruction.offset = self.address32() & M32

    def address16(self):
        """Table 2-1 of SDM vol. 2."""
        instruction = self.instruction
        guest = self.guest
        rm = instruction.rm
        if rm == 6 and instruction.mode == 0:
            return self.fetch_value(2)
        if rm == 2 or rm == 3 or rm == 6:
            instruction.segment = SS
        offset = guest.register(BASE_16[rm])
        if INDEX_16[rm] >= 0:
            offset += guest.register(INDEX_16[rm])
        return offset + self.displacement(2)

    def address32(self):
        """Tables 2-2 and 2-3 of SDM vol. 2."""
        instruction = self.instruction
        guest = self.guest
        base = instruction.rm
        offset = 0
        if base == 4:
            sib = self.fetch()
            base = sib & 7
            index = sib >> 3 & 7
            if index != 4:
                offset = guest.register(index) << (sib >> 6)
        if base == 5 and instruction.mode == 0:
            return offset + self.fetch_value(4)
        if base == 4 or base == 5:
            instruction.segment = SS
        offset += guest.register(base)
        return offset + self.displacement(4)

    def displacement(self, full):
        if self.instruction.mode == 1:
            return self.fetch_displacement(1)
        if self.instruction.mode == 2:
            return self.fetch_displacement(full)
        return 0


BASE_16 = [3, 3, 5, 5, 6, 7, 5, 3]          # BX BX BP BP SI DI BP BX
INDEX_16 = [6, 7, 6, 7, -1, -1, -1, -1]     # with SI DI SI DI
