/* try(), and where traps and callbacks of the suite go. */
#include "xen/xen-1.0.h"
#define NO_TRAP -1
#define FAILSAFE 100
#define TRAP_WORDS 12

        .text
        .globl  try, event_callback, failsafe_callback, trap_stubs, user_entry
try:    push    %ebp
        push    %ebx
        push    %esi
        push    %edi
        mov     %esp, try_esp
        movl    $NO_TRAP, trapped
        call    *20(%esp)
try_end:
        mov     try_esp, %esp
        pop     %edi
        pop     %esi
        pop     %ebx
        pop     %ebp
        mov     trapped, %eax
        ret

        /* one stub of 16 bytes for each vector */
        .balign 16
trap_stubs:
        vector = 0
        .rept   256
        .balign 16
        push    $vector
        jmp     trap_common
        vector = vector + 1
        .endr

trap_common:
        mov     $XEN_RING1_DS, %eax             /* whatever the segment registers are */
        mov     %eax, %ds
        mov     %eax, %es
        popl    trapped
copy:   mov     %esp, %esi
        mov     $trap_frame, %edi
        mov     $TRAP_WORDS, %ecx
        cld
        rep     movsl
        jmp     try_end

failsafe_callback:
        mov     $XEN_RING1_DS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        movl    $FAILSAFE, trapped
        jmp     copy

event_callback:
        incl    event_calls
        iret

        /* user_entry(EIP, ESP): goes to ring 3 */
user_entry:
        mov     4(%esp), %eax
        mov     8(%esp), %ecx
        push    $XEN_RING3_DS
        push    %ecx
        pushf
        push    $XEN_RING3_CS
        push    %eax
        mov     $XEN_RING3_DS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        iret

        .bss
        .balign 4
        .globl  trap_frame, event_calls
trapped:        .skip   4
try_esp:        .skip   4
trap_frame:     .skip   4 * TRAP_WORDS
event_calls:    .skip   4
        .section .note.GNU-stack, "", @progbits
