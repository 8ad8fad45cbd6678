"""`--expect`: the run ends when a console prints a text."""

from hyper.board.machine import EXPECTED
from hyper.board.uart import CharSink


class Expectation(object):
    """`text` is not empty. `machine` is set once there is one."""

    def __init__(self, text):
        self.text = text
        self.machine = None
        self.met = False

    def meet(self):
        self.met = True
        machine = self.machine
        if machine is not None:
            machine.end(EXPECTED, "printed the text that was expected")


class Watched(CharSink):
    """A domain's console on the way to `sink`."""

    def __init__(self, expectation, sink):
        self.expectation = expectation
        self.sink = sink
        self.recent = ''                # as much of the end as the text is long

    def write_byte(self, b):
        self.sink.write_byte(b)
        text = self.expectation.text
        recent = self.recent + chr(b)
        start = len(recent) - len(text)
        if start > 0:
            recent = recent[start:]
        self.recent = recent
        if recent == text:
            self.expectation.meet()
