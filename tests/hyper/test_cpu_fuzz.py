"""Any bytes at all, executed in every mode that the machine offers, end in something the manual defines: never in an error of the engine."""
import random
import struct

import pytest

from cpu_parts import CODE, DATA, GDT, IDT, STACK, KERNEL_CODE, USER_CODE, Guest, descriptor
from hyper.board.bus import Bus
from hyper.board.clock import Clock, Source, Timer
from hyper.cpu import models
from hyper.cpu.mode import CS, SS
from hyper.cpu.system import STOP_DEADLINE, STOP_HALTED, STOP_REQUESTED, STOP_SHUTDOWN, STOP_VMEXIT
from hyper.vmx.operation import VMX

PATIENCE = 2000         # ns of machine time for a few instructions: a handler that faults retires none, and would go on for ever

NUMBERS = [0, 1, 4, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, CODE, DATA, STACK, GDT, IDT, 0x23, 0x10]
# prefixes and opcodes that random bytes would reach too seldom
STARTS = ['', '\x66', '\x67', '\x66\x67', '\x0f', '\x0f\x00', '\x0f\x01', '\x0f\xc7', '\x0f\x38', '\x66\x0f', '\xf0', '\xf3', '\xf2\x0f', '\x0f\x78', '\x0f\x79',
          '\x2e', '\x64', '\x65\x66', '\xff', '\xfe', '\x8e', '\xd9', '\xdb', '\xdd', '\xdf', '\xcf', '\xca', '\x9a', '\xea', '\xc4', '\x0f\xb2', '\x0f\x20',
          '\x0f\x22', '\x0f\x21', '\x0f\x23', '\x0f\x32', '\x0f\x30', '\x0f\x34', '\x0f\x35', '\xc8', '\xcd', '\x62', '\x63', '\x0f\x02', '\x9d', '\x17']


class Watchdog(Timer, Source):
    """Stops a run that takes too long."""

    def __init__(self, system):
        self.system = system
        self.clock = system.clock = Clock(self)

    def now(self):
        return self.system.now()

    def start(self):
        self.clock.cancel(self)
        self.clock.schedule(self, self.now() + PATIENCE)

    def expire(self):
        self.system.request_stop(STOP_REQUESTED)


def random_bytes(r, count):
    return ''.join([chr(r.getrandbits(8)) for _ in range(count)])


def make(r, mode):
    """A guest in the mode: its code is random, and so are its registers and some descriptors."""
    guest = Guest(model=r.choice(models.MODELS))
    system = guest.system
    memory = guest.memory
    for at in range(CODE, CODE + 0x200, 16):
        memory.write_bytes(at, (r.choice(STARTS) + random_bytes(r, 16))[:16])
    for selector in range(0x40, 0x100, 8):
        memory.write_bytes(GDT + selector, random_bytes(r, 8))
    system.regs = [r.choice(NUMBERS) if r.randrange(3) else r.getrandbits(32) for _ in range(8)]
    system.regs[4] = r.choice([STACK, STACK - 2, 0x1ffff, r.getrandbits(32), 4])
    system.bus = Bus()
    system.vmx = VMX(system, model_capabilities(system.model)) if len(system.model.vmx_msrs) else None
    if mode == 'real':
        system.cr0 = 0x10
        for segment in range(6):
            value = CODE >> 4 if segment == CS else r.choice([0, 0x1000, 0xf000, 0xffff])
            system.set_segment(segment, value, value << 4, 0xffff, 0x9b if segment == CS else 0x93)
        system.eip = 0
        system.idtr_base, system.idtr_limit = 0, 0x3ff
        memory.write_bytes(0, random_bytes(r, 0x400))
    elif mode == '16 bit':
        guest.set_ring(0)
        memory.write_bytes(GDT + 0x40, descriptor(CODE, 0xffff, 0x9b))
        system.set_segment(CS, 0x40, CODE, 0xffff, 0x9b)
        system.set_segment(SS, 0x10, 0, 0xffff, 0x93)
        system.eip = 0
    elif mode == 'virtual 8086':
        system.cpl = 3
        system.eflags = 0x20002 | r.choice([0, 0x3000])
        for segment in range(6):
            value = CODE >> 4 if segment == CS else r.choice([0, 0x1000])
            system.set_segment(segment, value, value << 4, 0xffff, 0xf3)
        system.eip = 0
    else:
        guest.set_ring(3 if 'ring 3' in mode else 0)
    system.eflags |= r.getrandbits(12) & 0xcd5
    if 'paging' in mode:
        guest.enable_paging(pages=256, flags_=7)
        for _ in range(64):
            memory.write32(0x9000 + 4 * r.randrange(1024), r.getrandbits(32) & 0x1fffff)
        for page in (0x8, 0x9, 0x10):
            guest.map(page << 12, page << 12, 7)
    system.update_mode()
    if r.randrange(4) == 0:
        system.vmx = None
    return guest


def model_capabilities(model):
    from hyper.vmx.controls import Capabilities
    return Capabilities(model.vmx_msrs, 36)


MODES = ['ring 0', 'ring 3', '16 bit', 'real', 'virtual 8086', 'ring 0 with paging', 'ring 3 with paging']


def check_state(system):
    """What must hold whenever the machine is at rest."""
    for value in system.regs + [system.eip, system.cr0, system.cr2, system.cr3, system.cr4, system.eflags] + system.base + system.limits:
        assert 0 <= value <= 0xffffffff
    for selector in system.selector:
        assert 0 <= selector <= 0xffff
    assert system.eflags & 2 and system.eflags & 0xffc08028 == 0
    assert 0 <= system.cpl <= 3
    if system.cr0 & 1 and system.eflags & 0x20000 == 0:
        assert system.cpl == system.selector[CS] & 3 and system.mode.cpl == system.cpl
    assert system.mode.cs_base == system.base[CS]


def run_one(seed, mode):
    r = random.Random('%s %d' % (mode, seed))
    guest = make(r, mode)
    system = guest.system
    watchdog = Watchdog(system)
    for _ in range(6):
        system.limit = system.icount + r.choice([1, 3, 40])
        for line in range(20):
            if system.icount >= system.limit:
                break
            watchdog.start()
            reason = system.run()
            assert reason in (STOP_DEADLINE, STOP_HALTED, STOP_REQUESTED, STOP_SHUTDOWN, STOP_VMEXIT)
            check_state(system)
            if reason != STOP_DEADLINE:
                # go on elsewhere in the random code
                system.halted = False
                if reason == STOP_SHUTDOWN and r.randrange(2):
                    return
                system.eip = (r.randrange(0x200) + (CODE if system.base[CS] == 0 else 0)) & 0xffffffff
                system.regs[4] = STACK


@pytest.mark.parametrize('mode', MODES)
def test_any_bytes_are_executed_or_refused_as_the_manual_says(mode):
    for seed in range(25):
        try:
            run_one(seed, mode)
        except Exception as error:
            raise AssertionError('seed %d in %s: %r' % (seed, mode, error))


if __name__ == '__main__':
    import sys
    import traceback
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        for mode in MODES:
            try:
                run_one(seed, mode)
            except Exception:
                print 'seed', seed, mode
                traceback.print_exc()
