"""Model-specific registers as a table: which there are on a model, what they hold after reset, what may be written (SDM vol. 4; AP-485's features
decide about the architectural ones)."""
from hyper.cpu.models import model as m

# what a register does with a value, beyond the masks
(PLAIN, PAT_TYPES, FIXED_RANGE_TYPES, RANGE_TYPE, ZERO, COUNTER, TRIGGER) = range(7)
KINDS = {'counter': COUNTER, 'trigger': TRIGGER, 'zero': ZERO}

ALL = -1
M32 = 0xffffffff
UC, WC, WT, WP, WB, UC_MINUS = 0, 1, 4, 5, 6, 7
COUNTER_MASK = (1 << 40) - 1
FIXED_COUNTER, QUICK_READ, NETBURST = 1 << 30, 1 << 31, 15      # of ECX in RDPMC; the family that has the last
P5_MC_ADDRESS, P5_MC_TYPE = 0, 1
APIC_BASE, FEATURE_CONTROL, MICROCODE_REVISION = 0x1b, 0x3a, 0x8b
MTRR_CAPABILITIES, MTRR_FIRST, MTRR_DEFAULT, PAT = 0xfe, 0x200, 0x2ff, 0x277
MTRR_VIDEO = 0x259              # A0000h to BFFFFh
RAM_TYPES, ROM_TYPES = 0x0606060606060606, 0x0505050505050505
RANGE_VALID, MTRRS_ENABLED = 0x800, 0xc00
MTRR_FIXED = [0x250, 0x258, 0x259] + range(0x268, 0x270)
VARIABLE_RANGES = 8
MTRR_CAPABILITIES_VALUE = VARIABLE_RANGES | 1 << 8 | 1 << 10        # fixed ranges, write combining
MCG_CAPABILITIES, MCG_STATUS, MCG_CONTROL, BANKS_FIRST = 0x179, 0x17a, 0x17b, 0x400
VMX_FIRST = 0x480
APIC_BASE_AFTER_RESET = 0xfee00900      # the bootstrap processor's, enabled
APIC_BASE_IGNORED = 0x600
APIC_ENABLE = 1 << 11
PAT_AFTER_RESET = 0x0007040600070406
LOCKED_WITH_VMX = 5


class Register(object):
    """value: after reset; writable: bits that a write changes; ignored: bits that a write may have in any way and that stay as they are. Any other
    bit may only be written as it is, else #GP; one that is not `is_writable` takes no write at all."""
    _immutable_fields_ = ['value', 'is_writable', 'writable', 'ignored', 'kind']

    def __init__(self, value, is_writable, writable, ignored, kind):
        self.value = value
        self.is_writable = is_writable
        self.writable = writable
        self.ignored = ignored
        self.kind = kind

    def accepts(self, old, value):
        """Whether a write of `value` is taken and not #GP."""
        if not self.is_writable or (old ^ value) & ~(self.writable | self.ignored) != 0:
            return False
        kind = self.kind
        if kind == RANGE_TYPE:
            return is_type(value & 0xff)
        if kind == ZERO:
            return value == 0
        if kind == PAT_TYPES or kind == FIXED_RANGE_TYPES:
            for k in range(8):
                memory_type = value >> 8 * k & 0xff
                if not is_type(memory_type) and not (kind == PAT_TYPES and memory_type == UC_MINUS):
                    return False
        return True

    def after(self, old, value):
        """What the register holds after a write that is taken."""
        if self.kind == COUNTER:        # the low half is written, with its sign
            low = value & M32
            return (low - ((low & 0x80000000) << 1)) & COUNTER_MASK
        if self.kind == TRIGGER:
            return old
        return (old & ~self.writable) | (value & self.writable)


def is_type(memory_type):
    """Whether an MTRR may hold the memory type."""
    return memory_type == UC or memory_type == WC or memory_type == WT or memory_type == WP or memory_type == WB


