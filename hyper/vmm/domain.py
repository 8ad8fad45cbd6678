"""A domain, whatever technique keeps it under control: what the hypervisor schedules, counts and shows.

A technique is a subclass: it says what happens before an entry (`prepare`) and after an exit (`handle_exit`), which of its addresses are
which machine addresses, and what the guest believes its control registers to be.
"""
from rpython.rlib.objectmodel import we_are_translated

from hyper.cpu.system import STOP_VMEXIT
from hyper.cpu.fpu import FPU
from hyper.errors import UserError
from hyper.vmm.scheduler.account import Account
from hyper.vmx import fields, host
from hyper.vmx.operation import SUCCEED

REASONS = 64                    # basic exit reasons that are counted
LAST_EXITS = 16                 # remembered of each domain; a power of two
STATUS_DIED = 3                 # exit status of a domain that was stopped
NOT_MAPPED = -1
DR6_ONES, DR7_ONES = 0xffff0ff0, 0x400  # bits of the debug registers that are always set
DR7_GENERAL_DETECT = 1 << 13
ESP = 4
WORDS_OF_EXIT = 4               # reason, EIP, qualification, machine time
PLACE_SHIFT = 6                 # a place is a linear address above a basic exit reason
MOST_PLACES = 1 << 16           # that are told apart; exits from further ones count as those from address 0


class Host(object):
    """What the hypervisor hears of its domains."""
    devices = None                      # see hyper.vmm.para.devices
    messages = None                     # see hyper.vmm.messages

    def domain_woke(self, domain):
        """A sleeping domain has an event: it can run."""

    def domain_interrupted(self, domain):
        """The running domain has an event from outside (a deadline of the clock came): it must exit so that it can be delivered."""

    def host_interrupt(self, domain):
        """The running domain has exited for an interrupt of the host's, which is acknowledged here. True if another domain must run now."""
        return True

    def domain_ended(self, domain):
        """The domain will not run again: it has exited or was stopped."""

    def leave_orphan(self, frame):
        """A domain that is gone leaves a frame that another still refers to."""

    def take_out(self, domain):
        """What the processor holds of a domain that does not run goes into it."""

    # -- for the privileged domain

    def find(self, number):
        """The domain of a number, None if there is none."""
        return None

    def find_from(self, number):
        """The first domain whose number is not less, None if there is none."""
        return None

    def create_empty(self, pages, name, interface):
        """A paused domain with so many pages that is not built yet; None if there is no room for it."""
        return None

    def pause(self, domain):
        """The domain does not run until `unpause`."""

    def unpause(self, domain):
        """Takes `pause` back."""

    def destroy(self, domain):
        """The domain ends, and its memory is free."""

    def set_allowance(self, ns):
        """The scheduler's context-switch allowance; False if it cannot be so."""
        return False

    def adjust(self, domain, advance, warp, warp_limit, unwarp):
        """The domain's parameters for the scheduler; False if they cannot be so."""
        return False

    def advance_of(self, domain):
        """Its mcu_advance."""
        return 0


    def broken(self, domain, why):
        """Something that must always hold does not, as was found when the domain ran."""


