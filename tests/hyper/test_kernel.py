"""The teaching kernel, untranslated: what a user sees first works in the code that pdb can be used on."""
import os
import subprocess

import pytest
pytest.importorskip('hyper.cpu.models')

from hyper.main import entry_point

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TECHNIQUES = {
    'native': ['kernel-bare.elf', '--mode', 'native'],
    'para': ['kernel-para.elf', '--mode', 'para'],
    'para-2003': ['kernel-para.xen', '--mode', 'para'],
    'full-vtlb': ['kernel-bare.elf', '--mode', 'full', '--mmu', 'vtlb'],
    'full-ept': ['kernel-bare.elf', '--mode', 'full', '--mmu', 'ept'],
}


@pytest.fixture(scope='session')
def guests(tmpdir_factory):
    """The directory of the kernel for each back end, and its archive."""
    out = str(tmpdir_factory.mktemp('guests'))
    images = [os.path.join(out, name) for name in ['kernel-bare.elf', 'kernel-para.elf', 'kernel-para.xen', 'archive.img']]
    subprocess.check_call(['make', '-s', '-C', os.path.join(ROOT, 'guestkit', 'guests'), 'OUT=' + out] + images)
    return out


def run(capfd, guests, technique, command_line, *options):
    """(exit status, standard output without carriage returns)"""
    image, words = TECHNIQUES[technique][0], TECHNIQUES[technique][1:]
    status = entry_point(['hyper', 'run', os.path.join(guests, image), '--memory', '4M', '--module', os.path.join(guests, 'archive.img'),
                          '--append', command_line, '--report', 'none'] + words + list(options))
    return status, capfd.readouterr()[0].replace('\r', '')


@pytest.mark.parametrize('technique', sorted(TECHNIQUES))
def test_processes_pipes_and_fault_handlers_work(capfd, guests, technique):
    status, text = run(capfd, guests, technique, "init=/bin/sh -c 'guard; cat /etc/motd | wc; primes 12; sh -c \"exit 7\"; echo $?; exit 0'")
    assert status == 0
    assert text.splitlines()[1:] == [
        '  8 faults for 8 pages, and every word is there: yes', 'kernel: process 3 ended by signal 11 at %s, address c0000000' % address_in(text),
        '  a process that writes to the kernel ends with status 139 (128 + signal 11)', '3 lines, 23 words, 123 bytes', '2 3 5 7 11 ', '7']


def address_in(text):
    return text[text.index(' at ') + 4:text.index(', address')]


@pytest.mark.parametrize('technique', ['para', 'full-vtlb'])
@pytest.mark.parametrize('check', ['fork_copies_memory', 'protected_memory_keeps_its_contents', 'bad_addresses_are_refused', 'cli_is_refused',
                                   'hypercalls_are_refused', 'a_forged_signal_frame_gains_nothing', 'system_calls_work_with_odd_registers',
                                   'signals_interrupt_what_waits'])
def test_the_kernel_keeps_its_promises(capfd, guests, technique, check):
    status, text = run(capfd, guests, technique, 'init=/bin/check ' + check)
    assert (status, text.splitlines()[-1]) == (0, 'check: 1 of 1 passed'), text


def test_two_domains_run_side_by_side(capfd, guests):
    status, text = run(capfd, guests, 'para', "init=/bin/sh -c 'primes 20'", '--copies', '2')
    assert status == 0 and text.count('2 3 5 7 11 13 17 19 ') == 2
