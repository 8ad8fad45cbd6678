"""What a domain asked for and did not get: counted by reason, and the last ones in words.

Where something is refused, the reason is given with `because`; the hypercall that fails for it notes it once it knows that it fails.
"""
from hyper.vmm.para.layout import EEXIST, EFAULT, EINVAL, ENOMEM, ENOSPC, ENOSYS, EPERM, ESRCH, M32

MOST_KEPT = 16                  # of the last ones; a power of two

# for refusals of which no more is known
BY_ERROR = {
    EPERM: 'not permitted',
    ESRCH: 'there is no such domain or rule',
    ENOMEM: 'no memory is left',
    EFAULT: 'a pointer to what the guest cannot access',
    EEXIST: 'there is one already',
    EINVAL: 'an argument out of range',
    ENOSPC: 'there are too many already',
    ENOSYS: 'there is no such hypercall or operation',
}


class Refusal(object):
    """One that is remembered. `is_call`: whether it is a hypercall, with its first arguments."""

    def __init__(self):
        self.what = ''
        self.reason = ''
        self.is_call = False
        self.a = 0
        self.b = 0
        self.c = 0
        self.eip = 0

    def text(self):
        if self.is_call:
            return '%s(0x%x, 0x%x, 0x%x) at 0x%x: %s' % (self.what, self.a & M32, self.b & M32, self.c & M32, self.eip, self.reason)
        return '%s at 0x%x: %s' % (self.what, self.eip, self.reason)


class Refusals(object):
    """Of a domain."""
    _immutable_fields_ = ['counts', 'last']

    def __init__(self):
        self.reason = ''
        self.counts = {}
        self.count = 0
        self.last = [Refusal() for k in range(MOST_KEPT)]

    def because(self, reason):
        """Why what is being done is refused, a constant text; the first reason is the one that counts. Always False, for `return`."""
        if self.reason == '':
            self.reason = reason
        return False

    def note_call(self, name, error, arguments, eip):
        """The hypercall of that name, at linear address `eip`, has failed with an error number."""
        reason = self.reason
        self.reason = ''
        if reason == '':
            reason = BY_ERROR.get(error, 'refused')
        last = self.note(name, eip, reason)
        last.is_call = True
        last.a = arguments[0]
        last.b = arguments[1]
        last.c = arguments[2]

    def note(self, what, eip, reason):
        """Something that the guest tried, for instance by an instruction."""
        if reason not in self.counts:
            self.counts[reason] = 0
        self.counts[reason] += 1
        last = self.last[self.count & (MOST_KEPT - 1)]
        self.count += 1
        last.what = what
        last.reason = reason
        last.eip = eip
        last.is_call = False
        return last

    def reasons(self):
        """Those that occurred, the most frequent first."""
        sorted = []
        for reason in self.counts:
            place = len(sorted)
            while place > 0 and (self.counts[sorted[place - 1]] < self.counts[reason] or
                                 self.counts[sorted[place - 1]] == self.counts[reason] and sorted[place - 1] > reason):
                place -= 1
            assert place >= 0
            sorted.insert(place, reason)
        return sorted

    def latest(self):
        """The last ones in words, the latest last."""
        lines = []
        first = max(self.count - MOST_KEPT, 0)
        for k in range(first, self.count):
            lines.append(self.last[k & (MOST_KEPT - 1)].text())
        return lines
