"""Small guests from assembly text, by the assembler that builds all guests."""
import os
import shutil
import struct
import subprocess
import tempfile

R_386_32, R_386_PC32, R_386_16, R_386_PC16 = 1, 2, 20, 21
assembled = {}          # what has been assembled before, by source and address


def assemble(source, at):
    """The bytes of 32-bit code (AT&T syntax; .code16 for real mode) linked to run at address `at`."""
    if (source, at) not in assembled:
        directory = tempfile.mkdtemp()
        try:
            path = os.path.join(directory, 'guest')
            with open(path + '.s', 'w') as out:
                out.write('.text\n.globl _start\n_start:\n' + source + '\n')
            subprocess.check_call(['as', '--32', '-o', path + '.o', path + '.s'])
            with open(path + '.o', 'rb') as compiled:
                assembled[source, at] = link(compiled.read(), at)
        finally:
            shutil.rmtree(directory)
    return assembled[source, at]


def link(elf, at):
    """The .text of an ELF object, its references to itself resolved for address `at`: far quicker than starting a linker for each small guest."""
    table, entry_size, count, names = struct.unpack_from('<I', elf, 0x20) + struct.unpack_from('<3H', elf, 0x2e)
    sections = [struct.unpack_from('<10I', elf, table + k * entry_size) for k in range(count)]
    names_at = sections[names][4]
    by_name = {}
    for number, section in enumerate(sections):
        start = names_at + section[0]
        by_name[elf[start:elf.index('\0', start)]] = number
    number = by_name['.text']
    text = bytearray(elf[sections[number][4]:sections[number][4] + sections[number][5]])
    if '.rel.text' in by_name:
        relocations = sections[by_name['.rel.text']]
        symbols = sections[by_name['.symtab']]
        for k in range(relocations[5] // 8):
            offset, information = struct.unpack_from('<II', elf, relocations[4] + 8 * k)
            value, _, _, _, defined_in = struct.unpack_from('<IIBBH', elf, symbols[4] + 16 * (information >> 8) + 4)
            absolute = defined_in == 0xfff1 or information >> 8 == 0        # a plain number has symbol 0
            assert absolute or defined_in == number, 'a symbol outside .text'
            if not absolute:
                value += at
            kind = information & 0xff
            if kind in (R_386_PC32, R_386_PC16):
                value -= at + offset
            assert kind in (R_386_32, R_386_PC32, R_386_16, R_386_PC16), 'relocation %d' % kind
            form, mask = ('<I', 0xffffffff) if kind in (R_386_32, R_386_PC32) else ('<H', 0xffff)
            struct.pack_into(form, text, offset, (struct.unpack_from(form, text, offset)[0] + value) & mask)
    return bytes(text)
