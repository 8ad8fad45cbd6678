"""What a batch of snippets and its results look like in bytes: the same for the host's processor (native.c) and for the guest (guest.S)."""
import struct

CODE, DATA = 0x10000000, 0x20000000         # linear addresses of a snippet's pages
CODE_SIZE, DATA_SIZE = 4096, 8192
SNIPPET_CODE = 88
SNIPPET_SIZE, RESULT_SIZE = 128, 64
MOST = 5000                                 # snippets of a batch
REGISTERS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']
FIELDS = REGISTERS + ['eflags', 'eip', 'vector', 'error', 'cr2']


class Snippet(object):
    """code: bytes of at most SNIPPET_CODE, entered at CODE; regs, eflags: the state before it; undefined: a list of (offset of an instruction, flags
    that the manual leaves undefined when that instruction is the next)."""

    def __init__(self, code, regs, eflags, undefined, text=''):
        assert len(code) <= SNIPPET_CODE
        self.code = code
        self.regs = regs
        self.eflags = eflags
        self.undefined = undefined
        self.text = text

    def pack(self):
        return struct.pack('<10I', *(self.regs + [self.eflags, len(self.code)])) + self.code.ljust(SNIPPET_CODE, b'\xcc')

    def instruction_at(self, eip):
        """The opcode at an address, behind operand-size and repeat prefixes; -1 outside the snippet."""
        code = bytearray(self.code[max(eip - CODE, 0):]).lstrip(b'\x66\xf2\xf3')
        return code[0] if code and eip >= CODE else -1

    def undefined_at(self, eip):
        """Flags not to be compared where a snippet has ended at `eip`."""
        known = 0
        for offset, flags in self.undefined:
            if offset <= eip - CODE:
                known = flags
        return known


def pack_batch(snippets, data, repeat=1):
    """The input of both sides; repeat: how often the guest runs each snippet, so that code becomes hot."""
    assert len(snippets) <= MOST and len(data) == DATA_SIZE
    return struct.pack('<2I', len(snippets), repeat) + data + b''.join([snippet.pack() for snippet in snippets])


class Result(object):
    """The state in which a snippet ended: the FIELDS, and the data pages."""

    def __init__(self, record, data):
        values = struct.unpack_from('<13I', record)
        for name, value in zip(FIELDS, values):
            setattr(self, name, value)
        self.data = data


def unpack_results(data):
    step = RESULT_SIZE + DATA_SIZE
    assert len(data) % step == 0
    return [Result(data[at:at + RESULT_SIZE], data[at + RESULT_SIZE:at + step]) for at in range(0, len(data), step)]
