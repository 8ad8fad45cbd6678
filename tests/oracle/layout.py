"""What a batch of snippets and its results look like in bytes: the same for the host's processor (native.c) and for the guest (guest.S)."""
import struct

CODE, DATA = 0x10000000, 0x20000000         # linear addresses of a snippet's pages
CODE_SIZE, DATA_SIZE, STATE_SIZE = 4096, 8192, 512
SNIPPET_CODE = 192
SNIPPET_SIZE, RESULT_SIZE = 256, 640
MOST = 5000                                 # snippets of a batch
REGISTERS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']
FIELDS = REGISTERS + ['eflags', 'eip', 'vector', 'error', 'cr2', 'es', 'ds', 'fs', 'gs']
STATE_AT = 128                              # of the FXSAVE image in a result
USER_CS, USER_DS = 0x23, 0x2b               # as under a 64-bit Linux; FS is USER_DS too, GS is null


class Snippet(object):
    """code: bytes of at most SNIPPET_CODE, entered at CODE; regs, eflags: the state before it; marks: a list of (offset of an instruction, what the
    manual leaves undefined when that instruction is the next: flags, and from bit 16 on those of the x87 status word); state: the number of the FXSAVE
    image it starts from."""

    def __init__(self, code, regs, eflags, marks, state=0):
        assert len(code) <= SNIPPET_CODE
        self.code = code
        self.regs = regs
        self.eflags = eflags
        self.marks = marks
        self.state = state

    def pack(self):
        return struct.pack('<11I20x', *(self.regs + [self.eflags, len(self.code), self.state])) + self.code.ljust(SNIPPET_CODE, b'\xcc')

    def instruction_at(self, eip):
        """The opcode at an address, behind prefixes; -1 outside the snippet."""
        code = bytearray(self.code[max(eip - CODE, 0):]).lstrip(b'\x66\x67\xf2\xf3\x26\x2e\x36\x3e\x64\x65')
        return code[0] if code and eip >= CODE else -1

    def undefined_at(self, eip):
        """What is not to be compared where the snippet has ended at `eip`."""
        known = 0
        for offset, undefined in self.marks:
            if offset <= eip - CODE:
                known = undefined
        return known

    def text(self):
        return ' '.join(['%02x' % byte for byte in bytearray(self.code)])


def pack_batch(snippets, data, states, repeat=1):
    assert len(snippets) <= MOST and len(data) == DATA_SIZE
    return struct.pack('<4I', len(snippets), repeat, len(states), 0) + data + b''.join(states) + b''.join([snippet.pack() for snippet in snippets])


class Result(object):
    """The state in which a snippet ended: the FIELDS, the FXSAVE image (zeroes if the batch has none), and the data pages."""

    def __init__(self, record, data):
        values = struct.unpack_from('<17I', record)
        for name, value in zip(FIELDS, values):
            setattr(self, name, value)
        self.state = record[STATE_AT:]
        self.data = data


def unpack_results(data):
    step = RESULT_SIZE + DATA_SIZE
    assert len(data) % step == 0
    return [Result(data[at:at + RESULT_SIZE], data[at + RESULT_SIZE:at + step]) for at in range(0, len(data), step)]
