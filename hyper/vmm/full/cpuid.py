"""CPUID (exit reason 10): what the host's processor says, less VT-x and MONITOR, and with the bit that tells of a hypervisor."""
from hyper.cpu.models import model as models
from hyper.cpu.models.registers import MICROCODE_REVISION

EAX, ECX, EDX, EBX = 0, 1, 2, 3
VERSION_LEAF = 1
HIDDEN_ECX = models.VMX | models.MONITOR
HAS_HYPERVISOR = 1 << 31


def exit_cpuid(domain):
    guest = domain.guest
    leaf = guest.register(EAX)
    answer = domain.model.cpuid(leaf, guest.register(ECX))
    ecx = answer.ecx
    edx = answer.edx
    if leaf == VERSION_LEAF:
        domain.msrs.reload(MICROCODE_REVISION)
        ecx = ecx & ~HIDDEN_ECX | HAS_HYPERVISOR
        edx &= ~domain.msrs.hidden_features()
    guest.set_register(EAX, answer.eax)
    guest.set_register(EBX, answer.ebx)
    guest.set_register(ECX, ecx)
    guest.set_register(EDX, edx)
    guest.skip_instruction()
