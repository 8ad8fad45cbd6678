/* How the processor gets into the kernel: at the start, from the hypervisor, which has built the frame of the trap on our stack, and by the
 * fast trap, where the processor itself has done so.
 *
 * Where bare/ clears and sets the interrupt flag, here it is the master bit of the events mask, in memory. Handlers of the trap table are
 * entered with it clear, as the table says. The fast trap is not, so between its first instruction and the one that clears the bit an event
 * may interrupt us; so it may between the one that sets it and IRET. The event's handler then finds it has interrupted ring 1, and does
 * no more than count. */

#define __ASSEMBLER__ 1
#include "layout.h"
#include "xen.h"

#define VECTOR_EVENT 32
#define VECTOR_PAGE_FAULT 14
#define VECTOR_PROTECTION 13
#define FRAME_VECTOR 40                 /* offset in struct trap_frame */

    .section .start, "ax"
    .globl _start
_start:
    movl $boot_stack_top, %esp
    cld
    pushl %esi                          /* start_info */
    call para_main

    .macro gate vector
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17
    .else
    pushl $0
    .endif
    pushl $\vector
    jmp entered
    .endm

    .text
    .altmacro
    .set i, 0
    .rept 20
    .align 16
    .if i == 0
    .globl gates
gates:
    .endif
    gate %i
    .set i, i + 1
    .endr

/* The hypervisor has pushed the address on top of the error code. DS may be anything yet, SS is the kernel's. */
    .globl gate_page_fault
gate_page_fault:
    pushl %eax
    movl 4(%esp), %eax
    movl %eax, %ss:fault_address
    popl %eax
    movl $VECTOR_PAGE_FAULT, (%esp)
    jmp entered

/* The hypervisor could not return to us: DS, ES, FS, GS are on top of what it tried to return to. As if it had faulted itself. */
    .globl gate_failsafe
gate_failsafe:
    addl $16, %esp
    pushl $0
    pushl $VECTOR_PROTECTION
    jmp entered

    .globl gate_event
gate_event:
    pushl $0
    pushl $VECTOR_EVENT
    jmp entered

    .globl gate_system_call
gate_system_call:
    pushl $0
    pushl $0x80
entered:
    pushal
    pushl %ds
    pushl %es
    movl $KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl shared_info, %ebx
    movb $0, SHARED_EVENTS_MASK + 3(%ebx)       /* the byte of the master bit */
    cld
    pushl %esp
    call trap
    addl $4, %esp
    .globl trap_return
trap_return:
    movl shared_info, %ebx
    movb $EVENTS_MASTER >> 24, SHARED_EVENTS_MASK + 3(%ebx)
    movl SHARED_EVENTS(%ebx), %eax
    testl %eax, SHARED_EVENTS_MASK(%ebx)
    jnz 1f                              /* came while we masked it; nobody else will tell us */
    popl %es
    popl %ds
    popal
    addl $8, %esp                       /* vector and error code */
    .globl trap_return_end
trap_return_end:
    iret
1:  movb $0, SHARED_EVENTS_MASK + 3(%ebx)
    movl $VECTOR_EVENT, FRAME_VECTOR(%esp)
    pushl %esp
    call trap
    addl $4, %esp
    jmp trap_return

    .bss
    .globl shared_info, fault_address
    .align 4096
    .skip 4096
boot_stack_top:
shared_info:
    .skip 4
fault_address:
    .skip 4

    .section .note.GNU-stack, "", @progbits
