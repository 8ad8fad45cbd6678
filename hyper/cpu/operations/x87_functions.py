"""The C functions that execute x87 instructions: hyper/cpu/x87.c."""
import os

from rpython.rlib.unroll import unrolling_iterable

from hyper.board import native

ON_MEMORY = 512                 # in the table of instructions of x87.c
NO_FUNCTION = -1
PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'x87.c')

# Instructions that have a function of their own in x87.c, by their bytes: on memory, escape and ModRM.reg; on registers, escape and the lowest ModRM of
# those that differ in the register only, or what is ONE instruction.
QUICK = '''d8_0 d8_1 d8_2 d8_3 d8_4 d8_5 d8_6 d8_7 d9_0 d9_2 d9_3 da_0 da_1 da_2 da_3 da_4 da_5 da_6 da_7 db_0 db_1 db_2 db_3 db_5 db_7
    dc_0 dc_1 dc_2 dc_3 dc_4 dc_5 dc_6 dc_7 dd_0 dd_1 dd_2 dd_3 de_0 de_1 de_2 de_3 de_4 de_5 de_6 de_7 df_0 df_1 df_2 df_3 df_5 df_7
    d8_c0 d8_c8 d8_d0 d8_d8 d8_e0 d8_e8 d8_f0 d8_f8 d9_c0 d9_c8 da_c0 da_c8 da_d0 da_d8 db_c0 db_c8 db_d0 db_d8 db_e8 db_f0
    dc_c0 dc_c8 dc_e0 dc_e8 dc_f0 dc_f8 dd_d0 dd_d8 dd_e0 dd_e8 de_c0 de_c8 de_e0 de_e8 de_f0 de_f8 df_e8 df_f0'''.split()
ONE = 'd9_e0 d9_e1 d9_e4 d9_e8 d9_e9 d9_ea d9_eb d9_ec d9_ed d9_ee d9_fa d9_fc da_e9 de_d9'.split()


def number(name):
    """The place in the table of instructions of x87.c."""
    escape = int(name[:2], 16) - 0xd8
    if len(name) == 4:
        return ON_MEMORY + escape * 8 + int(name[3])
    return escape * 64 + (int(name[3:], 16) & 0x3f)


_names = ['run'] + QUICK + ONE
_source = native.Source(PATH, dict([('x87_' + name, 4) for name in _names]))
run = _source.function('x87_run')
QUICK_NUMBERS = [number(name) for name in QUICK]
ONE_NUMBERS = [number(name) for name in ONE]
_functions = unrolling_iterable([(number(name), _source.function('x87_' + name)) for name in QUICK + ONE])


def function_of(instruction):
    """What `call` wants to know of an instruction."""
    if instruction in ONE_NUMBERS:
        return instruction
    if instruction < ON_MEMORY:
        instruction &= ~7
    return instruction if instruction in QUICK_NUMBERS else NO_FUNCTION


def call(function, image, instruction, low, high, flags):
    """Executes an instruction: see x87.c. `function` is constant in a trace, so there one call is left."""
    for known, quick in _functions:
        if function == known:
            return quick(image, instruction, low, high, flags)
    return run(image, instruction, low, high, flags)
