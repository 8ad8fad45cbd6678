/* Gates and tasks: call, interrupt and trap gates of both sizes, stacks of inner rings, conforming code, LDT, expand-down segments; task switches by JMP,
   CALL, IRET, interrupts and exceptions, to TSSs of both sizes; the error codes of all that can be wrong. (QEMU does not check limits of segments.)
   corpus: on QEMU
   corpus: run --mode native
   corpus: run --mode full --mmu ept
   corpus: run --mode full --mmu vtlb */

#include "system.h"

enum { CODE16 = 0x30, DATA16 = 0x38, CALL32 = 0x40, CALL16 = 0x48, TASK32 = 0x50, TASK16 = 0x58, TASK_GATE = 0x60, TRIED = 0x68, LDT = 0x70, RING1_CODE = 0x78,
       RING1_DATA = 0x80, CONFORMING = 0x88, DOWN = 0x90, USER16 = 0x98, GATE16 = 0xa0 };
enum { ABSENT = 0x80 };

static struct tss second;
static struct { u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt; } third;
static u64 ldt[4];
static u8 stack[1024] __attribute__((aligned(16))), small_stack[512] __attribute__((aligned(16)));
u32 seen[16] __attribute__((used));

static void define(u32 selector, u64 value)
{
    gdt[selector >> 3] = value;
}

static void print_seen(const char *name, int count)
{
    print(name);
    for (int k = 0; k < count; k++) {
        print(" ");
        print_number(seen[k], 8);
        seen[k] = 0;
    }
    print("\n");
}

__asm__("        .text\n"
        /* of the call gates: two parameters are above the return address */
        "gate32: mov     (%esp), %eax\n sub $2f, %eax\n xor %eax, %eax\n mov %eax, seen\n"
        "        mov     4(%esp), %eax\n mov %eax, seen + 4\n"
        "        mov     8(%esp), %eax\n mov %eax, seen + 8\n"
        "        mov     12(%esp), %eax\n mov %eax, seen + 12\n"
        "        mov     20(%esp), %eax\n mov %eax, seen + 16\n"
        "        mov     %cs, %eax\n mov %eax, seen + 20\n"
        "        mov     %ss, %eax\n mov %eax, seen + 24\n"
        "2:      lret    $8\n"
        "gate16: movzwl  2(%esp), %eax\n mov %eax, seen\n"
        "        movzwl  4(%esp), %eax\n mov %eax, seen + 4\n"
        "        movzwl  6(%esp), %eax\n mov %eax, seen + 8\n"
        "        movzwl  10(%esp), %eax\n mov %eax, seen + 12\n"
        "        lretw   $4\n"
        /* of interrupt gates */
        "frame32:mov     4(%esp), %eax\n mov %eax, seen\n"
        "        mov     8(%esp), %eax\n and $0x200, %eax\n mov %eax, seen + 4\n"
        "        pushf\n pop %eax\n and $0x200, %eax\n mov %eax, seen + 8\n"
        "        mov     16(%esp), %eax\n mov %eax, seen + 12\n"
        "        iret\n"
        "frame16:movzwl  2(%esp), %eax\n mov %eax, seen\n"
        "        movzwl  4(%esp), %eax\n and $0x200, %eax\n mov %eax, seen + 4\n"
        "        pushf\n pop %eax\n and $0x200, %eax\n mov %eax, seen + 8\n"
        "        iretw\n"
        /* the tasks: note what they find, return by IRET, and go on there when they are called again */
        "task32: mov     %eax, %es:seen\n mov %esp, %es:seen + 4\n"
        "        pushf\n pop %eax\n and $0x4000, %eax\n mov %eax, %es:seen + 8\n"
        "        str     %ax\n movzwl %ax, %eax\n mov %eax, %es:seen + 12\n"
        "        mov     %cr0, %eax\n and $8, %eax\n mov %eax, %es:seen + 16\n"
        "        clts\n"
        "        iret\n"
        "        incl    %es:seen + 20\n"
        "        jmp     task32\n"
        "        .code16\n"
        /* what returns with 16 bits of ESP loses the rest */
        "user16: mov     %esp, %edx\n pushw $0x2222\n pushw $0x1111\n lcall $0x4b, $0\n mov %edx, %esp\n lretl\n"
        "user16_interrupt: mov %esp, %edx\n int $0x33\n mov %edx, %esp\n lretl\n"
        "task16: mov     %ax, %es:0\n"
        "        mov     %sp, %es:4\n"
        "        str     %ax\n mov %ax, %es:12\n"
        "        clts\n"
        "        iret\n"
        "        incw    %es:20\n"
        "        jmp     task16\n"
        "task16_end:\n"
        "        .code32\n"
        "fault_task: pop %eax\n mov %eax, seen + 24\n clts\n mov %ss:tss + 32, %eax\n sub $wrong, %eax\n mov %eax, seen + 28\n movl $right, tss + 32\n iret\n"
        "        jmp     fault_task\n"
        "conform:mov     %cs, %eax\n mov %eax, seen\n lret\n");
