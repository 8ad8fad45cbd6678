"""Debug registers (exit reason 29; SDM vol. 3, table 27-4 for the qualification): kept for the guest, and not loaded into the processor,
which other domains share."""
from hyper.vmm.domain import DR6_ONES, DR7_ONES
from hyper.vmm.full.cr_access import CR4_DE
from hyper.vmm.full.reflected import undefined
from hyper.vmx import fields

FROM_DR = 1 << 4
DR6_MAY, DR7_MAY = 0x0000e00f, 0xffff2bff


def exit_dr_access(domain):
    guest = domain.guest
    qualification = guest.read(fields.EXIT_QUALIFICATION)
    number = qualification & 7
    gpr = qualification >> 8 & 7
    if number == 4 or number == 5:
        if guest.read(fields.CR4_SHADOW) & CR4_DE:
            raise undefined()
        number += 2
    if qualification & FROM_DR:
        guest.set_register(gpr, domain.debug[number])
    else:
        value = guest.register(gpr)
        if number == 6:
            value = value & DR6_MAY | DR6_ONES
        elif number == 7:
            value = value & DR7_MAY | DR7_ONES
        domain.debug[number] = value
    guest.skip_instruction()
