"""The command line: guestkit run and build, their help, errors and exit statuses."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import ROOT
from guestkit.run import Output

TRIPLE_FAULT = '''
        .globl  _start
_start: ud2
'''
LOOP = '''
        .globl  _start
_start: mov     $0x40000000, %ecx
1:      dec     %ecx
        jnz     1b
        jmp     _start
'''
STATUS_7 = '''
#include "guest.h"
int main(const char *command_line) { print("seven\\n"); return 7; }
'''
READ_LINE = '''
#include "guest.h"
int main(const char *command_line)
{
    char c;
    do {
        while (!(inb(0x3fd) & 1))
            ;
        c = inb(0x3f8);
        print("%c", c);
    } while (c != '\\n');
    return 0;
}
'''


def guestkit(*words, input='', seconds=120, **environment):
    """(status, output, errors) of the command."""
    done = subprocess.run([sys.executable, '-m', 'guestkit', *words], env={**os.environ, 'PYTHONPATH': str(ROOT), **environment}, input=input,
                          capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout, done.stderr


def refused(*words, **environment):
    status, output, errors = guestkit(*words, **environment)
    assert status == 2 and output == '' and errors.startswith('guestkit: ') and errors.count('\n') == 1, (status, output, errors)
    return errors


def test_cpu_help_lists_the_processors():
    status, output, errors = guestkit('run', '--cpu', 'help')
    assert status == 0 and errors == ''
    names = [line.split()[0] for line in output.splitlines()]
    assert names[0] == 'core2duo' and {'486', 'pentium', 'pentium-2', 'pentium-3', 'pentium-d', 'nehalem'} < set(names)


def test_a_guest_runs_with_its_console_as_standard_output_and_its_report_on_stderr(hello):
    status, output, errors = guestkit('run', hello, '--append', 'there')
    assert (status, output) == (0, 'hello there\n')
    assert 'powered off' in errors and 'instructions' in errors


def test_the_status_is_the_guest_s_own(guest):
    assert guestkit('run', guest(STATUS_7))[:2] == (7, 'seven\n')


def test_the_report_is_json_or_nothing_and_may_go_to_a_file(hello, tmp_path):
    status, _, errors = guestkit('run', hello, '--report', 'json')
    assert json.loads(errors)['status'] == status == 0
    assert guestkit('run', hello, '--report', 'none') == (0, 'hello \n', '')
    file = tmp_path / 'report'
    assert guestkit('run', hello, '--report', 'json', '--report-file', str(file))[2] == ''
    assert json.loads(file.read_text())['stop'] == 'powered off'


def test_a_guest_that_crashes_gives_status_3_and_its_state(guest):
    status, _, errors = guestkit('run', guest(TRIPLE_FAULT, suffix='.S'))
    assert status == 3 and 'triple fault' in errors and 'eip 00100' in errors


def test_a_guest_stops_at_its_limits(guest):
    loop = guest(LOOP, suffix='.S')
    before = time.monotonic()
    assert guestkit('run', loop, '--timeout', '0.5')[0] == 124
    assert time.monotonic() - before < 10
    status, _, errors = guestkit('run', loop, '--instructions', '0x100', '--report', 'json')
    assert status == 0 and json.loads(errors)['instructions'] == 256


def test_sigterm_and_sigint_stop_the_guest_and_still_report(guest):
    for number in (signal.SIGTERM, signal.SIGINT):
        child = subprocess.Popen([sys.executable, '-m', 'guestkit', 'run', guest(LOOP, suffix='.S')], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        child.send_signal(number)
        assert 'interrupted after' in child.communicate(timeout=20)[1]
        assert child.returncode == 130


def test_piped_input_reaches_the_guest(guest):
    status, output, _ = guestkit('run', guest(READ_LINE), input='typed ahead\n')
    assert (status, output) == (0, 'typed ahead\n')


def test_a_reader_that_goes_away_ends_the_run_like_any_program(guest):
    noisy = guest('#include "guest.h"\nint main(const char *c) { for (;;) print("y\\n"); }')
    shell = subprocess.run(['bash', '-c', f'{sys.executable} -m guestkit run {noisy} | head -n 1; exit ${{PIPESTATUS[0]}}'], cwd=ROOT,
                           capture_output=True, text=True, timeout=60)
    assert shell.stdout == 'y\n' and shell.returncode == 141 and 'Traceback' not in shell.stderr


def test_several_domains_have_their_names_before_each_line(capfd):
    output = Output(b'a| ')
    output(b'one\ntw')
    output(b'o\n\nthree')
    assert capfd.readouterr().out == 'a| one\na| two\na| \na| three'


@pytest.mark.parametrize('words, said', [
    (['run', '/nowhere/kernel'], 'cannot be read'),
    (['run', '--mode', 'full'], 'the image comes first'),
    (['run', 'x', '--mode'], 'see guestkit run --help'),
    (['run', 'x', '--colour', 'red'], '--colour: no such option'),
    (['run', 'x', '--memory', 'lots'], 'not a size'),
    (['run', 'x', '--final-state', 'y'], 'only bin/hyper'),
    (['run', 'x\ny'], 'line break'),
    (['fly'], 'no such command'),
    (['build', 'none.c'], 'no such file'),
    (['build', 'x.c', '--backend', 'qemu'], 'invalid choice'),
    (['build', 'Makefile'], 'not C'),
    (['bench', '--rounds', 'many'], 'invalid int value'),
])
def test_bad_input_is_one_line_with_status_2(words, said):
    assert said in refused(*words)


def test_a_report_file_that_cannot_be_written_is_told_before_the_run(hello):
    assert 'cannot be written' in refused('run', hello, '--report-file', '/nowhere/report')


def test_a_truncated_image_is_bad_input(tmp_path, hello):
    image = tmp_path / 'short.elf'
    with open(hello, 'rb') as file:
        image.write_bytes(file.read()[:2000])
    assert 'short.elf' in refused('run', str(image))


def test_a_missing_library_is_told_with_what_to_do(hello):
    assert 'run make' in refused('run', hello, HYPER_LIBRARY='/nowhere/libhyper.so')


@pytest.mark.parametrize('words', [[], ['run'], ['build'], ['bench']])
def test_help_teaches_with_examples(words):
    for flag in ('--help', '-h'):
        status, output, errors = guestkit(*words, flag)
        assert status == 0 and errors == '' and output.startswith('usage: guestkit') and '  guestkit ' in output


def test_no_command_shows_the_help_with_status_2():
    status, output, errors = guestkit()
    assert status == 2 and output == '' and 'guestkit run IMAGE' in errors
    assert guestkit('version')[1].startswith('guestkit ')


def test_the_image_may_come_as_kernel_with_initrd_and_the_run_may_end_with_an_expected_text(hello, tmp_path):
    (tmp_path / 'initrd').write_text('x')
    words = ['run', '--append', 'there', '--initrd', str(tmp_path / 'initrd'), '--kernel', hello, '--report', 'none']
    assert guestkit(*words) == (0, 'hello there\n', '')
    assert guestkit(*words, '--expect', 'lo th') == (0, 'hello th', '')
    status, output, errors = guestkit(*words[:-2], '--expect', 'nowhere')
    assert (status, output) == (1, 'hello there\n') and '--expect nowhere: no console printed it' in errors


def test_exits_are_told_by_function_with_the_symbols_of_the_kernel(hello):
    status, _, errors = guestkit('run', hello, '--mode', 'full', '--symbols', hello, '--report', 'json')
    functions = json.loads(errors)['domains'][0]['functions']
    assert status == 0 and any(reason == 'IO_INSTRUCTION' and name != '(in no function)' and count > 5 for name, reason, count in functions)
    assert '--mode native' in refused('run', hello, '--symbols', hello)


def test_realtime_takes_the_time_that_the_guest_waits(guest):
    wait = guest("""
        .globl  _start
