"""What the hypervisor itself has to say of its domains, a line each: the console that a privileged domain reads."""

MOST_BYTES = 1 << 14            # that are kept; the oldest lines go first


class Messages(object):
    def __init__(self):
        self.text = ''

    def add(self, line):
        text = self.text + line + '\n'
        first = 0
        while len(text) - first > MOST_BYTES:
            first = text.find('\n', first) + 1
            assert first >= 0
        self.text = text[first:]

    def oldest(self, count):
        """So many bytes, or all if there are not so many."""
        end = min(count, len(self.text))
        assert end >= 0
        return self.text[:end]

    def forget(self, count):
        """The oldest so many bytes, which are there."""
        assert count >= 0
        self.text = self.text[count:]
