"""The host's own processor as the oracle: random user code must end in the same state on it and in the machine (tests/oracle)."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'oracle'))

import generate
import layout
import sides
from hyper.board.machine import EXITED, Machine, World
from hyper.board.uart import CharSink
from hyper.cpu import models
from hyper.loader.entry import GDT, EntryState

GDT_AT = 0x800


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


def run_guest(image, packed, count):
    """The results of a packed batch in the untranslated machine."""
    size = sides.results_size(count)
    machine = Machine((sides.RESULTS + size + 0xfff) & ~0xfff, models.find(''), World())
    machine.add_pc(CharSink())
    memory = machine.memory
    memory.write_bytes(sides.ENTRY, image)
    memory.write_bytes(GDT_AT, GDT)
    memory.storage[sides.BATCH:sides.BATCH + len(packed)] = packed
    state = EntryState(sides.ENTRY)
    state.gdt = GDT_AT
    state.gdt_limit = len(GDT) - 1
    machine.enter(state)
    assert machine.run(-1, -1, -1.0) == EXITED and machine.exit_status == 0, machine.why
    results = layout.unpack_results(bytes(memory.storage[sides.RESULTS:sides.RESULTS + size]))
    machine.close()
    return results


def check(built, batch):
    packed = batch.pack()
    found = sides.compare(batch, built.run_native(packed), run_guest(built.build_guest(), packed, len(batch.snippets)))
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
