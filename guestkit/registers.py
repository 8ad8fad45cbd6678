"""A domain's processor registers, as attributes and as a mapping."""
from collections.abc import Mapping

from guestkit.errors import BadInput

GENERAL = ('eax', 'ebx', 'ecx', 'edx', 'esi', 'edi', 'ebp', 'esp')
SEGMENTS = ('cs', 'ss', 'ds', 'es', 'fs', 'gs', 'ldtr', 'tr')
TABLES = ('gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit')
NAMES = (*GENERAL, 'eip', 'eflags', 'cpl', 'cr0', 'cr2', 'cr3', 'cr4', *(f'dr{i}' for i in range(8)), *SEGMENTS,
         *(f'{name}.{part}' for name in SEGMENTS for part in ('base', 'limit', 'access')), *TABLES, 'instructions', 'time', 'halted')


class Registers(Mapping):
    """`regs.eax`, `regs['eax']`, `regs.eax = 1`; names as in NAMES, with `regs.cs_base` for 'cs.base'.

    Values are non-negative integers. A register is written as a debugger writes it: nothing is checked or loaded with it.
    """
    __slots__ = ('_domain',)

    def __init__(self, domain):
        object.__setattr__(self, '_domain', domain)

    def __getitem__(self, name):
        if name not in NAMES:
            raise KeyError(name)
        return self._domain.call('hyper_get', name.encode())

    def __setitem__(self, name, value):
        if not isinstance(value, int):
            raise BadInput(f'{name} = {value!r}: a register takes an integer')
        self._domain.call('hyper_set', name.encode(), value & 0xffffffff)

    def __iter__(self):
        return iter(NAMES)

    def __len__(self):
        return len(NAMES)

    def __getattr__(self, name):
        try:
            return self[name.replace('_', '.')]
        except KeyError:
            raise AttributeError(f'no register {name}; there are {", ".join(NAMES)}') from None

    def __setattr__(self, name, value):
        self[name.replace('_', '.')] = value

    def __dir__(self):
        return [*super().__dir__(), *(name.replace('.', '_') for name in NAMES)]

    def __str__(self):
        lines = ['  '.join(f'{name} {self[name]:08x}' for name in names) for names in (
            GENERAL[:4], GENERAL[4:], ('eip', 'eflags', 'cr0', 'cr2', 'cr3', 'cr4'))]
        lines.append('  '.join(f'{name} {self[name]:04x}' for name in SEGMENTS))
        return '\n'.join(lines)
