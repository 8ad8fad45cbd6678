/* Segments with bases and limits, expand-down ones, FS and GS, null ones, and the faults of leaving them, counted by the handlers; LAR, LSL, VERR. */

#include "corpus.inc"

        .set    IDT, 0x182000

        .macro  vector number entry
        mov     $\entry, %eax
        mov     %ax, IDT + \number * 8
        movw    $8, IDT + \number * 8 + 2
        movw    $0x8e00, IDT + \number * 8 + 4
        shr     $16, %eax
        mov     %ax, IDT + \number * 8 + 6
        .endm

        .macro  expect instruction:vararg       /* a fault, which goes on behind it */
        movl    $1f, %ss:after
        \instruction
        jmp     wrong
1:
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        lgdt    pointer
        ljmp    $8, $1f
1:      mov     $0x10, %eax
        mov     %eax, %ss
        mov     %eax, %ds
        mov     %eax, %es
        vector  13 protection
        vector  12 protection
        vector  11 protection
        lidt    idt_pointer
        mov     $60, %ebp
next:   mov     $0x18, %eax             /* FS: 64 KB from 180000h - 20000h, GS expands down to 1000h */
        mov     %eax, %fs
        mov     $0x20, %eax
        mov     %eax, %gs
        mov     %ebp, %fs:0x100(, %ebp, 4)
        add     %fs:0x104(, %ebp, 4), %ebx
        mov     %ebx, %gs:0x1000
        add     %gs:0xfffc, %ebx
        expect  movb $1, %fs:0x10000
        expect  movl $1, %fs:0xfffd
        expect  mov %gs:0xfff, %al
        expect  mov %gs:0xffff, %ax
        expect  movl $1, %cs:0
        xor     %eax, %eax
        mov     %eax, %fs
        expect  mov %fs:0, %al
        mov     $0x28, %eax             /* not present */
        expect  mov %eax, %es
        mov     $0xfff8, %eax
        expect  mov %eax, %es
        mov     $0x30, %eax             /* read only */
        mov     %eax, %es
        add     %es:0, %ebx
        expect  movl $1, %es:0
        expect  stosb
        mov     $0x10, %eax
        mov     %eax, %es
        lar     %eax, %ecx
        add     %ecx, %ebx
        mov     $0x18, %eax
        lsl     %eax, %ecx
        add     %ecx, %ebx
        verw    %ax
        adc     $0, %ebx
        rol     $1, %ebx
        dec     %ebp
        jnz     next
        mov     faults, %ebp
        mov     codes, %edi
        put     'k'
        finish  0
wrong:  put     'x'
        finish  1

protection:
        incl    %ss:faults
        pushl   %eax
        mov     4(%esp), %eax
        add     %eax, %ss:codes
        mov     %ss:after, %eax
        mov     %eax, 8(%esp)
        popl    %eax
        add     $4, %esp
        iret

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
        .quad   0x000093160000ffff      /* 18: base 160000h, 64 KB */
        .quad   0x0000971400000fff      /* 20: base 140000h, expand down from 64 KB to 1000h */
        .quad   0x00cf13000000ffff      /* 28: not present */
        .quad   0x000091100000ffff      /* 30: read only */
gdt_end:
pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
idt_pointer:
        .word   0x7ff
        .long   IDT
        .align  4
after:  .long   0
faults: .long   0
codes:  .long   0
        .skip   256
stack:
