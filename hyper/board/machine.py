"""A machine: one processor, its memory, a bus and a clock; and, where a guest owns it, the devices of a PC.

`Watch` is what ties machine time to the world: at regular moments of machine time it looks at the real clock, at the
console and at a request to stop. It changes nothing that a guest can see, so runs without input are the same each time;
but in a world of real time it has machine time follow the clock on the wall.
"""

import time

from rpython.rlib.objectmodel import we_are_translated

from hyper.board import firmware
from hyper.board.bus import Bus
from hyper.board.clock import Clock, DeadlineListener, NEVER, Source, Timer
from hyper.board.dma import Ram
from hyper.board.fittings import BARE
from hyper.board.memory import Memory
from hyper.board.pc import COM1, PC
from hyper.board.local_apic import ProcessorPins
from hyper.board.power import PowerListener
from hyper.cpu import engine, system as processor
from hyper.cpu.system import CoprocessorWires, InterruptController, System
from hyper.cpu.templates import runner
from hyper.vmx.operation import attach
from hyper.walk import walk

# Why a run ended; the numbers are those of the C interface.
RUNNING = -1
POWERED_OFF = 0                 # the guest switched the machine off, or every domain has ended
LIMIT = 1                       # as many instructions as were asked for
ADDRESS = 2                     # at the address that was asked for
CRASHED = 3                     # can go no further: triple fault, halted for ever
TIMEOUT = 4                     # as many seconds as were asked for
EXITED = 5                      # through the exit device, with a status
INTERRUPTED = 6                 # by hyper_interrupt() or Ctrl-C
WAITING = 7                     # nothing can happen before there is input, and that comes from the caller of the run
EXPECTED = 8                    # a console printed the text that was waited for

STATUS_CRASHED = 3              # exit statuses of the command line
STATUS_TIMEOUT = 124
STATUS_INTERRUPTED = 130

POLL = 10000000                 # ns of machine time between two looks at the world
POLL_UNTRANSLATED = 20000
IDLE_WAIT = 5                   # ms of real time to wait for input when nothing else can happen
POLL_REALTIME = 250000          # ns between two looks at a busy guest whose time follows the wall
LONGEST_WAIT = 20               # ms for the wall to catch up with machine time, before the next look
MOST_LAG = 20000000             # ns that a busy guest may be behind the wall
LEAP = 10000000                 # ns by which it catches up at a time

EFLAGS_IF = 0x200
CR0_PE_ET = 0x11
ACCESS_CODE = 0xc09b            # of the VMCS format: present, 32 bit, 4 KB granular, ring 0, accessed
ACCESS_DATA = 0xc093
ACCESS_REAL_CODE = 0x9b
ACCESS_REAL_DATA = 0x93
FLAT_LIMIT = 0xffffffff
CS = processor.CS


class MachineTime(Source):
    def __init__(self, system):
        self.system = system

    def now(self):
        return self.system.now()


class ProcessorWires(ProcessorPins):
    """The processor, as its PICs and its local APIC see it."""

    def __init__(self, system, power):
        self.system = system
        self.power = power

    def interrupt_changed(self):
        self.system.interrupt_changed()

    def nmi(self):
        self.system.nmi_pending = True
        self.system.interrupt_changed()

    def initialize(self):
        self.power.reset()


class ClockWires(DeadlineListener):
    def __init__(self, system):
        self.system = system

    def deadline_changed(self):
        self.system.deadline_changed()


class PcInterrupts(InterruptController):
    """The PICs and the local APIC, as the processor sees them."""

    def __init__(self, pc):
        self.pc = pc

    def pending(self):
        return self.pc.pending()

    def acknowledge(self):
        return self.pc.acknowledge()

    def set_apic_base(self, value):
        self.pc.set_apic_base(value)


class PcCoprocessor(CoprocessorWires):
    def __init__(self, device):
        self.device = device

    def error(self):
        return self.device.report()

    def settled(self):
        self.device.settle()


class MachinePower(PowerListener):
    def __init__(self, machine):
        self.machine = machine

    def power_off(self):
        self.machine.end(POWERED_OFF, "powered off")

    def reset(self):
        self.machine.end(POWERED_OFF, "reset by the guest")

    def exit(self, status):
        self.machine.exit_status = status
        self.machine.end(EXITED, "exited")


class World(object):
    """What lies outside of machine time. The base class is a world without input or stop requests."""

    realtime = False                # whether machine time follows the clock on the wall

    def read_input(self):
        """What has been typed since the last call, '' if nothing."""
        return ''

    def input_closed(self):
        """Whether no input will come any more."""
        return True

    def input_by_caller(self):
        """Whether input can come only after the run has returned."""
        return False

    def interactive(self):
        """Whether a person waits: then idle machine time takes as much real time."""
        return False

    def wait_for_input(self, milliseconds):
        """Returns when there is input or after so long."""

    def interrupted(self):
        """Whether somebody asked for the run to stop."""
        return False

    def flush(self):
        """Lets output be seen."""


class Receiver(object):
    """Who gets the console input."""

    def receive(self, text):
        pass


