/* A 16-bit code segment in protected mode: 16-bit operands, addresses, stack and far calls, with 32-bit ones by prefixes; wrapping at 64 KB. */

#include "corpus.inc"

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $half, %eax             /* base of the 16-bit segments */
        mov     %ax, gdt + 0x1a
        mov     %ax, gdt + 0x22
        shr     $16, %eax
        mov     %al, gdt + 0x1c
        mov     %al, gdt + 0x24
        lgdt    pointer
        ljmp    $8, $1f
1:      mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $0xabcd0000, %ebx
        mov     $0x12340000, %edi
        mov     $250, %ecx
2:      push    %ecx
        lcall   $0x18, $0
        pop     %ecx
        loop    2b
        mov     half + 0x200, %ecx
        put     'k'
        finish  0

        .balign 16
half:   .code16
        mov     $0x20, %ax
        mov     %ax, %ds
        mov     $0x200, %bp
        mov     %cx, %ds:(%bp, %di)     /* a 16-bit address: only DI counts */
        mov     $0x200, %si
        add     %cx, (%si)
        adc     %ebx, (%si)
        incb    3(%si)
        lea     -1(%bx, %si), %ax
        add     %ax, %bx
        movzbl  1(%si), %edx
        add     %edx, %ebx
        push    %cx
        pushl   $0x10203
        popw    %ax
        popw    %dx
        popw    %cx
        add     %dx, %bx
        call    near16
        mov     $3, %cx
        cld
        mov     $0x210, %si
        mov     $0x220, %di
        push    %es
        push    %ds
        pop     %es
        rep movsw
        mov     $0x1fffe, %esi          /* with 32-bit addresses */
        addr32  lea 2(%esi), %edi
        mov     $0xffff, %si
        inc     %si                     /* wraps: ESI keeps its upper half */
        add     %esi, %ebx
        pop     %es
        mov     $6, %cx
3:      rolw    $3, 0x200
        loop    3b
        mov     $0x10, %ax
        mov     %ax, %ds
        lretl
near16: xor     $0x55, %bl
        imul    $7, %bx, %bx
        ret
        .code32
        .skip   0x300

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
        .quad   0x00009b000000ffff, 0x000093000000ffff
gdt_end:
pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        .skip   256
stack:
