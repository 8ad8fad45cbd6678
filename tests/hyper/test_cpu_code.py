"""Decoding: what is no instruction, prefixes, the longest instruction; code that is rewritten; 16-bit code and real mode."""
import pytest

from cpu_parts import (CODE, DATA, DIRECTORY, HANDLERS, STACK, KERNEL_CODE, FREE, Guest, descriptor, gate, run)
from hyper.cpu import flags
from hyper.cpu.mode import CS, DS, ES, SS

UD, GP = 6, 13


# -- what is no instruction

@pytest.mark.parametrize('code', [
    '\x0f\x0b', '\x0f\xb9\xc0', '\x0f\xff', '\x0f\x04', '\x0f\x05', '\x0f\x0a', '\x0f\x24\xc0', '\x0f\x36', '\x0f\x50\xc0', '\x0f\xa6\xc0', '\x0f\xaa',
    '\x0f\xb8\xc0', '\x0f\xba\xc0\x01', '\x0f\xba\x18\x01', '\x0f\xc7\xc8', '\x0f\xc7\x00', '\x8d\xc0', '\x62\xc0', '\xc4\xc0', '\xc5\xc0', '\x0f\xb2\xc0',
    '\xfe\xd0', '\xfe\x30', '\xff\xf8', '\xff\xd8', '\xff\xe8', '\xc6\xc8\x00', '\xc7\x08\0\0\0\0', '\x8f\xc8', '\x8c\xf0', '\x8e\xf8', '\x8e\xc8',
    '\x0f\x01\x28', '\x0f\x01\xd0', '\x0f\x00\xf0', '\xd9\xd1', '\xdb\xe5', '\xde\xd8', '\xd9\x08'])
def test_bytes_that_are_no_instruction_are_undefined_at_their_first_byte(code):
    event = run('\x90' + code).happened
    assert (event.vector, event.error, event.eip) == (UD, None, CODE + 1)


@pytest.mark.parametrize('code, good', [
    ('\xf0\x01\x05\0\x40\x01\0', True), ('\xf0\x01\xc0', False), ('\xf0\x03\x05\0\x40\x01\0', False), ('\xf0\x39\x05\0\x40\x01\0', False),
    ('\xf0\x90', False), ('\xf0\x87\x05\0\x40\x01\0', True), ('\xf0\x87\xc0', False), ('\xf0\xff\x05\0\x40\x01\0', True), ('\xf0\xff\x35\0\x40\x01\0', False),
    ('\xf0\x0f\xab\x05\0\x40\x01\0', True), ('\xf0\x0f\xa3\x05\0\x40\x01\0', False), ('\xf0\x0f\xba\x2d\0\x40\x01\0\1', True),
    ('\xf0\x0f\xba\x25\0\x40\x01\0\1', False), ('\xf0\x0f\xc7\x0d\0\x40\x01\0', True), ('\xf0\x0f\xb1\x05\0\x40\x01\0', True),
    ('\xf0\xf7\x15\0\x40\x01\0', True), ('\xf0\xf7\x25\0\x40\x01\0', False), ('\xf0\xa4', False), ('\xf0\x80\x3d\0\x40\x01\0\1', False),
    ('\xf0\xd1\x25\0\x40\x01\0', False), ('\xf0\x89\x05\0\x40\x01\0', False)])
def test_lock_is_only_for_reading_and_writing_memory(code, good):
    event = run(code + '\xf4').happened
    assert (event is None) == good
    if not good:
        assert (event.vector, event.eip) == (UD, CODE)


@pytest.mark.parametrize('code, good', [('\x66' * 14 + '\x90', True), ('\x66' * 15 + '\x90', False), ('\x26' * 10 + '\xb8\1\2\3\4', True),
                                        ('\x26' * 11 + '\xb8\1\2\3\4', False), ('\x3e' * 20, False)])
def test_an_instruction_has_at_most_15_bytes(code, good):
    event = run(code + '\xf4').happened
    assert (event and (event.vector, event.error, event.eip)) == (None if good else (GP, 0, CODE))


