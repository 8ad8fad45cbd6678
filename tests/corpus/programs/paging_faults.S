/* Paging: memory given on demand by the page-fault handler, copy on write, accessed and dirty bits, INVLPG, a fault in ring 0 with WP, 4 MB pages. */

#include "corpus.inc"

        .set    DIRECTORY, 0x180000
        .set    TABLE, 0x181000
        .set    IDT, 0x182000
        .set    POOL, 0x190000          /* frames to give away */

        .globl  _start
_start:
        mov     $stack, %esp
        mov     $TABLE, %edi            /* the first 2 MB one to one, and nothing else */
        mov     $3, %eax
        mov     $512, %ecx
1:      stosl
        add     $4096, %eax
        loop    1b
        movl    $TABLE + 3, DIRECTORY
        movl    $TABLE + 3, DIRECTORY + 4       /* the same table again: linear 4 MB and on, but its upper half is empty */
        movl    $0x83, DIRECTORY + 8            /* 8 MB: a large page on frame 0 */
        mov     $IDT + 14 * 8, %edi
        mov     $page_fault, %eax
        mov     %ax, (%edi)
        mov     %cs, 2(%edi)
        movw    $0x8e00, 4(%edi)
        shr     $16, %eax
        mov     %ax, 6(%edi)
        lidt    pointer
        mov     %cr4, %eax
        or      $0x10, %eax
        mov     %eax, %cr4
        mov     $DIRECTORY, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80010000, %eax       /* PG, WP */
        mov     %eax, %cr0
        jmp     2f

2:      mov     $0x600000, %edi         /* on demand: 24 pages, touched twice each, some across pages */
        mov     $24, %ecx
3:      mov     %ecx, 0x10(%edi)
        mov     0x10(%edi), %eax
        add     %eax, %ebx
        mov     %ebx, 0xffe(%edi)
        add     $4096, %edi
        loop    3b

        mov     $24, %ecx               /* what the accessed and dirty bits say of them */
        mov     $TABLE + 512 * 4, %esi
4:      lodsl
        and     $0x60, %eax
        add     %eax, %ebp
        loop    4b

        mov     $24, %ecx               /* copy on write: all read-only now */
        mov     $TABLE + 512 * 4, %esi
5:      andl    $~0x62, (%esi)
        add     $4, %esi
        loop    5b
        mov     %cr3, %eax
        mov     %eax, %cr3
        mov     $0x600000, %edi
        mov     $12, %ecx
6:      addl    $5, 0x10(%edi)          /* faults, is copied */
        addl    $7, 0x14(%edi)          /* does not */
        mov     0x10(%edi), %eax
        rol     $3, %ebx
        xor     %eax, %ebx
        add     $8192, %edi
        loop    6b

        movl    $0x11111111, 0x900010   /* through the large page, and seen at frame address 100010h */
        mov     0x100010, %edx
        mov     $0x5, %eax              /* a string that faults in the middle, and goes on */
        mov     $0x618ff0, %edi
        mov     $40, %ecx
        rep stosb
        add     %edi, %ebp
        mov     faults, %esi
        mov     copies, %edi
        put     'k'
        finish  0

page_fault:
        pushal
        incl    faults
        mov     %cr2, %eax
        shr     $12, %eax
        sub     $1024, %eax
        lea     TABLE(, %eax, 4), %ebx
        mov     36(%esp), %ecx
        add     %ecx, errors
        mov     pool, %edx
        addl    $4096, pool
        testl   $1, (%ebx)
        jnz     copy
        or      $3, %edx
        mov     %edx, (%ebx)
        jmp     mapped
        /* a write to a page that may only be read: a copy of its own */
copy:   incl    copies
        mov     (%ebx), %esi
        and     $0xfffff000, %esi
        mov     %edx, %edi
        mov     $1024, %ecx
        cld
        rep movsl
        or      $3, %edx
        mov     %edx, (%ebx)
        mov     %cr2, %eax
        invlpg  (%eax)
mapped: popal
        add     $4, %esp
        iret

        .data
        .align  4
pool:   .long   POOL
faults: .long   0
copies: .long   0
errors: .long   0
pointer:
        .word   0x7ff
        .long   IDT
        .skip   256
stack:
