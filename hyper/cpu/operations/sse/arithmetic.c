/* What MMX and SSE instructions, up to SSSE3, make of their operands. Each is done by the host's own instruction.

   An operation reads its operand at `from` and combines it with what is at `to`. Those on 64-bit registers have names in _mm and run in the low halves
   of the host's XMM registers, so they leave the host's x87 state alone.

   Operations on floating-point numbers depend on the guest's MXCSR alone. They return the exception flags that are to be set in it, and UNMASKED if an
   exception is not masked: then the destination is as it was. The host's MXCSR holds the guest's modes, all exceptions masked, between `enter` and
   `leave` only. Where operands and result are such that the guest's MXCSR makes no difference, that is left out: `enter` and `leave` take longer than
   most operations. All others return 0. */

#if !defined(__x86_64__) || !defined(__GNUC__)
#error "the SSE instructions of the guest need an x86-64 host, and GCC or Clang"
#endif

#include <float.h>
#include <math.h>
#include <string.h>
#include <tmmintrin.h>

enum { IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, DAZ = 64, ALL_MASKED = 0x1f80, UE_MASKED = 0x800, ROUNDING = 0x6000, FTZ = 0x8000 };
enum { UNMASKED = 0x100 };      /* beside the flags in what an operation returns */

typedef long operation(char *to, const char *from, long immediate, long mxcsr);

#define WITH_SSSE3 __attribute__((target("ssse3")))
#define OPERATION(name) WITH_SSSE3 static long name(char *to, const char *from, long immediate, long mxcsr)
#define UNUSED (void)from, (void)immediate, (void)mxcsr

/* -- operands; never more bytes than the instruction's operand has are touched */

/* by halves: compiled code may just have stored them so, and a load of both at once would wait until that is out of the host's store buffer */
#define LOAD16(at) _mm_castpd_si128(_mm_loadh_pd(_mm_load_sd((const double *)(at)), (const double *)((at) + 8)))
#define LOAD8(at) _mm_loadl_epi64((const __m128i *)(at))
#define STORE16(at, value) _mm_storeu_si128((__m128i *)(at), value)
#define STORE8(at, value) _mm_storel_epi64((__m128i *)(at), value)
#define PS(x) _mm_castsi128_ps(x)
#define PD(x) _mm_castsi128_pd(x)
#define INTEGER(x) _Generic((x), __m128: _mm_castps_si128, __m128d: _mm_castpd_si128)(x)

static inline int load4(const char *at)
{
    int value;
    memcpy(&value, at, 4);
    return value;
}

static inline void store4(char *at, int value)
{
    memcpy(at, &value, 4);
}

/* the ordered halves as one, for narrow operations that take their lanes from both operands */
#define JOIN(low, high) _mm_unpacklo_epi64(low, high)

/* -- integers */

#define WIDE(name, expression) \
    OPERATION(name) { __m128i x = LOAD16(to), y = LOAD16(from); (void)x; UNUSED; STORE16(to, expression); return 0; }
