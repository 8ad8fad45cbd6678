"""What can be set of the scheduling, and within which limits. Times are in ns of machine time."""

USUAL_ADVANCE = 10              # the mcu_advance of a domain that nothing was said of
MOST_ADVANCE = 10000
LONGEST = 10000000000           # of the times that can be set
LEAST_ALLOWANCE, MOST_ALLOWANCE = 10000, 1000000000


class Parameters(object):
    """`warp` is how far back the domain's effective virtual time is set, in ns at the usual mcu_advance. A domain runs warped for at most
    `warp_limit`, 0 for no limit; then it is unwarped for the time of `unwarp`, or if that is 0 until it next wakes."""

    def __init__(self, mcu_advance=USUAL_ADVANCE, warp=0, warp_limit=0, unwarp=0):
        self.mcu_advance = mcu_advance
        self.warp = warp
        self.warp_limit = warp_limit
        self.unwarp = unwarp

    def copy(self):
        return Parameters(self.mcu_advance, self.warp, self.warp_limit, self.unwarp)

    def are_good(self):
        return (1 <= self.mcu_advance <= MOST_ADVANCE and 0 <= self.warp <= LONGEST and 0 <= self.warp_limit <= LONGEST and
                0 <= self.unwarp <= LONGEST)
