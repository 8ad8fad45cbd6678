"""The ways to run the guest kernel, and the command lines for them."""
import os
import pathlib
import shutil
from dataclasses import dataclass

from guestkit.errors import GuestkitError

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mode:
    """`name` is that of the tables; `words` are options of bin/hyper run."""
    name: str
    kernel: str
    words: tuple


NATIVE = Mode('native', 'kernel-bare.elf', ('--mode', 'native'))
PARA = Mode('para', 'kernel-para.elf', ('--mode', 'para'))
FULL_VTLB = Mode('full-vtlb', 'kernel-bare.elf', ('--mode', 'full', '--mmu', 'vtlb'))
FULL_EPT = Mode('full-ept', 'kernel-bare.elf', ('--mode', 'full', '--mmu', 'ept', '--cpu', 'nehalem'))
MODES = (NATIVE, PARA, FULL_VTLB, FULL_EPT)


@dataclass(frozen=True)
class Setup:
    """Where the programs and guests are. `native` is the program without the JIT, None if it was not built."""
    hyper: str
    native: str
    guests: pathlib.Path
    archive: str = 'bench.img'

    def words(self, mode, append, memory='32M', extra=()):
        """The words after `run` that boot the kernel with a command line."""
        return [str(self.guests / mode.kernel), *mode.words, '--memory', memory, '--module', str(self.guests / self.archive),
                '--append', append, *extra]

    def qemu(self, append, memory='32'):
        """The command that does the same with QEMU's translator."""
        return ['qemu-system-i386', '-accel', 'tcg', '-kernel', str(self.guests / NATIVE.kernel), '-initrd', str(self.guests / self.archive),
                '-append', append, '-m', memory, '-nodefaults', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot',
                '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']


def find_hyper():
    """The path of bin/hyper; raises GuestkitError if it is not built."""
    hyper = os.environ.get('HYPER') or str(ROOT / 'bin' / 'hyper')
    if not os.path.exists(hyper):
        raise GuestkitError(f'{hyper}: not built; run make, or set HYPER to the program')
    return hyper


def find_setup(guests):
    """A Setup with what is built; raises GuestkitError if something is missing that is always needed."""
    hyper = find_hyper()
    native = os.environ.get('HYPER_O2') or str(ROOT / 'build' / 'hyper-O2')
    guests = pathlib.Path(guests)
    setup = Setup(hyper, native if os.path.exists(native) else None, guests)
    for name in (NATIVE.kernel, PARA.kernel, setup.archive):
        if not (guests / name).exists():
            raise GuestkitError(f'{guests / name}: not built; run guestkit build, or give --guests')
    return setup


def has_qemu():
    return shutil.which('qemu-system-i386') is not None
