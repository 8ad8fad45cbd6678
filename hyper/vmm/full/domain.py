"""A fully virtualized domain: an unmodified guest with a PC of its own, in VMX non-root operation."""
from hyper.board.bus import Bus
from hyper.board.machine import jumps_to_itself
from hyper.board.pc import PC
from hyper.board.pic import InterruptListener
from hyper.board.power import PowerListener
from hyper.cpu.system import STOP_VMEXIT
from hyper.vmm.full import exit_dispatch, setup
from hyper.vmm.full.emulator import Emulator
from hyper.vmm.full.ept import ExtendedTables, frames_needed
from hyper.vmm.full.guest import CS, FLAG_IF, GuestProcessor, M32
from hyper.vmm.full.injection import Injector
from hyper.vmm.full.memory import GuestMemory
from hyper.vmm.full.dr_access import DR6_ONES, DR7_ONES
from hyper.vmm.full.reflected import PF, Reflected
from hyper.vmm.full.vtlb import ShadowTables
from hyper.vmx import fields, host
from hyper.vmx.operation import SUCCEED

SHADOW_FRAMES = 160             # of 4 KB: a directory and tables for 636 MB of scattered linear memory before the shadow is emptied
STATUS_DIED = 3                 # exit status of a domain that was stopped


def frames_wanted(size, use_ept):
    """How many frames the VMM needs for the tables of a domain with so many bytes."""
    if use_ept:
        return frames_needed(size)
    return SHADOW_FRAMES


class Host(object):
    """What the hypervisor hears of its domains."""

    def domain_woke(self, domain):
        """A sleeping domain has an interrupt."""

    def domain_interrupted(self, domain):
        """The running domain has an interrupt: it must exit."""


class DomainInterrupts(InterruptListener):
    """The INTR wire of the domain's PICs."""

    def __init__(self, domain):
        self.domain = domain

    def interrupt_changed(self):
        self.domain.interrupt_changed()


class DomainPower(PowerListener):
    def __init__(self, domain):
        self.domain = domain

    def power_off(self):
        self.domain.end(0, 'powered off')

    def reset(self):
        self.domain.end(0, 'reset by the guest')

    def exit(self, status):
        self.domain.end(status, 'exited')


