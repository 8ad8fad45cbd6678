"""What can go wrong that is the user's to mend.

Guest faults are no errors of ours: the processor has its own exceptions for them.
"""


class UserError(Exception):
    """A mistake in the input: `text` is one line that says what is wrong and how to mend it."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text
