"""The engine: runs decoded code, and is what the JIT traces. Where there are templates the runner (templates/runner.py) runs all blocks but those of
the JIT and of modes without templates, and `execute` only those.

The block is the only green of the driver, so a trace folds away all decoding. `execute` is left for everything rare: events that are due, aborts, a
stop request, indirect transfers with very many targets, and far ones to pages that are seldom entered, as those of a program that runs once are;
`run` does those with plain code and goes back in. Where a transfer's target is not a constant of the trace it is promoted, with the page and the mode
it leads to.
"""
from rpython.rlib.jit import JitDriver, promote, unroll_safe, hint, dont_look_inside, we_are_jitted

from hyper.cpu import faults
from hyper.cpu import system as stops
from hyper.cpu.block import text_of
from hyper.cpu.faults import Abort, Breakpoint, ExecuteAlone, GuestFault
from hyper.cpu.flags import RF
from hyper.cpu.operations.base import Indirect
from hyper.cpu.templates import runner

PAGE = 0xfffff000
M32 = 0xffffffff
IN_CPU, AT_REST = 0, 1          # where `execute` and `runner.run` left the state
STEP_MARGIN = 5000              # instructions before an exact limit from which single steps are made
WARM = 400                      # entries from compiled code after which the transfers that lead to a page are compiled with it


def get_location(block):
    return 'block %x' % block.address


driver = JitDriver(greens=['block'], reds=['cpu'], virtualizables=['cpu'], get_printable_location=get_location)


@unroll_safe
def run_operations(block, cpu, mode, first):
    """Run a block, from its operation number `first` on; False if it wrote to its own page and must not go on (EIP is then right)."""
    ops = block.ops
    page = block.page
    i = first
    while i < len(ops):
        cpu.index = i
        ops[i].execute(cpu, mode)
        i += 1
        if not page.valid:
            cpu.eip = block.starts[i]
            cpu.icount += i
            cpu.index = 0
            return False
    cpu.index = i
    block.terminator.execute(cpu, mode)
    cpu.icount += block.count
    cpu.index = 0
    return True


def execute(cpu, block):
    """Run from `block` until something must be done outside; returns where the state is."""
    # no compiled code is under way with the CPU where plain code runs, so that need not ask before every access whether it must be forced
    cpu = hint(cpu, access_directly=True)
    while True:
        driver.jit_merge_point(block=block, cpu=cpu)
        page = block.page
        mode = page.mode
        system = mode.system
        terminator = block.terminator
        try:
            whole = run_operations(block, cpu, mode, 0)
        except Abort, abort:
            index = cpu.index
            cpu.eip = block.starts[index]
            cpu.save(system)
            take_abort(system, abort, block, index)
            return AT_REST
        if not whole:
            hint(cpu, force_virtualizable=True)
            return IN_CPU
        leave = False
        target = page
        if terminator.indirect:
            assert isinstance(terminator, Indirect)
            if we_are_jitted():
                leave = terminator.megamorphic
            elif cpu.eip != terminator.last_target:
                terminator.note(cpu.eip)
        eip = cpu.eip
        if not leave and not terminator.far:
            eip = promote(eip)
        if looks(block, page, eip) and cpu.icount >= system.deadline:
            cpu.save(system)
            system.service_events()
            return AT_REST
        if terminator.far:
            if system.stop != stops.STOP_NONE:
                cpu.save(system)
                return AT_REST
            if not leave:
                mode = promote(system.mode)
                target = system.code.page(mode, (eip + mode.cs_base) & PAGE)
                leave = we_are_jitted() and target.entries < WARM
        if leave:
            hint(cpu, force_virtualizable=True)
            return IN_CPU
        if terminator.far:
            page = promote(target)
            eip = promote(eip)
        backward = block.checks or eip < block.end
        address = (eip + mode.cs_base) & M32
        base = address & PAGE
        if not terminator.far and (base != page.base or not page.valid):
            page = promote(system.code.lookup(base))
            if page.base != base or page.mode is not mode:
                page = promote(system.code.fill(mode, base))
        if we_are_jitted():
            block = page.block_at(address)
        else:
            block = follow(block, page, address)
        if block.tail is not None:
            block = with_tail(block, system, mode, base)
        if not we_are_jitted() and runner.takes(system, block):
            outcome = runner.run(system, block)
            if outcome is None:
                return runner.left(system)
            block = outcome
            backward = block.traced
        if backward:
            driver.can_enter_jit(block=block, cpu=cpu)


def looks(block, page, eip):
    """Whether events are looked at where a block has led to `eip`: backwards, and in another page, so never more than a page's instructions apart.
    It depends on nothing but the guest, so they are taken at the same instruction whatever runs it."""
    return block.checks or eip < block.end or (eip + page.mode.cs_base) & PAGE != page.base


def follow(block, page, address):
    """page.block_at(address), remembering in `block` what followed it."""
    next = block.followed_by
    if next is not None and next.address == address and next.page is page:
        return next
    next = block.followed_too
    if next is not None and next.address == address and next.page is page:
        return next
    next = page.block_at(address)
    block.followed_too = block.followed_by
    block.followed_by = next
    return next


def with_tail(block, system, mode, base):
    """A block whose instruction ends on the next page, decoded again if that page is another now."""
    tail_base = (base + 0x1000) & M32
    tail = promote(system.code.lookup(tail_base))
    if tail.base != tail_base or tail.mode is not mode:
        tail = promote(system.code.fill(mode, tail_base))
    if tail is not block.tail:
        block = promote(block.page.decode_again(block.address))
    return block


def find_block(system):
    """The block at CS:EIP of the running CPU."""
    mode = system.mode
    address = (system.cpu.eip + mode.cs_base) & M32
    page = system.code.page(mode, address & PAGE)
    page.entries += 1
    block = page.block_at(address)
    if block.tail is not None:
        block = with_tail(block, system, mode, address & PAGE)
    return block


@dont_look_inside
def take_abort(system, abort, block, index):
    """The instruction at rest has aborted."""
    if isinstance(abort, Breakpoint):
        reach_breakpoint(system)
        return
    if isinstance(abort, ExecuteAlone):
        return
    system.instruction_length = (block.starts[index + 1] - block.starts[index]) & M32
    from hyper.cpu import interrupts
    interrupts.abort(system, abort)


def reach_breakpoint(system):
    """The next instruction has a breakpoint: the debugger's, or the guest's, which EFLAGS.RF may hold back."""
    debug = system.debug
    if ((system.eip + system.mode.cs_base) & M32) in debug.stops:
        system.stop = stops.STOP_BREAKPOINT
    elif debug.code_breakpoint():
        raise_debug(system)
    else:
        debug.alone = True


def run(system):
    """Run guest code until something stops it; returns and clears `system.stop`."""
    system.code.executing = True
    limit = system.limit
    if limit != stops.FOREVER:
        system.limit = max(limit - STEP_MARGIN, 0)
    system.stop = stops.STOP_NONE
    if system.look == stops.LOOK_BEHIND_NEXT and system.icount < system.limit:
        step(system)
    if system.stop == stops.STOP_NONE:
        if system.look == stops.LOOK_NOW or system.stop_requested:
            system.service_events()
        elif system.icount >= system.limit:
            system.stop = stops.STOP_DEADLINE
        else:
            system.deadline = 0
    if system.stop == stops.STOP_NONE:
        run_fast(system)
        system.look = stops.LOOK_NOW
    if limit != stops.FOREVER:
        system.limit = stops.FOREVER
        while system.stop == stops.STOP_DEADLINE and system.icount < limit:
            system.stop = stops.STOP_NONE
            step(system)
            if system.stop == stops.STOP_NONE:
                system.stop = stops.STOP_DEADLINE
        system.limit = limit
    system.code.executing = False
    reason = system.stop
    if reason == stops.STOP_BREAKPOINT:
        system.look = stops.LOOK_LATER
    elif reason != stops.STOP_DEADLINE:
        system.look = stops.LOOK_NOW
    system.stop = stops.STOP_NONE
    return reason


