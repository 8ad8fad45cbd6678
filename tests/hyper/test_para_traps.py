"""Traps of a paravirtual kernel: how each kind of exception, INT and callback gets into ring 1, and what cannot."""
import pytest

from hyper.cpu import faults
from hyper.vmm.para.layout import EINVAL, EPERM
from hyper.vmx import reasons
from para_parts import Bench, FRAME, LOAD, SET_FAST_TRAP, SET_TRAP_TABLE, SHARED, STACK_SWITCH, check_counts, make, run

# A kernel that sets up handlers; its own text, which has `start`, follows. `user` goes to ring 3 at a label. The results are words at 0xc0010000:
# a handler stores there how many words its stack is below the label in EBP, and the words from the top of the stack on.
LOG = 0xc0010000
USER_STACK, KERNEL_STACK = 0xc0021000, 0xc0031000
KERNEL = '''
    .set LOG, 0xc0010000
    .set USER_STACK, 0xc0021000
    .set KERNEL_STACK, 0xc0031000
    .set SHARED, 0xc0100000
    hyp 0, $traps
    hyp 4, $0x821, $KERNEL_STACK
    hyp 5, $0x819, $event, $0x819, $failsafe
    jmp start
traps:
    .irp vector, 0, 1, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 16
    .byte \\vector, 0
    .word 0x819
    .long trap\\vector
    .endr
    .byte 0x30, 3
    .word 0x819
    .long trap48
    .byte 0x31, 1
    .word 0x819
    .long trap49
    .byte 0x32, 7
    .word 0x819
    .long trap50
    .byte 0x80, 3
    .word 0x819
    .long trap128
    .long 0, 0
    .irp vector, 0, 1, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 16, 48, 49, 50, 128
trap\\vector:
    movl $\\vector, %ss:LOG
    jmp log
    .endr
event:
    movl $1000, %ss:LOG
    jmp log
failsafe:
    movl $2000, %ss:LOG
    jmp log
log:                            # the frame, and more of the stack
    mov %esp, %ss:LOG + 4
    mov %cs, %ss:LOG + 8
    mov %ss, %ss:LOG + 12
    pushf
    pop %ss:LOG + 16
    .irp k, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
    mov %ss:4 * \\k(%esp), %eax
    mov %eax, %ss:LOG + 20 + 4 * \\k
    .endr
    mov $9, %eax                # exit
    vmcall
    .macro user label
    pushl $0x833
    pushl $USER_STACK
    pushl $0x202
    pushl $0x82b
    pushl $\\label
    iret
    .endm
    .macro allow_user           # ring 3 may use the kernel's first pages
    mov $0, %edi
1:  mov 0xc00fe000(, %edi, 4), %ecx
    or $4, %ecx
    lea 0xc0000(%edi), %ebx
    xor %edx, %edx
    mov $20, %eax
    vmcall
    inc %edi
    cmp $0x22, %edi
    jb 1b
    .endm
'''
USER = ' start: allow_user\n user program\n program: mov $0x833, %eax\n mov %eax, %ds\n mov %eax, %es\n '


class Log(object):
    """What a handler saw."""

    def __init__(self, domain):
        def word(k):
            return domain.paging.memory.read32(domain.linear_to_machine(LOG + 4 * k))
        self.domain = domain
        self.handler, self.esp, self.cs, self.ss, self.flags = [word(k) for k in range(5)]
        self.stack = [word(5 + k) for k in range(10)]


def symbol(source, name):
    """The address of a label."""
    from assemble import assemble
    from para_parts import PRELUDE
    import struct
    code = assemble(PRELUDE + KERNEL + source + '\n .ascii "here"\n .long %s\n' % name, LOAD)
    return struct.unpack_from('<I', code, code.rindex('here') + 4)[0]


def trap(source, most=30000):
    domain = run(KERNEL + source, most=most)
    assert domain.why == 'exited', domain.why
    return Log(domain)


def test_an_exception_in_ring_1_builds_its_frame_on_the_stack_in_use():
    source = ' start: mov $0xc0040000, %esp\n here: ud2\n'
    log = trap(source)
    assert log.handler == faults.UD and log.esp == 0xc0040000 - 12 and (log.cs, log.ss) == (0x819, 0x821)
    assert log.stack[:3] == [symbol(source, 'here'), 0x819, 0x10202]


def test_an_exception_in_ring_3_builds_its_frame_on_the_stack_of_stack_switch():
    source = USER + ' here: ud2\n'
    log = trap(source)
    assert log.handler == faults.UD and log.esp == KERNEL_STACK - 20 and (log.cs, log.ss) == (0x819, 0x821)
    assert log.stack[:5] == [symbol(source, 'here'), 0x82b, 0x10202, USER_STACK, 0x833]


@pytest.mark.parametrize('code, vector, error', [
    ('xor %ebx, %ebx; div %ebx', faults.DE, None), ('mov $5, %eax; bound %eax, zeros', faults.BR, None), ('ud2', faults.UD, None),
    ('mov $0x1235, %eax; mov %eax, %fs', faults.GP, 0x1234), ('mov 0xfc400000, %eax', faults.GP, 0), ('hlt', faults.GP, 0), ('cli', faults.GP, 0),
    ('sti', faults.GP, 0), ('in $0x60, %al', faults.GP, 0), ('out %al, %dx', faults.GP, 0), ('mov %cr0, %eax', faults.GP, 0),
    ('mov %eax, %cr3', faults.GP, 0), ('invlpg (%eax)', faults.GP, 0), ('lgdt zeros', faults.GP, 0), ('lidt zeros', faults.GP, 0),
    ('mov %dr7, %eax', faults.GP, 0), ('rdmsr', faults.GP, 0), ('wrmsr', faults.GP, 0), ('wbinvd', faults.GP, 0), ('clts', faults.GP, 0),
    ('lmsw %ax', faults.GP, 0), ('mov $0x20, %eax; lldt %ax', faults.GP, 0), ('mov $0x838, %eax; ltr %ax', faults.GP, 0),
    ('sysenter', faults.GP, 0), ('rdpmc', faults.GP, 0), ('vmlaunch', faults.UD, None), ('vmxoff', faults.UD, None)])
@pytest.mark.parametrize('ring', [1, 3])
def test_what_a_guest_must_not_do_is_its_own_exception(code, vector, error, ring):
    source = (USER if ring == 3 else ' start: ') + code + '\n zeros: .long 0, 0\n'
    log = trap(source)
    assert log.handler == vector
    if error is not None:
        assert log.stack[0] == error
        log.stack = log.stack[1:]
    assert log.stack[1] == (0x82b if ring == 3 else 0x819)
    check_counts(log.domain.host)


def test_a_page_fault_has_its_address_on_top_of_the_error_code():
    source = ' start: here: mov %eax, 0x12345678\n'
    log = trap(source)
    assert log.handler == faults.PF and log.stack[:5] == [0x12345678, 2, symbol(source, 'here'), 0x819, 0x10202 | log.stack[4] & 0x8d5]
    source = USER + ' here: mov 0x12345678, %eax\n'
    log = trap(source)
    assert log.handler == faults.PF and log.esp == KERNEL_STACK - 28
    assert log.stack[:4] == [0x12345678, 4, symbol(source, 'here'), 0x82b] and log.stack[5:7] == [USER_STACK, 0x833]


def test_a_write_to_a_table_by_the_kernel_is_a_page_fault():
    log = trap(' start: movl $0, 0xc00fe000\n')
    assert log.handler == faults.PF and log.stack[:2] == [0xc00fe000, 3]


def test_the_machine_to_physical_table_can_be_read_by_the_kernel_and_not_written():
    log = trap(' start: mov 0xc00fe000, %eax\n shr $12, %eax\n mov 0xfc000000(, %eax, 4), %ebx\n cmp $0, %ebx\n jne 1f\n movl $1, 0xfc000000\n 1: ud2\n')
    assert log.handler == faults.PF and log.stack[:2] == [0xfc000000, 3]


def test_a_process_cannot_read_the_machine_to_physical_table():
    log = trap(USER + 'mov 0xfc000000, %eax\n')
    assert log.handler == faults.PF and log.stack[:2] == [0xfc000000, 5]


def test_breakpoints_and_overflow_return_behind_their_instruction():
    for code, vector, length in (('int3', faults.BP, 1), ('mov $0x7fffffff, %eax; inc %eax; here: into', faults.OF, 1)):
        source = USER + (code if 'here' in code else 'here: ' + code) + '\n'
        log = trap(source)
        assert log.handler == vector and log.stack[:2] == [symbol(source, 'here') + length, 0x82b]


def test_int1_is_a_debug_exception_behind_the_instruction():
    source = USER + ' here: .byte 0xf1\n'
    log = trap(source)
    assert log.handler == faults.DB and log.stack[:2] == [symbol(source, 'here') + 1, 0x82b]


def test_int_goes_to_the_handler_of_its_vector_if_the_trap_table_allows_the_ring():
    source = USER + ' here: int $0x30\n'
    log = trap(source)
    assert log.handler == 0x30 and log.stack[:3] == [symbol(source, 'here') + 2, 0x82b, 0x202]
    for code, error in (('int $0x31', 0x31 * 8 + 2), ('int $0x33', 0x33 * 8 + 2), ('int $13', 13 * 8 + 2), ('int $0x82', 0x82 * 8 + 2)):
        log = trap(USER + code + '\n')
        assert log.handler == faults.GP and log.stack[0] == error and log.stack[2] == 0x82b
    assert trap(' start: int $0x31\n').handler == 0x31


def test_int_may_have_prefixes():
    source = USER + ' here: .byte 0x66, 0x3e, 0xcd, 0x30\n'
    assert trap(source).stack[0] == symbol(source, 'here') + 4


def test_a_trap_may_mask_events_on_entry():
    log = trap(' start: movl $0xffffffff, SHARED + 4\n int $0x32\n')
    assert log.handler == 0x32 and log.domain.paging.memory.read32(log.domain.linear_to_machine(SHARED + 4)) == 0x7fffffff
    log = trap(' start: movl $0xffffffff, SHARED + 4\n int $0x31\n')
    assert log.domain.paging.memory.read32(log.domain.linear_to_machine(SHARED + 4)) == 0xffffffff


def test_the_fast_trap_enters_ring_1_without_an_exit():
    source = ' start: hyp 16, $0x80\n allow_user\n user program\n program: here: int $0x80\n'
    log = trap(source)
    assert log.handler == 0x80 and log.esp == KERNEL_STACK - 20 and (log.cs, log.ss) == (0x819, 0x821)
    assert log.stack[:5] == [symbol(source, 'here') + 2, 0x82b, 0x202, USER_STACK, 0x833] and log.flags & 0x200
    assert log.domain.exits[reasons.EXCEPTION_OR_NMI] == 0


def test_the_fast_trap_can_be_taken_away():
    for off in ('hyp 16, $0', 'hyp 0, $none'):
        log = trap(' start: hyp 16, $0x80\n' + off + '\n hyp 0, $traps\n allow_user\n user program\n program: int $0x80\n none: .long 0, 0\n')
        assert log.handler == 0x80 and log.domain.exits[reasons.EXCEPTION_OR_NMI] == 1


def test_a_new_trap_table_with_the_same_vector_keeps_the_fast_trap():
    log = trap(' start: hyp 16, $0x80\n hyp 0, $traps\n allow_user\n user program\n program: int $0x80\n')
    assert log.handler == 0x80 and log.domain.exits[reasons.EXCEPTION_OR_NMI] == 0


def test_exceptions_masking_handlers_and_missing_ones_cannot_be_fast():
    bench = Bench()
    bench.write(1, [0x08190000 | 3 << 8 | 0x80, 0xc0000000, 0x08190000 | 7 << 8 | 0x81, 0xc0000000, 0x08190000 | 14, 0xc0000000, 0, 0])
    assert bench.call(SET_TRAP_TABLE, bench.address(1)) == 0
    for vector in (14, 0x81, 0x82, 0x83, 256, 0xffffffff):
        assert bench.call(SET_FAST_TRAP, vector) == -EINVAL
    assert bench.call(SET_FAST_TRAP, 0x80) == 0


def test_int_82h_makes_hypercalls_as_vmcall_does():
    domain = run(' mov $text, %ebx\n mov $3, %ecx\n mov $2, %eax\n int $0x82\n mov $9, %eax\n int $0x82\n text: .ascii "abc"\n')
    assert domain.why == 'exited' and domain.text() == 'abc' and domain.exits[reasons.VMCALL] == 0


def test_processes_make_no_hypercalls():
    source = USER + ' mov $9, %eax\n here: vmcall\n'
    log = trap(source)
    assert log.handler == faults.GP and log.stack[:3] == [0, symbol(source, 'here'), 0x82b]


def test_fpu_taskswitch_makes_one_trap():
    log = trap(' start: hyp 7\n fninit\n')
    assert log.handler == faults.NM
    assert trap(' start: fninit\n ud2\n').handler == faults.UD
    domain = run(KERNEL + ' start: hyp 0, $mine\n hyp 7\n fninit\n fninit\n say "on"\n finish\n mine: .byte 7, 0\n .word 0x819\n .long on_nm, 0, 0\n'
                 ' on_nm: iret\n')
    assert domain.text() == 'on' and domain.exits[reasons.EXCEPTION_OR_NMI] == 1


def test_a_process_returns_from_a_handler_with_iret():
    source = ''' start: hyp 0, $mine
        allow_user
        user program
        program: mov $7, %esi
        int $0x40
        int $0x40
        mine: .byte 0x40, 3
        .word 0x819
        .long handler, 0, 0
        handler: add $1, %esi
        cmp $9, %esi
        je 1f
        iret
        1: say "two"
        finish'''
    domain = run(KERNEL + source, most=30000)
    assert domain.text() == 'two'


