/* Code that is reached and written through several mappings of its frame, and written by everything that writes memory: stores through an alias, string
   instructions, input from a port, pushes, interrupts, CALL, x87, descriptor-table stores; and linear pages that change their frame under hot code.
   Each part adds to EBX what the code gave and subtracts what it should have given: EBX must be 0 at the end of each.

   corpus: run --cpu core2duo --memory 4M */

#include "corpus.inc"

        .set    DIRECTORY, 0x180000
        .set    TABLE, 0x181000
        .set    IDT, 0x182000
        .set    FRAME, 0x190000         /* of the code */
        .set    OTHER, 0x191000         /* another */
        .set    ONE, 0x300000           /* linear pages: two aliases of FRAME, one behind the first, one that changes its frame */
        .set    TWO, 0x304000
        .set    BEHIND, ONE + 0x1000
        .set    MOVING, 0x308000

        .macro  map linear frame
        movl    $\frame + 7, TABLE + (\linear >> 10)
        .endm

        .macro  check part
        test    %ebx, %ebx
        mov     $\part, %al
        jnz     failed
        .endm

        .globl  _start
_start:
        mov     $stack, %esp
        lidt    idt_pointer
        mov     $handler, %eax
        mov     %ax, IDT + 0x80 * 8
        mov     %cs, IDT + 0x80 * 8 + 2
        movw    $0x8e00, IDT + 0x80 * 8 + 4
        shr     $16, %eax
        mov     %ax, IDT + 0x80 * 8 + 6
        mov     $TABLE, %edi
        mov     $7, %eax
        mov     $1024, %ecx
1:      stosl
        add     $0x1000, %eax
        loop    1b
        movl    $TABLE + 7, DIRECTORY
        map     ONE FRAME
        map     TWO FRAME
        map     BEHIND OTHER
        map     MOVING FRAME
        mov     $DIRECTORY, %eax
        mov     %eax, %cr3
        mov     $0x80010031, %eax
        mov     %eax, %cr0
        xor     %ebx, %ebx
        fninit

        /* 1: called at one alias, its immediate written through the other */
        mov     $function, %esi
        mov     $ONE, %edi
        mov     $function_end - function, %ecx
        rep movsb
        mov     $400, %ebp
1:      mov     %ebp, TWO + function_value - function
        mov     $ONE, %eax
        call    *%eax
        sub     %ebp, %ebx
        dec     %ebp
        jnz     1b
        check   1

        /* 2: called at both by turns, written through a third, its own frame */
        mov     $400, %ebp
2:      mov     %ebp, FRAME + function_value - function
        mov     $ONE, %eax
        test    $1, %ebp
        jz      3f
        mov     $TWO, %eax
3:      call    *%eax
        sub     %ebp, %ebx
        dec     %ebp
        jnz     2b
        check   2

        /* 3: a loop that rewrites itself through the alias, in the block that is running and in the next */
        mov     $loop, %esi
        mov     $ONE, %edi
        mov     $loop_end - loop, %ecx
        rep movsb
        mov     $300, %ebp
        mov     $ONE, %eax
        call    *%eax
        check   3

        /* 4: written by string instructions: REP MOVS, REP STOS backwards, MOVS */
        call    place_function
        mov     $300, %ebp
4:      mov     %ebp, value
        mov     $value, %esi
        mov     $TWO + function_value - function, %edi
        mov     $4, %ecx
        rep movsb
        call    run
        mov     %ebp, %eax
        mov     $TWO + function_value - function, %edi
        mov     $1, %ecx
        std
        rep stosl
        cld
        call    run
        mov     $value, %esi
        mov     $TWO + function_value - function, %edi
        movsl
        call    run
        dec     %ebp
        jnz     4b
        check   4

        /* 5: written by input from a port: what the second interrupt controller's mask holds */
        movl    $0, TWO + function_value - function
        mov     $255, %ebp
5:      mov     %ebp, %eax
        out     %al, $0xa1
        mov     $0xa1, %edx
        mov     $TWO + function_value - function, %edi
        insb
        call    run
        dec     %ebp
        jnz     5b
        check   5

        /* 6: written by PUSH, by CALL, by an interrupt, by XADD, BTC and CMPXCHG8B, by SGDT and by the x87 */
        mov     $200, %ebp
6:      mov     %esp, saved
        mov     $TWO + function_value - function + 4, %esp
        push    %ebp
        mov     saved, %esp
        call    run
        mov     $TWO + function_value - function + 4, %esp
        call    7f
