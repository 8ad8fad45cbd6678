"""Task switches (SDM vol. 3, 7.3). In VMX non-root operation they exit instead; the VMM does them.

Faults until the commit are the old task's; those of loading the new task's segments come in the new task, at its first instruction.
"""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu import control, faults, flags, segments
from hyper.cpu.descriptor import BUSY, LDT, TSS16_AVAILABLE, TSS16_BUSY, TSS32_AVAILABLE, TSS32_BUSY
from hyper.cpu.debug import DR6_BT, DR7_LOCAL, DR7_LOCAL_EXACT
from hyper.cpu.faults import Abort, GuestFault
from hyper.cpu.mmu import CR0_PG, WRITE
from hyper.cpu.mode import CS, SS, DS, ES, FS, GS, LDTR, TR
from hyper.cpu.segments import BY_CALL, BY_GATE, BY_IRET, BY_JMP, RPL, TABLE_INDICATOR, selector_fault
from hyper.cpu.system import AR_UNUSABLE
from hyper.vmx import events, intercepts
from hyper.vmx.events import SOFTWARE_EXCEPTION, SOFTWARE_INTERRUPT

M32 = 0xffffffff
SEGMENT_ORDER = [ES, CS, SS, DS, FS, GS]        # in a TSS


class Layout(object):
    """Where a TSS has its fields (figures 7-2 and 7-10); `size`: bytes of a register."""
    _immutable_fields_ = ['size', 'limit', 'eip', 'eflags', 'registers', 'segments', 'segment_step', 'segment_count', 'ldt']

    def __init__(self, size, limit, eip, eflags, registers, segment_registers, segment_step, segment_count, ldt):
        self.size = size
        self.limit = limit                      # least one
        self.eip = eip
        self.eflags = eflags
        self.registers = registers
        self.segments = segment_registers
        self.segment_step = segment_step
        self.segment_count = segment_count
        self.ldt = ldt


TSS32 = Layout(4, 0x67, 0x20, 0x24, 0x28, 0x48, 4, 6, 0x60)
TSS16 = Layout(2, 0x2b, 0x0e, 0x10, 0x12, 0x22, 2, 4, 0x2a)
BACK_LINK, TSS_CR3, TSS_TRAP = 0, 0x1c, 0x64
SOFTWARE = [SOFTWARE_INTERRUPT, SOFTWARE_EXCEPTION]


def layout(kind):
    return TSS32 if kind & 8 else TSS16


@dont_look_inside
def switch(system, selector, source, error):
    """Switch to the task of TSS `selector`; source: BY_CALL, BY_IRET, BY_JMP or BY_GATE; `system.eip` is where the old task goes on; `error` is pushed
    on the new task's stack unless it is NO_ERROR_CODE."""
    new = find_tss(system, selector, source)
    if system.vmx_non_root:
        intercepts.task_switch(system, selector, source)
    shape = layout(new.kind())
    if new.limit() < shape.limit:
        raise selector_fault(faults.TS, selector, extra_of(system, source))
    old = segments.find(system, system.selector[TR], faults.TS)
    nested = source == BY_CALL or source == BY_GATE
    reach(system, new.base(), shape.limit, nested)
    trapped = shape.size == 4 and system.read_system(new.base() + TSS_TRAP, 1) & 1 != 0
    save(system, source)
    if not nested:
        segments.set_busy(system, old, False)
    if nested:
        system.write_system(new.base() + BACK_LINK, system.selector[TR], 2)
    if source != BY_IRET:
        segments.set_busy(system, new, True)
    selectors = [0] * 6
    ldt = load(system, selector, new, shape, nested, selectors)
    # What fails from here on is a fault of the new task, at its first instruction. The instruction that has switched is complete: its own CPU
    # must not be restored, so the fault is delivered here.
    try:
        load_descriptors(system, ldt, selectors, extra_of(system, source))
        if error != faults.NO_ERROR_CODE:
            stack = segments.current_stack(system)
            stack.push(error, shape.size)
            stack.commit()
    except Abort, fault:
        from hyper.cpu import interrupts
        system.update_mode()
        system.instruction_length = 0
        interrupts.abort(system, fault)
    if trapped:
        system.debug.trap(DR6_BT)
    control.flags_loaded(system, 0)


def extra_of(system, source):
    """EXT of the error codes: whether the switch is made for an event from outside the program."""
    return 1 if source == BY_GATE and events.kind_of(system.vectoring) not in SOFTWARE else 0


def reach(system, base, limit, written):
    """Raise the page faults of reading the new TSS (writing to its back link) before the old task's is changed: it may lie in two pages."""
    if written:
        system.mmu.physical(base, WRITE, False)
    system.read_system(base, 1)
    system.read_system(base + limit, 1)


