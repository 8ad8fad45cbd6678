"""What can go wrong. Every message is one line that says what it is and how to mend it."""


class GuestkitError(Exception):
    """The base class of all errors here."""


class EngineError(GuestkitError):
    """libhyper.so is missing, or not one that this package can use."""


class BadInput(GuestkitError):
    """An image, an option or an argument that cannot be used."""


class MemoryFault(GuestkitError):
    """Guest memory that is not there: beyond its end, or not mapped by the guest's page tables.

    `data` is what could be read before it.
    """

    def __init__(self, text, data=b''):
        super().__init__(text)
        self.data = data


class GuestStopped(GuestkitError):
    """From Machine.run(check=True): the guest did not end well. `stop` says how it ended, `summary` shows its state."""

    def __init__(self, stop, summary):
        super().__init__(f'the guest ended with status {stop.status}: {stop.text}; its state is in .summary')
        self.stop = stop
        self.summary = summary
