"""Exceptions of the processor (SDM vol. 3, table 6-1) and the RPython exceptions that carry control out of an instruction."""

DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS, NP, SS, GP, PF, MF, AC, MC, XM = 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19

MNEMONICS = {DE: '#DE', DB: '#DB', NMI: 'NMI', BP: '#BP', OF: '#OF', BR: '#BR', UD: '#UD', NM: '#NM', DF: '#DF', TS: '#TS', NP: '#NP',
             SS: '#SS', GP: '#GP', PF: '#PF', MF: '#MF', AC: '#AC', MC: '#MC', XM: '#XM'}

NO_ERROR_CODE = -1

# page-fault error code (SDM vol. 3, 4.7)
PF_PRESENT, PF_WRITE, PF_USER, PF_RESERVED, PF_FETCH = 1, 2, 4, 8, 16


class Abort(Exception):
    """The running instruction ends without having changed anything that the guest can see."""


class GuestFault(Abort):
    """An exception of class fault.

    vector: 0-31; error: 16- or 32-bit error code, or NO_ERROR_CODE; address: the linear address for a page fault (CR2), for #DB bits of DR6."""

    def __init__(self, vector, error=NO_ERROR_CODE, address=0):
        self.vector = vector
        self.error = error
        self.address = address


class Intercept(Abort):
    """The running instruction causes a fault-like VM exit (SDM vol. 3, 25.1) with this basic exit reason and exit qualification.

    The guest-physical and guest-linear addresses are for EPT violations and misconfigurations; -1 where there is none."""

    def __init__(self, reason, qualification=0, physical=-1, linear=-1):
        self.reason = reason
        self.qualification = qualification
        self.physical = physical
        self.linear = linear


class Freeze(Abort):
    """The processor stands still at the running instruction until there is an interrupt."""


class Breakpoint(Abort):
    """A breakpoint of the debugger or the guest lies at the running instruction."""


class ExecuteAlone(Abort):
    """The running instruction touches a watched datum (see hyper.cpu.debug) or writes where code is (hyper.cpu.block), so it must be executed alone."""


def general_protection(selector=0):
    """#GP with a selector's index as its error code."""
    return GuestFault(GP, selector & 0xfffc)


def undefined():
    """#UD."""
    return GuestFault(UD)
