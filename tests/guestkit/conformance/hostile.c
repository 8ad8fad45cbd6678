/* The hostile domain: it tries every known way out, and to do harm to others on the way. Each attempt must fail; what it does to itself is its own affair. */
#include "conformance.h"

#define FOREIGN 0x2000u
#define ATTEMPT(what) print("tries %s\n", what)
#define DATA_1 0x0040b200u
#define DATA_0 0x00409200u

static u32 *victim;             /* the page that the accesses in try() are about */

static void write_victim(void)
{
    *(volatile u32 *)victim = 0xbad;
}

static void other_frames(void)
{
    u32 through = 0, own = 0;

    ATTEMPT("to map each frame of the machine");
    for (u32 frame = 0; frame < 0x1000; frame++) {
        u32 number;

        if (update(arena[0], frame << 12 | P | W, XEN_VA_INVALIDATE) != 0)
            continue;
        number = ((const u32 *)XEN_MACHINE_TO_PHYSICAL)[frame];         /* beyond the machine's memory it does not go on */
        if (number < start_info->pages)
            own++;
        else
            through++;
    }
    IS(through <= 2, 1);                                        /* shared_info and the block ring are our own, and no pages */
    IS(own > 200, 1);
    for (u32 high = 0x80000; high; high >>= 1)
        FAILS(update(arena[0], (0xfffff & ~high) << 12 | P | W, 0), XEN_EINVAL);
    FAILS(request(FOREIGN | XEN_PT_UNCHECKED, 0), XEN_EPERM);
    FAILS(request((u32)entry_of(arena[1]) | XEN_PT_UNCHECKED, FOREIGN | P | W), XEN_EPERM);
    FAILS(request(FOREIGN | XEN_PT_MACHINE_TO_PHYSICAL, 0), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_DESCRIPTOR, FOREIGN, 0, 0), XEN_EINVAL);
    for (u32 command = 0; command <= XEN_PT_NEW_BASE; command++)
        FAILS(extended(command, FOREIGN, 0), XEN_EINVAL);
}

static void writable_tables(void)
{
    u32 *table = (u32 *)arena[2], at = machine_of(table);

    ATTEMPT("to write page tables");
    FAILS(update(arena[1], machine_of(page_table()) | P | W, 0), XEN_EINVAL);
    FAILS(update(arena[1], machine_of(page_directory()) | P | W, 0), XEN_EINVAL);
    FAILS(update(page_table(), machine_of(page_table()) | P | W, 0), XEN_EINVAL);
    victim = page_table();
    IS(try(write_victim), 14);
    memset(table, 0, PAGE);
    table[0] = at | P | W;                                      /* a table that maps itself writable */
    make_read_only(table);
    FAILS(extended(XEN_PT_PIN_L1, at, 0), XEN_EINVAL);
    FAILS(request((u32)(page_directory() + 1), at | P | W), XEN_EINVAL);
    IS(update(table, at | P | W, XEN_VA_INVALIDATE), 0);
    memset(table, 0, PAGE);
    table[1] = at | P | W;                                      /* a directory that is its own writable table */
    make_read_only(table);
    FAILS(extended(XEN_PT_PIN_L2, at, 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_NEW_BASE, at, 0), XEN_EINVAL);
    for (u32 slot = XEN_HYPERVISOR_START >> 22; slot < 1024; slot++)
        FAILS(request((u32)(page_directory() + slot), machine_of(arena[3]) | P | W), XEN_EINVAL);
    FAILS(request((u32)(page_directory() + 1), machine_of(arena[3]) | P | W | 0x80), XEN_EINVAL);     /* 4 MB at once */
    IS(update(table, at | P | W, XEN_VA_INVALIDATE), 0);
}