class PcReceiver(Receiver):
    def __init__(self, pc):
        self.pc = pc

    def receive(self, text):
        self.pc.receive(text)


class Watch(Timer):
    def __init__(self, machine):
        self.machine = machine
        self.end_time = -1.0

    def period(self):
        if not we_are_translated():
            return POLL_UNTRANSLATED
        if self.machine.world.realtime and not self.machine.idle():
            return POLL_REALTIME
        return POLL

    def begin(self, seconds):
        """`seconds` of real time from now on, negative for no end."""
        self.end_time = -1.0
        if seconds >= 0.0:
            self.end_time = time.time() + seconds
        self.look()
        self.machine.clock.schedule(self, self.machine.clock.now() + self.period())

    def finish(self):
        self.machine.clock.cancel(self)
        self.machine.world.flush()

    def expire(self):
        self.look()
        machine = self.machine
        world = machine.world
        idle = machine.idle()
        only_input = idle and machine.clock.next_deadline() == NEVER    # nothing else can wake the guest
        if only_input and world.input_closed():
            machine.end(CRASHED, "waits for an interrupt, and no device will send one")
        elif only_input and world.input_by_caller():
            machine.end(WAITING, "waits for input")
        elif not idle and machine.stuck():
            machine.end(CRASHED, "loops for ever with interrupts off")
        elif world.realtime:
            self.follow_the_wall(idle)
        elif idle and world.interactive():
            self.rest(self.period() // 1000000)
        elif only_input:
            self.rest(IDLE_WAIT)
        machine.clock.schedule(self, machine.clock.now() + self.period())

    def rest(self, milliseconds):
        """Real time passes, so long or until there is input, which the guest gets at once."""
        self.machine.world.wait_for_input(milliseconds)
        self.look()

    def follow_the_wall(self, idle):
        """Machine time waits for the clock on the wall where it is ahead. Where it is behind, an idle guest catches up by itself; for a busy one
        time leaps, but not past a deadline, so that it misses no tick, and not where it has interrupts off, since there it measures time."""
        machine = self.machine
        ahead = machine.ahead_of_the_wall()
        if ahead > 0:
            self.rest(min(ahead // 1000000 + 1, LONGEST_WAIT))
        elif ahead < -MOST_LAG and not idle and machine.system.eflags & EFLAGS_IF:
            due = machine.clock.next_deadline() - machine.clock.now()
            machine.system.pass_time(max(0, min(-ahead, min(due, LEAP))))

    def look(self):
        machine = self.machine
        world = machine.world
        if world.interrupted():
            machine.end(INTERRUPTED, "interrupted")
        elif self.end_time >= 0.0 and time.time() >= self.end_time:
            machine.end(TIMEOUT, "out of time")
        text = world.read_input()
        if text != '':
            machine.receiver.receive(text)
        world.flush()


class Machine(object):
    """`memory_size` in bytes, whole pages; `model` is one of hyper.cpu.models; `world` connects it to the outside."""

    def __init__(self, memory_size, model, world):
        self.memory = Memory(memory_size)
        self.system = System(self.memory, model)
        attach(self.system)
        self.bus = Bus()
        self.clock = Clock(MachineTime(self.system))
        self.clock.listener = ClockWires(self.system)
        if world.realtime:
            self.clock.start_of_time = int(time.time())
        self.system.bus = self.bus
        self.system.clock = self.clock
        self.world = world
        self.receiver = Receiver()
        self.watch = Watch(self)
        self.pc = None
        self.waiting = False        # a VMM waits for something to run
        self.ended = RUNNING
        self.why = ''               # in words
        self.exit_status = 0

    def close(self):
        runner.close(self.system)
        self.memory.close()

    def add_pc(self, sink, fittings=BARE):
        """Gives the machine the devices of a PC; COM1 and the debug port write to the sink."""
        power = MachinePower(self)
        self.pc = PC(self.bus, self.clock, ProcessorWires(self.system, power), power, sink, Ram(self.memory, 0, self.memory.size), fittings,
                     self.system.model)
        self.system.interrupts = PcInterrupts(self.pc)
        self.system.coprocessor = PcCoprocessor(self.pc.coprocessor)
        self.receiver = PcReceiver(self.pc)

    def add_firmware(self, data, video_rom):
        """Gives the PC a ROM, and what else its firmware expects; `video_rom` is that of the display adapter, '' for none."""
        firmware.add(self.pc, self.bus, data, self.memory.size, COM1, video_rom)

    def load(self, image):
        """Places an Image in memory and the processor at its entry."""
        image.place(self.memory)
        self.enter(image.entry)

    def enter(self, state):
        """Sets the registers of an EntryState."""
        system = self.system
        system.reset()
        system.msrs.set_up_memory_types(self.memory.size)
        for i in range(8):
            system.regs[i] = 0
        system.regs[0] = state.eax
        system.regs[2] = state.edx
        system.regs[3] = state.ebx
        system.regs[4] = state.esp
        system.regs[6] = state.esi
        system.eip = state.eip
        system.gdtr_base = state.gdt
        system.gdtr_limit = state.gdt_limit
        if state.protected:
            system.cr0 = CR0_PE_ET
            for segment in range(6):
                selector = state.ds
                access = ACCESS_DATA
                if segment == CS:
                    selector = state.cs
                    access = ACCESS_CODE
                system.set_segment(segment, selector, 0, FLAT_LIMIT, access)
        else:
            for segment in range(6):
                selector = state.ds
                access = ACCESS_REAL_DATA
                if segment == CS:
                    selector = state.cs
                    access = ACCESS_REAL_CODE
                system.set_segment(segment, selector, selector << 4, 0xffff, access)
            system.idtr_base = 0
            system.idtr_limit = 0x3ff
        system.update_mode()

    # running

    def end(self, reason, why):
        """The run is over before the next instruction."""
        if self.ended == RUNNING:
            self.ended = reason
            self.why = why
        self.system.request_stop(processor.STOP_REQUESTED)

    def begin(self, seconds):
        """Before a run: forgets why the last one ended, if it can go on at all."""
        if self.ended in [LIMIT, ADDRESS, TIMEOUT, INTERRUPTED, WAITING, EXPECTED]:
            self.ended = RUNNING
            self.why = ''
        self.system.stop_requested = False
        self.watch.begin(seconds)

    def run(self, max_instructions, until_address, seconds):
        """Runs the guest that owns the machine; returns why it ended.

        At most `max_instructions`, until the instruction at linear `until_address` would be next, for at most `seconds`
        of real time; each negative for no such end.
        """
        system = self.system
        self.begin(seconds)
        system.limit = processor.FOREVER
        if max_instructions >= 0:
            system.limit = system.icount + max_instructions
        if until_address >= 0:
            system.debug.set_stop(until_address)
            if (system.base[CS] + system.eip) & 0xffffffff == until_address and max_instructions != 0:
                self.step()
        while self.ended == RUNNING:
            self.note(system.run())
        if until_address >= 0:
            system.debug.clear_stop(until_address)
        system.limit = processor.FOREVER
        self.watch.finish()
        return self.ended

    def step(self):
        """One instruction, even if a run would stop before it."""
        system = self.system
        engine.step(system)
        if system.stop != processor.STOP_NONE:
            reason = system.stop
            system.stop = processor.STOP_NONE
            self.note(reason)

    def note(self, reason):
        """What it means that the processor stopped."""
        if reason == processor.STOP_DEADLINE:
            self.end(LIMIT, "reached the instruction limit")
        elif reason == processor.STOP_BREAKPOINT:
            self.end(ADDRESS, "reached the address")
        elif reason == processor.STOP_SHUTDOWN:
            self.end(CRASHED, "triple fault")
        elif reason == processor.STOP_HALTED:
            self.end(CRASHED, "halted with interrupts off")
        elif reason == processor.STOP_VMEXIT:
            self.end(CRASHED, "VM exit without a VMM")

    def crashed(self):
        """Whether the run ended because the guest can go no further."""
        return self.ended == CRASHED

    def status(self):
        """The exit status of the command line."""
        if self.crashed():
            return STATUS_CRASHED
        if self.ended == TIMEOUT:
            return STATUS_TIMEOUT
        if self.ended == INTERRUPTED:
            return STATUS_INTERRUPTED
        return self.exit_status

    def wait(self):
        """For a VMM with nothing to run: machine time passes until the next deadline, and what is due then happens."""
        now = self.system.now()
        when = self.clock.next_deadline()
        assert when != NEVER                # the watch is always scheduled during a run
        if when > now:
            self.system.idle += when - now
        self.waiting = True
        self.clock.run_due(self.system.now())
        self.waiting = False

    def ahead_of_the_wall(self):
        """By how many ns the time of day in the machine is ahead of the host's; negative where it is behind."""
        return self.system.now() - int((time.time() - self.clock.start_of_time) * 1000000000.0)

    # what the guest is doing

    def idle(self):
        return self.waiting or self.system.halted

    def stuck(self):
        """Whether the guest that owns the machine jumps to itself with interrupts off: nothing can ever happen."""
        system = self.system
        if self.pc is None or system.eflags & EFLAGS_IF or system.vmx_non_root:
            return False
        at = system.base[CS] + system.eip
        return jumps_to_itself(self.glimpse(at), self.glimpse(at - 2))

    def glimpse(self, address):
        """32 bits at a linear address, 0 where they are not mapped. This depends on the clock on the wall, so it leaves no accessed bits behind."""
        system = self.system
        value = 0
        for k in range(4):
            physical = walk(self.memory, system.cr0, system.cr3, system.cr4, address + k)
            if physical < 0:
                return 0
            value |= self.memory.read8(physical) << 8 * k
        return value


def jumps_to_itself(code, code_before):
    """Whether code (little-endian, at EIP and two bytes before it) is `1: jmp 1b` or `1: pause; jmp 1b`."""
    return (code & 0xffff == 0xfeeb or code == 0xfceb90f3 or code_before == 0xfceb90f3)
