"""What it takes to boot Debian's Linux: the kernel, a ramdisk with busybox, its symbols, and the words of `run` for them."""
import pathlib
from dataclasses import dataclass

from guestkit.errors import BadInput
from guestkit.linux import kallsyms, modules
from guestkit.linux.debian import Debian
from guestkit.linux.initramfs import Archive

FILES = pathlib.Path(__file__).resolve().parent / 'files'
PACKAGE = 'linux-image-686'
BUSYBOX = 'busybox-static'
MEMORY = '64M'
# Without tests of the cryptography, which are more than half of a boot; and, to measure, without most of a PC.
APPEND = 'console=ttyS0 quiet nokaslr cryptomgr.notests'
APPEND_BARE = APPEND + ' noisapnp acpi=off nolapic noapic pci=off'
SHELL = b'init: the shell'          # what init prints when the system is up
DIRECTORIES = ['bin', 'dev', 'etc', 'proc', 'sys', 'root', 'mnt']
MODULES = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'ata_piix', 'sd_mod', 'vfat', 'nls_cp437', 'nls_ascii']       # for the devices of the machine
NODES = {'console': (5, 1), 'ttyS0': (4, 64), 'null': (1, 3), 'port': (1, 4)}       # until the kernel's own /dev is mounted


@dataclass(frozen=True)
class Linux:
    """The files: `symbols` is a System.map."""
    kernel: pathlib.Path
    initrd: pathlib.Path
    symbols: pathlib.Path

    def words(self, mode_words, append=APPEND, memory=MEMORY):
        """The words after `run` that boot it."""
        return [*mode_words, '--kernel', str(self.kernel), '--initrd', str(self.initrd), '--memory', memory, '--append', append]


def ramdisk(busybox, script=None, drivers=()):
    """The bytes of a ramdisk that loads `drivers` (files of modules, in their order), and runs a script (text) or gives a shell."""
    archive = Archive()
    for name in DIRECTORIES:
        archive.directory(name)
    archive.directory('tmp', 0o1777)
    for name, (major, minor) in NODES.items():
        archive.characters('dev/' + name, major, minor)
    archive.file('bin/busybox', pathlib.Path(busybox), 0o755)
    archive.link('bin/sh', 'busybox')
    archive.file('init', FILES / 'init.sh', 0o755)
    archive.file('etc/udhcpc.sh', FILES / 'udhcpc.sh', 0o755)
    for path in drivers:
        archive.file(f'modules/{path.name}', path)
    archive.file('modules/order', ''.join(f'{path.name}\n' for path in drivers))
    if script is not None:
        archive.file('script', script, 0o755)
    return archive.compressed()


def prepare(out, debian=None, script=None, package=PACKAGE, name='initrd.gz', drivers=()):
    """A Linux in the directory `out`, fetched where need be; `drivers` are the names of modules. Raises FetchError, BadInput."""
    debian = debian or Debian()
    kernel = debian.find(package, 'boot/vmlinuz-*')
    busybox = debian.find(BUSYBOX, 'bin/busybox')
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    made = Linux(kernel, out / name, out / f'System.map-{kernel.name.removeprefix("vmlinuz-")}')
    files = modules.in_order(kernel.parents[1] / 'lib' / 'modules', drivers)
    made.initrd.write_bytes(ramdisk(busybox, script, files))
    if not made.symbols.exists():
        made.symbols.write_text(symbols_of(kernel))
    return made


def symbols_of(kernel):
    """The System.map of a bzImage, as text."""
    try:
        data = pathlib.Path(kernel).read_bytes()
    except OSError as error:
        raise BadInput(f'{kernel}: cannot be read ({error.strerror}); give the path of a bzImage') from None
    return kallsyms.map_text(kallsyms.symbols(kallsyms.payload(data, str(kernel)), str(kernel)))
