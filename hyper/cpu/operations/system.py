"""System instructions, segment registers, far transfers, interrupts, ports and VMX: thin objects over the slow paths, which hold the semantics."""
from hyper.cpu import control, interrupts, monitor, segments
from hyper.cpu import flags
from hyper.cpu.faults import GuestFault, BR, OF, UD
from hyper.cpu.flags import CC_FLAGS, ZF, signed, set_flags, arithmetic, overflow
from hyper.cpu.mode import ES, CS, SS, DS, FS, GS, LDTR, TR, M32
from hyper.cpu.operations.base import Operation, SlowOperation, SlowTerminator, Terminator

VMXON, VMCLEAR, VMPTRLD, VMPTRST = range(4)


# -- segment registers

class MoveFromSegment(Operation):
    _immutable_fields_ = ['target', 'segment']

    def __init__(self, target, segment):
        self.target = target
        self.segment = segment

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, mode.system.selector[self.segment])


class SegmentLoad(SlowTerminator):
    """An instruction that loads a segment register. No event is taken behind one that loads SS (the interrupt shadow)."""
    _immutable_fields_ = ['segment']
    checks = False
    indirect = False
    called = True

    def __init__(self, next_eip, segment):
        SlowTerminator.__init__(self, next_eip)
        self.segment = segment

    def load(self, cpu, mode, selector):
        system = mode.system
        cpu.save(system)
        segments.load_segment(system, self.segment, selector)
        cpu.eip = self.next


class MoveToSegment(SegmentLoad):
    _immutable_fields_ = ['source']

    def __init__(self, next_eip, segment, source):
        SegmentLoad.__init__(self, next_eip, segment)
        self.source = source

    def execute(self, cpu, mode):
        self.load(cpu, mode, self.source.get(cpu, mode))


class PopSegment(SegmentLoad):
    _immutable_fields_ = ['size']

    def __init__(self, next_eip, segment, size):
        SegmentLoad.__init__(self, next_eip, segment)
        self.size = size

    def execute(self, cpu, mode):
        self.load(cpu, mode, mode.peek(cpu, 0, self.size) & 0xffff)
        mode.move_stack(cpu, self.size)


class LoadFarPointer(SegmentLoad):
    """LDS LES LSS LFS LGS."""
    _immutable_fields_ = ['source', 'target', 'size']

    def __init__(self, next_eip, segment, source, target, size):
        SegmentLoad.__init__(self, next_eip, segment)
        self.source = source
        self.target = target
        self.size = size

    def execute(self, cpu, mode):
        offset = mode.load(self.source.linear(cpu, mode, 0, self.size, False), self.size, self.source.check())
        selector = mode.load(self.source.linear(cpu, mode, self.size, 2, False), 2, self.source.check())
        self.load(cpu, mode, selector)
        self.target.set(cpu, mode, offset)


class StoreSystemSegment(Operation):
    """SLDT (0), STR (1)."""
    _immutable_fields_ = ['target', 'kind']

    def __init__(self, target, kind):
        self.target = target
        self.kind = kind

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, mode.system.selector[LDTR + self.kind])


class LoadSystemSegment(SlowOperation):
    """LLDT (2), LTR (3)."""
    _immutable_fields_ = ['kind', 'source']

    def __init__(self, kind, source):
        self.kind = kind
        self.source = source

    def execute(self, cpu, mode):
        selector = self.source.get(cpu, mode)
        cpu.save(mode.system)
        if self.kind == 2:
            segments.lldt(mode.system, selector)
        else:
            segments.ltr(mode.system, selector)


class VerifySegment(SlowOperation):
    """VERR, VERW."""
    _immutable_fields_ = ['write', 'source']

    def __init__(self, write, source):
        self.write = write
        self.source = source

    def execute(self, cpu, mode):
        selector = self.source.get(cpu, mode)
        if self.write:
            good = segments.verw(mode.system, selector)
        else:
            good = segments.verr(mode.system, selector)
        set_flags(cpu, CC_FLAGS, 4, (arithmetic(cpu) & ~ZF) | (ZF if good else 0), 0)


