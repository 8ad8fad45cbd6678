/* Code that rewrites itself: the next instruction, one in the same block, a loop's body while it is hot, an instruction across two pages, code made
   on the stack, and code written by a string instruction. */

#include "corpus.inc"

        .globl  _start
_start:
        mov     $stack, %esp
        xor     %ebx, %ebx
        xor     %ebp, %ebp
        mov     $300, %ecx
loop:   movb    %cl, next + 1           /* the immediate of the very next instruction */
next:   mov     $0x55, %al
        movzbl  %al, %eax
        add     %eax, %ebx
        addl    $3, same + 2            /* behind an instruction */
        inc     %edx
same:   add     $0x1000, %ebp
        dec     %ecx
        jnz     loop

        /* a hot loop whose operation changes every 64 rounds: ADD, XOR, SUB, OR, ... */
        mov     $640, %ecx
hot:    .byte   0x01, 0xcb              /* add %ecx, %ebx */
        rol     $1, %ebx
        test    $63, %cl
        jnz     2f
        addb    $0x18, hot              /* to the next operation with a register */
        andb    $0x39, hot
2:      dec     %ecx
        jnz     hot

        /* an instruction that lies on two pages */
        mov     $200, %ecx
3:      mov     %ecx, across + 1
        call    across
        add     %eax, %ebp
        loop    3b

        /* code on the stack */
        mov     $50, %ecx
4:      push    $0x00c3c801             /* add %ecx, %eax; ret */
        movb    $0xc8, 1(%esp)
        test    $1, %cl
        jz      5f
        movb    $0x29, (%esp)           /* sub */
5:      call    *%esp
        add     $4, %esp
        loop    4b
        add     %eax, %ebx

        /* code moved by a string instruction over code that has run */
        mov     $30, %edx
6:      mov     $one, %esi
        test    $1, %dl
        jz      7f
        mov     $two, %esi
7:      mov     $target, %edi
        mov     $two - one, %ecx
        rep movsb
        call    target
        dec     %edx
        jnz     6b
        put     'k'
        finish  0

one:    lea     1(%ebp, %ebp), %ebp
        ret
two:    lea     0x777(%ebp), %ebp
        xor     %ebx, %ebp
        ret
        .skip   16
target: .skip   32

        .balign 4096
        .skip   4093
across: mov     $0, %eax
        ret

        .data
        .skip   256
stack:
