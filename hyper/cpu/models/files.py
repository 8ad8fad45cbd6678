"""Reads the data files beside this one, at translation time: the program holds the models, not the files.

A file has the sections [model]; [cpuid], where `leaf = EAX EBX ECX EDX` or `leaf.subleaf = ...`, in hexadecimal, is what the part answers;
and [vmx], the capability MSRs of a part with VT-x. The brand string stands in [model] and becomes leaves 80000002h to 80000004h.
"""
import ConfigParser
import os

from hyper.cpu.models import model as m

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
        vmx_msrs = [signed(int(value, 16)) for _, value in sorted(parser.items('vmx'))]
        assert len(vmx_msrs) == 13, path
    has_rdpmc = parser.has_option('model', 'rdpmc') and parser.getboolean('model', 'rdpmc')
    has_intel64 = any(number == 0x80000001 and registers[3] & m.LM for number, _, registers in leaves)
    return m.Model(parser.get('model', 'name'), parser.get('model', 'description'), [masked(*leaf) for leaf in leaves],
                   parser.getint('model', 'physical bits'), has_rdpmc, has_intel64, vmx_msrs)


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


def signed(value):
    """A 64-bit word as RPython has it."""
    return value - (1 << 64) if value >> 63 else value
