"""Scan codes of set 1, as a PC's keyboard controller gives them, of the keys that type characters on a US keyboard."""

RELEASED = 0x80
RELEASED_SET_2 = 0xf0           # goes before the code of a key that is released
# codes of set 2 by those of set 1, up to the space bar
SET_2 = [0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d, 0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43,
         0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b, 0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
         0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29]
LEFT_SHIFT, CONTROL = 0x2a, 0x1d

# the keys of a US keyboard by scan code: (first code, without shift, with shift)
ROWS = [
    (0x01, '\x1b1234567890-=\x7f', '\x1b!@#$%^&*()_+\x7f'),
    (0x0f, '\tqwertyuiop[]\n', '\tQWERTYUIOP{}\n'),
    (0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'),
    (0x39, ' ', ' '),
]
NO_KEY, PLAIN, SHIFTED, CONTROLLED = range(4)


def _keys():
    """By character: scan code, and what is held down with it."""
    codes = [0] * 256
    held = [NO_KEY] * 256
    for first, plain, shifted in ROWS:
        for k in range(len(plain)):
            codes[ord(shifted[k])] = first + k
            held[ord(shifted[k])] = SHIFTED
        for k in range(len(plain)):
            codes[ord(plain[k])] = first + k
            held[ord(plain[k])] = PLAIN
            if 'a' <= plain[k] <= 'z' and held[ord(plain[k]) & 0x1f] == NO_KEY:
                codes[ord(plain[k]) & 0x1f] = first + k
                held[ord(plain[k]) & 0x1f] = CONTROLLED
    codes[13], held[13] = codes[10], PLAIN          # Enter, and Backspace
    codes[8], held[8] = codes[127], PLAIN
    return codes, held


CODES, HELD = _keys()


def strokes(character):
    """The codes of a key pressed and released, with what is held down for it; none for a character that no key types."""
    code = CODES[character]
    held = HELD[character]
    if held == NO_KEY:
        return []
    modifier = 0
    if held == SHIFTED:
        modifier = LEFT_SHIFT
    elif held == CONTROLLED:
        modifier = CONTROL
    if modifier:
        return [modifier, code, code | RELEASED, modifier | RELEASED]
    return [code, code | RELEASED]
