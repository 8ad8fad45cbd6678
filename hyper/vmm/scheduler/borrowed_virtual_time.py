"""Borrowed Virtual Time (Duda and Cheriton 1999): weighted shares, with low latency for those that need it.

Each domain has an actual virtual time, which advances while it runs, by mcu_advance for each ns. The one with the earliest effective virtual time
runs, which is the actual one, or an earlier one for a domain that is warped: it borrows from its own future and so comes before others when it
wakes, but in the long run it gets no more than its share. It keeps the processor until it is ahead of the next one by the context-switch
allowance, which is in ns for a domain of the usual weight: others run on in proportion to theirs, so that all are ahead by the same virtual time.
Who has slept begins where those are that have not.
"""
from hyper.vmm.scheduler.parameters import USUAL_ADVANCE
from hyper.vmm.scheduler.scheduler import Scheduler

ALLOWANCE = 750000              # ns, unless another is given
LEAST_PART = 4                  # a domain of little weight may run on for this part of the allowance: switching costs as much for it
LONGEST_SLICE = 5000000         # ns
FAR = 1 << 62


class BorrowedVirtualTime(Scheduler):
    def __init__(self, clock, hypervisor, allowance=0):
        Scheduler.__init__(self, clock, hypervisor, allowance or ALLOWANCE)
        self.virtual_time = 0           # the actual virtual time of the one that has had least, of those that can run
        self.yielded = None             # the domain that has just let another run: it comes after that one's allowance

    def best(self):
        queue = self.queue
        now = self.clock.now()
        found = -1
        earliest = FAR
        for k in range(len(queue)):
            at = queue[k].account.effective(now)
            if at < earliest and (queue[k] is not self.yielded or len(queue) == 1):
                earliest = at
                found = k
        return found

    def slice(self):
        now = self.clock.now()
        account = self.running.account
        advance = account.parameters.mcu_advance
        ns = min(LONGEST_SLICE, account.until_unwarped(now))
        run_on = max(self.allowance * USUAL_ADVANCE // advance, self.allowance // LEAST_PART)
        earliest = FAR
        for domain in self.queue:
            other = domain.account
            if domain is self.yielded:
                ns = min(ns, run_on)
            else:
                earliest = min(earliest, other.effective(now))
            if other.unwarped_until > now:
                ns = min(ns, other.unwarped_until - now)
        if earliest < FAR:
            ns = min(ns, (earliest - account.effective(now) + advance - 1) // advance + run_on)
        return ns

    def expire(self):
        self.yielded = None
        Scheduler.expire(self)

    def put_back(self):
        domain = self.running
        self.settle()
        self.look_at_virtual_time()
        self.yielded = None
        if domain is not None and not self.over and domain.can_run():
            self.yielded = domain
        Scheduler.put_back(self)

    def charge(self, domain, ran):
        domain.account.charge(ran, self.clock.now())

    def arrives(self, domain):
        self.look_at_virtual_time()
        domain.account.woke(self.clock.now(), self.virtual_time)

    def look_at_virtual_time(self):
        """That of those that can run; it never goes back."""
        least = FAR
        if self.running is not None:
            least = self.running.account.actual
        for domain in self.queue:
            least = min(least, domain.account.actual)
        if least < FAR:
            self.virtual_time = max(self.virtual_time, least)
