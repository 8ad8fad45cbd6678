"""The functions of x87.c that calculate in integers, against the host's unit."""
import os
import struct
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'oracle'))

import x87_forms
from hyper.cpu.fpu import CONTROL, OPERAND, REGISTER, REGISTERS, SIZE, STATUS, TAGS
from hyper.cpu.operations import x87
from hyper.cpu.operations.x87_functions import ON_MEMORY, ONE, QUICK, call, function_of, number, run
from writer import Random

COUNT = 150
TO_FLAGS = ['db_e8', 'db_f0', 'df_e8', 'df_f0']
FLAGS = 0x45             # ZF, PF, CF


def state(r):
    """A unit with full registers, mostly with numbers of like size; so that pushes succeed one register is empty as often as not."""
    image = bytearray(SIZE)
    near = 16383 + r.randrange(-3, 4)
    for k in range(8):
        value = x87_forms.extended(r)
        if r.randrange(2):
            value = struct.pack('<QH', (r.getrandbits(64) | 1 << 63) & ~0 << r.randrange(64) & (1 << 64) - 1, near + r.randrange(3) | r.randrange(2) << 15)
        image[REGISTERS + REGISTER * k:REGISTERS + REGISTER * k + 10] = value
    control = 0x37f if r.randrange(2) else x87_forms.control(r)
    top = r.randrange(8)
    struct.pack_into('<H', image, CONTROL, control)
    struct.pack_into('<H', image, STATUS, top << 11 | r.getrandbits(16) & 0x4700 | r.getrandbits(6) & control)
    image[TAGS] = 0xff & ~(r.randrange(2) << (top - 1 & 7)) & ~(0 if r.randrange(4) else 1 << r.randrange(8))
    return image


def operand(r, name):
    if name == 'db_5':
        return struct.unpack('<qH', x87_forms.extended(r))
    words = x87_forms.value(Reader(r), int(name[:2], 16) - 0xd8, int(name[3], 16)) + [0]
    return struct.unpack('<q', struct.pack('<II', words[0], words[1]))[0], 0


class Reader(object):
    def __init__(self, r):
        self.r = r


def stored(name):
    """Bytes that an instruction stores."""
    if len(name) == 4:
        escape, reg = int(name[:2], 16) - 0xd8, int(name[3])
        if x87.KINDS[escape][reg] == 'S':
            return x87.SIZES[escape][reg]
    return 0


@pytest.mark.parametrize('name', QUICK + ONE)
def test_quick_functions_do_what_the_hosts_unit_does(name):
    r = Random(sum([ord(c) * 31 ** k for k, c in enumerate(name)]))
    size = stored(name)
    for _ in range(COUNT):
        quickly = state(r)
        slowly = bytearray(quickly)
        before = bytes(quickly)
        low, high = operand(r, name) if len(name) == 4 else (0, 0)
        flags = r.getrandbits(8) & 0xd5
        instruction = number(name)
        if name in QUICK and instruction < ON_MEMORY:
            instruction += r.randrange(8)
        results = [call(function_of(instruction), quickly, instruction, low, high, flags), run(slowly, instruction, low, high, flags)]
        for image in (quickly, slowly):
            image[OPERAND + size:OPERAND + 16] = bytearray(16 - size)
        assert (quickly, results[0] >> 8) == (slowly, results[1] >> 8), (name, before.encode('hex'), hex(low), high)
        if name in TO_FLAGS:
            assert results[0] & FLAGS == results[1] & FLAGS


def test_quick_functions_are_reached():
    """x87_run would change the pattern that lies where instructions store; a sum of normal numbers leaves it."""
    image = bytearray(SIZE)
    for k in range(8):
        struct.pack_into('<QH', image, REGISTERS + REGISTER * k, 1 << 63, 16383)
    struct.pack_into('<HHB', image, CONTROL, 0x37f, 0, 0xff)
    image[OPERAND:OPERAND + 8] = b'\x5a' * 8
    call(function_of(number('d8_c0') + 1), image, number('d8_c0') + 1, 0, 0, 0)
    assert image[OPERAND:OPERAND + 8] == b'\x5a' * 8
    assert struct.unpack_from('<QH', image, REGISTERS) == (1 << 63, 16384)
