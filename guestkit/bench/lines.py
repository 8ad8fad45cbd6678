"""What benchmark guests print, and when: the clock of the host is read as a line arrives.

    begin NAME                                      a round starts
    bench NAME ITERATIONS NANOSECONDS [CHECKSUM]    it has ended; NANOSECONDS are of machine time, one an instruction

The guest's own clock is machine time, which a VMM does not take part in. So a round is timed from outside, from the arrival of its first
line to that of its second. Each write of a line is one small system call of ours, some microseconds in a round of a tenth of a second. Of several
domains each line begins with the name of its domain and a bar, which is left away.
"""
import statistics
from dataclasses import dataclass

SHORTEST = 1e-6                 # seconds of a round whose two lines have been read together: it was too short to be timed


@dataclass(frozen=True)
class Round:
    """One timed repetition: `seconds` on the host, `machine_ns` in the guest."""
    name: str
    iterations: int
    machine_ns: int
    checksum: str
    seconds: float

    @property
    def ns(self):
        """Host nanoseconds an iteration."""
        return self.seconds * 1e9 / self.iterations


class Lines:
    """Collects rounds from lines; what else the guest says is kept too."""

    def __init__(self):
        self.begun = {}
        self.rounds = []
        self.text = []

    def line(self, text, now):
        """One line without its end, which arrived at `now` seconds."""
        words = text.rpartition('| ')[2].split()
        if len(words) == 2 and words[0] == 'begin':
            self.begun[words[1]] = now
        elif len(words) in (4, 5) and words[0] == 'bench' and words[2].isdigit() and words[3].isdigit() and words[1] in self.begun:
            checksum = words[4] if len(words) == 5 else ''
            self.rounds.append(Round(words[1], int(words[2]), int(words[3]), checksum, max(now - self.begun.pop(words[1]), SHORTEST)))
        else:
            self.text.append(text)


def steady(rounds):
    """The median of the rounds after the first, in which the JIT compiler warms up; of one round, that."""
    return statistics.median(round.ns for round in (rounds[1:] or rounds))