def test_the_last_of_several_prefixes_of_a_kind_counts():
    guest = run('\xb8\x10\0\0\0\x8e\xe0\x64\x36\x26\xa1\0\x40\x01\0\x66\x66\xb8\1\2\xf4')
    assert guest.happened is None and guest.eax == 0x0201


def test_prefixes_that_mean_nothing_are_ignored():
    assert run('\xf3\x40\xf2\x40\x2e\x40\x67\x40\xf4').eax == 4


@pytest.mark.parametrize('source, registers', [
    ('mov $0x12345678, %eax; mov $0xffff, %ax; movb $1, %ah', {'eax': 0x123401ff}), ('mov $-1, %ecx; mov $7, %cx; inc %cx; dec %cl', {'ecx': 0xffff0007}),
    ('mov $0x8000, %ax; cwde; mov %eax, %ebx; cdq; cbw', {'eax': 0xffff0000, 'ebx': 0xffff8000, 'edx': 0xffffffff}),
    ('mov $0x80, %eax; movsbl %al, %ecx; movzbw %al, %dx; movswl %ax, %ebx', {'ecx': 0xffffff80, 'edx': 0x80, 'ebx': 0x80}),
    ('mov $0x11223344, %eax; bswap %eax; xchg %al, %ah', {'eax': 0x44331122}), ('mov $5, %ecx; lea -3(%ecx, %ecx, 8), %eax', {'eax': 42}),
    ('mov $0x1ffff, %ebx; addr16 lea 2(%bx), %eax', {'eax': 1}), ('stc; sbb %eax, %eax; .byte 0xd6', {'eax': 0xffffffff}),
    ('mov $3, %ecx; 1: inc %eax; loop 1b; jecxz 2f; inc %eax; 2:', {'eax': 3, 'ecx': 0}), ('mov $0x10000, %ecx; jcxz 2f; inc %eax; 2:', {'eax': 0}),
    ('mov $0xfe, %ah; sahf; lahf', {'eax': 0xd600}), ('mov $0x3c, %ax; mov $10, %bl; div %bl; aad', {'eax': 6}),
    ('enter $16, $0; mov %esp, %eax; mov %ebp, %ebx; leave', {'eax': STACK - 20, 'ebx': STACK - 4, 'ebp': 0, 'esp': STACK}),
    ('mov $0x14020, %ebp; movl $0x77, 0x1401c; enter $4, $2; mov (%ebp), %eax; mov -4(%ebp), %ebx; mov -8(%ebp), %ecx; sub %esp, %ebp',
     {'eax': 0x14020, 'ebx': 0x77, 'ecx': STACK - 4, 'ebp': 12}),
    ('push %esp; pop %eax; push $-1; pushw $5; popw %bx; pop %ecx', {'eax': STACK, 'ebx': 5, 'ecx': 0xffffffff}),
    ('push $0x14000; pop %esp; mov %esp, %eax', {'eax': 0x14000}), ('pushl $9; popl 4(%esp); mov 4(%esp), %eax', {'eax': 9}),
    ('mov $1, %eax; mov $2, %ecx; pusha; mov $9, %eax; mov $9, %ecx; popa', {'eax': 1, 'ecx': 2, 'esp': STACK}),
    ('mov $5, %eax; mov $9, %ecx; cmpxchg %ecx, %eax; mov $3, %ebx; xadd %ebx, %eax', {'eax': 12, 'ebx': 9})])
def test_small_programs_give_what_the_manual_says(source, registers):
    guest = run(source + '; hlt')
    assert guest.happened is None
    for name in registers:
        assert getattr(guest, name) == registers[name], name


