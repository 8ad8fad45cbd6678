"""Debug registers (exit reason 29; SDM vol. 3, table 27-4 for the qualification, 17.2 for the registers): the guest's are in the processor while it runs.
The exit comes before the instruction's own faults (25.1.3), so those are found here."""
from hyper.cpu.debug import DR6_BD, DR6_DEFINED, DR7_DEFINED, DR7_GD
from hyper.vmm.domain import DR6_ONES, DR7_ONES
from hyper.vmm.full.cr_access import CR4_DE, read_cr4
from hyper.vmm.full.reflected import DB, Reflected, general_protection, undefined
from hyper.vmx import fields

FROM_DR = 1 << 4
ON_PORTS = 2                    # kind of a breakpoint
LENGTHS = [1, 2, 8, 4]
PENDING_ENABLED = 1 << 12       # of the pending debug exceptions (24.4.2)


def exit_dr_access(domain):
    guest = domain.guest
    qualification = guest.read(fields.EXIT_QUALIFICATION)
    number = qualification & 7
    gpr = qualification >> 8 & 7
    if number == 4 or number == 5:
        if read_cr4(domain) & CR4_DE:
            raise undefined()
        number += 2
    if guest.privilege() != 0:
        raise general_protection()
    if domain.debug[7] & DR7_GD:
        domain.set_debug_register(6, domain.debug_register(6) | DR6_BD)
        domain.set_debug_register(7, domain.debug[7] & ~DR7_GD)
        raise Reflected(DB)
    if qualification & FROM_DR:
        guest.set_register(gpr, domain.debug_register(number))
    else:
        value = guest.register(gpr)
        if number == 6:
            value = value & DR6_DEFINED | DR6_ONES
        elif number == 7:
            value = value & DR7_DEFINED | DR7_ONES
        domain.set_debug_register(number, value)
    guest.skip_instruction()


def touch_port(domain, port, size):
    """The guest's breakpoints on ports, which the processor does not meet where the VMM does the I/O: they trap behind the instruction."""
    dr7 = domain.debug[7]
    guest = domain.guest
    if dr7 & 0xff == 0 or not read_cr4(domain) & CR4_DE:
        return
    bits = 0
    for k in range(4):
        if dr7 >> 2 * k & 3 and dr7 >> 16 + 4 * k & 3 == ON_PORTS:
            length = LENGTHS[dr7 >> 18 + 4 * k & 3]
            first = domain.debug[k] & ~(length - 1)
            if port < first + length and first < port + size:
                bits |= 1 << k
    if bits:
        guest.write(fields.GUEST_PENDING_DEBUG, guest.read(fields.GUEST_PENDING_DEBUG) | bits | PENDING_ENABLED)
