/* work: the processor alone. Each workload prints a checksum that any right machine gives for the same number of iterations. */

#include "measure.h"

/* Never inlined, so that calls stay calls. */
#define CALLED __attribute__((noinline, noclone))

/* -- sieve: the primes below 2^20, a byte for each number */

#define LIMIT (1u << 20)

static u8 composite[LIMIT];

static u32 sieve(u32 iterations)
{
    u32 primes = 0;

    while (iterations-- > 0) {
        primes = 0;
        for (u32 i = 0; i < LIMIT; i++)
            composite[i] = 0;
        for (u32 i = 2; i < LIMIT; i++) {
            if (composite[i])
                continue;
            primes++;
            for (u32 j = 2 * i; j < LIMIT; j += i)
                composite[j] = 1;
        }
    }
    return primes;
}

/* -- crc32 of 64 KB, by a table of bytes */

#define POLYNOMIAL 0xedb88320u

static u8 message[65536];
static u32 crc_table[256];

static u32 crc32(u32 iterations)
{
    u32 crc = ~0u;

    for (u32 i = 0; i < COUNT(crc_table); i++) {
        u32 c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        crc_table[i] = c;
    }
    for (u32 i = 0; i < sizeof message; i++)
        message[i] = i * 13 + (i >> 7);
    while (iterations-- > 0)
        for (u32 i = 0; i < sizeof message; i++)
            crc = crc >> 8 ^ crc_table[(crc ^ message[i]) & 0xff];
    return ~crc;
}

/* -- quicksort_tree: sorts random numbers, and looks them up in a binary tree that they were put into unsorted */

#define NUMBERS 100000
#define NODES 50000

struct node {
    struct node *left, *right;
    u32 key;
};

static u32 numbers[NUMBERS];
static struct node nodes[NODES];

static void quicksort(s32 first, s32 last)
{
    while (first < last) {
        u32 middle = numbers[first + (last - first) / 2];
        s32 i = first, j = last;
        while (i <= j) {
            while (numbers[i] < middle)
                i++;
            while (numbers[j] > middle)
                j--;
            if (i <= j) {
                u32 other = numbers[i];
                numbers[i++] = numbers[j];
                numbers[j--] = other;
            }
        }
        if (j - first < last - i) {             /* recursion takes the smaller part */
            quicksort(first, j);
            first = i;
        } else {
            quicksort(i, last);
            last = j;
        }
    }
}

static u32 depth_of(const struct node *node, u32 key)
{
    u32 depth = 0;

    while (node && node->key != key) {
        node = key < node->key ? node->left : node->right;
        depth++;
    }
    return depth;
}

static u32 quicksort_tree(u32 iterations)
{
    u32 sum = 0, random = 1;

    while (iterations-- > 0) {
        struct node *root = NULL;
        for (u32 i = 0; i < NUMBERS; i++)
            numbers[i] = random = random * 1664525 + 1013904223;
        for (u32 i = 0; i < NODES; i++) {
            struct node **place = &root;
            while (*place)
                place = numbers[i] < (*place)->key ? &(*place)->left : &(*place)->right;
            nodes[i] = (struct node){ NULL, NULL, numbers[i] };
            *place = &nodes[i];
        }
        quicksort(0, NUMBERS - 1);
        for (u32 i = 0; i < NUMBERS; i += 500)
            sum = sum * 31 + numbers[i];
        for (u32 i = 0; i < NUMBERS; i += 5)
            sum += depth_of(root, numbers[i]);
    }
    return sum;
}

/* -- matrix: the product of two integer matrices */

#define SIZE 128

static s32 left[SIZE][SIZE], right[SIZE][SIZE], product[SIZE][SIZE];

static u32 matrix(u32 iterations)
{
    u32 sum = 0;

    for (u32 round = 0; round < iterations; round++) {
        for (u32 i = 0; i < SIZE; i++)
            for (u32 j = 0; j < SIZE; j++) {
                left[i][j] = i + j * round;
                right[i][j] = i * 3 - j + round;
            }
        for (u32 i = 0; i < SIZE; i++)
            for (u32 j = 0; j < SIZE; j++) {
                u32 total = 0;
                for (u32 k = 0; k < SIZE; k++)
                    total += (u32)left[i][k] * (u32)right[k][j];
                product[i][j] = total;
            }
        for (u32 i = 0; i < SIZE; i++)
            sum = sum * 7 + product[i][(i * 5 + round) % SIZE];
    }
    return sum;
}

/* -- calls_strings: small functions, records and short strings, as in Dhrystone (Weicker 1984) */

struct record {
    struct record *next;
    s32 kind, code, value;
    char text[32];
};

static struct record first, second;
static char text[32];

CALLED static void copy_text(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

CALLED static int compare_texts(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return *a - *b;
}

CALLED static int same_letter(char a, char b)
{
    return a == b ? a : 0;
}

CALLED static int before(const char *a, const char *b)
{
    int i = 1;

    while (i < 3)
        i += same_letter(a[i], b[i + 1]) ? 2 : 1;
    return compare_texts(a, b) < 0 ? i : -i;
}

CALLED static void update(struct record *record, s32 value)
{
    if (record->next)
        record->next->value = value + record->code;
    record->value += 10;
}

CALLED static void handle(struct record *record)
{
    struct record *next = record->next;

    *next = *record;
    record->value = 5;
    next->value = record->value;
    update(next, record->kind);
    if (next->kind == 0) {
        next->value = 6;
        next->code = next->code * 3 + 1;
    } else {
        *record = *next;
    }
}

static u32 calls_strings(u32 iterations)
{
    u32 sum = 0;

    first = (struct record){ .next = &second };
    second = (struct record){ .next = &first };
    copy_text(first.text, "A RECORD WITH SOME TEXT IN IT");
    for (u32 i = 0; i < iterations * 1000; i++) {
        first.next = &second;
        first.kind = i & 1;
        copy_text(text, i % 3 ? "A RECORD WITH SOME TEXT IN US" : "A RECORD WITH SOME OTHER TEXT");
        sum += before(first.text, text);
        handle(&first);
        sum = (sum << 1 | sum >> 31) + first.value + second.code;
    }
    return sum;
}

/* -- bytecode: an interpreter whose dispatch is one indirect jump */

enum { ADD, XOR, BUMP, ROTATE, AND, SUBTRACT, COUNT_ODD, AGAIN, SHIFT, MULTIPLY };

static const u8 program[] = { ADD, XOR, BUMP, ROTATE, AND, ADD, SUBTRACT, COUNT_ODD, SHIFT, XOR, BUMP, MULTIPLY, AGAIN };

static u32 bytecode(u32 iterations)
{
    u32 total = 1, a = 0, b = 0, c = 0, odd = 0, left_over = iterations * 1000;
    const u8 *next = program;

    for (;;) {
        switch (*next++) {
        case ADD: total += b; break;
        case XOR: a ^= total; break;
        case BUMP: b += 3; break;
        case ROTATE: total = total << 1 | total >> 31; break;
        case AND: c = total & b; break;
        case SUBTRACT: total -= c; break;
        case COUNT_ODD: odd += total & 1; break;
        case SHIFT: a >>= 1; break;
        case MULTIPLY: total = total * 31 + a; break;
        default:
            if (--left_over == 0)
                return total ^ odd;
            next = program;
        }
    }
}

/* -- random_access: reads and writes all over 8 MB */

#define CELLS (8u << 20 >> 2)

static u32 cells[CELLS];

static u32 random_access(u32 iterations)
{
    u32 at = 0, random = 1;

    for (u32 i = 0; i < CELLS; i += 1024)
        cells[i] = i;
    for (u32 i = 0; i < iterations * 1000; i++) {
        random = random * 1664525 + 1013904223;
        at = (random >> 10 ^ cells[at]) % CELLS;
        cells[at] += random;
    }
    return cells[at] ^ at;
}

static const struct measured workloads[] = {
    { .name = "sieve", .iterations = 10, .run = sieve },
    { .name = "crc32", .iterations = 200, .run = crc32 },
    { .name = "quicksort_tree", .iterations = 3, .run = quicksort_tree },
    { .name = "matrix", .iterations = 10, .run = matrix },
    { .name = "calls_strings", .iterations = 300, .run = calls_strings },
    { .name = "bytecode", .iterations = 1000, .run = bytecode },
    { .name = "random_access", .iterations = 3000, .run = random_access },
};

int main(int argc, char **argv)
{
    return measure(argc, argv, workloads, COUNT(workloads), 1);
}
