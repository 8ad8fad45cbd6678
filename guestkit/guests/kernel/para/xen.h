/* The hypervisor's interface, as in Xen 1.0 of October 2003: numbers, layouts, and the instruction that asks. Included by C and by assembly;
 * needs nothing of this kernel, so other guests can use it. */
#ifndef XEN_H
#define XEN_H

/* A hypercall's number goes into EAX, its arguments into EBX, ECX, EDX, ESI, EDI; the result, or minus an error number, comes back in
 * EAX and all else is kept. Images of 2003 used the interrupt. */
#ifdef HYPERCALL_INT82
#define HYPERCALL_INSTRUCTION "int $0x82"
#else
#define HYPERCALL_INSTRUCTION ".byte 0x0f, 0x01, 0xc1"         /* VMCALL */
#endif

#define XEN_SET_TRAP_TABLE 0    /* (struct trap_info *) */
#define XEN_PT_UPDATE 1         /* (struct pt_request *, count) */
#define XEN_CONSOLE_WRITE 2     /* (text, size) */
#define XEN_SET_GDT 3           /* (frame numbers *, entries) */
#define XEN_STACK_SWITCH 4      /* (ss, esp): where entries from ring 3 build their frames */
#define XEN_SET_CALLBACKS 5     /* (event cs, event eip, failsafe cs, failsafe eip) */
#define XEN_NET_UPDATE 6        /* (): there are requests in network rings */
#define XEN_FPU_TASKSWITCH 7    /* (): the next floating-point instruction traps */
#define XEN_YIELD 8             /* (): sleeps until there is an event that is not masked, whatever the master bit says */
#define XEN_EXIT 9              /* () */
#define XEN_UPDATE_DESCRIPTOR 15        /* (machine address, low word, high word) */
#define XEN_NETWORK_OP 11       /* (struct *), of the privileged domain: rules and counters of the network */
#define XEN_BLOCK_IO_OP 12       /* (): there are requests in the block ring */
#define XEN_SET_FAST_TRAP 16    /* (vector) */
#define XEN_MULTICALL 18        /* (struct multicall_entry *, count) */
#define XEN_KBD_OP 19           /* (operation): XEN_KBD_READ is bits 7:0 a scan code if bit 8 is set */
#define XEN_UPDATE_VA_MAPPING 20        /* (page number, entry, flags) */

/* Xen 1.2 (--interface 1.2) numbers differently from 8 on, has shared_info by its machine address, and event channels between domains. */
#define XEN_1_2_SCHED_OP 8      /* (0 yield, 1 exit, 2 stop) */
#define XEN_1_2_UPDATE_VA_MAPPING 19
#define XEN_1_2_EVENT_CHANNEL_OP 20     /* (operation, domain or channel) */
#define CHANNEL_OPEN 0          /* to a domain -> number of the channel; it is connected when the other one has opened one, too */
#define CHANNEL_CLOSE 1
#define CHANNEL_SEND 2
#define CHANNEL_STATUS 3        /* -> 0 closed, 1 not connected, 2 connected */
#define SHARED_CHANNELS_PENDING 8       /* offsets in shared_info: bitmaps of 1024 channels, each followed by */
#define SHARED_CHANNELS_CLOSED 140      /* the word that says which of its words are not zero */
#define CHANNEL_SELECTOR 128

/* pt_update: the two low bits of `ptr` say what to do. */
#define PT_ENTRY 0              /* *ptr = val, an entry of a page table; ptr is virtual */
#define PT_MACHINE_TO_PHYSICAL 2        /* of the frame at machine address ptr */
#define PT_EXTENDED 3           /* the low 8 bits of `val` say what: */
#define PT_PIN_L1 0             /* ptr is a machine address in these four */
#define PT_PIN_L2 1
#define PT_UNPIN 4
#define PT_NEW_BASE 5
#define PT_FLUSH_TLB 6
#define PT_INVALIDATE 7         /* ptr is virtual */
#define PT_SET_LDT 8            /* ptr is virtual, val >> 8 the number of entries */

#define VA_FLUSH_TLB 1          /* flags of update_va_mapping */
#define VA_INVALIDATE 2

#define XEN_KBD_READ 2
#define XEN_STOP 2

#define TRAP_RING_3 3           /* flags of trap_info: may be called from ring 3 by INT */
#define TRAP_MASKS_EVENTS 4

#define EVENT_BLOCK 0x01u        /* responses in the block ring */
#define EVENT_TIMER 0x02u
#define EVENT_DIE 0x04u
#define EVENT_STOP 0x40u        /* stop yourself, to be moved: by XEN_YIELD with XEN_STOP, after which machine frames may be others */
#define EVENT_DEBUG 0x08u
#define EVENT_NETWORK 0x10u      /* responses in a network ring */
#define EVENT_KEYBOARD 0x20u
#define EVENT_CHANNEL 0x80u              /* 1.2: an event channel was sent through, or closed by the other end */
#define EVENTS_MASTER 0x80000000u       /* of events_mask: clear, no event is delivered */

#define START_PRIVILEGED 1      /* flags of start_info */
#define START_CONSOLE 2

#define MACHINE_TO_PHYSICAL 0xfc000000  /* table of page numbers by frame number, readable by every domain */

