"""What a processor model is: CPUID's answers, less what this processor does not do (`IMPLEMENTED_`), and what else differs from part to part."""

# CPUID 1: EDX and ECX
(FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC) = [1 << k for k in range(10)]
SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36 = [1 << k for k in range(11, 18)]
CLFSH, MMX, FXSR, SSE, SSE2, SS, HTT = 1 << 19, 1 << 23, 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28
SSE3, MONITOR, VMX, SSSE3 = 1 << 0, 1 << 3, 1 << 5, 1 << 9
# CPUID 80000001h: EDX
NX, LM = 1 << 20, 1 << 29

# what hyper.cpu implements; everything else is masked out of every model
IMPLEMENTED_EDX = (FPU | VME | DE | PSE | TSC | MSR | PAE | MCE | CX8 | APIC | SEP | MTRR | PGE | MCA | CMOV | PAT | PSE36 | CLFSH |
                   MMX | FXSR | SSE | SSE2 | SS)
IMPLEMENTED_ECX = SSE3 | MONITOR | VMX | SSSE3
IMPLEMENTED_EXTENDED_EDX = NX
IMPLEMENTED_EXTENDED_ECX = 0

ANY = -1                # in place of a subleaf
FIRST_EXTENDED = 0x80000000
TOPOLOGY_LEAF = 0xb


class Answer(object):
    """What CPUID returns."""
    _immutable_fields_ = ['eax', 'ebx', 'ecx', 'edx']

    def __init__(self, eax, ebx, ecx, edx):
        self.eax = eax
        self.ebx = ebx
        self.ecx = ecx
        self.edx = edx


NOTHING = Answer(0, 0, 0, 0)


class Leaf(object):
    """The Answer to one value of EAX and, unless `subleaf` is ANY, one of ECX."""
    _immutable_fields_ = ['number', 'subleaf', 'answer']

    def __init__(self, number, subleaf, answer):
        self.number = number
        self.subleaf = subleaf
        self.answer = answer


class Model(object):
    """name: for --cpu; leaves: what CPUID says, already masked; physical_bits: width of a physical address; has_intel64: the part has 64-bit mode,
    here without effect but for an opcode or two; counters, fixed_counters: the MSRs that RDPMC reads; vmx_msrs: MSRs 480h to 48Ch as signed 64-bit ints,
    empty without VT-x; registers: its MSRs, by index.

    signature: CPUID 1 EAX, and EDX after reset; features, more_features: CPUID 1 EDX and ECX; extended_features: CPUID 80000001h EDX; has_rdpmc:
    RDPMC and CR4.PCE exist; has_whole_tsc: a write to the time-stamp counter changes all of it, not only the low half."""
    _immutable_fields_ = ['name', 'description', 'leaves[*]', 'physical_bits', 'has_intel64', 'counters[*]', 'fixed_counters[*]', 'vmx_msrs[*]',
                          'registers', 'highest', 'highest_extended', 'signature', 'family', 'features', 'more_features', 'extended_features',
                          'has_rdpmc', 'has_whole_tsc']

    def __init__(self, name, description, leaves, physical_bits, has_intel64, counters, fixed_counters, vmx_msrs):
        self.name = name
        self.description = description
        self.leaves = leaves
        self.physical_bits = physical_bits
        self.has_intel64 = has_intel64
        self.counters = counters
        self.fixed_counters = fixed_counters
        self.vmx_msrs = vmx_msrs
        self.registers = {}
        self.highest = self.leaf(0, 0).eax
        self.highest_extended = self.leaf(FIRST_EXTENDED, 0).eax
        version = self.leaf(1, 0)
        self.signature = version.eax
        self.family = version.eax >> 8 & 15
        self.features = version.edx
        self.more_features = version.ecx
        self.extended_features = self.leaf(0x80000001, 0).edx
        self.has_rdpmc = len(counters) > 0
        number = version.eax >> 4 & 15 | version.eax >> 12 & 0xf0
        self.has_whole_tsc = self.family > 6 or (self.family == 6 and number >= 0xe)      # SDM vol. 3, 17.17.3

    def mxcsr_mask(self):
        """The bits of MXCSR that exist. Denormals-are-zeros came with SSE2, and only processors that have it tell of this in FXSAVE."""
        return 0xffff if self.features & SSE2 else 0xffbf

    def cpuid(self, number, subleaf):
        """The Answer to a leaf. One above the highest of its range is answered as the highest basic one (SDM vol. 2, CPUID)."""
        if number > self.highest and (number < FIRST_EXTENDED or number > self.highest_extended):
            number = self.highest
        return self.leaf(number, subleaf)

    def leaf(self, number, subleaf):
        for leaf in self.leaves:
            if leaf.number == number and (leaf.subleaf == ANY or leaf.subleaf == subleaf):
                return leaf.answer
        if number == TOPOLOGY_LEAF:
            return Answer(0, 0, subleaf & 0xff, 0)      # a level that is not there still repeats its number
        return NOTHING
