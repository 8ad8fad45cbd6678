/* Virtual-8086 mode: what it may execute by IOPL, ports by the bitmap of the TSS, interrupts and faults out of it and back, segments; real mode and back, with
   an interrupt in it, and unreal mode.
   corpus: on QEMU
   corpus: run --mode native
   corpus: run --mode full --mmu ept */

#include "system.h"

enum { LOW = 0x10000, VM = 0x20000, IOPL = 0x3000, IF = 0x200 };

__asm__("        .text\n"
        "        .code16\n"
        "programs:\n"
        "moves:  mov     $0x1234, %ax\n mov %ax, %ds:0x800\n mov %ax, %es:0x802\n mov %cs, %bx\n mov %bx, %ds:0x804\n mov %ds, %ds:0x806\n mov %ss, %ds:0x808\n"
        "        mov     %sp, %ds:0x80a\n push %ax\n pop %cx\n mov %cx, %ds:0x80c\n pushfl\n popl %eax\n and $0x23000, %eax\n mov %eax, %ds:0x810\n"
        "        lcall   $0x1000, $(far - programs)\n mov %ax, %ds:0x814\n int $0x80\n"
        "far:    mov     %cs, %ax\n inc %ax\n lret\n"
        "sensitive: cli\n nop\n sti\n nop\n pushf\n nop\n popf\n nop\n int $0x21\n nop\n iret\n nop\n hlt\n nop\n"
        "        mov     %cr0, %eax\n nop\n lgdt 0\n nop\n smsw %ax\n nop\n str %ax\n nop\n lldt %ax\n nop\n arpl %ax, %ax\n nop\n lar %ax, %ax\n nop\n int3\n nop\n into\n nop\n"
        "        in      $0x80, %al\n nop\n in $0x81, %al\n nop\n in $0x81, %ax\n nop\n out %ax, $0x7f\n nop\n clts\n nop\n invd\n nop\n ud2\n nop\n"
        "        int     $0x80\n"
        "real:   mov     %cr0, %eax\n and $0xfffe, %ax\n mov %eax, %cr0\n"
        "        ljmp    $0x1000, $(in_real - programs)\n"
        "in_real: mov    $0x1000, %ax\n mov %ax, %ds\n mov %ax, %ss\n mov $0x7000, %sp\n"
        "        xor     %ax, %ax\n mov %ax, %es\n"
        "        movw    $(handler - programs), %es:0x85\n"              /* unaligned: vector 21h at 84h is written below */
        "        movw    $(handler - programs), %es:0x84\n movw $0x1000, %es:0x86\n"
        "        lidtl   %ds:(real_table - programs)\n"
        "        mov     $0x100, %bx\n stc\n int $0x21\n pushf\n pop %cx\n mov %cx, %ds:0x820\n mov %bx, %ds:0x822\n"
        "        mov     $0x1000, %ax\n mov %ax, %es\n mov $0xfffe, %di\n mov $3, %cx\n mov $0x5a, %al\n rep stosb\n mov %di, %ds:0x824\n"     /* wraps */
        "        mov     $5, %al\n daa\n aam $10\n mov %ax, %ds:0x826\n"
        "        smsw    %ax\n and $1, %ax\n mov %ax, %ds:0x828\n"
        "        mov     %fs:(%esi), %eax\n mov %eax, %ds:0x82c\n"       /* FS still has its limit of 4 GB */
        "        mov     %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n"
        "        ljmpl   $0x08, $back\n"
        "handler: inc    %bx\n push %bp\n mov %sp, %bp\n andw $0xfffe, 6(%bp)\n pop %bp\n iret\n"
        "real_table: .word 0x3ff\n .long 0\n"
        "programs_end:\n"
        "        .code32\n"
        "back:   mov     $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n mov real_esp, %esp\n popal\n ret\n"
        "to_real: pushal\n mov %esp, real_esp\n mov $marker, %esi\n mov $0x40, %eax\n mov %eax, %ss\n mov %eax, %ds\n mov %eax, %es\n ljmp $0x30, $(real - programs)\n"
        "        .data\n"
        "real_esp: .long 0\n"
        "marker: .long   0xfeedbeef\n"
        "        .text\n");
extern char programs[], programs_end[], moves[], sensitive[], real[];
void to_real(void);

static void see(struct frame *f)
{
    print(" ");
    print_number(f->eip - (u32)(sensitive - programs), 2);
    print(":");
    print_number(f->vector, 2);
    if (f->vector == 13 || f->vector == 12)
        print_number(f->error, 2);
    if (f->vector == 3 || f->vector == 4)
        return;
    if (!(f->eflags & VM)) {
        print("?");
        return;
    }
    /* to the NOP behind it */
    u8 *code = (u8 *)LOW;
    if (code[f->eip] == 0xcd && code[f->eip + 1] == LEAVE)
        __asm__ volatile("jmp left");
    while (code[f->eip] != 0x90)
        f->eip++;
    f->eflags &= ~0x10000;
}

static void visit(const char *name, char *program, u32 flags)
{
    print(name);
    enter(LOW >> 4, program - programs, LOW >> 4, 0x7000, flags | VM | 2, LOW >> 4);
    print("\n");
}

int main(void)
{
    set_up();
    u8 *low = (u8 *)LOW;
    for (int k = 0; k < programs_end - programs; k++)
        low[k] = programs[k];
    tss.ports[0x81 >> 3] = 2;
    tss.ports[0x7f >> 3] = 0;
    visit("moves", moves, IOPL);
    for (int k = 0x800; k < 0x818; k += 4)
        print_name("", *(u32 *)(low + k));
    print("\n");
    watcher = see;
    set_vector(0x21, gate(14, KERNEL_CODE, (u32)stubs + 16 * 0x21, 3, 0));
    visit("IOPL 0", sensitive, 0);
    visit("IOPL 0, IF", sensitive, IF);
    set_vector(0x21, gate(14, KERNEL_CODE, (u32)stubs + 16 * 0x21, 0, 0));
    visit("IOPL 0, gate of ring 0", sensitive, 0);
    watcher = 0;

    gdt[6] = descriptor(LOW, 0xffff, 0x9b);
    gdt[7] = descriptor(0, 0xffffffff, 0xc093);
    gdt[8] = descriptor(0, 0xffff, 0x93);
    __asm__ volatile("mov %0, %%fs" : : "r"(0x38));
    struct { u16 limit; u32 base; } __attribute__((packed)) pointer = { sizeof idt - 1, (u32)idt };
    to_real();
    __asm__ volatile("lidt %0" : : "m"(pointer));
    print("real");
    for (int k = 0x820; k < 0x830; k += 4)
        print_name("", *(u32 *)(low + k));
    print_name("", low[0xfffe] | low[0xffff] << 8);
    print("\n");
    return 0;
}
