/* 64-bit division without the compiler's library: DIVL divides 64 bits by 32 and faults if the quotient needs more than 32. */
#ifndef LIB_DIVIDE_H
#define LIB_DIVIDE_H

#include "types.h"

static inline u64 divide(u64 number, u32 divisor, u32 *rest)
{
    u32 high = number >> 32, low = number, high_quotient = high / divisor, low_quotient, remainder;

    asm("divl %4" : "=a"(low_quotient), "=d"(remainder) : "0"(low), "1"(high % divisor), "r"(divisor));
    if (rest)
        *rest = remainder;
    return (u64)high_quotient << 32 | low_quotient;
}

#endif