#define NARROW(name, expression) \
    OPERATION(name##_mm) { __m128i x = LOAD8(to), y = LOAD8(from); (void)x; UNUSED; STORE8(to, expression); return 0; }

/* lane by lane: the low half of the wide operation is the narrow one */
#define LANES(name, expression) WIDE(name, expression) NARROW(name, expression)
/* the lanes of the result are made from pairs of one operand and then the other */
#define PAIRS(name, function) \
    WIDE(name, function(x, y)) \
    NARROW(name, function(JOIN(x, y), JOIN(x, y)))

LANES(paddb, _mm_add_epi8(x, y))
LANES(paddw, _mm_add_epi16(x, y))
LANES(paddd, _mm_add_epi32(x, y))
LANES(paddq, _mm_add_epi64(x, y))
LANES(paddsb, _mm_adds_epi8(x, y))
LANES(paddsw, _mm_adds_epi16(x, y))
LANES(paddusb, _mm_adds_epu8(x, y))
LANES(paddusw, _mm_adds_epu16(x, y))
LANES(psubb, _mm_sub_epi8(x, y))
LANES(psubw, _mm_sub_epi16(x, y))
LANES(psubd, _mm_sub_epi32(x, y))
LANES(psubq, _mm_sub_epi64(x, y))
LANES(psubsb, _mm_subs_epi8(x, y))
LANES(psubsw, _mm_subs_epi16(x, y))
LANES(psubusb, _mm_subs_epu8(x, y))
LANES(psubusw, _mm_subs_epu16(x, y))
LANES(pmullw, _mm_mullo_epi16(x, y))
LANES(pmulhw, _mm_mulhi_epi16(x, y))
LANES(pmulhuw, _mm_mulhi_epu16(x, y))
LANES(pmulhrsw, _mm_mulhrs_epi16(x, y))
LANES(pmuludq, _mm_mul_epu32(x, y))
LANES(pmaddwd, _mm_madd_epi16(x, y))
LANES(pmaddubsw, _mm_maddubs_epi16(x, y))
LANES(psadbw, _mm_sad_epu8(x, y))
LANES(pand, _mm_and_si128(x, y))
LANES(pandn, _mm_andnot_si128(x, y))
LANES(por, _mm_or_si128(x, y))
LANES(pxor, _mm_xor_si128(x, y))
LANES(pcmpeqb, _mm_cmpeq_epi8(x, y))
LANES(pcmpeqw, _mm_cmpeq_epi16(x, y))
LANES(pcmpeqd, _mm_cmpeq_epi32(x, y))
LANES(pcmpgtb, _mm_cmpgt_epi8(x, y))
LANES(pcmpgtw, _mm_cmpgt_epi16(x, y))
LANES(pcmpgtd, _mm_cmpgt_epi32(x, y))
LANES(pavgb, _mm_avg_epu8(x, y))
LANES(pavgw, _mm_avg_epu16(x, y))
LANES(pminub, _mm_min_epu8(x, y))
LANES(pmaxub, _mm_max_epu8(x, y))
LANES(pminsw, _mm_min_epi16(x, y))
LANES(pmaxsw, _mm_max_epi16(x, y))
LANES(psignb, _mm_sign_epi8(x, y))
LANES(psignw, _mm_sign_epi16(x, y))
LANES(psignd, _mm_sign_epi32(x, y))
LANES(pabsb, _mm_abs_epi8(y))
LANES(pabsw, _mm_abs_epi16(y))
LANES(pabsd, _mm_abs_epi32(y))
PAIRS(packsswb, _mm_packs_epi16)
PAIRS(packssdw, _mm_packs_epi32)
PAIRS(packuswb, _mm_packus_epi16)
PAIRS(phaddw, _mm_hadd_epi16)
PAIRS(phaddd, _mm_hadd_epi32)
PAIRS(phaddsw, _mm_hadds_epi16)
PAIRS(phsubw, _mm_hsub_epi16)
PAIRS(phsubd, _mm_hsub_epi32)
PAIRS(phsubsw, _mm_hsubs_epi16)
WIDE(pshufb, _mm_shuffle_epi8(x, y))
NARROW(pshufb, _mm_shuffle_epi8(x, _mm_and_si128(y, _mm_set1_epi8((char)0x87))))
WIDE(punpcklqdq, _mm_unpacklo_epi64(x, y))
WIDE(punpckhqdq, _mm_unpackhi_epi64(x, y))

/* the narrow form that takes low halves has an operand of 32 bits in memory */
#define UNPACK(suffix, lanes) \
    WIDE(punpckl##suffix, _mm_unpacklo_epi##lanes(x, y)) \
    WIDE(punpckh##suffix, _mm_unpackhi_epi##lanes(x, y)) \
    NARROW(punpckh##suffix, _mm_srli_si128(_mm_unpacklo_epi##lanes(x, y), 8)) \
    OPERATION(punpckl##suffix##_mm) { \
        UNUSED; \
        STORE8(to, _mm_unpacklo_epi##lanes(LOAD8(to), _mm_cvtsi32_si128(load4(from)))); \
        return 0; \
    }

UNPACK(bw, 8)
UNPACK(wd, 16)
UNPACK(dq, 32)

/* by a count in a register or in memory, and by an immediate */
#define SHIFT(name, function) \
    LANES(name, function(x, y)) \
    OPERATION(name##_imm) { UNUSED; STORE16(to, function(LOAD16(to), _mm_cvtsi32_si128((int)immediate))); return 0; } \
    OPERATION(name##_imm_mm) { UNUSED; STORE8(to, function(LOAD8(to), _mm_cvtsi32_si128((int)immediate))); return 0; }

SHIFT(psllw, _mm_sll_epi16)
SHIFT(pslld, _mm_sll_epi32)
SHIFT(psllq, _mm_sll_epi64)
SHIFT(psrlw, _mm_srl_epi16)
SHIFT(psrld, _mm_srl_epi32)
SHIFT(psrlq, _mm_srl_epi64)
SHIFT(psraw, _mm_sra_epi16)
SHIFT(psrad, _mm_sra_epi32)

/* `width` bytes at an offset in the second operand followed by the first and by zeroes */
static inline void align(char *to, const char *from, long immediate, long width)
{
    char both[48] = {0};
    memcpy(both, from, width);
    memcpy(both + width, to, width);
    memcpy(to, both + (immediate < 2 * width ? immediate : 2 * width), width);
}

OPERATION(palignr) { UNUSED; align(to, from, immediate, 16); return 0; }
OPERATION(palignr_mm) { UNUSED; align(to, from, immediate, 8); return 0; }

OPERATION(psrldq_imm)
{
    char bytes[32] = {0};
    UNUSED;
    memcpy(bytes, to, 16);
    memcpy(to, bytes + (immediate < 16 ? immediate : 16), 16);
    return 0;
}

OPERATION(pslldq_imm)
{
    char bytes[32] = {0};
    UNUSED;
    memcpy(bytes + 16, to, 16);
    memcpy(to, bytes + (immediate < 16 ? 16 - immediate : 0), 16);
    return 0;
}

/* -- shuffles: two bits of the immediate for each lane of the result */

OPERATION(pshufd)
{
    unsigned d[4];
    UNUSED;
    for (int k = 0; k < 4; k++)
        d[k] = load4(from + 4 * (immediate >> 2 * k & 3));
    memcpy(to, d, 16);
    return 0;
}

static inline void shuffle_words(char *to, const char *from, long immediate)
{
    unsigned short s[4], d[4];
    memcpy(s, from, 8);
    for (int k = 0; k < 4; k++)
        d[k] = s[immediate >> 2 * k & 3];
    memcpy(to, d, 8);
}

OPERATION(pshufw_mm) { UNUSED; shuffle_words(to, from, immediate); return 0; }
OPERATION(pshuflw) { UNUSED; memmove(to + 8, from + 8, 8); shuffle_words(to, from, immediate); return 0; }
OPERATION(pshufhw) { UNUSED; memmove(to, from, 8); shuffle_words(to + 8, from + 8, immediate); return 0; }

OPERATION(shufps)
{
    unsigned d[4];
    UNUSED;
    d[0] = load4(to + 4 * (immediate & 3));
    d[1] = load4(to + 4 * (immediate >> 2 & 3));
    d[2] = load4(from + 4 * (immediate >> 4 & 3));
    d[3] = load4(from + 4 * (immediate >> 6 & 3));
    memcpy(to, d, 16);
    return 0;
}

OPERATION(shufpd)
{
    long long x[2], y[2], d[2];
    UNUSED;
    memcpy(x, to, 16);
    memcpy(y, from, 16);
    d[0] = x[immediate & 1];
    d[1] = y[immediate >> 1 & 1];
    memcpy(to, d, 16);
    return 0;
}

OPERATION(pinsrw) { UNUSED; memcpy(to + 2 * (immediate & 7), from, 2); return 0; }
OPERATION(pinsrw_mm) { UNUSED; memcpy(to + 2 * (immediate & 3), from, 2); return 0; }

static inline int word(const char *at)
{
    unsigned short value;
    memcpy(&value, at, 2);
    return value;
}

/* to a general register: the operation leaves its value in four bytes */
OPERATION(pextrw) { UNUSED; store4(to, word(from + 2 * (immediate & 7))); return 0; }
OPERATION(pextrw_mm) { UNUSED; store4(to, word(from + 2 * (immediate & 3))); return 0; }
OPERATION(pmovmskb) { UNUSED; store4(to, _mm_movemask_epi8(LOAD16(from))); return 0; }
OPERATION(pmovmskb_mm) { UNUSED; store4(to, _mm_movemask_epi8(LOAD8(from))); return 0; }
OPERATION(movmskps) { UNUSED; store4(to, _mm_movemask_ps(PS(LOAD16(from)))); return 0; }
OPERATION(movmskpd) { UNUSED; store4(to, _mm_movemask_pd(PD(LOAD16(from)))); return 0; }

OPERATION(movddup) { __m128i y = LOAD8(from); UNUSED; STORE16(to, _mm_unpacklo_epi64(y, y)); return 0; }
WIDE(movsldup, _mm_shuffle_epi32(y, 0xa0))
WIDE(movshdup, _mm_shuffle_epi32(y, 0xf5))

/* -- floating point: the host's MXCSR */

/* ties a value to its place between `enter` and `leave`: for the compiler, arithmetic does not depend on MXCSR */
#define HOLD(value) __asm__ volatile("" : "+x"(value))

static inline unsigned enter(long mxcsr)
{
    unsigned host, guest = ALL_MASKED | ((unsigned)mxcsr & (ROUNDING | DAZ | (mxcsr & UE_MASKED ? FTZ : 0)));
    __asm__ volatile("stmxcsr %0" : "=m"(host));
    __asm__ volatile("ldmxcsr %0" : : "m"(guest));
    return host;
}

static inline long leave(unsigned host)
{
    unsigned guest;
    __asm__ volatile("stmxcsr %0" : "=m"(guest));
    __asm__ volatile("ldmxcsr %0" : : "m"(host));
    return guest & 0x3f;
}

/* What an operation with these exceptions returns (SDM vol. 1, 11.5.2 and 11.5.3): after an unmasked one that is found before the calculation, those that
   the calculation gives are not reported. */
static inline long outcome(long flags, long mxcsr)
{
    long unmasked = flags & ~(mxcsr >> 7);
    if (unmasked & (IE | DE | ZE))
        flags &= IE | DE | ZE;
    return unmasked ? flags | UNMASKED : flags & ~mxcsr;
}

/* rounding to nearest, every exception masked, no flushing to zero, and inexactness reported already: what remains to be told apart are operands and
   results that are special */
static inline int is_quick(long mxcsr)
{
    return (mxcsr & (ROUNDING | FTZ | DAZ | ALL_MASKED | PE)) == (ALL_MASKED | PE);
}

/* the lanes of a type: how many bits `movemask` gives for them, vectors of its limits */
#define LANES_ps 15
#define LANES_ss 1
#define LANES_pd 3
#define LANES_sd 1
#define V_ps __m128
#define V_ss __m128
#define V_pd __m128d
#define V_sd __m128d

#define KIND(type, VECTOR, SUFFIX, LEAST, MOST) \
    static inline VECTOR magnitude_##type(VECTOR v) { return _mm_andnot_##SUFFIX(_mm_set1_##SUFFIX(-0.0), v); } \
    /* zeroes, normal numbers, infinities */ \
    static inline int ordinary_##type(VECTOR v) { \
        VECTOR least = _mm_cmpge_##SUFFIX(magnitude_##type(v), _mm_set1_##SUFFIX(LEAST)); \
        return (_mm_movemask_##SUFFIX(_mm_or_##SUFFIX(least, _mm_cmpeq_##SUFFIX(v, _mm_setzero_##SUFFIX()))) & LANES_##type) == LANES_##type; \
    } \
    /* results that no exception but PE has led to: normal numbers, and zeroes of which `zero` says that they are exact */ \
    static inline int plain_##type(VECTOR v, VECTOR zero) { \
        VECTOR m = magnitude_##type(v); \
        VECTOR normal = _mm_and_##SUFFIX(_mm_cmpge_##SUFFIX(m, _mm_set1_##SUFFIX(LEAST)), _mm_cmple_##SUFFIX(m, _mm_set1_##SUFFIX(MOST))); \
        VECTOR exact = _mm_and_##SUFFIX(_mm_cmpeq_##SUFFIX(v, _mm_setzero_##SUFFIX()), zero); \
        return (_mm_movemask_##SUFFIX(_mm_or_##SUFFIX(normal, exact)) & LANES_##type) == LANES_##type; \
    } \
    static inline VECTOR always_##type(VECTOR x, VECTOR y) { (void)x, (void)y; return _mm_cmpeq_##SUFFIX(_mm_setzero_##SUFFIX(), _mm_setzero_##SUFFIX()); } \
    static inline VECTOR either_##type(VECTOR x, VECTOR y) { \
        return _mm_or_##SUFFIX(_mm_cmpeq_##SUFFIX(x, _mm_setzero_##SUFFIX()), _mm_cmpeq_##SUFFIX(y, _mm_setzero_##SUFFIX())); \
    } \
    /* denormal results, which are an exception if underflow is not masked even if they are exact */ \
    static inline long tiny_##type(VECTOR v) { \
        VECTOR small = _mm_and_##SUFFIX(_mm_cmplt_##SUFFIX(magnitude_##type(v), _mm_set1_##SUFFIX(LEAST)), _mm_cmpneq_##SUFFIX(v, _mm_setzero_##SUFFIX())); \
        return _mm_movemask_##SUFFIX(small) & LANES_##type ? UE : 0; \
    } \
    static inline long never_##type(VECTOR v) { (void)v; return 0; }

KIND(ps, __m128, ps, FLT_MIN, FLT_MAX)
KIND(ss, __m128, ps, FLT_MIN, FLT_MAX)
KIND(pd, __m128d, pd, DBL_MIN, DBL_MAX)
KIND(sd, __m128d, pd, DBL_MIN, DBL_MAX)

/* an operand of a type: the whole of it, or the lane that the instruction reads */
#define OPERAND_ps(at) PS(LOAD16(at))
#define OPERAND_pd(at) PD(LOAD16(at))
#define REGISTER_ps(at) PS(LOAD16(at))
#define REGISTER_pd(at) PD(LOAD16(at))
#define REGISTER_ss(at) PS(LOAD16(at))
#define REGISTER_sd(at) PD(LOAD16(at))
#define OPERAND_ss(at) _mm_load_ss((const float *)(at))
#define OPERAND_sd(at) _mm_load_sd((const double *)(at))

/* An overflow or underflow that is not masked is one of a result as it would be with an exponent of any size, and so is its inexactness (SDM vol. 1,
   4.9.1.4 and 4.9.1.5). So the operands are brought to where the exponent suffices, which changes no digit. */
enum { op_add, op_sub, op_mul, op_div, op_addsub, op_hadd, op_hsub };

#define NUMBER(type, NUMBER_TYPE, FREXP) \
    static long flags_##type(int op, NUMBER_TYPE a, NUMBER_TYPE b, long mxcsr) \
    { \
        V_##type x = _mm_set_##type(a), y = _mm_set_##type(b), r; \
        unsigned host = enter(mxcsr); \
        HOLD(x); \
        HOLD(y); \
        r = op == op_mul ? _mm_mul_##type(x, y) : op == op_div ? _mm_div_##type(x, y) : _mm_add_##type(x, y); \
        HOLD(r); \
        return leave(host) | (mxcsr & UE_MASKED ? 0 : tiny_##type(r)); \
    } \
    /* a quarter; beside a number that overflows, all small ones do the same */ \
    static inline NUMBER_TYPE nearer_##type(NUMBER_TYPE v) \
    { \
        return v == 0 || v >= 1 || v <= -1 ? v / 4 : v < 0 ? (NUMBER_TYPE)-0.25 : (NUMBER_TYPE)0.25; \
    } \
    /* of one lane; sums that are tiny are exact */ \
    static long unbounded_##type(int op, NUMBER_TYPE a, NUMBER_TYPE b, long mxcsr) \
    { \
        int unused; \
        long flags = flags_##type(op, a, b, mxcsr); \
        if (!(flags & ~(mxcsr >> 7) & (OE | UE)) || (op == op_add && flags & UE)) \
            return flags; \
        if (op == op_add) \
            a = nearer_##type(a), b = nearer_##type(b); \
        else \
            a = FREXP(a, &unused), b = FREXP(b, &unused); \
        return (flags & ~PE) | (flags_##type(op, a, b, mxcsr) & PE); \
    }

NUMBER(ss, float, frexpf)
NUMBER(sd, double, frexp)

#define UNBOUNDED(type, one, NUMBER_TYPE, COUNT) \
    static long unbounded_lanes_##type(int op, V_##type x, V_##type y, long mxcsr) \
    { \
        NUMBER_TYPE u[16 / sizeof(NUMBER_TYPE)], v[16 / sizeof(NUMBER_TYPE)]; \
        long flags = 0; \
        memcpy(u, &x, 16); \
        memcpy(v, &y, 16); \
        for (int k = 0; k < COUNT; k++) { \
            NUMBER_TYPE a = u[k], b = v[k]; \
            if (op == op_hadd || op == op_hsub) { \
                const NUMBER_TYPE *pair = 2 * k < COUNT ? u + 2 * k : v + 2 * k - COUNT; \
                a = pair[0], b = pair[1]; \
            } \
            if (op == op_sub || op == op_hsub || (op == op_addsub && k % 2 == 0)) \
                b = -b; \
            flags |= unbounded_##one(op == op_mul || op == op_div ? op : op_add, a, b, mxcsr); \
        } \
        return flags; \
    }

UNBOUNDED(ps, ss, float, 4)
UNBOUNDED(ss, ss, float, 1)
UNBOUNDED(pd, sd, double, 2)
UNBOUNDED(sd, sd, double, 1)

/* `expression` of x and y with the guest's MXCSR; the type of the result decides what is tiny */
#define CAREFULLY(VECTOR, expression, tiny, unbounded) { \
        unsigned host = enter(mxcsr); \
        HOLD(x); \
        HOLD(y); \
        VECTOR r = expression; \
        HOLD(r); \
        long flags = leave(host); \
        if (!(mxcsr & UE_MASKED)) \
            flags |= tiny(r); \
        if (flags & ~(mxcsr >> 7) & (OE | UE)) \
            flags = unbounded; \
        flags = outcome(flags, mxcsr); \
        if (!(flags & UNMASKED)) \
            STORE16(to, INTEGER(r)); \
        return flags; \
    }

/* add, subtract, multiply, divide: `zero` says which results of zero are exact, if the operands are ordinary */
#define ARITHMETIC(name, type, expression, zero) \
    OPERATION(name##type) { \
        UNUSED; \
        V_##type x = REGISTER_##type(to), y = OPERAND_##type(from); \
        if (is_quick(mxcsr) && ordinary_##type(x) && ordinary_##type(y)) { \
            V_##type r = expression; \
            if (plain_##type(r, zero##_##type(x, y))) { \
                STORE16(to, INTEGER(r)); \
                return 0; \
            } \
        } \
        CAREFULLY(V_##type, expression, tiny_##type, unbounded_lanes_##type(op_##name, x, y, mxcsr)) \
    }
/* minimum, maximum, comparison: exact, so that only special operands matter */
#define CHOICE(name, type, expression) \
    OPERATION(name##type) { \
        UNUSED; \
        V_##type x = REGISTER_##type(to), y = OPERAND_##type(from); \
        if (ordinary_##type(x) && ordinary_##type(y)) { \
            V_##type r = expression; \
            STORE16(to, INTEGER(r)); \
            return 0; \
        } \
        CAREFULLY(V_##type, expression, never_##type, flags) \
    }
#define EACH_ARITHMETIC(name, zero) \
    ARITHMETIC(name, ps, _mm_##name##_ps(x, y), zero) \
    ARITHMETIC(name, pd, _mm_##name##_pd(x, y), zero) \
    ARITHMETIC(name, ss, _mm_##name##_ss(x, y), zero) \
    ARITHMETIC(name, sd, _mm_##name##_sd(x, y), zero)
#define EACH_CHOICE(name) \
    CHOICE(name, ps, _mm_##name##_ps(x, y)) \
    CHOICE(name, pd, _mm_##name##_pd(x, y)) \
    CHOICE(name, ss, _mm_##name##_ss(x, y)) \
    CHOICE(name, sd, _mm_##name##_sd(x, y))

EACH_ARITHMETIC(add, always)
EACH_ARITHMETIC(sub, always)
EACH_ARITHMETIC(mul, either)
EACH_ARITHMETIC(div, either)
EACH_CHOICE(min)
EACH_CHOICE(max)
ARITHMETIC(addsub, ps, _mm_addsub_ps(x, y), always)
ARITHMETIC(addsub, pd, _mm_addsub_pd(x, y), always)
ARITHMETIC(hadd, ps, _mm_hadd_ps(x, y), always)
ARITHMETIC(hadd, pd, _mm_hadd_pd(x, y), always)
ARITHMETIC(hsub, ps, _mm_hsub_ps(x, y), always)
ARITHMETIC(hsub, pd, _mm_hsub_pd(x, y), always)

/* the first operand gives only the lanes that are kept */
#define SQUARE_ROOT(type, expression) \
    OPERATION(sqrt##type) { \
        UNUSED; \
        V_##type x = REGISTER_##type(to), y = OPERAND_##type(from); \
        if (is_quick(mxcsr) && ordinary_##type(y)) { \
            V_##type r = expression; \
            if (plain_##type(r, either_##type(y, y))) { \
                STORE16(to, INTEGER(r)); \
                return 0; \
            } \
        } \
        CAREFULLY(V_##type, expression, never_##type, flags) \
    }

SQUARE_ROOT(ps, _mm_sqrt_ps(y))
SQUARE_ROOT(pd, _mm_sqrt_pd(y))
SQUARE_ROOT(ss, _mm_move_ss(x, _mm_sqrt_ss(y)))
SQUARE_ROOT(sd, _mm_sqrt_sd(x, y))

/* CMPPS and its kin: the predicate is in the immediate */
#define COMPARISON(type) \
    static inline V_##type compare_##type(V_##type x, V_##type y, long predicate) { \
        switch (predicate & 7) { \
        case 0: return _mm_cmpeq_##type(x, y); \
        case 1: return _mm_cmplt_##type(x, y); \
        case 2: return _mm_cmple_##type(x, y); \
        case 3: return _mm_cmpunord_##type(x, y); \
        case 4: return _mm_cmpneq_##type(x, y); \
        case 5: return _mm_cmpnlt_##type(x, y); \
        case 6: return _mm_cmpnle_##type(x, y); \
        default: return _mm_cmpord_##type(x, y); \
        } \
    } \
    CHOICE(cmp, type, compare_##type(x, y, immediate))

COMPARISON(ps)
COMPARISON(pd)
COMPARISON(ss)
COMPARISON(sd)

/* EFLAGS, which are returned from bit 16 on */
#define TO_FLAGS(name, type, instruction) \
    OPERATION(name##type) { \
        UNUSED; \
        V_##type x = OPERAND_##type(to), y = OPERAND_##type(from); \
        int carry, parity, zero; \
        unsigned host = 0; \
        long flags = 0; \
        int careful = !(ordinary_##type(x) && ordinary_##type(y)); \
        if (careful) \
            host = enter(mxcsr); \
        __asm__ volatile(#instruction " %4, %3" : "=@ccc"(carry), "=@ccp"(parity), "=@ccz"(zero) : "x"(x), "x"(y)); \
        if (careful) \
            flags = outcome(leave(host), mxcsr); \
        return flags | (long)(carry | parity << 2 | zero << 6) << 16; \
    }

TO_FLAGS(comi, ss, comiss)
TO_FLAGS(comi, sd, comisd)
TO_FLAGS(ucomi, ss, ucomiss)
TO_FLAGS(ucomi, sd, ucomisd)

/* Approximations: the manual bounds their relative error (1.5 * 2^-12) and fixes the special cases; processors differ in the rest. Here they are rounded
   from more precision, the same on every host. Denormal operands count as zero, denormal results are flushed; no exceptions. */
static float approximate(float v, int root)
{
    unsigned bits, sign;
    double r;
    float result;
    memcpy(&bits, &v, 4);
    sign = bits & 0x80000000u;
    if ((bits & 0x7fffffff) > 0x7f800000)
        bits |= 0x00400000;
    else if ((bits & 0x7f800000) == 0)
        bits = sign | 0x7f800000;
    else if (bits == 0xff800000 && !root)
        bits = sign;
    else if (root && sign)
        bits = 0xffc00000;
    else if (bits == 0x7f800000)
        bits = 0;
    else {
        r = 1.0 / (root ? sqrt((double)v) : (double)v);
        result = (float)r;
        memcpy(&bits, &result, 4);
        if ((bits & 0x7f800000) == 0)
            bits = sign;
    }
    memcpy(&result, &bits, 4);
    return result;
}

static inline long approximations(char *to, const char *from, int lanes, int root)
{
    float v[4];
    memcpy(v, from, 4 * lanes);
    for (int k = 0; k < lanes; k++)
        v[k] = approximate(v[k], root);
    memcpy(to, v, 4 * lanes);
    return 0;
}

OPERATION(rcpps) { UNUSED; return approximations(to, from, 4, 0); }
OPERATION(rcpss) { UNUSED; return approximations(to, from, 1, 0); }
OPERATION(rsqrtps) { UNUSED; return approximations(to, from, 4, 1); }
OPERATION(rsqrtss) { UNUSED; return approximations(to, from, 1, 1); }

/* -- conversions */

/* from operand `y` to `r`, where `quick` says that nothing but PE can come of it; `more`: the flags, given those that the host has found */
#define CONVERSION(name, Y, y_value, R, expression, quick, more, store) \
    OPERATION(name) { \
        UNUSED; \
        Y y = y_value; \
        R r; \
        long flags = 0; \
        if (is_quick(mxcsr) && (quick)) \
            r = expression; \
        else { \
            unsigned host = enter(mxcsr); \
            HOLD(y); \
            r = expression; \
            HOLD(r); \
            flags = leave(host); \
            flags = outcome(more, mxcsr); \
            if (flags & UNMASKED) \
                return flags; \
        } \
        store; \
        return flags; \
    }

#define TO_SINGLE(name, y_value, store) CONVERSION(name, __m128i, y_value, __m128, _mm_cvtepi32_ps(y), 1, flags, store)
#define LOW4(r) store4(to, _mm_cvtsi128_si32(r))
#define BITS(r) INTEGER(r)

TO_SINGLE(cvtdq2ps, LOAD16(from), STORE16(to, BITS(r)))
TO_SINGLE(cvtpi2ps, LOAD8(from), STORE8(to, BITS(r)))
TO_SINGLE(cvtsi2ss, _mm_cvtsi32_si128(load4(from)), LOW4(BITS(r)))

static inline int fits_ps(__m128 v)
{
    return _mm_movemask_ps(_mm_cmple_ps(magnitude_ps(v), _mm_set1_ps(2147483520.0f))) == 15;
}

static inline int fits_pd(__m128d v)
{
    return _mm_movemask_pd(_mm_cmple_pd(magnitude_pd(v), _mm_set1_pd(2147483647.0))) == 3;
}

#define TO_INTEGER(name, y_value, store) \
    CONVERSION(cvt##name, __m128, y_value, __m128i, _mm_cvtps_epi32(y), fits_ps(y), flags, store) \
    CONVERSION(cvtt##name, __m128, y_value, __m128i, _mm_cvttps_epi32(y), fits_ps(y), flags, store)
#define DOUBLE_TO_INTEGER(name, y_value, store) \
    CONVERSION(cvt##name, __m128d, y_value, __m128i, _mm_cvtpd_epi32(y), fits_pd(y), flags, store) \
    CONVERSION(cvtt##name, __m128d, y_value, __m128i, _mm_cvttpd_epi32(y), fits_pd(y), flags, store)

TO_INTEGER(ps2dq, PS(LOAD16(from)), STORE16(to, r))
TO_INTEGER(ps2pi, PS(LOAD8(from)), STORE8(to, r))
TO_INTEGER(ss2si, OPERAND_ss(from), LOW4(r))
DOUBLE_TO_INTEGER(pd2dq, PD(LOAD16(from)), STORE16(to, r))
DOUBLE_TO_INTEGER(pd2pi, PD(LOAD16(from)), STORE8(to, r))
DOUBLE_TO_INTEGER(sd2si, OPERAND_sd(from), LOW4(r))

/* every integer is a double */
OPERATION(cvtdq2pd) { UNUSED; STORE16(to, INTEGER(_mm_cvtepi32_pd(LOAD8(from)))); return 0; }
OPERATION(cvtpi2pd) { UNUSED; STORE16(to, INTEGER(_mm_cvtepi32_pd(LOAD8(from)))); return 0; }
OPERATION(cvtsi2sd) { UNUSED; STORE8(to, INTEGER(_mm_cvtepi32_pd(_mm_cvtsi32_si128(load4(from))))); return 0; }

/* between the formats */
static inline int in_single_range(__m128d v)
{
    __m128d m = magnitude_pd(v);
    __m128d inside = _mm_and_pd(_mm_cmpge_pd(m, _mm_set1_pd(FLT_MIN)), _mm_cmple_pd(m, _mm_set1_pd(FLT_MAX)));
    return _mm_movemask_pd(_mm_or_pd(inside, _mm_cmpeq_pd(v, _mm_setzero_pd()))) == 3;
}

/* whether a double has more digits than a single, whatever its exponent */
static int is_too_long(double v)
{
    unsigned long long bits;
    memcpy(&bits, &v, 8);
    bits &= 0x7fffffffffffffff;
    if (bits >> 52 == 0)
        while (bits && !(bits >> 52))
            bits <<= 1;
    return (bits & 0x1fffffff) != 0;
}

/* as `unbounded_lanes` for the conversion of `lanes` doubles to singles */
static long narrowed(long flags, __m128d y, __m128 r, int lanes, long mxcsr)
{
    double v[2];
    if (!(mxcsr & UE_MASKED))
        flags |= tiny_ps(r);
    if (!(flags & ~(mxcsr >> 7) & (OE | UE)))
        return flags;
    memcpy(v, &y, 16);
    flags = 0;
    for (int k = 0; k < lanes; k++) {
        __m128d x = _mm_set_sd(v[k]);
        unsigned host = enter(mxcsr);
        HOLD(x);
        __m128 s = _mm_cvtpd_ps(x);
        HOLD(s);
        long lane = leave(host) | (mxcsr & UE_MASKED ? 0 : tiny_ss(s));
        if (lane & ~(mxcsr >> 7) & (OE | UE))
            lane = (lane & ~PE) | (is_too_long(v[k]) ? PE : 0);
        flags |= lane;
    }
    return flags;
}

CONVERSION(cvtps2pd, __m128, PS(LOAD8(from)), __m128d, _mm_cvtps_pd(y), ordinary_ps(y), flags, STORE16(to, BITS(r)))
CONVERSION(cvtss2sd, __m128, OPERAND_ss(from), __m128d, _mm_cvtps_pd(y), ordinary_ss(y), flags, STORE8(to, BITS(r)))
CONVERSION(cvtpd2ps, __m128d, PD(LOAD16(from)), __m128, _mm_cvtpd_ps(y), in_single_range(y), narrowed(flags, y, r, 2, mxcsr), STORE16(to, BITS(r)))
CONVERSION(cvtsd2ss, __m128d, OPERAND_sd(from), __m128, _mm_cvtpd_ps(y), in_single_range(y), narrowed(flags, y, r, 1, mxcsr), LOW4(BITS(r)))

/* -- around guest code: compiled traces calculate with the host's MXCSR as well */

long sse_begin(void)
{
    unsigned host = _mm_getcsr();
    _mm_setcsr(ALL_MASKED);
    return host;
}

void sse_end(long host)
{
    _mm_setcsr((unsigned)host);
}
