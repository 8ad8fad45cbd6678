/* The timer interrupts a busy loop: 50 ticks of the PIT through the PIC, HLT between some, and an interrupt masked for a while. */

#include "corpus.inc"

        .set    IDT, 0x182000

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $tick, %eax
        mov     %ax, IDT + 0x20 * 8
        mov     %cs, IDT + 0x20 * 8 + 2
        movw    $0x8e00, IDT + 0x20 * 8 + 4
        shr     $16, %eax
        mov     %ax, IDT + 0x20 * 8 + 6
        lidt    pointer
        .irp    setting, 0x1120, 0x2021, 0x0421, 0x0121, 0xfe21
        mov     $\setting >> 8, %al
        out     %al, $\setting & 0xff
        .endr
        mov     $0x34, %al              /* channel 0, rate generator: every 3 counts, about 2500 ns */
        out     %al, $0x43
        mov     $3, %al
        out     %al, $0x40
        mov     $0, %al
        out     %al, $0x40
        sti
busy:   inc     %ebx                    /* the first 8 ticks find it here */
        lea     (%ebx, %ebx, 4), %ebp
        xor     %ebx, %ebp
        cmpl    $8, ticks
        jb      busy
sleep:  hlt                             /* then asleep */
        inc     %esi
        cmpl    $40, ticks
        jb      sleep
        cli                             /* then a long time with interrupts off: one is kept, the others are lost */
        mov     $6000, %ecx
1:      loop    1b
        mov     ticks, %edi
        sti
        nop
        nop
        cli
        shl     $8, %edi
        add     ticks, %edi
        mov     sum, %ecx
        put     'k'
        finish  0

tick:   push    %eax
        incl    ticks
        rdtsc
        add     %eax, sum
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

        .data
        .align  4
ticks:  .long   0
sum:    .long   0
pointer:
        .word   0x7ff
        .long   IDT
        .skip   256
stack:
