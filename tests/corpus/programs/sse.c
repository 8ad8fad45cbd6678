/* MMX and SSE: sums, products and shuffles whose bits every engine must give alike, in loops hot enough to be compiled; approximations within the
   bound that the manual sets. */

#include "corpus.h"

typedef struct { u32 w[4]; } __attribute__((aligned(16))) wide;

static u32 hash;

static void note(const wide *x)
{
    for (int k = 0; k < 4; k++)
        hash = (hash << 7 | hash >> 25) ^ x->w[k];
}

/* within 1.5 * 2^-12 of what the square of `x`, or `x` itself, times it must give: 1 */
static int near(float x, float value)
{
    float product = x * value - 1;
    return product < 0.0004f && product > -0.0004f;
}

static int approximations(void)
{
    static float in[4] __attribute__((aligned(16))) = {2.0f, 0.3f, 12345.0f, 1e-10f};
    static float out[4] __attribute__((aligned(16)));
    int good = 1;
    __asm__ volatile("rcpps %1, %%xmm0\n movaps %%xmm0, %0" : "=m"(out) : "m"(in));
    for (int k = 0; k < 4; k++)
        good &= near(in[k], out[k]);
    __asm__ volatile("movaps %1, %%xmm1\n rcpps %%xmm1, %%xmm0\n rcpss %%xmm1, %%xmm2\n rcpss %1, %%xmm0\n movaps %%xmm0, %0" : "=m"(out) : "m"(in));
    good &= near(in[0], out[0]) && near(in[3], out[3]);
    __asm__ volatile("rsqrtps %1, %%xmm0\n movaps %%xmm0, %0" : "=m"(out) : "m"(in));
    for (int k = 0; k < 4; k++)
        good &= near(in[k] * out[k], out[k]);
    __asm__ volatile("movaps %1, %%xmm1\n rsqrtps %%xmm1, %%xmm0\n rsqrtss %%xmm1, %%xmm2\n rsqrtss %1, %%xmm0\n movaps %%xmm0, %0" : "=m"(out) : "m"(in));
    return good && near(in[0] * out[0], out[0]) && near(in[2] * out[2], out[2]);
}

/* 4 * (1 - 1/3 + 1/5 - ...), two terms at a time */
static void pi(void)
{
    static double term[2] __attribute__((aligned(16))) = {1.0, 3.0}, step[2] __attribute__((aligned(16))) = {4.0, 4.0};
    static double four[2] __attribute__((aligned(16))) = {4.0, -4.0};
    static wide sum;
    int count = 3000;
    __asm__ volatile("movapd %1, %%xmm1\n xorpd %%xmm0, %%xmm0\n"
                     "1: movapd %2, %%xmm2\n divpd %%xmm1, %%xmm2\n addpd %%xmm2, %%xmm0\n addpd %3, %%xmm1\n dec %4\n jnz 1b\n"
                     "haddpd %%xmm0, %%xmm0\n movupd %%xmm0, %0"
                     : "=m"(sum), "+m"(term), "+m"(four), "+m"(step), "+r"(count));
    note(&sum);
}

/* a recurrence in each of the scalar types, with conversions, comparisons and the roundings of MXCSR */
static void scalars(void)
{
    static wide out;
    for (u32 mode = 0; mode < 4; mode++) {
        u32 mxcsr = 0x1f80 | mode << 13;
        int count = 500, whole;
        __asm__ volatile("ldmxcsr %2\n mov $3, %%eax\n cvtsi2sd %%eax, %%xmm0\n cvtsi2ss %%eax, %%xmm1\n"
                         "1: sqrtsd %%xmm0, %%xmm2\n addsd %%xmm2, %%xmm0\n cvtsd2ss %%xmm2, %%xmm3\n mulss %%xmm3, %%xmm1\n divss %%xmm2, %%xmm1\n"
                         "ucomisd %%xmm0, %%xmm2\n ja 2f\n subss %%xmm3, %%xmm1\n 2: dec %3\n jnz 1b\n"
                         "unpcklpd %%xmm1, %%xmm0\n movaps %%xmm0, %0\n cvtsd2si %%xmm2, %1\n stmxcsr %2"
                         : "=m"(out), "=r"(whole), "+m"(mxcsr), "+r"(count) : : "eax");
        note(&out);
        hash = hash * 31 + whole + mxcsr;
    }
}

static void integers(void)
{
    static wide x = {{0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210}}, y = {{0xdeadbeef, 0x0badf00d, 0x12345678, 0x9abcdef0}};
    int count = 2000;
    __asm__ volatile("movdqa %0, %%xmm0\n movdqu %1, %%xmm1\n"
                     "1: paddw %%xmm1, %%xmm0\n pshufd $0x39, %%xmm0, %%xmm2\n pmaddwd %%xmm2, %%xmm1\n pxor %%xmm0, %%xmm1\n psadbw %%xmm1, %%xmm2\n"
                     "pshufb %%xmm2, %%xmm0\n palignr $5, %%xmm1, %%xmm0\n psllq $3, %%xmm2\n por %%xmm2, %%xmm0\n dec %2\n jnz 1b\n"
                     "movdqa %%xmm0, %0\n movdqu %%xmm1, %1"
                     : "+m"(x), "+m"(y), "+r"(count));
    note(&x);
    note(&y);
    count = 2000;
    __asm__ volatile("movq %0, %%mm0\n movq %1, %%mm1\n"
                     "1: paddb %%mm1, %%mm0\n pmullw %%mm0, %%mm1\n punpcklbw %%mm0, %%mm1\n packuswb %%mm1, %%mm0\n psrlw $1, %%mm1\n paddq %%mm1, %%mm0\n"
                     "dec %2\n jnz 1b\n cvtpi2ps %0, %%xmm0\n movq %%mm0, %0\n movq2dq %%mm1, %%xmm1\n paddd %%xmm1, %%xmm0\n movdqu %%xmm0, %1\n emms"
                     : "+m"(x), "+m"(y), "+r"(count));
    note(&x);
    note(&y);
}

int main(void)
{
    __asm__ volatile("mov %%cr4, %%eax\n or $0x600, %%eax\n mov %%eax, %%cr4\n fninit" : : : "eax");
    int good = approximations();
    pi();
    scalars();
    integers();
    print(good ? "right\n" : "wrong\n");
    print_hex(hash);
    return !good;
}