class FullDomain(object):
    """`memory` is the GuestMemory with nothing in it yet, `frame` the machine address of the frame for the VMCS, `frames` those of
    `frames_wanted` for shadow or extended tables. `host` is told what the scheduler must know: interrupt_changed(domain)."""
    _immutable_fields_ = ['name', 'vmx', 'system', 'model', 'memory', 'bus', 'pc', 'guest', 'registers', 'debug', 'exits']

    def __init__(self, name, vmx, model, clock, machine, base, size, sink, use_ept, region, frames, host):
        self.name = name
        self.vmx = vmx
        self.system = vmx.system
        self.model = model
        self.host = host
        self.bus = Bus()
        self.memory = GuestMemory(machine, base, size, self.bus)
        self.guest = GuestProcessor(vmx, vmx.system, self.memory)
        self.guest.nested = use_ept
        self.emulator = Emulator(self.guest)
        self.registers = [0] * 8        # general registers and CR2 while another domain runs
        self.cr2 = 0
        self.debug = [0, 0, 0, 0, 0, 0, DR6_ONES, DR7_ONES]
        self.exits = [0] * exit_dispatch.REASONS
        self.shadow_fills = 0
        self.launched = False
        self.alive = True
        self.asleep = False             # in HLT
        self.inside = False             # whether the guest is being run
        self.pc = PC(self.bus, clock, DomainInterrupts(self), DomainPower(self), sink, size)
        self.leaving = False            # for the scheduler, after the exit being handled
        self.status = 0
        self.why = ''
        self.region = region
        self.shadow = None
        self.ept = None
        if use_ept:
            self.ept = ExtendedTables(machine, self.memory, frames, True)
        else:
            self.shadow = ShadowTables(self.guest, frames)
        self.injector = Injector(self.guest, self.pc.pic)
        self.tsc_offset = 0

    # -- the beginning

    def start(self, entry):
        """Makes the VMCS and the guest's state at its entry point, an EntryState; the image is in memory. Raises UserError."""
        vmx = self.vmx
        host.clear_region(vmx, self.region)
        vmx.vmclear(self.region)
        vmx.vmptrld(self.region)
        assert vmx.status == SUCCEED
        self.injector.controls = setup.prepare_controls(self)
        setup.enter_state(self, entry)

    # -- running

    def run(self):
        """Runs the guest until the scheduler must act: it sleeps, has ended, or was preempted (STOP_VMEXIT); or the machine stops for a reason
        of its own, a STOP_ reason of System.run."""
        vmx = self.vmx
        self.load()
        self.leaving = False
        stop = STOP_VMEXIT
        while self.alive and not self.asleep and not self.leaving:
            self.injector.prepare()
            self.inside = True
            stop = vmx.enter(not self.launched)
            self.inside = False
            if vmx.status != SUCCEED:
                self.die('VM entry refused: ' + vmx.failed_check)
                stop = STOP_VMEXIT
                break
            self.launched = True
            if stop != STOP_VMEXIT:
                break
            reason = vmx.vmread(fields.EXIT_REASON)
            self.exits[reason & (exit_dispatch.REASONS - 1)] += 1
            exit_dispatch.dispatch(self, reason)
        self.save()
        return stop

    def load(self):
        """Puts into the processor what the VMCS does not hold."""
        if self.vmx.current != self.region:
            self.vmx.vmptrld(self.region)
        regs = self.system.regs
        for k in range(8):
            regs[k] = self.registers[k]
        self.system.cr2 = self.cr2

    def save(self):
        regs = self.system.regs
        for k in range(8):
            self.registers[k] = regs[k]
        self.cr2 = self.system.cr2

    # -- what exit handlers ask for

    def reflect(self, vector, error, address):
        """The guest takes an exception on the next entry."""
        if vector == PF:
            self.system.cr2 = address
        if not self.injector.exception(vector, error):
            self.die('triple fault')

    def sleep(self):
        """HLT: until an interrupt comes."""
        self.asleep = True

    def preempt(self):
        """The host has an interrupt: the scheduler looks at it."""
        self.leaving = True

    def die(self, why):
        """The domain is stopped for what its guest did."""
        self.end(STATUS_DIED, why)

    def end(self, status, why):
        if self.alive:
            self.alive = False
            self.status = status
            self.why = why

    def time_stamp(self):
        """What RDTSC gives the guest."""
        return self.system.now() + self.system.tsc_offset + self.tsc_offset

    def set_time_stamp(self, value):
        self.tsc_offset += value - self.time_stamp()
        self.vmx.write64(fields.TSC_OFFSET, self.tsc_offset)

    # -- interrupts of the virtual devices

    def interrupt_changed(self):
        """The request of the PICs has changed. While the guest runs that happens at a deadline of the host's clock: the host's timer interrupt, which
        exits."""
        if self.asleep:
            if self.injector.has_interrupt():
                self.asleep = False
                self.host.domain_woke(self)
        elif self.inside and self.pc.pic.pending():
            self.host.domain_interrupted(self)

    def is_stuck(self):
        """Whether the guest jumps to itself with interrupts off, so that nothing can ever happen to it. Asked after an exit."""
        guest = self.guest
        if guest.flags() & FLAG_IF:
            return False
        guest.look_at_paging()
        at = (guest.base(CS) + guest.read(fields.GUEST_RIP)) & M32
        try:
            return jumps_to_itself(guest.load(at, 4, False), guest.load((at - 2) & M32, 4, False))
        except Reflected:
            return False                # the bytes beside the instruction are not mapped

