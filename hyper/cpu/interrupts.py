"""Interrupts and exceptions (SDM vol. 3, chapter 6): delivery through the IDT, returns, double and triple faults, SYSENTER, HLT, events that are due.

Called with the state at rest. While an event is being delivered `System.vectoring` says which, so that a fault on the way becomes a double fault, or a
VM exit's IDT-vectoring information.
"""
from rpython.rlib.jit import dont_look_inside

from hyper.cpu import control, faults, flags, monitor, segments
from hyper.cpu.descriptor import INTERRUPT_GATE16, INTERRUPT_GATE32, TASK_GATE, TRAP_GATE16, TRAP_GATE32
from hyper.cpu.faults import Abort, Freeze, GuestFault, Intercept
from hyper.cpu.mmu import CR0_PE
from hyper.cpu.mode import CS, SS, DS, ES, FS, GS, TR
from hyper.cpu.segments import RPL, selector_fault
from hyper.cpu.system import AR_UNUSABLE, FOREVER, STOP_DEADLINE, STOP_HALTED, STOP_NONE, STOP_SHUTDOWN
from hyper.vmx import events, exits, intercepts
from hyper.vmx.events import EXTERNAL_INTERRUPT, HARDWARE_EXCEPTION, PRIVILEGED_SOFTWARE_EXCEPTION, SOFTWARE_EXCEPTION, SOFTWARE_INTERRUPT

M32 = 0xffffffff
IDT_BIT, EXTERNAL = 2, 1                # of an error code (figure 6-6)
INT_N, INT_3, INT_1, INT_O = range(4)   # the instructions that raise interrupts
SHADOW = 2                              # instructions from STI or MOV SS, itself included, until events are taken again

CLEARED_BY_EVENT = flags.TF | flags.NT | flags.RF | flags.VM
IRET_ALWAYS = flags.ARITHMETIC | flags.TF | flags.DF | flags.NT | flags.RF | flags.AC | flags.ID


# -- exceptions: how an instruction ends that cannot go on

def abort(system, abort):
    """What follows an Abort of the instruction that the state at rest is at. It takes a nanosecond, as an instruction does."""
    system.pass_time(1)
    while True:
        try:
            take(system, abort)
            return
        except Abort, next_abort:       # the delivery has met with a fault of its own
            abort = next_abort


def take(system, abort):
    if isinstance(abort, Intercept):
        exits.intercept(system, abort)
        return
    if isinstance(abort, Freeze):
        system.halted = True
        system.interrupt_changed()
        return
    assert isinstance(abort, GuestFault)
    vector = abort.vector
    error = abort.error
    if exits_to_vmm(system, abort, vector, error):      # the exception bitmap comes before double faults (25.2)
        return
    if vector == faults.PF:
        system.cr2 = abort.address              # even if it is taken as a double fault
    first = system.vectoring
    if first and events.kind_of(first) == HARDWARE_EXCEPTION:
        first &= events.VECTOR
        serious = is_contributory(vector) or vector == faults.PF
        if first == faults.DF and serious:
            triple_fault(system)
            return
        if (first == faults.PF and serious) or (is_contributory(first) and is_contributory(vector)):
            vector = faults.DF
            error = 0
            system.vectoring = 0
            if exits_to_vmm(system, abort, vector, error):
                return
    if vector == faults.DB:
        system.debug.raised(abort.address)
    deliver(system, vector, HARDWARE_EXCEPTION, error, system.eip)


def exits_to_vmm(system, abort, vector, error):
    """Whether the exception bitmap has made an exit of the exception."""
    if not system.vmx_non_root or not intercepts.exception_exits(system, vector, max(error, 0)):
        return False
    exits.exception(system, vector, HARDWARE_EXCEPTION, error, abort.address if vector == faults.PF or vector == faults.DB else 0)
    return True


def is_contributory(vector):
    """Table 6-4."""
    return vector == faults.DE or faults.TS <= vector <= faults.GP


def triple_fault(system):
    system.vectoring = 0
    if system.vmx_non_root:
        exits.triple_fault(system)
    else:
        system.stop = STOP_SHUTDOWN


# -- INT n, INT3, INTO, INT1

@dont_look_inside
def software(system, vector, kind, length, next_eip):
    """`length`: bytes of the instruction; `next_eip`: behind it."""
    system.instruction_length = length
    if kind == INT_N:
        if system.eflags & flags.VM:
            if system.cr4 & control.CR4_VME and not is_redirected(system, vector):
                deliver_vm86(system, vector, next_eip)
                return
            control.check_iopl(system)
        event = SOFTWARE_INTERRUPT
    else:
        event = PRIVILEGED_SOFTWARE_EXCEPTION if kind == INT_1 else SOFTWARE_EXCEPTION
        if system.vmx_non_root and intercepts.exception_exits(system, vector, 0):
            system.eip = (next_eip - length) & M32
            exits.exception(system, vector, event, faults.NO_ERROR_CODE, 0)
            return
    deliver(system, vector, event, faults.NO_ERROR_CODE, next_eip)


def is_redirected(system, vector):
    """Whether the interrupt redirection bitmap of the TSS sends INT n of virtual-8086 mode to the protected-mode handler (vol. 3, 20.3.3)."""
    at = control.io_map_base(system) - 32 + (vector >> 3)
    if at < 0 or at > system.limits[TR]:
        raise GuestFault(faults.GP, 0)
    return system.read_system(system.base[TR] + at, 1) >> (vector & 7) & 1 != 0


def deliver_vm86(system, vector, return_eip):
    """INT n through the interrupt table at linear address 0, without leaving virtual-8086 mode."""
    offset = system.read_system(4 * vector, 2)
    selector = system.read_system(4 * vector + 2, 2)
    virtual = control.iopl(system) < 3
    stack = segments.current_stack(system)
    stack.push(control.virtual_image(system) if virtual else system.eflags, 2)
    stack.push(system.selector[CS], 2)
    stack.push(return_eip, 2)
    stack.commit()
    system.eflags &= ~(flags.TF | flags.RF | (flags.VIF if virtual else flags.IF))
    system.debug.single_step = False
    segments.set_real(system, CS, selector)
    system.eip = offset
    system.update_mode()


# -- delivery

@dont_look_inside
def deliver(system, vector, kind, error, return_eip):
    """Go to the handler of an event; `kind` as in hyper.vmx.events, `error` its code or NO_ERROR_CODE. A fault on the way leaves the state unchanged."""
    monitor.forget(system)
    if system.cr0 & CR0_PE == 0:
        error = faults.NO_ERROR_CODE        # real mode has none
    system.vectoring = events.information(vector, kind, error != faults.NO_ERROR_CODE)
    system.vectoring_error = max(error, 0)
    if system.cr0 & CR0_PE:
        deliver_protected(system, vector, kind, error, return_eip)
    else:
        deliver_real(system, vector, return_eip)
    system.vectoring = 0
    system.shadow = False
    system.debug.single_step = False        # INT n: the trap flag is clear in the handler


def deliver_real(system, vector, return_eip):
    """Through the interrupt table of real mode (vol. 3, 20.1.4)."""
    if 4 * vector + 3 > system.idtr_limit:
        raise GuestFault(faults.GP, 0)
    offset = system.read_system(system.idtr_base + 4 * vector, 2)
    selector = system.read_system(system.idtr_base + 4 * vector + 2, 2)
    stack = segments.current_stack(system)
    stack.push(system.eflags, 2)
    stack.push(system.selector[CS], 2)
    stack.push(return_eip, 2)
    stack.commit()
    system.eflags &= ~(flags.IF | flags.TF | flags.AC | flags.RF)
    segments.set_real(system, CS, selector)
    system.eip = offset
    system.update_mode()


def deliver_protected(system, vector, kind, error, return_eip):
    extra = EXTERNAL
    if kind == SOFTWARE_INTERRUPT or kind == SOFTWARE_EXCEPTION:
        extra = 0
    gate = find_gate(system, vector, kind, extra)
    if gate.kind() == TASK_GATE:
        from hyper.cpu import tasks
        system.eip = return_eip
        tasks.switch(system, gate.target_selector(), segments.BY_GATE, error)
        return
    selector = gate.target_selector()
    if segments.is_null(selector):
        raise GuestFault(faults.GP, extra)
    code = segments.find(system, selector, faults.GP, extra)
    if not code.is_code() or code.privilege() > system.cpl:
        raise selector_fault(faults.GP, selector, extra)
    if not code.is_present():
        raise selector_fault(faults.NP, selector, extra)
    from_vm86 = system.eflags & flags.VM != 0
    size = gate.size()
    if not code.is_conforming() and code.privilege() < system.cpl:
        cpl = code.privilege()
        if from_vm86 and cpl != 0:
            raise selector_fault(faults.GP, selector, extra)
        inner = segments.inner_stack(system, cpl, extra)
        stack = inner.stack
        if from_vm86:
            for segment in [GS, FS, DS, ES]:
                stack.push(system.selector[segment], size)
        stack.push(system.selector[SS], size)
        stack.push(system.regs[4], size)
        push_frame(system, stack, size, kind, error, return_eip)
        segments.mark_accessed(system, inner.descriptor)        # may fault, so before anything changes
        check_offset(gate, code, extra)
        segments.enter_code(system, selector, code, gate.target_offset(), cpl)
        if from_vm86:
            system.eflags &= ~flags.VM
            for segment in [ES, DS, FS, GS]:
                system.set_segment(segment, 0, 0, 0, AR_UNUSABLE)
        inner.enter(system)
    else:
        if from_vm86:
            raise selector_fault(faults.GP, selector, extra)
        stack = segments.current_stack(system)
        push_frame(system, stack, size, kind, error, return_eip)
        check_offset(gate, code, extra)
        segments.enter_code(system, selector, code, gate.target_offset(), system.cpl)
        stack.commit()
    system.eflags &= ~CLEARED_BY_EVENT
    if gate.kind() == INTERRUPT_GATE32 or gate.kind() == INTERRUPT_GATE16:
        system.eflags &= ~flags.IF
    system.update_mode()


