"""The x87 unit: code run operation by operation on a processor."""
import math
import struct

import pytest

from assemble import assemble
from cpu_parts import CODE as GUEST_CODE, DATA as GUEST_DATA, Guest
from hyper.board import raw
from hyper.board.memory import Memory
from hyper.cpu import faults, models
from hyper.cpu.decode import decode_single
from hyper.cpu.fpu import STATUS
from hyper.cpu.system import CoprocessorWires, InterruptController, STOP_HALTED, System

DATA = 0x4000
CODE = 0x8000
CR0_PE, EM, TS, NE = 1, 4, 8, 0x20
# by their bytes: AT&T assemblers exchange these names
FSUBRP, FSUBP, FDIVRP, FDIVP = ['.byte 0xde, %d' % byte for byte in [0xe1, 0xe9, 0xf1, 0xf9]]


class Machine(object):
    def __init__(self, source, cr0=CR0_PE | NE):
        self.memory = Memory(0x10000)
        self.system = System(self.memory, models.find('pentium-3'))
        system = self.system
        system.cr0 = cr0
        for s in range(6):
            system.set_segment(s, 8, 0, 0xffffffff, 0xc09b if s == 1 else 0xc093)
        system.update_mode()
        code = assemble('fninit\n' + source, CODE)
        self.end = CODE + len(code)
        self.memory.write_bytes(CODE, code)
        self.system.eip = CODE
        self.system.regs[3] = DATA

    def put(self, *values):
        self.memory.write_bytes(DATA, ''.join([struct.pack('<d', v) for v in values]))
        return self

    def run(self):
        """To the end of the code."""
        cpu = self.system.cpu
        cpu.resume(self.system)
        mode = self.system.mode
        while cpu.eip != self.end:
            page = self.system.code.page(mode, cpu.eip & 0xfffff000)
            block = decode_single(page, cpu.eip)
            for operation in block.ops:
                operation.execute(cpu, mode)
            cpu.eip = block.starts[len(block.ops)]
        return self

    def double(self, at=0x100):
        return struct.unpack('<d', self.memory.read_bytes(DATA + at, 8))[0]

    def bytes(self, size, at=0x100):
        return self.memory.read_bytes(DATA + at, size).encode('hex')


@pytest.mark.parametrize('instruction, result', [
    ('faddp', 10.0), ('fmulp', 21.0), (FSUBRP, -4.0), (FSUBP, 4.0), (FDIVRP, 3.0 / 7.0), (FDIVP, 7.0 / 3.0),
    ('fadd %st(1), %st', 10.0), ('fsub %st(1), %st', -4.0), ('fsubr %st(1), %st', 4.0), ('fdiv %st(1), %st', 3.0 / 7.0),
    ('fsubl (%ebx)', -4.0), ('fdivrl (%ebx)', 7.0 / 3.0), ('fmuls 16(%ebx)', 4.5), ('fiaddl 20(%ebx)', -2.0), ('fidivs 24(%ebx)', -1.5),
    ('fchs', -3.0), ('fxch', 7.0), ('fsqrt', math.sqrt(3.0)), ('fsin', math.sin(3.0)), ('fcos', math.cos(3.0)), ('fscale', 384.0),
    ('fprem', 3.0), ('fxch\n fprem', 1.0), ('fxch\n fprem1', 1.0), ('fpatan', math.atan2(7.0, 3.0)), ('fyl2x', 7.0 * math.log(3.0) / math.log(2.0)),
    ('fldpi', math.pi), ('fld1', 1.0), ('fldz', 0.0), ('fldl2e', 1 / math.log(2)), ('fldl2t', math.log(10) / math.log(2)), ('fldlg2', math.log10(2)),
    ('fldln2', math.log(2)), ('fxtract', 1.5), ('fxtract\n fstp %st', 1.0), ('fincstp', 7.0), ('ffree %st(1)\n fabs', 3.0),
])
def test_arithmetic(instruction, result):
    machine = Machine('fldl (%ebx)\n fldl 8(%ebx)\n' + instruction + '\n fstpl 256(%ebx)').put(7.0, 3.0)
    machine.memory.write_bytes(DATA + 16, struct.pack('<fih', 1.5, -5, -2))
    assert abs(machine.run().double() - result) < 1e-14 * max(1.0, abs(result))


@pytest.mark.parametrize('value, control, result', [
    (2.5, 0x37f, 2), (3.5, 0x37f, 4), (-2.5, 0x37f, -2), (2.5, 0x77f, 2), (-2.5, 0x77f, -3), (2.5, 0xb7f, 3), (-2.5, 0xb7f, -2),
    (2.9, 0xf7f, 2), (-2.9, 0xf7f, -2), (1e10, 0x37f, -0x80000000), (0.49999999999999994, 0x37f, 0),
])
def test_integers_are_rounded_as_the_control_word_says(value, control, result):
    machine = Machine('fldcw 8(%ebx)\n fldl (%ebx)\n fistpl 256(%ebx)').put(value)
    machine.memory.write16(DATA + 8, control)
    machine.run()
    assert struct.unpack('<i', machine.memory.read_bytes(DATA + 0x100, 4))[0] == result


@pytest.mark.parametrize('word', ['0000000000000080', 'ffffffffffffff7f', '0123456789abcdef', 'ffffffffffffffff', '0100000000002000', '0000000000000000'])
def test_all_bits_of_a_64_bit_integer_pass_through(word):
    machine = Machine('fildll (%ebx)\n fld %st\n fxch\n fistpll 256(%ebx)')
    machine.memory.write_bytes(DATA, word.decode('hex'))
    assert machine.run().bytes(8) == word


@pytest.mark.parametrize('real', ['35c26821a2da0fc90040', '0000000000000080ff3f', '000000000000008000c0', '0000000000000000' '0080', '00000000000000a0fe7f',
                                  '0000000000000080ff7f', '01000000000000800100', '00f8ffffffffffffff43'])
def test_all_bits_of_an_80_bit_real_pass_through_and_through_a_saved_state(real):
    machine = Machine('fldt (%ebx)\n fnsave 512(%ebx)\n frstor 512(%ebx)\n fstpt 256(%ebx)')
    machine.memory.write_bytes(DATA, real.decode('hex'))
    assert machine.run().bytes(10) == real


def test_conversions_between_formats():
    machine = Machine('flds (%ebx)\n fstpl 256(%ebx)\n fldl 256(%ebx)\n fstpt 264(%ebx)\n fldl 256(%ebx)\n fstps 280(%ebx)')
    machine.memory.write_bytes(DATA, struct.pack('<f', -0.15625))
    machine.run()
    assert machine.double() == -0.15625
    assert machine.bytes(10, 0x108) == '00000000000000a0fcbf'
    assert machine.memory.read_bytes(DATA + 280, 4) == struct.pack('<f', -0.15625)


def test_decimal():
    machine = Machine('fldl (%ebx)\n fbstp 256(%ebx)\n fbld 256(%ebx)\n fstpl 272(%ebx)').put(-123456789012345.0)
    machine.run()
    assert machine.bytes(10) == '45230189674523010080'
    assert machine.double(272) == -123456789012345.0


@pytest.mark.parametrize('a, b, flags', [(1.0, 2.0, 0), (2.0, 1.0, 0x01), (1.0, 1.0, 0x40), (float('nan'), 1.0, 0x45)])
def test_comparisons(a, b, flags):
    """Of b with a: FUCOM, with the conditions where SAHF finds them, and FUCOMI."""
    machine = Machine('fldl (%ebx)\n fldl 8(%ebx)\n fucom\n fnstsw %ax\n sahf\n lahf\n mov %eax, %ecx\n fucomi %st(1), %st\n lahf').put(a, b).run()
    assert machine.system.cpu.regs[0] >> 8 & 0x45 == flags
    assert machine.system.cpu.regs[1] >> 8 & 0x45 == flags


def test_conditional_moves_look_at_the_flags():
    machine = Machine('fldl (%ebx)\n fldl 8(%ebx)\n cmp %eax, %eax\n fcmovne %st(1), %st\n fstl 256(%ebx)\n fcmove %st(1), %st\n fstl 264(%ebx)').put(1.0, 2.0)
    machine.run()
    assert (machine.double(), machine.double(264)) == (2.0, 1.0)


