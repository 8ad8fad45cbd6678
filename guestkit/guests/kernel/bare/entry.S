/* How the processor gets into the kernel: at the start, and by every gate of the IDT. */

#define __ASSEMBLER__ 1
#include "layout.h"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 3               /* modules on page boundaries, memory size wanted */
/* Paging; ring 0, too, obeys read-only pages, which copy-on-write needs; the first floating-point instruction, WAIT too, traps; so do its errors. */
#define CR0_PG_WP_NE_TS_MP 0x8001002a
#define PRESENT_WRITE 3
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)

    .section .multiboot, "a"
    .align 4
    .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

/* The loader starts us at our physical address, without paging: map the first memory there and at KERNEL_BASE. */
    .section .start, "ax"
    .globl _start
_start:
    cld
    movl $PHYSICAL(boot_tables), %edi
    movl $PRESENT_WRITE, %eax
    movl $BOOT_TABLES * 1024, %ecx
1:  stosl
    addl $4096, %eax
    loop 1b
    movl $PHYSICAL(boot_directory), %edi
    movl $PHYSICAL(boot_tables) + PRESENT_WRITE, %eax
    movl $BOOT_TABLES, %ecx
2:  movl %eax, KERNEL_BASE >> 20(%edi)
    stosl
    addl $4096, %eax
    loop 2b
    movl $PHYSICAL(boot_directory), %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $CR0_PG_WP_NE_TS_MP, %eax
    movl %eax, %cr0
    movl $3f, %eax
    jmp *%eax
3:  movl $boot_stack_top, %esp
    pushl %ebx                          /* multiboot information */
    call bare_main

/* Gates push the vector; the processor has pushed an error code for some exceptions, for the others we push 0. */
    .macro gate vector
    .globl gate_\vector
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17
    .else
    pushl $0
    .endif
    pushl $\vector
    jmp entered
    .endm

    .text
    .altmacro
    .set i, 0
    .rept 48                            /* 32 exceptions, 16 interrupts */
    .align 16
    .if i == 0
    .globl gates
gates:
    .endif
    gate %i
    .set i, i + 1
    .endr
    .align 16
    .globl gate_system_call
gate_system_call:
    pushl $0
    pushl $0x80
entered:
    pushal
    pushl %ds
    pushl %es
    movl $KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    cld
    pushl %esp
    call trap
    addl $4, %esp
    .globl trap_return
trap_return:
    popl %es
    popl %ds
    popal
    addl $8, %esp                       /* vector and error code */
    .globl trap_return_end
trap_return_end:
    iret

    .bss
    .align 4096
    .globl boot_directory, boot_tables
boot_directory:
    .skip 4096
boot_tables:
    .skip BOOT_TABLES * 4096
    .skip 4096
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
