"""One run from options to exit status: the part that the command line and the C interface share."""

import os
import time

from hyper import registers
from hyper.board import machine as stops
from hyper.board.machine import Machine
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.errors import UserError
from hyper.loader import detect
from hyper.loader.file import ImageFile
from hyper.options import MB
from hyper.walk import walk

LARGEST_FILE = 1024 * MB
CHUNK = 1 << 20
PHYSICAL = 0                    # the spaces of read_memory and write_memory
LINEAR = 1


def read_file(name):
    """A whole file as an ImageFile; raises UserError."""
    parts = []
    try:
        descriptor = os.open(name, os.O_RDONLY, 0)
        try:
            total = 0
            part = os.read(descriptor, CHUNK)
            while part != '':
                parts.append(part)
                total += len(part)
                if total > LARGEST_FILE:
                    raise UserError("%s: larger than 1G; give a kernel image" % name)
                part = os.read(descriptor, CHUNK)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UserError("%s: cannot be read (%s); give the path of a readable file" % (name, os.strerror(error.errno)))
    return ImageFile(name, ''.join(parts))


def find_model(name):
    model = models.find(name)
    if model is None:
        raise UserError("--cpu %s: not known; choose from %s" % (name, ', '.join(models.names())))
    return model


def base_name(path):
    """The last part of a path."""
    at = path.rfind('/') + 1
    assert at >= 0
    return path[at:]


class Sinks(object):
    """Gives each domain its console; the command line and the C interface have their own."""

    def sink(self, number, name):
        raise NotImplementedError


class Session(object):
    """A machine with what runs on it; made from Options, raises UserError if that cannot be."""

    def __init__(self, options, world, sinks):
        self.options = options
        self.seconds = 0.0              # of real time spent running
        self.names = []
        files = {}
        configs = []
        for domain in options.domains:
            image = self.file(files, domain.image)
            modules = []
            for name in domain.modules:
                modules.append(self.file(files, name))
            for copy in range(domain.copies):
                number = len(configs)
                name = base_name(domain.image)
                if domain.copies > 1:
                    name = '%s.%d' % (name, copy + 1)
                self.names.append(name)
                configs.append(DomainConfig(name, domain.mode, domain.mmu, domain.memory, domain.append, image, modules,
                                            domain.at, sinks.sink(number, name)))
        model = find_model(options.cpu)
        config = configs[0]
        self.machine = Machine(config.memory, model, world)
        self.machine.add_pc(config.sink)
        self.machine.load(detect.load(config.image, config.boot_request()))

    def file(self, files, name):
        """A file is read once, however many domains use it."""
        if name not in files:
            files[name] = read_file(name)
        return files[name]

    def close(self):
        self.machine.close()

    # running

    def run(self, max_instructions, until_address, seconds):
        """See Machine.run; returns why the run ended."""
        before = time.time()
        reason = self.machine.run(max_instructions, until_address, seconds)
        self.seconds += time.time() - before
        return reason

    def status(self):
        return self.machine.status()

    def receive(self, number, text):
        """Console input for a domain."""
        self.machine.receiver.receive(text)

    # looking in

    def has_domain(self, number):
        return 0 <= number < len(self.names)

    def get(self, number, name):
        return registers.get(self.machine.system, name)

    def set(self, number, name, value):
        return registers.set(self.machine.system, name, value)

    def physical(self, number, space, address):
        """The machine-physical address of a byte, -1 if there is none."""
        if space == LINEAR:
            system = self.machine.system
            address = walk(self.machine.memory, system.cr0, system.cr3, system.cr4, address)
        if self.machine.memory.contains(address, 1):
            return address
        return -1

    def read_memory(self, number, space, address, size):
        """Up to `size` bytes, fewer where memory ends or is not mapped."""
        parts = []
        for i in range(size):
            physical = self.physical(number, space, address + i)
            if physical < 0:
                break
            parts.append(chr(self.machine.memory.read8(physical)))
        return ''.join(parts)

    def write_memory(self, number, space, address, data):
        """Writes bytes; how many until memory ended or was not mapped."""
        for i in range(len(data)):
            physical = self.physical(number, space, address + i)
            if physical < 0:
                return i
            self.machine.memory.write8(physical, ord(data[i]))
        return len(data)

    # telling

    def why_crashed(self):
        """What to show when the run ended badly: the reason and the processor's state; '' if it did not."""
        if self.machine.ended != stops.CRASHED:
            return ''
        return 'hyper: %s was stopped: %s\n%s' % (self.names[0], self.machine.why, registers.dump(registers.SystemRegisters(self.machine.system)))

    def report_text(self):
        system = self.machine.system
        return 'hyper: %s: %s after %d instructions, %s s (%s million a second), machine time %s s\n' % (
            self.names[0], self.machine.why, system.icount, decimal(self.seconds, 3), self.speed(),
            decimal(system.now() / 1000000000.0, 3))

    def speed(self):
        if self.seconds <= 0.0:
            return '0'
        return decimal(self.machine.system.icount / self.seconds / 1000000.0, 1)

    def report_json(self):
        system = self.machine.system
        return ('{"instructions": %d, "machine_ns": %d, "seconds": %s, "stop": "%s", "status": %d, "domains": ['
                '{"name": %s, "mode": "native", "state": "%s", "exits": {}, "hypercalls": {}}]}\n' % (
                    system.icount, system.now(), decimal(self.seconds, 6), self.machine.why, self.status(),
                    quoted(self.names[0]), self.machine.why))


def decimal(value, places):
    """A non-negative number with so many places after the point."""
    scale = 1
    for i in range(places):
        scale *= 10
    scaled = int(value * scale + 0.5)
    fraction = '%d' % (scaled % scale)
    return '%d.%s' % (scaled // scale, '0' * (places - len(fraction)) + fraction)


def quoted(text):
    """A JSON string."""
    parts = ['"']
    for c in text:
        if c == '"' or c == '\\':
            parts.append('\\' + c)
        elif ord(c) < 0x20 or ord(c) >= 0x7f:
            parts.append('\\u%s' % registers.hex4(ord(c)))
        else:
            parts.append(c)
    parts.append('"')
    return ''.join(parts)
