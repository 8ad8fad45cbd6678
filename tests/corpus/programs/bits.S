/* BT, BTS, BTR, BTC with register, immediate and far bit numbers, BSF, BSR, BSWAP, SETcc, XADD, CMPXCHG, CMPXCHG8B: a sieve in a bit map, and sums. */

#include "corpus.inc"

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $2, %esi                /* primes below 1000: bit n is set if n is composite */
next:   bt      %esi, map
        jc      composite
        inc     %ebp
        lea     (%esi, %esi), %edi
strike: cmp     $1000, %edi
        jae     composite
        bts     %edi, map
        add     %esi, %edi
        jmp     strike
composite:
        inc     %esi
        cmp     $1000, %esi
        jb      next
        /* bits before the operand */
        mov     $-1, %eax
        mov     $-70, %ecx
1:      btc     %ecx, middle
        adc     $0, %edx
        add     $13, %ecx
        cmp     $70, %ecx
        jl      1b
        movw    $-33, %cx
        bts     %cx, middle
        btr     $37, %eax
        btc     $0, %ax
        bswap   %eax
        mov     $0x00013800, %ebx
        bsf     %ebx, %edi
        bsr     %ebx, %esi
        bsf     %bx, %cx
        xor     %ebx, %ebx
        bsr     %ebx, %esi              /* stays, and sets ZF */
        setz    %bl
        xadd    %eax, middle
        mov     $5, %eax
        cmpxchg %edi, middle
        setz    %bh
        mov     middle, %eax
        lock cmpxchg %edi, middle
        mov     low, %eax
        mov     high, %edx
        push    %ebx
        mov     $0x11111111, %ebx
        mov     $0x22222222, %ecx
        cmpxchg8b low
        setz    %cl
        cmpxchg8b low
        setz    %ch
        pop     %ebx
        put     'k'
        finish  0

        .data
        .align  8
low:    .long   0xfeedface
high:   .long   0xcafebabe
        .skip   16
middle: .skip   16
map:    .skip   128
        .skip   64
stack:
