"""Machine time and what happens at set moments of it.

Time is in nanoseconds of machine time, which only instructions and idle waiting move, so the same input gives the
same run. A clock has few timers (a handful of devices), kept in a sorted list.
"""

NEVER = 1 << 62                 # a moment that does not come
START_OF_TIME = 1065744000      # 10 October 2003, 00:00 UTC: the time of day at machine time 0 unless another is given


class Timer(object):
    """Something due at `when`. A periodic one schedules itself again in expire(), from `when`, so it does not drift."""

    when = NEVER
    scheduled = False

    def expire(self):
        raise NotImplementedError


class Source(object):
    """Where a clock reads the time; the base class stands still at zero."""

    def now(self):
        """Nanoseconds of machine time since power-on."""
        return 0


class DeadlineListener(object):
    def deadline_changed(self):
        """The earliest deadline of the clock has moved."""


class Clock(object):
    _immutable_fields_ = ['timers']

    def __init__(self, source):
        self.source = source
        self.listener = DeadlineListener()
        self.start_of_time = START_OF_TIME      # seconds since 1970
        self.timers = []            # by rising `when`; those of one moment in the order they were scheduled

    def now(self):
        return self.source.now()

    def schedule(self, timer, when):
        """Makes the timer expire at `when` (ns), instead of any earlier arrangement. The past means at once."""
        before = self.next_deadline()
        if timer.scheduled:
            self._remove(timer)
        timer.when = when
        timer.scheduled = True
        place = len(self.timers)
        while place > 0 and self.timers[place - 1].when > when:
            place -= 1
        assert place >= 0
        self.timers.insert(place, timer)
        self._tell_unless(before)

    def cancel(self, timer):
        """The timer does not expire; no harm if it was not scheduled."""
        if timer.scheduled:
            before = self.next_deadline()
            self._remove(timer)
            self._tell_unless(before)

    def next_deadline(self):
        """When the earliest timer is due, in ns; NEVER if there is none."""
        if len(self.timers) == 0:
            return NEVER
        return self.timers[0].when

    def run_due(self, now):
        """Expires every timer due at `now` or before, the earliest first."""
        before = self.next_deadline()
        if before > now:
            return
        while len(self.timers) > 0 and self.timers[0].when <= now:
            timer = self.timers[0]
            self._remove(timer)
            timer.expire()
        self._tell_unless(before)

    def _remove(self, timer):
        timer.scheduled = False
        for i in range(len(self.timers)):
            if self.timers[i] is timer:
                del self.timers[i]
                return

    def _tell_unless(self, before):
        if self.next_deadline() != before:
            self.listener.deadline_changed()
