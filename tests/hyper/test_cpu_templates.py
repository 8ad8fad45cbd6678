"""Template code does what the interpreter does: each guest runs with and without it, and must end in the same state."""
import platform

import pytest

from cpu_parts import DATA, Guest, STACK
from hyper.cpu import engine
from hyper.cpu.templates import runner

pytestmark = pytest.mark.skipif(platform.machine() != 'x86_64', reason='template code is for x86-64')

@pytest.fixture(autouse=True)
def little_storage(monkeypatch):
    monkeypatch.setattr(runner, 'CODE_SIZE', 1 << 18)


PAGES = 0x40            # of memory that are compared
TIMES = 4               # that each body runs: the first interpreted, the others by its template

# Straight code, run with several values in EAX, ECX, EDX and EBX; DATA(%ebp) is memory.
BODIES = {
    'arithmetic': 'add %ecx, %eax; adc $5, %edx; sbb %eax, %ebx; sub $0x12345, %eax; xor %edx, %ecx; cmp %eax, %edx; setl %al',
    'arithmetic of bytes and words': 'add %cl, %al; adc %dl, %bl; sub $3, %cx; xor %bx, %dx; or $0x1234, %ax; and $0x7f, %dl; cmp %al, %dl; seta %cl',
    'high bytes': 'add %ah, %bl; sub %ch, %dh; mov %al, %bh; mov %dh, %cl; cmp $3, %ah; movzbl %bh, %eax; and $0x3f, %ch; test %dh, %dh; setnz %dl',
    'high bytes and memory': 'cmp %ah, (%ebp); seta %bl; add %ch, 1(%ebp); sub 2(%ebp), %dh; test %bh, 3(%ebp); setz %cl; test %dh, %bl; setz %al; '
                             'test %bl, %ah; sets %bh; xor %dh, 4(%ebp); pushf; pop %esi; adc %ch, %ah; sbb (%ebp), %bh; test %dl, %dl',
    'arithmetic with memory': 'add %eax, (%ebp); adc 4(%ebp), %ecx; sbb $7, 8(%ebp); cmp %edx, (%ebp); sbbb $1, 3(%ebp); xorw %dx, 6(%ebp); setb %al',
    'increment and decrement': 'add %ecx, %eax; inc %eax; dec %edx; incl (%ebp); decb 5(%ebp); adc $0, %ebx; neg %ecx; notl 4(%ebp); negw 8(%ebp)',
    'flags kept by INC': 'cmp %eax, %ecx; inc %edx; setb %bl; lahf',
    'shifts': 'shl $3, %eax; shr $1, %ecx; sar $7, %edx; rol $5, %ebx; ror $1, %ax; shlb $2, %dl; pushf; pop %esi; shrl $3, (%ebp); rolw $4, 4(%ebp)',
    'a shift leaves AF clear': 'shl $3, %eax; lahf; mov %eax, %edi; shr $9, %edx; pushf; pop %esi',
    'shifts by CL': 'shl %cl, %eax; sar %cl, %edx; rol %cl, %ebx; pushf; pop %esi; mov $0, %cl; cmp %eax, %edx; shr %cl, %ebx; lahf; shl %cl, %edx',
    'double shifts': 'shld $5, %eax, %edx; setc %bl; shrd $9, %ecx, %eax; shld %cl, %ebx, %edx; pushf; pop %esi; shrd %cl, %edx, %ebx',
    'rotations through the carry': 'add %eax, %ecx; rcl $3, %edx; rcr %ebx; rcl %cl, %eax',
    'multiplication': 'imul %ecx, %eax; pushf; pop %esi; mul %edx; pushf; pop %edi; imul $-77, %ebx, %ecx; seto %al; imul (%ebp), %edx; '
                      'imull 4(%ebp)',
    'division': 'or $0x100, %ecx; xor %edx, %edx; stc; div %ecx; setc %bl; mov %ebx, %eax; cdq; idiv %ecx; sbb %esi, %esi',
    'bits': 'bt $5, %eax; setc %bl; bts %ecx, %edx; btr $9, %ecx; btcl $3, (%ebp); sbb %edi, %edi; bsf %eax, %ecx; setz %bl; '
            'bsr (%ebp), %esi; pushf; pop %edi',
    'bits far away': 'and $0xfff, %ecx; bts %ecx, (%ebp); bt %ecx, (%ebp); adc $0, %edx',
    'moves': 'mov %eax, (%ebp); mov %cl, 5(%ebp); mov %dx, 6(%ebp); movzbl 5(%ebp), %esi; movswl 6(%ebp), %edi; movsbl %dl, %ecx; movzwl %ax, %edx; '
             'movl $0x12345678, 8(%ebp); movb $7, 12(%ebp); movw $99, 14(%ebp); mov %ch, 16(%ebp); mov 8(%ebp), %bx; mov 9(%ebp), %bh; mov $3, %ah',
    'addresses': 'and $0xff, %eax; and $0xff, %ecx; lea 7(%eax, %ecx, 4), %edx; lea (,%ecx, 8), %ebx; lea -1(%ebp), %esi; mov 3(%ebp, %eax), %edi; '
                 'mov %edi, (%ebp, %ecx, 2); mov (%ebp), %eax; mov %ds:(%ebp, %ecx), %ecx',
    'exchanges': 'xchg %eax, %ecx; xchg %dl, %bl; xchg %edx, (%ebp); xchg %cl, 4(%ebp); xadd %ebx, 8(%ebp); xadd %al, 3(%ebp); cmpxchg %ecx, (%ebp); '
                 'setz %dl; mov (%ebp), %eax; cmpxchg %ecx, (%ebp); setz %dh; lock cmpxchg %bl, 7(%ebp); bswap %edx; cwtl; cltd; cbtw',
    'conditions': 'cmp %ecx, %eax; cmovl %edx, %ebx; cmovae (%ebp), %esi; setle 4(%ebp); sete %cl; setp %dl; test %eax, %eax; '
                  'cmovs %edx, %eax; cmc; adc $1, %ebx; '
                  'stc; sbb $1, %edx; clc; adc %eax, %eax; test $0x80, %cl; setnz %al; testl $5, (%ebp); setz %ah',
    'the stack': 'push %eax; push $-5; pushl (%ebp); push %esp; pop %edi; pop %ecx; pop %edx; pop %ebx; enter $16, $0; mov %eax, -4(%ebp); '
                 'leave; pusha; popa',
    'the stack pointer': 'push %%eax; pop %%esp; mov $%d, %%esp; lea -8(%%esp), %%edx; add $-16, %%esp; mov %%eax, 4(%%esp); '
                         'add $16, %%esp' % (STACK - 64),
    'other segments': 'mov %eax, %fs:(%ebp); mov %gs:4(%ebp), %ecx; add %cl, %es:(%ebp); addl $3, %cs:(%ebp)',
    'accesses over the end of a page': 'mov %eax, 4094(%ebp); mov 4093(%ebp), %ecx; add %ecx, 4095(%ebp); movzwl 4095(%ebp), %edx; '
                                       'pushl 4094(%ebp); pop %ebx',
    'transfers': 'call 1f; jmp 2f; 1: add %eax, %ecx; jc 3f; dec %edx; 3: ret; 2: mov $4f, %esi; jmp *%esi; nop; 4: call *5f; jmp 6f; '
                 '5: .long 7f; 7: ret $4; 6: sub $4, %esp; '
                 'and $7, %ecx; inc %ecx; 8: add %ecx, %edx; loop 8b; jecxz 9f; hlt; 9: xor %ebx, %edx',
    'strings': 'mov %ebp, %esi; lea 64(%ebp), %edi; mov $9, %ecx; rep movsb; mov $5, %ecx; rep stosl; lea 64(%ebp), %edi; mov %ebp, %esi; '
               'mov $20, %ecx; repe cmpsb; '
               'lodsl; movsw; scasb',
    'strings backwards': 'lea 99(%ebp), %esi; lea 200(%ebp), %edi; mov $9, %ecx; std; rep movsb; stosb; mov $70, %ecx; repne scasb; lodsw; cld; lodsw',
    'strings that are stopped': 'mov %ebp, %edi; mov $0x54, %al; mov $4000, %ecx; repne scasb; pushf; pop %edx; mov %ebp, %esi; inc %esi; mov $90, %ecx; '
                                'repne cmpsb; sete %bl; xor %ecx, %ecx; rep stosb; mov $1, %ecx; rep lodsb; rep movsb %fs:(%esi), %es:(%edi)',
    'strings over pages': 'lea 4000(%ebp), %esi; lea 20(%ebp), %edi; mov $1000, %ecx; rep movsl; lea 4094(%ebp), %edi; mov $3, %ecx; rep stosl; add %ecx, %eax',
    'a string whose target overlaps its source': 'mov %ebp, %esi; lea 2(%ebp), %edi; mov $99, %ecx; rep movsw; mov %ebp, %esi; lea 3(%ebp), %edi; movsl',
    'system instructions': 'pushf; cli; pop %esi; mov %cr0, %edi; rdtsc; mov %ds, %bx; mov %ebx, %ds; cpuid',
    'flags pushed and popped': 'add %eax, %ecx; pushf; cli; sub %edx, %ebx; popf; setb %al; pushf; sti; nop; cli; orl $0x400, (%esp); popf; pushf; pop %edi; '
                               'cld; push %edx; andl $0xad5, (%esp); popf; adc %ebx, %edx',
    'segment registers': 'mov %ds, %ax; mov %ax, %es; mov %es:(%ebp), %ecx; push %fs; pop %gs; mov %gs:4(%ebp), %edx; add %edx, %es:(%ebp)',
    'x87': 'fninit; fildl (%ebp); fadd %st(0), %st(0); fistpl 4(%ebp); mov 4(%ebp), %eax; fnstsw %ax',
    'SSE on bits': 'movd %eax, %xmm0; movd %ecx, %xmm1; punpckldq %xmm1, %xmm0; pshufd $0x1b, %xmm0, %xmm2; movdqu %xmm2, 1(%ebp); pxor (%ebp), %xmm2; '
                   'pcmpeqb %xmm2, %xmm2; pmovmskb %xmm2, %edx; paddd 16(%ebp), %xmm0; psllw $3, %xmm0; psrldq $5, %xmm0; movaps %xmm0, 32(%ebp); '
                   'movq %xmm0, 48(%ebp); movq 49(%ebp), %xmm3; movhps 8(%ebp), %xmm3; movlps %xmm3, 60(%ebp); pextrw $3, %xmm3, %esi; '
                   'shufps $0x4e, %xmm3, %xmm1; unpckhps %xmm1, %xmm3; andnps %xmm3, %xmm1; movss 4(%ebp), %xmm4; movsd %xmm4, %xmm1; movd %xmm1, %edi; '
                   'pshuflw $0x39, %xmm1, %xmm5; pshufhw $0x39, %xmm5, %xmm5; movupd %xmm5, 72(%ebp); movmskps %xmm5, %eax; movnti %ecx, 90(%ebp); '
                   'movhlps %xmm5, %xmm1; packuswb %xmm1, %xmm5; movdqa %xmm5, 96(%ebp)',
    'SSE on other things': 'movd %eax, %xmm1; pinsrw $3, %ecx, %xmm1; cvtsi2sd %eax, %xmm2; addsd %xmm2, %xmm2; movsd %xmm2, (%ebp); movq %xmm1, 8(%ebp); '
                           'movd %ecx, %mm0; paddb %mm0, %mm0; movq %mm0, 16(%ebp); emms; pshufb %xmm1, %xmm2; movdqu %xmm2, 32(%ebp)',
    'an SSE operand that is not aligned': 'movdqa 16(%ebp), %xmm0; movdqa 4(%ebp), %xmm0',
    'SSE': 'movd %eax, %xmm0; paddd %xmm0, %xmm0; movd %xmm0, %ecx; movdqu (%ebp), %xmm1; pxor %xmm0, %xmm1; movdqu %xmm1, 16(%ebp)',
}
LITTLE_CODE = ['other segments', 'double shifts', 'system instructions', 'SSE', 'x87', 'an SSE operand that is not aligned']
VALUES = [(0, 0, 0, 0), (1, 2, 3, 4), (0x7fffffff, 1, 0x80000000, 0xffffffff), (0xffffffff, 0xffffffff, 1, 0x12345678),
          (0xdeadbeef, 0x1f, 0xcafe1234, 0x80008080), (0x80000000, 33, 0xffff, 0xff00ff0f)]


