"""Model-specific registers: which a model has, what they hold, which values they take."""
import pytest

from cpu_parts import Guest
from hyper.cpu import models
from hyper.cpu.models.registers import Bank

GP = 13


def bank(name='core2duo'):
    return Bank(models.find(name))


def on(name, source):
    guest = Guest(source, model=models.find(name))
    guest.happened = guest.run()
    return guest


def write(index, value):
    return 'mov $%d, %%ecx; mov $%d, %%eax; mov $%d, %%edx; wrmsr;' % (index, value & 0xffffffff, value >> 32)


def read(index):
    return 'mov $%d, %%ecx; mov $-1, %%eax; mov $-1, %%edx; rdmsr;' % index


def read_back(name, index):
    guest = on(name, read(index) + 'hlt')
    assert guest.happened is None
    return guest.eax | guest.edx << 32


def test_an_msr_that_no_model_has_faults():
    for name in ['pentium', 'pentium-3', 'core2duo', 'nehalem']:
        for index in [0x12345, 0x40000000, 0xc0000100, 0xffffffff, 0x210, 0x270]:
            for source in [read(index), write(index, 0)]:
                event = on(name, source + 'hlt').happened
                assert (event.vector, event.error) == (GP, 0)


P5 = ['pentium', 'pentium-mmx']
P6 = ['pentium-2', 'pentium-3']
WITH_VMX = ['pentium-d', 'core2duo', 'nehalem']


@pytest.mark.parametrize('index, names', [
    (0x0, P5 + P6 + WITH_VMX), (0x10, P5 + P6 + WITH_VMX), (0x11, P5), (0xc1, P6 + ['core2duo', 'nehalem']), (0xc4, ['nehalem']), (0x300, ['pentium-d']),
    (0xfe, P6 + WITH_VMX), (0x277, P6 + WITH_VMX), (0x17b, P6), (0x174, P6 + WITH_VMX), (0x480, WITH_VMX), (0x48c, ['nehalem']), (0x3a, WITH_VMX),
    (0x1a0, WITH_VMX)])
def test_each_model_has_the_msrs_of_its_kind(index, names):
    for name in P5 + P6 + WITH_VMX:
        assert (on(name, read(index) + 'hlt').happened is None) == (name in names), name


def test_registers_hold_what_the_manual_says_after_reset():
    assert read_back('core2duo', 0x277) == 0x0007040600070406
    assert read_back('core2duo', 0xfe) == 0x508
    assert read_back('core2duo', 0x2ff) == 0
    assert read_back('core2duo', 0x179) == 6
    assert read_back('pentium-3', 0x179) == 0x105


@pytest.mark.parametrize('index, good, bad', [
    (0x277, [0, 0x0007040600070406, 0x0606060606060606], [2, 3, 8, 0x0300000000000000, 0x10]),             # PAT
    (0x250, [0, 0x0606060606060606, 0x0504010006050401], [7, 2, 0x0700000000000000]),                      # MTRR, fixed
    (0x200, [6, 0x80000000, 0xf00000005], [2, 7, 0x100, 0x800, 0x1000000000]),                             # base
    (0x201, [0, 0xf80000800, 0x800], [1, 0x400, 0x1000000800]),                                            # mask
    (0x2ff, [0, 0xc06, 0x800, 1], [2, 0x100, 0x1000, 0x80000000000]),                                      # default type
    (0x17a, [0, 7], [8, 1 << 40]),                                                                         # machine-check status
    (0x400, [0, (1 << 64) - 1], []), (0x401, [0], [1]), (0x402, [0], [1]),                                 # a bank
    (0xfe, [], [0, 0x508]), (0x179, [], [6]), (0x480, [], [0]), (0x3a, [], [5]),                           # only read
    (0x38f, [0x700000003], [4, 0x800000000]), (0x186, [0x4300c0], [1 << 32]),
])
def test_reserved_bits_and_values_fault_and_others_read_back(index, good, bad):
    for value in good:
        guest = on('core2duo', write(index, value) + read(index) + 'hlt')
        assert guest.happened is None, hex(value)
        assert guest.eax | guest.edx << 32 == value
    for value in bad:
        event = on('core2duo', write(index, value) + 'hlt').happened
        assert event is not None and (event.vector, event.error) == (GP, 0), hex(value)


