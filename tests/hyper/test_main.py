import json
import struct

import pytest
pytest.importorskip('hyper.cpu.models')

from hyper.main import entry_point

from loader_parts import elf
from test_board_machine import POWER_OFF, SELF, out


@pytest.fixture
def image(tmpdir):
    def write(data, name='kernel'):
        path = tmpdir.join(name)
        path.write(data, 'wb')
        return str(path)
    return write


def kernel(code):
    return elf([(0x100000, 0x100000, code, len(code))], 0x100000)


def hyper(capfd, *words):
    """(exit status, standard output, standard error) of the command line."""
    status = entry_point(['hyper'] + list(words))
    text, errors = capfd.readouterr()
    return status, text, errors


def refused(capfd, *words):
    status, text, errors = hyper(capfd, *words)
    assert status == 2 and text == ''
    assert errors.startswith('hyper: ') and errors.count('\n') == 1
    return errors


def test_a_kernel_runs_and_its_console_is_standard_output(capfd, image):
    path = image(kernel(''.join(out(0xe9, ord(c)) for c in 'hello\n') + POWER_OFF + SELF))
    status, text, errors = hyper(capfd, 'run', path)
    assert (status, text) == (0, 'hello\n')
    assert 'powered off after 21 instructions' in errors


def test_the_exit_status_is_the_guests(capfd, image):
    assert hyper(capfd, 'run', image(kernel(out(0xf4, 9))), '--report', 'none') == (9, '', '')


def test_a_flat_image_runs_at_its_address(capfd, image):
    path = image(out(0xe9, ord('x')) + POWER_OFF + SELF)
    assert hyper(capfd, 'run', path, '--at', '0x8000', '--report', 'none') == (0, 'x', '')


def test_a_boot_sector_runs_in_real_mode(capfd, image):
    code = '\xb0\x79\xe6\xe9' + '\xba\x04\x06\xb8\x00\x20\xef' + SELF   # mov, out; mov $0x604, %dx; mov; out %ax
    path = image(code + '\0' * (510 - len(code)) + '\x55\xaa')
    assert hyper(capfd, 'run', path, '--report', 'none') == (0, 'y', '')


def test_the_report_may_be_json_in_a_file(capfd, image, tmpdir):
    path = image(kernel(POWER_OFF + SELF))
    report = tmpdir.join('report')
    assert hyper(capfd, 'run', path, '--report', 'json', '--report-file', str(report)) == (0, '', '')
    facts = json.loads(report.read())
    assert facts['instructions'] == 3 and facts['status'] == 0
    assert facts['domains'][0]['name'] == 'kernel'


def test_the_final_state_is_json_in_a_file_and_tells_runs_apart(capfd, image, tmpdir):
    states = []
    for code in ('\x40', '\x40', '\x41', '\xff\x05\x00\x00\x20\x00'):             # inc %eax; inc %ecx; incl 0x200000
        path = str(tmpdir.join('state'))
        assert hyper(capfd, 'run', image(kernel(code + out(0xf4, 7))), '--memory', '3M', '--report', 'none',
                     '--final-state', path) == (7, '', '')
        states.append(json.load(open(path)))
    assert states[0] == states[1]
    assert states[0]['status'] == 7 and states[0]['instructions'] == 4 and states[0]['registers']['eip'] == 0x100008
    assert states[2]['registers'] != states[0]['registers']
    assert states[3]['memory'] not in (states[0]['memory'], states[2]['memory'])


def test_a_crash_shows_the_state_and_gives_status_3(capfd, image):
    status, text, errors = hyper(capfd, 'run', image(kernel('\x0f\x0b')))
    assert status == 3
    assert 'triple fault' in errors and 'eip 00100000' in errors and 'gdtr' in errors


def test_limits_end_the_run(capfd, image):
    path = image(kernel('\x40\xeb\xfd'))
    assert hyper(capfd, 'run', path, '--instructions', '1000', '--report', 'none')[0] == 0
    assert hyper(capfd, 'run', path, '--timeout', '0.1', '--report', 'none')[0] == 124


def test_bad_input_is_one_line_and_status_2(capfd, image, tmpdir):
    assert 'cannot be read' in refused(capfd, 'run', str(tmpdir.join('none')))
    assert 'cannot be read' in refused(capfd, 'run', str(tmpdir))
    assert 'empty' in refused(capfd, 'run', image(''))
    assert '--at' in refused(capfd, 'run', image('garbage'))
    good = image(kernel(SELF), 'good')
    assert 'cannot be read' in refused(capfd, 'run', good, '--module', str(tmpdir.join('none')))
    assert '--cpu' in refused(capfd, 'run', good, '--cpu', 'z80')
    assert 'no such option' in refused(capfd, 'run', good, '--fast')
    assert '--jit' in refused(capfd, 'run', good, '--jit', 'fast')
    assert 'no such command' in refused(capfd, 'walk')
    high = image(elf([(0x8000000, 0x8000000, SELF, 2)], 0x8000000), 'high')
    assert '--memory 129M' in refused(capfd, 'run', high)
    paravirtual = image(elf([(0xc0000000, 0xc0000000, SELF, 2)], 0xc0000000), 'paravirtual')
    assert '--mode para' in refused(capfd, 'run', paravirtual)


@pytest.mark.parametrize('option', ['--report-file', '--final-state'])
def test_a_file_that_cannot_be_written_is_told_before_the_run_and_a_full_disk_after_it(capfd, image, option):
    path = image(kernel(out(0x3f8, 65) + POWER_OFF + SELF))
    assert 'No such file' in refused(capfd, 'run', path, option, '/nowhere/file')           # and nothing was printed
    status, text, errors = hyper(capfd, 'run', path, option, '/dev/full')
    assert status == 2 and text == 'A' and 'No space left' in errors


def test_help_models_and_version(capfd):
    status, text, errors = hyper(capfd, '--help')
    assert status == 0 and '--memory' in text
    assert hyper(capfd, 'run', 'x', '--help')[0] == 0
    assert hyper(capfd)[0] == 2
    status, text, errors = hyper(capfd, 'models')
    assert status == 0 and text.startswith('core2duo ') and text.count('\n') == 8
    assert hyper(capfd, 'run', '--cpu', 'help')[:2] == (0, text)
    assert hyper(capfd, 'version')[1].startswith('hyper ')


def test_a_run_ends_when_the_expected_text_is_printed(capfd, image):
    path = image(kernel(''.join(out(0xe9, ord(c)) for c in 'aab!') + SELF))
    assert hyper(capfd, 'run', path, '--expect', 'ab', '--report', 'none') == (0, 'aab', '')


def test_a_run_that_ends_without_the_expected_text_says_so(capfd, image):
    path = image(kernel(out(0xe9, ord('a')) + POWER_OFF + SELF))
    status, text, errors = hyper(capfd, 'run', path, '--expect', 'ab', '--report', 'none')
    assert (status, text) == (1, 'a') and '--expect ab: no console printed it' in errors
    status, text, errors = hyper(capfd, 'run', image(kernel(out(0xe9, ord('a')) + '\x40\xeb\xfd')), '--expect', 'ab', '--report', 'none', '--timeout', '0.2')
    assert status == 124 and 'no console printed it' in errors
    assert hyper(capfd, 'run', image(kernel(out(0xf4, 9))), '--expect', 'ab', '--report', 'none')[0] == 9


def test_symbols_must_be_symbols(capfd, image):
    path = image(kernel(POWER_OFF))
    assert 'no symbols in it' in refused(capfd, 'run', path, '--mode', 'full', '--symbols', path)
    assert 'cannot be read' in refused(capfd, 'run', path, '--mode', 'full', '--symbols', path + '.map')
