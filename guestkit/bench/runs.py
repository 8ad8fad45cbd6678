"""Runs that are ended after a number of instructions. Every run is the same up to there, so the difference of two runs is what the longer one did beyond the
shorter, without booting and without compiling. Times are of the processor, as the host counts them.
"""
import resource
from dataclasses import dataclass

from guestkit.bench.child import BenchError, run_hyper
from guestkit.bench.operations import exits_of

SECONDS = 600


@dataclass(frozen=True)
class Run:
    seconds: float              # of the processor
    instructions: list          # of each domain
    exits: dict                 # of all, by reason
    peak: int

    @property
    def mips(self):
        return sum(self.instructions) / self.seconds / 1e6

    def less(self, other):
        return Run(self.seconds - other.seconds, [a - b for a, b in zip(self.instructions, other.instructions)],
                   {reason: count - other.exits.get(reason, 0) for reason, count in self.exits.items()}, self.peak)


def measure(hyper, words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = run_hyper(hyper, words, SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for domain in outcome.report['domains']:
        if domain['died']:
            raise BenchError(f'a domain was stopped: {" / ".join(outcome.text[-6:])}')
    return Run(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, [domain['instructions'] for domain in outcome.report['domains']],
               exits_of(outcome.report), outcome.peak)


def beyond(hyper, lines, length, times):
    """What each of some runs does in `length` instructions after its warm-up, as Runs. `lines` are pairs of words and the instructions of the warm-up. They take
    turns, and of each the least of so many times counts: what else the host does adds to them, and changes from minute to minute."""
    shortest = {}
    for _ in range(times):
        for k, (words, start) in enumerate(lines):
            for end in (start, start + length):
                run = measure(hyper, [*words, '--instructions', str(end)])
                if (k, end) not in shortest or run.seconds < shortest[k, end].seconds:
                    shortest[k, end] = run
    return [shortest[k, start + length].less(shortest[k, start]) for k, (_, start) in enumerate(lines)]
