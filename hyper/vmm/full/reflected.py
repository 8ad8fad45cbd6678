"""An exception that the VMM raises for the guest, as the processor would have: it is delivered on the next entry."""

DE, DB, UD, DF, TS, NP, SS, GP, PF = 0, 1, 6, 8, 10, 11, 12, 13, 14
NO_ERROR = -1


class Reflected(Exception):
    """`vector` 0-31; `error` is the error code or NO_ERROR; `address` goes to CR2 for a page fault."""

    def __init__(self, vector, error=NO_ERROR, address=0):
        self.vector = vector
        self.error = error
        self.address = address


def general_protection():
    """#GP(0)."""
    return Reflected(GP, 0)


def undefined():
    """#UD."""
    return Reflected(UD)


class Unsupported(Exception):
    """The guest did what this VMM cannot do for it: the domain is stopped. `what` completes "the guest ..."."""

    def __init__(self, what):
        self.what = what