static void stale_translations(void)
{
    u32 *page = (u32 *)arena[4], at = machine_of(page), frame = at >> 12;
    struct xen_memory_op op = { XEN_MEMORY_LESS, 1, (u32)&frame };

    ATTEMPT("to use translations of before");
    victim = page;
    memset(page, 0, PAGE);
    IS(try(write_victim), NO_TRAP);
    page[0] = 0;
    IS(update(page, at | P, 0), 0);                             /* without a flush: the processor may still write through it */
    IS(extended(XEN_PT_PIN_L1, at, 0), 0);
    IS(try(write_victim), 14);
    IS(page[0], 0);
    IS(extended(XEN_PT_UNPIN, at, 0), 0);
    IS(update(page, at | P | W, 0), 0);
    IS(try(write_victim), NO_TRAP);
    IS(update(page, 0, 0), 0);
    IS(call(XEN_DOM_MEM_OP, (u32)&op, 0, 0), 1);                /* and now it is nobody's */
    IS(try(write_victim), 14);
    op.op = XEN_MEMORY_MORE;
    IS(call(XEN_DOM_MEM_OP, (u32)&op, 0, 0), 1);
    IS(update(page, frame << 12 | P | W, 0), 0);
    IS(page[0], 0);
}

static void descriptors(void)
{
    static const u32 wrong[] = { DATA_0, 0x00cf9a00, 0x0000ee00, 0x0000ef00, 0x0000e500, 0x0000e900, 0x0000eb00, 0x0000e200, 0x00cfb200, 0xfc40b240 };
    u32 *page = (u32 *)arena[5], frame = frame_of(page);

    ATTEMPT("descriptors of ring 0, gates, segments that reach the hypervisor");
    memset(page, 0, PAGE);
    for (u32 i = 0; i < COUNT(wrong); i++) {
        FAILS(call(XEN_UPDATE_DESCRIPTOR, machine_of(page), 0xffff, wrong[i]), XEN_EINVAL);
        page[2] = 0xffff, page[3] = wrong[i];
        make_read_only(page);
        FAILS(call(XEN_SET_GDT, (u32)&frame, 300, 0), XEN_EINVAL);
        IS(update(page, machine_of(page) | P | W, XEN_VA_INVALIDATE), 0);
    }
    page[2] = page[3] = 0;
    FAILS(call(XEN_SET_GDT, (u32)&frame, 300, 0), XEN_EINVAL);          /* writable */
    make_read_only(page);
    IS(call(XEN_SET_GDT, (u32)&frame, 300, 0), 0);
    FAILS(call(XEN_UPDATE_DESCRIPTOR, machine_of(page) + XEN_RING1_CS - 1, 0xffff, 0x00cfba00), XEN_EINVAL);
    victim = page;
    IS(try(write_victim), 14);
}

static void arguments_that_change(void)
{
    struct xen_multicall_entry *list = (struct xen_multicall_entry *)arena[6];
    struct xen_pt_request *requests = (struct xen_pt_request *)arena[8];
    u32 here = machine_of(list), there = machine_of(arena[7]), before = *entry_of(arena[9]);

    ATTEMPT("arguments that change while they are used");
    /* a list that maps another page in its own place: the next entry is read from there, and checked like any other */
    memset(list, 0, PAGE);
    memset(arena[7], 0, PAGE);
    list[0] = (struct xen_multicall_entry){ XEN_UPDATE_VA_MAPPING, { (u32)list >> 12, there | P | W, XEN_VA_INVALIDATE } };
    list[1] = (struct xen_multicall_entry){ XEN_STACK_SWITCH, { XEN_RING1_DS, 0xc0001000 } };
    ((struct xen_multicall_entry *)arena[7])[1] = (struct xen_multicall_entry){ XEN_UPDATE_VA_MAPPING, { (u32)arena[9] >> 12, FOREIGN | P | W, 0 } };
    IS(call(XEN_MULTICALL, (u32)list, 2, 0), 0);
    IS(*entry_of(arena[9]), before);
    IS(update(list, here | P | W, XEN_VA_INVALIDATE), 0);
    /* results that overwrite what is still to come */
    memset(list, 0, PAGE);
    list = (struct xen_multicall_entry *)(arena[6] + 8);
    for (u32 i = 0; i < 100; i++)
        list[i] = (struct xen_multicall_entry){ XEN_MULTICALL, { (u32)list, 100 } };
    IS(call(XEN_MULTICALL, (u32)list, 100, 0), 0);
    IS(call(XEN_MULTICALL, (u32)arena[6], 100, 0), 0);
    /* requests that unmap the list of requests */
    requests[0] = (struct xen_pt_request){ (u32)entry_of(requests), 0 };
    requests[1] = (struct xen_pt_request){ (u32)entry_of(arena[9]), FOREIGN | P | W };
    FAILS(call(XEN_PT_UPDATE, (u32)requests, 2, 0), XEN_EFAULT);
    IS(*entry_of(arena[9]), before);
    /* again and again what holds only once */
    memset(arena[10], 0, PAGE);
    make_read_only(arena[10]);
    IS(extended(XEN_PT_PIN_L1, machine_of(arena[10]), 0), 0);
    for (u32 i = 0; i < 100; i++)
        FAILS(extended(XEN_PT_PIN_L1, machine_of(arena[10]), 0), XEN_EINVAL);
    IS(extended(XEN_PT_UNPIN, machine_of(arena[10]), 0), 0);
    for (u32 i = 0; i < 100; i++)
        FAILS(extended(XEN_PT_UNPIN, machine_of(arena[10]), 0), XEN_EINVAL);
    /* pointers to the hypervisor, to nothing and round the end, for all that takes one */
    static const u32 pointers[] = { XEN_HYPERVISOR_START, 0xfc400000, 0xfc421000, 0xfffffffc, 0xffffffff, 0x1000, XEN_HYPERVISOR_START - 2 };
    static const u32 calls[] = { XEN_SET_TRAP_TABLE, XEN_PT_UPDATE, XEN_CONSOLE_WRITE, XEN_DOM_MEM_OP, XEN_MULTICALL };
    for (u32 i = 0; i < COUNT(pointers); i++)
        for (u32 k = 0; k < COUNT(calls); k++)
            FAILS(call(calls[k], pointers[i], 4, 0), XEN_EFAULT);
}

