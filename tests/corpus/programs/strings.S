/* All string instructions, alone and repeated, upwards and downwards, in three sizes, overlapping, across pages. */

#include "corpus.inc"

        .macro  note
        add     %esi, %ebp
        rol     $3, %ebp
        add     %edi, %ebp
        rol     $3, %ebp
        add     %ecx, %ebp
        rol     $3, %ebp
        xor     %eax, %ebp
        .endm

        .macro  pointers from to count
        mov     $\from, %esi
        mov     $\to, %edi
        mov     $\count, %ecx
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        xor     %ebp, %ebp
        mov     $area, %edi             /* something to work on */
        mov     $1200, %ecx
        mov     $0x1234567, %eax
1:      imul    $0x41c64e6d, %eax
        add     $12345, %eax
        stosl
        loop    1b
        mov     $100, %ecx
2:      note
        .irp    direction, cld, std
        \direction
        pointers area+500 area+900 20
        movsb
        movsw
        movsl
        lodsb
        lodsw
        lodsl
        stosb
        stosw
        stosl
        cmpsb
        setb    %al
        cmpsw
        setb    %ah
        cmpsl
        seta    %dl
        scasb
        scasw
        scasl
        note
        rep movsb
        note
        pointers area+1200 area+1202 50     /* overlapping */
        rep movsw
        note
        pointers area+1600 area+1599 33
        rep movsl
        note
        pointers area+2000 area+2050 40
        rep stosb
        mov     $15, %ecx
        rep stosw
        mov     $15, %ecx
        rep stosl
        mov     $7, %ecx
        rep lodsb
        mov     $7, %ecx
        rep lodsl
        note
        pointers area+3000 area+3100 60
        repe    cmpsb
        note
        mov     $60, %ecx
        repne   cmpsw
        note
        mov     $90, %ecx
        mov     $0x44, %al
        repne   scasb
        note
        xor     %ecx, %ecx
        repe    cmpsl
        rep movsb
        note
        .endr
        cld
        decl    rounds
        jnz     2b
        /* long runs, which the machine does a page at a time */
        pointers area area+0x1803 0x1300
        rep movsb
        note
        pointers area area+0x1803 0x1300
        repe    cmpsb
        note
        mov     $area, %edi
        mov     $4800, %ecx
        xor     %edx, %edx
3:      movzbl  (%edi), %eax
        add     %eax, %edx
        rol     $1, %edx
        add     $37, %edi
        sub     $37, %ecx
        ja      3b
        mov     %edx, %ebx
        put     'k'
        finish  0

        .data
        .align  4
rounds: .long   8
        .bss
        .align  4096
area:   .skip   0x4000
        .skip   256
stack:
