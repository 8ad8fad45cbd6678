"""Runs template code: compiles blocks that have been interpreted a few times, enters their code, and does what that leaves to be done.

Between the interpreter, which is slow, and the JIT's traces, which take long to make. Blocks of one page are linked by jumps; every other transfer
looks for its target in a cache (`frame.CACHE`), by linear address and `KEY`: the mode, and a generation that changes whenever a translation for
fetching may: that of all translations in user modes, in others that of the global ones. `run` does what `engine.execute` does behind a block, in the same order, so events are taken at the same instruction whatever runs it.
Untranslated this works too, but is not how a session runs: it is for tests, and to see what code does.
"""
from rpython.rlib.jit import hint

from hyper.board import raw
from hyper.cpu import flags
from hyper.cpu import system as stops
from hyper.cpu.block import INTERPRETED, NO_CODE, NOT_YET
from hyper.cpu.faults import Abort, ExecuteAlone
from hyper.cpu.mode import READ_TAG, TLB_INDEX, WRITE_TAG
from hyper.cpu.operations.sse.state import EM, OSFXSR, TS
from hyper.cpu.templates import frame, host
from hyper.cpu.templates.compiler import Compiler, LEFT_AT

M32 = 0xffffffff
PAGE = 0xfffff000
CODE_SIZE = 32 << 20
LONGEST_BLOCK = 64 << 10        # bytes of template code: more than any takes
MODES = 64                      # numbers of modes in a KEY
GENERATIONS = 1 << 24
REPEATED = 500          # times that a block leaves an operation which the JIT does well with


def is_sse_allowed(system):
    return system.cr0 & (EM | TS) == 0 and system.cr4 & OSFXSR != 0


class Processors(object):
    """Those with template code, by number: what `fill` is told."""

    def __init__(self):
        self.systems = []

    def add(self, system):
        for number in range(len(self.systems)):
            if self.systems[number] is None:
                self.systems[number] = system
                return number
        self.systems.append(system)
        return len(self.systems) - 1


processors = Processors()


def fill(number, address, what):
    """Called by template code that has missed the TLB: 1 if it holds the page now and nothing else has changed. what: size | writes << 8."""
    system = processors.systems[number]
    mode = system.mode
    size = what & 0xff
    write = what >> 8
    generation = system.code.generation
    if len(system.debug.data) != 0 or (address & 0xfff) + size > 0x1000:
        return 0
    try:
        system.mmu.enter(address, write != 0, mode.user)
    except Abort:
        return 0        # the interpreter will meet it again
    if system.code.generation != generation:
        return 0
    return int(raw.load64(mode.tlb, ((address >> 7) & TLB_INDEX) + (WRITE_TAG if write else READ_TAG)) == address & PAGE)


def perform(number, block_number, index):
    """Called by template code: does an operation of a block as the interpreter would. Gives how it ended."""
    system = processors.systems[number]
    templates = system.templates
    f = templates.frame
    block = templates.blocks[block_number]
    page = block.page
    mode = page.mode
    operation = block.ops[index] if index < len(block.ops) else block.terminator
    if len(system.debug.data) != 0:
        return frame.LEFT_ALONE
    cpu = hint(system.cpu, access_directly=True)
    templates.take(cpu)
    cpu.index = index
    generation = system.code.generation
    try:
        operation.execute(cpu, mode)
    except Abort, abort:
        cpu.index = 0
        if isinstance(abort, ExecuteAlone):
            templates.end(frame.ALONE, block.starts[index], cpu.icount + index)
        return frame.LEFT_ALONE         # any other the interpreter will meet again
    cpu.index = 0
    templates.give(cpu)
    raw.store64(f, frame.DEADLINE, system.deadline)
    count = index + 1
    next = block.starts[count]
    if operation.ends_block:
        count = block.count
        next = cpu.eip
    raw.store32(f, frame.EIP, next)
    if operation.far:
        if not page.valid or system.code.generation != generation or system.mode is not mode or system.stop != stops.STOP_NONE:
            return frame.ELSEWHERE
    elif not page.valid:
        templates.end(frame.WROTE_CODE, next, cpu.icount + count)
        return frame.LEFT_ALONE
    else:
        templates.set_mode(mode)
    return frame.PERFORMED if next == block.starts[index + 1] else frame.ELSEWHERE


