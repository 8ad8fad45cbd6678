"""The keyboard of the domain that owns the console: what is typed comes as scan codes of set 1, as a PC's keyboard controller would give them.

kbd_op(operation, value): 0 writes to the keyboard and 1 to its controller, which is accepted and has no effect; 2 reads: bits 7:0 of the result are
the scan code, bits 15:8 the controller's status, of which bit 0 says that there was one.
"""
from hyper.vmm.para.layout import EINVAL, EVENT_KEYBOARD

WRITE_OUTPUT, WRITE_COMMAND, READ = range(3)
STATUS_FULL = 1
STATUS_READY = 0x14             # self-test passed, not locked
RELEASED = 0x80
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


class Keyboard(object):
    """Of a ParaDomain. Characters wait until the guest reads them."""
    _immutable_fields_ = ['domain']

    def __init__(self, domain):
        self.domain = domain
        self.text = ''
        self.typed = 0                  # how many characters of it have become scan codes
        self.codes = []                 # the next one last

    def receive(self, text):
        at = self.typed
        assert at >= 0
        self.text = self.text[at:] + text
        self.typed = 0
        self.domain.events.send(EVENT_KEYBOARD)

    def next(self):
        """The next scan code, 0 if there is none."""
        while len(self.codes) == 0:
            if self.typed >= len(self.text):
                return 0
            self.press(ord(self.text[self.typed]))
            self.typed += 1
        return self.codes.pop()

    def press(self, character):
        """The codes of a key pressed and released, in reverse."""
        code = CODES[character]
        held = HELD[character]
        if held == NO_KEY:
            return
        modifier = 0
        if held == SHIFTED:
            modifier = LEFT_SHIFT
        elif held == CONTROLLED:
            modifier = CONTROL
        if modifier:
            self.codes.append(modifier | RELEASED)
        self.codes.append(code | RELEASED)
        self.codes.append(code)
        if modifier:
            self.codes.append(modifier)

    def operate(self, operation):
        if operation == READ:
            code = self.next()
            if code == 0:
                return STATUS_READY << 8
            return (STATUS_READY | STATUS_FULL) << 8 | code
        if operation == WRITE_OUTPUT or operation == WRITE_COMMAND:
            return 0
        return -EINVAL
