"""Debug registers (exit reason 29; SDM vol. 3, table 27-4 for the qualification, 17.2 for the registers): the guest's are in the processor while it runs.
The exit comes before the instruction's own faults (25.1.3), so those are found here."""
from hyper.cpu.debug import DR6_BD, DR6_DEFINED, DR7_DEFINED, DR7_GD
from hyper.vmm.domain import DR6_ONES, DR7_ONES
from hyper.vmm.full.cr_access import CR4_DE
from hyper.vmm.full.reflected import DB, Reflected, general_protection, undefined
from hyper.vmx import fields

FROM_DR = 1 << 4


def exit_dr_access(domain):
    guest = domain.guest
    qualification = guest.read(fields.EXIT_QUALIFICATION)
    number = qualification & 7
    gpr = qualification >> 8 & 7
    if number == 4 or number == 5:
        if guest.read(fields.CR4_SHADOW) & CR4_DE:
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
