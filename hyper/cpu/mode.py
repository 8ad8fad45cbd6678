"""A mode: all that decoding and the checks of memory accesses depend on, as one immutable object.

Decoded code belongs to a mode, so in a trace every question asked of it is already answered. `System.update_mode` chooses the mode
whenever something that it depends on changes. A mode has its memory accesses: a software TLB in raw memory, one bank for user and one for
supervisor accesses, an entry of 32 bytes: read tag, write tag, addend, and what only the MMU looks at. A tag is the linear address of a page, or -1.
Entries reach only to the limit of flat segments (`System.tlb_limit`), so a hit also passes the limit check.
"""
from rpython.rlib.jit import dont_look_inside
from rpython.rlib.rarithmetic import intmask, r_uint

from hyper.board import raw
from hyper.cpu.faults import GuestFault, AC, GP, SS as FAULT_SS

ES, CS, SS, DS, FS, GS, LDTR, TR = range(8)
MOST_SHARED = 1 << 16
CHECKED = -1            # in place of a segment: the limit has been checked

TLB_ENTRIES = 4096
TLB_ENTRY = 32
TLB_SIZE = TLB_ENTRIES * TLB_ENTRY
TLB_INDEX = (TLB_ENTRIES - 1) * TLB_ENTRY
READ_TAG, WRITE_TAG, ADDEND, STATE = 0, 8, 16, 24
PAGE = 0xfffff000
M32 = 0xffffffff


