"""Random hypercalls on the native engine: python -m tests.fuzz.hypercalls --calls 10000000 --seed 1.

Domains of tests/guestkit/para_fuzz.c make them, for both versions of the interface; after every so many the checker of the frame table finds all counts
again, and a witness beside them must compute what it computes alone. Calls that only mend a domain for the next random one do not count, nor do the calls
in a multicall.
"""
import argparse
import pathlib
import subprocess
import tempfile
import time

from guestkit import Machine
from guestkit.build import build_file
from guestkit.errors import MemoryFault
from guestkit.machine import Guest, Reason

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent / 'guestkit' / 'para_fuzz.c'
DOMAINS = 8                     # at a time, beside the witness
MOST_CALLS = 50000              # of one domain, if it lives
INSTRUCTIONS = 2000             # a call, at most: some domains loop for ever
LONGEST = 600                   # seconds for a batch, which needs some
WITNESS_INSTRUCTIONS = 20000000 # as it gets its share only
WITNESS = '''
#include "guest.h"
static u32 words[16384];
int main(const char *command_line)
{
    u32 sum = 0;
    for (u32 round = 0; round < 5; round++)
        for (u32 i = 0; i < 16384; i++)
            sum += words[i] = words[i] * 5 + i + round;
    print("sum %x\\n", sum);
    return 0;
}
'''


def build(directory):
    """The images: fuzzers by version, the witness, and where a fuzzer counts."""
    witness = directory / 'witness.c'
    witness.write_text(WITNESS)
    build_file([witness], directory / 'witness.elf', 'para')
    images = {}
    for version, defines in (('1.0', []), ('1.2', ['XEN_1_2'])):
        images[version] = directory / f'{version}.elf'
        build_file([SOURCE], images[version], 'para', defines)
    places = {}
    for version, image in images.items():
        symbols = subprocess.run(['nm', image], check=True, capture_output=True, text=True).stdout
        places[version] = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.split()[-1] == 'calls')
    return images, directory / 'witness.elf', places


def made(domain, place, most):
    """How many random calls a domain has made; 0 if it has mapped its counter away."""
    try:
        return min(domain.linear.read_u32(place), most)
    except MemoryFault:
        return 0


def batch(images, witness, places, seed, calls, every):
    """Some domains, of so many calls each, and the witness to their ends; what the witness printed, how many random calls, all hypercalls, what became of the domains."""
    version = ('1.0', '1.2')[seed % 2]
    guests = [Guest(images[version], 'para', memory='1M', append=f'{seed * DOMAINS + k} {calls}', interface=version) for k in range(DOMAINS)]
    with Machine.of(Guest(witness, 'para', memory='1M'), *guests, check_frames=every) as machine:
        most = WITNESS_INSTRUCTIONS + INSTRUCTIONS * calls * DOMAINS
        stop = machine.run(instructions=most, seconds=LONGEST)
        report = machine.report()
        assert 'frame table' not in report.stop, f'seed {seed}: {report.stop}'
        assert stop.reason in (Reason.POWERED_OFF, Reason.INSTRUCTIONS, Reason.CRASHED, Reason.WAITING), f'seed {seed}: {stop}'
        states = [domain.state for domain in report.domains]
        assert not any('hypervisor failed' in state or 'entry' in state for state in states), f'seed {seed}: {states}'
        assert states[0] == 'exited', f'seed {seed}: the witness {states[0]}'
        return (machine.output, sum(made(domain, places[version], calls) for domain in machine.domains[1:]),
                sum(sum(domain.hypercalls.values()) for domain in report.domains[1:]))


def alone(witness):
    with Machine(witness, mode='para', memory='1M') as machine:
        machine.run(seconds=600)
        return machine.output


def run(calls, seed, every, say=lambda text: None):
    """At least so many random calls; raises AssertionError if anything is wrong. Returns how many random calls and hypercalls, and the next seed."""
    with tempfile.TemporaryDirectory(prefix='hypercalls-') as directory:
        images, witness, places = build(pathlib.Path(directory))
        expected = alone(witness)
        done = total = 0
        each = min(MOST_CALLS, calls // DOMAINS + 1)
        while done < calls:
            output, more, all = batch(images, witness, places, seed, each, every)
            assert output == expected, f'seed {seed}: the witness computed {output}'
            done, total, seed = done + more, total + all, seed + 1
            say(f'seed {seed - 1}: {done} random calls, {total} hypercalls')
        return done, total, seed


def main():
    parser = argparse.ArgumentParser(prog='python -m tests.fuzz.hypercalls', description='Makes random hypercalls and checks that all invariants hold.')
    parser.add_argument('--calls', type=int, default=10000000, help='at least so many random ones in all (default: 10000000)')
    parser.add_argument('--seed', type=int, default=1, help='the first (default: 1)')
    parser.add_argument('--check-frames', type=int, default=256, metavar='N', help='check all counts after every Nth hypercall (default: 256)')
    parser.add_argument('--verbose', action='store_true', help='tells of each seed')
    options = parser.parse_args()
    begin = time.time()
    done, total, seed = run(options.calls, options.seed, options.check_frames, print if options.verbose else lambda text: None)
    print(f'{done} random hypercalls, {total} in all, every {options.check_frames}th checked, {time.time() - begin:.0f} s, seeds {options.seed} to {seed - 1}')


if __name__ == '__main__':
    main()
