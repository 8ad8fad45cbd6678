"""Translates hyper/ to a native program: python2.7 translate.py [--opt=2|jit] [--shared] --output PATH

--shared gives libNAME.so, with the C interface, beside PATH/NAME, which is then a small program on it. RPython's own output goes to
build/translate-NAME.log; the terminal shows the phases.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(ROOT, 'build')
PHASES = {
    'Annotating&simplifying': 'inferring types',
    'RTyping': 'choosing low-level types',
    'JIT compiler generation': 'making the JIT from the interpreter',
    'lltype back-end optimisations': 'optimising',
    'inserting stack checks': 'inserting stack checks',
    'Creating database for generating c source': 'collecting functions and data',
    'Generating c source': 'writing C',
    'Compiling c source': 'compiling C',
}
PHASE = re.compile(r'\[translation:info\] (.*)\.\.\.$')
COLOUR = re.compile(r'\x1b\[[0-9;]*m')
LAST_LINES = 25


def say(text):
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


def clock(seconds):
    return '%d:%02d' % divmod(int(seconds), 60)


def command(options, name, directory):
    words = [sys.executable, os.path.join(ROOT, 'toolchain', 'rpython_fixed.py'), os.path.join(directory, 'cache'),
             '--batch', '--opt=' + options.opt, '--output=' + os.path.join(directory, name)]
    if options.shared:
        words.append('--shared')
    return words + [os.path.join(ROOT, 'toolchain', 'target.py')]


def run(words, log, directory):
    """Runs a translation and shows its phases; returns its exit status."""
    environment = dict(os.environ, PYPY_USESSION_DIR=directory, PYPY_USESSION_KEEP='1', PYTHONDONTWRITEBYTECODE='1')
    begin = time.time()
    child = subprocess.Popen(words, cwd=ROOT, env=environment, stdin=open(os.devnull), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in iter(child.stdout.readline, ''):
        line = COLOUR.sub('', line)
        log.write(line)
        log.flush()
        phase = PHASE.match(line)
        if phase:
            say('  %s  %s' % (clock(time.time() - begin), PHASES.get(phase.group(1), phase.group(1))))
    return child.wait()


def install(directory, name, output):
    """Moves what was made to its place at once, so that nobody runs a half-written file."""
    for made in (name, 'lib%s.so' % name):
        path = os.path.join(directory, made)
        if os.path.exists(path):
            os.rename(path, os.path.join(os.path.dirname(output), made))


def main():
    parser = argparse.ArgumentParser(description='Translates hyper/ to a native program.')
    parser.add_argument('--opt', choices=['2', 'jit'], default='jit', help='jit (the default), or 2: without the JIT, much sooner made')
    parser.add_argument('--shared', action='store_true', help='make libNAME.so with the C interface, and a small program on it')
    parser.add_argument('--output', required=True, metavar='PATH', help='the program to make')
    options = parser.parse_args()
    output = os.path.abspath(options.output)
    name = os.path.basename(output)
    directory = os.path.join(BUILD, 'translate-' + name)
    log_name = directory + '.log'
    for path in (os.path.dirname(output), directory):
        if not os.path.isdir(path):
            os.makedirs(path)
    begin = time.time()
    say('translating %s (log: %s)' % (os.path.relpath(output), os.path.relpath(log_name)))
    with open(log_name, 'w') as log:
        status = run(command(options, name, directory), log, directory)
    if status != 0:
        with open(log_name) as log:
            sys.stderr.writelines(log.readlines()[-LAST_LINES:])
        sys.stderr.write('translate.py: %s was not made; all that was said is in %s\n' % (os.path.relpath(output), os.path.relpath(log_name)))
        return 1
    install(directory, name, output)
    shutil.rmtree(directory)
    say('  %s  %s is made' % (clock(time.time() - begin), os.path.relpath(output)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
