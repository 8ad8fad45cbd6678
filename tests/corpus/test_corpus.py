"""Every program of the corpus ends in the same complete state however it is executed, and in the state stored beside it."""

import pytest

import engines
import guest

CASES = [(program, words) for program in guest.programs() for words in program.runs]


def differences(a, b, where=''):
    """The fields in which two states differ, as text."""
    found = []
    for name in sorted(set(a) | set(b)):
        if isinstance(a.get(name), dict) and isinstance(b.get(name), dict):
            found += differences(a[name], b[name], where + name + ' ')
        elif a.get(name) != b.get(name):
            found.append('%s%s: %r and %r' % (where, name, a.get(name), b.get(name)))
    return found


def mismatches(expected, state, where=''):
    """The fields that are not as expected; an expectation may leave out any."""
    found = []
    for name in sorted(expected):
        if isinstance(expected[name], dict):
            found += mismatches(expected[name], state.get(name, {}), where + name + ' ')
        elif expected[name] != state.get(name):
            found.append('%s%s: %r expected, %r found' % (where, name, expected[name], state.get(name)))
    return found


@pytest.mark.parametrize('program, words', CASES, ids=[' '.join([program.name] + words) for program, words in CASES])
def test_all_engines_agree(program, words, compared, tmpdir):
    if program.translated_only:
        compared = [engine for engine in compared if engine != engines.UNTRANSLATED]
    if not compared:
        pytest.skip('only for the translated machine, and there is none: run make')
    image = program.build(str(tmpdir))
    states = [engines.run(engine, image, words, str(tmpdir.join(engine))) for engine in compared]
    for engine, state in zip(compared[1:], states[1:]):
        assert not differences(states[0], state), '%s and %s differ' % (compared[0], engine)
    assert not mismatches(program.expected(), states[0])
