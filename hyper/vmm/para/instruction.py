"""What the hypervisor does in place of the end of an instruction that it has carried out for a guest, and INT instructions as they stand in memory."""
from hyper.vmm.para.layout import M32
from hyper.vmx import fields

FLAG_TF, FLAG_RF = 1 << 8, 1 << 16
BLOCKED_BY_STI, BLOCKED_BY_MOV_SS = 1, 2
PENDING_SINGLE_STEP = 1 << 14           # BS of the pending debug exceptions (SDM vol. 3, 24.4.2)
INT_N = 0xcd
LONGEST = 15                            # bytes of an instruction
PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3]


def advance(vmx, length):
    """The guest goes on behind an instruction of so many bytes."""
    vmx.vmwrite(fields.GUEST_RIP, (vmx.vmread(fields.GUEST_RIP) + length) & M32)
    blocking = vmx.vmread(fields.GUEST_INTERRUPTIBILITY)
    if blocking & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS):
        vmx.vmwrite(fields.GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
    flags = vmx.vmread(fields.GUEST_RFLAGS)
    if flags & (FLAG_TF | FLAG_RF):
        vmx.vmwrite(fields.GUEST_RFLAGS, flags & ~FLAG_RF)
        pending = 0
        if flags & FLAG_TF:
            pending = PENDING_SINGLE_STEP
        vmx.vmwrite(fields.GUEST_PENDING_DEBUG, pending)


def length_of_int(linear, at):
    """The length of the INT instruction at a linear address, which may have prefixes."""
    length = 0
    while length < LONGEST - 2:
        byte = linear.read8((at + length) & M32)
        length += 1
        if byte == INT_N or byte not in PREFIXES:
            break
    return length + 1
