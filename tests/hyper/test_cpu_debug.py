"""Single-step, debug registers and the debugger's breakpoints (SDM vol. 3, chapter 17)."""
import pytest

from cpu_parts import (CODE, DATA, HANDLERS, STACK, TSS, TSS_SELECTOR, KERNEL_CODE, KERNEL_DATA, FREE, Guest, descriptor, gate)
from hyper.cpu import flags
from hyper.cpu.system import FOREVER, STOP_BREAKPOINT

DB, BP, UD, PF, GP = 1, 3, 6, 14, 13
BD, BS, BT = 1 << 13, 1 << 14, 1 << 15
DR6_FIXED = 0xffff0ff0
LOG = 0x18000
# notes EIP, DR6 and EFLAGS of each #DB, clears DR6, and returns with RF set in what it returns to if EBX says so
HANDLER = '''
        push %eax
        push %edi
        mov 0x17ff0, %edi
        mov 8(%esp), %eax
        stosl
        mov %dr6, %eax
        stosl
        mov 16(%esp), %eax
        stosl
        mov %edi, 0x17ff0
        xor %eax, %eax
        mov %eax, %dr6
        or %ebx, 16(%esp)
        pop %edi
        pop %eax
        iret'''
SET_RF = 0x10000


class Debugged(Guest):
    """`traps`: what the handler of #DB has noted: EIP less CODE, the bits of DR6, whether RF was pushed."""

    def __init__(self, source, ring=0, **options):
        Guest.__init__(self, source, ring, **options)
        self.write_handler()

    def write_handler(self):
        code = self.code
        self.write(HANDLER, 0x6000)
        self.code = code
        self.memory.write32(0x17ff0, LOG)
        self.vector(DB, gate(14, KERNEL_CODE, 0x6000))

    @property
    def traps(self):
        found = []
        for at in range(LOG, self.memory.read32(0x17ff0), 12):
            eip, dr6, eflags = [self.memory.read32(at + 4 * k) for k in range(3)]
            assert dr6 & DR6_FIXED == DR6_FIXED
            found.append((eip - CODE, dr6 & ~DR6_FIXED, eflags & flags.RF != 0))
        return found

    def eips(self):
        return [trap[0] for trap in self.traps]


END = 'pushf; andl $~0x100, (%esp); popf; hlt'           # a trap would end a halt


def stepped(source, ring=0):
    """A guest that sets TF by POPF, then runs the source to its HLT."""
    guest = Debugged('pushf; orl $0x100, (%esp); popf;' + source + ';' + END, ring)
    guest.happened = guest.run()
    return guest


BEGIN = 9       # where the source of `stepped` begins


def test_each_instruction_behind_the_one_that_sets_tf_is_trapped():
    guest = stepped('inc %eax; inc %eax; jmp 1f; nop; 1: inc %ecx')
    assert guest.happened is None and guest.eax == 2
    #  inc inc jmp inc pushf and popf
    assert guest.traps == [(BEGIN + k, BS, False) for k in (1, 2, 5, 6, 7, 14, 15)]


def test_the_handler_runs_without_tf_and_finds_it_in_its_frame():
    guest = stepped('nop')
    assert guest.memory.read32(LOG + 8) & flags.TF
    assert not guest.flag(flags.TF)


def test_a_fault_is_not_followed_by_a_trap_and_its_frame_has_tf_and_rf():
    guest = Guest('pushf; orl $0x100, (%esp); popf; ud2')
    event = guest.run()
    assert (event.vector, event.eip) == (UD, CODE + BEGIN)
    assert event.eflags & (flags.TF | flags.RF) == flags.TF | flags.RF


def test_int_n_clears_tf_so_that_it_is_not_trapped_itself():
    guest = Debugged('pushf; orl $0x100, (%esp); popf; int $0x40; nop;' + END)
    guest.vector(0x40, gate(14, KERNEL_CODE, 0x7000))
    guest.write('inc %eax; iret', 0x7000)
    guest.run()
    assert guest.eax == 1
    assert guest.eips()[:1] == [BEGIN + 3]          # the first behind the IRET that has set TF again


def test_into_that_does_nothing_is_trapped():
    guest = stepped('into; nop')
    assert guest.eips()[:2] == [BEGIN + 1, BEGIN + 2]


def test_a_load_of_ss_holds_the_trap_back_for_one_instruction():
    guest = stepped('mov %ss, %eax; mov %eax, %ss; nop; nop')
    assert guest.eips()[:3] == [BEGIN + 2, BEGIN + 5, BEGIN + 6]
    guest = stepped('push %ss; pop %ss; nop; nop')
    assert guest.eips()[:3] == [BEGIN + 1, BEGIN + 3, BEGIN + 4]