_start: rdtsc
        mov     %eax, %ebx
1:      rdtsc
        sub     %ebx, %eax
        cmp     $500000000, %eax
        jb      1b
        mov     $0, %al
        out     %al, $0xf4
""", suffix='.S')
    before = time.monotonic()
    assert guestkit('run', wait, '--realtime', '--report', 'none')[0] == 0
    assert time.monotonic() - before > 0.5


@pytest.mark.parametrize('words', [['--help'], ['run', 'HELLO', '--report', 'none'], ['run', '--cpu', 'help']])
def test_a_full_disk_is_told_in_one_line(hello, words):
    command = [sys.executable, '-m', 'guestkit', *(str(hello) if word == 'HELLO' else word for word in words)]
    with open('/dev/full', 'w', encoding='utf-8') as full:
        done = subprocess.run(command, env={**os.environ, 'PYTHONPATH': str(ROOT)}, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and 'No space left' in done.stderr, done.stderr


def test_standard_files_may_be_closed(hello):
    line = f'exec {sys.executable} -m guestkit run {hello} --report none <&- >&-'
    done = subprocess.run(['sh', '-c', line], env={**os.environ, 'PYTHONPATH': str(ROOT)}, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, '')


def test_only_one_kind_of_measurement_is_made_at_a_time():
    assert 'not allowed with' in refused('bench', '--peers', '--linux')


def test_a_saved_domain_that_is_not_there_starts_no_hypervisor(tmp_path):
    socket = tmp_path / 'socket'
    refused('dom', '--socket', str(socket), 'restore', str(tmp_path / 'missing'))
    assert not socket.exists()


def test_directories_for_linux_that_cannot_be_made_are_told():
    status, _, errors = guestkit('linux', '--prepare', '--place', '/proc/none')
    assert status == 2 and errors.splitlines()[-1].startswith('guestkit: ') and 'Traceback' not in errors