class LoadRights(SlowOperation):
    """LAR, or LSL if `limit`."""
    _immutable_fields_ = ['limit', 'target', 'source', 'size']

    def __init__(self, limit, target, source, size):
        self.limit = limit
        self.target = target
        self.source = source
        self.size = size

    def execute(self, cpu, mode):
        selector = self.source.get(cpu, mode)
        if self.limit:
            value = segments.lsl(mode.system, selector)
        else:
            value = segments.lar(mode.system, selector)
        known = arithmetic(cpu) & ~ZF
        if value >= 0:
            self.target.set(cpu, mode, value & (M32 if self.size == 4 else 0xffff))
            known |= ZF
        set_flags(cpu, CC_FLAGS, 4, known, 0)


class AdjustRPL(Operation):
    """ARPL."""
    _immutable_fields_ = ['target', 'source']

    def __init__(self, target, source):
        self.target = target
        self.source = source

    def execute(self, cpu, mode):
        selector = self.target.get(cpu, mode)
        rpl = self.source.get(cpu, mode) & 3
        known = arithmetic(cpu) & ~ZF
        if selector & 3 < rpl:
            self.target.set(cpu, mode, (selector & ~3) | rpl)
            known |= ZF
        set_flags(cpu, CC_FLAGS, 4, known, 0)


# -- far transfers and interrupts

class FarTransfer(SlowTerminator):
    _immutable_fields_ = ['size']

    def __init__(self, next_eip, size):
        SlowTerminator.__init__(self, next_eip)
        self.size = size


class JumpFar(FarTransfer):
    _immutable_fields_ = ['selector', 'offset']

    def __init__(self, next_eip, selector, offset, size):
        FarTransfer.__init__(self, next_eip, size)
        self.selector = selector
        self.offset = offset

    def slow(self, system):
        segments.far_jump(system, self.selector, self.offset, self.size)


class CallFar(JumpFar):
    pass

    def slow(self, system):
        segments.far_call(system, self.selector, self.offset, self.size, self.next)


class FarIndirect(FarTransfer):
    """JMP and CALL through a far pointer in memory."""
    _immutable_fields_ = ['call', 'source']

    def __init__(self, next_eip, call, source, size):
        FarTransfer.__init__(self, next_eip, size)
        self.call = call
        self.source = source

    def execute(self, cpu, mode):
        size = self.size
        offset = mode.load(self.source.linear(cpu, mode, 0, size, False), size, self.source.check())
        selector = mode.load(self.source.linear(cpu, mode, size, 2, False), 2, self.source.check())
        system = mode.system
        cpu.save(system)
        if self.call:
            segments.far_call(system, selector, offset, size, self.next)
        else:
            segments.far_jump(system, selector, offset, size)
        cpu.load(system)


class ReturnFar(FarTransfer):
    _immutable_fields_ = ['release']

    def __init__(self, next_eip, size, release):
        FarTransfer.__init__(self, next_eip, size)
        self.release = release

    def slow(self, system):
        segments.far_return(system, self.size, self.release)


class InterruptReturn(FarTransfer):
    pass

    def slow(self, system):
        interrupts.iret(system, self.size)


class Interrupt(SlowTerminator):
    """INT n, INT3, INT1; length: bytes of the instruction."""
    _immutable_fields_ = ['vector', 'kind', 'length']

    def __init__(self, next_eip, vector, kind, length):
        SlowTerminator.__init__(self, next_eip)
        self.vector = vector
        self.kind = kind
        self.length = length

    def slow(self, system):
        interrupts.software(system, self.vector, self.kind, self.length, self.next)


class InterruptOnOverflow(Interrupt):
    """INTO."""

    def __init__(self, next_eip, length):
        Interrupt.__init__(self, next_eip, OF, interrupts.INT_O, length)

    def execute(self, cpu, mode):
        if overflow(cpu):
            cpu.save(mode.system)
            self.slow(mode.system)
            cpu.load(mode.system)
        else:
            cpu.eip = self.next


class Bound(Operation):
    _immutable_fields_ = ['bounds', 'index', 'size']

    def __init__(self, bounds, index, size):
        self.bounds = bounds
        self.index = index
        self.size = size

    def execute(self, cpu, mode):
        size = self.size
        index = signed(self.index.get(cpu, mode), size)
        low = mode.load(self.bounds.linear(cpu, mode, 0, size, False), size, self.bounds.check())
        high = mode.load(self.bounds.linear(cpu, mode, size, size, False), size, self.bounds.check())
        if index < signed(low, size) or index > signed(high, size):
            raise GuestFault(BR)


