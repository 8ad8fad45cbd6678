"""The fields of the VMCS: names and encodings (SDM vol. 3, appendix B).

An encoding says what the field is: bit 0 selects the high half of a 64-bit field, bits 9:1 count, bits 11:10 are the type and bits 14:13 the width
(SDM vol. 3, 24.11.2). The name of each field is a constant of this module: `fields.GUEST_RIP`. On this 32-bit processor natural width is 32 bits.
"""

WORD, QUAD, DOUBLEWORD, NATURAL = 0, 1, 2, 3                    # width
CONTROL, EXIT_INFORMATION, GUEST_STATE, HOST_STATE = range(4)   # type
# The areas of a VMCS (24.2): the three kinds of control share one type
AREA_GUEST, AREA_HOST, AREA_EXECUTION, AREA_EXIT, AREA_ENTRY, AREA_INFORMATION = range(6)
AREA_NAMES = ['guest state', 'host state', 'execution controls', 'exit controls', 'entry controls', 'exit information']

# area, first encoding, names of fields that follow each other in steps of 2
TABLE = [
    (AREA_EXECUTION, 0x0000, ['VPID']),
    (AREA_GUEST, 0x0800, ['GUEST_ES_SELECTOR', 'GUEST_CS_SELECTOR', 'GUEST_SS_SELECTOR', 'GUEST_DS_SELECTOR', 'GUEST_FS_SELECTOR',
                          'GUEST_GS_SELECTOR', 'GUEST_LDTR_SELECTOR', 'GUEST_TR_SELECTOR']),
    (AREA_HOST, 0x0c00, ['HOST_ES_SELECTOR', 'HOST_CS_SELECTOR', 'HOST_SS_SELECTOR', 'HOST_DS_SELECTOR', 'HOST_FS_SELECTOR', 'HOST_GS_SELECTOR',
                         'HOST_TR_SELECTOR']),
    (AREA_EXECUTION, 0x2000, ['IO_BITMAP_A', 'IO_BITMAP_B', 'MSR_BITMAP']),
    (AREA_EXIT, 0x2006, ['EXIT_MSR_STORE_ADDRESS', 'EXIT_MSR_LOAD_ADDRESS']),
    (AREA_ENTRY, 0x200a, ['ENTRY_MSR_LOAD_ADDRESS']),
    (AREA_EXECUTION, 0x200c, ['EXECUTIVE_VMCS_POINTER']),
    (AREA_EXECUTION, 0x2010, ['TSC_OFFSET', 'VIRTUAL_APIC_ADDRESS', 'APIC_ACCESS_ADDRESS']),
    (AREA_EXECUTION, 0x201a, ['EPT_POINTER']),
    (AREA_INFORMATION, 0x2400, ['GUEST_PHYSICAL_ADDRESS']),
    (AREA_GUEST, 0x2800, ['VMCS_LINK_POINTER', 'GUEST_DEBUGCTL', 'GUEST_PAT', 'GUEST_EFER', 'GUEST_PERF_GLOBAL_CTRL', 'GUEST_PDPTE0',
                          'GUEST_PDPTE1', 'GUEST_PDPTE2', 'GUEST_PDPTE3']),
    (AREA_HOST, 0x2c00, ['HOST_PAT', 'HOST_EFER', 'HOST_PERF_GLOBAL_CTRL']),
    (AREA_EXECUTION, 0x4000, ['PIN_CONTROLS', 'PROCESSOR_CONTROLS', 'EXCEPTION_BITMAP', 'PAGE_FAULT_MASK', 'PAGE_FAULT_MATCH', 'CR3_TARGET_COUNT']),
    (AREA_EXIT, 0x400c, ['EXIT_CONTROLS', 'EXIT_MSR_STORE_COUNT', 'EXIT_MSR_LOAD_COUNT']),
    (AREA_ENTRY, 0x4012, ['ENTRY_CONTROLS', 'ENTRY_MSR_LOAD_COUNT', 'ENTRY_INTERRUPTION_INFORMATION', 'ENTRY_EXCEPTION_ERROR_CODE',
                          'ENTRY_INSTRUCTION_LENGTH']),
    (AREA_EXECUTION, 0x401c, ['TPR_THRESHOLD', 'SECONDARY_CONTROLS']),
    (AREA_INFORMATION, 0x4400, ['INSTRUCTION_ERROR', 'EXIT_REASON', 'EXIT_INTERRUPTION_INFORMATION', 'EXIT_INTERRUPTION_ERROR_CODE',
                                'IDT_VECTORING_INFORMATION', 'IDT_VECTORING_ERROR_CODE', 'EXIT_INSTRUCTION_LENGTH',
                                'EXIT_INSTRUCTION_INFORMATION']),
    (AREA_GUEST, 0x4800, ['GUEST_ES_LIMIT', 'GUEST_CS_LIMIT', 'GUEST_SS_LIMIT', 'GUEST_DS_LIMIT', 'GUEST_FS_LIMIT', 'GUEST_GS_LIMIT',
                          'GUEST_LDTR_LIMIT', 'GUEST_TR_LIMIT', 'GUEST_GDTR_LIMIT', 'GUEST_IDTR_LIMIT']),
    (AREA_GUEST, 0x4814, ['GUEST_ES_ACCESS', 'GUEST_CS_ACCESS', 'GUEST_SS_ACCESS', 'GUEST_DS_ACCESS', 'GUEST_FS_ACCESS', 'GUEST_GS_ACCESS',
                          'GUEST_LDTR_ACCESS', 'GUEST_TR_ACCESS']),
    (AREA_GUEST, 0x4824, ['GUEST_INTERRUPTIBILITY', 'GUEST_ACTIVITY', 'GUEST_SMBASE', 'GUEST_SYSENTER_CS']),
    (AREA_HOST, 0x4c00, ['HOST_SYSENTER_CS']),
    (AREA_EXECUTION, 0x6000, ['CR0_MASK', 'CR4_MASK', 'CR0_SHADOW', 'CR4_SHADOW', 'CR3_TARGET_0', 'CR3_TARGET_1', 'CR3_TARGET_2', 'CR3_TARGET_3']),
    (AREA_INFORMATION, 0x6400, ['EXIT_QUALIFICATION', 'IO_RCX', 'IO_RSI', 'IO_RDI', 'IO_RIP', 'GUEST_LINEAR_ADDRESS']),
    (AREA_GUEST, 0x6800, ['GUEST_CR0', 'GUEST_CR3', 'GUEST_CR4', 'GUEST_ES_BASE', 'GUEST_CS_BASE', 'GUEST_SS_BASE', 'GUEST_DS_BASE',
                          'GUEST_FS_BASE', 'GUEST_GS_BASE', 'GUEST_LDTR_BASE', 'GUEST_TR_BASE', 'GUEST_GDTR_BASE', 'GUEST_IDTR_BASE', 'GUEST_DR7',
                          'GUEST_RSP', 'GUEST_RIP', 'GUEST_RFLAGS', 'GUEST_PENDING_DEBUG', 'GUEST_SYSENTER_ESP', 'GUEST_SYSENTER_EIP']),
    (AREA_HOST, 0x6c00, ['HOST_CR0', 'HOST_CR3', 'HOST_CR4', 'HOST_FS_BASE', 'HOST_GS_BASE', 'HOST_TR_BASE', 'HOST_GDTR_BASE', 'HOST_IDTR_BASE',
                         'HOST_SYSENTER_ESP', 'HOST_SYSENTER_EIP', 'HOST_RSP', 'HOST_RIP']),
]

