"""A program that RPython 0.2.1 miscompiles without toolchain/merge_if_blocks_fix.py: it reads instruction prefixes, given as numbers.

It prints operand size, repeat prefix and the first byte that is no prefix.
"""


class Reader(object):
    def __init__(self, numbers):
        self.numbers = numbers
        self.at = 0

    def fetch(self):
        number = self.numbers[self.at]
        self.at += 1
        return number


def prefixes(reader):
    size = 4
    repeat = 0
    while True:
        byte = reader.fetch()
        if byte == 0x66:
            size = 2
        elif byte == 0xf2:
            repeat = 2
        elif byte == 0xf3:
            repeat = 1
        else:
            break
    return size, repeat, byte

prefixes._dont_inline_ = True       # so that the test finds it in the C code


def entry_point(argv):
    numbers = []
    for word in argv[1:]:
        numbers.append(int(word))
    size, repeat, byte = prefixes(Reader(numbers))
    print '%d %d %d' % (size, repeat, byte)
    return 0


def target(driver, args):
    return entry_point, None