7:      mov     saved, %esp
        call    run_any
        sub     $7b, %ebx
        mov     $TWO + function_value - function + 12, %esp
        int     $0x80                   /* its EIP goes into the value, CS and EFLAGS behind the function */
        mov     saved, %esp
after:  movb    $0xc3, TWO + function_value - function + 4      /* where CS is */
        call    run_any
        sub     $after - 6, %ebx
        mov     %ebp, TWO + function_value - function
        mov     $1, %eax
        xadd    %eax, TWO + function_value - function
        btcl    $30, TWO + function_value - function
        call    run_any
        lea     1(%ebp), %eax
        btc     $30, %eax
        sub     %eax, %ebx
        mov     TWO + function_value - function, %eax
        mov     TWO + function_value - function + 4, %edx
        push    %ebx
        mov     %ebp, %ebx
        mov     %edx, %ecx
        lock cmpxchg8b TWO + function_value - function
        pop     %ebx
        call    run
        fildl   limit
        fistpl  TWO + function_value - function
        call    run_any
        sub     limit, %ebx
        sgdt    TWO + function_value - function - 2    /* over the opcode too */
        movw    $0xc381, TWO + function_value - function - 2
        call    run_any
        sgdt    saved + 4
        sub     saved + 6, %ebx
        dec     %ebp
        jnz     6b
        check   6

        /* 7: an instruction that lies on two pages: the second is written, and then changes its frame */
        mov     $function, %esi
        mov     $ONE + 0x1000 - (function_value - function) - 1, %edi
        mov     $function_end - function, %ecx
        rep movsb
        mov     $200, %ebp
8:      mov     %ebp, ONE + 0xfff
        mov     $ONE + 0x1000 - (function_value - function) - 1, %eax
        call    *%eax
        sub     %ebp, %ebx
        mov     OTHER, %eax             /* another frame with another value behind */
        add     $0x10, %eax
        mov     %eax, FRAME + 0x2000
        mov     OTHER + 4, %eax
        mov     %eax, FRAME + 0x2004
        map     BEHIND FRAME+0x2000
        invlpg  BEHIND
        mov     $ONE + 0x1000 - (function_value - function) - 1, %eax
        call    *%eax
        sub     %ebp, %ebx
        sub     $0x1000, %ebx
        map     BEHIND OTHER
        invlpg  BEHIND
        dec     %ebp
        jnz     8b
        check   7

        /* 8: a page that changes its frame under a hot loop; by INVLPG and by loading CR3 */
        mov     $function, %esi
        mov     $FRAME, %edi
        mov     $function_end - function, %ecx
        rep movsb
        mov     $function, %esi
        mov     $OTHER, %edi
        mov     $function_end - function, %ecx
        rep movsb
        movl    $3, FRAME + function_value - function
        movl    $5, OTHER + function_value - function
        mov     $300, %ebp
9:      mov     $MOVING, %eax
        call    *%eax
        sub     $3, %ebx
        map     MOVING OTHER
        invlpg  MOVING
        mov     $MOVING, %eax
        call    *%eax
        sub     $5, %ebx
        map     MOVING FRAME
        mov     %cr3, %eax
        mov     %eax, %cr3
        dec     %ebp
        jnz     9b
        check   8
        put     'k'
        finish  0

failed: add     $'0', %al
        out     %al, $0xe9
        finish  1

run:    call    run_any
        sub     %ebp, %ebx
        ret
run_any:
        mov     $ONE, %eax
        jmp     *%eax
place_function:
        mov     $function, %esi
        mov     $ONE, %edi
        mov     $function_end - function, %ecx
        rep movsb
        ret
handler:
        mov     saved, %esp
        jmp     after

function:
        .byte   0x81, 0xc3              /* add $value, %ebx */
function_value:
        .long   0
        ret
        .skip   12
function_end:

loop:   mov     %ebp, TWO + same - loop + 2
same:   .byte   0x81, 0xc3              /* add $value, %ebx */
        .long   0
        sub     %ebp, %ebx
        lea     7(%ebp), %eax
        mov     %eax, TWO + next - loop + 2
        test    $1, %ebp
        jz      next
        nop
next:   .byte   0x81, 0xc3              /* add $value, %ebx */
        .long   0
        sub     %eax, %ebx
        dec     %ebp
        jnz     loop
        ret
loop_end:

        .data
        .align  4
value:  .long   0
saved:  .long   0, 0, 0
limit:  .long   0x12345678
idt_pointer:
        .word   0x7ff
        .long   IDT
        .skip   1024
stack:
