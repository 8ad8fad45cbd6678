"""Which entries of the opcode maps there are, by the decoder's own account, and which of them a run has executed.

An entry is a text such as `0f b6 m` or `66 0f 38 00 r`: the opcode behind what the manual calls mandatory prefixes, /0 to /7 where ModR/M extends the
opcode (SDM vol. 2, tables A-6 and A-7 to A-22), and whether the operand of ModR/M is memory or a register.
"""
import contextlib

import generate
from layout import MOST
from writer import Random
from hyper.board.memory import Memory
from hyper.cpu import decode, engine, models
from hyper.cpu.faults import Abort, GuestFault
from hyper.cpu.system import System

PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]
EXTENDED_ONE_BYTE = [0x80, 0x81, 0x82, 0x83, 0x8f, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff] + list(range(0xd8, 0xe0))
EXTENDED_TWO_BYTE = [0x00, 0x01, 0x71, 0x72, 0x73, 0xae, 0xba, 0xc7]
# rows of the two-byte map in which 66, F2 and F3 choose the instruction (tables)
PREFIXED = (list(range(0x10, 0x18)) + list(range(0x28, 0x30)) + list(range(0x50, 0x80)) + [0xb8, 0xc2, 0xc4, 0xc5, 0xc6] +
            list(range(0xd0, 0x100)))
PREFIXED_GROUPS = [(0xc7, 6)]
# x87 and 0F 01, where each ModR/M byte of the register form is an instruction of its own: first and last
SEPARATE_ONE_BYTE = {0xd9: (0xd0, 0xff), 0xda: (0xe9, 0xe9), 0xdb: (0xe0, 0xe5), 0xde: (0xd9, 0xd9), 0xdf: (0xe0, 0xe0)}
SEPARATE_TWO_BYTE = {0x01: (0xc0, 0xdf)}
MODEL = 'core2duo'

class Opcode(object):
    """The parts of decoded bytes that name an entry."""

    def __init__(self, data, has_modrm):
        at = 0
        while data[at] in PREFIXES:
            at += 1
        # as the decoder sees it: the last repetition prefix counts, and before 66
        self.prefix = 0
        for byte in data[:at]:
            if byte == 0x66 and self.prefix == 0 or byte in (0xf2, 0xf3):
                self.prefix = byte
        self.escape = []
        if data[at] == 0x0f:
            self.escape.append(data[at])
            at += 1
            if data[at] in (0x38, 0x3a):
                self.escape.append(data[at])
                at += 1
        self.opcode = data[at]
        self.modrm = data[at + 1] if has_modrm else -1

    def entry(self):
        words = ['%02x' % byte for byte in self.escape + [self.opcode]]
        reg = self.modrm >> 3 & 7
        one, two = len(self.escape) == 0, len(self.escape) == 1
        if self.prefix and (len(self.escape) == 2 or two and (self.opcode in PREFIXED or (self.opcode, reg) in PREFIXED_GROUPS)):
            words.insert(0, '%02x' % self.prefix)
        if self.modrm >= 0:
            first, last = (SEPARATE_ONE_BYTE if one else SEPARATE_TWO_BYTE if two else {}).get(self.opcode, (0x100, 0x100))
            if first <= self.modrm <= last:
                words.append('%02x' % self.modrm)
                return ' '.join(words)
            if one and self.opcode in EXTENDED_ONE_BYTE or two and self.opcode in EXTENDED_TWO_BYTE:
                words.append('/%d' % reg)
            words.append('r' if self.modrm >= 0xc0 else 'm')
        return ' '.join(words)


def entry_of(d):
    """The entry of what a Decoder has just read."""
    data = [d.bytes >> 8 * k & 0xff for k in reversed(range(d.length))]
    return Opcode(data, d.read_modrm).entry()


Decoder = decode.Decoder


class Watched(Decoder):
    """Knows whether the instruction has a ModR/M byte."""

    def begin(self):
        Decoder.begin(self)
        self.read_modrm = False

    def modrm(self):
        Decoder.modrm(self)
        self.read_modrm = True


def probes():
    """Bytes that reach every entry of the maps: each opcode with each ModR/M of both forms, and behind each mandatory prefix where it may matter."""
    tail = [0] * 6
    for escape in ([], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]):
        for prefix in ([], [0x66], [0xf2], [0xf3]) if escape else ([],):
            for opcode in range(256):
                if not escape and (opcode in PREFIXES or opcode == 0x0f) or len(escape) == 1 and opcode in (0x38, 0x3a):
                    continue
                modrms = [mod | reg << 3 for mod in (0, 0xc0) for reg in range(8)]
                if len(escape) < 2 and opcode in (SEPARATE_TWO_BYTE if escape else SEPARATE_ONE_BYTE):
                    modrms += range(0xc0, 0x100)
                for modrm in modrms:
                    yield prefix + escape + [opcode, modrm] + tail


class Reader(object):
    """Decodes bytes as 32-bit code of ring 0."""

    def __init__(self, model=MODEL):
        self.system = system = System(Memory(1 << 20), models.find(model))
        system.cr0 = 0x31
        system.set_segment(1, 8, 0, 0xffffffff, 0xc09b)
        system.update_mode()

    def entry(self, data):
        """The entry of the first instruction of the bytes; '' if they begin with none."""
        system = self.system
        system.memory.write_bytes(0x1000, bytes(bytearray(data)))
        system.code.frames.clear()
        d = Watched(system.code.page(system.mode, 0x1000), 0x1000)
        try:
            decode.decode_operation(d)
        except (decode.Undefined, decode.BeyondLimit):
            return ''
        return entry_of(d)


def entries():
    """All that the decoder takes for an instruction."""
    reader = Reader()
    return set([reader.entry(data) for data in probes()]) - set([''])


def covering(kind, wanted, seed):
    """Snippets of a kind that have those of the wanted entries which its generator makes: a Batch, and the entries that it did not make."""
    reader = Reader()
    batch = generate.batch(kind, seed, 0)
    r = Random(seed)
    wanted = set(wanted)
    idle = 0
    while wanted and idle < 6000 and len(batch.snippets) < MOST:
        one = generate.snippet(r, generate.KINDS[kind].FAMILIES, states=len(batch.states), longest=1)
        idle += 1
        if one.at == 0:
            found = wanted.intersection([reader.entry(one.code[offset:].ljust(16, b'\xcc')) for offset, undefined in one.marks[:-1]])
            if found:
                wanted -= found
                batch.snippets.append(one)
                idle = 0
    return batch, wanted


@contextlib.contextmanager
def recording():
    """A set that fills with the entries whose instructions have been completed."""
    names = {}          # entry by operation
    blocks = set()
    executed = set()
    originals = decode.Decoder, decode.decode_instruction, engine.run_operations

    def decode_instruction(d):
        operation = originals[1](d)
        if d.length and not isinstance(operation, (decode.B.Faulting, decode.B.Unfetchable)):
            names[operation] = entry_of(d)
        return operation

    def run_operations(block, cpu, mode, first):
        if block in blocks:
            return originals[2](block, cpu, mode, first)
        done = 0
        try:
            whole = originals[2](block, cpu, mode, first)
            done = len(block.ops) if whole else block.starts.index(cpu.eip)
            if whole:
                executed.add(names.get(block.terminator))
                blocks.add(block)
            return whole
        except Abort as abort:
            done = cpu.index
            if not isinstance(abort, GuestFault):       # an exit to the hypervisor
                executed.update([names.get(operation) for operation in (block.ops + [block.terminator])[done:done + 1]])
            raise
        finally:
            executed.update([names.get(operation) for operation in block.ops[:done]])

    decode.Decoder, decode.decode_instruction, engine.run_operations = Watched, decode_instruction, run_operations
    try:
        yield executed
    finally:
        decode.Decoder, decode.decode_instruction, engine.run_operations = originals
