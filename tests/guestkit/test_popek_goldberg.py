"""The report of the sensitive instructions: what it says is what was observed."""
import json

import pytest

from guestkit.build import build_guests
from guestkit.errors import GuestkitError
from guestkit.popek_goldberg import DIFFERENT, LEAK, REASONS, SAME, TRAP, TRUE, Observation, parse
from test_cli import guestkit, refused

SEVENTEEN = ['SGDT', 'SIDT', 'SLDT', 'SMSW', 'PUSHF', 'POPF', 'LAR', 'LSL', 'VERR/VERW', 'POP', 'PUSH', 'CALL', 'JMP', 'INT', 'RET', 'STR', 'MOV']


@pytest.fixture(scope='module')
def guests(tmp_path_factory):
    directory = tmp_path_factory.mktemp('guests')
    build_guests(directory)
    return str(directory)


@pytest.fixture(scope='module')
def told(guests):
    status, output, errors = guestkit('popek-goldberg', '--json', '--guests', guests)
    assert status == 0, errors
    return json.loads(output)


def modes(told, name):
    return next(each['modes'] for each in told['instructions'] if each['instruction'] == name)


def test_it_tells_of_the_17_instructions_in_each_mode(told):
    assert [each['instruction'] for each in told['instructions']] == SEVENTEEN
    for each in told['instructions']:
        assert list(each['modes']) == ['native', 'para', 'full-vtlb', 'full-ept'] and each['sensitive']
        assert all(mode['reason'] for mode in each['modes'].values())


def test_natively_a_program_sees_the_processor_as_it_is(told):
    assert told['summary']['native'] == {TRUE: 17}
    seen = modes(told, 'SGDT')['native']['seen']
    assert seen == modes(told, 'SGDT')['native']['processor'] and 0xc0000000 <= seen['base'] < 0xfc000000


def test_a_paravirtual_guest_sees_the_tables_of_the_hypervisor(told):
    for name in ['SGDT', 'SIDT']:
        para = modes(told, name)['para']
        assert para['verdict'] == LEAK and para['seen'] == para['processor'] and para['seen']['base'] >= 0xfc000000
    assert modes(told, 'LSL')['para']['seen']['limit'] < 0xffffffff
    assert modes(told, 'STR')['para']['verdict'] == LEAK


def test_vt_x_shows_nothing(told):
    for mode in ['full-vtlb', 'full-ept']:
        assert told['summary'][mode] == {SAME: 17}


def test_popf_changes_nothing_and_does_not_trap(told):
    for mode in modes(told, 'POPF').values():
        assert mode['signal'] == 0 and mode['seen']['eflags'] & 0x3200 == 0x200


def test_as_text_it_is_a_table_with_reasons(guests):
    status, output, errors = guestkit('popek-goldberg', '--mode', 'para', '--guests', guests)
    assert status == 0 and errors == ''
    lines = output.splitlines()
    assert lines[0].split() == ['in', 'ring', '3', 'native', 'para']
    assert [line.split()[0] for line in lines[2:19]] == SEVENTEEN
    assert 'leak: base fc' in output and 'para: ' in lines[-1]


def test_bad_words_and_missing_guests_are_one_line(tmp_path):
    assert '--mode' in refused('popek-goldberg', '--mode', 'magic')
    assert 'guestkit build' in refused('popek-goldberg', '--guests', str(tmp_path))


# -- verdicts, from made-up observations

def seen(signal=0, processor=None, **fields):
    observation = Observation('SGDT', signal, fields)
    observation.processor = processor or {}
    return observation


@pytest.mark.parametrize('observation, verdict', [
    (seen(base=1, limit=2), SAME), (seen(base=1, limit=2, processor={'base': 9, 'limit': 9}), SAME),
    (seen(base=7, limit=2, processor={'base': 7}), LEAK), (seen(base=7, limit=3, processor={'base': 7}), DIFFERENT),
    (seen(base=7, limit=2, processor={'base': 8}), DIFFERENT), (seen(base=7, limit=2), DIFFERENT), (seen(11, base=1, limit=2), TRAP)])
def test_the_verdict_follows_from_what_was_seen_and_what_the_processor_had(observation, verdict):
    assert observation.verdict(seen(base=1, limit=2, processor={'base': 1, 'limit': 2})) == verdict


def test_natively_another_value_than_the_processors_is_not_true():
    observation = seen(base=1, processor={'base': 2})
    assert observation.verdict(observation) == DIFFERENT


def test_output_without_an_instruction_is_refused():
    with pytest.raises(GuestkitError, match='MOV'):
        parse('\n'.join(f'{name} signal=0 x=1' for name in REASONS if name != 'MOV'))
