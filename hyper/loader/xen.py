"""Images of paravirtual guests: Xen's format of 2003, and ELF with the same meaning."""

from hyper.errors import UserError
from hyper.loader import elf, inflate
from hyper.loader.file import hexadecimal, megabytes

MAGIC = 'XenoGues'
HEADER = 12                     # the magic and the load address
PAGE = 4096
HYPERVISOR = 0xfc000000         # nothing of a guest lies at or above it


class ParaImage(object):
    """`data` for virtual `load_address` (page-aligned) and on; `entry` is virtual."""

    def __init__(self, load_address, data, entry):
        self.load_address = load_address
        self.data = data
        self.entry = entry


def is_xen(file):
    return file.has(0, MAGIC)


def load(file, limit):
    """The guest of a file (gzip allowed) that takes at most `limit` bytes of memory; raises UserError."""
    if inflate.is_gzip(file):
        file = inflate.unpack(file, limit + HEADER)
    if is_xen(file):
        address = file.u32(len(MAGIC), "load address")
        image = ParaImage(address, file.bytes(HEADER, file.size() - HEADER, "kernel"), address)
    elif elf.is_elf(file):
        image = load_elf(file, limit)
    else:
        raise UserError("%s: neither an ELF nor a XenoGues image; link it at 0xc0000000 as ELF, or give --mode native"
                        % file.name)
    if len(image.data) == 0:
        raise UserError("%s: has no kernel in it; get a whole copy" % file.name)
    if len(image.data) > limit:
        raise too_big(file, len(image.data), limit)
    if image.load_address % PAGE != 0 or image.load_address + len(image.data) > HYPERVISOR:
        raise UserError("%s: its load address %s is not a page below the hypervisor; link it at 0xc0000000"
                        % (file.name, hexadecimal(image.load_address)))
    return image


def too_big(file, size, limit):
    return UserError("%s: takes %s and its domain has %s; give it more --memory"
                     % (file.name, megabytes(size), megabytes(limit)))


def load_elf(file, limit):
    program = elf.parse(file)
    first = program.parts[0].virtual
    end = 0
    for part in program.parts:
        first = min(first, part.virtual)
        end = max(end, part.virtual + part.size)
    first &= ~(PAGE - 1)
    if end - first > limit:
        raise too_big(file, end - first, limit)
    bytes = ['\x00'] * (end - first)
    for part in program.parts:
        data = program.data(part)
        at = part.virtual - first
        assert at >= 0
        for i in range(len(data)):
            bytes[at + i] = data[i]
    entry = program.entry
    if not first <= entry < end:
        raise UserError("%s: its entry point %s is a physical address; link it at its virtual one"
                        % (file.name, hexadecimal(entry)))
    return ParaImage(first, ''.join(bytes), entry)