class Templates(object):
    """The template code of one processor."""

    def __init__(self, system):
        self.system = system
        self.code = host.allocate(CODE_SIZE)
        self.base = host.address_of(self.code)
        self.compiler = Compiler(self.code)
        self.entry = self.base + self.compiler.enter
        self.frame = raw.allocate(frame.SIZE)
        self.frame_address = host.address_of(self.frame)
        self.blocks = []                # by number; those whose page has been dropped too, until all is written anew
        self.times = 0                  # that all has been forgotten
        self.mode = None
        self.mode_number = 0
        self.modes = []
        self.generation = -1
        self.eras = [0, 0]              # how often the generations of user modes and others have come round
        self.key = 0
        self.left = 0                   # where `run` left the state
        self.number = processors.add(system)
        raw.store64(self.frame, frame.SYSTEM, self.number)
        raw.store64(self.frame, frame.FILL, host.address_of_callback(fill))
        raw.store64(self.frame, frame.PERFORM, host.address_of_callback(perform))
        raw.store64(self.frame, frame.RAM, host.address_of(system.memory.storage))
        raw.store64(self.frame, frame.FPU, host.address_of(system.fpu.image))
        for segment in range(6):
            self.set_segment(segment)

    def set_segment(self, segment):
        """A segment register has changed."""
        at = frame.SEGMENTS + frame.SEGMENT_SIZE * segment
        system = self.system
        raw.store64(self.frame, at + frame.BASE, system.base[segment])
        raw.store64(self.frame, at + frame.READ_TOP, system.read_top[segment])
        raw.store64(self.frame, at + frame.WRITE_TOP, system.write_top[segment])

    def start_again(self):
        """The storage is full: forget all code."""
        for block in self.blocks:
            if block.code > 0:
                block.code = NOT_YET
                block.heat = 0
        self.blocks = []
        self.times += 1
        self.compiler.at = self.compiler.common_end
        self.forget_cache()

    def forget_cache(self):
        raw.fill(self.frame, frame.CACHE, 0, 16 * frame.CACHE_ENTRIES)

    def compile(self, block):
        mode = block.page.mode
        block.code = NO_CODE
        if not (mode.flat and mode.code32 and mode.stack32 and mode.protected and mode.cs_base == 0) or mode.aligned or mode.vm86:
            return
        if block.page.code is None or block.end > M32 or (block.tail is not None and block.tail.code is None):
            return
        if self.compiler.at > CODE_SIZE - LONGEST_BLOCK:
            self.start_again()
        position = self.compiler.compile(block, len(self.blocks))
        if position > 0:
            block.code = position
            self.blocks.append(block)
        elif not block.traced:
            block.code = INTERPRETED

    def warm(self, block):
        """A block without code is about to be run: compile it if it has been interpreted often enough."""
        block.heat += 1
        if block.heat > self.system.code.template_threshold:
            self.compile(block)

    def note_computing(self, block):
        """The code of a block has left an operation that the JIT does well with. When it has done so again and again it is given up."""
        block.heat += 1
        if block.heat > REPEATED and self.compiler.at <= CODE_SIZE - LONGEST_BLOCK:
            self.compiler.close(block, raw.load32(self.frame, frame.BLOCK))
            block.code = NO_CODE
            block.traced = True

    def set_mode(self, mode):
        """The mode and the generation that code is entered in."""
        code = self.system.code
        generation = code.generation if mode.user else code.global_generation
        if mode is self.mode and generation == self.generation:
            return
        if mode is not self.mode:
            self.mode = mode
            self.mode_number = self.number_of(mode)
            raw.store64(self.frame, frame.TLB, host.address_of(mode.tlb))
        era = generation // GENERATIONS
        if era != self.eras[int(mode.user)]:
            self.eras[int(mode.user)] = era
            self.forget_cache()
        self.generation = generation
        self.key = ((generation % GENERATIONS + 1) * MODES + self.mode_number) << 32
        raw.store64(self.frame, frame.KEY, self.key)

    def number_of(self, mode):
        for k in range(len(self.modes)):
            if self.modes[k] is mode:
                return k
        if len(self.modes) == MODES:
            self.modes = []
            self.forget_cache()
        self.modes.append(mode)
        return len(self.modes) - 1

    def enter(self, cpu, block):
        """Run code from a block on; gives why it was left."""
        system = self.system
        self.set_mode(block.page.mode)
        self.give(cpu)
        raw.store64(self.frame, frame.ICOUNT, cpu.icount)
        raw.store64(self.frame, frame.DEADLINE, system.deadline)
        why = host.call(self.entry, self.frame_address, self.base + block.code)
        self.take(cpu)
        return why

    def give(self, cpu):
        """Registers and flags to the frame, and what may have changed of the mode."""
        system = self.system
        f = self.frame
        raw.store32(f, frame.SSE, int(is_sse_allowed(system)))
        for n in range(8):
            raw.store32(f, frame.REGISTERS + 4 * n, cpu.regs[n])
        known = flags.arithmetic(cpu)
        raw.store16(f, frame.FLAGS, (known & 0xd5) << 8 | known >> 11)

    def take(self, cpu):
        """Registers, flags and the instruction count from the frame."""
        f = self.frame
        for n in range(8):
            cpu.regs[n] = raw.load32(f, frame.REGISTERS + 4 * n)
        known = raw.load16(f, frame.FLAGS)
        flags.set_flags(cpu, flags.CC_FLAGS, 4, (known >> 8) & 0xd5 | (known & 1) << 11, 0)
        cpu.icount = raw.load64(f, frame.ICOUNT)

    def end(self, how, eip, icount):
        """An operation that was called has ended so that the interpreter must not do it."""
        raw.store32(self.frame, frame.ENDED, how)
        raw.store32(self.frame, frame.EIP, eip)
        raw.store64(self.frame, frame.ICOUNT, icount)

    def last_block(self):
        return self.blocks[raw.load32(self.frame, frame.BLOCK)]

    def remember(self, link, address, block):
        """The way that code was left by leads to a block's code from now on."""
        if link != 0:
            self.compiler.link(link, block.code)
        else:
            slot = frame.cache_slot(address)
            raw.store64(self.frame, slot, self.key | address)
            raw.store64(self.frame, slot + 8, self.base + block.code)


