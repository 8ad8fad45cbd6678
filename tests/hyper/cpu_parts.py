"""A processor with flat segments, descriptor tables and handlers, for the tests of hyper.cpu: give it assembly text, run it, look at what happened."""
import struct

from assemble import assemble
from hyper.board.memory import Memory
from hyper.cpu import flags, models
from hyper.cpu.mode import ES, CS, SS, DS, FS, GS, LDTR, TR
from hyper.cpu.system import STOP_DEADLINE, STOP_HALTED, STOP_SHUTDOWN, System

GDT, IDT, TSS, LDT, HANDLERS = 0x1000, 0x2000, 0x3000, 0x3800, 0x4000
DIRECTORY, TABLE = 0x8000, 0x9000
CODE, DATA, STACK, INNER_STACK = 0x10000, 0x14000, 0x20000, 0x30000
MEMORY = 0x200000
KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, TSS_SELECTOR, LDT_SELECTOR = 0x08, 0x10, 0x1b, 0x23, 0x28, 0x30
FREE = 0x40             # the first selector that a test may give a meaning
WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17]
PRESENT, RING_3, GRANULAR, BIG = 0x80, 0x60, 0x8000, 0x4000
CODE_TYPE, DATA_TYPE = 0x1a, 0x12       # with S: readable code, writable data


class Event(object):
    """An exception or interrupt whose handler was reached; the frame that was pushed."""

    def __init__(self, vector, error, eip, cs, eflags, esp, ss):
        self.vector = vector
        self.error = error
        self.eip = eip
        self.cs = cs
        self.eflags = eflags
        self.esp = esp          # None if the ring did not change
        self.ss = ss

    def __repr__(self):
        return 'vector %d, error %s, at %x:%x' % (self.vector, self.error, self.cs, self.eip)


def descriptor(base, limit, access):
    """The eight bytes of a segment descriptor; access as in a VMCS. A limit above FFFFFh must have its low 12 bits set."""
    if limit > 0xfffff:
        limit >>= 12
        access |= GRANULAR
    low = (limit & 0xffff) | (base & 0xffff) << 16
    high = (base >> 16 & 0xff) | (access & 0xf0ff) << 8 | (limit & 0xf0000) | (base & 0xff000000)
    return struct.pack('<II', low, high)


def gate(kind, selector, offset, dpl=0, parameters=0):
    return struct.pack('<II', offset & 0xffff | selector << 16, offset & 0xffff0000 | 0x8000 | dpl << 13 | kind << 8 | parameters)


class Guest(object):
    """A machine that runs `source` from CODE on. Every vector has an interrupt gate to a handler in ring 0 that halts."""

    def __init__(self, source='', ring=0, model=models.MODELS[0], symbols=None):
        self.system = system = System(Memory(MEMORY), model)
        self.memory = memory = system.memory
        entries = [descriptor(0, 0xffffffff, 0x9b | BIG), descriptor(0, 0xffffffff, 0x93 | BIG), descriptor(0, 0xffffffff, 0xfb | BIG),
                   descriptor(0, 0xffffffff, 0xf3 | BIG), descriptor(TSS, 0x67, 0x8b), descriptor(LDT, 0x3f, 0x82)]
        memory.write_bytes(GDT, '\0' * 8 + ''.join(entries))
        memory.write_bytes(TSS, struct.pack('<III', 0, INNER_STACK, KERNEL_DATA).ljust(0x66, '\0') + '\x68\0')
        memory.write_bytes(IDT, ''.join([gate(14, KERNEL_CODE, HANDLERS + 16 * vector) for vector in range(256)]))
        for vector in range(256):
            memory.write8(HANDLERS + 16 * vector, 0xf4)
        system.cr0 = 0x31
        system.gdtr_base, system.gdtr_limit = GDT, 0xff
        system.idtr_base, system.idtr_limit = IDT, 0x7ff
        system.set_segment(TR, TSS_SELECTOR, TSS, 0x67, 0x8b)
        self.set_ring(ring)
        system.regs = [0] * 8
        system.regs[4] = STACK
        system.eip = CODE
        system.eflags = 2
        self.code = ''
        if source:
            self.write(source)

    def set_ring(self, ring):
        system = self.system
        system.cpl = ring
        privilege = ring << 5
        for segment in range(6):
            if segment == CS:
                system.set_segment(CS, USER_CODE if ring == 3 else KERNEL_CODE, 0, 0xffffffff, 0xc09b | privilege)
            else:
                system.set_segment(segment, USER_DATA if ring == 3 else KERNEL_DATA, 0, 0xffffffff, 0xc093 | privilege)
        system.update_mode()

    def write(self, source, at=CODE):
        """Assemble to memory; strings of bytes are written as they are."""
        self.code = source if is_bytes(source) else assemble(source, at)
        self.memory.write_bytes(at, self.code)
        return at + len(self.code)

    def define(self, selector, raw_descriptor):
        """An entry of the GDT."""
        self.memory.write_bytes(GDT + (selector & 0xfff8), raw_descriptor)
        return selector

    def vector(self, number, raw_gate):
        self.memory.write_bytes(IDT + 8 * number, raw_gate)

    def enable_paging(self, flags_=7, pages=512, cr0=0x80000000):
        """Map the memory one to one with 4 KB pages."""
        for page in range(pages):
            self.map(page << 12, page << 12, flags_)
        self.memory.write32(DIRECTORY, TABLE | 7)
        system = self.system
        system.cr3 = DIRECTORY
        system.cr0 |= cr0
        system.mmu.flush()
        system.update_mode()

    def map(self, linear, frame, flags_):
        assert linear < 4 << 20
        self.memory.write32(TABLE + (linear >> 12) * 4, frame | flags_)

    def entry(self, linear):
        """The page-table entry of a page."""
        return self.memory.read32(TABLE + (linear >> 12) * 4)

    def run(self, limit=20000):
        """Run until HLT; the Event of a handler reached, None where the code itself has halted."""
        system = self.system
        system.limit = system.icount + limit
        self.stop = system.run()
        assert self.stop in (STOP_HALTED, STOP_SHUTDOWN), self.stop
        if self.stop == STOP_SHUTDOWN:
            return 'shutdown'
        return self.event()

    def event(self):
        system = self.system
        at = system.eip - 1 - HANDLERS
        if at < 0 or at >= 16 * 256 or system.cpl != 0:
            return None
        vector = at // 16
        stack = [self.memory.read32(system.regs[4] + 4 * k) for k in range(6)]
        error = None
        if vector in WITH_ERROR_CODE:
            error = stack.pop(0)
        eip, cs, eflags = stack[:3]
        esp = ss = None
        if cs & 3 != 0:
            esp, ss = stack[3:5]
        return Event(vector, error, eip, cs, eflags, esp, ss)

    def step(self, count=1):
        """So many instructions; they may not stop the machine."""
        self.system.limit = self.system.icount + count
        assert self.system.run() == STOP_DEADLINE

    def __getattr__(self, name):
        if name in NAMES:
            return self.system.regs[NAMES.index(name)]
        raise AttributeError(name)

    def flag(self, mask):
        return self.system.eflags & mask != 0


NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']


def is_bytes(source):
    """Machine code rather than assembly text."""
    return any(ord(c) >= 127 or (ord(c) < 32 and c not in '\n\t') for c in source)


def run(source, ring=0, **registers):
    """A Guest in which `source` has run to its HLT, or to the event in `guest.happened`."""
    guest = Guest(source, ring)
    for name in registers:
        if name == 'eflags':
            guest.system.eflags = registers[name] | 2
        else:
            guest.system.regs[NAMES.index(name)] = registers[name]
    guest.happened = guest.run()
    return guest
