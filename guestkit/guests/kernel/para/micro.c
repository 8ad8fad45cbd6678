/* Operations of the hypervisor's interface. */

#include "para.h"

#define NO_HYPERCALL 0xffff

static void nothing(u32 count)
{
    while (count-- > 0)
        asm volatile("" : : : "memory");
}

/* There and back, with nothing done. */
static void vmcall(u32 count)
{
    while (count-- > 0)
        hypercall(NO_HYPERCALL, 0, 0, 0, 0);
}

static void load_cr3(u32 count)
{
    struct pt_request request = { machine_frame(machine_kernel_directory) | PT_EXTENDED, PT_NEW_BASE };

    while (count-- > 0)
        hypercall(XEN_PT_UPDATE, (u32)&request, 1, 0, 0);
}

/* The entry of a page that the kernel has mapped, written as it is: what a fill of a shadow page table is elsewhere. */
static void fill(u32 count)
{
    void *page = page_take();

    while (count-- > 0)
        hypercall(XEN_UPDATE_VA_MAPPING, (u32)page / PAGE, machine_frame(page) | ENTRY_PRESENT | ENTRY_WRITE, VA_INVALIDATE, 0);
}

/* The same, sixty-four in each hypercall; COUNT is of entries. */
static void batch(u32 count)
{
    void *page = page_take();
    u32 *table = machine_page(machine_kernel_directory[DIRECTORY_INDEX(page)]);
    struct pt_request requests[64];

    for (u32 i = 0; i < COUNT(requests); i++)
        requests[i] = (struct pt_request){ (u32)(table + TABLE_INDEX(page)) | PT_ENTRY, machine_frame(page) | ENTRY_PRESENT | ENTRY_WRITE };
    for (; count >= COUNT(requests); count -= COUNT(requests))
        hypercall(XEN_PT_UPDATE, (u32)requests, COUNT(requests), 0, 0);
    hypercall(XEN_PT_UPDATE, (u32)requests, count, 0, 0);
}

/* Uses pages that nobody has used yet. */
static void fresh(u32 count)
{
    while (count-- > 0) {
        volatile u32 *page = page_take();
        if (!page)
            return;
        *page = count;
    }
}

const struct micro machine_micros[] = {
    { "nothing", nothing }, { "vmcall", vmcall }, { "cr3", load_cr3 }, { "fill", fill }, { "batch", batch }, { "fresh", fresh }, { NULL, NULL }
};