class SystemEnter(SlowTerminator):
    pass

    def slow(self, system):
        interrupts.sysenter(system)


class SystemExit(SlowTerminator):
    pass

    def slow(self, system):
        interrupts.sysexit(system)


class Halt(SlowTerminator):
    pass

    def slow(self, system):
        interrupts.hlt(system)


class MonitorLine(SlowOperation):
    """MONITOR."""
    _immutable_fields_ = ['segment', 'address_mask']

    def __init__(self, segment, address_mask):
        self.segment = segment
        self.address_mask = address_mask

    def slow(self, system):
        monitor.monitor(system, self.segment, system.regs[0] & self.address_mask)


class WaitForStore(SlowTerminator):
    """MWAIT."""

    def slow(self, system):
        monitor.mwait(system)


class DisableInterrupts(SlowOperation):
    pass

    def execute(self, cpu, mode):
        system = mode.system
        if mode.cpl == 0 and not mode.vm86:
            system.eflags &= ~flags.IF
        else:
            cpu.save(system)
            control.cli(system)


class EnableInterrupts(SlowOperation):
    """STI: interrupts are recognised behind the instruction that follows it."""
    enables_interrupts = True

    def execute(self, cpu, mode):
        cpu.save(mode.system)
        control.sti(mode.system)


# -- control and debug registers, descriptor tables, MSRs, caches

class MoveFromControl(SlowOperation):
    _immutable_fields_ = ['register', 'number']

    def __init__(self, register, number):
        self.register = register
        self.number = number

    def slow(self, system):
        system.regs[self.register] = control.read_cr(system, self.number, self.register)


class MoveToControl(SlowTerminator):
    _immutable_fields_ = ['register', 'number']

    def __init__(self, next_eip, register, number):
        SlowTerminator.__init__(self, next_eip)
        self.register = register
        self.number = number

    def slow(self, system):
        control.write_cr(system, self.number, self.register, system.regs[self.register])


class MoveFromDebug(SlowOperation):
    _immutable_fields_ = ['register', 'number']

    def __init__(self, register, number):
        self.register = register
        self.number = number

    def slow(self, system):
        system.regs[self.register] = control.read_dr(system, self.number, self.register)


class MoveToDebug(SlowTerminator):
    _immutable_fields_ = ['register', 'number']

    def __init__(self, next_eip, register, number):
        SlowTerminator.__init__(self, next_eip)
        self.register = register
        self.number = number

    def slow(self, system):
        control.write_dr(system, self.number, self.register, system.regs[self.register])


class StoreTable(Operation):
    """SGDT (0), SIDT (1)."""
    _immutable_fields_ = ['target', 'kind']

    def __init__(self, target, kind):
        self.target = target
        self.kind = kind

    def execute(self, cpu, mode):
        system = mode.system
        if self.kind == 0:
            base, limit = control.sgdt(system)
        else:
            base, limit = control.sidt(system)
        check = self.target.check()
        at = self.target.linear(cpu, mode, 0, 2, True)
        base_at = self.target.linear(cpu, mode, 2, 4, True)
        mode.writable(base_at, 4, check)
        mode.store(at, limit, 2, check)
        mode.store(base_at, base, 4, check)


class LoadTable(SlowOperation):
    """LGDT (0), LIDT (1); 16-bit operands load 24 bits of base."""
    _immutable_fields_ = ['source', 'kind', 'size']

    def __init__(self, source, kind, size):
        self.source = source
        self.kind = kind
        self.size = size

    def execute(self, cpu, mode):
        system = mode.system
        control.require_ring_0(system)
        check = self.source.check()
        limit = mode.load(self.source.linear(cpu, mode, 0, 2, False), 2, check)
        base = mode.load(self.source.linear(cpu, mode, 2, 4, False), 4, check)
        if self.size == 2:
            base &= 0xffffff
        cpu.save(system)
        if self.kind == 0:
            control.lgdt(system, base, limit)
        else:
            control.lidt(system, base, limit)


