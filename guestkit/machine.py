"""Machines and their domains, driven from Python.

    from guestkit import Machine

    with Machine('kernel.elf', memory='32M', append='init=/bin/sh') as machine:
        stop = machine.run(seconds=10)
        print(machine.output.decode(), stop.text, machine.regs.eax, machine.report().instructions)
"""
import enum
import os
import tempfile
import time
import weakref
from dataclasses import dataclass

from guestkit import disk, firmware, screen
from guestkit.engine import engine
from guestkit.errors import BadInput, GuestkitError, GuestStopped
from guestkit.memory import LINEAR, PHYSICAL, Memory
from guestkit.registers import Registers
from guestkit.report import Report

SLICE = 0.1                     # seconds in the engine between two looks at Python's signals
MOST_KEPT = 4 << 20             # bytes of a domain's output
STATUS_INTERRUPTED = 130


class Reason(enum.IntEnum):
    """Why a run ended."""
    POWERED_OFF = 0             # the guest switched the machine off, or every domain has ended
    INSTRUCTIONS = 1            # as many as were asked for
    ADDRESS = 2                 # the instruction at the address that was asked for is next
    CRASHED = 3                 # it can go no further
    TIMEOUT = 4                 # as many seconds as were asked for
    EXITED = 5                  # through the exit device, with a status
    INTERRUPTED = 6             # by Machine.interrupt()
    WAITING = 7                 # nothing will happen before the guest gets input
    OUTPUT = 8                  # the text that was asked for has been printed


ENDED = (Reason.POWERED_OFF, Reason.CRASHED, Reason.EXITED)


@dataclass(frozen=True)
class Stop:
    """How a run ended. `status` is what the command line would exit with."""
    reason: Reason
    status: int
    text: str

    @property
    def ended(self):
        """Whether the guest has ended: it cannot be run any further."""
        return self.reason in ENDED


FOUND = Stop(Reason.OUTPUT, 0, 'printed the text')


@dataclass(frozen=True)
class Guest:
    """What a domain is made from. `image` and `modules` are paths or bytes; without an image it boots from its disks, by SeaBIOS; `memory` is bytes or a text like '32M'.

    `mode` is native, para or full; `mmu` is vtlb or ept; `interface` is the Xen that a para kernel is for, 1.0 or 1.2; `at` is where a flat image is loaded and started; `disks` are values of --disk, such as
    'disk.img,snapshot', and `networks` values of --net, such as 'user' or 'domains'.
    """
    image: object
    mode: str = 'native'
    mmu: str = None
    memory: object = '32M'
    append: str = ''
    modules: tuple = ()
    at: int = None
    copies: int = 1
    disks: tuple = ()
    interface: str = None
    networks: tuple = ()

    def words(self, directory):
        """The words of the command line for it; images that are bytes are put into the directory."""
        image = ['--firmware', str(firmware.find())] if self.image is None else [place(self.image, directory)]
        words = [*image, '--mode', self.mode, '--memory', str(self.memory), '--copies', str(self.copies)]
        if self.mmu is not None:
            words += ['--mmu', self.mmu]
        if self.interface is not None:
            words += ['--interface', self.interface]
        if self.append:
            words += ['--append', self.append]
        if self.at is not None:
            words += ['--at', hex(self.at)]
        for module in self.modules:
            words += ['--module', place(module, directory)]
        for value in self.disks:
            words += ['--disk', os.fspath(value)]
        for value in self.networks:
            words += ['--net', value]
        return words


def place(image, directory):
    """The path of an image; one that is bytes becomes a file in the directory."""
    if not isinstance(image, (bytes, bytearray, memoryview)):
        return os.fspath(image)
    path = os.path.join(directory, f'image{len(os.listdir(directory))}')
    with open(path, 'wb') as file:
        file.write(image)
    return path


