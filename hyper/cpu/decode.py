"""The decoder: bytes to operations. The opcode maps are tables of small functions, one a row of the manual (SDM vol. 2, appendix A).

It never faults. Bytes that are no instruction, or cannot be fetched, or lie beyond the limit of CS, become an operation that raises the fault when
it is reached, as the processor does.
"""
from hyper.cpu import faults, interrupts
from hyper.cpu.block import Block, PAGE, code_byte
from hyper.cpu.flags import signed
from hyper.cpu.models import model as models
from hyper.cpu.mode import ES, CS, SS, DS, FS, GS
from hyper.cpu.operations import arithmetic as A
from hyper.cpu.operations import base as B
from hyper.cpu.operations import bcd
from hyper.cpu.operations import bits
from hyper.cpu.operations import move as M
from hyper.cpu.operations import multiply
from hyper.cpu.operations import shift
from hyper.cpu.operations import stack as K
from hyper.cpu.operations import string as S
from hyper.cpu.operations import system as Y
from hyper.cpu.operations import transfer as T
from hyper.cpu.operations import x87
from hyper.cpu.operations.sse import decode as sse
from hyper.cpu.operations.sse import system as sse_system
from hyper.cpu.operations.sse import table as sse_table
from hyper.cpu.operations.operands import Immediate, Register32, Memory, register, memory

M32 = 0xffffffff
LONGEST = 15            # bytes of an instruction
SHARED_LENGTH = 7       # of those that may be shared: what fits into a word, with the length
MOST = 64               # operations of a block
NO_REPEAT, REPNE, REP = 0, 0xf2, 0xf3


class BadFetch(Exception):
    """Decoding ran into a page that cannot be fetched."""

    def __init__(self, page):
        self.page = page


class Undefined(Exception):
    """#UD."""


class BeyondLimit(Exception):
    """#GP: the instruction is longer than 15 bytes or leaves CS."""


class Decoder(object):
    """Reads one instruction after the other. `eip` is the offset in CS of the next byte; prefixes and ModR/M of the current one are in fields."""

    def __init__(self, page, address):
        self.page = page
        self.mode = page.mode
        self.system = self.mode.system
        self.eip = (address - self.mode.cs_base) & M32
        self.tail = None
        self.honours_breakpoints = True
        self.begin()

    def begin(self):
        """Start an instruction."""
        self.start = self.eip
        self.length = 0
        self.bytes = 0
        self.operand_size = 4 if self.mode.code32 else 2
        self.address32 = self.mode.code32
        self.segment = -1
        self.repeat = NO_REPEAT
        self.lock = False
        self.mod = 0
        self.reg = 0
        self.rm = 0

    # -- bytes

    def u8(self):
        if self.length >= LONGEST or self.eip > self.mode.cs_limit:
            raise BeyondLimit()
        address = (self.eip + self.mode.cs_base) & M32
        page = self.page
        if address & PAGE != page.base:
            if self.tail is None:
                self.tail = self.system.code.page(self.mode, address & PAGE)
            page = self.tail
            if page is self.mode.fault_page:
                raise BadFetch(address)
        self.eip = (self.eip + 1) & M32
        self.length += 1
        byte = code_byte(self.system.memory, page, address)
        self.bytes = (self.bytes << 8) | byte
        return byte

    def mark_decoded(self, address):
        """Tell the code cache which bytes have been read, from linear `address` on: a write to them must be noticed. An instruction that could not be
        read whole counts as the longest."""
        code = self.system.code
        end = (address & 0xfff) + ((self.eip - (address - self.mode.cs_base)) & M32) + LONGEST
        code.decoded(self.page, address & 0xfff, min(end, 0x1000))
        if self.tail is not None:
            code.decoded(self.tail, 0, LONGEST)

    def i8(self):
        return signed(self.u8(), 1)

    def u16(self):
        low = self.u8()
        return low | (self.u8() << 8)

    def u32(self):
        low = self.u16()
        return low | (self.u16() << 16)

    def immediate(self, size):
        """An unsigned immediate."""
        if size == 4:
            return self.u32()
        if size == 2:
            return self.u16()
        return self.u8()

    def immediate_extended(self, size):
        """A signed byte as an unsigned value of `size` bytes."""
        return self.i8() & (0xffffffff if size == 4 else 0xffff if size == 2 else 0xff)

    # -- operands

    def size(self, opcode):
        """Operand size by the low bit of the opcode."""
        return self.operand_size if opcode & 1 else 1

    def modrm(self):
        byte = self.u8()
        self.mod = byte >> 6
        self.reg = (byte >> 3) & 7
        self.rm = byte & 7

    def data_segment(self):
        """The segment of an operand whose default is DS."""
        return self.segment if self.segment >= 0 else DS

    def address_mask(self):
        return M32 if self.address32 else 0xffff

    def address_size(self):
        return 4 if self.address32 else 2

    def memory_operand(self, size):
        """The memory operand that ModR/M (already read) describes, with its SIB and displacement."""
        base = -1
        index = -1
        scale = 0
        displacement = 0
        segment = DS
        mod = self.mod
        rm = self.rm
        if self.address32:
            if rm == 4:
                sib = self.u8()
                scale = sib >> 6
                index = (sib >> 3) & 7
                if index == 4:
                    index = -1
                base = sib & 7
                if base == 5 and mod == 0:
                    base = -1
                    displacement = signed(self.u32(), 4)
            elif rm == 5 and mod == 0:
                displacement = signed(self.u32(), 4)
            else:
                base = rm
            if base == 4 or base == 5:
                segment = SS
            if mod == 1:
                displacement = self.i8()
            elif mod == 2:
                displacement = signed(self.u32(), 4)
        else:
            base = BASES_16[rm]
            index = INDICES_16[rm]
            if rm == 2 or rm == 3 or rm == 6:
                segment = SS
            if mod == 0 and rm == 6:
                base = -1
                segment = DS
                displacement = self.u16()
            elif mod == 1:
                displacement = self.i8()
            elif mod == 2:
                displacement = signed(self.u16(), 2)
        if self.segment >= 0:
            segment = self.segment
        return memory(self.mode.flat, segment, base, index, scale, displacement, self.address_mask(), size)

    def rm_operand(self, size):
        """The operand of ModR/M's mod and rm fields."""
        if self.mod == 3:
            return register(self.rm, size)
        return self.memory_operand(size)

    def only_memory(self, size):
        if self.mod == 3:
            raise Undefined()
        return self.memory_operand(size)

    def reg_operand(self, size):
        return register(self.reg, size)

    def target(self, displacement):
        """The target of a relative jump, after its displacement has been read."""
        return (self.eip + displacement) & (M32 if self.operand_size == 4 else 0xffff)

    def inside(self, jump):
        """A relative jump, or what stands for it if its target lies outside CS."""
        if jump.target > self.mode.cs_limit:
            return T.JumpBeyondLimit(jump)
        return jump

    def needs(self, feature):
        """#UD on a model without a feature, a bit of CPUID 1 EDX."""
        if self.system.model.features & feature == 0:
            raise Undefined()

    def only_protected(self):
        """#UD in real and virtual-8086 mode."""
        if not self.mode.protected or self.mode.vm86:
            raise Undefined()


#            BX+SI BX+DI BP+SI BP+DI SI DI BP BX
BASES_16 = [3, 3, 5, 5, 6, 7, 5, 3]
INDICES_16 = [6, 7, 6, 7, -1, -1, -1, -1]


# -- one-byte opcodes

def d_undefined(d, opcode):
    raise Undefined()


def d_arithmetic(d, opcode):
    """00-3F, columns 0-5."""
    kind = opcode >> 3
    size = d.size(opcode)
    form = opcode & 7
    if form >= 4:
        value = d.immediate(size)
        if size == 4:
            return A.register_immediate(kind, 0, value)
        return A.Arithmetic(kind, register(0, size), Immediate(value), size)
    d.modrm()
    if form < 2:
        if d.mod == 3 and size == 4:
            return A.register_register(kind, d.rm, d.reg)
        return A.Arithmetic(kind, d.rm_operand(size), d.reg_operand(size), size)
    if size == 4:
        if d.mod == 3:
            return A.register_register(kind, d.reg, d.rm)
        return A.register_memory(kind, d.reg, d.memory_operand(4))
    return A.Arithmetic(kind, d.reg_operand(size), d.rm_operand(size), size)


def d_arithmetic_immediate(d, opcode):
    """80-83."""
    size = d.size(opcode)
    d.modrm()
    kind = d.reg
    target = d.rm_operand(size)
    if opcode == 0x81:
        value = d.immediate(size)
    else:
        value = d.immediate_extended(size)
    if size == 4 and d.mod == 3:
        return A.register_immediate(kind, d.rm, value)
    return A.Arithmetic(kind, target, Immediate(value), size)


def d_increment(d, opcode):
    """40-4F."""
    if d.operand_size == 4:
        return A.IncrementRegister(opcode & 7, -1 if opcode & 8 else 1)
    if opcode & 8:
        return A.Decrement(register(opcode & 7, 2), 2)
    return A.Increment(register(opcode & 7, 2), 2)


def d_push(d, opcode):
    return K.Push(register(opcode & 7, d.operand_size), d.operand_size)


def d_pop(d, opcode):
    return K.Pop(register(opcode & 7, d.operand_size), d.operand_size)


def d_push_all(d, opcode):
    return K.PushAll(d.operand_size)


def d_pop_all(d, opcode):
    return K.PopAll(d.operand_size)


def d_bound(d, opcode):
    d.modrm()
    target = d.only_memory(d.operand_size)
    return Y.Bound(target, d.reg_operand(d.operand_size), d.operand_size)


def d_arpl(d, opcode):
    d.only_protected()
    d.modrm()
    return Y.AdjustRPL(d.rm_operand(2), d.reg_operand(2))


def d_push_immediate(d, opcode):
    if opcode == 0x68:
        value = d.immediate(d.operand_size)
    else:
        value = d.immediate_extended(d.operand_size)
    return K.Push(Immediate(value), d.operand_size)


def d_multiply_immediate(d, opcode):
    """69, 6B."""
    d.modrm()
    size = d.operand_size
    source = d.rm_operand(size)
    if opcode == 0x69:
        value = d.immediate(size)
    else:
        value = d.immediate_extended(size)
    return multiply.SignedMultiply(d.reg_operand(size), source, Immediate(value), size)


def d_port_string(d, opcode):
    """6C-6F: INS, OUTS."""
    size = d.size(opcode)
    return Y.PortString(d.eip, d.start, opcode < 0x6e, d.data_segment(), size, d.address_mask(), d.repeat != NO_REPEAT)


def d_jump_short(d, opcode):
    """70-7F."""
    displacement = d.i8()
    return d.inside(T.JumpConditional(d.eip, d.target(displacement), opcode & 15))


def d_test(d, opcode):
    """84, 85."""
    size = d.size(opcode)
    d.modrm()
    if size == 4 and d.mod == 3:
        return A.TestRegister(d.rm, d.reg)
    return A.Test(d.rm_operand(size), d.reg_operand(size), size)


def d_exchange(d, opcode):
    """86, 87."""
    size = d.size(opcode)
    d.modrm()
    return M.Exchange(d.rm_operand(size), d.reg_operand(size))


def d_move(d, opcode):
    """88-8B."""
    size = d.size(opcode)
    d.modrm()
    if size == 4:
        if opcode == 0x89:
            if d.mod == 3:
                return M.MoveRegister(d.rm, d.reg)
            return M.Store(d.memory_operand(4), d.reg)
        if d.mod == 3:
            return M.MoveRegister(d.reg, d.rm)
        return M.Load(d.reg, d.memory_operand(4))
    if opcode & 2:
        return M.Move(d.reg_operand(size), d.rm_operand(size))
    return M.Move(d.rm_operand(size), d.reg_operand(size))


def d_move_from_segment(d, opcode):
    """8C: memory takes 16 bits, a register is zero-extended."""
    d.modrm()
    operand = d.rm_operand(d.operand_size if d.mod == 3 else 2)
    if d.reg > GS:
        raise Undefined()
    return Y.MoveFromSegment(operand, d.reg)


def d_lea(d, opcode):
    d.modrm()
    source = d.only_memory(d.operand_size)
    return M.LoadEffectiveAddress(d.reg_operand(d.operand_size), source, d.operand_size)


def d_move_to_segment(d, opcode):
    """8E."""
    d.modrm()
    operand = d.rm_operand(2)
    if d.reg > GS or d.reg == CS:
        raise Undefined()
    return Y.MoveToSegment(d.eip, d.reg, operand)


def d_pop_operand(d, opcode):
    """8F."""
    d.modrm()
    target = d.rm_operand(d.operand_size)
    if d.reg != 0:
        raise Undefined()
    return K.Pop(target, d.operand_size)


def d_exchange_accumulator(d, opcode):
    """90-97; 90 is NOP, F3 90 is PAUSE."""
    if opcode == 0x90:
        if d.repeat == REP:
            return Y.Pause()
        return M.Nop()
    return M.Exchange(register(opcode & 7, d.operand_size), register(0, d.operand_size))


def d_convert(d, opcode):
    return M.ConvertAccumulator(d.operand_size)


def d_convert_double(d, opcode):
    return M.ConvertDouble(d.operand_size)


def d_far_immediate(d, opcode):
    """9A CALL, EA JMP."""
    size = d.operand_size
    offset = d.immediate(size)
    selector = d.u16()
    if opcode == 0x9a:
        return Y.CallFar(d.eip, selector, offset, size)
    return Y.JumpFar(d.eip, selector, offset, size)


def d_wait(d, opcode):
    return x87.Wait()


def d_push_flags(d, opcode):
    return K.PushFlags(d.operand_size)


def d_pop_flags(d, opcode):
    return K.PopFlags(d.eip, d.operand_size)


def d_store_flags(d, opcode):
    return M.StoreFlags()


def d_load_flags(d, opcode):
    return M.LoadFlags()


def d_move_offset(d, opcode):
    """A0-A3."""
    size = d.size(opcode)
    offset = d.u32() if d.address32 else d.u16()
    operand = memory(d.mode.flat, d.data_segment(), -1, -1, 0, offset, d.address_mask(), size)
    if opcode & 2:
        return M.Move(operand, register(0, size))
    return M.Move(register(0, size), operand)


def string(d, opcode, kind):
    size = d.size(opcode)
    if d.repeat == NO_REPEAT:
        return S.String(kind, d.data_segment(), size, d.address_mask())
    return repeated_string(d, kind, size)


def repeated_string(d, kind, size):
    condition = S.REPEAT
    if kind == S.CMPS or kind == S.SCAS:
        condition = S.REPEAT_EQUAL if d.repeat == REP else S.REPEAT_NOT_EQUAL
    return S.RepeatedString(d.eip, d.start, kind, d.data_segment(), size, d.address_mask(), condition)


def d_movs(d, opcode):
    return string(d, opcode, S.MOVS)


def d_cmps(d, opcode):
    return string(d, opcode, S.CMPS)


def d_stos(d, opcode):
    return string(d, opcode, S.STOS)


def d_lods(d, opcode):
    return string(d, opcode, S.LODS)


def d_scas(d, opcode):
    return string(d, opcode, S.SCAS)


def d_test_immediate(d, opcode):
    """A8, A9."""
    size = d.size(opcode)
    return A.Test(register(0, size), Immediate(d.immediate(size)), size)


def d_move_immediate_byte(d, opcode):
    """B0-B7."""
    return M.Move(register(opcode & 7, 1), Immediate(d.u8()))


def d_move_immediate(d, opcode):
    """B8-BF."""
    value = d.immediate(d.operand_size)
    if d.operand_size == 4:
        return M.MoveImmediate(opcode & 7, value)
    return M.Move(register(opcode & 7, 2), Immediate(value))


def d_shift(d, opcode):
    """C0, C1, D0-D3."""
    size = d.size(opcode)
    d.modrm()
    kind = d.reg
    target = d.rm_operand(size)
    if opcode < 0xd0:
        count = d.u8()
    elif opcode < 0xd2:
        count = 1
    else:
        return shift.Shift(kind, target, register(1, 1), size)
    return shift.Shift(kind, target, Immediate(count), size)


def d_return(d, opcode):
    """C2, C3."""
    release = 0
    if opcode == 0xc2:
        release = d.u16()
    return T.Return(d.eip, d.operand_size, release)


def d_load_far_pointer(d, opcode):
    """C4 LES, C5 LDS; 0F B2 LSS, B4 LFS, B5 LGS come here with their low byte."""
    d.modrm()
    operand = d.only_memory(d.operand_size)
    if opcode == 0xc4:
        segment = ES
    elif opcode == 0xc5:
        segment = DS
    elif opcode == 0xb2:
        segment = SS
    elif opcode == 0xb4:
        segment = FS
    else:
        segment = GS
    return Y.LoadFarPointer(d.eip, segment, operand, d.reg_operand(d.operand_size), d.operand_size)


def d_move_immediate_operand(d, opcode):
    """C6, C7."""
    size = d.size(opcode)
    d.modrm()
    target = d.rm_operand(size)
    value = d.immediate(size)
    if d.reg != 0:
        raise Undefined()
    return M.Move(target, Immediate(value))


def d_enter(d, opcode):
    allocate = d.u16()
    level = d.u8() & 31
    return K.Enter(allocate, level, d.operand_size)


def d_leave(d, opcode):
    return K.Leave(d.operand_size)


