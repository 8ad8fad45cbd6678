"""Which kind of image a file is, and loading it by its kind."""

from hyper.errors import UserError
from hyper.loader import bzimage, elf, flat, inflate, multiboot, xen
from hyper.loader.entry import HIGH

UNKNOWN = 'unknown'
MULTIBOOT = 'multiboot'
BZIMAGE = 'bzimage'
BOOT_SECTOR = 'boot sector'
ELF = 'elf'
XEN = 'xen'
GZIP = 'gzip'


def detect(file):
    """The kind of image by its marks; one of the names above."""
    if xen.is_xen(file):
        return XEN
    if inflate.is_gzip(file):
        return GZIP
    if bzimage.is_bzimage(file):
        return BZIMAGE
    if flat.is_boot_sector(file):
        return BOOT_SECTOR
    if multiboot.find_header(file) >= 0:
        return MULTIBOOT
    if elf.is_elf(file):
        return ELF
    return UNKNOWN


def load(file, request):
    """The image of a native machine or a fully virtualized domain; raises UserError. An --at overrules the marks."""
    if file.size() == 0:
        raise UserError("%s: is empty; give a kernel image" % file.name)
    if request.memory_size < HIGH:
        raise UserError("%s: 1M of memory is the least a PC has; give it more --memory" % file.name)
    if request.at >= 0:
        return flat.load(file, request)
    kind = detect(file)
    if kind == BZIMAGE:
        return bzimage.load(file, request)
    if kind == BOOT_SECTOR:
        return flat.load_boot_sector(file, request)
    if kind == MULTIBOOT:
        return multiboot.load(file, request)
    if kind == ELF:
        return flat.load_elf(file, request)
    if kind == XEN or kind == GZIP:
        raise UserError("%s: an image for a paravirtual domain; give --mode para" % file.name)
    raise UserError("%s: not ELF, multiboot, bzImage or a boot sector; for a flat image give its address with --at"
                    % file.name)
