"""The processor's state outside the hot path: segments, control registers, descriptor tables, MSRs, interrupts, run control.

At rest, and inside every slow path that the engine calls after `CPU.save`, `regs`, `eip` and `eflags` here are the architectural state. Slow paths are
plain functions on a System in the modules beside this one: `segments`, `interrupts`, `control`, `hyper.vmx`.
"""
from hyper.board import raw
from hyper.cpu import faults, flags
from hyper.cpu.models.registers import Bank
from hyper.cpu.mode import Mode, ES, CS, SS, DS, FS, GS, LDTR, TR, TLB_SIZE
from hyper.cpu.mmu import MMU, CR0_AM, CR0_PE

# Access rights as the VMCS has them (SDM vol. 3, 24.4.1)
AR_TYPE, AR_S, AR_DPL, AR_P, AR_AVL, AR_DB, AR_G, AR_UNUSABLE = 0xf, 1 << 4, 3 << 5, 1 << 7, 1 << 12, 1 << 14, 1 << 15, 1 << 16
AR_ACCESSED, AR_WRITABLE, AR_READABLE, AR_EXPAND_DOWN, AR_CONFORMING, AR_CODE = 1, 2, 2, 4, 4, 8
DPL_SHIFT = 5

# Why `System.run` returned
STOP_NONE, STOP_SHUTDOWN, STOP_VMEXIT, STOP_DEADLINE, STOP_HALTED, STOP_REQUESTED, STOP_BREAKPOINT, STOP_POWER_OFF = range(8)

FOREVER = 1 << 62

# Whether events are looked at before the next instruction, behind it (it follows an STI), or not until a transfer: see engine.step
LOOK_NOW, LOOK_BEHIND_NEXT, LOOK_LATER = range(3)


class InterruptController(object):
    """What drives the INTR pin."""

    def pending(self):
        """Whether an interrupt is requested."""
        return False

    def acknowledge(self):
        """The interrupt-acknowledge cycle: the vector to deliver."""
        return 0

    def set_apic_base(self, value):
        """A write to IA32_APIC_BASE, already checked."""


class CoprocessorWires(object):
    """What drives IGNNE# and hears FERR#, for a guest that has cleared CR0.NE."""

    def error(self):
        """FERR#: an x87 exception waits. Whether it is to be ignored (IGNNE#)."""
        return False

    def settled(self):
        """FERR# is no longer driven."""


