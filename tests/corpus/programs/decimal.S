/* Decimal arithmetic: Fibonacci numbers in packed digits with DAA, back with DAS, and unpacked with AAA, AAS, AAM and AAD; printed. */

#include "corpus.inc"

        .globl  _start
_start:
        mov     $stack, %esp
        movb    $1, b
        mov     $60, %ecx
next:   mov     $12, %ebx               /* (a, b) := (b, a + b) */
        xor     %esi, %esi
        clc
digit:  mov     b(%esi), %dl
        mov     a(%esi), %al
        mov     %dl, a(%esi)
        adc     %dl, %al
        daa
        mov     %al, b(%esi)
        inc     %esi
        dec     %ebx
        jnz     digit
        dec     %ecx
        jnz     next
        mov     $12, %esi               /* print b */
print:  dec     %esi
        mov     b(%esi), %al
        mov     %al, %ah
        shr     $4, %al
        or      $0x30, %al
        out     %al, $0xe9
        mov     %ah, %al
        and     $15, %al
        or      $0x30, %al
        out     %al, $0xe9
        test    %esi, %esi
        jnz     print
        mov     $10, %al
        out     %al, $0xe9
        /* b - a - a - ... until it borrows */
        xor     %edi, %edi
again:  mov     $12, %ebx
        xor     %esi, %esi
        clc
minus:  mov     b(%esi), %al
        sbb     a(%esi), %al
        das
        mov     %al, b(%esi)
        inc     %esi
        dec     %ebx
        jnz     minus
        inc     %edi
        jnc     again
        /* unpacked: 7 * 8 = 56, 56 / 9 = 6 rest 2, 9 + 8 = 17, 17 - 9 */
        mov     $7, %al
        mov     $8, %bl
        mul     %bl
        aam
        mov     %eax, %ebp
        aad
        mov     $9, %bl
        div     %bl
        shl     $16, %ebp
        mov     %ax, %bp
        mov     $9, %ax
        add     $8, %al
        aaa
        mov     %eax, %ecx
        sub     $9, %al
        aas
        shl     $16, %ecx
        mov     %ax, %cx
        put     'k'
        finish  0

        .data
a:      .skip   12
b:      .skip   12
        .skip   64
stack:
