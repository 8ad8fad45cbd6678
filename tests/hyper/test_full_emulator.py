"""The emulator of instructions on device memory."""
import pytest

from full_parts import D, Guest, P, Recorder, U, W
from hyper.vmm.full.emulator import Emulator
from hyper.vmm.full.reflected import GP, PF, Reflected, SS, UD, Unsupported
from hyper.vmx import fields

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
DEVICE = 0xfee00000
CF, ZF, DF = 1, 0x40, 0x400


class Machine(Guest):
    def __init__(self):
        Guest.__init__(self)
        self.device = Recorder()
        self.bus.add_memory(DEVICE, DEVICE + 0xfff, self.device)
        self.emulator = Emulator(self.processor)

    def run(self, code):
        """Emulates one instruction at 4000; how far RIP went."""
        self.code(code)
        self.emulator.emulate()
        return self.vmx.vmread(fields.GUEST_RIP) - 0x4000

    def flags(self):
        return self.vmx.vmread(fields.GUEST_RFLAGS)


ADDRESS = '\x10\x00\xe0\xfe'


@pytest.mark.parametrize('code, log', [
    ('\xa1' + ADDRESS, ('read', DEVICE + 16, 4)),
    ('\xa2' + ADDRESS, ('write', DEVICE + 16, 1, 0x78)),
    ('\x66\xa3' + ADDRESS, ('write', DEVICE + 16, 2, 0x5678)),
    ('\x89\x15' + ADDRESS, ('write', DEVICE + 16, 4, 0xdddd)),
    ('\x88\x35' + ADDRESS, ('write', DEVICE + 16, 1, 0xdd)),
    ('\x89\x53\x10', ('write', DEVICE + 16, 4, 0xdddd)),
    ('\x89\x54\x4b\x04', ('write', DEVICE + 4 + 16, 4, 0xdddd)),
    ('\xc7\x83\x04\x00\x00\x00\x01\x02\x03\x04', ('write', DEVICE + 4, 4, 0x04030201)),
    ('\xc6\x43\xff\x80', None),
    ('\x66\xc7\x03\x01\x02', ('write', DEVICE, 2, 0x0201)),
    ('\x3e\x89\x13', ('write', DEVICE, 4, 0xdddd)),
])
def test_a_move_touches_the_device_once_and_ends_behind_itself(code, log):
    machine = Machine()
    machine.regs[EAX] = 0x12345678
    machine.regs[EBX] = DEVICE
    machine.regs[ECX] = 8
    machine.regs[EDX] = 0xdddd
    assert machine.run(code) == len(code)
    assert machine.device.log == ([log] if log else [])


def test_loads_fill_just_their_register():
    machine = Machine()
    machine.regs[EBX] = DEVICE
    for register in [EAX, ECX, EDX]:
        machine.regs[register] = 0xaaaaaaaa
    machine.run('\x8a\x23')
    assert machine.regs[EAX] == 0xaaaa44aa
    machine.run('\x66\x8b\x0b')
    assert machine.regs[ECX] == 0xaaaa3344
    machine.device.value = 0x80ff
    machine.run('\x0f\xb7\x13')
    assert machine.regs[EDX] == 0x80ff
    machine.run('\x0f\xbf\x13')
    assert machine.regs[EDX] == 0xffff80ff
    machine.run('\x66\x0f\xbe\x13')
    assert machine.regs[EDX] == 0xffffffff


def test_esp_as_a_base_is_the_guests():
    machine = Machine()
    machine.vmx.vmwrite(fields.GUEST_RSP, DEVICE + 8)
    machine.regs[ESP] = 0xbad
    machine.run('\x89\x44\x24\x08')
    assert machine.device.log == [('write', DEVICE + 16, 4, 0)]


