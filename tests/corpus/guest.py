"""The corpus: small guest programs in programs/. What a file is called and what its first lines say:

    NAME.S, NAME.c      assembly with `_start` (support/corpus.inc has macros), or C with `main` (support/corpus.h)
    NAME.json           what the final state must have, beside the agreement of all engines: any fields of --final-state, and "output"
    corpus: run OPTIONS             in a comment: the words of `hyper run` after the image; more than one such line gives more runs
    corpus: translated only         too long for the untranslated machine
    corpus: on QEMU                 run there too, where what it prints and how it ends must be the same

Without a `run` line a program runs natively. Memory is 2 MB where --memory is not given. Programs end by the exit port F4h.
"""

import json
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(HERE, 'support')
PROGRAMS = os.path.join(HERE, 'programs')
FLAGS = ['-m32', '-march=i686', '-O1', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-fno-stack-protector', '-fcf-protection=none',
         '-fno-asynchronous-unwind-tables', '-mno-sse', '-Wl,--build-id=none', '-Wl,-z,noexecstack', '-Wl,--no-warn-rwx-segments']
DIRECTIVE = re.compile(r'corpus: *(run|translated only|on QEMU)(.*?)(\*/)?$', re.MULTILINE)


class Program(object):
    def __init__(self, path):
        self.path = path
        self.name, self.kind = os.path.splitext(os.path.basename(path))
        self.translated_only = False
        self.on_qemu = False
        self.runs = []              # lists of words
        with open(path) as source:
            directives = DIRECTIVE.findall(source.read())
        for word, rest, end in directives:
            if word == 'run':
                self.runs.append(rest.split())
            elif word == 'on QEMU':
                self.on_qemu = True
            else:
                self.translated_only = True
        if not self.runs:
            self.runs.append([])
        for words in self.runs:
            if '--memory' not in words:
                words += ['--memory', '2M']

    def build(self, directory):
        """The path of its ELF file."""
        image = os.path.join(directory, self.name + '.elf')
        sources = [self.path]
        if self.kind == '.c':
            sources.insert(0, os.path.join(SUPPORT, 'start.S'))
        if self.on_qemu:
            sources.insert(0, os.path.join(SUPPORT, 'multiboot.S'))
        subprocess.check_call(['gcc'] + FLAGS + ['-I', SUPPORT, '-T', os.path.join(SUPPORT, 'corpus.ld'), '-o', image] + sources)
        return image

    def expected(self):
        """What its final state must have."""
        path = os.path.join(PROGRAMS, self.name + '.json')
        if not os.path.exists(path):
            return {}
        with open(path) as text:
            return json.load(text)


def programs():
    return [Program(os.path.join(PROGRAMS, name)) for name in sorted(os.listdir(PROGRAMS)) if name.endswith(('.S', '.c'))]
