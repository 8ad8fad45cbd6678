"""A paravirtual domain: a kernel in ring 1 of VMX non-root operation that knows the hypervisor, and asks it by hypercalls."""
from hyper.board.machine import jumps_to_itself
from hyper.options import PARA
from hyper.vmm.domain import Domain, NOT_MAPPED
from hyper.vmm.para import exit_dispatch
from hyper.vmm.para.bounce import Bounce
from hyper.vmm.para.descriptor_tables import DescriptorTables
from hyper.vmm.para.descriptors import FLAT_SEGMENTS
from hyper.vmm.para.direct_paging import DirectPaging, NO_FRAME
from hyper.vmm.para.event_channels import EventChannels
from hyper.vmm.para.events import Events
from hyper.vmm.para.frame_table import L2, NO_PAGE, WRITABLE
from hyper.vmm.para.guest_time import GuestTime
from hyper.vmm.para.keyboard import Keyboard
from hyper.vmm.para.layout import CALL_ARGUMENTS, ENOSYS, EVENT_DIE, EVENT_STOP, FRAME, HYPERVISOR, M32
from hyper.vmm.para.linear_memory import LinearMemory
from hyper.vmm.para.traps import Traps
from hyper.vmx import fields
from hyper.walk import CR0_PAGING, walk

IOPL, IOPL_SHIFT = 3 << 12, 12
OWN_FRAMES = 5                  # of the hypervisor's for each domain: VMCS, private page table, IDT with TSS, shared_info, block ring
SHARED_FRAMES = 2               # the last of them, which the domain may map


