"""Rate limits: so many bytes in each period of machine time. What is too much for the rest of a period may begin in it all the same; the debt is paid by
the periods that follow."""


class Credit(object):
    """`amount` bytes every `period` ns."""
    _immutable_fields_ = ['clock', 'amount', 'period']

    def __init__(self, clock, amount, period):
        assert amount > 0 and period > 0
        self.clock = clock
        self.amount = amount
        self.period = period
        self.left = amount
        self.current = clock.now() // period        # number of the period that `left` is of

    def take(self, size):
        """False if there is nothing left now."""
        number = self.clock.now() // self.period
        passed = number - self.current
        if passed > 0:
            self.current = number
            if self.left + passed * self.amount > self.amount:
                self.left = self.amount
            else:
                self.left += passed * self.amount
        if self.left <= 0:
            return False
        self.left -= size
        return True

    def more_at(self):
        """When there will be some, after take() has refused."""
        return (self.current + 1 + -self.left // self.amount) * self.period


def per_second(clock, rate):
    """The Credit of so many bytes a second; None for 0, which is no limit."""
    if rate == 0:
        return None
    return Credit(clock, max(rate // 100, 1), 10000000)
