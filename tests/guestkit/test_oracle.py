"""The host's own processor as the oracle for the translated machine (tests/oracle), with each snippet run once, and often enough to be compiled."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'oracle'))

import engine       # noqa: E402
import generate     # noqa: E402
import sides        # noqa: E402


@pytest.fixture(scope='module')
def built():
    built = sides.Built()
    try:
        built.build_native()
        yield built
    except sides.Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        built.remove()


def check(built, batch, repeat):
    packed = batch.pack(repeat)
    found = sides.compare(batch, built.run_native(packed), engine.run(built.build_guest(), packed, len(batch.snippets)))
    assert not found, sides.report(found)


@pytest.mark.parametrize('kind', sorted(generate.KINDS))
@pytest.mark.parametrize('seed, count, repeat', [(1985, 3000, 1), (1995, 40, 2500)])
def test_random_code_ends_as_on_the_hosts_processor(built, kind, seed, count, repeat):
    check(built, generate.batch(kind, seed, count), repeat)


@pytest.mark.parametrize('name', sorted(generate.kept()))
def test_code_that_once_ended_otherwise(built, name):
    check(built, generate.kept()[name], 1)
