"""Which domain runs next: what all policies have in common.

A domain runs until it sleeps, ends, yields, or the policy prefers another; then it goes back among those that can run. At the end of every slice
it exits, even if it may go on, so that the hypervisor can see whether it still does anything.
"""
from hyper.board.clock import Timer
from hyper.vmm.scheduler.parameters import LEAST_ALLOWANCE, MOST_ALLOWANCE, Parameters


class Scheduler(Timer):
    """`clock` is machine time. When the running domain has to leave, `interrupt` of the hypervisor makes it exit. A policy is a subclass.
    `allowance` is for how long, in ns, a domain may run on though another has as good a claim."""
    _immutable_fields_ = ['clock', 'hypervisor', 'queue']

    def __init__(self, clock, hypervisor, allowance):
        self.clock = clock
        self.hypervisor = hypervisor
        self.allowance = allowance
        self.queue = []                 # domains that can run, but for the running one
        self.running = None
        self.since = 0                  # when the time of the running one was last charged
        self.over = False               # the slice of the running domain

    # -- what a policy defines

    def best(self):
        """The place in the queue, which is not empty, of the domain to run next."""
        raise NotImplementedError

    def slice(self):
        """How many ns the running domain may go on from now; 0 or less if it has to make room for one of the queue."""
        raise NotImplementedError

    def charge(self, domain, ran):
        """The domain has run for so many ns."""

    def arrives(self, domain):
        """It comes into the queue, and was not runnable before."""

    # -- which domains there are

    def add(self, domain):
        """The domain can run from now on."""
        if domain is not self.running:
            self.settle()
            self.arrives(domain)
            self.queue.append(domain)
            self.reconsider()

    def remove(self, domain):
        """The domain cannot run for now, or never again; `add` takes it back. The running one must be made to leave."""
        for k in range(len(self.queue)):
            if self.queue[k] is domain:
                del self.queue[k]
                return

    # -- which of them runs

    def pick(self):
        """The domain to run now: the one that was interrupted in its slice, or the best; None if none can run."""
        if self.running is None and len(self.queue) > 0:
            at = self.best()
            assert at >= 0
            self.running = self.queue[at]
            del self.queue[at]
            self.since = self.clock.now()
            self.begin_slice(self.slice())
        return self.running

    def put_back(self):
        """The running domain gives up the processor, and waits with the others if it can run on."""
        domain = self.running
        self.settle()
        self.running = None
        self.over = False
        self.clock.cancel(self)
        if domain is not None and domain.can_run():
            self.queue.append(domain)

    def settle(self):
        """Charges the running domain for its time up to now."""
        if self.running is not None:
            now = self.clock.now()
            ran = now - self.since
            self.since = now
            self.charge(self.running, ran)

    def begin_slice(self, ns):
        self.over = False
        self.clock.schedule(self, self.clock.now() + ns)

    def reconsider(self):
        """Something has changed that can end the slice sooner or later."""
        if self.running is not None and not self.over:
            self.begin_slice(max(self.slice(), 0))

    def expire(self):
        """The slice is used up."""
        self.over = True
        self.hypervisor.interrupt()

    def must_leave(self):
        """After the interrupt: whether the running domain makes room for another. If not it gets a new slice."""
        if not self.over:
            return False
        self.settle()
        ns = self.slice()
        if ns <= 0:
            return True
        self.begin_slice(ns)
        return False

    # -- what can be set while domains run; False if a value is out of range

    def adjust(self, domain, mcu_advance, warp, warp_limit, unwarp):
        """Sets the domain's Parameters."""
        parameters = Parameters(mcu_advance, warp, warp_limit, unwarp)
        if not parameters.are_good():
            return False
        self.settle()
        domain.account.set(parameters)
        self.reconsider()
        return True

    def set_allowance(self, ns):
        if not LEAST_ALLOWANCE <= ns <= MOST_ALLOWANCE:
            return False
        self.allowance = ns
        self.settle()
        self.reconsider()
        return True
