/* Hypercalls that are not about memory or traps. */
#include "conformance.h"

#define AT(member, offset) _Static_assert(__builtin_offsetof(struct xen_shared_info, member) == (offset), #member)

#ifndef XEN_1_2
AT(wc_version, 8);
AT(times.cpu_freq, 16);
AT(times.system_time, 24);
AT(times.wc_timestamp, 44);
AT(net_idx, 76);
AT(execution_context, 268);
#else
AT(channels_closed, 140);
AT(times.rdtsc_bitshift, 272);
AT(times.cpu_freq, 276);
AT(times.time_version1, 284);
AT(times.st_timestamp, 292);
AT(times.system_time, 296);
AT(times.tv_sec, 304);
AT(times.domain_time, 312);
AT(net_idx, 336);
AT(execution_context, 528);
#endif

void calls(void)
{
    static const u32 none[] = { XEN_CALLS, XEN_CALLS + 1, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff };

    for (u32 i = 0; i < COUNT(none); i++)
        FAILS(call(none[i], 0, 0, 0), XEN_ENOSYS);
    FAILS(call(XEN_DOM0_OP, (u32)arena[0], 0, 0), XEN_EPERM);           /* the domain is not privileged */
    IS(call(XEN_NET_UPDATE, 0, 0, 0) <= 0, 1);                          /* a domain without devices: nothing comes of it */
    IS(call(XEN_BLOCK_IO_OP, 0, 0, 0) <= 0, 1);
    IS(call(XEN_NETWORK_OP, 0x1000, 0, 0) < 0, 1);
    set_traps();
    {
        int result;

        asm volatile("int $0x82" : "=a"(result) : "0"(XEN_STACK_SWITCH), "b"(0), "c"(0) : "memory");    /* the hypercall of 2003 */
        FAILS(result, XEN_EPERM);
    }
}

void console(void)
{
    char *text = (char *)arena[1] - 4;

    IS(call(XEN_CONSOLE_WRITE, (u32)"console works\n", 14, 0), 0);
    memcpy(text, "across\n", 7);                                        /* two pages */
    IS(call(XEN_CONSOLE_WRITE, (u32)text, 7, 0), 0);
    IS(call(XEN_CONSOLE_WRITE, 0x1000, 0, 0), 0);
    FAILS(call(XEN_CONSOLE_WRITE, 0x1000, 1, 0), XEN_EFAULT);
    FAILS(call(XEN_CONSOLE_WRITE, XEN_HYPERVISOR_START, 1, 0), XEN_EFAULT);
    FAILS(call(XEN_CONSOLE_WRITE, XEN_HYPERVISOR_START - 1, 2, 0), XEN_EFAULT);
    FAILS(call(XEN_CONSOLE_WRITE, 0xfffffff0, 0x20, 0), XEN_EFAULT);
    FAILS(call(XEN_CONSOLE_WRITE, 0, 0xffffffff, 0), XEN_EFAULT);
}

/* The test types "a" when it reads "type". */
void keyboard(void)
{
    struct xen_shared_info *info = shared();

    IS(call(XEN_KBD_OP, XEN_KBD_READ, 0, 0) & 0x100, 0);
    IS(call(XEN_KBD_OP, XEN_KBD_WRITE_OUTPUT, 0xf4, 0), 0);
    IS(call(XEN_KBD_OP, XEN_KBD_WRITE_COMMAND, 0x60, 0), 0);
    FAILS(call(XEN_KBD_OP, 3, 0, 0), XEN_EINVAL);
    FAILS(call(XEN_KBD_OP, 0xffffffff, 0, 0), XEN_EINVAL);
    print("type\n");
    info->events_mask = XEN_EVENT_KEYBOARD;
    while (!(info->events & XEN_EVENT_KEYBOARD))
        sleep();
    IS(call(XEN_KBD_OP, XEN_KBD_READ, 0, 0) & 0x1ff, 0x11e);
    IS(call(XEN_KBD_OP, XEN_KBD_READ, 0, 0) & 0x1ff, 0x19e);
    IS(call(XEN_KBD_OP, XEN_KBD_READ, 0, 0) & 0x100, 0);
}

static volatile u32 watched;

static void write_watched(void)
{
    watched = 1;
}

static void execute_floating(void)
{
    asm volatile("fninit");
}

