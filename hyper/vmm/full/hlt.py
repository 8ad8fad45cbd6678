"""HLT (exit reason 12): the domain sleeps until its PICs have an interrupt; the scheduler runs others or lets time pass to the next deadline."""
from hyper.vmm.full.guest import FLAG_IF


def exit_hlt(domain):
    guest = domain.guest
    if not guest.flags() & FLAG_IF:
        domain.die('halted with interrupts off')
        return
    guest.skip_instruction()
    if not domain.injector.has_interrupt():
        domain.sleep()
