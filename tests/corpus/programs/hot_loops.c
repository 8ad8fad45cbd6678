/* Loops hot enough to be compiled, with branches that turn: a sieve, a checksum by table, bubble sort, a small matrix product. */

#include "corpus.h"

static u8 composite[800];
static u32 table[16], v[40], a[8][8], b[8][8], c[8][8];

int main(void)
{
    u32 primes = 0, sum = 0xffffffff, swaps = 0, trace = 0;
    for (u32 i = 2; i < sizeof composite; i++) {
        if (composite[i])
            continue;
        primes++;
        for (u32 j = i * i; j < sizeof composite; j += i)
            composite[j] = 1;
    }
    for (u32 i = 0; i < 16; i++) {              /* CRC-32 by half bytes */
        u32 x = i;
        for (int k = 0; k < 4; k++)
            x = x & 1 ? x >> 1 ^ 0xedb88320 : x >> 1;
        table[i] = x;
    }
    for (u32 i = 0; i < 256; i++) {
        sum = sum >> 4 ^ table[(sum ^ i) & 15];
        sum = sum >> 4 ^ table[(sum ^ i >> 4) & 15];
    }
    for (u32 i = 0; i < 40; i++)
        v[i] = (i * 2654435761u) >> 7;
    for (int i = 0; i < 40; i++)
        for (int j = 0; j + 1 < 40 - i; j++)
            if (v[j] > v[j + 1]) {
                u32 x = v[j];
                v[j] = v[j + 1];
                v[j + 1] = x;
                swaps++;
            }
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            a[i][j] = i * 8 + j;
            b[i][j] = i == j ? 3 : i < j;
        }
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            for (int k = 0; k < 8; k++)
                c[i][j] += a[i][k] * b[k][j];
    for (int i = 0; i < 8; i++)
        trace += c[i][i] * (i + 1);
    print_hex(primes);
    print_hex(~sum);                            /* of the bytes 0 to 255: 29058c73 */
    print_hex(swaps);
    print_hex(trace);
    return primes != 139 || ~sum != 0x29058c73;
}
