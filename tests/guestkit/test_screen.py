"""Pictures of what a guest's screen shows."""
import pytest

from guestkit import BadInput, Machine
from guestkit.screen import FONT_MEMORY, picture

from test_cli import guestkit

COLOURS = '000000 0000aa 00aa00 00aaaa aa0000 aa00aa aa5500 aaaaaa 555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff'
TEXT = 0xb8000


class Memory:
    """What picture() reads, in place of a guest's."""

    def __init__(self, text=b'', font=b'', display=b''):
        self.parts = {(0, TEXT): text, (0, FONT_MEMORY): font, (2, 0): display}

    def __call__(self, space, address, size):
        return self.parts[space, address][:size]


def colours(image, box):
    return {colour for _, colour in image.crop(box).getcolors()}


def test_text_is_drawn_in_its_colours_with_the_cursor():
    text = b'\xdb\x4e'[:2] + b' \x1f' + b'A\x07'
    image = picture(f'text 3 1 {TEXT} 6 16 1 13 14\n{COLOURS}\n', Memory(text, bytes(0x2000)))
    assert image.size == (24, 16)
    assert (0xff, 0xff, 0x55) in colours(image, (0, 0, 8, 16))                           # a full block, yellow
    assert colours(image, (8, 0, 16, 13)) == {(0, 0, 0xaa)} and colours(image, (8, 13, 16, 15)) == {(0xff, 0xff, 0xff)}
    letter = colours(image, (16, 0, 24, 16))
    assert (0, 0, 0) in letter and max(letter) > (0x60, 0x60, 0x60)


def test_the_font_of_the_guest_is_used_if_it_has_loaded_one():
    font = bytearray(0x2000)
    font[65 * 32:65 * 32 + 16] = b'\xf0' * 16
    image = picture(f'text 1 1 {TEXT} 2 16 -1 13 14\n{COLOURS}\n', Memory(b'A\x0f', bytes(font)))
    assert colours(image, (0, 0, 4, 16)) == {(255, 255, 255)} and colours(image, (4, 0, 8, 16)) == {(0, 0, 0)}


@pytest.mark.parametrize('bits, data', [(32, b'\x10\x20\xff\x00'), (24, b'\x10\x20\xff'), (16, b'\x00\xf8'), (15, b'\x00\x7c'), (8, b'\x05')])
def test_pixels_of_every_depth(bits, data):
    palette = ' '.join(['000000'] * 5 + ['ff0000'] + ['000000'] * 250)
    pitch = 4 * len(data)
    image = picture(f'packed 2 2 {bits} display 0 {pitch}\n{palette}\n', Memory(display=bytes(pitch) + data * 2))
    assert image.getpixel((0, 0)) == (0, 0, 0)
    red, green, blue = image.getpixel((1, 1))
    assert red >= 0xf8 and green <= 0x20 and blue <= 0x10


def test_nothing_shown_is_no_picture():
    assert picture('off\n', Memory()) is None


DRAW = '''
#include "guest.h"
static void set(int index, int value) { outw(0x1ce, index); outw(0x1cf, value); }
int main(const char *command_line)
{
    volatile unsigned *pixels = (unsigned *)0xe0000000;
    int i;
    if (*command_line == 't') {
        volatile unsigned short *cells = (unsigned short *)0xb8000;
        for (i = 0; i < 80 * 25; i++)
            cells[i] = 0x4f20;
        return 5;
    }
    set(1, 320); set(2, 200); set(3, 32); set(4, 0x41);
    for (i = 0; i < 320; i++)
        pixels[320 * 10 + i] = 0x00ff8000 + i;
    return pixels[320 * 10 + 5] == 0xff8005 ? 5 : 6;
}
'''


@pytest.mark.parametrize('how', [{}, {'mode': 'full'}, {'mode': 'full', 'mmu': 'ept'}])
def test_a_guest_draws_into_the_framebuffer_and_as_text(guest, tmp_path, how):
    with Machine(guest(DRAW), **how) as machine:
        assert machine.run(seconds=20).status == 5
        image = machine.screenshot(tmp_path / 'screen.png')
        assert image.size == (320, 200) and image.getpixel((7, 10)) == (0xff, 0x80, 7) and image.getpixel((7, 11)) == (0, 0, 0)
        assert (tmp_path / 'screen.png').read_bytes().startswith(b'\x89PNG')
        with pytest.raises(BadInput):
            machine.screenshot(tmp_path / 'no' / 'directory.png')
    with Machine(guest(DRAW), append='t', **how) as machine:
        assert machine.run(seconds=20).status == 5
        assert machine.screenshot().getpixel((600, 300)) == (0xaa, 0, 0)


def test_the_command_line_leaves_a_picture(guest, tmp_path):
    path = tmp_path / 'screen.png'
    status, _, errors = guestkit('run', guest(DRAW), '--append', 't', '--screenshot', str(path), '--report', 'none')
    assert status == 5 and path.read_bytes().startswith(b'\x89PNG'), errors
    status, _, errors = guestkit('run', guest(DRAW), '--screenshot')
    assert status == 2 and '--screenshot' in errors and errors.count('\n') == 1


KEYS = '''
#include "guest.h"
static int next(void)
{
    while (!(inb(0x64) & 1))
        ;
    return inb(0x60);
}
int main(const char *command_line)
{
    int i;
    while (*command_line == 'm') {
        outb(0x64, 0xd4); outb(0x60, 0xf4); next();
        print("ready\\n");
        for (i = 0; i < 3; i++)
            print("<%x>\\n", next());
        return 7;
    }
    print("ready\\n");
    for (i = 0; i < 4; i++)
        print("<%x>\\n", next());
    return 7;
}
'''


@pytest.mark.parametrize('how', [{}, {'mode': 'full'}])
def test_keys_and_the_mouse_reach_the_pc(guest, how):
    with Machine(guest(KEYS), **how) as machine:
        machine.run(output='ready', seconds=20)
        machine.press('A')
        assert machine.run(seconds=20).status == 7
        assert machine.output.split() == [b'ready', b'<2a>', b'<1e>', b'<9e>', b'<aa>']
    with Machine(guest(KEYS), append='m', **how) as machine:
        machine.run(output='ready', seconds=20)
        machine.move_mouse(3, -4, 1)
        assert machine.run(seconds=20).status == 7
        assert machine.output.split() == [b'ready', b'<9>', b'<3>', b'<4>']


def test_what_is_typed_can_come_from_the_keyboard(guest):
    with Machine.from_words([guest(KEYS), '--keyboard', 'ps2']) as machine:
        machine.run(output='ready', seconds=20)
        machine.type('b\n')
        assert machine.run(seconds=20).status == 7
        assert machine.output.split() == [b'ready', b'<30>', b'<b0>', b'<1c>', b'<9c>']
