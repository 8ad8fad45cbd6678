"""The examples of docs/guestkit.md run."""
import re
import shutil

import pytest

from conftest import ROOT

EXAMPLES = re.findall(r'```python\n(.*?)```', (ROOT / 'docs' / 'guestkit.md').read_text(), re.DOTALL)


@pytest.mark.parametrize('number', range(len(EXAMPLES)))
def test_an_example_runs(number, hello, tmp_path, monkeypatch, capsys):
    shutil.copy(hello, tmp_path / 'kernel.elf')
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[number], f'docs/guestkit.md, example {number + 1}', 'exec'), {})
    if number == 0:
        assert capsys.readouterr().out.startswith('hello from Python\n powered off')


def test_there_are_examples():
    assert len(EXAMPLES) >= 5
