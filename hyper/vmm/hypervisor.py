"""The hypervisor: a machine without devices of its own, its processor in VMX root operation, and the domains that share it."""
from hyper.board import machine as stops
from hyper.board.machine import Machine, Receiver
from hyper.board.uart import CharSink
from hyper.cpu import system as processor
from hyper.cpu.system import InterruptController, STOP_VMEXIT
from hyper.errors import UserError
from hyper.options import BORROWED_VIRTUAL_TIME, MB, PARA
from hyper.vmm.domain import Host
from hyper.vmm.frames import FRAME, FrameAllocator, NONE, Range
from hyper.vmm.full import build as full
from hyper.vmm.messages import Messages
from hyper.vmm.para import build as para
from hyper.vmm.para.devices import Devices
from hyper.vmm.para.network.interface import usual_address
from hyper.vmm.scheduler.build import make_scheduler
from hyper.vmx import host
from hyper.vmx.operation import SUCCEED

VMXON_REGION = 0x1000
FIRST_FRAME = 0x2000
MOST_MACHINE_MEMORY = 3584 * MB         # machine addresses are of 32 bits, and what lies above is kept free for devices
TIMER_VECTOR = 0x20
NO_ROOM = "the machine has no room for another domain; give less --memory or fewer --copies"


class HostInterrupts(InterruptController):
    """The host's own interrupt: its timer wants the VMM to look."""

    def __init__(self):
        self.requested = False

    def pending(self):
        return self.requested

    def acknowledge(self):
        self.requested = False
        return TIMER_VECTOR


class FirstDomain(Receiver):
    """Console input goes to the first domain that lives."""

    def __init__(self, hypervisor):
        self.hypervisor = hypervisor

    def receive(self, text):
        for domain in self.hypervisor.domains:
            if domain.alive:
                domain.receive(text)
                return


class Consoles(object):
    """Gives a console to a domain that the privileged one makes. The base class drops all output."""

    def console(self, number, name):
        return CharSink()

    def forget(self, number):
        """The domain is gone."""


