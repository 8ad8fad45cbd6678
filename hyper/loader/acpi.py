"""The ACPI tables of the PC: RSDP, RSDT, FADT, FACS, DSDT, and a MADT where there are APICs.

Source: Advanced Configuration and Power Interface 6.0, chapters 5 (tables), 6.2.13 (_PRT), 6.4 (resource descriptors) and 20 (AML encoding).
"""

from hyper.board import chipset, power_management
from hyper.loader.file import Block, pack16, pack32

ALIGNMENT = 64                  # the FACS wants it
OEM = 'HYPER '
OEM_TABLE = 'HYPERPC '
HEADER = 36
FACS_SIZE = 64
FADT_SIZE = 244
CENTURY = 0x32                  # the RTC's register
RESET_PORT = 0xcf9
RESET_VALUE = 6
LEGACY_DEVICES = 0x0003         # of the FADT's boot architecture flags: ISA devices, 8042
FLAGS = 0x0475                  # WBINVD works, C1, no fixed buttons, the RTC does not wake, reset register
NO_LATENCY = 0x0fff             # C2 and C3 are not there
SYSTEM_IO = 1

LOCAL_APIC = 0xfee00000
IO_APIC = 0xfec00000
IO_APIC_ID = 1
LEVEL_HIGH = 0x000d             # flags of an interrupt source override

MEMORY_HOLE = 0xc0000000        # no machine has RAM from here on
MEMORY_HOLE_LAST = 0xfebfffff

LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD']
ENABLED_HIDDEN = 0x0b           # _STA: present, enabled, works, not for a user's eyes

# AML
ZERO = '\x00'
NAME = '\x08'
BYTE = '\x0a'
DWORD = '\x0c'
SCOPE = '\x10'
BUFFER = '\x11'
PACKAGE = '\x12'
DEVICE = '\x5b\x82'
METHOD = '\x14'
END_TAG = '\x79\x00'


def sized(text):
    """PkgLength, which counts its own bytes, and the text."""
    length = len(text) + 1
    if length < 0x40:
        return chr(length) + text
    length += 1
    if length < 0x1000:
        return chr(0x40 | length & 0x0f) + chr(length >> 4) + text
    length += 1
    return chr(0x80 | length & 0x0f) + chr(length >> 4 & 0xff) + chr(length >> 12) + text


def byte(value):
    return BYTE + chr(value)


def dword(value):
    return DWORD + pack32(value)


def package(elements):
    return PACKAGE + sized(chr(len(elements)) + ''.join(elements))


def scope(name, body):
    return SCOPE + sized(name + body)


def device(name, body):
    return DEVICE + sized(name + body)


def resources(descriptors):
    """_CRS with a buffer of resource descriptors."""
    return NAME + '_CRS' + buffer_of(descriptors)


def buffer_of(descriptors):
    return BUFFER + sized(byte(len(descriptors) + 2) + descriptors + END_TAG)


def eisa_id(name):
    """`name` is three letters and four hexadecimal digits."""
    letters = (ord(name[0]) - 0x40) << 10 | (ord(name[1]) - 0x40) << 5 | ord(name[2]) - 0x40
    return DWORD + chr(letters >> 8) + chr(letters & 0xff) + chr(int(name[3:5], 16)) + chr(int(name[5:7], 16))


def word_range(kind, flags, first, last):
    """An address space of 16 bits: `kind` is 1 for I/O, 2 for bus numbers."""
    return '\x88' + pack16(13) + chr(kind) + '\x0c' + chr(flags) + pack16(0) + pack16(first) + pack16(last) + pack16(0) + pack16(last - first + 1)


def memory_range(first, last):
    return '\x87' + pack16(23) + '\x00\x0c\x01' + pack32(0) + pack32(first) + pack32(last) + pack32(0) + pack32(last - first + 1)


def ports(first, count):
    return '\x47\x01' + pack16(first) + pack16(first) + '\x01' + chr(count)


def interrupt_line(irq):
    return '\x22' + pack16(1 << irq)


def shared_level(irq):
    """A shared line that is active when high, as the bridge drives it. PCI's own default, active when low, is not what its end at the PICs looks like."""
    return '\x89' + pack16(6) + '\x09\x01' + pack32(irq)


def method(name, arguments, body):
    return METHOD + sized(name + chr(arguments) + body)


def links():
    """A PCI interrupt link device for each wire. They stay at the lines where firmware has routed them."""
    text = ''
    for wire in range(len(LINKS)):
        line = shared_level(chipset.WIRE_IRQS[wire])
        text += device(LINKS[wire], NAME + '_HID' + eisa_id('PNP0C0F') + NAME + '_UID' + byte(wire)
                       + resources(line) + NAME + '_PRS' + buffer_of(line) + method('_SRS', 1, '') + method('_DIS', 0, '')
                       + NAME + '_STA' + byte(ENABLED_HIDDEN))
    return text


def routing():
    """_PRT: the link of each pin of each slot."""
    entries = []
    for slot in range(1, 32):
        for pin in range(4):
            entries.append(package([dword(slot << 16 | 0xffff), byte(pin), LINKS[(pin + slot - 1) & 3], ZERO]))
    return NAME + '_PRT' + package(entries)


def isa_device(name, hardware_id, descriptors):
    return device(name, NAME + '_HID' + eisa_id(hardware_id) + resources(descriptors))


def definition_block():
    """The AML of the DSDT."""
    isa = device('ISA_', NAME + '_ADR' + dword(0x00010000)
                 + isa_device('KBD_', 'PNP0303', ports(0x60, 1) + ports(0x64, 1) + interrupt_line(1))
                 + isa_device('COM1', 'PNP0501', ports(0x3f8, 8) + interrupt_line(4))
                 + isa_device('RTC_', 'PNP0B00', ports(0x70, 2) + interrupt_line(8)))
    windows = (word_range(2, 0, 0, 0xff) + ports(0xcf8, 8) + word_range(1, 3, 0, 0xcf7) + word_range(1, 3, 0xd00, 0xffff)
               + memory_range(0xa0000, 0xbffff) + memory_range(MEMORY_HOLE, MEMORY_HOLE_LAST))
    bus = device('PCI0', NAME + '_HID' + eisa_id('PNP0A03') + NAME + '_UID' + ZERO + resources(windows) + routing() + isa)
    sleep = NAME + '_S5_' + package([byte(power_management.SLEEP_OFF >> 10), byte(power_management.SLEEP_OFF >> 10), ZERO, ZERO])
    return scope('\\_SB_', links() + bus) + sleep


def checksum(text):
    total = 0
    for c in text:
        total += ord(c)
    return chr(-total & 0xff)


def table(signature, revision, body):
    """A system description table with its header."""
    before = signature + pack32(HEADER + len(body)) + chr(revision)
    after = OEM + OEM_TABLE + pack32(1) + 'HYPR' + pack32(1) + body
    return before + checksum(before + after) + after


def io_register(block, offset, port, bits):
    """A generic address."""
    block.put8(offset, SYSTEM_IO)
    block.put8(offset + 1, bits)
    block.put32(offset + 4, port)


def fadt(facs, dsdt):
    block = Block(FADT_SIZE)
    block.put32(36, facs)
    block.put32(40, dsdt)
    block.put16(46, power_management.SCI)
    block.put32(56, power_management.PM1_STATUS)
    block.put32(64, power_management.PM1_CONTROL)
    block.put32(76, power_management.PM_TIMER)
    block.put8(88, 4)                           # lengths of the PM1 event, PM1 control and timer registers
    block.put8(89, 2)
    block.put8(91, 4)
    block.put16(96, NO_LATENCY)
    block.put16(98, NO_LATENCY)
    block.put8(108, CENTURY)
    block.put16(109, LEGACY_DEVICES)
    block.put32(112, FLAGS)
    io_register(block, 116, RESET_PORT, 8)
    block.put8(128, RESET_VALUE)
    block.put32(132, facs)
    block.put32(140, dsdt)
    io_register(block, 148, power_management.PM1_STATUS, 32)
    io_register(block, 172, power_management.PM1_CONTROL, 16)
    io_register(block, 208, power_management.PM_TIMER, 32)
    text = block.text()
    assert len(text) > HEADER
    return table('FACP', 3, text[HEADER:])


def override(irq, line, flags):
    return '\x02\x0a\x00' + chr(irq) + pack32(line) + pack16(flags)


def madt():
    """One processor, one I/O APIC; the timer is at its input 2, and the SCI and the PCI lines are level-triggered."""
    entries = ('\x00\x08\x00\x00' + pack32(1)
               + '\x01\x0c' + chr(IO_APIC_ID) + '\x00' + pack32(IO_APIC) + pack32(0)
               + override(0, 2, 0) + override(power_management.SCI, power_management.SCI, LEVEL_HIGH))
    for irq in range(16):
        if irq in chipset.WIRE_IRQS:
            entries += override(irq, irq, LEVEL_HIGH)
    entries += '\x04\x06\xff\x00\x00\x01'       # NMI is at LINT1 of every processor
    return table('APIC', 1, pack32(LOCAL_APIC) + pack32(1) + entries)


class Shelf(object):
    """Bytes under construction that lie at `base`, each part aligned."""

    def __init__(self, base):
        self.base = base
        self.text = ''

    def add(self, part):
        """The address of the part."""
        self.text += '\x00' * (-len(self.text) % ALIGNMENT)
        at = self.base + len(self.text)
        self.text += part
        return at


def tables(base, has_apics):
    """All of them, to lie at physical `base`, a multiple of 64 in the BIOS's area E0000..FFFFF; the RSDP is first."""
    shelf = Shelf(base)
    shelf.add('\x00' * 20)
    facs = shelf.add('FACS' + pack32(FACS_SIZE) + '\x00' * (FACS_SIZE - 8))
    dsdt = shelf.add(table('DSDT', 1, definition_block()))
    pointers = pack32(shelf.add(fadt(facs, dsdt)))
    if has_apics:
        pointers += pack32(shelf.add(madt()))
    rsdt = shelf.add(table('RSDT', 1, pointers))
    before = 'RSD PTR '
    after = OEM + '\x00' + pack32(rsdt)
    return before + checksum(before + after) + after + shelf.text[20:]
