/* What it costs to change page tables, some entries together: update_N changes N and lets the processor forget them, use_N also reads from each page
 * then, so that it is translated again. COUNT is of entries. */

#include "kernel.h"

#define WINDOW 0xf8000000u      /* where there is nothing up to 896 MB of memory, and below the hypervisor */

static u32 *table;
static u32 entries[2];          /* of the two pages that are mapped there by turns */

static void start(void)
{
    if (table)
        return;
    table = page_take_zeroed();
    entries[0] = machine_frame(page_take()) | ENTRY_PRESENT | ENTRY_WRITE;
    entries[1] = machine_frame(page_take()) | ENTRY_PRESENT | ENTRY_WRITE;
    machine_add_table(machine_kernel_directory, WINDOW, table);
}

static void change(u32 count, u32 together, int use)
{
    u32 turn = 0;

    start();
    for (; count >= together; count -= together) {
        turn = !turn;
        for (u32 i = 0; i < together; i++)
            machine_write_entry(WINDOW + i * PAGE, &table[i], entries[turn]);
        machine_write_entries();
        for (u32 i = 0; use && i < together; i++)
            (void)*(volatile u32 *)(WINDOW + i * PAGE);
    }
}

#define BATCH(n) \
    static void update_##n(u32 count) { change(count, n, 0); } \
    static void use_##n(u32 count) { change(count, n, 1); }

BATCH(1) BATCH(8) BATCH(64) BATCH(512)

const struct micro table_micros[] = {
    { "update_1", update_1 }, { "update_8", update_8 }, { "update_64", update_64 }, { "update_512", update_512 },
    { "use_1", use_1 }, { "use_8", use_8 }, { "use_64", use_64 }, { "use_512", use_512 }, { NULL, NULL }
};