def test_sixteen_bit_addresses():
    machine = Machine()
    machine.vmx.vmwrite(fields.GUEST_DS_BASE, DEVICE)
    machine.regs[EBX] = 0xffff0ff8
    machine.regs[ESI] = 0xffff0010
    machine.device.value = 0x55
    machine.bus.add_memory(DEVICE + 0x1000, DEVICE + 0x1fff, machine.device)
    assert machine.run('\x67\x8a\x00') == 3
    assert machine.device.log == [('read', DEVICE + 0x1008, 1)]


@pytest.mark.parametrize('code, written, carry, zero', [
    ('\x01\x13', 0x01223344, 1, 0),
    ('\x29\x13', (0x11223344 - 0xf0000000) & 0xffffffff, 1, 0),
    ('\x31\x13', 0x11223344 ^ 0xf0000000, 0, 0),
    ('\x83\x0b\x80', 0xffffffc4, 0, 0),
    ('\x83\x23\x00', 0, 0, 1),
    ('\xf7\x13', 0xffffffff ^ 0x11223344, 1, 1),
    ('\xf7\x1b', 0x100000000 - 0x11223344, 1, 0),
    ('\xff\x03', 0x11223345, 1, 0),
    ('\xff\x0b', 0x11223343, 1, 0),
    ('\x0f\xba\x2b\x00', 0x11223345, 0, 1),
    ('\xf0\x0f\xba\x33\x02', 0x11223340, 1, 1),
])
def test_read_modify_write(code, written, carry, zero):
    machine = Machine()
    machine.regs[EBX] = DEVICE
    machine.regs[EDX] = 0xf0000000
    machine.vmx.vmwrite(fields.GUEST_RFLAGS, 2 | CF | ZF)
    assert machine.run(code) == len(code)
    assert machine.device.log == [('read', DEVICE, 4), ('write', DEVICE, 4, written)]
    assert machine.flags() & CF == carry
    assert (machine.flags() & ZF != 0) == zero


def test_comparisons_write_nothing():
    machine = Machine()
    machine.regs[EBX] = DEVICE
    machine.regs[EDX] = 0x11223344
    machine.run('\x39\x13')
    assert machine.flags() & ZF
    machine.run('\xf7\x03\x00\x00\x00\x80')
    assert machine.flags() & ZF
    machine.run('\x85\x13')
    assert not machine.flags() & ZF
    assert [entry[0] for entry in machine.device.log] == ['read'] * 3


def test_exchanges():
    machine = Machine()
    machine.regs[EBX] = DEVICE
    machine.regs[EDX] = 5
    machine.run('\x87\x13')
    assert machine.regs[EDX] == 0x11223344
    assert machine.device.log[-1] == ('write', DEVICE, 4, 5)
    machine.run('\x0f\xc1\x13')
    assert machine.device.log[-1] == ('write', DEVICE, 4, 0x22446688)
    machine.regs[EAX] = 0x11223344
    machine.regs[EDX] = 7
    machine.run('\x0f\xb1\x13')
    assert machine.device.log[-1] == ('write', DEVICE, 4, 7)
    assert machine.flags() & ZF
    machine.regs[EAX] = 1
    machine.run('\x0f\xb1\x13')
    assert machine.regs[EAX] == 0x11223344
    assert not machine.flags() & ZF


def test_a_bit_number_in_a_register_reaches_beyond_the_operand():
    machine = Machine()
    machine.regs[EBX] = DEVICE + 8
    machine.regs[EDX] = 0xffffffff
    machine.run('\x0f\xab\x13')
    assert machine.device.log == [('read', DEVICE + 4, 4), ('write', DEVICE + 4, 4, 0x91223344)]


def test_a_repeated_string_instruction_makes_one_turn_at_a_time():
    machine = Machine()
    machine.regs[EAX] = 7
    machine.regs[ECX] = 2
    machine.regs[EDI] = DEVICE
    assert machine.run('\xf3\xab') == 0
    assert machine.regs[ECX] == 1
    assert machine.run('\xf3\xab') == 2
    assert machine.regs[ECX] == 0
    assert machine.regs[EDI] == DEVICE + 8
    assert machine.device.log == [('write', DEVICE, 4, 7), ('write', DEVICE + 4, 4, 7)]
    assert machine.run('\xf3\xab') == 2
    assert len(machine.device.log) == 2


