"""x87 instructions (D8 to DF), FXSAVE and FXRSTOR.

Each knows its place in the table of instructions of x87.c, where the work is done. Only what concerns control, status and whole states is done by
hyper.cpu.x87.
"""
from rpython.rlib.rarithmetic import intmask, r_uint

from hyper.board import raw
from hyper.cpu import fpu, x87
from hyper.cpu.faults import GuestFault, NM
from hyper.cpu.flags import CC_FLAGS, arithmetic, set_flags
from hyper.cpu.fpu import CONTROL, DP, OPCODE, OPERAND, STATUS
from hyper.cpu.mode import CS
from hyper.cpu.models.model import SSE3
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.x87_functions import ON_MEMORY, call, function_of

MP, EM, TS = 1 << 1, 1 << 2, 1 << 3
SUMMARY = x87.SUMMARY
INEXACT = 0x20
FLAGS = 0xd5
M32 = 0xffffffff

# What the forms with memory are, by escape and ModRM.reg: L loads, S stores so many bytes, C is a control instruction
MEMORY_FORMS = [
    'L4 L4 L4 L4 L4 L4 L4 L4',
    'L4 -- S4 S4 C0 C2 C0 C2',
    'L4 L4 L4 L4 L4 L4 L4 L4',
    'L4 S4 S4 S4 -- LA -- SA',
    'L8 L8 L8 L8 L8 L8 L8 L8',
    'L8 S8 S8 S8 C0 -- C0 C2',
    'L2 L2 L2 L2 L2 L2 L2 L2',
    'L2 S2 S2 S2 LA L8 SA S8',
]
KINDS = [[form[0] for form in row.split()] for row in MEMORY_FORMS]
SIZES = [[int(form[1], 16) if form[1] != '-' else 0 for form in row.split()] for row in MEMORY_FORMS]


def exists(escape, byte):
    """Whether a register form is an instruction. Other names of instructions (D9 D8, DC D0, DD C8, DF C0 and so on) exist on all processors."""
    group = byte >> 3 & 7
    i = byte & 7
    if escape == 1:
        if group == 2:
            return i == 0
        if group == 4:
            return i == 0 or i == 1 or i == 4 or i == 5
        return group != 5 or i != 7
    if escape == 2:
        return group < 4 or byte == 0xe9
    if escape == 3:
        return group < 4 or group == 5 or group == 6 or byte <= 0xe4 and group == 4
    if escape == 5:
        return group <= 5
    if escape == 6:
        return group != 3 or i == 1
    if escape == 7:
        return group < 4 or byte == 0xe0 or group == 5 or group == 6
    return True


def require(system):
    """#NM, for instructions that do not wait."""
    if system.cr0 & (EM | TS):
        raise GuestFault(NM)


def wait(system):
    """#NM, and what follows from an exception that an earlier instruction has left."""
    if system.cr0 & (EM | TS):
        raise GuestFault(NM)
    if raw.load16(system.fpu.image, STATUS) & SUMMARY:
        x87.pending(system)


class X87Operation(Operation):
    """An instruction that leaves its address and opcode in FIP, FCS and FOP. `pointers`: opcode and address as they lie in the image."""
    computes = True
    _immutable_fields_ = ['instruction', 'function', 'pointers']
    shared = False

    def __init__(self, instruction, start, opcode):
        self.instruction = instruction
        self.function = function_of(instruction)
        self.pointers = opcode | start << 16

    def note(self, system):
        """The opcode, the offset and the segment lie side by side."""
        raw.store64(system.fpu.image, OPCODE, intmask(r_uint(self.pointers) | r_uint(system.selector[CS]) << 48))


class OnMemory(X87Operation):
    _immutable_fields_ = ['operand', 'size']

    def __init__(self, instruction, start, opcode, operand, size):
        X87Operation.__init__(self, instruction, start, opcode)
        self.operand = operand
        self.size = size

    def note_operand(self, system, cpu):
        """FDP and FDS, side by side too."""
        raw.store64(system.fpu.image, DP, self.operand.offset(cpu) | system.selector[self.operand.segment] << 32)


class Load(OnMemory):
    """An instruction that reads `size` bytes of memory."""

    def execute(self, cpu, mode):
        system = mode.system
        wait(system)
        size = self.size
        at = self.operand.linear(cpu, mode, 0, size, False)
        segment = self.operand.check()
        high = 0
        if size == 4:
            low = mode.load32(at, segment)
        elif size == 2:
            low = mode.load16(at, segment)
        else:
            low = mode.load64(at, segment)
            if size == 10:
                high = mode.load16((at + 8) & M32, segment)
        self.note(system)
        self.note_operand(system, cpu)
        call(self.function, system.fpu.image, self.instruction, low, high, 0)


class Store(OnMemory):
    """An instruction that writes `size` bytes of memory, unless an exception is raised that is not masked; of them only #P is raised behind the
    store."""

    def execute(self, cpu, mode):
        system = mode.system
        wait(system)
        size = self.size
        at = self.operand.linear(cpu, mode, 0, size, True)
        segment = self.operand.check()
        place = mode.writable(at, size, segment)
        self.note(system)
        self.note_operand(system, cpu)
        image = system.fpu.image
        raised = call(self.function, image, self.instruction, 0, 0, 0) >> 8
        if raised & ~INEXACT:
            return
        if place < 0:
            self.store_slow(mode, at, segment)
        elif size == 4:
            raw.store32(mode.storage, place, raw.load32(image, OPERAND))
        elif size == 2:
            raw.store16(mode.storage, place, raw.load16(image, OPERAND))
        else:
            raw.store64(mode.storage, place, raw.load64(image, OPERAND))
            if size == 10:
                raw.store16(mode.storage, place + 8, raw.load16(image, OPERAND + 8))

    def store_slow(self, mode, at, segment):
        """Over the end of a page, to a device, or over code."""
        image = mode.system.fpu.image
        k = 0
        while k < self.size & ~3:
            mode.store32((at + k) & M32, raw.load32(image, OPERAND + k), segment)
            k += 4
        if self.size & 2:
            mode.store16((at + k) & M32, raw.load16(image, OPERAND + k), segment)


class OnRegisters(X87Operation):
    """The forms without memory."""

    def execute(self, cpu, mode):
        system = mode.system
        wait(system)
        self.note(system)
        call(self.function, system.fpu.image, self.instruction, 0, 0, 0)


class ConditionalMove(X87Operation):
    """FCMOVcc."""

    def execute(self, cpu, mode):
        system = mode.system
        wait(system)
        self.note(system)
        call(self.function, system.fpu.image, self.instruction, 0, 0, arithmetic(cpu) & FLAGS)


class CompareToFlags(X87Operation):
    """FCOMI and its kin: OF, SF and AF become 0."""

    def execute(self, cpu, mode):
        system = mode.system
        wait(system)
        self.note(system)
        set_flags(cpu, CC_FLAGS, 4, call(self.function, system.fpu.image, self.instruction, 0, 0, 0) & FLAGS, 0)


# -- control instructions

class Control(Operation):
    """FNCLEX, FNINIT, and what was once FNENI, FNDISI and FNSETPM, by `byte` of ModRM."""
    _immutable_fields_ = ['byte']

    def __init__(self, byte):
        self.byte = byte

    def execute(self, cpu, mode):
        system = mode.system
        require(system)
        if self.byte == 0xe2:
            x87.clear_exceptions(system)
        elif self.byte == 0xe3:
            x87.initialize(system)


class StatusToAX(Operation):
    """FNSTSW AX."""

    def execute(self, cpu, mode):
        system = mode.system
        require(system)
        cpu.regs[0] = cpu.regs[0] & 0xffff0000 | raw.load16(system.fpu.image, STATUS)


class StoreWord(Operation):
    """FNSTCW, FNSTSW: `place` is in the image."""
    _immutable_fields_ = ['operand', 'place']

    def __init__(self, operand, place):
        self.operand = operand
        self.place = place

    def execute(self, cpu, mode):
        system = mode.system
        require(system)
        self.operand.set(cpu, mode, raw.load16(system.fpu.image, self.place))


class LoadControl(Operation):
    """FLDCW."""
    _immutable_fields_ = ['operand']

    def __init__(self, operand):
        self.operand = operand

    def execute(self, cpu, mode):
        system = mode.system
        wait(system)
        word = self.operand.get(cpu, mode)
        image = system.fpu.image
        if raw.load16(image, STATUS) & (x87.EXCEPTIONS & ~word | SUMMARY):
            x87.set_control(system, word)
        else:                       # ES was clear and stays so
            raw.store16(image, CONTROL, word & x87.CONTROL_DEFINED | x87.CONTROL_ONES)


STORE_ENVIRONMENT, LOAD_ENVIRONMENT, SAVE, RESTORE, SAVE_EXTENDED, RESTORE_EXTENDED = range(6)


def size_of(kind, size):
    """Bytes of the state in memory."""
    if kind >= SAVE_EXTENDED:
        return fpu.SIZE
    return x87.WORDS_OF_ENVIRONMENT * size + (x87.STACK if kind >= SAVE else 0)


class WholeState(Operation):
    """FNSTENV, FLDENV, FNSAVE, FRSTOR with words of `size` bytes; FXSAVE, FXRSTOR."""
    _immutable_fields_ = ['kind', 'operand', 'size']

    def __init__(self, kind, operand, size):
        self.kind = kind
        self.operand = operand
        self.size = size

    def execute(self, cpu, mode):
        system = mode.system
        kind = self.kind
        if kind == LOAD_ENVIRONMENT or kind == RESTORE:
            wait(system)
        else:
            require(system)
        stores = kind == STORE_ENVIRONMENT or kind == SAVE or kind == SAVE_EXTENDED
        at = self.operand.linear(cpu, mode, 0, size_of(kind, self.size), stores)
        segment = self.operand.check()
        if kind == STORE_ENVIRONMENT:
            x87.store_environment(mode, at, segment, self.size)
        elif kind == LOAD_ENVIRONMENT:
            x87.load_environment(mode, at, segment, self.size)
        elif kind == SAVE:
            x87.save(mode, at, segment, self.size)
        elif kind == RESTORE:
            x87.restore(mode, at, segment, self.size)
        elif kind == SAVE_EXTENDED:
            x87.save_extended(mode, at, segment)
        else:
            x87.restore_extended(mode, at, segment)


class Wait(Operation):
    """FWAIT."""

    def execute(self, cpu, mode):
        system = mode.system
        if system.cr0 & (MP | TS) == MP | TS:
            raise GuestFault(NM)
        if raw.load16(system.fpu.image, STATUS) & SUMMARY:
            x87.pending(system)


# -- decoding

def decode(d, opcode):
    """D8 to DF, with ModRM read; None for what is no instruction."""
    escape = opcode & 7
    if d.mod == 3:
        byte = 0xc0 | d.reg << 3 | d.rm
        return on_registers(d, escape, byte) if exists(escape, byte) else None
    byte = d.mod << 6 | d.reg << 3 | d.rm
    kind = KINDS[escape][d.reg]
    if kind == '-' or kind == 'S' and d.reg == 1 and d.system.model.more_features & SSE3 == 0:
        return None
    if kind == 'C':
        return control(d, escape)
    operand = d.memory_operand(4)
    if kind == 'L':
        return Load(ON_MEMORY + escape * 8 + d.reg, d.start, escape << 8 | byte, operand, SIZES[escape][d.reg])
    return Store(ON_MEMORY + escape * 8 + d.reg, d.start, escape << 8 | byte, operand, SIZES[escape][d.reg])


def control(d, escape):
    if d.reg & 1 == 0:
        kind = (STORE_ENVIRONMENT if d.reg & 2 else LOAD_ENVIRONMENT) if escape == 1 else (SAVE if d.reg & 2 else RESTORE)
        return WholeState(kind, d.memory_operand(4), d.operand_size)
    operand = d.memory_operand(2)
    if d.reg == 5:
        return LoadControl(operand)
    return StoreWord(operand, CONTROL if escape == 1 else STATUS)


def on_registers(d, escape, byte):
    if escape == 3 and byte >> 3 == 0xe0 >> 3:
        return Control(byte)
    if escape == 7 and byte == 0xe0:
        return StatusToAX()
    instruction = escape << 6 | byte & 0x3f
    opcode = escape << 8 | byte
    group = byte >> 3 & 7
    if (escape == 2 or escape == 3) and group < 4:
        return ConditionalMove(instruction, d.start, opcode)
    if (escape == 3 or escape == 7) and group >= 5:
        return CompareToFlags(instruction, d.start, opcode)
    return OnRegisters(instruction, d.start, opcode)


def decode_extended(d):
    """0F AE /0 and /1, with ModRM read."""
    return WholeState(RESTORE_EXTENDED if d.reg else SAVE_EXTENDED, d.memory_operand(4), 4)
