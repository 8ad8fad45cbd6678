/* set_gdt, the LDT, update_descriptor, and the failsafe callback, which is for segments that went away. */
#include "conformance.h"

#define DATA_1 0x0040b200u      /* high word: a 32-bit data segment of ring 1, present, writable; with 64 KB of limit in the low word */
#define DATA_0 0x00409200u
#define LOW 0xffffu
#define LIMIT_HIGH 0x00c00000u  /* 4 KB units */
#define IN_LDT 4

static u32 *table_page(u32 number)
{
    memset(arena[number], 0, PAGE);
    return (u32 *)arena[number];
}

static int set(u32 frame, u32 entries)
{
    return call(XEN_SET_GDT, (u32)&frame, entries, 0);
}

static u32 selector;

static void load_fs(void)
{
    asm volatile("mov %0, %%fs" : : "r"(selector));
}

static u32 fs_word(u32 offset)
{
    u32 value;

    asm volatile("mov %%fs:(%1), %0" : "=r"(value) : "r"(offset));
    return value;
}

void gdt(void)
{
    u32 *first = table_page(0), *second = table_page(1), list[16];

    set_traps();
    first[2 * 5] = ((u32)arena[3] & 0xffff) << 16 | 0xfff;
    first[2 * 5 + 1] = DATA_1 | ((u32)arena[3] >> 16 & 0xff) | ((u32)arena[3] & 0xff000000);
    first[2 * 256] = LOW, first[2 * 256 + 1] = DATA_0;                          /* in the hypervisor's place: it does not matter */
    *(u32 *)arena[3] = 0x5e6;
    FAILS(set(frame_of(first), 296), XEN_EINVAL);                               /* mapped writable */
    make_read_only(first);
    FAILS(set(frame_of(first), XEN_LAST_RESERVED_DESCRIPTOR), XEN_EINVAL);      /* too small for the hypervisor's */
    FAILS(set(frame_of(first), 0), XEN_EINVAL);
    FAILS(set(frame_of(first), 8193), XEN_EINVAL);
    FAILS(set(frame_of(first), 0xffffffff), XEN_EINVAL);
    FAILS(set(2, 296), XEN_EINVAL);                                             /* not ours */
    FAILS(set(0xfffff, 296), XEN_EINVAL);
    FAILS(set(frame_of(page_table()), 296), XEN_EINVAL);
    FAILS(call(XEN_SET_GDT, 0x1000, 296, 0), XEN_EFAULT);
    FAILS(call(XEN_SET_GDT, XEN_HYPERVISOR_START, 296, 0), XEN_EFAULT);
    IS(set(frame_of(first), 296), 0);
    selector = 5 << 3 | 1;
    IS(try(load_fs), NO_TRAP);
    IS(fs_word(0), 0x5e6);
    IS(first[XEN_RING1_CS >> 3 << 1] & 0xffff, (XEN_SEGMENT_END - 1) >> 12 & 0xffff);   /* the hypervisor's descriptors are there */
    IS(first[2 * 256], 0);
    FAILS(update(first, machine_of(first) | P | W, 0), XEN_EINVAL);
    FAILS(extended(XEN_PT_PIN_L1, machine_of(first), 0), XEN_EINVAL);           /* it is in use as something else */
    FAILS(request((u32)first, 0), XEN_EINVAL);                                  /* it is no page table */
    selector = 296 << 3 | 1;
    IS(try(load_fs), 13);
    IS(trap_frame[0], 296 << 3);

    /* two frames; the second one may not hold what is not allowed */
    second[0] = LOW, second[1] = DATA_0;
    list[0] = frame_of(first);
    list[1] = frame_of(second);
    make_read_only(second);
    FAILS(call(XEN_SET_GDT, (u32)list, 1024, 0), XEN_EINVAL);
    IS(update(second, machine_of(second) | P | W, XEN_VA_INVALIDATE), 0);
    second[0] = LOW, second[1] = DATA_1;
    make_read_only(second);
    IS(call(XEN_SET_GDT, (u32)list, 1024, 0), 0);
    selector = 512 << 3 | 1;
    IS(try(load_fs), NO_TRAP);
    FAILS(update(second, machine_of(second) | P | W, 0), XEN_EINVAL);
    selector = XEN_RING1_DS;
    IS(try(load_fs), NO_TRAP);
    IS(set(frame_of(first), 300), 0);
    IS(update(second, machine_of(second) | P | W, XEN_VA_INVALIDATE), 0);       /* no longer in use */
}