class Domain(object):
    """`number` is the domain's identity, `region` the machine address of the frame for its VMCS, `hypercalls` how many numbers of
    hypercalls are counted."""
    _immutable_fields_ = ['number', 'name', 'vmx', 'system', 'host', 'region', 'registers', 'exits', 'hypercalls', 'last_exits', 'account']

    technique = ''                      # as --mode has it
    mmu = ''                            # as --mmu has it, where there is a choice

    def __init__(self, number, name, vmx, region, host, hypercalls):
        self.number = number
        self.name = name
        self.vmx = vmx
        self.system = vmx.system
        self.region = region
        self.host = host
        self.registers = [0] * 8        # general registers (but ESP) while the domain does not run
        self.cr2 = 0
        self.debug = [0, 0, 0, 0, 0, 0, DR6_ONES, DR7_ONES]     # debug registers as the guest sees them
        self.fpu = FPU()                # while another domain runs
        self.exits = [0] * REASONS      # by basic reason
        self.hypercalls = [0] * hypercalls
        self.shadow_fills = 0
        self.last_exits = [0] * (LAST_EXITS * WORDS_OF_EXIT)
        self.exit_count = 0
        self.counts_places = False
        self.places = {}                # exits by place, if that was asked for
        self.instructions = 0           # domain virtual time: instructions retired, which is ns of machine time
        self.resumed_at = 0             # the processor's count when the guest was entered last
        self.launched = False
        self.alive = True
        self.asleep = False             # until an event comes
        self.paused = False             # from outside, or by the privileged domain
        self.built = True               # it has an image
        self.stopping = False           # it was asked to stop itself, so that it can be moved
        self.suspended = False          # it has
        self.privileged = False         # may control others
        self.size = 0                   # bytes of memory that it was made with
        self.held = []                  # Ranges of frames that were taken for it
        self.account = Account()        # of the scheduler
        self.leaving = False            # for the scheduler, after the exit being handled
        self.inside = False             # whether the guest is being run
        self.died = False               # stopped for what the guest did, in contrast to having exited
        self.status = 0                 # exit status, once not alive
        self.why = ''                   # in words

    # -- what a technique defines

    def prepare(self):
        """Before an entry: injects the events that are due."""

    def handle_exit(self, reason):
        """After an exit; `reason` as the VMCS has it. Nothing that the guest did may raise out of here."""
        raise NotImplementedError

    def receive(self, text):
        """Console input."""

    def ask_to_stop(self):
        """The guest is asked to stop itself, so that it can be moved to other frames. False if it does not know of that."""
        return False

    def ask_to_end(self):
        """The guest is asked to shut down; raises UserError if there is no way to."""
        raise UserError("%s: a domain of --mode full cannot be asked to shut down; destroy it" % self.name)

    def is_stuck(self):
        """Whether nothing can ever happen to the guest any more though it runs: it jumps to itself with interrupts off. Asked after an exit."""
        return False

    def waits_for_disks(self):
        """Whether there are requests that are not done."""
        return False

    def linear_to_machine(self, address):
        """The machine address of a byte at a linear address as the guest's kernel would reach it, NOT_MAPPED if there is none of the
        domain's memory. For a debugger: no rights, no accessed bits."""
        return NOT_MAPPED

    def physical_to_machine(self, address):
        """The same for a guest-physical (pseudo-physical) address."""
        return NOT_MAPPED

    def to_machine(self, linear, address):
        """The machine address of a byte of the domain, NOT_MAPPED if there is none."""
        if not linear:
            return self.physical_to_machine(address)
        self.make_current()
        return self.linear_to_machine(address)

    def control(self, number):
        """CR0, CR2, CR3 or CR4 as the guest would read it."""
        if number == 2:
            return self.cr2
        if number == 3:
            return self.vmx.vmread(fields.GUEST_CR3)
        if number == 4:
            return self.vmx.vmread(fields.GUEST_CR4)
        return self.vmx.vmread(fields.GUEST_CR0)

    def set_control(self, number, value):
        """For a debugger; False if that is not allowed."""
        return False

    def refused(self):
        """The Refusals, None where the guest has nothing to ask for."""
        return None

    def devices(self):
        """The PC that the guest sees, None if it sees none."""
        return None

    def hypercall_name(self, number):
        return 'hypercall %d' % number

    # -- the beginning

    def make_vmcs(self):
        """Makes the VMCS of the domain, clear and current; the technique fills it."""
        vmx = self.vmx
        host.clear_region(vmx, self.region)
        vmx.vmclear(self.region)
        vmx.vmptrld(self.region)
        assert vmx.status == SUCCEED

    def make_current(self):
        """The domain's VMCS, for VMREAD and VMWRITE."""
        if self.vmx.current != self.region:
            self.vmx.vmptrld(self.region)

    # -- running

    def run(self):
        """Runs the guest until the scheduler must act: it sleeps, has ended, or was preempted (STOP_VMEXIT); or the machine stops for a
        reason of its own, a STOP_ reason of System.run."""
        vmx = self.vmx
        system = self.system
        self.load()
        self.leaving = False
        stop = STOP_VMEXIT
        while self.can_run() and not self.leaving:
            self.prepare()
            self.resumed_at = system.icount
            self.inside = True
            stop = vmx.enter(not self.launched)
            self.inside = False
            self.instructions += system.icount - self.resumed_at
            if vmx.status != SUCCEED:
                self.die('VM entry refused: ' + vmx.failed_check)
                stop = STOP_VMEXIT
                break
            self.launched = True
            if stop != STOP_VMEXIT:
                break
            reason = vmx.vmread(fields.EXIT_REASON)
            self.note_exit(reason)
            self.handle(reason)
        self.save()
        return stop

    def handle(self, reason):
        """Handles an exit. Should the VMM itself fail, then only this domain pays for it."""
        try:
            self.handle_exit(reason)
        except MemoryError:
            self.die('the host has not enough memory')
        except Exception:
            if not we_are_translated():
                raise
            self.die('the hypervisor failed; this is its error, not the guest\'s')

    def load(self):
        """Puts into the processor what the VMCS does not hold."""
        self.make_current()
        regs = self.system.regs
        for k in range(8):
            regs[k] = self.registers[k]
        self.system.cr2 = self.cr2
        for k in range(4):
            self.system.debug.write(k, self.debug[k])
        self.system.debug.write(6, self.debug[6])

    def save(self):
        regs = self.system.regs
        for k in range(8):
            self.registers[k] = regs[k]
        self.cr2 = self.system.cr2
        self.debug[6] = self.system.dr[6]

    def debug_register(self, number):
        """DR0 to DR3, DR6 or DR7 of the domain that runs."""
        if number == 6:
            self.debug[6] = self.system.dr[6]           # the guest takes its debug exceptions itself
        return self.debug[number]

    def set_debug_register(self, number, value):
        """The same for writing, a good value. DR7 is in the VMCS, but for GD: the VMM guards the registers, as each access exits."""
        self.debug[number] = value
        if number == 7:
            self.vmx.vmwrite(fields.GUEST_DR7, value & ~DR7_GENERAL_DETECT)
        else:
            self.system.debug.write(number, value)

    def note_exit(self, reason):
        """Counts and remembers an exit."""
        vmx = self.vmx
        basic = reason & (REASONS - 1)
        self.exits[basic] += 1
        last = self.last_exits
        at = (self.exit_count & (LAST_EXITS - 1)) * WORDS_OF_EXIT
        assert at >= 0
        last[at] = basic
        last[at + 1] = vmx.vmread(fields.GUEST_RIP)
        last[at + 2] = vmx.vmread(fields.EXIT_QUALIFICATION)
        last[at + 3] = self.system.now()
        self.exit_count += 1
        if self.counts_places:
            self.note_place(self.linear_eip() << PLACE_SHIFT | basic)

    def note_place(self, place):
        if place not in self.places:
            if len(self.places) >= MOST_PLACES:
                place &= REASONS - 1
            if place not in self.places:
                self.places[place] = 0
        self.places[place] += 1

    def linear_eip(self):
        """The linear address of the next instruction."""
        self.make_current()
        return (self.vmx.vmread(fields.GUEST_CS_BASE) + self.vmx.vmread(fields.GUEST_RIP)) & 0xffffffff

    def virtual_time(self):
        """Domain virtual time: the instructions that the domain has executed, up to now."""
        if self.inside:
            return self.instructions + self.system.icount - self.resumed_at
        return self.instructions

    # -- what the scheduler asks

    def can_run(self):
        return self.alive and not self.asleep and not self.paused

    # -- what exit handlers ask for

    def sleep(self):
        """Nothing to do until an event comes, which the technique tells by `wake`."""
        self.asleep = True

    def wake(self):
        if self.asleep:
            self.asleep = False
            self.host.domain_woke(self)

    def preempt(self):
        """The guest is not entered again before the scheduler has decided."""
        self.leaving = True

    def die(self, why):
        """The domain is stopped for what its guest did."""
        if self.alive:
            self.died = True
            self.end(STATUS_DIED, why)

    def end(self, status, why):
        if self.alive:
            self.alive = False
            self.status = status
            self.why = why
            self.host.domain_ended(self)

    def release(self, frames):
        """Once it has ended: its memory goes back to the FrameAllocator. Nothing can be asked of it afterwards."""
        for whole in self.held:
            frames.give_back_range(whole)
        self.held = []

    # -- telling

    def state(self):
        """One word or a few: what the domain is doing."""
        if not self.alive:
            return self.why
        if self.paused:
            return 'paused'
        if self.asleep:
            return 'asleep'
        return 'running'
