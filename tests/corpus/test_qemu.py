"""Programs about the system level print the same on QEMU, which nobody here wrote, as on the machine."""

import os
import subprocess

import pytest

import engines
import guest

QEMU = 'qemu-system-i386'
SECONDS = 180             # the slowest takes one, on a machine with nothing else to do
CASES = [(program, words) for program in guest.programs() if program.on_qemu for words in program.runs]


def qemu_is_there():
    try:
        subprocess.check_call([QEMU, '--version'], stdout=open(os.devnull, 'w'), stderr=subprocess.STDOUT)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def run_on_qemu(image, console):
    """What the guest printed and its status. The exit port of QEMU makes twice the status plus one of it."""
    with open(os.devnull, 'r+') as nothing:
        child = subprocess.Popen(['timeout', str(SECONDS), QEMU, '-cpu', 'core2duo', '-m', '16', '-display', 'none', '-nodefaults', '-no-reboot',
                                  '-chardev', 'file,id=console,path=' + console, '-device', 'isa-debugcon,chardev=console',
                                  '-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-kernel', image], stdin=nothing, stdout=nothing, stderr=nothing)
        status = child.wait()
    assert status & 1, 'QEMU ended with %d: the guest did not end by its exit port' % status
    with open(console, 'rb') as text:
        return text.read().decode('latin-1'), status >> 1


@pytest.mark.parametrize('program, words', CASES, ids=[' '.join([program.name] + words) for program, words in CASES])
def test_qemu_prints_the_same(program, words, compared, tmpdir):
    if not qemu_is_there():
        pytest.skip('there is no %s: install it (Debian: qemu-system-x86)' % QEMU)
    image = program.build(str(tmpdir))
    engine = compared[-1] if program.translated_only else compared[0]
    ours = engines.run(engine, image, words, str(tmpdir.join('state')))
    printed, status = run_on_qemu(image, str(tmpdir.join('console')))
    assert ours['output'].splitlines() == printed.splitlines()
    assert ours['status'] == status
