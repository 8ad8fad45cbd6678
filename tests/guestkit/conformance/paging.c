/* pt_update, update_va_mapping, dom_mem_op and the machine-to-physical table. */
#include "conformance.h"

#define FOREIGN 0x2000u         /* the machine address of a frame that is the hypervisor's */
#define NOWHERE 0xfffff000u
#define FORBIDDEN_1 0x080u      /* large page, or PAT */
#define FORBIDDEN_2 0x100u      /* global */

static u32 slot_of(const void *at)
{
    return (u32)at >> 22;
}

static void zero(u8 *page)
{
    memset(page, 0, PAGE);
}

void page_tables(void)
{
    u8 *page = arena[0], *other = arena[1], *table = arena[2];
    u32 here = machine_of(page), there = machine_of(other), entry, tables, directory;

    /* entries of the table in use */
    IS(request((u32)entry_of(page), 0), 0);
    IS(*entry_of(page), 0);
    IS(request((u32)entry_of(page), here | P | W), 0);
    IS(*entry_of(page), here | P | W);
    IS(request((u32)entry_of(page), there | P | W | U), 0);            /* a frame may be mapped twice */
    IS(request((u32)entry_of(page), here | P | W), 0);
    entry = *entry_of(page);
    FAILS(request((u32)arena[3], here | P), XEN_EINVAL);                /* no table there */
    make_read_only(arena[3]);
    FAILS(request((u32)arena[3], here | P), XEN_EINVAL);
    FAILS(request(0x1000, here | P), XEN_EFAULT);
    FAILS(request(XEN_HYPERVISOR_START, here | P), XEN_EFAULT);
    FAILS(request((u32)entry_of(page), FOREIGN | P), XEN_EINVAL);
    FAILS(request((u32)entry_of(page), FOREIGN | P | W), XEN_EINVAL);
    FAILS(request((u32)entry_of(page), NOWHERE | P), XEN_EINVAL);
    FAILS(request((u32)entry_of(page), here | P | FORBIDDEN_1), XEN_EINVAL);
    FAILS(request((u32)entry_of(page), here | P | W | FORBIDDEN_2), XEN_EINVAL);
    FAILS(request((u32)entry_of(page), there | P | W | FORBIDDEN_1), XEN_EINVAL);
    IS(*entry_of(page), entry);
    IS(request((u32)entry_of(page), FOREIGN | W | FORBIDDEN_1 | FORBIDDEN_2), 0);      /* what is not present may be anything */
    IS(request((u32)entry_of(page), here | P | W), 0);

    /* tables stay out of reach */
    tables = machine_of(page_table());
    directory = machine_of(page_directory());
    FAILS(request((u32)entry_of(page), tables | P | W), XEN_EINVAL);
    FAILS(request((u32)entry_of(page), directory | P | W), XEN_EINVAL);
    IS(request((u32)entry_of(page), tables | P), 0);
    IS(request((u32)entry_of(page), directory | P), 0);
    FAILS(request((u32)entry_of(page), directory | P | W), XEN_EINVAL);        /* no right can be added later */
    IS(request((u32)entry_of(page), here | P | W), 0);

    /* entries of the directory in use */
    zero(table);
    FAILS(request((u32)(page_directory() + 1), machine_of(table) | P | W | U), XEN_EINVAL);    /* it is mapped writable */
    make_read_only(table);
    FAILS(request((u32)(page_directory() + 1), machine_of(table) | P | FORBIDDEN_1), XEN_EINVAL);
    IS(request((u32)(page_directory() + 1), machine_of(table) | P | W | U), 0);
    FAILS(update(table, machine_of(table) | P | W, 0), XEN_EINVAL);
    IS(request((u32)table, there | P | W), 0);                          /* it is a table now: its entries are changed so */
    IS(*(u32 *)table, there | P | W);
    other[8] = 77;
    IS(*(volatile u8 *)0x400008, 77);
    FAILS(request((u32)(page_directory() + 2), FOREIGN | P), XEN_EINVAL);
    FAILS(request((u32)(page_directory() + 2), directory | P), XEN_EINVAL);     /* it is of another type */
    for (u32 slot = XEN_HYPERVISOR_START >> 22; slot < 1024; slot++)
        FAILS(request((u32)(page_directory() + slot), 0), XEN_EINVAL);
    IS(request((u32)(page_directory() + 1), 0), 0);
    IS(update(table, machine_of(table) | P | W, 0), 0);                 /* no table any more */
    IS(slot_of(page), BASE >> 22);

    /* a table whose contents are not allowed */
    u32 *entries = (u32 *)table;
    static const u32 wrong[] = { FOREIGN | P, FOREIGN | P | W, NOWHERE | P };
    for (u32 i = 0; i < COUNT(wrong) + 3; i++) {
        IS(update(table, machine_of(table) | P | W, XEN_VA_INVALIDATE), 0);
        entries[1023] = i < COUNT(wrong) ? wrong[i] : i == COUNT(wrong) ? (tables | P | W) : i == COUNT(wrong) + 1 ? (there | P | FORBIDDEN_2)
                        : (machine_of(table) | P | W);
        make_read_only(table);
        FAILS(request((u32)(page_directory() + 1), machine_of(table) | P | W), XEN_EINVAL);
        IS(page_directory()[1], 0);
    }
}

