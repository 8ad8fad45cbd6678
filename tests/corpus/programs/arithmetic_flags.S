/* The eight two-operand operations, INC, DEC, NEG and NOT in three sizes on values at the edges: results and flags in one sum. */

#include "corpus.inc"

        .macro  note                    /* result in EAX and the flags into the sum in EBP */
        pushf
        pop     %edx
        and     $0x8d5, %edx
        add     %eax, %ebp
        rol     $5, %ebp
        xor     %edx, %ebp
        .endm

        .macro  try operation:vararg
        mov     (%esi), %eax
        mov     (%edi), %ecx
        push    saved
        popf
        \operation
        note
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        xor     %ebp, %ebp
        mov     $values, %esi
first:
        mov     $values, %edi
second:
        .irp    operation, add, or, adc, sbb, and, sub, xor, cmp
        try     \operation %ecx, %eax
        try     \operation %cx, %ax
        try     \operation %ch, %al
        .endr
        try     test %ecx, %eax
        /* in memory, and with immediates: the same code of another form */
        mov     (%esi), %eax
        mov     %eax, cell
        adcl    $-5, cell
        mov     cell, %eax
        note
        xorl    $0x5a, saved
        andl    $0x8d5, saved
        orl     $2, saved
        add     $4, %edi
        cmp     $values_end, %edi
        jne     second
        try     inc %eax
        try     dec %ax
        try     inc %ah
        try     neg %eax
        try     neg %ax
        try     neg %al
        try     not %eax
        add     $4, %esi
        cmp     $values_end, %esi
        jne     first
        mov     %ebp, %ebx
        put     'k'
        finish  0

        .data
        .align  4
saved:  .long   2
cell:   .long   0
values: .long   0, 1, 0x7f80, 0x80ff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678
values_end:
        .skip   64
stack:
