/* u32 processor_features(void): CPUID 1, EDX; 0 from a processor without the instruction, on which the flag ID cannot be changed. */

#define FLAG_ID 0x200000

    .text
    .globl processor_features
processor_features:
    pushfl
    popl %eax
    movl %eax, %ecx
    xorl $FLAG_ID, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    pushl %ecx
    popfl
    xorl %ecx, %eax
    andl $FLAG_ID, %eax
    jz 1f
    pushl %ebx
    movl $1, %eax
    cpuid
    movl %edx, %eax
    popl %ebx
1:  ret

    .section .note.GNU-stack, "", @progbits