def state(guest):
    system = guest.system
    memory = [hash(guest.memory.read_bytes(page << 12, 4096)) for page in range(PAGES)]
    return system.regs[:], system.eip, system.eflags, system.icount, system.idle, system.cr2, system.cpl, memory


def compare(prepare, limit=20000, templates=0):
    """Runs what `prepare` makes with template code and without, with stops in between; gives both guests, and how many blocks had code."""
    guests = []
    compiled = 0
    for with_templates in (False, True):
        guest = prepare()
        if with_templates:
            runner.create(guest.system, templates)
        guest.event_at_end = guest.run(limit)
        if with_templates:
            compiled = len(guest.system.templates.blocks)
            runner.close(guest.system)
        guests.append(guest)
    assert state(guests[1]) == state(guests[0]), guests[0].event_at_end
    assert repr(guests[1].event_at_end) == repr(guests[0].event_at_end)
    return guests[0], compiled


def loop_of(body, values):
    eax, ecx, edx, ebx = values
    return '''
        movl $%d, counter
    again:
        mov $%d, %%ebp; mov $0x%x, %%eax; mov $0x%x, %%ecx; mov $0x%x, %%edx; mov $0x%x, %%ebx
        add $0x%x, %%ecx
        jmp body
        .balign 64
    body:
        %s
        jmp over
    over:
        movl $%d, %%ebp
        decl counter
        jnz again
        hlt
        .org 0x1800
    counter: .long 0
    ''' % (TIMES, DATA, eax, ecx, edx, ebx, ebx, body, DATA)


