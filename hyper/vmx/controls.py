"""The controls of VMX operation: names of their bits, and what a processor lets them be (SDM vol. 3, 24.6 to 24.8 and appendix A)."""

# Pin-based execution controls (24.6.1)
EXTERNAL_INTERRUPT_EXITING = 1 << 0
NMI_EXITING = 1 << 3
VIRTUAL_NMIS = 1 << 5

# Primary processor-based execution controls (24.6.2)
INTERRUPT_WINDOW_EXITING = 1 << 2
USE_TSC_OFFSETTING = 1 << 3
HLT_EXITING = 1 << 7
INVLPG_EXITING = 1 << 9
MWAIT_EXITING = 1 << 10
RDPMC_EXITING = 1 << 11
RDTSC_EXITING = 1 << 12
CR3_LOAD_EXITING = 1 << 15
CR3_STORE_EXITING = 1 << 16
CR8_LOAD_EXITING = 1 << 19
CR8_STORE_EXITING = 1 << 20
USE_TPR_SHADOW = 1 << 21
NMI_WINDOW_EXITING = 1 << 22
MOV_DR_EXITING = 1 << 23
UNCONDITIONAL_IO_EXITING = 1 << 24
USE_IO_BITMAPS = 1 << 25
USE_MSR_BITMAPS = 1 << 28
MONITOR_EXITING = 1 << 29
PAUSE_EXITING = 1 << 30
ACTIVATE_SECONDARY_CONTROLS = 1 << 31

# Secondary processor-based execution controls
ENABLE_EPT = 1 << 1
DESCRIPTOR_TABLE_EXITING = 1 << 2
ENABLE_VPID = 1 << 5
WBINVD_EXITING = 1 << 6
UNRESTRICTED_GUEST = 1 << 7

# VM-exit controls (24.7.1)
SAVE_DEBUG_CONTROLS = 1 << 2
HOST_ADDRESS_SPACE_SIZE = 1 << 9
ACKNOWLEDGE_INTERRUPT_ON_EXIT = 1 << 15
SAVE_PAT = 1 << 18
EXIT_LOAD_PAT = 1 << 19
SAVE_EFER = 1 << 20
EXIT_LOAD_EFER = 1 << 21

# VM-entry controls (24.8.1)
LOAD_DEBUG_CONTROLS = 1 << 2
IA_32E_MODE_GUEST = 1 << 9
ENTRY_TO_SMM = 1 << 10
DEACTIVATE_DUAL_MONITOR = 1 << 11
ENTRY_LOAD_PAT = 1 << 14
ENTRY_LOAD_EFER = 1 << 15

# The capability MSRs (appendix A)
(MSR_BASIC, MSR_PIN_CONTROLS, MSR_PROCESSOR_CONTROLS, MSR_EXIT_CONTROLS, MSR_ENTRY_CONTROLS, MSR_MISC, MSR_CR0_FIXED0, MSR_CR0_FIXED1, MSR_CR4_FIXED0,
 MSR_CR4_FIXED1, MSR_VMCS_ENUM, MSR_SECONDARY_CONTROLS, MSR_EPT_VPID_CAPABILITIES) = range(0x480, 0x48d)

PHYSICAL_BITS = 36              # MAXPHYADDR of every model (CPUID 80000008h)


class Capabilities(object):
    """What a processor model offers, taken apart. For each word of controls: bits that must be 1, and bits that may be 1."""
    _immutable_fields_ = ['revision', 'physical_mask', 'pin_must', 'pin_may', 'processor_must', 'processor_may', 'exit_must', 'exit_may',
                          'entry_must', 'entry_may', 'secondary_must', 'secondary_may', 'has_secondary', 'has_ept', 'cr0_must', 'cr0_may',
                          'cr4_must', 'cr4_may', 'cr3_targets', 'activity_states']

    def __init__(self, msr, physical_bits):
        """msr: the values of MSRs 480h to 48Ch, in RPython as signed 64-bit ints; physical_bits: MAXPHYADDR."""
        first = MSR_BASIC
        self.revision = msr[0] & 0xffffffff
        self.physical_mask = (1 << physical_bits) - 1
        self.pin_must = low(msr[MSR_PIN_CONTROLS - first])
        self.pin_may = high(msr[MSR_PIN_CONTROLS - first])
        self.processor_must = low(msr[MSR_PROCESSOR_CONTROLS - first])
        self.processor_may = high(msr[MSR_PROCESSOR_CONTROLS - first])
        self.exit_must = low(msr[MSR_EXIT_CONTROLS - first])
        self.exit_may = high(msr[MSR_EXIT_CONTROLS - first])
        self.entry_must = low(msr[MSR_ENTRY_CONTROLS - first])
        self.entry_may = high(msr[MSR_ENTRY_CONTROLS - first])
        self.secondary_must = low(msr[MSR_SECONDARY_CONTROLS - first])
        self.secondary_may = high(msr[MSR_SECONDARY_CONTROLS - first])
        # the first Core 2 let bit 31 be set and had nothing behind it
        self.has_secondary = self.processor_may & ACTIVATE_SECONDARY_CONTROLS != 0 and self.secondary_may != 0
        self.has_ept = self.secondary_may & ENABLE_EPT != 0
        self.cr0_must = low(msr[MSR_CR0_FIXED0 - first])
        self.cr0_may = low(msr[MSR_CR0_FIXED1 - first])
        self.cr4_must = low(msr[MSR_CR4_FIXED0 - first])
        self.cr4_may = low(msr[MSR_CR4_FIXED1 - first])
        misc = msr[MSR_MISC - first]
        self.cr3_targets = (misc >> 16) & 0x1ff
        self.activity_states = 1 | (((misc >> 6) & 7) << 1)         # bit n: activity state n

    def is_physical(self, address):
        """Whether a 64-bit value is a physical address: no bit beyond the processor's width is set."""
        return address & ~self.physical_mask == 0


def low(value):
    return value & 0xffffffff


def high(value):
    return (value >> 32) & 0xffffffff


def conforms(value, must, may):
    """Whether a word of controls has all bits that must be 1 and none that must be 0 (26.2.1)."""
    return value & must == must and value & ~may & 0xffffffff == 0