def create(system, threshold):
    """Give a processor template code, where there is any, for blocks that have been interpreted more than `threshold` times."""
    if host.AVAILABLE:
        system.templates = Templates(system)
        system.code.template_threshold = threshold


def close(system):
    templates = system.templates
    if templates is not None:
        system.templates = None
        processors.systems[templates.number] = None
        raw.free(templates.frame)
        host.free(templates.code, CODE_SIZE)


def left(system):
    """Where the state is after `run` has given None: what `engine.execute` returns."""
    return system.templates.left


def takes(system, block):
    """Whether `run` runs a block, not `engine.execute`."""
    return system.templates is not None and block.code != NO_CODE


def run(system, block):
    """Run from a block on. Gives the next one that is not `run`'s, or None if `engine.execute` must return `left`."""
    from hyper.cpu import engine
    templates = system.templates
    cpu = hint(system.cpu, access_directly=True)
    if block.code == NOT_YET:
        templates.warm(block)
    while block.code != NO_CODE:
        index = 0
        link = 0
        inside = False
        if block.code > 0:
            inside = templates.enter(cpu, block) != LEFT_AT
            block = templates.last_block()
            if inside:
                cpu.eip = raw.load32(templates.frame, frame.EIP)
                link = raw.load32(templates.frame, frame.LINK)
            elif block.code == NO_CODE:
                return block
            else:
                index = raw.load32(templates.frame, frame.INDEX)
                ended = raw.load32(templates.frame, frame.ENDED)
                if ended != 0:
                    raw.store32(templates.frame, frame.ENDED, 0)
                    cpu.eip = raw.load32(templates.frame, frame.EIP)
                    templates.left = engine.IN_CPU
                    if ended == frame.ALONE:
                        cpu.save(system)
                        templates.left = engine.AT_REST
                    return None
                if index < len(block.ops) and block.ops[index].computes:
                    templates.note_computing(block)
        page = block.page
        mode = page.mode
        terminator = block.terminator
        if not inside:
            try:
                whole = engine.run_operations(block, cpu, mode, index)
            except Abort, abort:
                index = cpu.index
                cpu.eip = block.starts[index]
                cpu.save(system)
                engine.take_abort(system, abort, block, index)
                templates.left = engine.AT_REST
                return None
            if not whole:
                templates.left = engine.IN_CPU
                return None
        eip = cpu.eip
        if cpu.icount >= system.deadline and engine.looks(block, page, eip):
            cpu.save(system)
            system.service_events()
            templates.left = engine.AT_REST
            return None
        if terminator.far:
            if system.stop != stops.STOP_NONE:
                cpu.save(system)
                templates.left = engine.AT_REST
                return None
            mode = system.mode
        address = (eip + mode.cs_base) & M32
        base = address & PAGE
        if terminator.far or base != page.base or not page.valid:
            page = system.code.page(mode, base)
        block = engine.follow(block, page, address)
        if block.tail is not None:
            block = engine.with_tail(block, system, mode, base)
        times = templates.times
        if block.code == NOT_YET:
            templates.warm(block)
        if block.code > 0 and inside and templates.times == times:
            templates.set_mode(mode)
            templates.remember(link, address, block)
    return block