def d_return_far(d, opcode):
    """CA, CB."""
    release = 0
    if opcode == 0xca:
        release = d.u16()
    return Y.ReturnFar(d.eip, d.operand_size, release)


def d_interrupt(d, opcode):
    """CC INT3, CD INT n, CE INTO, F1 INT1."""
    if opcode == 0xcd:
        vector = d.u8()
        return Y.Interrupt(d.eip, vector, interrupts.INT_N, d.length)
    if opcode == 0xcc:
        return Y.Interrupt(d.eip, faults.BP, interrupts.INT_3, d.length)
    if opcode == 0xf1:
        return Y.Interrupt(d.eip, faults.DB, interrupts.INT_1, d.length)
    return Y.InterruptOnOverflow(d.eip, d.length)


def d_iret(d, opcode):
    return Y.InterruptReturn(d.eip, d.operand_size)


def d_aam(d, opcode):
    return bcd.AsciiAdjustMultiply(d.u8())


def d_aad(d, opcode):
    return bcd.AsciiAdjustDivide(d.u8())


def d_daa(d, opcode):
    return bcd.DecimalAdjust(opcode == 0x2f)


def d_aaa(d, opcode):
    return bcd.AsciiAdjust(opcode == 0x3f)


def d_salc(d, opcode):
    return M.SetAccumulatorOnCarry()


def d_xlat(d, opcode):
    return M.Translate(memory(d.mode.flat, d.data_segment(), 3, -1, 0, 0, d.address_mask(), 1))


def d_coprocessor(d, opcode):
    """D8-DF."""
    d.modrm()
    escape = opcode & 7
    if d.mod == 3 and (((escape == 2 or escape == 3) and d.reg < 4) or ((escape == 3 or escape == 7) and (d.reg == 5 or d.reg == 6))):
        d.needs(models.CMOV)        # FCMOVcc, FCOMI and its like
    operation = x87.decode(d, opcode)
    if operation is None:
        raise Undefined()
    return operation


def d_loop(d, opcode):
    """E0-E3."""
    displacement = d.i8()
    target = d.target(displacement)
    if opcode == 0xe3:
        return d.inside(T.JumpCounterZero(d.eip, target, d.address_mask()))
    return d.inside(T.Loop(d.eip, target, opcode - 0xe0, d.address_mask()))


def d_port_immediate(d, opcode):
    """E4-E7."""
    size = d.size(opcode)
    port = d.u8()
    return Y.Port(d.eip, opcode < 0xe6, port, size)


def d_port(d, opcode):
    """EC-EF."""
    return Y.Port(d.eip, opcode < 0xee, -1, d.size(opcode))


def d_call(d, opcode):
    displacement = signed(d.immediate(d.operand_size), d.operand_size)
    return d.inside(T.Call(d.eip, d.target(displacement), d.operand_size))


def d_jump(d, opcode):
    """E9, EB."""
    if opcode == 0xeb:
        displacement = d.i8()
    else:
        displacement = signed(d.immediate(d.operand_size), d.operand_size)
    return d.inside(T.Jump(d.eip, d.target(displacement)))


def d_halt(d, opcode):
    return Y.Halt(d.eip)


def d_carry(d, opcode):
    """F5 CMC, F8 CLC, F9 STC."""
    if opcode == 0xf8:
        return M.Carry(0)
    if opcode == 0xf9:
        return M.Carry(1)
    return M.Carry(2)


def d_unary(d, opcode):
    """F6, F7."""
    size = d.size(opcode)
    d.modrm()
    kind = d.reg
    operand = d.rm_operand(size)
    if kind < 2:
        return A.Test(operand, Immediate(d.immediate(size)), size)
    if kind == 2:
        return A.Not(operand, size)
    if kind == 3:
        return A.Negate(operand, size)
    if kind == 4:
        return multiply.Multiply(operand, size)
    if kind == 5:
        return multiply.MultiplySigned(operand, size)
    if kind == 6:
        return multiply.Divide(operand, size)
    return multiply.DivideSigned(operand, size)


def d_cli(d, opcode):
    return Y.DisableInterrupts()


def d_sti(d, opcode):
    return Y.EnableInterrupts()


def d_direction(d, opcode):
    return M.Direction(opcode == 0xfc)


def d_group_4_5(d, opcode):
    """FE, FF."""
    size = d.size(opcode)
    d.modrm()
    kind = d.reg
    if kind < 2:
        if size == 4 and d.mod == 3:
            return A.IncrementRegister(d.rm, -1 if kind else 1)
        operand = d.rm_operand(size)
        if kind == 0:
            return A.Increment(operand, size)
        return A.Decrement(operand, size)
    operand = d.rm_operand(size)
    if opcode == 0xfe or kind == 7:
        raise Undefined()
    if kind == 3 or kind == 5:
        if d.mod == 3:
            raise Undefined()
        assert isinstance(operand, Memory)
        return Y.FarIndirect(d.eip, kind == 3, operand, size)
    if kind == 2:
        return T.CallIndirect(d.eip, operand, size)
    if kind == 4:
        return T.JumpIndirect(d.eip, operand)
    return K.Push(operand, size)


def d_push_segment(d, opcode):
    """06 0E 16 1E."""
    return K.PushSegment(opcode >> 3, d.operand_size)


def d_pop_segment(d, opcode):
    """07 17 1F."""
    return Y.PopSegment(d.eip, opcode >> 3, d.operand_size)


# -- two-byte opcodes (0F xx); the functions get the second byte

def d_group_6(d, opcode):
    """0F 00: SLDT STR LLDT LTR VERR VERW."""
    d.only_protected()
    d.modrm()
    if d.reg < 2:
        return Y.StoreSystemSegment(d.rm_operand(d.operand_size if d.mod == 3 else 2), d.reg)
    if d.reg < 4:
        operand = d.rm_operand(2)
        return Y.LoadSystemSegment(d.reg, operand)
    if d.reg < 6:
        operand = d.rm_operand(2)
        return Y.VerifySegment(d.reg == 5, operand)
    raise Undefined()


