"""The operations of the Xen paper's tables: what each costs in each way to run the kernel.

Each is measured in a boot of its own: user/bench.c does it so many times in each of some rounds, and the arrival of its lines is timed (see
lines.py). The first round is not counted, in which code is compiled; the result is the median of the others. How many times is found by a
short boot before, so that a round takes about as long in every mode. Exits are counts for the whole boot less those of a boot that does
nothing, divided by all that was done.
"""
from dataclasses import dataclass

from guestkit.bench.child import BenchError, run_hyper
from guestkit.bench.lines import steady

OPERATIONS = ('null_call', 'signal', 'fork', 'exec', 'sh',
              'context_switch_2p_0k', 'context_switch_2p_16k', 'context_switch_2p_64k',
              'context_switch_4p_0k', 'context_switch_4p_16k', 'context_switch_4p_64k',
              'context_switch_8p_0k', 'context_switch_8p_16k', 'context_switch_8p_64k',
              'mmap', 'prot_fault', 'page_fault', 'pipe_bandwidth')
MOST_SECONDS = 300              # of a boot
MOST_ITERATIONS = {'pipe_bandwidth': 32768}    # a guest counts its bytes in 32 bits
MOST = 1 << 30
SLOW = ('fork', 'exec', 'sh', 'pipe_bandwidth')
LEAST_TIMED = 5e6               # ns of a round: below that, the moments at which its two lines are read say little
MEMBERS = 8                     # iterations are a multiple of the processes that hand on a token


@dataclass(frozen=True)
class Cost:
    """Of one operation: host nanoseconds, guest instructions, exits by reason; `rounds` are what each round gave."""
    ns: float
    instructions: float
    exits: dict
    rounds: list


def exits_of(report):
    """Exits by reason, of all domains; hypercalls by name too, with `hypercall ` before it."""
    counts = {}
    for domain in report['domains']:
        for reason, count in domain['exits'].items():
            counts[reason] = counts.get(reason, 0) + count
        for name, count in domain['hypercalls'].items():
            counts['hypercall ' + name] = counts.get('hypercall ' + name, 0) + count
    return counts


def per_iteration(report, idle, iterations):
    """Exits by reason for each of the iterations; `idle` are those of a boot that does nothing. What is less than one in a hundred is noise."""
    counts = {reason: (count - idle.get(reason, 0)) / iterations for reason, count in exits_of(report).items()}
    return {reason: round(count, 3) for reason, count in sorted(counts.items(), key=lambda item: -item[1]) if count >= 0.01}


class Measurer:
    """Measures in one mode; `length` is the seconds of a round."""

    def __init__(self, setup, mode, rounds, length):
        self.setup = setup
        self.mode = mode
        self.rounds = rounds
        self.length = length
        self.idle = exits_of(self.boot('init=/bin/true').report)

    def boot(self, append):
        return run_hyper(self.setup.hyper, self.setup.words(self.mode, append), MOST_SECONDS)

    def measure(self, append, name):
        """The Cost of what `append` does, a text with places for rounds and iterations, under the name that it prints."""
        most = MOST_ITERATIONS.get(name, MOST)
        iterations = self.try_lengths(append, name, most)
        iterations = MEMBERS * max(1, int(min(iterations, most) / MEMBERS))
        outcome = self.boot(append.format(rounds=self.rounds + 1, iterations=iterations))
        rounds = self.named(outcome, name)
        if len(rounds) != self.rounds + 1:
            raise BenchError(f'{name} in {self.mode.name}: {len(rounds)} rounds instead of {self.rounds + 1}')
        return Cost(steady(rounds), rounds[-1].machine_ns / iterations, per_iteration(outcome.report, self.idle, iterations * len(rounds)),
                    [round.ns for round in rounds])

    def try_lengths(self, append, name, most):
        """The iterations that fill a round, by short boots: with more and more of them until a round can be timed."""
        iterations = 16 if name in SLOW else 1024
        while True:
            trial = self.named(self.boot(append.format(rounds=3, iterations=iterations)), name)
            ns = steady(trial)
            if ns * iterations >= LEAST_TIMED or iterations * 8 > most:
                return most if ns == 0 else self.length * 1e9 / ns
            iterations *= 8

    @staticmethod
    def named(outcome, name):
        rounds = [round for round in outcome.rounds if round.name == name]
        if not rounds:
            raise BenchError(f'{name}: was not measured; the guest said: ' + ' / '.join(outcome.text[-4:]))
        return rounds

    def operation(self, name):
        """The Cost of one of OPERATIONS."""
        return self.measure('init=/bin/bench -r {rounds} ' + name + ':{iterations}', name)

    def micro(self, name):
        """The Cost of an operation of the kernel's back end (kernel/*/micro.c)."""
        return self.measure('micro=' + name + ':{iterations}:{rounds}', name)