void pins(void)
{
    u8 *table = arena[0], *directory = arena[1];
    u32 at = machine_of(table), root = machine_of(directory);

    zero(table);
    zero(directory);
    FAILS(extended(XEN_PT_PIN_L1, at, 0), XEN_EINVAL);          /* mapped writable */
    make_read_only(table);
    IS(extended(XEN_PT_PIN_L1, at, 0), 0);
    FAILS(extended(XEN_PT_PIN_L1, at, 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_PIN_L2, at, 0), XEN_EINVAL);
    FAILS(update(table, at | P | W, 0), XEN_EINVAL);            /* a pin keeps it a table */
    FAILS(extended(XEN_PT_NEW_BASE, at, 0), XEN_EINVAL);
    IS(extended(XEN_PT_UNPIN, at, 0), 0);
    FAILS(extended(XEN_PT_UNPIN, at, 0), XEN_EINVAL);
    IS(update(table, at | P | W, XEN_VA_INVALIDATE), 0);
    FAILS(extended(XEN_PT_PIN_L2, root, 0), XEN_EINVAL);
    make_read_only(directory);
    IS(extended(XEN_PT_PIN_L2, root, 0), 0);
    IS(((u32 *)directory)[XEN_HYPERVISOR_START >> 22] & P, P);  /* the hypervisor has put itself in */
    FAILS(extended(XEN_PT_PIN_L1, root, 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_PIN_L2, root, 0), XEN_EINVAL);
    IS(extended(XEN_PT_UNPIN, root, 0), 0);
    IS(update(directory, root | P | W, XEN_VA_INVALIDATE), 0);

    /* contents are checked */
    ((u32 *)table)[5] = FOREIGN | P;
    make_read_only(table);
    FAILS(extended(XEN_PT_PIN_L1, at, 0), XEN_EINVAL);
    memset(directory, 0, PAGE);
    ((u32 *)directory)[5] = at | P;                             /* which is no good as a table */
    make_read_only(directory);
    FAILS(extended(XEN_PT_PIN_L2, root, 0), XEN_EINVAL);

    /* whose frames; levels that there are not */
    for (u32 command = XEN_PT_PIN_L1; command <= XEN_PT_UNPIN; command++) {
        FAILS(extended(command, FOREIGN, 0), XEN_EINVAL);
        FAILS(extended(command, NOWHERE, 0), XEN_EINVAL);
    }
    zero(arena[2]);
    make_read_only(arena[2]);
    FAILS(extended(XEN_PT_PIN_L3, machine_of(arena[2]), 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_PIN_L4, machine_of(arena[2]), 0), XEN_EINVAL);
}