def find_tss(system, selector, source):
    """The TSS descriptor: available, or for IRET busy."""
    vector = faults.TS if source == BY_IRET else faults.GP
    extra = extra_of(system, source)
    if selector & TABLE_INDICATOR or segments.is_null(selector):
        raise selector_fault(vector, selector, extra)
    found = segments.find(system, selector, vector, extra)
    kind = found.kind()
    if source == BY_IRET:
        wanted = kind == TSS32_BUSY or kind == TSS16_BUSY
    else:
        wanted = kind == TSS32_AVAILABLE or kind == TSS16_AVAILABLE
    if found.is_ordinary() or not wanted:
        raise selector_fault(vector, selector, extra)
    if not found.is_present():
        raise selector_fault(faults.NP, selector, extra)
    return found


def save(system, source):
    """The old task's registers into its TSS."""
    shape = layout(system.access[TR] & 0xf)
    base = system.base[TR]
    eflags = system.eflags
    if source == BY_IRET:
        eflags &= ~flags.NT
    system.write_system(base + shape.eip, system.eip, shape.size)
    system.write_system(base + shape.eflags, eflags, shape.size)
    for k in range(8):
        system.write_system(base + shape.registers + k * shape.size, system.regs[k], shape.size)
    for k in range(shape.segment_count):
        system.write_system(base + shape.segments + k * shape.segment_step, system.selector[SEGMENT_ORDER[k]], 2)


def load(system, selector, new, shape, nested, selectors):
    """The new task's registers; `selectors` gets those of its segments, which stay null until they have been checked. Returns the one of its LDT."""
    base = new.base()
    cr3 = system.cr3
    if shape.size == 4:
        cr3 = system.read_system(base + TSS_CR3, 4)
    eip = system.read_system(base + shape.eip, shape.size)
    eflags = system.read_system(base + shape.eflags, shape.size)
    registers = [system.read_system(base + shape.registers + k * shape.size, shape.size) for k in range(8)]
    for k in range(shape.segment_count):
        selectors[SEGMENT_ORDER[k]] = system.read_system(base + shape.segments + k * shape.segment_step, 2)
    ldt = system.read_system(base + shape.ldt, 2)
    # the commit; only CR3 can be refused, by PAE paging
    if system.cr0 & CR0_PG and cr3 != system.cr3:
        control.load_cr3(system, cr3)
    system.set_segment(TR, selector, base, new.limit(), new.access() | BUSY)
    system.cr0 |= control.CR0_TS
    system.debug.write(7, system.dr[7] & ~(DR7_LOCAL | DR7_LOCAL_EXACT))
    if shape.size == 2:
        for k in range(8):
            registers[k] |= 0xffff0000
    for k in range(8):
        system.regs[k] = registers[k]
    system.eip = eip
    system.eflags = (eflags & flags.DEFINED) | flags.ALWAYS
    if nested:
        system.eflags |= flags.NT
    for segment in range(6):                    # null until they have been checked
        system.set_segment(segment, selectors[segment], 0, 0, AR_UNUSABLE)
    system.set_segment(LDTR, ldt, 0, 0, AR_UNUSABLE)
    if eflags & flags.VM:
        for segment in range(6):
            segments.set_real(system, segment, selectors[segment])
    system.cpl = 3 if eflags & flags.VM else selectors[CS] & RPL
    return ldt


def load_descriptors(system, ldt, selectors, extra):
    load_ldt(system, ldt, extra)
    if system.eflags & flags.VM == 0:
        load_segments(system, selectors, extra)
    if system.eip > system.limits[CS]:
        raise GuestFault(faults.GP, extra)
    system.update_mode()


def load_ldt(system, selector, extra):
    if segments.is_null(selector):
        return
    if selector & TABLE_INDICATOR:
        raise selector_fault(faults.TS, selector, extra)
    found = segments.find(system, selector, faults.TS, extra)
    if found.is_ordinary() or found.kind() != LDT or not found.is_present():
        raise selector_fault(faults.TS, selector, extra)
    system.set_segment(LDTR, selector, found.base(), found.limit(), found.access())


def load_segments(system, selectors, extra):
    """#TS for what is wrong with a segment, #NP and #SS for what is not present."""
    selector = selectors[CS]
    if segments.is_null(selector):
        raise selector_fault(faults.TS, selector, extra)
    code = segments.find(system, selector, faults.TS, extra)
    if not code.is_code():
        raise selector_fault(faults.TS, selector, extra)
    if code.is_conforming():
        allowed = code.privilege() <= system.cpl
    else:
        allowed = code.privilege() == system.cpl
    if not allowed:
        raise selector_fault(faults.TS, selector, extra)
    if not code.is_present():
        raise selector_fault(faults.NP, selector, extra)
    segments.enter_descriptor(system, CS, selector, code)
    segments.load_stack_segment(system, selectors[SS], system.cpl, faults.TS, extra)
    for segment in [ES, DS, FS, GS]:
        selector = selectors[segment]
        if segments.is_null(selector):
            continue
        found = segments.find(system, selector, faults.TS, extra)
        if not found.is_readable() or (not found.is_conforming() and found.privilege() < max(selector & RPL, system.cpl)):
            raise selector_fault(faults.TS, selector, extra)
        if not found.is_present():
            raise selector_fault(faults.NP, selector, extra)
        segments.enter_descriptor(system, segment, selector, found)
