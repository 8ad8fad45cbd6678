/* A privileged domain that makes another by itself: it creates it, looks for its memory, puts a kernel and page tables there, builds it, starts it, watches it
 * and destroys it. Each line that it prints is a result. */
#include "guest.h"

#define PAGES 64
#define LOAD 0xc0000000u
#define UPDATE_VA_MAPPING 20
#define YIELD 8
#define DOM0_OP 10
#define ESRCH 3
enum { MEMORY_LIST = 2, CREATE = 8, DESTROY, START, INFO = 12, BUILD };
enum { DIRECTORY = PAGES - 1, TABLE = PAGES - 2, START_INFO = PAGES - 3 };

static u32 op[80], frames[PAGES + 8];
static u8 window[4096] __attribute__((aligned(4096)));

/* The other's kernel: it writes its command line and ends. */
asm(".pushsection .rodata\n"
    "other: lea 112(%esi), %ebx\n mov $6, %ecx\n mov $2, %eax\n .byte 0x0f, 0x01, 0xc1\n"
    "mov $9, %eax\n .byte 0x0f, 0x01, 0xc1\n"
    "other_end: .popsection");
extern const u8 other[], other_end[];

static int dom0(u32 command, u32 domain)
{
    op[0] = command;
    op[1] = domain;
    return hypercall(DOM0_OP, (u32)op, 0, 0, 0);
}

static u32 *map(u32 frame, u32 flags)
{
    if (hypercall(UPDATE_VA_MAPPING, (u32)window >> 12, frame << 12 | flags, 1, 0))
        print("frame %x not mapped\n", frame);
    return (u32 *)window;
}

static void unmap(void)
{
    hypercall(UPDATE_VA_MAPPING, (u32)window >> 12, 0, 1, 0);
}

static void fill(void)
{
    u32 *words = map(frames[0], 3);

    memcpy(words, other, other_end - other);
    words = map(frames[TABLE], 3);
    for (u32 page = 0; page < PAGES; page++)
        words[page] = frames[page] << 12 | (page == TABLE || page == DIRECTORY ? 1 : 3);
    words = map(frames[DIRECTORY], 3);
    words[LOAD >> 22] = frames[TABLE] << 12 | 7;
    unmap();
}

static int build(u32 domain)
{
    static const char line[] = "other\n";

    memset(op, 0, sizeof op);
    op[2] = frames[DIRECTORY] << 12;
    op[3] = LOAD;
    op[4] = LOAD + PAGES * 4096;
    op[5] = LOAD + START_INFO * 4096;
    memcpy(op + 7, line, sizeof line);
    return dom0(BUILD, domain);
}

int main(const char *command_line)
{
    volatile u32 *shared_info = (u32 *)start_info->shared_info;
    u32 domain;

    print("privileged %u\n", start_info->flags & 1);
    memset(op, 0, sizeof op);
    memcpy(op + 2, "made", 4);
    print("create %d\n", dom0(CREATE, PAGES * 4));
    domain = op[6];
    op[2] = PAGES + 8;
    op[3] = (u32)frames;
    print("list %d, ", dom0(MEMORY_LIST, domain));
    print("%u frames\n", op[4]);
    fill();
    map(frames[TABLE], 3);
    print("build with a table mapped writable %d\n", build(domain));
    unmap();
    print("build %d\n", build(domain));
    print("start %d\n", dom0(START, domain));
    shared_info[1] = 2;                 /* only the timer */
    do {
        hypercall(YIELD, 0, 0, 0, 0);
        if (dom0(INFO, domain) != 0)
            return 1;
    } while (op[8] == 0);
    print("info: %s, state %u, %u pages, ran %u\n", (char *)(op + 2), op[8], op[11], op[12] > 0);
    op[2] = 1;                          /* by force */
    print("destroy %d\n", dom0(DESTROY, domain));
    print("info %d\n", dom0(INFO, domain) == -ESRCH);
    return 0;
}