@pytest.mark.parametrize('name', sorted(BODIES))
def test_a_template_ends_in_the_interpreters_state(name):
    for values in VALUES:
        for ring in (0, 3):
            if ring == 3 and (name in ('system instructions', 'flags pushed and popped') or values != VALUES[-1]):
                continue

            def prepare():
                guest = Guest(loop_of(BODIES[name], values), 0)
                guest.memory.write_bytes(DATA, ''.join([chr((k * 37 + 11) & 255) for k in range(8192)]))
                guest.enable_paging()
                guest.system.cr4 |= 0x600       # OSFXSR, OSXMMEXCPT
                guest.set_ring(ring)
                return guest

            guest, compiled = compare(prepare)
            assert compiled > (0 if name in LITTLE_CODE else 2), guest.event_at_end


ACCESSES = ['mov (%esi), %eax', 'mov %eax, (%esi)', 'add %eax, (%esi)', 'add (%esi), %ecx', 'push (%esi)', 'cmp %al, 2(%esi)',
            'movzbl (%esi), %eax', 'sbb $5, (%esi)', 'incl (%esi)', 'xchg %eax, (%esi)', 'cmovc (%esi), %ecx', 'setc (%esi)', 'call *(%esi)',
            'btsl $3, (%esi)', 'shll $2, (%esi)', 'imul (%esi), %eax', 'lea 4(%esi), %esp; push %eax', 'mov %esi, %esp; ret',
            'lea 4(%esi), %esp; call 1f; 1:', 'mov %fs:(%esi), %eax', 'divl (%esi)', 'mov -2(%esi), %eax', 'mov %eax, -1(%esi)']


