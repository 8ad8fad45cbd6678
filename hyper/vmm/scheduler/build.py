"""Makes the scheduler of a hypervisor."""
from hyper.options import ROUND_ROBIN
from hyper.vmm.scheduler.borrowed_virtual_time import BorrowedVirtualTime
from hyper.vmm.scheduler.round_robin import RoundRobin


def make_scheduler(policy, allowance, clock, hypervisor):
    """`policy` is a word of --scheduler, `allowance` in ns, 0 for the policy's usual one."""
    if policy == ROUND_ROBIN:
        return RoundRobin(clock, hypervisor, allowance)
    return BorrowedVirtualTime(clock, hypervisor, allowance)
