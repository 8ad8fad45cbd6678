"""The two sides of the comparison: the host's processor and the machine."""
import os
import shutil
import subprocess
import tempfile

import fxstate
from layout import DATA_SIZE, RESULT_SIZE, FIELDS, SEGMENTS, unpack_results

HERE = os.path.dirname(os.path.abspath(__file__))
ENTRY, BATCH, RESULTS = 0x100000, 0x400000, 0x1000000
NATIVE_FLAGS = ['-m32', '-O1', '-nostdlib', '-static', '-ffreestanding', '-fno-pic', '-no-pie', '-fno-stack-protector', '-fcf-protection=none',
                '-Wl,-Ttext-segment=0x69000000']        # HELPER: where snippets hardly ever point
POPA, TWO_ACCESSES = 0x61, (0xa6, 0xa7, 0xca, 0xe8, 0xff)
ACCESS = (12, 13, 14)
LINUX_CPU = 0x7b                # a segment of Linux whose limit is the number of the CPU
HELPER, HELPER_MASK = 0x69000000, 0xfff00000
COMPARED_FLAGS = 0x247ed5       # all but those that an entry of the kernel clears or sets


class Unavailable(Exception):
    """The host cannot run 32-bit code, or there is no compiler for it."""


class Built(object):
    """The helper program and the guest's image, in a directory of their own until `remove`."""

    def __init__(self):
        self.directory = tempfile.mkdtemp()
        self.native = os.path.join(self.directory, 'native')
        self.guest = None

    def build_native(self):
        with open(os.devnull, 'w') as null:
            if subprocess.call(['gcc'] + NATIVE_FLAGS + ['-o', self.native, os.path.join(HERE, 'native.c')], stderr=null):
                raise Unavailable('gcc -m32 builds nothing here')
        try:
            self.run_native(b'\0' * (16 + DATA_SIZE))
        except (OSError, subprocess.CalledProcessError):
            raise Unavailable('the kernel runs no 32-bit code')

    def build_guest(self):
        """The guest's bytes, to be placed and entered at ENTRY."""
        if self.guest is not None:
            return self.guest
        base = os.path.join(self.directory, 'guest')
        subprocess.check_call(['as', '--32', '-o', base + '.o', os.path.join(HERE, 'guest.S')])
        subprocess.check_call(['ld', '-m', 'elf_i386', '-Ttext', hex(ENTRY), '-o', base + '.elf', base + '.o'])
        subprocess.check_call(['objcopy', '-O', 'binary', '-j', '.text', base + '.elf', base + '.bin'])
        with open(base + '.bin', 'rb') as image:
            self.guest = image.read()
        return self.guest

    def run_native(self, batch):
        """Results of a packed batch."""
        process = subprocess.Popen([self.native], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        output = process.communicate(batch)[0]
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.native)
        return unpack_results(output)

    def remove(self):
        shutil.rmtree(self.directory)


def results_size(count):
    return count * (RESULT_SIZE + DATA_SIZE)


def difference(snippet, expected, got):
    """What differs between two results of a snippet, in words; '' if nothing does that the manual defines."""
    undefined = snippet.undefined_at(expected.eip)
    parts = []
    fields = FIELDS
    opcode = snippet.instruction_at(expected.eip)
    if [name for name in SEGMENTS if getattr(expected, name) | 3 == LINUX_CPU] or got.vector == 14 and got.cr2 & HELPER_MASK == HELPER:
        return ''               # a random selector or address of what only the host has
    if opcode in TWO_ACCESSES and expected.vector in ACCESS and got.vector in ACCESS:
        # which of two accesses is looked at first is the processor's affair: the operands of CMPS, the target and the stack of CALL and RET
        fields = [name for name in FIELDS if name not in ('vector', 'error', 'cr2')]
    elif opcode == POPA and expected.vector in ACCESS:
        # silicon has loaded some registers already, which does no harm: POPA will load them again; and it may read the ESP that is skipped
        fields = ['esp'] + [name for name in FIELDS[8:] if name != 'cr2']
    for name in fields:
        a, b = getattr(expected, name), getattr(got, name)
        if name == 'eflags':
            a &= COMPARED_FLAGS & ~undefined
            b &= COMPARED_FLAGS & ~undefined
        elif name == 'error' and expected.vector == 14:
            a &= 2              # whether the page exists for the kernel, and what the processor calls a fetch, are the host's affair
            b &= 2
        if a != b:
            parts.append('%s %x, not %x' % (name, b, a))
    parts += fxstate.differences(expected.state, got.state, undefined >> 16)
    if expected.data != got.data:
        at = [k for k in range(DATA_SIZE) if expected.data[k:k + 1] != got.data[k:k + 1]]
        parts.append('data from %x to %x' % (at[0], at[-1]))
    return ', '.join(parts)


def describe(snippet):
    """A snippet for a report."""
    return snippet.text() + ' with ' + ' '.join(['%x' % value for value in snippet.regs + [snippet.eflags]])


def compare(batch, expected, got):
    """Pairs of a snippet and what differs in its results."""
    assert len(expected) == len(got) == len(batch.snippets)
    found = []
    for k in range(len(expected)):
        words = difference(batch.snippets[k], expected[k], got[k])
        if words:
            found.append((batch.snippets[k], words))
    return found


def report(found):
    return '\n'.join([words + ': ' + describe(snippet) for snippet, words in found])
