"""The models. CPUID leaves as the named processors give them, less what this processor does not do (`IMPLEMENTED`); VMX capability MSRs as they were
recorded on hardware (Core 2 Duo T7500), the other models' where they are known to differ."""

# CPUID 1: EDX and ECX
(FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC) = [1 << k for k in range(10)]
SEP, MTRR, PGE, MCA, CMOV = 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15
CLFSH, MMX, FXSR, SSE, SSE2 = 1 << 19, 1 << 23, 1 << 24, 1 << 25, 1 << 26
SSE3, MONITOR, VMX, SSSE3 = 1 << 0, 1 << 3, 1 << 5, 1 << 9

# what hyper.cpu implements; everything else is masked out of every model
IMPLEMENTED_EDX = FPU | DE | PSE | TSC | MSR | CX8 | SEP | CMOV
IMPLEMENTED_ECX = VMX

PHYSICAL_AND_LINEAR_BITS = 0x2024       # leaf 80000008h: 36 and 32


class Answer(object):
    """What CPUID returns."""
    _immutable_fields_ = ['eax', 'ebx', 'ecx', 'edx']

    def __init__(self, eax, ebx, ecx, edx):
        self.eax = eax
        self.ebx = ebx
        self.ecx = ecx
        self.edx = edx


NOTHING = Answer(0, 0, 0, 0)


def words(text):
    """12 or 16 characters as the four (or three) little-endian words CPUID gives them in."""
    return [ord(text[k]) | ord(text[k + 1]) << 8 | ord(text[k + 2]) << 16 | ord(text[k + 3]) << 24 for k in range(0, len(text), 4)]


class Model(object):
    """name: for --cpu; signature: CPUID 1 EAX and EDX after reset; vmx_msrs: MSRs 480h to 48Ch as signed 64-bit ints, empty without VT-x; has_pge,
    has_debug_extensions, ...: see `features`."""
    _immutable_fields_ = ['name', 'description', 'signature', 'features', 'more_features', 'vmx_msrs', 'vmx_msrs[*]', 'vendor', 'basic', 'brand[*]',
                          'cache']

    def __init__(self, name, description, brand, signature, features, more_features, cache, vmx_msrs):
        self.name = name
        self.description = description
        self.signature = signature
        self.features = features & IMPLEMENTED_EDX
        self.more_features = more_features & IMPLEMENTED_ECX
        self.vmx_msrs = vmx_msrs
        vendor = words('GenuineIntel')
        self.vendor = Answer(2, vendor[0], vendor[2], vendor[1])
        # EBX: CLFLUSH size and APIC identifier are zero, for there is neither
        self.basic = Answer(signature, 0, self.more_features, self.features)
        self.cache = cache
        text = words(brand + '\0' * (48 - len(brand)))
        self.brand = [Answer(text[4 * k], text[4 * k + 1], text[4 * k + 2], text[4 * k + 3]) for k in range(3)]

    def cpuid(self, leaf, subleaf):
        """The Answer to a leaf. A leaf above the highest of its range is answered as the highest basic one (SDM vol. 2, CPUID)."""
        if leaf == 0:
            return self.vendor
        if leaf == 1:
            return self.basic
        if leaf == 0x80000000:
            return HIGHEST_EXTENDED
        if leaf == 0x80000001 or 0x80000005 <= leaf <= 0x80000007:
            return NOTHING
        if leaf == 0x80000002:
            return self.brand[0]
        if leaf == 0x80000003:
            return self.brand[1]
        if leaf == 0x80000004:
            return self.brand[2]
        if leaf == 0x80000008:
            return ADDRESS_SIZES
        return self.cache


HIGHEST_EXTENDED = Answer(0x80000008, 0, 0, 0)
ADDRESS_SIZES = Answer(PHYSICAL_AND_LINEAR_BITS, 0, 0, 0)


def signed(values):
    """64-bit words as RPython has them."""
    return [value - (1 << 64) if value >> 63 else value for value in values]


# IA32_VMX_BASIC to IA32_VMX_EPT_VPID_CAP
CORE2DUO_VMX = signed([0x005A08000000000B, 0x0000003F00000016, 0xF7F9FFFE0401E172, 0x0003EFFF00036DFF, 0x00001FFF000011FF, 0x00000000000403C0,
                       0x80000021, 0xFFFFFFFF, 0x2000, 0x67FF, 0x2C, 0, 0])
# the same generation's controls with another revision identifier
PENTIUM_D_VMX = signed([0x005A080000000003]) + CORE2DUO_VMX[1:]
# secondary controls: EPT, VPID, WBINVD exiting, unrestricted guest. Loading and storing CR3 need not exit (bits 15 and 16 are not fixed). EPT with
# four levels and 2 MB pages, INVEPT and INVVPID of all types.
NEHALEM_VMX = signed([0x005A08000000000E, 0x0000003F00000016, 0xFFF9FFFE04006172, 0x0003EFFF00036DFF, 0x00001FFF000011FF, 0x00000000000403C0,
                      0x80000021, 0xFFFFFFFF, 0x2000, 0x67FF, 0x2C, 0xE2 << 32, 0x00000F0106114140])

CORE2DUO = Model('core2duo', 'Intel Core 2 Duo T7600: VT-x of the first generation', 'Intel(R) Core(TM)2 CPU         T7600  @ 1.00GHz', 0x6f6, 0xbfebfbff,
                 0xe3bd, Answer(0x05b0b101, 0x005657f0, 0, 0x2cb43049), CORE2DUO_VMX)
PENTIUM_D = Model('pentium-d', 'Intel Pentium D 900: VT-x as it first appeared', 'Intel(R) Pentium(R) D CPU 1.00GHz', 0xf64, 0xbfebfbff, 0xe4bd,
                  Answer(0x605b5001, 0, 0, 0x007d7040), PENTIUM_D_VMX)
NEHALEM = Model('nehalem', 'Intel Core i7 (Nehalem): VT-x with EPT, VPID and unrestricted guests', 'Intel(R) Core(TM) i7 CPU     @ 1.00GHz', 0x106a5,
                0xbfebfbff, 0x98e3bd, Answer(0x55035a01, 0x00f0b2e4, 0, 0x09ca212c), NEHALEM_VMX)