def test_sti_does_not():
    guest = stepped('sti; nop')
    assert guest.eips()[:2] == [BEGIN + 1, BEGIN + 2]


def test_a_repeated_string_instruction_is_trapped_behind_each_iteration():
    guest = stepped('mov $3, %ecx; mov $0x14000, %edi; rep stosl; nop')
    begin = BEGIN + 10
    assert guest.traps[:6] == [(BEGIN + 5, BS, False), (begin, BS, False), (begin, BS, True), (begin, BS, True), (begin + 2, BS, False),
                               (begin + 3, BS, False)]
    assert guest.ecx == 0 and guest.edi == 0x1400c


def test_popf_that_clears_tf_is_trapped_itself():
    guest = stepped('nop')
    assert guest.eips()[-1] == BEGIN + 1 + 1 + 7 + 1


def test_a_halt_ends_by_the_trap_behind_it():
    guest = Debugged('pushf; orl $0x100, (%esp); popf; hlt; cli;' + END)
    guest.run()
    assert guest.eips()[0] == BEGIN + 1


def test_int1_is_a_debug_exception_that_leaves_dr6_alone():
    guest = Debugged('.byte 0xf1; hlt')
    guest.run()
    assert guest.traps == [(1, 0, False)]


def test_user_code_is_stepped_too():
    guest = Debugged('pushf; orl $0x100, (%esp); popf; nop; mov %esp, %edx; int $0x30', ring=3)
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    assert guest.run().vector == 0x30
    assert guest.eips() == [BEGIN + 1, BEGIN + 3]


# -- breakpoints

ENABLE = [2 << 2 * k for k in range(4)]         # G0 to G3


def set_breakpoint(number, at, kind, length=0, more=0):
    return 'mov $%d, %%eax; mov %%eax, %%dr%d; mov $%d, %%eax; mov %%eax, %%dr7;' % (
        at, number, ENABLE[number] | (kind | length << 2) << (16 + 4 * number) | more)


@pytest.mark.parametrize('number', range(4))
def test_a_breakpoint_on_code_is_a_fault_before_it_and_rf_passes_it(number):
    source = set_breakpoint(number, CODE + 0x40, 0) + 'mov $0x10000, %ebx; .org 0x40, 0x90; inc %ecx; inc %edx; hlt'
    guest = Debugged(source)
    guest.run()
    assert guest.traps == [(0x40, 1 << number, False)]
    assert (guest.ecx, guest.edx) == (1, 1) and not guest.flag(flags.RF)


def test_a_breakpoint_on_code_that_has_run_before_is_met():
    guest = Debugged('mov $0x10000, %ebx; mov $3, %ecx; 1: call f; cmp $2, %ecx; jne 2f;' + set_breakpoint(1, CODE + 0x60, 0) +
                     '2: loop 1b; xor %eax, %eax; mov %eax, %dr7; call f; hlt; .org 0x60, 0x90; f: inc %edx; ret')
    guest.run()
    assert guest.traps == [(0x60, 2, False)] and guest.edx == 4         # not in the second call, which comes before, but in the third


def test_without_rf_the_breakpoint_faults_again():
    guest = Debugged(set_breakpoint(0, CODE + 0x40, 0) + '.org 0x40, 0x90; hlt')
    guest.system.limit = guest.system.icount + 200
    guest.system.run()
    assert len(guest.traps) > 1 and set(guest.eips()) == set([0x40])


def test_rf_holds_breakpoints_back_for_one_instruction_only():
    source = set_breakpoint(0, CODE + 0x40, 0) + 'mov $0x10000, %ebx; mov $2, %ecx; jmp 1f; .org 0x40, 0x90; 1: inc %edx; loop 1b; hlt'
    guest = Debugged(source)
    guest.run()
    assert guest.eips() == [0x40, 0x40] and guest.edx == 2


def test_a_breakpoint_on_a_string_instruction_is_met_once_for_all_iterations():
    guest = Debugged(set_breakpoint(0, CODE + 0x40, 0) + 'mov $0x10000, %ebx; mov $5, %ecx; mov $0x14000, %edi; .org 0x40, 0x90; rep stosb; hlt')
    guest.run()
    assert guest.traps == [(0x40, 1, False)] and guest.edi == 0x14005


def test_a_breakpoint_on_code_that_cannot_be_fetched_comes_before_the_page_fault():
    guest = Debugged(set_breakpoint(2, 0x100000, 0) + 'mov $0x10000, %ebx; jmp 0x100000')
    guest.enable_paging(pages=256)
    event = guest.run()
    assert (event.vector, event.eip) == (PF, 0x100000) and guest.traps == [(0x100000 - CODE, 4, False)]


WATCHED = 0x14100


@pytest.mark.parametrize('access, kind, length, hits', [
    ('mov %ecx, 0x14100', 1, 3, True), ('mov 0x14100, %ecx', 1, 3, False), ('mov 0x14100, %ecx', 3, 3, True), ('mov %cl, 0x14103', 1, 3, True),
    ('mov %cl, 0x14104', 1, 3, False), ('mov %cl, 0x14101', 1, 0, False), ('mov %ecx, 0x140fd', 1, 0, True), ('mov %ecx, 0x140fc', 1, 0, False),
    ('incl 0x14100', 1, 3, True), ('incl 0x14100', 3, 0, True), ('cmpl $1, 0x14100', 1, 3, False), ('push 0x14100', 3, 3, True),
    ('mov %cl, 0x14107', 1, 2, True), ('movw %cx, 0x140ff', 1, 1, True), ('xchg %ecx, 0x14100', 1, 3, True)])
def test_a_watched_datum_traps_behind_the_instruction_that_touches_it(access, kind, length, hits):
    guest = Debugged('mov %ecx, 0x14100;' + set_breakpoint(3, WATCHED, kind, length) + '.org 0x40, 0x90;' + access + '; 1: nop; hlt')
    guest.run()
    assert [bits for _, bits, _ in guest.traps] == ([8] if hits else [])
    if hits:
        at = guest.eips()[0]
        assert at == 0x40 + len(guest.code) - 0x42


def test_a_watched_page_serves_its_other_data_and_loses_its_watch():
    guest = Debugged(set_breakpoint(0, WATCHED, 1, 3) + 'mov $8, %ecx; mov $0x14200, %edi; rep stosl; mov 0x1421c, %edx; mov %edx, 0x14100;'
                     'xor %eax, %eax; mov %eax, %dr7; mov %edx, 0x14100; hlt')
    guest.run()
    assert len(guest.traps) == 1 and guest.edi == 0x14220


def test_a_string_instruction_traps_behind_the_iteration_that_touches_the_datum():
    guest = Debugged(set_breakpoint(0, WATCHED, 1, 3) + 'mov $16, %ecx; mov $0x140f8, %edi; .org 0x40, 0x90; rep stosl; hlt')
    guest.run()
    assert guest.traps == [(0x40, 1, True)] or guest.traps == [(0x40, 1, False)]
    assert guest.edi == 0x14138


def test_the_trap_of_a_load_of_ss_waits_for_the_next_instruction():
    guest = Debugged('mov %ss, 0x14100;' + set_breakpoint(0, WATCHED, 3, 1) + '.org 0x40, 0x90; mov 0x14100, %ss; nop; hlt')
    guest.run()
    assert guest.traps == [(0x40 + 7, 1, False)]


def test_the_trap_of_a_load_of_ss_follows_an_interrupt_into_its_handler():
    guest = Debugged('mov %ss, 0x14100;' + set_breakpoint(0, WATCHED, 3, 1) + '.org 0x40, 0x90; mov 0x14100, %ss; int $0x40; hlt')
    guest.vector(0x40, gate(14, KERNEL_CODE, 0x7000))
    guest.write('nop; iret', 0x7000)
    guest.run()
    assert guest.traps == [(0x7000 - CODE, 1, False)]


def test_the_processor_pushing_on_a_watched_stack_traps_in_the_handler():
    guest = Debugged(set_breakpoint(0, STACK - 8, 1, 3) + 'int $0x40; hlt')
    guest.vector(0x40, gate(14, KERNEL_CODE, 0x7000))
    guest.write('nop; iret', 0x7000)
    guest.run()
    assert guest.traps == [(0x7000 - CODE, 1, False)]


@pytest.mark.parametrize('access, hits', [('out %al, $0x81', True), ('in $0x80, %ax', True), ('in $0x84, %al', False), ('mov $0x83, %edx; outsb', True)])
def test_ports_are_watched_if_cr4_de_is_set(access, hits):
    for de in [0, 8]:
        guest = Debugged('mov $%d, %%eax; mov %%eax, %%cr4;' % de + set_breakpoint(1, 0x80, 2, 3) + 'mov $0x14000, %esi;' + access + '; hlt')
        guest.run()
        assert [bits for _, bits, _ in guest.traps] == ([2] if hits and de else [])


