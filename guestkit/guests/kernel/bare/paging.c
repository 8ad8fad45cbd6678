/* Page tables: the kernel's own are written as memory and used as they are. Frame and page numbers are the same here. */

#include "bare.h"

#define SINGLY 8                /* more changed entries than this are forgotten all at once */

extern u32 boot_directory[];
u32 *machine_kernel_directory;
static u32 changed[SINGLY], changes;

/* The tables of entry.S map the first 16 MB, at 0, too; the kernel's directory maps all memory, and only at KERNEL_BASE. */
void paging_start(void)
{
    u32 first = DIRECTORY_INDEX(KERNEL_BASE), page = BOOT_TABLES * TABLE_ENTRIES;

    machine_kernel_directory = boot_directory;
    for (u32 table = BOOT_TABLES; page < boot.pages; table++) {
        u32 *entries = early_pages(1);
        for (u32 i = 0; i < TABLE_ENTRIES && page < boot.pages; i++, page++)
            entries[i] = page * PAGE | ENTRY_PRESENT | ENTRY_WRITE;
        boot_directory[first + table] = machine_frame(entries) | ENTRY_PRESENT | ENTRY_WRITE;
    }
    for (u32 table = 0; table < BOOT_TABLES; table++)
        boot_directory[table] = 0;
    asm volatile("movl %0, %%cr3" : : "r"(machine_frame(boot_directory)) : "memory");
}

u32 machine_frame(void *page)
{
    return (u32)page - KERNEL_BASE;
}

void *machine_page(u32 entry)
{
    return (void *)((entry & ~ENTRY_FLAGS) + KERNEL_BASE);
}

void machine_publish_space(u32 *directory, u32 **tables, u32 count)
{
    (void)directory, (void)tables, (void)count;
}

void machine_retire_space(u32 *directory, u32 **tables, u32 count)
{
    (void)directory, (void)tables, (void)count;
}

void machine_add_table(u32 *directory, u32 address, u32 *table)
{
    directory[DIRECTORY_INDEX(address)] = machine_frame(table) | TABLE_FLAGS;
}

static void forget(u32 address)
{
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

void machine_write_entry(u32 address, u32 *entry, u32 value)
{
    *entry = value;
    if (changes < SINGLY)
        changed[changes] = address;
    changes++;
}

/* The processor may have kept what the entries were (SDM vol. 3, 4.10.4.2). */
void machine_write_entries(void)
{
    if (changes > SINGLY) {
        u32 directory;
        asm volatile("movl %%cr3, %0; movl %0, %%cr3" : "=r"(directory) : : "memory");
    } else {
        for (u32 i = 0; i < changes; i++)
            forget(changed[i]);
    }
    changes = 0;
}

void machine_map(u32 address, u32 *entry, u32 value)
{
    u32 before = *entry;

    *entry = value;
    if (before & ENTRY_PRESENT)
        forget(address);
}
