"""MMX and SSE where user mode alone cannot show it: control registers, exceptions, pages, what models have. What the instructions calculate is compared
with the host's processor in test_cpu_oracle."""
import struct

import pytest

from cpu_parts import CODE, DATA, Guest
from hyper.board import raw
from hyper.cpu import faults, fpu, models
from hyper.cpu.decode import decode_single
from hyper.cpu.operations.base import Faulting
from hyper.cpu.operations.sse import table

EM, TS, NE = 1 << 2, 1 << 3, 1 << 5
OSFXSR, OSXMMEXCPT = 1 << 9, 1 << 10
ENABLED = OSFXSR | OSXMMEXCPT
ALL = (1 << 64) - 1


class SSEGuest(Guest):
    def __init__(self, source, cr0=NE, cr4=ENABLED, model='core2duo', ring=0):
        Guest.__init__(self, source + '\nhlt', ring=ring, model=models.find(model))
        self.system.cr0 |= cr0
        self.system.cr4 |= cr4
        self.image = self.system.fpu.image
        self.system.fpu.initialize()

    def xmm(self, n):
        return struct.unpack('<2Q', bytes(self.image[fpu.XMM + 16 * n:fpu.XMM + 16 * n + 16]))

    def set_xmm(self, n, low, high=0):
        self.image[fpu.XMM + 16 * n:fpu.XMM + 16 * n + 16] = struct.pack('<2Q', low, high)
        return self

    def set_doubles(self, n, low, high=0.0):
        self.image[fpu.XMM + 16 * n:fpu.XMM + 16 * n + 16] = struct.pack('<2d', low, high)
        return self

    def mm(self, n):
        return raw.load64(self.image, fpu.REGISTERS + 16 * n) & ALL

    def fault(self, **registers):
        """The vector of the exception that the code meets."""
        event = self.run()
        return event.vector if event is not None else None


def vector(source, **options):
    return SSEGuest(source, **options).fault()


@pytest.mark.parametrize('source', ['addps %xmm1, %xmm0', 'movaps %xmm1, %xmm0', 'ldmxcsr 0x14000', 'stmxcsr 0x14000', 'cvtpi2ps %mm0, %xmm1',
                                    'maskmovdqu %xmm0, %xmm1', 'paddb %xmm0, %xmm1'])
def test_sse_is_undefined_unless_the_system_has_enabled_it(source):
    assert vector(source, cr4=0) == faults.UD
    assert vector(source, cr0=NE | EM) == faults.UD
    assert vector(source, cr0=NE | TS) == faults.NM
    assert vector(source, cr0=NE | TS | EM) == faults.UD
    if source.startswith('ldmxcsr'):
        assert vector('movl $0x1f80, 0x14000\n' + source) is None
    else:
        assert vector(source) is None


@pytest.mark.parametrize('source', ['paddb %mm0, %mm1', 'movq %mm0, 0x14000', 'emms', 'pavgb %mm0, %mm1', 'pshufb %mm0, %mm1', 'maskmovq %mm0, %mm1'])
def test_mmx_needs_no_enabling_but_heeds_em_and_ts(source):
    assert vector(source, cr4=0) is None
    assert vector(source, cr0=NE | EM) == faults.UD
    assert vector(source, cr0=NE | TS) == faults.NM


@pytest.mark.parametrize('source', ['sfence', 'lfence', 'mfence', 'clflush 0x14000', 'prefetcht0 0x14000', 'movnti %eax, 0x14000'])
def test_what_uses_no_register_of_the_unit_runs_whatever_its_state(source):
    assert vector(source, cr0=NE | EM | TS, cr4=0) is None


def test_an_x87_exception_that_is_pending_comes_before_mmx():
    guest = SSEGuest('movaps %xmm0, %xmm1\npaddb %mm0, %mm1')
    raw.store16(guest.image, fpu.STATUS, 0x81)
    raw.store16(guest.image, fpu.CONTROL, 0x37e)
    event = guest.run()
    assert (event.vector, event.eip) == (faults.MF, CODE + 3)


def test_mmx_makes_all_x87_registers_valid_and_emms_makes_them_empty():
    guest = SSEGuest('movl $0x12345678, %eax\nmovd %eax, %mm3')
    raw.store16(guest.image, fpu.STATUS, 5 << 11)
    assert guest.run() is None
    assert guest.mm(3) == 0x12345678 and raw.load16(guest.image, fpu.REGISTERS + 3 * 16 + 8) == 0xffff
    assert raw.load8(guest.image, fpu.TAGS) == 0xff and raw.load16(guest.image, fpu.STATUS) & fpu.TOP == 0
    guest = SSEGuest('movd %eax, %mm3\nemms')
    guest.run()
    assert raw.load8(guest.image, fpu.TAGS) == 0


