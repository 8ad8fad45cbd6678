/* dom0_op and unchecked updates, by a privileged domain that makes another one and builds it; and a channel between two domains. */
#include "conformance.h"

#define ESRCH XEN_ESRCH
#define MADE_PAGES 64u
#define MADE_KB (MADE_PAGES * 4)
#define LOAD 0xc0000000u

#define DIRECTORY (MADE_PAGES - 1)
#define TABLE (MADE_PAGES - 2)
#define START_INFO (MADE_PAGES - 3)
#define GDT_PAGE 7u
#define SHARED (LOAD + MADE_PAGES * PAGE)
#define COUNTER 0x800u          /* what the kernel that is made leaves in its first page: how often it has looked, and EBX at its beginning */
#define EBX 77u

enum {
    MEMORY_LIST = XEN_DOM0_MEMORY_LIST, SCHEDULER = XEN_DOM0_SCHEDULER, ADJUST = XEN_DOM0_ADJUST, CREATE = XEN_DOM0_CREATE, DESTROY = XEN_DOM0_DESTROY,
    START = XEN_DOM0_START, STOP = XEN_DOM0_STOP, INFO = XEN_DOM0_INFO, BUILD = XEN_DOM0_BUILD, IOPL = XEN_DOM0_IOPL,
#ifdef XEN_1_2
    SET_TIME = XEN_DOM0_SET_TIME, FRAME_INFO = XEN_DOM0_FRAME_INFO, READ_CONSOLE = XEN_DOM0_READ_CONSOLE, PIN = XEN_DOM0_PIN,
#endif
};

#ifdef XEN_1_2
#define VERSION XEN_DOM0_VERSION
#define UNION 2
#define HAS(command) (command >= SET_TIME && command <= PIN)
#else
#define UNION 1
#define HAS(command) 0
#endif

/* The kernel that is made: it counts until it is asked to end. */
asm(".pushsection .rodata\n"
    "made_kernel: mov %ebx, 0xc0000804\n"
    "1: incl 0xc0000800\n testb $4, 0xc0040000\n jz 1b\n"
#ifdef XEN_1_2
    "mov $8, %eax\n mov $1, %ebx\n .byte 0x0f, 0x01, 0xc1\n"
#else
    "mov $9, %eax\n .byte 0x0f, 0x01, 0xc1\n"
#endif
    "made_kernel_end: .popsection");
extern const u8 made_kernel[], made_kernel_end[];
_Static_assert(SHARED == 0xc0040000u && LOAD + COUNTER == 0xc0000800u, "as the kernel has it");

static u32 op[700], *words = op + UNION;
static u32 frames[MADE_PAGES + 1];
static u32 *window;             /* a page through which others' frames are seen */

static int make(u32 command)
{
    op[0] = command;
#ifdef XEN_1_2
    op[1] = VERSION;
#endif
    return call(XEN_DOM0_OP, (u32)op, 0, 0);
}

static int dom0(u32 command, u32 a, u32 b, u32 c, u32 d, u32 e)
{
    words[0] = a, words[1] = b, words[2] = c, words[3] = d, words[4] = e;
    return make(command);
}

static int of(u32 command, u32 domain)
{
    return dom0(command, domain, 0, 0, 0, 0);
}