def test_a_string_move_between_device_and_memory_goes_backwards_with_df():
    machine = Machine()
    machine.vmx.vmwrite(fields.GUEST_RFLAGS, 2 | DF)
    machine.regs[ESI] = DEVICE + 4
    machine.regs[EDI] = 0x5000
    assert machine.run('\xa5') == 1
    assert machine.memory.read32(0x5000) == 0x11223344
    assert machine.regs[ESI] == DEVICE
    assert machine.regs[EDI] == 0x4ffc


def test_a_scan_ends_when_it_finds():
    machine = Machine()
    machine.device.value = 7
    machine.regs[EAX] = 7
    machine.regs[ECX] = 100
    machine.regs[EDI] = DEVICE
    assert machine.run('\xf2\xae') == 2
    assert machine.regs[ECX] == 99


def test_push_of_device_memory():
    machine = Machine()
    machine.vmx.vmwrite(fields.GUEST_RSP, 0x6000)
    machine.regs[EBX] = DEVICE
    machine.run('\xff\x33')
    assert machine.memory.read32(0x5ffc) == 0x11223344
    assert machine.vmx.vmread(fields.GUEST_RSP) == 0x5ffc


def test_addresses_without_memory_read_all_ones():
    machine = Machine()
    machine.regs[EBX] = 0xf0000000
    machine.run('\x8b\x03')
    assert machine.regs[EAX] == 0xffffffff
    machine.run('\x89\x03')


def refused(machine, code):
    before = list(machine.regs)
    with pytest.raises(Reflected) as caught:
        machine.run(code)
    assert machine.regs == before
    assert machine.vmx.vmread(fields.GUEST_RIP) == 0x4000
    return caught.value


def test_faults_are_those_of_the_instruction():
    machine = Machine()
    machine.map(0x4000, 0x4000, P | U)
    machine.map(0x5000, DEVICE, P | W | U)
    machine.map(0x6000, 0x6000, P | W | D)
    machine.set_user()
    machine.regs[ESI] = 0x5000
    machine.regs[EDI] = 0x6010
    fault = refused(machine, '\xa4')
    assert (fault.vector, fault.error, fault.address) == (PF, 7, 0x6010)
    machine.regs[EDI] = 0x9000
    fault = refused(machine, '\xa4')
    assert (fault.vector, fault.error, fault.address) == (PF, 6, 0x9000)
    machine.vmx.vmwrite(fields.GUEST_ES_LIMIT, 0x100)
    assert refused(machine, '\xa4').vector == GP
    machine.vmx.vmwrite(fields.GUEST_SS_LIMIT, 0x100)
    machine.regs[EBP] = 0x5000
    assert refused(machine, '\x8b\x45\x00').vector == SS


def test_code_where_there_is_no_memory_is_undefined():
    machine = Machine()
    machine.vmx.vmwrite(fields.GUEST_RIP, 0xf0000000)
    with pytest.raises(Reflected) as caught:
        machine.emulator.emulate()
    assert caught.value.vector == UD


def test_an_instruction_of_more_than_15_bytes_is_a_general_protection_fault():
    machine = Machine()
    assert refused(machine, '\x66' * 15 + '\x8b\x03').vector == GP


def test_an_unknown_instruction_is_named_by_its_bytes():
    machine = Machine()
    with pytest.raises(Unsupported) as caught:
        machine.run('\xd9\x03\x90\x90')
    assert 'd9 03 90 90' in caught.value.what


def test_any_bytes_at_all_end_in_one_of_the_three_ways():
    import random
    random.seed(2)
    for k in range(3000):
        machine = Machine()
        machine.regs[:] = [random.choice([0, 5, DEVICE, 0xffffffff, 0x4000]) for r in range(8)]
        try:
            machine.run(''.join([chr(random.randrange(256)) for b in range(16)]))
        except (Reflected, Unsupported):
            pass
