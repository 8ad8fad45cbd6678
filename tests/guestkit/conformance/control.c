/* dom0_op and unchecked updates, by a privileged domain that makes another one and builds it; and a channel between two domains. */
#include "conformance.h"

#define ESRCH 3
#define MADE_PAGES 64u
#define MADE_KB (MADE_PAGES * 4)
#define LOAD 0xc0000000u

enum { MEMORY_LIST = 2, SCHEDULER = 6, ADJUST = 7, CREATE = 8, DESTROY = 9, START = 10, STOP = 11, INFO = 12, BUILD = 13, IOPL = 14, FRAME_INFO = 18 };

#ifdef XEN_1_2
#define VERSION 0xaaaa0003u
#define UNION 2
#else
#define UNION 1
#endif

static u32 op[400], *words = op + UNION;
static u32 frames[MADE_PAGES + 1];

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

static int build(u32 domain, u32 directory)
{
    memset(op, 0, sizeof op);
#ifdef XEN_1_2
    (void)directory;
    return of(BUILD, domain);           /* a context of zeros */
#else
    words[0] = domain, words[1] = directory, words[2] = LOAD, words[3] = LOAD + MADE_PAGES * PAGE, words[4] = LOAD + (MADE_PAGES - 3) * PAGE;
    return make(BUILD);
#endif
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

void dom0_control(void)
{
    static const u32 on_a_domain[] = { MEMORY_LIST, ADJUST, DESTROY, START, STOP, BUILD, IOPL };
    u32 us = start_info->domain, made, *window = (u32 *)arena[0], own = machine_of(window);

    /* what there is not, and pointers */
    for (u32 command = 0; command < 64; command++)
        if (command < 2 || (command > 2 && command < 6) || command > (UNION == 2 ? 18 : 14) || (command > 14 && command < 18))
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
#ifndef XEN_1_2
    u32 table = frames[MADE_PAGES - 2], directory = frames[MADE_PAGES - 1];

    IS(update(window, table << 12 | P | W, XEN_VA_INVALIDATE), 0);
    memset(window, 0, PAGE);
    for (u32 page = 0; page < MADE_PAGES; page++)
        window[page] = frames[page] << 12 | (page >= MADE_PAGES - 2 ? P : P | W);
    FAILS(build(made, directory << 12), XEN_EINVAL);            /* an empty directory: nowhere for shared_info */
    IS(update(window, directory << 12 | P | W, XEN_VA_INVALIDATE), 0);
    memset(window, 0, PAGE);
    window[LOAD >> 22] = table << 12 | P | W | U;
    FAILS(build(made, directory << 12), XEN_EINVAL);            /* it is mapped writable here */
    IS(update(window, frames[0] << 12 | P | W, XEN_VA_INVALIDATE), 0);
    window[0] = 0xfdeb40;                                       /* it counts for ever: inc %eax, jmp */
    IS(update(window, own | P | W, XEN_VA_INVALIDATE), 0);
    IS(build(made, directory << 12), 0);
    FAILS(build(made, directory << 12), XEN_EINVAL);
    FAILS(request(entry, directory << 12 | P | W), XEN_EINVAL);         /* a table now, for domain 0, too */
    IS(of(START, made), 0);
    while (of(INFO, made) == 0 && words[11] == 0) {             /* until it has run */
        shared()->events = XEN_EVENT_TIMER;
        shared()->events_mask = XEN_EVENT_TIMER;
        call(XEN_YIELD, 0, 0, 0);
    }
    IS(of(STOP, made), 0);
    IS(of(INFO, made), 0);
    IS(words[7], 1);
    IS(words[8], 0);                                            /* it has not ended */
    IS(of(DESTROY, made), 0);                                   /* is asked to */
    IS(of(INFO, made), 0);
#endif
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
#endif
    FAILS(dom0(DESTROY, us, 1, 0, 0, 0), XEN_EINVAL);           /* itself */
    IS(dom0(DESTROY, made, 1, 0, 0, 0), 0);
    FAILS(dom0(DESTROY, made, 1, 0, 0, 0), ESRCH);
    FAILS(update(window, frames[5] << 12 | P, 0), XEN_EINVAL);  /* frames that are nobody's */

    /* results that cannot be written */
    u32 *last = (u32 *)arena[1];

    last[0] = INFO, last[UNION] = us;
#ifdef XEN_1_2
    last[1] = VERSION;
#endif
    make_read_only(last);
    FAILS(call(XEN_DOM0_OP, (u32)last, 0, 0), XEN_EFAULT);
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
