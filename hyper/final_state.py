"""The complete state of a machine after a run, as JSON: what two runs of the same guest must agree on, however they were executed."""

from rpython.rlib.rarithmetic import intmask, r_uint

from hyper import registers
from hyper.board import raw
from hyper.cpu.fpu import XMM

SEED = r_uint(0xcbf29ce484222325)
MULTIPLIER = r_uint(0x9e3779b97f4a7c15)     # odd, with bits all over the word
PARTS = ['base', 'limit', 'access']


def mix(value, word):
    value = (value ^ r_uint(word)) * MULTIPLIER
    return value ^ value >> 29


def memory_hash(memory):
    """64 bits over the addresses and values of all 8-byte words that are not zero."""
    value = SEED
    for at in range(0, memory.size, 8):
        word = memory.read64(at)
        if word != 0:
            value = mix(mix(value, at), word)
    return value


def hex16(value):
    return registers.hex8(intmask(value >> 32)) + registers.hex8(intmask(value & 0xffffffff))


def register_names():
    names = registers.GENERAL + ['eip', 'eflags', 'cpl', 'cr0', 'cr2', 'cr3', 'cr4', 'gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit', 'halted']
    for i in range(8):
        names.append('dr%d' % i)
    for name in registers.SEGMENTS:
        names.append(name)
        for part in PARTS:
            names.append('%s.%s' % (name, part))
    return names


def fpu_image(fpu):
    """The words of x87, MMX and SSE, and MXCSR."""
    words = [registers.hex8(fpu.mxcsr)]
    for at in range(0, XMM + 128, 4):
        words.append(registers.hex8(raw.load32(fpu.image, at)))
    return ' '.join(words)


def final_state(machine, status):
    system = machine.system
    fields = []
    for name in register_names():
        fields.append('"%s": %d' % (name, registers.get(system, name)))
    return '{"stop": "%s", "status": %d, "instructions": %d, "machine_ns": %d, "memory": "%s", "fpu": "%s",\n "registers": {%s}}\n' % (
        machine.why, status, system.icount, system.now(), hex16(memory_hash(machine.memory)), fpu_image(system.fpu), ', '.join(fields))
