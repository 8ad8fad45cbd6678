"""A fully virtualized domain: an unmodified guest with a PC of its own, in VMX non-root operation."""
from hyper.board.bus import Bus
from hyper.board.dma import Ram
from hyper.board.fittings import BARE
from hyper.board.machine import jumps_to_itself
from hyper.board.pc import PC
from hyper.board.local_apic import ProcessorPins
from hyper.board.power import PowerListener
from hyper.cpu import control
from hyper.cpu.models.model import NX
from hyper.cpu.models.registers import Bank
from hyper.options import EPT, FULL, VTLB
from hyper.vmm.domain import Domain, NOT_MAPPED
from hyper.vmm.full import cr_access, exit_dispatch, setup
from hyper.vmm.full.emulator import Emulator
from hyper.vmm.full.domain_clock import DomainClock
from hyper.vmm.full.ept import ExtendedTables, frames_needed
from hyper.vmm.full.guest import CS, FLAG_IF, GuestProcessor, M32
from hyper.vmm.full.injection import Injector
from hyper.vmm.full.memory import GuestMemory
from hyper.vmm.full.paging import EFER_NXE
from hyper.vmm.full.reflected import PF, Reflected, Unsupported
from hyper.vmm.full.vtlb import ShadowTables
from hyper.vmx import fields
from hyper.walk import walk

SHADOW_FRAMES = 320             # of 4 KB: directories and tables for 630 MB of scattered linear memory before the shadow is emptied


def frames_wanted(size, use_ept):
    """How many frames the VMM needs for the tables of a domain with so many bytes."""
    if use_ept:
        return frames_needed(size)
    return SHADOW_FRAMES


class DomainPins(ProcessorPins):
    """The domain's processor, as its PICs and its local APIC see it."""

    def __init__(self, domain):
        self.domain = domain

    def interrupt_changed(self):
        self.domain.interrupt_changed()

    def nmi(self):
        self.domain.nmi()

    def initialize(self):
        self.domain.end(0, 'reset by the guest')


class DomainPower(PowerListener):
    def __init__(self, domain):
        self.domain = domain

    def power_off(self):
        self.domain.end(0, 'powered off')

    def reset(self):
        self.domain.end(0, 'reset by the guest')

    def exit(self, status):
        self.domain.end(status, 'exited')


class FullDomain(Domain):
    """`base` is the machine address of its `size` bytes of RAM, `frames` the addresses of those frames of `frames_wanted` for shadow or
    extended tables."""
    _immutable_fields_ = ['model', 'msrs', 'clock', 'memory', 'bus', 'pc', 'guest', 'emulator', 'shadow', 'ept', 'injector']

    technique = FULL

    def __init__(self, number, name, vmx, model, clock, machine, base, size, sink, use_ept, region, frames, host, fittings=BARE):
        Domain.__init__(self, number, name, vmx, region, host, 0)
        self.model = model
        self.msrs = Bank(model)
        self.bus = Bus()
        self.memory = GuestMemory(machine, base, size, self.bus)
        self.guest = GuestProcessor(vmx, vmx.system, self.memory)
        self.guest.nested = use_ept
        self.emulator = Emulator(self.guest)
        self.clock = DomainClock(clock)
        self.pc = PC(self.bus, self.clock, DomainPins(self), DomainPower(self), sink, Ram(machine, base, size), fittings, model)
        self.shadow = None
        self.ept = None
        self.mmu = EPT if use_ept else VTLB
        if use_ept:
            self.ept = ExtendedTables(machine, self.memory, frames, True)
        else:
            self.shadow = ShadowTables(self.guest, frames)
        self.injector = Injector(self.guest, self.pc)
        self.tsc_offset = 0

    # -- the beginning

    def start(self, entry):
        """Makes the VMCS and the guest's state at its entry point, an EntryState; the image is in memory. Raises UserError."""
        self.make_vmcs()
        self.injector.controls = setup.prepare_controls(self)
        self.msrs.set_up_memory_types(self.memory.size)
        setup.enter_state(self, entry)

    # -- running

    def load(self):
        Domain.load(self)
        self.load_efer()

    def load_efer(self):
        """Shadow tables always use XD. VM entries leave the MSR alone, so a domain with EPT finds its own value there."""
        if self.model.extended_features & NX:
            value = EFER_NXE if self.ept is None else self.guest.paging.efer
            if value != self.system.efer:
                control.set_msr(self.system, control.EFER, value)

    def set_efer(self, value):
        """The guest's value, a good one."""
        self.guest.paging.efer = value
        if self.shadow is not None:
            self.shadow.empty()
        self.load_efer()

    def prepare(self):
        self.injector.prepare()

    def handle_exit(self, reason):
        exit_dispatch.dispatch(self, reason)

    # -- what exit handlers ask for

    def reflect(self, vector, error, address):
        """The guest takes an exception on the next entry."""
        if vector == PF:
            self.system.cr2 = address
        if not self.injector.exception(vector, error):
            self.die('triple fault')

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
                self.wake()
        elif self.inside and self.injector.has_interrupt():
            self.host.domain_interrupted(self)

    def nmi(self):
        self.injector.nmi = True
        self.interrupt_changed()

    def set_apic_base(self, value):
        """The registers of the local APIC may now lie where RAM was, and RAM where they were."""
        self.pc.set_apic_base(value)
        if self.ept is not None:
            self.ept.empty()
            self.vmx.flush()
        else:
            self.shadow.empty()

    def receive(self, text):
        self.pc.receive(text)

    def end(self, status, why):
        Domain.end(self, status, why)
        self.clock.end()

    def is_stuck(self):
        guest = self.guest
        if guest.flags() & FLAG_IF:
            return False
        guest.look_at_paging()
        at = (guest.base(CS) + guest.read(fields.GUEST_RIP)) & M32
        try:
            return jumps_to_itself(guest.load(at, 4, False), guest.load((at - 2) & M32, 4, False))
        except Reflected:
            return False                # the bytes beside the instruction are not mapped

    # -- looking in

    def devices(self):
        return self.pc

    def physical_to_machine(self, address):
        return self.memory.machine(address)

    def linear_to_machine(self, address):
        physical = walk(self.memory, self.control(0), self.control(3), self.control(4), address)
        if physical < 0:
            return NOT_MAPPED
        return self.memory.machine(physical)

    def control(self, number):
        if number == 2:
            return self.cr2
        if number == 3:
            return cr_access.read_cr3(self)
        if number == 4:
            return cr_access.read_cr4(self)
        return cr_access.read_cr0(self)

    def set_control(self, number, value):
        """By the rules that the guest itself is under."""
        try:
            if number == 2:
                self.cr2 = value
            elif number == 3:
                cr_access.write_cr3(self, value)
            elif number == 4:
                cr_access.write_cr4(self, value)
            else:
                cr_access.write_cr0(self, value)
        except Reflected:
            return False
        except Unsupported:
            return False
        return True
