"""Where a domain stands by Borrowed Virtual Time.

A virtual time is ns of machine time multiplied by an mcu_advance, the inverse of a weight: a domain whose virtual time runs faster gets less of
the processor.
"""
from hyper.board.clock import NEVER
from hyper.vmm.scheduler.parameters import Parameters, USUAL_ADVANCE


class Account(object):
    """Of a domain."""

    def __init__(self):
        self.parameters = Parameters()
        self.actual = 0                 # virtual time
        self.warped_for = 0             # ns that it has run warped since it woke or was last unwarped
        self.unwarped_until = 0         # a moment of machine time

    def begin(self):
        """Another policy begins: nothing has been charged yet."""
        self.actual = 0
        self.set(self.parameters)

    def set(self, parameters):
        self.parameters = parameters
        self.warped_for = 0
        self.unwarped_until = 0

    def is_warped(self, now):
        return self.parameters.warp > 0 and now >= self.unwarped_until

    def effective(self, now):
        """The virtual time by which it competes."""
        if self.is_warped(now):
            return self.actual - self.parameters.warp * USUAL_ADVANCE
        return self.actual

    def until_unwarped(self, now):
        """For how many ns it can run before the warp limit ends its warp."""
        if self.is_warped(now) and self.parameters.warp_limit > 0:
            return self.parameters.warp_limit - self.warped_for
        return NEVER

    def woke(self, now, virtual_time):
        """It can run again, while those that could all the time are at `virtual_time`."""
        self.actual = max(self.actual, virtual_time)
        if self.parameters.unwarp == 0 or now >= self.unwarped_until:
            self.warped_for = 0
            self.unwarped_until = 0

    def charge(self, ran, now):
        """It has run for so many ns up to now."""
        parameters = self.parameters
        if self.is_warped(now - ran):
            self.warped_for += ran
            if 0 < parameters.warp_limit <= self.warped_for:
                self.warped_for = 0
                self.unwarped_until = now + parameters.unwarp if parameters.unwarp > 0 else NEVER
        self.actual += ran * parameters.mcu_advance