def find_gate(system, vector, kind, extra):
    """The gate of a vector, checked (6.12.1)."""
    code = (vector << 3) | IDT_BIT | extra
    if 8 * vector + 7 > system.idtr_limit:
        raise GuestFault(faults.GP, code)
    at = (system.idtr_base + 8 * vector) & M32
    gate = segments.Descriptor(at, system.read_system(at, 4), system.read_system(at + 4, 4))
    if gate.is_ordinary() or gate.kind() not in [TASK_GATE, INTERRUPT_GATE16, TRAP_GATE16, INTERRUPT_GATE32, TRAP_GATE32]:
        raise GuestFault(faults.GP, code)
    if extra == 0 and gate.privilege() < system.cpl:
        raise GuestFault(faults.GP, code)
    if not gate.is_present():
        raise GuestFault(faults.NP, code)
    return gate


def push_frame(system, stack, size, kind, error, return_eip):
    image = system.eflags
    if kind == HARDWARE_EXCEPTION and (system.vectoring & events.VECTOR != faults.DB or system.debug.detected):
        image |= flags.RF               # so that the instruction is not stopped again by its breakpoint (17.3.1.1)
    stack.push(image, size)
    stack.push(system.selector[CS], size)
    stack.push(return_eip, size)
    if error != faults.NO_ERROR_CODE:
        stack.push(error, size)


def check_offset(gate, code, extra):
    if gate.target_offset() > code.limit():
        raise GuestFault(faults.GP, extra)


# -- IRET

@dont_look_inside
def iret(system, size):
    """IRET with `size`-byte operands. NMIs are unblocked even if it faults, unless they belong to the VMM (25.3)."""
    if not system.vmx_non_root or not intercepts.nmi_exits(system) or intercepts.has_virtual_nmis(system):
        system.nmi_blocked = False
    if segments.is_real(system):
        return_real(system, size)
    elif system.eflags & flags.NT:
        from hyper.cpu import tasks
        tasks.switch(system, system.read_system(system.base[TR], 2), segments.BY_IRET, faults.NO_ERROR_CODE)
    else:
        return_protected(system, size)


def return_real(system, size):
    virtual = control.is_virtual(system, size)
    stack = segments.current_stack(system)
    eip = stack.pop(size)
    selector = stack.pop(size) & 0xffff
    image = stack.pop(size)
    changeable = IRET_ALWAYS
    if virtual:
        image = control.from_virtual_image(system, image)
    elif system.eflags & flags.VM:
        changeable |= flags.IF
    else:
        changeable |= flags.IF | flags.IOPL
    if size == 2:
        changeable &= 0xffff
    if virtual:
        changeable |= flags.VIF
    segments.enter_real_code(system, selector, eip)
    stack.commit()
    set_flags(system, image, changeable)


def return_protected(system, size):
    stack = segments.current_stack(system)
    eip = stack.pop(size)
    selector = stack.pop(size) & 0xffff
    image = stack.pop(size)
    if size == 4 and image & flags.VM and system.cpl == 0:
        return_to_vm86(system, stack, eip, selector, image)
        return
    code = segments.find_return_code(system, selector)
    changeable = IRET_ALWAYS
    if system.cpl <= control.iopl(system):
        changeable |= flags.IF
    if system.cpl == 0:
        changeable |= flags.IOPL | flags.VIF | flags.VIP
    if selector & RPL == system.cpl:
        segments.enter_code(system, selector, code, eip, system.cpl)
        stack.commit()
    else:
        segments.return_to_outer_ring(system, stack, selector, code, eip, size, 0)
    if size == 2:
        changeable &= 0xffff
    set_flags(system, image, changeable)
    system.update_mode()


def return_to_vm86(system, stack, eip, selector, image):
    pointer = stack.pop(4)
    selectors = [0] * 6
    for segment in [SS, ES, DS, FS, GS]:
        selectors[segment] = stack.pop(4) & 0xffff
    selectors[CS] = selector
    system.eflags = (image & flags.DEFINED) | flags.ALWAYS
    for segment in range(6):
        segments.set_real(system, segment, selectors[segment])
    system.cpl = 3
    system.regs[4] = pointer
    system.eip = eip & 0xffff
    system.update_mode()
    control.flags_loaded(system, 0)