#define SHARED_EVENTS 0         /* offsets in shared_info for assembly */
#define SHARED_EVENTS_MASK 4

#ifndef __ASSEMBLER__

typedef unsigned xen_u32;
typedef unsigned long long __attribute__((aligned(4))) xen_u64;
typedef long long __attribute__((aligned(4))) xen_s64;

struct start_info {
    xen_u32 nr_pages;
    struct shared_info *shared_info;
    xen_u32 *pt_base;                   /* virtual address of the page directory */
    xen_u32 mod_start, mod_len;         /* virtual address and bytes of the module */
    xen_u32 net_rings[8];
    unsigned char net_vmac[8][6];
    xen_u32 blk_ring, dom_id, flags;
    char cmd_line[];
};

struct shared_info {
    volatile xen_u32 events, events_mask;
    volatile xen_u32 wc_version;        /* changes when a time has been changed */
    xen_u32 rdtsc_bitshift;
    xen_u64 cpu_freq;                   /* of the time stamp counter, in Hz */
    volatile xen_s64 system_time;       /* ns, when bits rdtsc_bitshift to rdtsc_bitshift + 31 of the counter were st_timestamp */
    volatile xen_u32 st_timestamp;
    volatile xen_u32 tv_sec, tv_usec;
    volatile xen_s64 wc_timestamp;
    volatile xen_u64 domain_time;       /* as system_time, while the domain runs */
    volatile xen_u64 wall_timeout, domain_timeout;      /* a timer event is sent then; 0 for none */
    volatile struct {
        xen_u32 tx_req_prod, tx_resp_prod, tx_event, rx_req_prod, rx_resp_prod, rx_event;
    } net_idx[8];
    xen_u32 execution_context[17];
};

struct pt_request {
    xen_u32 ptr, val;
};

struct trap_info {
    unsigned char vector, flags;
    unsigned short cs;
    xen_u32 address;                    /* 0 ends the table */
};

struct multicall_entry {
    xen_u32 op, args[7];                /* the result replaces args[5] */
};

/* The block ring, one page at machine address blk_ring. Indices go from 0 to 63 and round; responses come in the order in which requests are done, and take
 * their places. A request of BLOCK_SPECIAL without segments is a barrier: it is done when all before it are, and none after it begins earlier. */
#define BLOCK_ENTRIES 64
#define BLOCK_SEGMENTS 12
#define BLOCK_READ 0
#define BLOCK_WRITE 1
#define BLOCK_READ_AHEAD 2
#define BLOCK_SPECIAL 4
#define BLOCK_PROBE_PHYSICAL 5          /* the one segment gets a struct block_devices */
#define BLOCK_CREATE_VIRTUAL 7          /* of the privileged domain, as those that follow; the segment holds a struct of its arguments */
#define BLOCK_DELETE_VIRTUAL 8
#define BLOCK_PROBE_VIRTUAL 9           /* as 5 */
#define BLOCK_GRANT 10
#define BLOCK_PROBE_GRANTS 11
#define BLOCK_PROBE_ALL 12
#define BLOCK_SECTORS 0x1ff             /* of a segment: how many sectors, below the machine address */
#define DEVICE_IDE 0x1000               /* types of devices; the low 12 bits are an index */
#define DEVICE_VIRTUAL 0x3000

struct block_request {
    xen_u32 id, sector;
    unsigned short device;
    unsigned char operation, segment_count;
    xen_u32 segments[BLOCK_SEGMENTS];
};

struct block_response {
    xen_u32 id;
    unsigned short operation, pad;
    xen_u32 status;                     /* 0 if it was done */
};

struct block_ring {
    volatile xen_u32 request_producer, response_producer;
    union {
        struct block_request request;
        struct block_response response;
    } entries[BLOCK_ENTRIES];
};

/* The two rings of a network interface, one page at machine address net_rings[i]; their indices, from 0 to 255 and round, are in shared_info. An event comes
 * when the producer of responses comes to tx_event or rx_event. A packet is received into a page of its own: the request names the page-table entry that
 * maps a page, which is taken away until a packet comes, and replaced by the one that holds it. */
#define NETWORK_ENTRIES 256
#define NETWORK_OK 0
#define NETWORK_BAD_PAGE 1
#define NETWORK_DROPPED 2

struct network_ring {
    union {
        struct {
            unsigned short id, size;
            xen_u32 packet;             /* its machine address; it lies in one page */
        } request;
        struct {
            unsigned short id;
            unsigned char status;
        } response;
    } transmit[NETWORK_ENTRIES];
    union {
        struct {
            unsigned short id;
            xen_u32 entry;              /* the machine address of a page-table entry */
        } request;
        struct {
            unsigned short id, size;
            unsigned char status, offset;       /* of the packet in its page */
        } response;
    } receive[NETWORK_ENTRIES];
};

struct block_devices {
    xen_u32 count;
    struct {
        unsigned short device, kind;    /* kind 0x20: a disk, 5: a CD-ROM */
        xen_u32 sectors;
    } devices[];
};

static inline int hypercall(xen_u32 number, xen_u32 a, xen_u32 b, xen_u32 c, xen_u32 d)
{
    int result;

    asm volatile(HYPERCALL_INSTRUCTION : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}

#endif
#endif
