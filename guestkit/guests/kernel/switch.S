/* void switch_context(u32 **save, u32 *load): goes on in another process, on its kernel stack. The C calling convention lets a callee
 * change EAX, ECX and EDX, so these four and the return address are all there is to keep. */

    .text
    .globl switch_context
switch_context:
    movl 4(%esp), %eax
    movl 8(%esp), %edx
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl %esp, (%eax)
    movl %edx, %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

    .section .note.GNU-stack, "", @progbits
