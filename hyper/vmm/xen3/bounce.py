"""The way into a guest's handlers in ring 1, as Xen 3 has it: the frame tells in the high half of the word with CS whether events were masked,
and in the interrupt flag; the address of a page fault is in shared_info."""
from hyper.vmm.para import descriptors
from hyper.vmm.para.bounce import Bounce, CS, DS, ES, FS, GS, NO_ADDRESS, SS, UNUSABLE
from hyper.vmm.para.layout import FRAME, KERNEL_RING, TRAP_MASKS_EVENTS
from hyper.vmm.xen3.layout import CR2
from hyper.vmx import fields

FLAG_IF, FLAG_VM = 1 << 9, 1 << 17
FLAGS_MAY, FLAGS_MUST = 0x00254dd5, 0x202       # of EFLAGS that a guest can have by iret: no VM, no I/O privilege, interrupts on
MASK_SHIFT = 16                 # of the event mask in the word with CS
RPL = 3


class Xen3Bounce(Bounce):
    """As Bounce; `ports` are the domain's Channels."""
    _immutable_fields_ = ['ports']

    def __init__(self, domain, segments, ports):
        Bounce.__init__(self, domain, segments)
        self.ports = ports

    def trap(self, vector, error, address, more_flags):
        traps = self.traps
        handler = traps.address[vector]
        if handler == 0:
            self.domain.die('trap %d, and it has no handler for it' % vector)
            return
        if address != NO_ADDRESS:
            self.memory.write32(self.domain.shared_frame * FRAME + CR2, address)
        self.enter(traps.selector[vector], handler, error, NO_ADDRESS, more_flags)
        if traps.flags[vector] & TRAP_MASKS_EVENTS:
            self.ports.mask()

    def event(self):
        Bounce.event(self)
        self.ports.mask()

    def saved_flags(self, flags):
        """EFLAGS as the guest sees them: interrupts are on if events are not masked."""
        if self.ports.is_masked():
            return flags & ~FLAG_IF
        return flags | FLAG_IF

    def saved_cs(self, cs):
        return cs | int(self.ports.is_masked()) << MASK_SHIFT

    # -- iret

    def interrupt_return(self, cs, eip, flags, ss, esp):
        """The guest's kernel goes on at cs:eip, in ring 1 or further out; False if the segments do not let it."""
        vmx = self.vmx
        ring = cs & RPL
        if flags & FLAG_VM or ring < KERNEL_RING or not self.tables.find(cs) or not descriptors.is_code_of(self.tables.high, ring):
            return False
        code_low = self.tables.low
        code_high = self.tables.high
        if ring != KERNEL_RING:
            if ss & RPL != ring or not self.tables.find(ss) or not descriptors.is_stack(self.tables.high, ring):
                return False
            self.put_segment(SS, ss, self.tables.low, self.tables.high)
            for s in [ES, DS, FS, GS]:
                # the processor empties data segments of inner rings
                if vmx.vmread(fields.GUEST_ES_ACCESS + 2 * s) >> 5 & 3 < ring:
                    vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, 0)
                    vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, UNUSABLE)
        self.put_segment(CS, cs, code_low, code_high)
        vmx.vmwrite(fields.GUEST_RIP, eip)
        vmx.vmwrite(fields.GUEST_RSP, esp)
        vmx.vmwrite(fields.GUEST_RFLAGS, flags & FLAGS_MAY | FLAGS_MUST)
        return True

    def put_segment(self, s, selector, low, high):
        vmx = self.vmx
        vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, selector)
        vmx.vmwrite(fields.GUEST_ES_BASE + 2 * s, descriptors.base(low, high))
        vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * s, descriptors.limit(low, high))
        vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, descriptors.access(high))
