"""Instructions on whole 64-bit halves of registers: bitwise logic, and moves of halves from one place to another. A trace has them as plain loads
and stores."""
from hyper.board import raw
from hyper.cpu.operations.base import Operation
from hyper.cpu.operations.sse.state import check_sse

AND, ANDN, OR, XOR, LOW, HIGH = range(6)
KINDS = {'PAND': AND, 'PANDN': ANDN, 'POR': OR, 'PXOR': XOR, 'ANDPS': AND, 'ANDPD': AND, 'ANDNPS': ANDN, 'ANDNPD': ANDN, 'ORPS': OR, 'ORPD': OR,
         'XORPS': XOR, 'XORPD': XOR, 'UNPCKLPD': LOW, 'UNPCKHPD': HIGH, 'PUNPCKLQDQ': LOW, 'PUNPCKHQDQ': HIGH}


def logic(kind, a, b):
    if kind == AND:
        return a & b
    if kind == ANDN:
        return ~a & b
    if kind == OR:
        return a | b
    return a ^ b


class Halves(Operation):
    """Of two XMM registers, at offsets of the image."""
    computes = True
    _immutable_fields_ = ['to', 'at']

    def __init__(self, to, at):
        self.to = to
        self.at = at


def _make(kind):
    class OfKind(Halves):
        def execute(self, cpu, mode):
            system = mode.system
            check_sse(system)
            image = system.fpu.image
            to = self.to
            at = self.at
            if kind == LOW:
                raw.store64(image, to + 8, raw.load64(image, at))
            elif kind == HIGH:
                high = raw.load64(image, at + 8)
                raw.store64(image, to, raw.load64(image, to + 8))
                raw.store64(image, to + 8, high)
            elif kind == XOR and to == at:
                raw.store64(image, to, 0)
                raw.store64(image, to + 8, 0)
            else:
                low = logic(kind, raw.load64(image, to), raw.load64(image, at))
                high = logic(kind, raw.load64(image, to + 8), raw.load64(image, at + 8))
                raw.store64(image, to, low)
                raw.store64(image, to + 8, high)

    return OfKind


_CLASSES = [_make(kind) for kind in range(HIGH + 1)]


def halves(kind, to, at):
    return _CLASSES[kind](to, at)
