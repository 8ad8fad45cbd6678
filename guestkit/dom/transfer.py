"""A paravirtual domain as a stream of bytes, in a file or on the way to another hypervisor.

The stream is a line of JSON (format, version, configuration, interface, frames), then pages, then a line of JSON with the state. A page is its number
and its type (u32, u32, little-endian) and 4096 bytes, or with ZERO added to the type none: it holds zeros. A page may come again: the last counts.
END in place of a number ends the pages. docs/domains.md describes it all.
"""
import json
import os
import select
import struct
import time

from guestkit.dom import configuration as configurations
from guestkit.errors import BadInput, GuestkitError
from guestkit.machine import Reason

FORMAT = 'guestkit domain'
VERSION = 2
PAGE = 4096
ZEROS = bytes(PAGE)
RECORD = struct.Struct('<II')
END = 0xffffffff
ZERO = 0x100
MOST_LINE = 64 << 20
BEGIN, GET, DIRTY, FINISH, KINDS = range(5)     # steps of hyper_save
TABLES = b'12'                  # types of pages that are page tables
STOPPING = 1.0                  # seconds that a kernel has to stop itself, and then its disks to do what they were asked for
HISTORY = 1 << 16               # bytes of its output that go with it
SLICE = 0.002                   # seconds that domains run between two batches of pages
BATCH = 256
MOST_ROUNDS = 8
FEW = 32                        # pages: with no more to send again, the domain is stopped


class Outgoing:
    """Sends a domain through `write`, a function that takes bytes. Raises what that raises, and BadInput if the domain cannot be saved."""

    def __init__(self, hypervisor, domain, write):
        self.hypervisor = hypervisor
        self.domain = domain
        self.write = write
        self.count = domain.call('hyper_save', BEGIN, 0, hypervisor.engine.ffi.NULL)
        self.buffer = hypervisor.engine.ffi.new('char[]', max(PAGE, self.count))
        self.rounds = []                # pages sent in each
        self.unlocked = False           # what only one machine can have
        self.stopped = None             # the time.monotonic() since when it does not run
        self.paused = hypervisor.is_paused(domain)

    def begin(self):
        """Sends what the other side must know first."""
        lines = dict(line.split(' ', 1) for line in self.text('hyper_saved_head').split('\n'))
        head = {'format': FORMAT, 'version': VERSION, 'configuration': self.domain.configuration, 'interface': lines['interface'],
                'frames': [int(word) for word in lines['frames'].split()]}
        self.write(json.dumps(head).encode() + b'\n')

    def text(self, name):
        """Lines of the engine."""
        return self.hypervisor.engine.text(name, self.hypervisor.handle, self.domain.number)

    def end(self):
        """After success or failure, unless the domain is gone."""
        self.domain.call('hyper_save', FINISH, 0, self.hypervisor.engine.ffi.NULL)

    def page(self, number):
        kind = self.domain.call('hyper_save', GET, number, self.buffer)
        data = bytes(self.hypervisor.engine.ffi.buffer(self.buffer, PAGE))
        if data == ZEROS:
            return RECORD.pack(number, kind | ZERO)
        return RECORD.pack(number, kind) + data

    def which(self, step, wanted):
        """The pages for which a step gives one of the characters."""
        self.domain.call('hyper_save', step, 0, self.buffer)
        return {number for number, mark in enumerate(bytes(self.hypervisor.engine.ffi.buffer(self.buffer, self.count))) if mark in wanted}

    def dirty(self):
        """The pages that were written to since the last time."""
        return self.which(DIRTY, b'1')

    def tables(self):
        return self.which(KINDS, TABLES)

    def send(self, numbers, run):
        for at in range(0, len(numbers), BATCH):
            self.write(b''.join(self.page(number) for number in numbers[at:at + BATCH]))
            if run:
                self.hypervisor.run(SLICE)

    def precopy(self, progress):
        """Sends pages while the domain runs, those again that it writes to, until few are left or it does not get better. `progress` is called with
        the number of pages of each round."""
        numbers = range(self.count)
        self.left = set()
        while True:
            tables = self.tables()                      # they go last, when the domain does not run
            numbers = [number for number in numbers if number not in tables]
            self.left |= tables
            self.rounds.append(len(numbers))
            progress(len(numbers))
            self.send(numbers, True)
            again = self.dirty()
            if len(again) <= FEW or len(self.rounds) >= MOST_ROUNDS or len(again) >= len(numbers) and len(self.rounds) > 2:
                self.left |= again
                return
            numbers = sorted(again)

    def stop(self):
        """The domain does not run any more; it has stopped itself if it knows how to."""
        self.stopped = time.monotonic()
        if not self.paused:
            self.domain.call('hyper_control', b'stop')
            end = self.stopped + STOPPING
            while self.domain.call('hyper_get', b'stopping') and time.monotonic() < end and self.domain.call('hyper_get', b'alive'):
                self.stopped = time.monotonic()
                if self.hypervisor.run(SLICE) == Reason.WAITING:
                    break
            if not self.domain.call('hyper_get', b'alive'):
                raise BadInput(f'{self.domain.name}: has ended')
            self.hypervisor.pause(self.domain)
        end = time.monotonic() + STOPPING
        while self.domain.call('hyper_get', b'waits_for_disks') and time.monotonic() < end:
            self.hypervisor.run(SLICE)

    def finish(self, everything, elsewhere):
        """What is left, with the domain stopped, and its state. If it goes elsewhere, its disks and ports are free for that."""
        numbers = range(self.count) if everything else sorted(self.left | self.dirty() | self.tables())
        self.rounds.append(len(numbers))
        self.send(numbers, False)
        state = {}
        for line in self.text('hyper_saved_state').split('\n'):
            name, _, numbers = line.partition(' ')
            state[name] = [int(word) for word in numbers.split()]
        state['console'] = bytes(self.domain.output[-HISTORY:]).decode('latin-1')
        if elsewhere:
            self.domain.call('hyper_control', b'unlock')
            self.unlocked = True
        self.write(RECORD.pack(END, 0) + json.dumps(state).encode() + b'\n')

    def go_on(self):
        """The domain stays here after all, and runs if it did. Raises BadInput if it has its disks or ports no more: then it runs elsewhere, and stays paused here."""
        self.end()
        if self.unlocked:
            self.domain.call('hyper_control', b'lock')
        if not self.paused:
            self.hypervisor.unpause(self.domain)


class Incoming:
    """Makes a domain of a stream that is fed piece by piece; `domain` is it once it is complete, and paused. What is wrong with the stream is BadInput,
    and then there is no domain."""

    def __init__(self, hypervisor, where):
        self.hypervisor = hypervisor
        self.where = where              # the stream, for messages
        self.domain = None
        self.number = None
        self.data = bytearray()
        self.parser = self.parse()
        next(self.parser)

    def feed(self, data):
        """Returns what comes after the domain, None if it is not complete yet."""
        self.data += data
        try:
            self.parser.send(None)
        except StopIteration:
            return bytes(self.data)
        except (GuestkitError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            self.abandon()
            reason = str(error) if isinstance(error, GuestkitError) else 'not what guestkit dom save writes, or damaged'
            raise BadInput(f'{self.where}: {reason}') from None
        return None

    def abandon(self):
        """The rest does not come: what has been made is gone."""
        if self.number is not None:
            self.hypervisor.unfinished.discard(self.number)
            try:
                self.hypervisor.call('hyper_control', self.number, b'destroy')
            except BadInput:
                pass                    # refused as a whole
            self.number = None

    def take(self, size):
        while len(self.data) < size:
            yield
        result = bytes(self.data[:size])
        del self.data[:size]
        return result

    def take_line(self):
        while b'\n' not in self.data:
            if len(self.data) > MOST_LINE:
                raise ValueError
            yield
        line, _, rest = bytes(self.data).partition(b'\n')
        self.data = bytearray(rest)
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError
        return value

    def parse(self):
        yield
        header = yield from self.take_line()
        if header.get('format') != FORMAT:
            raise BadInput('not a saved domain; give a file that guestkit dom save has written')
        if header.get('version') != VERSION:
            raise BadInput(f'saved in version {header.get("version")} of the format, this guestkit has {VERSION}; use the one that saved it')
        configuration = header['configuration']
        configurations.check(configuration)
        frames = ' '.join(str(int(frame)) for frame in header['frames'])
        words = [word for word in configurations.words(configuration)[1:]]
        engine = self.hypervisor.engine
        self.number = self.hypervisor.make('hyper_restore', '\n'.join(words).encode('utf-8', 'surrogateescape'), str(header['interface']).encode(),
                                           frames.encode())
        self.hypervisor.unfinished.add(self.number)
        while True:
            number, kind = RECORD.unpack((yield from self.take(RECORD.size)))
            if number == END:
                break
            data = ZEROS if kind & ZERO else (yield from self.take(PAGE))
            if number >= 1 << 31 or kind >= 1 << 31:
                raise ValueError
            self.hypervisor.call('hyper_restore_page', self.number, number, kind & ~ZERO, engine.ffi.from_buffer(data))
        state = yield from self.take_line()
        history = state.pop('console', '').encode('latin-1')
        lines = '\n'.join(' '.join([name] + [str(int(value)) for value in values]) for name, values in state.items())
        number, self.number = self.number, None         # if the state is refused it is gone
        self.hypervisor.unfinished.discard(number)
        self.hypervisor.make('hyper_restored', number, lines.encode())
        self.domain = self.hypervisor._add(number, configuration)
        self.domain.output += history[-HISTORY:]


def save(hypervisor, domain, path, leave):
    """To a file, which is there only when it is whole. The caller destroys the domain, unless it is left to go on."""
    part = f'{path}.part'
    try:
        with open(part, 'wb') as file:
            outgoing = Outgoing(hypervisor, domain, file.write)
            try:
                outgoing.stop()
                outgoing.begin()
                outgoing.finish(True, False)
                file.flush()
                os.replace(part, path)
            except BaseException:
                outgoing.go_on()
                raise
    except OSError as error:
        remove(part)
        raise BadInput(f'{path}: cannot be written ({error.strerror}); give another path') from None
    except BaseException:
        remove(part)
        raise
    if leave:
        outgoing.go_on()
    else:
        outgoing.end()


def remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def restore(hypervisor, path):
    """The domain of a file, paused."""
    incoming = Incoming(hypervisor, path)
    try:
        with open(path, 'rb') as file:
            while data := file.read(1 << 20):
                if (rest := incoming.feed(data)) is not None:
                    if rest or file.read(1):
                        hypervisor.destroy(incoming.domain)
                        raise BadInput(f'{path}: has more in it than a domain')
                    return incoming.domain
    except OSError as error:
        incoming.abandon()
        raise BadInput(f'{path}: cannot be read ({error.strerror}); give the path of a saved domain') from None
    incoming.abandon()
    raise BadInput(f'{path}: ends too early; it is not whole')


def migrate(hypervisor, domain, client, progress):
    """To the hypervisor that a Client is connected to, while the domain runs; returns what it took. On failure the domain runs on here."""
    client.call('receive')
    client.socket.settimeout(60)

    def write(data):
        if select.select([client.socket], [], [], 0)[0]:
            raise BadInput(client.receive().get('error', 'the hypervisor there does not want the domain'))
        client.socket.sendall(data)

    outgoing = Outgoing(hypervisor, domain, write)
    try:
        outgoing.begin()
        outgoing.precopy(progress)
        outgoing.stop()
        progress(None)
        outgoing.finish(False, True)
        client.send('go on', paused=outgoing.paused)
        answer = client.receive()
        if 'error' in answer:
            raise BadInput(answer['error'])
    except OSError as error:
        outgoing.go_on()
        raise GuestkitError(f'{client.path}: the hypervisor there is gone ({error.strerror or error}); the domain runs on here') from None
    except BaseException:
        outgoing.go_on()
        raise
    outgoing.end()
    return {'rounds': outgoing.rounds, 'downtime_ms': round(1000 * (time.monotonic() - outgoing.stopped), 3), 'domain': answer['result']['domain']}
