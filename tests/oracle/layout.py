"""What a batch of snippets and its results look like in bytes: the same for the host's processor (native.c) and for the guest (guest.S)."""
import struct

CODE, DATA = 0x10000000, 0x20000000         # linear addresses of a snippet's pages
CODE_SIZE, DATA_SIZE, STATE_SIZE = 4096, 8192, 512  # behind the data lies a page for reading, with what the first has at the beginning
SNIPPET_CODE = 192
SNIPPET_SIZE, RESULT_SIZE = 256, 640
MOST = 5000                                 # snippets of a batch
REGISTERS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']
SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs']
FIELDS = REGISTERS + ['eflags', 'eip', 'vector', 'error', 'cr2'] + SEGMENTS
STATE_AT = 128                              # of the FXSAVE image in a result

# Selectors. Those of the GDT are as under a 64-bit Linux. The LDT has what SDM vol. 3, 3.4.5.1 offers to user code: native.c and guest.S make it.
NULL = 0
USER_CS, USER_DS = 0x23, 0x2b               # flat
LDT_DATA, LDT_DATA16, LDT_DOWN, LDT_READ_ONLY, LDT_ABSENT = 0x07, 0x0f, 0x1f, 0x27, 0x2f    # start at DATA and end behind its pages; DOWN begins where
LDT_CODE16, LDT_EXECUTE_ONLY = 0x17, 0x37                                                   # the second page does. These two start at CODE
SELECTORS = [NULL, USER_CS, USER_DS, LDT_DATA, LDT_DATA16, LDT_CODE16, LDT_DOWN, LDT_READ_ONLY, LDT_ABSENT, LDT_EXECUTE_ONLY]
BASES = dict([(selector, DATA) for selector in SELECTORS])
BASES.update({NULL: 0, USER_CS: 0, USER_DS: 0, LDT_CODE16: CODE, LDT_EXECUTE_ONLY: CODE})


class Snippet(object):
    """code: bytes of at most SNIPPET_CODE, entered at its start; regs, eflags: the state before it; marks: a list of (offset of an instruction, what the
    manual leaves undefined when that instruction is the next: flags, and from bit 16 on those of the x87 status word); state: the number of the FXSAVE
    image it starts from; segments: selectors of ES, CS, SS, DS, FS, GS, by default flat ones, as a snippet with a state needs them; at: offset of the
    code in its page, beyond whose end it is lost."""

    def __init__(self, code, regs, eflags, marks, state=0, segments=(USER_DS, USER_CS, USER_DS, USER_DS, LDT_DATA, NULL), at=0):
        assert len(code) <= SNIPPET_CODE
        self.code = code
        self.regs = regs
        self.eflags = eflags
        self.marks = marks
        self.state = state
        self.segments = segments
        self.at = at
        self.start = at + (CODE if segments[1] == USER_CS else 0)

    def pack(self):
        return struct.pack('<11I6HII', *(self.regs + [self.eflags, self.at, self.state] + list(self.segments) + [self.start, 0])) + self.code.ljust(SNIPPET_CODE, b'\xcc')

    def instruction_at(self, eip):
        """The opcode at an address, behind prefixes; -1 outside the snippet."""
        code = bytearray(self.code[max(eip - self.start, 0):]).lstrip(b'\x66\x67\xf2\xf3\x26\x2e\x36\x3e\x64\x65')
        return code[0] if code and eip >= self.start else -1

    def undefined_at(self, eip):
        """What is not to be compared where the snippet has ended at `eip`. Having left it, it may have come from anywhere."""
        known = 0
        if not self.start <= eip <= self.start + len(self.code):
            for offset, undefined in self.marks:
                known |= undefined
            return known
        for offset, undefined in self.marks:
            if offset <= eip - self.start:
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
        values = struct.unpack_from('<19I', record)
        for name, value in zip(FIELDS, values):
            setattr(self, name, value)
        self.state = record[STATE_AT:]
        self.data = data


def unpack_results(data):
    step = RESULT_SIZE + DATA_SIZE
    assert len(data) % step == 0
    return [Result(data[at:at + RESULT_SIZE], data[at + RESULT_SIZE:at + step]) for at in range(0, len(data), step)]
