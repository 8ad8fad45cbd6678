"""The console of the command line: guests' output to standard output, standard input to the guest."""

import os

from hyper import host
from hyper.board.machine import World
from hyper.board.uart import CharSink

STDIN = 0
STDOUT = 1
STDERR = 2
MOST_BUFFERED = 1024


def write_all(descriptor, text):
    """Writes the text; what cannot be written any more (the reader is gone) is dropped."""
    while text != '':
        try:
            count = os.write(descriptor, text)
        except OSError:
            return
        assert count >= 0
        text = text[count:]


class Terminal(CharSink):
    """Standard output, line by line. With several domains each line begins with its domain's name."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.buffer = []
        self.line_begins = True

    def write_byte(self, b):
        if self.line_begins and self.prefix != '':
            self.buffer.append(self.prefix)
        self.line_begins = b == 10
        self.buffer.append(chr(b))
        if b == 10 or len(self.buffer) >= MOST_BUFFERED:
            self.flush()

    def flush(self):
        if len(self.buffer) > 0:
            text = ''.join(self.buffer)
            self.buffer = []
            write_all(STDOUT, text)


class HostWorld(World):
    """Standard input, Ctrl-C, and the terminals to flush."""

    def __init__(self):
        self.closed = False
        self.terminals = []
        self.is_terminal = os.isatty(STDIN)

    def add_terminal(self, prefix):
        terminal = Terminal(prefix)
        self.terminals.append(terminal)
        return terminal

    def read_input(self):
        if self.closed or not host.readable(STDIN, 0):
            return ''
        try:
            text = os.read(STDIN, 4096)
        except OSError:
            text = ''
        if text == '':
            self.closed = True
        return text

    def input_closed(self):
        return self.closed

    def interactive(self):
        return self.is_terminal and not self.closed

    def wait_for_input(self, milliseconds):
        descriptor = STDIN
        if self.closed:
            descriptor = host.NONE
        host.readable(descriptor, milliseconds)

    def interrupted(self):
        return host.stop_requested(0)

    def flush(self):
        for terminal in self.terminals:
            terminal.flush()