@pytest.mark.parametrize('access', ACCESSES)
@pytest.mark.parametrize('rights', [0, 5])
def test_a_fault_in_a_template_finds_the_state_before_the_instruction(access, rights):
    """The same code first with a page that is there, then with one that is not, or is read-only (in ring 3). CF is set before."""
    def prepare():
        guest = Guest('''
            mov $0x40000, %%esi
        again:
            mov $0xffffffff, %%eax; mov $7, %%ecx; mov $0, %%edx
            incl 0x1c000
            cmpl $6, 0x1c000
            jae 6f
            cmpl $3, 0x18000
            jae 2f
            incl 0x18000
            mov $%d, %%esp
            mov $3f, %%ebx; mov %%ebx, 0x40000; mov %%ebx, 0x40002
            push $3f; push $3f
            jmp 5f
        2:  mov $0x41000, %%esi; mov $%d, %%esp
        5:  add $1, %%eax
            jmp 4f
        4:  lea 1(%%ecx), %%ecx
            %s
            sbb %%edi, %%edi
        3:  jmp again
        6:  hlt
        ''' % (STACK, STACK, access), 0)
        guest.enable_paging(7)
        guest.map(0x41000, 0x41000, rights)
        guest.memory.write32(0x41000, 0x11111111)
        guest.set_ring(3)
        return guest

    guest, compiled = compare(prepare)
    assert compiled > 2, guest.event_at_end
    if rights == 0:
        assert guest.event_at_end.vector == 14


