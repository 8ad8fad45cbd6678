/* The hypervisor's interface for paravirtual guests: Xen 1.0 of October 2003, or, with XEN_1_2 defined, Xen 1.2 of 2004, which numbers the hypercalls
 * differently and has other layouts. For C and for assembly; needs no other header. `guestkit abi --include-dir` says where it is:
 *
 *      gcc -m32 -ffreestanding -I$(guestkit abi --include-dir) ...
 *
 * A guest for 1.2 is run with --interface 1.2. */
#ifndef XEN_1_0_H
#define XEN_1_0_H

/* A hypercall: VMCALL in ring 1, its number in EAX, arguments in EBX, ECX, EDX, ESI, EDI. The result comes back in EAX, minus an error number if it
 * failed; all other registers are kept. Images of 2003 have the interrupt in its place, which does the same. */
#ifdef XEN_INT82
#define XEN_HYPERCALL "int $0x82"
#else
#define XEN_HYPERCALL ".byte 0x0f, 0x01, 0xc1"
#endif

#define XEN_EPERM 1
#define XEN_ESRCH 3             /* there is no such domain or rule */
#define XEN_ENOMEM 12
#define XEN_EFAULT 14           /* a pointer to what the kernel cannot read or write */
#define XEN_EEXIST 17
#define XEN_EINVAL 22
#define XEN_ENOSPC 28
#define XEN_ENOSYS 38           /* there is no such hypercall, operation or device */

/* -- numbers */

#define XEN_SET_TRAP_TABLE 0    /* (struct xen_trap_info *), ended by address 0 */
#define XEN_PT_UPDATE 1         /* (struct xen_pt_request *, count); mmu_update in 1.2 */
#define XEN_MMU_UPDATE 1
#define XEN_CONSOLE_WRITE 2     /* (text, size) */
#define XEN_SET_GDT 3           /* (frame numbers *, entries) */
#define XEN_STACK_SWITCH 4      /* (ss, esp): where entries from outer rings build their frames */
#define XEN_SET_CALLBACKS 5     /* (event cs, event eip, failsafe cs, failsafe eip) */
#define XEN_NET_UPDATE 6        /* (): the network rings have requests; net_io_op in 1.2 */
#define XEN_FPU_TASKSWITCH 7    /* (): the next floating-point instruction traps */
#ifndef XEN_1_2
#define XEN_YIELD 8             /* (): sleeps until there is an event that is not masked, whatever the master bit says */
#define XEN_EXIT 9              /* () */
#define XEN_DOM0_OP 10          /* (operation *): of a privileged domain */
#define XEN_NETWORK_OP 11       /* (operation *) */
#define XEN_BLOCK_IO_OP 12      /* (): the block ring has requests */
#define XEN_SET_DEBUGREG 13     /* (number, value) */
#define XEN_GET_DEBUGREG 14     /* (number); the result is the value */
#define XEN_UPDATE_DESCRIPTOR 15        /* (machine address, low word, high word) */
#define XEN_SET_FAST_TRAP 16    /* (vector), 0 for none */
#define XEN_DOM_MEM_OP 17       /* (struct xen_memory_op *); the result is how many frames were done */
#define XEN_MULTICALL 18        /* (struct xen_multicall_entry *, count) */
#define XEN_KBD_OP 19           /* (operation, value) */
#define XEN_UPDATE_VA_MAPPING 20        /* (page number, new entry, flags) */
#define XEN_CALLS 21
#else
#define XEN_SCHED_OP 8          /* (operation) */
#define XEN_DOM0_OP 9
#define XEN_NETWORK_OP 10
#define XEN_BLOCK_IO_OP 11      /* (struct xen_block_op *) */
#define XEN_SET_DEBUGREG 12
#define XEN_GET_DEBUGREG 13
#define XEN_UPDATE_DESCRIPTOR 14
#define XEN_SET_FAST_TRAP 15
#define XEN_DOM_MEM_OP 16
#define XEN_MULTICALL 17
#define XEN_KBD_OP 18
#define XEN_UPDATE_VA_MAPPING 19
#define XEN_EVENT_CHANNEL_OP 20 /* (operation, domain to open a channel to, or channel) */
#define XEN_CALLS 21

#define XEN_SCHED_YIELD 0       /* of sched_op */
#define XEN_SCHED_EXIT 1
#define XEN_SCHED_STOP 2

#define XEN_CHANNEL_OPEN 0      /* of event_channel_op; the result is the number of the channel */
#define XEN_CHANNEL_CLOSE 1
#define XEN_CHANNEL_SEND 2
#define XEN_CHANNEL_STATUS 3    /* 0 closed, 1 open, 2 connected */
#endif

/* -- page tables. The two low bits of a request's `ptr` say what to do. */

#define XEN_PT_ENTRY 0          /* *ptr = val, an entry of a page table in use; ptr is a virtual address */
#define XEN_PT_UNCHECKED 1      /* the same unchecked, for a privileged domain; ptr is a machine address */
#define XEN_PT_MACHINE_TO_PHYSICAL 2    /* entry of the frame at machine address ptr := val */
#define XEN_PT_EXTENDED 3       /* the low 8 bits of val say what, the others are its argument: */
#define XEN_PT_PIN_L1 0         /* the frame at machine address ptr stays a page table */
#define XEN_PT_PIN_L2 1         /* a page directory */
#define XEN_PT_PIN_L3 2         /* refused: there are no such tables */
#define XEN_PT_PIN_L4 3
#define XEN_PT_UNPIN 4
#define XEN_PT_NEW_BASE 5       /* the page directory at machine address ptr is put into use */
#define XEN_PT_FLUSH_TLB 6
#define XEN_PT_INVALIDATE 7     /* the translation of virtual address ptr */
#define XEN_PT_SET_LDT 8        /* ptr is its virtual address, the argument the number of entries */

#define XEN_VA_FLUSH_TLB 1      /* flags of update_va_mapping */
#define XEN_VA_INVALIDATE 2

#define XEN_PTE_PRESENT 0x001u
#define XEN_PTE_WRITE 0x002u
#define XEN_PTE_USER 0x004u
#define XEN_PTE_ACCESSED 0x020u
#define XEN_PTE_DIRTY 0x040u
#define XEN_PTE_FORBIDDEN 0x180u        /* in a present entry of either level */

/* -- the address space */

#define XEN_HYPERVISOR_START 0xfc000000u        /* nothing from here on can be mapped */
#define XEN_MACHINE_TO_PHYSICAL 0xfc000000u     /* table of page numbers by frame number, readable by every domain */
#define XEN_SEGMENT_END 0xfc400000u             /* no segment of a guest reaches it */

/* -- segments: the hypervisor's, in every GDT */

#define XEN_FIRST_RESERVED_DESCRIPTOR 256
#define XEN_LAST_RESERVED_DESCRIPTOR 295
#define XEN_RING1_CS 0x0819
#define XEN_RING1_DS 0x0821
#define XEN_RING3_CS 0x082b
#define XEN_RING3_DS 0x0833

/* -- traps */

#define XEN_TRAP_DPL 3          /* flags of trap_info: the outermost ring that may call it by INT */
#define XEN_TRAP_MASKS_EVENTS 4

/* -- events */

#define XEN_EVENT_BLOCK 0x01u
#define XEN_EVENT_TIMER 0x02u
#define XEN_EVENT_DIE 0x04u
#define XEN_EVENT_DEBUG 0x08u           /* is not sent */
#define XEN_EVENT_NETWORK 0x10u
#define XEN_EVENT_KEYBOARD 0x20u
#define XEN_EVENT_STOP 0x40u            /* 1.2 has these three */
#define XEN_EVENT_CHANNEL 0x80u
#define XEN_EVENT_BLOCK_UPDATE 0x100u   /* there are other disks than before */
#define XEN_EVENTS_MASTER 0x80000000u   /* of events_mask: clear, no event is delivered */

/* -- dom_mem_op */

#define XEN_MEMORY_MORE 0       /* frames for the domain, whose numbers go to the list; it cannot have more than it began with */
#define XEN_MEMORY_LESS 1       /* the frames in the list, to which nothing may refer, go back */

