"""Segment registers and transfers between segments (SDM vol. 3, chapters 3 and 5; the operations of vol. 2).

Slow paths of the engine, called with the state at rest. Each makes all its checks before it changes anything that an instruction's fault may not
leave changed. Error codes are a selector's index, with the EXT bit (`extra`) where an event's delivery looks at the selector.
"""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu import control, faults, flags
from hyper.cpu.descriptor import (Descriptor, ACCESSED, BUSY, CALL_GATE16, CALL_GATE32, LDT, TASK_GATE, TSS16_AVAILABLE, TSS16_BUSY, TSS32_AVAILABLE,
                                  TSS32_BUSY)
from hyper.cpu.faults import GuestFault
from hyper.cpu.mmu import CR0_PE
from hyper.cpu.mode import CS, SS, DS, ES, FS, GS, LDTR, TR
from hyper.cpu.system import AR_CODE, AR_CONFORMING, AR_DB, AR_DPL, AR_EXPAND_DOWN, AR_P, AR_S, AR_UNUSABLE, AR_WRITABLE, DPL_SHIFT

M32 = 0xffffffff
RPL, TABLE_INDICATOR = 3, 4
BY_CALL, BY_IRET, BY_JMP, BY_GATE = range(4)            # what a task switch comes from, as exit qualifications number it (table 27-2)

ACCESS_VM86 = 0xf3
ACCESS_FLAT_CODE, ACCESS_FLAT_DATA = 0xc09b, 0xc093


def is_null(selector):
    return selector & 0xfffc == 0


def is_real(system):
    """Whether selectors are paragraph numbers: real mode or virtual-8086 mode."""
    return system.cr0 & CR0_PE == 0 or system.eflags & flags.VM != 0


def selector_fault(vector, selector, extra):
    return GuestFault(vector, (selector & 0xfffc) | extra)


# -- descriptors

def look_up(system, selector):
    """The descriptor of a selector, None if it is beyond its table or there is no table."""
    if selector & TABLE_INDICATOR:
        if system.access[LDTR] & AR_UNUSABLE:
            return None
        base = system.base[LDTR]
        limit = system.limits[LDTR]
    else:
        base = system.gdtr_base
        limit = system.gdtr_limit
    offset = selector & 0xfff8
    if offset + 7 > limit:
        return None
    at = (base + offset) & M32
    return Descriptor(at, system.read_system(at, 4), system.read_system(at + 4, 4))


def find(system, selector, vector, extra=0):
    """The same; raises the fault `vector` instead of None."""
    found = look_up(system, selector)
    if found is None:
        raise selector_fault(vector, selector, extra)
    return found


def mark_accessed(system, descriptor):
    if descriptor.kind() & ACCESSED == 0:
        system.write_system(descriptor.at + 4, descriptor.high | ACCESSED << 8, 4)


def set_busy(system, descriptor, busy):
    high = descriptor.high & ~(BUSY << 8)
    if busy:
        high |= BUSY << 8
    system.write_system(descriptor.at + 4, high, 4)


def enter_descriptor(system, segment, selector, descriptor):
    """Load a segment register from a descriptor that has been checked."""
    mark_accessed(system, descriptor)
    system.set_segment(segment, selector, descriptor.base(), descriptor.limit(), descriptor.access() | ACCESSED)


def set_real(system, segment, selector):
    """Real mode changes only selector and base; in virtual-8086 mode the rest is fixed."""
    if system.cr0 & CR0_PE:
        system.set_segment(segment, selector, selector << 4, 0xffff, ACCESS_VM86)
    else:
        system.set_segment(segment, selector, selector << 4, system.limits[segment], system.access[segment])


# -- loading segment registers

@dont_look_inside
def load_segment(system, segment, selector):
    """MOV, POP, LDS and their like, to any segment register but CS."""
    if is_real(system):
        set_real(system, segment, selector)
    elif segment == SS:
        load_stack_segment(system, selector, system.cpl, faults.GP, 0)
    else:
        load_data_segment(system, segment, selector)
    if segment == SS:
        control.shadow(system, True)
    system.update_mode()


