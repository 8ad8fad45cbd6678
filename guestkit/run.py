"""`guestkit run`: a guest on the terminal. The options are the engine's own, hyper/options.py, which checks them too."""
import contextlib
import os
import signal
import sys
import time
import weakref

from guestkit import firmware, screen
from guestkit.debugger import Debugger
from guestkit.engine import models
from guestkit.errors import BadInput
from guestkit.machine import Machine, Reason
from guestkit.terminal import BREAK, HELP as KEYS, LEAVE, RESET, STATISTICS, WINDOW, Keyboard

STATUS_LEFT = 130
HELP = f'''usage: guestkit run IMAGE [options] [--domain IMAGE [options]]...
       guestkit run --kernel IMAGE [options]

Runs a guest with its console on your terminal. IMAGE is a kernel: multiboot or plain ELF, a bzImage, a boot sector, a flat
file (with --at), or, for --mode para, an ELF linked at 0xc0000000 or a XenoGues image of 2003.

How it runs (each --domain has its own; what is not given is as for the domain before it)
  --mode native             no hypervisor: the kernel owns the machine (the default)
  --mode para               a domain whose kernel knows the hypervisor and asks it by hypercalls
  --mode full               a domain whose kernel does not know: it is trapped and emulated
  --mmu vtlb|ept            full: shadow page tables (the default), or the processor's nested ones
  --interface 1.0|1.2       para: the Xen whose hypercalls the kernel knows (if not given, 3.0 where the image's notes say so, else 1.0)
  --memory 32M              memory of the machine or domain; K, M or G
  --append TEXT             the kernel's command line
  --module FILE             a further file for the kernel: multiboot module or initial ramdisk; may be repeated
  --kernel FILE             the image, where it is not the first word; --initrd FILE is another word for --module
  --disk FILE[,WORD]...     a disk: a raw image, which keeps what is written to it, or a qcow2 one; may be repeated. Words: ro (read-only), snapshot
                            (changes are forgotten), cdrom (an ISO image), ide (the default) or virtio (not for para), rate=SIZE (para: the most bytes a second)
  --net user[,WORD]...      a network adapter (virtio, or para: a ring); the guest reaches what you can; implies --realtime. Words:
                            forward=tcp:8080-80 (or udp: a port of this host to one of the guest)
  --net tap,ifname=NAME     the same, at a TAP interface of this host, which needs the right to open it; each may be followed by
                            ,mac=52:54:00:12:34:56, the adapter's address (not for para)
  --net domains[,WORD]...   para: an interface that reaches only other domains; may be repeated. Words of all, for para: rate=SIZE (the most bytes
                            sent a second), norules (nothing passes until rules say so), ip=10.0.2.40 (the address that the usual rules and
                            forward= are for, if not 10.0.2.15 plus the domain's number; tell its kernel, too)
  --cdrom FILE              the same as --disk FILE,cdrom
  --firmware FILE           in place of a kernel: a ROM image with a PC's firmware, like SeaBIOS's bios.bin; its screen and keyboard are the
                            console. With disks and neither kernel nor firmware it is SeaBIOS, from Debian's package: the machine boots from them
  --keyboard serial|ps2     where what you type arrives: at the serial line (the default), or at the PC's keyboard
  --virtio-console          the console is a virtio one too (Linux: console=hvc0); keys go there once a driver opens it
  --at ADDRESS              loads IMAGE as a flat file at this physical address and starts it there
  --copies N                so many domains of this kind
  --name NAME               what the domain is called, if not by its image
  --privileged              para: the domain may control others (dom0_op)
  --mcu-advance N, --warp TIME, --warp-limit TIME, --unwarp TIME
                            para, full: its share of the processor, and when it comes before others; docs/how-it-works.md has more

For the whole run
  --cpu MODEL               the processor, for instance core2duo, or nehalem (which has EPT); help for a list
  --scheduler bvt|rr        para, full: which domain runs, by Borrowed Virtual Time (the default) or in turn; --allowance TIME: how long it may run on
  --timeout SECONDS         stops after so much real time, with status 124
  --instructions N          stops after N instructions
  --expect TEXT             stops with status 0 when a console prints the text; 1 if all ends without it
  --realtime                machine time keeps to the clock on the wall, for a person (it is deterministic otherwise)
  --report text|json|none   what to tell on stderr when all has ended (default text)
  --report-file FILE        tells it to a file instead
  --reboot                  a guest that resets its machine starts anew; otherwise that ends the run
  --screenshot FILE         at the end draws what the guest's screen shows as a PNG file
  --symbols FILE            counts exits by function of the kernel too: a System.map, or an ELF file with symbols
  --rule TEXT               para: where packets may go, beside the usual rules of --net: accept or count, and any of from=DOMAIN.INDEX (or physical,
                            any), to= (or physical), source=10.0.2.0/24, destination=, sport=, dport=80, protocol=tcp (udp, ip, arp), with commas
                            between; may be repeated
  --check-frames N          para: after every Nth hypercall checks all counts and types of machine frames against what page
                            tables and descriptor tables hold; 1 for every one
  --templates N|off, --jit PARAMETERS|off
                            how code is compiled; bin/hyper --help has more

Keys, if standard input is a terminal (Ctrl-C goes to the guest)
{KEYS.strip(chr(10))}

Examples
  guestkit run build/guests/kernel-bare.elf --module build/guests/archive.img
  guestkit run build/guests/kernel-para.elf --module build/guests/archive.img --mode para --copies 2
  guestkit run --mode full --mmu ept --kernel vmlinuz --initrd initrd.gz --memory 64M --append "console=ttyS0" --realtime
  guestkit run --cdrom memtest86+ia32.iso --memory 64M
  guestkit run --disk disk.qcow2,snapshot --memory 256M --screenshot screen.png
  echo ls | guestkit run kernel.elf --timeout 10 > output.txt

Exit status: the guest's own (0 when it powers off; the byte that it writes to port 0xf4), 2 for bad input, 3 when a domain had to be stopped, 124 for a
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
    return run_words(words)


def run_words(words, on_output=None):
    """Runs with the console on the terminal; returns the exit status. `on_output` is called with the machine and each piece of output."""
    words, picture = without_screenshot(words)
    words, reboots = [word for word in words if word != '--reboot'], '--reboot' in words
    words = firmware.added(words)
    machine = make(words, on_output)
    report_file = open_report(value_of(words, '--report-file', None))
    limits = Limits(words)
    try:
        with Keyboard(machine) as keyboard, resizes(keyboard, words):
            status = None
            while status is None:
                command = keyboard.commands.popleft() if keyboard.commands else None
                if command == LEAVE:
                    status = STATUS_LEFT
                elif command == RESET:
                    machine.close()
                    machine = make(words, on_output)
                    keyboard.connect(machine)
                elif command == STATISTICS:
                    print('\n' + machine.summary(), end='', file=sys.stderr, flush=True)
                elif command == WINDOW:
                    type_window(machine, keyboard.window())
                elif command == BREAK:
                    with keyboard.suspended():
                        debugger = Debugger(machine)
                        print(file=sys.stderr)
                        debugger.cmdloop()
                    status = STATUS_LEFT if debugger.left else None
                else:
                    stop = machine.run(**limits.left(machine))
                    if reboots and was_reset(machine):
                        keyboard.commands.appendleft(RESET)
                    elif stop.reason != Reason.INTERRUPTED or not keyboard.commands:
                        status = stop.status
    except KeyboardInterrupt:
        status = STATUS_LEFT
        machine.interrupt()
        machine.run()                   # which ends at once, so that the report says why
    finally:
        tell(machine, value_of(words, '--report', 'text'), report_file)
        if picture is not None and machine.screenshot(picture) is None:
            print('guestkit: --screenshot: the screen shows nothing that can be drawn', file=sys.stderr)
        machine.close()
    return status


def was_reset(machine):
    """Whether every guest has reset its machine."""
    return all(domain.state.startswith('reset by the guest') for domain in machine.report().domains)


def type_window(machine, window):
    if window is not None:
        columns, lines = window
        machine.type(f' stty rows {lines} cols {columns}\r')


@contextlib.contextmanager
def resizes(keyboard, words):
    """Meanwhile the guests hear of each new size of the terminal; those with a virtio console do."""
    def tell_guests(*signal_and_frame):
        window = keyboard.window()
        if window is not None:
            for domain in keyboard.machine.domains:
                domain.set_window(*window)
    if '--virtio-console' not in words:
        yield
        return
    tell_guests()
    before = signal.signal(signal.SIGWINCH, tell_guests)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def without_screenshot(words):
    """The words without --screenshot FILE, and the file, None if it was not given."""
    if '--screenshot' not in words:
        return words, None
    at = words.index('--screenshot')
    if at + 1 == len(words):
        raise BadInput('--screenshot: needs the path of a PNG file after it')
    screen.pillow()                         # says now if it is missing
    return words[:at] + words[at + 2:], words[at + 1]


def make(words, on_output):
    """The machine, its consoles on standard output."""
    machine = Machine.from_words(words)
    for domain in machine.domains:
        write = Output(f'{domain.name}| '.encode() if len(machine.domains) > 1 else b'')
        domain.on_output = write if on_output is None else Both(write, on_output, machine)
    return machine


class Both:
    """Two hooks for output as one."""

    def __init__(self, write, further, machine):
        self.write = write
        self.further = further
        self.machine = weakref.proxy(machine)

    def __call__(self, data):
        self.write(data)
        self.further(self.machine, data)


class Limits:
    """What --timeout and --instructions leave for the next part of a run."""

    def __init__(self, words):
        instructions = value_of(words, '--instructions', None)
        seconds = value_of(words, '--timeout', None)
        self.instructions = None if instructions is None else int(instructions, 0)
        self.end = None if seconds is None else time.monotonic() + float(seconds)

    def left(self, machine):
        """The arguments of Machine.run."""
        return {'instructions': None if self.instructions is None else max(0, self.instructions - machine.regs.instructions),
                'seconds': None if self.end is None else max(0.0, self.end - time.monotonic())}


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
