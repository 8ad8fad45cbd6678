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
enum { C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, TOP = 0x3800, ONE_TOP = 0x800, PE = 0x20 };
enum { FIRST_TO_FLAGS = 0xe8 };         /* DB E8 to DB F7 in the table of instructions; those of DF lie 256 places behind */


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
    /* FCOMI and its kin clear C1, which processors of AMD leave as it is */
    if (((u64)instruction & ~0x100ul) - FIRST_TO_FLAGS < 16 && !(raised & STACK_FAULT))
        status &= ~C1;
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

/* -- The common cases of common instructions, in integers

   Loading and saving the host's unit takes longer than most operations. So what is met all the time is calculated here: normal numbers and zeroes, with
   extended or double precision, rounded to nearest, and no exception but #P, masked. Whatever else there is these functions leave to x87_run, before
   they have changed anything. tests/hyper/test_cpu_x87_quick.py compares the two. */

#define likely(condition) __builtin_expect(!!(condition), 1)

enum { BIAS = 16383, SIGN = 0x8000, MAXIMUM = 0x7fff, BIAS32 = 127, BIAS64 = 1023 };
enum { ROUNDING = 0xc00, NEAREST = 0, DOWN = 0x400, UP = 0x800, TRUNCATE = 0xc00, ROUNDING_AND_PRECISION = 0xf00, EXTENDED = 0x300, DOUBLE = 0x200 };
#define INTEGER_BIT (1ul << 63)
#define HALF (1ul << 63)

struct number { u64 significand; u32 exponent; };      /* the exponent with the sign, as in a register */

#define QUICK(name) long x87_##name(void *image, long instruction, long low, long high, long flags)
#define SLOWLY return x87_run(image, instruction, low, high, flags)
#define UNIT struct unit *unit = image; u32 top = unit->status >> 11 & 7
#define HAS(place) (unit->tags >> (place) & 1)
#define OTHER ((top + instruction) & 7)

static inline struct number number(struct unit *unit, u32 place)
{
    return (struct number){unit->registers[place].significand, unit->registers[place].exponent};
}

static inline int is_normal(struct number a)
{
    return (long)a.significand < 0 && (a.exponent & MAXIMUM) - 1u < MAXIMUM - 1u;
}

static inline int is_zero(struct number a)
{
    return !(a.significand | (a.exponent & MAXIMUM));
}

static inline void put(struct unit *unit, u32 place, u64 significand, u32 exponent, u32 status)
{
    unit->registers[place].significand = significand;
    unit->registers[place].exponent = exponent;
    unit->status = status;
}

static inline void pop(struct unit *unit, u32 top)
{
    unit->tags &= ~(1u << top);
    unit->status = (unit->status & ~TOP) | ((unit->status + ONE_TOP) & TOP);
}

/* The value of significand.rest * 2 ^ exponent, its first bit set, rounded into a register. 0 if that is not done here. */
static inline int round_to(struct unit *unit, u32 place, u32 sign, int exponent, u64 significand, u64 rest)
{
    u32 control = unit->control & ROUNDING_AND_PRECISION, status = unit->status & ~C1;
    u64 up;
    if (exponent - 1u >= MAXIMUM - 2u)
        return 0;
    if (likely(control == EXTENDED)) {
        up = rest >> 63 & (significand | (rest << 1 != 0));
    } else if (control == DOUBLE) {
        rest = (significand & 0x7ff) << 53 | rest >> 11 | (rest << 53 != 0);
        up = rest >> 63 & (significand >> 11 | (rest << 1 != 0));
        significand &= ~0x7fful;
        up <<= 11;
    } else {
        return 0;
    }
    if (rest) {
        if (!(unit->control & PE))
            return 0;
        status |= up ? PE | C1 : PE;
        significand += up;
        if (!significand) {
            significand = INTEGER_BIT;
            exponent++;
        }
    }
    put(unit, place, significand, sign | exponent, status);
    return 1;
}

static inline int zero(struct unit *unit, u32 place, u32 sign)
{
    put(unit, place, 0, sign, unit->status & ~C1);
    return 1;
}

static inline int add(struct unit *unit, u32 place, struct number a, struct number b)
{
    if (!is_normal(a) || !is_normal(b)) {
        if (is_zero(a) && is_normal(b))
            return round_to(unit, place, b.exponent & SIGN, b.exponent & MAXIMUM, b.significand, 0);
        if (is_zero(b) && is_normal(a))
            return round_to(unit, place, a.exponent & SIGN, a.exponent & MAXIMUM, a.significand, 0);
        if (is_zero(a) && is_zero(b) && (unit->control & ROUNDING) == NEAREST)
            return zero(unit, place, a.exponent & b.exponent);
        return 0;
    }
    if ((a.exponent & MAXIMUM) < (b.exponent & MAXIMUM)) {
        struct number swap = a;
        a = b;
        b = swap;
    }
    u32 sign = a.exponent & SIGN, distance = (a.exponent & MAXIMUM) - (b.exponent & MAXIMUM);
    int exponent = a.exponent & MAXIMUM;
    u64 high = 0, rest = 1, sum;
    if (likely(distance < 64)) {
        high = b.significand >> distance;
        rest = b.significand << 1 << (63 - distance);
    } else if (distance < 66) {
        rest = distance == 64 ? b.significand : b.significand >> 1 | (b.significand & 1);
    }
    if (!((a.exponent ^ b.exponent) & SIGN)) {
        sum = a.significand + high;
        if (sum < high) {
            rest = rest >> 1 | (rest & 1) | sum << 63;
            sum = sum >> 1 | INTEGER_BIT;
            exponent++;
        }
        return round_to(unit, place, sign, exponent, sum, rest);
    }
    if (a.significand < high) {         /* of the same exponent, then */
        sum = high - a.significand;
        sign ^= SIGN;
    } else {
        sum = a.significand - high - (rest != 0);
        rest = -rest;
    }
    if (!(long)sum) {
        if (!rest)
            return (unit->control & ROUNDING) == NEAREST ? zero(unit, place, 0) : 0;
        sum = rest;
        rest = 0;
        exponent -= 64;
    }
    if ((long)sum > 0) {
        int shift = __builtin_clzl(sum);
        sum = sum << shift | rest >> 1 >> (63 - shift);
        rest <<= shift;
        exponent -= shift;
    }
    return round_to(unit, place, sign, exponent, sum, rest);
}

static inline int subtract(struct unit *unit, u32 place, struct number a, struct number b)
{
    b.exponent ^= SIGN;
    return add(unit, place, a, b);
}

static inline int multiply(struct unit *unit, u32 place, struct number a, struct number b)
{
    u32 sign = (a.exponent ^ b.exponent) & SIGN;
    if (!is_normal(a) || !is_normal(b)) {
        if ((is_zero(a) && (is_zero(b) || is_normal(b))) || (is_zero(b) && is_normal(a)))
            return zero(unit, place, sign);
        return 0;
    }
    unsigned __int128 product = (unsigned __int128)a.significand * b.significand;
    int exponent = (a.exponent & MAXIMUM) + (b.exponent & MAXIMUM) - BIAS + 1;
    if (!(product >> 127)) {
        product <<= 1;
        exponent--;
    }
    return round_to(unit, place, sign, exponent, product >> 64, product);
}

static inline int divide(struct unit *unit, u32 place, struct number a, struct number b)
{
    u32 sign = (a.exponent ^ b.exponent) & SIGN;
    if (!is_normal(a) || !is_normal(b))
        return is_zero(a) && is_normal(b) ? zero(unit, place, sign) : 0;
    int exponent = (a.exponent & MAXIMUM) - (b.exponent & MAXIMUM) + BIAS;
    u64 high = a.significand, low = 0, quotient, remainder;
    if (high >= b.significand) {
        low = high << 63;
        high >>= 1;
    } else {
        exponent--;
    }
    __asm__("divq %4" : "=a"(quotient), "=d"(remainder) : "0"(low), "1"(high), "r"(b.significand) : "cc");
    u64 other = b.significand - remainder;
    return round_to(unit, place, sign, exponent, quotient, remainder > other ? HALF + 1 : remainder == other ? HALF : remainder != 0);
}