/* -- kbd_op */

#define XEN_KBD_WRITE_OUTPUT 0  /* accepted, without effect */
#define XEN_KBD_WRITE_COMMAND 1
#define XEN_KBD_READ 2          /* bits 7:0 a scan code of set 1, bits 15:8 the status, whose bit 0 says that there is one */

/* -- start_info */

#define XEN_START_PRIVILEGED 1  /* flags */
#define XEN_START_CONSOLE 2
#define XEN_NET_RINGS 8

/* -- block ring: device is type << 12 | index */

#define XEN_BLOCK_READ 0
#define XEN_BLOCK_WRITE 1
#define XEN_BLOCK_READ_AHEAD 2
#define XEN_BLOCK_SPECIAL 4
#define XEN_BLOCK_PROBE_PHYSICAL 5
#define XEN_BLOCK_CREATE_VIRTUAL 7
#define XEN_BLOCK_DELETE_VIRTUAL 8
#define XEN_BLOCK_PROBE_VIRTUAL 9
#define XEN_BLOCK_GRANT 10
#define XEN_BLOCK_PROBE_GRANTS 11
#define XEN_BLOCK_PROBE_ALL 12
#define XEN_CAN_READ 1          /* modes */
#define XEN_CAN_WRITE 2
#define XEN_BLOCK_ENTRIES 64
#define XEN_BLOCK_SEGMENTS 12
#define XEN_DEVICE_IDE 0x1000
#define XEN_DEVICE_SCSI 0x2000
#define XEN_DEVICE_VIRTUAL 0x3000
#define XEN_DISK 0x20
#define XEN_CDROM 5

#ifdef XEN_1_2
/* -- block_io_op. The number of a virtual disk is any of 16 bits, and what requests have as their device. */

#define XEN_BLOCK_SIGNAL 0      /* there are requests in the ring */
#define XEN_BLOCK_RESET 1
#define XEN_BLOCK_RING_ADDRESS 2
#define XEN_DISK_CREATE 3       /* these five are a privileged domain's */
#define XEN_DISK_GROW 4
#define XEN_DISK_SHRINK 5
#define XEN_DISK_SET_EXTENTS 6
#define XEN_DISK_DELETE 7
#define XEN_DISK_PROBE 8        /* of the domain itself; a privileged one may ask about others */
#define XEN_DISK_INFO 9
#define XEN_EVERY_DOMAIN 0xffffffffu    /* of a privileged domain's probe */
#define XEN_DISK_READ_ONLY 0x40 /* flags of a kind in a probe */
#define XEN_DISK_VIRTUAL 0x80

/* -- net_io_op: {operation, index of the interface}, in the last also {frame of its rings, 6 bytes of its address}, which are results */

#define XEN_NET_PUSH 0
#define XEN_NET_FLUSH 1
#define XEN_NET_RESET 2
#define XEN_NET_INFORMATION 3
#endif

/* -- dom0_op, of a privileged domain */

#define XEN_DOM0_MEMORY_LIST 2
#define XEN_DOM0_SCHEDULER 6
#define XEN_DOM0_ADJUST 7
#define XEN_DOM0_CREATE 8
#define XEN_DOM0_DESTROY 9
#define XEN_DOM0_START 10
#define XEN_DOM0_STOP 11
#define XEN_DOM0_INFO 12
#define XEN_DOM0_BUILD 13
#define XEN_DOM0_IOPL 14
#ifdef XEN_1_2
#define XEN_DOM0_SET_TIME 17
#define XEN_DOM0_FRAME_INFO 18
#define XEN_DOM0_READ_CONSOLE 19        /* the result is how many bytes were read */
#define XEN_DOM0_PIN 20
#define XEN_DOM0_VERSION 0xaaaa0003u
#endif

/* -- network rings */

#define XEN_NET_ENTRIES 256
#define XEN_NET_OK 0            /* status */
#define XEN_NET_BAD_PAGE 1
#define XEN_NET_DROPPED 2
#define XEN_RULE_ADD 0          /* network_op */
#define XEN_RULE_DELETE 1
#define XEN_RULE_LIST 2
#define XEN_INTERFACES 3
#define XEN_INTERFACE_COUNTERS 4
#define XEN_INTERFACE_PARAMETERS 5
#define XEN_INTERFACE_PHYSICAL 0xfffff001u
#define XEN_INTERFACE_ANY 0xfffff002u