def load_data_segment(system, segment, selector):
    if is_null(selector):
        system.set_segment(segment, selector, 0, 0, AR_UNUSABLE)
        return
    found = find(system, selector, faults.GP)
    if not found.is_readable():
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_conforming() and found.privilege() < max(selector & RPL, system.cpl):
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, 0)
    enter_descriptor(system, segment, selector, found)


def find_stack(system, selector, cpl, vector, extra):
    """The descriptor of a stack segment for privilege level `cpl`; `vector` is raised if it cannot be one, #SS if it is not present."""
    if is_null(selector):
        raise GuestFault(vector, extra)
    found = find(system, selector, vector, extra)
    if selector & RPL != cpl or not found.is_writable_data() or found.privilege() != cpl:
        raise selector_fault(vector, selector, extra)
    if not found.is_present():
        raise selector_fault(faults.SS, selector, extra)
    return found


def load_stack_segment(system, selector, cpl, vector, extra):
    enter_descriptor(system, SS, selector, find_stack(system, selector, cpl, vector, extra))


@dont_look_inside
def lldt(system, selector):
    control.require_ring_0(system)
    if is_null(selector):
        system.set_segment(LDTR, selector, 0, 0, AR_UNUSABLE)
        return
    found = find_in_gdt(system, selector)
    if found.is_ordinary() or found.kind() != LDT:
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, 0)
    system.set_segment(LDTR, selector, found.base(), found.limit(), found.access())


@dont_look_inside
def ltr(system, selector):
    control.require_ring_0(system)
    if is_null(selector):
        raise GuestFault(faults.GP, 0)
    found = find_in_gdt(system, selector)
    if found.is_ordinary() or (found.kind() != TSS32_AVAILABLE and found.kind() != TSS16_AVAILABLE):
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, 0)
    set_busy(system, found, True)
    system.set_segment(TR, selector, found.base(), found.limit(), found.access() | BUSY)


def find_in_gdt(system, selector):
    if selector & TABLE_INDICATOR:
        raise selector_fault(faults.GP, selector, 0)
    return find(system, selector, faults.GP)


# -- looking at descriptors: the state need not be at rest, for only privilege and tables matter

def visible(system, selector):
    """The descriptor if it may be looked at from this ring by this RPL, else None."""
    if is_null(selector):
        return None
    found = look_up(system, selector)
    if found is None or (not found.is_conforming() and found.privilege() < max(selector & RPL, system.cpl)):
        return None
    return found


@dont_look_inside
def verr(system, selector):
    found = visible(system, selector)
    return found is not None and found.is_readable()


@dont_look_inside
def verw(system, selector):
    found = visible(system, selector)
    return found is not None and found.is_writable_data()


LAR_TYPES = [TSS16_AVAILABLE, LDT, TSS16_BUSY, CALL_GATE16, TASK_GATE, TSS32_AVAILABLE, TSS32_BUSY, CALL_GATE32]
LSL_TYPES = [TSS16_AVAILABLE, LDT, TSS16_BUSY, TSS32_AVAILABLE, TSS32_BUSY]


@dont_look_inside
def lar(system, selector):
    """The access rights as LAR gives them, -1 if it must clear ZF."""
    found = visible(system, selector)
    if found is None or (not found.is_ordinary() and found.kind() not in LAR_TYPES):
        return -1
    return found.high & 0xffff00


@dont_look_inside
def lsl(system, selector):
    """The limit in bytes, -1 if LSL must clear ZF."""
    found = visible(system, selector)
    if found is None or (not found.is_ordinary() and found.kind() not in LSL_TYPES):
        return -1
    return found.limit()


# -- stacks