static void floods(void)
{
    struct xen_shared_info *info = shared();

    ATTEMPT("a flood of events");
    info->events_mask = XEN_EVENTS_MASTER | 0x7fffffff;
    for (u32 i = 0; i < 3000; i++) {
        info->events = 0x7fffffff;
        info->events_mask = XEN_EVENTS_MASTER | 0x7fffffff;
        info->times.wall_timeout = 1 + i;                       /* long past */
        info->times.domain_timeout = 1;
#ifdef XEN_1_2
        call(XEN_SCHED_OP, XEN_SCHED_YIELD, 0, 0);
        call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_OPEN, 1 + i, 0);
        call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_SEND, i, 0);
#else
        call(XEN_YIELD, 0, 0, 0);
#endif
        call(XEN_NET_UPDATE, 0, 0, 0);
        call(XEN_BLOCK_IO_OP, 0, 0, 0);
    }
    info->events_mask = 0;
}

#ifndef XEN_1_2
static void rings(void)
{
    u32 words = 0;

    ATTEMPT("ring indices out of range");
    for (u32 i = 0; i <= XEN_NET_RINGS; i++) {
        u32 ring = i < XEN_NET_RINGS ? start_info->net_rings[i] : start_info->block_ring;

        if (ring == 0 || update(arena[11], ring | P | W, XEN_VA_INVALIDATE) != 0)
            continue;
        words += PAGE / 4;
        for (u32 round = 0; round < 50; round++) {
            for (u32 k = 0; k < PAGE / 4; k++)
                ((volatile u32 *)arena[11])[k] = (k * 2654435761u + round) ^ (round % 5 == 0 ? 0xffffffff : 0);
            ((volatile u32 *)arena[11])[0] = round % 3 == 0 ? 0xffffffff : 0x80000000 + round;
            for (u32 k = 0; k < 6; k++)
                *(volatile u32 *)(start_info->shared_info + 72 + 24 * i % 192 + 4 * k) = round * 0x10001 + 0x7fffffff;
            call(XEN_NET_UPDATE, 0, 0, 0);
            call(XEN_BLOCK_IO_OP, 0, 0, 0);
        }
    }
    print("%u words of rings\n", words);
}
#endif

static void call_back(void)
{
    shared()->events = XEN_EVENT_TIMER;
    shared()->events_mask = XEN_EVENTS_MASTER | XEN_EVENT_TIMER;
    call(XEN_FPU_TASKSWITCH, 0, 0, 0);
}