def d_group_7(d, opcode):
    """0F 01: SGDT SIDT LGDT LIDT SMSW LMSW INVLPG; with mod 3, VMCALL VMLAUNCH VMRESUME VMXOFF MONITOR MWAIT."""
    d.modrm()
    kind = d.reg
    if d.mod == 3 and kind != 4 and kind != 6:
        if kind == 0 and 1 <= d.rm <= 4:
            return Y.VMXInstruction(d.eip, d.rm)
        if kind == 1 and d.rm < 2 and d.system.model.more_features & models.MONITOR:
            if d.rm == 0:
                return Y.MonitorLine(d.data_segment(), d.address_mask())
            return Y.WaitForStore(d.eip)
        raise Undefined()
    if kind < 2:
        return Y.StoreTable(d.only_memory(4), kind)
    if kind < 4:
        operand = d.only_memory(4)
        return Y.LoadTable(operand, kind - 2, d.operand_size)
    if kind == 4:
        size = d.operand_size if d.mod == 3 else 2
        return Y.StoreMachineStatus(d.rm_operand(size), size)
    if kind == 6:
        operand = d.rm_operand(2)
        return Y.LoadMachineStatus(d.eip, operand)
    if kind == 7:
        operand = d.only_memory(1)
        return Y.InvalidatePage(d.eip, operand)
    raise Undefined()


def d_lar(d, opcode):
    """0F 02 LAR, 0F 03 LSL."""
    d.only_protected()
    d.modrm()
    operand = d.rm_operand(2)
    return Y.LoadRights(opcode == 3, d.reg_operand(d.operand_size), operand, d.operand_size)


def d_simple_system(d, opcode):
    """0F 06 CLTS, 08 INVD, 09 WBINVD, 30 WRMSR, 31 RDTSC, 32 RDMSR, 33 RDPMC, 34 SYSENTER, 35 SYSEXIT, A2 CPUID."""
    if opcode == 0x06:
        return Y.ClearTaskSwitched()
    if opcode == 0x08:
        return Y.InvalidateCaches()
    if opcode == 0x09:
        return Y.WriteBackCaches()
    if opcode == 0x31:
        d.needs(models.TSC)
        return Y.ReadTimeStamp()
    if opcode == 0x33:
        if not d.system.model.has_rdpmc:
            raise Undefined()
        return Y.ReadPerformanceCounter()
    if opcode == 0x30 or opcode == 0x32:
        d.needs(models.MSR)
        if opcode == 0x30:
            return Y.WriteMSR(d.eip)
        return Y.ReadMSR()
    if opcode == 0x34 or opcode == 0x35:
        d.needs(models.SEP)
        if opcode == 0x34:
            return Y.SystemEnter(d.eip)
        return Y.SystemExit(d.eip)
    return Y.Identify()


def d_hint_nop(d, opcode):
    """0F 0D, 18-1F: prefetches and long NOPs; the operand is not accessed. 18-1F came with the P6, 0D with Intel 64."""
    model = d.system.model
    if model.family < 6 or (opcode == 0x0d and not model.has_intel64):
        raise Undefined()
    d.modrm()
    if d.mod != 3:
        d.memory_operand(1)
    return M.Nop()


def d_move_control(d, opcode):
    """0F 20-23: MOV to and from CRn, DRn; mod is ignored."""
    d.modrm()
    if opcode == 0x20:
        return Y.MoveFromControl(d.rm, d.reg)
    if opcode == 0x22:
        return Y.MoveToControl(d.eip, d.rm, d.reg)
    if opcode == 0x21:
        return Y.MoveFromDebug(d.rm, d.reg)
    return Y.MoveToDebug(d.eip, d.rm, d.reg)


def d_conditional_move(d, opcode):
    """0F 40-4F."""
    d.needs(models.CMOV)
    d.modrm()
    return M.ConditionalMove(opcode & 15, d.reg_operand(d.operand_size), d.rm_operand(d.operand_size))


def d_vmread(d, opcode):
    """0F 78 VMREAD, 0F 79 VMWRITE."""
    if d.repeat != NO_REPEAT or d.operand_size == 2:
        raise Undefined()
    d.modrm()
    operand = d.rm_operand(4)
    return Y.AccessVMCS(d.eip, opcode == 0x79, operand, d.reg_operand(4))


def d_jump_near(d, opcode):
    """0F 80-8F."""
    displacement = signed(d.immediate(d.operand_size), d.operand_size)
    return d.inside(T.JumpConditional(d.eip, d.target(displacement), opcode & 15))


def d_set(d, opcode):
    """0F 90-9F."""
    d.modrm()
    return M.SetOnCondition(opcode & 15, d.rm_operand(1))


def d_push_fs_gs(d, opcode):
    """0F A0, A8."""
    return K.PushSegment(FS if opcode == 0xa0 else GS, d.operand_size)


def d_pop_fs_gs(d, opcode):
    """0F A1, A9."""
    return Y.PopSegment(d.eip, FS if opcode == 0xa1 else GS, d.operand_size)


def bit_test(d, kind):
    d.modrm()
    size = d.operand_size
    target = d.rm_operand(size)
    if target.is_memory:
        assert isinstance(target, Memory)
        return bits.BitTestString(kind, target, d.reg_operand(size), size)
    return bits.BitTest(kind, target, d.reg_operand(size), size)


def d_bit_test(d, opcode):
    """0F A3 BT, AB BTS, B3 BTR, BB BTC."""
    return bit_test(d, (opcode >> 3) & 3)


def d_bit_test_immediate(d, opcode):
    """0F BA /4-7."""
    d.modrm()
    target = d.rm_operand(d.operand_size)
    number = d.u8()
    if d.reg < 4:
        raise Undefined()
    return bits.BitTest(d.reg & 3, target, Immediate(number), d.operand_size)