class System(object):
    """One IA-32 processor on `memory`. Segment registers stand in the order of VMCS encodings: ES CS SS DS FS GS LDTR TR; `access` has the format
    of the VMCS. `bus` (ports and device memory), `interrupts` (an InterruptController) and `clock` (deadlines of devices) are set by the
    machine; all three may stay None."""
    _immutable_fields_ = ['memory', 'user_tlb', 'supervisor_tlb', 'mmu', 'code', 'debug', 'cpu', 'fpu']

    def __init__(self, memory, model):
        from hyper.cpu.block import CodeCache
        from hyper.cpu.debug import Debug
        from hyper.cpu.state import CPU
        from hyper.cpu.fpu import FPU
        self.memory = memory
        self.model = model              # hyper.cpu.models: CPUID leaves and capability MSRs, as data
        self.user_tlb = raw.allocate(TLB_SIZE)
        self.supervisor_tlb = raw.allocate(TLB_SIZE)
        self.unused_tlb = self.user_tlb
        self.has_empty_tlb = False
        self.bus = None
        self.interrupts = None
        self.coprocessor = None         # CoprocessorWires
        self.clock = None
        self.ept = None                 # hyper.vmx.ept.EPT while guest-physical addresses are translated
        self.vmx = None                 # hyper.vmx.operation.VMX on a model that has it
        self.vmx_non_root = False
        self.stop = STOP_NONE
        self.icount = 0
        self.idle = 0                   # ns that passed without instructions
        self.deadline = 0               # the instruction count at which the engine must call `service_events`
        self.limit = FOREVER            # the instruction count at which `run` returns STOP_DEADLINE
        self.stop_requested = False
        self.tlb_limit = 0xffffffff
        self.modes = []
        self.mode = None
        self.templates = None           # hyper.cpu.templates.runner.Templates, where the host has them
        self.code = CodeCache(self)
        self.mmu = MMU(self)
        self.debug = Debug(self)
        self.cpu = CPU()
        self.fpu = FPU()
        self.instruction_length = 0     # of the instruction that aborted or is being executed by a slow path
        self.reset()

    def reset(self):
        """The state after RESET (SDM vol. 3, table 9-1)."""
        self.regs = [0] * 8
        self.regs[2] = self.model.signature
        self.eip = 0xfff0
        self.eflags = flags.ALWAYS
        self.selector = [0] * 8
        self.base = [0] * 8
        self.limits = [0xffff] * 8
        self.access = [0x93] * 8
        self.access[CS] = 0x9b
        self.access[LDTR] = 0x82
        self.access[TR] = 0x8b
        self.selector[CS] = 0xf000
        self.base[CS] = 0xffff0000
        self.read_top = [-1] * 8        # highest offset that may be read without a closer look, or -1; so with write_top
        self.write_top = [-1] * 8
        self.gdtr_base = 0
        self.gdtr_limit = 0xffff
        self.idtr_base = 0
        self.idtr_limit = 0xffff
        self.cr0 = 0x60000010
        self.cr2 = 0
        self.cr3 = 0
        self.cr4 = 0
        self.pdptes = [0] * 4           # the page-directory-pointer registers of PAE paging, as signed 64-bit words
        self.efer = 0
        self.dr = [0] * 8
        self.dr[6] = 0xffff0ff0
        self.dr[7] = 0x400
        self.fpu.reset()
        self.cpl = 0
        self.sysenter_cs = 0
        self.sysenter_esp = 0
        self.sysenter_eip = 0
        self.msrs = Bank(self.model)    # those that are only storage: see control.py
        self.tsc_offset = 0             # added to the instruction count by WRMSR to the TSC, and by the VMCS
        self.halted = False
        self.waits_for_store = False    # halted by MWAIT
        self.wakes_by_masked = False
        self.monitored = -1             # physical address of the line that MONITOR has chosen, or -1; what was in it then
        self.monitored_content = ''
        self.look = LOOK_NOW
        self.shadow = False             # one instruction after STI or MOV SS
        self.shadow_at = -2             # the instruction count at that STI or MOV SS, which tells when the shadow is over
        self.shadow_of_stack = False    # whether it was MOV SS, which holds debug exceptions back too
        self.nmi_pending = False
        self.nmi_blocked = False
        self.vectoring = 0              # the event being delivered, in the format of hyper.vmx.events, or 0
        self.vectoring_error = 0        # its error code
        if self.vmx is not None:
            self.vmx.reset()
        for s in range(6):
            self.update_segment(s)
        self.mmu.clear()
        self.code.flush()
        self.update_mode()
        self.debug.reset()

    # -- time

    def now(self):
        """Machine time in ns: instructions retired (exact at rest and in slow paths) plus idle time."""
        return self.icount + self.idle

    def pass_time(self, ns):
        """Time that passes though no instruction retires. Without it a fault whose handler faults would stand still for ever."""
        self.idle += ns
        self.deadline -= ns

    # -- physical memory

    def is_device(self, physical):
        bus = self.bus
        return bus is not None and bus.is_memory(physical)

    def read_physical(self, physical, size):
        if self.is_device(physical):
            return self.bus.read_memory(physical, size)
        return self.memory.read(physical, size)

    def write_physical(self, physical, value, size):
        if self.is_device(physical):
            self.bus.write_memory(physical, size, value)
        else:
            self.memory.write(physical, value, size)

    # -- linear memory as the processor itself accesses it (descriptor tables, TSS): supervisor privilege whatever the CPL

    def read_system(self, address, size):
        return self.mmu.read(address & 0xffffffff, size, False)

    def write_system(self, address, value, size):
        self.mmu.write(address & 0xffffffff, value, size, False)

    def empty_tlb(self):
        """A bank in which nothing is ever found."""
        if not self.has_empty_tlb:
            self.has_empty_tlb = True
            self.unused_tlb = raw.allocate(TLB_SIZE)
            for i in range(TLB_SIZE // 8):
                raw.store64(self.unused_tlb, 8 * i, -1)
        return self.unused_tlb

    # -- segments and mode

    def set_segment(self, segment, selector, base, limit, access):
        """Load a segment register's visible and hidden parts, unchecked. Call `update_mode` after the last one."""
        self.selector[segment] = selector
        self.base[segment] = base
        self.limits[segment] = limit
        self.access[segment] = access
        if segment < 6:
            self.update_segment(segment)

    def update_segment(self, s):
        """Compute `read_top` and `write_top`: ordinary expand-up segments are decided by one comparison."""
        access = self.access[s]
        read = write = -1
        if access & AR_UNUSABLE == 0 and access & AR_P and access & AR_S:
            if access & AR_CODE:
                if access & AR_READABLE:
                    read = self.limits[s]
                if self.cr0 & CR0_PE == 0 or self.eflags & flags.VM:
                    read = write = self.limits[s]
            elif access & AR_EXPAND_DOWN == 0:
                read = self.limits[s]
                if access & AR_WRITABLE:
                    write = self.limits[s]
        self.read_top[s] = read
        self.write_top[s] = write
        if self.templates is not None:
            self.templates.set_segment(s)

    def check_segment(self, segment, offset, size, write):
        """The linear address of an access that the quick comparison did not admit; raises #GP or #SS (SDM vol. 3, 5.3 to 5.5)."""
        access = self.access[segment]
        fault = faults.GuestFault(faults.SS if segment == SS else faults.GP, 0)
        if access & AR_UNUSABLE or access & AR_P == 0:
            raise fault
        if access & AR_CODE:
            if write or access & AR_READABLE == 0:
                raise fault
        elif write and access & AR_WRITABLE == 0:
            raise fault
        last = offset + size - 1
        limit = self.limits[segment]
        if access & (AR_CODE | AR_EXPAND_DOWN) == AR_EXPAND_DOWN:
            top = 0xffffffff if access & AR_DB else 0xffff
            if offset <= limit or last > top:
                raise fault
        elif last > limit:
            raise fault
        return (self.base[segment] + offset) & 0xffffffff

    def update_mode(self):
        """Choose the mode after a change of CR0, EFLAGS.VM or AC, CPL or a segment; sets `mode`."""
        protected = self.cr0 & CR0_PE != 0
        vm86 = protected and self.eflags & flags.VM != 0
        code32 = self.access[CS] & AR_DB != 0
        stack32 = self.access[SS] & AR_DB != 0
        # with alignment checks (vol. 3, 6.15, #AC): a mode whose accesses all miss the TLB
        aligned = self.cpl == 3 and self.eflags & flags.AC != 0 and self.cr0 & CR0_AM != 0
        flat_limit = self.write_top[SS]
        flat = (flat_limit >= 0xfff and self.base[SS] == 0 and self.base[ES] == 0 and self.base[DS] == 0 and
                self.write_top[ES] == flat_limit and self.write_top[DS] == flat_limit)
        if not flat:
            flat_limit = 0xffffffff
        elif flat_limit != self.tlb_limit:
            self.tlb_limit = flat_limit
            self.mmu.flush_current()
        cs_base = self.base[CS]
        cs_limit = self.limits[CS]
        cpl = self.cpl
        mode = self.mode
        if mode is not None and mode.same(cpl, code32, stack32, flat, flat_limit, protected, vm86, aligned, cs_base, cs_limit):
            return
        for k in range(len(self.modes)):
            mode = self.modes[k]
            if mode.same(cpl, code32, stack32, flat, flat_limit, protected, vm86, aligned, cs_base, cs_limit):
                self.mode = mode
                return
        if len(self.modes) >= 64:       # a guest that makes many code segments: start again
            self.code.drop_all()
            self.modes = []
        mode = Mode(self, cpl, code32, stack32, flat, flat_limit, protected, vm86, aligned, cs_base, cs_limit)
        self.modes.append(mode)
        self.mode = mode

    # -- events

    def interrupt_changed(self):
        """The interrupt controller's request, or what may accept it, has changed: look at it soon."""
        self.deadline = 0

    def deadline_changed(self):
        """A device's deadline has changed."""
        self.deadline = 0

    def request_stop(self, reason):
        """Make `run` return `reason` at the next check of events."""
        self.stop_requested = True
        self.stop_reason = reason
        self.deadline = 0

    stop_reason = STOP_REQUESTED

    def interrupts_enabled(self):
        return self.eflags & flags.IF != 0

    def service_events(self):
        """Deliver what is due, in the order of SDM vol. 3, table 6-2, and compute the next deadline. State must be at rest in this object."""
        from hyper.cpu import interrupts
        interrupts.service_events(self)

    # -- running

    def run(self):
        """Run guest code until something stops it; returns a STOP_ reason. `limit` is an instruction count to stop at (exactly)."""
        from hyper.cpu import engine
        from hyper.cpu.operations.sse import arithmetic
        host = arithmetic.begin()
        reason = engine.run(self)
        arithmetic.end(host)
        return reason
