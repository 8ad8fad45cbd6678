"""A guest from one's own file."""
import subprocess
import sys

import pytest

from conftest import ROOT
from guestkit import Machine
from guestkit.build import build_file
from guestkit.errors import BadInput, GuestkitError

ASSEMBLY = '''
        .globl  main
main:   mov     $NUMBER, %eax
        ret
'''


def test_a_c_file_becomes_a_guest_by_the_command(tmp_path):
    (tmp_path / 'sum.c').write_text('#include "guest.h"\nint main(const char *c) { print("%d %x %s\\n", 6 * 7, 255, c); return 0; }\n')
    done = subprocess.run([sys.executable, '-m', 'guestkit', 'build', 'sum.c'], cwd=tmp_path, env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'},
                          capture_output=True, text=True)
    assert done.returncode == 0 and 'guestkit run sum.elf' in done.stdout, done.stderr
    with Machine(tmp_path / 'sum.elf', append='a b') as machine:
        machine.run(seconds=20, check=True)
        assert machine.output == b'42 ff a b\n'


def test_an_assembly_file_and_macros_do(tmp_path):
    (tmp_path / 'a.S').write_text(ASSEMBLY)
    build_file([tmp_path / 'a.S'], tmp_path / 'a.elf', defines=['NUMBER=9'])
    with Machine(tmp_path / 'a.elf') as machine:
        assert machine.run(seconds=20).status == 9


def test_a_file_with_start_gets_no_run_time(tmp_path):
    (tmp_path / 'a.S').write_text('.globl _start\n_start: inc %eax\n jmp _start\n')
    build_file([tmp_path / 'a.S'], tmp_path / 'a.elf')
    assert (tmp_path / 'a.elf').stat().st_size < 6000
    with Machine(tmp_path / 'a.elf') as machine:
        machine.run(instructions=10)
        assert machine.regs.eax == 5


def test_what_cannot_be_built_is_told(tmp_path, capfd):
    (tmp_path / 'wrong.c').write_text('int main(void) { return }\n')
    with pytest.raises(GuestkitError, match='wrong.c was not built'):
        build_file([tmp_path / 'wrong.c'], tmp_path / 'a.elf')
    assert 'error' in capfd.readouterr().err
    (tmp_path / 'empty.c').write_text('int x;\n')
    with pytest.raises(BadInput, match='neither main nor _start'):
        build_file([tmp_path / 'empty.c'], tmp_path / 'a.elf')
