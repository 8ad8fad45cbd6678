/* For programs about the system level of the processor, in C: descriptor tables, exceptions that are printed and passed over, user mode. All code and data
   are mapped one to one; descriptors may be added from FREE_SELECTOR on. */

#include "corpus.h"

enum { KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23, TASK = 0x28, FREE_SELECTOR = 0x30 };
enum { LEAVE = 0x80 };          /* INT: from user or virtual-8086 mode back to whoever entered it */

struct frame {
    u32 gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, outer_esp, outer_ss, v86_es, v86_ds, v86_fs, v86_gs;
};

struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt, trap_and_map;
    u8 redirection[32], ports[32], end;
};

static u64 gdt[32];
static u64 idt[256];
static struct tss tss;
static u32 resume;              /* where the next exception goes on; 0: behind it if it is a trap */
static u32 last_vector, last_error;
static void (*watcher)(struct frame *);         /* sees each exception first */

static inline void print_number(u32 value, int digits)
{
    for (int shift = 4 * digits - 4; shift >= 0; shift -= 4)
        outb(0xe9, "0123456789abcdef"[value >> shift & 15]);
}

static inline void print_name(const char *name, u32 value)
{
    print(" ");
    print(name);
    print("=");
    print_number(value, 8);
}

static u64 descriptor(u32 base, u32 limit, u32 access)
{
    if (limit > 0xfffff) {
        limit >>= 12;
        access |= 0x8000;
    }
    u32 low = (limit & 0xffff) | base << 16;
    u32 high = (base >> 16 & 0xff) | (access & 0xf0ff) << 8 | (limit & 0xf0000) | (base & 0xff000000);
    return (u64)high << 32 | low;
}

static u64 gate(u32 kind, u32 selector, u32 offset, u32 dpl, u32 parameters)
{
    return (u64)((offset & 0xffff0000) | 0x8000 | dpl << 13 | kind << 8 | parameters) << 32 | selector << 16 | (offset & 0xffff);
}

__asm__(
    "        .text\n"
    "stubs:\n"
    "        .set    n, 0\n"
    "        .rept   48\n"
    "        .if     n == 8 || (n >= 10 && n <= 14) || n == 17\n"
    "        .byte   0x90, 0x90\n"                  /* the processor pushes an error code */
    "        .else\n"
    "        .byte   0x6a, 0\n"
    "        .endif\n"
    "        .byte   0x6a, n\n"
    "        .byte   0xe9\n"
    "        .long   event - . - 4\n"
    "        .byte   0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90\n"
    "        .set    n, n + 1\n"
    "        .endr\n"
    "event:  pushal\n"
    "        push    %ds\n"
    "        push    %es\n"
    "        push    %fs\n"
    "        push    %gs\n"
    "        mov     $0x10, %eax\n"
    "        mov     %eax, %ds\n"
    "        mov     %eax, %es\n"
    "        cld\n"
    "        push    %esp\n"
    "        call    on_event\n"
    "        add     $4, %esp\n"
    "        pop     %gs\n"
    "        pop     %fs\n"
    "        pop     %es\n"
    "        pop     %ds\n"
    "        popal\n"
    "        add     $8, %esp\n"
    "        iret\n"
    /* void enter(u32 cs, u32 eip, u32 ss, u32 esp, u32 eflags, u32 segments): goes outside by IRET; INT LEAVE comes back here */
    "enter:  push    %ebp\n"
    "        mov     %esp, %ebp\n"
    "        push    %ebx\n"
    "        push    %esi\n"
    "        push    %edi\n"
    "        push    outside_esp\n"
    "        push    tss + 4\n"
    "        mov     %esp, outside_esp\n"
    "        mov     %esp, tss + 4\n"
    "        mov     28(%ebp), %eax\n"
    "        push    %eax\n"                        /* GS, FS, DS, ES for virtual-8086 mode */
    "        push    %eax\n"
    "        push    %eax\n"
    "        push    %eax\n"
    "        push    16(%ebp)\n"
    "        push    20(%ebp)\n"
    "        push    24(%ebp)\n"
    "        push    8(%ebp)\n"
    "        push    12(%ebp)\n"
    "        testl   $0x20000, 24(%ebp)\n"
    "        jnz     1f\n"
    "        mov     %eax, %ds\n"
    "        mov     %eax, %es\n"
    "1:      iret\n"
    "left:   mov     $0x10, %eax\n"
    "        mov     %eax, %ds\n"
    "        mov     %eax, %es\n"
    "        mov     outside_esp, %esp\n"
    "        pop     tss + 4\n"
    "        pop     outside_esp\n"
    "        pop     %edi\n"
    "        pop     %esi\n"
    "        pop     %ebx\n"
    "        pop     %ebp\n"
    "        ret\n"
    "        .bss\n"
    "outside_esp: .long 0\n"
    "        .text\n");
