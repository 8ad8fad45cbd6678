"""The engine against the host's processor: python -m tests.oracle --count 1000000 --seed 1.

Needs bin/libhyper.so (or another one in $HYPER_LIBRARY). Prints each snippet that ends otherwise than on the host, and exits with 1 if there was one.
"""
import argparse
import pathlib
import sys
import time

from guestkit.errors import GuestkitError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engine       # noqa: E402
import generate     # noqa: E402
import layout       # noqa: E402
import sides        # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog='python -m tests.oracle', description='Runs random user code on the host and on the engine and compares how it ends.')
    parser.add_argument('--count', type=int, default=100000, help='snippets of each kind (default: 100000)')
    parser.add_argument('--seed', type=int, default=1, help='of the first batch (default: 1)')
    parser.add_argument('--kind', action='append', choices=sorted(generate.KINDS), help='by default every one')
    parser.add_argument('--repeat', type=int, default=1, help='how often the engine runs each snippet; 2500 compiles them (default: 1)')
    parser.add_argument('--batch', type=int, default=layout.MOST, help='snippets of one machine (default: %(default)s)')
    parser.add_argument('--keep', action='store_true', help='put snippets that fail into tests/oracle/corpus')
    options = parser.parse_args()
    built = sides.Built()
    try:
        built.build_native()
        guest = built.build_guest()
        failures = 0
        for kind in options.kind or sorted(generate.KINDS):
            failures += run(built, guest, kind, options)
    except (sides.Unavailable, GuestkitError) as reason:
        print(f'tests.oracle: {reason}', file=sys.stderr)
        sys.exit(2)
    finally:
        built.remove()
    sys.exit(1 if failures else 0)


def run(built, guest, kind, options):
    begin = time.time()
    seed, done, failures = options.seed, 0, 0
    while done < options.count:
        batch = generate.batch(kind, seed, min(options.batch, options.count - done))
        packed = batch.pack(options.repeat)
        for snippet, words in sides.compare(batch, built.run_native(packed), engine.run(guest, packed, len(batch.snippets))):
            failures += 1
            print(f'{kind} {seed}: {words}: {sides.describe(snippet)}', flush=True)
            if options.keep:
                print('kept in', generate.keep(kind, seed, snippet, words))
        done += len(batch.snippets)
        seed += 1
    print(f'{kind}: {done} snippets, {failures} differences, {time.time() - begin:.0f} s, seeds {options.seed} to {seed - 1}', flush=True)
    return failures


if __name__ == '__main__':
    main()