# Fields of controls that the first processors with VT-x do not have (24.6.2): present where secondary controls are
SECONDARY_ONLY = ['VPID', 'APIC_ACCESS_ADDRESS', 'EPT_POINTER', 'GUEST_PHYSICAL_ADDRESS', 'SECONDARY_CONTROLS', 'GUEST_PAT', 'GUEST_EFER',
                  'GUEST_PDPTE0', 'GUEST_PDPTE1', 'GUEST_PDPTE2', 'GUEST_PDPTE3', 'HOST_PAT', 'HOST_EFER']
# Fields that go with a control for IA32_PERF_GLOBAL_CTRL, which no model here offers: they are nowhere present
ABSENT = ['GUEST_PERF_GLOBAL_CTRL', 'HOST_PERF_GLOBAL_CTRL']


class Field(object):
    """One row of the table: `encoding` (of the full field), `width`, `kind` (the type), `area`, `read_only`, `secondary`: needs a processor with
    secondary controls; `offset` in the VMCS page, where a 64-bit field takes 8 bytes and any other 4."""

    def __init__(self, name, encoding, area):
        self.name = name
        self.encoding = encoding
        self.area = area
        self.width = (encoding >> 13) & 3
        self.kind = (encoding >> 10) & 3
        self.read_only = self.kind == EXIT_INFORMATION
        self.secondary = name in SECONDARY_ONLY
        self.offset = -1

    def bytes(self):
        return 8 if self.width == QUAD else 4


def _place(table):
    """Lay the fields out by area behind the header, in the order of the table: segment registers' fields follow each other in the VMCS's order of
    segments, which is the processor's."""
    placed = []
    offset = FIRST_OFFSET
    for area in range(len(AREA_NAMES)):
        for of_area, first, names in table:
            if of_area != area:
                continue
            encoding = first
            for name in names:
                if name not in ABSENT:
                    field = Field(name, encoding, area)
                    field.offset = offset
                    offset += field.bytes()
                    placed.append(field)
                encoding += 2
    assert offset <= 2048           # the size of a VMCS region, IA32_VMX_BASIC[44:32]
    return placed


FIRST_OFFSET = 16                   # behind revision identifier, abort indicator and launch state
FIELDS = _place(TABLE)
for _field in FIELDS:
    globals()[_field.name] = _field.encoding

# What VMREAD and VMWRITE look up. An encoding without its always-zero bits: width, type, 5 bits of index, high
NO_FIELD = -1
SLOTS = 1024


def slot(encoding):
    """Where an encoding stands in `OFFSETS`, `MASKS` and `FLAGS`; NO_FIELD if it cannot be one. `encoding`: any 32-bit value."""
    if encoding & ~0x6c3f:
        return NO_FIELD
    return ((encoding >> 13) << 8) | (((encoding >> 10) & 3) << 6) | (encoding & 0x3f)


IS_READ_ONLY, IS_SECONDARY, IS_CONTROL_OR_HOST, IS_GUEST, IS_GUEST_CR3 = 1, 2, 4, 8, 16
# Looked at on every entry anyway, so that a VMM may write them for every one and the other checks still need not be made again
EVERY_ENTRY = ['GUEST_RIP', 'GUEST_RSP', 'GUEST_RFLAGS', 'GUEST_CR3', 'GUEST_INTERRUPTIBILITY', 'GUEST_ACTIVITY', 'GUEST_PENDING_DEBUG',
               'ENTRY_INTERRUPTION_INFORMATION', 'ENTRY_EXCEPTION_ERROR_CODE', 'ENTRY_INSTRUCTION_LENGTH']
# Every value is valid, and what uses them reads them in the VMCS
UNCHECKED = ['EXCEPTION_BITMAP', 'PAGE_FAULT_MASK', 'PAGE_FAULT_MATCH', 'CR0_MASK', 'CR4_MASK', 'CR0_SHADOW', 'CR4_SHADOW', 'CR3_TARGET_0',
             'CR3_TARGET_1', 'CR3_TARGET_2', 'CR3_TARGET_3', 'TSC_OFFSET', 'EXECUTIVE_VMCS_POINTER']


def _flags(field):
    if field.read_only:
        flags = IS_READ_ONLY
    elif field.name in EVERY_ENTRY or field.name in UNCHECKED:
        flags = 0
    elif field.area == AREA_GUEST:
        flags = IS_GUEST
    else:
        flags = IS_CONTROL_OR_HOST
    if field.name == 'GUEST_CR3':
        flags |= IS_GUEST_CR3
    if field.name == 'ENTRY_CONTROLS':
        flags |= IS_GUEST               # they say what of the guest state is checked
    if field.secondary:
        flags |= IS_SECONDARY
    return flags


OFFSETS = [NO_FIELD] * SLOTS        # of the 4 bytes in the VMCS page
MASKS = [0] * SLOTS                 # 0xffff for a 16-bit field, else 0xffffffff
FLAGS = [0] * SLOTS
for _field in FIELDS:
    _slot = slot(_field.encoding)
    OFFSETS[_slot] = _field.offset
    MASKS[_slot] = 0xffff if _field.width == WORD else 0xffffffff
    FLAGS[_slot] = _flags(_field)
    if _field.width == QUAD:
        OFFSETS[_slot + 1] = _field.offset + 4
        MASKS[_slot + 1] = 0xffffffff
        FLAGS[_slot + 1] = _flags(_field)
