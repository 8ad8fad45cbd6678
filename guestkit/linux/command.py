"""`guestkit linux`: Debian's Linux to its shell, with a script to run or a person to type; `guestkit symbols`: the functions of a bzImage."""
import argparse
import contextlib
import ctypes
import os
import pathlib
import shlex
import shutil
import sys
import time

from guestkit.arguments import Parser
from guestkit.errors import BadInput
from guestkit.linux import boot
from guestkit.linux.debian import PLACE, Debian
from guestkit.linux.page import Server
from guestkit.run import run_words

OUT = 'build/linux'
DISK_SIZE = 8 << 20
EXAMPLES = '''
Examples
  guestkit linux                                boots it under the hypervisor, with extended page tables, and runs a script that looks at it
  guestkit linux --shell                        gives a shell to type in; exit, or Ctrl-A x, ends it
  guestkit linux --mode native --script FILE    runs FILE in it on the bare machine; the exit status is the script's
  guestkit linux --shell --disk disk.img,virtio with a disk of yours, which is /dev/vda (one on IDE is /dev/sda)

The script that comes along also uses two disks, which are made anew in build/linux, and, where there is libslirp, a network of user space, through which it
fetches a page from a web server that this command runs meanwhile. In the shell, udhcpc -i eth0 -s /etc/udhcpc.sh sets that network up. The kernel and busybox are fetched with apt from the Debian archive into build/debian: nothing is installed and no root is needed. The ramdisk, and the
kernel's symbols, go to build/linux. The command line to run it by itself is shown.
'''
SYMBOLS_EXAMPLES = '''
Example
  guestkit symbols vmlinuz -o System.map
  guestkit run --mode full --kernel vmlinuz --symbols System.map
'''


def parser():
    parser = Parser(prog='guestkit linux', description="Boots Debian's own Linux kernel to a shell.", epilog=EXAMPLES,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--shell', action='store_true', help='a shell to type in instead of a script; machine time then follows the clock on the wall')
    parser.add_argument('--script', metavar='FILE', help='a shell script to run, instead of the one that comes along')
    parser.add_argument('--mode', choices=['native', 'full'], default='full', help='on the bare machine, or under the hypervisor (default)')
    parser.add_argument('--mmu', choices=['vtlb', 'ept'], help='full: shadow page tables, or extended ones (default)')
    parser.add_argument('--memory', metavar='SIZE', default=boot.MEMORY, help=f'memory of the machine (default {boot.MEMORY})')
    parser.add_argument('--append', metavar='TEXT', default='', help="further words for the kernel's command line")
    parser.add_argument('--package', metavar='NAME', default=boot.PACKAGE, help=f'the Debian package of the kernel (default {boot.PACKAGE})')
    parser.add_argument('--disk', metavar='FILE[,WORD]...', action='append', default=[], help='a disk, as for run; may be repeated')
    parser.add_argument('--net', metavar='user|tap,ifname=NAME|none', help='the network; user, where there is libslirp (it implies --realtime), else none')
    parser.add_argument('--timeout', metavar='SECONDS', help='stops after so much real time, with status 124')
    parser.add_argument('--realtime', action='store_true', help='machine time follows the clock on the wall with a script too')
    parser.add_argument('--prepare', action='store_true', help='fetches and makes the files, and boots nothing')
    parser.add_argument('--place', metavar='DIRECTORY', default=str(PLACE), help=f'where the packages go (default {PLACE})')
    parser.add_argument('--out', metavar='DIRECTORY', default=OUT, help=f'where the ramdisk goes (default {OUT})')
    return parser


def say(text):
    print(text, file=sys.stderr, flush=True)


def show_progress(done, all):
    """A line of a terminal that says how far a download is."""
    if sys.stderr.isatty():
        print(f'\r\x1b[K  {done / 1e6:.1f} of {all / 1e6:.1f} MB' if done < all else '\r\x1b[K', end='', file=sys.stderr, flush=True)


def linux(words):
    """The command; returns the exit status."""
    options = parser().parse_args(words)
    if options.mmu and options.mode != 'full':
        raise BadInput(f'--mmu {options.mmu}: only --mode full has the choice; leave one of them out')
    if options.shell and options.script:
        raise BadInput('--shell and --script: give one of them')
    if options.net is None:
        options.net = default_network()
    elif options.net.split(',')[0] not in ('user', 'tap', 'none'):
        raise BadInput(f'--net {options.net}: not known; choose from user, tap,ifname=NAME and none')
    script = None if options.shell else read_script(options.script)
    made = boot.prepare(options.out, Debian(options.place, say, show_progress), script, options.package,
                        'shell.gz' if options.shell else 'script.gz', boot.MODULES)
    say(f'kernel: {os.path.relpath(made.kernel)}, {made.kernel.stat().st_size / 1e6:.1f} MB, as downloaded')
    say(f'ramdisk: {made.initrd}, {made.initrd.stat().st_size / 1e6:.1f} MB')
    with contextlib.ExitStack() as stack:
        if not options.shell and options.script is None:
            options.disk = [*options.disk, *make_disks(options.out)]
            if options.net == 'user':
                server = stack.enter_context(Server())
                options.append = f'{options.append} web={server.address()}'.strip()
        line = words_for(options, made)
        say('running: guestkit run ' + shlex.join(line))
        if options.prepare:
            return 0
        watch = BootWatch()
        status = run_words(line, watch)
        say(watch.text())
        return status


def default_network():
    """What --net is where it is not given."""
    try:
        ctypes.CDLL('libslirp.so.0')
    except OSError:
        say('network: left out, for libslirp.so.0 is not there; install libslirp0')
        return 'none'
    return 'user'


def make_disks(out):
    """Values of --disk with two empty disks, one on virtio and one on IDE."""
    disks = []
    for interface in ('virtio', 'ide'):
        path = pathlib.Path(out) / f'{interface}.img'
        path.unlink(missing_ok=True)            # a machine that still runs keeps its own
        with path.open('wb') as file:
            file.truncate(DISK_SIZE)
        disks.append(f'{path},{interface}')
    return disks


def read_script(name):
    path = pathlib.Path(name) if name else boot.FILES / 'script.sh'
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f'--script {path}: cannot be read ({getattr(error, "strerror", "not text")}); give the path of a shell script') from None


def words_for(options, made):
    """The words after `guestkit run`."""
    append = options.append
    if options.shell and sys.stdout.isatty():
        columns, lines = shutil.get_terminal_size()
        append = f'LINES={lines} COLUMNS={columns} {append}'.strip()    # the environment of init
    mode = ['--mode', options.mode]
    if options.mode == 'full':
        mode += ['--mmu', options.mmu or 'ept', '--symbols', str(made.symbols)]
    words = made.words(mode, f'{boot.APPEND} {append}'.strip(), options.memory)
    for disk in options.disk:
        words += ['--disk', disk]
    if options.net != 'none':
        words += ['--net', options.net]
    if options.shell or options.realtime:
        words.append('--realtime')
    if options.timeout is not None:
        words += ['--timeout', options.timeout]
    return words


class BootWatch:
    """Told of each piece of output: notes when the shell is there."""

    def __init__(self):
        self.begin = time.monotonic()
        self.recent = b''
        self.seconds = None
        self.instructions = 0

    def __call__(self, machine, data):
        if self.seconds is not None:
            return
        self.recent = (self.recent + data)[-4096:]
        if boot.SHELL in self.recent:
            report = machine.report()
            self.seconds = time.monotonic() - self.begin
            self.instructions = report.instructions

    def text(self):
        if self.seconds is None:
            return 'linux: it did not come to the shell'
        rate = self.instructions / self.seconds / 1e6
        return f'linux: the shell was there after {self.seconds:.2f} s and {self.instructions / 1e6:,.0f} million instructions ({rate:,.0f} million a second)'


def symbols(words):
    """The command `guestkit symbols`; returns the exit status."""
    parser = Parser(prog='guestkit symbols', description='Writes the functions of a Linux kernel by address, out of its bzImage, as a System.map.',
                    epilog=SYMBOLS_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('image', metavar='IMAGE', help='a bzImage, often called vmlinuz')
    parser.add_argument('-o', dest='output', metavar='FILE', help='where to (standard output if not given)')
    options = parser.parse_args(words)
    text = boot.symbols_of(options.image)
    if options.output is None:
        sys.stdout.write(text)
        return 0
    try:
        pathlib.Path(options.output).write_text(text)
    except OSError as error:
        raise BadInput(f'-o {options.output}: cannot be written ({error.strerror}); give another path') from None
    return 0