@pytest.mark.parametrize('start, step, source', [(0x14100, 4, 'cld'), (0x14100, -4, 'std')])
def test_the_direction_flag_says_which_way_strings_go(start, step, source):
    guest = Guest(source + '; mov $3, %ecx; mov $0x14100, %esi; mov $0x14200, %edi; rep movsl; mov %esi, %eax; mov %edi, %ebx; lodsb; hlt')
    for k in range(-3, 4):
        guest.memory.write32(start + 4 * k, 100 + k)
    assert guest.run() is None
    assert (guest.eax & 0xffffff00, guest.ebx, guest.esi) == (start + 3 * step & 0xffffff00, 0x14200 + 3 * step, start + 3 * step + step // 4)
    assert [guest.memory.read32(0x14200 + step * k) for k in range(4)] == [100 + step // 4 * k for k in range(3)] + [0]


@pytest.mark.parametrize('prefix, count, ecx, zf', [('repe', 8, 4, False), ('repne', 8, 7, True), ('repe', 3, 0, True), ('repe', 0, 0, False)])
def test_repeated_comparisons_end_at_the_difference_or_the_count(prefix, count, ecx, zf):
    guest = Guest('or $1, %%eax; mov $%d, %%ecx; mov $0x14000, %%esi; mov $0x14010, %%edi; %s cmpsb; hlt' % (count, prefix))
    guest.memory.write_bytes(DATA, 'abcdefgh')
    guest.memory.write_bytes(DATA + 16, 'abcXefgh')
    assert guest.run() is None
    assert (guest.ecx, guest.flag(flags.ZF), guest.esi) == (ecx, zf, DATA + count - ecx)


# -- code that is rewritten

@pytest.mark.parametrize('source, eax', [
    ('movb $7, next + 1; next: mov $1, %al', 7), ('movb $7, later + 1; nop; inc %ecx; later: mov $1, %al', 7),
    ('mov $3, %ecx; 1: incb target + 1; target: mov $1, %al; loop 1b', 4), ('movl $0xb0 | 9 << 8 | 0x90900000, next; next: mov $1, %al; nop; nop', 9),
    ('movb $0x40, next; next: inc %edx', 1), ('mov $next + 1, %edi; mov $7, %al; stosb; mov $0, %al; next: mov $1, %al', 7),
    ('call f; movb $5, f + 1; call f; jmp 1f; f: mov $1, %al; ret; 1:', 5)])
def test_rewritten_code_runs_as_written(source, eax):
    guest = run(source + '; hlt')
    assert guest.happened is None and guest.eax == eax


def test_code_rewritten_through_another_mapping_of_its_frame_is_seen():
    guest = Guest('call 0x100000; movb $5, 0x180001; call 0x100000; hlt')
    guest.enable_paging()
    guest.map(0x180000, 0x100000, 7)
    guest.memory.write_bytes(0x100000, '\xb0\x01\x01\xc3\xc3')        # mov al, 1; add ebx, eax; ret
    assert guest.run() is None and guest.ebx == 6


def test_an_instruction_across_two_pages_follows_both():
    guest = Guest('call 0x100ffd; movb $7, 0x100fff; call 0x100ffd; movb $9, 0x101001; call 0x100ffd; hlt')
    guest.memory.write_bytes(0x100ffd, '\x90\xb8\1\0\0\0\x01\xc3\xc3')
    assert guest.run() is None and guest.ebx == 1 + 7 + 0x90007


def test_a_repetition_that_overwrites_itself_goes_on_as_it_was_fetched():
    guest = run('mov $1f, %edi; mov $5, %ecx; mov $0x90, %al; 1: rep stosb; inc %ebx; inc %ebx; inc %ebx; hlt')
    assert guest.happened is None and guest.ecx == 0 and guest.ebx == 0     # two bytes of its own and three behind
    assert guest.memory.read_bytes(guest.edi - 5, 5) == '\x90' * 5


def code_of(guest, frame):
    return guest.system.code.frames.get(frame, None)


FUNCTION = '\x40\xc3'.ljust(4096, '\0')         # inc eax; ret


def two_frames(source):
    """A guest with a function in two frames, mapped at 100000h and 180000h."""
    guest = Guest(source)
    guest.enable_paging()
    guest.memory.write_bytes(0x100000, FUNCTION)
    guest.memory.write_bytes(0x101000, FUNCTION)
    guest.map(0x180000, 0x101000, 7)
    return guest


def test_frames_with_the_same_bytes_share_their_code():
    guest = two_frames('call 0x100000; call 0x180000; hlt')
    assert guest.run() is None and guest.eax == 2
    assert code_of(guest, 0x100000) is code_of(guest, 0x101000)


def test_a_write_to_one_of_them_changes_only_that_one():
    guest = two_frames('call 0x100000; call 0x180000; movb $0x43, 0x180000; call 0x100000; call 0x180000; hlt')
    assert guest.run() is None and guest.eax == 3 and guest.ebx == 1        # 43h: inc ebx
    assert code_of(guest, 0x100000) is not code_of(guest, 0x101000)


def test_code_outlives_its_frame_until_the_bytes_come_again():
    guest = two_frames('call 0x100000; movb $0x43, 0x100000; movb $0x40, 0x100000; call 0x100000; hlt')
    guest.step(3)
    first = code_of(guest, 0x100000)
    assert guest.run() is None and guest.eax == 2
    assert code_of(guest, 0x100000) is first and not first.dropped


def test_code_beside_data_that_changes_stays():
    guest = two_frames('mov $3, %ecx; 1: call 0x100000; incb 0x100800; loop 1b; hlt')
    guest.step(4)
    first = code_of(guest, 0x100000)
    assert guest.run() is None and guest.eax == 3
    assert code_of(guest, 0x100000) is first and first.live


def test_code_that_no_frame_holds_is_forgotten_in_the_end():
    guest = two_frames('mov $1000, %ecx; 1: mov %ecx, 0x100004; call 0x100000; movb $0x90, 0x100000; movb $0x40, 0x100000; loop 1b; hlt')
    assert guest.run() is None and guest.eax == 1000
    assert len(guest.system.code.known) < 600


def test_an_instruction_whose_end_cannot_be_fetched_faults_there():
    guest = Guest('jmp 0x100ffd')
    guest.enable_paging()
    guest.memory.write_bytes(0x100ffd, '\xb8\1\0')
    guest.map(0x101000, 0, 0)
    event = guest.run()
    assert event.vector == 14 and guest.system.cr2 == 0x101000


def test_a_jump_to_itself_where_addresses_wrap_around_is_left_for_events():
    guest = Guest('hlt')
    guest.memory.write_bytes(0, '\x25\xf0\xff\xff\xff')         # FFh, of no memory, and this: jmp *0xfffffff0, where is none either
    guest.system.eip = 0xffffffff
    assert guest.step(10000) is None and guest.system.icount == 10000 and guest.system.eip == 0xffffffff


def test_code_rewritten_by_the_outside_is_seen():
    guest = Guest('1: mov $1, %al; jmp 1b')
    guest.step(10)
    guest.memory.write8(CODE + 1, 9)
    guest.step(2)
    assert guest.eax == 9


# -- 16-bit code, real mode

def real(source, at=CODE, segment=CODE >> 4):
    """A Guest in real mode at `segment`:0, DS the same, the stack at 0:7000h."""
    guest = Guest()
    guest.write('.code16; ' + source, at=at)
    system = guest.system
    system.cr0 = 0x10
    for s in range(6):
        value = 0 if s == SS else segment
        system.set_segment(s, value, value << 4, 0xffff, 0x9b if s == CS else 0x93)
    system.regs[4] = 0x7000
    system.eip = at - (segment << 4)
    system.idtr_base, system.idtr_limit = 0, 0x3ff
    for vector in range(256):
        guest.memory.write32(4 * vector, HANDLERS + 16 * vector)
    system.update_mode()
    return guest


def words(guest, count):
    return [guest.memory.read16((guest.esp & 0xffff) + 2 * k) for k in range(count)]


def test_real_mode_interrupts_go_through_the_vector_table():
    guest = real('stc; sti; int $0x21; hlt')
    guest.run()
    assert guest.system.eip == HANDLERS + 0x21 * 16 + 1 and words(guest, 3) == [4, CODE >> 4, 0x203] and not guest.flag(flags.IF)


def test_real_mode_faults_push_no_error_code_and_the_instruction():
    guest = real('nop; xor %cl, %cl; div %cl')
    guest.run()
    assert guest.system.eip == HANDLERS + 1 and words(guest, 2) == [3, CODE >> 4]
    guest = real('movw $0xffff, %bx; movl (%bx), %eax')
    guest.run()
    assert guest.system.eip == HANDLERS + 16 * GP + 1 and words(guest, 1) == [3]


def test_segments_are_paragraphs_and_addresses_wrap_at_64_kb():
    guest = real('mov $0x1400, %ax; mov %ax, %es; mov $0xfff0, %bx; movb $7, %es:0x14(%bx); mov $0x14, %si; es lodsb; hlt')
    guest.run()
    assert guest.memory.read8(0x14004) == 7


def test_far_calls_and_returns_in_real_mode():
    guest = real('lcall $0x1200, $5; mov $3, %cx; hlt')
    guest.memory.write_bytes(0x12005, '\x8c\xca\xcb')          # mov dx, cs; retf
    guest.run()
    assert (guest.edx, guest.ecx, guest.esp, guest.system.selector[CS]) == (0x1200, 3, 0x7000, CODE >> 4)


def test_32_bit_operands_and_addresses_in_16_bit_code():
    guest = real('mov $0x12345678, %eax; mov $0x100, %ebx; addr32 mov %eax, (%ebx, %ebx); pushl %eax; popw %cx; popw %dx; hlt')
    guest.run()
    assert guest.memory.read32(CODE + 0x200) == 0x12345678 and (guest.ecx, guest.edx) == (0x5678, 0x1234)


@pytest.mark.parametrize('operand, address', [('(%bx, %si)', 0x30), ('(%bp, %di)', 0xc0), ('4(%bx)', 0x14), ('(%di)', 0x80), ('-1(%si)', 0x1f),
                                              ('0x55', 0x55), ('0x1234(%bp)', 0x1274)])
def test_16_bit_addressing(operand, address):
    guest = real('mov $0x10, %%bx; mov $0x20, %%si; mov $0x40, %%bp; mov $0x80, %%di; lea %s, %%ax; hlt' % operand)
    guest.run()
    assert guest.eax == address


def test_into_protected_mode_and_back():
    guest = real('lgdt %cs:gdtr - 0x10000; mov %cr0, %eax; or $1, %al; mov %eax, %cr0; ljmpl $8, $flat; gdtr: .word 0xff; .long 0x1000; '
                 '.code32; flat: mov $0x10, %eax; mov %eax, %ds; movl $0x77, 0x14000; ljmp $0x40, $back - 0x10000; '
                 '.code16; back: mov %cr0, %eax; and $0xfe, %al; mov %eax, %cr0; ljmp $0x1000, $done - 0x10000; done: mov $0x1400, %ax; mov %ax, %ds; '
                 'mov 0, %bx; hlt')
    guest.define(FREE, descriptor(CODE, 0xffff, 0x9b))
    assert guest.run() is None
    assert guest.ebx == 0x77 and guest.system.selector[CS] == 0x1000 and guest.system.cr0 & 1 == 0


def test_a_16_bit_stack_wraps_and_leaves_the_upper_half_of_esp():
    guest = Guest('mov $0x40, %eax; mov %eax, %ss; mov $0xabcd0002, %esp; push %cx; push %dx; mov %esp, %ebx; hlt')
    guest.define(FREE, descriptor(0x20000, 0xffff, 0x93))
    guest.system.regs[1], guest.system.regs[2] = 0x1111, 0x2222
    assert guest.run() is None
    assert guest.ebx == 0xabcdfffe and guest.memory.read16(0x20000) == 0x1111 and guest.memory.read16(0x2fffe) == 0x2222
