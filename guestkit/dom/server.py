"""Serves the control socket of a hypervisor: runs its domains in slices, and does what is asked for between them."""
import json
import os
import pathlib
import selectors
import socket
import sys

from guestkit.dom import configuration as configurations
from guestkit.dom import protocol, transfer
from guestkit.errors import BadInput, GuestkitError
from guestkit.machine import Reason

ARRIVING = 0.002                # likewise while a domain arrives
SLICE = 0.02                    # seconds in the engine between two looks at the sockets
MOST_WAITING = 1 << 20          # bytes that a client has not read; one that lets more wait loses its connection
HISTORY = 1 << 16               # bytes of a domain's output that a new console shows
REBOOTS = ('reset by the guest', 'asked for a reboot')          # ends that are to be followed by a new beginning


class Connection:
    """One client: lines come in, lines go out."""

    def __init__(self, server, channel):
        self.server = server
        self.socket = channel
        self.read = bytearray()
        self.written = bytearray()
        self.console = None             # the Domain whose output it gets
        self.incoming = None            # an Incoming, while a domain arrives
        self.refused = False            # the domain: what still comes of it is no requests
        self.received = None            # the Domain that has arrived, and has not been told to go on

    def send(self, value):
        self.written += protocol.line(value)
        if len(self.written) > MOST_WAITING:
            self.server.drop(self)
        else:
            self.flush()

    def flush(self):
        try:
            while self.written:
                del self.written[:self.socket.send(self.written)]
        except BlockingIOError:
            pass
        except OSError:
            self.server.drop(self)
            return
        self.server.watch(self)

    def receive(self):
        """Takes what has come and does what the whole lines of it say."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        if not data:
            self.server.drop(self)
            return
        if self.incoming is not None:
            self.arrive(data)
        elif not self.refused:
            self.take(data)

    def arrive(self, data):
        """A part of a domain."""
        try:
            rest = self.incoming.feed(data)
        except GuestkitError as error:
            self.incoming = None
            self.refused = True
            self.send({'error': str(error)})
            return
        if rest is not None:
            self.received = self.incoming.domain
            self.incoming = None
            self.take(rest)

    def take(self, data):
        """Does what whole lines say."""
        self.read += data
        while b'\n' in self.read:
            request, _, rest = bytes(self.read).partition(b'\n')
            self.read = bytearray(rest)
            self.server.request(self, request)
        if len(self.read) > protocol.MOST_LINE:
            self.server.drop(self)


class Server:
    """`hypervisor` is a guestkit.dom.hypervisor.Hypervisor; the socket at `path` is made, and is gone when serving ends."""

    def __init__(self, hypervisor, path):
        self.hypervisor = hypervisor
        self.path = pathlib.Path(path)
        self.connections = set()
        self.selector = selectors.DefaultSelector()
        self.ended = False
        self.idle = False               # nothing will happen in the engine before somebody does something
        self.listener = self.listen()
        hypervisor.on_new = self.add
        self.selector.register(self.listener, selectors.EVENT_READ)

    def listen(self):
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        listener = socket.socket(socket.AF_UNIX)
        try:
            if self.path.exists():
                try:
                    protocol.Client(self.path).close()
                except protocol.NotRunning:
                    self.path.unlink()          # of one that has died
                else:
                    raise BadInput(f'{self.path}: a hypervisor serves it already; give another --socket')
            before = os.umask(0o177)            # nobody else may connect
            try:
                listener.bind(str(self.path))
            finally:
                os.umask(before)
            listener.listen()
        except OSError as error:
            raise BadInput(f'{self.path}: cannot be made a socket ({error.strerror or error}); give another --socket') from None
        listener.setblocking(False)
        return listener

    def serve(self):
        """Until a client says stop, or a signal comes."""
        try:
            while not self.ended:
                if not self.idle:
                    self.run()
                for key, events in self.selector.select(None if self.idle else 0):
                    if key.fileobj is self.listener:
                        self.accept()
                    elif key.data in self.connections:
                        if events & selectors.EVENT_WRITE:
                            key.data.flush()
                        if events & selectors.EVENT_READ:
                            key.data.receive()
        finally:
            self.close()

    def run(self):
        arriving = any(connection.incoming is not None for connection in self.connections)
        self.idle = self.hypervisor.run(ARRIVING if arriving else SLICE) == Reason.WAITING
        for domain in self.hypervisor.ended():
            self.finished(domain)

    def close(self):
        for connection in list(self.connections):
            self.drop(connection)
        self.selector.close()
        self.listener.close()
        self.path.unlink(missing_ok=True)

    def accept(self):
        channel, _ = self.listener.accept()
        channel.setblocking(False)
        connection = Connection(self, channel)
        self.connections.add(connection)
        self.selector.register(channel, selectors.EVENT_READ, connection)

    def watch(self, connection):
        """Waits for what the connection waits for."""
        if connection in self.connections:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.written else 0)
            self.selector.modify(connection.socket, events, connection)

    def drop(self, connection):
        if connection in self.connections:
            self.connections.remove(connection)
            self.selector.unregister(connection.socket)
            connection.socket.close()
            if connection.incoming is not None:
                connection.incoming.abandon()
            if connection.received is not None:
                self.hypervisor.destroy(connection.received)

    # -- domains

    def add(self, domain):
        domain.on_output = lambda data: self.output(domain, data)

    def output(self, domain, data):
        for connection in list(self.connections):
            if connection.console is domain:
                connection.send({'output': data.decode('latin-1')})

    def finished(self, domain):
        """A domain has ended: what its configuration says is done."""
        report = next(one for one in self.hypervisor.report()['domains'] if one['number'] == domain.number)
        why = report['state']
        name, usual = ('on_crash', 'destroy') if report['died'] else ('on_reboot', 'restart') if why in REBOOTS else ('on_poweroff', 'destroy')
        action = domain.configuration.get(name, usual)
        if action == 'preserve':
            return
        self.destroy(domain, why)
        if action == 'restart':
            try:
                self.hypervisor.create(domain.configuration)
            except GuestkitError as error:
                print(f'guestkit: {domain.name}: cannot be restarted: {error}', file=sys.stderr, flush=True)

    def destroy(self, domain, why):
        self.hypervisor.destroy(domain)
        for connection in list(self.connections):
            if connection.console is domain:
                connection.send({'ended': why})
                connection.console = None

    # -- requests

    def request(self, connection, text):
        """Answers one line."""
        self.idle = False
        try:
            value = json.loads(text)
            if not isinstance(value, dict) or not isinstance(value.get('command'), str):
                raise BadInput('a request is an object with a command')
            handler = COMMANDS.get(value['command'])
            if handler is None:
                raise BadInput(f'{value["command"]}: no such command; choose from {", ".join(COMMANDS)}')
            result = handler(self, connection, value)
        except ValueError as error:
            answer = {'error': f'not JSON: {error}'}
        except GuestkitError as error:
            answer = {'error': str(error)}
        except RecursionError:
            answer = {'error': 'not JSON: too deep'}
        else:
            answer = {'result': result}
        connection.send(answer)

    def domain(self, value):
        which = value.get('domain')
        if isinstance(which, bool) or not isinstance(which, (str, int)):
            raise BadInput('domain: must be the name or the number of a domain')
        return self.hypervisor.find(which)


def command_create(server, connection, value):
    """`config`, as the TOML file has it; `paused`."""
    domain = server.hypervisor.create(value.get('config'), bool(value.get('paused')))
    return {'domain': domain.number, 'name': domain.name}


def command_list(server, connection, value):
    report = server.hypervisor.report()
    domains = report['domains']
    if 'domain' in value:
        number = server.domain(value).number
        domains = [one for one in domains if one['number'] == number]
    return {'machine_ns': report['machine_ns'], 'instructions': report['instructions'], 'domains': domains}


def command_pause(server, connection, value):
    server.hypervisor.pause(server.domain(value))


def command_unpause(server, connection, value):
    server.hypervisor.unpause(server.domain(value))


def command_shutdown(server, connection, value):
    server.hypervisor.shutdown(server.domain(value))


def command_destroy(server, connection, value):
    server.destroy(server.domain(value), 'destroyed')


def command_console(server, connection, value):
    """From now on the connection gets objects with `output`, and at the end one with `ended`."""
    connection.console = server.domain(value)
    return {'output': bytes(connection.console.output[-HISTORY:]).decode('latin-1')}


def command_input(server, connection, value):
    text = value.get('text')
    if not isinstance(text, str):
        raise BadInput('text: must be a text')
    try:
        server.domain(value).type(text.encode('latin-1'))
    except UnicodeEncodeError:
        raise BadInput('text: its characters stand for bytes, so they are from U+0000 to U+00FF') from None


def command_sched(server, connection, value):
    """`policy` and `allowance` of all; for `domain`, or if there is none for no domain, `weight`, `warp`, `warp_limit`, `unwarp`. What is not given stays.
    The result has how all is then."""
    hypervisor = server.hypervisor
    settings = {name: value[name] for name in configurations.SCHED_KEYS if name in value}
    general = {name: value[name] for name in ('policy', 'allowance') if name in value}
    if not all(isinstance(one, str) for one in general.values()):
        raise BadInput('policy and allowance: must be texts')
    domain = server.domain(value) if 'domain' in value else None
    if settings and domain is None:
        raise BadInput(f'{", ".join(settings)}: of which domain? give domain, too')
    if general:
        hypervisor.set_policy(**general)
    if settings:
        hypervisor.schedule(domain, **settings)
    report = hypervisor.report()
    rows = [{'domain': one['number'], 'name': one['name'], 'weight': configurations.weight_from(one['scheduling']['mcu_advance']),
             **{name: number for name, number in one['scheduling'].items()}} for one in report['domains'] if domain is None or one['number'] == domain.number]
    return {**report['scheduler'], 'domains': rows}


def path_of(value, name):
    path = value.get(name)
    if not isinstance(path, str) or not path or '\0' in path:
        raise BadInput(f'{name}: must be a path')
    return path


def command_save(server, connection, value):
    """`file`; with `leave` the domain runs on."""
    domain = server.domain(value)
    leave = bool(value.get('leave'))
    transfer.save(server.hypervisor, domain, path_of(value, 'file'), leave)
    if not leave:
        server.destroy(domain, 'saved')


def command_restore(server, connection, value):
    """`file`; `paused`."""
    domain = transfer.restore(server.hypervisor, path_of(value, 'file'))
    if not value.get('paused'):
        server.hypervisor.unpause(domain)
    return {'domain': domain.number, 'name': domain.name}


def command_migrate(server, connection, value):
    """`to`: the socket of the other hypervisor. Before the result come objects with `round`, the number of pages, null when the domain is stopped."""
    domain = server.domain(value)
    path = pathlib.Path(path_of(value, 'to'))
    if path.exists() and server.path.exists() and path.samefile(server.path):
        raise BadInput(f'{path}: is the socket of this hypervisor; give that of another')
    with protocol.Client(path) as client:
        result = transfer.migrate(server.hypervisor, domain, client, lambda pages: connection.send({'round': pages}))
    server.destroy(domain, 'migrated')
    return result


def command_receive(server, connection, value):
    """The connection brings a domain, and then `go on`."""
    connection.incoming = transfer.Incoming(server.hypervisor, 'the domain that arrives')


def command_go_on(server, connection, value):
    """`paused`: whether the domain that has arrived stays so."""
    domain, connection.received = connection.received, None
    if domain is None:
        raise BadInput('go on: no domain has arrived')
    if not value.get('paused'):
        server.hypervisor.unpause(domain)
    return {'domain': domain.number, 'name': domain.name}


def command_stop(server, connection, value):
    server.ended = True


COMMANDS = {'create': command_create, 'list': command_list, 'pause': command_pause, 'unpause': command_unpause, 'shutdown': command_shutdown,
            'destroy': command_destroy, 'console': command_console, 'input': command_input, 'sched': command_sched,
            'save': command_save, 'restore': command_restore, 'migrate': command_migrate, 'receive': command_receive, 'go on': command_go_on,
            'stop': command_stop}
