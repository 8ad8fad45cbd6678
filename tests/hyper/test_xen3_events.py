"""Event channels, traps, iret, times and the console's ring of Xen 3."""
import pytest

from hyper.vmm.xen3.console import IN_CONSUMED, IN_PRODUCED, IN_SIZE, OUT, OUT_CONSUMED, OUT_PRODUCED, OUT_SIZE
from xen3_parts import Bench, CONSOLE, EFAULT, EINVAL, ENOSYS, EPERM, FREE, SELF, make, run, signed

BIND_INTERDOMAIN, BIND_VIRQ, BIND_PIRQ, CLOSE, SEND, STATUS, ALLOC, BIND_IPI, BIND_VCPU, UNMASK, RESET = range(11)
ENOENT, ESRCH, EEXIST, ENOSPC, ETIME = -2, -3, -17, -28, -62
PENDING, MASK = 2048, 2176
FIRST = 3               # the console has port 1, the store port 2


@pytest.fixture
def bench():
    return Bench()


def channel(bench, command, *words):
    return bench.structure('event_channel_op', command, words)


def status(bench, port):
    assert channel(bench, STATUS, SELF, port) == 0
    return tuple(bench.word(FREE, offset) for offset in (8, 16, 20))


def test_ports_are_allocated_told_about_closed_and_allocated_again(bench):
    assert status(bench, 1)[0] == 2 and status(bench, FIRST)[0] == 0
    assert channel(bench, ALLOC, SELF | 7 << 16, 0) == 0 and bench.word(FREE, 4) == FIRST
    assert status(bench, FIRST) == (1, 7, 0)
    assert channel(bench, CLOSE, FIRST) == 0 and channel(bench, CLOSE, FIRST) == EINVAL
    assert channel(bench, BIND_IPI, 0, 0) == 0 and bench.word(FREE, 4) == FIRST and status(bench, FIRST)[0] == 5
    assert channel(bench, BIND_VIRQ, 0, 0, 0) == 0 and status(bench, bench.word(FREE, 8))[:2] == (4, 0)
    assert channel(bench, BIND_VIRQ, 0, 0, 0) == EEXIST


def test_what_is_not_a_port_or_not_allowed_is_refused(bench):
    assert channel(bench, ALLOC, 2, 0) == EPERM
    assert channel(bench, BIND_PIRQ, 1, 0, 0) == EPERM
    assert channel(bench, BIND_VIRQ, 24, 0, 0) == EINVAL and channel(bench, BIND_VIRQ, 0, 1, 0) == ENOENT
    assert channel(bench, BIND_IPI, 1, 0) == ENOENT and channel(bench, BIND_VCPU, 1, 1) == ENOENT and channel(bench, BIND_VCPU, 1, 0) == 0
    assert channel(bench, STATUS, 3, 1) == EPERM and channel(bench, STATUS, SELF, 1024) == EINVAL
    for port in (0, FIRST, 1024, 0xffffffff):
        assert channel(bench, SEND, port) == EINVAL and channel(bench, CLOSE, port) == EINVAL and channel(bench, UNMASK, port) == EINVAL
    assert channel(bench, 99, 0) == ENOSYS
    assert bench.call('event_channel_op', SEND, 0xf5800000) == EFAULT
    assert bench.call('event_channel_op_compat', bench.put([CLOSE, FIRST])) == EINVAL


def test_ports_run_out(bench):
    for k in range(FIRST, 1024):
        assert bench.domain.ports.allocate(0) == k
    assert channel(bench, ALLOC, SELF, 0) == ENOSPC and channel(bench, BIND_IPI, 0, 0) == ENOSPC


def test_an_event_sets_its_bit_the_selector_and_the_byte_unless_it_is_masked(bench):
    assert channel(bench, BIND_IPI, 0, 0) == 0 and channel(bench, SEND, FIRST) == 0
    assert (bench.shared(0) & 0xff, bench.shared(4), bench.shared(PENDING)) == (1, 1, 1 << FIRST)
    bench = Bench()
    bench.memory.write32(bench.domain.shared_frame * 4096 + MASK, 1 << FIRST)
    assert channel(bench, BIND_IPI, 0, 0) == 0
    bench.memory.write32(bench.domain.shared_frame * 4096 + MASK, 1 << FIRST)
    assert channel(bench, SEND, FIRST) == 0
    assert (bench.shared(0) & 0xff, bench.shared(4), bench.shared(PENDING)) == (0, 0, 1 << FIRST)
    assert channel(bench, UNMASK, FIRST) == 0
    assert (bench.shared(0) & 0xff, bench.shared(4), bench.shared(MASK)) == (1, 1, 0)


def test_two_domains_connect_and_events_pass_both_ways():
    bench = Bench(domains=2)
    assert channel(bench, ALLOC, SELF | 2 << 16, 0) == 0
    bench.use(1)
    assert channel(bench, BIND_INTERDOMAIN, 1, FIRST + 1, 0) == EINVAL and channel(bench, BIND_INTERDOMAIN, 5, FIRST, 0) == ESRCH
    assert channel(bench, BIND_INTERDOMAIN, 1, FIRST, 0) == 0 and status(bench, FIRST) == (2, 1, FIRST)
    assert channel(bench, BIND_INTERDOMAIN, 1, FIRST, 0) == EINVAL              # it is bound already
    assert channel(bench, SEND, FIRST) == 0
    bench.use(0)
    assert bench.shared(PENDING) == 1 << FIRST and status(bench, FIRST) == (2, 2, FIRST)
    bench.hypervisor.domains[1].end(0, 'over')
    assert status(bench, FIRST) == (1, 2, 0) and channel(bench, SEND, FIRST) == 0


def test_no_domain_binds_to_a_port_that_waits_for_another():
    bench = Bench(domains=3)
    assert channel(bench, ALLOC, SELF | 2 << 16, 0) == 0
    bench.use(2)
    assert channel(bench, BIND_INTERDOMAIN, 1, FIRST, 0) == EINVAL
    assert channel(bench, BIND_INTERDOMAIN, 1, 1, 0) == EINVAL                  # nor to one of the hypervisor's


KERNEL = '''
    hyp 4, $0xe019, $event, $0xe019, $event
    mov 0xc0002000 + 36, %eax               # shared_info, mapped in place of page 17
    or $7, %eax
    hyp 14, $0xc0011000, %eax, $0, $2
    jmp start
event:
    push %eax
    incl 0xc0010000
    mov 8(%esp), %eax
    mov %eax, 0xc0010004                    # CS with the mask
    mov 12(%esp), %eax
    mov %eax, 0xc0010008                    # EFLAGS
    movzbl 0xc0011001, %eax
    mov %eax, 0xc001000c                    # the mask now
    movb $0, 0xc0011000
    movl $0, 0xc0011004
    movl $0, 0xc0011800
    # by iret, with EAX on the stack
    mov $23, %eax
    vmcall
start:
'''
UNMASK_ALL = ' movb $0, 0xc0011001\n'
SEND_TO_SELF = '''
    movl $0, 0xc0010100
    hyp 32, $7, $0xc0010100
    mov 0xc0010104, %eax
    mov %eax, 0xc0010108
    hyp 32, $4, $0xc0010108
'''


def word(domain, address):
    return domain.linear.read32(address)


def test_the_callback_sees_events_masked_and_iret_opens_them_again():
    domain = run(KERNEL + UNMASK_ALL + SEND_TO_SELF + ' mov $0x1234, %esi\n mov %esi, 0xc0010010\n finish\n')
    assert domain.why == 'powered off'
    assert [word(domain, 0xc0010000 + 4 * k) for k in range(5)] == [1, 0xe019, word(domain, 0xc0010008), 1, 0x1234]
    assert word(domain, 0xc0010008) & 0x200
    assert not domain.ports.is_masked()


def test_masked_events_wait():
    domain = run(KERNEL + SEND_TO_SELF + ' mov 0xc0010000, %eax\n mov %eax, 0xc0010020\n' + UNMASK_ALL + ' hyp 29, $0\n finish\n')
    assert word(domain, 0xc0010020) == 0 and word(domain, 0xc0010000) == 1


def test_a_domain_blocks_until_its_timer_and_takes_the_event():
    domain = run(KERNEL + '''
    movl $0, 0xc0010100
    movl $0, 0xc0010104
    hyp 32, $1, $0xc0010100                 # VIRQ_TIMER
    mov 0xc0011000 + 48, %ebx               # system time at the last update
    add $5000000, %ebx
    hyp 15, %ebx, $0
    hyp 29, $1                              # block, with events masked: it opens them
    finish
''')
    assert domain.why == 'powered off' and word(domain, 0xc0010000) == 1
    assert 5000000 <= domain.system.now() < 5100000


