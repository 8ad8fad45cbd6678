"""What a guest has said about its handlers: the trap table, the callbacks, the ring-1 stack; and the fast trap, which the processor itself takes.

The processor's IDT is the hypervisor's and has no gate but that of the fast trap: exceptions exit by the exception bitmap, and INT instructions by the
#GP of the gate that is not there.
"""
from hyper.vmm.para.layout import FIRST_FAST_TRAP, HYPERCALL_VECTOR, TRAP_DPL, TRAP_MASKS_EVENTS

VECTORS = 256
NO_FAST_TRAP = 0
TRAP_GATE = 0x8f00              # a present 32-bit trap gate, since IF stays set: guests mask events, not interrupts
# in the frame with the IDT
TSS_OFFSET = 0x800
ESP1, SS1, IO_MAP = TSS_OFFSET + 4 + 8, TSS_OFFSET + 4 + 12, TSS_OFFSET + 0x66
TSS_SIZE = 0x68


class Traps(object):
    """`frame` is the machine address of the frame with the processor's IDT and TSS for this domain."""
    _immutable_fields_ = ['memory', 'frame', 'address', 'selector', 'flags']

    def __init__(self, memory, frame):
        self.memory = memory
        self.frame = frame
        self.address = [0] * VECTORS        # 0: no handler
        self.selector = [0] * VECTORS
        self.flags = [0] * VECTORS          # of trap_info
        self.fast = NO_FAST_TRAP
        self.stack_selector = 0
        self.stack_pointer = 0
        self.event_selector = 0
        self.event_address = 0
        self.failsafe_selector = 0
        self.failsafe_address = 0
        memory.write16(frame + IO_MAP, TSS_SIZE)        # beyond the limit: no port is open

    def set_stack(self, selector, pointer):
        """The ring-1 stack for entries from outer rings."""
        self.stack_selector = selector
        self.stack_pointer = pointer
        self.memory.write32(self.frame + ESP1, pointer)
        self.memory.write32(self.frame + SS1, selector)

    def may_be_fast(self, vector):
        """Whether the processor can enter the handler of a vector: it has one, which does not mask events."""
        if vector < FIRST_FAST_TRAP or vector >= VECTORS or vector == HYPERCALL_VECTOR:
            return False
        return self.address[vector] != 0 and not self.flags[vector] & TRAP_MASKS_EVENTS

    def set_fast_trap(self, vector):
        """Gives the vector a gate if that is possible; any other has none then."""
        memory = self.memory
        if self.fast != NO_FAST_TRAP:
            memory.write64(self.frame + 8 * self.fast, 0)
            self.fast = NO_FAST_TRAP
        if self.may_be_fast(vector):
            address = self.address[vector]
            memory.write32(self.frame + 8 * vector, self.selector[vector] << 16 | address & 0xffff)
            memory.write32(self.frame + 8 * vector + 4, address & 0xffff0000 | TRAP_GATE | (self.flags[vector] & TRAP_DPL) << 13)
            self.fast = vector

    def clear(self):
        for k in range(VECTORS):
            self.address[k] = 0
