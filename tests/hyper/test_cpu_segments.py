"""Segmentation: limits, types, rings, far transfers through gates and without, null selectors, what LAR, LSL, VERR, VERW and ARPL say."""
import pytest

from cpu_parts import (CODE, DATA, GDT, IDT, HANDLERS, STACK, INNER_STACK, LDT, KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, TSS, TSS_SELECTOR,
                       LDT_SELECTOR, FREE, Guest, descriptor, gate, run)
from hyper.cpu import flags
from hyper.cpu.mode import ES, CS, SS, DS, FS, GS, LDTR

GP, SS_FAULT, NP, TS = 13, 12, 11, 10
BIG = 0x4000
CALL_GATE = 12


def with_segment(source, base, limit, access, selector=FREE, ring=0):
    guest = Guest(source, ring)
    guest.define(selector, descriptor(base, limit, access))
    guest.happened = guest.run()
    return guest


def outcome(guest):
    event = guest.happened
    return event and (event.vector, event.error, event.eip - CODE)


LOAD_DS = 'mov $0x40, %eax; mov %eax, %ds; '            # 7 bytes


# -- limits and types

@pytest.mark.parametrize('access, good, bad', [
    ('movb $1, 0xfff', True, None), ('movb $1, 0x1000', False, 7), ('movw $1, 0xfff', False, 7), ('movl $1, 0xffc', True, None),
    ('movl $1, 0xffd', False, 7), ('mov 0xffe, %ax', True, None), ('mov 0xffffffff, %eax', False, 7), ('lea 0x5000, %eax', True, None)])
def test_an_access_may_not_end_beyond_the_limit(access, good, bad):
    guest = with_segment(LOAD_DS + access + '; hlt', DATA, 0xfff, 0x93 | BIG)
    assert outcome(guest) == (None if good else (GP, 0, bad))


def test_the_base_is_added_and_the_sum_wraps():
    guest = Guest(LOAD_DS + 'movl $0x1234, 0x20000; hlt')
    guest.define(FREE, descriptor(0xffff0000, 0xffffffff, 0x93 | BIG))
    assert guest.run() is None and guest.memory.read32(0x10000) == 0x1234


@pytest.mark.parametrize('access, good', [('movb $1, 0x1000', True), ('movb $1, 0xfff', False), ('mov 0xffff, %al', True), ('mov 0xffff, %ax', False),
                                          ('movb $1, 0x10000', False)])
def test_an_expand_down_segment_reaches_from_above_its_limit_to_64_kb(access, good):
    guest = with_segment(LOAD_DS + access + '; hlt', 0, 0xfff, 0x97)
    assert outcome(guest) == (None if good else (GP, 0, 7))


def test_a_big_expand_down_segment_reaches_to_4_gb():
    guest = with_segment(LOAD_DS + 'movb $1, 0x1ffff0; mov 0xffffffff, %al; movb $1, 0xfff; hlt', 0, 0xfff, 0x97 | BIG)
    assert outcome(guest) == (GP, 0, 7 + 7 + 5)


@pytest.mark.parametrize('access, instruction, good', [
    (0x91, 'mov 0, %al', True), (0x91, 'movb $1, 0', False), (0x91, 'incl 0', False), (0x9b, 'mov 0, %al', True), (0x9b, 'movb $1, 0', False),
    (0x93, 'movb $1, 0', True), (0x91, 'testl $1, 0', True), (0x91, 'cmpl $1, 0', True), (0x91, 'lock orl $0, 0', False),
    (0x91, 'btl $3, 0', True), (0x91, 'btsl $3, 0', False), (0x91, 'sgdt 0', False), (0x91, 'fnstcw 0', False), (0x91, 'fldcw 0', True)])
def test_the_type_says_what_may_be_done(access, instruction, good):
    guest = with_segment(LOAD_DS + instruction + '; hlt', DATA, 0xfff, access | BIG)
    assert outcome(guest) == (None if good else (GP, 0, 7))


def test_execute_only_code_cannot_be_read_nor_loaded_into_a_data_segment():
    guest = with_segment(LOAD_DS, 0, 0xfffff, 0x99 | BIG)
    assert outcome(guest) == (GP, FREE, 5)
    guest = Guest('ljmp $0x40, $next; next: mov %cs:0x14000, %al; hlt')
    guest.define(FREE, descriptor(0, 0xffffffff, 0x99 | BIG))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (GP, 0, CODE + 7)


