/* x87 instructions of the guest, done by the host's own unit.

   The state is the image of hyper/cpu/fpu.py. x87_run loads it into the host's unit, executes the very instruction there, with the guest's control word,
   and takes the state back; so results, exceptions, tags and condition codes, masked or not, are those of silicon. The host's unit is left as the ABI
   wants it: empty, and with the control word it had. */

#ifndef __x86_64__
#error "hyper does floating-point arithmetic with the x87 unit of the host: it can be built for x86-64 only"
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { EXCEPTIONS = 0x3f, STACK_FAULT = 0x40, STICKY = EXCEPTIONS | STACK_FAULT, SUMMARY = 0x80, BUSY = 0x8000, CONDITIONS_AND_TOP = 0x7f00, EMPTY = 3 };

struct unit {
    u16 control, status;
    u8 tags, unused;
    u16 opcode;
    u32 ip;
    u16 cs, unused1;
    u32 dp;
    u16 ds, unused2;
    u32 mxcsr, mxcsr_mask;
    struct { u64 significand; u16 exponent, unused[3]; } registers[8];
    u8 xmm[8][16];
    u8 unused3[128];
    u8 operand[16];             /* the part of the image that is left to software: what an instruction stores */
};

/* what FNSAVE stores and FRSTOR loads */
struct saved {
    u32 control, status, tags, pointers[4];
    struct __attribute__((packed)) { u64 significand; u16 exponent; } stack[8];
} __attribute__((packed));

/* All instructions, each with a RET behind it, four bytes apart: 512 on registers (escape * 64 + the low bits of ModRM), then 64 on memory at RDI
   (escape * 8 + ModRM.reg). */
__asm__(".pushsection .text\n"
        ".balign 16\n"
        "x87_instructions:\n"
        ".set x87_escape, 0xd8\n"
        ".rept 8\n"
        "  .set x87_modrm, 0xc0\n"
        "  .rept 64\n"
        "    .byte x87_escape, x87_modrm, 0xc3, 0xcc\n"
        "    .set x87_modrm, x87_modrm + 1\n"
        "  .endr\n"
        "  .set x87_escape, x87_escape + 1\n"
        ".endr\n"
        ".set x87_escape, 0xd8\n"
        ".rept 8\n"
        "  .set x87_modrm, 0x07\n"
        "  .rept 8\n"
        "    .byte x87_escape, x87_modrm, 0xc3, 0xcc\n"
        "    .set x87_modrm, x87_modrm + 8\n"
        "  .endr\n"
        "  .set x87_escape, x87_escape + 1\n"
        ".endr\n"
        ".popsection\n");

/* Executes an instruction by its place in the table above. low, high: the memory operand that it reads, up to 10 bytes; flags: CF, PF, AF, ZF and SF
   before it. What it stores is put into `operand`. Returns the flags behind it, and from bit 8 on the exceptions that it raised and are not masked. */
long x87_run(void *image, long instruction, long low, long high, long flags)
{
    struct unit *unit = image;
    struct saved saved;
    u8 operand[16];
    u16 host;
    __builtin_memset(&saved, 0, sizeof saved);
    u32 top = unit->status >> 11 & 7;
    /* without the exceptions of earlier instructions: those not masked would be raised again */
    saved.control = unit->control;
    saved.status = unit->status & CONDITIONS_AND_TOP;
    for (int k = 0; k < 8; k++) {
        if (!(unit->tags >> k & 1))
            saved.tags |= EMPTY << 2 * k;
        saved.stack[k].significand = unit->registers[(top + k) & 7].significand;
        saved.stack[k].exponent = unit->registers[(top + k) & 7].exponent;
    }
    __builtin_memcpy(operand, &low, 8);
    __builtin_memcpy(operand + 8, &high, 8);
    /* the call must not use the red zone, and FNSAVE also initializes: no exception is pending behind it */
    u64 place = (u64)instruction * 4, ah = (u64)flags << 8;
    __asm__ volatile("fnstcw %[host]\n\t"
                     "frstor %[saved]\n\t"
                     "lea x87_instructions(%%rip), %%rdx\n\t"
                     "add %[place], %%rdx\n\t"
                     "lea -128(%%rsp), %%rsp\n\t"
                     "sahf\n\t"
                     "call *%%rdx\n\t"
                     "lahf\n\t"
                     "lea 128(%%rsp), %%rsp\n\t"
                     "fnsave %[saved]"
                     : [host] "=m"(host), [saved] "+m"(saved), "+a"(ah), "+m"(operand)
                     : [place] "r"(place), "D"(operand)
                     : "rdx", "cc", "memory");
    if (host != 0x37f)
        __asm__ volatile("fldcw %0" : : "m"(host));
    u32 raised = saved.status & STICKY;
    u32 status = (saved.status & CONDITIONS_AND_TOP) | (unit->status & STICKY) | raised;
    if (status & EXCEPTIONS & ~unit->control)
        status |= SUMMARY | BUSY;
    unit->status = status;
    unit->tags = 0;
    top = status >> 11 & 7;
    for (int k = 0; k < 8; k++) {
        if ((saved.tags >> 2 * k & 3) != EMPTY)
            unit->tags |= 1 << k;
        unit->registers[(top + k) & 7].significand = saved.stack[k].significand;
        unit->registers[(top + k) & 7].exponent = saved.stack[k].exponent;
    }
    __builtin_memcpy(unit->operand, operand, sizeof operand);
    return (ah >> 8 & 0xff) | (long)(raised & EXCEPTIONS & ~unit->control) << 8;
}
