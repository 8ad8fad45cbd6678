/* Single-step and debug registers: where the traps come, what DR6 says, what RF passes over, what MOV SS holds back. What QEMU does otherwise than the
   manual says is left to tests/hyper/test_cpu_debug.py: it holds traps back behind STI, forgets RF between the iterations of a string instruction, takes
   unaligned data to be wider than they are, and has no general detect.
   corpus: on QEMU
   corpus: run --mode native
   corpus: run --mode full --mmu ept
   corpus: run --mode full --mmu vtlb */

#include "system.h"

enum { L0 = 1, G0 = 2, ON_CODE = 0, ON_WRITE = 1, ON_PORT = 2, ON_ACCESS = 3 };

u32 origin;                     /* EIPs are printed less this */
static int set_rf, stop_stepping_at;

static u32 get_dr6(void)
{
    u32 value;
    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

static void see(struct frame *f)
{
    if (f->vector != 1) {
        print_name("vector", f->vector);
        if (f->vector == 3)
            return;
    } else {
        u32 dr6 = get_dr6();
        __asm__ volatile("mov %0, %%dr6" : : "r"(0));
        print(" ");
        print_number(f->eip - origin, 2);
        print(":");
        print_number(dr6 & 0xe00f, 4);
        if (set_rf)
            f->eflags |= 0x10000;
    }
}

#define STEPPED(name, code) do { \
        print(name); \
        __asm__ volatile( \
            "movl $1f, origin\n" \
            "pushf\n orl $0x100, (%%esp)\n popf\n" \
            "1:\n" code "\n" \
            "pushf\n andl $~0x100, (%%esp)\n popf" \
            : : : "eax", "ecx", "edx", "edi", "esi", "memory", "cc"); \
        print("\n"); \
    } while (0)

#define RUN(name, code) do { \
        print(name); \
        __asm__ volatile("movl $1f, origin\n 1:\n" code : : : "eax", "ecx", "edx", "edi", "esi", "memory", "cc"); \
        print("\n"); \
    } while (0)

u8 buffer[64] __attribute__((aligned(64), used));

static void watch(int number, u32 at, u32 kind, u32 length)
{
    u32 dr7 = kind << (16 + 4 * number) | (length - 1) << (18 + 4 * number) | L0 << 2 * number;
    switch (number) {
    case 0: __asm__ volatile("mov %0, %%dr0" : : "r"(at)); break;
    case 1: __asm__ volatile("mov %0, %%dr1" : : "r"(at)); break;
    case 2: __asm__ volatile("mov %0, %%dr2" : : "r"(at)); break;
    default: __asm__ volatile("mov %0, %%dr3" : : "r"(at));
    }
    __asm__ volatile("mov %0, %%dr7" : : "r"(dr7 | 0x400));
}

static void unwatch(void)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400));
    __asm__ volatile("mov %0, %%dr0\n mov %0, %%dr1\n mov %0, %%dr2\n mov %0, %%dr3" : : "r"(0));
}

__asm__("        .text\n"
        "function:\n"
        "        inc     %eax\n"
        "inside: inc     %eax\n"
        "        rep stosb\n"
        "        ret\n");
extern char function[], inside[];

__attribute__((used)) static void stepped_in_user_mode(void)
{
    STEPPED("user", "nop\n inc %%eax\n push %%eax\n pop %%eax");
    LEAVE_USER();
}

int main(void)
{
    set_up();
    watcher = see;
    STEPPED("plain", "nop\n inc %%eax\n mov %%eax, %%ecx\n jmp 2f\n nop\n 2: nop");
    STEPPED("loop", "mov $3, %%ecx\n 2: dec %%eax\n loop 2b");
    STEPPED("call", "call 2f\n jmp 3f\n 2: nop\n ret\n 3:");
    STEPPED("load of SS", "mov %%ss, %%eax\n nop\n mov %%eax, %%ss\n nop\n nop");
    STEPPED("pop of SS", "push %%ss\n pop %%ss\n nop\n nop");
    STEPPED("string", "mov $3, %%ecx\n lea buffer, %%edi\n rep stosb\n nop");
    STEPPED("string of none", "xor %%ecx, %%ecx\n rep stosb\n nop");
    STEPPED("INT3", "nop\n int3\n nop\n nop");
    STEPPED("compare string", "mov $4, %%ecx\n lea buffer, %%edi\n lea buffer + 1, %%esi\n repe cmpsb\n nop");
    STEPPED("CPUID", "push %%ebx\n xor %%eax, %%eax\n cpuid\n pop %%ebx\n nop");
    STEPPED("control register", "mov %%cr0, %%eax\n mov %%eax, %%cr0\n nop");
    STEPPED("far jump", "ljmp $8, $2f\n nop\n 2: nop");
    STEPPED("undefined", "movl $2f, %%es:resume\n ud2\n 2: nop");
    user(stepped_in_user_mode);

    set_rf = 1;
    for (int number = 0; number < 4; number++) {
        watch(number, (u32)function + 1, ON_CODE, 1);
        RUN("breakpoint", "mov $0, %%ecx\n call function");
        unwatch();
        RUN("none", "mov $0, %%ecx\n call function");
    }
    set_rf = 0;
    static const struct { u32 kind, offset, length; } cases[] = {
        { ON_WRITE, 0, 1 }, { ON_WRITE, 3, 1 }, { ON_WRITE, 0, 2 }, { ON_WRITE, 2, 2 }, { ON_WRITE, 0, 4 }, { ON_WRITE, 4, 4 },
        { ON_ACCESS, 0, 1 }, { ON_ACCESS, 3, 1 }, { ON_ACCESS, 2, 2 }, { ON_ACCESS, 4, 4 }
    };
    for (int k = 0; k < 10; k++) {
        watch(k & 3, (u32)buffer + cases[k].offset, cases[k].kind, cases[k].length);
        print_name("kind", cases[k].kind);
        print_name("offset", cases[k].offset);
        print_name("length", cases[k].length);
        RUN("", "mov %%eax, buffer\n nop\n mov buffer, %%eax\n nop\n movb %%al, buffer + 3\n nop\n movw buffer + 2, %%ax\n nop\n incl buffer\n nop\n"
                "xchg %%eax, buffer + 4\n nop\n cmpb $0, buffer + 4\n nop\n push buffer\n popl buffer + 4\n nop");
        unwatch();
    }
    watch(2, (u32)buffer + 5, ON_WRITE, 1);
    RUN("string on a watched byte", "mov $12, %%ecx\n lea buffer, %%edi\n rep stosb\n nop");
    unwatch();

    set_cr4(get_cr4() | 8);
    watch(3, 0x80, ON_PORT, 2);
    RUN("ports", "out %%al, $0x80\n nop\n out %%al, $0x81\n nop\n out %%al, $0x82\n nop\n in $0x80, %%al\n nop");
    unwatch();
    set_cr4(get_cr4() & ~8);

    __asm__ volatile("mov %0, %%dr7\n mov %0, %%dr6" : : "r"(0));
    u32 value;
    __asm__ volatile("mov %%dr7, %0" : "=r"(value));
    print_name("DR7", value);
    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    print_name("DR6", value);
    print("\n");
    return 0;
}
