"""The x87 floating-point unit (SDM vol. 1, chapter 8), in the host's double precision.

Registers have 53 bits of significand, not 64, and precision control is not looked at; a value that was loaded with more (an 80-bit real, a 64-bit
integer) keeps all its bits until it is calculated with, so copying through the unit loses nothing. Of exceptions the unit knows invalid
operation, division by zero and stack faults. The pointers to the last instruction and operand are not kept and read as 0.
"""
import math

from rpython.rlib.jit import dont_look_inside
from rpython.rlib.longlong2float import float2longlong, longlong2float, singlefloat2uint, uint2singlefloat
from rpython.rlib.rarithmetic import intmask, r_singlefloat, r_uint
from rpython.rlib.rfloat import INFINITY
from rpython.rtyper.lltypesystem import lltype, rffi

M32 = 0xffffffff
IE, ZE, SF, ES = 0x01, 0x04, 0x40, 0x80
C0, C1, C2, C3, BUSY = 0x100, 0x200, 0x400, 0x4000, 0x8000
CONDITIONS = C0 | C1 | C2 | C3
EXCEPTIONS = 0x3f
CONTROL_INITIAL = 0x37f
BIAS = 16383
NEAREST, DOWN, UP, TRUNCATE = range(4)          # control word, bits 11:10
ADD, MUL, COM, COMP, SUB, SUBR, DIV, DIVR = range(8)
ENVIRONMENT, STATE = 28, 108                    # bytes of FSTENV and FSAVE, 32-bit format
TWO_63 = 9223372036854775808.0
CONSTANTS = [1.0, 3.3219280948873623479, 1.4426950408889634074, math.pi, 0.30102999566398119521, 0.69314718055994530942, 0.0]


def is_nan(value):
    return value != value


def indefinite():
    """What invalid operations give: the quiet NaN whose sign is set (vol. 1, 4.8.3.7). Made from its bits, as the sign of a constant is the compiler's."""
    return longlong2float(intmask(r_uint(0xfff8) << 48))


def round_even(value):
    """To the nearest integral value, halves to even."""
    below = math.floor(value)
    rest = value - below
    if rest > 0.5 or rest == 0.5 and math.fmod(below, 2.0) != 0.0:
        below += 1.0
    return below