class ParaDomain(Domain):
    """`interface` is the Interface that the kernel was written for, `table` the FrameTable, `clock` machine time, `frames` the FrameAllocator
    that pages come from and go to, `own` the machine addresses of OWN_FRAMES cleared frames."""
    _immutable_fields_ = ['table', 'interface', 'sink', 'frames', 'shared_frame', 'paging', 'linear', 'tables', 'traps', 'events', 'times', 'bounce', 'keyboard', 'channels',
                          'arguments', 'refusals']

    technique = PARA
    hidden_features = exit_dispatch.HIDDEN_EDX          # of CPUID leaf 1, EDX

    def __init__(self, number, name, vmx, interface, table, clock, frames, own, sink, host):
        Domain.__init__(self, number, name, vmx, own[0], host, interface.count)
        self.fpu.initialize()           # a kernel need not do it: the hypervisor owns the processor
        self.interface = interface
        self.table = table
        self.sink = sink
        self.frames = frames
        self.shared_frame = own[3] // FRAME
        self.page_frames = []           # of its pages at the beginning, in the order of their numbers
        self.pages = 0
        self.most_pages = 0
        self.arguments = [0] * CALL_ARGUMENTS
        self.in_multicall = False
        self.iopl = 0
        self.descriptors_changed = False
        self.block = None               # the BlockRing
        self.interfaces = []            # of the network
        self.rings = []                 # frames of rings
        self.make_parts(table, clock, own)
        self.refusals = self.paging.refusals
        self.share(self.shared_frame)

    def make_parts(self, table, clock, own):
        """What differs between versions of the interface."""
        self.paging = DirectPaging(self.number, table, self.vmx, own[1])
        self.linear = LinearMemory(self.paging)
        self.tables = DescriptorTables(self.paging, self.linear, own[2])
        self.traps = Traps(table.memory, own[2])
        self.events = Events(self, table.memory, own[3])
        self.times = GuestTime(self, clock, table.memory, own[3], self.interface.layout)
        self.bounce = Bounce(self, FLAT_SEGMENTS)
        self.keyboard = Keyboard(self)
        self.channels = EventChannels(self.number, self.events, self.host.devices.channels)

    def share(self, frame):
        """A frame of the hypervisor's that the domain may map."""
        self.paging.table.give(frame, self.number, NO_PAGE)
        held = self.paging.get_typed(frame, WRITABLE)       # for ever: the hypervisor writes to it, so it must not become a table
        assert held

    def share_ring(self, address):
        self.rings.append(address // FRAME)
        self.share(address // FRAME)

    # -- running

    def load(self):
        Domain.load(self)
        if self.vmx.translated != self.region:
            self.paging.resume()
        self.times.resume()
        self.events.deliver()

    def save(self):
        Domain.save(self)
        if self.alive:
            self.times.pause()

    def handle_exit(self, reason):
        exit_dispatch.dispatch(self, reason)
        if self.alive:
            self.events.deliver()

    def call(self, number):
        """Makes the hypercall with `arguments`; the result is negative for an error, or CONTINUE."""
        interface = self.interface
        refusals = self.refusals
        refusals.reason = ''
        if number < 0 or number >= interface.count:
            self.note_refusal('unknown hypercall', ENOSYS)
            return -ENOSYS
        self.hypercalls[number] += 1
        result = interface.handlers[number](self)
        if result < 0 or refusals.reason != '':
            self.note_refusal(interface.names[number], -result)
        checks = self.paging.table.checks
        if checks is not None:
            checks.after(self, interface.names[number])
        return result

    def note_refusal(self, what, error):
        self.refusals.note_call(what, error, self.arguments, self.linear_eip())

    def receive(self, text):
        self.keyboard.receive(text)

    def ask_to_stop(self):
        if not self.events.is_wanted(EVENT_STOP):
            return False
        self.stopping = True
        self.events.send(EVENT_STOP)
        return True

    def stop_itself(self):
        """By a hypercall, after `ask_to_stop`."""
        self.stopping = False
        self.suspended = True
        self.host.pause(self)

    def ask_to_end(self):
        self.events.send(EVENT_DIE)

    def event_sent(self):
        if self.asleep:
            if self.events.wanted():
                self.wake()
        elif self.inside and self.events.is_due():
            self.host.domain_interrupted(self)

    def close_devices(self):
        """Nothing is read or written for it any more."""
        self.channels.close_all()
        if self.block is not None:
            self.block.close()
        for interface in self.interfaces:
            interface.close()

    def end(self, status, why):
        if self.alive:
            self.times.end()
            self.close_devices()
        Domain.end(self, status, why)

    def unload(self):
        """Drops all references that its tables make."""
        self.tables.release()
        self.paging.release()

    def set_iopl(self, level):
        """I/O privilege: code in rings up to the level may use CLI, STI, IN and OUT. There is nothing behind the ports."""
        self.make_current()
        self.iopl = level
        flags = self.vmx.vmread(fields.GUEST_RFLAGS)
        self.vmx.vmwrite(fields.GUEST_RFLAGS, flags & ~IOPL | level << IOPL_SHIFT)

    def release(self, frames):
        self.unload()
        self.paging.put_typed(self.shared_frame)
        for frame in self.rings:
            self.paging.put_typed(frame)
        table = self.table
        for frame in range(table.count):
            if table.owner[frame] == self.number:
                if table.references[frame] == 0:
                    frames.give_back(frame * FRAME)
                else:
                    self.host.leave_orphan(frame)
                table.abandon(frame)
        Domain.release(self, frames)

    def is_stuck(self):
        if self.events.can_come():
            return False
        at = self.linear_eip()
        return jumps_to_itself(self.linear.read32(at), self.linear.read32((at - 2) & M32))

    def waits_for_disks(self):
        return self.block is not None and not self.block.is_idle()

    def tally(self, checker):
        """Tells a FrameChecker of all references but those of tables' contents and pins."""
        if self.paging.base != NO_FRAME:
            checker.refer(self.number, self.paging.base, L2, 'the base pointer', self.paging.base)
        checker.refer(self.number, self.shared_frame, WRITABLE, 'the hypervisor', self.shared_frame)
        for frame in self.rings:
            checker.refer(self.number, frame, WRITABLE, 'a ring', frame)
        self.tables.tally(checker)

    # -- telling

    def refused(self):
        return self.refusals

    def hypercall_name(self, number):
        return self.interface.names[number]

    def linear_to_machine(self, address):
        address &= M32
        if address >= HYPERVISOR:
            return NOT_MAPPED
        machine = walk(self.paging.memory, CR0_PAGING, self.paging.base * FRAME, 0, address)
        if machine < 0:
            return NOT_MAPPED
        return machine

    def physical_to_machine(self, address):
        page = address // FRAME
        if page < 0 or page >= len(self.page_frames) or not self.paging.owns(self.page_frames[page]):
            return NOT_MAPPED
        return self.page_frames[page] * FRAME + address % FRAME
