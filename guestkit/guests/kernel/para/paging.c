/* Direct paging: the tables hold machine frames, are used by the processor as they are, and can only be read by us. The hypervisor checks
 * each change. So changes are queued and asked for together, and tables that are not yet in use are filled as plain memory: the hypervisor
 * checks them as a whole when the directory is pinned, which it can be only when none of them is mapped writable any more. */

#include "para.h"

#define QUEUE 520              /* so that 512 and what makes them known are one hypercall */
#define SINGLY 8                /* more changed entries than this are forgotten all at once */

u32 *machine_kernel_directory;
static u32 *frames;             /* machine address of each page */

static struct pt_request queue[QUEUE];
static u32 queued, changed[SINGLY], changes;

static void send(void)
{
    if (queued)
        ask(XEN_PT_UPDATE, (u32)queue, queued, 0, 0);
    queued = 0;
}

static void request(u32 ptr, u32 value)
{
    if (queued == QUEUE)
        send();
    queue[queued++] = (struct pt_request){ ptr, value };
}

u32 machine_frame(void *page)
{
    return frames[PAGE_NUMBER(page)];
}

void *machine_page(u32 entry)
{
    return PAGE_POINTER(((const u32 *)MACHINE_TO_PHYSICAL)[entry / PAGE]);
}

/* The entry that maps a page for the kernel. */
static u32 *linear_entry(void *page)
{
    u32 *table = machine_page(machine_kernel_directory[DIRECTORY_INDEX(page)]);

    return table + TABLE_INDEX(page);
}

static void read_frames(void)
{
    for (u32 page = 0; page < boot.pages; page++)
        frames[page] = *linear_entry(PAGE_POINTER(page)) & ~ENTRY_FLAGS;
}

/* The builder has mapped all pages in the order of their numbers: read from there which frames they are. The directory stays in use as a table when
 * another is loaded: only what is in use gets other frame numbers when we are moved. */
void paging_start(void)
{
    machine_kernel_directory = start_info->pt_base;
    frames = early_pages(PAGE_UP(boot.pages * sizeof *frames) / PAGE);
    read_frames();
    request(machine_frame(machine_kernel_directory) | PT_EXTENDED, PT_PIN_L2);
    send();
}

/* We are to be moved, perhaps to other frames. All tables are pinned, below a pinned one, or empty, and no change to them is queued, as events come
 * only when no kernel code is at work; so the hypervisor finds every frame number but ours. */
void paging_stop(void)
{
    ask(XEN_YIELD, XEN_STOP, 0, 0, 0);
    read_frames();
}

/* In place of a page of ours. */
void *paging_map_shared(u32 frame)
{
    void *page = early_pages(1);

    ask(XEN_UPDATE_VA_MAPPING, (u32)page / PAGE, frame | ENTRY_PRESENT | ENTRY_WRITE, VA_INVALIDATE, 0);
    return page;
}

u32 paging_entry_frame(void *page)
{
    u32 *entry = linear_entry(page);

    return machine_frame((void *)PAGE_DOWN(entry)) + (u32)entry % PAGE;
}

/* Looks again where a page is. */
void *paging_exchange(void *page)
{
    frames[PAGE_NUMBER(page)] = *linear_entry(page) & ~ENTRY_FLAGS;
    return page;
}

static void make_read_only(void *page)
{
    u32 *entry = linear_entry(page);

    request((u32)entry | PT_ENTRY, *entry & ~ENTRY_WRITE);
}

static void make_writable(void *page)
{
    u32 *entry = linear_entry(page);

    request((u32)entry | PT_ENTRY, *entry | ENTRY_WRITE);
}

void machine_publish_space(u32 *directory, u32 **tables, u32 count)
{
    for (u32 i = 0; i < count; i++)
        make_read_only(tables[i]);
    make_read_only(directory);
    request(machine_frame(directory) | PT_EXTENDED, PT_PIN_L2);
}

void machine_retire_space(u32 *directory, u32 **tables, u32 count)
{
    request(machine_frame(directory) | PT_EXTENDED, PT_UNPIN);
    for (u32 i = 0; i < count; i++)
        make_writable(tables[i]);
    make_writable(directory);
    send();
}

void machine_add_table(u32 *directory, u32 address, u32 *table)
{
    make_read_only(table);
    request((u32)&directory[DIRECTORY_INDEX(address)] | PT_ENTRY, machine_frame(table) | TABLE_FLAGS);
    send();
}

void machine_write_entry(u32 address, u32 *entry, u32 value)
{
    request((u32)entry | PT_ENTRY, value);
    if (changes < SINGLY)
        changed[changes] = address;
    changes++;
}

void machine_write_entries(void)
{
    if (changes > SINGLY)
        request(PT_EXTENDED, PT_FLUSH_TLB);
    else
        for (u32 i = 0; i < changes; i++)
            request(changed[i] | PT_EXTENDED, PT_INVALIDATE);
    changes = 0;
    send();
}

void machine_map(u32 address, u32 *entry, u32 value)
{
    ask(XEN_UPDATE_VA_MAPPING, address / PAGE, value, *entry & ENTRY_PRESENT ? VA_INVALIDATE : 0, 0);
}

/* Two hypercalls in one. */
void paging_load(u32 *directory, void *stack_top)
{
    struct pt_request base = { machine_frame(directory) | PT_EXTENDED, PT_NEW_BASE };
    struct multicall_entry calls[2] = {
        { XEN_PT_UPDATE, { (u32)&base, 1 } },
        { XEN_STACK_SWITCH, { KERNEL_DS, (u32)stack_top } },
    };

    ask(XEN_MULTICALL, (u32)calls, COUNT(calls), 0, 0);
    if (calls[0].args[5] != 0)
        panic("the page directory at %x is refused", directory);
}
