"""Events in the format of the VMCS: the interruption-information words (SDM vol. 3, 24.8.3, 24.9.2, 24.9.3)."""
from hyper.cpu import faults

VECTOR = 0xff
EXTERNAL_INTERRUPT, NMI, HARDWARE_EXCEPTION, SOFTWARE_INTERRUPT, PRIVILEGED_SOFTWARE_EXCEPTION, SOFTWARE_EXCEPTION = 0, 2, 3, 4, 5, 6
OTHER_EVENT = 7
KIND_SHIFT = 8
HAS_ERROR = 1 << 11
VALID = 1 << 31
RESERVED = 0x7ffff000

WITH_ERROR_CODE = [faults.DF, faults.TS, faults.NP, faults.SS, faults.GP, faults.PF, faults.AC]


def information(vector, kind, has_error):
    """The word for an event."""
    word = vector | (kind << KIND_SHIFT) | VALID
    if has_error:
        word |= HAS_ERROR
    return word


def kind_of(word):
    return (word >> KIND_SHIFT) & 7


def pushes_error_code(vector):
    """Whether delivery of a hardware exception pushes an error code."""
    for k in WITH_ERROR_CODE:
        if vector == k:
            return True
    return False


def has_length(kind):
    """Whether an event of this kind comes from an instruction, behind which the handler returns."""
    return kind == SOFTWARE_INTERRUPT or kind == PRIVILEGED_SOFTWARE_EXCEPTION or kind == SOFTWARE_EXCEPTION
