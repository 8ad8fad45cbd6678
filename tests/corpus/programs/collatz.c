/* Loops with data-dependent branches and division, long enough that the JIT compiles them. */

#include "corpus.h"

static u32 steps(u32 n)
{
    u32 count = 0;
    while (n != 1) {
        n = n % 2 ? 3 * n + 1 : n / 2;
        count++;
    }
    return count;
}

int main(void)
{
    u32 longest = 0, start = 0;
    for (u32 n = 1; n < 120; n++) {
        u32 count = steps(n);
        if (count > longest) {
            longest = count;
            start = n;
        }
    }
    print_hex(start);
    print_hex(longest);
    return 0;
}
