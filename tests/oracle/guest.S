# Runs a batch of snippets (layout.py) in ring 3 of the machine, as native.c does on the host: the same linear addresses, the same pages.
#
# Entered at 100000h in flat protected mode. The batch lies at BATCH; results go to RESULTS; the machine ends with status 0 through port F4h.

        .set CODE, 0x10000000
        .set DATA, 0x20000000
        .set CODE_FRAME, 0x200000
        .set DATA_FRAME, 0x300000
        .set BATCH, 0x400000
        .set IMAGE, BATCH + 16
        .set STATES, IMAGE + 8192
        .set RESULTS, 0x1000000
        .set DIRECTORY, 0x180000
        .set CODE_TABLE, 0x181000
        .set DATA_TABLE, 0x182000
        .set IDT, 0x183000
        .set KERNEL_STACK, 0x190000
        .set USER_CS, 0x23              # as under a 64-bit Linux, and so are the descriptors
        .set USER_DS, 0x2b
        .set KERNEL_DS, 0x18
        .set LDT, 0x38

        .text
        .globl _start
_start: cld
        mov     $KERNEL_STACK, %esp
        # the first 64 MB one to one for the kernel, in 4 MB pages
        mov     $DIRECTORY, %edi
        mov     $0x83, %eax
        mov     $16, %ecx
1:      stosl
        add     $0x400000, %eax
        loop    1b
        movl    $CODE_TABLE + 7, DIRECTORY + (CODE >> 20)
        movl    $DATA_TABLE + 7, DIRECTORY + (DATA >> 20)
        movl    $CODE_FRAME + 7, CODE_TABLE
        movl    $DATA_FRAME + 7, DATA_TABLE
        movl    $DATA_FRAME + 0x1007, DATA_TABLE + 4
        movl    $DATA_FRAME + 0x2005, DATA_TABLE + 8
        mov     $IMAGE, %esi
        mov     $DATA_FRAME + 0x2000, %edi
        mov     $1024, %ecx
        rep movsl
        mov     $DIRECTORY, %eax
        mov     %eax, %cr3
        mov     $0x610, %eax            # OSXMMEXCPT, OSFXSR, PSE
        cmpl    $0, BATCH + 8
        jne     1f
        mov     $0x10, %eax
1:
        mov     %eax, %cr4
        mov     $0x80010031, %eax       # PG, WP, NE, ET, PE
        mov     %eax, %cr0
        mov     $tss, %eax
        mov     %ax, gdt + 0x40 + 2
        shr     $16, %eax
        mov     %al, gdt + 0x40 + 4
        mov     $ldt, %eax
        mov     %ax, gdt + LDT + 2
        shr     $16, %eax
        mov     %al, gdt + LDT + 4
        lgdt    gdt_pointer
        ljmp    $8, $1f
1:      mov     $USER_DS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     $KERNEL_DS, %eax
        mov     %eax, %ss
        mov     $LDT, %eax
        lldt    %ax
        mov     $0x40, %eax
        ltr     %ax
        mov     $IDT, %edi
        mov     $vectors, %esi
        mov     $32, %ecx
2:      mov     %esi, %eax
        and     $0xffff, %eax
        or      $0x80000, %eax          # KERNEL_CS
        stosl
        mov     %esi, %eax
        and     $0xffff0000, %eax
        or      $0x8e00, %eax
        stosl
        add     $16, %esi
        loop    2b
        orl     $0x6000, IDT + 3 * 8 + 4        # INT3 and INTO from ring 3
        orl     $0x6000, IDT + 4 * 8 + 4
        lidt    idt_pointer
        mov     BATCH + 8, %eax
        shl     $9, %eax
        add     $STATES, %eax
        mov     %eax, snippet

next_snippet:
        mov     done, %eax
        cmp     BATCH, %eax
        jne     3f
        xor     %eax, %eax
        out     %al, $0xf4
3:      mov     $CODE_FRAME, %edi
        mov     $0xcccccccc, %eax
        mov     $1024, %ecx
        rep stosl
        mov     snippet, %esi
        add     $64, %esi
        mov     $CODE_FRAME, %edi
        add     -64 + 36(%esi), %edi
        mov     $192, %ecx
        rep movsb
        mov     BATCH + 4, %eax
        mov     %eax, remaining
