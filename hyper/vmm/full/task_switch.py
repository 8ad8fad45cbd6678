"""Task switches (exit reason 9; SDM vol. 3, 7.3 for what they do, table 27-2 for the qualification): VT-x leaves them to the VMM.

The processor has checked the right to use the TSS descriptor or gate. Faults until the switch are the old task's; those of loading the new
task's segments are #TS, #NP or #SS in the new task.
"""
from hyper.cpu.descriptor import Descriptor, TSS16_AVAILABLE, TSS32_AVAILABLE
from hyper.cpu.tasks import BACK_LINK, SEGMENT_ORDER, TSS_CR3, layout
from hyper.vmm.full.cr_access import CR0_TS, write_cr3
from hyper.vmm.full.guest import BIG, CS, M32, SS
from hyper.vmm.full.paging import CR0_PG
from hyper.vmm.full.reflected import GP, NP, Reflected, SS as STACK_FAULT, TS
from hyper.vmx import fields

LDTR, TR = 6, 7
BY_CALL, BY_IRET, BY_JMP, BY_GATE = range(4)
FLAG_NT, FLAG_VM, FLAGS_ALWAYS = 1 << 14, 1 << 17, 2
BUSY = 2                                # of a TSS descriptor's type
LDT = 2                                 # type
UNUSABLE = 1 << 16
LOCAL_BREAKPOINTS = 0x155               # of DR7
SOFTWARE_EVENTS = 4                     # the first type of event that comes from an instruction


def exit_task_switch(domain):
    guest = domain.guest
    guest.look_at_paging()
    domain.injector.exited()
    qualification = guest.read(fields.EXIT_QUALIFICATION)
    selector = qualification & 0xffff
    source = qualification >> 30 & 3
    invalid = TS if source == BY_IRET else GP
    if selector & 4 or selector & 0xfffc == 0:
        raise Reflected(invalid, selector & 0xfffc)
    new = descriptor(domain, selector, invalid)
    kind = new.kind() & ~BUSY
    if new.is_ordinary() or kind != TSS32_AVAILABLE and kind != TSS16_AVAILABLE:
        raise Reflected(invalid, selector & 0xfffc)
    if not new.is_present():
        raise Reflected(NP, selector & 0xfffc)
    shape = layout(kind)
    if new.limit() < shape.limit:
        raise Reflected(TS, selector & 0xfffc)
    old_base = guest.read(fields.GUEST_TR_BASE)
    old_selector = guest.read(fields.GUEST_TR_SELECTOR)
    save_old(domain, source, layout(guest.read(fields.GUEST_TR_ACCESS) & 0xf), old_base)
    if source == BY_IRET or source == BY_JMP:
        set_busy(domain, old_selector, False)
    if source != BY_IRET:
        set_busy(domain, selector, True)
    nested = source == BY_CALL or source == BY_GATE
    if nested:
        guest.store((new.base() + BACK_LINK) & M32, old_selector, 2, False)
    error = vectoring_error(domain) if source == BY_GATE else -1
    load_new(domain, selector, new, shape, nested)
    if error >= 0:
        push(domain, error, shape.size)


def descriptor(domain, selector, fault):
    """The descriptor of a non-null selector; raises `fault` if it is beyond its table."""
    guest = domain.guest
    if selector & 4:
        base = guest.read(fields.GUEST_LDTR_BASE)
        limit = guest.read(fields.GUEST_LDTR_LIMIT)
        if guest.read(fields.GUEST_LDTR_ACCESS) & UNUSABLE:
            raise Reflected(fault, selector & 0xfffc)
    else:
        base = guest.read(fields.GUEST_GDTR_BASE)
        limit = guest.read(fields.GUEST_GDTR_LIMIT)
    if (selector & 0xfff8) + 7 > limit:
        raise Reflected(fault, selector & 0xfffc)
    at = (base + (selector & 0xfff8)) & M32
    return Descriptor(at, guest.load(at, 4, False), guest.load((at + 4) & M32, 4, False))


def set_busy(domain, selector, busy):
    found = descriptor(domain, selector, TS)
    high = found.high & ~(BUSY << 8)
    if busy:
        high |= BUSY << 8
    domain.guest.store((found.at + 4) & M32, high, 4, False)


def save_old(domain, source, shape, base):
    """The state of the task that ends, to go on behind its instruction or, for an exception, at it."""
    guest = domain.guest
    eip = guest.read(fields.GUEST_RIP)
    event = domain.injector.information
    if source != BY_GATE or event >> 8 & 7 >= SOFTWARE_EVENTS:
        eip = (eip + guest.read(fields.EXIT_INSTRUCTION_LENGTH)) & M32
    flags = guest.flags()
    if source == BY_IRET:
        flags &= ~FLAG_NT
    last = shape.segments + shape.segment_step * (shape.segment_count - 1)
    guest.physical((base + shape.eip) & M32, True, False)       # both ends must take the writes before there is one
    guest.physical((base + last + 1) & M32, True, False)
    guest.store((base + shape.eip) & M32, eip, shape.size, False)
    guest.store((base + shape.eflags) & M32, flags, shape.size, False)
    for k in range(8):
        guest.store((base + shape.registers + shape.size * k) & M32, guest.register(k), shape.size, False)
    for k in range(shape.segment_count):
        selector = guest.read(fields.GUEST_ES_SELECTOR + 2 * SEGMENT_ORDER[k])
        guest.store((base + shape.segments + shape.segment_step * k) & M32, selector, 2, False)