class StoreMachineStatus(Operation):
    """SMSW."""
    _immutable_fields_ = ['target', 'size']

    def __init__(self, target, size):
        self.target = target
        self.size = size

    def execute(self, cpu, mode):
        self.target.set(cpu, mode, control.smsw(mode.system) & flags.mask(self.size))


class LoadMachineStatus(SlowTerminator):
    """LMSW."""
    _immutable_fields_ = ['source']

    def __init__(self, next_eip, source):
        SlowTerminator.__init__(self, next_eip)
        self.source = source

    def execute(self, cpu, mode):
        value = self.source.get(cpu, mode)
        system = mode.system
        cpu.save(system)
        control.lmsw(system, value)
        cpu.eip = self.next


class ClearTaskSwitched(SlowOperation):
    pass

    def slow(self, system):
        control.clts(system)


class InvalidatePage(SlowTerminator):
    """INVLPG: the segment is not checked, its base is added."""
    _immutable_fields_ = ['operand']
    called = True

    def __init__(self, next_eip, operand):
        SlowTerminator.__init__(self, next_eip)
        self.operand = operand

    def execute(self, cpu, mode):
        system = mode.system
        address = (self.operand.offset(cpu) + system.base[self.operand.segment]) & M32
        cpu.save(system)
        control.invlpg(system, address)
        cpu.eip = self.next


class InvalidateCaches(SlowOperation):
    pass

    def slow(self, system):
        control.invd(system)


class WriteBackCaches(SlowOperation):
    pass

    def slow(self, system):
        control.wbinvd(system)


class ReadMSR(SlowOperation):
    pass

    def slow(self, system):
        control.rdmsr(system)


class WriteMSR(SlowTerminator):
    pass

    def slow(self, system):
        control.wrmsr(system)


class ReadTimeStamp(SlowOperation):
    pass

    def slow(self, system):
        control.rdtsc(system)


class ReadPerformanceCounter(SlowOperation):
    pass

    def slow(self, system):
        control.rdpmc(system)


class Identify(SlowOperation):
    """CPUID."""

    def slow(self, system):
        control.cpuid(system)


class Pause(SlowOperation):
    pass

    def execute(self, cpu, mode):
        if mode.system.vmx_non_root:
            cpu.save(mode.system)
            control.pause(mode.system)


# -- ports

class Port(SlowTerminator):
    """IN and OUT of AL, AX or EAX; `port` is -1 for DX."""
    _immutable_fields_ = ['read', 'port', 'size']
    indirect = False

    def __init__(self, next_eip, read, port, size):
        SlowTerminator.__init__(self, next_eip)
        self.read = read
        self.port = port
        self.size = size

    def slow(self, system):
        port = self.port
        immediate = port >= 0
        if not immediate:
            port = system.regs[2] & 0xffff
        size = self.size
        keep = M32 if size == 4 else 0xffff if size == 2 else 0xff
        if self.read:
            value = control.port_in(system, port, size, immediate)
            system.regs[0] = (system.regs[0] & ~keep & M32) | (value & keep)
        else:
            control.port_out(system, port, size, system.regs[0] & keep, immediate)


class PortString(SlowTerminator):
    """INS, OUTS: one element; if repeated, back to itself until the counter is zero."""
    _immutable_fields_ = ['start', 'read', 'segment', 'size', 'address_mask', 'repeated']

    def __init__(self, next_eip, start, read, segment, size, address_mask, repeated):
        SlowTerminator.__init__(self, next_eip)
        self.start = start
        self.read = read
        self.segment = segment
        self.size = size
        self.address_mask = address_mask
        self.repeated = repeated

    def execute(self, cpu, mode):
        m = self.address_mask
        system = mode.system
        if self.repeated and cpu.regs[1] & m == 0:
            cpu.eip = self.next
            return
        size = self.size
        port = cpu.regs[2] & 0xffff
        cpu.save(system)
        control.check_port(system, port, size)
        if system.vmx_non_root:
            control.intercept_port_string(system, port, size, self.read, self.repeated)
        distance = -size if system.eflags & flags.DF else size
        if self.read:
            at = cpu.regs[7] & m
            mode.writable(mode.write_address(ES, at, size), size, -1)
            mode.store_at(ES, at, control.string_in(system, port, size), size)
            cpu.regs[7] = (cpu.regs[7] & ~m & M32) | ((cpu.regs[7] + distance) & m)
        else:
            at = cpu.regs[6] & m
            control.string_out(system, port, size, mode.load_at(self.segment, at, size))
            cpu.regs[6] = (cpu.regs[6] & ~m & M32) | ((cpu.regs[6] + distance) & m)
        cpu.eip = self.next
        if self.repeated:
            count = (cpu.regs[1] - 1) & m
            cpu.regs[1] = (cpu.regs[1] & ~m & M32) | count
            if count != 0:
                cpu.eip = self.start
                cpu.icount -= 1     # not yet retired
                system.pass_time(1)


# -- VMX (SDM vol. 3, chapter 30)

class VMXInstruction(SlowTerminator):
    """VMCALL (1), VMLAUNCH (2), VMRESUME (3), VMXOFF (4)."""
    _immutable_fields_ = ['number']

    def __init__(self, next_eip, number):
        SlowTerminator.__init__(self, next_eip)
        self.number = number

    def slow(self, system):
        control.vmx_instruction(system, self.number)


class VMXPointer(SlowTerminator):
    """VMXON, VMCLEAR, VMPTRLD, VMPTRST: the operand holds or takes a 64-bit physical address."""
    _immutable_fields_ = ['kind', 'operand']

    def __init__(self, next_eip, kind, operand):
        SlowTerminator.__init__(self, next_eip)
        self.kind = kind
        self.operand = operand

    def execute(self, cpu, mode):
        system = mode.system
        cpu.save(system)
        system.eip = self.next
        control.vmx_check(system, self.kind)
        check = self.operand.check()
        if self.kind == VMPTRST:
            at = self.operand.linear(cpu, mode, 0, 4, True)
            high_at = self.operand.linear(cpu, mode, 4, 4, True)
            mode.writable(high_at, 4, check)
            pointer = control.vmx_store_pointer(system)
            mode.store(at, pointer & M32, 4, check)
            mode.store(high_at, (pointer >> 32) & M32, 4, check)
        else:
            low = mode.load(self.operand.linear(cpu, mode, 0, 4, False), 4, check)
            high = mode.load(self.operand.linear(cpu, mode, 4, 4, False), 4, check)
            control.vmx_pointer(system, self.kind, low | (high << 32))
        cpu.load(system)


class AccessVMCS(SlowTerminator):
    """VMREAD, VMWRITE."""
    _immutable_fields_ = ['write', 'operand', 'field']

    def __init__(self, next_eip, write, operand, field):
        SlowTerminator.__init__(self, next_eip)
        self.write = write
        self.operand = operand
        self.field = field

    def execute(self, cpu, mode):
        system = mode.system
        field = self.field.get(cpu, mode)
        cpu.save(system)
        system.eip = self.next
        control.vmx_check_access(system, self.write)
        if self.write:
            control.vmx_write(system, field, self.operand.get(cpu, mode))
            cpu.load(system)
        else:
            self.operand.writable(cpu, mode)
            value = control.vmx_read(system, field)
            cpu.load(system)
            if value >= 0:
                self.operand.set(cpu, mode, value)


class InvalidateNested(SlowTerminator):
    """INVEPT, INVVPID: a type in a register and a 16-byte descriptor in memory."""
    _immutable_fields_ = ['vpid', 'operand', 'kind']

    def __init__(self, next_eip, vpid, operand, kind):
        SlowTerminator.__init__(self, next_eip)
        self.vpid = vpid
        self.operand = operand
        self.kind = kind

    def execute(self, cpu, mode):
        system = mode.system
        kind = self.kind.get(cpu, mode)
        cpu.save(system)
        system.eip = self.next
        control.vmx_check_invalidate(system, self.vpid)
        check = self.operand.check()
        low = mode.load(self.operand.linear(cpu, mode, 0, 4, False), 4, check)
        address = mode.load(self.operand.linear(cpu, mode, 8, 4, False), 4, check)
        control.vmx_invalidate(system, self.vpid, kind, low, address)
        cpu.load(system)
