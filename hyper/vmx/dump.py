"""A VMCS as text, for a VMM that shows the state of a domain it stopped."""
from hyper.vmx import fields


def lines(vmx, area):
    """The fields of one area (fields.AREA_...) of the current VMCS, read by VMREAD: 'NAME hexadecimal value' each, those that are zero left out."""
    text = []
    for field in fields.FIELDS:
        if field.area != area or (field.secondary and not vmx.capabilities.has_secondary):
            continue
        value = vmx.vmread(field.encoding)
        high = 0
        if field.width == fields.QUAD:
            high = vmx.vmread(field.encoding + 1)
        if high != 0:
            text.append('%s %x%s' % (field.name, high, hexadecimal8(value)))
        elif value != 0:
            text.append('%s %x' % (field.name, value))
    return text


def hexadecimal8(value):
    digits = '%x' % value
    return '0' * (8 - len(digits)) + digits
