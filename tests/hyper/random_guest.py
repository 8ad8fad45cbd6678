"""Flat images of random system instructions, with tables that make something like sense: what a hostile or broken kernel may do.

For both Pythons: tests/guestkit runs them on the native program.
"""
import random
import struct

AT = 0x8000                     # where the image is loaded and entered, in flat protected mode or real mode
MEMORY = 1 << 20                # that the addresses are made for
LENGTH = 3000                   # bytes of instructions
GDT, IDT, DIRECTORY, TABLE = 0x9e00, 0xa000, 0x10000, 0x11000
POINTERS = 0x9f00               # what LGDT and LIDT load
END = 0x12000

ADDRESSES = [0, 4, 0x500, 0x1000, 0x7ffe, AT, 0x9000, POINTERS, GDT + 0x10, IDT + 0x70, DIRECTORY, TABLE, 0xa0000, 0xb8000, 0xbfffe, 0xffffe, MEMORY - 2, MEMORY,
             0x3ffffe, 0x400000, 0x7fffffff, 0x80000000, 0xc0000000, 0xfec00000, 0xfffffffc, 0xffffffff]
VALUES = ADDRESSES + [1, 2, 8, 0x10, 0x18, 0x23, 0x2b, 0x30, 0x33, TABLE | 3, DIRECTORY | 7, 0x200083, 0x80000011, 0x80010001, 0x80000000, 0x60000010]
PORTS = [0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0xa1, 0xcf8, 0x3d4, 0x3d5, 0x3f8, 0x3f9, 0x3fb, 0x604, 0x1234, 0xffff]
COUNTS = [0, 1, 3, 0x10, 0x174, 0x480, 0xffffffff]
INSTRUCTIONS = [
    # control and debug registers, model-specific registers, caches, HLT
    b'\x0f\x20\xc0', b'\x0f\x22\xc0', b'\x0f\x22\xc3', b'\x0f\x22\xd8', b'\x0f\x20\xd8', b'\x0f\x22\xe0', b'\x0f\x20\xe0', b'\x0f\x22\xd0', b'\x0f\x01\xf0',
    b'\x0f\x01\xe0', b'\x0f\x06', b'\x0f\x21\xf8', b'\x0f\x23\xf8', b'\x0f\x23\xf0', b'\x0f\x23\xe0', b'\x0f\xa2', b'\x0f\x30', b'\x0f\x32', b'\x0f\x31',
    b'\x0f\x33', b'\x0f\x08', b'\x0f\x09', b'\xf3\x90', b'\xf4',
    # ports and strings
    b'\xec', b'\xed', b'\x66\xed', b'\xee', b'\xef', b'\x66\xef', b'\x6c', b'\x6d', b'\x6e', b'\x6f', b'\xf3\x6c', b'\xf3\x66\x6d', b'\xf3\x6e', b'\x67\xf3\x6f',
    b'\xf2\x6d', b'\xaa', b'\xab', b'\xf3\xa4', b'\xf3\xa5', b'\xf3\xaa', b'\xf3\xab', b'\xf3\xa6', b'\xf2\xae', b'\xac', b'\xf3\xad', b'\xfc', b'\xfd',
    # flags, interrupts, transfers, segments
    b'\xfa', b'\xfb', b'\xcf', b'\x9c', b'\x9d', b'\xcc', b'\xce', b'\xcd\x80', b'\xcd\x0e', b'\xcd\x08', b'\x0f\x0b', b'\xc3', b'\xcb', b'\x07', b'\x17', b'\x1f',
    b'\x0f\xa1', b'\x0f\x34', b'\x0f\x35', b'\xff\x20', b'\xff\x28', b'\xff\x10', b'\xff\x18', b'\x8e\xd8', b'\x8e\xd0', b'\x8e\xc0', b'\x8e\xe8', b'\xea',
    b'\x9a', b'\x0f\x00\xd0', b'\x0f\x00\xd8', b'\x0f\x01\x10', b'\x0f\x01\x18', b'\x0f\x01\x38', b'\x0f\x01\x39', b'\x0f\x01\x3b',
    # VT-x, and what is not there
    b'\x0f\x01\xc1', b'\x0f\x01\xc2', b'\x0f\x01\xc4', b'\x0f\xc7\x30', b'\xf3\x0f\xc7\x30', b'\x0f\x78\xc3', b'\x0f\x79\xc3', b'\x0f\x01\xc8', b'\x0f\x01\xc9',
    b'\x0f\x01\xd1',
    # memory operands
    b'\xa0', b'\x88\x03', b'\x8a\x03', b'\x89\x03', b'\x8b\x03', b'\x66\x89\x06', b'\x01\x03', b'\x80\x0b\x10', b'\xfe\x03', b'\x87\x03', b'\x0f\xb1\x0b',
    b'\x0f\xab\x03', b'\xff\x33', b'\x8f\x03', b'\x0f\xb6\x03', b'\x0f\xbf\x06', b'\xf0\x0f\xc1\x03', b'\x0f\xc7\x0b', b'\xd8\x03', b'\xdb\x3b', b'\xdd\x23',
    # prefixes
    b'\xf3', b'\x66', b'\x67', b'\x2e', b'\x65']
DESCRIPTORS = [0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x0000890009000067]


def word(value):
    return struct.pack('<I', value)


def instructions(rng):
    code = b'\x0f\x01\x15' + word(POINTERS) + b'\x0f\x01\x1d' + word(POINTERS + 8) + b'\xbc' + word(0x7000)     # LGDT, LIDT, ESP
    while len(code) < LENGTH:
        kind = rng.randrange(10)
        if kind < 3:
            register = rng.choice([0, 1, 2, 3, 5, 6, 7])
            code += struct.pack('<BI', 0xb8 + register, rng.choice(VALUES) if rng.randrange(4) else rng.getrandbits(32))
        elif kind == 3:
            code += struct.pack('<BBHBI', 0x66, 0xba, rng.choice(PORTS), 0xb9, rng.choice(COUNTS))
        elif kind == 4:
            code += struct.pack('<BBII', 0xc7, 0x05, rng.choice(ADDRESSES), rng.choice(VALUES))
        elif kind == 5:
            code += bytes(bytearray(rng.randrange(256) for k in range(rng.randrange(1, 5))))
        else:
            code += rng.choice(INSTRUCTIONS)
    return code


def image(name):
    """The bytes from AT on of the guest of a name."""
    rng = random.Random(name)
    data = bytearray(END - AT)

    def put(address, text):
        data[address - AT:address - AT + len(text)] = text
    put(AT, instructions(rng))
    for k in range(len(DESCRIPTORS)):
        put(GDT + 8 * k, struct.pack('<Q', DESCRIPTORS[k]))
    put(POINTERS, struct.pack('<HI', 8 * len(DESCRIPTORS) - 1, GDT))
    put(POINTERS + 8, struct.pack('<HI', 0x7ff, IDT))
    for vector in range(256):
        handler = AT + rng.randrange(LENGTH)
        kind = rng.choice([0x8e, 0x8e, 0x8f, 0xee, 0x85, 0x86, 0x0e])
        put(IDT + 8 * vector, struct.pack('<HHHH', handler & 0xffff, rng.choice([0x10, 0x10, 0x10, 0x18, 0, 8, 0x30]), kind << 8, handler >> 16))
    for k in range(1024):
        put(DIRECTORY + 4 * k, word(rng.choice([0, TABLE | 7, TABLE | 3, 0x83, DIRECTORY | 3, DIRECTORY | 7, MEMORY | 7, rng.getrandbits(32)])))
        put(TABLE + 4 * k, word(k << 12 | 7 if rng.randrange(8) else rng.getrandbits(32)))
    put(DIRECTORY, word(rng.choice([TABLE | 7, 0x87, TABLE | 7])))
    return bytes(data)
