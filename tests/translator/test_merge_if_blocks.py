"""RPython's wrong optimisation and our fix of it, on a small program translated with -O2."""

import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from prefixes import Reader, prefixes

INPUTS = [[0x90], [0x66, 0x90], [0xf3, 0x66, 0xf2, 0x90], [0xf3, 0xa4]]
RIGHT = ['%d %d %d' % prefixes(Reader(numbers)) for numbers in INPUTS]


def translate(directory, *command):
    """What the translated program says to each of the inputs."""
    program = str(directory.join('prefixes'))
    log = directory.join('log')
    environment = dict(os.environ, PYPY_USESSION_DIR=str(directory))
    with log.open('w') as out:
        status = subprocess.call([sys.executable] + list(command) + [
            '--batch', '--opt=2', '--output=' + program, os.path.join(HERE, 'prefixes.py')],
            cwd=str(directory), env=environment, stdout=out, stderr=subprocess.STDOUT)
    assert status == 0, log.read()[-2000:]
    return [subprocess.check_output([program] + [str(number) for number in numbers]).strip() for numbers in INPUTS]


def translate_as_is(directory):
    code = ('from rpython.config import translationoption; translationoption.CACHE_DIR = %r\n'
            'from rpython.translator.goal.translate import main; main()' % str(directory.join('cache')))
    return translate(directory, '-c', code)


@pytest.fixture(scope='module')
def fixed(tmpdir_factory):
    """The outputs of the program translated with the fix, and the C code of `prefixes`."""
    directory = tmpdir_factory.mktemp('fixed')
    outputs = translate(directory, os.path.join(ROOT, 'toolchain', 'rpython_fixed.py'), str(directory.join('cache')))
    for path in directory.visit('*.c'):
        found = re.search(r'^\w[^;{]*[ *]pypy_g_prefixes\(.*?^}', path.read(), re.MULTILINE | re.DOTALL)
        if found:
            return outputs, found.group(0)
    raise AssertionError('the C function was not found')


def test_untranslated_the_program_is_right():
    assert RIGHT == ['4 0 144', '2 0 144', '2 2 144', '4 1 164']


def test_without_the_fix_the_translated_program_is_wrong(tmpdir):
    outputs = translate_as_is(tmpdir)
    assert [words.split()[0] for words in outputs] == ['2'] * len(RIGHT)        # the operand size of the turn that never came


def test_with_the_fix_the_translated_program_is_right(fixed):
    assert fixed[0] == RIGHT


def test_the_fix_keeps_the_switch(fixed):
    assert 'switch (' in fixed[1]
