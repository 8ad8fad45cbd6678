"""The guest's processor as exit handlers see it: general registers where VMM assembly would have saved them, the rest in the VMCS.

Linear memory is reached through the guest's own page tables with the guest's rights, so that what the VMM does for an instruction faults
exactly where the instruction would.
"""
from hyper.vmm.full.memory import PAGE
from hyper.vmm.full.paging import ALLOWED, GuestPaging
from hyper.vmm.full.reflected import Reflected, general_protection, PF, SS as STACK_FAULT
from hyper.vmx import fields

M32 = 0xffffffff
ES, CS, SS, DS, FS, GS = range(6)
ESP = 4

# access rights of a segment (SDM vol. 3, 24.4.1)
ACCESSED, WRITABLE, EXPAND_DOWN, CODE = 1, 2, 4, 8
READABLE = WRITABLE
PRESENT, BIG, UNUSABLE = 1 << 7, 1 << 14, 1 << 16
DPL_SHIFT = 5

FLAG_TF, FLAG_IF, FLAG_DF, FLAG_RF, FLAG_VM = 1 << 8, 1 << 9, 1 << 10, 1 << 16, 1 << 17
BLOCKED_BY_STI, BLOCKED_BY_MOV_SS, BLOCKED_BY_NMI = 1, 2, 8
PENDING_SINGLE_STEP = 1 << 14           # BS of the pending debug exceptions (24.4.2)
CR0_PE = 1