class Stack(object):
    """A stack that is used before it becomes the processor's, or by the processor itself: its pointer moves, and only `commit` makes that ESP.

    base, limit, access: of its segment; pointer: its ESP; user: whether its memory is accessed with user privilege; error: error code of its #SS."""

    def __init__(self, system, base, limit, access, pointer, user, error):
        self.system = system
        self.base = base
        self.limit = limit
        self.access = access
        self.pointer = pointer
        self.user = user
        self.error = error
        self.mask = M32 if access & AR_DB else 0xffff

    def address(self, offset, size):
        """Linear address of an element; raises #SS."""
        last = offset + size - 1
        if self.access & AR_EXPAND_DOWN:
            allowed = offset > self.limit and last <= self.mask
        else:
            allowed = last <= self.limit
        if not allowed:
            raise GuestFault(faults.SS, self.error)
        return (self.base + offset) & M32

    def access_at(self, offset, size, write):
        at = self.address(offset, size)
        if self.user and self.system.mode.aligned and at & (size - 1):
            raise GuestFault(faults.AC, 0)
        if len(self.system.debug.data):
            self.system.debug.touch_stack(at, size, write)
        return at

    def push(self, value, size):
        offset = (self.pointer - size) & self.mask
        self.system.mmu.write(self.access_at(offset, size, True), value & (M32 if size == 4 else 0xffff), size, self.user)
        self.pointer = offset

    def pop(self, size):
        value = self.peek(0, size)
        self.pointer = (self.pointer + size) & self.mask
        return value

    def peek(self, displacement, size):
        """The element `displacement` bytes above the top."""
        return self.system.mmu.read(self.access_at((self.pointer + displacement) & self.mask, size, False), size, self.user)

    def release(self, size):
        self.pointer = (self.pointer + size) & self.mask

    def commit(self):
        esp = self.system.regs[4]
        self.system.regs[4] = (esp & ~self.mask & M32) | (self.pointer & self.mask)


def current_stack(system):
    """The stack that SS:ESP points to."""
    return Stack(system, system.base[SS], system.limits[SS], system.access[SS], system.regs[4], system.cpl == 3, 0)


class InnerStack(object):
    """Where the TSS says that a more privileged level has its stack: a Stack, and the selector and descriptor for SS."""

    def __init__(self, stack, selector, descriptor):
        self.stack = stack
        self.selector = selector
        self.descriptor = descriptor

    def enter(self, system):
        """SS and ESP change; CPL must be the new one already."""
        enter_descriptor(system, SS, self.selector, self.descriptor)
        system.regs[4] = self.stack.pointer


def inner_stack(system, cpl, extra):
    """The InnerStack for privilege level `cpl` from the TSS; raises #TS or #SS (vol. 3, 5.8.5)."""
    base = system.base[TR]
    at = 4 + 8 * cpl
    size = 4
    if system.access[TR] & 8 == 0:          # a 16-bit TSS
        at = 2 + 4 * cpl
        size = 2
    if at + 2 * size - 1 > system.limits[TR]:
        raise selector_fault(faults.TS, system.selector[TR], extra)
    pointer = system.read_system(base + at, size)
    selector = system.read_system(base + at + size, 2)
    found = find_stack(system, selector, cpl, faults.TS, extra)
    stack = Stack(system, found.base(), found.limit(), found.access(), pointer, False, (selector & 0xfffc) | extra)
    return InnerStack(stack, selector, found)


# -- far transfers

def enter_code(system, selector, descriptor, eip, cpl):
    """Go to CS:EIP in ring `cpl`; raises #GP(0) if EIP is beyond the limit. The caller then calls `update_mode`."""
    if eip > descriptor.limit():
        raise GuestFault(faults.GP, 0)
    enter_descriptor(system, CS, (selector & ~RPL) | cpl, descriptor)
    system.cpl = cpl
    system.eip = eip


def enter_real_code(system, selector, offset):
    if offset > system.limits[CS]:
        raise GuestFault(faults.GP, 0)
    set_real(system, CS, selector)
    system.eip = offset
    system.update_mode()


def find_target(system, selector):
    """The descriptor that a far JMP or CALL names, not yet checked."""
    if is_null(selector):
        raise GuestFault(faults.GP, 0)
    return find(system, selector, faults.GP)


def check_direct_code(system, selector, found):
    """A far transfer to code without a gate stays in its ring (vol. 3, 5.8.1)."""
    if found.is_conforming():
        allowed = found.privilege() <= system.cpl
    else:
        allowed = selector & RPL <= system.cpl and found.privilege() == system.cpl
    if not allowed:
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, 0)


def check_system_target(system, selector, found):
    """A call gate, task gate or TSS that may be used from here (5.8.4, 7.3)."""
    kind = found.kind()
    if kind not in [CALL_GATE16, CALL_GATE32, TASK_GATE, TSS16_AVAILABLE, TSS32_AVAILABLE]:
        raise selector_fault(faults.GP, selector, 0)
    if found.privilege() < max(system.cpl, selector & RPL):
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, 0)


def find_gate_code(system, gate):
    """The code segment that a call gate leads to."""
    selector = gate.target_selector()
    if is_null(selector):
        raise GuestFault(faults.GP, 0)
    code = find(system, selector, faults.GP)
    if not code.is_code() or code.privilege() > system.cpl:
        raise selector_fault(faults.GP, selector, 0)
    return code


def is_call_gate(descriptor):
    return descriptor.kind() == CALL_GATE16 or descriptor.kind() == CALL_GATE32


def task_switch(system, selector, descriptor, source):
    from hyper.cpu import tasks
    if descriptor.kind() == TASK_GATE:
        selector = descriptor.target_selector()
    tasks.switch(system, selector, source, faults.NO_ERROR_CODE)


@dont_look_inside
def far_jump(system, selector, offset, size):
    """JMP far; `system.eip` is behind the instruction."""
    if is_real(system):
        enter_real_code(system, selector, offset)
        return
    found = find_target(system, selector)
    if found.is_code():
        check_direct_code(system, selector, found)
        enter_code(system, selector, found, offset, system.cpl)
    else:
        if found.is_ordinary():
            raise selector_fault(faults.GP, selector, 0)
        check_system_target(system, selector, found)
        if not is_call_gate(found):
            task_switch(system, selector, found, BY_JMP)
            return
        code = find_gate_code(system, found)
        if not code.is_conforming() and code.privilege() != system.cpl:
            raise selector_fault(faults.GP, found.target_selector(), 0)
        if not code.is_present():
            raise selector_fault(faults.NP, found.target_selector(), 0)
        enter_code(system, found.target_selector(), code, found.target_offset(), system.cpl)
    system.update_mode()


@dont_look_inside
def far_call(system, selector, offset, size, next_eip):
    """CALL far with `size`-byte operands; `next_eip` is the return address."""
    if is_real(system):
        stack = current_stack(system)
        stack.push(system.selector[CS], size)
        stack.push(next_eip, size)
        enter_real_code(system, selector, offset)
        stack.commit()
        return
    found = find_target(system, selector)
    if found.is_code():
        check_direct_code(system, selector, found)
        call_same_ring(system, selector, found, offset, size, next_eip)
        return
    if found.is_ordinary():
        raise selector_fault(faults.GP, selector, 0)
    check_system_target(system, selector, found)
    if not is_call_gate(found):
        task_switch(system, selector, found, BY_CALL)
        return
    code = find_gate_code(system, found)
    if not code.is_present():
        raise selector_fault(faults.NP, found.target_selector(), 0)
    if code.is_conforming() or code.privilege() == system.cpl:
        call_same_ring(system, found.target_selector(), code, found.target_offset(), found.size(), next_eip)
    else:
        call_inner_ring(system, found, code, next_eip)


def call_same_ring(system, selector, code, offset, size, next_eip):
    stack = current_stack(system)
    stack.push(system.selector[CS], size)
    stack.push(next_eip, size)
    enter_code(system, selector, code, offset, system.cpl)
    stack.commit()
    system.update_mode()