class Bank(object):
    """The MSRs of one processor that are storage. Those with a function beyond that (the time-stamp counter, SYSENTER's) are their owner's business,
    who looks there first."""
    _immutable_fields_ = ['model']

    def __init__(self, model):
        self.model = model
        self.values = {}

    def has(self, index):
        """Whether the register exists and can be read."""
        register = self.model.registers.get(index, None)
        return register is not None and register.kind != TRIGGER

    def get(self, index):
        """The 64-bit value, signed, of a register that there is."""
        if index in self.values:
            return self.values[index]
        return self.model.registers[index].value

    def set(self, index, value):
        """False if that is #GP: there is none, or it cannot take the value."""
        register = self.model.registers.get(index, None)
        if register is None:
            return False
        old = self.values.get(index, register.value)
        if not register.accepts(old, value):
            return False
        self.values[index] = register.after(old, value)
        return True

    def reload(self, index):
        """Forget what was written."""
        if index in self.values:
            del self.values[index]

    def set_up_memory_types(self, ram):
        """The MTRRs as firmware leaves them for so many bytes of RAM from 0: RAM is write-back, ROM write-protected, all else uncached."""
        if self.model.features & m.MTRR == 0:
            return
        for index in MTRR_FIXED:
            memory_types = ROM_TYPES
            if index < MTRR_VIDEO:
                memory_types = RAM_TYPES
            elif index == MTRR_VIDEO:
                memory_types = 0
            self.set(index, memory_types)
        base = 0
        at = MTRR_FIRST
        while base < ram and at < MTRR_FIRST + 2 * VARIABLE_RANGES:
            size = 0x1000
            while base & (2 * size - 1) == 0 and base + 2 * size <= ram:
                size *= 2
            self.set(at, base | WB)
            self.set(at + 1, ((1 << self.model.physical_bits) - size) | RANGE_VALID)
            base += size
            at += 2
        self.set(MTRR_DEFAULT, MTRRS_ENABLED | UC)

    def hidden_features(self):
        """Bits of CPUID 1 EDX that are clear because software has switched off what they tell of."""
        if self.has(APIC_BASE) and self.get(APIC_BASE) & APIC_ENABLE == 0:
            return m.APIC
        return 0

    def read_counter(self, selector):
        """What RDPMC reads with this ECX; -1 for #GP. Bit 30 asks for the counters of one purpose, bit 31, on NetBurst, for a quick read of the low
        half."""
        model = self.model
        counters = model.counters
        mask = -1
        if selector & FIXED_COUNTER:
            selector &= ~FIXED_COUNTER
            counters = model.fixed_counters
        elif selector & QUICK_READ and model.family == NETBURST:
            selector &= ~QUICK_READ
            mask = M32
        if selector >= len(counters):
            return -1
        assert selector >= 0
        return self.get(counters[selector]) & mask


# -- which there are

def signed(value):
    """A 64-bit word as RPython has it."""
    return value - (1 << 64) if value >= 1 << 63 else value


def constant(value):
    return Register(signed(value), False, 0, 0, PLAIN)


def writable(value, bits=ALL, ignored=0, kind=PLAIN):
    return Register(signed(value), True, signed(bits), signed(ignored), kind)


def architectural(features, family, physical_bits, vmx_msrs, mcg_capabilities):
    """The registers that go with features of CPUID, by index."""
    table = {}
    frames = (1 << physical_bits) - 0x1000
    if features & m.MCE:
        table[P5_MC_ADDRESS] = writable(0, ALL, 0, ZERO if family > 5 else PLAIN)
        table[P5_MC_TYPE] = writable(0, ALL, 0, ZERO if family > 5 else PLAIN)
    if features & m.APIC and family > 5:
        table[APIC_BASE] = writable(APIC_BASE_AFTER_RESET, frames | 0x900, APIC_BASE_IGNORED)
    if features & m.MTRR:
        table[MTRR_CAPABILITIES] = constant(MTRR_CAPABILITIES_VALUE)
        for k in range(VARIABLE_RANGES):
            table[MTRR_FIRST + 2 * k] = writable(0, frames | 0xff, 0, RANGE_TYPE)
            table[MTRR_FIRST + 2 * k + 1] = writable(0, frames | 0x800)
        for index in MTRR_FIXED:
            table[index] = writable(0, ALL, 0, FIXED_RANGE_TYPES)
        table[MTRR_DEFAULT] = writable(0, 0xcff, 0, RANGE_TYPE)
    if features & m.PAT:
        table[PAT] = writable(PAT_AFTER_RESET, ALL, 0, PAT_TYPES)
    if features & m.MCA:
        table[MCG_CAPABILITIES] = constant(mcg_capabilities)
        table[MCG_STATUS] = writable(0, 7)
        if mcg_capabilities & 0x100:
            table[MCG_CONTROL] = writable(0)
        for bank in range(mcg_capabilities & 0xff):
            at = BANKS_FIRST + 4 * bank
            table[at] = writable(0)                     # CTL
            for k in range(1, 4):                       # STATUS, ADDR, MISC
                table[at + k] = writable(0, ALL, 0, ZERO)
    if vmx_msrs:
        table[FEATURE_CONTROL] = constant(LOCKED_WITH_VMX)
        for k in range(len(vmx_msrs)):
            if is_capability(vmx_msrs, k):
                table[VMX_FIRST + k] = constant(vmx_msrs[k])
    return table


def is_capability(capabilities, at):
    """The MSRs of the secondary controls exist where those do (SDM vol. 3, A.3.3, A.10)."""
    if at < 11:
        return True
    return capabilities[2] < 0 and (at == 11 or capabilities[11] & (1 << 33 | 1 << 37) != 0)
