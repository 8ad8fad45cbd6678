"""Events: bits in shared_info that the hypervisor sets and the guest masks. The guest's callback is called when there is one that it wants and the
master bit of the mask is set, which is cleared first, so that the callback is not interrupted by itself."""
from hyper.vmm.para.layout import ANY_EVENT, EVENTS, EVENTS_MASK, MASTER


class Events(object):
    """Of a ParaDomain; `shared` is the machine address of its shared_info."""
    _immutable_fields_ = ['domain', 'memory', 'shared']

    def __init__(self, domain, memory, shared):
        self.domain = domain
        self.memory = memory
        self.shared = shared

    def wanted(self):
        """Whether there is an event that the guest has not masked, whatever the master bit says."""
        memory = self.memory
        return memory.read32(self.shared + EVENTS) & memory.read32(self.shared + EVENTS_MASK) & ANY_EVENT != 0

    def is_wanted(self, event):
        """Whether the guest has not masked it, whatever the master bit says."""
        return self.memory.read32(self.shared + EVENTS_MASK) & event != 0

    def is_due(self):
        """Whether the callback is to be called now."""
        memory = self.memory
        mask = memory.read32(self.shared + EVENTS_MASK)
        return mask & MASTER != 0 and memory.read32(self.shared + EVENTS) & mask & ANY_EVENT != 0 and self.domain.traps.event_address != 0

    def can_come(self):
        """Whether any event could have an effect on the guest while it runs."""
        mask = self.memory.read32(self.shared + EVENTS_MASK)
        return mask & MASTER != 0 and mask & ANY_EVENT != 0 and self.domain.traps.event_address != 0

    def can_wake(self):
        """Whether any event could end its sleep."""
        return self.memory.read32(self.shared + EVENTS_MASK) & ANY_EVENT != 0

    def mask(self):
        """Clears the master bit."""
        at = self.shared + EVENTS_MASK
        self.memory.write32(at, self.memory.read32(at) & ANY_EVENT)

    def deliver(self):
        """Before the guest runs on: the callback, if it is due."""
        if self.is_due():
            self.mask()
            self.domain.bounce.event()

    def send(self, event):
        """Something has happened: `event` is its bit."""
        at = self.shared + EVENTS
        self.memory.write32(at, self.memory.read32(at) | event)
        self.domain.event_sent()