def d_double_shift(d, opcode):
    """0F A4 A5 SHLD, AC AD SHRD."""
    d.modrm()
    size = d.operand_size
    target = d.rm_operand(size)
    source = d.reg_operand(size)
    if opcode & 1:
        return shift.DoubleShift(opcode < 0xa8, target, source, register(1, 1), size)
    return shift.DoubleShift(opcode < 0xa8, target, source, Immediate(d.u8()), size)


def d_group_15(d, opcode):
    """0F AE: /0 FXSAVE, /1 FXRSTOR, /2 LDMXCSR, /3 STMXCSR, /7 CLFLUSH; with mod 3, fences, which order nothing that is not in order here."""
    d.modrm()
    kind = d.reg
    if d.repeat != NO_REPEAT or sse.mandatory_prefix(d) != sse_table.NP:
        raise Undefined()
    if d.mod == 3:
        if kind < 5:
            raise Undefined()
        d.needs(models.SSE if kind == 7 else models.SSE2)
        return M.Nop()
    if kind < 2:
        d.needs(models.FXSR)
        return x87.decode_extended(d)
    if kind == 7:
        d.needs(models.CLFSH)
        return sse_system.FlushLine(d.memory_operand(1))
    if kind != 2 and kind != 3:
        raise Undefined()
    d.needs(models.SSE)
    if kind == 2:
        return sse_system.LoadMXCSR(d.memory_operand(4))
    return sse_system.StoreMXCSR(d.memory_operand(4))


def d_sse(d, opcode):
    """MMX and SSE: the opcodes in sse.table."""
    d.modrm()
    return sse_operation(d, sse_table.MAP_0F, opcode)


def sse_operation(d, map, opcode):
    operation = sse.decode(d, map, opcode)
    if operation is None:
        raise Undefined()
    return operation


def d_empty_mmx(d, opcode):
    """0F 77 EMMS."""
    d.needs(models.MMX)
    if sse.mandatory_prefix(d) != sse_table.NP:
        raise Undefined()
    return sse_system.EmptyMMX()


def d_masked_move(d, opcode):
    """0F F7: MASKMOVQ, 66 MASKMOVDQU."""
    d.modrm()
    prefix = sse.mandatory_prefix(d)
    d.needs(models.SSE if prefix == sse_table.NP else models.SSE2)
    if d.mod != 3 or prefix > sse_table.P66:
        raise Undefined()
    target = memory(d.mode.flat, d.data_segment(), 7, -1, 0, 0, d.address_mask(), 1)
    return sse.masked_move(d, target, prefix == sse_table.NP)


def d_multiply(d, opcode):
    """0F AF."""
    d.modrm()
    size = d.operand_size
    return multiply.SignedMultiply(d.reg_operand(size), d.reg_operand(size), d.rm_operand(size), size)


def d_compare_exchange(d, opcode):
    """0F B0, B1."""
    size = d.size(opcode)
    d.modrm()
    return A.CompareExchange(d.rm_operand(size), d.reg_operand(size), register(0, size), size)


def d_move_zero_extended(d, opcode):
    """0F B6, B7."""
    d.modrm()
    return M.MoveZeroExtended(d.reg_operand(d.operand_size), d.rm_operand(2 if opcode & 1 else 1))


def d_move_sign_extended(d, opcode):
    """0F BE, BF."""
    d.modrm()
    size = 2 if opcode & 1 else 1
    return M.MoveSignExtended(d.reg_operand(d.operand_size), d.rm_operand(size), size, d.operand_size)


def d_bit_scan(d, opcode):
    """0F BC BSF, BD BSR."""
    d.modrm()
    return bits.BitScan(opcode == 0xbd, d.reg_operand(d.operand_size), d.rm_operand(d.operand_size))


def d_exchange_add(d, opcode):
    """0F C0, C1."""
    size = d.size(opcode)
    d.modrm()
    return A.ExchangeAdd(d.rm_operand(size), d.reg_operand(size), size)


def d_group_9(d, opcode):
    """0F C7: /1 CMPXCHG8B; /6 VMPTRLD, VMCLEAR (66), VMXON (F3); /7 VMPTRST."""
    d.modrm()
    if d.reg == 1:
        d.needs(models.CX8)
        operand = d.only_memory(4)
        return A.CompareExchange8Bytes(operand)
    if d.reg == 6:
        operand = d.only_memory(4)
        if d.repeat == REPNE:
            raise Undefined()
        if d.repeat == REP:
            return Y.VMXPointer(d.eip, Y.VMXON, operand)
        if d.operand_size == 2:
            return Y.VMXPointer(d.eip, Y.VMCLEAR, operand)
        return Y.VMXPointer(d.eip, Y.VMPTRLD, operand)
    if d.reg == 7:
        operand = d.only_memory(4)
        if d.repeat != NO_REPEAT or d.operand_size == 2:
            raise Undefined()
        return Y.VMXPointer(d.eip, Y.VMPTRST, operand)
    raise Undefined()


def d_map_38(d, opcode):
    """0F 38: 66 80 INVEPT, 66 81 INVVPID; SSSE3."""
    third = d.u8()
    d.modrm()
    if third != 0x80 and third != 0x81:
        return sse_operation(d, sse_table.MAP_0F38, third)
    if d.operand_size != 2:
        raise Undefined()
    operand = d.only_memory(4)
    return Y.InvalidateNested(d.eip, third == 0x81, operand, d.reg_operand(4))


def d_map_3a(d, opcode):
    """0F 3A: SSSE3."""
    third = d.u8()
    d.modrm()
    return sse_operation(d, sse_table.MAP_0F3A, third)


def d_byte_swap(d, opcode):
    """0F C8-CF."""
    return M.ByteSwap(register(opcode & 7, d.operand_size), d.operand_size)


ONE_BYTE = [d_undefined] * 256
TWO_BYTE = [d_undefined] * 256


def _fill(table, rows):
    for first, last, function in rows:
        for opcode in range(first, last + 1):
            table[opcode] = function


_fill(ONE_BYTE, [(row + 0, row + 5, d_arithmetic) for row in range(0, 0x40, 8)])
_fill(ONE_BYTE, [
    (0x06, 0x06, d_push_segment), (0x0e, 0x0e, d_push_segment), (0x16, 0x16, d_push_segment), (0x1e, 0x1e, d_push_segment),
    (0x07, 0x07, d_pop_segment), (0x17, 0x17, d_pop_segment), (0x1f, 0x1f, d_pop_segment),
    (0x27, 0x27, d_daa), (0x2f, 0x2f, d_daa), (0x37, 0x37, d_aaa), (0x3f, 0x3f, d_aaa),
    (0x40, 0x4f, d_increment), (0x50, 0x57, d_push), (0x58, 0x5f, d_pop),
    (0x60, 0x60, d_push_all), (0x61, 0x61, d_pop_all), (0x62, 0x62, d_bound), (0x63, 0x63, d_arpl),
    (0x68, 0x68, d_push_immediate), (0x69, 0x69, d_multiply_immediate), (0x6a, 0x6a, d_push_immediate), (0x6b, 0x6b, d_multiply_immediate),
    (0x6c, 0x6f, d_port_string), (0x70, 0x7f, d_jump_short), (0x80, 0x83, d_arithmetic_immediate), (0x84, 0x85, d_test),
    (0x86, 0x87, d_exchange), (0x88, 0x8b, d_move), (0x8c, 0x8c, d_move_from_segment), (0x8d, 0x8d, d_lea), (0x8e, 0x8e, d_move_to_segment),
    (0x8f, 0x8f, d_pop_operand), (0x90, 0x97, d_exchange_accumulator), (0x98, 0x98, d_convert), (0x99, 0x99, d_convert_double),
    (0x9a, 0x9a, d_far_immediate), (0x9b, 0x9b, d_wait), (0x9c, 0x9c, d_push_flags), (0x9d, 0x9d, d_pop_flags), (0x9e, 0x9e, d_store_flags),
    (0x9f, 0x9f, d_load_flags), (0xa0, 0xa3, d_move_offset), (0xa4, 0xa5, d_movs), (0xa6, 0xa7, d_cmps), (0xa8, 0xa9, d_test_immediate),
    (0xaa, 0xab, d_stos), (0xac, 0xad, d_lods), (0xae, 0xaf, d_scas), (0xb0, 0xb7, d_move_immediate_byte), (0xb8, 0xbf, d_move_immediate),
    (0xc0, 0xc1, d_shift), (0xc2, 0xc3, d_return), (0xc4, 0xc5, d_load_far_pointer), (0xc6, 0xc7, d_move_immediate_operand),
    (0xc8, 0xc8, d_enter), (0xc9, 0xc9, d_leave), (0xca, 0xcb, d_return_far), (0xcc, 0xce, d_interrupt), (0xcf, 0xcf, d_iret),
    (0xd0, 0xd3, d_shift), (0xd4, 0xd4, d_aam), (0xd5, 0xd5, d_aad), (0xd6, 0xd6, d_salc), (0xd7, 0xd7, d_xlat), (0xd8, 0xdf, d_coprocessor),
    (0xe0, 0xe3, d_loop), (0xe4, 0xe7, d_port_immediate), (0xe8, 0xe8, d_call), (0xe9, 0xe9, d_jump), (0xea, 0xea, d_far_immediate),
    (0xeb, 0xeb, d_jump), (0xec, 0xef, d_port), (0xf1, 0xf1, d_interrupt), (0xf4, 0xf4, d_halt), (0xf5, 0xf5, d_carry), (0xf6, 0xf7, d_unary),
    (0xf8, 0xf9, d_carry), (0xfa, 0xfa, d_cli), (0xfb, 0xfb, d_sti), (0xfc, 0xfd, d_direction), (0xfe, 0xff, d_group_4_5),
])
_fill(TWO_BYTE, [
    (0x00, 0x00, d_group_6), (0x01, 0x01, d_group_7), (0x02, 0x03, d_lar), (0x06, 0x06, d_simple_system), (0x08, 0x09, d_simple_system),
    (0x0d, 0x0d, d_hint_nop), (0x18, 0x1f, d_hint_nop), (0x20, 0x23, d_move_control), (0x30, 0x35, d_simple_system),
    (0x38, 0x38, d_map_38), (0x3a, 0x3a, d_map_3a), (0x40, 0x4f, d_conditional_move), (0x78, 0x79, d_vmread), (0x80, 0x8f, d_jump_near), (0x90, 0x9f, d_set),
    (0xa0, 0xa0, d_push_fs_gs), (0xa1, 0xa1, d_pop_fs_gs), (0xa2, 0xa2, d_simple_system), (0xa3, 0xa3, d_bit_test), (0xa4, 0xa5, d_double_shift),
    (0xa8, 0xa8, d_push_fs_gs), (0xa9, 0xa9, d_pop_fs_gs), (0xab, 0xab, d_bit_test), (0xac, 0xad, d_double_shift), (0xae, 0xae, d_group_15),
    (0xaf, 0xaf, d_multiply), (0xb0, 0xb1, d_compare_exchange), (0xb2, 0xb2, d_load_far_pointer), (0xb3, 0xb3, d_bit_test),
    (0xb4, 0xb5, d_load_far_pointer), (0xb6, 0xb7, d_move_zero_extended), (0xba, 0xba, d_bit_test_immediate), (0xbb, 0xbb, d_bit_test),
    (0xbc, 0xbd, d_bit_scan), (0xbe, 0xbf, d_move_sign_extended), (0xc0, 0xc1, d_exchange_add), (0xc7, 0xc7, d_group_9), (0xc8, 0xcf, d_byte_swap),
])

_fill(TWO_BYTE, [(opcode, opcode, d_sse) for opcode in sse_table.OPCODES])
_fill(TWO_BYTE, [(0x77, 0x77, d_empty_mmx), (0xf7, 0xf7, d_masked_move)])

# Opcodes that take LOCK when their target is memory (SDM vol. 2, LOCK)
LOCKABLE_ONE_BYTE = [False] * 256
LOCKABLE_TWO_BYTE = [False] * 256
for _opcode in [row + column for row in range(0, 0x38, 8) for column in (0, 1)] + [0x80, 0x81, 0x82, 0x83, 0x86, 0x87, 0xf6, 0xf7, 0xfe, 0xff]:
    LOCKABLE_ONE_BYTE[_opcode] = True
for _opcode in [0xab, 0xb3, 0xba, 0xbb, 0xb0, 0xb1, 0xc0, 0xc1, 0xc7]:
    LOCKABLE_TWO_BYTE[_opcode] = True


def check_lock(d, two_bytes, opcode):
    """LOCK before anything but a read-modify-write of memory is #UD."""
    if not (LOCKABLE_TWO_BYTE[opcode] if two_bytes else LOCKABLE_ONE_BYTE[opcode]) or d.mod == 3:
        raise Undefined()
    reg = d.reg
    if two_bytes:
        if (opcode == 0xba and reg < 5) or (opcode == 0xc7 and reg != 1):
            raise Undefined()
    elif ((0x80 <= opcode <= 0x83 and reg == 7) or (0xf6 <= opcode <= 0xf7 and reg != 2 and reg != 3) or
          (opcode >= 0xfe and reg > 1)):
        raise Undefined()


def prefix(d, byte):
    """Take a prefix byte; False if it is none."""
    if byte == 0x66:
        d.operand_size = 2 if d.mode.code32 else 4
    elif byte == 0x67:
        d.address32 = not d.mode.code32
    elif byte == 0xf0:
        d.lock = True
    elif byte == 0xf2 or byte == 0xf3:
        d.repeat = byte
    elif byte == 0x26:
        d.segment = ES
    elif byte == 0x2e:
        d.segment = CS
    elif byte == 0x36:
        d.segment = SS
    elif byte == 0x3e:
        d.segment = DS
    elif byte == 0x64:
        d.segment = FS
    elif byte == 0x65:
        d.segment = GS
    else:
        return False
    return True


def decode_operation(d):
    """One instruction, from its prefixes on."""
    opcode = d.u8()
    while prefix(d, opcode):
        opcode = d.u8()
    two_bytes = opcode == 0x0f
    if two_bytes:
        opcode = d.u8()
        operation = TWO_BYTE[opcode](d, opcode)
    else:
        operation = ONE_BYTE[opcode](d, opcode)
    if d.lock:
        check_lock(d, two_bytes, opcode)
    return operation


def decode_instruction(d):
    """One instruction, or the operation that raises what decoding it raised."""
    d.begin()
    if d.system.debug.has_stops() and d.honours_breakpoints and d.system.debug.is_stop((d.start + d.mode.cs_base) & M32):
        return B.Stop(d.start)
    try:
        operation = decode_operation(d)
        if d.length <= SHARED_LENGTH and operation.shared and not operation.ends_block:
            operation = d.mode.share((d.length << 56) | d.bytes, operation)
        return operation
    except Undefined:
        return B.Faulting(d.start, faults.UD, faults.NO_ERROR_CODE)
    except BeyondLimit:
        return B.Faulting(d.start, faults.GP, 0)
    except BadFetch, bad:
        d.eip = d.start
        return B.Unfetchable(d.start, bad.page)




def decode_block(page, address, honours_breakpoints=True):
    """The block at a linear address of a code page."""
    if page.code is None:       # a fault page: see CodeCache.fill
        eip = (address - page.mode.cs_base) & M32
        if honours_breakpoints and page.mode.system.debug.is_stop(address):
            return Block(page, address, [], B.Stop(eip), [eip, eip], None, False)
        if eip > page.mode.cs_limit:
            return Block(page, address, [], B.Faulting(eip, faults.GP, 0), [eip, eip], None, False)
        return Block(page, address, [], B.Unfetchable(eip, address), [eip, eip], None, False)
    d = Decoder(page, address)
    block = decode_operations(d, page, address)
    d.mark_decoded(address)
    return block


def decode_operations(d, page, address):
    ops = []
    starts = []
    check_after_next = False
    while True:
        before = d.eip
        operation = decode_instruction(d)
        if d.tail is not None and len(ops) > 0:
            # it ends on the next page: a block of its own
            starts.append(before)
            starts.append(before)
            return Block(page, address, ops[:], B.Fall(before), starts[:], None, False)
        starts.append(before)
        if operation.ends_block:
            assert isinstance(operation, B.Terminator)
            starts.append(d.eip)
            return Block(page, address, ops[:], operation, starts[:], d.tail, check_after_next)
        ops.append(operation)
        if check_after_next:
            starts.append(d.eip)
            starts.append(d.eip)
            return Block(page, address, ops[:], B.FallAndCheck(d.eip), starts[:], d.tail, False)
        check_after_next = operation.enables_interrupts
        if (len(ops) >= MOST and not check_after_next) or d.tail is not None or (d.eip + page.mode.cs_base) & PAGE != page.base:
            starts.append(d.eip)
            starts.append(d.eip)
            return Block(page, address, ops[:], B.Fall(d.eip), starts[:], d.tail, False)


def decode_single(page, address):
    """A block of one instruction, in which breakpoints are not seen."""
    if page.code is None:
        return decode_block(page, address, False)
    d = Decoder(page, address)
    d.honours_breakpoints = False
    before = d.eip
    operation = decode_instruction(d)
    d.mark_decoded(address)
    if operation.ends_block:
        assert isinstance(operation, B.Terminator)
        return Block(page, address, [], operation, [before, d.eip], None, False)
    return Block(page, address, [operation], B.Fall(d.eip), [before, d.eip, d.eip], None, False)
