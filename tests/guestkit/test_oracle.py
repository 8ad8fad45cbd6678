"""The host's own processor as the oracle for the translated machine (tests/oracle), with each snippet run once, and often enough to be compiled."""
import pathlib
import sys

import pytest

from guestkit.machine import Machine, Reason

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'oracle'))

import generate     # noqa: E402
import layout       # noqa: E402
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


def run_guest(image, packed, count):
    """The results of a packed batch."""
    flat = image.ljust(sides.BATCH - sides.ENTRY, b'\0') + packed
    with Machine(flat, at=sides.ENTRY, memory=f'{(sides.RESULTS + sides.results_size(count) >> 20) + 1}M') as machine:
        stop = machine.run(seconds=300)
        assert stop.reason is Reason.EXITED and stop.status == 0, stop
        return layout.unpack_results(machine.physical.read(sides.RESULTS, sides.results_size(count)))


def differences(built, snippets, data, repeat):
    packed = layout.pack_batch(snippets, data, repeat)
    expected = built.run_native(packed)
    got = run_guest(built.build_guest(), packed, len(snippets))
    assert len(expected) == len(got) == len(snippets)
    found = []
    for number, snippet in enumerate(snippets):
        words = sides.difference(snippet, expected[number], got[number])
        if words:
            found.append(f'{number}: {words}: {sides.describe(snippet)}')
    return found


@pytest.mark.parametrize('seed, count, repeat', [(1985, 3000, 1), (1995, 40, 2500)])
def test_random_code_ends_as_on_the_hosts_processor(built, seed, count, repeat):
    assert differences(built, *generate.batch(seed, count), repeat) == []


def main():
    """By hand: python3 test_oracle.py FIRST_SEED BATCHES SNIPPETS REPEAT."""
    built = sides.Built()
    built.build_native()
    first, batches, count, repeat = [int(word) for word in sys.argv[1:]]
    for seed in range(first, first + batches):
        for line in differences(built, *generate.batch(seed, count), repeat):
            print(seed, line, flush=True)
    built.remove()


if __name__ == '__main__':
    main()
