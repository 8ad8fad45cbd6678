"""The numbers and layouts of the guest interface: Xen 1.0 of October 2003, and 1.2 where it differs.

All fields are little-endian; 64-bit ones are aligned to 4 bytes. Offsets are in bytes.
"""

FRAME = 4096
PAGE = 0xfffff000
M32 = 0xffffffff

# -- linear addresses. The guest's segments reach to the end of the machine-to-physical table, which it may read.
HYPERVISOR = 0xfc000000         # nothing at or above it is the guest's to map
M2P = 0xfc000000
PRIVATE = 0xfc400000            # of the hypervisor, one table of each domain: descriptor tables and TSS
SEGMENT_END = PRIVATE           # no segment of a guest reaches to it
GDT = PRIVATE
LDT = PRIVATE + 0x10000
IDT = PRIVATE + 0x21000          # not where the GDT is, modulo 16 pages
TSS = IDT + 0x800
TABLE_PAGES = 16                # of a descriptor table with the most entries
FIRST_RESERVED_SLOT = HYPERVISOR >> 22          # in a page directory
M2P_SLOT = M2P >> 22
PRIVATE_SLOT = PRIVATE >> 22

# -- page-table entries
PRESENT, WRITE, USER, ACCESSED, DIRTY, LARGE_OR_PAT, GLOBAL = 0x01, 0x02, 0x04, 0x20, 0x40, 0x80, 0x100
ENTRY_FORBIDDEN = LARGE_OR_PAT | GLOBAL         # in a present entry of any level
ENTRIES = 1024

# -- descriptors
MOST_DESCRIPTORS = 8192
FIRST_RESERVED_DESCRIPTOR = 256
LAST_RESERVED_DESCRIPTOR = 295
KERNEL_CS, KERNEL_DS, USER_CS, USER_DS = 0x0819, 0x0821, 0x082b, 0x0833
FLAT_LIMIT = SEGMENT_END - 1
KERNEL_RING = 1

# -- error numbers, negative in EAX
EPERM, ESRCH, ENOMEM, EFAULT, EEXIST, EINVAL, ENOSPC, ENOSYS = 1, 3, 12, 14, 17, 22, 28, 38

MOST_WORK = 32768               # table entries, requests and bytes that one VM exit goes through before the guest is run again
CONTINUE = 1 << 40              # in place of a result: the hypercall is made again, with arguments that say what remains
ELSEWHERE = 1 << 41          # in place of a result: the hypercall has set all registers, and the guest runs on where they say

# -- requests of pt_update: two low bits of `ptr`, low 8 bits of `val`
NORMAL, UNCHECKED, MACHINE_TO_PHYSICAL, EXTENDED = range(4)
PIN_L1, PIN_L2, PIN_L3, PIN_L4, UNPIN, NEW_BASE, FLUSH_TLB, INVALIDATE, SET_LDT = range(9)
REQUEST_SIZE = 8
# flags of update_va_mapping
UPDATE_FLUSH, UPDATE_INVALIDATE = 1, 2

# -- trap_info
TRAP_INFO_SIZE = 8
TRAP_DPL, TRAP_MASKS_EVENTS = 3, 4
FIRST_FAST_TRAP = 32            # below are the exceptions
HYPERCALL_VECTOR = 0x82

# -- multicall
CALL_SIZE = 32
CALL_ARGUMENTS = 7
CALL_RESULT = 6 * 4             # the sixth argument, which no hypercall has

# -- events
EVENT_BLOCK, EVENT_TIMER, EVENT_DIE, EVENT_DEBUG, EVENT_NETWORK, EVENT_KEYBOARD = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
EVENT_STOP, EVENT_CHANNEL, EVENT_BLOCK_UPDATE = 0x40, 0x80, 0x100       # 1.2
MASTER = 1 << 31                # of events_mask
ANY_EVENT = MASTER - 1

# -- shared_info, the part that all versions have
EVENTS = 0
EVENTS_MASK = 4

# -- event channels of 1.2: two bitmaps in shared_info, each followed by the word that says which of its words are not zero
MOST_CHANNELS = 1024
MOST_DOMAIN_NUMBER = 0xffff
CHANNELS_PENDING = 8
CHANNELS_CLOSED_BY_PEER = 140
SELECTOR = MOST_CHANNELS // 8
CHANNEL_OPEN, CHANNEL_CLOSE, CHANNEL_SEND, CHANNEL_STATUS = range(4)
CHANNEL_CLOSED, CHANNEL_DISCONNECTED, CHANNEL_CONNECTED = range(3)

# -- block_io_op of 1.2
(BLOCK_SIGNAL, BLOCK_RESET, BLOCK_RING_ADDRESS, DISK_CREATE, DISK_GROW, DISK_SHRINK, DISK_SET_EXTENTS, DISK_DELETE, DISK_PROBE, DISK_INFO) = range(10)

# -- network_op, and net_io_op of 1.2
NETWORK_ADD, NETWORK_DELETE, NETWORK_LIST, NETWORK_QUERY, NETWORK_COUNTERS, NETWORK_PARAMETERS = range(6)
NET_PUSH, NET_FLUSH, NET_RESET, NET_INFORMATION = range(4)

# -- start_info of 1.0: machine addresses of the rings, and the addresses of network interfaces
START_NETWORK_RINGS, START_NETWORK_ADDRESSES, START_BLOCK_RING = 20, 52, 100

# -- start_info flags
PRIVILEGED, OWNS_CONSOLE = 1, 2

# -- sched_op of 1.2
SCHEDULE_YIELD, SCHEDULE_EXIT, SCHEDULE_STOP = range(3)

# -- dom_mem_op {op, size, list of frames}: the balloon's deflation asks for memory, its inflation gives it back
MEMORY_MORE, MEMORY_LESS = range(2)


NONE = -1


class Layout(object):
    """Where the fields of start_info and shared_info are in one version; NONE for those that it does not have."""
    _immutable_ = True

    def __init__(self, shared_is_machine, nr_pages, shared_info, pt_base, mod_start, mod_len, dom_id, flags, command_line):
        self.shared_is_machine = shared_is_machine      # shared_info is given by its machine address, and not mapped
        self.nr_pages = nr_pages
        self.shared_info = shared_info
        self.pt_base = pt_base
        self.mod_start = mod_start
        self.mod_len = mod_len
        self.dom_id = dom_id
        self.flags = flags
        self.command_line = command_line
        if shared_is_machine:                           # 1.2; the two bitmaps of event channels come first
            self.rdtsc_bitshift = 272
            self.cpu_freq = 276
            self.time_version = 284
            self.time_version_again = 288
            self.st_timestamp = 292
            self.system_time = 296
            self.tv_sec = 304
            self.tv_usec = 308
            self.wc_timestamp = NONE                    # the wall clock is that of system_time
            self.domain_time = 312
        else:
            self.time_version = 8
            self.time_version_again = NONE
            self.rdtsc_bitshift = 12
            self.cpu_freq = 16
            self.system_time = 24
            self.st_timestamp = 32
            self.tv_sec = 36
            self.tv_usec = 40
            self.wc_timestamp = 44
            self.domain_time = 52
        self.wall_timeout = self.domain_time + 8
        self.domain_timeout = self.domain_time + 16
        self.network_indices = self.domain_time + 24


LAYOUT_1_0 = Layout(False, 0, 4, 8, 12, 16, 104, 108, 112)
LAYOUT_1_2 = Layout(True, 0, 4, 16, 20, 24, 8, 12, 28)