def test_a_refused_write_changes_nothing():
    registers = bank()
    assert registers.set(0x200, 6) and not registers.set(0x200, 7)
    assert registers.get(0x200) == 6


def test_an_address_has_as_many_bits_as_the_model():
    assert bank('pentium-3').set(0x201, 0xfff000800) and not bank('pentium-3').set(0x201, 0x1fff000800)


def test_misc_enable_ignores_what_is_not_there():
    guest = on('core2duo', write(0x1a0, 0xffffffffffffffff) + read(0x1a0) + 'hlt')
    assert guest.happened is None and guest.eax | guest.edx << 32 == 0x41801


def test_cpuid_loads_the_revision_of_the_microcode():
    source = write(0x8b, 0)
    assert on('core2duo', source + read(0x8b) + 'hlt').edx == 0
    assert on('core2duo', source + 'mov $1, %eax; cpuid;' + read(0x8b) + 'hlt').edx == 0xc7


def test_a_microcode_update_is_taken_and_the_trigger_cannot_be_read():
    assert on('core2duo', write(0x79, 0x10000) + 'hlt').happened is None
    assert on('core2duo', read(0x79) + 'hlt').happened.vector == GP


def test_a_write_to_a_counter_extends_the_sign():
    guest = on('core2duo', write(0xc1, 0xfffffffe) + 'mov $0, %ecx; rdpmc; hlt')
    assert (guest.eax, guest.edx) == (0xfffffffe, 0xff)


@pytest.mark.parametrize('name, good, bad', [
    ('pentium-mmx', [0, 1], [2, 1 << 30, 1 << 31]), ('pentium-3', [0, 1], [2]), ('core2duo', [0, 1, 1 << 30, 1 << 30 | 2], [2, 1 << 30 | 3, 1 << 31]),
    ('nehalem', [3], [4]), ('pentium-d', [0, 17, 1 << 31], [18])])
def test_rdpmc_knows_the_counters_of_the_model(name, good, bad):
    for selector in good + bad:
        event = on(name, 'mov $%d, %%ecx; rdpmc; hlt' % selector).happened
        assert (event is None) == (selector in good), hex(selector)


@pytest.mark.parametrize('ring, pce, allowed', [(0, 0, True), (3, 0, False), (3, 1 << 8, True)])
def test_rdpmc_outside_ring_0_needs_cr4_pce(ring, pce, allowed):
    guest = Guest('xor %ecx, %ecx; rdpmc; hlt', ring=ring)
    guest.system.cr4 = pce
    event = guest.run()
    assert guest.system.eip != 0
    code_end = 0x10004 if allowed else 0x10002         # HLT faults outside ring 0
    assert event is None if ring == 0 else (event.vector, event.eip) == (GP, code_end)


def test_a_write_to_the_time_stamp_counter_clears_the_high_half_of_an_old_one():
    value = 5 << 32 | 100
    for name, high in [('pentium', 0), ('pentium-3', 0), ('core2duo', 5), ('pentium-d', 5)]:
        assert on(name, write(0x10, value) + 'rdtsc; hlt').edx == high


@pytest.mark.parametrize('ram, ranges', [
    (32 << 20, [(0, 32 << 20)]), (48 << 20, [(0, 32 << 20), (32 << 20, 16 << 20)]), (3 << 30, [(0, 2 << 30), (2 << 30, 1 << 30)]),
    ((1 << 20) - 0x1000, None)])
def test_firmware_makes_ram_write_back_and_all_else_uncached(ram, ranges):
    registers = bank()
    registers.set_up_memory_types(ram)
    assert registers.get(0x2ff) == 0xc00
    assert (registers.get(0x250), registers.get(0x259), registers.get(0x268)) == (0x0606060606060606, 0, 0x0505050505050505)
    found = []
    for k in range(8):
        base, mask = registers.get(0x200 + 2 * k), registers.get(0x201 + 2 * k)
        if mask & 0x800:
            assert base & 0xff == 6
            found.append((base & ~0xfff, (1 << 36) - (mask & ~0xfff)))
    assert len(found) == 8 if ranges is None else found == ranges


def test_a_model_without_mtrrs_needs_none():
    bank('pentium').set_up_memory_types(32 << 20)
