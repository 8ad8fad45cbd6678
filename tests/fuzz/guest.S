# Executes random bytes in the mode MODE, again and again: each exception enters a handler in ring 0 which shuffles the registers and goes back to
# another place of the random code; so does a timer, in case that it loops. Assembled with MODE and PAGING defined; entered at 8000h in flat protected mode. What lies from 10000h on is random:
# page tables, register values, code (__main__.py).
#
#    MODE 0 ring 0, 32 bit; 1 ring 0, 16 bit; 2 ring 3, 32 bit; 3 ring 3, 16 bit; 4 virtual-8086; 5 real
#    PAGING 0 none; 1 32-bit; 2 PAE; the user's pages are the code and one behind it, some of the directory's entries are random

        .set CODE, 0x20000
        .set CODE_SIZE, 0x10000
        .set DIRECTORY, 0x10000         # random, but for what is written here
        .set TABLE, 0x11000
        .set POINTERS, 0x12000
        .set REGISTERS, 0x13000         # 64 times 8
        .set SEED, 0x13800
        .set ROUNDS, 0x13804            # times that random code has been entered
        .set STACK, 0x18000
        .set USER_STACK, 0x2ff00

        .code32
        .text
        .globl _start
_start: cld
        mov     $STACK, %esp
        lgdt    gdt_pointer
        ljmp    $8, $1f
1:      mov     %cr0, %eax
        or      $0x20, %eax             # NE: an x87 exception is one
        mov     %eax, %cr0
        mov     $ports, %esi            # interrupt controllers and timer
5:      movzbl  (%esi), %edx
        mov     1(%esi), %al
        out     %al, %dx
        add     $2, %esi
        cmp     $ports_end, %esi
        jne     5b
        .if MODE == 5
        jmp     to_real
        .endif
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $tss, %eax
        mov     %ax, gdt + 0x42
        shr     $16, %eax
        mov     %al, gdt + 0x44
        mov     $idt, %edi
        mov     $stubs, %esi
        mov     $256, %ecx
2:      mov     %esi, %eax
        and     $0xffff, %eax
        or      $0x80000, %eax
        stosl
        mov     %esi, %eax
        and     $0xffff0000, %eax
        or      $0xee00, %eax
        stosl
        add     $8, %esi
        loop    2b
        .if PAGING == 1
        mov     $256, %ecx              # the first megabyte one to one; the rest of the table stays random
        mov     $TABLE, %edi
        mov     $3, %eax
3:      mov     %eax, %edx
        call    user
        mov     %edx, (%edi)
        add     $4, %edi
        add     $0x1000, %eax
        loop    3b
        movl    $TABLE + 7, DIRECTORY
        mov     $DIRECTORY, %eax
        mov     %eax, %cr3
        mov     $0x90, %ebx             # PGE, PSE
        .endif
        .if PAGING == 2
        mov     $256, %ecx
        mov     $TABLE, %edi
        mov     $3, %eax
3:      mov     %eax, %edx
        call    user
        mov     %edx, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x1000, %eax
        loop    3b
        movl    $TABLE + 7, DIRECTORY
        movl    $0, DIRECTORY + 4
        mov     $POINTERS, %edi
        mov     $4, %ecx
4:      movl    $DIRECTORY + 1, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        loop    4b
        mov     $POINTERS, %eax
        mov     %eax, %cr3
        mov     $0xa0, %ebx             # PGE, PAE
        .endif
        .if PAGING
        mov     $1, %eax
        push    %ebx
        cpuid
        pop     %ebx
        shr     $1, %edx                # VME, if there is
        and     $1, %edx
        or      %edx, %ebx
        mov     %ebx, %cr4
        mov     %cr0, %eax
        or      $0x80010000, %eax       # PG, WP
        mov     %eax, %cr0
        .endif
        jmp     again

user:   # of the pages, the user gets the code's and the one behind it
        mov     %eax, %esi
        shr     $12, %esi
        cmp     $CODE >> 12, %esi
        jb      5f
        cmp     $(CODE + CODE_SIZE) >> 12, %esi
        ja      5f
        or      $4, %edx
5:      ret

        # a vector's stub: eight bytes
        .balign 8
stubs:  .rept   256
        jmp     again
        .balign 8
        .endr

again:  # all that random code in ring 0 may have changed and that is needed here
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $STACK, %esp
        mov     $0x20, %al
        out     %al, $0x20              # the end of the timer's interrupt, if it was that
        lidt    idt_pointer
        lgdt    gdt_pointer
        .if MODE < 2
        mov     %cr0, %eax
        and     $0xffffffd1, %eax       # no TS, EM, MP
        or      $0x21, %eax
        mov     %eax, %cr0
        .endif
        movb    $0x89, gdt + 0x45
        mov     $0x40, %eax
        ltr     %ax
        incl    ROUNDS
        mov     SEED, %eax
        imul    $1664525, %eax
        add     $1013904223, %eax
        mov     %eax, SEED
        shr     $8, %eax
        mov     %eax, %esi
        and     $CODE_SIZE - 1, %esi    # where
        shr     $20 - 8, %eax
        and     $63, %eax
        shl     $5, %eax
        add     $REGISTERS, %eax        # with which registers
        .if MODE == 4
        pushl   $0x2000                 # GS, FS, DS, ES
        pushl   $0x1f80
        pushl   $0x2000
        pushl   $0x2100
        .endif
        .if MODE >= 2
        .if MODE == 4
        pushl   $CODE >> 4
        .elseif MODE == 3
        pushl   $0x33
        .else
        pushl   $0x23
        .endif
        testl   $3, %esi
        jz      6f
        .if MODE == 2
        pushl   $USER_STACK
        .else
        pushl   $USER_STACK - CODE
        .endif
        jmp     7f
