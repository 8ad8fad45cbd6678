"""Integer instructions of every family in every encoding, with registers that point into the data pages or hold numbers worth trying.

Not made: what differs from one system to the next (INT 80h, SYSENTER, CPUID, RDTSC), and values that the manual leaves undefined. Which flags are
undefined is from the "Flags Affected" section of each instruction in SDM vol. 2; a snippet remembers it for each of its instructions, and defines the
flags before an instruction that reads them.
"""
from layout import (BASES, DATA, DATA_SIZE, LDT_CODE16, LDT_DATA, LDT_DATA16, LDT_DOWN, LDT_READ_ONLY, NULL, SELECTORS,
                    USER_CS, USER_DS)
from writer import AF, ALL, CF, DF, DS, EAX, ECX, EDX, FLAT, OF, PF, SF, ZF, Setting

ID, IF_AND_IOPL = 1 << 21, 0x3200
# 16-bit code and stack; 32-bit code on a 16-bit stack; segments that end, begin late, can only be read, or cannot be used at all
SETTINGS = [FLAT] * 6 + [
    Setting(LDT_CODE16, LDT_DATA16, LDT_DATA, LDT_DATA, USER_DS, LDT_DOWN), Setting(LDT_CODE16, LDT_DATA, LDT_DATA16, LDT_DATA, LDT_DOWN, NULL),
    Setting(LDT_CODE16, USER_DS, USER_DS, USER_DS, LDT_DATA, LDT_READ_ONLY), Setting(USER_CS, LDT_DATA16, LDT_DATA, LDT_DATA, USER_DS, LDT_DOWN),
    Setting(USER_CS, LDT_DATA, LDT_READ_ONLY, LDT_DATA, LDT_CODE16, NULL), Setting(USER_CS, LDT_DOWN, LDT_DOWN, LDT_DATA, NULL, USER_CS)]

# what a condition reads, by condition code >> 1
CONDITION_READS = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF]


# -- one function for each family; called with the writer

def f_arithmetic(w):
    kind = w.r.randrange(8)
    if kind in (2, 3):
        w.reads(CF)
    size = w.prefixes(lock=True, ignored=True)
    form = w.r.randrange(8)
    if form < 4:
        w.byte(kind << 3 | form)
        w.modrm(w.r.randrange(8))
    elif form == 4:
        w.byte(kind << 3 | 4)
        w.immediate(1)
    elif form == 5:
        w.byte(kind << 3 | 5)
        w.immediate(size)
    elif form == 6:
        opcode = w.r.choice([0x80, 0x82, 0x83])
        w.byte(opcode)
        w.modrm(kind)
        w.immediate(1)
    else:
        w.byte(0x81)
        w.modrm(kind)
        w.immediate(size)
    w.defines(ALL)
    if kind in (1, 4, 6):
        w.undefines(AF)


def f_test(w):
    size = w.prefixes()
    form = w.r.randrange(4)
    if form == 0:
        w.byte(0x84 | w.r.randrange(2))
        w.modrm(w.r.randrange(8))
    elif form == 1:
        w.byte(0xa8)
        w.immediate(1)
    elif form == 2:
        w.byte(0xa9)
        w.immediate(size)
    else:
        operand = w.r.randrange(2)
        w.byte(0xf6 | operand)
        w.modrm(w.r.randrange(2))
        w.immediate(size if operand else 1)
    w.defines(ALL)
    w.undefines(AF)


def f_increment(w):
    w.prefixes(lock=True)
    if w.r.randrange(2):
        w.byte(0x40 | w.r.randrange(16))
    else:
        w.byte(0xfe | w.r.randrange(2))
        w.modrm(w.r.randrange(2))
    w.defines(ALL & ~CF)


def f_not_neg(w):
    w.prefixes(lock=True)
    kind = w.r.choice([2, 3])
    w.byte(0xf6 | w.r.randrange(2))
    w.modrm(kind)
    if kind == 3:
        w.defines(ALL)


def f_multiply(w):
    size = w.prefixes()
    form = w.r.randrange(5)
    if form < 2:
        w.byte(0xf6 | w.r.randrange(2))
        w.modrm(4 + form)
    elif form == 2:
        w.byte(0x0f, 0xaf)
        w.modrm(w.r.randrange(8))
    elif form == 3:
        w.byte(0x69)
        w.modrm(w.r.randrange(8))
        w.immediate(size)
    else:
        w.byte(0x6b)
        w.modrm(w.r.randrange(8))
        w.immediate(1)
    w.defines(CF | OF)
    w.undefines(SF | ZF | AF | PF)


def f_divide(w):
    if w.r.randrange(3):
        w.byte(0x31, 0xd2)      # xor edx, edx: quotients that fit
        w.defines(ALL)
        w.undefines(AF)
        w.mark()
    w.prefixes()
    w.byte(0xf6 | w.r.randrange(2))
    w.modrm(w.r.choice([6, 7]))
    w.undefines(ALL)


def f_shift(w):
    kind = w.r.randrange(8)
    if kind in (2, 3):
        w.reads(CF)
    w.prefixes()
    form = w.r.randrange(3)
    operand = w.r.randrange(2)
    count = -1
    if form == 0:
        w.byte(0xc0 | operand)
        w.modrm(kind)
        count = w.r.choice([0, 1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 30, 31, 32, 33, 63, 0xff])
        w.byte(count)
    elif form == 1:
        w.byte(0xd0 | operand)
        w.modrm(kind)
        count = 1
    else:
        w.byte(0xd2 | operand)
        w.modrm(kind)
    if count >= 0 and count & 31 == 0:
        return
    if count != 1:
        w.undefines(OF)
    elif count == 1:
        w.defines(OF)
    if kind >= 4:
        if count > 0:
            w.defines(CF | PF | ZF | SF)
        w.undefines(AF)
        # CF is undefined for SHL and SHR of as many places as the operand has, or more
        if kind != 7 and (count < 0 or count & 31 >= 8):
            w.undefines(CF)
    elif count > 0 and kind < 2:
        w.defines(CF)


def f_double_shift(w):
    """Operands of 16 bits only with counts up to 16: the result is undefined beyond."""
    size = w.prefixes()
    left = w.r.randrange(2)
    if size == 4 and w.r.randrange(2):
        w.byte(0x0f, 0xa5 if left else 0xad)
        w.modrm(w.r.randrange(8))
        w.undefines(OF | AF)
        return
    w.byte(0x0f, 0xa4 if left else 0xac)
    w.modrm(w.r.randrange(8))
    count = w.r.randrange(17) if size == 2 else w.r.randrange(64)
    w.byte(count)
    if count & 31 == 0:
        return
    w.defines(CF | PF | ZF | SF | OF)
    w.undefines(AF)
    if count & 31 != 1:
        w.undefines(OF)


def f_bits(w):
    w.prefixes()
    kind = w.r.randrange(4)
    if w.r.randrange(2):
        w.byte(0x0f, 0xba)
        w.modrm(4 + kind)
        w.immediate(1)
    else:
        w.byte(0x0f, 0xa3 + 8 * kind)
        if w.r.randrange(2):
            w.byte(0xc0 | w.r.randrange(64))
        else:
            w.memory(some_register(w))
    w.defines(CF)
    w.undefines(OF | SF | AF | PF)


def f_bit_scan(w):
    w.prefixes()
    w.byte(0x0f, w.r.choice([0xbc, 0xbd]))
    w.modrm(some_register(w))
    w.defines(ZF)
    w.undefines(CF | OF | SF | AF | PF)


def f_decimal(w):
    kind = w.r.randrange(6)
    if kind < 2:
        w.reads(CF | AF)
        w.byte(0x27 if kind == 0 else 0x2f)
        w.defines(ALL)
        w.undefines(OF)
    elif kind < 4:
        w.reads(AF)
        w.byte(0x37 if kind == 2 else 0x3f)
        w.defines(AF | CF)
        w.undefines(OF | SF | ZF | PF)
    else:
        w.byte(0xd4 if kind == 4 else 0xd5, w.r.choice([10, 10, 0, 1, 7, 16, 255]))
        w.defines(SF | ZF | PF)
        w.undefines(OF | AF | CF)


def some_register(w, preferred=(EAX, ECX, EDX)):
    """Seldom one that points to memory."""
    return w.r.choice(preferred) if w.r.randrange(8) else w.r.randrange(8)


def f_move(w):
    size = w.prefixes()
    form = w.r.randrange(6)
    if form < 2:
        w.byte(0x88 | w.r.randrange(4))
        w.modrm(w.r.randrange(8))
    elif form == 2:
        w.byte(0xb0 | some_register(w, [0, 1, 2, 4, 5, 6]))
        w.immediate(1)
    elif form == 3:
        w.byte(0xb8 | some_register(w))
        w.immediate(size)
    elif form == 4:
        operand = w.r.randrange(2)
        w.byte(0xc6 | operand)
        w.modrm(0 if w.r.randrange(16) else w.r.randrange(8))
        w.immediate(size if operand else 1)
    else:
        w.byte(0xa0 | w.r.randrange(4))
        base = BASES[w.setting.segments[w.override if w.override >= 0 else DS]]
        w.immediate(4 if w.address32 else 2, (DATA - base if w.address32 else 0) + w.r.randrange(DATA_SIZE))


def f_extend(w):
    w.prefixes()
    form = w.r.randrange(4)
    if form < 2:
        w.byte(0x0f, w.r.choice([0xb6, 0xb7, 0xbe, 0xbf]))
        w.modrm(some_register(w))
    else:
        w.byte(0x96 + form)     # CBW/CWDE, CWD/CDQ


def f_exchange(w):
    w.prefixes(lock=True)
    form = w.r.randrange(5)
    if form == 0:
        w.byte(0x86 | w.r.randrange(2))
        w.modrm(some_register(w))
    elif form == 1:
        w.byte(0x90 | some_register(w))
    elif form == 2:
        w.byte(0x0f, 0xc0 | w.r.randrange(2))
        w.modrm(some_register(w))
        w.defines(ALL)
    elif form == 3:
        w.byte(0x0f, 0xb0 | w.r.randrange(2))
        w.modrm(some_register(w))
        w.defines(ALL)
    else:
        w.byte(0x0f, 0xc7)
        if w.r.randrange(8):
            w.memory(1)
        else:
            w.byte(0xc8 | w.r.randrange(8))
        w.defines(ZF)


def f_swap(w):
    if w.r.randrange(16) == 0:
        w.byte(w.r.choice([0x67, 0x2e, 0x65, 0xf2]))
    w.byte(0x0f, 0xc8 | some_register(w))


def f_lea(w):
    w.prefixes()
    w.byte(0x8d)
    w.memory(some_register(w))


def f_conditional(w):
    code = w.r.randrange(16)
    w.reads(CONDITION_READS[code >> 1])
    form = w.r.randrange(3)
    if form == 0:
        w.byte(0x0f, 0x90 | code)
        w.modrm(w.r.randrange(8))
    elif form == 1:
        w.prefixes()
        w.byte(0x0f, 0x40 | code)
        w.modrm(some_register(w))
    else:
        # over an instruction of one to three bytes, which leaves the flags alone
        inside = w.r.choice([b'\x90', b'\x89\xc1', b'\x0f\xc8', b'\x8d\x40\x05', b'\xb0\x07', b'\x66\xb9\x34\x12' if w.setting.code32 else b'\xb9\x34\x12'])
        if w.r.randrange(2):
            w.byte(0x70 | code, len(inside))
        else:
            size = w.prefixes(sixteen=w.r.randrange(8) == 0)
            w.byte(0x0f, 0x80 | code)
            w.immediate(size, len(inside))
        w.mark()
        w.code += inside


def f_loop(w):
    """LOOP and JECXZ forwards: they only choose."""
    kind = w.r.randrange(4)
    if kind < 2:
        w.reads(ZF)
    w.prefixes(sixteen=w.r.randrange(8) == 0)
    w.byte(0xe0 | kind, 2)
    w.mark()
    w.byte(0x89, 0xc2)


def f_stack(w):
    size = w.prefixes()
    form = w.r.randrange(11)
    if form < 2:
        w.byte(0x50 | w.r.randrange(8))
    elif form == 2:
        w.byte(0x58 | some_register(w))
    elif form == 3:
        w.byte(0x6a)
        w.immediate(1)
    elif form == 4:
        w.byte(0x68)
        w.immediate(size)
    elif form == 5:
        w.byte(0xff)
        w.modrm(6)
    elif form == 6:
        w.byte(0x8f)
        w.modrm(0)
    elif form == 7:
        w.byte(0x60)
    elif form == 8:
        w.byte(0x61)
    elif form == 9:
        w.byte(0xc8, w.r.choice([0, 4, 16, 255]), w.r.choice([0, 0, 0, 0, 0, 0, 16, 255]), w.r.choice([0, 0, 1, 2, 3, 31, 32, w.r.getrandbits(8)]))
    else:
        w.byte(0xc9)


def f_flags(w):
    form = w.r.randrange(9)
    if form == 0:
        w.reads(ALL)
        w.prefixes()
        w.byte(0x9c)
    elif form == 1:
        size = w.prefixes()
        w.byte(0x68)
        w.immediate(size, w.r.getrandbits(32) & (ALL | DF | ID | IF_AND_IOPL))
        w.mark()
        if size != (4 if w.setting.code32 else 2):
            w.byte(0x66)
        w.byte(0x9d)
        w.defines(ALL)
    elif form == 2:
        w.byte(0x9e)
        w.defines(ALL & ~OF)
    elif form == 3:
        w.reads(ALL & ~OF)
        w.byte(0x9f)
    elif form == 4:
        w.reads(CF)
        w.byte(0xd6)
    elif form == 5:
        w.byte(w.r.choice([0xfc, 0xfd]))
    elif form == 6:
        w.byte(0xf8)
        w.defines(CF)
    elif form == 7:
        w.byte(0xf9)
        w.defines(CF)
    else:
        w.reads(CF)
        w.byte(0xf5)


def f_string(w):
    kind = w.r.choice([0xa4, 0xa6, 0xaa, 0xac, 0xae])
    repeated = w.r.randrange(3)
    default = 4 if w.setting.code32 else 2
    if repeated:
        # mostly a short repetition
        if w.r.randrange(8):
            w.byte(0xb9)
            w.immediate(default, w.r.choice([0, 1, 2, 3, 5, 8, 17, 40]))
            w.mark()
        if kind in (0xa6, 0xae):
            w.reads(ALL)
            # a fault on the way gives back the flags from before (SDM vol. 2, REP), which here it does not
            w.marks.append((len(w.code), ALL))
    w.prefixes()
    if repeated:
        w.byte(0xf2 if repeated == 2 else 0xf3)
    w.byte(kind | w.r.randrange(2))
    if kind in (0xa6, 0xae):
        w.defines(ALL)


def f_xlat(w):
    w.prefixes()
    w.byte(0xd7)


def push_immediate(w, value):
    """PUSH imm of the default size."""
    w.byte(0x68)
    w.immediate(4 if w.setting.code32 else 2, value)
    w.mark()


def f_call(w):
    """Calls and jumps to what follows them, and returns; seldom to anywhere."""
    size = 4 if w.setting.code32 else 2
    form = w.r.randrange(5)
    if form == 0:
        size = w.prefixes(sixteen=w.r.randrange(8) == 0)
        w.byte(w.r.choice([0xe8, 0xe9]))
        w.immediate(size, 0)
    elif form == 1:
        w.byte(0xeb, 0)
    elif form == 2:
        # push the address behind the RET
        release = w.r.randrange(2)
        push_immediate(w, w.here() + 1 + size + (3 if release else 1))
        if release:
            w.byte(0xc2, w.r.choice([0, 2, 4, 8]), 0)
        else:
            w.byte(0xc3)
    elif form == 3:
        register = some_register(w)
        w.byte(0xb8 | register)
        w.immediate(size, w.here() + size + 2)
        w.mark()
        w.byte(0xff, w.r.choice([0xd0, 0xe0]) | register)
    elif w.r.randrange(2):
        # through memory
        push_immediate(w, w.here() + 1 + size + (3 if w.setting.code32 else 4))
        if not w.setting.code32:
            w.byte(0x67)        # or ESP is no base
        w.byte(0xff, w.r.choice([0x14, 0x24]), 0x24)
    else:
        w.reads(ZF)
        target = w.r.choice([0x30000000, 0x10000ffe, 0x1000, 0xffff, 0xfff]) + w.r.randrange(4096)
        push_immediate(w, target)
        w.byte(*w.r.choice([(0xc3,), (0xe9, target, target >> 8, target >> 16, 0x30), (0x0f, 0x84, target, target >> 8, target >> 16, 0x20)]))


def f_bound(w):
    if w.r.randrange(2):
        # most often inside bounds that are pushed
        push_immediate(w, w.r.choice([0x7fffffff, 0x7fff7fff, 5]))
        push_immediate(w, w.r.choice([0x80000000, 0x80008000, 5]))
        if not w.setting.code32:
            w.byte(0x67)
        w.byte(0x62, 0x04 | w.r.randrange(8) << 3, 0x24)
        return
    w.prefixes()
    w.byte(0x62)
    w.memory(w.r.randrange(8))


