"""A domain's times: what shared_info says of them, the tick, and the two timeouts.

System time is machine time. Domain virtual time is the instructions the domain has executed, and passes only while it runs. The guest reads the times
of the last update and adds what the time-stamp counter has advanced; the counter runs with machine time.

A timeout is a moment that the guest writes into shared_info, 0 for none; the timer event comes when it is reached, and it is 0 again. Beside
that the timer event comes with every tick of domain virtual time, and now and then to a domain that sleeps and does not mask it.
"""
from hyper.board.clock import Timer
from hyper.vmm.para.layout import EVENT_TIMER, M32, NONE
from hyper.vmx import fields

TICK = 10000000                 # ns of domain virtual time
LONGEST_SLEEP = 500000000       # ns of machine time
CPU_FREQUENCY = 1000000000      # of the time-stamp counter: an instruction takes 1 ns
SECOND = 1000000000
LOW_BITS = 0                    # of the time-stamp counter that st_timestamp leaves out


class VirtualTimer(Timer):
    """What is due in domain virtual time; it runs with the domain."""

    def __init__(self, times):
        self.times = times

    def expire(self):
        self.times.virtual_due()


class SystemTimer(Timer):
    """What is due in machine time."""

    def __init__(self, times):
        self.times = times

    def expire(self):
        self.times.system_due()


class GuestTime(object):
    """Of a ParaDomain; `shared` is the machine address of its shared_info, `layout` says where its fields are."""
    _immutable_fields_ = ['domain', 'clock', 'memory', 'shared', 'layout', 'virtual_timer', 'system_timer']

    def __init__(self, domain, clock, memory, shared, layout):
        self.domain = domain
        self.clock = clock
        self.memory = memory
        self.shared = shared
        self.layout = layout
        self.virtual_timer = VirtualTimer(self)
        self.system_timer = SystemTimer(self)
        self.next_tick = TICK           # in domain virtual time
        self.wall_timeout = 0           # as last seen
        self.domain_timeout = 0
        self.offset = 0                 # of the domain's system time from machine time, if it was brought here from elsewhere
        self.wall_start = domain.host.devices.wall_start        # see Devices
        memory.write32(shared + layout.rdtsc_bitshift, LOW_BITS)
        memory.write64(shared + layout.cpu_freq, CPU_FREQUENCY)
        self.update()

    def update(self):
        """Writes the times as they are now."""
        memory = self.memory
        shared = self.shared
        layout = self.layout
        now = self.now()
        wall = self.wall()
        memory.write64(shared + layout.system_time, now)
        memory.write32(shared + layout.st_timestamp, now >> LOW_BITS & M32)
        memory.write32(shared + layout.tv_sec, wall // SECOND & M32)
        memory.write32(shared + layout.tv_usec, wall % SECOND // 1000)
        if layout.wc_timestamp != NONE:
            memory.write64(shared + layout.wc_timestamp, now)
        memory.write64(shared + layout.domain_time, self.domain.virtual_time())
        version = memory.read32(shared + layout.time_version) + 1 & M32
        memory.write32(shared + layout.time_version, version)
        if layout.time_version_again != NONE:
            memory.write32(shared + layout.time_version_again, version)

    def now(self):
        """System time."""
        return self.clock.now() + self.offset

    def wall(self):
        """Wall-clock time, in ns since 1970."""
        return self.wall_start + self.clock.now()

    def set_wall_start(self, start):
        self.wall_start = start
        self.update()

    def go_on_from(self, now, wall):
        """The domain comes from elsewhere, where its times were these. System time goes on from there; the wall clock may have advanced, but not gone back."""
        self.offset = now - self.clock.now()
        self.wall_start = max(self.wall_start, wall - self.clock.now())
        self.domain.vmx.write64(fields.TSC_OFFSET, self.offset)
        self.update()

    # -- the domain runs or does not

    def resume(self):
        """The domain is about to run."""
        self.update()
        self.look()
        self.schedule_system()
        self.schedule_virtual()

    def pause(self):
        """The domain does not run any more."""
        self.clock.cancel(self.virtual_timer)

    def end(self):
        self.clock.cancel(self.virtual_timer)
        self.clock.cancel(self.system_timer)

    def sleep(self):
        """The domain sleeps until an event."""
        self.look()
        if not self.domain.events.is_wanted(EVENT_TIMER):
            self.clock.cancel(self.system_timer)        # it would not wake the domain; what is due meanwhile is done when it runs again
            return
        when = self.now() + LONGEST_SLEEP
        if self.wall_timeout == 0 or when < self.wall_timeout:
            self.clock.schedule(self.system_timer, when - self.offset)

    # -- timers

    def look(self):
        """Sees the timeouts that the guest has set since."""
        memory = self.memory
        timeout = memory.read64(self.shared + self.layout.wall_timeout)
        if timeout != self.wall_timeout:
            self.wall_timeout = timeout
            self.schedule_system()
        timeout = memory.read64(self.shared + self.layout.domain_timeout)
        if timeout != self.domain_timeout:
            self.domain_timeout = timeout
            if self.virtual_timer.scheduled:
                self.schedule_virtual()

    def schedule_system(self):
        if self.wall_timeout > 0:
            self.clock.schedule(self.system_timer, self.wall_timeout - self.offset)
        else:
            self.clock.cancel(self.system_timer)

    def schedule_virtual(self):
        when = self.next_tick
        if 0 < self.domain_timeout < when:
            when = self.domain_timeout
        self.clock.schedule(self.virtual_timer, self.clock.now() + max(when - self.domain.virtual_time(), 0))

    def virtual_due(self):
        """The tick or the timeout in domain virtual time."""
        now = self.domain.virtual_time()
        if 0 < self.domain_timeout <= now:
            self.domain_timeout = 0
            self.memory.write64(self.shared + self.layout.domain_timeout, 0)
        if self.next_tick <= now:
            self.next_tick = now - now % TICK + TICK
        self.schedule_virtual()
        self.timer_event()

    def system_due(self):
        """The timeout in machine time, or the end of the longest sleep."""
        if 0 < self.wall_timeout <= self.now():
            self.wall_timeout = 0
            self.memory.write64(self.shared + self.layout.wall_timeout, 0)
        self.schedule_system()
        self.timer_event()

    def timer_event(self):
        self.update()
        self.domain.events.send(EVENT_TIMER)
