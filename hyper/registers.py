"""A processor's registers by their names in the manual, and as text."""

from hyper.cpu.system import CS

GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']
SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr']
M32 = 0xffffffff
UNKNOWN = -1


def index_of(names, name):
    for i in range(len(names)):
        if names[i] == name:
            return i
    return -1


class RegisterFile(object):
    """Registers by name, wherever they are kept."""

    def get(self, name):
        """The value, non-negative; UNKNOWN for a name that is none."""
        return UNKNOWN

    def set(self, name, value):
        """False for a name that is none or cannot be set."""
        return False


class SystemRegisters(RegisterFile):
    """Of a processor at rest."""

    def __init__(self, system):
        self.system = system

    def get(self, name):
        return get(self.system, name)

    def set(self, name, value):
        return set(self.system, name, value)


def get(system, name):
    """The value of a register, non-negative; UNKNOWN for a name that is none.

    Names: eax..edi, eip, eflags, cpl, cr0 cr2 cr3 cr4, dr0..dr7, es..gs ldtr tr, each also with .base .limit .access,
    gdtr.base gdtr.limit idtr.base idtr.limit, instructions, time (ns), halted.
    """
    at = index_of(GENERAL, name)
    if at >= 0:
        return system.regs[at]
    if name == 'eip':
        return system.eip
    if name == 'eflags':
        return system.eflags
    if name == 'cpl':
        return system.cpl
    if name == 'instructions':
        return system.icount
    if name == 'time':
        return system.now()
    if name == 'halted':
        return int(system.halted)
    if name == 'cr0':
        return system.cr0
    if name == 'cr2':
        return system.cr2
    if name == 'cr3':
        return system.cr3
    if name == 'cr4':
        return system.cr4
    if name == 'gdtr.base':
        return system.gdtr_base
    if name == 'gdtr.limit':
        return system.gdtr_limit
    if name == 'idtr.base':
        return system.idtr_base
    if name == 'idtr.limit':
        return system.idtr_limit
    if len(name) == 3 and name.startswith('dr') and '0' <= name[2] and name[2] <= '7':
        return system.dr[ord(name[2]) - ord('0')]
    return get_segment(system, name)


def get_segment(system, name):
    dot = name.find('.')
    part = ''
    if dot >= 0:
        part = name[dot + 1:]
        name = name[:dot]
    at = index_of(SEGMENTS, name)
    if at < 0:
        return UNKNOWN
    if part == '':
        return system.selector[at]
    if part == 'base':
        return system.base[at]
    if part == 'limit':
        return system.limits[at]
    if part == 'access':
        return system.access[at]
    return UNKNOWN


def set(system, name, value):
    """Sets a register, as a debugger does: unchecked, 32 bits. False for a name that is none or cannot be set."""
    value &= M32
    at = index_of(GENERAL, name)
    if at >= 0:
        system.regs[at] = value
    elif name == 'eip':
        system.eip = value
    elif name == 'eflags':
        system.eflags = value & 0x3f7fd5 | 2
    elif name == 'cr2':
        system.cr2 = value
    elif name == 'cr0':
        system.cr0 = value
    elif name == 'cr3':
        system.cr3 = value
    elif name == 'cr4':
        system.cr4 = value
    elif name == 'gdtr.base':
        system.gdtr_base = value
    elif name == 'gdtr.limit':
        system.gdtr_limit = value & 0xffff
    elif name == 'idtr.base':
        system.idtr_base = value
    elif name == 'idtr.limit':
        system.idtr_limit = value & 0xffff
    elif not set_segment(system, name, value):
        return False
    for s in range(6):
        system.update_segment(s)
    system.mmu.flush()
    system.update_mode()
    return True


def set_segment(system, name, value):
    """Sets one part of a segment register; a selector alone loads no descriptor."""
    dot = name.find('.')
    part = ''
    if dot >= 0:
        part = name[dot + 1:]
        name = name[:dot]
    at = index_of(SEGMENTS, name)
    if at < 0:
        return False
    if part == '':
        system.selector[at] = value & 0xffff
    elif part == 'base':
        system.base[at] = value
    elif part == 'limit':
        system.limits[at] = value
    elif part == 'access':
        system.access[at] = value & 0x1f0ff
        if at == CS:
            system.cpl = value >> 5 & 3
    else:
        return False
    return True


def hex8(value):
    """Eight hexadecimal digits."""
    text = '%x' % (value & M32)
    return '0' * (8 - len(text)) + text


def hex4(value):
    text = '%x' % (value & 0xffff)
    return '0' * (4 - len(text)) + text


def dump(file):
    """All that a person needs to see why a guest stopped, in a few lines, from a RegisterFile."""
    lines = []
    line = ''
    for i in range(8):
        line += '%s %s  ' % (GENERAL[i], hex8(file.get(GENERAL[i])))
        if i % 4 == 3:
            lines.append(line)
            line = ''
    lines.append('eip %s  eflags %s  cpl %d  cr0 %s  cr2 %s  cr3 %s  cr4 %s' % (
        hex8(file.get('eip')), hex8(file.get('eflags')), file.get('cpl'), hex8(file.get('cr0')), hex8(file.get('cr2')), hex8(file.get('cr3')),
        hex8(file.get('cr4'))))
    for i in range(8):
        name = SEGMENTS[i]
        line += '%s%s %s base %s limit %s access %s  ' % (name, ' ' * (4 - len(name)), hex4(file.get(name)), hex8(file.get(name + '.base')),
                                                        hex8(file.get(name + '.limit')), hex4(file.get(name + '.access')))
        if i % 2 == 1:
            lines.append(line)
            line = ''
    lines.append('gdtr base %s limit %s  idtr base %s limit %s  instructions %d' % (
        hex8(file.get('gdtr.base')), hex4(file.get('gdtr.limit')), hex8(file.get('idtr.base')), hex4(file.get('idtr.limit')),
        file.get('instructions')))
    return '\n'.join(lines) + '\n'
