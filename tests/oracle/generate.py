"""Batches of random snippets, and what is kept of those that once failed.

A kind of snippets is a module with FAMILIES, functions that write one or a few instructions, and if its instructions use the state of x87, MMX or SSE
also states(r), a list of FXSAVE images from which its snippets start. SETTINGS, by default flat segments, are what its snippets run in.
"""
import json
import os
import struct
import zlib

import integer
import sse_forms
import x87_forms
from layout import CODE, CODE_SIZE, DATA_SIZE, LDT_DATA16, SNIPPET_CODE, Snippet, pack_batch
from writer import ALL, DF, ESP, FLAT, POINTERS, SS, Random, Writer, number

KINDS = {'integer': integer, 'sse': sse_forms, 'x87': x87_forms}
KERNEL_ESP = 0x180000           # of guest.S, the upper half
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus')


class Batch(object):
    """Snippets that are run together: the data pages and the FXSAVE images from which they start."""

    def __init__(self, snippets, data, states):
        self.snippets = snippets
        self.data = data
        self.states = states

    def pack(self, repeat=1):
        """The input of both sides; repeat: how often the guest runs each snippet, so that code becomes hot."""
        return pack_batch(self.snippets, self.data, self.states, repeat)


def data_image(seed):
    """The data pages before each snippet."""
    r = Random(seed)
    words = [number(r) for _ in range(DATA_SIZE // 4)]
    return struct.pack('<%dI' % len(words), *words)


def snippet(r, families, setting=FLAT, states=0, longest=6):
    """A snippet of up to `longest` calls of the families, that starts from one of so many states."""
    at = 0
    if r.randrange(8) == 0:
        at = CODE_SIZE - r.randrange(2, 24)     # it runs out of the page
    w = Writer(r, setting, at + (CODE if setting.code32 else 0))
    for _ in range(r.randrange(1, longest + 1)):
        before = w.code
        w.mark()
        r.choice(families)(w)
        if len(w.code) > SNIPPET_CODE - 1:
            w.code = before
            w.marks = [mark for mark in w.marks if mark[0] <= len(before)]
            break
    w.mark()
    w.byte(0xcc)
    w.mark()        # INT3 is a trap: EIP is behind it
    regs = [number(r) for _ in range(8)]
    # around the border of the two pages, or seldom around an end of the memory that there is, or of what can be written
    places = [4096] * 28 + [0, DATA_SIZE, DATA_SIZE, DATA_SIZE + 4096]
    for pointer in POINTERS + [ESP]:
        regs[pointer] = setting.registers_base + r.choice(places) + (r.randrange(-96, 96) if r.randrange(4) else r.randrange(-4, 5)) & 0xffffffff
        if setting.registers_base == 0 and r.randrange(8) == 0:
            regs[pointer] |= r.getrandbits(16) << 16        # for 16-bit addresses it makes no difference
    if setting.segments[SS] == LDT_DATA16:
        regs[ESP] = regs[ESP] & 0xffff | KERNEL_ESP     # the half that IRET does not load; Linux has its ways to hide that
    eflags = 0x202 | r.getrandbits(12) & ALL | (DF if r.randrange(4) == 0 else 0)
    return Snippet(w.code, regs, eflags, w.marks, r.randrange(states) if states else 0, setting.segments, at)


def batch(kind, seed, count):
    """`count` snippets of a kind, the same each time for one seed."""
    r = Random(seed << 32 | zlib.crc32(kind.encode()) & 0xffffffff)
    module = KINDS[kind]
    states = module.states(r) if hasattr(module, 'states') else []
    settings = getattr(module, 'SETTINGS', [FLAT])
    return Batch([snippet(r, module.FAMILIES, r.choice(settings), len(states)) for _ in range(count)], data_image(seed), states)


def keep(kind, seed, found, words):
    """Put a snippet of a batch that has failed into the corpus; returns the path."""
    name = '%s-%s.json' % (kind, found.text().replace(' ', '-')[:40])
    state = batch(kind, seed, 0).states[found.state:found.state + 1]
    text = json.dumps({'found': words, 'code': hexadecimal(found.code), 'regs': found.regs, 'eflags': found.eflags, 'marks': found.marks, 'data': seed, 'at': found.at,
                       'segments': found.segments, 'state': [hexadecimal(image) for image in state]}, sort_keys=True)
    if not os.path.isdir(CORPUS):
        os.makedirs(CORPUS)
    with open(os.path.join(CORPUS, name), 'w') as file:
        file.write(text + '\n')
    return os.path.join(CORPUS, name)


def kept():
    """The corpus, each snippet as a batch of one, by name."""
    batches = {}
    for name in sorted(os.listdir(CORPUS)) if os.path.isdir(CORPUS) else []:
        with open(os.path.join(CORPUS, name)) as file:
            fields = json.load(file)
        one = Snippet(binary(fields['code']), fields['regs'], fields['eflags'], fields['marks'], 0, fields['segments'], fields['at'])
        batches[name] = Batch([one], data_image(fields['data']), [binary(image) for image in fields['state']])
    return batches


def hexadecimal(data):
    return ''.join(['%02x' % byte for byte in bytearray(data)])


def binary(text):
    return bytes(bytearray([int(text[at:at + 2], 16) for at in range(0, len(text), 2)]))