class X87(object):
    """`buffer` holds the doublewords of a memory operand, as they are in memory. Instructions are named by the low three bits of the escape opcode
    (`escape`) and ModRM."""
    _immutable_fields_ = ['value', 'empty', 'wide', 'exponent', 'significand', 'buffer']

    def __init__(self):
        self.value = [0.0] * 8
        self.empty = [True] * 8
        self.wide = [False] * 8         # more than a double holds: `exponent` (with sign) and `significand` have it
        self.exponent = [0] * 8
        self.significand = [0] * 8      # 64 bits, as a signed int
        self.buffer = [0] * (STATE // 4)
        self.result_flags = 0           # of FCOMI: CF, PF, ZF
        self.initialize()

    def initialize(self):
        """FNINIT."""
        self.control = CONTROL_INITIAL
        self.status = 0
        self.top = 0
        for k in range(8):
            self.empty[k] = True

    def reset(self):
        self.initialize()

    def copy_from(self, other):
        """The state of another unit."""
        for i in range(8):
            self.value[i] = other.value[i]
            self.empty[i] = other.empty[i]
            self.wide[i] = other.wide[i]
            self.exponent[i] = other.exponent[i]
            self.significand[i] = other.significand[i]
        self.control = other.control
        self.status = other.status
        self.top = other.top

    # -- status

    def status_word(self):
        return self.status | self.top << 11

    def set_status(self, word):
        self.status = word & ~0x3800 & 0xffff
        self.top = word >> 11 & 7
        self.summarize()

    def summarize(self):
        if self.status & ~self.control & EXCEPTIONS:
            self.status |= ES | BUSY
        else:
            self.status &= ~(ES | BUSY)

    def signal(self, exception):
        self.status |= exception
        self.summarize()

    def has_pending_exception(self):
        return self.status & ES != 0

    def set_conditions(self, bits):
        self.status = self.status & ~CONDITIONS | bits

    # -- the register stack

    def place(self, i):
        k = (self.top + i) & 7
        assert k >= 0
        return k

    def get(self, i):
        k = self.place(i)
        if self.empty[k]:
            self.signal(IE | SF)
            self.status &= ~C1
            return indefinite()
        return self.value[k]

    def set(self, i, value):
        k = self.place(i)
        self.value[k] = value
        self.empty[k] = False
        self.wide[k] = False

    def push(self, value):
        self.top = (self.top - 1) & 7
        if not self.empty[self.top]:
            self.signal(IE | SF)
            self.status |= C1
            value = indefinite()
        self.set(0, value)

    def pop(self):
        self.empty[self.place(0)] = True
        self.top = (self.top + 1) & 7

    def copy(self, target, source):
        self.value[target] = self.value[source]
        self.wide[target] = self.wide[source]
        self.exponent[target] = self.exponent[source]
        self.significand[target] = self.significand[source]

    # -- formats in the buffer

    def word64(self, at):
        return intmask(r_uint(self.buffer[at + 1]) << 32 | r_uint(self.buffer[at]))

    def set_word64(self, at, word):
        self.buffer[at] = word & M32
        self.buffer[at + 1] = word >> 32 & M32

    def push_extended(self, at):
        """An 80-bit real at a doubleword of the buffer."""
        self.push(0.0)
        self.set_extended(0, self.word64(at), self.buffer[at + 2] & 0xffff)

    def set_extended(self, i, significand, exponent):
        value, exact = from_extended(significand, exponent)
        self.set(i, value)
        if not exact:
            k = self.place(i)
            self.wide[k] = True
            self.significand[k] = significand
            self.exponent[k] = exponent

    def store_extended(self, i, at):
        """The 80-bit real of a register, in the buffer."""
        k = self.place(i)
        if self.wide[k]:
            significand = self.significand[k]
            exponent = self.exponent[k]
        else:
            significand, exponent = to_extended(self.value[k])
        self.set_word64(at, significand)
        self.buffer[at + 2] = exponent

    def push_integer(self, value):
        """A 64-bit integer."""
        self.push(float(value))
        magnitude = intmask(-value) if value < 0 else value
        if magnitude >> 53 > 0:         # -2**63 is its own negative, and exact
            shift = 0
            while not magnitude >> (62 - shift) & 1:
                shift += 1
            k = self.place(0)
            self.wide[k] = True
            self.significand[k] = intmask(r_uint(magnitude) << (shift + 1))
            self.exponent[k] = BIAS + 62 - shift | (0x8000 if value < 0 else 0)

    def rounded(self, value):
        """To an integral value, as the control word says."""
        if is_nan(value) or value >= TWO_63 or value <= -TWO_63:
            return value
        mode = self.control >> 10 & 3
        if mode == NEAREST:
            return round_even(value)
        if mode == DOWN or mode == TRUNCATE and value >= 0.0:
            return math.floor(value)
        return math.ceil(value)

    def integer(self, size):
        """ST(0) as an integer of so many bytes; the integer indefinite if it does not fit."""
        value = self.rounded(self.get(0))
        k = self.place(0)
        if size == 8 and self.wide[k]:
            shift = 63 - ((self.exponent[k] & 0x7fff) - BIAS)
            if 1 <= shift <= 62 and intmask(r_uint(self.significand[k]) << (64 - shift)) == 0:
                magnitude = intmask(r_uint(self.significand[k]) >> shift)
                return -magnitude if self.exponent[k] & 0x8000 else magnitude
        limit = math.ldexp(1.0, 8 * size - 1)
        if is_nan(value) or value >= limit or value < -limit:
            self.signal(IE)
            return intmask(r_uint(1) << (8 * size - 1))
        return int(value)

    # -- arithmetic

    def calculate(self, operation, a, b):
        """a OPERATION b."""
        if operation == ADD:
            result = a + b
        elif operation == MUL:
            result = a * b
        elif operation == SUB:
            result = a - b
        elif operation == SUBR:
            result = b - a
        elif operation == DIV:
            result = self.divide(a, b)
        else:
            result = self.divide(b, a)
        if is_nan(result) and not is_nan(a) and not is_nan(b):
            self.signal(IE)
            return indefinite()
        return result

    def divide(self, a, b):
        if b == 0.0:
            if is_nan(a) or a == 0.0:
                return indefinite()
            if a != INFINITY and a != -INFINITY:
                self.signal(ZE)
            return math.copysign(INFINITY, math.copysign(1.0, a) * math.copysign(1.0, b))
        return a / b

    def compare(self, a, b):
        if is_nan(a) or is_nan(b):
            return C0 | C2 | C3
        if a < b:
            return C0
        if a == b:
            return C3
        return 0

    def arithmetic(self, operation, operand):
        """ST(0) with an operand: the eight instructions of the first escape."""
        a = self.get(0)
        if operation == COM or operation == COMP:
            self.set_conditions(self.compare(a, operand))
            if operation == COMP:
                self.pop()
        else:
            self.set(0, self.calculate(operation, a, operand))

    # -- instructions with a memory operand

    @dont_look_inside
    def load(self, escape, reg):
        """With the operand in the buffer."""
        if escape == 0:
            self.arithmetic(reg, single(self.buffer[0]))
        elif escape == 2:
            self.arithmetic(reg, float(signed32(self.buffer[0])))
        elif escape == 4:
            self.arithmetic(reg, longlong2float(self.word64(0)))
        elif escape == 6:
            self.arithmetic(reg, float(signed16(self.buffer[0])))
        elif escape == 1:
            if reg == 0:
                self.push(single(self.buffer[0]))
            elif reg == 4:
                self.load_environment()
            else:
                self.control = self.buffer[0] & 0xffff
                self.summarize()
        elif escape == 3:
            if reg == 0:
                self.push(float(signed32(self.buffer[0])))
            else:
                self.push_extended(0)
        elif escape == 5:
            if reg == 0:
                self.push(longlong2float(self.word64(0)))
            else:
                self.restore()
        elif reg == 0:
            self.push(float(signed16(self.buffer[0])))
        elif reg == 4:
            self.push_integer(from_bcd(self.word64(0), self.buffer[2]))
        else:
            self.push_integer(self.word64(0))

    @dont_look_inside
    def store(self, escape, reg):
        """Puts the operand into the buffer; `stored` completes the instruction once it is in memory."""
        if escape == 1:
            if reg == 7:
                self.buffer[0] = self.control
            elif reg == 6:
                self.store_environment()
            else:
                self.buffer[0] = rffi.cast(lltype.Signed, singlefloat2uint(r_singlefloat(self.get(0)))) & M32
        elif escape == 3:
            if reg == 7:
                if self.empty[self.place(0)]:
                    self.set(0, self.get(0))
                self.store_extended(0, 0)
            else:
                self.buffer[0] = self.integer(4) & M32
        elif escape == 5:
            if reg == 7:
                self.buffer[0] = self.status_word()
            elif reg == 6:
                self.save()
            else:
                self.set_word64(0, float2longlong(self.get(0)))
        elif reg == 6:
            low, high = to_bcd(self.integer(8))
            self.set_word64(0, low)
            self.buffer[2] = high
        elif reg == 7:
            self.set_word64(0, self.integer(8))
        else:
            self.buffer[0] = self.integer(2) & 0xffff

    @dont_look_inside
    def stored(self, escape, reg):
        if escape == 1:
            if reg == 6:
                self.control |= EXCEPTIONS
                self.summarize()
            elif reg == 3:
                self.pop()
        elif escape == 5 and reg == 6:
            self.initialize()
        elif reg == 3 or escape == 3 or escape == 7:
            if reg != 2:
                self.pop()

    def store_environment(self):
        tags = 0
        for k in range(8):
            if self.empty[k]:
                tags |= 3 << (2 * k)
            elif self.value[k] == 0.0:
                tags |= 1 << (2 * k)
            elif is_nan(self.value[k]) or self.value[k] == INFINITY or self.value[k] == -INFINITY:
                tags |= 2 << (2 * k)
        self.buffer[0] = self.control | 0xffff0000
        self.buffer[1] = self.status_word() | 0xffff0000
        self.buffer[2] = tags | 0xffff0000
        for k in range(3, 6):
            self.buffer[k] = 0
        self.buffer[6] = 0xffff0000

    def load_environment(self):
        self.control = self.buffer[0] & 0xffff
        self.set_status(self.buffer[1] & 0xffff)
        for k in range(8):
            self.empty[k] = self.buffer[2] >> (2 * k) & 3 == 3

    def save(self):
        """The registers follow the environment from ST(0), 10 bytes each: packed into doublewords by way of bytes."""
        self.store_environment()
        environment = self.buffer[:ENVIRONMENT // 4]
        image = [0] * 80
        for i in range(8):
            self.store_extended(i, 0)
            for b in range(10):
                image[10 * i + b] = self.buffer[b >> 2] >> (8 * (b & 3)) & 0xff
        for k in range(ENVIRONMENT // 4):
            self.buffer[k] = environment[k]
        for k in range(20):
            self.buffer[ENVIRONMENT // 4 + k] = image[4 * k] | image[4 * k + 1] << 8 | image[4 * k + 2] << 16 | image[4 * k + 3] << 24

    def restore(self):
        self.load_environment()
        image = [0] * 80
        for b in range(80):
            image[b] = self.buffer[ENVIRONMENT // 4 + (b >> 2)] >> (8 * (b & 3)) & 0xff
        for i in range(8):
            significand = 0
            for b in range(8):
                significand = intmask(r_uint(significand) | r_uint(image[10 * i + b]) << (8 * b))
            empty = self.empty[self.place(i)]
            self.set_extended(i, significand, image[10 * i + 8] | image[10 * i + 9] << 8)
            self.empty[self.place(i)] = empty

    # -- instructions on registers

    @dont_look_inside
    def execute(self, escape, byte, flags):
        """`byte`: ModRM; `flags`: the arithmetic flags, for FCMOV. Instructions that are none have been refused by the decoder."""
        i = byte & 7
        group = byte >> 3 & 7
        if escape == 0:
            self.arithmetic(group, self.get(i))
        elif escape == 1:
            self.execute_one(byte, i, group)
        elif escape == 2 or escape == 3:
            self.execute_conditional(escape, byte, i, group, flags)
        elif escape == 4 or escape == 6:
            self.execute_to(escape, i, group)
        elif escape == 5:
            self.execute_move(i, group)
        elif group == 5 or group == 6:
            self.compare_flags(i)
            self.pop()

    def execute_to(self, escape, i, group):
        """ST(i) is the target; subtraction and division are the other way round."""
        if group == COM or group == COMP:
            self.set_conditions(self.compare(self.get(0), self.get(i)))
            if group == COMP or escape == 6:
                self.pop()
            if group == COMP and escape == 6:
                self.pop()
            return
        self.set(i, self.calculate(TO[group], self.get(i), self.get(0)))
        if escape == 6:
            self.pop()

    def execute_move(self, i, group):
        if group == 0:
            self.empty[self.place(i)] = True
        elif group == 2 or group == 3:
            value = self.get(0)
            source = self.place(0)
            if self.empty[source]:
                self.set(i, value)
            else:
                self.copy(self.place(i), source)
                self.empty[self.place(i)] = False
            if group == 3:
                self.pop()
        else:
            self.set_conditions(self.compare(self.get(0), self.get(i)))
            if group == 5:
                self.pop()

    def execute_conditional(self, escape, byte, i, group, flags):
        if byte == 0xe9 and escape == 2:
            self.set_conditions(self.compare(self.get(0), self.get(1)))
            self.pop()
            self.pop()
        elif byte == 0xe2:
            self.status &= ~(EXCEPTIONS | SF | ES | BUSY)
        elif byte == 0xe3:
            self.initialize()
        elif group >= 5:
            self.compare_flags(i)
        elif group < 4:
            holds = flags & CMOV_FLAGS[group] != 0
            if holds == (escape == 2):
                value = self.get(i)
                if self.empty[self.place(i)]:
                    self.set(0, value)
                else:
                    self.copy(self.place(0), self.place(i))

    def compare_flags(self, i):
        """FCOMI: C3, C2, C0 go to ZF, PF, CF."""
        conditions = self.compare(self.get(0), self.get(i))
        self.result_flags = ((0x40 if conditions & C3 else 0) | (0x04 if conditions & C2 else 0) | (0x01 if conditions & C0 else 0))

    def execute_one(self, byte, i, group):
        """D9."""
        if group == 0:
            value = self.get(i)
            source = self.place(i)
            known = not self.empty[source]
            self.push(value)
            if known and self.value[self.place(0)] == value:
                self.copy(self.place(0), source)
        elif group == 1:
            a = self.get(0)
            b = self.get(i)
            if not self.empty[self.place(0)] and not self.empty[self.place(i)]:
                self.exchange(self.place(0), self.place(i))
            else:
                self.set(0, b)
                self.set(i, a)
        elif group == 4:
            self.execute_sign(byte)
        elif group == 5:
            self.push(CONSTANTS[i])
        elif group >= 6:
            self.execute_function(byte)

    def exchange(self, a, b):
        value = self.value[a]
        wide = self.wide[a]
        exponent = self.exponent[a]
        significand = self.significand[a]
        self.copy(a, b)
        self.value[b] = value
        self.wide[b] = wide
        self.exponent[b] = exponent
        self.significand[b] = significand

    def execute_sign(self, byte):
        value = self.get(0)
        if byte == 0xe0 or byte == 0xe1:
            k = self.place(0)
            wide = self.wide[k]
            self.set(0, -value if byte == 0xe0 else math.fabs(value))
            if wide:
                self.wide[k] = True
                self.exponent[k] = self.exponent[k] ^ 0x8000 if byte == 0xe0 else self.exponent[k] & 0x7fff
        elif byte == 0xe4:
            self.set_conditions(self.compare(value, 0.0))
        elif byte == 0xe5:
            self.set_conditions(self.examine())

    def examine(self):
        """FXAM: the class of ST(0), and its sign in C1."""
        k = self.place(0)
        value = self.value[k]
        sign = C1 if math.copysign(1.0, value) < 0.0 else 0
        if self.empty[k]:
            return sign | C3 | C0
        if is_nan(value):
            return sign | C0
        if value == INFINITY or value == -INFINITY:
            return sign | C2 | C0
        if value == 0.0:
            return sign | C3
        return sign | C2

    def execute_function(self, byte):
        """D9 F0 to FF."""
        if byte == 0xf6:
            self.top = (self.top - 1) & 7
            return
        if byte == 0xf7:
            self.top = (self.top + 1) & 7
            return
        x = self.get(0)
        if byte == 0xf1 or byte == 0xf3 or byte == 0xf9:
            y = self.get(1)
            result = self.function_of_two(byte, x, y)
            self.pop()
            self.set(0, result)
        elif byte == 0xf4:
            self.extract(x)
        elif byte == 0xf5 or byte == 0xf8:
            self.remainder(byte == 0xf5, x, self.get(1))
        elif byte == 0xfc:
            if not (math.fabs(x) < TWO_63):
                return
            self.set(0, math.copysign(self.rounded(x), x))
        elif byte == 0xfd:
            self.set(0, self.scale(x, self.get(1)))
        else:
            self.status &= ~C2
            self.function_of_one(byte, x)

    def function_of_one(self, byte, x):
        if byte == 0xfa:
            if x < 0.0:
                self.signal(IE)
                self.set(0, indefinite())
            else:
                self.set(0, x if is_nan(x) or x == INFINITY else math.sqrt(x))
        elif byte == 0xf0:
            self.set(0, math.pow(2.0, x) - 1.0 if -1.0 <= x <= 1.0 else x)
        elif is_nan(x) or x == INFINITY or x == -INFINITY:
            if not is_nan(x):
                self.signal(IE)
            self.set(0, indefinite())
        elif math.fabs(x) >= TWO_63:
            self.status |= C2           # out of range: left alone
        elif byte == 0xfe:
            self.set(0, math.sin(x))
        elif byte == 0xff:
            self.set(0, math.cos(x))
        elif byte == 0xfb:
            self.set(0, math.sin(x))
            self.push(math.cos(x))
        else:
            self.set(0, math.tan(x))
            self.push(1.0)

    def function_of_two(self, byte, x, y):
        """FYL2X, FPATAN, FYL2XP1."""
        if is_nan(x) or is_nan(y):
            return indefinite()
        if byte == 0xf3:
            return math.atan2(y, x)
        if byte == 0xf9:
            x += 1.0
        if x < 0.0:
            self.signal(IE)
            return indefinite()
        if x == 0.0:
            self.signal(ZE)
            return -INFINITY if y > 0.0 else INFINITY
        if x == INFINITY:
            return INFINITY if y > 0.0 else -INFINITY
        return y * (math.log(x) * 1.4426950408889634074)

    def extract(self, x):
        """FXTRACT: exponent, and significand above it."""
        if x == 0.0 or is_nan(x) or x == INFINITY or x == -INFINITY:
            if x == 0.0:
                self.signal(ZE)
                self.set(0, -INFINITY)
            self.push(x)
            return
        significand, exponent = math.frexp(x)
        self.set(0, float(exponent - 1))
        self.push(significand * 2.0)

    def remainder(self, nearest, x, y):
        """FPREM and FPREM1: complete at once; the low bits of the quotient go to C0, C3, C1."""
        if is_nan(x) or is_nan(y) or y == 0.0 or x == INFINITY or x == -INFINITY:
            if not is_nan(x) and not is_nan(y):
                self.signal(IE)
            self.set(0, indefinite())
            self.set_conditions(0)
            return
        if y == INFINITY or y == -INFINITY:
            self.set_conditions(0)
            return
        y = math.fabs(y)
        rest = math.fmod(x, y)
        # the quotient's low bits, from the remainder of a division by 8 y
        bits = int((math.fabs(math.fmod(x, 8.0 * y)) - math.fabs(rest)) / y + 0.5) & 7 if y < 1e300 else 0
        if nearest:
            half = math.fabs(rest) * 2.0
            if half > y or half == y and bits & 1:
                rest -= math.copysign(y, rest)
                bits = (bits + 1) & 7
        self.set(0, rest)
        self.set_conditions((C0 if bits & 4 else 0) | (C3 if bits & 2 else 0) | (C1 if bits & 1 else 0))

    def scale(self, x, y):
        """FSCALE."""
        if is_nan(x) or is_nan(y):
            return indefinite()
        if x == 0.0 or x == INFINITY or x == -INFINITY:
            return x
        if y > 5000.0:
            return math.copysign(INFINITY, x)
        if y < -5000.0:
            return math.copysign(0.0, x)
        return power_of_two(x, int(y))


TO = [ADD, MUL, COM, COMP, SUBR, SUB, DIVR, DIV]
CMOV_FLAGS = [0x01, 0x40, 0x41, 0x04]           # B, E, BE, U


def power_of_two(x, exponent):
    """x * 2^exponent, infinite if too large."""
    if x == 0.0:
        return x
    significand, own = math.frexp(x)
    if own + exponent > 1024:
        return math.copysign(INFINITY, x)
    return math.ldexp(x, exponent)


def single(word):
    return float(uint2singlefloat(rffi.cast(rffi.UINT, word)))


def signed16(value):
    return ((value & 0xffff) ^ 0x8000) - 0x8000


def signed32(value):
    return ((value & M32) ^ 0x80000000) - 0x80000000


def from_extended(significand, exponent):
    """(value, whether that is all of it) of an 80-bit real; significand: 64 bits as a signed int; exponent: with the sign in bit 15."""
    high = float(significand >> 32 & M32) * 4294967296.0
    magnitude = high + float(significand & M32)
    power = exponent & 0x7fff
    if power == 0x7fff:
        value = INFINITY if intmask(r_uint(significand) << 1) == 0 else -indefinite()
        exact = value == INFINITY
    elif significand == 0:
        value = 0.0
        exact = True
    else:
        value = power_of_two(magnitude, power - BIAS - 63)
        exact = significand & 0x7ff == 0 and -1000 < power - BIAS < 1000
    if exponent & 0x8000:
        value = -value
    return value, exact


def to_extended(value):
    """(significand, exponent) of a double."""
    word = float2longlong(value)
    sign = 0x8000 if word < 0 else 0
    power = word >> 52 & 0x7ff
    fraction = word & 0xfffffffffffff
    if power == 0x7ff:
        return intmask(r_uint(1) << 63 | r_uint(fraction) << 11), sign | 0x7fff
    if power == 0:
        if fraction == 0:
            return 0, sign
        shift = 0
        while not fraction >> (51 - shift) & 1:
            shift += 1
        return intmask(r_uint(fraction) << (12 + shift)), sign | BIAS - 1023 - shift
    return intmask(r_uint(1) << 63 | r_uint(fraction) << 11), sign | power - 1023 + BIAS


def from_bcd(low, high):
    """18 decimal digits and a sign."""
    value = 0
    digits = high & 0xff
    for k in range(1, -1, -1):
        value = value * 10 + (digits >> (4 * k) & 15)
    for k in range(15, -1, -1):
        value = value * 10 + (low >> (4 * k) & 15)
    return -value if high & 0x8000 else value


BCD_LIMIT = 1000000000000000000


def to_bcd(value):
    """(low 64 bits, high 16 bits); the packed indefinite if it does not fit."""
    sign = 0x8000 if value < 0 else 0
    if value <= -BCD_LIMIT or value >= BCD_LIMIT:
        return intmask(r_uint(0xc) << 60), 0xffff
    value = abs(value)
    low = 0
    for k in range(16):
        low = intmask(r_uint(low) | r_uint(value % 10) << (4 * k))
        value //= 10
    return low, sign | value // 10 << 4 | value % 10