def test_a_poll_ends_with_its_port_or_its_time():
    poll = '''
    movl $0, 0xc0010100
    hyp 32, $7, $0xc0010100                 # an IPI's port
    movl $0xc0010104, 0xc0010200
    movl $1, 0xc0010204
    movl $%d, 0xc0010208
    movl $0, 0xc001020c
    hyp 29, $3, $0xc0010200
    mov %%eax, 0xc0010020
    finish
'''
    domain = run(KERNEL + poll % 3000000)
    assert word(domain, 0xc0010020) == 0 and 3000000 <= domain.system.now() < 3100000
    hypervisor = make([KERNEL + poll % 0, ' 1: hyp 29, $0\n jmp 1b\n'], check=0)
    hypervisor.run(1000, -1, -1.0)
    domain = hypervisor.domains[0]
    assert domain.asleep
    domain.ports.set_pending(FIRST)
    hypervisor.run(1000, -1, -1.0)
    assert domain.why == 'powered off'


def test_a_page_fault_pushes_its_error_and_leaves_the_address_in_shared_info():
    domain = run('''
    movl $0x0019040e, 0xc0010000            # vector 14, masks events, CS 0x19: a kernel's
    movl $0xe019040e, 0xc0010000
    movl $fault, 0xc0010004
    movl $0, 0xc001000c
    hyp 0, $0xc0010000
    mov 0x12345678, %eax
    finish
fault:
    pop %eax
    mov %eax, 0xc0010020
    movl $after, (%esp)
    iret
after:
    finish
''')
    assert domain.why == 'powered off' and word(domain, 0xc0010020) == 0
    assert domain.paging.memory.read32(domain.shared_frame * 4096 + 8) == 0x12345678 and domain.ports.is_masked()


def test_iret_goes_to_ring_3_and_a_trap_comes_back():
    domain = run('''
    movl $0xe0190380, 0xc0010000            # vector 0x80, from ring 3 on
    movl $call, 0xc0010004
    movl $0, 0xc001000c
    hyp 0, $0xc0010000
    hyp 3, $0xe021, $0xc0013000
    pushl $0xe033
    pushl $0xc0014000
    pushl $0x202
    pushl $0xe02b
    pushl $user
    pushl $0x77
    mov $23, %eax
    int $0x82
user:
    mov %cs, %ebx
    int $0x80
call:
    mov %ss, %cx
    mov %cx, %ds                            # the one of ring 1 was taken away on the way out
    mov %eax, 0xc0010020
    mov %ebx, 0xc0010024
    mov %esp, 0xc0010028
    finish
''')
    assert domain.why == 'powered off'
    assert [word(domain, 0xc0010020 + 4 * k) for k in range(3)] == [0x77, 0xe02b, 0xc0013000 - 20]


@pytest.mark.parametrize('cs', ['0x18', '0xe021', '0', '0x2019'])
def test_iret_to_what_is_no_code_of_the_guest_stops_the_domain(cs):
    domain = run(' pushl $0x202\n pushl $%s\n pushl $0xc0000000\n pushl $0\n mov $23, %%eax\n int $0x82\n' % cs)
    assert domain.why.startswith('iret')


def test_hypercalls_from_ring_3_are_none():
    for instruction in ('int $0x82', 'vmcall'):
        domain = run('''
    movl $0xe019000d, 0xc0010000
    movl $fault, 0xc0010004
    movl $0, 0xc001000c
    hyp 0, $0xc0010000
    hyp 3, $0xe021, $0xc0013000
    pushl $0xe033
    pushl $0xc0014000
    pushl $0x202
    pushl $0xe02b
    pushl $user
    pushl $17
    mov $23, %%eax
    int $0x82
user: %s
    1: jmp 1b
fault:
    mov %%ss, %%cx
    mov %%cx, %%ds
    finish
''' % instruction)
        assert domain.why == 'powered off' and domain.hypercalls[17] == 0


def test_times_are_told_with_a_counter_of_nanoseconds():
    bench = Bench()
    assert bench.shared(32 + 24) == 0x80000000 and bench.shared(32 + 28) & 0xff == 1
    assert bench.shared(32) & 1 == 0 and bench.shared(2308) == bench.hypervisor.clock.start_of_time


def test_vcpu_op_has_one_vcpu_and_its_timers(bench):
    assert bench.call('vcpu_op', 3, 0, 0) == 1 and bench.call('vcpu_op', 3, 1, 0) == ENOENT
    assert bench.call('vcpu_op', 6, 0, bench.put([999999, 0])) == EINVAL
    assert bench.call('vcpu_op', 6, 0, bench.put([1000000, 0])) == 0 and bench.domain.timers.periodic.scheduled
    assert bench.call('vcpu_op', 7, 0, 0) == 0 and not bench.domain.timers.periodic.scheduled
    assert bench.call('vcpu_op', 8, 0, bench.put([1, 1, 0])) == 0 and bench.domain.timers.deadline.scheduled
    assert bench.call('vcpu_op', 9, 0, 0) == 0 and not bench.domain.timers.deadline.scheduled
    assert bench.call('vcpu_op', 99, 0, 0) == ENOSYS


def test_a_domain_shuts_itself_down_for_a_reason():
    for reason, why in [(0, 'powered off'), (1, 'asked for a reboot'), (2, 'asked to be suspended'), (3, 'says that it has crashed')]:
        bench = Bench()
        bench.structure('sched_op', 2, [reason])
        assert bench.domain.why == why and bench.domain.died == (reason == 3)
    bench = Bench()
    assert bench.structure('sched_op', 2, [9]) == EINVAL and bench.domain.alive


def test_what_is_written_to_the_consoles_ring_comes_out_and_what_is_typed_goes_in(bench):
    page = bench.machine(CONSOLE)
    bench.memory.write32(page + OUT_CONSUMED, 0xfffffffe)               # counters wrap
    bench.memory.write_bytes(page + OUT + OUT_SIZE - 2, 'he')
    bench.memory.write_bytes(page + OUT, 'llo')
    bench.memory.write32(page + OUT_PRODUCED, 3)
    assert channel(bench, SEND, 1) == 0
    assert bench.domain.text() == 'hello' and bench.memory.read32(page + OUT_CONSUMED) == 3
    bench.domain.receive('x' * 1000 + 'y' * 100)
    assert bench.memory.read32(page + IN_PRODUCED) == IN_SIZE and bench.shared(PENDING) & 2
    bench.memory.write32(page + IN_CONSUMED, 1000)
    assert channel(bench, SEND, 1) == 0
    assert bench.memory.read32(page + IN_PRODUCED) == 1100 and bench.memory.read_bytes(page, 76) == 'y' * 76


def test_a_broken_console_ring_is_left_alone(bench):
    page = bench.machine(CONSOLE)
    bench.memory.write32(page + OUT_PRODUCED, OUT_SIZE + 1)
    bench.memory.write32(page + IN_CONSUMED, 5)
    assert channel(bench, SEND, 1) == 0
    bench.domain.receive('text')
    assert bench.domain.text() == '' and bench.memory.read32(page + IN_PRODUCED) == 0


def test_what_xen_says_of_itself(bench):
    assert bench.call('xen_version', 0, 0) == 0x30004 and bench.call('xen_version', 7, 0) == 4096
    assert bench.structure('xen_version', 3, []) == 0 and bench.domain.memory3.read_text(bench.address(FREE), 16) == 'xen-3.0-x86_32p\0'
    assert bench.structure('xen_version', 5, []) == 0 and bench.word() == 0xf5800000
    assert bench.structure('xen_version', 6, [0, 0]) == 0 and bench.word(FREE, 4) == 0x30
    assert bench.structure('xen_version', 6, [1, 0]) == EINVAL and bench.call('xen_version', 99, 0) == ENOSYS
    assert bench.call('xen_version', 3, 0xf57fff00) == EFAULT
    assert bench.call('vm_assist', 0, 3) == 0 and bench.call('vm_assist', 0, 2) == EINVAL and bench.call('vm_assist', 2, 3) == ENOSYS
    for name in ('domctl', 'sysctl', 'platform_op'):
        assert bench.call(name) == EPERM
    assert bench.domain.call(11) == ENOSYS and bench.domain.call(37) == ENOSYS and bench.domain.call(-1) == ENOSYS


def test_console_io_writes_before_there_is_a_console(bench):
    bench.memory.write_bytes(bench.machine(FREE), 'early')
    assert bench.call('console_io', 0, 5, bench.address(FREE)) == 0 and bench.domain.text() == 'early'
    assert bench.call('console_io', 1, 5, bench.address(FREE)) == EPERM
    assert bench.call('console_io', 0, 5, 0x1000) == EFAULT and bench.call('console_io', 0, 5000, bench.address(FREE)) == EINVAL


def test_a_multicall_leaves_each_result_in_its_entry(bench):
    words = [17, 0, 7, 0, 0, 0, 0, 0] + [11, 0] + [0] * 6 + [13, 0, bench.address(FREE), 1, 0, 0, 0, 0]
    assert bench.call('multicall', bench.put(words), 3) == 0
    assert [signed(bench.word(FREE, 4 + 32 * k)) for k in range(3)] == [4096, ENOSYS, EINVAL]
    assert bench.call('multicall', 0xf5800000 - 16, 1) == EFAULT
