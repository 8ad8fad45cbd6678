/* Calls: recursion, function pointers, a sort that is given its comparison, structures by value, many arguments; returns to many places. */

#include "corpus.h"

typedef int (*compare)(u32, u32);
static u32 calls;

static u32 __attribute__((noinline)) ackermann(u32 m, u32 n)
{
    calls++;
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static int up(u32 a, u32 b) { return a < b; }
static int down(u32 a, u32 b) { return a > b; }
static int by_low_byte(u32 a, u32 b) { return (u8)a < (u8)b; }

static void __attribute__((noinline)) sort(u32 *v, int count, compare before)
{
    for (int i = 1; i < count; i++) {
        u32 x = v[i];
        int j = i;
        for (; j > 0 && before(x, v[j - 1]); j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

struct four { u32 a, b, c, d; };

static struct four __attribute__((noinline)) turn(struct four x, u32 by)
{
    return (struct four){x.d + by, x.a ^ by, x.b - by, x.c * by};
}

static u32 __attribute__((noinline)) many(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g)
{
    return a + 2 * b + 3 * c + 5 * d + 7 * e + 11 * f + 13 * g;
}

int main(void)
{
    static u32 v[24];
    static const compare order[] = {up, down, by_low_byte, up};
    u32 seed = 1, hash = ackermann(2, 9);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 24; i++)
            v[i] = seed = seed * 1103515245 + 12345;
        sort(v, 24, order[round]);
        for (int i = 0; i < 24; i++)
            hash = (hash << 5 | hash >> 27) ^ v[i];
        if (round == 0)
            for (int i = 1; i < 24; i++)
                if (v[i - 1] > v[i])
                    return 1;
    }
    struct four x = {1, 2, 3, 4};
    for (int i = 0; i < 200; i++)
        x = turn(x, i);
    print_hex(calls);
    print_hex(hash);
    print_hex(many(x.a, x.b, x.c, x.d, hash, calls, 9));
    return 0;
}
