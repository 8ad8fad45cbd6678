"""The complete state of a machine after a run, as JSON: what two runs of the same guest must agree on, however they were executed."""

from rpython.rlib.rarithmetic import intmask, r_uint

from hyper import registers

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


def x87_image(x87):
    """The words of FNSAVE."""
    x87.save()
    words = []
    for word in x87.buffer:
        words.append(registers.hex8(word))
    return ' '.join(words)


def final_state(machine, status):
    system = machine.system
    fields = []
    for name in register_names():
        fields.append('"%s": %d' % (name, registers.get(system, name)))
    return '{"stop": "%s", "status": %d, "instructions": %d, "machine_ns": %d, "memory": "%s", "x87": "%s",\n "registers": {%s}}\n' % (
        machine.why, status, system.icount, system.now(), hex16(memory_hash(machine.memory)), x87_image(system.x87), ', '.join(fields))