static inline int subtract_reversed(struct unit *unit, u32 place, struct number a, struct number b) { return subtract(unit, place, b, a); }
static inline int divide_reversed(struct unit *unit, u32 place, struct number a, struct number b) { return divide(unit, place, b, a); }

/* C3, C2 and C0 of a comparison; -1 if it is not made here. */
static inline int compare(struct number a, struct number b)
{
    int a_zero = is_zero(a), b_zero = is_zero(b);
    if (!(a_zero || is_normal(a)) || !(b_zero || is_normal(b)))
        return -1;
    if (a_zero && b_zero)
        return C3;
    if ((a.exponent ^ b.exponent) & SIGN)
        return a.exponent & SIGN ? C0 : 0;
    if (a.exponent == b.exponent && a.significand == b.significand)
        return C3;
    int less = a.exponent != b.exponent ? a.exponent < b.exponent : a.significand < b.significand;
    return less ^ (a.exponent >> 15) ? C0 : 0;
}

static inline int compare_to_status(struct unit *unit, struct number a, struct number b)
{
    int conditions = compare(a, b);
    if (conditions < 0)
        return 0;
    unit->status = (unit->status & ~(C0 | C1 | C2 | C3)) | conditions;
    return 1;
}

/* Operands in memory. 0 if the value is not of those calculated with here. */

static inline int from_single(u32 bits, struct number *to)
{
    u32 exponent = bits >> 23 & 0xff;
    *to = (struct number){0, bits >> 16 & SIGN};
    if (likely(exponent - 1u < 0xfe))
        *to = (struct number){INTEGER_BIT | (u64)bits << 40, (bits >> 16 & SIGN) | (exponent + BIAS - BIAS32)};
    else if (bits << 1)
        return 0;
    return 1;
}

static inline int from_double(u64 bits, struct number *to)
{
    u32 exponent = bits >> 52 & 0x7ff;
    *to = (struct number){0, bits >> 48 & SIGN};
    if (likely(exponent - 1u < 0x7fe))
        *to = (struct number){INTEGER_BIT | bits << 11, (bits >> 48 & SIGN) | (exponent + BIAS - BIAS64)};
    else if (bits << 1)
        return 0;
    return 1;
}

static inline int from_integer(long value, struct number *to)
{
    u64 magnitude = value < 0 ? -(u64)value : (u64)value;
    *to = (struct number){0, 0};
    if (value) {
        int shift = __builtin_clzl(magnitude);
        *to = (struct number){magnitude << shift, (value < 0 ? SIGN : 0) | (BIAS + 63 - shift)};
    }
    return 1;
}

#define FROM_INTEGER32(low, to) from_integer((int)(low), to)
#define FROM_INTEGER16(low, to) from_integer((short)(low), to)

/* -- arithmetic */

#define ON_MEMORY(escape, reg, from, calculate) \
    QUICK(escape##_##reg) { \
        UNIT; \
        struct number b; \
        if (HAS(top) && from(low, &b) && calculate(unit, top, number(unit, top), b)) \
            return 0; \
        SLOWLY; \
    }
#define COMPARE_MEMORY(escape, reg, from, pops) \
    QUICK(escape##_##reg) { \
        UNIT; \
        struct number b; \
        if (!(HAS(top) && from(low, &b) && compare_to_status(unit, number(unit, top), b))) \
            SLOWLY; \
        if (pops) \
            pop(unit, top); \
        return 0; \
    }
#define ARITHMETIC(escape, from) \
    ON_MEMORY(escape, 0, from, add) ON_MEMORY(escape, 1, from, multiply) COMPARE_MEMORY(escape, 2, from, 0) COMPARE_MEMORY(escape, 3, from, 1) \
    ON_MEMORY(escape, 4, from, subtract) ON_MEMORY(escape, 5, from, subtract_reversed) ON_MEMORY(escape, 6, from, divide) \
    ON_MEMORY(escape, 7, from, divide_reversed)

ARITHMETIC(d8, from_single)
ARITHMETIC(da, FROM_INTEGER32)
ARITHMETIC(dc, from_double)
ARITHMETIC(de, FROM_INTEGER16)

