"""The command line: guestkit run, dom, linux, build, mkfs, symbols, bench, popek-goldberg."""
import os
import signal
import sys

from guestkit import __version__
from guestkit.errors import GuestkitError

HELP = '''usage: guestkit COMMAND ...

guestkit runs operating systems on a machine of your own: bare, or as domains of a hypervisor.

  guestkit run IMAGE ...    runs a guest with its console on your terminal
  guestkit dom              makes, lists, pauses, ... domains of a hypervisor in the background
  guestkit linux            boots Debian's own Linux, as downloaded, to a shell
  guestkit build [FILE]     builds the guests that come with it, or your own C or assembly file
  guestkit abi              says where the header of the paravirtual interface is, for your own guests
  guestkit mkfs IMAGE [DIR] makes a disk with a file system for the guests that come with it
  guestkit symbols IMAGE    writes the functions of a Linux kernel by address, for run --symbols
  guestkit bench            measures what each way to run a kernel costs
  guestkit popek-goldberg   shows which instructions betray a hypervisor to a program, or the lack of one
  guestkit version

guestkit COMMAND --help says more and has examples. A first one:
  guestkit build
  guestkit run build/guests/kernel-bare.elf --module build/guests/archive.img
'''
STATUS_BAD_INPUT = 2
STATUS_BROKEN_PIPE = 141        # as a program has that dies of SIGPIPE
STATUS_INTERRUPTED = 130


def command(words):
    if not words:
        print(HELP, end='', file=sys.stderr)
        return STATUS_BAD_INPUT
    name, words = words[0], words[1:]
    if name in ('--help', '-h', 'help'):
        print(HELP, end='')
        return 0
    if name in ('version', '--version'):
        print(f'guestkit {__version__}')
        return 0
    if name == 'run':
        from guestkit.run import run
        return run(words)
    if name == 'build':
        from guestkit.build import build
        return build(words)
    if name == 'abi':
        from guestkit.abi import abi
        return abi(words)
    if name == 'mkfs':
        from guestkit.mkfs import mkfs
        return mkfs(words)
    if name == 'linux':
        from guestkit.linux.command import linux
        return linux(words)
    if name == 'dom':
        from guestkit.dom.command import dom
        return dom(words)
    if name == 'symbols':
        from guestkit.linux.command import symbols
        return symbols(words)
    if name == 'bench':
        from guestkit.bench.command import bench
        return bench(words)
    if name == 'popek-goldberg':
        from guestkit.popek_goldberg import popek_goldberg
        return popek_goldberg(words)
    raise GuestkitError(f'{name}: no such command; see guestkit --help')


def interrupted(number, frame):
    raise KeyboardInterrupt


def open_standard_files():
    """Those that the caller has closed become /dev/null, so that no other file gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
        if descriptor > 0:
            stream = open(descriptor, 'w', encoding='utf-8', closefd=False)
            sys.stdout, sys.stderr = (stream, sys.stderr) if descriptor == 1 else (sys.stdout, stream)
    os.close(descriptor)


def discard_output():
    """What standard output has not taken up to now is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(words=None):
    """Runs the command line; returns the exit status."""
    signal.signal(signal.SIGTERM, interrupted)
    open_standard_files()
    try:
        status = command(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
        return status
    except GuestkitError as error:
        print(f'guestkit: {error}'.replace('hyper --help', 'guestkit run --help'), file=sys.stderr)
        return STATUS_BAD_INPUT
    except BrokenPipeError:
        discard_output()
        return STATUS_BROKEN_PIPE
    except OSError as error:            # standard output cannot be written, or a directory for results not be made
        discard_output()
        print(f'guestkit: {error.filename or "standard output"}: {error.strerror}; make room, or choose another place', file=sys.stderr)
        return STATUS_BAD_INPUT
    except KeyboardInterrupt:
        return STATUS_INTERRUPTED


if __name__ == '__main__':
    sys.exit(main())
