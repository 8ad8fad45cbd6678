"""The ways to run one guest: untranslated in a Python process; translated without the JIT, interpreted and by template code alone; and with the JIT, as
it is and with traces made of everything at once."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNTRANSLATED, O2, TEMPLATES, JIT, EAGER = 'untranslated', 'O2', 'templates', 'jit', 'jit-eager'
ENGINES = [UNTRANSLATED, O2, TEMPLATES, JIT, EAGER]
TIMEOUT = 60
NATIVE = {O2: os.environ.get('HYPER_O2', os.path.join(ROOT, 'build', 'hyper-O2')),
          JIT: os.environ.get('HYPER_JIT', os.path.join(ROOT, 'bin', 'hyper'))}
NATIVE[TEMPLATES] = NATIVE[O2]
NATIVE[EAGER] = NATIVE[JIT]
OPTIONS = {UNTRANSLATED: [], O2: ['--templates', 'off'], TEMPLATES: ['--templates', '0'], JIT: [],
           EAGER: ['--templates', 'off', '--jit', 'threshold=2,function_threshold=2,trace_eagerness=2']}


def command(engine):
    """The words that start `hyper`."""
    if engine == UNTRANSLATED:
        return [sys.executable, os.path.join(ROOT, 'hyper', 'main.py')]
    return [NATIVE[engine]]


def present(engine):
    return engine == UNTRANSLATED or os.path.exists(NATIVE[engine])


def run(engine, image, words, state):
    """Runs a guest; returns its complete final state (read from the file `state`), with its console's output."""
    environment = dict(os.environ, PYTHONPATH=ROOT)
    words = command(engine) + ['run', image] + words + ['--report', 'none', '--timeout', '%d' % TIMEOUT, '--final-state', state] + OPTIONS[engine]
    child = subprocess.Popen(words, env=environment, stdin=open(os.devnull), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = child.communicate()
    assert os.path.exists(state), '%s left no final state; it ended with status %d: %s' % (' '.join(words), child.returncode, errors)
    with open(state) as text:
        result = json.load(text)
    result['output'] = output.decode('latin-1')
    assert result['status'] == child.returncode
    assert result['status'] != 124, 'out of time: %s' % ' '.join(words)
    return result
