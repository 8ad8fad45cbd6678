"""ROL ROR RCL RCR SHL SHR SAR, SHLD, SHRD (SDM vol. 2).

Counts are masked to five bits; a count of zero changes nothing, not even flags, but memory must be writable all the same. Where the manual leaves
OF undefined (counts above one) it is computed as for a count of one on the last step, which is what silicon gives.
"""
from hyper.cpu.flags import CC_FLAGS, CC_RESULT, CF, OF, mask, signed, set_flags, arithmetic, carry
from hyper.cpu.operations.base import Operation, READS, WRITES, CHANGES, LEAVES
from hyper.cpu.operations.operands import Immediate, Register, leaves
from hyper.cpu.templates.assembler import RCX, R8
from hyper.cpu.operations.arithmetic import load_ram, store_ram

ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR = range(8)


class Shift(Operation):
    """A shift or rotation of `target` by `count`, an operand of one byte."""
    _immutable_fields_ = ['kind', 'target', 'count', 'size']

    def __init__(self, kind, target, count, size):
        self.kind = kind
        self.target = target
        self.count = count
        self.size = size

    def execute(self, cpu, mode):
        n = self.count.get(cpu, mode) & 31
        offset = self.target.writable(cpu, mode)
        if n == 0:
            return
        size = self.size
        if offset >= 0:
            v = load_ram(mode, offset, size)
            r = self.compute(cpu, v, n)
            store_ram(mode, offset, r, size)
        else:
            v = self.target.get(cpu, mode)
            r = self.compute(cpu, v, n)
            self.target.set(cpu, mode, r)
        self.flags(cpu, v, n, r)

    def compute(self, cpu, v, n):
        kind = self.kind
        size = self.size
        bits = size * 8
        if kind == SHL or kind == SAL:
            return (v << n) & mask(size)
        if kind == SHR:
            return v >> n
        if kind == SAR:
            return (signed(v, size) >> n) & mask(size)
        if kind == ROL:
            n &= bits - 1
            return ((v << n) | (v >> (bits - n))) & mask(size)
        if kind == ROR:
            n &= bits - 1
            return ((v >> n) | (v << (bits - n))) & mask(size)
        # through the carry: a rotation of bits + 1 places
        n = n % (bits + 1)
        wide = v | (carry(cpu) << bits)
        if kind == RCR:
            n = bits + 1 - n
        return ((wide << n) | (wide >> (bits + 1 - n))) & mask(size)

    def flags(self, cpu, v, n, r):
        """What a shift of `v` by `n` places to `r` leaves in the flags."""
        kind = self.kind
        size = self.size
        bits = size * 8
        top = (r >> (bits - 1)) & 1
        if kind == SHL or kind == SAL:
            out = ((v << n) >> bits) & 1
            set_flags(cpu, CC_RESULT, size, r, out | ((top ^ out) << 1))
        elif kind == SHR:
            out = (v >> (n - 1)) & 1
            set_flags(cpu, CC_RESULT, size, r, out | ((top ^ ((r >> (bits - 2)) & 1)) << 1))
        elif kind == SAR:
            set_flags(cpu, CC_RESULT, size, r, (signed(v, size) >> (n - 1)) & 1)
        else:
            if kind == ROL:
                out = r & 1
                over = top ^ out
            elif kind == ROR:
                out = top
                over = top ^ ((r >> (bits - 2)) & 1)
            else:
                out = carry(cpu)
                if kind == RCL:
                    if n % (bits + 1):
                        out = (v >> (bits - n % (bits + 1))) & 1
                    over = top ^ out
                else:
                    if n % (bits + 1):
                        out = (v >> (n % (bits + 1) - 1)) & 1
                    over = top ^ ((r >> (bits - 2)) & 1)
            known = arithmetic(cpu) & ~(CF | OF)
            set_flags(cpu, CC_FLAGS, 4, known | out | (over << 11), 0)

    def effect(self):
        count = self.count
        effect = leaves(self.target)
        if isinstance(count, Immediate):
            if count.value & 31 == 0:
                return READS | LEAVES
            if self.kind >= SHL:
                return effect | WRITES
        if self.kind == RCL or self.kind == RCR:
            effect |= READS
        return effect | CHANGES

    def template(self, c):
        target = self.target
        count = self.count
        size = self.size
        kind = self.kind
        fixed = isinstance(count, Immediate)
        n = 0
        if isinstance(count, Immediate):
            n = count.value & 31
            if n == 0:
                return False
        if not c.has_template(target) or kind == RCL or kind == RCR:
            return False
        whole = fixed and kind >= SHL       # of the flags
        if target.is_memory:
            if not fixed:
                return False
            c.access(target, size, True)
            if not whole and c.needed:
                c.free_accumulator()
            if not whole:
                c.keep_flags()
            c.at_operand(0xc0 | int(size != 1), kind, size)
            c.byte(n)
        else:
            assert isinstance(target, Register)
            if not whole:
                c.keep_flags()
            if fixed:
                c.shift(kind, R8 + target.number, n, size)
            else:
                c.move(RCX, R8 + 1)
                c.registers(0xd2 | int(size != 1), kind, R8 + target.number, size)
        if kind < SHL:
            c.have_flags()
        elif fixed:
            c.have_flags_but_adjust()
        else:
            c.have_flags_of_count()
        return True