/* -- offsets for assembly */

#define XEN_SHARED_EVENTS 0
#define XEN_SHARED_EVENTS_MASK 4

#ifndef __ASSEMBLER__

typedef unsigned char xen_u8;
typedef unsigned short xen_u16;
typedef unsigned xen_u32;
typedef unsigned long long __attribute__((aligned(4))) xen_u64;
typedef long long __attribute__((aligned(4))) xen_s64;

#ifndef XEN_1_2
struct xen_start_info {
    xen_u32 nr_pages;
    xen_u32 shared_info;                /* virtual address */
    xen_u32 pt_base;                    /* virtual address of the page directory */
    xen_u32 mod_start, mod_len;         /* virtual address and bytes of the module */
    xen_u32 net_rings[XEN_NET_RINGS];   /* machine addresses */
    xen_u8 net_vmac[XEN_NET_RINGS][6];
    xen_u32 blk_ring;                   /* machine address */
    xen_u32 dom_id, flags;
    char cmd_line[];
};
#else
struct xen_start_info {
    xen_u32 nr_pages;
    xen_u32 shared_info;                /* machine address; the guest maps it */
    xen_u32 dom_id, flags;
    xen_u32 pt_base, mod_start, mod_len;        /* virtual addresses */
    char cmd_line[];
};
#endif

struct xen_times {
    xen_u32 rdtsc_bitshift;
    xen_u64 cpu_freq;                   /* of the time-stamp counter, in Hz */
#ifdef XEN_1_2
    volatile xen_u32 time_version1, time_version2;      /* what follows is whole if both are equal */
    volatile xen_u32 st_timestamp;
#endif
    volatile xen_s64 system_time;       /* ns, when bits rdtsc_bitshift to rdtsc_bitshift + 31 of the counter were st_timestamp */
#ifndef XEN_1_2
    volatile xen_u32 st_timestamp;
#endif
    volatile xen_u32 tv_sec, tv_usec;   /* wall clock at system time wc_timestamp, in 1.2 at system_time */
#ifndef XEN_1_2
    volatile xen_s64 wc_timestamp;
#endif
    volatile xen_u64 domain_time;       /* ns that the domain has run */
    volatile xen_u64 wall_timeout, domain_timeout;      /* a timer event is sent then; 0 for none */
};

struct xen_shared_info {
    volatile xen_u32 events, events_mask;
#ifndef XEN_1_2
    volatile xen_u32 wc_version;        /* changes with every update of the times */
#else
    volatile xen_u32 channels_pending[32], channels_pending_selector;
    volatile xen_u32 channels_closed[32], channels_closed_selector;
#endif
    struct xen_times times;
    struct {
        xen_u32 tx_req_prod, tx_resp_prod, tx_event, rx_req_prod, rx_resp_prod, rx_event;
    } net_idx[XEN_NET_RINGS];
    xen_u32 execution_context[17];      /* ebx ecx edx esi edi ebp eax ds es fs gs - eip cs eflags esp ss */
};

struct xen_pt_request {
    xen_u32 ptr, val;
};

struct xen_trap_info {
    xen_u8 vector, flags;
    xen_u16 cs;
    xen_u32 address;                    /* 0 ends the table */
};

struct xen_multicall_entry {
    xen_u32 op, args[7];                /* the result replaces args[5] */
};

struct xen_memory_op {
    xen_u32 op, size, list;             /* virtual address of `size` frame numbers */
};

struct xen_block_request {
    xen_u32 id, sector_number;
    xen_u16 device;
    xen_u8 operation, nr_segments;
    xen_u32 buffer_and_sects[XEN_BLOCK_SEGMENTS];       /* low 9 bits sectors, the rest is a machine address */
};

struct xen_block_response {
    xen_u32 id;
    xen_u16 operation;
    xen_u32 status;                     /* 0 for good */
};

