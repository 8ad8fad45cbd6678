"""Guests of random system instructions under full virtualization: whatever they do, no failure leaves the VMM and nothing outside their memory changes.

More of them: FUZZ_GUESTS=2000 python2.7 -m pytest tests/hyper/test_full_fuzz.py
"""
import os

import pytest

import random_guest
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
BASE = 4 * MB
SIZE = random_guest.MEMORY
GUESTS = int(os.environ.get('FUZZ_GUESTS', '40'))
NANOSECONDS = 1500
NEIGHBOURS = [(2 * MB, BASE), (BASE + SIZE, 8 * MB)]       # what belongs to neither the guest nor the VMM


class Silence(CharSink):
    def write_byte(self, b):
        pass


class End(Timer):
    def __init__(self, system):
        self.system = system
        self.reached = False

    def expire(self):
        self.reached = True
        self.system.request_stop(STOP_REQUESTED)


def guest(seed, mmu):
    model = models.find('nehalem' if mmu == 'ept' else 'core2duo')
    machine = Machine(8 * MB, model, World())
    system = machine.system
    vmx_host.start(system.vmx, 0x1000)
    timer = TimerInterrupt(system)
    system.interrupts = timer
    frames = [0x10000 + 0x1000 * k for k in range(frames_wanted(SIZE, mmu == 'ept'))]
    domain = FullDomain(0, 'guest', system.vmx, model, machine.clock, machine.memory, BASE, SIZE, Silence(), mmu == 'ept', 0x2000, frames, timer)
    domain.memory.write_bytes(random_guest.AT, random_guest.image('%s %d' % (mmu, seed)))
    entry = EntryState(random_guest.AT)
    if mmu == 'ept' and seed % 4 == 3:
        entry.protected = False
        entry.cs = entry.ds = 0
    domain.start(entry)
    return machine, domain, timer


def run(machine, domain, timer):
    end = End(machine.system)
    machine.clock.schedule(end, NANOSECONDS)
    while domain.alive and not end.reached:
        domain.run()
        if timer.pending():
            timer.acknowledge()
        if domain.asleep:
            machine.wait()


@pytest.mark.parametrize('mmu', ['vtlb', 'ept'])
def test_a_guest_of_random_instructions_reaches_nothing_but_itself(mmu):
    exits = 0
    for seed in range(GUESTS):
        machine, domain, timer = guest(seed, mmu)
        for first, end in NEIGHBOURS:
            machine.memory.storage[first:end] = '\x5a' * (end - first)
        run(machine, domain, timer)
        assert not domain.why.startswith('VM entry refused') and not domain.why.startswith('VM-entry failure'), (seed, domain.why)
        for first, end in NEIGHBOURS:
            assert machine.memory.storage[first:end].count('\x5a') == end - first, seed
        exits += domain.exit_count
    assert exits > 10 * GUESTS          # most do get as far as to make some
