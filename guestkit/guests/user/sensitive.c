/* sensitive: executes each of the 17 IA-32 instructions that are sensitive but not privileged (Robin and Irvine, USENIX Security 2000), and
 * prints what it sees: a line each, `NAME signal=N field=HEX ...`. `guestkit popek-goldberg` runs it in every way and compares.
 *
 * A fault is a signal, whose handler goes on behind the instruction. With an argument it does not end. */

#include "system.h"

#define EFLAGS_IF 0x200u
#define EFLAGS_IOPL 0x3000u
#define ARITHMETIC_FLAGS 0x8d5u
#define DEFINED_RIGHTS 0xf0ff00u        /* of what LAR loads */
#define RING_3 3
#define SELECTORS 8192
#define VECTORS 256
#define SYSTEM_CALL_VECTOR 0x80
#define NO_CALL 0xffffu         /* in EAX: what no kernel takes for a request */

struct __attribute__((packed)) table_register {
    u16 limit;
    u32 base;
};

struct __attribute__((packed)) far_pointer {
    u32 offset;
    u16 selector;
};

/* Operands of the assembly text, where they do not depend on the stack. */
static u32 a, b, original;
static struct table_register table;
static struct far_pointer far;

static int signalled;

/* named in assembly text */
u32 kept_esp, kept_ebp, behind;
u8 code[4];

static void faulted(int number, u32 address)
{
    (void)address;
    signalled = number;
    asm volatile("movl kept_esp, %esp; movl kept_ebp, %ebp; jmp *behind");
}

/* Executes text that may fault; then it goes on behind it, and `signalled` says by which signal. */
#define TRY(text, ...) do { \
        signalled = 0; \
        asm volatile("movl %%esp, kept_esp; movl %%ebp, kept_ebp; movl $9f, behind\n\t" text "\n9:" \
                     : "+m"(a), "+m"(b), "+m"(table), "+m"(far), "+m"(original) : __VA_ARGS__ \
                     : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory", "cc"); \
    } while (0)

static void tables(void)
{
    TRY("sgdt %2");
    print("SGDT signal=%d base=%x limit=%x\n", signalled, table.base, table.limit);
    TRY("sidt %2");
    print("SIDT signal=%d base=%x limit=%x\n", signalled, table.base, table.limit);
    TRY("sldt %%eax; movl %%eax, %0");
    print("SLDT signal=%d selector=%x\n", signalled, a);
    TRY("str %%eax; movl %%eax, %0");
    print("STR signal=%d selector=%x\n", signalled, a);
    TRY("smsw %%eax; movl %%eax, %0");
    print("SMSW signal=%d cr0=%x\n", signalled, a);
}

static void flags(void)
{
    TRY("pushfl; popl %0");
    print("PUSHF signal=%d eflags=%x\n", signalled, a & ~ARITHMETIC_FLAGS);
    /* off with interrupts, and on with the right to all ports; then back, if that has worked */
    TRY("pushfl; popl %%eax; movl %%eax, %4; andl %5, %%eax; orl %6, %%eax; pushl %%eax; popfl; pushfl; popl %0; pushl %4; popfl",
        "i"(~EFLAGS_IF), "i"(EFLAGS_IOPL));
    print("POPF signal=%d eflags=%x\n", signalled, a & ~ARITHMETIC_FLAGS);
}

/* How many selectors an instruction accepts that sets ZF for them. */
#define ACCEPTED(count, text) do { \
        count = 0; \
        for (u32 selector = RING_3; selector < SELECTORS * 8; selector += 8) { \
            u8 accepted; \
            asm volatile(text "; setz %0" : "=q"(accepted) : "r"(selector) : "eax", "cc"); \
            count += accepted; \
        } \
    } while (0)

static void descriptors(void)
{
    u32 count, other;

    TRY("movl %%cs, %%ecx; larl %%ecx, %%eax; movl %%eax, %0");
    ACCEPTED(count, "larl %1, %%eax");
    print("LAR signal=%d rights=%x selectors=%x\n", signalled, a & DEFINED_RIGHTS, count);
    TRY("movl %%cs, %%ecx; lsll %%ecx, %%eax; movl %%eax, %0");
    ACCEPTED(count, "lsll %1, %%eax");
    print("LSL signal=%d limit=%x selectors=%x\n", signalled, a, count);
    ACCEPTED(count, "verr %w1");
    ACCEPTED(other, "verw %w1");
    print("VERR/VERW signal=0 readable=%x writable=%x\n", count, other);
}

static void segments(void)
{
    TRY("movl %%ds, %%eax; movl %%eax, %0; movl %%ss, %%eax; movl %%eax, %1");
    print("MOV signal=%d ds=%x ss=%x\n", signalled, a, b);
    TRY("pushl %%cs; popl %0; pushl %%ss; popl %1");
    print("PUSH signal=%d cs=%x ss=%x\n", signalled, a & 0xffff, b & 0xffff);         /* the other half of the word stays as it was */
    /* a selector of ring 0: for ES that depends on the descriptor, for SS on the ring */
    TRY("movl %%ss, %%eax; movl %%eax, %4; andl $~3, %%eax; pushl %%eax; popl %%es; movl %%es, %%eax; movl %%eax, %0");
    asm volatile("movl %0, %%es" : : "r"(original));
    b = signalled;
    TRY("movl %4, %%eax; andl $~3, %%eax; pushl %%eax; popl %%ss");
    print("POP signal=%d es=%x ss_fault=%x\n", b, a, signalled != 0);
}

static void transfers(void)
{
    asm volatile("movl %%cs, %0" : "=r"(b));
    far.selector = b;
    TRY("movl $1f, %3; lcall *%3\n1:\tpopl %%eax; popl %0; movl %%cs, %%eax; movl %%eax, %1");
    print("CALL signal=%d pushed=%x cs=%x\n", signalled, a & 0xffff, b);
    TRY("movl $1f, %3; ljmp *%3\n1:\tmovl %%cs, %%eax; movl %%eax, %0");
    print("JMP signal=%d cs=%x\n", signalled, a);
    TRY("pushl %%cs; pushl $1f; lret\n1:\tmovl %%cs, %%eax; movl %%eax, %0");
    print("RET signal=%d cs=%x\n", signalled, a);
}

/* Which vectors a program may use: their gates are open to ring 3. */
static void interrupts(void)
{
    u32 open = 0;

    for (u32 vector = 0; vector < VECTORS; vector++) {
        if (vector == SYSTEM_CALL_VECTOR)
            continue;
        code[0] = 0xcd;
        code[1] = vector;
        code[2] = 0xc3;
        TRY("movl %5, %%eax; call code", "i"(NO_CALL));
        open += !signalled;
    }
    print("INT signal=0 system_call=%x others=%x\n", getpid() > 0, open);
}

int main(int argc, char **argv)
{
    (void)argv;
    signal(SIGSEGV, faulted);
    signal(SIGILL, faulted);
    signal(SIGFPE, faulted);
    tables();
    flags();
    descriptors();
    segments();
    transfers();
    interrupts();
    print("end\n");
    while (argc > 1)
        ;                       /* while somebody looks at the processor */
    return 0;
}
