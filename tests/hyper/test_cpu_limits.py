"""Exact limits of instructions, and that nothing a guest can see depends on where its run was interrupted."""
import pytest

from cpu_parts import CODE, DATA, HANDLERS, KERNEL_CODE, STACK, Guest, gate
from hyper.board.clock import Clock, Source, Timer
from hyper.cpu.system import InterruptController, STOP_BREAKPOINT, STOP_DEADLINE, STOP_HALTED


class SystemTime(Source):
    def __init__(self, system):
        self.system = system

    def now(self):
        return self.system.now()


class Ticker(Timer, InterruptController):
    """Requests vector 20h every `period` instructions."""

    def __init__(self, guest, period):
        self.system = guest.system
        self.period = period
        self.request = False
        self.system.clock = self.clock = Clock(SystemTime(self.system))
        self.system.interrupts = self
        self.clock.schedule(self, period)

    def expire(self):
        self.request = True
        self.clock.schedule(self, self.when + self.period)
        self.system.interrupt_changed()

    def pending(self):
        return self.request

    def acknowledge(self):
        self.request = False
        return 0x20


# loops, calls across pages, straight code, repeated strings, STI windows, indirect calls to many places, code that is rewritten
BUSY = """
        sti
again:  mov     $5, %ecx
1:      add     %ecx, %eax
        imul    $33, %eax
        loop    1b
        call    far_away
        cli
        nop
        sti
        nop
        nop
        mov     $40, %ecx
        mov     $0x14000, %esi
        mov     $0x15000, %edi
        rep movsl
        .rept 70
        nop
        .endr
        sti
        inc     %ebx
        mov     %ebx, %edx
        and     $31, %edx
        lea     table(, %edx, 4), %edx
        call    *%edx
        incb    changed + 1
changed: mov    $1, %cl
        cmp     $24, %ebx
        jne     again
        cli
        hlt
        .balign 4
table:  .rept 32
        inc     %eax
        ret
        nop
        nop
        .endr
        .org 0x1ff0
far_away:
        .rept 20
        nop
        .endr
        ret
"""
# writes the time and the interrupted address behind the last record
RECORDER = """
        push    %eax
        push    %edx
        push    %edi
        rdtsc
        mov     0x18000, %edi
        mov     %eax, (%edi)
        mov     12(%esp), %eax
        mov     %eax, 4(%edi)
        addl    $8, 0x18000
        pop     %edi
        pop     %edx
        pop     %eax
        iret
"""


def make_busy(period=97):
    guest = Guest(BUSY)
    guest.write(RECORDER, at=0x6000)
    guest.vector(0x20, gate(14, KERNEL_CODE, 0x6000))
    guest.memory.write32(0x18000, 0x18010)
    guest.ticker = Ticker(guest, period)
    return guest


def run_slices(guest, next_length):
    """Run to the end in slices; how many there were."""
    count = 0
    while True:
        guest.system.limit = guest.system.icount + next_length(count)
        count += 1
        reason = guest.system.run()
        if reason == STOP_HALTED:
            return count
        assert reason == STOP_DEADLINE and guest.system.icount == guest.system.limit


def final_state(guest):
    system = guest.system
    return (system.icount, system.regs, system.eip, system.eflags, guest.memory.read_bytes(0x10000, 0x10000))


@pytest.fixture(scope='module')
def reference():
    guest = make_busy()
    assert guest.system.run() == STOP_HALTED
    return final_state(guest)


def test_the_busy_guest_is_interrupted_in_many_places(reference):
    guest = make_busy()
    guest.system.run()
    records = (guest.memory.read32(0x18000) - 0x18010) // 8
    places = set(guest.memory.read32(0x18014 + 8 * k) for k in range(records))
    assert records > 25 and len(places) > 6


@pytest.mark.parametrize('length', [1, 3, 7, 64, 1000])
def test_a_run_in_slices_of_any_length_is_the_same_run(reference, length):
    guest = make_busy()
    assert run_slices(guest, lambda count: length) > reference[0] // length
    assert final_state(guest) == reference


def test_a_run_in_slices_that_are_partly_fast_is_the_same_run(reference):
    # beyond the margin in which an exact limit is reached by single steps
    from hyper.cpu import engine
    margin = engine.STEP_MARGIN
    engine.STEP_MARGIN = 150
    try:
        for seed in range(4):
            guest = make_busy()
            run_slices(guest, lambda count: 1 + (count * 7919 + seed * 131) % 600)
            assert final_state(guest) == reference
    finally:
        engine.STEP_MARGIN = margin


def test_a_run_with_a_breakpoint_on_the_way_is_the_same_run(reference):
    from hyper.cpu import engine
    guest = make_busy()
    system = guest.system
    system.debug.set_stop(CODE + 0x1ff4)
    system.debug.set_stop(0x6003)
    hits = 0
    while True:
        reason = system.run()
        if reason == STOP_HALTED:
            break
        assert reason == STOP_BREAKPOINT
        hits += 1
        engine.step(system)
    assert hits > 30
    assert final_state(guest) == reference


def test_straight_code_longer_than_any_margin_stops_at_the_limit():
    for limit in (1, 4999, 5001, 7000, 12345):
        guest = Guest()
        guest.memory.write_bytes(CODE, '\x40' * 60000 + '\xf4')
        guest.system.limit = limit
        assert guest.system.run() == STOP_DEADLINE
        assert guest.system.icount == guest.eax == limit and guest.system.eip == CODE + limit


def test_a_limit_that_has_been_reached_runs_nothing():
    guest = Guest('inc %eax; hlt')
    guest.system.limit = 0
    assert guest.system.run() == STOP_DEADLINE and guest.eax == 0 and guest.system.icount == 0


def test_a_repeated_string_instruction_is_one_instruction():
    guest = Guest('mov $5000, %ecx; mov $0x100000, %edi; rep stosb; hlt')
    guest.run()
    assert guest.system.icount == 4


def test_hlt_counts_and_a_fault_does_not():
    guest = Guest('nop; ud2')
    guest.run()
    assert guest.system.icount == 2             # NOP, and the HLT of the handler


def test_an_indirect_jump_to_very_many_places_does_not_hide_events():
    source = '1: lea table(, %ebx, 8), %edx; inc %ebx; and $63, %ebx; jmp *%edx; .balign 8; table: .rept 64; jmp 1b; .balign 8; .endr'
    guest = Guest('sti;' + source)
    Ticker(guest, 1000)
    for _ in range(3):
        guest.system.limit = guest.system.icount + 6000
        if guest.system.run() == STOP_HALTED:
            break
    assert guest.event().vector == 0x20 and guest.system.icount < 1010