def test_enter_that_faults_half_way_is_begun_once():
    """Its stores change what it reads, so a second time would give another result."""
    def prepare():
        guest = Guest('''
            mov $0x34008, %ebx
        again:
            incl 0x18000
            cmpl $4, 0x18000
            jb 1f
            mov $0x32008, %ebx
        1:  mov %ebx, %esp
            lea -2(%ebx), %ebp
            jmp 2f
        2:  lea 1(%eax), %eax
            enter $0, $3
            jmp again
        ''', 0)
        guest.enable_paging(7)
        guest.map(0x31000, 0x31000, 0)
        guest.memory.write_bytes(0x32000, '\x11\x22\x33\x44\x55\x66\x77\x88')
        guest.set_ring(3)
        return guest

    guest, compiled = compare(prepare)
    assert guest.event_at_end.vector == 14 and compiled > 2


def test_division_by_zero_in_a_template_faults_with_the_flags_before_it():
    for divide in ('div %ecx', 'idiv %ecx'):
        guest, _ = compare(lambda: Guest('''
            mov $5, %%ecx
        again:
            mov $100, %%eax; mov $0, %%edx; stc
            jmp 1f
        1:  %s
            dec %%ecx
            jmp again
        ''' % divide))
        assert guest.event_at_end.vector == 0


def test_a_quotient_that_is_too_large_faults_in_a_template():
    for divide in ('div %ecx', 'idiv %ecx'):
        guest, _ = compare(lambda: Guest('''
            mov $0, %%edi
        again:
            mov $100, %%eax; mov %%edi, %%edx; mov $3, %%ecx
            jmp 1f
        1:  %s
            inc %%edi
            jmp again
        ''' % divide))
        assert guest.event_at_end.vector == 0


def test_code_that_is_overwritten_is_not_run_any_more():
    guest, _ = compare(lambda: Guest('''
        mov $6, %ecx
    again:
        call function
        add %eax, %edx
        incb function + 1
        dec %ecx
        jnz again
        hlt
        .balign 4096
    function:
        mov $1, %eax
        ret
    '''))
    assert guest.system.regs[2] == 1 + 2 + 3 + 4 + 5 + 6


def test_a_template_that_overwrites_what_follows_in_itself_runs_the_new_bytes():
    guest, _ = compare(lambda: Guest('''
        mov $6, %ecx
    again:
        mov %cl, 1f + 1
    1:  mov $0, %al
        add %al, %dl
        dec %ecx
        jnz again
        hlt
    '''))
    assert guest.system.regs[2] == 6 + 5 + 4 + 3 + 2 + 1


def test_a_string_instruction_that_overwrites_what_follows_in_its_own_block_is_seen():
    for string in ('movsb', 'mov $3, %ecx; rep movsb; mov saved, %ecx'):
        guest, _ = compare(lambda: Guest('''
            mov $6, %%ecx
        again:
            mov $source, %%esi
            mov %%ecx, saved
            mov %%cl, 1(%%esi)
            mov $target, %%edi
            %s
        target:
            mov $0, %%al
            nop
            add %%al, %%dl
            dec %%ecx
            jnz again
            hlt
            .balign 4096
        source: mov $0, %%al
            nop
        saved: .long 0
        ''' % string))
        if string != 'movsb':
            assert guest.system.regs[2] == 6 + 5 + 4 + 3 + 2 + 1


def test_a_page_of_code_that_is_mapped_elsewhere_is_looked_up_again():
    """By INVLPG and by a write to CR3, with a call from another page each time."""
    def prepare():
        guest = Guest('''
            mov $8, %ecx
        again:
            mov $0x50000, %esi
            call *%esi
            call 0x50000
            add %eax, %edx
            xorl $0x1000, 0x9000 + 0x50 * 4
            test $1, %ecx
            jz 1f
            invlpg 0x50000
            jmp 2f
        1:  mov %cr3, %eax
            mov %eax, %cr3
        2:  loop again
            hlt
        ''')
        guest.enable_paging()
        guest.write('mov $1, %eax; ret', 0x50000)
        guest.write('mov $100, %eax; ret', 0x51000)
        return guest

    guest, compiled = compare(prepare)
    assert guest.system.regs[2] == 404
    assert compiled > 3


def test_global_code_stays_known_at_a_write_to_cr3_and_not_behind_invlpg():
    """A call of a global page, with its table entry changed by one and another way: the old translation may be used until INVLPG, other pages' not."""
    for change in ('mov %cr3, %eax; mov %eax, %cr3', 'invlpg 0x50000', 'mov %cr4, %eax; xor $0x80, %eax; mov %eax, %cr4; xor $0x80, %eax; mov %eax, %cr4'):
        def prepare():
            guest = Guest('''
                mov $6, %%ecx
            again:
                call 0x50000
                call 0x52000
                xorl $0x1000, 0x9000 + 0x50 * 4
                xorl $0x1000, 0x9000 + 0x52 * 4
                mov %%cr3, %%eax; mov %%eax, %%cr3
                %s
                loop again
                hlt
            ''' % change)
            guest.enable_paging()
            guest.system.cr4 |= 0x80
            guest.memory.write32(0x9000 + 0x50 * 4, guest.memory.read32(0x9000 + 0x50 * 4) | 0x100)
            guest.write('add $1, %edx; ret', 0x50000)
            guest.write('add $100, %edx; ret', 0x51000)
            guest.write('add $10000, %ebx; ret', 0x52000)
            guest.write('add $1, %ebx; ret', 0x53000)
            return guest

        guest, compiled = compare(prepare)
        assert guest.system.regs[3] == 30003
        assert guest.system.regs[2] in ((303,) if 'cr3' not in change else (6, 303))


def test_an_instruction_that_ends_on_another_page_is_looked_up_again_when_that_changes():
    def prepare():
        guest = Guest('''
            mov $8, %ecx
        again:
            call 0x50ffa
            add %eax, %edx
            xorl $0x1000, 0x9000 + 0x51 * 4
            invlpg 0x51000
            loop again
            hlt
        ''')
        guest.enable_paging()
        guest.map(0x51000, 0x52000, 3)
        guest.memory.write_bytes(0x52000, '\x01\0\0\xc3')
        guest.memory.write_bytes(0x53000, '\x64\0\0\xc3')
        guest.memory.write_bytes(0x50ffa, '\x90\x90\x90\x90\xb8\x05')
        return guest

    guest, compiled = compare(prepare)
    assert guest.system.regs[2] == 4 * (0x105 + 0x6405)


def test_interrupts_come_between_the_same_instructions():
    """Single instructions of time decide: a loop is left at each of many limits."""
    source = '''
    again:
        add $1, %eax
        cmp $1000, %eax
        jb 1f
        nop
    1:  test $3, %al
        jnz again
        inc %ecx
        jmp again
    '''
    for limit in list(range(5100, 5140)) + [7000, 12345]:
        states = []
        for templates in (False, True):
            guest = Guest(source)
            if templates:
                runner.create(guest.system, 0)
            guest.step(limit)
            states.append(state(guest))
            if templates:
                runner.close(guest.system)
        assert states[0] == states[1]


@pytest.mark.parametrize('source', ['again: add $1, %eax; add $2, %ecx; jmp again',
                                    'jmp again; .org 0xff5; again: add $1, %eax; add $2, %ecx; jmp 1f; .org 0x1000; 1: jmp again'])
def test_a_loop_that_is_interrupted_again_and_again_is_entered_by_its_template(source, monkeypatch):
    """Not by `execute`, whose calls the JIT counts."""
    entered = []

    def execute(cpu, block):
        entered.append(block.code)
        return interpreter(cpu, block)
    interpreter = engine.execute
    monkeypatch.setattr(engine, 'execute', execute)
    monkeypatch.setattr(engine, 'STEP_MARGIN', 0)
    guest = Guest(source)
    runner.create(guest.system, 2)
    for k in range(20):
        guest.step(300)
    runner.close(guest.system)
    assert entered == [] and guest.system.regs[0] >= 1500


def test_code_is_written_anew_when_its_storage_is_full(monkeypatch):
    def prepare():
        guest = Guest('''
            mov $3, %ecx
        again:
            ''' + '\n'.join(['jmp 1f; 1: add $%d, %%eax' % k for k in range(40)]) + '''
            dec %ecx
            jnz again
            hlt
        ''')
        return guest

    monkeypatch.setattr(runner, 'CODE_SIZE', runner.LONGEST_BLOCK + 2000)
    compare(prepare)


def test_sse_in_a_template_faults_when_it_is_not_allowed_any_more():
    for change, vector in (('mov %cr0, %eax; or $8, %eax; mov %eax, %cr0', 7), ('mov %cr0, %eax; or $4, %eax; mov %eax, %cr0', 6),
                           ('mov %cr4, %eax; and $~0x200, %eax; mov %eax, %cr4', 6)):
        def prepare():
            guest = Guest('''
                mov $5, %%ecx
            again:
                paddd %%xmm0, %%xmm1
                pmovmskb %%xmm1, %%edx
                dec %%ecx
                jnz again
                %s
                mov $5, %%ecx
                jmp again
            ''' % change)
            guest.system.cr4 |= 0x600
            return guest

        guest, compiled = compare(prepare)
        assert guest.event_at_end.vector == vector


def test_a_block_that_leaves_computing_operations_again_and_again_is_given_to_the_jit():
    def prepare():
        return Guest('''
            mov $600, %ecx
        again:
            lea 1(%eax), %eax
            movd %eax, %xmm0
            addsd %xmm0, %xmm1
            dec %ecx
            jnz again
            movd %xmm1, %edx
            hlt
        ''')

    guest = prepare()
    guest.system.cr4 |= 0x600
    runner.create(guest.system, 0)
    guest.run()
    assert [block for block in guest.system.templates.blocks if block.traced]
    assert guest.system.regs[2] == 600 * 601 // 2
