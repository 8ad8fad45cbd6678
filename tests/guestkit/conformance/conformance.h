/* The conformance suite: groups of checks of the interface in xen/xen-1.0.h, one group a run, named on the command line. A check that fails is told on the
 * console; the last line counts. The whole is one domain of 1 MB, built for 1.0 and, with XEN_1_2, for 1.2. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "guest.h"

#define BASE 0xc0000000u        /* where the kernel is loaded: page 0 */
#define PAGE 4096u
#define PAGES 24                /* of the arena */
#define P XEN_PTE_PRESENT
#define W XEN_PTE_WRITE
#define U XEN_PTE_USER

#define IS(what, wanted) check(__LINE__, __FILE__, #what, (u32)(what), (u32)(wanted))
#define FAILS(what, error) IS(what, -(error))

extern u8 arena[PAGES][PAGE];   /* pages to try things with, each mapped writable when a group begins */

void check(int line, const char *file, const char *what, u32 got, u32 wanted);

static inline u32 *page_table(void)             /* of the kernel's 4 MB, mapped read-only */
{
    return (u32 *)(start_info->page_directory - PAGE);
}

static inline u32 *page_directory(void)
{
    return (u32 *)start_info->page_directory;
}

static inline u32 *entry_of(const void *at)
{
    return &page_table()[(u32)at >> 12 & 1023];
}

static inline u32 frame_of(const void *at)
{
    return *entry_of(at) >> 12;
}

static inline u32 machine_of(const void *at)
{
    return (*entry_of(at) & -PAGE) | ((u32)at & (PAGE - 1));
}

int call(u32 number, u32 a, u32 b, u32 c);
int update(const void *page, u32 entry, u32 flags);             /* update_va_mapping */
int request(u32 ptr, u32 val);                                  /* pt_update with one request */
int extended(u32 command, u32 ptr, u32 argument);
u32 make_read_only(void *page);                                 /* its machine address */
void *before_nothing(u32 words);                                /* where only so many words are mapped */
void cut_short(u32 number, const void *structure, u32 words);   /* the hypercall fails with each part of the structure, mapped up to there */
void not_written(u32 number, const void *structure, u32 words); /* and where it cannot be written */
void sleep(void);                                               /* until there is an event that is not masked */

struct xen_shared_info *shared(void);

int end(const char *name);       /* ends the domain in the way of that name; 0 if there is none */

/* Traps. try(f) calls f; the result is the vector of the trap that ended it, or NO_TRAP. */
#define NO_TRAP -1
#define FAILSAFE 100
#define TRAP_WORDS 12

extern u32 trap_frame[TRAP_WORDS];      /* from the stack pointer up: CR2 of a page fault, error code if there is one, EIP, CS, EFLAGS, ESP, SS */
extern volatile u32 event_calls;        /* how often the event callback was called */
int try(void (*function)(void));
void set_traps(void);                   /* handlers for vectors 0 to 31, 0x30 (ring 3 may call it), 0x31 (ring 1 only) and 0x80 (ring 3); the callbacks */
void user(const void *code, u32 size, u32 stack_words);         /* runs code in ring 3 until it traps; to be called in try() */

void calls(void), console(void), keyboard(void), debug_registers(void), multicalls(void), scheduling(void), page_tables(void), pins(void), requests(void),
     va_mapping(void), machine_to_physical(void), gdt(void), ldt(void), descriptor_updates(void), trap_table(void), callbacks(void), fast_trap(void),
     failsafe(void), balloon(void), times(void), start_of_day(void), channels(void), hostile(void), block(void),
     block_control(void), network(void), network_control(void), dom0_control(void), dom0_full(void), channel_pair(void),
     virtual_disks(void), disk_pair(void), asked(void);

#endif