#define ON_STACK(name, target, calculate, pops) \
    QUICK(name) { \
        UNIT; \
        u32 other = OTHER; \
        if (!(HAS(top) && HAS(other) && calculate(unit, target, number(unit, top), number(unit, other)))) \
            SLOWLY; \
        if (pops) \
            pop(unit, top); \
        return 0; \
    }
#define TO_TOP(name, calculate) ON_STACK(name, top, calculate, 0)
#define TO_OTHER(name, calculate) ON_STACK(dc_##name, other, calculate, 0) ON_STACK(de_##name, other, calculate, 1)
#define COMPARE_STACK(name, pops) \
    QUICK(name) { \
        UNIT; \
        u32 other = OTHER; \
        if (!(HAS(top) && HAS(other) && compare_to_status(unit, number(unit, top), number(unit, other)))) \
            SLOWLY; \
        for (int k = 0; k < pops; k++) \
            pop(unit, (top + k) & 7); \
        return 0; \
    }

TO_TOP(d8_c0, add) TO_TOP(d8_c8, multiply) TO_TOP(d8_e0, subtract) TO_TOP(d8_e8, subtract_reversed) TO_TOP(d8_f0, divide) TO_TOP(d8_f8, divide_reversed)
TO_OTHER(c0, add) TO_OTHER(c8, multiply) TO_OTHER(e0, subtract) TO_OTHER(e8, subtract_reversed) TO_OTHER(f0, divide) TO_OTHER(f8, divide_reversed)
COMPARE_STACK(d8_d0, 0) COMPARE_STACK(d8_d8, 1) COMPARE_STACK(dd_e0, 0) COMPARE_STACK(dd_e8, 1) COMPARE_STACK(de_d9, 2) COMPARE_STACK(da_e9, 2)

QUICK(d9_e4)
{
    UNIT;
    if (HAS(top) && compare_to_status(unit, number(unit, top), (struct number){0, 0}))
        return 0;
    SLOWLY;
}

/* FCOMI and its kin: ZF, PF and CF. */
#define COMPARE_TO_FLAGS(name, pops) \
    QUICK(name) { \
        UNIT; \
        u32 other = OTHER; \
        int conditions = HAS(top) && HAS(other) ? compare(number(unit, top), number(unit, other)) : -1; \
        if (conditions < 0) \
            SLOWLY; \
        unit->status &= ~C1; \
        if (pops) \
            pop(unit, top); \
        return conditions >> 8; \
    }
COMPARE_TO_FLAGS(db_e8, 0) COMPARE_TO_FLAGS(db_f0, 0) COMPARE_TO_FLAGS(df_e8, 1) COMPARE_TO_FLAGS(df_f0, 1)

QUICK(d9_fa)
{
    UNIT;
    struct number a = number(unit, top);
    u16 host;
    if (!HAS(top) || !is_normal(a) || a.exponent & SIGN || (unit->control & (ROUNDING_AND_PRECISION | PE)) != (EXTENDED | PE))
        SLOWLY;
    __asm__("fnstcw %0" : "=m"(host));
    if (host != 0x37f)
        SLOWLY;
    __asm__("fldt %0\n\tfsqrt\n\tfstpt %0" : "+m"(unit->registers[top]));
    u64 root = unit->registers[top].significand;
    unsigned __int128 square = (unsigned __int128)root * root, exact = (unsigned __int128)a.significand << (a.exponent & 1 ? 63 : 64);
    u32 status = unit->status & ~C1;
    if (square != exact)
        status |= square > exact ? PE | C1 : PE;
    unit->status = status;
    return 0;
}

/* -- loads */

static inline int push(struct unit *unit, u32 top, struct number a)
{
    u32 place = (top - 1) & 7;
    if (HAS(place))
        return 0;
    unit->tags |= 1u << place;
    put(unit, place, a.significand, a.exponent, (unit->status & ~(C1 | TOP)) | place << 11);
    return 1;
}

#define LOAD(name, from) \
    QUICK(name) { \
        UNIT; \
        struct number a; \
        if (from(low, &a) && push(unit, top, a)) \
            return 0; \
        SLOWLY; \
    }
#define PUSH(name, condition, value) \
    QUICK(name) { \
        UNIT; \
        if ((condition) && push(unit, top, value)) \
            return 0; \
        SLOWLY; \
    }
LOAD(d9_0, from_single) LOAD(dd_0, from_double) LOAD(db_0, FROM_INTEGER32) LOAD(df_0, FROM_INTEGER16) LOAD(df_5, from_integer)
PUSH(db_5, 1, ((struct number){low, high}))
PUSH(d9_c0, HAS(OTHER), number(unit, OTHER))
PUSH(d9_e8, 1, ((struct number){INTEGER_BIT, BIAS}))
PUSH(d9_ee, 1, ((struct number){0, 0}))
/* logarithms to base 2 of 10 and e, pi, logarithms of 2 to base 10 and e: as they are rounded to nearest */
#define CONSTANT(name, exponent, significand) PUSH(name, (unit->control & ROUNDING) == NEAREST, ((struct number){significand, exponent}))
CONSTANT(d9_e9, BIAS + 1, 0xd49a784bcd1b8afe) CONSTANT(d9_ea, BIAS, 0xb8aa3b295c17f0bc) CONSTANT(d9_eb, BIAS + 1, 0xc90fdaa22168c235)
CONSTANT(d9_ec, BIAS - 2, 0x9a209a84fbcff799) CONSTANT(d9_ed, BIAS - 1, 0xb17217f7d1cf79ac)

/* -- stores */

/* To a format of `bits` bits of significand behind the first; 0 if the result is not normal there. */
static inline int narrow(struct unit *unit, struct number a, int bits, int bias, u64 *to)
{
    int drop = 63 - bits, exponent = (int)(a.exponent & MAXIMUM) - BIAS + bias;
    u64 sign = (u64)(a.exponent >> 15) << (bits == 23 ? 31 : 63);
    if (is_zero(a)) {
        *to = sign;
        unit->status &= ~C1;
        return 1;
    }
    if (!is_normal(a) || exponent - 1u >= 2 * bias - 1u || (unit->control & ROUNDING) != NEAREST)
        return 0;
    u64 rest = a.significand << (64 - drop), kept = a.significand >> drop, up = rest >> 63 & (kept | (rest << 1 != 0));
    u32 status = unit->status & ~C1;
    if (rest) {
        if (!(unit->control & PE))
            return 0;
        status |= up ? PE | C1 : PE;
    }
    unit->status = status;
    /* the first bit adds one to the exponent, and so does a carry */
    *to = sign + ((u64)(exponent - 1) << bits) + kept + up;
    return 1;
}

/* To a whole number, whose magnitude is below 2 ^ 63, and the status word behind that. */
static inline int to_whole(struct unit *unit, struct number a, u32 rounding, u64 *to, u32 *status)
{
    int shift = BIAS + 63 - (int)(a.exponent & MAXIMUM);
    u64 magnitude = 0, rest = 0;
    *status = unit->status & ~C1;
    if (is_normal(a)) {
        if (shift <= 0)
            return 0;
        if (shift < 64) {
            magnitude = a.significand >> shift;
            rest = a.significand << (64 - shift);
        } else {
            rest = shift == 64 ? a.significand : 1;
        }
        if (rest) {
            u64 up = rounding == NEAREST ? rest >> 63 & (magnitude | (rest << 1 != 0)) : rounding == TRUNCATE ? 0 : (rounding == DOWN) == a.exponent >> 15;
            if (!(unit->control & PE))
                return 0;
            *status |= up ? PE | C1 : PE;
            magnitude += up;
        }
    } else if (!is_zero(a)) {
        return 0;
    }
    *to = magnitude;
    return !(magnitude >> 63);
}

static inline int to_integer(struct unit *unit, struct number a, int size, u32 rounding, u64 *to)
{
    u32 status;
    if (!to_whole(unit, a, rounding, to, &status) || *to >> (size * 8 - 1))
        return 0;
    unit->status = status;
    if (a.exponent >> 15)
        *to = -*to;
    return 1;
}

