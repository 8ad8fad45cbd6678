"""What a PC's screen shows, told as text: enough to draw it from the memory that it names. guestkit draws it.

    off
    text COLUMNS LINES ADDRESS PITCH HEIGHT CURSOR FIRST LAST
    packed WIDTH HEIGHT BITS SPACE START PITCH

`text` cells are a character and an attribute at physical ADDRESS, PITCH bytes a line; a cell is HEIGHT points high, and the cursor is at
the cell CURSOR, -1 for none, in its points FIRST to LAST. `packed` pixels have 8 (palette), 15, 16, 24 or 32 bits, from START in SPACE: `physical` or
`display`, the adapter's own memory. In the second line follows the palette, RRGGBB in hexadecimal: the 16 colours of text, else 256.
"""

from hyper.board.display import BPP, XRES, YRES

# registers of hyper/board/vga.py
CRTC_SHOWN_COLUMNS, CRTC_OVERFLOW, CRTC_HEIGHT = 0x01, 0x07, 0x09
CRTC_CURSOR_FIRST, CRTC_CURSOR_LAST, CRTC_START, CRTC_CURSOR, CRTC_SHOWN_LINES, CRTC_PITCH = 0x0a, 0x0b, 0x0c, 0x0e, 0x12, 0x13
CURSOR_OFF = 0x20
GRAPHICS_MODE, GRAPHICS_MISCELLANEOUS = 5, 6
MODE_256 = 0x40
IS_GRAPHICS = 0x01
MAPS = [0xa0000, 0xa0000, 0xb0000, 0xb8000]     # where the memory lies, by bits 3:2 of GRAPHICS_MISCELLANEOUS
MAP_SIZES = [0x20000, 0x10000, 0x8000, 0x8000]

# of text, where nobody has set a palette
EGA = [0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
       0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff]


def describe(vga, display):
    """The text for a Vga and a Display, or None for that."""
    if display is not None and display.is_on():
        shown = display.registers
        if shown[BPP] == 4:
            return 'off\n'              # planes
        return 'packed %d %d %d display %d %d\n%s\n' % (shown[XRES], shown[YRES], shown[BPP], display.start(), display.pitch(), palette(vga))
    values = vga.crtc.values
    lines = (values[CRTC_SHOWN_LINES] | (values[CRTC_OVERFLOW] & 0x02) << 7 | (values[CRTC_OVERFLOW] & 0x40) << 3) + 1
    columns = values[CRTC_SHOWN_COLUMNS] + 1
    start = values[CRTC_START] << 8 | values[CRTC_START + 1]
    kind = vga.graphics.values[GRAPHICS_MISCELLANEOUS]
    base = MAPS[kind >> 2 & 3]
    if kind & IS_GRAPHICS:
        if not vga.graphics.values[GRAPHICS_MODE] & MODE_256:
            return 'off\n'              # planes
        points = (values[CRTC_HEIGHT] & 0x1f) + 1
        if values[CRTC_HEIGHT] & 0x80:
            points *= 2
        return 'packed %d %d 8 physical %d %d\n%s\n' % (columns * 4, max(lines // points, 1), base + start * 4 % MAP_SIZES[kind >> 2 & 3], columns * 4,
                                                      palette(vga))
    height = (values[CRTC_HEIGHT] & 0x1f) + 1
    cursor = (values[CRTC_CURSOR] << 8 | values[CRTC_CURSOR + 1]) - start
    if values[CRTC_CURSOR_FIRST] & CURSOR_OFF:
        cursor = -1
    pitch = values[CRTC_PITCH] * 4
    if pitch == 0:
        pitch = columns * 2
    return 'text %d %d %d %d %d %d %d %d\n%s\n' % (columns, max(lines // height, 1), base + start * 2 % MAP_SIZES[kind >> 2 & 3], pitch, height,
                                                 cursor, values[CRTC_CURSOR_FIRST] & 0x1f, values[CRTC_CURSOR_LAST] & 0x1f, text_palette(vga))


def colour(vga, index):
    shift = 16
    value = 0
    for k in range(3):
        part = vga.palette[3 * index + k]
        if not vga.wide_dac:
            part = part << 2 | part >> 4
        value |= (part & 0xff) << shift
        shift -= 8
    return value


def digits(value):
    text = '%x' % (value | 1 << 24)
    return text[1:]


def palette(vga):
    return ' '.join([digits(colour(vga, k)) for k in range(256)])


def text_palette(vga):
    """The 16 colours of attributes, by way of the attribute controller. A palette that nobody has set is that of every BIOS."""
    colours = []
    for k in range(16):
        colours.append(colour(vga, vga.attribute.values[k] & 0x3f))
    for value in colours:
        if value != 0:
            return ' '.join([digits(value) for value in colours])
    return ' '.join([digits(value) for value in EGA])