class Domain:
    """One guest of a machine: its registers, memory and console. A `native` machine has one."""

    def __init__(self, machine, number, name):
        self._machine = machine
        self.number = number
        self.name = name
        self.regs = Registers(self)
        self.physical = Memory(self, PHYSICAL)
        self.linear = Memory(self, LINEAR)
        self.output = bytearray()       # what it printed: the last MOST_KEPT bytes at least
        self.seen = 0                   # how much of that run(output=...) has looked at
        self.on_output = None           # called with each piece of output as bytes, usually a line

    @property
    def engine(self):
        return self._machine.engine

    def call(self, name, *arguments):
        """A function of the library on this domain."""
        return self._machine.call(name, self.number, *arguments)

    def type(self, text):
        """Console input, as if typed: text or bytes."""
        data = text.encode() if isinstance(text, str) else bytes(text)
        self.call('hyper_input', data, len(data))

    def press(self, text):
        """Types on the keyboard of its PC: text or bytes, by the keys of a US keyboard."""
        data = text.encode('latin-1', 'replace') if isinstance(text, str) else bytes(text)
        self.call('hyper_press', data, len(data))

    def move_mouse(self, right, down, buttons=0):
        """Moves the mouse of its PC by so many counts; bits 0 to 2 of `buttons` are left, right, middle."""
        self.call('hyper_mouse', right, down, buttons)

    def set_window(self, columns, lines):
        """The size of the window that shows its console; a guest with a virtio console hears of it."""
        self.call('hyper_window', columns, lines)

    def screenshot(self, path=None):
        """What its screen shows, a PIL.Image, None if that is nothing; with `path` also a PNG file."""
        self._machine.report()                  # says if the machine is closed
        image = screen.picture(self.engine.text('hyper_screen', self._machine.handle, self.number), self._read)
        if path is not None and image is not None:
            screen.save(image, path)
        return image

    def _read(self, space, address, size):
        buffer = self.engine.ffi.new('char[]', max(size, 1))
        return self.engine.ffi.buffer(buffer)[:self.call('hyper_read', space, address, buffer, size)]

    def report(self):
        """Its counters: a DomainReport."""
        return self._machine.report().domains[self.number]

    def received(self, data):
        self.output += data
        if len(self.output) > 2 * MOST_KEPT:
            dropped = len(self.output) - MOST_KEPT
            del self.output[:dropped]
            self.seen = max(0, self.seen - dropped)
        if self.on_output is not None:
            self.on_output(data)

    def saw(self, pattern):
        """Whether the bytes have been printed since they were last looked for."""
        at = self.output.find(pattern, self.seen)
        if at < 0:
            return False
        self.seen = at + len(pattern)
        return True

    def __repr__(self):
        return f'<Domain {self.number} {self.name}>'