#define STORE(name, conversion, pops) \
    QUICK(name) { \
        UNIT; \
        u64 value; \
        if (!(HAS(top) && conversion)) \
            SLOWLY; \
        __builtin_memcpy(unit->operand, &value, 8); \
        if (pops) \
            pop(unit, top); \
        return 0; \
    }
#define TO_SINGLE narrow(unit, number(unit, top), 23, BIAS32, &value)
#define TO_DOUBLE narrow(unit, number(unit, top), 52, BIAS64, &value)
#define TO_INTEGER(size) to_integer(unit, number(unit, top), size, unit->control & ROUNDING, &value)
#define TRUNCATED(size) to_integer(unit, number(unit, top), size, TRUNCATE, &value)
STORE(d9_2, TO_SINGLE, 0) STORE(d9_3, TO_SINGLE, 1) STORE(dd_2, TO_DOUBLE, 0) STORE(dd_3, TO_DOUBLE, 1)
STORE(db_2, TO_INTEGER(4), 0) STORE(db_3, TO_INTEGER(4), 1) STORE(df_2, TO_INTEGER(2), 0) STORE(df_3, TO_INTEGER(2), 1) STORE(df_7, TO_INTEGER(8), 1)
STORE(db_1, TRUNCATED(4), 1) STORE(df_1, TRUNCATED(2), 1) STORE(dd_1, TRUNCATED(8), 1)

QUICK(db_7)
{
    UNIT;
    if (!HAS(top))
        SLOWLY;
    __builtin_memcpy(unit->operand, &unit->registers[top], 10);
    unit->status &= ~C1;
    pop(unit, top);
    return 0;
}

QUICK(d9_fc)
{
    UNIT;
    u64 whole;
    u32 status;
    struct number a = number(unit, top), b;
    if (!HAS(top) || !to_whole(unit, a, unit->control & ROUNDING, &whole, &status))
        SLOWLY;
    from_integer(whole, &b);
    put(unit, top, b.significand, b.exponent | (a.exponent & SIGN), status);
    return 0;
}

/* -- moves */

#define MOVE(name, pops) \
    QUICK(name) { \
        UNIT; \
        u32 other = OTHER; \
        if (!HAS(top)) \
            SLOWLY; \
        unit->registers[other] = unit->registers[top]; \
        unit->tags |= 1u << other; \
        unit->status &= ~C1; \
        if (pops) \
            pop(unit, top); \
        return 0; \
    }
MOVE(dd_d0, 0) MOVE(dd_d8, 1)

QUICK(d9_c8)
{
    UNIT;
    u32 other = OTHER;
    if (!(HAS(top) && HAS(other)))
        SLOWLY;
    __typeof__(unit->registers[0]) swap = unit->registers[top];
    unit->registers[top] = unit->registers[other];
    unit->registers[other] = swap;
    unit->status &= ~C1;
    return 0;
}

#define CHANGE_SIGN(name, change) \
    QUICK(name) { \
        UNIT; \
        if (!HAS(top)) \
            SLOWLY; \
        unit->registers[top].exponent change; \
        unit->status &= ~C1; \
        return 0; \
    }
CHANGE_SIGN(d9_e0, ^= SIGN) CHANGE_SIGN(d9_e1, &= MAXIMUM)

/* FCMOVcc; `when`: of the flags. */
#define CONDITIONAL_MOVE(group, when) \
    QUICK(da_##group) { \
        UNIT; \
        u32 other = OTHER; \
        if (!(HAS(top) && HAS(other))) \
            SLOWLY; \
        if (flags & (when)) \
            unit->registers[top] = unit->registers[other]; \
        return 0; \
    } \
    QUICK(db_##group) { \
        UNIT; \
        u32 other = OTHER; \
        if (!(HAS(top) && HAS(other))) \
            SLOWLY; \
        if (!(flags & (when))) \
            unit->registers[top] = unit->registers[other]; \
        return 0; \
    }
CONDITIONAL_MOVE(c0, 0x01) CONDITIONAL_MOVE(c8, 0x40) CONDITIONAL_MOVE(d0, 0x41) CONDITIONAL_MOVE(d8, 0x04)
