"""Events, times, and the scheduling hypercalls of paravirtual domains."""
import test_para_traps as traps
from hyper.board import machine
from hyper.vmm.para.guest_time import LONGEST_SLEEP, TICK
from hyper.vmm.para.layout import LAYOUT_1_0, LAYOUT_1_2
from hyper.vmx import reasons
from para_parts import make, run

# A kernel whose event callback writes to words at 0xc0010000: times called, events seen, the mask at entry
KERNEL = '''
    .set LOG, 0xc0010000
    .set SHARED, 0xc0100000
    hyp 5, $0x819, $event, $0x819, $event
    jmp start
event:
    push %eax
    incl LOG
    mov SHARED, %eax
    or %eax, LOG + 4
    mov SHARED + 4, %eax
    mov %eax, LOG + 8
    movl $0, SHARED             # all seen
    orl $0x80000000, SHARED + 4
    pop %eax
    iret
start:
'''
LISTEN = ' movl $0xffffffff, SHARED + 4\n'


def word(domain, address):
    return domain.paging.memory.read32(domain.linear_to_machine(address))


def shared64(domain, offset):
    return domain.paging.memory.read64(domain.shared_frame * 4096 + offset)


def test_an_event_calls_the_callback_with_the_master_bit_cleared():
    domain = run(KERNEL + LISTEN + ' movl $0x40, SHARED\n hyp 7\n finish\n')
    assert (word(domain, 0xc0010000), word(domain, 0xc0010004), word(domain, 0xc0010008)) == (1, 0x40, 0x7fffffff)


def test_masked_events_wait():
    domain = run(KERNEL + ' movl $0x80000002, SHARED + 4\n movl $0x40, SHARED\n hyp 7\n hyp 7\n orl $0x40, SHARED + 4\n hyp 7\n finish\n')
    assert word(domain, 0xc0010000) == 1
    domain = run(KERNEL + ' movl $0x7fffffff, SHARED + 4\n movl $0x40, SHARED\n hyp 7\n hyp 7\n finish\n')
    assert word(domain, 0xc0010000) == 0


def test_the_callback_interrupts_a_process_on_the_kernels_stack():
    hypervisor = make([traps.KERNEL + traps.USER + ' 1: jmp 1b\n'])
    domain = hypervisor.domains[0]
    hypervisor.run(400, -1, -1.0)
    domain.events.memory.write32(domain.events.shared + 4, 0xffffffff)
    domain.times.timer_event()
    hypervisor.run(400, -1, -1.0)
    log = traps.Log(domain)
    assert log.handler == 1000 and log.esp == traps.KERNEL_STACK - 20
    assert log.stack[1:5] == [0x82b, 0x202, traps.USER_STACK, 0x833]


def test_the_event_bit_31_is_no_event():
    domain = run(KERNEL + LISTEN + ' movl $0x80000000, SHARED\n hyp 7\n finish\n')
    assert word(domain, 0xc0010000) == 0


def test_a_yield_with_a_pending_event_returns_at_once_and_without_one_sleeps():
    hypervisor = make([KERNEL + ' movl $2, SHARED\n movl $2, SHARED + 4\n hyp 8\n say "back"\n movl $0, SHARED\n hyp 8\n say "woken"\n finish\n'])
    domain = hypervisor.domains[0]
    hypervisor.run(30, -1, -1.0)
    assert domain.text() == 'back'
    hypervisor.run(200, -1, -1.0)
    assert domain.text() == 'backwoken' and hypervisor.system.now() >= LONGEST_SLEEP


def test_the_system_timeout_wakes_a_sleeping_domain_when_it_is_due_and_is_cleared():
    hypervisor = make([KERNEL + LISTEN + ' movl $3000000, SHARED + 60\n hyp 8\n finish\n'])
    domain = hypervisor.domains[0]
    hypervisor.run(20000, -1, -1.0)
    assert domain.why == 'exited' and 3000000 <= hypervisor.system.now() < 3010000
    assert word(domain, 0xc0010004) == 2 and shared64(domain, LAYOUT_1_0.wall_timeout) == 0


def test_a_timeout_of_the_past_is_due_at_once_and_one_of_the_far_future_never():
    hypervisor = make([KERNEL + LISTEN + ' movl $1, SHARED + 60\n hyp 8\n movl $0x7fffffff, SHARED + 64\n hyp 8\n finish\n'])
    hypervisor.run(20000, -1, -1.0)
    assert hypervisor.domains[0].why == 'exited' and LONGEST_SLEEP <= hypervisor.system.now() < LONGEST_SLEEP + 10000


def test_a_domain_that_sleeps_with_the_timer_event_masked_ends_the_run_if_nothing_else_can_wake_it(monkeypatch):
    monkeypatch.setattr(machine, 'POLL_UNTRANSLATED', 2000)
    for timeout in (0, 0x7fffffff):                     # in s/4
        hypervisor = make([KERNEL + ' movl $%d, SHARED + 64\n movl $1, SHARED + 4\n hyp 8\n finish\n' % timeout])
        assert hypervisor.run(-1, -1, 20.0) == machine.CRASHED
        assert 'no device will send one' in hypervisor.domains[0].why and hypervisor.system.now() < LONGEST_SLEEP