DIVIDE = 'movl $0x%x, 0x14000\nldmxcsr 0x14000\ndivsd %%xmm1, %%xmm0'


def test_an_exception_that_is_not_masked_is_delivered_and_leaves_the_destination():
    guest = SSEGuest(DIVIDE % 0x1d80).set_doubles(0, 1.0).set_doubles(1, 0.0)
    before = guest.xmm(0)
    event = guest.run()
    assert event.vector == faults.XM and event.error is None
    assert guest.xmm(0) == before and guest.system.fpu.mxcsr == 0x1d84


def test_it_is_undefined_where_the_system_takes_no_such_exceptions():
    guest = SSEGuest(DIVIDE % 0x1d80, cr4=OSFXSR).set_doubles(0, 1.0).set_doubles(1, 0.0)
    assert guest.fault() == faults.UD and guest.system.fpu.mxcsr == 0x1d84


def test_a_masked_exception_gives_its_result_and_its_flag():
    guest = SSEGuest(DIVIDE % 0x1f80).set_doubles(0, 1.0).set_doubles(1, 0.0)
    assert guest.run() is None
    assert guest.xmm(0)[0] == 0x7ff << 52 and guest.system.fpu.mxcsr == 0x1f84


def test_a_sticky_flag_does_not_hide_an_exception_that_is_not_masked():
    guest = SSEGuest(DIVIDE % 0x1d84).set_doubles(0, 1.0).set_doubles(1, 0.0)
    assert guest.fault() == faults.XM


@pytest.mark.parametrize('mode, third', [(0, 0x3fd5555555555555), (0x2000, 0x3fd5555555555555), (0x4000, 0x3fd5555555555556), (0x6000, 0x3fd5555555555555)])
def test_results_are_rounded_as_mxcsr_says(mode, third):
    guest = SSEGuest(DIVIDE % (0x1f80 | mode)).set_doubles(0, 1.0).set_doubles(1, 3.0)
    assert guest.run() is None
    assert guest.xmm(0)[0] == third and guest.system.fpu.mxcsr == 0x1fa0 | mode


def test_denormal_operands_and_results_become_zero_where_mxcsr_says_so():
    add = 'movl $0x%x, 0x14000\nldmxcsr 0x14000\naddsd %%xmm1, %%xmm0'
    guest = SSEGuest(add % 0x1fc0).set_doubles(0, 0.0).set_doubles(1, 5e-324)
    guest.run()
    assert guest.xmm(0)[0] == 0 and guest.system.fpu.mxcsr == 0x1fc0
    guest = SSEGuest('movl $0x9f80, 0x14000\nldmxcsr 0x14000\nmulsd %xmm1, %xmm0').set_doubles(0, 1e-200).set_doubles(1, -1e-110)
    guest.run()
    assert guest.xmm(0)[0] == 1 << 63 and guest.system.fpu.mxcsr == 0x9fb0


def test_reserved_bits_of_mxcsr_cannot_be_set():
    assert vector('movl $0x11f80, 0x14000\nldmxcsr 0x14000') == faults.GP
    assert vector('movl $0x1fc0, 0x14000\nldmxcsr 0x14000') is None
    assert vector('movl $0x1fc0, 0x14000\nldmxcsr 0x14000', model='pentium-3') == faults.GP


def test_fxsave_tells_which_bits_of_mxcsr_there_are():
    for model, mask in [('pentium-3', 0), ('core2duo', 0xffff)]:
        guest = SSEGuest('fxsave 0x14000', model=model)
        assert guest.run() is None and guest.memory.read32(0x1401c) == mask
        assert vector('fxsave 0x14000\nmovl $0x1fc0, 0x14018\nfxrstor 0x14000', model=model) == (None if mask else faults.GP)


@pytest.mark.parametrize('source, wants', [
    ('movaps 0x14008, %xmm0', True), ('movaps %xmm0, 0x14008', True), ('paddb 0x14004, %xmm0', True), ('addps 0x14001, %xmm0', True),
    ('movntps %xmm0, 0x14008', True), ('sqrtpd 0x14008, %xmm0', True), ('pshufd $1, 0x14008, %xmm0', True), ('palignr $1, 0x14008, %xmm0', True),
    ('movups 0x14008, %xmm0', False), ('movdqu %xmm0, 0x14001', False), ('lddqu 0x14001, %xmm0', False), ('addsd 0x14001, %xmm0', False),
    ('movddup 0x14001, %xmm0', False), ('paddb 0x14001, %mm0', False), ('movlps 0x14001, %xmm0', False), ('cvtps2pd 0x14001, %xmm0', False)])