def test_code_cannot_be_written_through_cs_though_the_data_segments_are_flat():
    event = run('movb $1, %cs:0x14000; hlt').happened
    assert (event.vector, event.error, event.eip) == (GP, 0, CODE)


def test_cs_has_its_own_base_though_the_data_segments_are_flat():
    guest = Guest('ljmp $0x40, $next - 0x10000; next: mov %cs:0, %al; mov $3, %ecx; mov $0x14000, %edi; xor %esi, %esi; rep movsb %cs:(%esi), (%edi); hlt')
    guest.define(FREE, descriptor(CODE, 0xffff, 0x9b | BIG))
    assert guest.run() is None
    assert guest.eax & 0xff == 0xea and guest.memory.read_bytes(DATA, 3) == guest.code[:3]


def test_a_stack_access_beyond_the_limit_is_a_stack_fault():
    guest = with_segment('mov $0x40, %eax; mov %eax, %ss; mov $0x1002, %esp; push %eax; hlt', DATA, 0xfff, 0x93 | BIG)
    # the handler needs a stack too: through the same segment nothing can be pushed
    assert guest.happened == 'shutdown'
    guest = Guest('mov $0x40, %eax; mov %eax, %ss; mov $0x20, %esp; mov 0xffe(%esp), %eax; hlt')
    guest.define(FREE, descriptor(DATA, 0xfff, 0x93 | BIG))
    event = guest.run()
    assert guest.stop and guest.memory.read32(DATA + 0x20 - 16) == 0 and guest.memory.read32(DATA + 0x20 - 12) == CODE + 12
    assert guest.system.eip == HANDLERS + 16 * SS_FAULT + 1


def test_ebp_and_esp_mean_the_stack_segment_unless_a_prefix_says_otherwise():
    guest = Guest('mov $0x40, %eax; mov %eax, %ss; mov $8, %ebp; mov $8, %esp; mov (%ebp), %eax; mov 4(%esp), %ebx; mov %ds:(%ebp), %ecx; '
                  'mov (%ebp, %eax), %edx; mov %ss:0x10, %esi; hlt')
    guest.define(FREE, descriptor(DATA, 0xfff, 0x93 | BIG))
    for k in range(8):
        guest.memory.write32(DATA + 4 * k, k)
        guest.memory.write32(4 * k, 100 + k)
    assert guest.run() is None
    assert (guest.eax, guest.ebx, guest.ecx, guest.edx, guest.esi) == (2, 3, 102, 0x00030000, 4)


# -- loading

@pytest.mark.parametrize('selector, expected', [(0x0000, None), (0x0003, None), (0x0010, None), (0x0008, None), (0x0023, None), (0x0028, (GP, 0x28)),
                                                (0x0100, (GP, 0x100)), (0xffff, (GP, 0xfffc)), (0x0048, (NP, 0x48)), (0x0044, (GP, 0x44)),
                                                (0x0013, (GP, 0x10))])
def test_loading_a_data_segment_in_ring_0_checks_the_descriptor(selector, expected):
    guest = Guest('mov $%d, %%eax; mov %%eax, %%es; hlt' % selector)
    guest.define(0x48, descriptor(0, 0xfffff, 0x13))
    guest.system.set_segment(LDTR, LDT_SELECTOR, LDT, 0x3f, 0x82 | 0x10000)
    event = guest.run()
    assert (event and (event.vector, event.error)) == expected
    assert guest.system.selector[ES] == (KERNEL_DATA if expected else selector)


@pytest.mark.parametrize('selector, good', [(0x23, True), (0x20, True), (0x10, False), (0x13, False), (0x1b, True), (0x0b, False), (0x4b, True), (0, True)])
def test_loading_a_data_segment_in_ring_3_needs_privilege_unless_it_is_conforming_code(selector, good):
    guest = Guest('mov $%d, %%eax; mov %%eax, %%fs; int $0x30' % selector, ring=3)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    guest.define(0x48, descriptor(0, 0xfffff, 0x9f))
    event = guest.run()
    assert (event.vector, event.error) == ((0x30, None) if good else (GP, selector & 0xfffc))


@pytest.mark.parametrize('selector, expected', [(0, (GP, 0)), (0x10, None), (0x13, (GP, 0x10)), (0x23, (GP, 0x20)), (0x08, (GP, 8)), (0x40, (SS_FAULT, 0x40)),
                                                (0x48, (GP, 0x48))])
