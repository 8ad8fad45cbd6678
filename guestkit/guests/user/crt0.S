/* The start of every program: the stack holds the argument count, the pointers and a 0. And where signal handlers return to. */

#define __ASSEMBLER__ 1
#include "system_calls.h"

    .section .start, "ax"
    .globl _start
_start:
    movl (%esp), %eax
    leal 4(%esp), %edx
    pushl %edx
    pushl %eax
    call main
    movl %eax, %ebx
    movl $SYS_EXIT, %eax
    int $0x80

    .text
    .globl signal_return_point
signal_return_point:
    movl $SYS_SIGRETURN, %eax
    int $0x80

    .section .note.GNU-stack, "", @progbits