run:    mov     $IMAGE, %esi
        mov     $DATA_FRAME, %edi
        mov     $2048, %ecx
        rep movsl
        mov     snippet, %eax
        cmpl    $0, BATCH + 8
        je      1f
        mov     40(%eax), %ecx
        shl     $9, %ecx
        fxrstor STATES(%ecx)
1:      movzwl  48(%eax), %ecx          # SS
        pushl   %ecx
        pushl   16(%eax)
        pushl   32(%eax)
        movzwl  46(%eax), %ecx          # CS
        pushl   %ecx
        pushl   56(%eax)
        mov     4(%eax), %ecx
        mov     8(%eax), %edx
        mov     12(%eax), %ebx
        mov     20(%eax), %ebp
        mov     24(%eax), %esi
        mov     28(%eax), %edi
        mov     52(%eax), %fs
        mov     54(%eax), %gs
        mov     44(%eax), %es
        pushl   (%eax)
        mov     50(%eax), %ds
        popl    %eax
        iret

ended:  # vector, error code, EIP, CS, EFLAGS, ESP, SS are on the stack; DS and ES may be null, so first SS reaches the data
        testl   $3, %ss:12(%esp)
        jz      broken
        pushl   %ds
        pushl   %es
        pushl   $USER_DS
        popl    %ds
        pushl   $USER_DS
        popl    %es
        pushl   %edi
        mov     result, %edi
        mov     %eax, (%edi)
        mov     %ecx, 4(%edi)
        mov     %edx, 8(%edi)
        mov     %ebx, 12(%edi)
        mov     %ebp, 20(%edi)
        mov     %esi, 24(%edi)
        popl    28(%edi)
        cld
        popl    %eax
        movzwl  %ax, %eax
        mov     %eax, 52(%edi)          # ES
        popl    %eax
        movzwl  %ax, %eax
        mov     %eax, 64(%edi)          # DS
        xor     %eax, %eax
        mov     %fs, %ax
        mov     %eax, 68(%edi)
        mov     %gs, %ax
        mov     %eax, 72(%edi)
        popl    40(%edi)                # vector
        popl    44(%edi)                # error code
        popl    36(%edi)                # EIP
        popl    56(%edi)                # CS
        popl    32(%edi)                # EFLAGS
        popl    16(%edi)                # ESP
        popl    60(%edi)                # SS
        movl    $0, 48(%edi)
        cmpl    $14, 40(%edi)
        jne     4f
        mov     %cr2, %eax
        mov     %eax, 48(%edi)
4:      cmpl    $0, BATCH + 8
        je      5f
        fxsave  128(%edi)
5:      decl    remaining
        jne     run
        mov     $DATA_FRAME, %esi
        add     $640, %edi
        mov     $2048, %ecx
        rep movsl
        mov     %edi, result
        addl    $256, snippet
        incl    done
        jmp     next_snippet

broken: mov     $0x7f, %al
        out     %al, $0xf4

        .balign 16
vectors:
        .set    vector, 0
        .rept   32
        .balign 16
        .if     (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
        .else
        pushl   $0
        .endif
        pushl   $vector
        jmp     ended
        .set    vector, vector + 1
        .endr

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0
        .quad   0x00cf93000000ffff
        .quad   0x00cffb000000ffff
        .quad   0x00cff3000000ffff
        .quad   0x00affb000000ffff      # 64-bit code under Linux: data for who loads it
        .quad   0x0000820000000037      # the LDT and the TSS, whose bases are filled in
        .quad   0x0000890000000067
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
idt_pointer:
        .word   32 * 8 - 1
        .long   IDT
ldt:    .quad   0x2050f30000002fff      # as in native.c
        .quad   0x2010f30000002fff
        .quad   0x1010fb0000000fff
        .quad   0x2050f70000000fff
        .quad   0x2050f10000002fff
        .quad   0x2050730000002fff
        .quad   0x1050f90000000fff
snippet: .long  0
result: .long   RESULTS
done:   .long   0
remaining: .long 0
        .balign 8
tss:    .long   0, KERNEL_STACK, 0x18
        .fill   22, 4, 0
        .word   0, 0x68                 # no I/O bitmap
