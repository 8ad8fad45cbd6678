"""The host's own processor as the oracle: random user code must end in the same state on it and in the machine (tests/oracle)."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'oracle'))

import generate
import sides
import untranslated


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


def check(built, batch):
    packed = batch.pack()
    found = sides.compare(batch, built.run_native(packed), untranslated.run(built.build_guest(), packed, len(batch.snippets)))
    assert not found, sides.report(found)


@pytest.mark.parametrize('kind', sorted(generate.KINDS))
def test_random_code_ends_as_on_the_hosts_processor(built, kind):
    check(built, generate.batch(kind, 2003, 400))


@pytest.mark.parametrize('name', sorted(generate.kept()))
def test_code_that_once_ended_otherwise(built, name):
    check(built, generate.kept()[name])


def test_the_comparison_sees_a_difference(built):
    batch = generate.batch('integer', 1, 1)
    packed = batch.pack()
    expected = built.run_native(packed)[0]
    for name, change in [('eax', 1), ('eflags', 1 << 10), ('eip', 1), ('vector', 1)]:
        other = built.run_native(packed)[0]
        setattr(other, name, getattr(other, name) ^ change)
        assert name in sides.difference(batch.snippets[0], expected, other)
    other = built.run_native(packed)[0]
    other.data = other.data[:-1] + b'\x77'
    assert 'data' in sides.difference(batch.snippets[0], expected, other)
