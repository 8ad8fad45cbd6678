"""A scheduler with domains that compute, sleep and wake as a test says."""
from hyper.board.clock import Clock
from hyper.vmm.scheduler.account import Account

from board_parts import Hand


class Domain(object):
    def __init__(self):
        self.alive = True
        self.asleep = False
        self.account = Account()
        self.time = 0                   # that it has run for

    def can_run(self):
        return self.alive and not self.asleep


class Hypervisor(object):
    interrupts = 0

    def interrupt(self):
        self.interrupts += 1


class Bench(object):
    def __init__(self, policy, count, **arguments):
        self.hand = Hand()
        self.clock = Clock(self.hand)
        self.hypervisor = Hypervisor()
        self.scheduler = policy(self.clock, self.hypervisor, **arguments)
        self.domains = []
        for k in range(count):
            self.create()

    def create(self):
        domain = Domain()
        self.domains.append(domain)
        self.scheduler.add(domain)
        return domain

    def run(self, ns):
        """The picked domain computes; whether it has to leave then."""
        self.scheduler.running.time += ns
        self.hand.time += ns
        self.clock.run_due(self.hand.time)
        return self.scheduler.must_leave()

    def compute(self, until):
        """Every domain that can run has nothing to do but to compute, until a moment of machine time; returns which ran, in order."""
        ran = []
        while self.hand.time < until:
            domain = self.scheduler.pick()
            ran.append(self.domains.index(domain))
            left = False
            while not left and self.hand.time < until:
                left = self.run(max(min(self.scheduler.when, until) - self.hand.time, 0))
            if left:
                self.scheduler.put_back()
        return ran

    def sleep(self):
        """The running domain waits for an event."""
        self.scheduler.running.asleep = True
        self.scheduler.put_back()

    def wake(self, domain):
        domain.asleep = False
        self.scheduler.add(domain)

    def times(self):
        return [domain.time for domain in self.domains]