void debug_registers(void)
{
    set_traps();
    for (u32 i = 0; i < 4; i++) {
        IS(call(XEN_SET_DEBUGREG, i, 0xc0001000 + i, 0), 0);
        IS(call(XEN_GET_DEBUGREG, i, 0, 0), 0xc0001000 + i);
        FAILS(call(XEN_SET_DEBUGREG, i, XEN_HYPERVISOR_START - 3, 0), XEN_EPERM);
        FAILS(call(XEN_SET_DEBUGREG, i, 0xffffffff, 0), XEN_EPERM);
    }
    IS(call(XEN_SET_DEBUGREG, 6, 0, 0), 0);
    IS(call(XEN_GET_DEBUGREG, 6, 0, 0), 0xffff0ff0);
    FAILS(call(XEN_SET_DEBUGREG, 7, 1 << 13, 0), XEN_EPERM);            /* a guard on the registers themselves */
    for (u32 i = 0; i < 4; i++)
        FAILS(call(XEN_SET_DEBUGREG, 7, 2 << (16 + 4 * i), 0), XEN_EPERM);      /* on ports */
    for (u32 i = 4; i < 9; i += i == 5 ? 3 : 1) {
        FAILS(call(XEN_SET_DEBUGREG, i, 0, 0), XEN_EINVAL);
        FAILS(call(XEN_GET_DEBUGREG, i, 0, 0), XEN_EINVAL);
    }
    FAILS(call(XEN_SET_DEBUGREG, 0xffffffff, 0, 0), XEN_EINVAL);
    FAILS(call(XEN_GET_DEBUGREG, 0x80000000, 0, 0), XEN_EINVAL);
    IS(call(XEN_SET_DEBUGREG, 1, (u32)&watched, 0), 0);
    IS(call(XEN_SET_DEBUGREG, 7, 4 | 0xd << 20, 0), 0);                 /* writes of 4 bytes */
    IS(try(write_watched), 1);
    IS(call(XEN_GET_DEBUGREG, 6, 0, 0) & 0xf, 2);
    IS(call(XEN_SET_DEBUGREG, 7, 0, 0), 0);
    IS(call(XEN_GET_DEBUGREG, 7, 0, 0), 0x400);
    IS(try(write_watched), NO_TRAP);

    /* the floating-point unit: the next instruction traps, once */
    IS(call(XEN_FPU_TASKSWITCH, 0, 0, 0), 0);
    IS(try(execute_floating), 7);
    IS(try(execute_floating), NO_TRAP);
}

void multicalls(void)
{
    struct xen_multicall_entry *list = (struct xen_multicall_entry *)arena[0];

    memset(list, 0, PAGE);
    list[0] = (struct xen_multicall_entry){ XEN_STACK_SWITCH, { XEN_RING1_DS, (u32)arena[3] } };
    list[1] = (struct xen_multicall_entry){ XEN_STACK_SWITCH, { 0 } };
    list[2] = (struct xen_multicall_entry){ XEN_CALLS, { 0 } };
    list[3] = (struct xen_multicall_entry){ XEN_MULTICALL, { (u32)list, 1 } };
    list[4] = (struct xen_multicall_entry){ XEN_UPDATE_VA_MAPPING, { (u32)arena[4] >> 12, machine_of(arena[5]) | P | W, XEN_VA_INVALIDATE } };
    arena[5][9] = 99;
    IS(call(XEN_MULTICALL, (u32)list, 5, 0), 0);
    IS(list[0].args[5], 0);
    FAILS(list[1].args[5], XEN_EPERM);
    FAILS(list[2].args[5], XEN_ENOSYS);
    FAILS(list[3].args[5], XEN_EINVAL);
    IS(list[4].args[5], 0);
    IS(*(volatile u8 *)(arena[4] + 9), 99);
    IS(call(XEN_MULTICALL, (u32)list, 0, 0), 0);
    FAILS(call(XEN_MULTICALL, 0x1000, 1, 0), XEN_EFAULT);
    FAILS(call(XEN_MULTICALL, XEN_HYPERVISOR_START - 16, 1, 0), XEN_EFAULT);
    FAILS(call(XEN_MULTICALL, (u32)list, 0x10000000, 0), XEN_EFAULT);

    /* entries that cannot be read, or told their results */
    for (u32 words = 0; words < 8; words++) {
        struct xen_multicall_entry *cut = before_nothing(words);

        memcpy(cut, list, 4 * words);
        FAILS(call(XEN_MULTICALL, (u32)cut, 1, 0), XEN_EFAULT);
    }
    list[1] = list[0];
    make_read_only(list);
    FAILS(call(XEN_MULTICALL, (u32)list, 2, 0), XEN_EFAULT);
    struct xen_pt_request *many = (struct xen_pt_request *)arena[1];    /* one that takes so long that the hypervisor puts it off */
    u32 count = 17 * PAGE / sizeof *many;

    for (u32 i = 0; i < count; i++)
        many[i] = (struct xen_pt_request){ XEN_PT_EXTENDED, XEN_PT_FLUSH_TLB };
    IS(update(list, machine_of(list) | P | W, XEN_VA_INVALIDATE), 0);
    list[0] = list[1] = (struct xen_multicall_entry){ XEN_PT_UPDATE, { (u32)many, count } };
    list[0].args[5] = 1;
    IS(call(XEN_MULTICALL, (u32)list, 1, 0), 0);
    IS(list[0].args[5], 0);
    make_read_only(list);
    FAILS(call(XEN_MULTICALL, (u32)(list + 1), 1, 0), XEN_EFAULT);
}

void scheduling(void)
{
    struct xen_shared_info *info = shared();

    info->events_mask = XEN_EVENT_TIMER;
    info->events = 0;
    info->times.wall_timeout = info->times.system_time + 3000000;
    sleep();                                                            /* the master bit is clear, which does not matter here */
    IS(info->events & XEN_EVENT_TIMER, XEN_EVENT_TIMER);
    sleep();                                                            /* there is an event: it does not sleep */
#ifdef XEN_1_2
    FAILS(call(XEN_SCHED_OP, 3, 0, 0), XEN_EINVAL);
    FAILS(call(XEN_SCHED_OP, 0xffffffff, 0, 0), XEN_EINVAL);
#endif
}

/* The test asks the domain to stop itself when it reads "stop", lets it go on when it has, and asks it to end when it reads "end". */
void asked(void)
{
    struct xen_shared_info *info = shared();

    info->events = 0;
    info->events_mask = XEN_EVENT_STOP | XEN_EVENT_DIE;
    print("stop\n");
    while (!(info->events & XEN_EVENT_STOP))
        sleep();
    IS(info->events & XEN_EVENT_DIE, 0);
    info->events = 0;
#ifdef XEN_1_2
    IS(call(XEN_SCHED_OP, XEN_SCHED_STOP, 0, 0), 0);
#else
    IS(call(XEN_YIELD, 2, 0, 0), 0);
#endif
    IS(info->events, 0);
    print("end\n");
    while (!(info->events & XEN_EVENT_DIE))
        sleep();
}

void times(void)
{
    struct xen_shared_info *info = shared();
    u64 begin = info->times.system_time, ran = info->times.domain_time;
    u32 wall = info->times.tv_sec;
#ifndef XEN_1_2
    u32 version = info->wc_version;
#else
    u32 version = info->times.time_version1;
#endif

    info->events_mask = XEN_EVENT_TIMER;
    info->events = 0;
    info->times.wall_timeout = begin + 20000000;
    while (info->times.system_time < begin + 20000000) {
        sleep();
        info->events = 0;
    }
    IS(info->times.wall_timeout == 0, 1);
    IS(info->times.domain_time < ran + 20000000, 1);                    /* it slept */
    IS(info->times.cpu_freq, 1000000000);
    IS(info->times.tv_sec - wall < 2, 1);
#ifndef XEN_1_2
    IS(info->wc_version != version, 1);
#else
    IS(info->times.time_version1 != version, 1);
    IS(info->times.time_version1, info->times.time_version2);
#endif
    ran = info->times.domain_time;
    info->times.domain_timeout = ran + 5000;
    info->events = XEN_EVENT_TIMER;
    sleep();                                                            /* it need not, but a timeout that was set is seen */
    info->events = 0;
    while (!(info->events & XEN_EVENT_TIMER))                           /* it passes while the domain runs */
        call(XEN_FPU_TASKSWITCH, 0, 0, 0);
    IS(info->times.domain_time > ran, 1);
}

void start_of_day(void)
{
    u32 cs, ss, flags;

    asm volatile("mov %%cs, %0; mov %%ss, %1; pushf; pop %2" : "=r"(cs), "=r"(ss), "=r"(flags));
    IS(cs & 0xffff, XEN_RING1_CS);
    IS(ss & 0xffff, XEN_RING1_DS);
    IS(flags & 0x200, 0x200);
    IS(start_info->pages, 256);
    IS(start_info->page_directory, BASE + 255 * PAGE);
    IS((u32)start_info, BASE + 253 * PAGE);
    IS(start_info->flags & XEN_START_CONSOLE, XEN_START_CONSOLE);
    IS(start_info->flags & XEN_START_PRIVILEGED, 0);
    IS(start_info->domain, 0);
    IS(start_info->module_size, 0);
    IS(strcmp(start_info->command_line, "start_of_day"), 0);
    IS(*entry_of(page_table()) & (P | W), P);
    IS(*entry_of(page_directory()) & (P | W), P);
    IS(*entry_of(start_info) & (P | W), P | W);
#ifndef XEN_1_2
    IS(start_info->shared_info, BASE + 256 * PAGE);
#else
    IS(start_info->shared_info & (PAGE - 1), 0);
    IS(page_table()[256], 0);                                           /* the guest maps it */
#endif
    for (u32 slot = 0; slot < XEN_HYPERVISOR_START >> 22; slot++)
        IS(page_directory()[slot] & P, slot == BASE >> 22);
}

#ifdef XEN_1_2
void channels(void)
{
    int channel = call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_OPEN, 5, 0);

    IS(channel >= 0, 1);
    IS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_STATUS, channel, 0), 1);  /* open, and nobody at its other end */
    FAILS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_SEND, channel, 0), XEN_EINVAL);
    FAILS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_OPEN, 5, 0), XEN_EEXIST);
    FAILS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_OPEN, start_info->domain, 0), XEN_EINVAL);     /* itself */
    FAILS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_OPEN, 0xffffffff, 0), XEN_EINVAL);
    IS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_CLOSE, channel, 0), 0);
    FAILS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_CLOSE, channel, 0), XEN_EINVAL);
    FAILS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_SEND, channel, 0), XEN_EINVAL);
    IS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_STATUS, channel, 0), 0);
    IS(call(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_STATUS, 1000, 0), 0);
    FAILS(call(XEN_EVENT_CHANNEL_OP, 4, 0, 0), XEN_ENOSYS);
}
#endif