extern char stubs[], left[];
void enter(u32 cs, u32 eip, u32 ss, u32 esp, u32 eflags, u32 segments);

__attribute__((used)) static void on_event(struct frame *f)
{
    last_vector = f->vector;
    last_error = f->error;
    if (watcher)
        watcher(f);
    if (resume) {
        f->eip = resume;
        f->eflags &= ~0x10000;
        resume = 0;
    }
}

/* Runs instructions that may fault and change EAX; what follows them goes on behind them either way. `last_vector` is NONE if they did not. */
#define NONE 0xff
#define TRY(code, ...) do { \
        last_vector = NONE; \
        __asm__ volatile("movl $9f, %%es:resume\n\t" code "\n9: movl $0, %%es:resume" : : __VA_ARGS__ : "eax", "memory", "cc"); \
    } while (0)

static void print_outcome(const char *what)
{
    print(what);
    if (last_vector == NONE) {
        print(" done\n");
        return;
    }
    print(" #");
    print_number(last_vector, 2);
    print(" error=");
    print_number(last_error, 4);
    print("\n");
}

static void set_vector(int vector, u64 entry)
{
    idt[vector] = entry;
}

static void set_up(void)
{
    gdt[1] = descriptor(0, 0xffffffff, 0xc09b);
    gdt[2] = descriptor(0, 0xffffffff, 0xc093);
    gdt[3] = descriptor(0, 0xffffffff, 0xc0fb);
    gdt[4] = descriptor(0, 0xffffffff, 0xc0f3);
    gdt[5] = descriptor((u32)&tss, sizeof tss - 1, 0x89);
    tss.ss0 = KERNEL_DATA;
    tss.trap_and_map = (u32)((char *)tss.ports - (char *)&tss) << 16;
    tss.end = 0xff;
    for (int k = 0; k < 48; k++)
        set_vector(k, gate(14, KERNEL_CODE, (u32)stubs + 16 * k, 0, 0));
    set_vector(3, gate(14, KERNEL_CODE, (u32)stubs + 16 * 3, 3, 0));
    set_vector(4, gate(14, KERNEL_CODE, (u32)stubs + 16 * 4, 3, 0));
    set_vector(LEAVE, gate(14, KERNEL_CODE, (u32)left, 3, 0));
    struct { u16 limit; u32 base; } __attribute__((packed)) pointer = { sizeof gdt - 1, (u32)gdt };
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    __asm__ volatile("ljmp $0x08, $1f\n1: mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(KERNEL_DATA));
    __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    pointer.limit = sizeof idt - 1;
    pointer.base = (u32)idt;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    __asm__ volatile("ltr %w0" : : "r"(TASK));
}

static u8 user_stack[2048] __attribute__((aligned(16)));

/* Runs a function in ring 3 on a stack of its own; it ends by INT LEAVE. */
static void user(void (*function)(void))
{
    enter(USER_CODE, (u32)function, USER_DATA, (u32)user_stack + sizeof user_stack - 16, 0x2, USER_DATA);
}

#define LEAVE_USER() __asm__ volatile("int $0x80")

#define CONTROL(n) \
    static inline u32 get_cr##n(void) { u32 v; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); return v; } \
    static inline void set_cr##n(u32 v) { __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); }
CONTROL(0) CONTROL(2) CONTROL(3) CONTROL(4)
