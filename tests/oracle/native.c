/* Runs snippets of 32-bit user code on the host's processor and reports the state in which each ends.

   Freestanding, so that a compiler without 32-bit libraries builds it. Input on descriptor 0: a struct header, the initial contents of the data
   pages, FXSAVE images and snippets; output on descriptor 1: a struct result and the data pages for each. The layout is in layout.py.

   A snippet is entered by returning from a signal handler with its registers, through `enter` if it starts from an FXSAVE image, and left by the next
   signal: a trap or a fault. */

typedef unsigned int u32;
typedef unsigned char u8;
typedef unsigned short u16;

#define CODE 0x10000000u
#define DATA 0x20000000u
#define CODE_SIZE 4096
#define DATA_SIZE 8192
#define LAST (DATA_SIZE + 4095)      /* of what the segments of the LDT reach */
#define SNIPPET_CODE 192
#define STATE_SIZE 512
#define MOST_STATES 64

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

struct header { u32 count, repeat, states, unused; };       /* repeat is for the guest */
struct snippet { u32 regs[8], eflags, at, state; u16 segments[6]; u32 start, unused; u8 code[SNIPPET_CODE]; };
struct result { u32 regs[8], eflags, eip, vector, error, cr2, es, cs, ss, ds, fs, gs, unused[13]; u8 state[STATE_SIZE]; };

/* struct sigcontext of the i386 kernel interface, inside ucontext */
struct context {
    u32 uc_flags, uc_link, stack[3];
    u32 gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, trapno, err, eip, cs, eflags, esp_at_signal, ss;
    u8 *fpstate;
    u32 oldmask, cr2;
};

#define FSAVE_SIZE 112      /* what is before the FXSAVE image in *fpstate */

struct action { void *handler; u32 flags; void *restorer; u32 mask[2]; };
struct stack { void *sp; u32 flags, size; };

static struct header header;
static u8 image[DATA_SIZE] __attribute__((aligned(4096)));      /* read only, once it is there: a snippet may find it */
static u8 states[MOST_STATES][STATE_SIZE] __attribute__((aligned(16)));
u8 entry_state[STATE_SIZE] __attribute__((aligned(16)));
static struct snippet snippet;
static u32 at;
static int started;
static u8 signal_stack[65536] __attribute__((aligned(16)));

static long call(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}

static void leave(int status) {
    for (;;)
        call(1, status, 0, 0, 0, 0);
}

static void read_all(void *to, u32 size) {
    u8 *p = to;
    while (size) {
        long n = call(3, 0, (long)p, size, 0, 0);
        if (n <= 0)
            leave(2);
        p += n;
        size -= n;
    }
}

static void write_all(const void *from, u32 size) {
    const u8 *p = from;
    while (size) {
        long n = call(4, 1, (long)p, size, 0, 0);
        if (n <= 0)
            leave(2);
        p += n;
        size -= n;
    }
}

static void copy(void *to, const void *from, u32 size) {
    u32 *t = to;
    const u32 *f = from;
    for (u32 i = 0; i < size / 4; i++)
        t[i] = f[i];
}

static void map(u32 address, u32 size, int protection) {
    /* mmap2 has six arguments: the last one goes in EBP */
    long result;
    __asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
                     : "=a"(result) : "a"(192), "b"(address), "c"(size), "d"(protection), "S"(0x32), "D"(-1) : "memory");
    if ((u32)result != address)
        leave(3);
}

/* struct user_desc of modify_ldt */
struct descriptor { u32 number, base, limit, flags; };

enum { BITS32 = 1, DOWN = 1 << 1, CODE_SEGMENT = 2 << 1, READ_ONLY = 1 << 3, ABSENT = 1 << 5, AVAILABLE = 1 << 6 };     /* DOWN, CODE_SEGMENT: its `contents` */

static void make_ldt(void) {
    static const struct descriptor descriptors[] = {
        {0, DATA, LAST, BITS32 | AVAILABLE}, {1, DATA, LAST, AVAILABLE}, {2, CODE, CODE_SIZE - 1, CODE_SEGMENT | AVAILABLE},
        {3, DATA, 4095, BITS32 | DOWN | AVAILABLE}, {4, DATA, LAST, BITS32 | READ_ONLY | AVAILABLE},
        {5, DATA, LAST, BITS32 | ABSENT | AVAILABLE}, {6, CODE, CODE_SIZE - 1, BITS32 | CODE_SEGMENT | READ_ONLY | AVAILABLE},
    };
    for (u32 i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (call(123, 0x11, (long)&descriptors[i], sizeof descriptors[i], 0, 0))
            leave(6);
}

static void report(struct context *c) {
    struct result r = {{c->eax, c->ecx, c->edx, c->ebx, c->esp, c->ebp, c->esi, c->edi}, c->eflags, c->eip, c->trapno, c->err, c->cr2,
                       c->es & 0xffff, c->cs & 0xffff, c->ss & 0xffff, c->ds & 0xffff, c->fs & 0xffff, c->gs & 0xffff, {0}, {0}};
    if (r.vector != 14)
        r.cr2 = 0;
    if (r.vector == 3 || r.vector == 4)
        r.error = 0;
    if (header.states)
        copy(r.state, c->fpstate + FSAVE_SIZE, STATE_SIZE);
    write_all(&r, sizeof r);
    write_all((void *)DATA, DATA_SIZE);
}

__asm__("enter: fxrstor entry_state\n  jmp *entry_point\n");
extern void enter(void);
u32 entry_point;

static void prepare(struct context *c) {
    struct snippet *s = &snippet;
    read_all(s, sizeof snippet);
    copy((void *)DATA, image, DATA_SIZE);
    for (u32 i = 0; i < CODE_SIZE / 4; i++)
        ((u32 *)CODE)[i] = 0xcccccccc;
    for (u32 i = 0; i < SNIPPET_CODE && s->at + i < CODE_SIZE; i++)
        ((u8 *)CODE)[s->at + i] = s->code[i];
    c->eax = s->regs[EAX];
    c->ecx = s->regs[ECX];
    c->edx = s->regs[EDX];
    c->ebx = s->regs[EBX];
    c->esp = s->regs[ESP];
    c->ebp = s->regs[EBP];
    c->esi = s->regs[ESI];
    c->edi = s->regs[EDI];
    c->eflags = s->eflags;
    c->es = s->segments[0];
    c->cs = s->segments[1];
    c->ss = s->segments[2];
    c->ds = s->segments[3];
    c->fs = s->segments[4];
    c->gs = s->segments[5];
    c->eip = s->start;
    if (header.states) {
        copy(entry_state, states[s->state], STATE_SIZE);
        entry_point = s->start;
        c->eip = (u32)enter;
    }
}

void on_signal(int number, void *information, struct context *c) {
    (void)number;
    (void)information;
    if (started) {
        report(c);
        at++;
    }
    started = 1;
    if (at == header.count)
        leave(0);
    prepare(c);
}

/* ID is not among the flags that the kernel restores */
__asm__("restore: pushf\n andl $~0x200000, (%esp)\n popf\n mov $173, %eax\n int $0x80\n");
extern void restore(void);

/* on a stack of our own: the kernel's is unmapped, and so must every page be that the guest has not */
__asm__(".globl _start\n_start: mov $own_stack + 16384, %esp\n call begin\n");
u8 own_stack[16384] __attribute__((aligned(16)));

void begin(void) {
    static const int signals[] = {4, 5, 7, 8, 11};
    struct stack stack = {signal_stack, 0, sizeof signal_stack};
    struct action action = {(void *)on_signal, 0x0c000004, (void *)restore, {0, 0}};    /* RESTORER, ONSTACK, SIGINFO */
    read_all(&header, sizeof header);
    read_all(image, DATA_SIZE);
    if (header.states > MOST_STATES)
        leave(4);
    read_all(states, header.states * STATE_SIZE);
    call(91, 0xc0000000, 0x3fffe000, 0, 0, 0);      /* munmap the stack and what else the kernel has put there */
    map(CODE, CODE_SIZE, 7);
    map(DATA, DATA_SIZE + 4096, 3);
    copy((void *)(DATA + DATA_SIZE), image, 4096);
    call(125, (long)image, DATA_SIZE, 1, 0, 0);     /* mprotect */
    call(125, DATA + DATA_SIZE, 4096, 1, 0, 0);     /* mprotect: to be read only */
    make_ldt();
    call(186, (long)&stack, 0, 0, 0, 0);
    for (u32 i = 0; i < sizeof signals / sizeof signals[0]; i++)
        call(174, signals[i], (long)&action, 0, 8, 0);
    __asm__ volatile("int3");
    leave(5);
}
