/* Operations that a hypervisor has to step in for, if there is one. */

#include "bare.h"

#define NO_RAM 0xf0000000u      /* physical; for memory of a device */
#define WINDOW 0xf8000000u      /* where there is nothing up to 896 MB of memory */
#define PORT_NOTHING 0x80       /* the diagnostic port: no device does anything about it */

static void port(u32 count)
{
    while (count-- > 0)
        out8(PORT_NOTHING, 0);
}

static void load_cr3(u32 count)
{
    u32 directory = machine_frame(machine_kernel_directory);

    while (count-- > 0)
        asm volatile("movl %0, %%cr3" : : "r"(directory) : "memory");
}

static void cpuid(u32 count)
{
    u32 a, b, c, d;

    while (count-- > 0)
        asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(0), "2"(0));
}

/* Forgets the translation of a page and uses it: the processor walks the tables, a shadow page table has to be filled. */
static void fill(u32 count)
{
    volatile u32 *page = page_take();

    while (count-- > 0) {
        asm volatile("invlpg (%0)" : : "r"(page) : "memory");
        *page = count;
    }
}

/* Only the first half of that. */
static void forget(u32 count)
{
    u32 *page = page_take();

    while (count-- > 0)
        asm volatile("invlpg (%0)" : : "r"(page) : "memory");
}

/* Writes where there is no RAM, as to memory of a device: nested page tables have nothing there. */
static void device(u32 count)
{
    u32 *table = page_take_zeroed();

    machine_add_table(machine_kernel_directory, WINDOW, table);
    table[TABLE_INDEX(WINDOW)] = NO_RAM | ENTRY_PRESENT | ENTRY_WRITE;
    while (count-- > 0)
        *(volatile u32 *)WINDOW = 0;
}

/* Uses pages that nobody has used yet, so nested page tables have to be extended. Ends when there are no more. */
static void fresh(u32 count)
{
    while (count-- > 0) {
        volatile u32 *page = page_take();
        if (!page)
            return;
        *page = count;
    }
}

/* The instruction that asks a hypervisor for a service; without one it is undefined. */
static void vmcall(u32 count)
{
    while (count-- > 0)
        asm volatile("vmcall" : : "a"(-1) : "memory");
}

static void nothing(u32 count)
{
    while (count-- > 0)
        asm volatile("" : : : "memory");
}

const struct micro machine_micros[] = {
    { "nothing", nothing }, { "port", port }, { "cr3", load_cr3 }, { "cpuid", cpuid }, { "fill", fill }, { "forget", forget },
    { "device", device }, { "fresh", fresh }, { "vmcall", vmcall }, { NULL, NULL }
};
