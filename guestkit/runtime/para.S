/* The entry of a domain: ring 1, paging on, ESI = start_info, the stack below it. */
        .text
        .globl  _start
_start:
        push    %esi
        call    begin

        .section .note.GNU-stack, "", @progbits