class DoubleShift(Operation):
    """SHLD (left), SHRD. With 16-bit operands and a count above 16 the manual says undefined; silicon shifts the concatenation
    target:source:target."""
    _immutable_fields_ = ['left', 'target', 'source', 'count', 'size']

    def __init__(self, left, target, source, count, size):
        self.left = left
        self.target = target
        self.source = source
        self.count = count
        self.size = size

    def execute(self, cpu, mode):
        n = self.count.get(cpu, mode) & 31
        self.target.writable(cpu, mode)
        if n == 0:
            return
        size = self.size
        bits = size * 8
        a = self.target.get(cpu, mode)
        b = self.source.get(cpu, mode)
        if bits == 16:
            if self.left:
                wide = (a << 32) | (b << 16) | a
                r = (wide >> (32 - n)) & 0xffff
                out = (wide >> (48 - n)) & 1
            else:
                wide = (a << 32) | (b << 16) | a
                r = (wide >> n) & 0xffff
                out = (wide >> (n - 1)) & 1
        elif self.left:
            r = ((a << n) | (b >> (32 - n))) & mask(4)
            out = (a >> (32 - n)) & 1
        else:
            r = ((a >> n) | (b << (32 - n))) & mask(4)
            out = (a >> (n - 1)) & 1
        self.target.set(cpu, mode, r)
        set_flags(cpu, CC_RESULT, size, r, out | ((((r ^ a) >> (bits - 1)) & 1) << 1))

    def effect(self):
        count = self.count
        if self.size != 4 or self.target.is_memory:
            return READS | LEAVES
        if isinstance(count, Immediate):
            return WRITES if count.value & 31 else READS | LEAVES
        return CHANGES

    def template(self, c):
        target = self.target
        source = self.source
        count = self.count
        one = isinstance(count, Immediate) and count.value & 31 == 1
        if self.size != 4 or target.is_memory or (c.needed and not one):    # processors differ in OF of other counts
            return False
        assert isinstance(target, Register) and isinstance(source, Register)
        code = 0x0fa4 if self.left else 0x0fac
        if isinstance(count, Immediate):
            if count.value & 31 == 0:
                return False
            c.registers(code, R8 + source.number, R8 + target.number)
            c.byte(count.value & 31)
            c.have_flags_but_adjust()
        else:
            c.keep_flags()
            c.move(RCX, R8 + 1)
            c.registers(code | 1, R8 + source.number, R8 + target.number)
            c.have_flags_of_count()
        return True
