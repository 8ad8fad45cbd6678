/* 128-bit Fibonacci numbers: flags made by one instruction and used by a later one, across partial updates (INC keeps CF). */

#include "corpus.inc"

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $180, %ecx
next:
        mov     $4, %ebx
        xor     %esi, %esi              /* clears CF */
add:
        mov     a(,%esi,4), %eax
        mov     b(,%esi,4), %edx
        mov     %edx, a(,%esi,4)
        adc     %eax, %edx
        mov     %edx, b(,%esi,4)
        inc     %esi                    /* both leave CF to the next ADC */
        dec     %ebx
        jnz     add
        pushf
        popl    flags
        dec     %ecx
        jnz     next

        put     'k'
        mov     b, %esi
        mov     b+4, %edi
        mov     b+8, %ebx
        mov     b+12, %ebp
        mov     $0xdeadbeef, %ecx
        xor     $0x7fffffff, %ecx       /* flags of the final state */
        finish  5

        .data
        .align  4
a:      .long   0, 0, 0, 0
b:      .long   1, 0, 0, 0
flags:  .long   0
        .skip   64
stack:
