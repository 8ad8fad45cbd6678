"""Several domains at once: each has its own, and what one does the others do not notice."""
import pytest

from para_parts import check_counts, make

COUNTER = ' 1: incl 0xc0010000\n cmpl $%d, 0xc0010000\n jb 1b\n say "%s"\n finish\n'


def test_domains_run_side_by_side_to_their_ends():
    hypervisor = make([COUNTER % (100 * k, 'domain %d' % k) for k in range(1, 5)])
    hypervisor.run(10000, -1, -1.0)
    assert [domain.text() for domain in hypervisor.domains] == ['domain %d' % k for k in range(1, 5)]
    assert [domain.why for domain in hypervisor.domains] == ['exited'] * 4
    check_counts(hypervisor)


@pytest.mark.parametrize('end', [' ud2\n', ' mov $0, %esp\n push %eax\n', ' hyp 8\n', ' lidt 0\n'])
def test_a_domain_that_dies_leaves_the_others_running(end):
    hypervisor = make([end, COUNTER % (50, 'fine'), end, COUNTER % (60, 'too')])
    hypervisor.run(10000, -1, -1.0)
    assert [domain.died for domain in hypervisor.domains] == [True, False, True, False]
    assert [domain.text() for domain in hypervisor.domains] == ['', 'fine', '', 'too']
    assert hypervisor.status() == 3
    check_counts(hypervisor)


def test_a_yield_lets_the_others_run():
    order = []
    hypervisor = make([' movl $2, 0xc0100000\n movl $2, 0xc0100004\n' + ' say "a"\n hyp 8\n' * 3 + ' finish\n'] * 2)
    for domain in hypervisor.domains:
        domain.sink.write_byte = lambda b, number=domain.number: order.append(number)
    hypervisor.run(10000, -1, -1.0)
    assert order == [0, 1, 0, 1, 0, 1]


def test_registers_of_one_domain_are_not_seen_by_another():
    secret = ''' mov $0x5ec3e7, %eax
        mov %eax, %ebx
        mov %eax, %ecx
        mov %eax, %edx
        mov %eax, %ebp
        mov %eax, %edi
        movl $2, 0xc0100000
        movl $2, 0xc0100004
        mov $8, %eax
        vmcall
        cmp $0x5ec3e7, %ebx
        jne 1f
        cmp $0x5ec3e7, %ebp
        jne 1f
        say "kept"
        1: finish'''
    look = ''' or %ebx, %eax
        or %ecx, %eax
        or %edx, %eax
        or %ebp, %eax
        or %edi, %eax
        jnz 1f
        say "clean"
        1: finish'''
    hypervisor = make([secret, look])
    hypervisor.run(10000, -1, -1.0)
    assert [domain.text() for domain in hypervisor.domains] == ['kept', 'clean']


def test_floating_point_registers_of_one_domain_are_not_seen_by_another():
    hypervisor = make([' fld1\n fldpi\n movl $2, 0xc0100000\n movl $2, 0xc0100004\n hyp 8\n fstpl 0xc0010000\n cmpl $0x400921fb, 0xc0010004\n jne 1f\n'
                       ' say "pi"\n 1: finish\n', ' fnstsw %ax\n test $0x3800, %ax\n jnz 1f\n say "empty"\n 1: finish\n'])
    hypervisor.run(10000, -1, -1.0)
    assert [domain.text() for domain in hypervisor.domains] == ['pi', 'empty']


def test_a_domain_writes_only_to_its_own_memory():
    """One domain changes mappings and fills all it can; the memory of another and the hypervisor's stay as they are."""
    greedy = ''' mov $0xc0020000, %edi
        mov $0x2000, %ecx
        mov $0xa5a5a5a5, %eax
        cld
        rep stosl
        mov $0, %ebp
        1: mov %ebp, %ecx
        shl $12, %ecx
        or $7, %ecx
        mov $0xc0030, %ebx
        mov $2, %edx
        mov $20, %eax
        vmcall
        test %eax, %eax
        jnz 2f
        movl $0xa5a5a5a5, 0xc0030000
        2: inc %ebp
        cmp $%d, %ebp
        jb 1b
        finish'''
    hypervisor = make([greedy.replace('%d', '0x300'), 'finish'])
    victim = hypervisor.domains[1]
    memory = hypervisor.memory
    own = set(frame for frame in range(hypervisor.frame_table.count) if hypervisor.frame_table.owner[frame] == 0)
    mutable = set([0] + [domain.region >> 12 for domain in hypervisor.domains])         # what the processor writes: VMCS
    before = {}
    for frame in range(hypervisor.frame_table.count):
        if frame not in own and frame not in mutable:
            before[frame] = bytes(memory.storage[frame << 12:(frame + 1) << 12])
    victim_alive = victim.alive
    while hypervisor.domains[0].alive:
        hypervisor.run(2000, -1, -1.0)
    ended_by_itself = [victim.shared_frame, victim.paging.private_table >> 12]
    for frame in before:
        if frame not in ended_by_itself:
            now = bytes(memory.storage[frame << 12:(frame + 1) << 12])
            if frame << 12 == hypervisor.domains[1].linear_to_machine(0xc00fe000):
                continue                # the other domain's page table, where the processor marks its accesses
            assert now.count('\xa5\xa5\xa5\xa5') == before[frame].count('\xa5\xa5\xa5\xa5'), 'frame %d' % frame
    assert victim_alive and hypervisor.domains[0].why == 'exited'
    check_counts(hypervisor)