def run_fast(system):
    """Events have been looked at; on return `system.stop` says why."""
    cpu = system.cpu
    debug = system.debug
    system.look = stops.LOOK_LATER
    while True:
        if debug.is_stepping() or system.look == stops.LOOK_BEHIND_NEXT:
            step(system)
            if system.look == stops.LOOK_NOW and system.stop == stops.STOP_NONE:
                system.look = stops.LOOK_LATER
                system.service_events()
        else:
            cpu.resume(system)
            go_on(system, cpu)
            if system.icount >= system.deadline and system.stop == stops.STOP_NONE:
                system.service_events()     # faults alone can have brought it here
        if system.stop != stops.STOP_NONE:
            return


def go_on(system, cpu):
    """Run from CS:EIP on until something must be done outside."""
    where = IN_CPU
    while where == IN_CPU:
        block = find_block(system)
        if runner.takes(system, block):
            block = runner.run(system, block)
        if block is None:
            where = runner.left(system)
        else:
            where = execute(cpu, block)


def step(system):
    """One instruction, behind the events that are due, or else the debug exception that comes before it. A breakpoint of the debugger is passed over.

    Events are looked at between the same instructions as in `execute`, so a run does not depend on where it has been interrupted."""
    from hyper.cpu.decode import decode_single
    behind = system.look == stops.LOOK_BEHIND_NEXT
    if system.look == stops.LOOK_NOW:
        system.service_events()
        if system.stop != stops.STOP_NONE:
            return
    system.look = stops.LOOK_LATER
    debug = system.debug
    if debug.are_traps_due() or debug.code_breakpoint():
        raise_debug(system)
        system.look = stops.LOOK_NOW
        return
    cpu = hint(system.cpu, access_directly=True)
    cpu.resume(system)
    mode = system.mode
    address = (cpu.eip + mode.cs_base) & M32
    page = system.code.page(mode, address & PAGE)
    block = debug.repeated
    debug.repeated = None
    overwritten = block is not None and block.address == address and block.page.mode is mode
    if not overwritten:
        block = decode_single(page, address)
    text = ''
    if block.terminator.repeats:
        text = text_of(system.memory, page, block)
    traps = debug.traps
    rf = system.eflags & RF
    debug.begin()
    try:
        whole = run_operations(block, cpu, mode, 0)
    except Abort, abort:
        index = cpu.index
        cpu.eip = block.starts[index]
        cpu.save(system)
        debug.abandon(traps, rf)
        take_abort(system, abort, block, index)
        system.look = stops.LOOK_NOW
        return
    repeats = cpu.icount == system.icount
    cpu.save(system)
    if repeats and len(block.ops) == 0 and block.terminator.counts == 0:
        debug.abandon(traps, rf)        # nothing has been executed: what could not be fetched now can
    else:
        debug.finish(repeats)
        if repeats and block.terminator.repeats:
            # one that overwrites itself goes on as it was fetched, until it is interrupted
            if overwritten or text_of(system.memory, system.code.page(mode, address & PAGE), block) != text:
                debug.repeated = block
                debug.alone = True
    if debug.are_traps_due():
        raise_debug(system)
        system.look = stops.LOOK_NOW
    elif whole:
        if behind or looks(block, page, cpu.eip):
            system.look = stops.LOOK_NOW
        elif len(block.ops) > 0 and block.ops[0].enables_interrupts:
            system.look = stops.LOOK_BEHIND_NEXT


def raise_debug(system):
    """The debug exception that is due before the next instruction: traps of the last one, else a breakpoint on code."""
    from hyper.cpu import interrupts
    debug = system.debug
    system.instruction_length = 0
    system.halted = False
    if debug.are_traps_due():
        interrupts.abort(system, debug.take_traps())
    else:
        interrupts.abort(system, GuestFault(faults.DB, faults.NO_ERROR_CODE, debug.code_breakpoint()))
