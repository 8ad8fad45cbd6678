"""Several domains in one run, from the command line and the C interface to the end of each."""
import json

import pytest
from rpython.rtyper.lltypesystem import lltype, rffi

from hyper import api
from hyper.board import machine as stops
from hyper.vmm.scheduler import borrowed_virtual_time, round_robin

from assemble import assemble
from test_api import c_string, opened
from test_main import hyper, image, kernel, refused

AT = 0x100000
OFF = '\n mov $0x604, %dx\n mov $0x2000, %ax\n out %ax, %dx\n hlt\n'
FULL = ['--mode', 'full', '--memory', '1100K']
EPT = FULL + ['--mmu', 'ept']
ways = pytest.mark.parametrize('mode', [FULL, EPT], ids=['vtlb', 'ept'])


@pytest.fixture(autouse=True)
def short_slices(monkeypatch):
    monkeypatch.setattr(borrowed_virtual_time, 'ALLOWANCE', 1000)
    monkeypatch.setattr(borrowed_virtual_time, 'LONGEST_SLICE', 1000)
    monkeypatch.setattr(round_robin, 'SLICE', 1000)
    monkeypatch.setattr(stops, 'POLL_UNTRANSLATED', 2000)


@pytest.fixture
def guest(image):
    def write(source, name='guest'):
        return image(kernel(assemble(source, AT)), name)
    return write


def say(text):
    return ''.join(' mov $%d, %%al\n out %%al, $0xe9\n' % ord(c) for c in text)


def count_to(number):
    return ' mov $%d, %%ecx\n1: dec %%ecx\n jnz 1b\n' % number


def domains(report):
    return json.loads(report)['domains']


@ways
def test_each_line_of_output_says_which_domain_wrote_it(capfd, guest, mode):
    path = guest(say('ab\n') + OFF)
    status, text, errors = hyper(capfd, 'run', path, '--copies', '2', '--report', 'none', *mode)
    assert (status, errors) == (0, '')
    assert sorted(text.splitlines()) == ['guest.1| ab', 'guest.2| ab']


def test_domains_of_images_with_one_name_are_told_apart(capfd, guest):
    path = guest(say('ab\n') + OFF)
    text = hyper(capfd, 'run', path, '--report', 'none', *(FULL + ['--domain', path, '--mmu', 'ept']))[1]
    assert sorted(text.splitlines()) == ['guest.1| ab', 'guest.2| ab']


def test_one_domain_writes_as_the_machine_would(capfd, guest):
    assert hyper(capfd, 'run', guest(say('ab\n') + OFF), '--report', 'none', *FULL) == (0, 'ab\n', '')


def test_the_status_is_the_first_that_is_not_zero(capfd, guest):
    words = [guest(OFF)] + FULL
    for code in (7, 8):
        words += ['--domain', guest('mov $%d, %%al\n out %%al, $0xf4\n' % code, 'exit%d' % code)]
    assert hyper(capfd, 'run', *(words + ['--report', 'none'])) == (7, '', '')


@ways
def test_a_domain_that_was_stopped_is_shown_with_its_state_and_last_exits(capfd, guest, mode):
    bad, good = guest('mov $0x1234, %ebx\n mov $1, %al\n out %al, $0x80\n ud2\n', 'bad'), guest(count_to(3000) + say('x\n') + OFF, 'good')
    status, text, errors = hyper(capfd, 'run', bad, *(mode + ['--domain', good]))
    assert (status, text) == (3, 'good| x\n')
    assert 'domain 0 bad was stopped: triple fault' in errors
    assert 'ebx 00001234' in errors and 'eip 00100009' in errors
    assert 'last exits' in errors and 'I/O instruction' in errors and 'triple fault' in errors
    assert 'domain 1 good was stopped' not in errors


@ways
def test_a_domain_that_loops_with_interrupts_off_is_stopped_and_another_is_not_hurt(capfd, guest, mode):
    stuck, good = guest('cli\n jmp .\n', 'stuck'), guest(count_to(5000) + say('x\n') + OFF, 'good')
    status, text, errors = hyper(capfd, 'run', stuck, *(mode + ['--domain', good]))
    assert (status, text) == (3, 'good| x\n')
    assert 'domain 0 stuck was stopped: loops for ever with interrupts off' in errors
    assert hyper(capfd, 'run', stuck, *mode)[0] == 3


@ways
def test_a_domain_that_halts_for_ever_is_stopped(capfd, guest, mode):
    status, text, errors = hyper(capfd, 'run', guest('hlt\n', 'off'), *(mode + ['--domain', guest('sti\n1: hlt\n jmp 1b\n', 'on')]))
    assert status == 3
    assert 'domain 0 off was stopped: halted with interrupts off' in errors
    assert 'domain 1 on was stopped: waits for an interrupt, and no device will send one' in errors


def test_domains_with_shadow_and_extended_tables_share_a_machine(capfd, guest):
    path = guest(say('a\n') + OFF)
    status, text, errors = hyper(capfd, 'run', path, '--report', 'json', *(FULL + ['--domain', path, '--mmu', 'ept']))
    assert status == 0
    assert [(domain['mmu'], domain['died']) for domain in domains(errors)] == [('vtlb', False), ('ept', False)]


@ways
def test_each_domain_has_its_own_floating_point_state(capfd, guest, mode):
    paths = []
    for load, control, name in (('fldpi', 0x27f, 'pi'), ('fldl2e', 0xf7f, 'l2e')):
        paths.append(guest('fninit\n pushl $%d\n fldcw (%%esp)\n %s\n' % (control, load) + count_to(4000) +
                           load + '\n fcompp\n fnstsw %ax\n sahf\n jne 2f\n fnstcw (%esp)\n cmpw $' + '%d, (%%esp)\n jne 2f\n' % control +
                           say('kept\n') + OFF + '2:' + say('lost\n') + OFF, name))
    status, text, errors = hyper(capfd, 'run', paths[0], '--report', 'none', *(mode + ['--domain', paths[1]] + mode[2:]))
    assert (status, errors) == (0, '') and sorted(text.splitlines()) == ['l2e| kept', 'pi| kept'], text + errors


@pytest.mark.parametrize('policy', ['bvt', 'rr'])
def test_domains_that_compute_get_equal_shares(capfd, guest, policy):
    path = guest('1: inc %ecx\n jmp 1b\n')
    status, text, errors = hyper(capfd, 'run', path, '--copies', '3', '--instructions', '30000', '--report', 'json', '--scheduler', policy, *FULL)
    shares = [domain['instructions'] for domain in domains(errors)]
    assert sum(shares) == 30000
    assert max(shares) - min(shares) <= 1100


def test_domains_that_compute_get_shares_by_their_weights(capfd, guest):
    words = [guest('1: inc %ecx\n jmp 1b\n')] + FULL
    for advance in (20, 40):
        words += ['--domain', words[0], '--mcu-advance', str(advance)]
    errors = hyper(capfd, 'run', *(words + ['--instructions', '70000', '--report', 'json']))[2]
    for domain, share in zip(domains(errors), (40000, 20000, 10000)):
        assert abs(domain['instructions'] - share) <= 1100


def test_what_cannot_be_scheduled_is_one_line_and_status_2(capfd, guest):
    path = guest(OFF)
    assert 'add --mode para or full' in refused(capfd, 'run', path, '--scheduler', 'bvt')
    assert 'gives all domains the same' in refused(capfd, 'run', path, '--scheduler', 'rr', '--warp', '5ms', *FULL)
    assert 'not a time; write it like' in refused(capfd, 'run', path, '--warp', '5', *FULL)
    assert 'from 10us to 1s' in refused(capfd, 'run', path, '--allowance', '9us', *FULL)
    assert '--mcu-advance is from 1' in refused(capfd, 'run', path, '--mcu-advance', '0', *FULL)
    assert 'choose from bvt, rr' in refused(capfd, 'run', path, '--scheduler', 'cfs', *FULL)


def test_the_report_counts_exits_by_reason_for_every_domain(capfd, guest):
    status, text, errors = hyper(capfd, 'run', guest('cpuid\n cpuid\n' + OFF, 'one'), *(FULL + ['--domain', guest('cpuid\n' + OFF, 'two')]))
    lines = [line.split() for line in errors.splitlines()]
    assert ['CPUID', '2', '1', '3'] in lines
    assert ['0', 'one', 'full/vtlb', 'powered', 'off,', 'status', '0'] in [line[:7] for line in lines]
    report = hyper(capfd, 'run', guest('cpuid\n cpuid\n' + OFF, 'one'), '--report', 'json', *FULL)[2]
    assert domains(report)[0]['exits']['CPUID'] == 2 and domains(report)[0]['shadow_fills'] > 0


def test_many_domains_are_summed_up(capfd, guest):
    status, text, errors = hyper(capfd, 'run', guest('cpuid\n' + OFF), '--copies', '14', *FULL)
    assert status == 0
    assert 'and 2 more' in errors and ['CPUID', '14'] in [line.split() for line in errors.splitlines()]


def test_the_debugger_sees_each_domain(guest):
    path = guest('mov $0x1111, %eax\n mov $0x2222, %ebx\n1: inc %ecx\n jmp 1b\n')
    handle = opened(path, '--copies', '2', *FULL)
    get = lambda domain, name: api.hyper_get(handle, domain, c_string(name))
    assert get(1, 'eip') == AT
    assert api.hyper_run(handle, 4, -1, -1.0) == stops.LIMIT
    assert (get(0, 'eax'), get(0, 'ecx'), get(0, 'eip')) == (0x1111, 1, AT + 10)
    assert (get(1, 'ecx'), get(1, 'eip'), get(1, 'cr0') & 1, get(1, 'cs.base')) == (0, AT, 1, 0)
    assert api.hyper_set(handle, 0, c_string('ecx'), 500) == 0
    assert api.hyper_run(handle, 1, -1, -1.0) == stops.LIMIT
    assert api.hyper_get(handle, 0, c_string('ecx')) in (500, 501)
    assert api.hyper_get(handle, 0, c_string('instructions')) == 5
    assert api.hyper_get(handle, 0, c_string('nothing')) < 0
    buffer = lltype.malloc(rffi.CCHARP.TO, 16, flavor='raw')
    assert api.hyper_read(handle, 1, 1, AT, buffer, 5) == 5
    assert rffi.charpsize2str(buffer, 5) == '\xb8\x11\x11\x00\x00'
    assert api.hyper_write(handle, 1, 0, AT + 1, rffi.str2charp('\x33'), 1) == 1
    assert api.hyper_read(handle, 0, 0, AT + 1, buffer, 1) == 1 and buffer[0] == '\x11'
    assert api.hyper_read(handle, 0, 0, 1100 * 1024 - 2, buffer, 8) == 2
    assert api.hyper_get(handle, 2, c_string('eax')) < 0
    api.hyper_close(handle)


def test_a_domain_runs_in_pieces_as_it_would_in_one(guest):
    path = guest(count_to(400) + ' cpuid\n' + count_to(700) + OFF)
    totals = []
    for piece in (-1, 1, 37):
        handle = opened(path, '--copies', '2', *FULL)
        while api.hyper_run(handle, piece, -1, -1.0) == stops.LIMIT:
            pass
        totals.append(json.loads(rffi.charp2str(api.hyper_report(handle)))['instructions'])
        api.hyper_close(handle)
    assert totals[0] == totals[1] == totals[2]


def test_a_run_ends_at_an_address(guest):
    handle = opened(guest('nop\n1: inc %ecx\n jmp 1b\n'), *FULL)
    for turn in range(3):
        assert api.hyper_run(handle, -1, AT + 2, -1.0) == stops.ADDRESS
        assert api.hyper_get(handle, 0, c_string('ecx')) == turn + 1
        assert api.hyper_get(handle, 0, c_string('eip')) == AT + 2
    api.hyper_close(handle)


def test_what_a_machine_cannot_hold_is_one_line_and_status_2(capfd, guest):
    path = guest(OFF)
    assert 'less --memory or fewer --copies' in refused(capfd, 'run', path, '--mode', 'full', '--memory', '1G', '--copies', '4')
    assert 'extended page tables' in refused(capfd, 'run', path, '--mode', 'full', '--mmu', 'ept', '--cpu', 'core2duo')
    assert '--memory' in refused(capfd, 'run', path, '--mode', 'full', '--memory', '1M')


# an IDT at 6000 whose gate for #UD leads to an instruction that raises it
FAULT_FOR_EVER = '''
    movl $0x100000 + 1f - _start, %eax
    mov %ax, 0x6030
    movw $0x10, 0x6032
    shr $16, %eax
    mov %ax, 0x6036
    movw $0x8e00, 0x6034
    lidt 2f
    mov $0x90000, %esp
1:  mov $0x90000, %esp
    ud2
2:  .word 0x7ff
    .long 0x6000
'''


@pytest.mark.parametrize('mode', [['--mode', 'native'], FULL, EPT], ids=['native', 'vtlb', 'ept'])
def test_a_handler_that_faults_itself_does_not_stop_time(capfd, guest, mode):
    source = FAULT_FOR_EVER.replace('1:  mov $0x90000, %esp\n', '1:\n')       # no instruction is ever executed
    assert hyper(capfd, 'run', guest(source), '--timeout', '0.3', '--report', 'none', *mode)[0] == 124


@ways
def test_faults_without_end_do_not_hurt_another_domain(capfd, guest, mode):
    status, text, errors = hyper(capfd, 'run', guest(FAULT_FOR_EVER, 'bad'), '--instructions', '12000', '--report', 'none',
                                 *(mode + ['--domain', guest(count_to(3000) + say('x\n') + OFF, 'good')]))
    assert (status, text) == (0, 'good| x\n')


@ways
def test_the_expected_text_ends_a_run_of_domains(capfd, guest, mode):
    path = guest(say('abc') + ' 1: jmp 1b\n')
    assert hyper(capfd, 'run', path, '--report', 'none', '--expect', 'ab', *mode) == (0, 'ab', '')


@ways
def test_exits_are_counted_by_function_where_there_are_symbols(capfd, guest, tmpdir, mode):
    path = guest(' cpuid\n mov $3, %ecx\n 2: out %al, $0x80\n dec %ecx\n jnz 2b\n' + OFF)
    symbols = tmpdir.join('System.map')
    symbols.write('00100002 T printing\n00100000 t asking\n00100001 d data\n')
    report = tmpdir.join('report')
    words = ['run', path, '--symbols', str(symbols)] + mode
    assert hyper(capfd, *(words + ['--report', 'json', '--report-file', str(report)]))[0] == 0
    functions = domains(report.read())[0]['functions']
    counts = dict(((name, reason), count) for name, reason, count in functions)
    assert counts['asking', 'CPUID'] >= 1 and counts['printing', 'IO_INSTRUCTION'] >= 4
    errors = hyper(capfd, *words)[2]
    assert 'exits by function' in errors and 'printing' in errors
