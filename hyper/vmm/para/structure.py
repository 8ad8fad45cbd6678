"""A structure in a guest's memory that a hypercall takes its arguments from and leaves its results in."""
from hyper.vmm.para.layout import EFAULT, M32
from hyper.vmm.para.linear_memory import NOT_MAPPED


class Structure(object):
    """`linear` is the LinearMemory of the domain, `at` where the structure begins. Words are of 32 bits."""
    _immutable_fields_ = ['linear', 'at']

    def __init__(self, linear, at):
        self.linear = linear
        self.at = at
        self.faulted = False

    def word(self, number):
        value = self.linear.read32(self.at + 4 * number)
        if value == NOT_MAPPED:
            self.faulted = True
            return 0
        return value

    def put(self, number, value):
        if not self.linear.write32(self.at + 4 * number, value & M32):
            self.faulted = True

    def text(self, number, size):
        """Up to a zero, at most so many bytes."""
        parts = []
        for k in range(size):
            byte = self.linear.read8(self.at + 4 * number + k)
            if byte == NOT_MAPPED:
                self.faulted = True
            if byte <= 0:
                break
            parts.append(chr(byte))
        return ''.join(parts)

    def put_text(self, number, text, size):
        """With zeros behind it."""
        for k in range(size // 4):
            value = 0
            for i in range(4):
                at = 4 * k + i
                if at < len(text) and at < size - 1:
                    value |= ord(text[at]) << (8 * i)
            self.put(number + k, value)

    def result(self, value):
        """Of the hypercall: what was put must have arrived."""
        if self.faulted:
            return -EFAULT
        return value
