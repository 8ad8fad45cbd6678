#include "conformance.h"

u8 arena[PAGES][PAGE] __attribute__((aligned(4096)));
static u32 checks, failures;

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    { "calls", calls }, { "console", console }, { "keyboard", keyboard }, { "debug_registers", debug_registers }, { "multicalls", multicalls },
    { "scheduling", scheduling }, { "page_tables", page_tables }, { "pins", pins }, { "requests", requests }, { "va_mapping", va_mapping },
    { "machine_to_physical", machine_to_physical }, { "gdt", gdt }, { "ldt", ldt }, { "descriptor_updates", descriptor_updates },
    { "trap_table", trap_table }, { "callbacks", callbacks }, { "fast_trap", fast_trap }, { "failsafe", failsafe }, { "balloon", balloon },
    { "times", times }, { "start_of_day", start_of_day }, { "hostile", hostile }, { "block", block },
    { "block_control", block_control }, { "network", network }, { "network_control", network_control }, { "dom0_control", dom0_control },
    { "dom0_full", dom0_full }, { "asked", asked },
#ifdef XEN_1_2
    { "channels", channels }, { "channel_pair", channel_pair }, { "virtual_disks", virtual_disks }, { "disk_pair", disk_pair },
#endif
};

void check(int line, const char *file, const char *what, u32 got, u32 wanted)
{
    checks++;
    if (got != wanted) {
        failures++;
        print("FAILED %s:%d: %s is 0x%x (%d), not 0x%x (%d)\n", file, line, what, got, got, wanted, wanted);
    }
}

int call(u32 number, u32 a, u32 b, u32 c)
{
    return xen_hypercall(number, a, b, c, 0);
}

int update(const void *page, u32 entry, u32 flags)
{
    return call(XEN_UPDATE_VA_MAPPING, (u32)page >> 12, entry, flags);
}

int request(u32 ptr, u32 val)
{
    struct xen_pt_request one = { ptr, val };

    return call(XEN_PT_UPDATE, (u32)&one, 1, 0);
}

int extended(u32 command, u32 ptr, u32 argument)
{
    return request(ptr | XEN_PT_EXTENDED, command | argument << 8);
}

u32 make_read_only(void *page)
{
    u32 at = machine_of(page);

    IS(update(page, at | P, XEN_VA_INVALIDATE), 0);
    return at;
}

void *before_nothing(u32 words)
{
    update(arena[PAGES - 3], 0, XEN_VA_INVALIDATE);
    return (u32 *)arena[PAGES - 3] - words;
}

void cut_short(u32 number, const void *structure, u32 words)
{
    for (u32 given = 0; given < words; given++) {
        void *at = before_nothing(given);

        memcpy(at, structure, 4 * given);
        FAILS(call(number, (u32)at, 0, 0), XEN_EFAULT);
    }
}

void not_written(u32 number, const void *structure, u32 words)
{
    u8 *page = arena[PAGES - 5];

    memcpy(page, structure, 4 * words);
    make_read_only(page);
    FAILS(call(number, (u32)page, 0, 0), XEN_EFAULT);
    IS(update(page, machine_of(page) | P | W, XEN_VA_INVALIDATE), 0);
}

void sleep(void)
{
#ifdef XEN_1_2
    IS(call(XEN_SCHED_OP, XEN_SCHED_YIELD, 0, 0), 0);
#else
    IS(call(XEN_YIELD, 0, 0, 0), 0);
#endif
}

struct xen_shared_info *shared(void)
{
#ifdef XEN_1_2
    static u8 window[PAGE] __attribute__((aligned(4096)));

    update(window, start_info->shared_info | P | W, XEN_VA_INVALIDATE);
    return (struct xen_shared_info *)window;
#else
    return (struct xen_shared_info *)start_info->shared_info;
#endif
}

int main(const char *name)
{
    for (u32 i = 0; i < COUNT(groups); i++)
        if (!strcmp(groups[i].name, name)) {
            for (u32 k = 0; k < PAGES; k++)
                arena[k][0] = 0;
            groups[i].run();
            print("%s: %u checks, %u failed\n", name, checks, failures);
            return 0;
        }
    if (!end(name))
        print("no group %s\n", name);
    return 1;
}