def test_what_linux_and_others_probe():
    machine = Machine('mov $0x5a5a, %eax\n fnstsw %ax\n fnstcw 256(%ebx)').run()
    assert machine.system.cpu.regs[0] == 0
    assert machine.memory.read16(DATA + 0x100) == 0x37f


def test_division_by_zero_is_infinite_and_noted():
    machine = Machine('fld1\n fldz\n fdivrp\n fld1\n fldz\n fdivp\n fnstsw %ax\n fstpl 256(%ebx)').run()
    assert machine.system.cpu.regs[0] & 0x85 == 0x04
    machine = Machine('fldz\n fldz\n fdivp\n fnstsw %ax\n fstpl 256(%ebx)').run()
    assert machine.double() != machine.double()
    assert machine.system.cpu.regs[0] & 1


def test_the_stack_notices_overflow_and_underflow():
    machine = Machine('fld1\n' * 9 + 'fnstsw %ax').run()
    assert machine.system.cpu.regs[0] & 0x241 == 0x241
    machine = Machine('fstpl 256(%ebx)\n fnstsw %ax').run()
    assert machine.system.cpu.regs[0] & 0x241 == 0x41
    assert machine.double() != machine.double()


def test_an_unmasked_exception_is_raised_by_the_next_waiting_instruction():
    machine = Machine('fldcw (%ebx)\n fldz\n fldz\n fdivp\n fnstsw %ax\n fwait')
    machine.memory.write16(DATA, 0x372)
    with pytest.raises(faults.GuestFault) as caught:
        machine.run()
    assert caught.value.vector == faults.MF
    assert machine.system.cpu.regs[0] & 0x8081 == 0x8081


@pytest.mark.parametrize('bits', [EM, TS])
def test_without_a_unit_or_after_a_task_switch_it_is_not_available(bits):
    with pytest.raises(faults.GuestFault) as caught:
        Machine('', cr0=CR0_PE | bits).run()
    assert caught.value.vector == faults.NM


def test_a_store_that_faults_changes_nothing():
    machine = Machine('fld1\n fstpt (%ecx)')
    machine.system.set_segment(3, 8, 0, 0x1004, 0x4093)
    machine.system.update_mode()
    machine.system.regs[1] = 0x1000
    with pytest.raises(faults.GuestFault):
        machine.run()
    assert machine.memory.read32(0x1000) == 0
    assert raw.load16(machine.system.fpu.image, STATUS) == 7 << 11


class Wires(CoprocessorWires, InterruptController):
    """FERR# is an interrupt, whose acknowledgement drives IGNNE#."""

    def __init__(self):
        self.requested = self.ignored = False

    def error(self):
        self.requested = not self.ignored
        return self.ignored

    def settled(self):
        self.ignored = False

    def pending(self):
        return self.requested

    def acknowledge(self):
        self.requested = False
        self.ignored = True
        return 0x75


def guest_without_ne(source):
    guest = Guest('fninit; fldcw %d; ' % GUEST_DATA + source)
    guest.memory.write16(GUEST_DATA, 0x37b)
    guest.system.cr0 &= ~NE
    guest.system.coprocessor = guest.system.interrupts = Wires()
    return guest


def test_without_ne_an_error_becomes_an_interrupt_before_the_next_waiting_instruction():
    guest = guest_without_ne('fld1; fldz; sti; fdivrp; nop; fnstsw %ax; fld1; hlt')
    event = guest.run()
    assert (event.vector, event.eip) == (0x75, GUEST_CODE + len(guest.code) - 3)
    assert guest.eax & 0x8084 == 0x8084


def test_the_error_is_ignored_from_the_handler_on_until_it_is_cleared():
    guest = guest_without_ne('fld1; fldz; sti; fdivrp; fld1; fld1; fnclex; fld1; fldz; fdivrp; fld1; hlt')
    guest.memory.write_bytes(0x4000 + 16 * 0x75, assemble('incl %d; iret' % (GUEST_DATA + 4), 0x4000 + 16 * 0x75))
    assert guest.run() is None
    assert guest.memory.read32(GUEST_DATA + 4) == 2


def test_without_ne_and_with_interrupts_disabled_the_processor_freezes():
    guest = guest_without_ne('fld1; fldz; fdivrp; fld1; hlt')
    guest.run()
    assert guest.stop == STOP_HALTED and guest.system.eip == GUEST_CODE + len(guest.code) - 3


