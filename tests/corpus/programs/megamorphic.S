/* A byte-code interpreter: one indirect jump with many targets, calls through a table, returns to many callers. */

#include "corpus.inc"

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $0x1234, %eax
        mov     $900, %ebp
        mov     $code, %esi
dispatch:
        dec     %ebp
        jz      done
        movzbl  (%esi), %ecx
        inc     %esi
        cmp     $code_end, %esi
        jb      1f
        mov     $code, %esi
1:      xor     %eax, %ecx
        and     $31, %ecx
        jmp     *table(, %ecx, 4)

        .macro  operation number
operation_\number:
        add     $\number * 77, %eax
        rol     $\number, %eax
        call    *functions(, %ecx, 4)
        jmp     dispatch
function_\number:
        lea     \number(%ebx, %eax), %ebx
        xor     $\number * 0x1010101, %eax
        ret
        .endm

        .set    n, 0
        .rept   32
        .altmacro
        operation %n
        .noaltmacro
        .set    n, n + 1
        .endr

done:   mov     %eax, %edi
        put     'k'
        finish  0

        .data
        .align  4
        .macro  entry name number
        .long   \name\number
        .endm
table:
        .set    n, 0
        .rept   32
        .altmacro
        entry   operation_, %n
        .noaltmacro
        .set    n, n + 1
        .endr
functions:
        .set    n, 0
        .rept   32
        .altmacro
        entry   function_, %n
        .noaltmacro
        .set    n, n + 1
        .endr
code:   .byte   3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3, 2, 7, 9, 5
code_end:
        .skip   256
stack:
