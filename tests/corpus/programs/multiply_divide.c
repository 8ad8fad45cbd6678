/* MUL, IMUL, DIV and IDIV of every size against long multiplication and division bit by bit. */

#include "corpus.h"

static u32 seed = 2003;
static u32 failures, checked;

static u32 random(void)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % 5 ? seed ^ seed >> 15 : (seed & 0x80000000) | (seed >> 28);
}

static void check(int good)
{
    checked++;
    failures += !good;
}

static void multiply_slowly(u32 a, u32 b, u32 *high, u32 *low)
{
    u32 h = 0, l = 0;
    for (int i = 31; i >= 0; i--) {
        h = h << 1 | l >> 31;
        l <<= 1;
        if (b >> i & 1) {
            u32 before = l;
            l += a;
            h += l < before;
        }
    }
    *high = h;
    *low = l;
}

int main(void)
{
    u32 hash = 0;
    for (int round = 0; round < 24; round++) {
        u32 a = random(), b = random(), high, low, slow_high, slow_low, quotient, rest;
        u8 overflow;
        __asm__("mull %4; setc %2" : "=d"(high), "=a"(low), "=q"(overflow) : "a"(a), "r"(b) : "cc");
        multiply_slowly(a, b, &slow_high, &slow_low);
        check(high == slow_high && low == slow_low && overflow == (high != 0));

        int signed_high, signed_low;
        __asm__("imull %3" : "=d"(signed_high), "=a"(signed_low) : "a"(a), "r"(b) : "cc");
        check((u32)signed_high == slow_high - ((int)a < 0 ? b : 0) - ((int)b < 0 ? a : 0) && (u32)signed_low == slow_low);

        int product;
        __asm__("imull %2, %0; seto %1" : "=r"(product), "=q"(overflow) : "r"(b), "0"(a) : "cc");
        check((u32)product == slow_low && overflow == (signed_high != (signed_low >> 31)));

        if (slow_high < (b | 1)) {
            __asm__("divl %4" : "=a"(quotient), "=d"(rest) : "0"(slow_low), "1"(slow_high), "r"(b | 1) : "cc");
            u32 back_high, back_low;
            multiply_slowly(quotient, b | 1, &back_high, &back_low);
            back_low += rest;
            back_high += back_low < rest;
            check(rest < (b | 1) && back_low == slow_low && back_high == slow_high);
            hash = hash * 31 + quotient;
        }
        int dividend = a, divisor = (int)b >> 20, signed_quotient, signed_rest;
        if (divisor != 0 && divisor != -1) {
            __asm__("idivl %4" : "=a"(signed_quotient), "=d"(signed_rest) : "0"(dividend), "1"(dividend >> 31), "r"(divisor) : "cc");
            check(signed_quotient * divisor + signed_rest == dividend && (signed_rest == 0 || (signed_rest < 0) == (dividend < 0)));
            hash = hash * 31 + signed_rest;
        }
        u32 ax = a & 0xffff, byte = (b >> 8 & 0xff) | 0x80;
        if (ax >> 8 < byte) {
            __asm__("divb %b2" : "=a"(quotient) : "0"(ax), "q"(byte) : "cc");
            check((quotient & 0xff) * byte + (quotient >> 8 & 0xff) == ax);
        }
        u32 product16;
        __asm__("imulw $-77, %w1, %w0" : "=r"(product16) : "r"(a), "0"(0) : "cc");
        check((product16 & 0xffff) == ((a * -77u) & 0xffff));
        hash = hash * 31 + signed_high + product16;
    }
    print(failures ? "wrong\n" : "right\n");
    print_hex(checked);
    print_hex(hash);
    return failures != 0;
}
