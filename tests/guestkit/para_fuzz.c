/* A paravirtual guest that feeds every hypercall random and boundary arguments: "SEED COUNT" is its command line. It has handlers for all
 * exceptions that go on with the next call, so it lives on unless it takes its own code, stack or tables away. It may lose its life by
 * that, and nothing else may come to harm. */
#include "guest.h"

#define PAGE 4096u
#define PAGES 32                /* of the arena that the calls are mostly about */
#define CALLS 24

enum { SET_TRAP_TABLE, PT_UPDATE, CONSOLE_WRITE, SET_GDT, STACK_SWITCH, SET_CALLBACKS, SET_DEBUGREG = XEN_SET_DEBUGREG, GET_DEBUGREG = XEN_GET_DEBUGREG,
       DOM0_OP = XEN_DOM0_OP, NETWORK_OP = XEN_NETWORK_OP, BLOCK_IO_OP = XEN_BLOCK_IO_OP,
       UPDATE_DESCRIPTOR = XEN_UPDATE_DESCRIPTOR, DOM_MEM_OP = XEN_DOM_MEM_OP, MULTICALL = XEN_MULTICALL, UPDATE_VA_MAPPING = XEN_UPDATE_VA_MAPPING,
#ifdef XEN_1_2
       YIELD = XEN_SCHED_OP, EXIT = YIELD };
#else
       YIELD = XEN_YIELD, EXIT = XEN_EXIT };
#endif

static u8 arena[PAGES][PAGE] __attribute__((aligned(4096)));
u8 stack[2 * PAGE] __attribute__((aligned(4096)));
static u8 handler_stack[2 * PAGE] __attribute__((aligned(4096)));
static u32 state, count, done, mended, restored;        /* restored: `recovered` when that was last */
u32 calls;                      /* so many were made; who looks from outside finds it by its symbol */
u32 recovered;
static const u32 *table;        /* page table of all pages */
static u32 base;                /* the first of them */
static u32 first_entry;         /* of the arena */

extern char recover[];

asm("recover: mov $stack + 8192, %esp\n"
    "       mov $0x821, %eax\n"
    "       mov %eax, %ds\n"
    "       mov %eax, %es\n"
    "       cld\n"
    "       incl recovered\n"
    "       jmp loop\n");

static const u32 boundaries[] = {
    0, 1, 2, 3, 7, 8, 31, 32, 0x80, 0x82, 255, 256, 295, 296, 512, 4095, 4096, 8192, 8193, 0xffff, 0x10000, 0x819, 0x821, 0x82b, 0x833, 0xfbffffff,
    0xfc000000, 0xfc3fffff, 0xfc400000, 0xfc421800, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffc, 0xffffffff
};

static u32 random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static u32 below(u32 limit)
{
    return random() % limit;
}

static u32 page(void)           /* a linear address of a page */
{
    return (u32)arena[below(PAGES)];
}

static u32 frame(void)
{
    switch (below(8)) {
    case 0: return below(0x2000);                               /* anybody's */
    case 1: return random() >> 12;
    case 2: return table[((u32)table - base) / PAGE] >> 12;     /* the page table's own */
    case 3: return table[(start_info->page_directory - base) / PAGE] >> 12;
#ifdef XEN_1_2
    case 4: return start_info->shared_info >> 12;
#else
    case 4: return table[(start_info->shared_info - base) / PAGE] >> 12;
#endif
    default: return table[(page() - base) / PAGE] >> 12;
    }
}

static u32 entry(void)
{
    static const u32 rights[] = { 0, 1, 3, 5, 7, 0x63, 0x83, 0x103, 0x1e7 };

    return frame() << 12 | (below(8) ? rights[below(COUNT(rights))] : below(PAGE));
}

static u32 value(void)
{
    switch (below(8)) {
    case 0: case 1: return boundaries[below(COUNT(boundaries))];
    case 2: return random();
    case 3: return frame();
    case 4: return entry();
    case 5: return frame() << 12 | below(512) * 8;
    case 6: return page() >> 12;
    default: return page() + below(PAGE);
    }
}

static u32 selector(void)
{
    static const u32 usual[] = { 0x819, 0x821, 0x82b, 0, 1, 9, 0xd, 0x808 };

    return below(4) ? usual[below(COUNT(usual))] : below(0x10000);
}

static void request(u32 *words)
{
    u32 command = below(3) ? below(4) : 3 * below(2);

    words[1] = value();
    if (command == 0) {
        words[0] = (below(2) ? (u32)&table[(page() - base) / PAGE] : below(2) ? page() + below(1024) * 4 : start_info->page_directory + below(1024) * 4);
        words[1] = entry();
    } else if (command == 3) {
        words[0] = (below(4) ? frame() << 12 : value()) | 3;
        words[1] = below(10) | (below(3) ? 0 : below(9000)) << 8;
    } else
        words[0] = (frame() << 12) | command;
}

static void arguments(u32 number, u32 *a)
{
    for (u32 i = 0; i < 5; i++)
        a[i] = value();
    switch (number) {
    case SET_TRAP_TABLE: case PT_UPDATE: case CONSOLE_WRITE: case SET_GDT: case DOM_MEM_OP: case MULTICALL:
        a[0] = (u32)arena[0];
        a[1] = below(4) ? 1 + below(16) : value();
        break;
    case DOM0_OP: case NETWORK_OP: case BLOCK_IO_OP:
        a[0] = (u32)arena[0];
        break;
    case STACK_SWITCH: case SET_CALLBACKS:
        a[0] = selector();
        a[2] = selector();
        break;
    case SET_DEBUGREG: case GET_DEBUGREG:
        a[0] = below(9);
        break;
    case UPDATE_DESCRIPTOR:
        a[0] = frame() << 12 | below(512) * 8;
        break;
    case UPDATE_VA_MAPPING:
        a[0] = page() >> 12;
        a[1] = entry();
        a[2] = below(4);
        break;
    }
    if (below(8) == 0)
        a[below(5)] = value();
}

static u32 domain(void)
{
    return below(4) ? start_info->domain : below(4);
}

/* A structure of dom0_op, network_op or block_io_op. */
static void operation(u32 number, u32 *words)
{
    u32 at = 1;

    for (u32 i = 0; i < 16; i++)
        words[i] = value();
    words[0] = below(number == DOM0_OP ? 22 : 12);
#ifdef XEN_1_2
    if (number == DOM0_OP)
        words[at++] = XEN_DOM0_VERSION;
    if (number == BLOCK_IO_OP) {
        words[2] = below(4) | below(5) << 16;           /* number, and mode or count */
        if (words[0] == XEN_DISK_GROW)
            words[3] = XEN_DEVICE_IDE, words[4] = below(64), words[5] = below(64);
        else if (below(4))
            words[3] = page() + below(64) * 4;
    }
#endif
    if (number == DOM0_OP && words[0] == XEN_DOM0_STOP)
        words[at] = start_info->domain + 1 + below(3);  /* nobody could start this one again */
    else if (below(8))
        words[at] = domain();
}

static void fill(u32 number, u32 *words)
{
    if (number == DOM0_OP || number == NETWORK_OP || number == BLOCK_IO_OP) {
        operation(number, words);
        return;
    }
    for (u32 i = 0; i < 16; i++)
        switch (number) {
        case PT_UPDATE:
            request(words + 2 * i);
            break;
        case SET_TRAP_TABLE:
            words[2 * i] = selector() << 16 | below(0x10000);
            words[2 * i + 1] = below(4) ? (u32)recover : 0;
            break;
        case MULTICALL:
            do
                words[8 * i] = below(CALLS);
            while (words[8 * i] == EXIT || words[8 * i] == YIELD || words[8 * i] == MULTICALL);
            arguments(words[8 * i], words + 8 * i + 1);
            break;
        case SET_GDT:
            words[i] = frame();
            break;
        case DOM_MEM_OP:
            words[i] = i == 0 ? below(3) : i == 1 ? below(8) : i == 2 ? (u32)arena[0] + 12 : frame();
            break;
        default:
            words[i] = value();
        }
}

/* Our own handlers and stack again, and the arena's first page, if that can be. */
static void restore(void)
{
    static struct {
        u8 vector, flags;
        u16 cs;
        u32 address;
    } traps[33];

    for (u32 i = 0; i < 32; i++) {
        traps[i].vector = i;
        traps[i].flags = 4;
        traps[i].cs = 0x819;
        traps[i].address = (u32)recover;
    }
    hypercall(SET_TRAP_TABLE, (u32)traps, 0, 0, 0);
    hypercall(STACK_SWITCH, 0x821, (u32)handler_stack + sizeof handler_stack, 0, 0);
    hypercall(SET_CALLBACKS, 0x819, (u32)recover, 0x819, (u32)recover);
    hypercall(UPDATE_VA_MAPPING, (u32)arena[0] / PAGE, first_entry, 1, 0);
    restored = recovered;
}

void loop(void) __attribute__((used));
void loop(void)
{
    while (calls < count) {
        u32 a[5], number = below(8) ? below(CALLS) : value();

        if (recovered != restored) {
            restore();
            if (++mended > 64)          /* and not one call in between: what it needs is gone for good */
                break;
        }
        if (number == EXIT || number == YIELD)
            continue;
        fill(number, (u32 *)arena[0]);
        arguments(number, a);
        calls++;
        mended = 0;
        if (hypercall(number, a[0], a[1], a[2], a[3]) >= 0)
            done++;
        if (number == SET_TRAP_TABLE || number == STACK_SWITCH || number == SET_CALLBACKS || number == MULTICALL || recovered != restored)
            restore();
        if (below(4) == 0)
            *(volatile u32 *)(page() + below(PAGE / 4) * 4) += 1;
    }
    print("\n%u calls, %u done, %u faults\n", calls, done, recovered);
    stop(0);
}

int main(const char *command_line)
{
    u32 *number = &state;

    for (; *command_line; command_line++)
        if (*command_line == ' ')
            number = &count;
        else
            *number = *number * 10 + *command_line - '0';
    state = state * 2654435769u + 1;
    base = start_info->page_directory - (start_info->pages - 1) * PAGE;
    table = (const u32 *)(start_info->page_directory - PAGE);
    first_entry = table[((u32)arena - base) / PAGE];
    restore();
    asm volatile("mov %0, %%esp\n jmp loop" : : "r"(stack + sizeof stack));
    return 0;
}
