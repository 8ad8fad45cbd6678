/* The local APIC and model-specific registers of a Core 2 Duo: what registers hold, which values are refused, priorities, messages, the timer;
   MONITOR, MWAIT and RDPMC. Each value is printed, so that other machines can be compared with it: it boots by multiboot, too. A refused access prints a G.

   corpus: run --cpu core2duo */

#include "corpus.inc"

        .set    IDT, 0x182000
        .set    APIC, 0xfee00000
        .set    GP, 13

        .section .text
        .long   0x1badb002, 0, -0x1badb002

        .macro  gate vector, handler
        mov     $\handler, %eax
        mov     %ax, IDT + \vector * 8
        mov     %cs, IDT + \vector * 8 + 2
        movw    $0x8e00, IDT + \vector * 8 + 4
        shr     $16, %eax
        mov     %ax, IDT + \vector * 8 + 6
        .endm

        .macro  say value
        mov     \value, %eax
        call    print
        .endm

        .macro  reg offset
        say     APIC + \offset
        .endm

        .macro  set offset, value
        movl    $\value, APIC + \offset
        .endm

        .macro  read_msr index
        mov     $\index, %ecx
        mov     $1f, %ebp
        rdmsr
        push    %edx
        call    print
        pop     %eax
        call    print
1:
        .endm

        .macro  write_msr index, high, low
        mov     $\index, %ecx
        mov     $\high, %edx
        mov     $\low, %eax
        mov     $1f, %ebp
        wrmsr
1:
        .endm

        .macro  both index, high, low           /* write, read */
        write_msr \index, \high, \low
        read_msr \index
        put     '\n
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        gate    6, refused
        gate    GP, refused
        gate    2, nmi
        gate    0x40, timer
        gate    0x51, low
        gate    0x92, high
        lidt    pointer

        /* MSRs: what is there, what can be written */
        read_msr 0x1b
        read_msr 0xfe
        read_msr 0x179
        put     '\n
        both    0x277, 0x00070406, 0x00070406
        both    0x277, 0, 2                     /* no memory type */
        both    0x277, 0x08000000, 0
        both    0x200, 0xf, 0x80000006
        both    0x201, 0xf, 0xf8000800
        both    0x250, 0x06060606, 0x06060606
        both    0x2ff, 0, 0xc06
        both    0x174, 0, 8
        both    0x175, 0, 0x12345678
        both    0x17a, 0, 0
        both    0x401, 0, 0
        both    0xfe, 0, 0
        both    0x12345, 0, 0

        /* registers of the APIC */
        set     0x0f0, 0x1ff
        reg     0x030
        reg     0x0e0
        reg     0x0f0
        reg     0x320
        put     '\n
        set     0x080, 0xffffff25
        reg     0x080
        reg     0x0a0
        set     0x080, 0
        set     0x0d0, 0xff000000
        reg     0x0d0
        set     0x350, 0x10700
        reg     0x350
        set     0x310, 0
        put     '\n

        /* priorities: both are asked for with interrupts off */
        set     0x300, 0x40051
        set     0x300, 0x40092
        reg     0x220
        reg     0x240
        sti
        nop
        nop
1:      cmpl    $2, taken
        jb      1b
        cli
        say     order
        reg     0x220
        reg     0x240
        put     '\n
        set     0x080, 0x50
        set     0x300, 0x40051
        sti
        nop
        nop
        nop
        cli
        say     taken
        set     0x080, 0x4f
        sti
1:      cmpl    $3, taken
        jb      1b
        cli
        say     taken
        put     '\n

        /* NMI to itself */
        set     0x300, 0x4400
1:      cmpl    $1, nmis
        jb      1b
        say     nmis
        put     '\n

        /* the timer: three periods, then once */
        set     0x080, 0
        set     0x3e0, 0xb
        set     0x320, 0x20040
        set     0x380, 100000
        sti
1:      hlt
        cmpl    $3, ticks
        jb      1b
        cli
        set     0x380, 0
        say     APIC + 0x390
        movl    $0, ticks
        set     0x320, 0x40
        set     0x380, 100000
        sti
1:      hlt
        cmpl    $1, ticks
        jb      1b
        cli
        say     APIC + 0x390
        put     '\n

        /* MWAIT ends at a masked interrupt if it is told so; it falls through behind a store */
        mov     $1, %eax
        cpuid
        test    $8, %ecx
        jz      3f
        set     0x380, 100000
        mov     $3f, %ebp
        mov     $line, %eax
        xor     %ecx, %ecx
        xor     %edx, %edx
        monitor
        xor     %eax, %eax
        inc     %ecx
        mwait
3:      reg     0x220
        sti
        nop
        nop
1:      cmpl    $2, ticks
        jb      1b
        cli
        say     ticks
        put     '\n

        /* a counter, and one that there is not */
        write_msr 0xc1, 0, 0x12345
        xor     %ecx, %ecx
        mov     $1f, %ebp
        rdpmc
        call    print
1:      mov     $7, %ecx
        mov     $1f, %ebp
        rdpmc
        call    print
1:      put     '\n
        xor     %ebp, %ebp
        finish  0
1:      jmp     1b

refused:                                        /* goes on at EBP */
        put     'G
        mov     %ebp, 4(%esp)
        add     $4, %esp
        iret

nmi:    incl    nmis
        iret

timer:  incl    ticks
        movl    $0, APIC + 0xb0
        iret

low:    push    %eax
        shll    $8, order
        movb    $0x51, order
        jmp     1f
high:   push    %eax
        shll    $8, order
        movb    $0x92, order
1:      incl    taken
        movl    $0, APIC + 0xb0
        pop     %eax
        iret

print:                                          /* EAX in hexadecimal and a space; destroys EDX, ESI, EDI */
        mov     %eax, %esi
        mov     $8, %edi
1:      rol     $4, %esi
        mov     %esi, %eax
        and     $15, %eax
        mov     digits(%eax), %al
        out     %al, $0xe9
        dec     %edi
        jnz     1b
        put     ' '
        ret

        .data
digits: .ascii  "0123456789abcdef"
        .align  4
pointer: .word  0x7ff
        .long   IDT
        .align  4
order:  .long   0
taken:  .long   0
nmis:   .long   0
ticks:  .long   0
        .align  64
line:   .fill   64

        .bss
        .align  16
        .skip   4096
stack:
