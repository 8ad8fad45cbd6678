"""External interrupts: IF, the shadows of STI and MOV SS, HLT, the stack of the TSS, nesting; IRET; SYSENTER and SYSEXIT."""
import pytest

from cpu_parts import (CODE, DATA, HANDLERS, STACK, INNER_STACK, KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, Guest, gate, run)
from hyper.cpu import flags
from hyper.cpu.system import InterruptController, STOP_HALTED
from test_cpu_limits import Ticker


class Requests(InterruptController):
    """Vectors that are requested from the beginning, one after the other."""

    def __init__(self, *vectors):
        self.vectors = list(vectors)

    def pending(self):
        return len(self.vectors) > 0

    def acknowledge(self):
        return self.vectors.pop(0)


def with_request(source, ring=0, vectors=(0x20,), eflags=2):
    guest = Guest(source, ring)
    guest.system.interrupts = Requests(*vectors)
    guest.system.eflags = eflags
    guest.happened = guest.run()
    return guest


def test_an_interrupt_waits_until_if_is_set_and_the_instruction_behind_sti_has_run():
    guest = with_request('inc %eax; inc %eax; sti; inc %eax; inc %eax; hlt')
    assert (guest.happened.vector, guest.happened.eip, guest.eax) == (0x20, CODE + 4, 3)
    assert guest.happened.eflags & flags.IF and not guest.flag(flags.IF)


def test_cli_behind_sti_leaves_no_window():
    guest = with_request('sti; cli; inc %eax; hlt')
    assert guest.happened is None and guest.eax == 1 and guest.system.interrupts.pending()


def test_sti_hlt_never_sleeps_through_an_interrupt():
    guest = with_request('sti; hlt; hlt')
    assert (guest.happened.vector, guest.happened.eip) == (0x20, CODE + 2)


def test_popf_has_no_shadow():
    guest = with_request('push $0x202; popf; inc %eax; hlt')
    assert (guest.happened.vector, guest.happened.eip, guest.eax) == (0x20, CODE + 6, 0)


def test_an_iret_that_sets_if_has_no_shadow():
    guest = with_request('push $0x202; push $8; push $next; iret; next: inc %eax; hlt')
    assert (guest.happened.vector, guest.eax) == (0x20, 0)


def test_loading_ss_holds_interrupts_back_for_one_instruction():
    guest = with_request('push $0x202; mov $0x10, %eax; mov $0x2f000, %ebx; popf; hlt')
    assert guest.happened.vector == 0x20
    # a loop that always loads SS before ESP: the stack is never seen half changed
    guest = Guest('sti; 1: mov $0x10, %eax; mov %eax, %ss; mov $0x2f000, %esp; mov %eax, %ss; mov $0x20000, %esp; loop 1b; cli; hlt')
    guest.system.regs[1] = 300
    guest.write('mov 8(%esp), %edx; push %eax; mov %esp, %eax; sub $0x1fff0, %eax; jz good; sub $0xf000, %eax; jz good; incl 0x14000; '
                'good: incl 0x14004; pop %eax; iret', at=0x6000)
    guest.vector(0x20, gate(14, KERNEL_CODE, 0x6000))
    Ticker(guest, 17)
    assert guest.run() is None
    assert guest.memory.read32(DATA) == 0 and guest.memory.read32(DATA + 4) > 30


def test_an_interrupt_in_ring_3_takes_the_stack_of_the_tss_and_comes_back():
    guest = Guest('1: inc %ebx; cmp $2000, %ebx; jne 1b; int $0x30', ring=3)
    guest.system.eflags = 0x202
    guest.write('incl 0x14000; mov %esp, 0x14004; iret', at=0x6000)
    guest.vector(0x20, gate(14, KERNEL_CODE, 0x6000))
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    Ticker(guest, 500)
    event = guest.run()
    assert event.vector == 0x30 and guest.ebx == 2000 and guest.memory.read32(DATA) >= 10
    assert guest.memory.read32(DATA + 4) == INNER_STACK - 20


def test_if_of_ring_3_is_obeyed_there_too():
    guest = Guest('mov $2000, %ecx; 1: loop 1b; int $0x30', ring=3)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    Ticker(guest, 100)
    assert guest.run().vector == 0x30


def test_interrupts_nest_through_trap_gates():
    guest = Guest('sti; hlt; cli; hlt')
    guest.system.interrupts = Requests(0x20, 0x21)
    guest.write('incl 0x14000; nop; jmp 1f; 1: mov %esp, %ebx; iret', at=0x6000)
    guest.write('mov %esp, %ecx; iret', at=0x6100)
    guest.vector(0x20, gate(15, KERNEL_CODE, 0x6000))
    guest.vector(0x21, gate(14, KERNEL_CODE, 0x6100))
    assert guest.run() is None
    assert guest.ecx <= STACK - 24 and guest.memory.read32(DATA) == 1


