"""Debug registers, breakpoints and single-step (SDM vol. 3, chapter 17), and the breakpoints of a debugger outside.

Guest code that runs fast pays nothing for it. Breakpoints on code are seen when it is decoded, so where they change it is decoded again. Pages that
hold a watched datum stay out of the TLB; an access to the datum itself ends as an Abort, and the engine executes that instruction alone
(`engine.step`), which notes what it hits. Instructions with EFLAGS.TF set are executed alone too.
"""
from hyper.cpu import faults, flags
from hyper.cpu.faults import GuestFault

M32 = 0xffffffff
PAGE = 0xfffff000
CR4_DE = 1 << 3
BREAKPOINTS = 4
EXECUTE, WRITE, PORT, ACCESS = range(4)         # R/W of DR7
LENGTHS = [1, 2, 8, 4]                          # LEN of DR7

DR6_FIXED, DR6_DEFINED = 0xffff0ff0, 0x0000e00f
DR6_BREAKPOINTS, DR6_BD, DR6_BS, DR6_BT = 0xf, 1 << 13, 1 << 14, 1 << 15
DR7_FIXED, DR7_DEFINED, DR7_GD, DR7_LOCAL, DR7_LOCAL_EXACT = 0x400, 0xffff23ff, 1 << 13, 0x55, 1 << 8


class Watch(object):
    """Bytes or ports from `first` to `last` whose access sets a bit of DR6; `reads`: reading does so too."""
    _immutable_fields_ = ['first', 'last', 'reads', 'bit']

    def __init__(self, first, last, reads, bit):
        self.first = first
        self.last = last
        self.reads = reads
        self.bit = bit