#ifdef XEN_1_2
struct xen_extent {
    xen_u16 disk, unused;               /* device number of a physical disk */
    xen_u32 first, sectors;
};

struct xen_disk_entry {
    xen_u16 device, kind;
    xen_u32 sectors, domain;
};

struct xen_block_op {
    xen_u32 operation;
    union {
        xen_u32 ring_frame;             /* a result */
        struct {
            xen_u32 domain;
            xen_u16 number, mode;
        } create;
        struct {
            xen_u32 domain;
            xen_u16 number, unused;
            struct xen_extent extent;
        } grow;
        struct {
            xen_u32 domain;
            xen_u16 number;
        } shrink, remove;
        struct {
            xen_u32 domain;
            xen_u16 number, count;
            xen_u32 extents;            /* address of struct xen_extent */
        } set;
        struct {
            xen_u32 domain, most;
            xen_u32 entries;            /* address of struct xen_disk_entry */
            xen_u32 count;              /* a result */
        } probe;
        struct {
            xen_u32 domain;
            xen_u16 number, most;
            xen_u32 extents;
            xen_u16 count, mode;        /* results */
        } info;
    } u;
};

struct xen_full_context {               /* of a domain's processor */
    xen_u32 flags;
    xen_u32 ebx, ecx, edx, esi, edi, ebp, eax, ds, es, fs, gs, unused, eip, cs, eflags, esp, ss;
    xen_u32 floating_point[64];
    struct xen_trap_info traps[256];
    xen_u32 fast_trap;
    xen_u32 ldt_base, ldt_entries;
    xen_u32 gdt_frames[16], gdt_entries;
    xen_u32 ring1_ss, ring1_esp;
    xen_u32 page_directory;             /* machine address */
    xen_u32 debug[8];
    xen_u32 event_cs, event_eip, failsafe_cs, failsafe_eip;
};
#endif

struct xen_dom0_op {
    xen_u32 command;
#ifdef XEN_1_2
    xen_u32 version;                    /* XEN_DOM0_VERSION */
#endif
    union {
        xen_u32 domain;                 /* of the operations that have no more, and first of most others */
        struct {
            xen_u32 domain, most, frames, count;        /* address of a list; a result */
        } memory_list;
        struct {
            xen_u32 allowance;          /* ns */
        } scheduler;
        struct {
            xen_u32 domain, mcu_advance, warp, warp_limit, unwarp;
        } adjust;
        struct {
            xen_u32 kb;
            char name[16];
            xen_u32 domain;             /* a result */
        } create;
        struct {
            xen_u32 domain, force;
        } destroy;
        struct {                        /* of the first domain that has this number or a higher one; all are results */
            xen_u32 domain;
            char name[16];
            xen_u32 processor, has_processor, stopped, events, mcu_advance, pages;
            xen_u64 ran;                /* ns */
#ifdef XEN_1_2
            xen_u32 shared_info_frame;
            struct xen_full_context context;
#endif
        } info;
        struct {
#ifndef XEN_1_2
            xen_u32 domain, page_directory;             /* machine address */
            xen_u32 load_address, shared_info, start_info, interfaces;
            char cmd_line[256];
            xen_u32 module, module_size;
#else
            xen_u32 domain, interfaces;
            struct xen_full_context context;
#endif
        } build;
        struct {
            xen_u32 domain, level;
        } iopl;
#ifdef XEN_1_2
        struct {
            xen_u32 seconds, microseconds;      /* the wall clock read so */
            xen_u64 system_time;                /* at this time */
        } set_time;
        struct {
            xen_u32 frame, domain, type;        /* results; the type is that of a pinned table, else 0 */
        } frame_info;
        struct {
            xen_u32 text, size, forget;         /* address; 1 if what is read is not to be read again */
        } read_console;
        struct {
            xen_u32 domain;
            int processor;                      /* -1 for any; there is one, 0 */
        } pin;
#endif
    } u;
};

static inline int xen_hypercall(xen_u32 number, xen_u32 a, xen_u32 b, xen_u32 c, xen_u32 d)
{
    int result;

    asm volatile(XEN_HYPERCALL : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}

#endif
#endif