def test_the_stack_segment_must_be_writable_of_this_ring_and_present(selector, expected):
    guest = Guest('mov $%d, %%eax; mov %%eax, %%ss; hlt' % selector)
    guest.define(0x40, descriptor(0, 0xfffff, 0x13))
    guest.define(0x48, descriptor(0, 0xfffff, 0x91))
    event = guest.run()
    assert (event and (event.vector, event.error)) == expected


def test_a_null_data_segment_faults_only_when_it_is_used():
    event = run('xor %eax, %eax; mov %eax, %gs; mov %gs, %ebx; mov %gs:0, %al; hlt').happened
    assert (event.vector, event.error, event.eip) == (GP, 0, CODE + 6)


def test_loading_sets_the_accessed_bit():
    guest = with_segment(LOAD_DS + 'hlt', 0, 0xfffff, 0x92)
    assert guest.memory.read8(GDT + FREE + 5) == 0x93
    assert guest.happened is None


def test_cs_cannot_be_loaded_by_mov_and_pop():
    assert run('.byte 0x8e, 0xc8').happened.vector == 6
    assert run('.byte 0x8e, 0xf0').happened.vector == 6         # a seventh segment register


def test_pop_and_lds_load_segments_and_a_fault_leaves_the_stack():
    guest = run('push $0x23; pop %es; push $0x10; pop %fs; les 0x14000, %ecx; hlt')
    assert outcome(guest) == (GP, 0, 8) or guest.system.selector[FS] == 0x10
    guest = run('push $0xfff8; nop; pop %es; hlt')
    assert outcome(guest) == (GP, 0xfff8, 6) and guest.esp == STACK - 4 - 16


def test_a_far_pointer_load_changes_both_or_neither():
    guest = Guest('lgs 0x14000, %ecx; lfs 0x14008, %edx; hlt')
    guest.memory.write_bytes(DATA, '\x44\x33\x22\x11\x10\0\0\0' + '\x88\x77\x66\x55\x50\0')
    event = guest.run()
    assert (event.vector, event.error) == (GP, 0x50)
    assert guest.ecx == 0x11223344 and guest.system.selector[GS] == 0x10 and guest.edx == 0 and guest.system.selector[FS] == KERNEL_DATA


def test_an_ldt_holds_segments_and_one_that_is_not_there_does_not():
    source = 'mov $0x30, %eax; lldt %ax; mov $0x0c, %eax; mov %eax, %ds; mov 4, %ebx; xor %eax, %eax; lldt %ax; mov $0x0c, %eax; mov %eax, %es; hlt'
    guest = Guest(source)
    guest.memory.write_bytes(LDT + 8, descriptor(DATA, 0xfff, 0x93 | BIG))
    guest.memory.write32(DATA + 4, 0x77)
    event = guest.run()
    assert guest.ebx == 0x77
    assert (event.vector, event.error) == (GP, 0x0c) and guest.system.selector[DS] == 0x0c


@pytest.mark.parametrize('source, error', [('mov $0x10, %eax; lldt %ax', 0x10), ('mov $0x0c, %eax; lldt %ax', 0x0c), ('mov $0x28, %eax; ltr %ax', 0x28),
                                           ('mov $0x10, %eax; ltr %ax', 0x10), ('xor %eax, %eax; ltr %ax', 0), ('mov $0x2c, %eax; ltr %ax', 0x2c)])
def test_lldt_and_ltr_take_only_their_kind_of_descriptor(source, error):
    event = run(source).happened
    assert (event.vector, event.error) == (GP, error)           # 28h is busy already


def test_ltr_marks_the_task_busy():
    guest = Guest('mov $0x40, %eax; ltr %ax; str %ebx; hlt')
    guest.define(FREE, descriptor(TSS, 0x67, 0x89))
    assert guest.run() is None
    assert guest.memory.read8(GDT + FREE + 5) == 0x8b and guest.ebx == FREE


# -- far transfers without gates

def test_a_far_jump_and_call_and_return_stay_in_the_ring():
    guest = run('lcall $8, $sub; mov $1, %ebx; ljmp *pointer; hlt; pointer: .long there; .word 8; there: mov $2, %ecx; hlt; sub: mov 4(%esp), %eax; lret')
    assert guest.happened is None and (guest.eax, guest.ebx, guest.ecx, guest.esp) == (8, 1, 2, STACK)


@pytest.mark.parametrize('selector, expected', [(0, (GP, 0)), (0x10, (GP, 0x10)), (0x1b, (GP, 0x18)), (0x0b, (GP, 0x08)), (0x40, (NP, 0x40)),
                                                (0xf8, (GP, 0xf8)), (0x1000, (GP, 0x1000)), (0x48, None), (0x50, (GP, 0x50))])
def test_a_far_jump_checks_its_target(selector, expected):
    guest = Guest('ljmp $%d, $next; next: hlt' % selector)
    guest.define(0x40, descriptor(0, 0xffffffff, 0x1b | BIG))
    guest.define(0x48, descriptor(0, 0xffffffff, 0x9f | BIG))
    guest.define(0x50, descriptor(0, 0xffffffff, 0xff | BIG))       # conforming, of ring 3: not for ring 0
    event = guest.run()
    assert (event and (event.vector, event.error)) == expected
    if event:
        assert event.eip == CODE


def test_conforming_code_runs_in_the_callers_ring():
    guest = Guest('ljmp $0x48, $next; next: mov %cs, %eax; int $0x30', ring=3)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    guest.define(0x48, descriptor(0, 0xffffffff, 0x9f | BIG))
    event = guest.run()
    assert (event.vector, event.cs, guest.eax) == (0x30, 0x4b, 0x4b)


def test_a_far_transfer_beyond_the_new_limit_faults_at_the_transfer():
    guest = Guest('nop; ljmp $0x40, $0x2000; hlt')
    guest.define(FREE, descriptor(0, 0x1fff, 0x9b | BIG))
    event = guest.run()
    assert (event.vector, event.error, event.eip, event.cs) == (GP, 0, CODE + 1, KERNEL_CODE)


@pytest.mark.parametrize('source, at', [('jmp 0x1000', 0), ('call 0x1000', 0), ('mov $0x1000, %eax; jmp *%eax', 5), ('mov $0x1000, %eax; call *%eax', 5),
                                        ('push $0x1000; ret', 5), ('push $0x1000; ret $8', 5), ('xor %eax, %eax; jz 0x1000', 2),
                                        ('xor %ecx, %ecx; jecxz .+0x20', 2)])
def test_a_near_transfer_beyond_the_limit_faults_at_the_transfer_with_nothing_changed(source, at):
    guest = Guest()
    guest.write(source, at=0xff0)
    guest.memory.write_bytes(CODE, '\xea\xf0\x0f\0\0\x40\0')
    guest.define(FREE, descriptor(0, 0xfff, 0x9b | BIG))
    guest.system.regs[4] = STACK
    event = guest.run()
    assert (event.vector, event.error, event.eip, event.cs) == (GP, 0, 0xff0 + at, FREE)
    pushed = 4 if source.startswith('push') else 0
    assert guest.esp == STACK - 16 - pushed


def test_running_off_the_end_of_the_code_segment_is_a_general_protection_fault():
    guest = Guest()
    guest.memory.write_bytes(0xff0, '\x90' * 16 + '\xf4')
    guest.memory.write_bytes(CODE, '\xea\xf0\x0f\0\0\x40\0')
    guest.define(FREE, descriptor(0, 0xfff, 0x9b | BIG))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (GP, 0, 0x1000)


def test_an_instruction_that_crosses_the_limit_faults_at_its_first_byte():
    guest = Guest()
    guest.memory.write_bytes(0xff0, '\x90' * 12 + '\xb8\1\2\3\4')
    guest.memory.write_bytes(CODE, '\xea\xf0\x0f\0\0\x40\0')
    guest.define(FREE, descriptor(0, 0xfff, 0x9b | BIG))
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (GP, 0, 0xffc)


# -- rings: call gates, RETF, IRET

def make_gate_guest(source, parameters=0, dpl=3, target=KERNEL_CODE, ring=3, kind=CALL_GATE, handler='pop %edx; push %edx; mov %esp, %ebp; mov $1, %ebx; lret'):
    guest = Guest(source, ring)
    guest.write(handler, at=0x6000)
    guest.define(FREE, gate(kind, target, 0x6000, dpl, parameters))
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    return guest


def test_a_call_gate_to_ring_0_switches_the_stack_copies_parameters_and_lret_comes_back():
    guest = make_gate_guest('push $0x11; push $0x22; lcall $0x43, $0x12345; int $0x30', parameters=2,
                            handler='mov 8(%esp), %eax; mov 12(%esp), %edx; mov 16(%esp), %esi; mov 20(%esp), %edi; mov %cs, %ebx; lret $8')
    event = guest.run()
    assert (event.vector, event.cs, event.eip, event.esp, event.ss) == (0x30, USER_CODE, CODE + 4 + 7 + 2, STACK, USER_DATA)
    assert (guest.eax, guest.edx, guest.ebx, guest.esi, guest.edi) == (0x22, 0x11, KERNEL_CODE, STACK - 8, USER_DATA)


@pytest.mark.parametrize('dpl, target, expected', [(0, KERNEL_CODE, (GP, FREE)), (3, 0, (GP, 0)), (3, KERNEL_DATA, (GP, KERNEL_DATA)),
                                                   (3, 0xf8, (GP, 0xf8)), (3, KERNEL_CODE, (0x30, None))])
def test_a_call_gate_is_checked_with_its_target(dpl, target, expected):
    event = make_gate_guest('lcall $0x43, $0; int $0x30', dpl=dpl, target=target).run()
    assert (event.vector, event.error) == expected


def test_a_call_gate_to_the_same_ring_does_not_switch_the_stack():
    guest = make_gate_guest('lcall $0x40, $0; hlt', ring=0)
    assert guest.run() is None and guest.ebp == STACK - 8 and guest.ebx == 1


def test_a_jump_through_a_call_gate_cannot_change_the_ring():
    event = make_gate_guest('ljmp $0x43, $0').run()
    assert (event.vector, event.error, event.eip) == (GP, KERNEL_CODE, CODE)


def test_a_16_bit_call_gate_pushes_words():
    guest = make_gate_guest('lcall $0x40, $0; hlt', ring=0, kind=4, handler='mov %esp, %ebp; lretw')
    guest.memory.write8(7, 0xf4)            # the return address has 16 bits
    assert guest.run() is None and guest.ebp == STACK - 4 and guest.esp == STACK


@pytest.mark.parametrize('selector, expected', [(0, (TS, 0)), (USER_DATA, (TS, USER_DATA & ~3)), (0x48, (SS_FAULT, 0x48)), (KERNEL_CODE, (TS, KERNEL_CODE)),
                                                (0xf0, (TS, 0xf0))])
def test_a_bad_stack_in_the_tss_is_an_invalid_tss_fault(selector, expected):
    guest = make_gate_guest('lcall $0x43, $0')
    guest.define(0x48, descriptor(0, 0xfffff, 0x13))
    guest.write('mov $0x10, %eax; mov %eax, %ss; hlt', at=0x6100)
    # a handler in conforming code needs no other stack
    guest.define(0x50, descriptor(0, 0xffffffff, 0x9f | BIG))
    for vector in (TS, SS_FAULT):
        guest.vector(vector, gate(14, 0x50, 0x6200))
    guest.write('pop %eax; pop %ebx; sti', at=0x6200)
    guest.memory.write32(TSS + 8, selector)
    guest.vector(GP, gate(5, 0, 0))
    guest.system.limit = guest.system.icount + 3
    guest.system.run()
    assert guest.eax == expected[1] and guest.ebx == CODE and guest.system.cpl == 3


def test_lret_to_an_outer_ring_empties_data_segments_of_the_inner_one():
    guest = Guest('push $0x23; push $0x1ff00; push $0x1b; push $user; lret; user: mov %ds, %eax; mov %es, %ebx; mov %fs, %ecx; int $0x30')
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    for segment, selector, access in [(DS, KERNEL_DATA, 0xc093), (ES, USER_DATA, 0xc0f3), (FS, 0x48, 0xc09f)]:
        guest.system.set_segment(segment, selector, 0, 0xffffffff, access)
    guest.system.update_mode()
    event = guest.run()
    assert (event.vector, event.cs, event.esp, event.ss) == (0x30, USER_CODE, 0x1ff00, USER_DATA)
    assert (guest.eax, guest.ebx, guest.ecx) == (0, USER_DATA, 0x48)


def test_iret_to_ring_3_and_an_interrupt_back():
    guest = Guest('push $0x23; push $0x1ff00; push $0x3202; push $0x1b; push $user; iret; user: mov $7, %ebx; cli; int $0x30')
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    event = guest.run()
    assert (event.vector, event.cs, event.esp, event.ss, event.eflags) == (0x30, USER_CODE, 0x1ff00, USER_DATA, 0x3002)     # IOPL 3: CLI is allowed
    assert guest.ebx == 7