class GuestProcessor(object):
    """`vmx` is the VMM's use of VT-x with this guest's VMCS current, `system.regs` are the general registers after an exit (all but ESP),
    `memory` is the GuestMemory."""
    _immutable_fields_ = ['vmx', 'system', 'memory', 'paging']

    def __init__(self, vmx, system, memory):
        self.vmx = vmx
        self.system = system
        self.memory = memory
        self.paging = GuestPaging(memory)
        self.nested = False             # whether the processor walks the guest's tables itself, with EPT

    # -- registers

    def read(self, field):
        return self.vmx.vmread(field)

    def write(self, field, value):
        self.vmx.vmwrite(field, value)

    def register(self, number):
        """A general register, 0-7 as instructions encode them."""
        assert number >= 0
        if number == ESP:
            return self.vmx.vmread(fields.GUEST_RSP)
        return self.system.regs[number]

    def set_register(self, number, value):
        assert number >= 0
        if number == ESP:
            self.vmx.vmwrite(fields.GUEST_RSP, value & M32)
        else:
            self.system.regs[number] = value & M32

    def part(self, number, size):
        """A register operand of 1, 2 or 4 bytes (AH, CH, DH, BH are 4-7 of the first)."""
        if size == 1:
            return self.register(number & 3) >> (8 if number & 4 else 0) & 0xff
        if size == 2:
            return self.register(number) & 0xffff
        return self.register(number)

    def set_part(self, number, value, size):
        if size == 1:
            shift = 8 if number & 4 else 0
            old = self.register(number & 3)
            self.set_register(number & 3, old & ~(0xff << shift) | (value & 0xff) << shift)
        elif size == 2:
            self.set_register(number, self.register(number) & 0xffff0000 | value & 0xffff)
        else:
            self.set_register(number, value)

    def flags(self):
        return self.vmx.vmread(fields.GUEST_RFLAGS)

    def set_flags(self, value):
        self.vmx.vmwrite(fields.GUEST_RFLAGS, value)

    def is_user(self):
        return self.vmx.vmread(fields.GUEST_SS_ACCESS) >> DPL_SHIFT & 3 == 3

    def privilege(self):
        """CPL, which is the DPL of SS (24.4.1)."""
        return self.vmx.vmread(fields.GUEST_SS_ACCESS) >> DPL_SHIFT & 3

    # -- what an instruction does at its end

    def skip_instruction(self):
        """Goes on behind the instruction that caused the exit."""
        self.advance(self.vmx.vmread(fields.EXIT_INSTRUCTION_LENGTH))

    def advance(self, length):
        vmx = self.vmx
        vmx.vmwrite(fields.GUEST_RIP, (vmx.vmread(fields.GUEST_RIP) + length) & M32)
        blocking = vmx.vmread(fields.GUEST_INTERRUPTIBILITY)
        if blocking & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS):
            vmx.vmwrite(fields.GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
        flags = vmx.vmread(fields.GUEST_RFLAGS)
        if flags & (FLAG_TF | FLAG_RF):
            vmx.vmwrite(fields.GUEST_RFLAGS, flags & ~FLAG_RF)
            if flags & FLAG_TF:
                pending = vmx.vmread(fields.GUEST_PENDING_DEBUG)
                vmx.vmwrite(fields.GUEST_PENDING_DEBUG, pending | PENDING_SINGLE_STEP)

    # -- segments; their fields in the VMCS follow each other in the order ES CS SS DS FS GS

    def base(self, segment):
        return self.vmx.vmread(fields.GUEST_ES_BASE + 2 * segment)

    def code_is_32_bit(self):
        return self.vmx.vmread(fields.GUEST_CS_ACCESS) & BIG != 0

    def linear(self, segment, offset, size, write):
        """The linear address of an operand; raises #GP(0) or #SS(0) as the segment demands (SDM vol. 3, 5.3 and 5.4)."""
        vmx = self.vmx
        access = vmx.vmread(fields.GUEST_ES_ACCESS + 2 * segment)
        limit = vmx.vmread(fields.GUEST_ES_LIMIT + 2 * segment)
        last = offset + size - 1
        if access & UNUSABLE or not access & PRESENT:
            allowed = False
        elif self.real_or_virtual_8086():
            allowed = last <= limit
        elif access & CODE:
            allowed = not write and access & READABLE != 0 and last <= limit
        elif write and not access & WRITABLE:
            allowed = False
        elif access & EXPAND_DOWN:
            allowed = offset > limit and last <= (M32 if access & BIG else 0xffff)
        else:
            allowed = last <= limit
        if not allowed:
            if segment == SS:
                raise Reflected(STACK_FAULT, 0)
            raise general_protection()
        return (vmx.vmread(fields.GUEST_ES_BASE + 2 * segment) + offset) & M32

    def real_or_virtual_8086(self):
        if self.vmx.vmread(fields.GUEST_RFLAGS) & FLAG_VM:
            return True
        return self.is_in_real_mode()

    def is_in_real_mode(self):
        return self.nested and not self.vmx.vmread(fields.GUEST_CR0) & CR0_PE

    # -- linear memory

    def look_at_paging(self):
        """Before memory is reached: where the processor walks the guest's tables, the VMCS has the control registers."""
        if self.nested:
            paging = self.paging
            paging.cr0 = self.vmx.vmread(fields.GUEST_CR0)
            paging.cr3 = self.vmx.vmread(fields.GUEST_CR3)
            paging.cr4 = self.vmx.vmread(fields.GUEST_CR4)
            for k in range(4):
                paging.pointers[k] = self.vmx.read64(fields.GUEST_PDPTE0 + 2 * k)

    def physical(self, address, write, user):
        """The guest-physical address of a linear one; raises #PF."""
        error = self.paging.walk(address, write, user)
        if error != ALLOWED:
            raise Reflected(PF, error, address)
        return self.paging.frame | address & ~PAGE & M32

    def load(self, address, size, user):
        """An operand of 1, 2 or 4 bytes at a linear address, from RAM or a device; raises #PF."""
        if (address & 0xfff) + size > 4096:
            value = 0
            for k in range(size):
                value |= self.load((address + k) & M32, 1, user) << (8 * k)
            return value
        return self.memory.read(self.physical(address, False, user), size)

    def store(self, address, value, size, user):
        """The same for writing; if it raises, nothing has been written."""
        if (address & 0xfff) + size > 4096:
            self.physical(address, True, user)
            self.physical((address + size - 1) & M32, True, user)
            for k in range(size):
                self.store((address + k) & M32, value >> (8 * k) & 0xff, 1, user)
            return
        self.memory.write(self.physical(address, True, user), value & ((1 << (8 * size)) - 1), size)
