"""The numbers and layouts of the 32-bit interface of Xen 3 with PAE, as Xen's public headers have them. Offsets are in bytes, fields little-endian.

The hypervisor's private area (descriptor tables, TSS) is where it is for Xen 1: at the end of the flat segments, which guests cannot see beyond.
"""
from hyper.vmm.para.layout import PRIVATE

# -- linear addresses
END = 0xf5800000                # nothing at or above it is the guest's to map
M2P = 0xf5800000

# -- page tables. Entries have 8 bytes; machine addresses have 32 bits, so the high half is zero
ENTRIES = 512
POINTERS = 4                    # entries of an L3
TOP = 3                         # the L3 entry whose L2 has the hypervisor's entries
FIRST_RESERVED_ENTRY = END >> 21 & 0x1ff        # in that L2
M2P_ENTRY = M2P >> 21 & 0x1ff
M2P_TABLES = 2
PRIVATE_ENTRY = PRIVATE >> 21 & 0x1ff
HIGH_HALF = -1 << 32

# -- segments: the hypervisor's descriptors are in the 15th page of every GDT
RESERVED_PAGE = 14
MOST_GDT_ENTRIES = RESERVED_PAGE * 512
GDT_BYTES = (RESERVED_PAGE + 1) * 4096
KERNEL_CS, KERNEL_DS, USER_CS, USER_DS = 0xe019, 0xe021, 0xe02b, 0xe033

# -- shared_info
UPCALL_PENDING, UPCALL_MASK, PENDING_SELECTOR, CR2 = 0, 1, 4, 8         # of vcpu_info, of which the first is the only one used
VCPU_TIME = 32
TIME_VERSION, TIME_TSC, TIME_SYSTEM, TIME_MULTIPLIER, TIME_SHIFT = VCPU_TIME, VCPU_TIME + 8, VCPU_TIME + 16, VCPU_TIME + 24, VCPU_TIME + 28
PENDING, MASK = 2048, 2176      # of event channels, a bit each
WALL_VERSION, WALL_SECONDS, WALL_NANOSECONDS, WALL_SECONDS_HIGH = 2304, 2308, 2312, 2340
PORTS = 1024

# -- start_info
MAGIC = 'xen-3.0-x86_32p'
(NR_PAGES, SHARED_INFO, FLAGS, STORE_FRAME, STORE_PORT, CONSOLE_FRAME, CONSOLE_PORT, PT_BASE, NR_PT_FRAMES, MFN_LIST, MOD_START, MOD_LEN,
 COMMAND_LINE) = range(32, 84, 4)
COMMAND_LINE_SIZE = 1024

# -- domain numbers with a meaning
SELF = 0x7ff0
BACKEND = 0                     # the domain that the hypervisor's back ends and its store say they are

# -- virtual interrupts
VIRQ_TIMER = 0
VIRQS = 24

# -- errors beside those of Xen 1
ENOENT, ESRCH, EEXIST, ENOSPC, ETIME = 2, 3, 17, 28, 62