class Mode(object):
    """cpl: 0-3; user: accesses are user-mode ones (CPL 3); code32, stack32: default sizes of CS and SS; flat: ES, SS and DS start at 0, can be
    read and written, and have one limit; flat_limit: that limit; protected: CR0.PE; vm86: EFLAGS.VM; aligned: user accesses
    must be aligned (#AC); cs_base, cs_limit: of CS."""
    _immutable_fields_ = ['system', 'storage', 'tlb', 'cpl', 'user', 'code32', 'stack32', 'flat', 'flat_limit', 'protected', 'vm86', 'aligned',
                          'cs_base', 'cs_limit', 'sp_mask', 'pages', 'operations']

    def __init__(self, system, cpl, code32, stack32, flat, flat_limit, protected, vm86, aligned, cs_base, cs_limit):
        self.system = system
        self.storage = system.memory.storage
        self.cpl = cpl
        self.user = cpl == 3
        if aligned:
            self.tlb = system.empty_tlb()
        else:
            self.tlb = system.user_tlb if cpl == 3 else system.supervisor_tlb
        self.code32 = code32
        self.stack32 = stack32
        self.flat = flat
        self.flat_limit = flat_limit
        self.protected = protected
        self.vm86 = vm86
        self.aligned = aligned
        self.cs_base = cs_base
        self.cs_limit = cs_limit
        self.sp_mask = 0xffffffff if stack32 else 0xffff
        self.pages = {}
        self.operations = {}
        self.fault_page = None

    def same(self, cpl, code32, stack32, flat, flat_limit, protected, vm86, aligned, cs_base, cs_limit):
        return (self.cpl == cpl and self.code32 == code32 and self.stack32 == stack32 and self.flat == flat and self.flat_limit == flat_limit and
                self.protected == protected and self.vm86 == vm86 and self.aligned == aligned and self.cs_base == cs_base and
                self.cs_limit == cs_limit)

    def share(self, instruction, operation):
        """An operation equal to this one, for the same bytes (packed with their length into a word). It matters to the host's caches: in code that is
        run seldom, most instructions have been seen elsewhere."""
        known = self.operations.get(instruction, None)
        if known is not None:
            return known
        if len(self.operations) >= MOST_SHARED:
            self.operations.clear()
        self.operations[instruction] = operation
        return operation

    # -- linear memory; `segment` is the flat segment whose limit a miss must check, or CHECKED

    def load32(self, address, segment):
        i = (address >> 7) & TLB_INDEX
        if (address + 3) & PAGE == raw.load64(self.tlb, i):
            return raw.load32(self.storage, address + raw.load64(self.tlb, i + ADDEND))
        return self.load_slow(address, 4, segment)

    def load64(self, address, segment):
        """A signed 64-bit word."""
        i = (address >> 7) & TLB_INDEX
        if (address + 7) & PAGE == raw.load64(self.tlb, i):
            return raw.load64(self.storage, address + raw.load64(self.tlb, i + ADDEND))
        return self.load64_slow(address, segment)

    def load16(self, address, segment):
        i = (address >> 7) & TLB_INDEX
        if (address + 1) & PAGE == raw.load64(self.tlb, i):
            return raw.load16(self.storage, address + raw.load64(self.tlb, i + ADDEND))
        return self.load_slow(address, 2, segment)

    def load8(self, address, segment):
        i = (address >> 7) & TLB_INDEX
        if address & PAGE == raw.load64(self.tlb, i):
            return raw.load8(self.storage, address + raw.load64(self.tlb, i + ADDEND))
        return self.load_slow(address, 1, segment)

    def store32(self, address, value, segment):
        i = (address >> 7) & TLB_INDEX
        if (address + 3) & PAGE == raw.load64(self.tlb, i + WRITE_TAG):
            raw.store32(self.storage, address + raw.load64(self.tlb, i + ADDEND), value)
        else:
            self.store_slow(address, value, 4, segment)

    def store16(self, address, value, segment):
        i = (address >> 7) & TLB_INDEX
        if (address + 1) & PAGE == raw.load64(self.tlb, i + WRITE_TAG):
            raw.store16(self.storage, address + raw.load64(self.tlb, i + ADDEND), value)
        else:
            self.store_slow(address, value, 2, segment)

    def store8(self, address, value, segment):
        i = (address >> 7) & TLB_INDEX
        if address & PAGE == raw.load64(self.tlb, i + WRITE_TAG):
            raw.store8(self.storage, address + raw.load64(self.tlb, i + ADDEND), value)
        else:
            self.store_slow(address, value, 1, segment)

    def load(self, address, size, segment):
        if size == 4:
            return self.load32(address, segment)
        if size == 2:
            return self.load16(address, segment)
        return self.load8(address, segment)

    def store(self, address, value, size, segment):
        if size == 4:
            self.store32(address, value, segment)
        elif size == 2:
            self.store16(address, value, segment)
        else:
            self.store8(address, value, segment)

    def writable(self, address, size, segment):
        """Offset in RAM of bytes that a read-modify-write instruction may change directly, or -1 where it must load and store.

        Raises the fault of a write, as silicon does for such an instruction even if it would fault on reading."""
        i = (address >> 7) & TLB_INDEX
        if (address + (size - 1)) & PAGE == raw.load64(self.tlb, i + WRITE_TAG):
            return address + raw.load64(self.tlb, i + ADDEND)
        return self.writable_slow(address, size, segment)

    # -- operands of any size: in RAM at `place` if `reads` or `writes` says so, else by way of raw storage that holds a copy

    def reads(self, address, size):
        return (address + (size - 1)) & PAGE == raw.load64(self.tlb, (address >> 7) & TLB_INDEX)

    def writes(self, address, size):
        return (address + (size - 1)) & PAGE == raw.load64(self.tlb, ((address >> 7) & TLB_INDEX) + WRITE_TAG)

    def place(self, address):
        """The offset in RAM of an address that the TLB holds."""
        return address + raw.load64(self.tlb, ((address >> 7) & TLB_INDEX) + ADDEND)

    @dont_look_inside
    def load_bytes_slow(self, address, size, segment, storage, at):
        """Bring `size` bytes, 2 or a multiple of 4, to offset `at` of other storage."""
        self.check(address, size, segment)
        mmu = self.system.mmu
        if size == 2:
            raw.store16(storage, at, mmu.load(address, 2, self.user))
        else:
            for k in range(0, size, 4):
                raw.store32(storage, at + k, mmu.load((address + k) & M32, 4, self.user))

    @dont_look_inside
    def store_bytes_slow(self, address, size, segment, storage, at):
        """Take them from there. If that faults nothing is written."""
        self.check(address, size, segment)
        mmu = self.system.mmu
        mmu.prepare_write(address, size, self.user)
        for k in range(0, size, 4):
            mmu.store((address + k) & M32, raw.load32(storage, at + k), 4, self.user)

    @dont_look_inside
    def load_slow(self, address, size, segment):
        self.check(address, size, segment)
        return self.system.mmu.load(address, size, self.user)

    @dont_look_inside
    def load64_slow(self, address, segment):
        self.check(address, 8, segment)
        mmu = self.system.mmu
        low = mmu.load(address, 4, self.user)
        return intmask(r_uint(mmu.load((address + 4) & M32, 4, self.user)) << 32 | r_uint(low))

    @dont_look_inside
    def store_slow(self, address, value, size, segment):
        self.check(address, size, segment)
        self.system.mmu.store(address, value, size, self.user)

    @dont_look_inside
    def writable_slow(self, address, size, segment):
        self.check(address, size, segment)
        return self.system.mmu.prepare_write(address, size, self.user)

    def check(self, address, size, segment):
        if segment != CHECKED and address + (size - 1) > self.flat_limit:
            raise GuestFault(FAULT_SS if segment == SS else GP, 0)
        if self.aligned and size <= 8 and address & (size - 1):
            raise GuestFault(AC, 0)

    # -- segmented accesses (SDM vol. 3, 5.3): for modes that are not flat, and for FS and GS

    def read_address(self, segment, offset, size):
        """Linear address of `size` bytes that may be read at `offset` in a segment; raises #GP or #SS."""
        system = self.system
        if offset + (size - 1) <= system.read_top[segment]:
            return (system.base[segment] + offset) & M32
        return self.check_slow(segment, offset, size, False)

    def write_address(self, segment, offset, size):
        system = self.system
        if offset + (size - 1) <= system.write_top[segment]:
            return (system.base[segment] + offset) & M32
        return self.check_slow(segment, offset, size, True)

    @dont_look_inside
    def check_slow(self, segment, offset, size, write):
        return self.system.check_segment(segment, offset, size, write)

    def load_at(self, segment, offset, size):
        """Load from any segment: `offset` is checked as the segment needs it."""
        if self.flat and segment <= DS and segment != CS:
            return self.load(offset, size, segment)
        return self.load(self.read_address(segment, offset, size), size, CHECKED)

    def store_at(self, segment, offset, value, size):
        if self.flat and segment <= DS and segment != CS:
            self.store(offset, value, size, segment)
        else:
            self.store(self.write_address(segment, offset, size), value, size, CHECKED)

    def check_writable(self, segment, offset, size):
        """Raise what a store to any segment would raise."""
        if self.flat and segment <= DS and segment != CS:
            self.writable(offset, size, segment)
        else:
            self.writable(self.write_address(segment, offset, size), size, CHECKED)

    # -- the stack

    def push(self, cpu, value, size):
        """Push a value of 2 or 4 bytes; ESP changes only if the store succeeds."""
        esp = cpu.regs[4]
        top = (esp - size) & self.sp_mask
        self.store_at(SS, top, value, size)
        if self.stack32:
            cpu.regs[4] = top
        else:
            cpu.regs[4] = (esp & 0xffff0000) | top

    def peek(self, cpu, displacement, size):
        """A value `displacement` bytes above the top of the stack."""
        return self.load_at(SS, (cpu.regs[4] + displacement) & self.sp_mask, size)

    def move_stack(self, cpu, displacement):
        """Add to ESP or SP."""
        esp = cpu.regs[4]
        if self.stack32:
            cpu.regs[4] = (esp + displacement) & M32
        else:
            cpu.regs[4] = (esp & 0xffff0000) | ((esp + displacement) & 0xffff)