def test_a_breakpoint_that_is_not_enabled_does_nothing():
    guest = Debugged('mov $0x14100, %eax; mov %eax, %dr0; mov $0xf0000, %eax; mov %eax, %dr7; mov %eax, 0x14100; hlt')
    guest.run()
    assert guest.traps == []


def test_data_and_step_come_together_in_one_exception():
    guest = Debugged(set_breakpoint(2, WATCHED, 1, 3) + 'pushf; orl $0x100, (%esp); popf; mov %eax, 0x14100;' + END)
    guest.run()
    assert guest.traps[0][1] == 4 | BS


def test_general_detect_faults_before_any_access_and_clears_itself():
    guest = Debugged('mov $0x2000, %eax; mov %eax, %dr7; mov %dr7, %ecx; hlt')
    guest.run()
    assert guest.traps == [(8, BD, True)] and guest.ecx == 0x400


def test_the_fixed_bits_of_dr6_and_dr7():
    guest = Guest('xor %eax, %eax; mov %eax, %dr6; mov %dr6, %ebx; mov %eax, %dr7; mov %dr7, %ecx; dec %eax; mov %eax, %dr6; mov %dr6, %esi;'
                  'mov $0xffffdfff, %eax; mov %eax, %dr7; mov %dr7, %edi; hlt')
    guest.run()
    assert (guest.ebx, guest.ecx, guest.esi, guest.edi) == (0xffff0ff0, 0x400, 0xffffefff, 0xffff07ff)


def test_dr4_and_dr5_are_other_names_unless_cr4_de_is_set():
    guest = Guest('mov $0x1234, %eax; mov %eax, %dr4; mov %dr6, %ebx; mov %dr5, %ecx; hlt')
    guest.run()
    assert (guest.ebx, guest.ecx) == (0xffff0ff4, 0x400)
    event = Guest('mov $8, %eax; mov %eax, %cr4; mov %dr4, %ebx').run()
    assert (event.vector, event.eip) == (UD, CODE + 8)


def test_debug_registers_are_ring_0s():
    event = Guest('mov %dr0, %eax', ring=3).run()
    assert (event.vector, event.error) == (GP, 0)


def test_a_task_switch_drops_local_breakpoints_and_traps_if_the_tss_says_so():
    guest = Debugged('mov $0x14100, %eax; mov %eax, %dr0; mov %eax, %dr1; mov $0x110109, %eax; mov %eax, %dr7; ljmp $0x40, $0')
    tss = 0x3100
    guest.define(FREE, descriptor(tss, 0x67, 0x89))
    for offset, value in [(0x20, 0x7000), (0x24, 2), (0x38, 0x1f000), (0x48, KERNEL_DATA), (0x4c, KERNEL_CODE), (0x50, KERNEL_DATA), (0x54, KERNEL_DATA),
                          (0x64, 1)]:
        guest.memory.write32(tss + offset, value)
    guest.write('mov %dr7, %ecx; mov %ecx, 0x14100; hlt', 0x7000)
    guest.run()
    assert guest.traps[0] == (0x7000 - CODE, BT, False)
    assert guest.ecx == 0x110408 and guest.traps[1][1] == 2


# -- the debugger's

def test_a_breakpoint_set_later_is_seen_by_code_that_has_run():
    guest = Guest('mov $1000, %ecx; 1: call f; loop 1b; hlt; .org 0x40, 0x90; f: inc %edx; ret')
    guest.step(100)
    system = guest.system
    system.debug.set_stop(CODE + 0x41)
    system.limit = FOREVER
    assert system.run() == STOP_BREAKPOINT and system.eip == CODE + 0x41
    before = guest.edx
    guest.step(1)
    system.limit = FOREVER
    assert system.run() == STOP_BREAKPOINT and guest.edx == before + 1
    system.debug.clear_stop(CODE + 0x41)
    assert guest.run() is None and guest.edx == 1000


def test_a_stepped_run_is_the_same_in_slices():
    source = 'pushf; orl $0x100, (%esp); popf; mov $5, %ecx; 1: inc %eax; loop 1b; mov $3, %ecx; mov $0x14000, %edi; rep stosb;' + END
    whole = Debugged(source)
    whole.run()
    sliced = Debugged(source)
    system = sliced.system
    while not system.halted and system.icount < 1000:
        system.limit = system.icount + 1
        system.run()
    assert sliced.traps == whole.traps and len(whole.traps) > 15
