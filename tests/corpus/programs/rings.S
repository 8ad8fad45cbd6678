/* Rings: to ring 3 by IRET; system calls by INT, a call gate with parameters, and SYSENTER; a fault in ring 3; ring 1; segments lost on the way out. */

#include "corpus.inc"

        .set    IDT, 0x182000

        .macro  gate at entry access
        mov     $\entry, %eax
        mov     %ax, \at
        movw    $8, \at + 2
        movw    $\access, \at + 4
        shr     $16, %eax
        mov     %ax, \at + 6
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $tss, %eax
        mov     %ax, gdt + 0x32
        shr     $16, %eax
        mov     %al, gdt + 0x34
        gate    gdt+0x38, call_entry, 0xec02           /* two parameters */
        gate    IDT+0x80*8, int_entry, 0xee00
        gate    IDT+13*8, fault_entry, 0x8e00
        lgdt    gdt_pointer
        lidt    idt_pointer
        ljmp    $8, $1f
1:      mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $0x30, %eax
        ltr     %ax
        mov     $0x174, %ecx
        xor     %edx, %edx
        mov     $8, %eax
        wrmsr
        inc     %ecx
        mov     $stack - 512, %eax
        wrmsr
        inc     %ecx
        mov     $sysenter_entry, %eax
        wrmsr
        mov     $300, %ebp
        pushl   $0x23
        pushl   $user_stack
        pushl   $2
        pushl   $0x1b
        pushl   $user
        xor     %ebx, %ebx
        iret

user:   mov     %ds, %eax               /* null: ring 0's segment has been taken away */
        add     %eax, %ebx
        mov     $0x23, %eax
        mov     %eax, %ds
        mov     %eax, %es
2:      mov     %ebp, %eax
        int     $0x80
        pushl   $3
        pushl   %ebp
        lcall   $0x3b, $0
        mov     %esp, %ecx
        mov     $3f, %edx
        sysenter
3:      dec     %ebp
        jnz     2b
        cli                             /* #GP: the handler goes on behind it */
        mov     $-1, %eax
        int     $0x80

int_entry:
        cmp     $-1, %eax
        je      ring1
        lea     (%ebx, %eax, 2), %ebx
        add     12(%esp), %esi          /* the user's ESP */
        iret
call_entry:
        push    %eax
        mov     12(%esp), %eax
        imul    16(%esp), %eax
        add     %eax, %ebx
        pop     %eax
        lret    $8
sysenter_entry:
        rol     $1, %ebx
        inc     %edi
        sysexit
fault_entry:
        add     (%esp), %edi
        add     $4, %esp
        incl    (%esp)
        add     $0x1000, %edi
        iret

ring1:  pushl   $0x29                   /* to ring 1, which may not touch CR0 */
        pushl   $user_stack
        pushl   $0x1002                 /* IOPL 1: it may use ports */
        pushl   $0x40 | 1
        pushl   $in_ring1
        iret
in_ring1:
        mov     $0x29, %eax
        mov     %eax, %ds
        mov     %cs, %ecx
        put     'k'
        mov     %ss, %edx
        lea     (%edx, %ecx, 8), %ebp
        finish  0

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        .quad   0x00cfb3000000ffff      /* 28: ring 1 data */
        .quad   0x0000890000000067      /* 30: TSS */
        .quad   0                       /* 38: call gate */
        .quad   0x00cfbb000000ffff      /* 40: ring 1 code */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
idt_pointer:
        .word   0x7ff
        .long   IDT
        .align  8
tss:    .long   0, stack - 1024, 0x10
        .fill   22, 4, 0
        .word   0, 0x68
        .skip   4096
stack:  .skip   1024
user_stack:
