"""yield and exit; sched_op of 1.2, which is both."""
from hyper.vmm.para.layout import EINVAL, SCHEDULE_EXIT, SCHEDULE_STOP, SCHEDULE_YIELD


def yield_processor(domain):
    """Sleeps until an event that the guest does not mask, whatever the master bit says; if there is one, only others run first. A guest that was asked to
    stop itself does so with the argument that sched_op of 1.2 has for that."""
    if domain.stopping and domain.arguments[0] == SCHEDULE_STOP:
        domain.stop_itself()
        return 0
    domain.times.look()
    if domain.events.wanted():
        domain.preempt()
    elif domain.events.can_wake():
        domain.times.sleep()
        domain.sleep()
    else:
        domain.die('waits for an event, and masks all of them')
    return 0


def exit_domain(domain):
    domain.end(0, 'exited')
    return 0


def sched_op(domain):
    operation = domain.arguments[0]
    if operation == SCHEDULE_YIELD:
        return yield_processor(domain)
    if operation == SCHEDULE_EXIT:
        return exit_domain(domain)
    if operation == SCHEDULE_STOP:
        if domain.stopping:
            domain.stop_itself()
            return 0
        domain.end(0, 'stopped itself')     # there is nobody who could start it again
        return 0
    return -EINVAL
