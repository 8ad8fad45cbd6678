/* What the kernel needs from what it runs on. bare/ meets each need with the processor and the devices of a PC, para/ with hypercalls.
 * Nothing outside those two folders touches a control register, a port, a descriptor table or a page table that is in use. */
#ifndef MACHINE_H
#define MACHINE_H

#include "types.h"
#include "layout.h"             /* of the back end: selectors and KERNEL_BASE */

#define PAGE 4096u
#define PAGE_UP(x) (((u32)(x) + PAGE - 1) & ~(PAGE - 1))
#define PAGE_DOWN(x) ((u32)(x) & ~(PAGE - 1))

/* All memory is mapped from KERNEL_BASE on, in every address space, in the order of its page numbers. */
#define PAGE_NUMBER(pointer) (((u32)(pointer) - KERNEL_BASE) / PAGE)
#define PAGE_POINTER(number) ((void *)(KERNEL_BASE + (number) * PAGE))

/* A page-table entry holds the address of a frame, as the memory controller counts them, and these bits (SDM vol. 3, 4.3). */
#define ENTRY_PRESENT 0x001u
#define ENTRY_WRITE 0x002u
#define ENTRY_USER 0x004u
#define ENTRY_HELD 0x200u       /* ours to use: not present for PROT_NONE, but the frame is kept */
#define ENTRY_FLAGS 0xfffu
#define TABLE_FLAGS (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER)
#define TABLE_ENTRIES 1024
#define DIRECTORY_INDEX(address) ((u32)(address) >> 22)
#define TABLE_INDEX(address) ((u32)(address) >> 12 & 1023)

/* The stack of a process that enters the kernel: what entry.S and the processor push. esp and ss are there if it was in ring 3. */
struct trap_frame {
    u32 es, ds;
    u32 edi, esi, ebp, ignored_esp, ebx, edx, ecx, eax;
    u32 vector, error;
    u32 eip, cs, eflags;
    u32 esp, ss;
};

#define VECTOR_DIVIDE 0
#define VECTOR_INVALID_OPCODE 6
#define VECTOR_NO_FPU 7
#define VECTOR_PAGE_FAULT 14
#define VECTOR_FPU 16
#define EXCEPTIONS 32
#define VECTOR_SYSTEM_CALL 0x80
#define FAULT_PRESENT 1u        /* error code of a page fault: the entry is there, it forbids */
#define FAULT_WRITE 2u

/* What a back end tells kernel_main(). Memory is pages [0, pages), less the reserved ranges. */
#define RESERVED_RANGES 3
struct page_range {
    u32 first, end;
};
struct boot {
    u32 pages;
    struct page_range reserved[RESERVED_RANGES];
    const u8 *archive;
    u32 archive_size;
    char command_line[1024];
    u32 number;                                 /* of the domain, 0 on a machine of its own */
};
extern struct boot boot;
extern const char machine_name[];

/* Start: page frames can be handed out; then interrupts can be taken. */
void machine_start(void);

/* Page tables. A new table is filled with plain stores through its kernel address. Publishing makes it one the processor may use; from
 * then on it is changed only by what follows, until it is retired. Entries written with machine_write_entry() take effect at the
 * next machine_write_entries(), all together. */
u32 machine_frame(void *page);                                          /* frame address of a page */
void *machine_page(u32 entry);                                          /* page of the frame in an entry */
extern u32 *machine_kernel_directory;
void machine_publish_space(u32 *directory, u32 **tables, u32 count);    /* with the user tables in it */
void machine_retire_space(u32 *directory, u32 **tables, u32 count);     /* not loaded */
void machine_add_table(u32 *directory, u32 address, u32 *table);        /* publishes it, too */
void machine_write_entry(u32 address, u32 *entry, u32 value);           /* of the loaded space */
void machine_write_entries(void);
void machine_map(u32 address, u32 *entry, u32 value);                   /* one entry of the loaded space, at once */

/* The next process: its directory (NULL: the one that is loaded) and the stack on which it will enter the kernel. */
void machine_switch(u32 *directory, void *stack_top);

void machine_idle(void);                                                /* let interrupts in until one has come */
u32 machine_fault_address(void);
void machine_refuse_fpu(void);                                          /* the next use of floating point traps */
void machine_allow_fpu(void);                                           /* it does not */
void machine_interrupt(u32 vector);                                     /* handle it: timer_tick(), console_input() */
u64 machine_clock(void);                                                /* ns since some moment at the start */
void machine_write(const char *text, u32 size);                         /* to the console */
int machine_has_input(void);                                            /* whether console_input() will ever be called */
void machine_power_off(int status) __attribute__((noreturn));

/* The disk: requests are done in any order; disk_done() tells of each, at once or from machine_interrupt(). */
#define DISK_SECTOR 512u
#define DISK_PAGES 12
struct disk_request {
    u32 sector, count;                                                  /* count of pages */
    void *pages[DISK_PAGES];
    int write;
    volatile int done;
    int failed;
    struct disk_request *next;                                          /* of the back end */
};
u32 machine_disk_sectors(void);                                         /* 0 for no disk */
void machine_disk_begin(struct disk_request *request);
void disk_done(struct disk_request *request, int failed);               /* disk.c */

/* The network: whole Ethernet frames without their check sequences. Those that come are given to network_input(), within machine_interrupt(). */
int machine_network_start(u8 address[6]);                               /* 0 if there is none; else our Ethernet address */
void machine_network_send(const void *frame, u32 size);                 /* it may be lost */
void network_input(const u8 *frame, u32 size);                          /* network.c */

/* Operations for the `micro=NAME:COUNT` command line, which measures the back end itself; ended by a NULL name. */
struct micro {
    const char *name;
    void (*run)(u32 count);
};
extern const struct micro machine_micros[];

/* In entry.S of the back end: */
void trap_return(void);                                                 /* to the trap frame at the stack pointer */
extern char trap_return_end[];                                          /* its last instruction, which faults if that cannot be */

#endif
