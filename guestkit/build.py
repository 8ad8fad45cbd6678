"""`guestkit build`: the guests that come with guestkit, or a file of one's own made into a guest."""
import argparse
import pathlib
import shutil
import subprocess
import tempfile

from guestkit.arguments import Parser
from guestkit.errors import BadInput, GuestkitError

PACKAGE = pathlib.Path(__file__).resolve().parent
GUESTS = PACKAGE / 'guests'
RUNTIME = PACKAGE / 'runtime'
INCLUDE = PACKAGE / 'include'
LIBRARY = GUESTS / 'lib'
OUT = 'build/guests'
BACKENDS = ('bare', 'para')
FLAGS = ['-m32', '-O2', '-Wall', '-ffreestanding', '-fno-pic', '-fno-pie', '-fno-stack-protector', '-fno-asynchronous-unwind-tables',
         '-fcf-protection=none', '-mno-sse', '-mno-mmx', '-march=i686']

EXAMPLES = '''
Examples
  guestkit build                              builds the kernel, for the bare machine and paravirtual, and its programs
  guestkit build hello.c                      makes hello.elf, a guest for the bare machine (and --mode full)
  guestkit build hello.c --backend para -o hello-para.elf
  guestkit run hello.elf

A C file has int main(const char *command_line) and may #include "guest.h" (print, stop, outb, hypercall, ...); an assembly
file (.S, .s) has main, or _start if it does all by itself. Paravirtual ones find the interface in <xen/xen-1.0.h>, 1.2's with -D XEN_1_2.
'''


def parser():
    parser = Parser(prog='guestkit build', description='Builds guests into build/guests, or FILE into a guest.',
                    epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', metavar='FILE', nargs='*', help='C or assembly files of one guest; without any, the guests that come along')
    parser.add_argument('-o', dest='output', metavar='OUT', help=f'the guest to write (FILE with .elf), or the directory (default {OUT})')
    parser.add_argument('--backend', choices=BACKENDS, default='bare', help='what FILE runs on: the bare machine (default) or the hypervisor')
    parser.add_argument('-D', dest='defines', metavar='NAME[=VALUE]', action='append', default=[], help='defines a macro')
    return parser


def build(words):
    """The command; returns the exit status."""
    options = parser().parse_args(words)
    if not options.file:
        build_guests(options.output or OUT)
    else:
        output = options.output or pathlib.Path(options.file[0]).stem + '.elf'
        build_file(options.file, output, options.backend, options.defines)
        print(f'built {output}; run it with: guestkit run {output}' + (' --mode para' if options.backend == 'para' else ''))
    return 0


def build_guests(out):
    """Builds the guests that come with guestkit into a directory."""
    out = pathlib.Path(out).resolve()
    run(['make', '-s', '-C', str(GUESTS), f'OUT={out}'], 'the guests were not built')
    print(f'built into {out}: ' + ', '.join(sorted(path.name for path in out.iterdir() if path.suffix in ('.elf', '.img'))))


def build_file(sources, output, backend='bare', defines=()):
    """Compiles and links C and assembly files to one guest; raises GuestkitError with the compiler's words on stderr."""
    for source in sources:
        if not pathlib.Path(source).is_file():
            raise BadInput(f'{source}: no such file; give the path of a C or assembly file')
        if pathlib.Path(source).suffix not in ('.c', '.S', '.s'):
            raise BadInput(f'{source}: not C (.c) or assembly (.S, .s); give it such a name')
    with tempfile.TemporaryDirectory(prefix='guestkit-') as directory:
        macros = ['-D' + define for define in [f'GUEST_{backend.upper()}', *defines]]

        def compile(source, object):
            run(['gcc', *FLAGS, *macros, f'-I{RUNTIME}', f'-I{LIBRARY}', f'-I{INCLUDE}', '-c', str(source), '-o', object], f'{source} was not built')
            return object

        objects = [compile(source, f'{directory}/{i}.o') for i, source in enumerate(sources)]
        if not defines_symbol(objects, '_start'):
            if not defines_symbol(objects, 'main'):
                raise BadInput(f'{sources[0]}: has neither main nor _start; define int main(const char *command_line)')
            for source in [RUNTIME / f'{backend}.S', RUNTIME / f'{backend}.c', RUNTIME / 'print.c',
                           LIBRARY / 'format.c', LIBRARY / 'string.c']:
                objects.append(compile(source, f'{directory}/runtime-{len(objects)}.o'))
        run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-z,max-page-size=4096',
             '-Wl,--no-warn-rwx-segments', '-T', str(RUNTIME / f'{backend}.ld'), *objects, '-o', str(output)], f'{output} was not linked')


def defines_symbol(objects, name):
    symbols = subprocess.run(['nm', '--defined-only', *objects], check=True, capture_output=True, text=True).stdout
    return any(line.split()[-1:] == [name] for line in symbols.splitlines())


def run(command, complaint):
    """Runs a tool; what it says is shown. Raises GuestkitError if it fails or is not there."""
    if shutil.which(command[0]) is None:
        raise GuestkitError(f'{command[0]}: not found; install it (Debian: apt install gcc make)')
    if subprocess.run(command).returncode != 0:
        raise GuestkitError(f'{complaint}: {command[0]} says why above')