def call_inner_ring(system, gate, code, next_eip):
    """A call gate to a more privileged ring: the stack changes and parameters are copied (5.8.5)."""
    size = gate.size()
    outer = current_stack(system)
    cpl = code.privilege()
    inner = inner_stack(system, cpl, 0)
    stack = inner.stack
    stack.push(system.selector[SS], size)
    stack.push(system.regs[4], size)
    count = gate.parameters()
    while count > 0:
        count -= 1
        stack.push(outer.peek(count * size, size), size)
    stack.push(system.selector[CS], size)
    stack.push(next_eip, size)
    mark_accessed(system, inner.descriptor)         # may fault, so before anything changes
    enter_code(system, gate.target_selector(), code, gate.target_offset(), cpl)
    inner.enter(system)
    system.update_mode()


@dont_look_inside
def far_return(system, size, release):
    """RETF; `release` bytes of parameters go from both stacks."""
    stack = current_stack(system)
    eip = stack.pop(size)
    selector = stack.pop(size) & 0xffff
    if is_real(system):
        enter_real_code(system, selector, eip)
        stack.release(release)
        stack.commit()
        return
    code = find_return_code(system, selector)
    stack.release(release)
    if selector & RPL == system.cpl:
        enter_code(system, selector, code, eip, system.cpl)
        stack.commit()
    else:
        return_to_outer_ring(system, stack, selector, code, eip, size, release)
    system.update_mode()


def find_return_code(system, selector):
    """The code segment of a return address, for RETF and IRET (vol. 2)."""
    if is_null(selector):
        raise GuestFault(faults.GP, 0)
    found = find(system, selector, faults.GP)
    rpl = selector & RPL
    if not found.is_code() or rpl < system.cpl:
        raise selector_fault(faults.GP, selector, 0)
    if found.is_conforming():
        allowed = found.privilege() <= rpl
    else:
        allowed = found.privilege() == rpl
    if not allowed:
        raise selector_fault(faults.GP, selector, 0)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, 0)
    return found


def return_to_outer_ring(system, stack, selector, code, eip, size, release):
    """`stack` is at the outer ESP and SS; the segments that the outer ring may not use become null."""
    pointer = stack.pop(size)
    stack_selector = stack.pop(size) & 0xffff
    cpl = selector & RPL
    found = find_stack(system, stack_selector, cpl, faults.GP, 0)
    mark_accessed(system, found)
    enter_code(system, selector, code, eip, cpl)
    enter_descriptor(system, SS, stack_selector, found)
    mask = M32 if found.access() & AR_DB else 0xffff
    system.regs[4] = (system.regs[4] & ~mask & M32) | ((pointer + release) & mask)
    drop_inner_segments(system)


def drop_inner_segments(system):
    """Data segments and non-conforming code of a DPL below CPL are not left to the outer ring (5.8.6); of the null selectors it gets 0."""
    for segment in [ES, DS, FS, GS]:
        access = system.access[segment]
        conforming = access & (AR_CODE | AR_CONFORMING) == AR_CODE | AR_CONFORMING
        if access & AR_UNUSABLE:
            drop = system.selector[segment] != 0
        else:
            drop = not conforming and (access & AR_DPL) >> DPL_SHIFT < system.cpl
        if drop:
            system.set_segment(segment, 0, 0, 0, AR_UNUSABLE)


# -- SYSENTER and SYSEXIT: flat segments, nothing looked up

def enter_flat(system, selector, cpl):
    """CS from `selector` and SS from the one behind it, flat, in ring `cpl`."""
    privilege = cpl << DPL_SHIFT
    system.set_segment(CS, (selector & 0xfffc) | cpl, 0, M32, ACCESS_FLAT_CODE | privilege)
    system.set_segment(SS, ((selector + 8) & 0xfffc) | cpl, 0, M32, ACCESS_FLAT_DATA | privilege)
    system.cpl = cpl
    system.update_mode()
