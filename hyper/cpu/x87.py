"""The x87 unit (SDM vol. 1, chapter 8), in what is done rarely: control and status words, saved states, pending exceptions. The state is that of
hyper.cpu.fpu; all else is in C, see hyper.cpu.operations.x87_functions."""
from hyper.board import raw
from hyper.cpu import fpu
from hyper.cpu.faults import Freeze, GP, GuestFault, MF
from hyper.cpu.fpu import CONTROL, DP, DS, EXPONENT, IP, MXCSR, OPCODE, REGISTER, REGISTERS, STATUS, TAGS, XMM

EXCEPTIONS, SUMMARY, BUSY, CONDITIONS_AND_TOP = 0x3f, 0x80, 0x8000, 0x7f00
CONTROL_DEFINED, CONTROL_ONES, OPCODE_DEFINED = 0x1f3f, 0x40, 0x7ff
VALID, ZERO, SPECIAL, EMPTY = range(4)          # of the tag word
M32 = 0xffffffff
CR0_PE, CR0_NE, CR4_OSFXSR = 1 << 0, 1 << 5, 1 << 9
DENORMALS_ARE_ZEROS = 1 << 6    # of MXCSR
WORDS_OF_ENVIRONMENT, STACK = 7, 80             # FSTENV; what FSAVE stores behind it, in bytes


# -- control and status

def summarize(system):
    """ES and B follow from flags and masks."""
    image = system.fpu.image
    status = raw.load16(image, STATUS) & ~(SUMMARY | BUSY)
    if status & ~raw.load16(image, CONTROL) & EXCEPTIONS:
        status |= SUMMARY | BUSY
    elif system.coprocessor is not None:
        system.coprocessor.settled()
    raw.store16(image, STATUS, status)


def set_control(system, word):
    """FLDCW."""
    raw.store16(system.fpu.image, CONTROL, word & CONTROL_DEFINED | CONTROL_ONES)
    summarize(system)


def clear_exceptions(system):
    """FNCLEX."""
    image = system.fpu.image
    raw.store16(image, STATUS, raw.load16(image, STATUS) & CONDITIONS_AND_TOP)
    summarize(system)


def initialize(system):
    """FNINIT."""
    system.fpu.initialize()
    summarize(system)


def pending(system):
    """A waiting instruction has met with an exception that is not masked (SDM vol. 1, 8.7): #MF, or, as in a PC of old, FERR# and an interrupt. In that
    case the processor waits for the interrupt, unless IGNNE# lets the instruction pass."""
    if system.cr0 & CR0_NE:
        raise GuestFault(MF)
    wires = system.coprocessor
    if wires is None or not wires.error():
        raise Freeze()


# -- environments (vol. 1, figures 8-9 to 8-12)

def tag_word(image):
    tags = 0
    valid = raw.load8(image, TAGS)
    for k in range(8):
        tag = EMPTY
        if valid >> k & 1:
            tag = tag_of(raw.load64(image, REGISTERS + REGISTER * k), raw.load16(image, REGISTERS + REGISTER * k + EXPONENT) & 0x7fff)
        tags |= tag << 2 * k
    return tags


def tag_of(significand, exponent):
    if exponent == 0 and significand == 0:
        return ZERO
    if exponent == 0 or exponent == 0x7fff or significand >= 0:         # the explicit integer bit is the sign of the word
        return SPECIAL
    return VALID


def set_tag_word(image, tags):
    valid = 0
    for k in range(8):
        if tags >> 2 * k & 3 != EMPTY:
            valid |= 1 << k
    raw.store8(image, TAGS, valid)


def has_real_format(system):
    return system.cr0 & CR0_PE == 0 or system.eflags & 1 << 17 != 0


def environment(system, size):
    """Its seven words of `size` bytes."""
    image = system.fpu.image
    opcode = raw.load16(image, OPCODE)
    ip = raw.load32(image, IP)
    dp = raw.load32(image, DP)
    cs = raw.load16(image, fpu.CS)
    ds = raw.load16(image, DS)
    ones = 0xffff0000 if size == 4 else 0
    words = [raw.load16(image, CONTROL) | ones, raw.load16(image, STATUS) | ones, tag_word(image) | ones]
    if not has_real_format(system):
        if size == 4:
            cs |= opcode << 16
        return words + [ip, cs, dp, ds | ones]
    ip = (cs << 4) + ip & 0xffffffff
    dp = (ds << 4) + dp & 0xffffffff
    if size == 4:
        return words + [ip & 0xffff | ones, ip >> 16 << 12 | opcode, dp & 0xffff | ones, dp >> 16 << 12]
    return words + [ip & 0xffff, (ip >> 16 & 0xf) << 12 | opcode, dp & 0xffff, (dp >> 16 & 0xf) << 12]


def set_environment(system, words, size):
    image = system.fpu.image
    raw.store16(image, STATUS, words[1])
    set_tag_word(image, words[2])
    ip = words[3]
    dp = words[5]
    cs = ds = 0
    opcode = words[4] if has_real_format(system) else words[4] >> 16
    if has_real_format(system):
        mask = 0xffff if size == 4 else 0xf
        ip = ip & 0xffff | (words[4] >> 12 & mask) << 16
        dp = dp & 0xffff | (words[6] >> 12 & mask) << 16
    else:
        cs = words[4]
        ds = words[6]
    raw.store16(image, OPCODE, opcode & OPCODE_DEFINED)
    raw.store32(image, IP, ip)
    raw.store16(image, fpu.CS, cs)
    raw.store32(image, DP, dp)
    raw.store16(image, DS, ds)
    set_control(system, words[0])


def load_words(mode, at, segment, size):
    words = []
    for k in range(WORDS_OF_ENVIRONMENT):
        words.append(mode.load((at + k * size) & M32, size, segment))
    return words


def store_environment(mode, at, segment, size):
    """FNSTENV, which masks all exceptions."""
    mode.writable(at, WORDS_OF_ENVIRONMENT * size, segment)
    words = environment(mode.system, size)
    for k in range(WORDS_OF_ENVIRONMENT):
        mode.store((at + k * size) & M32, words[k], size, segment)
    set_control(mode.system, raw.load16(mode.system.fpu.image, CONTROL) | EXCEPTIONS)


def load_environment(mode, at, segment, size):
    set_environment(mode.system, load_words(mode, at, segment, size), size)


def slot(image, i):
    """Where ST(i) lies."""
    return REGISTERS + REGISTER * ((raw.load16(image, STATUS) >> fpu.TOP_SHIFT) + i & 7)


def save(mode, at, segment, size):
    """FNSAVE."""
    mode.writable(at, WORDS_OF_ENVIRONMENT * size + STACK, segment)
    image = mode.system.fpu.image
    store_environment(mode, at, segment, size)
    at += WORDS_OF_ENVIRONMENT * size
    for i in range(8):
        register = slot(image, i)
        for k in range(0, 10, 2):
            mode.store16((at + k) & M32, raw.load16(image, register + k), segment)
        at += 10
    initialize(mode.system)


def restore(mode, at, segment, size):
    """FRSTOR."""
    words = load_words(mode, at, segment, size)
    at += WORDS_OF_ENVIRONMENT * size
    stack = []
    for k in range(STACK // 2):
        stack.append(mode.load16((at + 2 * k) & M32, segment))
    set_environment(mode.system, words, size)
    image = mode.system.fpu.image
    for i in range(8):
        for k in range(5):
            raw.store16(image, slot(image, i) + 2 * k, stack[5 * i + k])


# -- FXSAVE and FXRSTOR (vol. 2)

def image_size(system):
    """Without CR4.OSFXSR only the x87 and MMX state is saved."""
    return XMM + 128 if system.cr4 & CR4_OSFXSR else XMM


def source(image, at):
    """Where in the image the word lies that FXSAVE has at `at`."""
    if REGISTERS <= at < XMM:
        return slot(image, (at - REGISTERS) // REGISTER) + (at & REGISTER - 1)
    return at


def check_alignment(at):
    if at & 15:
        raise GuestFault(GP, 0)


def save_extended(mode, at, segment):
    """FXSAVE."""
    check_alignment(at)
    place = mode.writable(at, fpu.SIZE, segment)
    image = mode.system.fpu.image
    size = image_size(mode.system)
    for k in range(0, size, 8):
        if k != MXCSR:
            word = raw.load64(image, source(image, k))
        elif size == XMM:
            continue
        else:
            mask = mode.system.model.mxcsr_mask()
            word = (mask if mask & DENORMALS_ARE_ZEROS else 0) << 32 | mode.system.fpu.mxcsr
        if place >= 0:
            raw.store64(mode.storage, place + k, word)
        else:
            mode.store32((at + k) & M32, word & M32, segment)
            mode.store32((at + k + 4) & M32, word >> 32 & M32, segment)


def restore_extended(mode, at, segment):
    """FXRSTOR."""
    check_alignment(at)
    image = mode.system.fpu.image
    size = image_size(mode.system)
    mode.load8((at + fpu.SIZE - 1) & M32, segment)
    words = []
    for k in range(0, size, 8):
        words.append(mode.load64((at + k) & M32, segment))
    if size != XMM:
        mxcsr = words[MXCSR >> 3] & M32
        if mxcsr & ~mode.system.model.mxcsr_mask():
            raise GuestFault(GP, 0)
        mode.system.fpu.mxcsr = mxcsr
    raw.store16(image, STATUS, words[0] >> 16 & 0xffff)
    for k in range(0, size, 8):
        if k != MXCSR:
            raw.store64(image, source(image, k), words[k >> 3])
    # what is reserved
    for k in range(8):
        register = REGISTERS + REGISTER * k + EXPONENT
        raw.store64(image, register, raw.load16(image, register))
    raw.store8(image, TAGS + 1, 0)
    raw.store16(image, OPCODE, raw.load16(image, OPCODE) & OPCODE_DEFINED)
    raw.store16(image, fpu.CS + 2, 0)
    raw.store16(image, DS + 2, 0)
    set_control(mode.system, words[0] & 0xffff)
