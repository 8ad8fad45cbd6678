"""The hypercalls that are not about paging, descriptors, traps or events; numbers and the two versions of the interface."""
import pytest

from hyper.vmm.para.interface import XEN_1_0, XEN_1_2
from hyper.vmm.para.layout import CONTINUE, EFAULT, EINVAL, ENOSYS, EPERM, HYPERVISOR
from para_parts import (Bench, CONSOLE_WRITE, DOM0_OP, DOM_MEM_OP, GET_DEBUGREG, KBD_OP, MULTICALL, NETWORK_OP, PT_UPDATE, SET_CALLBACKS,
                        SET_DEBUGREG, STACK_SWITCH, UPDATE_VA_MAPPING, check_counts, run)


@pytest.fixture
def bench():
    return Bench()


def result(bench, page, entry):
    return bench.table.memory.read32(bench.machine(page) + 32 * entry + 24)


def calls(bench, *entries):
    """A multicall of (number, arguments...)."""
    for k, entry in enumerate(entries):
        bench.write(1, list(entry) + [0] * (8 - len(entry)), offset=32 * k)
    return bench.call(MULTICALL, bench.address(1), len(entries))


def test_numbers_without_a_hypercall_are_refused(bench):
    for number in (21, 22, 255, 0x7fffffff, 0x80000000, 0xffffffff):
        assert bench.call(number) == -ENOSYS
    domain = run(' mov $0x80000000, %eax\n vmcall\n mov %eax, 0xc0010000\n finish\n')
    assert domain.paging.memory.read32(domain.linear_to_machine(0xc0010000)) == 0x100000000 - ENOSYS


def test_what_is_the_privileged_domains_is_refused(bench):
    assert bench.call(DOM0_OP, bench.address(1)) == -EPERM and bench.call(NETWORK_OP, bench.address(1)) == -EPERM


def test_a_hypercall_keeps_all_registers_but_eax():
    domain = run(''' mov $1, %ebx
        mov $2, %ecx
        mov $3, %edx
        mov $4, %esi
        mov $5, %edi
        mov $6, %ebp
        mov $30, %eax
        stc
        vmcall
        jnc 1f
        cmp $1, %ebx
        jne 1f
        cmp $2, %ecx
        jne 1f
        cmp $3, %edx
        jne 1f
        cmp $4, %esi
        jne 1f
        cmp $5, %edi
        jne 1f
        cmp $6, %ebp
        jne 1f
        say "kept"
        1: finish''')
    assert domain.text() == 'kept'


def test_the_console_takes_what_the_kernel_can_read(bench):
    bench.write(1, [0x64636261])
    assert bench.call(CONSOLE_WRITE, bench.address(1), 4) == 0 and bench.domain.text() == 'abcd'
    assert bench.call(CONSOLE_WRITE, bench.address(1), 0) == 0
    for at, count in ((0x1000, 1), (HYPERVISOR, 1), (HYPERVISOR - 1, 2), (0xfffffff0, 0x20), (0, 0xffffffff)):
        assert bench.call(CONSOLE_WRITE, at, count) == -EFAULT
    assert bench.domain.text() == 'abcd'


def test_a_long_text_is_written_in_parts_and_whole():
    domain = run(' hyp 2, $0xc0020000, $100000\n say "end"\n finish\n')
    assert len(domain.text()) == 100003 and domain.text().endswith('\0end')
    assert 3 <= domain.exits[18] - 2 <= 4


def test_a_multicall_leaves_the_result_of_each_call_in_its_entry(bench):
    assert calls(bench, (STACK_SWITCH, 0x821, 0xc0001000), (STACK_SWITCH, 0, 0), (99,), (DOM0_OP,)) == 0
    assert [result(bench, 1, k) for k in range(4)] == [0, 2 ** 32 - EPERM, 2 ** 32 - ENOSYS, 2 ** 32 - EPERM]
    assert bench.domain.traps.stack_pointer == 0xc0001000


def test_a_multicall_is_no_multicalls_entry(bench):
    assert calls(bench, (MULTICALL, bench.address(1), 1)) == 0
    assert result(bench, 1, 0) == 2 ** 32 - EINVAL
    assert bench.call(MULTICALL, bench.address(1), 0) == 0


def test_a_multicall_that_cannot_be_read_faults(bench):
    for at, count in ((0x1000, 1), (HYPERVISOR - 16, 1), (0xc0000000, 0x10000000), (0xfffffff0, 1)):
        assert bench.call(MULTICALL, at, count) == -EFAULT


def test_a_multicall_ends_at_an_entry_that_cannot_be_told_its_result(bench):
    bench.write(1, [STACK_SWITCH, 0x821, 0xc0002000, 0, 0, 0, 0xabc, 0, STACK_SWITCH, 0x821, 0xc0003000, 0, 0, 0, 0, 0])
    bench.read_only(1)
    assert bench.call(MULTICALL, bench.address(1), 2) == -EFAULT
    assert bench.domain.traps.stack_pointer == 0xc0002000 and result(bench, 1, 0) == 0xabc


def test_a_multicall_that_does_much_is_continued_at_the_entry_it_was_in(bench):
    bench.read_only(30)
    for k in range(100):
        bench.write(2, [bench.machine(30) | 3, 0 if k % 2 == 0 else 4], offset=8 * k)
    bench.write(1, [PT_UPDATE, bench.address(2), 100, 0, 0, 0, 0, 0, STACK_SWITCH, 0x821, 0xc0003000, 0, 0, 0, 0, 0])
    arguments = [bench.address(1), 2]
    rounds = 0
    while True:
        outcome = bench.call(MULTICALL, *arguments)
        if outcome != CONTINUE:
            break
        arguments = bench.domain.arguments[:2]
        rounds += 1
    assert outcome == 0 and rounds > 1 and result(bench, 1, 0) == 0 and bench.domain.traps.stack_pointer == 0xc0003000


def test_an_exit_in_a_multicall_is_the_last_call():
    domain = run(''' hyp 18, $list, $2
        list: .long 9, 0, 0, 0, 0, 0, 0, 0
        .long 2, list, 4, 0, 0, 0, 0, 0''')
    assert domain.why == 'exited' and domain.text() == ''


def test_callbacks_must_be_in_ring_1(bench):
    assert bench.call(SET_CALLBACKS, 0x819, 1, 0x819, 2) == 0
    for a, b in ((0x819, 0), (0, 0x819), (0x818, 0x819), (0x819, 0x82b)):
        assert bench.call(SET_CALLBACKS, a, 3, b, 4) == -EPERM
    assert bench.domain.traps.event_address == 1 and bench.domain.traps.failsafe_address == 2


def test_debug_registers_are_kept_and_checked(bench):
    assert bench.call(SET_DEBUGREG, 0, 0xc0001000) == 0 and bench.call(GET_DEBUGREG, 0) == 0xc0001000
    assert bench.call(SET_DEBUGREG, 3, HYPERVISOR) == -EPERM
    assert bench.call(SET_DEBUGREG, 6, 0xffffffff) == 0 and bench.call(GET_DEBUGREG, 6) == 0xffffefff
    assert bench.call(SET_DEBUGREG, 7, 1) == 0 and bench.call(GET_DEBUGREG, 7) == 0x401
    assert bench.call(SET_DEBUGREG, 7, 1 << 13) == -EPERM and bench.call(SET_DEBUGREG, 7, 2 << 20) == -EPERM
    for number in (4, 5, 8, 0xffffffff):
        assert bench.call(SET_DEBUGREG, number, 0) == -EINVAL and bench.call(GET_DEBUGREG, number) == -EINVAL


def balloon(bench, operation, size):
    bench.write(1, [operation, size, bench.address(2)])
    return bench.call(DOM_MEM_OP, bench.address(1))


def test_a_domain_gives_pages_back_and_gets_others(bench):
    bench.unmap(20), bench.unmap(21)
    bench.write(2, [bench.frame(20), bench.frame(21)])
    assert balloon(bench, 1, 2) == 2
    assert not bench.paging.owns(bench.frame(20)) and bench.table.page(bench.frame(20)) == 0xffffffff
    assert bench.map(20, bench.machine(20) | 1) == -EINVAL
    assert balloon(bench, 0, 5) == 2
    given = [bench.table.memory.read32(bench.machine(2) + 4 * k) for k in range(2)]
    assert all(bench.paging.owns(frame) for frame in given)
    assert bench.map(20, given[0] << 12 | 3) == 0
    assert balloon(bench, 0, 1) == 0


def test_pages_in_use_and_foreign_ones_are_not_given_back(bench):
    for frame in (bench.frame(20), bench.frame(0), bench.paging.base, bench.domain.shared_frame, 0, bench.table.count, 0xffffffff, bench.domain.region >> 12):
        bench.write(2, [frame])
        assert balloon(bench, 1, 1) == 0
    bench.call(UPDATE_VA_MAPPING, 0xc0100, 0, 0)                # not even when it is not mapped
    bench.write(2, [bench.domain.shared_frame])
    assert balloon(bench, 1, 1) == 0


def test_a_balloon_operation_that_is_none_or_cannot_be_read_is_refused(bench):
    assert balloon(bench, 2, 1) == -EINVAL and balloon(bench, 0xffffffff, 1) == -EINVAL
    assert balloon(bench, 0, 0xffffffff) == -EFAULT
    assert bench.call(DOM_MEM_OP, 0) == -EFAULT and bench.call(DOM_MEM_OP, 0xfffffff8) == -EFAULT


def read_keys(bench):
    codes = []
    while True:
        result = bench.call(KBD_OP, 2)
        if not result & 0x100:
            return codes
        codes.append(result & 0xff)


def test_what_is_typed_comes_as_scan_codes(bench):
    assert read_keys(bench) == []
    bench.domain.receive('aB')
    bench.domain.receive('\x03\r\x00\xff')
    assert bench.table.memory.read32(bench.domain.shared_frame << 12) == 0x20
    assert read_keys(bench) == [0x1e, 0x9e, 0x2a, 0x30, 0xb0, 0xaa, 0x1d, 0x2e, 0xae, 0x9d, 0x1c, 0x9c]
    assert bench.call(KBD_OP, 0, 0xf4) == 0 and bench.call(KBD_OP, 1, 0x60) == 0 and bench.call(KBD_OP, 3) == -EINVAL


def test_every_printable_character_has_a_key(bench):
    for character in range(32, 127):
        bench.domain.receive(chr(character))
        assert len(read_keys(bench)) in (2, 4)


def test_every_hypercall_has_its_number_in_both_versions():
    assert [name for name in XEN_1_0.names] == ['set_trap_table', 'pt_update', 'console_write', 'set_gdt', 'stack_switch', 'set_callbacks', 'net_update',
                                                'fpu_taskswitch', 'yield', 'exit', 'dom0_op', 'network_op', 'block_io_op', 'set_debugreg', 'get_debugreg',
                                                'update_descriptor', 'set_fast_trap', 'dom_mem_op', 'multicall', 'kbd_op', 'update_va_mapping']
    assert XEN_1_2.names.index('sched_op') == 8 and XEN_1_2.names.index('dom0_op') == 9 and XEN_1_2.names.index('update_va_mapping') == 19
    assert XEN_1_2.count == 21 and XEN_1_2.names[20] == 'event_channel_op'


def test_a_kernel_for_1_2_finds_its_numbers_and_layouts():
    domain = run(''' mov %esi, %ebp
        hyp 20, $4, $0
        mov %eax, 0xc0010000
        hyp 8, $3, $0
        mov %eax, 0xc0010004
        hyp 2, $0xc0010000, $4
        hyp 8, $1''', interface='1.2')
    assert domain.why == 'exited' and domain.hypercalls[8] == 2
    memory = domain.paging.memory
    assert memory.read32(domain.linear_to_machine(0xc0010000)) == 2 ** 32 - ENOSYS
    assert memory.read32(domain.linear_to_machine(0xc0010004)) == 2 ** 32 - EINVAL
    start = domain.linear_to_machine(0xc00fd000)
    assert [memory.read32(start + 4 * k) for k in range(5)] == [256, domain.shared_frame << 12, 0, 2, 0xc00ff000]
    assert domain.linear_to_machine(0xc0100000) == -1           # the kernel maps shared_info itself
