"""A domain's times in the Xen 3 layout: system time is machine time, which the guest works out between updates from its time-stamp counter; the wall
clock is told once, as the time of day at system time 0. One timer for a moment of system time, another for a period; both raise VIRQ_TIMER.
"""
from hyper.board.clock import Timer
from hyper.vmm.para.guest_time import GuestTime, SECOND
from hyper.vmm.para.layout import M32
from hyper.vmm.xen3.layout import (TIME_MULTIPLIER, TIME_SHIFT, TIME_SYSTEM, TIME_TSC, TIME_VERSION, VIRQ_TIMER, WALL_NANOSECONDS, WALL_SECONDS,
                                   WALL_SECONDS_HIGH, WALL_VERSION)

MULTIPLIER, SHIFT = 0x80000000, 1       # of the time-stamp counter, which counts ns: (ticks << 1) * 2^31 >> 32
LEAST_PERIOD = 1000000                  # ns, as Xen has it
NO_PERIOD = 0


class TimeTimer(Timer):
    _immutable_fields_ = ['times']

    def __init__(self, times):
        self.times = times


class Deadline(TimeTimer):
    """The guest's one-shot timer."""

    def expire(self):
        self.times.due()


class Period(TimeTimer):
    """The guest's periodic timer."""

    def expire(self):
        self.times.period_due(self.when)


class PollEnd(TimeTimer):
    """The end of a poll that no event has ended."""

    def expire(self):
        self.times.domain.wake()


class Xen3Time(GuestTime):
    """Of a Xen3Domain; `shared` is the machine address of its shared_info, `ports` its Channels."""
    _immutable_fields_ = ['ports', 'deadline', 'periodic', 'poll_end']

    def __init__(self, domain, clock, memory, shared, ports):
        self.domain = domain
        self.ports = ports
        self.clock = clock
        self.memory = memory
        self.shared = shared
        self.deadline = Deadline(self)
        self.periodic = Period(self)
        self.poll_end = PollEnd(self)
        self.period = NO_PERIOD
        memory.write32(shared + TIME_MULTIPLIER, MULTIPLIER)
        memory.write8(shared + TIME_SHIFT, SHIFT)
        self.set_wall_start(domain.host.devices.wall_start)

    def update(self):
        """Odd versions would say that an update is under way, which no guest can see."""
        memory = self.memory
        shared = self.shared
        now = self.clock.now()
        memory.write64(shared + TIME_TSC, now)
        memory.write64(shared + TIME_SYSTEM, now)
        memory.write32(shared + TIME_VERSION, memory.read32(shared + TIME_VERSION) + 2 & M32 & ~1)

    def set_wall_start(self, start):
        memory = self.memory
        shared = self.shared
        memory.write32(shared + WALL_SECONDS, start // SECOND & M32)
        memory.write32(shared + WALL_SECONDS_HIGH, start // SECOND >> 32 & M32)
        memory.write32(shared + WALL_NANOSECONDS, start % SECOND)
        memory.write32(shared + WALL_VERSION, memory.read32(shared + WALL_VERSION) + 2 & M32 & ~1)
        self.update()

    def resume(self):
        self.update()

    def pause(self):
        pass

    def end(self):
        for timer in [self.deadline, self.periodic, self.poll_end]:
            self.clock.cancel(timer)

    def sleep(self):
        pass

    def look(self):
        """There is nothing that the guest could have set without a hypercall."""

    def set_deadline(self, when):
        """0 for none; one that has passed is due at once."""
        if when <= 0:
            self.clock.cancel(self.deadline)
        else:
            self.clock.schedule(self.deadline, when)

    def set_period(self, period):
        self.period = period
        if period == NO_PERIOD:
            self.clock.cancel(self.periodic)
        else:
            self.clock.schedule(self.periodic, self.clock.now() + period)

    def due(self):
        self.update()
        self.ports.raise_virtual(VIRQ_TIMER)

    def period_due(self, when):
        self.clock.schedule(self.periodic, when + self.period)
        self.due()
