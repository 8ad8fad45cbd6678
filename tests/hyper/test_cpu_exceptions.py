"""Exceptions: the exact EIP, error code and flags; what has changed before them; double and triple faults."""
import pytest

from cpu_parts import (CODE, DATA, GDT, IDT, HANDLERS, STACK, INNER_STACK, KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, FREE, Guest, descriptor, gate,
                       run)
from hyper.cpu import flags

RF = 1 << 16


def test_a_fault_pushes_flags_cs_and_the_address_of_its_instruction():
    guest = run('nop; stc; ud2; hlt')
    event = guest.happened
    assert (event.vector, event.error, event.eip, event.cs) == (6, None, CODE + 2, KERNEL_CODE)
    assert event.eflags == 2 | flags.CF | RF
    assert guest.esp == STACK - 12


@pytest.mark.parametrize('source, vector, error, offset', [
    ('xor %ecx, %ecx; div %ecx', 0, None, 2), ('int3', 3, None, 1), ('int $0x30', 0x30, None, 2), ('ud2', 6, None, 0), ('.byte 0xf1', 1, None, 1),
    ('mov $0x7fffffff, %eax; inc %eax; into', 4, None, 7), ('bound %eax, %ds:bounds; bounds: .long 5, 9', 5, None, 0),
    ('mov $0xfff8, %ax; mov %ax, %ds', 13, 0xfff8, 4), ('mov $0xffff, %ax; mov %ax, %ds', 13, 0xfffc, 4), ('xor %eax, %eax; mov %ax, %ss', 13, 0, 2),
    ('aam $0', 0, None, 0), ('mov $0x80000000, %edx; mov $1, %ecx; idiv %ecx', 0, None, 10),
    ('mov %cr0, %eax; or $8, %al; mov %eax, %cr0; fnop', 7, None, 8)])
def test_exceptions_come_with_the_manuals_vector_error_code_and_eip(source, vector, error, offset):
    event = run(source).happened
    assert (event.vector, event.error, event.eip) == (vector, error, CODE + offset)
    assert bool(event.eflags & RF) == (vector not in (1, 3, 4, 0x30))


@pytest.mark.parametrize('source', ['cli', 'sti', 'hlt', 'in $0x60, %al', 'out %al, $0x80', 'insb', 'outsb', 'mov %cr0, %eax', 'mov %eax, %cr3', 'mov %eax, %dr0',
                                    'lgdt 0x14000', 'lidt 0x14000', 'lldt %ax', 'ltr %ax', 'lmsw %ax', 'clts', 'invd', 'wbinvd', 'invlpg 0x14000', 'rdmsr',
                                    'wrmsr', 'sysexit', 'int $0x30'])
def test_what_ring_3_may_not_do_is_a_general_protection_fault_at_the_instruction(source):
    event = run('nop; ' + source, ring=3).happened
    error = 0x30 * 8 + 2 if source.startswith('int') else 0
    assert (event.vector, event.error, event.eip, event.cs, event.esp, event.ss) == (13, error, CODE + 1, USER_CODE, STACK, USER_DATA)


def test_a_fault_in_ring_3_takes_the_stack_of_the_tss():
    guest = run('ud2', ring=3)
    assert guest.happened.esp == STACK and guest.happened.ss == USER_DATA
    assert guest.esp == INNER_STACK - 20 and guest.system.selector[2] == KERNEL_DATA


def test_a_fault_in_the_middle_of_a_block_has_the_effects_of_what_came_before_it_only():
    guest = Guest('mov $1, %eax; mov $2, %ebx; mov 0x3ff000, %ecx; mov $3, %eax; hlt')
    guest.enable_paging(pages=256)
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (14, 0, CODE + 10)
    assert (guest.eax, guest.ebx, guest.ecx, guest.system.cr2) == (1, 2, 0, 0x3ff000)


def test_flags_computed_lazily_are_right_in_the_frame():
    event = run('mov $5, %eax; sub $7, %eax; ud2').happened
    assert event.eflags & flags.ARITHMETIC == flags.CF | flags.SF | flags.AF


def test_an_instruction_that_faults_on_its_store_changes_neither_register_nor_flag():
    for text in ['add %eax, (%ebx)', 'xadd %eax, (%ebx)', 'xchg %eax, (%ebx)', 'cmpxchg %ecx, (%ebx)', 'shll $4, (%ebx)', 'neg (%ebx)', 'btsl %eax, (%ebx)',
                 'push (%ebx)', 'pop (%ebx)', 'setc (%ebx)', 'cmpxchg8b (%ebx)', 'incl (%ebx)', 'adc %eax, (%ebx)', 'fstl (%ebx)', 'movsl', 'rcll (%ebx)']:
        if ' (' in text and text.split()[0] in ('neg', 'push', 'pop'):
            text = text.replace(' ', 'l ', 1)
        guest = Guest('stc; mov $1, %eax; mov $0x3ff000, %ebx; mov %ebx, %edi; mov %ebx, %esi; ' + text + '; hlt')
        guest.enable_paging(pages=256)
        event = guest.run()
        assert (event.vector, event.eip) == (14, CODE + 15), text
        assert (guest.eax, guest.ebx, guest.edi, guest.esi, event.eflags & 0xfff) == (1, 0x3ff000, 0x3ff000, 0x3ff000, 3), text


