"""FXSAVE images (SDM vol. 1, 10.5.1): making them, and comparing them field by field."""
import struct

NAMES = (['fcw', 'fsw', 'ftw', 'mxcsr'] + ['st%d' % k for k in range(8)] + ['xmm%d' % k for k in range(8)])
INITIAL_MXCSR = 0x1f80


def image(registers=(), xmm=(), control=0x37f, status=0, tags=0, mxcsr=INITIAL_MXCSR):
    """registers: ST(0) on, as 10 bytes each; tags: one bit for each physical register, set where it is not empty; xmm: 16 bytes each."""
    data = struct.pack('<HHBxHIIII', control, status, tags, 0, 0, 0, 0, 0)[:24] + struct.pack('<II', mxcsr, 0xffff)
    data += b''.join([value + b'\0' * 6 for value in registers]).ljust(128, b'\0')
    return (data + b''.join(xmm)).ljust(512, b'\0')


def fields(image):
    """The compared fields by name. Not compared: FOP, FIP, FDP, which processors keep differently (some only while an exception is pending)."""
    control, status, tags = struct.unpack_from('<HHB', image)
    found = {'fcw': control, 'fsw': status, 'ftw': tags, 'mxcsr': struct.unpack_from('<I', image, 24)[0]}
    for k in range(8):
        found['st%d' % k] = number(image[32 + 16 * k:42 + 16 * k])
        found['xmm%d' % k] = number(image[160 + 16 * k:176 + 16 * k])
    return found


def number(data):
    value = 0
    for byte in reversed(bytearray(data)):
        value = value << 8 | byte
    return value


def differences(expected, got, undefined):
    """What differs between two images, in words; undefined: flags of the status word."""
    if expected == got:
        return []
    a, b = fields(expected), fields(got)
    a['fsw'] &= ~undefined
    b['fsw'] &= ~undefined
    return ['%s %x, not %x' % (name, b[name], a[name]) for name in NAMES if a[name] != b[name]]
