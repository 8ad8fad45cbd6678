"""x87 instructions (D8 to DF): the operand's way between memory and the unit; what is done with it is in hyper.cpu.x87."""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu.faults import GuestFault, MF, NM
from hyper.cpu.flags import CC_FLAGS, arithmetic, set_flags
from hyper.cpu.operations.base import Operation

EM, TS, NE = 1 << 2, 1 << 3, 1 << 5
MP = 1 << 1

# bytes of the memory operand, by escape and ModRM.reg; 0 for none that exists
LOADS = [
    [4, 4, 4, 4, 4, 4, 4, 4],
    [4, 0, 0, 0, 28, 2, 0, 0],
    [4, 4, 4, 4, 4, 4, 4, 4],
    [4, 0, 0, 0, 0, 10, 0, 0],
    [8, 8, 8, 8, 8, 8, 8, 8],
    [8, 0, 0, 0, 108, 0, 0, 0],
    [2, 2, 2, 2, 2, 2, 2, 2],
    [2, 0, 0, 0, 10, 8, 0, 0],
]
STORES = [
    [0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 4, 4, 0, 0, 28, 2],
    [0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 4, 4, 0, 0, 0, 10],
    [0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 8, 8, 0, 0, 108, 2],
    [0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 2, 2, 0, 0, 10, 8],
]


def exists(escape, byte):
    """Whether a register form is an instruction."""
    group = byte >> 3 & 7
    i = byte & 7
    if escape == 1:
        if group == 2:
            return i == 0
        if group == 3:
            return False
        if group == 4:
            return i == 0 or i == 1 or i == 4 or i == 5
        return group != 5 or i != 7
    if escape == 2:
        return group < 4 or byte == 0xe9
    if escape == 3:
        return group < 4 or group == 5 or group == 6 or byte <= 0xe4 and group == 4
    if escape == 5:
        return group == 0 or 2 <= group <= 5
    if escape == 6:
        return group != 3 or i == 1
    if escape == 7:
        return byte == 0xe0 or group == 5 or group == 6
    return True


def check(system, waits):
    """#NM, and #MF for an exception that an earlier instruction left."""
    if system.cr0 & (EM | TS):
        raise GuestFault(NM)
    if waits and system.x87.has_pending_exception() and system.cr0 & NE:
        raise GuestFault(MF)


@dont_look_inside
def load_operand(mode, at, segment, size):
    """Memory to the buffer."""
    buffer = mode.system.x87.buffer
    for k in range(size >> 2):
        buffer[k] = mode.load32((at + 4 * k) & 0xffffffff, segment)
    if size & 2:
        buffer[size >> 2] = mode.load16((at + (size & ~3)) & 0xffffffff, segment)


@dont_look_inside
def store_operand(mode, at, segment, size):
    """The buffer to memory; if that faults nothing is written."""
    buffer = mode.system.x87.buffer
    if size > 4:
        for k in range(0, size, 2):
            mode.writable((at + k) & 0xffffffff, 2, segment)
    for k in range(size >> 2):
        mode.store32((at + 4 * k) & 0xffffffff, buffer[k], segment)
    if size & 2:
        mode.store16((at + (size & ~3)) & 0xffffffff, buffer[size >> 2] & 0xffff, segment)


class Load(Operation):
    """An instruction that reads `size` bytes of memory."""
    _immutable_fields_ = ['escape', 'reg', 'operand', 'size']

    def __init__(self, escape, reg, operand, size):
        self.escape = escape
        self.reg = reg
        self.operand = operand
        self.size = size

    def execute(self, cpu, mode):
        system = mode.system
        check(system, True)
        load_operand(mode, self.operand.linear(cpu, mode, 0, self.size, False), self.operand.check(), self.size)
        system.x87.load(self.escape, self.reg)


class Store(Operation):
    """An instruction that writes `size` bytes of memory; of them FNSTENV, FNSTCW, FNSAVE and FNSTSW do not wait."""
    _immutable_fields_ = ['escape', 'reg', 'operand', 'size', 'waits']

    def __init__(self, escape, reg, operand, size):
        self.escape = escape
        self.reg = reg
        self.operand = operand
        self.size = size
        self.waits = not (escape == 1 or escape == 5) or reg < 6

    def execute(self, cpu, mode):
        system = mode.system
        check(system, self.waits)
        at = self.operand.linear(cpu, mode, 0, self.size, True)
        system.x87.store(self.escape, self.reg)
        store_operand(mode, at, self.operand.check(), self.size)
        system.x87.stored(self.escape, self.reg)


class OnRegisters(Operation):
    """The forms without memory. `byte` is ModRM."""
    _immutable_fields_ = ['escape', 'byte', 'waits', 'sets_flags']

    def __init__(self, escape, byte):
        self.escape = escape
        self.byte = byte
        self.waits = escape != 3 or byte < 0xe0 or byte > 0xe4
        group = byte >> 3 & 7
        self.sets_flags = (escape == 3 or escape == 7) and (group == 5 or group == 6)

    def execute(self, cpu, mode):
        system = mode.system
        check(system, self.waits)
        flags = 0
        if self.escape == 2 or self.escape == 3:
            flags = arithmetic(cpu)
        system.x87.execute(self.escape, self.byte, flags)
        if self.sets_flags:
            set_flags(cpu, CC_FLAGS, 4, system.x87.result_flags, 0)


class StatusToAX(Operation):
    """FNSTSW AX."""

    def execute(self, cpu, mode):
        system = mode.system
        check(system, False)
        cpu.regs[0] = cpu.regs[0] & 0xffff0000 | system.x87.status_word()


class Wait(Operation):
    """FWAIT."""

    def execute(self, cpu, mode):
        system = mode.system
        if system.cr0 & (MP | TS) == MP | TS:
            raise GuestFault(NM)
        if system.x87.has_pending_exception() and system.cr0 & NE:
            raise GuestFault(MF)


def decode(d, opcode):
    """D8 to DF, with ModRM read; None for what is no instruction."""
    escape = opcode & 7
    if d.mod == 3:
        byte = 0xc0 | d.reg << 3 | d.rm
        if not exists(escape, byte):
            return None
        if escape == 7 and byte == 0xe0:
            return StatusToAX()
        return OnRegisters(escape, byte)
    operand = d.memory_operand(4)
    size = LOADS[escape][d.reg]
    if size:
        return Load(escape, d.reg, operand, size)
    size = STORES[escape][d.reg]
    if size:
        return Store(escape, d.reg, operand, size)
    return None