class Machine:
    """A machine with a guest, loaded and ready to run. The options are those of Guest; `cpu` names the processor model;
    with `realtime` machine time keeps to the clock on the wall; `symbols` (a path) has exits counted by function of the kernel;
    `check_frames=N` has all counts of machine frames checked after every Nth hypercall of para domains.

    It is a context manager; `close` frees what it holds. Machine.of takes several guests. Machines are independent of each
    other; one thread at a time can run any of them.
    """

    def __init__(self, image, *, mode='native', mmu=None, memory='32M', append='', modules=(), at=None, copies=1, disks=(), interface=None, networks=(), cpu=None,
                 realtime=False, symbols=None, check_frames=None, on_output=None):
        self._open([Guest(image, mode, mmu, memory, append, tuple(modules), at, copies, tuple(disks), interface, tuple(networks))], cpu, realtime, symbols, check_frames, on_output)

    @classmethod
    def of(cls, *guests, cpu=None, realtime=False, symbols=None, check_frames=None, on_output=None):
        """A machine whose domains are made from these Guests."""
        if not guests:
            raise BadInput('Machine.of(): needs at least one Guest')
        machine = cls.__new__(cls)
        machine._open(guests, cpu, realtime, symbols, check_frames, on_output)
        return machine

    @classmethod
    def from_words(cls, words, on_output=None):
        """A machine from the words of the `run` command line. Its --timeout, --instructions and --report are the caller's."""
        machine = cls.__new__(cls)
        machine._open_words(words, on_output)
        return machine

    def _open(self, guests, cpu, realtime, symbols, check_frames, on_output):
        with tempfile.TemporaryDirectory(prefix='guestkit-') as directory:
            words = []
            for guest in guests:
                words += (['--domain'] if words else []) + guest.words(directory)
            if cpu is not None:
                words += ['--cpu', cpu]
            if realtime:
                words.append('--realtime')
            if symbols is not None:
                words += ['--symbols', os.fspath(symbols)]
            if check_frames is not None:
                words += ['--check-frames', str(check_frames)]
            self._open_words(words, on_output)

    def _open_words(self, words, on_output):
        for word in words:
            if '\n' in word or '\0' in word:
                raise BadInput(f'{word!r}: has a line break or zero in it; leave that out')
        self.engine = engine()
        with tempfile.TemporaryDirectory(prefix='guestkit-') as directory:      # the engine keeps the files of disks open
            words = disk.converted(words, directory)
            self.handle = self.engine.call('hyper_open', '\n'.join(words).encode('utf-8', 'surrogateescape'))
        self._finalizer = weakref.finalize(self, self.engine.call, 'hyper_close', self.handle)
        self._asked_to_stop = False
        self._pattern = None
        self._error = None              # raised by an output hook
        self.domains = ()
        self.domains = tuple(Domain(self, i, domain.name) for i, domain in enumerate(self.report().domains))
        self.on_output = on_output
        this = weakref.ref(self)
        self._callback = self.engine.ffi.callback(
            'console_t', lambda number, data, size: this()._received(number, data, size),
            onerror=lambda kind, error, trace: this()._failed(error))
        self.call('hyper_console', self._callback)

    def close(self):
        """Frees the machine; nothing can be asked of it afterwards."""
        self._finalizer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def call(self, name, *arguments):
        """A function of the library on this machine."""
        if not self._finalizer.alive:
            raise GuestkitError('the machine is closed; make a new one')
        return self.engine.call(name, self.handle, *arguments)

    # the first domain's, for machines that have one

    @property
    def regs(self):
        """The registers of the first domain."""
        return self.domains[0].regs

    @property
    def physical(self):
        """The memory of the first domain by guest-physical addresses."""
        return self.domains[0].physical

    @property
    def linear(self):
        """The memory of the first domain by linear addresses."""
        return self.domains[0].linear

    @property
    def output(self):
        """What the first domain has printed."""
        return self.domains[0].output

    @property
    def on_output(self):
        return self.domains[0].on_output

    @on_output.setter
    def on_output(self, hook):
        for domain in self.domains:
            domain.on_output = hook

    def type(self, text):
        """Console input for the first domain."""
        self.domains[0].type(text)

    def press(self, text):
        """Types on the keyboard of the first domain's PC."""
        self.domains[0].press(text)

    def move_mouse(self, right, down, buttons=0):
        """Moves the mouse of the first domain's PC."""
        self.domains[0].move_mouse(right, down, buttons)

    def screenshot(self, path=None):
        """What the first domain's screen shows, a PIL.Image, None if that is nothing; with `path` also a PNG file."""
        return self.domains[0].screenshot(path)

    def load(self, data, address):
        """Puts bytes, or a file, into the first domain's memory at a guest-physical address."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            with open(data, 'rb') as file:
                data = file.read()
        self.physical.write(address, data)

    def attach(self, descriptor, interactive=False):
        """Console input also comes from an open file descriptor; -1 takes that back.

        `interactive` means that a person is at its other end: then an idle guest waits in real time.
        """
        self.call('hyper_attach', descriptor, int(interactive))

    # running

    def run(self, *, instructions=None, until=None, seconds=None, output=None, check=False):
        """Runs until the guest ends or what is asked for happens; returns a Stop.

        So many `instructions` of all domains together; the instruction at linear address `until` is next; so many `seconds` of real time; a domain
        prints the text `output` (what it printed before counts if no run has looked at it; the guest runs on for some 10
        million instructions). With `check` a guest that was stopped, ran out of time or exited with a status other than 0
        raises GuestStopped.
        """
        for name, value in (('instructions', instructions), ('until', until), ('seconds', seconds)):
            if value is not None and value < 0:
                raise BadInput(f'{name}={value}: cannot be negative')
        self._pattern = output.encode() if isinstance(output, str) else output
        try:
            stop = self._run(instructions, until, seconds)
        finally:
            self._pattern = None
        if check and stop.status != 0:
            raise GuestStopped(stop, self.summary())
        return stop

    def _run(self, instructions, until, seconds):
        """A run in slices, so that signals and requests from other threads are heard."""
        end = None if seconds is None else time.monotonic() + seconds
        last = None if instructions is None else self.report().instructions + instructions      # of all domains
        while not self._found():
            length = SLICE if end is None else max(0.0, min(SLICE, end - time.monotonic()))
            left = -1 if last is None else max(0, last - self.report().instructions)
            reason = Reason(self.call('hyper_run', left, -1 if until is None else until, length))
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._found():
                return FOUND
            if reason not in (Reason.TIMEOUT, Reason.INTERRUPTED):
                return self._stop(reason)
            if self._asked_to_stop:
                self._asked_to_stop = False
                return Stop(Reason.INTERRUPTED, STATUS_INTERRUPTED, 'interrupted')
            if until is not None and self._at(until):
                return Stop(Reason.ADDRESS, 0, 'reached the address')
            if end is not None and time.monotonic() >= end:
                return self._stop(Reason.TIMEOUT)
        return FOUND

    def _stop(self, reason):
        return Stop(reason, self.call('hyper_status'), self.report().stop)

    def _at(self, address):
        regs = self.regs
        return (regs.cs_base + regs.eip) & 0xffffffff == address

    def _found(self):
        return self._pattern is not None and any(domain.saw(self._pattern) for domain in self.domains)

    def step(self, count=1):
        """Runs so many instructions one by one; returns a Stop."""
        if count < 1:
            raise BadInput(f'step({count}): give 1 or more')
        for _ in range(count):
            reason = Reason(self.call('hyper_step'))
            if reason in ENDED:
                break
        return self._stop(reason)

    def interrupt(self):
        """Ends the run that another thread, a signal handler or an output hook finds going on, or the next one."""
        self._asked_to_stop = True
        self.engine.interrupt(self.handle)

    def _received(self, number, data, size):
        """From the engine, in the middle of a run."""
        domain = self.domains[number]
        domain.received(self.engine.ffi.buffer(data, size)[:])
        if self._pattern is not None and domain.output.find(self._pattern, domain.seen) >= 0:
            self.engine.interrupt(self.handle)

    def _failed(self, error):
        """What an output hook raised cannot pass through the engine: the run ends, and raises it then."""
        self._error = error
        self.engine.interrupt(self.handle)

    # telling

    def report(self):
        """The counters: a Report."""
        self.call('hyper_status')               # says if the machine is closed
        return Report.parse(self.engine.text('hyper_report', self.handle))

    def summary(self):
        """What the command line tells at the end of a run: why a guest was stopped, with its state, and the counters."""
        self.call('hyper_status')
        return self.engine.text('hyper_summary', self.handle)

    def __repr__(self):
        state = 'closed' if not self._finalizer.alive else ', '.join(domain.name for domain in self.domains)
        return f'<Machine {state}>'
