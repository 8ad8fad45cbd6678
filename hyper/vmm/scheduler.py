"""Which domain runs next: round robin with a time slice in machine time.

A domain runs until it sleeps, ends, yields or has used up its slice while another could run; then it goes behind the others. At the end of every
slice the domain exits, even if it may go on, so that the hypervisor can see whether it still does anything.
"""
from hyper.board.clock import Timer

SLICE = 5000000                 # ns of machine time, which is instructions


class Scheduler(Timer):
    """`clock` is machine time. When the running domain has to leave, `interrupt` of the hypervisor makes it exit."""
    _immutable_fields_ = ['clock', 'hypervisor', 'queue']

    def __init__(self, clock, hypervisor):
        self.clock = clock
        self.hypervisor = hypervisor
        self.queue = []                 # domains that can run, but for the running one, the next one first
        self.running = None
        self.over = False               # the slice of the running domain

    def add(self, domain):
        """The domain can run from now on."""
        if domain is not self.running:
            self.queue.append(domain)

    def remove(self, domain):
        """The domain cannot run for now, or never again; `add` takes it back. The running one must be made to leave."""
        for k in range(len(self.queue)):
            if self.queue[k] is domain:
                del self.queue[k]
                return

    def pick(self):
        """The domain to run now: the one that was interrupted in its slice, or the next; None if none can run."""
        if self.running is None and len(self.queue) > 0:
            self.running = self.queue[0]
            del self.queue[0]
            self.over = False
            self.clock.schedule(self, self.clock.now() + SLICE)
        return self.running

    def put_back(self):
        """The running domain gives up the processor; if it can run on it gets its next turn after the others."""
        domain = self.running
        self.running = None
        self.over = False
        self.clock.cancel(self)
        if domain is not None and domain.can_run():
            self.queue.append(domain)

    def expire(self):
        """The slice is used up."""
        self.over = True
        self.hypervisor.interrupt()

    def must_leave(self):
        """After the interrupt: whether the running domain makes room for another. If there is none it gets a new slice."""
        if not self.over:
            return False
        if len(self.queue) > 0:
            return True
        self.over = False
        self.clock.schedule(self, self.clock.now() + SLICE)
        return False