extern char gate32[], gate16[], frame32[], frame16[], task32[], task16[], task16_end[], user16[], user16_interrupt[], fault_task[], conform[];

__attribute__((used)) static void calls(void)
{
    __asm__ volatile("push $0x2222\n push $0x1111\n mov %%esp, %%es:seen + 60\n lcall $0x43, $0\n sub %%esp, %%es:seen + 60" : : : "eax", "memory");
    print_seen("call gate of 32 bits", 7);
    __asm__ volatile("lcall $0x9b, $0" : : : "eax", "edx", "memory");
    print_seen("call gate of 16 bits", 4);
    __asm__ volatile("int $0x30" : : : "eax", "memory");
    print_seen("interrupt gate", 4);
    __asm__ volatile("lcall $0x9b, $(user16_interrupt - user16)" : : : "eax", "edx", "memory");
    print_seen("interrupt gate of 16 bits", 3);
    __asm__ volatile("int $0x31" : : : "eax", "memory");
    print_seen("trap gate", 4);
    LEAVE_USER();
}

__attribute__((used)) static void user_faults(void)
{
    TRY("mov %0, %%ds", "r"(KERNEL_DATA));
    __asm__ volatile("mov %0, %%ds" : : "r"(USER_DATA));
    print_outcome("a segment of ring 0");
    TRY("lcall $0x08, $0", "r"(0));
    print_outcome("code of ring 0");
    TRY("lcall $0x50, $0", "r"(0));
    print_outcome("a TSS of ring 0");
    TRY("int $0x20", "r"(0));
    print_outcome("a gate of ring 0");
    TRY("lcall $0x8b, $conform", "r"(0));
    print_outcome("conforming code");
    print_seen("", 1);
    TRY("hlt", "r"(0));
    print_outcome("HLT");
    TRY("mov %%cr0, %%eax", "r"(0));
    print_outcome("MOV CR0");
    LEAVE_USER();
}

static void try_segment(const char *name, u64 value)
{
    __asm__ volatile("mov %0, %%fs" : : "r"(0));        /* exceptions load what it holds again */
    define(TRIED, value);
    print(name);
    TRY("mov %0, %%fs", "r"(TRIED));
    print_outcome(" data");
    TRY("mov %0, %%ss\n mov %1, %%ss", "r"(TRIED), "r"(KERNEL_DATA));
    print_outcome("  stack");
    __asm__ volatile("mov %0, %%ss" : : "r"(KERNEL_DATA));
    TRY("lcall $0x68, $conform", "r"(0));
    print_outcome("  code");
    u32 ok, limit = 0;
    __asm__ volatile("lar %2, %0\n jz 1f\n xor %0, %0\n 1: lsl %2, %1" : "=&r"(ok), "+r"(limit) : "r"(TRIED) : "cc");
    print_name(" LAR", ok & 0xf0ff00);
    print_name("LSL", limit);
    u8 readable, writable;
    __asm__ volatile("verr %w2\n setz %0\n verw %w2\n setz %1" : "=&q"(readable), "=&q"(writable) : "r"(TRIED) : "cc");
    print_name("VERR", readable);
    print_name("VERW", writable);
    print("\n");
}

