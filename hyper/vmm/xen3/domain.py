"""A domain whose kernel was written for Xen 3: 32 bits, PAE, in ring 1."""
from hyper.cpu.models import model as models
from hyper.vmm.domain import NOT_MAPPED
from hyper.vmm.para import exit_dispatch
from hyper.vmm.para.direct_paging import NO_FRAME
from hyper.vmm.para.domain import ParaDomain
from hyper.vmm.para.event_channels import EventChannels
from hyper.vmm.para.frame_table import L3, WRITABLE
from hyper.vmm.para.keyboard import Keyboard
from hyper.vmm.para.layout import ENOSYS, FRAME, M32
from hyper.vmm.para.traps import Traps
from hyper.vmm.xen3.bounce import Xen3Bounce
from hyper.vmm.xen3.channels import Channels
from hyper.vmm.xen3.console import ConsoleRing
from hyper.vmm.xen3.descriptor_tables import FLAT_SEGMENTS, Xen3Tables
from hyper.vmm.xen3.domain_time import Xen3Time
from hyper.vmm.xen3.grants import GRANT_FRAMES, Grants
from hyper.vmm.xen3.interface import XEN_3
from hyper.vmm.xen3.layout import END, M2P_TABLES
from hyper.vmm.xen3.pae_memory import PaeMemory
from hyper.vmm.xen3.pae_paging import PaePaging
from hyper.vmm.xen3.store.connection import Connection
from hyper.walk import CR0_PAGING, CR4_PAE, walk

# frames of the hypervisor's for each domain: VMCS, private page table, IDT with TSS, shared_info, L3 entries, descriptors, an empty one
SHARED_INFO, POINTERS, RESERVED_DESCRIPTORS, EMPTY, FIRST_M2P_TABLE = 3, 4, 5, 6, 7
FIRST_GRANT_FRAME = FIRST_M2P_TABLE + M2P_TABLES
OWN_FRAMES = FIRST_GRANT_FRAME + GRANT_FRAMES
SHARED_FRAMES = 1 + GRANT_FRAMES                # of them, which the domain may map


class Xen3Domain(ParaDomain):
    """As ParaDomain; `own` are OWN_FRAMES cleared frames, `neighbours` is what all such domains share."""
    _immutable_fields_ = ['neighbours', 'identity', 'pae', 'memory3', 'xen3_tables', 'ports', 'timers', 'returns', 'grants']

    hidden_features = exit_dispatch.HIDDEN_EDX & ~models.PAE

    def __init__(self, number, name, vmx, table, clock, frames, own, sink, host, neighbours):
        self.neighbours = neighbours
        self.identity = number + 1      # for other domains: 0 is whoever serves devices, which is the hypervisor
        ParaDomain.__init__(self, number, name, vmx, XEN_3, table, clock, frames, own, sink, host)
        neighbours.domains.append(self)

    def make_parts(self, table, clock, own):
        memory = table.memory
        self.pae = PaePaging(self.number, table, self.vmx, own[1], own[FIRST_M2P_TABLE:FIRST_M2P_TABLE + M2P_TABLES], own[POINTERS])
        self.paging = self.pae
        self.memory3 = PaeMemory(self.pae)
        self.linear = self.memory3
        self.xen3_tables = Xen3Tables(self.paging, self.linear, own[2], own[RESERVED_DESCRIPTORS], own[EMPTY])
        self.tables = self.xen3_tables
        self.traps = Traps(memory, own[2])
        self.ports = Channels(self, memory, own[3], self.neighbours.domains)
        self.events = self.ports
        self.timers = Xen3Time(self, clock, memory, own[3], self.ports)
        self.times = self.timers
        self.returns = Xen3Bounce(self, FLAT_SEGMENTS, self.ports)
        self.bounce = self.returns
        self.keyboard = Keyboard(self)
        self.channels = EventChannels(self.number, self.events, self.host.devices.channels)     # of Xen 1: without any
        frames = []
        for k in range(GRANT_FRAMES):
            self.share_ring(own[FIRST_GRANT_FRAME + k])
            frames.append(own[FIRST_GRANT_FRAME + k] // FRAME)
        self.grants = Grants(self.paging, frames)
        self.backends = []              # of block devices
        self.console = None             # the builder makes these, in pages of the domain's
        self.store = None

    def connect(self, console_page, store_page):
        """The console's and the store's rings, in pages at machine addresses that the domain has and cannot lose."""
        memory = self.paging.memory
        for page in [console_page, store_page]:
            held = self.paging.get_typed(page // FRAME, WRITABLE)
            assert held
            self.rings.append(page // FRAME)
        self.console = ConsoleRing(self, memory, console_page, self.sink)
        self.console.port = self.ports.connect(self.console)
        self.store = Connection(self, memory, store_page, self.neighbours.store, self.home())
        self.store.port = self.ports.connect(self.store)

    def home(self):
        """Its directory in the store."""
        return '/local/domain/%d' % self.identity

    # -- running

    def call(self, number):
        refusals = self.refusals
        refusals.reason = ''
        if number < 0 or number >= XEN_3.count:
            self.note_refusal('unknown hypercall', ENOSYS)
            return -ENOSYS
        self.hypercalls[number] += 1
        result = XEN_3.calls[number](self)
        if result < 0 or refusals.reason != '':
            self.note_refusal(XEN_3.names[number], -result)
        checks = self.paging.table.checks
        if checks is not None:
            checks.after(self, XEN_3.names[number])
        return result

    def receive(self, text):
        self.console.receive(text)

    def wake(self):
        self.clock_poll_end()
        ParaDomain.wake(self)

    def clock_poll_end(self):
        """A poll is over, if there was one."""
        self.ports.polled = []
        self.timers.clock.cancel(self.timers.poll_end)

    def end(self, status, why):
        if self.alive:
            ParaDomain.end(self, status, why)
            self.ports.release()
            if self.store is not None:
                self.store.forget()
            for backend in self.backends:
                backend.withdraw()
            self.neighbours.store.discard(self.home())

    def release(self, frames):
        self.neighbours.domains.remove(self)
        ParaDomain.release(self, frames)

    def ask_to_end(self):
        self.neighbours.store.put(self.home() + '/control/shutdown', 'poweroff')

    def tally(self, checker):
        if self.paging.base != NO_FRAME:
            checker.refer(self.number, self.paging.base, L3, 'the base pointer', self.paging.base)
        checker.refer(self.number, self.shared_frame, WRITABLE, 'the hypervisor', self.shared_frame)
        for frame in self.rings:
            checker.refer(self.number, frame, WRITABLE, 'a ring', frame)
        self.tables.tally(checker)
        self.grants.tally(checker)

    # -- telling

    def linear_to_machine(self, address):
        address &= M32
        if address >= END or self.paging.base == NO_FRAME:
            return NOT_MAPPED
        machine = walk(self.paging.memory, CR0_PAGING, self.paging.base * FRAME, CR4_PAE, address)
        if machine < 0:
            return NOT_MAPPED
        return machine
