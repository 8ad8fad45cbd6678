"""The control socket: its path, and one JSON object a line in both directions. What the objects are is in docs/domains.md."""
import json
import os
import pathlib
import socket

from guestkit.errors import BadInput, GuestkitError

VARIABLE = 'GUESTKIT_SOCKET'
MOST_LINE = 1 << 20             # bytes of one request


def usual_path():
    """$GUESTKIT_SOCKET, or a place of this user's own."""
    named = os.environ.get(VARIABLE)
    if named:
        return pathlib.Path(named)
    runtime = os.environ.get('XDG_RUNTIME_DIR')
    return pathlib.Path(runtime or pathlib.Path.home() / '.cache') / 'guestkit' / 'control.sock'


def line(value):
    return json.dumps(value).encode() + b'\n'


class NotRunning(GuestkitError):
    """Nobody serves the socket."""


class Client:
    """A connection to the hypervisor of a socket; a context manager."""

    def __init__(self, path=None):
        self.path = pathlib.Path(path or usual_path())
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(str(self.path))
        except OSError as error:
            self.socket.close()
            raise NotRunning(f'{self.path}: no hypervisor answers there ({error.strerror or error}); start one with guestkit dom start') from None
        self.data = bytearray()         # what has come and was not received

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, command, **arguments):
        try:
            self.socket.sendall(line({'command': command, **arguments}))
        except OSError:
            raise GuestkitError(f'{self.path}: the hypervisor is gone') from None

    def receive(self):
        """The next object."""
        while not self.waits():
            try:
                data = self.socket.recv(1 << 16)
            except OSError:
                data = b''
            if not data:
                raise GuestkitError(f'{self.path}: the hypervisor is gone')
            self.data += data
        line, _, rest = bytes(self.data).partition(b'\n')
        self.data = bytearray(rest)
        return json.loads(line)

    def waits(self):
        """Whether an object can be received without waiting."""
        return b'\n' in self.data

    def call(self, command, **arguments):
        """Sends a command and returns its result; raises BadInput with what the hypervisor says is wrong."""
        self.send(command, **arguments)
        answer = self.receive()
        if 'error' in answer:
            raise BadInput(answer['error'])
        return answer['result']