int main(void)
{
    set_up();
    define(CODE16, descriptor((u32)task16, 0xffff, 0x9b));
    define(DATA16, descriptor((u32)seen, 0xffff, 0x93));
    define(CALL32, gate(12, KERNEL_CODE, (u32)gate32, 3, 2));
    define(TASK32, descriptor((u32)&second, 0x67, 0x89));
    define(TASK16, descriptor((u32)&third, sizeof third - 1, 0x81));
    define(TASK_GATE, gate(5, TASK32, 0, 3, 0));
    define(LDT, descriptor((u32)ldt, sizeof ldt - 1, 0x82));
    define(RING1_CODE, descriptor(0, 0xffffffff, 0xc0bb));
    define(RING1_DATA, descriptor(0, 0xffffffff, 0xc0b3));
    define(CONFORMING, descriptor(0, 0xffffffff, 0xc09f));
    define(DOWN, descriptor((u32)seen - 0x1000, 0xfff, 0x4097));
    ldt[1] = descriptor((u32)seen, 15, 0x93);

    /* a 16-bit gate reaches only the low 64 KB of its segment, so its code is in a segment of its own */
    define(GATE16, descriptor((u32)gate16, 0xffff, 0x409b));
    define(CALL16, gate(4, GATE16, 0, 3, 2));
    define(USER16, descriptor((u32)user16, 0xffff, 0xfb));
    set_vector(0x33, gate(6, GATE16, (u32)frame16 - (u32)gate16, 3, 0));
    set_vector(0x30, gate(14, KERNEL_CODE, (u32)frame32, 3, 0));
    set_vector(0x31, gate(15, KERNEL_CODE, (u32)frame32, 3, 0));
    user(calls);
    user(user_faults);

    __asm__ volatile("lldt %w0" : : "r"(LDT));
    seen[0] = 0x12345678;
    u32 value;
    __asm__ volatile("mov %1, %%fs\n mov %%fs:0, %0" : "=r"(value) : "r"(0xc));
    print_name("LDT", value);
    print("\n");
    TRY("mov %0, %%fs", "r"(0x14));
    print_outcome("null in the LDT");
    TRY("mov %0, %%fs", "r"(0x24));
    print_outcome("beyond the LDT");
    __asm__ volatile("mov %1, %%fs\n mov %%fs:0x1000, %0" : "=r"(value) : "r"(DOWN));
    print_name("expand down", value);
    print("\n");
    __asm__ volatile("mov %0, %%fs" : : "r"(0));
    seen[0] = 0;

    try_segment("data", descriptor(0, 0xffff, 0x93));
    try_segment("read-only", descriptor(0, 0xffff, 0x91));
    try_segment("not present", descriptor(0, 0xffff, 0x13));
    try_segment("execute-only", descriptor(0, 0xffffffff, 0xc099));
    try_segment("code that is not present", descriptor(0, 0xffffffff, 0xc01b));
    try_segment("of ring 3", descriptor(0, 0xffff, 0xf3));
    try_segment("code of ring 3", descriptor(0, 0xffffffff, 0xc0fb));
    try_segment("LDT", descriptor(0, 0xffff, 0x82));
    try_segment("busy TSS", descriptor(0, 0xffff, 0x8b));
    try_segment("short TSS", descriptor((u32)&second, 0x66, 0x89));
    try_segment("absent TSS", descriptor((u32)&second, 0x67, 0x09));
    try_segment("interrupt gate", gate(14, KERNEL_CODE, 0, 0, 0));
    try_segment("call gate to nothing", gate(12, 0, 0, 0, 0));
    try_segment("call gate to data", gate(12, KERNEL_DATA, 0, 0, 0));
    try_segment("call gate to code of ring 3", gate(12, USER_CODE, 0, 0, 0));
    try_segment("null", 0);

    second.eip = (u32)task32;
    second.eflags = 2;
    second.eax = 0x1234;
    second.esp = (u32)stack + sizeof stack - 64;
    second.cs = KERNEL_CODE;
    second.ss = second.ds = second.es = KERNEL_DATA;
    second.ss0 = KERNEL_DATA;
    u32 top = second.esp;
    for (int k = 0; k < 3; k++) {
        if (k == 0)
            __asm__ volatile("lcall $0x50, $0" : : : "memory");
        else if (k == 1)
            __asm__ volatile("lcall $0x60, $0" : : : "memory");
        else {
            set_vector(0x32, gate(5, TASK32, 0, 0, 0));
            __asm__ volatile("int $0x32" : : : "memory");
        }
        seen[1] -= top;
        print_seen("task", 6);
        print_name("link", second.link);
        print_name("busy", gdt[TASK32 >> 3] >> 41 & 1);
        print_name("busy", gdt[TASK >> 3] >> 41 & 1);
        print_name("flags", second.eflags & 0x4202);
        print("\n");
    }
    third.ip = 0;
    third.flags = 2;
    third.ax = 0x4321;
    third.sp = 0x100;
    third.cs = CODE16;
    third.ds = third.es = DATA16;
    define(TRIED, descriptor((u32)small_stack, 0x1ff, 0x93));
    third.ss = TRIED;
    for (int k = 0; k < 2; k++) {
        __asm__ volatile("lcall $0x58, $0" : : : "memory");
        print_seen("task of 16 bits", 6);
        print_name("link", third.link);
        print_name("ip", third.ip);
        print("\n");
    }

    /* an exception through a task gate, with its error code on the new task's stack */
    second.eip = (u32)fault_task;
    second.esp = (u32)stack + sizeof stack - 64;
    set_vector(13, gate(5, TASK32, 0, 0, 0));
    __asm__ volatile("wrong: mov %0, %%fs\n right:" : : "r"(0x7777) : "memory");
    print_seen("task of an exception", 8);
    return 0;
}
