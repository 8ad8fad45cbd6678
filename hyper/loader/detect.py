"""Which kind of image a file is, and loading it by its kind."""

from hyper.cpu.models.model import APIC
from hyper.errors import UserError
from hyper.loader import acpi, bzimage, elf, flat, inflate, mp_table, multiboot, xen
from hyper.loader.entry import HIGH, Segment

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


MP_ALIGNMENT = 16
TABLES = 0xf0000                # where the tables of a PC's firmware lie, unless the image does


def load(file, request):
    """The image of a native machine or a fully virtualized domain with the tables of its PC; raises UserError."""
    image = load_kernel(file, request)
    data = tables(request.model)
    for segment in image.segments:
        if segment.address < TABLES + len(data) and TABLES < segment.address + segment.size:
            return image
    image.segments.append(Segment(TABLES, data, len(data)))
    return image


def tables(model):
    """The ACPI tables of a PC with such a processor (None: one without APIC), and behind them the MP table if it has APICs."""
    has_apics = model is not None and model.features & APIC != 0
    data = acpi.tables(TABLES, has_apics)
    if has_apics:
        data += '\x00' * (-len(data) % MP_ALIGNMENT)
        data += mp_table.tables(TABLES + len(data), model.signature, model.features)
    return data


def load_kernel(file, request):
    """The image alone. An --at overrules the marks."""
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
