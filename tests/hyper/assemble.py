"""Small guests from assembly text, by the assembler that builds all guests."""
import os
import shutil
import subprocess
import tempfile


def assemble(source, at):
    """The bytes of 32-bit code (AT&T syntax; .code16 for real mode) linked to run at address `at`."""
    directory = tempfile.mkdtemp()
    try:
        path = os.path.join(directory, 'guest')
        with open(path + '.s', 'w') as out:
            out.write('.text\n.globl _start\n_start:\n' + source + '\n')
        subprocess.check_call(['as', '--32', '-o', path + '.o', path + '.s'])
        subprocess.check_call(['ld', '-m', 'elf_i386', '-Ttext', hex(at), '-o', path + '.elf', path + '.o'])
        subprocess.check_call(['objcopy', '-O', 'binary', '-j', '.text', path + '.elf', path + '.bin'])
        with open(path + '.bin', 'rb') as code:
            return code.read()
    finally:
        shutil.rmtree(directory)