@pytest.mark.parametrize('frame, error', [('push $0x23; push $0x1ff00; push $2; push $0x1b; push $0', None), ('push $2; push $0x10; push $0', KERNEL_DATA),
                                          ('push $2; push $0; push $0', 0), ('push $0x10; push $0; push $2; push $0x1b; push $0', KERNEL_DATA),
                                          ('push $0; push $0; push $2; push $0x1b; push $0', 0), ('push $2; push $0xf8; push $0', 0xf8)])
def test_a_return_to_a_bad_frame_is_a_general_protection_fault_at_the_iret(frame, error):
    guest = Guest(frame + '; iret')
    length = len(guest.code) - 1
    if error is None:
        guest.memory.write8(0, 0xf4)
        assert guest.run().vector == GP and guest.system.cr2 == 0       # HLT in ring 3
        return
    event = guest.run()
    assert (event.vector, event.error, event.eip) == (GP, error, CODE + length)


def test_ring_1_and_2_have_stacks_of_their_own_in_the_tss():
    guest = Guest('int $0x31', ring=3)
    guest.define(0x48, descriptor(0, 0xffffffff, 0xbb | BIG))
    guest.define(0x50, descriptor(0, 0xffffffff, 0xb3 | BIG))
    guest.memory.write32(TSS + 12, 0x28000)
    guest.memory.write32(TSS + 16, 0x51)
    guest.write('mov %esp, %ebx; mov %cs, %ecx; mov %ss, %edx; cli', at=0x6000)
    guest.vector(0x31, gate(14, 0x48, 0x6000, dpl=3))
    event = guest.run()
    assert (guest.ebx, guest.ecx, guest.edx) == (0x28000 - 20, 0x49, 0x51)
    assert (event.vector, event.cs, event.eip) == (GP, 0x49, 0x6006)


# -- looking at descriptors

@pytest.mark.parametrize('selector, ring, verr, verw', [(0x10, 0, True, True), (0x08, 0, True, False), (0x10, 3, False, False), (0x23, 3, True, True),
                                                        (0, 0, False, False), (0x28, 0, False, False), (0xf8, 0, False, False), (0x48, 3, True, False),
                                                        (0x13, 0, False, False)])
def test_verr_and_verw(selector, ring, verr, verw):
    guest = Guest('mov $%d, %%eax; verr %%ax; setz %%bl; verw %%ax; setz %%bh; int3' % selector, ring)
    guest.vector(3, gate(14, KERNEL_CODE, HANDLERS + 3 * 16, dpl=3))
    guest.define(0x48, descriptor(0, 0xfffff, 0x9f))
    guest.run()
    assert (guest.ebx & 0xff, guest.ebx >> 8) == (verr, verw)


@pytest.mark.parametrize('selector, rights, limit', [(0x08, 0xcf9b00, 0xffffffff), (0x23, 0xcff300, 0xffffffff), (0x28, 0x008b00, 0x67), (0, None, None),
                                                     (0xf8, None, None), (0x40, 0x00ec00, None), (0x48, None, None), (0x30, 0x008200, 0x3f)])
def test_lar_and_lsl(selector, rights, limit):
    guest = Guest('mov $%d, %%ecx; lar %%ecx, %%eax; setz %%dl; lsl %%ecx, %%ebx; setz %%dh; hlt' % selector)
    guest.define(0x40, gate(CALL_GATE, KERNEL_CODE, 0x6000, 3))
    guest.define(0x48, gate(14, KERNEL_CODE, 0x6000, 3))        # an interrupt gate: LAR and LSL know none
    guest.system.regs[0] = guest.system.regs[3] = 0x55
    assert guest.run() is None
    assert guest.eax & 0xf0ff00 == (0 if rights is None else rights & 0xf0ff00) and guest.edx & 1 == (rights is not None)
    assert guest.ebx == (0x55 if limit is None else limit) and guest.edx >> 8 == (limit is not None)


def test_arpl_raises_the_rpl_and_says_so():
    guest = run('mov $0x10, %eax; mov $0x0b, %ecx; arpl %cx, %ax; setz %bl; arpl %cx, %ax; setz %bh; hlt')
    assert (guest.eax, guest.ebx) == (0x13, 1)


def test_mov_from_a_segment_zero_extends_to_a_register_and_stores_a_word_to_memory():
    guest = run('mov $-1, %eax; mov %ds, %eax; movl $-1, 0x14000; mov %cs, 0x14000; mov $-1, %ebx; mov %ds, %bx; hlt')
    assert (guest.eax, guest.memory.read32(DATA), guest.ebx) == (KERNEL_DATA, 0xffff0008, 0xffff0010)
