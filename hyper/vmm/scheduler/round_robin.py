"""Round robin: each domain in turn, for as long as the allowance. Nothing that can be set of a domain matters."""
from hyper.vmm.scheduler.scheduler import Scheduler

SLICE = 5000000                 # ns, unless another allowance is given


class RoundRobin(Scheduler):
    """The queue is in the order of turns."""

    def __init__(self, clock, hypervisor, allowance=0):
        Scheduler.__init__(self, clock, hypervisor, allowance or SLICE)

    def best(self):
        return 0

    def slice(self):
        if self.over and len(self.queue) > 0:
            return 0
        return self.allowance

    def reconsider(self):
        """A slice has its length, whatever happens."""
