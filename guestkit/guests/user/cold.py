"""Writes cold.c: thousands of functions, no two alike, called through tables. python3 cold.py > cold.c

An operating system that starts up runs much code a few times each. Here an iteration calls every function about once, in another order
each time, so there is little for a compiler of hot loops to find.
"""

FUNCTIONS = 2000
LEAVES = 700                    # the first ones: they call nobody
CELLS = 64

HEAD = '''/* Written by cold.py. */

#include "measure.h"

static u32 cells[%d];
static u32 (*const functions[])(u32 a, u32 b);

''' % CELLS

TAIL = '''
#define COUNT_OF_FUNCTIONS %d

/* A step that has no common divisor with the number of functions reaches each once. */
static u32 divisor(u32 a, u32 b)
{
    while (b) {
        u32 rest = a %% b;
        a = b;
        b = rest;
    }
    return a;
}

static u32 cold(u32 iterations)
{
    u32 sum = 1, at = 0;

    for (u32 i = 0; i < sizeof cells / sizeof cells[0]; i++)
        cells[i] = i * 0x9e3779b9u;
    for (u32 i = 0; i < iterations; i++) {
        u32 step = (i * 7919 + 611) %% COUNT_OF_FUNCTIONS;
        while (divisor(COUNT_OF_FUNCTIONS, step) != 1)
            step++;
        for (u32 n = 0; n < COUNT_OF_FUNCTIONS; n++) {
            at = (at + step) %% COUNT_OF_FUNCTIONS;
            sum = functions[at](sum, n) + (sum << 5 | sum >> 27);
        }
    }
    return sum;
}

static const struct measured workloads[] = {
    { .name = "cold", .iterations = 20, .run = cold },
};

int main(int argc, char **argv)
{
    return measure(argc, argv, workloads, COUNT(workloads), 1);
}
'''


class Random:
    """The same numbers on every machine."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 33) % limit

    def choice(self, values):
        return values[self.below(len(values))]


def expression(random):
    """Of the variables a, b and c."""
    x, y = random.choice('abc'), random.choice('abc')
    return random.choice([
        f'{x} + {y} * {random.below(9) + 3}', f'{x} ^ {y} >> {random.below(15) + 1}', f'{x} - {y} - {random.below(5000)}',
        f'({x} | {random.below(65536):#x}) + ({y} & {random.below(65536):#x})', f'~{x} + cells[{y} % {CELLS}]',
        f'{x} << {random.below(7) + 1} ^ {random.below(1 << 31):#x}', f'cells[{random.below(CELLS)}] + {x}',
        f'{x} % {random.below(1000) + 7} + {y}', f'(u32)((s32){x} >> {random.below(12) + 1}) ^ {y}',
    ])


def statement(random, number):
    kind = random.below(8)
    name = random.choice('abc')
    if kind < 3:
        return f'    {name} = {expression(random)};\n'
    if kind == 3:
        return f'    cells[{random.below(CELLS)}] {random.choice(["+=", "^=", "="])} {expression(random)};\n'
    if kind == 4:
        test = random.choice([f'a > {random.below(1 << 31)}u', f'b & {1 << random.below(16)}', '(s32)c < (s32)a', f'a % {random.below(5) + 2} == 0'])
        return f'    if ({test})\n        {name} = {expression(random)};\n    else\n        {random.choice("abc")} = {expression(random)};\n'
    if kind == 5:
        return (f'    for (u32 i = 0; i < {random.below(4) + 2}; i++)\n        '
                f'{name} += cells[({random.choice("abc")} + i) % {CELLS}] {random.choice("^+")} i;\n')
    if kind == 6:
        cases = ''.join(f'    case {i}: {random.choice("abc")} = {expression(random)}; break;\n' for i in range(random.below(3) + 4))
        return f'    switch ({name} % {random.below(4) + 5}) {{\n{cases}    }}\n'
    if number >= LEAVES:
        return f'    {name} += functions[({random.choice("abc")} + {random.below(LEAVES)}) % {LEAVES}](b, c);\n'
    return f'    {name} ^= {expression(random)};\n'


def function(random, number):
    body = ''.join(statement(random, number) for _ in range(random.below(5) + 3))
    return f'static u32 f{number}(u32 a, u32 b)\n{{\n    u32 c = a ^ {random.below(1 << 31):#x};\n\n{body}    return a ^ b ^ c;\n}}\n\n'


def main():
    random = Random(2003)
    print(HEAD + ''.join(function(random, number) for number in range(FUNCTIONS)), end='')
    print('static u32 (*const functions[])(u32 a, u32 b) = {')
    for start in range(0, FUNCTIONS, 16):
        print('    ' + ' '.join(f'f{number},' for number in range(start, min(start + 16, FUNCTIONS))))
    print('};' + '\n' + TAIL % FUNCTIONS, end='')


main()