def test_a_fault_while_a_fault_is_delivered_is_a_double_fault_with_error_code_0():
    guest = Guest('mov $0xfff8, %ax; mov %ax, %ds')
    guest.vector(13, gate(14, 0x7f8, 0))                    # its handler has no segment: #GP again
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (8, 0, CODE + 4)


def test_a_fault_in_delivering_a_benign_exception_is_taken_by_itself():
    guest = Guest('ud2')
    guest.vector(6, gate(14, 0x7f8, 0))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (13, 0x7f9, CODE)


def test_a_fault_in_delivering_a_software_interrupt_is_the_instructions_and_has_no_ext_bit():
    guest = Guest('nop; int $0x40')
    guest.vector(0x40, gate(14, 0x7f8, 0))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (13, 0x7f8, CODE + 1)


def test_a_page_fault_in_delivering_a_page_fault_is_a_double_fault():
    guest = Guest('mov 0x3ff000, %eax')
    guest.enable_paging(pages=256)
    guest.map(IDT + 0x1000, 0, 0)
    guest.system.idtr_base = IDT + 0x1000 - 8 * 14          # the gates of 0 to 13 only are mapped
    guest.memory.write_bytes(IDT + 0x1000 - 8 * 14 + 8 * 8, gate(14, KERNEL_CODE, HANDLERS + 8 * 16))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (8, 0, CODE)
    assert guest.system.cr2 == IDT + 0x1000


def test_a_page_fault_in_delivering_a_general_protection_fault_is_taken_as_a_page_fault():
    guest = Guest('mov $0xfff8, %ax; mov %ax, %ds')
    guest.enable_paging(pages=256)
    guest.define(FREE, descriptor(0x3ff000, 0xfff, 0x9b | 0x4000))
    # the code segment of #GP's handler is there, but its descriptor's page is not: an LDT in an unmapped page
    guest.system.set_segment(6, 0x30, 0x3ff000, 0x3f, 0x82)
    guest.vector(13, gate(14, 0x0c, 0))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (14, 0, CODE + 4) and guest.system.cr2 == 0x3ff008


def test_a_fault_in_delivering_a_double_fault_shuts_the_processor_down():
    guest = Guest('mov $0xfff8, %ax; mov %ax, %ds')
    guest.vector(13, gate(14, 0x7f8, 0))
    guest.vector(8, gate(14, 0x7f8, 0))
    assert guest.run() == 'shutdown'
    assert guest.system.eip == CODE + 4


def test_without_an_idt_any_fault_shuts_the_processor_down():
    guest = Guest('nop; ud2')
    guest.system.idtr_limit = 0
    assert guest.run() == 'shutdown'


def test_a_vector_beyond_the_idt_is_a_general_protection_fault_with_the_vector_in_its_error_code():
    guest = Guest('int $0x80')
    guest.system.idtr_limit = 0x7f * 8 + 7
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (13, 0x80 * 8 + 2, CODE)


def test_a_gate_that_is_not_present_is_np_with_the_vector_in_its_error_code():
    guest = Guest('int $0x80')
    guest.vector(0x80, '\0\0\x08\0\0\x0e\0\0')
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (11, 0x80 * 8 + 2, CODE)


def test_an_interrupt_gate_clears_if_and_a_trap_gate_leaves_it():
    for kind, left in [(14, 0), (15, flags.IF)]:
        guest = Guest('sti; int $0x80; hlt')
        guest.vector(0x80, gate(kind, KERNEL_CODE, HANDLERS + 0x80 * 16))
        guest.run()
        assert guest.system.eflags & flags.IF == left


def test_tf_nt_and_rf_are_clear_in_the_handler_and_kept_in_the_frame():
    guest = Guest('pushf; orl $0x4000, (%esp); popf; int $0x80')
    event = guest.run()
    assert event.eflags & flags.NT and not guest.flag(flags.NT)


def test_a_16_bit_gate_pushes_words():
    guest = Guest('int $0x80')
    guest.vector(0x80, gate(6, KERNEL_CODE, HANDLERS + 0x80 * 16 & 0xffff))
    guest.run()
    assert guest.esp == STACK - 6
    assert [guest.memory.read16(STACK - 6 + 2 * k) for k in range(3)] == [CODE + 2 & 0xffff, KERNEL_CODE, 2]


def test_the_handler_of_a_repeated_string_fault_finds_the_registers_at_the_element_that_faulted():
    guest = Guest('cld; mov $0x400, %ecx; mov $0x14010, %esi; mov $0xff010, %edi; rep movsl; hlt')
    guest.enable_paging(pages=256)
    event = guest.run()
    done = (0x100000 - 0xff010) // 4
    assert (event.vector, event.error, event.eip) == (14, 2, CODE + 16)
    assert (guest.ecx, guest.esi, guest.edi, guest.system.cr2) == (0x400 - done, 0x14010 + 4 * done, 0x100000, 0x100000)


def test_a_repeated_string_goes_on_where_it_faulted():
    guest = Guest('cld; mov $0x1000, %ecx; mov $0x5a, %al; mov $0xff800, %edi; rep stosb; hlt')
    guest.write('movl $0x100003, 0x9400; add $4, %esp; iret', at=0x6000)
    guest.vector(14, gate(14, KERNEL_CODE, 0x6000))
    guest.enable_paging(pages=256)
    assert guest.run() is None
    assert guest.ecx == 0 and guest.edi == 0x100800
    assert guest.memory.read8(0xff800) == guest.memory.read8(0xfffff) == guest.memory.read8(0x1007ff) == 0x5a and guest.memory.read8(0x100800) == 0
