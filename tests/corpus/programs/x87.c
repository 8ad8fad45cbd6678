/* Floating point: sums, products, roots, comparisons, rounding and conversions whose bits every engine must give alike; some are known exactly. */

#include "corpus.h"

static u32 hash;

static void note(double x)
{
    union { double d; u32 w[2]; } u = {x};
    hash = (hash << 7 | hash >> 25) ^ u.w[0];
    hash = (hash << 7 | hash >> 25) ^ u.w[1];
}

static double root(double x)
{
    double result;
    __asm__("fsqrt" : "=t"(result) : "0"(x));
    return result;
}

static int rounded(double x, u16 mode)
{
    u16 old, new;
    int result;
    __asm__ volatile("fnstcw %0" : "=m"(old));
    new = (old & 0xf3ff) | mode << 10;
    __asm__ volatile("fldcw %0" : : "m"(new));
    __asm__ volatile("fistl %0" : "=m"(result) : "t"(x));
    __asm__ volatile("fldcw %0" : : "m"(old));
    return result;
}

int main(void)
{
    __asm__ volatile("fninit");
    double pi = 0, e = 1, term = 1;
    for (int k = 0; k < 120; k++)
        pi += (k & 1 ? -4.0 : 4.0) / (2 * k + 1);
    note(pi);
    for (int k = 1; k < 20; k++)
        e += term /= k;
    note(e);
    for (int k = 1; k < 40; k++)
        note(root(k));
    for (int mode = 0; mode < 4; mode++)
        for (int k = -5; k <= 5; k++)
            hash = hash * 31 + rounded(k * 0.5, mode);
    float narrow = 1.0f / 3.0f;
    note(narrow);
    long long big = (long long)(e * 1e15);
    hash = hash * 31 + (u32)big + (u32)(big >> 32);
    int good = root(144.0) == 12.0 && rounded(2.5, 0) == 2 && rounded(3.5, 0) == 4 && rounded(-2.5, 1) == -3 && rounded(-2.5, 2) == -2 &&
        rounded(-2.5, 3) == -2 && e > 2.718281828459 && e < 2.71828182846 && pi > 3.133 && pi < 3.15 && !(0.0 / (pi - pi) == 0.0);
    print(good ? "right\n" : "wrong\n");
    print_hex(hash);
    return !good;
}
