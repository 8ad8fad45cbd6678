"""`guestkit mkfs`: an image with a file system that the guest kernel reads and writes."""
import os
import subprocess
import sys

from guestkit.errors import BadInput

HELP = '''usage: guestkit mkfs IMAGE [DIRECTORY] [--size SIZE]

Makes IMAGE, a disk with an ext2 file system as the guest kernel has it under /disk, with what is in DIRECTORY. It is made by mke2fs, of the
package e2fsprogs; so e2fsck checks it and debugfs takes files out of it again.

  --size SIZE               of the disk; K, M or G (default 16M)

Example
  guestkit mkfs disk.img www
  guestkit run build/guests/kernel-para.elf --mode para --module build/guests/archive.img --disk disk.img
'''
UNITS = {'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
BLOCK = 4096                    # the only size that the kernel knows
LEAST = 64 * BLOCK


def size_of(text):
    """A size in bytes: digits, then K, M or G."""
    unit = UNITS.get(text[-1:].upper(), 1)
    digits = text[:-1] if unit > 1 else text
    if not digits.isdecimal():
        raise BadInput(f'--size {text}: not a size; write it like 512K, 16M or 1G')
    size = int(digits) * unit
    if size < LEAST or size % BLOCK:
        raise BadInput(f'--size {text}: must be at least 256K, in whole blocks of 4K')
    return size


def make_file_system(image, directory=None, size=16 << 20):
    """Makes the image; raises BadInput."""
    if directory is not None and not os.path.isdir(directory):
        raise BadInput(f'{directory}: is no directory; give one whose files shall be on the disk')
    try:
        with open(image, 'wb') as file:
            file.truncate(size)
    except OSError as error:
        raise BadInput(f'{image}: cannot be written ({error.strerror}); give another path') from None
    words = ['mke2fs', '-q', '-F', '-t', 'ext2', '-b', str(BLOCK), '-O', 'none', '-I', '128', '-m', '0']
    if directory is not None:
        words += ['-d', directory]
    path = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'      # where it is, though users seldom have that in their path
    try:
        made = subprocess.run([*words, image], capture_output=True, text=True, check=False, env={**os.environ, 'PATH': path})
    except FileNotFoundError:
        raise BadInput('mkfs: needs mke2fs; install e2fsprogs') from None
    if made.returncode != 0:
        reason = made.stderr.strip().splitlines()[-1:] or ['no reason given']
        raise BadInput(f'{image}: mke2fs cannot make it ({reason[0]}); perhaps it needs a larger --size')


def mkfs(words):
    """The command; returns the exit status."""
    if not words or '--help' in words or '-h' in words:
        print(HELP, end='', file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    places = []
    size = 16 << 20
    words = iter(words)
    for word in words:
        if word == '--size':
            size = size_of(next(words, ''))
        elif word.startswith('-'):
            raise BadInput(f'{word}: no such option; see guestkit mkfs --help')
        else:
            places.append(word)
    if not 1 <= len(places) <= 2:
        raise BadInput('mkfs: takes the path of an image, and perhaps a directory; see guestkit mkfs --help')
    make_file_system(*places, size=size)
    return 0