def f_into(w):
    w.reads(OF)
    w.byte(0xce)


def f_interrupt(w):
    """Of those that user code may, and of some it may not; never INT 80h, which is Linux's, or INT1, which virtual machines get wrong."""
    w.byte(*w.r.choice([(0xcd, 3), (0xcd, 4), (0xcd, w.r.randrange(5, 32)), (0xcd, 0), (0xcd, 2)]))


def selector(w):
    return w.r.choice(SELECTORS + [0, 1, 2, 0x3f, 0x0b, 0x10, 0x1b, 0x20, 0x28, 0x21, 0x2a, 0xfff7, 0x04, 0x05])


def f_load_segment(w):
    """MOV, POP and LxS to a segment register."""
    size = 4 if w.setting.code32 else 2
    value = selector(w)
    form = w.r.randrange(4)
    if form == 0:
        register = some_register(w)
        w.byte(0xb8 | register)
        w.immediate(size, value)
        w.mark()
        w.prefixes()
        w.byte(0x8e, 0xc0 | w.r.randrange(8) << 3 | register)
    elif form == 1:
        push_immediate(w, value)
        if w.r.randrange(4) == 0:
            w.byte(0x66)
        w.byte(*w.r.choice([(0x07,), (0x17,), (0x1f,), (0x0f, 0xa1), (0x0f, 0xa9)]))
    elif form == 2:
        push_immediate(w, value)
        push_immediate(w, None)
        opcode = w.r.choice([(0xc4,), (0xc5,), (0x0f, 0xb2), (0x0f, 0xb4), (0x0f, 0xb5)])
        if not w.setting.code32:
            w.byte(0x67)
        w.byte(*opcode)
        w.byte(0x04 | some_register(w) << 3, 0x24)
    else:
        w.prefixes()
        w.byte(*w.r.choice([(0x8e,), (0xc4,), (0xc5,), (0x0f, 0xb2)]))
        w.memory(w.r.randrange(6))


def f_store_segment(w):
    if w.r.randrange(2):
        w.prefixes()
        w.byte(0x8c)
        w.modrm(w.r.randrange(8))
    else:
        # into a place that holds 0: whether PUSH writes the upper half of a doubleword is the processor's affair (SDM vol. 2, PUSH)
        w.byte(0x66, 0x6a, 0, 0x66, 0x6a, 0, 0x66, 0x5a, 0x66, 0x5a)
        w.mark()
        w.prefixes()
        w.byte(*w.r.choice([(0x06,), (0x0e,), (0x16,), (0x1e,), (0x0f, 0xa0), (0x0f, 0xa8)]))


def f_rights(w):
    """ARPL, VERR, VERW, LAR, LSL. What LAR gives in bits 16-19 is undefined, so they are cleared."""
    register, target = w.r.choice([(EAX, EDX), (ECX, EDX), (EDX, ECX), (EAX, ECX)])
    w.byte(0xb8 | register)
    w.immediate(4 if w.setting.code32 else 2, selector(w))
    w.mark()
    form = w.r.randrange(4)
    if form == 0:
        w.prefixes()
        w.byte(0x63)
        if w.r.randrange(2):
            w.byte(0xc0 | target << 3 | register)
        else:
            w.memory(register)
        w.defines(ZF)
    elif form == 1:
        w.prefixes()
        w.byte(0x0f, 0x00, 0xe0 | w.r.randrange(2) << 3 | register)
        w.defines(ZF)
    else:
        size = w.prefixes()
        w.byte(0x0f, form, 0xc0 | target << 3 | register)
        w.defines(ZF)
        if form == 2 and size == 4:
            w.mark()
            if not w.setting.code32:
                w.byte(0x66)
            w.byte(0x81, 0xe0 | target)
            w.immediate(4, 0xfff0ffff)
            w.defines(ALL)
            w.undefines(AF)


def f_far(w):
    """Far transfers to the next instruction, and to bad selectors; from flat code also to INT3 in 16-bit code."""
    size = 4 if w.setting.code32 else 2
    right = w.setting.segments[1]
    other = LDT_CODE16 if w.setting.code32 and w.r.randrange(4) == 0 else 0
    value = right if w.r.randrange(4) and not other else other or selector(w)
    shift = 0x10000000 if value == LDT_CODE16 and w.setting.code32 else 0
    form = w.r.randrange(5)
    if form < 2:
        w.byte(0x9a if form else 0xea)
        w.immediate(size, w.here() + size + 2 - shift)
        w.immediate(2, value)
    elif form == 2:
        push_immediate(w, value)
        release = w.r.randrange(2)
        push_immediate(w, w.here() + 1 + size + (3 if release else 1) - shift)
        if release:
            w.byte(0xca, w.r.choice([0, 4, 8]), 0)
        else:
            w.byte(0xcb)
    elif form == 3:
        w.reads(ALL)
        w.byte(0x9c)        # for IRET
        w.mark()
        push_immediate(w, value)
        push_immediate(w, w.here() + 1 + size + 1 - shift)
        w.byte(0xcf)
    else:
        push_immediate(w, value)
        push_immediate(w, w.here() + 1 + size + (3 if w.setting.code32 else 4) - shift)
        if not w.setting.code32:
            w.byte(0x67)
        w.byte(0xff, w.r.choice([0x1c, 0x2c]), 0x24)
    if value != right:
        w.mark()
        w.byte(0xcc)


def f_nop(w):
    """What does nothing, whatever its operand."""
    w.prefixes()
    if w.r.randrange(4):
        opcode = w.r.choice([0x0d, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f])
        w.byte(0x0f, opcode)
        if opcode == 0x0d:
            w.memory(w.r.randrange(8))      # AMD's processors have no register form
        else:
            w.modrm(w.r.randrange(8))
    elif w.r.randrange(2):
        w.byte(0x90)
    else:
        w.byte(0xf3, 0x90)


REFUSED = ['fa', 'fb', 'f4', 'ec', 'ed', 'ee', 'ef', 'e460', 'e560', 'e680', 'e780', '6c', '6d', '6e', '6f', '0f20c0', '0f22c0', '0f21f8', '0f23f8', '0f30', '0f32',
           '0f06', '0f08', '0f09', '0f0110', '0f0118', '0f01f0', '0f013b', '0f00d0', '0f00d8', '0f0b', '0fff', '0fb9c0', 'f090', 'f001c0', 'fed0', 'ffff', 'c6c800',
           '8dc0', '0fbac001', '0fc7c8', 'f00fa303', 'f03803', 'f0813b00000000', 'f08d03', 'f0cc', 'f0eb00', 'f00fba2300', '0f04', '0f0a', '0f0c', '0f24c0',
           '0f26c0', '0f36', '0f39c0', '0fa6c0', '0fa7c0', 'ffd8', 'ffe8', 'fe10', '66' * 15 + '90', '66' * 14 + '90', '2e' * 13 + '89c0', '2e' * 14 + '89c0',
           '8ec8', '8ef0', '8cf0', '67' * 14 + '90', '67' * 15 + '90', 'f366f2' * 5 + '90']


def f_refused(w):
    """What ring 3 may not do, or no one may."""
    text = w.r.choice(REFUSED)
    w.byte(*[int(text[k:k + 2], 16) for k in range(0, len(text), 2)])


def f_self_modifying(w):
    """Rewrites the immediate of the next instruction, or of one behind it."""
    if w.setting is not FLAT:
        return
    value = w.r.getrandbits(8)
    distance = w.r.randrange(3)
    target = w.here() + 7 + distance + 1
    w.byte(0xc6, 0x05)
    w.immediate(4, target)
    w.byte(value)
    w.mark()
    w.code += b'\x90' * distance
    w.byte(0xb0, value ^ 0xff)


FAMILIES = ([f_arithmetic] * 6 + [f_test, f_increment, f_increment, f_not_neg] + [f_multiply] * 3 + [f_divide] * 2 + [f_shift] * 6 + [f_double_shift] * 2 +
            [f_bits] * 3 + [f_bit_scan] + [f_decimal] * 3 + [f_move] * 3 + [f_extend] * 2 + [f_exchange] * 3 + [f_swap, f_lea] + [f_conditional] * 4 +
            [f_loop] + [f_stack] * 4 + [f_flags] * 3 + [f_string] * 4 + [f_xlat, f_call, f_call, f_bound, f_into, f_interrupt, f_refused, f_self_modifying] +
            [f_load_segment, f_store_segment, f_rights, f_far, f_nop])
