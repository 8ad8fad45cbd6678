"""DAA DAS AAA AAS AAM AAD (SDM vol. 2)."""
from hyper.cpu.faults import GuestFault, DE
from hyper.cpu.flags import CC_FLAGS, CC_LOGIC, CF, AF, ZF, SF, PF, set_flags, arithmetic, carry, adjust, parity
from hyper.cpu.operations.base import Operation


def result_flags(al):
    """ZF, SF and PF of a byte."""
    return (ZF if al == 0 else 0) | (al & SF) | (parity(al) << 2)


class DecimalAdjust(Operation):
    """DAA, or DAS if `subtract`."""
    _immutable_fields_ = ['subtract']

    def __init__(self, subtract):
        self.subtract = subtract

    def execute(self, cpu, mode):
        al = cpu.regs[0] & 0xff
        old = al
        old_cf = carry(cpu)
        cf = 0
        af = 0
        sign = -1 if self.subtract else 1
        if al & 15 > 9 or adjust(cpu):
            al += 6 * sign
            af = AF
            if al < 0 or al > 0xff:
                cf = CF
            cf |= old_cf
            al &= 0xff
        if old > 0x99 or old_cf:
            al = (al + 0x60 * sign) & 0xff
            cf = CF
        elif not self.subtract:
            cf = 0
        cpu.regs[0] = (cpu.regs[0] & 0xffffff00) | al
        set_flags(cpu, CC_FLAGS, 4, result_flags(al) | cf | af, 0)


class AsciiAdjust(Operation):
    """AAA, or AAS if `subtract`. ZF, SF and PF, undefined, describe the new AL."""
    _immutable_fields_ = ['subtract']

    def __init__(self, subtract):
        self.subtract = subtract

    def execute(self, cpu, mode):
        ax = cpu.regs[0] & 0xffff
        known = 0
        if ax & 15 > 9 or adjust(cpu):
            if self.subtract:
                ax = (ax - 0x106) & 0xffff
            else:
                ax = (ax + 0x106) & 0xffff
            known = CF | AF
        ax &= 0xff0f
        cpu.regs[0] = (cpu.regs[0] & 0xffff0000) | ax
        set_flags(cpu, CC_FLAGS, 4, known | result_flags(ax & 0xff), 0)


class AsciiAdjustMultiply(Operation):
    """AAM with any base; base 0 raises #DE."""
    _immutable_fields_ = ['base']

    def __init__(self, base):
        self.base = base

    def execute(self, cpu, mode):
        if self.base == 0:
            raise GuestFault(DE)
        al = cpu.regs[0] & 0xff
        low = al % self.base
        cpu.regs[0] = (cpu.regs[0] & 0xffff0000) | ((al // self.base) << 8) | low
        set_flags(cpu, CC_LOGIC, 1, low, 0)


class AsciiAdjustDivide(Operation):
    """AAD with any base."""
    _immutable_fields_ = ['base']

    def __init__(self, base):
        self.base = base

    def execute(self, cpu, mode):
        al = (cpu.regs[0] + ((cpu.regs[0] >> 8) & 0xff) * self.base) & 0xff
        cpu.regs[0] = (cpu.regs[0] & 0xffff0000) | al
        set_flags(cpu, CC_LOGIC, 1, al, 0)
