"""The keyboard of the domain that owns the console: what is typed comes as scan codes of set 1, as a PC's keyboard controller would give them.

kbd_op(operation, value): 0 writes to the keyboard and 1 to its controller, which is accepted and has no effect; 2 reads: bits 7:0 of the result are
the scan code, bits 15:8 the controller's status, of which bit 0 says that there was one.
"""
from hyper.board.scan_codes import strokes
from hyper.vmm.para.layout import EINVAL, EVENT_KEYBOARD

WRITE_OUTPUT, WRITE_COMMAND, READ = range(3)
STATUS_FULL = 1
STATUS_READY = 0x14             # self-test passed, not locked


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
            self.codes = strokes(ord(self.text[self.typed]))
            self.codes.reverse()
            self.typed += 1
        return self.codes.pop()

    def operate(self, operation):
        if operation == READ:
            code = self.next()
            if code == 0:
                return STATUS_READY << 8
            return (STATUS_READY | STATUS_FULL) << 8 | code
        if operation == WRITE_OUTPUT or operation == WRITE_COMMAND:
            return 0
        return -EINVAL
