/* Every shift and rotation in three sizes by every count from 0 to 34, and SHLD and SHRD: results, and the flags that the manual defines. */

#include "corpus.inc"

        .macro  note flags
        pushf
        pop     %edx
        and     $\flags, %edx
        add     %eax, %ebp
        rol     $7, %ebp
        xor     %edx, %ebp
        .endm

        .macro  by_cl operation flags   /* counts within the operand's bits: CF is defined */
        mov     %esi, %eax
        bt      $3, %esi
        \operation %cl, %eax
        note    \flags
        mov     %esi, %eax
        cmp     $16, %cl
        ja      1f
        bt      $5, %esi
        \operation %cl, %ax
        note    \flags
        cmp     $8, %cl
        ja      1f
        bt      $6, %esi
        \operation %cl, %ah
        note    \flags
1:
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        xor     %ebp, %ebp
        mov     $0x89abcdef, %esi
value:  xor     %ecx, %ecx
count:  .irp    operation, rol, ror, rcl, rcr
        by_cl   \operation 1
        .endr
        test    %cl, %cl                /* a count of zero leaves the flags of before */
        jz      skip
        .irp    operation, shl, shr, sar
        by_cl   \operation 0xc5
        .endr
        mov     %esi, %eax
        mov     $0x13579bdf, %edi
        shld    %cl, %edi, %eax
        note    0xc5
        shrd    %cl, %edi, %eax
        note    0xc5
skip:   /* by one, where OF is defined, and in memory */
        .irp    operation, rol, ror, rcl, rcr, shl, shr, sar
        mov     %esi, cell
        \operation\()l $1, cell
        .endr
        mov     %esi, cell
        .irp    operation, rol, ror, rcl, rcr
        \operation\()l cell
        mov     cell, %eax
        note    0x801
        .endr
        .irp    operation, shl, shr, sar
        \operation\()l cell
        mov     cell, %eax
        note    0x8c5
        .endr
        inc     %ecx
        cmp     $35, %ecx
        jne     count
        imul    $0x41c64e6d, %esi
        add     $12345, %esi
        incl    rounds
        cmpl    $3, rounds
        jne     value
        mov     %ebp, %ebx
        put     'k'
        finish  0

        .data
        .align  4
cell:   .long   0
rounds: .long   0
        .skip   64
stack:
