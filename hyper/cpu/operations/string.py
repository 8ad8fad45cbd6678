"""MOVS STOS LODS CMPS SCAS and their repetitions (SDM vol. 2).

A repeated instruction is a terminator: it does as many elements as lie in the pages that the TLB holds (at least one) and, if some remain, goes back to
itself, where events are looked at: so it can be interrupted between elements, as the manual asks, and counts as one instruction when it is done. Where
only single elements can be done each of them takes a nanosecond: else a guest could make time stand still for as long as 4 G of them take.
"""
from rpython.rlib.jit import dont_look_inside

from hyper.board import raw
from hyper.cpu import flags
from hyper.cpu.flags import CC_SUB, mask, set_flags
from hyper.cpu.mode import ES, CS, DS, TLB_INDEX, READ_TAG, WRITE_TAG, ADDEND, PAGE
from hyper.cpu.operations.base import Operation, Terminator
from hyper.cpu.templates.assembler import CMP, NE, RAX
from hyper.cpu.templates.frame import PERFORMED

MOVS, STOS, LODS, CMPS, SCAS = range(5)
# time passes in a repetition, or a long one would stop the clock: 1 ns for an element, but where many are done at once only when the count passes a
# multiple of 2**TIMED, and then for so many
TIMED = 12
REPEAT, REPEAT_EQUAL, REPEAT_NOT_EQUAL = 0, 1, 2


def step(mode, size):
    """What one element adds to an index register."""
    if mode.system.eflags & flags.DF:
        return -size
    return size


def advance(cpu, register, distance, address_mask):
    assert register >= 0
    old = cpu.regs[register]
    cpu.regs[register] = (old & ~address_mask & 0xffffffff) | ((old + distance) & address_mask)


def element(cpu, mode, kind, segment, size, address_mask):
    """One element: memory and flags. The caller moves the index registers."""
    if kind == MOVS:
        value = mode.load_at(segment, cpu.regs[6] & address_mask, size)
        mode.store_at(ES, cpu.regs[7] & address_mask, value, size)
    elif kind == STOS:
        mode.store_at(ES, cpu.regs[7] & address_mask, cpu.regs[0] & mask(size), size)
    elif kind == LODS:
        value = mode.load_at(segment, cpu.regs[6] & address_mask, size)
        if size == 4:
            cpu.regs[0] = value
        else:
            cpu.regs[0] = (cpu.regs[0] & ~mask(size) & 0xffffffff) | value
    elif kind == CMPS:
        b = mode.load_at(ES, cpu.regs[7] & address_mask, size)          # first, as silicon does in most forms
        a = mode.load_at(segment, cpu.regs[6] & address_mask, size)
        set_flags(cpu, CC_SUB, size, a, b)
    else:
        b = mode.load_at(ES, cpu.regs[7] & address_mask, size)
        set_flags(cpu, CC_SUB, size, cpu.regs[0] & mask(size), b)


def advance_indices(cpu, kind, distance, address_mask):
    if kind != STOS and kind != SCAS:
        advance(cpu, 6, distance, address_mask)
    if kind != LODS:
        advance(cpu, 7, distance, address_mask)


class String(Operation):
    """One element; `segment` is that of ESI."""
    _immutable_fields_ = ['kind', 'segment', 'size', 'address_mask']

    def __init__(self, kind, segment, size, address_mask):
        self.kind = kind
        self.segment = segment
        self.size = size
        self.address_mask = address_mask

    def execute(self, cpu, mode):
        element(cpu, mode, self.kind, self.segment, self.size, self.address_mask)
        advance_indices(cpu, self.kind, step(mode, self.size), self.address_mask)


def ram_offset(mode, address, tag):
    """Offset in RAM of a linear address that the TLB holds for this use, or -1. So that a single step is one element, nothing is held then."""
    if mode.system.debug.single_step:
        return -1
    i = (address >> 7) & TLB_INDEX
    if raw.load64(mode.tlb, i + tag) != address & PAGE:
        return -1
    return address + raw.load64(mode.tlb, i + ADDEND)


def in_page(address, size):
    """How many whole elements lie from `address` to the end of its page."""
    return (4096 - (address & 0xfff)) // size


@dont_look_inside
def move_many(mode, source, target, count, size):
    """Copy up to `count` elements upwards inside the pages that hold the first; returns how many."""
    count = min(count, min(in_page(source, size), in_page(target, size)))
    from_ = ram_offset(mode, source, READ_TAG)
    to = ram_offset(mode, target, WRITE_TAG)
    if count <= 0 or from_ < 0 or to < 0:
        return 0
    total = count * size
    if from_ < to < from_ + total:
        # the target overlaps what is still to be read: elements already stored are read again, one by one
        for k in range(count):
            if size == 4:
                raw.store32(mode.storage, to + 4 * k, raw.load32(mode.storage, from_ + 4 * k))
            elif size == 2:
                raw.store16(mode.storage, to + 2 * k, raw.load16(mode.storage, from_ + 2 * k))
            else:
                raw.store8(mode.storage, to + k, raw.load8(mode.storage, from_ + k))
    else:
        raw.move(mode.storage, to, from_, total)
    return count


@dont_look_inside
def store_many(mode, target, value, count, size):
    count = min(count, in_page(target, size))
    to = ram_offset(mode, target, WRITE_TAG)
    if count <= 0 or to < 0:
        return 0
    if size == 1 or value == 0:
        raw.fill(mode.storage, to, value & 0xff, count * size)
    elif size == 2:
        for k in range(count):
            raw.store16(mode.storage, to + 2 * k, value)
    else:
        for k in range(count):
            raw.store32(mode.storage, to + 4 * k, value)
    return count


def load_ram(mode, offset, size):
    if size == 4:
        return raw.load32(mode.storage, offset)
    if size == 2:
        return raw.load16(mode.storage, offset)
    return raw.load8(mode.storage, offset)


@dont_look_inside
def scan_many(mode, target, value, count, size, equal):
    """SCAS upwards while the elements are equal to `value` (or differ from it); returns how many were looked at."""
    count = min(count, in_page(target, size))
    at = ram_offset(mode, target, READ_TAG)
    if count <= 0 or at < 0:
        return 0
    for k in range(count):
        if (load_ram(mode, at + k * size, size) == value) != equal:
            return k + 1
    return count


@dont_look_inside
def compare_many(mode, source, target, count, size, equal):
    """CMPS upwards, likewise."""
    count = min(count, min(in_page(source, size), in_page(target, size)))
    from_ = ram_offset(mode, source, READ_TAG)
    to = ram_offset(mode, target, READ_TAG)
    if count <= 0 or from_ < 0 or to < 0:
        return 0
    for k in range(count):
        if (load_ram(mode, from_ + k * size, size) == load_ram(mode, to + k * size, size)) != equal:
            return k + 1
    return count


class RepeatedString(Terminator):
    """`condition` is REPEAT, or for CMPS and SCAS the value of ZF to go on with."""
    _immutable_fields_ = ['kind', 'segment', 'size', 'address_mask', 'condition', 'start']
    repeats = True

    def __init__(self, next_eip, start, kind, segment, size, address_mask, condition):
        Terminator.__init__(self, next_eip)
        self.start = start
        self.kind = kind
        self.segment = segment
        self.size = size
        self.address_mask = address_mask
        self.condition = condition

    def execute(self, cpu, mode):
        size = self.size
        kind = self.kind
        m = self.address_mask
        count = cpu.regs[1] & m
        if count == 0:
            cpu.eip = self.next
            return
        done = 0
        quick = self.is_quick(mode)
        if quick:
            done = self.many(cpu, mode, count)
        if done == 0:
            element(cpu, mode, kind, self.segment, size, m)
            done = 1
        elif kind == CMPS or kind == SCAS:
            self.compare_last(cpu, mode, done)
        advance_indices(cpu, kind, step(mode, size) * done, m)
        count -= done
        if not quick:
            mode.system.pass_time(1)
        elif count >> TIMED != count + done >> TIMED:
            mode.system.pass_time(1 << TIMED)
        cpu.regs[1] = (cpu.regs[1] & ~m & 0xffffffff) | count
        if count == 0:
            cpu.eip = self.next
        elif self.condition == REPEAT_EQUAL and cpu.cc_a != cpu.cc_b:
            cpu.eip = self.next
        elif self.condition == REPEAT_NOT_EQUAL and cpu.cc_a == cpu.cc_b:
            cpu.eip = self.next
        else:
            cpu.eip = self.start
            cpu.icount -= 1     # not yet retired

    def is_quick(self, mode):
        """Whether many elements can be done at once."""
        return (mode.flat and self.segment <= DS and self.segment != CS and self.address_mask == 0xffffffff and self.kind != LODS and
                mode.system.eflags & flags.DF == 0)

    def template(self, c):
        c.perform()
        c.arithmetic_immediate(CMP, RAX, PERFORMED)
        again = c.jump_if(NE)
        c.retire()
        c.go_to(self.next)
        c.land(again)
        c.retire_but_one()
        c.go_to(self.start)
        return True

    def many(self, cpu, mode, count):
        kind = self.kind
        size = self.size
        if kind == MOVS:
            return move_many(mode, cpu.regs[6], cpu.regs[7], count, size)
        if kind == STOS:
            return store_many(mode, cpu.regs[7], cpu.regs[0] & mask(size), count, size)
        if kind == SCAS:
            return scan_many(mode, cpu.regs[7], cpu.regs[0] & mask(size), count, size, self.condition == REPEAT_EQUAL)
        if kind == CMPS:
            return compare_many(mode, cpu.regs[6], cpu.regs[7], count, size, self.condition == REPEAT_EQUAL)
        return 0

    def compare_last(self, cpu, mode, done):
        """Set the flags of the last of `done` comparisons."""
        size = self.size
        distance = (done - 1) * size
        b = mode.load((cpu.regs[7] + distance) & 0xffffffff, size, ES)
        if self.kind == SCAS:
            a = cpu.regs[0] & mask(size)
        else:
            a = mode.load((cpu.regs[6] + distance) & 0xffffffff, size, self.segment)
        set_flags(cpu, CC_SUB, size, a, b)
