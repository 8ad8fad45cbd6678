"""Programs that nobody here wrote run unmodified, on the bare machine and under both kinds of full virtualization."""
import os
import pathlib
import re
import select
import signal
import subprocess
import time

import pytest

import debian
from guestkit import Machine

HYPER = pathlib.Path(os.environ.get('HYPER', debian.ROOT / 'bin' / 'hyper'))
MODES = {
    'native': ['--mode', 'native'],
    'full-vtlb': ['--mode', 'full', '--mmu', 'vtlb'],
    'full-ept': ['--mode', 'full', '--mmu', 'ept'],
}
SCREEN = re.compile(rb'\x1b\[[0-9;?]*[A-Za-z]')

modes = pytest.mark.parametrize('mode', sorted(MODES))


def image(package, pattern):
    if not HYPER.exists():
        pytest.skip(f'{HYPER} is not built: run make')
    return debian.find(package, pattern)


def run_until(path, mode, words, pattern, seconds):
    """What the guest printed until the pattern appeared, or the time was over."""
    command = [str(HYPER), 'run', str(path), *MODES[mode], '--report', 'none', '--timeout', str(seconds), *words]
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output = b''
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and not re.search(pattern, SCREEN.sub(b'', output)):
            if select.select([guest.stdout], [], [], 1.0)[0]:
                part = os.read(guest.stdout.fileno(), 65536)
                if not part:
                    break
                output += part
    finally:
        guest.send_signal(signal.SIGKILL)
        errors = guest.communicate()[1]
    text = SCREEN.sub(b'', output)
    assert re.search(pattern, text), (text[-2000:] + errors[-2000:]).decode('latin-1')
    return text


def test_seabios_reaches_its_boot_menu():
    path = image('seabios', 'usr/share/seabios/bios.bin')
    with Machine.from_words(['--firmware', str(path), '--memory', '16M', '--report', 'none']) as machine:
        machine.run(output='Press ESC for boot menu', seconds=120)
        machine.type('\x1b')
        machine.run(output='Select boot device', seconds=120)
        assert b'SeaBIOS (version' in machine.output and b'Select boot device' in machine.output


@modes
def test_memtest_completes_its_first_two_tests_without_errors(mode):
    path = image('memtest86+', 'boot/memtest86+ia32.bin')
    text = run_until(path, mode, ['--memory', '32M', '--append', 'console=ttyS0,115200 nopause'], rb'#(?:[2-9]|10) +\[', 300)
    assert b'Memtest86+ v' in text
    assert not re.search(rb'Errors: *[1-9]', text)


@pytest.mark.skipif('WHOLE_PASS' not in os.environ, reason='takes some minutes: make memtest')
def test_memtest_completes_a_whole_pass_without_errors():
    path = image('memtest86+', 'boot/memtest86+ia32.bin')
    text = run_until(path, 'native', ['--memory', '8M', '--append', 'console=ttyS0,115200 nopause'], rb'Pass: +1', 3000)
    assert not re.search(rb'Errors: *[1-9]', text)
