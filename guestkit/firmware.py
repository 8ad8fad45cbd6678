"""SeaBIOS for machines that boot from their disks: as installed on this host, or fetched as Debian's package."""
import pathlib
import sys

from guestkit.errors import BadInput
from guestkit.linux.debian import PLACE, Debian, FetchError

INSTALLED = pathlib.Path('/usr/share/seabios/bios.bin')
PACKAGE = 'seabios'
PATTERN = 'usr/share/seabios/bios.bin'


def find(place=PLACE, say=None):
    """The path of SeaBIOS's image, fetched if need be. Raises BadInput."""
    if INSTALLED.exists():
        return INSTALLED
    try:
        return Debian(place, say or (lambda text: print(text, file=sys.stderr, flush=True))).find(PACKAGE, PATTERN)
    except FetchError as error:
        raise BadInput(f'booting from a disk needs SeaBIOS: {error}; or give --firmware FILE or a kernel') from None


def boots_from_disk(words):
    """Whether the words of a run have a disk, and no image to start."""
    return ('--disk' in words or '--cdrom' in words) and words[0].startswith('-') and not {'--kernel', '--firmware', '--domain'} & set(words)


def added(words):
    """The words of a run, with the firmware where that is what it takes."""
    return [*words, '--firmware', str(find())] if boots_from_disk(words) else words
