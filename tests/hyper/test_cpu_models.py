"""Processor models: what CPUID says, and that what a model lacks is not there."""
import pytest

from cpu_parts import Guest
from hyper.cpu import models
from hyper.cpu.models import model as m

UNDEFINED = 6


def on(name, source):
    """The event that the code on a model has ended with, None for its HLT."""
    return Guest(source, model=models.find(name)).run()


def text(*words):
    return ''.join(chr(word >> 8 * k & 0xff) for word in words for k in range(4))


@pytest.mark.parametrize('model', models.MODELS, ids=models.names())
def test_every_model_says_what_it_is(model):
    vendor = model.cpuid(0, 0)
    assert text(vendor.ebx, vendor.edx, vendor.ecx) == 'GenuineIntel'
    version = model.cpuid(1, 0)
    assert version.eax == model.signature and version.edx == model.features
    assert version.edx & ~m.IMPLEMENTED_EDX == 0 and version.ecx & ~m.IMPLEMENTED_ECX == 0
    assert (len(model.vmx_msrs) == 13) == (version.ecx & m.VMX != 0)
    assert version.edx & m.HTT == 0 and version.ebx >> 16 & 0xff <= 1       # one logical processor


def test_the_signatures_are_those_of_the_parts():
    assert dict((model.name, model.signature) for model in models.MODELS) == {
        '486': 0x480, 'pentium': 0x52c, 'pentium-mmx': 0x543, 'pentium-2': 0x652, 'pentium-3': 0x686, 'pentium-d': 0xf64, 'core2duo': 0x6f6,
        'nehalem': 0x106a5}


def test_the_default_is_the_core_2_duo():
    assert models.find('').name == 'core2duo'


def test_a_leaf_above_the_highest_is_answered_as_the_highest_basic_one():
    for name, highest in [('pentium-2', 2), ('core2duo', 10)]:
        model = models.find(name)
        for leaf in [highest + 1, 0x40000000, 0x80000009, 0xffffffff]:
            answer, expected = model.cpuid(leaf, 0), model.cpuid(highest, 0)
            assert (answer.eax, answer.ebx, answer.ecx, answer.edx) == (expected.eax, expected.ebx, expected.ecx, expected.edx)
    assert models.find('pentium-2').cpuid(0x80000000, 0).edx == 0x0c040843


def test_the_brand_string_is_48_bytes_that_end_with_a_zero():
    for name, brand in [('core2duo', 'Intel(R) Core(TM)2 CPU         T7600  @ 2.33GHz\0'),
                        ('pentium-d', 14 * ' ' + 'Intel(R) Pentium(R) D CPU 3.20GHz\0')]:
        answers = [models.find(name).cpuid(0x80000002 + k, 0) for k in range(3)]
        assert text(*[word for a in answers for word in (a.eax, a.ebx, a.ecx, a.edx)]) == brand


def test_caches_are_told_by_leaf_4_with_one_core():
    model = models.find('core2duo')
    data, code, second = [model.cpuid(4, k) for k in range(3)]
    assert [level.eax for level in (data, code, second)] == [0x121, 0x122, 0x143]

    def size(level):
        return ((level.ebx >> 22) + 1) * ((level.ebx >> 12 & 0x3ff) + 1) * ((level.ebx & 0xfff) + 1) * (level.ecx + 1)

    assert [size(level) for level in (data, code, second)] == [32 << 10, 32 << 10, 4 << 20]
    assert model.cpuid(4, 3).eax == 0


def test_edx_holds_the_signature_after_reset():
    for model in models.MODELS:
        guest = Guest(model=model)
        guest.system.reset()
        assert guest.system.regs[2] == model.signature


ABSENT = {
    'rdtsc': ['486'], 'rdmsr': ['486'], 'wrmsr': ['486'], 'cmpxchg8b (%ebx)': ['486'],
    'cmovc %eax, %ecx': ['486', 'pentium', 'pentium-mmx'], 'fcmovb %st(1), %st': ['486', 'pentium', 'pentium-mmx'],
    'fcomi %st(1), %st': ['486', 'pentium', 'pentium-mmx'], 'fucomip %st(1), %st': ['486', 'pentium', 'pentium-mmx'],
    'rdpmc': ['486', 'pentium'], 'sysenter': ['486', 'pentium', 'pentium-mmx'], 'sysexit': ['486', 'pentium', 'pentium-mmx'],
    'nopl (%eax)': ['486', 'pentium', 'pentium-mmx'],
    '.byte 0x0f, 0x0d, 0x08': ['486', 'pentium', 'pentium-mmx', 'pentium-2', 'pentium-3'],
}


@pytest.mark.parametrize('instruction', sorted(ABSENT))
@pytest.mark.parametrize('name', models.names())
def test_an_instruction_that_the_model_lacks_is_undefined(name, instruction):
    event = on(name, 'fninit; mov $0x14000, %%ebx; mov $0x10, %%ecx; %s; hlt' % instruction)
    undefined = event is not None and event.vector == UNDEFINED
    assert undefined == (name in ABSENT[instruction])


@pytest.mark.parametrize('name', models.names())
def test_bits_of_cr4_that_the_model_lacks_are_reserved(name):
    features = models.find(name).features
    owners = [(0, m.VME), (1, m.VME), (2, m.TSC), (3, m.DE), (4, m.PSE), (5, m.PAE), (6, m.MCE), (7, m.PGE), (9, m.FXSR), (10, m.SSE),
              (11, 0), (12, 0), (14, 0), (31, 0)]
    for bit, feature in owners:
        event = on(name, 'mov $1 << %d, %%eax; mov %%eax, %%cr4; hlt' % bit)
        faulted = event is not None and event.vector == 13
        assert faulted == (features & feature == 0), bit
