"""The console's ring: a page of the domain's with a buffer for each direction, and an event channel. What the guest writes goes to the sink at once;
what is typed waits here while its buffer is full.

The page: 1024 bytes in, 2048 bytes out, then the counters in_cons, in_prod, out_cons, out_prod, which run on and wrap at 2^32.
"""
from hyper.vmm.para.layout import M32
from hyper.vmm.xen3.channels import NO_PORT, Receiver

IN_SIZE, OUT_SIZE = 1024, 2048
OUT = IN_SIZE
IN_CONSUMED, IN_PRODUCED, OUT_CONSUMED, OUT_PRODUCED = range(OUT + OUT_SIZE, OUT + OUT_SIZE + 16, 4)


class ConsoleRing(Receiver):
    """`page` is the machine address of the ring; the domain cannot lose the page, for the hypervisor holds a reference."""
    _immutable_fields_ = ['domain', 'memory', 'page', 'sink']

    def __init__(self, domain, memory, page, sink):
        self.domain = domain
        self.memory = memory
        self.page = page
        self.sink = sink
        self.port = NO_PORT
        self.text = ''                  # typed, and not in the ring yet

    def kicked(self):
        moved = self.drain()
        if self.fill() or moved:
            self.domain.ports.set_pending(self.port)

    def receive(self, text):
        self.text += text
        if self.fill():
            self.domain.ports.set_pending(self.port)

    def drain(self):
        """Takes what the guest has written; whether there was anything."""
        memory = self.memory
        consumed = memory.read32(self.page + OUT_CONSUMED)
        size = memory.read32(self.page + OUT_PRODUCED) - consumed & M32
        if size == 0 or size > OUT_SIZE:        # more than there can be: the guest has broken its ring
            return False
        for k in range(size):
            self.sink.write_byte(memory.read8(self.page + OUT + (consumed + k & OUT_SIZE - 1)))
        memory.write32(self.page + OUT_CONSUMED, consumed + size & M32)
        return True

    def fill(self):
        """Puts what was typed into the ring; whether there was anything and room for it."""
        memory = self.memory
        produced = memory.read32(self.page + IN_PRODUCED)
        used = produced - memory.read32(self.page + IN_CONSUMED) & M32
        size = min(IN_SIZE - used, len(self.text))
        if size <= 0:
            return False
        for k in range(size):
            memory.write8(self.page + (produced + k & IN_SIZE - 1), ord(self.text[k]))
        assert size >= 0
        self.text = self.text[size:]
        memory.write32(self.page + IN_PRODUCED, produced + size & M32)
        return True
