"""The instructions that programs are full of, done in a trace: ADDSD and its kin, those on two doubles, comparisons, conversions.

That is possible while MXCSR is `quick` and the numbers are ordinary: then no flag can change, and the host rounds as the guest does. Whatever is
special goes to arithmetic.c. Singles are calculated in double and rounded once more, which gives what calculating in single gives: a double has more
than twice the bits of a single and two.
"""
import math

from hyper.board import raw
from hyper.cpu.flags import CC_FLAGS, set_flags, signed
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.operands import load_doubles, load_real, store_real
from hyper.cpu.operations.sse.state import check_sse, note

ADD, SUB, MUL, DIV, SQRT = range(5)
KINDS = {'ADDSS': ADD, 'ADDSD': ADD, 'SUBSS': SUB, 'SUBSD': SUB, 'MULSS': MUL, 'MULSD': MUL, 'DIVSS': DIV, 'DIVSD': DIV, 'SQRTSS': SQRT, 'SQRTSD': SQRT,
         'ADDPD': ADD, 'SUBPD': SUB, 'MULPD': MUL, 'DIVPD': DIV}

# rounding to nearest, nothing flushed to zero, every exception masked, inexactness reported already
QUICK_MASK, QUICK = 0xffe0, 0x1fa0

LEAST_DOUBLE, MOST_DOUBLE = 2.2250738585072014e-308, 1.7976931348623157e+308     # normal numbers
LEAST_SINGLE, MOST_SINGLE = 1.1754943508222875e-38, 3.4028234663852886e+38
CF, ZF = 1, 0x40


def least(size):
    return LEAST_DOUBLE if size == 8 else LEAST_SINGLE


def most(size):
    return MOST_DOUBLE if size == 8 else MOST_SINGLE


def ordinary(value, size):
    """Zero, a normal number, or an infinity."""
    return abs(value) >= least(size) or value == 0.0


def value_of(kind, a, b):
    if kind == ADD:
        return a + b
    if kind == SUB:
        return a - b
    if kind == MUL:
        return a * b
    return a / b


class Arithmetic(Operation):
    """`size` is that of the numbers."""
    computes = True
    _immutable_fields_ = ['number', 'to', 'source', 'size']

    def __init__(self, number, to, source, size):
        self.number = number
        self.to = to
        self.source = source
        self.size = size

    def careful(self, cpu, mode):
        flags = self.source.run(cpu, mode, self.number, self.to, 0)
        if flags:
            note(mode.system, flags)


def operands_fit(kind, a, b, size):
    """Whether they are ordinary, and not a division by zero."""
    return ordinary(a, size) and (abs(b) >= least(size) or kind != DIV and b == 0.0)


def result_fits(kind, r, a, b, size):
    """Whether ordinary operands have given a normal number, or a zero that is exact."""
    magnitude = abs(r)
    if magnitude >= least(size):
        return magnitude <= most(size)
    return r == 0.0 and (kind == ADD or kind == SUB or a == 0.0 or kind == MUL and b == 0.0)


def _make(kind):
    """The classes of one operation, for scalars and for two doubles."""
    class OfKind(Arithmetic):
        def execute(self, cpu, mode):
            system = mode.system
            check_sse(system)
            size = self.size
            if system.fpu.mxcsr & QUICK_MASK == QUICK:
                image = system.fpu.image
                a = load_real(image, self.to, size)
                b = self.source.load_real(cpu, mode, size)
                if operands_fit(kind, a, b, size):
                    r = value_of(kind, a, b)
                    if result_fits(kind, r, a, b, size):
                        store_real(image, self.to, r, size)
                        return
            self.careful(cpu, mode)

    class PairOfKind(Arithmetic):
        def execute(self, cpu, mode):
            system = mode.system
            check_sse(system)
            if system.fpu.mxcsr & QUICK_MASK == QUICK:
                image = system.fpu.image
                to = self.to
                low, high = load_doubles(image, to)
                other_low, other_high = self.source.load_doubles(cpu, mode)
                if operands_fit(kind, low, other_low, 8) and operands_fit(kind, high, other_high, 8):
                    r = value_of(kind, low, other_low)
                    s = value_of(kind, high, other_high)
                    if result_fits(kind, r, low, other_low, 8) and result_fits(kind, s, high, other_high, 8):
                        raw.store_double(image, to, r)
                        raw.store_double(image, to + 8, s)
                        return
            self.careful(cpu, mode)

    return OfKind, PairOfKind


class SquareRoot(Arithmetic):
    pass

    def execute(self, cpu, mode):
        system = mode.system
        check_sse(system)
        size = self.size
        if system.fpu.mxcsr & QUICK_MASK == QUICK:
            b = self.source.load_real(cpu, mode, size)
            if least(size) <= b <= most(size):
                store_real(system.fpu.image, self.to, math.sqrt(b), size)
                return
        self.careful(cpu, mode)


_FORMS = [_make(kind) for kind in range(SQRT)]
_SCALARS = [form[0] for form in _FORMS] + [SquareRoot]
_PAIRS = [form[1] for form in _FORMS]


def arithmetic(kind, number, to, source, size):
    """For scalars of so many bytes; for two doubles if `size` is 16."""
    if size == 16:
        return _PAIRS[kind](number, to, source, size)
    return _SCALARS[kind](number, to, source, size)


class Compare(Arithmetic):
    """COMISS, COMISD, UCOMISS, UCOMISD: for ordinary numbers, infinities among them, no exception is possible."""

    def execute(self, cpu, mode):
        system = mode.system
        check_sse(system)
        size = self.size
        a = load_real(system.fpu.image, self.to, size)
        b = self.source.load_real(cpu, mode, size)
        if ordinary(a, size) and ordinary(b, size):
            set_flags(cpu, CC_FLAGS, 4, int(a < b) * CF | int(a == b) * ZF, 0)
            return
        flags = self.source.run(cpu, mode, self.number, self.to, 0)
        if flags & 0xffff:
            note(system, flags & 0xffff)
        set_flags(cpu, CC_FLAGS, 4, flags >> 16, 0)


class FromInteger(Arithmetic):
    """CVTSI2SD, CVTSI2SS: the first is exact."""

    def execute(self, cpu, mode):
        system = mode.system
        check_sse(system)
        if self.size == 8 or system.fpu.mxcsr & QUICK_MASK == QUICK:
            store_real(system.fpu.image, self.to, float(signed(self.source.load32(cpu, mode), 4)), self.size)
            return
        self.careful(cpu, mode)


class Convert(Arithmetic):
    """CVTSS2SD, CVTSD2SS; `size` is that of the result."""

    def execute(self, cpu, mode):
        system = mode.system
        check_sse(system)
        size = self.size
        if system.fpu.mxcsr & QUICK_MASK == QUICK:
            b = self.source.load_real(cpu, mode, 12 - size)
            if LEAST_SINGLE <= abs(b) <= MOST_SINGLE or b == 0.0:
                store_real(system.fpu.image, self.to, b, size)
                return
        self.careful(cpu, mode)