def test_a_trap_without_a_handler_ends_the_domain():
    domain = run(' ud2\n')
    assert domain.died and domain.status == 3 and 'trap 6' in domain.why


@pytest.mark.parametrize('stack', ['0', '8', '0x1000', '0xc00fe010', '0xc00ff010', '0xfc000010', '0xfc400010', '0xfffffff0', '0xc0200000'])
def test_an_unusable_ring_1_stack_ends_the_domain(stack):
    domain = run(KERNEL + ' start: mov $%s, %%esp\n ud2\n' % stack)
    assert domain.died and 'ring-1 stack' in domain.why
    source = KERNEL + ' start: hyp 4, $0x821, $%s\n allow_user\n user program\n program: ud2\n' % stack
    domain = run(source, most=30000)
    assert domain.died and 'ring-1 stack' in domain.why


def test_a_stack_segment_that_is_none_ends_the_domain():
    domain = run(KERNEL + ' start: hyp 4, $0x801, $KERNEL_STACK\n allow_user\n user program\n program: ud2\n', most=30000)
    assert domain.died and 'ring-1 stack' in domain.why


def test_a_fast_trap_onto_an_unusable_stack_ends_the_domain():
    domain = run(KERNEL + ' start: hyp 16, $0x80\n hyp 4, $0x821, $0x1000\n allow_user\n user program\n program: int $0x80\n', most=30000)
    assert domain.died and 'ring-1 stack' in domain.why


def test_a_handler_whose_code_segment_is_none_is_the_failsafe_callbacks():
    source = ''' start: hyp 0, $mine
        here: ud2
        mine: .byte 6, 0
        .word 0x1001
        .long 0x12345, 0, 0'''
    log = trap(source)
    assert log.handler == 2000 and log.stack[:7] == [0x821, 0x821, 0x821, 0x821, 0x12345, 0x1001, 0x202]
    assert log.stack[7:9] == [symbol(source, 'here'), 0x819]        # below, the frame of the trap


def test_without_a_failsafe_callback_the_domain_ends():
    source = ' hyp 0, $mine\n ud2\n mine: .byte 6, 0\n .word 0x1001\n .long 0x12345, 0, 0\n'
    domain = run(source)
    assert domain.died and 'failsafe' in domain.why


def test_a_bad_iret_is_the_kernels_general_protection():
    log = trap(' start: pushl $0x833\n pushl $USER_STACK\n pushl $0x202\n pushl $0x1003\n pushl $0\n here: iret\n')
    assert log.handler == faults.GP and log.stack[0] == 0x1000 and log.stack[2] == 0x819


def test_iret_cannot_change_the_interrupt_flag_or_reach_ring_0():
    log = trap(' start: pushl $0\n popf\n ud2\n')
    assert log.stack[2] & 0x3200 == 0x200
    log = trap(USER + ' pushl $0x3202\n popf\n pushl $0\n popf\n ud2\n')
    assert log.stack[2] & 0x3200 == 0x200
    log = trap(' start: pushl $0x23202\n pushl $0x808\n pushl $0\n iret\n')
    assert log.handler == faults.GP


def test_iret_to_a_task_is_refused():
    log = trap(' start: pushf\n orl $0x4000, (%esp)\n popf\n iret\n')
    assert log.handler == faults.TS and not log.flags & 0x4000


def test_cpuid_hides_what_the_interface_does_not_give():
    domain = run(' mov $1, %eax\n cpuid\n mov %ecx, 0xc0010000\n mov %edx, 0xc0010004\n finish\n')
    memory = domain.paging.memory
    at = domain.linear_to_machine(0xc0010000)
    assert memory.read32(at) & 0x80000020 == 0x80000000 and memory.read32(at + 4) & 0x808 == 0


def test_handlers_must_be_in_ring_1():
    bench = Bench()
    for selector in (0, 1, 0x818, 0x82b, 0x81a, 3):
        bench.write(1, [selector << 16 | 6, 0xc0000000, 0, 0])
        assert bench.call(SET_TRAP_TABLE, bench.address(1)) == -EPERM
        assert bench.call(STACK_SWITCH, selector, 0xc0000000) == -EPERM
    assert bench.domain.traps.address[6] == 0


def test_an_endless_trap_table_is_refused():
    bench = Bench()
    for page in range(1, 5):
        bench.write(page, [0x08190006, 0xc0000000] * 512)
    assert bench.call(SET_TRAP_TABLE, bench.address(1)) == -EINVAL
    assert bench.call(SET_TRAP_TABLE, 0x1000) < 0 and bench.call(SET_TRAP_TABLE, 0xfffffffc) < 0
