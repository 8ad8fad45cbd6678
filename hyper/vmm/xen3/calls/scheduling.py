"""sched_op, set_timer_op, vcpu_op."""
from hyper.vmm.para.layout import EFAULT, EINVAL, ENOSYS
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmm.xen3.domain_time import LEAST_PERIOD, NO_PERIOD
from hyper.vmm.xen3.layout import ENOENT, ETIME, PORTS

YIELD, BLOCK, SHUTDOWN, POLL, REMOTE_SHUTDOWN, SHUTDOWN_CODE, WATCHDOG = range(7)
POWER_OFF, REBOOT, SUSPEND, CRASH = range(4)
MOST_POLLED = 128
IS_UP, GET_RUNSTATE, SET_PERIODIC, STOP_PERIODIC, SET_SINGLE, STOP_SINGLE = 3, 4, 6, 7, 8, 9
IN_THE_FUTURE = 1               # a flag of SET_SINGLE
RUNNING = 0                     # a run state


def sched_op(domain):
    return operate(domain, domain.arguments[0], domain.arguments[1])


def sched_op_compat(domain):
    """As before there were structures: yield, block, and shutdown with the reason itself."""
    operation = domain.arguments[0]
    if operation == SHUTDOWN:
        return shutdown(domain, domain.arguments[1])
    if operation == YIELD or operation == BLOCK:
        return operate(domain, operation, 0)
    return -ENOSYS


def operate(domain, operation, at):
    if operation == YIELD:
        domain.preempt()
        return 0
    if operation == BLOCK:
        domain.ports.unmask()
        if not domain.ports.wanted():
            domain.sleep()
        return 0
    if operation == SHUTDOWN or operation == SHUTDOWN_CODE:
        reason = domain.linear.read32(at)
        if reason == NOT_MAPPED:
            return -EFAULT
        if operation == SHUTDOWN_CODE:
            return 0            # kept for a shutdown that comes some other way, of which there is none
        return shutdown(domain, reason)
    if operation == POLL:
        return poll(domain, at)
    return -ENOSYS


def shutdown(domain, reason):
    if reason == CRASH:
        domain.die('says that it has crashed')
    elif reason == REBOOT:
        domain.end(0, 'asked for a reboot')
    elif reason == SUSPEND:
        domain.end(0, 'asked to be suspended')
    elif reason == POWER_OFF:
        domain.end(0, 'powered off')
    else:
        return -EINVAL
    return 0


def poll(domain, at):
    """{u32 ports, u32 count, u64 timeout}: sleeps until an event comes on one of the ports, masked or not, or system time reaches the timeout."""
    linear = domain.linear
    channels = domain.ports
    list_at = linear.read32(at)
    count = linear.read32(at + 4)
    timeout = read64(linear, at + 8)
    if list_at == NOT_MAPPED or count == NOT_MAPPED or timeout == NOT_MAPPED:
        return -EFAULT
    if count > MOST_POLLED:
        return -EINVAL
    ports = []
    for k in range(count):
        port = linear.read32(list_at + 4 * k)
        if port == NOT_MAPPED:
            return -EFAULT
        if port >= PORTS:
            return -EINVAL
        ports.append(port)
    for port in ports:
        if channels.has_come(port):
            return 0
    if channels.wanted():
        return 0
    times = domain.timers
    if timeout > 0:
        if timeout <= times.clock.now():
            return 0
        times.clock.schedule(times.poll_end, timeout)
    channels.polled = ports
    domain.sleep()
    return 0


def set_timer_op(domain):
    """A moment of system time, 0 for none."""
    domain.timers.set_deadline(moment(domain.arguments[0] | domain.arguments[1] << 32))
    return 0


def moment(value):
    """Beyond what a signed word holds is never."""
    if value < 0:
        return 0
    return value


def vcpu_op(domain):
    operation = domain.arguments[0]
    at = domain.arguments[2]
    linear = domain.linear
    times = domain.timers
    if domain.arguments[1] != 0:
        return -ENOENT
    if operation == IS_UP:
        return 1
    if operation == GET_RUNSTATE:
        return run_state(domain, at)
    if operation == STOP_PERIODIC:
        times.set_period(NO_PERIOD)
        return 0
    if operation == STOP_SINGLE:
        times.set_deadline(0)
        return 0
    if operation != SET_PERIODIC and operation != SET_SINGLE:
        return -ENOSYS
    when = read64(linear, at)
    if when == NOT_MAPPED:
        return -EFAULT
    if operation == SET_PERIODIC:
        if when < LEAST_PERIOD:
            return -EINVAL
        times.set_period(when)
        return 0
    flags = linear.read32(at + 8)
    if flags == NOT_MAPPED:
        return -EFAULT
    if flags & IN_THE_FUTURE and when < times.clock.now():
        return -ETIME
    times.set_deadline(when)
    return 0


def run_state(domain, at):
    """{s32 state, u64 since when, u64 times by state: running, runnable, blocked, offline}; what does not run is taken for blocked."""
    now = domain.timers.clock.now()
    ran = domain.virtual_time()
    words = [RUNNING, now & 0xffffffff, now >> 32, ran & 0xffffffff, ran >> 32, 0, 0, now - ran & 0xffffffff, now - ran >> 32 & 0xffffffff, 0, 0]
    for k in range(len(words)):
        if not domain.linear.write32(at + 4 * k, words[k]):
            return -EFAULT
    return 0


def read64(linear, at):
    """An unsigned word of which the highest bit does not count, NOT_MAPPED if it cannot be read."""
    low = linear.read32(at)
    high = linear.read32(at + 4)
    if low == NOT_MAPPED or high == NOT_MAPPED:
        return NOT_MAPPED
    return low | (high & 0x7fffffff) << 32
