"""`guestkit dom console`: a terminal on the console of a domain."""
import os
import select
import sys
import termios

from guestkit.terminal import KeyFilter, LEAVE

HELP = '''
  Ctrl-A x       leave the console; the domain goes on
  Ctrl-A Ctrl-A  send Ctrl-A to the guest
'''


class RawTerminal:
    """Standard input gives single keys without echo while the `with` block lasts, if it is a terminal."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.saved = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None

    def __enter__(self):
        if self.saved is not None:
            raw = termios.tcgetattr(self.descriptor)
            raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            raw[0] &= ~(termios.IXON | termios.INLCR | termios.IGNCR)
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self.descriptor, termios.TCSANOW, raw)
            print('guestkit: Ctrl-A x leaves the console', file=sys.stderr, flush=True)
        return self

    def __exit__(self, *error):
        if self.saved is not None:
            termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self.saved)


def write(text):
    data = text.encode('latin-1')
    while data:
        data = data[os.write(sys.stdout.fileno(), data):]


def attach(client, which):
    """Until the domain ends, the user leaves, or input that is no terminal ends and the domain has; returns the exit status."""
    write(client.call('console', domain=which)['output'])
    keys = KeyFilter()
    descriptor = sys.stdin.fileno()
    terminal = RawTerminal(descriptor)
    sources = [client.socket, descriptor]
    with terminal:
        while True:
            ready, _, _ = select.select(sources, [], [])
            if client.socket in ready:
                while True:
                    value = client.receive()
                    if 'output' in value:
                        write(value['output'])
                    elif 'ended' in value:
                        print(f'guestkit: {which}: {value["ended"]}', file=sys.stderr)
                        return 0
                    if not client.waits():
                        break
            if descriptor in ready:
                data = os.read(descriptor, 4096)
                if not data:
                    sources.remove(descriptor)
                elif terminal.saved is not None:
                    data, commands = keys.feed(data)
                    if LEAVE in commands:
                        return 0
                if data:
                    client.send('input', domain=which, text=data.decode('latin-1'))

