"""Reads the data files beside this one, at translation time: the program holds the models, not the files.

A file has the sections
[model]: name, description, brand (it becomes leaves 80000002h to 80000004h), physical bits, counters and fixed counters (the MSRs that RDPMC reads,
as first-last; without them there is no RDPMC), mcg capabilities (MSR 179h);
[cpuid]: `leaf = EAX EBX ECX EDX` or `leaf.subleaf = ...`, in hexadecimal, what the part answers;
[msr]: `index = value writable ignored kind` or `first-last = ...`, those that are not architectural; words at the end may be missing, and without
`writable` a write is #GP; see registers.py;
[vmx]: the capability MSRs of a part with VT-x.
"""
import ConfigParser
import os

from hyper.cpu.models import model as m
from hyper.cpu.models import registers as r

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
BRAND_LEAF, BRAND_SIZE = 0x80000002, 48
CORES, SHARING = 0xfc000000, 0x03ffc000         # of EAX in leaf 4
LOGICAL_PROCESSORS, ONE_LOGICAL_PROCESSOR, FLUSH_SIZE = 0x00ff0000, 0x00010000, 0x0000ff00      # of EBX in leaf 1


def read(name):
    """The Model of a file's name."""
    parser = ConfigParser.RawConfigParser()
    path = os.path.join(DIRECTORY, name + '.ini')
    if not parser.read(path):
        raise IOError('%s: no such file' % path)
    leaves = []
    for key, value in parser.items('cpuid'):
        number, _, subleaf = key.partition('.')
        registers = [int(word, 16) for word in value.split()]
        assert len(registers) == 4, '%s: leaf %s' % (path, key)
        leaves.append((int(number, 16), int(subleaf, 16) if subleaf else m.ANY, registers))
    if parser.has_option('model', 'brand'):
        leaves += brand_leaves(parser.get('model', 'brand'))
    vmx_msrs = []
    if parser.has_section('vmx'):
        vmx_msrs = [r.signed(int(value, 16)) for _, value in sorted(parser.items('vmx'))]
        assert len(vmx_msrs) == 13, path
    has_intel64 = any(number == 0x80000001 and registers[3] & m.LM for number, _, registers in leaves)
    result = m.Model(parser.get('model', 'name'), parser.get('model', 'description'), [masked(*leaf) for leaf in leaves],
                     parser.getint('model', 'physical bits'), has_intel64, counters(parser, 'counters'), counters(parser, 'fixed counters'), vmx_msrs)
    mcg_capabilities = 0
    if parser.has_option('model', 'mcg capabilities'):
        mcg_capabilities = int(parser.get('model', 'mcg capabilities'), 16)
    result.registers.update(r.architectural(result.features, result.family, result.physical_bits, vmx_msrs, mcg_capabilities))
    if parser.has_section('msr') and result.features & m.MSR:
        for key, value in parser.items('msr'):
            for index in indices(key):
                result.registers[index] = register(value.split())
    return result


def indices(key):
    """The MSRs that `first-last` or one index names."""
    first, _, last = key.partition('-')
    return range(int(first, 16), int(last or first, 16) + 1)


def counters(parser, name):
    return indices(parser.get('model', name)) if parser.has_option('model', name) else []


def register(words):
    numbers = [int(word, 16) for word in words if word not in r.KINDS]
    kinds = [r.KINDS[word] for word in words if word in r.KINDS]
    if len(numbers) == 1 and not kinds:
        return r.constant(numbers[0])
    return r.writable(*(numbers + [r.ALL, 0][len(numbers) - 1:] + (kinds or [r.PLAIN])))


def brand_leaves(quoted):
    text = quoted[1:-1].ljust(BRAND_SIZE, '\0')
    assert len(text) == BRAND_SIZE, quoted
    words = [sum(ord(text[k + i]) << 8 * i for i in range(4)) for k in range(0, BRAND_SIZE, 4)]
    return [(BRAND_LEAF + k, m.ANY, words[4 * k:4 * k + 4]) for k in range(3)]


def masked(number, subleaf, registers):
    """A Leaf without what this processor does not do, and with the topology of one logical processor in a package."""
    eax, ebx, ecx, edx = registers
    if number == 1:
        edx &= m.IMPLEMENTED_EDX
        ecx &= m.IMPLEMENTED_ECX
        if ebx & LOGICAL_PROCESSORS:
            ebx = ebx & ~LOGICAL_PROCESSORS | ONE_LOGICAL_PROCESSOR
        if not edx & m.CLFSH:
            ebx &= ~FLUSH_SIZE
    elif number == 4:
        eax &= ~(CORES | SHARING)
    elif number == 5 and not m.IMPLEMENTED_ECX & m.MONITOR:
        eax = ebx = ecx = edx = 0
    elif number == 6 or number == 0xa:          # thermal monitor, architectural performance counters: there are none
        eax = ebx = ecx = edx = 0
    elif number == m.TOPOLOGY_LEAF:
        eax = 0
        ebx = min(ebx, 1)
    elif number == 0x80000001:
        edx &= m.IMPLEMENTED_EXTENDED_EDX
        ecx &= m.IMPLEMENTED_EXTENDED_ECX
    elif number == 0x80000008 and not m.IMPLEMENTED_EXTENDED_EDX & m.LM:
        eax = eax & 0xff | 32 << 8              # without Intel 64 a linear address has 32 bits
    return m.Leaf(number, subleaf, m.Answer(eax, ebx, ecx, edx))