void ldt(void)
{
    u32 *page = table_page(0);

    set_traps();
    page[2] = LOW, page[3] = DATA_1;
    selector = 1 << 3 | IN_LDT | 1;
    IS(try(load_fs), 13);                                       /* there is none */
    IS(extended(XEN_PT_SET_LDT, (u32)page, 2), 0);
    IS(try(load_fs), 14);                                       /* it is mapped writable, so it is no descriptor table */
    IS(trap_frame[0], (u32)page + 8);
    make_read_only(page);
    IS(try(load_fs), NO_TRAP);
    FAILS(update(page, machine_of(page) | P | W, 0), XEN_EINVAL);
    selector = 2 << 3 | IN_LDT | 1;
    IS(try(load_fs), 13);                                       /* beyond it */
    IS(trap_frame[0], 2 << 3 | IN_LDT);
    FAILS(extended(XEN_PT_SET_LDT, (u32)page + 8, 2), XEN_EINVAL);
    FAILS(extended(XEN_PT_SET_LDT, (u32)page, 8193), XEN_EINVAL);
    FAILS(extended(XEN_PT_SET_LDT, XEN_HYPERVISOR_START - PAGE, 513), XEN_EINVAL);
    FAILS(extended(XEN_PT_SET_LDT, XEN_HYPERVISOR_START, 1), XEN_EINVAL);
    IS(extended(XEN_PT_SET_LDT, (u32)page, 8192), 0);
    IS(try(load_fs), 13);                                       /* a null descriptor */
    IS(trap_frame[0], 2 << 3 | IN_LDT);
    selector = XEN_RING1_DS;
    IS(try(load_fs), NO_TRAP);
    IS(extended(XEN_PT_SET_LDT, 0, 0), 0);
    IS(update(page, machine_of(page) | P | W, XEN_VA_INVALIDATE), 0);
    page[3] = DATA_0;                                           /* not allowed, so the processor does not get to see it */
    make_read_only(page);
    IS(extended(XEN_PT_SET_LDT, (u32)page, 2), 0);
    selector = 1 << 3 | IN_LDT | 1;
    IS(try(load_fs), 14);
    IS(extended(XEN_PT_SET_LDT, 0, 0), 0);
}

void descriptor_updates(void)
{
    static const struct {
        u32 low, high;
    } refused[] = {
        { LOW, DATA_0 }, { LOW, 0x00409a00 },                   /* ring 0 */
        { 0x08190000, 0x0000ee00 }, { 0x08190000, 0x0000ef00 }, /* interrupt and trap gates */
        { 0x08190000, 0x0000e500 }, { 0, 0x0000e900 }, { 0, 0x0000e200 },      /* task gate, TSS, LDT */
        { 0x08190000, 0x0000ec20 },                             /* a call gate with reserved bits */
        { LOW, DATA_1 | LIMIT_HIGH | 0xf0000 },                 /* to the end of the address space */
        { LOW, DATA_1 | 0xfc000000 | 0x40 },                    /* in the hypervisor's area, */
        { 0xffff0000 | LOW, DATA_1 | 0xfc00003f },              /* into it from below, */
        { 0x10000000 | LOW, DATA_1 | 0xf0000 | 0xff0000ff },    /* and round the end of the address space */
        { LOW, DATA_1 | 0x400 | LIMIT_HIGH },                   /* expand-down: all above its limit */
    }, allowed[] = {
        { 0, 0 }, { LOW, DATA_1 }, { LOW, 0x0040f200 }, { LOW, 0x0040ba00 }, { 0x08191234, 0xc000ec00 }, { LOW, DATA_0 & ~0x8000u }, { LOW, 0x0000b600 },
    };
    u32 *page = table_page(0), at = machine_of(page) + 8 * 7;

    make_read_only(page);
    IS(set(frame_of(page), 300), 0);
    for (u32 i = 0; i < COUNT(allowed); i++) {
        u32 accessed = (allowed[i].high & 0x9000) == 0x9000 ? 0x100 : 0;

        IS(call(XEN_UPDATE_DESCRIPTOR, at, allowed[i].low, allowed[i].high), 0);
        IS(page[2 * 7], allowed[i].low);
        IS(page[2 * 7 + 1], allowed[i].high | accessed);
    }
    IS(call(XEN_UPDATE_DESCRIPTOR, at, LOW, DATA_1), 0);
    for (u32 i = 0; i < COUNT(refused); i++) {
        FAILS(call(XEN_UPDATE_DESCRIPTOR, at, refused[i].low, refused[i].high), XEN_EINVAL);
        IS(page[2 * 7 + 1], DATA_1 | 0x100);
    }
    FAILS(call(XEN_UPDATE_DESCRIPTOR, at + 4, LOW, DATA_1), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_DESCRIPTOR, 0x2000, LOW, DATA_1), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_DESCRIPTOR, 0xfffff000, LOW, DATA_1), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_DESCRIPTOR, machine_of(page_table()), 0, 0), XEN_EINVAL);
    FAILS(call(XEN_UPDATE_DESCRIPTOR, machine_of(page_directory()), 0, 0), XEN_EINVAL);
    for (u32 i = XEN_FIRST_RESERVED_DESCRIPTOR; i <= XEN_LAST_RESERVED_DESCRIPTOR; i++)
        FAILS(call(XEN_UPDATE_DESCRIPTOR, machine_of(page) + 8 * i, LOW, DATA_1), XEN_EINVAL);
    IS(call(XEN_UPDATE_DESCRIPTOR, machine_of(page) + 8 * 296, LOW, DATA_1), 0);
    IS(call(XEN_UPDATE_DESCRIPTOR, machine_of(arena[1]), LOW, DATA_1), 0);      /* a page that is no table yet */
}

static u32 *failing;

static void take_fs_away(void)
{
    load_fs();
    call(XEN_UPDATE_DESCRIPTOR, machine_of(failing) + 8 * 5, 0, 0);
}

void failsafe(void)
{
    failing = table_page(0);
    set_traps();
    failing[2 * 5] = LOW, failing[2 * 5 + 1] = DATA_1;
    make_read_only(failing);
    IS(set(frame_of(failing), 300), 0);
    selector = 5 << 3 | 1;
    IS(try(take_fs_away), FAILSAFE);
    IS(trap_frame[0] & 0xffff, XEN_RING1_DS);                   /* DS, ES, FS, GS, and the return frame */
    IS(trap_frame[1] & 0xffff, XEN_RING1_DS);
    IS(trap_frame[2] & 0xffff, selector);
    IS(trap_frame[5], XEN_RING1_CS);
    IS(trap_frame[4] >> 20, BASE >> 20);
}