static void callbacks_elsewhere(void)
{
    static const u32 targets[] = { 0xfc400000, 0xfc421800, 0xffffffff, XEN_SEGMENT_END - 1 };

    ATTEMPT("callbacks into the hypervisor");
    for (u32 i = 0; i < COUNT(targets); i++) {
        int trap;

        IS(xen_hypercall(XEN_SET_CALLBACKS, XEN_RING1_CS, targets[i], XEN_RING1_CS, targets[i]), 0);
        trap = try(call_back);
        IS(trap == 13 || trap == 14 || trap == 6, 1);
    }
    FAILS(xen_hypercall(XEN_SET_CALLBACKS, 0x08, 0xfc400000, XEN_RING1_CS, 0), XEN_EPERM);
    FAILS(xen_hypercall(XEN_SET_CALLBACKS, XEN_RING1_CS, 0, 0x10, 0xfc400000), XEN_EPERM);
    set_traps();
}

static void be_the_control_domain(void)
{
    ATTEMPT("to control other domains");
    for (u32 command = 0; command < 64; command++) {
        u32 *words = (u32 *)arena[12];

        for (u32 i = 0; i < 64; i++)
            words[i] = i == 0 ? command : i - 1;
        FAILS(call(XEN_DOM0_OP, (u32)words, 0, 0), XEN_EPERM);
    }
}

static void halt(void) { asm volatile("hlt"); }
static void load_cr3(void) { asm volatile("mov %0, %%cr3" : : "r"(FOREIGN)); }
static void load_gdt(void) { asm volatile("lgdt (%0)" : : "r"(arena[0])); }
static void load_idt(void) { asm volatile("lidt (%0)" : : "r"(arena[0])); }
static void load_tr(void) { asm volatile("ltr %w0" : : "r"(8)); }
static void port(void) { asm volatile("outb %%al, $0x64" : : "a"(0xfe)); }
static void msr(void) { asm volatile("wrmsr" : : "a"(0), "d"(0), "c"(0x1b)); }
static void far_ring_0(void) { asm volatile("ljmp $0x08, $0x100000"); }

static void instructions(void)
{
    void (*tries[])(void) = { halt, load_cr3, load_gdt, load_idt, load_tr, port, msr, far_ring_0 };

    ATTEMPT("instructions of ring 0");
    for (u32 i = 0; i < COUNT(tries); i++)
        IS(try(tries[i]), 13);
    victim = (u32 *)0xfc400000;
    IS(try(write_victim), 13);
    victim = (u32 *)XEN_MACHINE_TO_PHYSICAL;
    IS(try(write_victim), 14);
}

static void balloon_to_nothing(void)
{
    u32 frame, kept = 0, given = 0;
    struct xen_memory_op op = { XEN_MEMORY_LESS, 1, (u32)&frame };

    ATTEMPT("to give all its memory away");
    for (u32 page = 64; page < start_info->pages - 8; page++) {         /* above the kernel, below the stack */
        frame = page_table()[page] >> 12;
        IS(update((void *)(BASE + page * PAGE), 0, XEN_VA_INVALIDATE), 0);
        given += call(XEN_DOM_MEM_OP, (u32)&op, 0, 0) == 1;
    }
    IS(given, start_info->pages - 8 - 64);
    for (u32 page = 0; page < start_info->pages; page++)                /* what is mapped, and the tables themselves */
        if (page_table()[page] & P) {
            frame = page_table()[page] >> 12;
            kept += call(XEN_DOM_MEM_OP, (u32)&op, 0, 0) == 0;
        }
    IS(kept >= 64, 1);
    op.op = XEN_MEMORY_MORE;
    for (u32 i = 0; i < given; i++)
        IS(call(XEN_DOM_MEM_OP, (u32)&op, 0, 0), 1);
    for (u32 i = 0; i < 1000; i++)
        IS(call(XEN_DOM_MEM_OP, (u32)&op, 0, 0), 0);                    /* and to take all there is */
}

void hostile(void)
{
    set_traps();
    other_frames();
    writable_tables();
    stale_translations();
    descriptors();
    arguments_that_change();
    floods();
#ifndef XEN_1_2
    rings();
#endif
    callbacks_elsewhere();
    be_the_control_domain();
    instructions();
    balloon_to_nothing();
}
