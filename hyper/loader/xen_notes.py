"""What an ELF image says of itself to Xen 3: its notes, or the section __xen_guest of older images, a string of NAME=VALUE words.

Sources: the notes as Xen's public interface numbers them; System V ABI for the form of notes. Everything is read from the file with its offsets
checked; a note that its segment cuts short (some builders of images write a length that is too great) is as long as the segment lets it be.
"""
from hyper.errors import UserError
from hyper.loader import elf
from hyper.loader.file import hexadecimal

NOTE = 4                        # PT_NOTE
SECTION_NOTE = 7                # SHT_NOTE
NAME = 'Xen'
GUEST_SECTION = '__xen_guest'
ENTRY, HYPERCALL_PAGE, VIRT_BASE, PADDR_OFFSET, XEN_VERSION, GUEST_OS, GUEST_VERSION, LOADER, PAE_MODE, FEATURES = range(1, 11)
NUMBERS = [ENTRY, HYPERCALL_PAGE, VIRT_BASE, PADDR_OFFSET]
MOST_SECTIONS = 1024
MOST_TEXT = 4096                # bytes of the section __xen_guest
PAGE = 4096
NONE = -1


class Notes(object):
    """Numbers are NONE and texts '' where nothing is said. `paddr_offset` is what to take away from an ELF's physical addresses."""

    def __init__(self):
        self.entry = NONE
        self.hypercall_page = NONE
        self.virtual_base = NONE
        self.paddr_offset = NONE
        self.version = ''
        self.system = ''
        self.loader = ''
        self.pae = ''
        self.features = ''
        self.found = False

    def set_number(self, kind, value):
        if kind == ENTRY:
            self.entry = value
        elif kind == HYPERCALL_PAGE:
            self.hypercall_page = value
        elif kind == VIRT_BASE:
            self.virtual_base = value
        elif kind == PADDR_OFFSET:
            self.paddr_offset = value

    def set_text(self, kind, text):
        if kind == XEN_VERSION:
            self.version = text
        elif kind == GUEST_OS:
            self.system = text
        elif kind == LOADER:
            self.loader = text
        elif kind == PAE_MODE:
            self.pae = text
        elif kind == FEATURES:
            self.features = text

    def requires(self, feature):
        """Whether the image cannot run without a feature of the hypervisor's, by its name."""
        return feature_in(self.features, '!' + feature)


def feature_in(features, word):
    for one in features.split('|'):
        if one == word:
            return True
    return False


def find(file):
    """The Notes of an ELF image, None if it has none of Xen 3; raises UserError for a damaged one."""
    if not elf.is_elf(file) or not file.holds(0, elf.HEADER_SIZE) or file.u8(4, "class") != elf.CLASS_32:
        return None
    notes = Notes()
    in_segments(file, notes)
    if not notes.found:
        in_sections(file, notes)
    if not notes.found or not notes.version.startswith('xen-3'):
        return None
    return notes


def in_segments(file, notes):
    table = file.u32(28, "program header offset")
    size = file.u16(42, "program header size")
    count = min(file.u16(44, "program header count"), elf.MOST_HEADERS)
    if size < elf.PROGRAM_HEADER_SIZE:
        return
    for k in range(count):
        at = table + k * size
        if file.holds(at, elf.PROGRAM_HEADER_SIZE) and file.u32(at, "program header") == NOTE:
            read(file, notes, file.u32(at + 4, "note segment"), file.u32(at + 16, "note segment"))


def in_sections(file, notes):
    table = file.u32(32, "section header offset")
    size = file.u16(46, "section header size")
    count = min(file.u16(48, "section header count"), MOST_SECTIONS)
    names = table + file.u16(50, "section of names") * size
    if table == 0 or size < 40 or not file.holds(names, 40):
        return
    names = file.u32(names + 16, "section of names")
    for k in range(count):
        at = table + k * size
        if not file.holds(at, 40):
            return
        offset = file.u32(at + 16, "section")
        length = file.u32(at + 20, "section")
        if file.u32(at + 4, "section") == SECTION_NOTE:
            read(file, notes, offset, length)
        elif file.has(names + file.u32(at, "section"), GUEST_SECTION + '\x00') and file.holds(offset, length):
            read_words(notes, text_at(file, offset, min(length, MOST_TEXT)))