class Hypervisor(Host):
    """`configs` (DomainConfig) say which domains there are at the beginning; raises UserError if one cannot be made. After every `check_every`
    hypercalls, if that is not 0, the frame table is checked. With `memory`, so many bytes of machine memory, it goes on without any domain, and more
    can be made; else the machine has what those need. `policy` and `allowance` are those of the scheduler, 0 for the policy's usual one."""

    def __init__(self, model, world, configs, check_every=0, memory=0, policy=BORROWED_VIRTUAL_TIME, allowance=0):
        self.model = model
        self.stays = memory > 0
        if memory == 0:
            memory = machine_memory(configs)
        self.machine = Machine(memory, model, world)
        self.memory = self.machine.memory
        self.clock = self.machine.clock
        self.system = self.machine.system
        if self.system.vmx is None:
            raise UserError("--cpu %s: has no VT-x, which domains need; choose another, see hyper models" % model.name)
        self.vmx = self.system.vmx
        host.start(self.vmx, VMXON_REGION)
        assert self.vmx.status == SUCCEED
        self.interrupts = HostInterrupts()
        self.system.interrupts = self.interrupts
        self.frames = FrameAllocator(self.memory, FIRST_FRAME)
        self.check_every = check_every
        self.frame_table = None         # what paravirtual domains share, once there is one
        self.devices = Devices(self.clock, self.frames)
        self.messages = Messages()
        self.neighbours = None          # what those with the interface of Xen 3 share, once there is one
        self.policy = policy
        self.scheduler = make_scheduler(policy, allowance, self.clock, self)
        self.domains = []               # by rising number
        self.next_number = 0
        self.living = 0
        self.current = None             # the domain that runs, or whose exit is being handled
        self.taken = []                 # Ranges of frames, for the domain that is being made
        self.consoles = Consoles()
        self.orphans = []               # frames of domains that are gone which others still refer to
        self.loaded = None              # the domain whose floating-point state the processor holds
        for config in configs:
            self.create(config)
        self.machine.receiver = FirstDomain(self)

    def create(self, config):
        """Makes a domain that can run; raises UserError."""
        number = self.next_number
        self.adopt()
        self.taken = []
        try:
            if config.mode == PARA:
                domain = para.build(self, config, number)
            else:
                domain = full.build(self, config, number)
        except UserError:
            for whole in self.taken:
                self.frames.give_back_range(whole)
            raise
        domain.counts_places = config.counts_places
        domain.account.set(config.scheduling)
        domain.privileged = config.privileged
        domain.size = config.memory
        self.enlist(domain)
        return domain

    def create_empty(self, pages, name, interface):
        number = self.next_number
        self.adopt()
        self.taken = []
        name = printable(name)
        if name == '':
            name = 'domain-%d' % number
        try:
            domain = para.build_empty(self, name, number, interface, pages, self.consoles.console(number, name))
        except UserError:
            for whole in self.taken:
                self.frames.give_back_range(whole)
            self.consoles.forget(number)
            return None
        domain.size = pages * FRAME
        domain.built = False
        domain.paused = True
        self.enlist(domain)
        return domain

    def create_saved(self, name, interface, frames, sink, fittings):
        """A paused domain without image that is to get what was saved of one with these frames (their numbers); raises UserError. It gets the same ones if
        they are free; see page_frames."""
        number = self.next_number
        self.adopt()
        self.taken = []
        try:
            domain = para.build_saved(self, name, number, interface, frames, sink, fittings)
        except UserError:
            for whole in self.taken:
                self.frames.give_back_range(whole)
            raise
        domain.size = len(frames) * FRAME
        domain.built = False
        domain.paused = True
        self.enlist(domain)
        return domain

    def number_of_next(self):
        """The number of the next domain: one whose usual network address none has that has come from elsewhere."""
        while self.devices.router.has_address(usual_address(self.next_number), self.next_number):
            self.next_number += 1
        return self.next_number

    def enlist(self, domain):
        """A new domain is complete."""
        domain.held = self.taken
        self.taken = []
        self.next_number = domain.number + 1
        self.domains.append(domain)
        self.living += 1
        self.messages.add('domain %d (%s): made, with %d KB of memory' % (domain.number, domain.name, domain.size // 1024))
        if domain.can_run():
            self.scheduler.add(domain)

    def find(self, number):
        """The domain of a number, None if there is none."""
        for domain in self.domains:
            if domain.number == number:
                return domain
        return None

    def find_from(self, number):
        for domain in self.domains:
            if domain.number >= number:
                return domain
        return None

    def close(self):
        self.machine.close()

    # -- control

    def pause(self, domain):
        """The domain does not run until `unpause`; its timers go on."""
        domain.paused = True
        self.unschedule(domain)

    def unpause(self, domain):
        if domain.paused:
            domain.paused = False
            domain.suspended = False
            if domain.can_run():
                self.scheduler.add(domain)

    def unschedule(self, domain):
        """A domain that cannot run any more, or for now."""
        scheduler = self.scheduler
        if domain is self.current:
            domain.preempt()            # it is put back when its exit has been handled
        elif domain is scheduler.running:
            scheduler.put_back()
        else:
            scheduler.remove(domain)

    def destroy(self, domain):
        """The domain ends, if it has not, and its memory is free again. It must not be the current one."""
        assert domain is not self.current
        domain.end(0, 'destroyed')
        if self.loaded is domain:
            self.loaded = None
        self.vmx.vmclear(domain.region)
        self.vmx.flush()
        domain.release(self.frames)
        self.consoles.forget(domain.number)
        for k in range(len(self.domains)):
            if self.domains[k] is domain:
                del self.domains[k]
                break

    def leave_orphan(self, frame):
        """A frame (its number) of a domain that is gone: it is free as soon as nobody refers to it any more."""
        self.orphans.append(frame)

    def adopt(self):
        """Frees what nobody refers to any more."""
        left = []
        for frame in self.orphans:
            if self.frame_table.references[frame] > 0:
                left.append(frame)
            else:
                self.frames.give_back(frame * FRAME)
        self.orphans = left

    # -- frames, for those who make domains

    def take_frame(self):
        """A cleared machine frame; raises UserError if there is none."""
        return self.take_range(1, FRAME)

    def take_range(self, count, alignment):
        """Cleared frames that follow each other, see FrameAllocator; raises UserError if there are none."""
        if count == 1:
            frame = self.frames.take()
        else:
            frame = self.frames.take_range(count, alignment)
        if frame == NONE:
            raise UserError(NO_ROOM)
        self.taken.append(Range(frame, count))
        return frame

    def require(self, count):
        """Raises UserError if so many frames are not free."""
        if count > self.frames.free():
            raise UserError(NO_ROOM)

    def take_pages(self, count):
        """So many cleared frames (their numbers) that a domain will own, which follow each other if there are such; raises UserError."""
        self.require(count)
        pages = []
        for address in self.frames.take_frames(count):
            pages.append(address // FRAME)
        return pages

    # -- running

    def run(self, max_instructions, until_address, seconds):
        """Runs the domains; arguments and result as those of Machine.run. Instructions are those of all domains together."""
        machine = self.machine
        system = self.system
        machine.begin(seconds)
        system.limit = processor.FOREVER
        if max_instructions >= 0:
            system.limit = system.icount + max_instructions
        if until_address >= 0:
            if max_instructions != 0:
                self.step_over(until_address)
            system.debug.set_stop(until_address)
        while machine.ended == stops.RUNNING:
            self.turn()
        if until_address >= 0:
            system.debug.clear_stop(until_address)
        system.limit = processor.FOREVER
        machine.watch.finish()
        return machine.ended

    def turn(self):
        """Runs one domain until it gives up the processor or the run is over; with none that can run, lets time pass."""
        scheduler = self.scheduler
        domain = scheduler.pick()
        if domain is None:
            self.wait()
            return
        reason = self.run_domain(domain)
        if reason == STOP_VMEXIT:
            if not domain.can_run() or domain.leaving:
                scheduler.put_back()
        else:
            self.machine.note(reason)

    def run_domain(self, domain):
        """See Domain.run."""
        self.switch_to(domain)
        self.current = domain
        reason = domain.run()
        self.current = None
        return reason

    def step_over(self, address):
        """If the domain to run next is at the address, it executes that instruction, so that a run does not end where it begins."""
        domain = self.scheduler.pick()
        if domain is None or domain.linear_eip() != address:
            return
        limit = self.system.limit
        self.system.limit = self.system.icount + 1
        if self.run_domain(domain) == STOP_VMEXIT and (not domain.can_run() or domain.leaving):
            self.scheduler.put_back()
        self.system.limit = limit

    def switch_to(self, domain):
        """What the processor holds of another domain and no VMCS has."""
        before = self.loaded
        if before is domain:
            return
        fpu = self.system.fpu
        if before is not None and before.alive:
            before.fpu.copy_from(fpu)
        fpu.copy_from(domain.fpu)
        self.loaded = domain

    def take_out(self, domain):
        """What the processor holds of the domain goes into it."""
        if self.loaded is domain:
            domain.fpu.copy_from(self.system.fpu)

    def wait(self):
        """No domain can run."""
        machine = self.machine
        if self.living == 0 and not self.stays:
            machine.end(stops.POWERED_OFF, "every domain has ended")
            return
        machine.wait()
        if machine.ended == stops.CRASHED:
            for domain in self.domains:
                domain.die(machine.why)

    def status(self):
        """The exit status of the command line: that of a domain that was stopped, else of a run that was, else the first domain's that is not zero."""
        for domain in self.domains:
            if domain.died:
                return domain.status
        status = self.machine.status()
        for domain in self.domains:
            if status == 0:
                status = domain.status
        return status

    # -- the scheduler's parameters, while domains run

    def set_policy(self, policy, allowance):
        """Another policy, a word of --scheduler, with its allowance in ns or 0 for the usual one. No domain may be current. What domains have had so far does
        not count under it."""
        before = self.scheduler
        before.put_back()
        self.policy = policy
        self.scheduler = make_scheduler(policy, allowance, self.clock, self)
        for domain in self.domains:
            domain.account.begin()
        for domain in before.queue:
            self.scheduler.add(domain)

    def set_allowance(self, ns):
        return self.scheduler.set_allowance(ns)

    def adjust(self, domain, advance, warp, warp_limit, unwarp):
        return self.scheduler.adjust(domain, advance, warp, warp_limit, unwarp)

    def advance_of(self, domain):
        return domain.account.parameters.mcu_advance

    # -- what domains and the scheduler tell

    def interrupt(self):
        """Makes the running domain exit."""
        self.interrupts.requested = True
        self.system.interrupt_changed()

    def domain_woke(self, domain):
        self.machine.waiting = False    # a deadline of the same moment need not think that nothing can happen any more
        if domain.can_run():
            self.scheduler.add(domain)

    def domain_interrupted(self, domain):
        self.interrupt()

    def host_interrupt(self, domain):
        self.interrupts.requested = False
        if self.scheduler.over and domain.is_stuck():
            domain.die("loops for ever with interrupts off")
            return True
        return self.scheduler.must_leave()

    def domain_ended(self, domain):
        self.messages.add('domain %d (%s): %s' % (domain.number, domain.name, domain.why))
        self.living -= 1
        self.unschedule(domain)

    def broken(self, domain, why):
        self.machine.end(stops.CRASHED, why)
        domain.preempt()


def printable(text):
    """A name that a guest has given."""
    parts = []
    for c in text:
        parts.append(c if ' ' < c and c < '\x7f' else '_')
    return ''.join(parts)


def machine_memory(configs):
    """The machine memory that such domains need, in bytes; raises UserError if that is more than a machine can have."""
    total = FIRST_FRAME
    shared = 0
    for config in configs:
        if config.mode == PARA:
            total += para.memory_needed(config)
            shared = para.shared_memory(total)
        else:
            total += full.memory_needed(config)
        if total + shared > MOST_MACHINE_MEMORY:
            raise UserError("all domains together need more than %dM; give less --memory or fewer --copies" % (MOST_MACHINE_MEMORY // MB))
    if shared > 0:
        shared = para.shared_memory(total)
    return total + shared
