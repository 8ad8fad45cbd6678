/* Down to real mode and back: the code is copied below 1 MB, interrupts go through the vector table, segments are paragraphs, a boot sector's usual
   instructions, string copies between segments, INT and IRET, a far call, BCD and 32-bit operands in 16-bit code. */

#include "corpus.inc"

        .set    BASE, 0x7c00

        .globl  _start
_start:
        mov     $stack, %esp
        cld
        mov     $low, %esi
        mov     $BASE, %edi
        mov     $low_end - low, %ecx
        rep movsb
        lgdt    pointer
        lidt    real_idt
        ljmp    $0x18, $BASE

low:    .code16                         /* linked here, run at 7C00h: addresses are relative to `low` */
        mov     $0x20, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     %cr0, %eax
        and     $0xfe, %al
        mov     %eax, %cr0
        ljmp    $0, $BASE + (real - low)
real:   xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7000, %sp
        mov     $0x0800, %ax
        mov     %ax, %es
        movw    $BASE + (handler - low), 0x21 * 4
        movw    %ds, 0x21 * 4 + 2
        movw    $BASE + (divide - low), 0
        movw    %ds, 2
        mov     $BASE + (text - low), %si
        mov     $3, %cx
1:      lodsb
        int     $0x21
        loop    1b
        xor     %di, %di
        mov     $BASE, %si
        mov     $0x100, %cx
        rep movsw                       /* to 0800:0000 */
        xor     %edx, %edx
        mov     $0x200, %cx
        xor     %di, %di
2:      movzbw  %es:(%di), %ax
        add     %ax, %dx
        rol     $1, %dx
        inc     %di
        loop    2b
        lcall   $0x7b0, $0x100 + (far - low)
        mov     $0x99, %al
        add     $0x01, %al
        daa
        mov     %ax, %fs
        mov     %fs, %bx
        mov     $7, %al
        xor     %cl, %cl
        div     %cl                     /* a fault: the handler skips it */
        pushf
        pop     %bp
        push    %cs
        pop     %gs
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $back
handler:
        push    %ax
        out     %al, $0xe9
        pop     %ax
        incl    %edi
        stc
        iret
divide: push    %bp
        mov     %sp, %bp
        addw    $2, 2(%bp)
        pop     %bp
        inc     %bh
        iret
far:    mov     $0x12345678, %esi
        shld    $8, %esi, %edi
        lret
text:   .ascii  "abc"
low_end:
        .code32
back:   mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $stack, %esp
        movzwl  %dx, %ecx
        put     'k'
        finish  0

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
        .quad   0x00009b000000ffff, 0x000093000000ffff
gdt_end:
pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
real_idt:
        .word   0x3ff
        .long   0
        .skip   256
stack:
