"""Guests of random system instructions under full virtualization: whatever they do, no failure leaves the VMM and nothing outside their memory changes.

More of them: FUZZ_GUESTS=2000 python2.7 -m pytest tests/hyper/test_full_fuzz.py
"""
import os
import random

import pytest

from hyper.board.clock import Timer
from hyper.board.machine import Machine, World
from hyper.board.uart import CharSink
from hyper.cpu import models
from hyper.cpu.system import STOP_REQUESTED
from hyper.loader.entry import EntryState
from hyper.vmm.full.domain import FullDomain, frames_wanted
from hyper.vmx import host as vmx_host

from test_full_guest import TimerInterrupt

MB = 1 << 20
BASE, SIZE = 4 * MB, MB
CODE = 0x8000
GUESTS = int(os.environ.get('FUZZ_GUESTS', '40'))
NANOSECONDS = 1500
NEIGHBOURS = [(2 * MB, BASE), (BASE + SIZE, 8 * MB)]       # what belongs to neither the guest nor the VMM
ADDRESSES = [0, 4, 0x500, 0x1000, 0x6000, 0x7ffe, 0x8000, 0x9000, 0x10000, 0x11000, 0xa0000, 0xb8000, 0xbfffe, 0xffffe, 0x100000, SIZE - 2, SIZE, 0x3ffffe,
             0x400000, 0x7fffffff, 0x80000000, 0xc0000000, 0xfec00000, 0xfffffffc, 0xffffffff]
VALUES = ADDRESSES + [1, 2, 8, 0x10, 0x18, 0x23, 0x2b, 0x30, 0x33, 0x11003, 0x10007, 0x200083, 0x10, 0x80000011, 0x80010001, 0x80000000, 0x60000010]
PORTS = [0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0xa1, 0xcf8, 0x3d4, 0x3d5, 0x3f8, 0x3f9, 0x3fb, 0x604, 0x1234, 0xffff]
SYSTEM = ['\x0f\x20\xc0', '\x0f\x22\xc0', '\x0f\x22\xc3', '\x0f\x22\xd8', '\x0f\x20\xd8', '\x0f\x22\xe0', '\x0f\x20\xe0', '\x0f\x22\xd0',     # MOV CR
          '\x0f\x01\xf0', '\x0f\x01\xe0', '\x0f\x06', '\x0f\x21\xf8', '\x0f\x23\xf8', '\x0f\x23\xf0', '\x0f\x23\xe0',                           # LMSW, CLTS, DR
          '\x0f\xa2', '\x0f\x30', '\x0f\x32', '\x0f\x31', '\x0f\x33', '\x0f\x08', '\x0f\x09', '\xf3\x90', '\xf4',
          '\xec', '\xed', '\x66\xed', '\xee', '\xef', '\x66\xef', '\x6c', '\x6d', '\x6e', '\x6f', '\xf3\x6c', '\xf3\x66\x6d', '\xf3\x6e', '\x67\xf3\x6f', '\xf2\x6d',
          '\xaa', '\xab', '\xf3\xa4', '\xf3\xa5', '\xf3\xaa', '\xf3\xab', '\xf3\xa6', '\xf2\xae', '\xac', '\xf3\xad', '\xfc', '\xfd', '\xfa', '\xfb',
          '\xcf', '\x9c', '\x9d', '\xcc', '\xce', '\xcd\x80', '\xcd\x0e', '\xcd\x08', '\x0f\x0b', '\xc3', '\xcb', '\x07', '\x17', '\x1f', '\x0f\xa1',
          '\x0f\x00\xd0', '\x0f\x00\xd8', '\x0f\x01\x10', '\x0f\x01\x18', '\x0f\x01\x38', '\x0f\x01\x39', '\x0f\x01\x3b',                            # LLDT, LTR, LGDT, LIDT, INVLPG
          '\x0f\x01\xc1', '\x0f\x01\xc2', '\x0f\x01\xc4', '\x0f\xc7\x30', '\xf3\x0f\xc7\x30', '\x0f\x78\xc3', '\x0f\x79\xc3', '\x0f\x01\xc8', '\x0f\x01\xc9',
          '\x0f\x34', '\x0f\x35', '\x0f\x01\xd1', '\xff\x20', '\xff\x28', '\xff\x10', '\xff\x18', '\x8e\xd8', '\x8e\xd0', '\x8e\xc0', '\x8e\xe8',
          '\xa0', '\x88\x03', '\x8a\x03', '\x89\x03', '\x8b\x03', '\x66\x89\x06', '\x01\x03', '\x80\x0b\x10', '\xfe\x03', '\x87\x03', '\x0f\xb1\x0b', '\x0f\xab\x03', '\xff\x33',
          '\x8f\x03', '\x0f\xb6\x03', '\x0f\xbf\x06', '\xf0\x0f\xc1\x03', '\x0f\xc7\x0b', '\xd8\x03', '\xdb\x3b', '\xdd\x23', '\xea', '\x9a', '\xf3', '\x66', '\x67', '\x2e', '\x65']


class Silence(CharSink):
    def write_byte(self, b):
        pass


def word(value):
    return ''.join(chr(value >> 8 * k & 0xff) for k in range(4))


def program(rng):
    code = '\x0f\x01\x1d' + word(0x500) + '\xbc' + word(0x7000)        # lidt 0x500; mov $0x7000, %esp
    while len(code) < 3000:
        kind = rng.randrange(10)
        if kind < 3:
            code += chr(0xb8 + rng.choice([0, 1, 2, 3, 4, 6, 7])) + word(rng.choice(VALUES) if rng.randrange(4) else rng.getrandbits(32))
        elif kind == 3:
            code += '\x66\xba' + word(rng.choice(PORTS))[:2] + '\xb9' + word(rng.choice([0, 1, 3, 0x10, 0x174, 0x480, 0xffffffff]))
        elif kind == 4:
            code += '\xc7\x05' + word(rng.choice(ADDRESSES)) + word(rng.choice(VALUES))
        elif kind == 5:
            code += ''.join(chr(rng.randrange(256)) for k in range(rng.randrange(1, 5)))
        else:
            code += rng.choice(SYSTEM)
    return code


def tables(rng, memory):
    """Interrupt table, page directory and table with something like sense in them."""
    for vector in range(256):
        handler = CODE + rng.randrange(3000)
        selector = rng.choice([0x10, 0x10, 0x10, 0x18, 0, 8])
        kind = rng.choice([0x8e, 0x8e, 0x8f, 0xee, 0x85, 0x86, 0x0e])
        memory.write32(0x6000 + 8 * vector, handler & 0xffff | selector << 16)
        memory.write32(0x6004 + 8 * vector, handler & 0xffff0000 | kind << 8)
    for k in range(1024):
        memory.write32(0x10000 + 4 * k, rng.choice([0, 0x11007, 0x11003, 0x83, 0x10003, 0x10007, SIZE | 7, rng.getrandbits(32)]))
        memory.write32(0x11000 + 4 * k, k << 12 | 7 if rng.randrange(8) else rng.getrandbits(32))
    memory.write32(0x10000, rng.choice([0x11007, 0x87, 0x11007]))
    memory.write_bytes(0x500, '\xff\x07' + word(0x6000))


def guest(seed, mmu):
    rng = random.Random('%s %d' % (mmu, seed))
    model = models.find('nehalem' if mmu == 'ept' else 'core2duo')
    machine = Machine(8 * MB, model, World())
    system = machine.system
    vmx_host.start(system.vmx, 0x1000)
    timer = TimerInterrupt(system)
    system.interrupts = timer
    frames = [MB + 0x1000 * k for k in range(frames_wanted(SIZE, mmu == 'ept'))]
    domain = FullDomain(0, 'guest', system.vmx, model, machine.clock, machine.memory, BASE, SIZE, Silence(), mmu == 'ept', 0x2000, frames, timer)
    tables(rng, domain.memory)
    domain.memory.write_bytes(CODE, program(rng))
    entry = EntryState(CODE)
    entry.protected = mmu == 'vtlb' or rng.randrange(4) > 0
    if entry.protected:
        entry.gdt = 0x700
        entry.gdt_limit = 0x37
        for k, text in enumerate(['\0' * 8, '\0' * 8, '\xff\xff\0\0\0\x9b\xcf\0', '\xff\xff\0\0\0\x93\xcf\0', '\xff\xff\0\0\0\xfb\xcf\0',
                                  '\xff\xff\0\0\0\xf3\xcf\0', '\x67\0\0\x09\0\x89\0\0']):
            domain.memory.write_bytes(0x700 + 8 * k, text)
    else:
        entry.cs = entry.ds = 0
    domain.start(entry)
    return machine, domain, timer


class End(Timer):
    def __init__(self, system):
        self.system = system

    def expire(self):
        self.system.request_stop(STOP_REQUESTED)


def run(machine, domain, timer):
    machine.clock.schedule(End(machine.system), NANOSECONDS)
    while domain.alive and domain.run() != STOP_REQUESTED:
        if timer.pending():
            timer.acknowledge()
        if domain.asleep:
            machine.wait()


@pytest.mark.parametrize('mmu', ['vtlb', 'ept'])
def test_a_guest_of_random_instructions_reaches_nothing_but_itself(mmu):
    ends = {}
    for seed in range(GUESTS):
        machine, domain, timer = guest(seed, mmu)
        for first, end in NEIGHBOURS:
            machine.memory.storage[first:end] = '\x5a' * (end - first)
        run(machine, domain, timer)
        assert domain.alive or domain.why
        for first, end in NEIGHBOURS:
            assert machine.memory.storage[first:end].count('\x5a') == end - first, seed
        ends[domain.state()] = ends.get(domain.state(), 0) + domain.exit_count
    assert sum(ends.values()) > 10 * GUESTS, ends       # most do get as far as to make exits
