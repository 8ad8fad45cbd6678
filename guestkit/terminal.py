"""The console of `guestkit run`: the terminal's keys go to the guest, except those that Ctrl-A begins."""
import collections
import contextlib
import os
import select
import sys
import termios
import threading

ESCAPE = 0x01                   # Ctrl-A
HELP = '''
  Ctrl-A x       stop the guest and leave
  Ctrl-A r       reset: start the guest anew
  Ctrl-A s       statistics: what has been counted up to now
  Ctrl-A b       break into the debugger
  Ctrl-A w       tell the guest's shell the size of the window: types stty rows R cols C
  Ctrl-A h       this help
  Ctrl-A Ctrl-A  send Ctrl-A to the guest
'''
LEAVE = 'leave'
RESET = 'reset'
STATISTICS = 'statistics'
BREAK = 'break'
WINDOW = 'window'
ASK_HELP = 'help'
KEYS = {'x': LEAVE, 'r': RESET, 's': STATISTICS, 'b': BREAK, 'w': WINDOW, 'h': ASK_HELP, '?': ASK_HELP}


class KeyFilter:
    """Separates what is for the guest from what is for us."""

    def __init__(self):
        self.escaped = False            # the last key was Ctrl-A

    def feed(self, data):
        """(bytes for the guest, commands) of the keys typed, the values of KEYS. Ctrl-A and an unknown key send nothing."""
        sent = bytearray()
        commands = []
        for key in data:
            if not self.escaped:
                if key == ESCAPE:
                    self.escaped = True
                else:
                    sent.append(key)
                continue
            self.escaped = False
            if key == ESCAPE:
                sent.append(key)
            elif chr(key).lower() in KEYS:
                commands.append(KEYS[chr(key).lower()])
        return bytes(sent), commands


class Keyboard:
    """Standard input as the console input of a machine, while the `with` block lasts.

    A terminal is switched to single keys without echo, and back at the end. A thread reads it, so that Ctrl-A works
    whatever the guest does; what is for the guest goes through a pipe that the engine reads. What Ctrl-A asks for interrupts
    the machine and is then in `commands`, but for help.
    """

    def __init__(self, machine, descriptor=None):
        self.machine = machine
        self.descriptor = 0 if descriptor is None else descriptor
        self.interactive = os.isatty(self.descriptor)
        self.filter = KeyFilter()
        self.commands = collections.deque()

    @contextlib.contextmanager
    def suspended(self):
        """Meanwhile the terminal is as it was, and its keys are not the guest's."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def window(self):
        """The size of the terminal, as (columns, lines); None where there is none."""
        try:
            size = os.get_terminal_size(self.descriptor)
        except OSError:
            return None
        return (size.columns, size.lines) if size.columns and size.lines else None

    def connect(self, machine):
        """From now on it is the keyboard of this machine."""
        machine.attach(self.reading, self.interactive)
        self.machine = machine

    def __enter__(self):
        self.reading, self.writing = os.pipe()
        self.wake_reading, self.wake_writing = os.pipe()
        os.set_blocking(self.writing, False)
        self.connect(self.machine)
        self.saved = None
        if self.interactive:
            self.saved = termios.tcgetattr(self.descriptor)
            raw = termios.tcgetattr(self.descriptor)
            raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            raw[0] &= ~(termios.IXON | termios.INLCR | termios.IGNCR)
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self.descriptor, termios.TCSANOW, raw)
            print('guestkit: Ctrl-A x leaves, Ctrl-A h helps', file=sys.stderr, flush=True)
        self.thread = threading.Thread(target=self.forward, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        os.close(self.wake_writing)
        self.thread.join()
        if self.saved is not None:
            termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self.saved)
        self.machine.attach(-1)
        os.close(self.reading)
        os.close(self.wake_reading)

    def forward(self):
        """The thread. It ends at the end of input or of the `with` block."""
        waiting = bytearray()           # what the pipe had no room for: the guest reads slowly
        ended = False
        while not ended or waiting:
            reads = [self.wake_reading] + ([] if ended or len(waiting) > 4096 else [self.descriptor])
            ready, _, _ = select.select(reads, [self.writing] if waiting else [], [])
            if self.wake_reading in ready:
                break
            if self.descriptor in ready:
                data = self.read()
                ended = data is None
                waiting += data or b''
            if waiting:
                try:
                    del waiting[:os.write(self.writing, waiting)]
                except BlockingIOError:
                    pass
                except BrokenPipeError:
                    break
        os.close(self.writing)

    def read(self):
        """Bytes for the guest, None at the end of input."""
        try:
            data = os.read(self.descriptor, 4096)
        except OSError:                 # the terminal is gone
            data = b''
        if not data:
            return None
        if not self.interactive:
            return data
        data, commands = self.filter.feed(data)
        for command in commands:
            if command == ASK_HELP:
                print(HELP, file=sys.stderr, flush=True)
            else:
                self.commands.append(command)
                self.machine.interrupt()
        return data
