"""The command line: hyper run, models, version."""

import os

from rpython.rlib.jit import set_user_param

from hyper import console, host, options
from hyper.cpu import models
from hyper.errors import UserError
from hyper.final_state import final_state
from hyper.session import Session, Sinks

VERSION = '0.1'
STATUS_BAD_INPUT = 2


class TerminalSinks(Sinks):
    """Every domain writes to standard output, with its name before each line if there are several."""

    def __init__(self, world, several):
        self.world = world
        self.several = several

    def sink(self, number, name):
        prefix = ''
        if self.several:
            prefix = name + '| '
        return self.world.add_terminal(prefix)


def run(words):
    """Runs what the words ask for; returns the exit status."""
    chosen = options.parse(words)
    set_jit(chosen.jit)
    world = console.HostWorld()
    several = len(chosen.domains) > 1 or chosen.domains[0].copies > 1
    session = Session(chosen, world, TerminalSinks(world, several))
    report_file = open_file('--report-file', chosen.report_file)        # now, so that no run is for nothing
    state_file = open_file('--final-state', chosen.final_state)
    host.catch_signals()
    if world.is_terminal:
        host.raw_terminal()
    try:
        session.run(chosen.instructions, -1, chosen.timeout)
    finally:
        host.cook_terminal()
    world.flush()
    console.write_all(console.STDERR, session.why_crashed())
    report(session, chosen, report_file)
    if chosen.final_state != '':
        write_file('--final-state', chosen.final_state, state_file, final_state(session.machine, session.status()))
    status = session.status()
    session.close()
    return status


def set_jit(parameters):
    if parameters != '':
        try:
            set_user_param(None, parameters)
        except ValueError:
            raise UserError("--jit %s: not understood; write it like threshold=200,trace_eagerness=50, or off" % parameters)


def report(session, chosen, descriptor):
    text = ''
    if chosen.report == 'text':
        text = session.report_text()
    elif chosen.report == 'json':
        text = session.report_json()
    if chosen.report_file == '':
        console.write_all(console.STDERR, text)
        return
    write_file('--report-file', chosen.report_file, descriptor, text)


def open_file(option, name):
    """A descriptor to write the file by, -1 if it was not asked for."""
    if name == '':
        return -1
    try:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0644)
    except OSError as error:
        raise cannot_write(option, name, error)


def write_file(option, name, descriptor, text):
    """Writes all of the text, and closes the file."""
    try:
        while text != '':
            count = os.write(descriptor, text)
            assert count >= 0
            text = text[count:]
        os.close(descriptor)
    except OSError as error:
        raise cannot_write(option, name, error)


def cannot_write(option, name, error):
    return UserError("%s %s: cannot be written (%s); give the path of a writable file" % (option, name, os.strerror(error.errno)))


def asks_for_models(words):
    for i in range(1, len(words)):
        if words[i - 1] == '--cpu' and words[i] == 'help':
            return True
    return False


def command(words):
    if len(words) == 0:
        console.write_all(console.STDERR, options.HELP)
        return STATUS_BAD_INPUT
    name = words[0]
    for word in words:
        if word == '--help' or word == '-h' or name == 'help':
            console.write_all(console.STDOUT, options.HELP)
            return 0
    if name == 'models' or (name == 'run' and asks_for_models(words)):
        console.write_all(console.STDOUT, models.listing())
        return 0
    if name == 'run':
        return run(words[1:])
    if name == 'version' or name == '--version':
        console.write_all(console.STDOUT, 'hyper %s\n' % VERSION)
        return 0
    raise UserError("%s: no such command; see hyper --help" % name)


def complain(text):
    console.write_all(console.STDERR, 'hyper: %s\n' % text)
    return STATUS_BAD_INPUT


def entry_point(argv):
    """The main function: `argv` as a C program has it; returns the exit status."""
    try:
        return command(argv[1:])
    except UserError as error:
        return complain(error.text)
    except MemoryError:
        return complain("the host has not enough memory; give less --memory")


if __name__ == '__main__':
    import sys
    sys.exit(entry_point(sys.argv))
