"""What a domain is refused is counted by reason, and the last of it is kept in words."""
from hyper import report
from hyper.vmm.para.exit_dispatch import PROTECTED
from hyper.vmm.para.refusals import MOST_KEPT
from para_parts import Bench, CONSOLE_WRITE, SET_CALLBACKS, STACK_SWITCH, TABLE, make, run


def test_a_refusal_has_its_reason():
    bench = Bench()
    refusals = bench.domain.refusals
    bench.map(20, bench.machine(TABLE) | 3)
    bench.map(20, 3)
    bench.map(20, bench.machine(20) | 0x103)
    bench.call(STACK_SWITCH, 0, 0)
    bench.call(CONSOLE_WRITE, 0, 1)
    bench.call(99)
    assert refusals.counts == {
        'a writable mapping of a page table or descriptor table': 1, "a frame that is not the domain's": 1, 'an entry with bits that the interface does not allow': 1,
        'a handler or stack that is not in ring 1': 1, 'a pointer to what the guest cannot access': 1, 'there is no such hypercall or operation': 1}
    assert refusals.latest()[3] == 'stack_switch(0x0, 0x0, 0x0) at 0xc0000000: a handler or stack that is not in ring 1'
    assert len(refusals.latest()) == 6


def test_what_succeeds_is_no_refusal():
    bench = Bench()
    assert bench.map(20, bench.machine(21) | 3) == 0 and bench.call(SET_CALLBACKS, 0x819, 1, 0x819, 1) == 0
    assert bench.requests((bench.entry_at(20), 0)) == 0
    assert bench.domain.refusals.count == 0


def test_only_the_last_ones_are_kept_in_words():
    bench = Bench()
    for k in range(MOST_KEPT + 3):
        bench.call(100 + k)
    assert bench.domain.refusals.count == MOST_KEPT + 3 and len(bench.domain.refusals.latest()) == MOST_KEPT


def test_instructions_and_accesses_beside_hypercalls_are_told_too():
    domain = run(' hyp 0, $table\n cli\n hlt\n movl $1, 0xfc000000\n movl $1, 0xfc400000\n finish\n on: mov 4(%esp), %eax\n cmpb $0xc7, (%eax)\n jne 1f\n addl $9, 4(%esp)\n 1: addl $1, 4(%esp)\n add $4, %esp\n iret\n pf: add $8, %esp\n addl $10, (%esp)\n iret\n'
                 ' table: .byte 13, 0\n .word 0x819\n .long on\n .byte 14, 0\n .word 0x819\n .long pf, 0, 0\n')
    assert domain.why == 'exited'
    assert domain.refusals.counts == {"an access to the hypervisor's part of the address space": 1, PROTECTED: 3}


def test_the_report_shows_them():
    hypervisor = make([' hyp 4, $0\n hyp 4, $0\n finish\n', 'finish'])
    hypervisor.run(1000, -1, -1.0)
    text = report.domains_text(hypervisor, 0.1, None)
    assert 'a handler or stack that is not in ring 1         2         0    2' in text
    assert 'last refused to domain 0\n    stack_switch(0x0, 0x0, 0x0) at 0xc00000' in text and 'last refused to domain 1' not in text
    json = report.domain_json(hypervisor.domains[0], None)
    assert '"refusals": {"a handler or stack that is not in ring 1": 2}, "last_refusals": ["stack_switch(' in json
