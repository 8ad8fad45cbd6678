/* Instructions of the system in ring 0, in every form that the opcode maps have: what they store is added up. The forms of MOV to and from control and
   debug registers whose mod field is not 3 mean the same as those with 3.

   corpus: run --cpu core2duo */

#include "corpus.inc"

        .set    SLOT, 0x180000

        .macro  count at
        add     \at, %ebx
        rol     $3, %ebx
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        xor     %ebx, %ebx
        mov     $tss, %eax
        mov     %ax, gdt + 0x1a
        shr     $16, %eax
        mov     %al, gdt + 0x1c
        lgdt    gdt_pointer
        lidt    idt_pointer
        ljmp    $8, $1f
1:      mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $SLOT, %edi

        /* descriptor tables: memory and register forms */
        movw    $0x20, (%edi)
        lldt    (%edi)
        sldt    4(%edi)
        sldt    %eax
        count   4(%edi)
        count   %eax
        movw    $0x18, (%edi)
        ltr     (%edi)
        str     4(%edi)
        str     %eax
        count   4(%edi)
        count   %eax
        mov     $0x20, %eax
        lldt    %ax
        andb    $0xfd, gdt + 0x1d       /* not busy */
        mov     $0x18, %eax
        ltr     %ax
        sgdt    8(%edi)
        count   8(%edi)
        sidt    8(%edi)
        count   8(%edi)
        movw    $0x10, (%edi)
        verr    (%edi)
        setz    %al
        verw    (%edi)
        setz    %ah
        lar     (%edi), %ecx
        lsl     (%edi), %edx
        movzwl  %ax, %eax
        count   %eax
        count   %ecx
        count   %edx

        /* machine status, control and debug registers */
        smsw    (%edi)
        smsw    %eax
        count   (%edi)
        count   %eax
        movw    $0x3b, (%edi)
        lmsw    (%edi)                  /* with TS */
        mov     %cr0, %ecx
        count   %ecx
        mov     $0x33, %eax
        lmsw    %ax
        clts
        mov     %cr0, %ecx
        count   %ecx
        mov     $0x1234, %eax
        mov     %eax, %cr2
        .byte   0x0f, 0x20, 0x11        /* mov %cr2, %ecx */
        count   %ecx
        inc     %eax
        .byte   0x0f, 0x22, 0x10        /* mov %eax, %cr2 */
        mov     %cr2, %ecx
        count   %ecx
        mov     %eax, %dr0
        .byte   0x0f, 0x21, 0x01        /* mov %dr0, %ecx */
        count   %ecx
        .byte   0x0f, 0x23, 0x18        /* mov %eax, %dr3 */
        mov     %dr3, %ecx
        count   %ecx
        invlpg  (%edi)

        /* caches, model-specific registers, counters, identification, hints */
        wbinvd
        invd
        mov     $0x176, %ecx
        mov     $0x55aa, %eax
        xor     %edx, %edx
        wrmsr
        rdmsr
        count   %eax
        xor     %ecx, %ecx
        rdpmc
        rdtsc
        xor     %eax, %eax
        cpuid
        add     %ecx, %edx
        mov     $0, %ebx
        count   %edx
        lfence
        mfence
        sfence
        fwait
        pause
        .byte   0x0f, 0x0d, 0xc8        /* a NOP on Intel's processors, and not on AMD's, which the oracle may run on */

        /* ports, by number and in DX, and strings; port E9h is the console, A1h the mask of the second interrupt controller */
        mov     $0xff, %al
        out     %al, $0xa1
        in      $0xa1, %al
        count   %eax
        mov     $0xa1, %edx
        in      (%dx), %al
        out     %al, (%dx)
        count   %eax
        mov     $0x1234, %edx
        out     %ax, (%dx)
        out     %eax, (%dx)
        in      (%dx), %ax
        count   %eax
        in      (%dx), %eax
        count   %eax
        out     %ax, $0xe0
        out     %eax, $0xe0
        in      $0xe0, %ax
        in      $0xe0, %eax
        count   %eax
        mov     $0xe9, %edx
        mov     $text, %esi
        outsb
        mov     $3, %ecx
        rep outsb
        mov     $0x1234, %edx
        outsl
        outsw
        mov     $0xa1, %edx
        mov     $SLOT, %edi
        insb
        mov     $0x1234, %edx
        insw
        insl
        mov     $2, %ecx
        rep insl
        count   SLOT
        count   SLOT + 8

        .byte   0xf1                    /* INT1 */
        count   %eax
        mov     %esp, 4(%edi)
        movw    $0x10, 8(%edi)
        lss     4(%edi), %esp
        pushl   $0x10
        pop     %ss
        sti
        cli
        finish  0

debug:  incl    %eax                    /* a trap: behind the instruction */
        add     (%esp), %eax
        iret

        .data
        .align  8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
        .quad   0x0000890000000067      /* 18: TSS */
        .quad   0x0000821600000007      /* 20: LDT */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        .align  8
idt:    .quad   0
        .word   debug - _start, 8, 0x8e00, 0x10
idt_end:
idt_pointer:
        .word   idt_end - idt - 1
        .long   idt
tss:    .long   0, stack, 0x10
        .fill   22, 4, 0
        .word   0, 0x68
text:   .ascii  "text  more words"
        .balign 8
        .skip   512
stack:
