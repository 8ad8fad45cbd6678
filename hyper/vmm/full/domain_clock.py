"""Machine time for the devices of one domain: when that has ended, none of their timers is left."""
from hyper.board.clock import Clock


class DomainClock(Clock):
    """`clock` is the machine's. At most a handful of timers are ever scheduled here."""
    _immutable_fields_ = ['clock', 'known']

    def __init__(self, clock):
        Clock.__init__(self, clock.source)
        self.clock = clock
        self.start_of_time = clock.start_of_time
        self.known = []                 # all timers that were ever scheduled
        self.ended = False

    def schedule(self, timer, when):
        if self.ended:
            return
        if not timer.scheduled and not self.knows(timer):
            self.known.append(timer)
        self.clock.schedule(timer, when)

    def knows(self, timer):
        for one in self.known:
            if one is timer:
                return True
        return False

    def cancel(self, timer):
        self.clock.cancel(timer)

    def next_deadline(self):
        return self.clock.next_deadline()

    def run_due(self, now):
        self.clock.run_due(now)

    def end(self):
        self.ended = True
        for timer in self.known:
            self.clock.cancel(timer)
