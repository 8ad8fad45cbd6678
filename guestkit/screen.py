"""A guest's screen as a picture: drawn from what the engine tells about it (hyper/board/screen.py) and the memory that it shows.

Text is drawn with the font that the guest has loaded, which is what its firmware usually does; without one, with DejaVu Sans Mono.
"""
import functools
import pathlib

from guestkit.errors import BadInput, GuestkitError
from guestkit.memory import PHYSICAL

WIDTH = 8                       # points of a cell
FONT_MEMORY = 0xa0000           # where fonts are loaded: 32 bytes for each of 256 characters
FONT_STEP = 32
CONTROLS = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼'
CHARACTERS = [*CONTROLS, *(bytes([code]).decode('cp437') for code in range(32, 127)), '⌂', *(bytes([code]).decode('cp437') for code in range(128, 256))]
RAW_MODES = {15: 'BGR;15', 16: 'BGR;16', 24: 'BGR', 32: 'BGRX'}
DISPLAY = 2                     # the engine's number of the space that is the display adapter's memory


def pillow():
    try:
        import PIL.Image
        import PIL.ImageFont
    except ImportError:
        raise GuestkitError('screenshots need the Python package pillow; install it with: pip install pillow matplotlib') from None
    return PIL


def picture(text, read):
    """A PIL.Image of what the engine's text describes, None if nothing is shown. `read(space, address, size)` gives bytes of the guest."""
    first, *rest = text.splitlines()
    kind, *fields = first.split()
    palette = [bytes.fromhex(colour) for line in rest for colour in line.split()]
    if kind == 'text':
        return text_picture(*map(int, fields), palette, read)
    if kind == 'packed':
        width, height, bits, space, start, pitch = fields
        return packed_picture(int(width), int(height), int(bits), DISPLAY if space == 'display' else PHYSICAL, int(start), int(pitch), palette, read)
    return None


def packed_picture(width, height, bits, space, start, pitch, palette, read):
    image = pillow().Image
    size = pitch * height
    data = read(space, start, size).ljust(size, b'\0')
    if bits != 8:
        return image.frombytes('RGB', (width, height), data, 'raw', RAW_MODES[bits], pitch, 1)
    made = image.frombytes('P', (width, height), data, 'raw', 'P', pitch, 1)
    made.putpalette(b''.join(palette))
    return made.convert('RGB')


def text_picture(columns, lines, address, pitch, height, cursor, cursor_first, cursor_last, palette, read):
    image = pillow().Image
    made = image.new('RGB', (columns * WIDTH, lines * height))
    data = read(PHYSICAL, address, pitch * lines).ljust(pitch * lines, b'\0')
    font = read(PHYSICAL, FONT_MEMORY, 256 * FONT_STEP)
    has_font = is_font(font)
    for line in range(lines):
        for column in range(columns):
            at = line * pitch + 2 * column
            if at + 1 >= len(data):
                break
            code, attribute = data[at], data[at + 1]
            place = (column * WIDTH, line * height)
            back, front = tuple(palette[attribute >> 4 & 7]), tuple(palette[attribute & 15])
            if has_font:
                mask = image.frombytes('1', (WIDTH, height), font[code * FONT_STEP:code * FONT_STEP + height]).convert('L')
            else:
                mask = glyph(code, height)
            made.paste(back, (*place, place[0] + WIDTH, place[1] + height))
            made.paste(front, place, mask)
            if cursor == line * (pitch // 2) + column and cursor_first <= cursor_last:
                made.paste(front, (place[0], place[1] + cursor_first, place[0] + WIDTH, place[1] + min(cursor_last + 1, height)))
    return made


def is_font(data):
    """Whether the guest has loaded a font: it has a letter and a blank."""
    return len(data) == 256 * FONT_STEP and any(data[65 * FONT_STEP:66 * FONT_STEP]) and not any(data[32 * FONT_STEP:33 * FONT_STEP])


@functools.cache
def glyph(code, height):
    """How a character of code page 437 looks: an image of kind L."""
    modules = pillow()
    mask = modules.Image.new('L', (WIDTH, height))
    font = typeface(height)
    drawn = font.getmask(CHARACTERS[code])
    left, top, _, _ = font.getbbox(CHARACTERS[code], anchor='ls')
    if drawn.size[0] and drawn.size[1]:
        piece = modules.Image.frombytes('L', drawn.size, bytes(drawn))
        mask.paste(piece, (left, round(height * 0.78) + top))
    return mask


@functools.cache
def typeface(height):
    try:
        import matplotlib
    except ImportError:
        raise GuestkitError('a screenshot of text needs the font in the Python package matplotlib; install it with: pip install matplotlib') from None
    path = pathlib.Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSansMono.ttf')
    return pillow().ImageFont.truetype(str(path), max(4, round(height * 0.82)))


def save(image, path):
    try:
        image.save(path, 'PNG')
    except OSError as error:
        raise BadInput(f'--screenshot {path}: cannot be written ({error.strerror}); give another path') from None