6:      pushl   16(%eax)
7:
        .endif
        mov     28(%eax), %edx
        .if MODE == 4
        and     $0x43dd5, %edx          # AC, IOPL, arithmetic flags, TF, and IF
        or      $0x20202, %edx
        .elseif MODE >= 2
        and     $0x44dd5, %edx          # without IOPL
        or      $0x202, %edx
        .else
        and     $0xcd5, %edx
        or      $0x202, %edx
        .endif
        pushl   %edx
        .if MODE == 4
        pushl   $CODE >> 4
        .elseif MODE == 3
        pushl   $0x2b
        .elseif MODE == 2
        pushl   $0x1b
        .elseif MODE == 1
        pushl   $0x38
        .else
        pushl   $8
        .endif
        .if MODE == 0 || MODE == 2
        add     $CODE, %esi
        .endif
        pushl   %esi
        .if MODE == 2
        mov     $0x23, %ecx
        mov     %ecx, %ds
        mov     %ecx, %es
        mov     %ecx, %fs
        mov     $0x33, %ecx
        mov     %ecx, %gs
        .endif
        .if MODE == 3
        mov     $0x33, %ecx
        mov     %ecx, %ds
        mov     %ecx, %es
        mov     $0x23, %ecx
        mov     %ecx, %fs
        .endif
        mov     %ss:4(%eax), %ecx
        mov     %ss:8(%eax), %edx
        mov     %ss:12(%eax), %ebx
        mov     %ss:20(%eax), %ebp
        mov     %ss:24(%eax), %edi
        mov     %ss:16(%eax), %esi
        mov     %ss:(%eax), %eax
        iret

        .if MODE == 5
to_real:
        mov     $0x50, %eax             # limits as real mode has them
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        ljmp    $0x48, $real - _start
        .code16
real:   mov     %cr0, %eax
        and     $0xfe, %al
        mov     %eax, %cr0
        ljmp    $0x800, $in_real - _start
in_real:
        xor     %ax, %ax
        mov     %ax, %es
        xor     %di, %di
        mov     $256, %cx
8:      mov     $again_real - _start, %ax
        stosw
        mov     $0x800, %ax
        stosw
        loop    8b
again_real:
        mov     $0x800, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0xf000, %sp
        mov     $0x20, %al
        out     %al, $0x20
        mov     %cr0, %eax
        and     $0xf1, %al
        mov     %eax, %cr0
        lidtl   real_idt_pointer - _start
        incl    ROUNDS - 0x8000
        mov     SEED - 0x8000, %eax
        imul    $1664525, %eax, %eax
        add     $1013904223, %eax
        mov     %eax, SEED - 0x8000
        shr     $8, %eax
        pushw   %ax                     # where, for later
        shr     $12, %eax
        and     $63, %ax
        shl     $5, %ax
        add     $REGISTERS - 0x8000, %ax
        mov     %ax, %bp
        mov     (%bp), %eax
        mov     4(%bp), %ecx
        mov     8(%bp), %edx
        mov     12(%bp), %ebx
        mov     24(%bp), %edi
        mov     28(%bp), %si
        and     $0xcd5, %si
        or      $0x202, %si
        push    %si
        pushw   $CODE >> 4
        pushw   0xeffe
        mov     %ax, %es
        pushw   $CODE >> 4
        popw    %ds
        iretw
        .endif

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
        .quad   0x00cffb000000ffff
        .quad   0x00cff3000000ffff
        .quad   0x0000fb020000ffff      # 28: 16-bit code of ring 3 at CODE
        .quad   0x0000f3020000ffff      # 30: data at CODE
        .quad   0x00009b020000ffff      # 38: 16-bit code of ring 0 at CODE
        .quad   0x0000890000000067      # 40: the TSS
        .quad   0x00009b008000ffff      # 48: 16-bit code here
        .quad   0x000093000000ffff
        .quad   0x0000ec0000088000, 0x0000e50000400000, 0x0000840000000067      # a call gate to the beginning, a task gate, and odd ones
        .fill   8, 8, 0x5aa5f35a1234ffff
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        # port and value: vectors from 20h and 28h, only the timer; a tick each 2.5 microseconds
ports:  .byte   0x20, 0x11, 0x21, 0x20, 0x21, 4, 0x21, 1, 0x21, 0xfe, 0xa0, 0x11, 0xa1, 0x28, 0xa1, 2, 0xa1, 1, 0xa1, 0xff
        .byte   0x43, 0x34, 0x40, 3, 0x40, 0
ports_end:
idt_pointer:
        .word   0x7ff
        .long   idt
real_idt_pointer:
        .word   0x3ff
        .long   0
        .balign 8
tss:    .long   0, STACK, 0x10
        .fill   22, 4, 0
        .word   0, 0x68
        .fill   64, 1, 0x55             # of the bitmaps
        .balign 8
idt:    .skip   2048
