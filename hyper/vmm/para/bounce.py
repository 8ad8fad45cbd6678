"""The way into a guest's handlers in ring 1: the frame on its ring-1 stack that the processor would have pushed, and the registers.

From ring 1 the frame goes on the stack in use, from outer rings on the one that the guest has given by stack_switch.
"""
from hyper.vmm.para import descriptors
from hyper.vmm.para.layout import FLAT_LIMIT, KERNEL_RING, M32, TRAP_MASKS_EVENTS
from hyper.vmm.para.linear_memory import NOT_MAPPED
from hyper.vmx import fields

NO_ERROR = -1
NO_ADDRESS = -1
FLAG_TF, FLAG_NT, FLAG_RF = 1 << 8, 1 << 14, 1 << 16
CLEARED = FLAG_TF | FLAG_NT | FLAG_RF
CODE_ACCESS, STACK_ACCESS = 0xc0bb, 0xc0b3      # of the flat segments of ring 1
UNUSABLE = 1 << 16
BIG, EXPAND_DOWN, WRITABLE = 1 << 14, 4, 2      # of access rights
ES, CS, SS, DS, FS, GS = range(6)
MOST_WORDS = 12                 # of a frame
ANY_SELECTOR = 0


class Bounce(object):
    """`domain` is the ParaDomain, whose VMCS is current when this is used; `segments` are its FlatSegments."""
    _immutable_fields_ = ['domain', 'vmx', 'memory', 'linear', 'tables', 'traps', 'words', 'kernel_cs', 'kernel_ds', 'user_cs', 'user_ds']

    def __init__(self, domain, segments):
        self.domain = domain
        self.kernel_cs = segments.kernel_cs
        self.kernel_ds = segments.kernel_ds
        self.user_cs = segments.user_cs
        self.user_ds = segments.user_ds
        self.vmx = domain.vmx
        self.linear = domain.linear
        self.memory = domain.linear.memory
        self.tables = domain.tables
        self.traps = domain.traps
        self.words = [0] * MOST_WORDS           # of the frame being built, the one at the lowest address first
        self.count = 0
        self.stack_base = 0                     # of the ring-1 stack that is used
        self.stack_limit = 0
        self.stack_access = 0

    # -- what may happen to a guest

    def trap(self, vector, error, address, more_flags):
        """The guest takes a trap. `error`: its code or NO_ERROR; `address`: of a page fault, else NO_ADDRESS; `more_flags` are added to the flags
        in the frame."""
        traps = self.traps
        handler = traps.address[vector]
        if handler == 0:
            self.domain.die('trap %d, and it has no handler for it' % vector)
            return
        if traps.flags[vector] & TRAP_MASKS_EVENTS:
            self.domain.events.mask()
        self.enter(traps.selector[vector], handler, error, address, more_flags)

    def event(self):
        """The guest's event callback is called."""
        self.enter(self.traps.event_selector, self.traps.event_address, NO_ERROR, NO_ADDRESS, 0)

    # -- entering ring 1

    def enter(self, selector, handler, error, address, more_flags):
        vmx = self.vmx
        cs = vmx.vmread(fields.GUEST_CS_SELECTOR)
        ss = vmx.vmread(fields.GUEST_SS_SELECTOR)
        flags = vmx.vmread(fields.GUEST_RFLAGS)
        esp = vmx.vmread(fields.GUEST_RSP)
        self.count = 0
        if address != NO_ADDRESS:
            self.add(address)
        if error != NO_ERROR:
            self.add(error)
        self.add(vmx.vmread(fields.GUEST_RIP))
        self.add(self.saved_cs(cs))
        self.add(self.saved_flags(flags | more_flags))
        inner = cs & descriptors.RPL == KERNEL_RING
        if inner:
            usable = self.look_at_stack(ss)
        else:
            self.add(esp)
            self.add(ss)
            esp = self.traps.stack_pointer
            usable = self.find_stack(self.traps.stack_selector)
        if not usable or not self.store(esp):
            self.bad_stack(esp)
            return
        if not inner:
            self.load_stack(ss)
        if flags & CLEARED:
            vmx.vmwrite(fields.GUEST_RFLAGS, flags & ~CLEARED)
        if self.load_code(selector, cs):
            vmx.vmwrite(fields.GUEST_RIP, handler)
        else:
            self.fail_safe(selector, handler)

    def fail_safe(self, cs, eip):
        """The return to `cs`:`eip` in ring 1 faults: the guest's failsafe callback is called, with the segment registers in its frame."""
        vmx = self.vmx
        traps = self.traps
        self.count = 0
        self.add(vmx.vmread(fields.GUEST_DS_SELECTOR))
        self.add(vmx.vmread(fields.GUEST_ES_SELECTOR))
        self.add(vmx.vmread(fields.GUEST_FS_SELECTOR))
        self.add(vmx.vmread(fields.GUEST_GS_SELECTOR))
        self.add(eip)
        self.add(self.saved_cs(cs))
        self.add(self.saved_flags(vmx.vmread(fields.GUEST_RFLAGS)))
        esp = vmx.vmread(fields.GUEST_RSP)
        if not self.look_at_stack(vmx.vmread(fields.GUEST_SS_SELECTOR)) or not self.store(esp):
            self.bad_stack(esp)
        elif traps.failsafe_address == 0 or not self.load_code(traps.failsafe_selector, ANY_SELECTOR):
            self.domain.die('a return to it faulted, and it has no failsafe callback for that')
        else:
            vmx.vmwrite(fields.GUEST_RIP, traps.failsafe_address)

    def saved_cs(self, cs):
        """The word for CS in a frame."""
        return cs

    def saved_flags(self, flags):
        """EFLAGS in a frame."""
        return flags

    def bad_stack(self, esp):
        self.domain.die('its ring-1 stack cannot be used: ESP 0x%x' % esp)

    # -- the frame

    def add(self, word):
        at = self.count
        assert at >= 0
        self.words[at] = word
        self.count = at + 1

    def store(self, esp):
        """Pushes the words on the stack; False, with nothing changed, if that faults."""
        size = self.count * 4
        top = esp - size
        if top < 0 or esp - 1 > self.stack_limit:
            return False
        at = (self.stack_base + top) & M32
        if not self.linear.contains(at, size):
            return False
        memory = self.memory
        if (at & 0xfff) + size <= 4096:
            machine = self.linear.machine(at, True)
            if machine == NOT_MAPPED:
                return False
            for k in range(self.count):
                memory.write32(machine + 4 * k, self.words[k])
        else:
            if self.linear.machine(at, True) == NOT_MAPPED or self.linear.machine(at + size - 1, True) == NOT_MAPPED:
                return False
            for k in range(self.count):
                self.linear.write32(at + 4 * k, self.words[k])
        self.vmx.vmwrite(fields.GUEST_RSP, top)
        return True

    # -- segments

    def look_at_stack(self, ss):
        """The stack in use, in ring 1; False if it is none that a frame can be built on."""
        self.stack_base = 0
        self.stack_limit = FLAT_LIMIT
        if ss == self.kernel_ds:
            return True
        access = self.vmx.vmread(fields.GUEST_SS_ACCESS)
        self.stack_base = self.vmx.vmread(fields.GUEST_SS_BASE)
        self.stack_limit = self.vmx.vmread(fields.GUEST_SS_LIMIT)
        return access & UNUSABLE == 0 and access & (BIG | EXPAND_DOWN | WRITABLE) == BIG | WRITABLE

    def find_stack(self, selector):
        """The stack of a selector in ring 1; False if it is none."""
        self.stack_base = 0
        self.stack_limit = FLAT_LIMIT
        self.stack_access = STACK_ACCESS
        if selector == self.kernel_ds:
            return True
        tables = self.tables
        if not descriptors.is_kernel_selector(selector) or not tables.find(selector):
            return False
        self.stack_base = descriptors.base(tables.low, tables.high)
        self.stack_limit = descriptors.limit(tables.low, tables.high)
        self.stack_access = descriptors.access(tables.high)
        return descriptors.is_stack(tables.high, KERNEL_RING)

    def load_stack(self, before):
        """SS becomes that of `find_stack`; `before` is its selector now."""
        vmx = self.vmx
        selector = self.traps.stack_selector
        vmx.vmwrite(fields.GUEST_SS_SELECTOR, selector)
        vmx.vmwrite(fields.GUEST_SS_ACCESS, self.stack_access)
        if before != self.user_ds or selector != self.kernel_ds:          # which differ only in the ring
            vmx.vmwrite(fields.GUEST_SS_BASE, self.stack_base)
            vmx.vmwrite(fields.GUEST_SS_LIMIT, self.stack_limit)

    def load_code(self, selector, before):
        """CS for a handler; False if the selector is not of code that can be entered in ring 1. `before` is its selector now."""
        vmx = self.vmx
        if selector == self.kernel_cs:
            if before == self.kernel_cs:
                return True
            base = 0
            limit = FLAT_LIMIT
            access = CODE_ACCESS
        else:
            tables = self.tables
            if not descriptors.is_kernel_selector(selector) or not tables.find(selector) or not descriptors.is_code_of(tables.high, KERNEL_RING):
                return False
            base = descriptors.base(tables.low, tables.high)
            limit = descriptors.limit(tables.low, tables.high)
            access = descriptors.access(tables.high)
        vmx.vmwrite(fields.GUEST_CS_SELECTOR, selector)
        vmx.vmwrite(fields.GUEST_CS_ACCESS, access)
        if before != self.user_cs or selector != self.kernel_cs:
            vmx.vmwrite(fields.GUEST_CS_BASE, base)
            vmx.vmwrite(fields.GUEST_CS_LIMIT, limit)
        return True

    def reload(self):
        """The guest in ring 1 has changed its descriptors: its segment registers are loaded from them again, as on a return to it."""
        vmx = self.vmx
        fine = True
        for s in [ES, DS, FS, GS]:
            selector = vmx.vmread(fields.GUEST_ES_SELECTOR + 2 * s)
            if not self.reload_data(s, selector):
                fine = False
        ss = vmx.vmread(fields.GUEST_SS_SELECTOR)
        if not self.find_stack(ss):
            self.bad_stack(vmx.vmread(fields.GUEST_RSP))
            return
        if ss != self.kernel_ds:
            vmx.vmwrite(fields.GUEST_SS_ACCESS, self.stack_access)
            vmx.vmwrite(fields.GUEST_SS_BASE, self.stack_base)
            vmx.vmwrite(fields.GUEST_SS_LIMIT, self.stack_limit)
        cs = vmx.vmread(fields.GUEST_CS_SELECTOR)
        if not self.load_code(cs, cs) or not fine:
            self.fail_safe(cs, vmx.vmread(fields.GUEST_RIP))
            for s in [ES, DS, FS, GS]:
                if vmx.vmread(fields.GUEST_ES_ACCESS + 2 * s) & UNUSABLE:
                    vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, 0)

    def reload_data(self, s, selector):
        """One data segment register; one that cannot be loaded becomes unusable."""
        if selector == self.kernel_ds or selector == self.user_ds or selector & ~descriptors.RPL == 0:
            return True
        vmx = self.vmx
        tables = self.tables
        if tables.find(selector) and descriptors.is_readable_by(tables.high, KERNEL_RING, selector):
            vmx.vmwrite(fields.GUEST_ES_BASE + 2 * s, descriptors.base(tables.low, tables.high))
            vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * s, descriptors.limit(tables.low, tables.high))
            vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, descriptors.access(tables.high))
            return True
        vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, UNUSABLE)
        return False