def set_flags(system, image, changeable):
    before = system.eflags
    system.eflags = (image & changeable) | (before & ~changeable)
    control.flags_loaded(system, before)


# -- SYSENTER, SYSEXIT (vol. 2)

@dont_look_inside
def sysenter(system):
    if system.cr0 & CR0_PE == 0 or segments.is_null(system.sysenter_cs):
        raise GuestFault(faults.GP, 0)
    system.eflags &= ~(flags.VM | flags.IF | flags.RF)
    segments.enter_flat(system, system.sysenter_cs & 0xffff, 0)
    system.regs[4] = system.sysenter_esp
    system.eip = system.sysenter_eip


@dont_look_inside
def sysexit(system):
    if system.cr0 & CR0_PE == 0 or segments.is_null(system.sysenter_cs):
        raise GuestFault(faults.GP, 0)
    control.require_ring_0(system)
    segments.enter_flat(system, (system.sysenter_cs + 16) & 0xffff, 3)
    system.regs[4] = system.regs[1]
    system.eip = system.regs[2]


# -- HLT

@dont_look_inside
def hlt(system):
    control.require_ring_0(system)
    if system.vmx_non_root:
        intercepts.hlt(system)
    system.halted = True
    system.interrupt_changed()          # the events that follow are what waits


# -- events

def in_shadow(system):
    """Whether STI or MOV SS still holds events back from the instruction that is next."""
    return system.shadow and system.icount < system.shadow_at + SHADOW


def service_events(system):
    """Take what is due before the next instruction, in the order of table 6-2; if the processor is halted, let time pass until something wakes it."""
    while True:
        clock = system.clock
        if clock is not None:
            clock.run_due(system.now())
        if system.stop_requested:
            system.stop_requested = False
            system.stop = system.stop_reason
        elif system.icount >= system.limit:
            system.stop = STOP_DEADLINE
        else:
            take_events(system)
            if system.waits_for_store and monitor.ends(system):
                monitor.forget(system)
                system.halted = False
        if system.stop != STOP_NONE or not system.halted:
            break
        if not wait(system):
            system.stop = STOP_HALTED
            break
    set_deadline(system)


def wait(system):
    """Halted: idle time until the next deadline of a device. False if nothing can end the halt."""
    if system.clock is None or not (system.interrupts_enabled() or system.vmx_non_root or system.waits_for_store):
        return False
    from hyper.board.clock import NEVER
    when = system.clock.next_deadline()
    if when == NEVER:
        return False
    system.idle += max(when - system.now(), 0)
    return True


def take_events(system):
    if system.debug.are_traps_due():
        system.halted = False
        system.instruction_length = 0
        abort(system, system.debug.take_traps())
        if system.stop != STOP_NONE:
            return
    if in_shadow(system):
        return
    system.shadow = False
    try:
        if system.vmx_non_root:
            take_non_root_event(system)
        elif system.nmi_pending and not system.nmi_blocked:
            deliver_nmi(system)
        elif system.interrupts_enabled() and is_interrupt_pending(system):
            deliver_interrupt(system)
    except Abort, fault:
        system.instruction_length = 0
        abort(system, fault)


def is_interrupt_pending(system):
    interrupts = system.interrupts
    return interrupts is not None and interrupts.pending()


def deliver_nmi(system):
    system.halted = False
    system.nmi_pending = False
    system.nmi_blocked = True
    deliver(system, faults.NMI, events.NMI, faults.NO_ERROR_CODE, system.eip)


def deliver_interrupt(system):
    system.halted = False
    deliver(system, system.interrupts.acknowledge() & 0xff, EXTERNAL_INTERRUPT, faults.NO_ERROR_CODE, system.eip)


def take_non_root_event(system):
    """25.2, 26.7.5, 26.7.6: the windows go before the events that they open for."""
    if intercepts.nmi_window_exits(system) and not system.nmi_blocked:
        exits.nmi_window(system)
    elif system.nmi_pending and (intercepts.nmi_exits(system) or not system.nmi_blocked):
        if intercepts.nmi_exits(system):
            system.nmi_pending = False
            exits.nmi(system)
        else:
            deliver_nmi(system)
    elif system.interrupts_enabled() and intercepts.interrupt_window_exits(system):
        exits.interrupt_window(system)
    elif is_interrupt_pending(system):
        if intercepts.external_interrupt_exits(system):
            exits.external_interrupt(system)
        elif system.interrupts_enabled():
            deliver_interrupt(system)


def set_deadline(system):
    """The instruction count at which to look again. While a shadow holds events back that is soon."""
    if in_shadow(system):
        system.deadline = 0
        return
    deadline = system.limit
    if system.clock is not None:
        deadline = min(deadline, system.clock.next_deadline() - system.idle)
    system.deadline = deadline