def test_operands_of_16_bytes_must_be_aligned_unless_the_instruction_is_for_others(source, wants):
    event = SSEGuest(source).run()
    if wants:
        assert (event.vector, event.error) == (faults.GP, 0)
    else:
        assert event is None


def test_an_operand_across_pages_is_loaded_and_stored_whole_or_not_at_all():
    guest = SSEGuest('movups 0x14ff8, %xmm0\nmovups %xmm0, 0x15ff8')
    guest.enable_paging()
    guest.memory.write_bytes(0x14ff8, ''.join([chr(k) for k in range(16)]))
    guest.map(0x16000, 0x16000, 0)
    event = guest.run()
    assert event.vector == faults.PF and guest.system.cr2 == 0x16000 and event.error == 2
    assert guest.xmm(0) == struct.unpack('<2Q', bytearray(range(16)))
    assert guest.memory.read_bytes(0x15ff8, 8) == '\0' * 8


def test_an_8_byte_operand_ends_at_the_limit_of_its_segment():
    assert vector('movq 0xfffffffc, %xmm0') == faults.GP
    assert vector('movq -4(%ebp), %xmm0') == faults.SS


def test_a_write_of_16_bytes_over_code_is_seen():
    guest = SSEGuest('''movups 0x14000, %xmm0
        xor %ebx, %ebx
    again: movb $1, %al
        mov $again, %ecx
        movups %xmm0, (%ecx)
        inc %ebx
        cmp $2, %ebx
        jne again''')
    code = guest.memory.read_bytes(CODE + 9, 16)
    guest.memory.write_bytes(0x14000, code[0] + '\x07' + code[2:])
    assert guest.run() is None and guest.eax & 0xff == 7


def test_maskmov_writes_only_the_bytes_that_are_selected():
    guest = SSEGuest('mov $0x14003, %edi\nmaskmovdqu %xmm1, %xmm0').set_xmm(0, 0x1111111111111111, 0x2222222222222222).set_xmm(1, 0x8000000000000080, 0xff7f)
    assert guest.run() is None
    assert guest.memory.read_bytes(0x14000, 20) == '\0\0\0\x11' + '\0' * 6 + '\x11' + '\0\x22' + '\0' * 7


@pytest.mark.parametrize('model, last', [('pentium', -1), ('pentium-2', table.MMX), ('pentium-3', table.SSE), ('pentium-d', table.SSE3)])
def test_what_a_model_lacks_is_undefined(model, last):
    guest = SSEGuest('nop', model=model)
    for entry in table.ENTRIES:
        guest.memory.write_bytes(CODE, bytes(encode(entry)))
        block = decode_single(guest.system.code.page(guest.system.mode, CODE), CODE)
        refused = isinstance(block.terminator, Faulting) and block.terminator.vector == faults.UD
        assert refused == (entry.feature > last), entry.name


def encode(entry):
    """An instruction of a form, on registers where it can be."""
    code = bytearray({table.NP: '', table.P66: '\x66', table.F2: '\xf2', table.F3: '\xf3'}[entry.prefix] + '\x0f' +
                     ['', '\x38', '\x3a'][entry.map] + chr(entry.opcode))
    reg = max(entry.group, 0) << 3
    if 'M' in [part[0] for part in entry.operands.split(',')]:
        code += bytearray([reg | 5]) + bytearray(struct.pack('<I', DATA))
    else:
        code += bytearray([0xc0 | reg])
    return code + bytearray('\0' if entry.immediate else '')


def test_reciprocals_are_as_near_as_the_manual_asks_and_depend_on_no_host():
    for value in [1.0, 3.0, 0.1, 1e-30, 1e30, 123456.0, 7.7e-5]:
        guest = SSEGuest('rcpss %xmm1, %xmm0\nrsqrtss %xmm1, %xmm2')
        guest.image[fpu.XMM + 16:fpu.XMM + 20] = struct.pack('<f', value)
        assert guest.run() is None
        reciprocal = struct.unpack('<f', struct.pack('<I', guest.xmm(0)[0] & 0xffffffff))[0]
        root = struct.unpack('<f', struct.pack('<I', guest.xmm(2)[0] & 0xffffffff))[0]
        assert abs(reciprocal * value - 1) < 1.5 / 4096 and abs(root * root * value - 1) < 3.0 / 4096
        assert guest.system.fpu.mxcsr == 0x1f80