static int create(u32 kb)
{
    memcpy(words + 1, "made\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    words[0] = kb;
    return make(CREATE);
}

/* What BUILD needs. */
static void describe(u32 domain, u32 directory)
{
    memset(op, 0, sizeof op);
    op[0] = BUILD;
#ifdef XEN_1_2
    op[1] = VERSION;
    struct xen_full_context *context = (struct xen_full_context *)(words + 2);

    context->cs = XEN_RING1_CS;
    context->ds = context->es = context->ss = context->ring1_ss = XEN_RING1_DS;
    context->fs = context->gs = 0;
    context->eip = LOAD;
    context->ebx = EBX;
    context->esp = context->ring1_esp = LOAD + START_INFO * PAGE;
    context->page_directory = directory;
    context->gdt_frames[0] = frames[GDT_PAGE], context->gdt_entries = 300;
    context->traps[0x80] = (struct xen_trap_info){ 0x80, XEN_TRAP_DPL, XEN_RING1_CS, LOAD + 0x100 };
    context->fast_trap = 0x80;
    context->event_cs = context->failsafe_cs = XEN_RING1_CS;
    context->event_eip = context->failsafe_eip = LOAD + 0x200;
    context->debug[0] = LOAD + 0x300;
    context->debug[7] = 0x400;
    words[0] = domain;
#else
    words[0] = domain, words[1] = directory, words[2] = LOAD, words[3] = SHARED, words[4] = LOAD + START_INFO * PAGE;
#endif
}

static int build(u32 domain, u32 directory)
{
    describe(domain, directory);
    return make(BUILD);
}

static void see(u32 frame, u32 flags)
{
    IS(update(window, frame << 12 | flags, XEN_VA_INVALIDATE), 0);
}

/* What a domain cannot begin with. */
static void refused_states(u32 domain, u32 directory)
{
#ifdef XEN_1_2
#define AT(field) (__builtin_offsetof(struct xen_full_context, field) / 4)
    static const struct {
        u32 word, value;
    } wrong[] = {
        { AT(page_directory), 0 }, { AT(page_directory), 0x2000 }, { AT(page_directory), 4 },
        { AT(gdt_entries), 5 }, { AT(gdt_entries), 8193 }, { AT(gdt_frames), 2 }, { AT(gdt_entries), 513 },
        { AT(ldt_entries), 8193 },
        { AT(traps[0x80]), 0x81 | 3 << 8 | XEN_RING1_CS << 16 }, { AT(traps[0x80]), 0x80 | 3 << 8 | XEN_RING3_CS << 16 }, { AT(traps[0x80]), 0x80 | 3 << 8 },
        { AT(fast_trap), 0x81 }, { AT(fast_trap), 6 }, { AT(fast_trap), 0x82 }, { AT(fast_trap), 0xffffffff },
        { AT(ring1_ss), 0 }, { AT(ring1_ss), XEN_RING3_DS }, { AT(event_cs), 8 }, { AT(failsafe_cs), XEN_RING3_CS },
        { AT(cs), 0 }, { AT(cs), 8 }, { AT(cs), XEN_RING1_DS }, { AT(cs), XEN_RING3_CS & ~2u }, { AT(cs), 400 << 3 | 1 }, { AT(ss), 0 }, { AT(ss), XEN_RING1_CS },
        { AT(ss), XEN_RING3_DS }, { AT(ds), 5 << 3 | 1 }, { AT(es), 0x13 }, { AT(fs), 7 }, { AT(gs), 0xffff },
        { AT(debug[0]), 0xfc000000 }, { AT(debug[3]), 0xffffffff }, { AT(debug[7]), 1 << 13 }, { AT(debug[7]), 2 << 16 },
    };

    for (u32 i = 0; i < COUNT(wrong); i++) {
        describe(domain, directory);
        words[2 + wrong[i].word] = wrong[i].value;
        if (make(BUILD) != -XEN_EINVAL)
            IS(i, -1);                  /* which one */
    }
    describe(domain, directory);
    words[2 + AT(ldt_entries)] = 1, words[2 + AT(ldt_base)] = 8;
    FAILS(make(BUILD), XEN_EINVAL);
    describe(domain, directory);
    cut_short(XEN_DOM0_OP, op, UNION + 2 + sizeof(struct xen_full_context) / 4);
#else
    static const struct {
        u32 word, value;
    } wrong[] = { { 1, 0 }, { 1, 4 }, { 1, 0x2000 }, { 2, XEN_HYPERVISOR_START }, { 3, SHARED + 4 }, { 3, 0 }, { 3, 0x80000000 }, { 4, LOAD + 4 },
                  { 4, LOAD + 1023 * PAGE }, { 4, XEN_HYPERVISOR_START } };

    for (u32 i = 0; i < COUNT(wrong); i++) {
        describe(domain, directory);
        words[wrong[i].word] = wrong[i].value;
        if (make(BUILD) != -XEN_EINVAL)
            IS(i, -1);
    }
    describe(domain, directory);
    cut_short(XEN_DOM0_OP, op, UNION + 72);
#endif
}

/* A kernel and its page tables, which are checked as any other's; the machine address of its directory. */
static u32 prepare(u32 domain)
{
    see(frames[TABLE], P | W);
    memset(window, 0, PAGE);
    for (u32 page = 0; page < MADE_PAGES; page++)
        window[page] = frames[page] << 12 | (page >= TABLE || page == GDT_PAGE ? P : P | W);
#ifdef XEN_1_2
    IS(of(INFO, domain), 0);
    window[MADE_PAGES] = words[13] << 12 | P | W;               /* its shared_info, which 1.0's hypervisor maps itself */
#endif
    see(frames[DIRECTORY], P | W);
    memset(window, 0, PAGE);
    FAILS(build(domain, frames[DIRECTORY] << 12), XEN_EINVAL);  /* it is mapped writable here */
    see(frames[0], P | W);
#ifndef XEN_1_2
    FAILS(build(domain, frames[DIRECTORY] << 12), XEN_EINVAL);  /* an empty directory: nowhere for shared_info */
#endif
    memset(window, 0, PAGE);
    memcpy(window, made_kernel, made_kernel_end - made_kernel);
    see(frames[DIRECTORY], P | W);
    window[LOAD >> 22] = frames[TABLE] << 12 | P | W | U;
    see(frames[0], P | W);
    return frames[DIRECTORY] << 12;
}

static void let_others_run(void)
{
    shared()->events = XEN_EVENT_TIMER;
    shared()->events_mask = XEN_EVENT_TIMER;
    sleep();
}

/* The domain is built, runs, is stopped, goes on, and ends when it is asked to. */
static void build_and_run(u32 domain, u32 own)
{
    u32 directory = prepare(domain), count;
    volatile u32 *counter = window + COUNTER / 4;

    refused_states(domain, directory);
#ifdef XEN_1_2
    struct xen_block_op disk = { .operation = XEN_DISK_CREATE, .u.create = { domain, 5, XEN_CAN_READ } };

    IS(call(XEN_BLOCK_IO_OP, (u32)&disk, 0, 0), 0);
    disk = (struct xen_block_op){ .operation = XEN_DISK_PROBE, .u.probe = { domain, 1, (u32)arena[3], 0 } };
    IS(call(XEN_BLOCK_IO_OP, (u32)&disk, 0, 0), 0);
    IS(disk.u.probe.count, 1);
    IS(((struct xen_disk_entry *)arena[3])->device, 5);
#endif
    IS(dom0(SCHEDULER, 20000, 0, 0, 0, 0), 0);                  /* so that turns are short */
    see(frames[0], P | W);
    IS(build(domain, directory), 0);
    FAILS(build(domain, directory), XEN_EINVAL);
    FAILS(request((u32)entry_of(window), directory | P | W), XEN_EINVAL);       /* a table now, for domain 0, too */
    let_others_run();
    IS(counter[0], 0);
    IS(of(START, domain), 0);
    while (counter[0] == 0)
        let_others_run();
#ifdef XEN_1_2
    IS(counter[1], EBX);
#endif
    IS(of(INFO, domain), 0);
    IS(words[7], 0);                                            /* it can run */
    IS(words[11] > 0, 1);
#ifdef XEN_1_2
    const struct xen_full_context *context = (const void *)(words + 14);

    IS(context->cs, XEN_RING1_CS);
    IS(context->eip - LOAD < (u32)(made_kernel_end - made_kernel), 1);
    IS(context->esp, LOAD + START_INFO * PAGE);
    IS(context->ebx, EBX);
    IS(context->page_directory, directory);
    IS(context->gdt_entries, 300);
    IS(context->gdt_frames[0], frames[GDT_PAGE]);
    IS(context->traps[0x80].address, LOAD + 0x100);
    IS(context->fast_trap, 0x80);
    IS(context->event_eip, LOAD + 0x200);
    IS(context->debug[0], LOAD + 0x300);
    IS(of(FRAME_INFO, directory >> 12), 0);
    IS(words[1], domain);
#endif
    IS(of(STOP, domain), 0);
    IS(of(INFO, domain), 0);
    IS(words[7], 1);
    IS(words[8], 0);                                            /* it has not ended */
    count = counter[0];
    for (u32 i = 0; i < 5; i++)
        let_others_run();
    IS(counter[0], count);
    IS(of(START, domain), 0);
    while (counter[0] == count)
        let_others_run();
    IS(dom0(DESTROY, domain, 0, 0, 0, 0), 0);                   /* it is asked to end, and still there */
    do {
        let_others_run();
        IS(of(INFO, domain), 0);
    } while (words[8] == 0);
    IS(words[8], XEN_EVENT_DIE);
    IS(words[7], 1);
#ifdef XEN_1_2
    FAILS(call(XEN_BLOCK_IO_OP, (u32)&disk, 0, 0), XEN_ESRCH);  /* its disks have gone with it */
#endif
    IS(update(window, own | P | W, XEN_VA_INVALIDATE), 0);
}

static void cut(u32 command, u32 domain, u32 count)
{
    words[0] = domain;
    op[0] = command;
    cut_short(XEN_DOM0_OP, op, UNION + count);
}

static void not_told(u32 command, u32 domain, u32 count)
{
    words[0] = domain;
    op[0] = command;
    not_written(XEN_DOM0_OP, op, UNION + count);
}

/* Pages beyond what the suite uses. */
static void give_back(u32 count)
{
    u32 frame;
    struct xen_memory_op memory = { XEN_MEMORY_LESS, 1, (u32)&frame };

    for (u32 page = 256; page < 256 + count; page++) {
        frame = page_table()[page] >> 12;
        IS(update((void *)(BASE + page * PAGE), 0, XEN_VA_INVALIDATE), 0);
        IS(call(XEN_DOM_MEM_OP, (u32)&memory, 0, 0), 1);
    }
}

/* The machine has less memory than this domain may have, since it has made another of it. */
static void less_memory_than_wanted(void)
{
    static u32 list[MADE_PAGES + 64];
    struct xen_memory_op memory = { XEN_MEMORY_MORE, COUNT(list), (u32)list };
    int got = call(XEN_DOM_MEM_OP, (u32)&memory, 0, 0);

    IS(got >= 0 && got < (int)COUNT(list), 1);
    IS(call(XEN_DOM_MEM_OP, (u32)&memory, 0, 0), 0);
    memory.op = XEN_MEMORY_LESS, memory.size = got;
    IS(call(XEN_DOM_MEM_OP, (u32)&memory, 0, 0), got);
}

#ifdef XEN_1_2
static int set_time(u32 seconds, u32 microseconds, u64 when)
{
    return dom0(SET_TIME, seconds, microseconds, when, when >> 32, 0);
}

static int read_console(void *text, u32 size, u32 forget)
{
    return dom0(READ_CONSOLE, (u32)text, size, forget, 0, 0);
}

static void only_in_1_2(u32 made)
{
    struct xen_times *times = &shared()->times;
    u64 now = times->system_time;
    char *text = (char *)arena[2];

    /* the wall clock */
    IS(set_time(2000000000, 5, now), 0);
    times = &shared()->times;
    IS(times->tv_sec - 2000000000 < 2, 1);
    FAILS(set_time(2000000000, 1000000, now), XEN_EINVAL);
    FAILS(set_time(2000000000, 0, now + 1000000000000), XEN_EINVAL);    /* it has not come yet */
    FAILS(set_time(2000000000, 0, 1ull << 63), XEN_EINVAL);
    FAILS(set_time(0, 0, now), XEN_EINVAL);                     /* the machine would have begun before 1970 */
    set_time(2000000000, 0, now);
    cut(SET_TIME, 2000000000, 4);

    /* the hypervisor's console: what happens to domains */
    int size = read_console(text, PAGE, 0);

    IS(size > 10, 1);
    IS(memcmp(text, "domain 0 (", 10), 0);
    IS(text[size - 1], '\n');
    IS(read_console(text, 10, 1), 10);
    IS(read_console(text, PAGE, 1), size - 10);
    IS(read_console(text, PAGE, 0), 0);
    IS(create(64), 0);
    IS(dom0(DESTROY, words[5], 1, 0, 0, 0), 0);
    IS(read_console(text, PAGE, 0) > 20, 1);
    FAILS(read_console((void *)0x1000, PAGE, 0), XEN_EFAULT);
    FAILS(read_console(page_table(), PAGE, 0), XEN_EFAULT);     /* which it cannot write to */
    FAILS(read_console((char *)before_nothing(1), PAGE, 1), XEN_EFAULT);
    FAILS(read_console(text, PAGE, 2), XEN_EINVAL);
    read_console(text, PAGE, 1);
    cut(READ_CONSOLE, (u32)text, 3);

    /* there is one processor */
    IS(dom0(PIN, made, 0, 0, 0, 0), 0);
    IS(dom0(PIN, made, -1, 0, 0, 0), 0);
    FAILS(dom0(PIN, made, 1, 0, 0, 0), XEN_EINVAL);
    FAILS(dom0(PIN, made, -2, 0, 0, 0), XEN_EINVAL);
    FAILS(dom0(PIN, 999, 0, 0, 0, 0), ESRCH);
    dom0(PIN, made, 0, 0, 0, 0);
    cut(PIN, made, 2);
}
#endif

void dom0_control(void)
{
    static const u32 on_a_domain[] = { MEMORY_LIST, ADJUST, DESTROY, START, STOP, BUILD, IOPL };
    u32 us = start_info->domain, made, own;

    window = (u32 *)arena[0];
    own = machine_of(window);
    IS(start_info->flags & XEN_START_PRIVILEGED, XEN_START_PRIVILEGED);

    /* what there is not, and pointers */
    for (u32 command = 0; command < 64; command++)
        if (!HAS(command) && (command < MEMORY_LIST || (command > MEMORY_LIST && command < SCHEDULER) || command > IOPL))
            FAILS(of(command, us), XEN_ENOSYS);
    FAILS(of(0xffffffff, us), XEN_ENOSYS);
    FAILS(call(XEN_DOM0_OP, 0x1000, 0, 0), XEN_EFAULT);
    FAILS(call(XEN_DOM0_OP, XEN_HYPERVISOR_START - 4, 0, 0), XEN_EFAULT);
#ifdef XEN_1_2
    op[0] = STOP, op[1] = VERSION - 1, op[2] = us;
    FAILS(call(XEN_DOM0_OP, (u32)op, 0, 0), XEN_EPERM);
#endif
    for (u32 i = 0; i < COUNT(on_a_domain); i++)
        FAILS(of(on_a_domain[i], 999), ESRCH);
    FAILS(of(INFO, 999), ESRCH);

    /* the scheduler's parameters */
    IS(dom0(SCHEDULER, 1000000, 0, 0, 0, 0), 0);
    FAILS(dom0(SCHEDULER, 0, 0, 0, 0, 0), XEN_EINVAL);
    FAILS(dom0(SCHEDULER, 0xffffffff, 0, 0, 0, 0), XEN_EINVAL);
    IS(dom0(ADJUST, us, 5, 1000, 1000, 1000), 0);
    FAILS(dom0(ADJUST, us, 0, 0, 0, 0), XEN_EINVAL);
    FAILS(dom0(ADJUST, us, 0xffffffff, 0, 0, 0), XEN_EINVAL);
    IS(of(INFO, us), 0);
    IS(words[0], us);
    IS(words[6], 1);                                            /* it has the processor */
    IS(words[7], 0);                                            /* and runs */
    IS(words[9], 5);
    IS(words[10], start_info->pages);

    /* a domain is made, in memory that the machine has because this one gives it back */
    FAILS(create(MADE_KB), XEN_ENOMEM);
    give_back(MADE_PAGES + 64);
    FAILS(create(0), XEN_EINVAL);
    FAILS(create(15 * 4), XEN_EINVAL);
    FAILS(create(0xffffffff), XEN_EINVAL);
    FAILS(create(2u << 20), XEN_ENOMEM);
    IS(create(MADE_KB), 0);
    made = words[5];
    IS(made != us, 1);
    FAILS(of(START, made), XEN_EINVAL);                         /* it is not built */
    IS(dom0(MEMORY_LIST, made, MADE_PAGES + 1, (u32)frames, 0, 0), 0);
    IS(words[3], MADE_PAGES);
    FAILS(dom0(MEMORY_LIST, made, 1, 0x1000, 0, 0), XEN_EFAULT);
    IS(of(INFO, made), 0);
    IS(words[0], made);
    IS(words[7], 1);                                            /* stopped */
    IS(words[10], MADE_PAGES);
    IS(strcmp((char *)(words + 1), "made"), 0);

    /* its frames may be mapped, by every kind of update; the hypervisor's may not */
    u32 entry = (u32)entry_of(window);

    IS(update(window, frames[0] << 12 | P | W, XEN_VA_INVALIDATE), 0);
    memset(window, 0, PAGE);
    IS(request(entry | XEN_PT_UNCHECKED, frames[1] << 12 | P | W), 0);
    IS(extended(XEN_PT_FLUSH_TLB, 0, 0), 0);
    memset(window, 0, PAGE);
    FAILS(request(entry | XEN_PT_UNCHECKED, 0x2000 | P), XEN_EINVAL);
    FAILS(request(entry | XEN_PT_UNCHECKED, machine_of(page_table()) | P | W), XEN_EINVAL);
    FAILS(request(0x1000 | XEN_PT_UNCHECKED, own | P), XEN_EFAULT);
    IS(update(window, own | P | W, XEN_VA_INVALIDATE), 0);

    /* no state that would be refused to a guest is accepted */
    FAILS(build(made, 0), XEN_EINVAL);
    FAILS(build(made, own), XEN_EINVAL);
    FAILS(build(made, frames[MADE_PAGES - 1] << 12 | 4), XEN_EINVAL);
    FAILS(build(us, 0), XEN_EINVAL);                            /* it is built */
    build_and_run(made, own);
    IS(dom0(IOPL, made, 1, 0, 0, 0), 0);
    IS(dom0(IOPL, made, 0, 0, 0, 0), 0);
    FAILS(dom0(IOPL, made, 4, 0, 0, 0), XEN_EINVAL);
    FAILS(dom0(IOPL, made, 0xffffffff, 0, 0, 0), XEN_EINVAL);
#ifdef XEN_1_2
    IS(of(FRAME_INFO, frames[3]), 0);
    IS(words[1], made);
    IS(words[2], 0);
    FAILS(of(FRAME_INFO, 2), XEN_EINVAL);
    FAILS(of(FRAME_INFO, 0xfffff), XEN_EINVAL);
    of(FRAME_INFO, frames[3]);
    cut(FRAME_INFO, frames[3], 3);
    not_told(FRAME_INFO, frames[3], 3);
    only_in_1_2(made);
#endif

    /* structures that are cut short; results that cannot be written */
    words[1] = MADE_PAGES, words[2] = (u32)frames;
    cut(MEMORY_LIST, made, 4);
    not_told(MEMORY_LIST, made, 4);
    cut(SCHEDULER, 1000000, 1);
    words[1] = 5, words[2] = words[3] = words[4] = 1000;
    cut(ADJUST, made, 5);
    cut(DESTROY, made, 2);
    cut(START, made, 1);
    cut(STOP, made, 1);
    cut(IOPL, made, 2);
    cut(INFO, us, UNION == 2 ? 14 : 13);
    not_told(INFO, us, UNION == 2 ? 14 : 13);
    memcpy(words + 1, "cut!", 5);
    cut(CREATE, 64, 6);
    not_told(CREATE, 64, 6);
    IS(of(INFO, made), 0);
    FAILS(of(INFO, made + 1), ESRCH);                           /* none was made */
    less_memory_than_wanted();
    FAILS(dom0(DESTROY, us, 1, 0, 0, 0), XEN_EINVAL);           /* itself */
    IS(dom0(DESTROY, made, 1, 0, 0, 0), 0);
    FAILS(dom0(DESTROY, made, 1, 0, 0, 0), ESRCH);
    FAILS(update(window, frames[5] << 12 | P, 0), XEN_EINVAL);  /* frames that are nobody's */
}

/* Domain 1 is fully virtualized: it can be controlled, but has no state of this interface. */
void dom0_full(void)
{
    IS(of(INFO, 1), 0);
    IS(words[0], 1);
    IS(strcmp((char *)(words + 1), "other"), 0);
    IS(dom0(ADJUST, 1, 5, 1000, 1000, 1000), 0);
    FAILS(dom0(MEMORY_LIST, 1, 1, (u32)frames, 0, 0), XEN_EINVAL);
    FAILS(build(1, 0), XEN_EINVAL);
    FAILS(dom0(IOPL, 1, 0, 0, 0, 0), XEN_EINVAL);
#ifdef XEN_1_2
    struct xen_block_op probe = { .operation = XEN_DISK_PROBE, .u.probe = { 1, 0, 0, 0 } };

    FAILS(call(XEN_BLOCK_IO_OP, (u32)&probe, 0, 0), XEN_ESRCH);
#endif
    IS(of(STOP, 1), 0);
    IS(of(INFO, 1), 0);
    IS(words[7], 1);
    IS(of(START, 1), 0);
    IS(of(INFO, 1), 0);
    IS(words[7], 0);
    IS(dom0(DESTROY, 1, 0, 0, 0, 0), 0);                        /* it cannot be asked to end */
    FAILS(of(INFO, 1), ESRCH);
}

#ifdef XEN_1_2
static int channel_op(u32 operation, u32 number)
{
    return call(XEN_EVENT_CHANNEL_OP, operation, number, 0);
}

static int is_set(volatile u32 *bitmap, u32 number)
{
    return bitmap[number / 32] >> (number & 31) & 1;
}

static void wait(volatile u32 *bitmap, u32 number)
{
    struct xen_shared_info *info = shared();

    info->events_mask = XEN_EVENT_CHANNEL;
    while (!is_set(bitmap, number)) {
        info->events = 0;
        if (!is_set(bitmap, number))
            call(XEN_SCHED_OP, XEN_SCHED_YIELD, 0, 0);
    }
    bitmap[number / 32] = 0;
    bitmap[32] = 0;                     /* the selector */
}

/* Two domains, 0 and 1: an event goes there and back; then domain 0 closes the channel, and 1 is told. */
void channel_pair(void)
{
    struct xen_shared_info *info = shared();
    u32 us = start_info->domain;
    int channel = channel_op(XEN_CHANNEL_OPEN, us ^ 1);

    IS(channel, 0);
    while (channel_op(XEN_CHANNEL_STATUS, channel) != 2)
        wait(info->channels_pending, channel);
    if (us == 1) {
        wait(info->channels_pending, channel);
        IS(channel_op(XEN_CHANNEL_SEND, channel), 0);
    } else {                            /* which was there first, and knows that 1 has come */
        IS(channel_op(XEN_CHANNEL_SEND, channel), 0);
        wait(info->channels_pending, channel);
        IS(channel_op(XEN_CHANNEL_CLOSE, channel), 0);
        return;
    }
    wait(info->channels_closed, channel);
    IS(channel_op(XEN_CHANNEL_STATUS, channel), 1);
    FAILS(channel_op(XEN_CHANNEL_SEND, channel), XEN_EINVAL);
    for (u32 other = 2; other <= 1024; other++)
        IS(channel_op(XEN_CHANNEL_OPEN, other), other - 1);
    FAILS(channel_op(XEN_CHANNEL_OPEN, 1025), XEN_ENOSPC);
}
#endif