void requests(void)
{
    u32 *directory = (u32 *)arena[0], here = machine_of(arena[1]), there = machine_of(arena[2]), before;
    u32 old = machine_of(page_directory());
    struct xen_pt_request many[600];

    /* batches: up to the first that is refused */
    before = *entry_of(arena[3]);
    many[0] = (struct xen_pt_request){ (u32)entry_of(arena[1]), there | P | W };
    many[1] = (struct xen_pt_request){ (u32)entry_of(arena[2]), FOREIGN | P };
    many[2] = (struct xen_pt_request){ (u32)entry_of(arena[3]), 0 };
    FAILS(call(XEN_PT_UPDATE, (u32)many, 3, 0), XEN_EINVAL);
    IS(*entry_of(arena[1]), there | P | W);
    IS(*entry_of(arena[3]), before);
    IS(request((u32)entry_of(arena[1]), here | P | W), 0);
    for (u32 i = 0; i < COUNT(many); i++)
        many[i] = (struct xen_pt_request){ (u32)entry_of(arena[1]), here | P | W | (i & 1 ? U : 0) };
    for (u32 size = 1; size <= 512; size *= 8)
        IS(call(XEN_PT_UPDATE, (u32)many, size, 0), 0);
    IS(call(XEN_PT_UPDATE, (u32)many, COUNT(many), 0), 0);
    IS(*entry_of(arena[1]), here | P | W | U);
    IS(call(XEN_PT_UPDATE, (u32)many, 0, 0), 0);
    FAILS(call(XEN_PT_UPDATE, 0x1000, 1, 0), XEN_EFAULT);
    FAILS(call(XEN_PT_UPDATE, XEN_HYPERVISOR_START - 8, 2, 0), XEN_EFAULT);
    FAILS(call(XEN_PT_UPDATE, (u32)many, 0x20000000, 0), XEN_EFAULT);

    /* a new base */
    memcpy(directory, page_directory(), PAGE);
    FAILS(extended(XEN_PT_NEW_BASE, machine_of(directory), 0), XEN_EINVAL);     /* mapped writable */
    make_read_only(directory);
    IS(extended(XEN_PT_NEW_BASE, machine_of(directory), 0), 0);
    FAILS(update(directory, machine_of(directory) | P | W, 0), XEN_EINVAL);
    IS(update(page_directory(), machine_of(page_directory()) | P | W, XEN_VA_INVALIDATE), 0);   /* the old one is free */
    IS(update(page_directory(), machine_of(page_directory()) | P, XEN_VA_INVALIDATE), 0);
    IS(extended(XEN_PT_NEW_BASE, old, 0), 0);
    FAILS(extended(XEN_PT_NEW_BASE, FOREIGN, 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_NEW_BASE, machine_of(page_table()), 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_NEW_BASE, NOWHERE, 0), XEN_EINVAL);

    /* translations */
    arena[1][0] = 1, arena[2][0] = 2;
    IS(request((u32)entry_of(arena[1]), there | P | W), 0);
    IS(extended(XEN_PT_INVALIDATE, (u32)arena[1], 0), 0);
    IS(*(volatile u8 *)arena[1], 2);
    IS(request((u32)entry_of(arena[1]), here | P | W), 0);
    IS(extended(XEN_PT_FLUSH_TLB, 0, 0), 0);
    IS(*(volatile u8 *)arena[1], 1);
    IS(extended(XEN_PT_INVALIDATE, XEN_HYPERVISOR_START, 0), 0);       /* harmless */

    /* what is none, and what is another's */
    for (u32 command = XEN_PT_SET_LDT + 1; command < 256; command++)
        FAILS(extended(command, machine_of(arena[3]), 0), XEN_EINVAL);
    FAILS(request((u32)entry_of(arena[1]) | XEN_PT_UNCHECKED, here | P), XEN_EPERM);
    FAILS(request(machine_of(entry_of(arena[1])) | XEN_PT_UNCHECKED, FOREIGN | P), XEN_EPERM);
}

void va_mapping(void)
{
    u8 *page = arena[0], *other = arena[1];
    u32 here = machine_of(page), there = machine_of(other);

    page[0] = 1, other[0] = 2;
    for (u32 flags = 1; flags < 4; flags++) {
        IS(*(volatile u8 *)page, 1);
        IS(update(page, there | P | W, flags), 0);
        IS(*(volatile u8 *)page, 2);
        IS(update(page, here | P | W, flags), 0);
    }
    IS(update(page, 0, 0), 0);
    IS(*entry_of(page), 0);
    IS(update(page, here | P | W, 0), 0);
    ((struct xen_multicall_entry *)page)->op = XEN_CALLS;                       /* what a hypercall reads and writes is marked so */
    IS(update(page, here | P | W, XEN_VA_INVALIDATE), 0);
    FAILS(call(XEN_DOM_MEM_OP, (u32)page, 0, 0), XEN_EINVAL);
    IS(*entry_of(page), here | P | W | XEN_PTE_ACCESSED);
    IS(call(XEN_MULTICALL, (u32)page, 1, 0), 0);
    IS(*entry_of(page), here | P | W | XEN_PTE_ACCESSED | XEN_PTE_DIRTY);
    IS(update(page, here | P | W, XEN_VA_INVALIDATE), 0);
    FAILS(update((void *)XEN_HYPERVISOR_START, here | P, 0), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_VA_MAPPING, 0xfffff, here | P, 0), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_VA_MAPPING, 0x100000, here | P, 0), XEN_EINVAL);      /* no page has that number */
    FAILS(call(XEN_UPDATE_VA_MAPPING, 0xffffffff, here | P, 0), XEN_EINVAL);
    FAILS(update((void *)0x400000, here | P, 0), XEN_EINVAL);                   /* no table */
    FAILS(update(page, FOREIGN | P, XEN_VA_FLUSH_TLB), XEN_EINVAL);
    FAILS(update(page, NOWHERE | P | W, XEN_VA_INVALIDATE), XEN_EINVAL);
    FAILS(update(page, machine_of(page_table()) | P | W, 0), XEN_EINVAL);
    FAILS(update(page, here | P | W | FORBIDDEN_1, 0), XEN_EINVAL);
    FAILS(update(page, here | P | W | FORBIDDEN_2, 0), XEN_EINVAL);
    IS(*entry_of(page), here | P | W);
}