def test_a_system_timeout_that_passed_while_the_timer_event_was_masked_is_seen_when_the_domain_runs_again():
    hypervisor = make([KERNEL + ' movl $3000000, SHARED + 60\n movl $0x20, SHARED + 4\n hyp 8\n 1: cmpl $0, SHARED + 60\n jne 1b\n finish\n'])
    hypervisor.machine.world.input_closed = lambda: False
    hypervisor.machine.world.input_by_caller = lambda: True
    assert hypervisor.run(-1, -1, 20.0) == machine.WAITING
    domain = hypervisor.domains[0]
    assert domain.asleep
    hypervisor.system.idle += 4000000
    domain.receive('x')
    hypervisor.run(1000, -1, -1.0)
    assert domain.why == 'exited'


def test_a_timeout_in_domain_time_comes_while_the_domain_runs():
    hypervisor = make([KERNEL + LISTEN + ' movl $400, SHARED + 68\n movl $1, SHARED + 60\n hyp 8\n movl $0, LOG\n 1: cmpl $0, LOG\n je 1b\n finish\n'])
    domain = hypervisor.domains[0]
    hypervisor.run(2000, -1, -1.0)
    assert domain.why == 'exited' and 400 <= domain.virtual_time() < 500
    assert shared64(domain, LAYOUT_1_0.domain_timeout) == 0


def test_the_tick_comes_every_10_ms_of_domain_time():
    hypervisor = make([KERNEL + LISTEN + ' 1: jmp 1b\n'])
    domain = hypervisor.domains[0]
    hypervisor.run(60, -1, -1.0)
    for ticks in (1, 2):
        domain.instructions = ticks * TICK - 100         # as if it had run so long
        domain.times.schedule_virtual()
        hypervisor.run(200, -1, -1.0)
        assert (word(domain, 0xc0010000), word(domain, 0xc0010004)) == (ticks, 2)


def test_shared_info_has_the_times():
    domain = run(' nop\n rdtsc\n mov %eax, 0xc0010000\n movl $2, 0xc0100000\n movl $2, 0xc0100004\n hyp 8\n finish\n')
    memory = domain.paging.memory
    at = domain.shared_frame * 4096
    layout = LAYOUT_1_0
    assert memory.read64(at + layout.cpu_freq) == 1000000000 and memory.read32(at + layout.rdtsc_bitshift) == 0
    system_time = memory.read64(at + layout.system_time)
    assert memory.read32(at + layout.st_timestamp) == system_time and system_time > 0
    assert memory.read32(at + layout.tv_sec) == 1065744000 and memory.read32(at + layout.tv_usec) == system_time // 1000
    assert memory.read64(at + layout.wc_timestamp) == system_time
    assert 0 < memory.read64(at + layout.domain_time) <= domain.virtual_time()
    assert memory.read32(at + layout.time_version) > 1
    assert word(domain, 0xc0010000) == 1                # the TSC counts instructions


def test_shared_info_of_1_2_has_the_times_where_its_public_header_has_them():
    domain = run(' nop\n rdtsc\n hyp 8, $1\n', interface='1.2')
    assert domain.why == 'exited'
    memory = domain.paging.memory
    at = domain.shared_frame * 4096
    system_time = memory.read64(at + 296)
    assert memory.read32(at + 272) == 0 and memory.read64(at + 276) == 1000000000               # rdtsc_bitshift, cpu_freq
    assert memory.read32(at + 284) == memory.read32(at + 288) > 0                               # time_version1 and 2
    assert memory.read32(at + 292) == system_time                                               # tsc_timestamp
    assert (memory.read32(at + 304), memory.read32(at + 308)) == (1065744000, system_time // 1000)  # wc_sec, wc_usec
    assert memory.read64(at + 312) <= domain.virtual_time()                                     # domain_time
    layout = LAYOUT_1_2
    assert (layout.wall_timeout, layout.domain_timeout, layout.network_indices) == (320, 328, 336)


def test_a_domain_that_waits_with_all_events_masked_is_stopped():
    domain = run(' hyp 8\n')
    assert domain.died and 'masks' in domain.why


def test_a_domain_that_loops_for_ever_with_events_off_is_stopped():
    for code in ('1: jmp 1b\n', '1: pause\n jmp 1b\n'):
        hypervisor = make([code])
        domain = hypervisor.domains[0]
        hypervisor.run(300, -1, -1.0)
        assert domain.alive
        hypervisor.system.idle += 5000000               # a slice is over
        hypervisor.run(3000, -1, -1.0)
        assert domain.died and 'loops for ever' in domain.why


def test_a_domain_that_waits_for_events_in_a_loop_is_not():
    hypervisor = make([KERNEL + LISTEN + '1: jmp 1b\n'])
    hypervisor.run(300, -1, -1.0)
    hypervisor.system.idle += 6000000
    hypervisor.run(3000, -1, -1.0)
    assert hypervisor.domains[0].alive


def test_an_event_callback_that_cannot_be_called_ends_the_domain():
    domain = run(KERNEL + LISTEN + ' mov $0x1000, %esp\n movl $2, SHARED\n hyp 7\n finish\n')
    assert domain.died and 'ring-1 stack' in domain.why


def test_exit_ends_the_domain_with_status_0():
    domain = run(' finish\n')
    assert not domain.alive and not domain.died and domain.status == 0 and domain.why == 'exited'
    assert domain.exits[reasons.VMCALL] == 1


def test_an_ended_domain_leaves_no_timers():
    hypervisor = make([KERNEL + LISTEN + ' movl $0x7fffffff, SHARED + 60\n hyp 8\n finish\n'])
    hypervisor.run(20000, -1, -1.0)
    assert hypervisor.domains[0].why == 'exited'
    assert [timer for timer in hypervisor.clock.timers if timer.__class__.__module__.endswith('guest_time')] == []