class Debug(object):
    """What the debug registers of `system` (`System.dr`) mean, and the debug exceptions that are pending."""
    _immutable_fields_ = ['system', 'stops']

    def __init__(self, system):
        self.system = system
        self.stops = {}             # linear addresses of the debugger's breakpoints
        self.code = {}              # those of the guest's, with their bits of DR6
        self.data = []
        self.ports = []
        self.traps = 0              # debug exceptions behind the last instruction: bits of DR6
        self.alone = False          # the next instruction must be executed alone: it touches a watched datum or code
        self.repeated = None        # its block, if it is a repetition that has overwritten itself: it goes on as it was fetched
        self.exact = False          # an instruction is being executed alone
        self.single_step = False    # and ends in a single-step trap
        self.detected = False       # the #DB being delivered is that of DR7.GD

    def reset(self):
        self.traps = 0
        self.alone = False
        self.single_step = False
        self.update()

    # -- breakpoints on code

    def set_stop(self, address):
        """A breakpoint of the debugger at a linear address."""
        if address not in self.stops:
            self.stops[address] = None
            self.system.code.drop_linear(address & PAGE)

    def clear_stop(self, address):
        if address in self.stops:
            del self.stops[address]
            self.system.code.drop_linear(address & PAGE)

    def is_stop(self, address):
        """For decoding: whether the instruction at a linear address must not be executed without a look."""
        return address in self.stops or address in self.code

    def has_stops(self):
        return len(self.stops) != 0 or len(self.code) != 0

    def code_breakpoint(self):
        """The bits of DR6 of the guest's breakpoints at the next instruction; 0 if EFLAGS.RF holds them back."""
        system = self.system
        if len(self.code) == 0 or system.eflags & flags.RF:
            return 0
        return self.code.get((system.eip + system.mode.cs_base) & M32, 0)

    # -- DR7

    def update(self):
        """DR0 to DR3, DR7 or CR4.DE have changed."""
        system = self.system
        control = system.dr[7]
        code = {}
        data = []
        ports = []
        for k in range(BREAKPOINTS):
            if control & (3 << (2 * k)) == 0:
                continue
            kind = (control >> (16 + 4 * k)) & 3
            length = LENGTHS[(control >> (18 + 4 * k)) & 3]
            at = system.dr[k]
            first = at & ~(length - 1)
            watch = Watch(first, first + length - 1, kind != WRITE, 1 << k)
            if kind == EXECUTE:
                code[at] = code.get(at, 0) | 1 << k
            elif kind != PORT:
                data.append(watch)
            elif system.cr4 & CR4_DE:
                ports.append(watch)
        before = self.code
        self.code = code
        for at in before:
            if at not in code and at not in self.stops:
                system.code.drop_linear(at & PAGE)
        for at in code:
            if at not in before and at not in self.stops:
                system.code.drop_linear(at & PAGE)
        if len(data) or len(self.data):
            system.mmu.flush()
        self.data = data
        self.ports = ports

    # -- data and ports

    def watches(self, page):
        """Whether a page holds a watched datum."""
        for watch in self.data:
            if watch.first & PAGE == page:
                return True
        return False

    def touch(self, address, size, write):
        """An instruction is about to access memory. One that hits a watched datum must be executed alone."""
        bits = self.hits(self.data, address, address + size - 1, write)
        if bits:
            if not self.exact:
                self.alone = True
                raise faults.ExecuteAlone()
            self.traps |= bits

    def touch_stack(self, address, size, write):
        """The processor accesses a stack for an event or a far transfer. That cannot be begun again; the engine looks at events behind either."""
        self.trap(self.hits(self.data, address, address + size - 1, write))

    def touch_port(self, port, size):
        self.trap(self.hits(self.ports, port, port + size - 1, True))

    def trap(self, bits):
        """Debug exceptions behind the running instruction."""
        if bits:
            self.traps |= bits
            self.system.interrupt_changed()

    def hits(self, watches, first, last, write):
        bits = 0
        for watch in watches:
            if (write or watch.reads) and first <= watch.last and watch.first <= last:
                bits |= watch.bit
        return bits

    # -- executing instructions alone

    def is_stepping(self):
        """Whether the next instruction must be executed alone. RF matters only where there are breakpoints on code; else it is dropped at once."""
        system = self.system
        if system.eflags & flags.RF and len(self.code) == 0:
            system.eflags &= ~flags.RF
        return self.alone or self.traps != 0 or system.eflags & (flags.TF | flags.RF) != 0

    def begin(self):
        """An instruction is about to be executed alone. RF has done its work; what loads it (IRET, a task switch) comes later."""
        system = self.system
        self.alone = False
        self.exact = True
        self.single_step = system.eflags & flags.TF != 0
        system.eflags &= ~flags.RF

    def abandon(self, traps, rf):
        """It has aborted. `traps`: those pending before; rf: EFLAGS.RF before."""
        self.exact = False
        self.single_step = False
        self.traps = traps
        self.system.eflags |= rf

    def finish(self, repeats):
        """It is complete, or, if `repeats`, one iteration of a string instruction is."""
        self.exact = False
        if repeats and (self.single_step or len(self.code)):
            self.system.eflags |= flags.RF
        if self.single_step:
            self.traps |= DR6_BS
        self.single_step = False

    def are_traps_due(self):
        """Whether a debug exception must be delivered before the next instruction."""
        from hyper.cpu import interrupts
        return self.traps != 0 and not (self.system.shadow_of_stack and interrupts.in_shadow(self.system))

    def take_traps(self):
        """The fault to deliver for them."""
        bits = self.traps
        self.traps = 0
        return GuestFault(faults.DB, faults.NO_ERROR_CODE, bits)

    def raised(self, bits):
        """A #DB is being delivered: what it leaves in DR6 and DR7 (17.2.3, 17.2.4)."""
        system = self.system
        system.dr[6] |= bits
        self.detected = bits & DR6_BD != 0
        system.dr[7] &= ~DR7_GD

    # -- MOV to and from debug registers

    def write(self, number, value):
        """Load DR0 to DR3, DR6 or DR7."""
        if number == 6:
            value = (value & DR6_DEFINED) | DR6_FIXED
        elif number == 7:
            value = (value & DR7_DEFINED) | DR7_FIXED
        system = self.system
        if system.dr[number & 7] != value:
            system.dr[number & 7] = value
            if number != 6:
                self.update()