def read(file, notes, offset, size):
    """The notes in a part of the file."""
    if not file.holds(offset, size):
        return
    end = offset + size
    at = offset
    while at + 12 <= end:
        name_size = file.u32(at, "note")
        text_size = file.u32(at + 4, "note")
        kind = file.u32(at + 8, "note")
        text = at + 12 + (name_size + 3 & ~3)
        if text > end:
            return
        if name_size == len(NAME) + 1 and file.has(at + 12, NAME + '\x00'):
            notes.found = True
            length = min(text_size, end - text)
            if kind in NUMBERS:
                if length >= 4:
                    notes.set_number(kind, file.u32(text, "note"))
            else:
                notes.set_text(kind, text_at(file, text, length))
        at = text + (text_size + 3 & ~3)


def text_at(file, offset, most):
    """The characters up to a zero, at most so many."""
    bytes = file.bytes(offset, most, "text of a note")
    end = bytes.find('\x00')
    if end < 0:
        return bytes
    return bytes[:end]


def read_words(notes, text):
    """The older form: words with commas between them."""
    notes.found = True
    hypercall_page = NONE
    for word in text.split(','):
        at = word.find('=')
        if at < 0:
            continue
        name = word[:at]
        value = word[at + 1:]
        if name == 'XEN_VER':
            notes.version = value
        elif name == 'GUEST_OS':
            notes.system = value
        elif name == 'LOADER':
            notes.loader = value
        elif name == 'PAE':
            notes.pae = value
        elif name == 'FEATURES':
            notes.features = value
        elif name == 'VIRT_BASE':
            notes.virtual_base = number(value)
        elif name == 'VIRT_ENTRY':
            notes.entry = number(value)
        elif name == 'ELF_PADDR_OFFSET':
            notes.paddr_offset = number(value)
        elif name == 'HYPERCALL_PAGE':
            hypercall_page = number(value)      # the number of a page behind the base
    if notes.virtual_base == NONE:
        notes.virtual_base = 0
    if notes.paddr_offset == NONE:
        notes.paddr_offset = notes.virtual_base
    if hypercall_page != NONE:
        notes.hypercall_page = notes.virtual_base + hypercall_page * PAGE & 0xffffffff


def number(text):
    """A number in C's notation, of 32 bits; NONE if it is none."""
    base = 10
    if text.startswith('0x'):
        base = 16
        text = text[2:]
    try:
        value = int(text, base)
    except ValueError:
        return NONE
    if value < 0 or value > 0xffffffff:
        return NONE
    return value


class Xen3Image(object):
    """`data` for virtual `first` (page-aligned) and on, the base of the domain's memory; `entry` and `hypercall_page` are virtual, the latter NONE if
    there is none."""

    def __init__(self, base, data, entry, hypercall_page):
        self.base = base
        self.data = data
        self.entry = entry
        self.hypercall_page = hypercall_page


def load(file, notes, limit):
    """The image of an ELF file with such notes, for a domain of so many bytes; raises UserError."""
    if notes.loader != 'generic' and notes.loader != '':
        raise UserError('%s: wants a domain builder called %s; there is only the generic one' % (file.name, notes.loader))
    if not notes.pae.startswith('yes') and not notes.pae.startswith('bimodal'):
        raise UserError('%s: is a Xen 3 kernel without PAE; build it with PAE, this is the only paging that Xen 3 has here' % file.name)
    program = elf.parse(file)
    base = max(notes.virtual_base, 0)
    offset = max(notes.paddr_offset, 0)
    end = 0
    for part in program.parts:
        start = part.physical - offset
        if start < 0:
            raise UserError('%s: a segment at %s lies before the base of the kernel; link it at the addresses that its notes say' % (
                file.name, hexadecimal(part.physical)))
        end = max(end, start + part.size)
    if end > limit:
        raise UserError('%s: takes %dM and its domain has %dM; give it more --memory' % (file.name, (end >> 20) + 1, limit >> 20))
    bytes = ['\x00'] * end
    for part in program.parts:
        data = program.data(part)
        at = part.physical - offset
        assert at >= 0
        for k in range(len(data)):
            bytes[at + k] = data[k]
    entry = notes.entry
    if entry == NONE:
        entry = program.entry
    if base & (PAGE - 1) or not base <= entry < base + end:
        raise UserError('%s: its entry point %s is not in it (base %s); link it at the addresses that its notes say' % (
            file.name, hexadecimal(entry), hexadecimal(base)))
    page = notes.hypercall_page
    if page != NONE and (page & (PAGE - 1) or not base <= page <= base + end - PAGE):
        raise UserError('%s: its hypercall page %s is not a page of it; link it at the addresses that its notes say' % (file.name, hexadecimal(page)))
    return Xen3Image(base, ''.join(bytes), entry, page)