static void write_table(void)
{
    *(volatile u32 *)XEN_MACHINE_TO_PHYSICAL = 1;
}

void machine_to_physical(void)
{
    const volatile u32 *table = (const u32 *)XEN_MACHINE_TO_PHYSICAL;
    u32 frame = frame_of(arena[0]), number = ((u32)arena[0] - BASE) / PAGE;

    for (u32 page = 0; page < start_info->pages; page++)
        IS(table[page_table()[page] >> 12], page);
    IS(request(frame << 12 | XEN_PT_MACHINE_TO_PHYSICAL, 0x12345), 0);
    IS(table[frame], 0x12345);
    IS(request(frame << 12 | XEN_PT_MACHINE_TO_PHYSICAL, number), 0);
    FAILS(request(FOREIGN | XEN_PT_MACHINE_TO_PHYSICAL, 0), XEN_EINVAL);
    FAILS(request((NOWHERE & ~3u) | XEN_PT_MACHINE_TO_PHYSICAL, 0), XEN_EINVAL);
    IS(table[FOREIGN >> 12], 0xffffffff);
    set_traps();
    IS(try(write_table), 14);
    IS(trap_frame[0], XEN_MACHINE_TO_PHYSICAL);
    IS(trap_frame[1], 3);
}

static int memory(u32 operation, u32 size, const void *list)
{
    struct xen_memory_op op = { operation, size, (u32)list };

    return call(XEN_DOM_MEM_OP, (u32)&op, 0, 0);
}

void balloon(void)
{
    u32 list[8], frame = frame_of(arena[0]);

    IS(memory(XEN_MEMORY_MORE, 1, list), 0);                    /* it has all it began with */
    list[0] = frame;
    IS(memory(XEN_MEMORY_LESS, 1, list), 0);                    /* it is mapped */
    for (u32 i = 0; i < 4; i++) {
        list[i] = frame_of(arena[i]);
        IS(update(arena[i], 0, XEN_VA_INVALIDATE), 0);
    }
    list[4] = FOREIGN >> 12;
    IS(memory(XEN_MEMORY_LESS, 5, list), 4);                    /* as many as are its own */
    FAILS(update(arena[0], frame << 12 | P, 0), XEN_EINVAL);    /* and these are no longer */
    IS(((const u32 *)XEN_MACHINE_TO_PHYSICAL)[frame], 0xffffffff);
    IS(memory(XEN_MEMORY_LESS, 1, list), 0);
    list[0] = NOWHERE >> 12;
    IS(memory(XEN_MEMORY_LESS, 1, list), 0);
    list[0] = frame_of(page_directory());
    IS(memory(XEN_MEMORY_LESS, 1, list), 0);
    IS(memory(XEN_MEMORY_MORE, 1, (void *)0x1000), 0);          /* nowhere to tell which */
    IS(memory(XEN_MEMORY_LESS, 1, (void *)0x1000), 0);
    IS(memory(XEN_MEMORY_MORE, 8, list), 4);
    for (u32 i = 0; i < 4; i++) {
        IS(update(arena[i], list[i] << 12 | P | W, XEN_VA_INVALIDATE), 0);
        for (u32 k = 0; k < PAGE; k += 4)
            if (*(u32 *)(arena[i] + k) != 0)
                IS(*(u32 *)(arena[i] + k), 0);                  /* nothing of another domain's is in them */
        IS(request(list[i] << 12 | XEN_PT_MACHINE_TO_PHYSICAL, ((u32)arena[i] - BASE) / PAGE), 0);
    }
    IS(memory(XEN_MEMORY_MORE, 1, list), 0);
    IS(memory(XEN_MEMORY_MORE, 0, list), 0);
    IS(memory(XEN_MEMORY_LESS, 0, list), 0);
    FAILS(memory(2, 1, list), XEN_EINVAL);
    FAILS(memory(0xffffffff, 1, list), XEN_EINVAL);
    FAILS(memory(XEN_MEMORY_LESS, 0x40000000, list), XEN_EFAULT);
    FAILS(memory(XEN_MEMORY_LESS, 1, (void *)XEN_HYPERVISOR_START), XEN_EFAULT);
    FAILS(call(XEN_DOM_MEM_OP, 0x1000, 0, 0), XEN_EFAULT);
    FAILS(call(XEN_DOM_MEM_OP, 0xfffffffc, 0, 0), XEN_EFAULT);
}
