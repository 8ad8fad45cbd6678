/* The entry from a multiboot loader: protected mode, flat segments, no stack. */
        .set    MULTIBOOT, 0x1badb002
        .set    FLAGS, 3                /* page-aligned modules, memory information */

        .section .multiboot, "a"
        .align  4
        .long   MULTIBOOT, FLAGS, -(MULTIBOOT + FLAGS)

        .text
        .globl  _start
_start:
        mov     $stack_top, %esp
        push    %ebx                    /* the multiboot information */
        push    %eax                    /* the loader's magic number, if it is one */
        call    begin

        .bss
        .align  16
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
