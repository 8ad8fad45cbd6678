"""`guestkit run`: a guest on the terminal. The options are the engine's own, hyper/options.py, which checks them too."""
import os
import sys

from guestkit.engine import models
from guestkit.errors import BadInput
from guestkit.machine import Machine
from guestkit.terminal import HELP as KEYS, Keyboard

HELP = f'''usage: guestkit run IMAGE [options] [--domain IMAGE [options]]...

Runs a guest with its console on your terminal. IMAGE is a kernel: multiboot or plain ELF, a bzImage, a boot sector, a flat
file (with --at), or, for --mode para, an ELF linked at 0xc0000000 or a XenoGues image of 2003.

How it runs (each --domain has its own; what is not given is as for the domain before it)
  --mode native             no hypervisor: the kernel owns the machine (the default)
  --mode para               a domain whose kernel knows the hypervisor and asks it by hypercalls
  --mode full               a domain whose kernel does not know: it is trapped and emulated
  --mmu vtlb|ept            full: shadow page tables (the default), or the processor's nested ones
  --memory 32M              memory of the machine or domain; K, M or G
  --append TEXT             the kernel's command line
  --module FILE             a further file for the kernel: multiboot module or initial ramdisk; may be repeated
  --at ADDRESS              loads IMAGE as a flat file at this physical address and starts it there
  --copies N                so many domains of this kind

For the whole run
  --cpu MODEL               the processor, for instance core2duo, or nehalem (which has EPT); help for a list
  --timeout SECONDS         stops after so much real time, with status 124
  --instructions N          stops after N instructions
  --report text|json|none   what to tell on stderr when all has ended (default text)
  --report-file FILE        tells it to a file instead

Keys, if standard input is a terminal (Ctrl-C goes to the guest)
{KEYS.strip(chr(10))}

Examples
  guestkit run build/guests/kernel-bare.elf --module build/guests/archive.img
  guestkit run build/guests/kernel-para.elf --module build/guests/archive.img --mode para --copies 2
  guestkit run vmlinuz --module initrd.img --memory 64M --append "console=ttyS0" --mode full --mmu ept --cpu nehalem
  echo ls | guestkit run kernel.elf --timeout 10 > output.txt

Exit status: the guest's own (0 when it powers off), 2 for bad input, 3 when a domain had to be stopped, 124 for a
time-out, 130 after Ctrl-A x or Ctrl-C.
'''


def value_of(words, option, default):
    """The last value of an option in the words, which the engine has checked."""
    for i in range(len(words) - 2, -1, -1):
        if words[i] == option:
            return words[i + 1]
    return default


class Output:
    """Writes what a domain prints to standard output; with several domains each line begins with the domain's name."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.line_begins = True

    def __call__(self, data):
        if self.prefix:
            lines = data.splitlines(keepends=True)
            for i, line in enumerate(lines):
                if i > 0 or self.line_begins:
                    lines[i] = self.prefix + line
            self.line_begins = data.endswith(b'\n')
            data = b''.join(lines)
        while data:
            data = data[os.write(sys.stdout.fileno(), data):]


def run(words):
    """Runs what the words ask for; returns the exit status."""
    if not words or '--help' in words or '-h' in words:
        print(HELP, end='', file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if value_of(words, '--cpu', None) == 'help':
        for name, description in models().items():
            print(f'{name:12}  {description}')
        return 0
    if '--final-state' in words:
        raise BadInput('--final-state: only bin/hyper run has it; run that')
    with Machine.from_words(words) as machine:
        for domain in machine.domains:
            domain.on_output = Output(f'{domain.name}| '.encode() if len(machine.domains) > 1 else b'')
        report_file = open_report(value_of(words, '--report-file', None))
        instructions = value_of(words, '--instructions', None)
        seconds = value_of(words, '--timeout', None)
        try:
            with Keyboard(machine):
                status = machine.run(instructions=None if instructions is None else int(instructions, 0),
                                     seconds=None if seconds is None else float(seconds)).status
        except KeyboardInterrupt:
            status = 130
        finally:
            tell(machine, value_of(words, '--report', 'text'), report_file)
        return status


def open_report(name):
    if name is None:
        return sys.stderr
    try:
        return open(name, 'w', encoding='utf-8')
    except OSError as error:
        raise BadInput(f'--report-file {name}: cannot be written ({error.strerror}); give another path') from None


def tell(machine, kind, file):
    text = {'text': machine.summary, 'json': lambda: machine.engine.text('hyper_report', machine.handle), 'none': str}[kind]()
    print(text, end='', file=file, flush=True)
