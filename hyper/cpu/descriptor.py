"""Segment descriptors and gates as they lie in memory (SDM vol. 3, 3.4.5, 5.8.3, 6.11, 7.2)."""

# types of system descriptors (table 3-2)
TSS16_AVAILABLE, LDT, TSS16_BUSY, CALL_GATE16, TASK_GATE, INTERRUPT_GATE16, TRAP_GATE16 = 1, 2, 3, 4, 5, 6, 7
TSS32_AVAILABLE, TSS32_BUSY, CALL_GATE32, INTERRUPT_GATE32, TRAP_GATE32 = 9, 11, 12, 14, 15
BUSY = 2                        # the bit of the type that tells a busy TSS

# bits of the type of a code or data segment
ACCESSED, WRITABLE, READABLE, EXPAND_DOWN, CONFORMING, CODE = 1, 2, 2, 4, 4, 8


class Descriptor(object):
    """The doublewords `low` and `high` at linear address `at`. The first methods are for segments, the last for gates."""
    _immutable_fields_ = ['at', 'low', 'high']

    def __init__(self, at, low, high):
        self.at = at
        self.low = low
        self.high = high

    def kind(self):
        """The type: 4 bits."""
        return (self.high >> 8) & 0xf

    def is_ordinary(self):
        """Whether it is a code or data segment (S)."""
        return self.high & 1 << 12 != 0

    def is_present(self):
        return self.high & 1 << 15 != 0

    def privilege(self):
        """DPL."""
        return (self.high >> 13) & 3

    def is_code(self):
        return self.is_ordinary() and self.kind() & CODE != 0

    def is_conforming(self):
        return self.is_code() and self.kind() & CONFORMING != 0

    def is_readable(self):
        """Data, or code that can be read."""
        return self.is_ordinary() and self.kind() & (CODE | READABLE) != CODE

    def is_writable_data(self):
        return self.is_ordinary() and self.kind() & (CODE | WRITABLE) == WRITABLE

    def base(self):
        return (self.low >> 16) | ((self.high & 0xff) << 16) | (self.high & 0xff000000)

    def limit(self):
        """In bytes."""
        limit = (self.low & 0xffff) | (self.high & 0xf0000)
        if self.high & 1 << 23:
            limit = (limit << 12) | 0xfff
        return limit

    def access(self):
        """The access rights as the VMCS has them."""
        return (self.high >> 8) & 0xf0ff

    def target_selector(self):
        return self.low >> 16

    def target_offset(self):
        """Of a gate; 16-bit gates have only the low half."""
        if self.kind() & 8:
            return (self.low & 0xffff) | (self.high & 0xffff0000)
        return self.low & 0xffff

    def parameters(self):
        """How many values a call gate copies to the inner stack."""
        return self.high & 0x1f

    def size(self):
        """Of what a gate pushes, in bytes."""
        return 4 if self.kind() & 8 else 2
