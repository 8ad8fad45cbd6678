"""CPUID (exit reason 10): what the host's processor says, less VT-x, and with the bit that tells of a hypervisor."""

EAX, ECX, EDX, EBX = 0, 1, 2, 3
VERSION_LEAF = 1
HAS_VMX = 1 << 5                # of ECX in the leaf of the version
HAS_HYPERVISOR = 1 << 31


def exit_cpuid(domain):
    guest = domain.guest
    leaf = guest.register(EAX)
    answer = domain.model.cpuid(leaf, guest.register(ECX))
    ecx = answer.ecx
    if leaf == VERSION_LEAF:
        ecx = ecx & ~HAS_VMX | HAS_HYPERVISOR
    guest.set_register(EAX, answer.eax)
    guest.set_register(EBX, answer.ebx)
    guest.set_register(ECX, ecx)
    guest.set_register(EDX, answer.edx)
    guest.skip_instruction()