def test_hlt_wakes_for_an_interrupt_and_time_passes_meanwhile():
    guest = Guest('sti; hlt; hlt')
    Ticker(guest, 100000)
    event = guest.run()
    assert (event.vector, event.eip) == (0x20, CODE + 2)
    assert guest.system.now() >= 100000 and guest.system.icount < 10


def test_hlt_with_interrupts_off_ends_the_run():
    guest = Guest('hlt')
    assert guest.run() is None and guest.stop == STOP_HALTED


def test_an_interrupt_between_the_elements_of_a_long_string_instruction_restarts_it():
    guest = Guest('sti; std; mov $3000, %ecx; mov $0x1f000, %edi; rep stosb; cli; hlt')
    guest.write('incl 0x14000; iret', at=0x6000)
    guest.vector(0x20, gate(14, KERNEL_CODE, 0x6000))
    guest.system.interrupts = Requests(0x20)
    assert guest.run() is None and guest.ecx == 0 and guest.edi == 0x1f000 - 3000 and guest.memory.read32(DATA) == 1


def test_iret_in_ring_3_cannot_change_if_or_iopl():
    guest = Guest('push $0x3202; push $0x1b; push $next; iret; next: int $0x30', ring=3)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    assert guest.run().eflags & (flags.IF | flags.IOPL) == 0


def test_popf_in_ring_3_ignores_if_without_iopl_and_obeys_it_with_iopl():
    for iopl, kept in [(0, 0), (0x3000, flags.IF)]:
        guest = Guest('push $0x202; popf; int $0x30', ring=3)
        guest.system.eflags = 2 | iopl
        guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
        assert guest.run().eflags & (flags.IF | flags.IOPL) == kept | iopl


def test_a_16_bit_iret_takes_words():
    guest = Guest('pushw $0x202; pushw $8; pushw $0x6000; iretw')
    guest.write('pushf; pop %eax; cli; hlt', at=0x6000)
    assert guest.run() is None and guest.eax == 0x202 and guest.esp == STACK


SYSENTER = 'mov $0x174, %ecx; xor %edx, %edx; mov $8, %eax; wrmsr; inc %ecx; mov $0x2e000, %eax; wrmsr; inc %ecx; mov $0x6000, %eax; wrmsr; '


def test_sysenter_goes_to_ring_0_by_the_msrs_and_sysexit_comes_back():
    guest = Guest(SYSENTER + 'push $0x23; push $0x1f000; push $0x202; push $0x1b; push $user; iret; '
                  'user: mov $7, %ebx; mov %esp, %ecx; mov $back, %edx; sysenter; back: mov %ss, %esi; mov %cs, %edi; int $0x30')
    guest.write('mov %esp, %ebp; pushf; pop %eax; mov %cs, %ebx; sysexit', at=0x6000)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    event = guest.run()
    assert (event.vector, event.cs, event.esp, guest.esi, guest.edi) == (0x30, USER_CODE, 0x1f000, USER_DATA, USER_CODE)
    assert (guest.ebp, guest.eax & flags.IF, guest.ebx) == (0x2e000, 0, KERNEL_CODE)


def test_sysenter_without_a_code_segment_is_a_general_protection_fault():
    event = run('sysenter', ring=3).happened
    assert (event.vector, event.error, event.eip) == (13, 0, CODE)


def test_rdmsr_gives_back_what_wrmsr_took_and_an_unknown_msr_faults():
    guest = run('mov $0x175, %ecx; mov $0x1234, %eax; wrmsr; xor %eax, %eax; rdmsr; mov %eax, %ebx; mov $0x12345, %ecx; rdmsr')
    assert guest.ebx == 0x1234 and (guest.happened.vector, guest.happened.error) == (13, 0)


def test_rdtsc_counts_instructions():
    guest = run('rdtsc; mov %eax, %ebx; nop; nop; rdtsc; sub %ebx, %eax; hlt')
    assert guest.eax == 4


def test_cpuid_names_the_vendor_and_only_what_is_there():
    guest = run('xor %eax, %eax; cpuid; mov %ebx, 0x14000; mov %edx, 0x14004; mov %ecx, 0x14008; mov $1, %eax; cpuid; hlt')
    assert guest.memory.read_bytes(DATA, 12) == 'GenuineIntel'
    assert guest.edx & (1 << 0 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 11 | 1 << 15) == 0x8939 and guest.edx & (1 << 18 | 1 << 30) == 0


def test_time_passes_in_a_long_repetition_so_that_a_timer_interrupts_it():
    guest = Guest('mov $0xffffffff, %ecx; mov $0x80000000, %esi; sti; nop; rep lodsb; hlt')
    Ticker(guest, 50000)
    assert (guest.run().vector, guest.event().eip) == (0x20, CODE + 12)
    assert 49990 <= 0xffffffff - guest.ecx <= 50000 and guest.system.icount < 10
