/* VT-x by a guest of its own: VMXON, a VMCS written field by field, a launch, two exits, a failed entry, INVEPT and INVVPID, VMXOFF.

   corpus: run --cpu nehalem --memory 4M */

#include "corpus.inc"

        .set    REGION, 0x200000
        .set    CONTROL, 0x201000
        .set    DIRECTORY, 0x202000
        .set    REVISION, 14

        .globl  _start
_start:
        mov     $stack, %esp
        lgdt    gdt_pointer
        ljmp    $8, $1f
1:      mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $tss, %eax
        mov     %ax, gdt + 0x1a
        shr     $16, %eax
        mov     %al, gdt + 0x1c
        mov     $0x18, %eax
        ltr     %ax
        movl    $0x83, DIRECTORY        /* the first 4 MB one to one */
        mov     $DIRECTORY, %eax
        mov     %eax, %cr3
        mov     $0x2010, %eax           /* VMXE, PSE */
        mov     %eax, %cr4
        mov     $0x80000031, %eax
        mov     %eax, %cr0
        mov     $0x3a, %ecx             /* IA32_FEATURE_CONTROL: lock it, with VMXON allowed, if firmware has not */
        rdmsr
        test    $1, %al
        jnz     2f
        mov     $5, %eax
        wrmsr
2:      movl    $REVISION, REGION
        movl    $REVISION, CONTROL
        vmxon   region
        jbe     failed
        vmclear control
        jbe     failed
        vmptrld control
        jbe     failed
        vmptrst stored
        mov     stored, %ebx
        mov     $fields, %esi
3:      lodsl                           /* each field by both forms of VMWRITE */
        mov     %eax, %edx
        cmp     $-1, %edx
        je      4f
        vmwrite (%esi), %edx
        jbe     failed
        lodsl
        vmwrite %eax, %edx
        jbe     failed
        jmp     3b
4:      mov     $0x6c14, %edx           /* HOST_RSP, HOST_RIP */
        vmwrite %esp, %edx
        mov     $0x6c16, %edx
        mov     $exit, %eax
        vmwrite %eax, %edx
        vmlaunch
        jmp     failed

guest:  mov     $0x1111, %ecx
        vmcall
        add     $0x2222, %ecx
        vmcall

exit:   mov     $0x4402, %edx           /* EXIT_REASON, in register and memory */
        vmread  %edx, %eax
        vmread  %edx, stored
        add     stored, %eax
        add     %eax, %ebx
        add     %ecx, %ebx
        cmp     $0x3333, %ecx
        je      5f
        mov     $0x681e, %edx           /* GUEST_RIP: behind VMCALL */
        vmread  %edx, %eax
        add     $3, %eax
        vmwrite %eax, %edx
        vmresume
        jmp     failed
5:      vmlaunch                        /* of a launched VMCS: fails, and says why */
        jnz     failed
        mov     $0x4400, %edx
        vmread  %edx, %eax
        shl     $16, %eax
        add     %eax, %ebx
        mov     $2, %eax                /* every context */
        .byte   0x66, 0x0f, 0x38, 0x80, 0x05
        .long   descriptor              /* invept */
        jbe     failed
        .byte   0x66, 0x0f, 0x38, 0x81, 0x05
        .long   descriptor              /* invvpid */
        jbe     failed
        vmxoff
        put     'k'
        finish  0
failed: put     'f'
        finish  1

        .data
        .align  8
region: .quad   REGION
control: .quad  CONTROL
stored: .quad   0
descriptor: .quad 0, 0
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
        .quad   0x0000890000000067      /* the TSS */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
tss:    .fill   26, 4, 0

        /* SDM vol. 3, appendix B: encoding, value */
        .macro  field encoding value
        .long   \encoding, \value
        .endm
fields: field   0x4000, 0x16            /* controls: what the processor demands */
        field   0x4002, 0x04006172
        field   0x400c, 0x36dff
        field   0x4012, 0x11ff
        field   0x2800, -1
        field   0x2801, -1
        field   0x0c00, 0x10            /* the host */
        field   0x0c02, 8
        field   0x0c04, 0x10
        field   0x0c06, 0x10
        field   0x0c0c, 0x18
        field   0x6c00, 0x80000031
        field   0x6c02, DIRECTORY
        field   0x6c04, 0x2010
        field   0x6c0a, tss
        field   0x6c0c, gdt
        field   0x0800, 0x10            /* the guest */
        field   0x0802, 8
        field   0x0804, 0x10
        field   0x0806, 0x10
        field   0x0808, 0x10
        field   0x080a, 0x10
        field   0x4800, -1
        field   0x4802, -1
        field   0x4804, -1
        field   0x4806, -1
        field   0x4808, -1
        field   0x480a, -1
        field   0x480e, 0x67
        field   0x4814, 0xc093
        field   0x4816, 0xc09b
        field   0x4818, 0xc093
        field   0x481a, 0xc093
        field   0x481c, 0xc093
        field   0x481e, 0xc093
        field   0x4820, 0x10000
        field   0x4822, 0x8b
        field   0x6800, 0x80000031
        field   0x6802, DIRECTORY
        field   0x6804, 0x2010
        field   0x6820, 2
        field   0x681c, stack
        field   0x681e, guest
        .long   -1
        .skip   512
stack:
