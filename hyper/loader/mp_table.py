"""The MP configuration table, for kernels that have APICs and no ACPI.

Source: Intel MultiProcessor Specification 1.4 (242016), chapter 4.
"""

from hyper.board import chipset, power_management
from hyper.loader.acpi import IO_APIC, IO_APIC_ID, LOCAL_APIC, OEM_TABLE, checksum
from hyper.loader.file import pack16, pack32

POINTER_SIZE = 16
HEADER_SIZE = 44
PRODUCT = 'HYPER PC    '
PCI = 0                         # bus numbers
ISA = 1
INT = 0                         # kinds of interrupts
NMI = 1
EXTINT = 3
AS_BUS = 0x0000                 # polarity and trigger mode
LEVEL_HIGH = 0x000d
PROCESSOR_FLAGS = 3             # enabled, boots
LOCAL_APIC_VERSION = 0x14
IO_APIC_VERSION = 0x11


def io_interrupt(flags, bus, source, number):
    """Input `number` of the I/O APIC."""
    return '\x03' + chr(INT) + pack16(flags) + chr(bus) + chr(source) + chr(IO_APIC_ID) + chr(number)


def local_interrupt(kind, pin):
    return '\x04' + chr(kind) + pack16(AS_BUS) + chr(ISA) + '\x00\xff' + chr(pin)


def table(signature, features):
    """The configuration table with its header: `signature` and `features` are CPUID's EAX and EDX of leaf 1."""
    entries = ['\x00\x00' + chr(LOCAL_APIC_VERSION) + chr(PROCESSOR_FLAGS) + pack32(signature) + pack32(features) + '\x00' * 8,
               '\x01' + chr(PCI) + 'PCI   ',
               '\x01' + chr(ISA) + 'ISA   ',
               '\x02' + chr(IO_APIC_ID) + chr(IO_APIC_VERSION) + '\x01' + pack32(IO_APIC),
               io_interrupt(AS_BUS, ISA, 0, 2)]
    for irq in range(1, 16):
        if irq != 2 and irq not in chipset.WIRE_IRQS:
            flags = LEVEL_HIGH if irq == power_management.SCI else AS_BUS
            entries.append(io_interrupt(flags, ISA, irq, irq))
    for slot in range(1, 32):
        for pin in range(4):
            entries.append(io_interrupt(LEVEL_HIGH, PCI, slot << 2 | pin, chipset.WIRE_IRQS[(pin + slot - 1) & 3]))
    entries.append(local_interrupt(EXTINT, 0))
    entries.append(local_interrupt(NMI, 1))
    body = ''.join(entries)
    before = 'PCMP' + pack16(HEADER_SIZE + len(body)) + '\x04'
    after = OEM_TABLE + PRODUCT + pack32(0) + pack16(0) + pack16(len(entries)) + pack32(LOCAL_APIC) + pack32(0) + body
    return before + checksum(before + after) + after


def tables(base, signature, features):
    """The floating pointer and the table, to lie at `base`, a multiple of 16."""
    before = '_MP_' + pack32(base + POINTER_SIZE) + '\x01\x04'
    after = '\x00' * 5
    return before + checksum(before + after) + after + table(signature, features)