def vectoring_error(domain):
    """The error code of the event that led to a task gate, -1 if it has none. The event is delivered by the switch."""
    injector = domain.injector
    error = -1
    if injector.information & 1 << 11:
        error = injector.error
    injector.drop()
    return error


def load_new(domain, selector, new, shape, nested):
    guest = domain.guest
    base = new.base()
    eip = guest.load((base + shape.eip) & M32, shape.size, False)
    flags = guest.load((base + shape.eflags) & M32, shape.size, False) & 0x3f7fd5 | FLAGS_ALWAYS
    if nested:
        flags |= FLAG_NT
    registers = [0] * 8
    for k in range(8):
        registers[k] = guest.load((base + shape.registers + shape.size * k) & M32, shape.size, False)
        if shape.size == 2:
            registers[k] |= 0xffff0000
    selectors = [0] * 6
    for k in range(shape.segment_count):
        selectors[SEGMENT_ORDER[k]] = guest.load((base + shape.segments + shape.segment_step * k) & M32, 2, False)
    ldt = guest.load((base + shape.ldt) & M32, 2, False)
    if guest.paging.cr0 & CR0_PG and shape.size == 4:
        write_cr3(domain, guest.load((base + TSS_CR3) & M32, 4, False))
        guest.look_at_paging()
    # from here on the new task runs
    set_segment(guest, TR, selector, base, new.limit(), new.access() | BUSY)
    guest.write(fields.GUEST_CR0, guest.read(fields.GUEST_CR0) | CR0_TS)
    for k in range(8):
        guest.set_register(k, registers[k])
    guest.write(fields.GUEST_RIP, eip)
    guest.set_flags(flags)
    domain.set_debug_register(7, domain.debug[7] & ~LOCAL_BREAKPOINTS)
    for s in range(6):
        set_segment(guest, s, selectors[s], 0, 0, UNUSABLE | (selectors[s] & 3) << 5)
    # what an entry demands of CS and SS whatever becomes of the rest
    privilege = selectors[CS] & 3
    set_segment(guest, CS, selectors[CS], 0, M32, 0xc09b | privilege << 5)
    set_segment(guest, SS, privilege, 0, 0, UNUSABLE | privilege << 5)
    load_ldt(domain, ldt)
    if flags & FLAG_VM:
        for s in range(6):
            set_segment(guest, s, selectors[s], selectors[s] << 4, 0xffff, 0xf3)
        return
    load_segment(domain, CS, selectors[CS], selectors[CS] & 3)
    load_segment(domain, SS, selectors[SS], selectors[CS] & 3)
    for s in range(6):
        if s != CS and s != SS:
            load_segment(domain, s, selectors[s], selectors[CS] & 3)


def load_ldt(domain, selector):
    guest = domain.guest
    set_segment(guest, LDTR, selector, 0, 0, UNUSABLE)
    if selector & 0xfffc == 0:
        return
    if selector & 4:
        raise Reflected(TS, selector & 0xfffc)
    found = descriptor(domain, selector, TS)
    if found.is_ordinary() or found.kind() != LDT or not found.is_present():
        raise Reflected(TS, selector & 0xfffc)
    set_segment(guest, LDTR, selector, found.base(), found.limit(), found.access())


def load_segment(domain, segment, selector, privilege):
    """With the checks of 7.3, table 7-1."""
    guest = domain.guest
    if selector & 0xfffc == 0:
        if segment == CS or segment == SS:
            raise Reflected(TS, 0)
        return
    found = descriptor(domain, selector, TS)
    if not fits(found, segment, selector & 3, privilege):
        raise Reflected(TS, selector & 0xfffc)
    if not found.is_present():
        raise Reflected(STACK_FAULT if segment == SS else NP, selector & 0xfffc)
    guest.store((found.at + 5) & M32, found.high >> 8 & 0xff | 1, 1, False)
    set_segment(guest, segment, selector, found.base(), found.limit(), found.access() | 1)


def fits(found, segment, requested, privilege):
    """Whether a descriptor may be in a segment register at this privilege."""
    kind = found.kind()
    if not found.is_ordinary():
        return False
    if segment == CS:
        if not kind & 8:
            return False
        return found.privilege() <= privilege if kind & 4 else found.privilege() == privilege
    if segment == SS:
        return kind & 0xa == 2 and found.privilege() == privilege and requested == privilege
    if kind & 0xc == 0xc:
        return kind & 2 != 0
    if kind & 0xa == 8:
        return False
    return found.privilege() >= privilege and found.privilege() >= requested


def set_segment(guest, segment, selector, base, limit, access):
    guest.write(fields.GUEST_ES_SELECTOR + 2 * segment, selector)
    guest.write(fields.GUEST_ES_BASE + 2 * segment, base)
    guest.write(fields.GUEST_ES_LIMIT + 2 * segment, limit)
    guest.write(fields.GUEST_ES_ACCESS + 2 * segment, access)


def push(domain, error, size):
    guest = domain.guest
    stack_mask = M32 if guest.read(fields.GUEST_SS_ACCESS) & BIG else 0xffff
    old = guest.register(4)
    top = (old - size) & stack_mask
    guest.store(guest.linear(SS, top, size, True), error, size, guest.is_user())
    guest.set_register(4, old & ~stack_mask & M32 | top)