def stored_environment(source, cr0, count, size):
    """The words that `source` puts at DATA + 256, behind a load from the start of the data whose address is also returned."""
    machine = Machine('nop\n fldl (%ebx)\n' + source, cr0)
    for s in range(6):
        machine.system.set_segment(s, 0x123, 0, 0xffffffff, 0xc09b if s == 1 else 0xc093)
    machine.system.update_mode()
    machine.run()
    return list(struct.unpack('<%d%s' % (count, 'I' if size == 4 else 'H'), machine.memory.read_bytes(DATA + 256, count * size)))


ZERO_TAGS = 0x7fff                      # R7 holds zero, the others are empty
AT = CODE + 3                           # of the load


@pytest.mark.parametrize('source, cr0, size, words', [
    ('fnstenv 256(%ebx)', CR0_PE | NE, 4, [0xffff037f, 0xffff3800, 0xffff7fff, AT, 0x5030123, DATA, 0xffff0123]),
    ('data16 fnstenv 256(%ebx)', CR0_PE | NE, 2, [0x37f, 0x3800, 0x7fff, AT, 0x123, DATA, 0x123]),
    ('fnstenv 256(%ebx)', NE, 4, [0xffff037f, 0xffff3800, 0xffff7fff, 0xffff0000 | AT + 0x1230, 0x503, 0xffff0000 | DATA + 0x1230, 0]),
    ('data16 fnstenv 256(%ebx)', NE, 2, [0x37f, 0x3800, 0x7fff, AT + 0x1230, 0x503, DATA + 0x1230, 0]),
])
def test_environments_have_four_formats(source, cr0, size, words):
    assert stored_environment(source, cr0, 7, size) == words
    # loaded and stored again they are the same; the real formats have but the linear address
    again = 'fninit\n %sfldenv 256(%%ebx)\n ' % ('data16 ' if size == 2 else '')
    assert stored_environment(source + '\n' + again + source, cr0, 7, size) == words


def test_fxsave_has_the_registers_from_the_top_of_the_stack_on():
    machine = Machine('fld1\n fldl (%ebx)\n fxsave 256(%ebx)\n fninit\n fxrstor 256(%ebx)\n fstpl (%ebx)\n fstpl 8(%ebx)').put(-2.0)
    machine.run()
    image = machine.memory.read_bytes(DATA + 256, 512)
    assert struct.unpack('<HHB', image[:5]) == (0x37f, 6 << 11, 0xc0)
    assert image[32:42].encode('hex') == '000000000000008000c0' and image[48:58].encode('hex') == '0000000000000080ff3f'
    assert struct.unpack('<HIHHI', image[6:20]) == (0x503, CODE + 4, 8, 0, DATA)
    assert struct.unpack('<dd', machine.memory.read_bytes(DATA, 16)) == (-2.0, 1.0)


def test_fxsave_and_fxrstor_want_addresses_of_16_and_no_reserved_bit_of_mxcsr():
    for source in ('fxsave 264(%ebx)', 'fxrstor 264(%ebx)', 'movl $0x10000, 280(%ebx)\n fxrstor 256(%ebx)'):
        machine = Machine(source)
        machine.system.cr4 = 0x200
        with pytest.raises(faults.GuestFault) as caught:
            machine.run()
        assert (caught.value.vector, caught.value.error) == (faults.GP, 0)


def test_an_unmasked_exception_before_the_result_leaves_register_and_memory():
    machine = Machine('fldcw 8(%ebx)\n fld1\n fldz\n fdivrp %st, %st(1)\n fnstcw 16(%ebx)').put(0.0)
    machine.memory.write16(DATA + 8, 0x37b)
    machine.run()
    image = machine.system.fpu.image
    assert raw.load16(image, STATUS) & 0xb884 == 0xb084        # nothing has been popped
    machine = Machine('fldcw 8(%ebx)\n fldt 16(%ebx)\n fstpl 256(%ebx)')
    machine.memory.write16(DATA + 8, 0x377)
    machine.memory.write_bytes(DATA + 16, 'ffffffffffffffffff7e'.decode('hex'))
    machine.run()
    assert machine.bytes(8) == '0' * 16 and raw.load16(machine.system.fpu.image, STATUS) & 0xb888 == 0xb888
