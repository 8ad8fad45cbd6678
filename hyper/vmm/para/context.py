"""The state of a paravirtual domain's processor, but for its floating-point unit, in the layout that interface 1.2 calls the full execution context.

It is an array of 32-bit words. Frame numbers in it are machine frames. Whoever gives one to `load` need not be trusted.
"""
from hyper.vmm.para import descriptors
from hyper.vmm.para.calls.debug_registers import accepted
from hyper.vmm.para.descriptor_tables import NO_FRAME, PER_FRAME
from hyper.vmm.para.layout import LAST_RESERVED_DESCRIPTOR, MOST_DESCRIPTORS, TABLE_PAGES
from hyper.vmm.para.traps import NO_FAST_TRAP, VECTORS
from hyper.vmx import fields

# places of words: the registers in the order of interface 1.2, then the rest
EBX, ECX, EDX, ESI, EDI, EBP, EAX, DS, ES, FS, GS = range(1, 12)
EIP, CS, EFLAGS, ESP, SS = range(13, 18)
FPU_STATE = 18                  # 64 words, not used here
TRAPS = 82                      # two words for each vector
FAST_TRAP = TRAPS + 2 * VECTORS
LDT_BASE, LDT_ENTRIES = FAST_TRAP + 1, FAST_TRAP + 2
GDT_FRAMES = FAST_TRAP + 3
GDT_ENTRIES = GDT_FRAMES + TABLE_PAGES
STACK_SELECTOR, STACK_POINTER = GDT_ENTRIES + 1, GDT_ENTRIES + 2
BASE = GDT_ENTRIES + 3          # the machine address of the page directory
DEBUG = BASE + 1                # eight words
EVENT_SELECTOR, EVENT_ADDRESS, FAILSAFE_SELECTOR, FAILSAFE_ADDRESS = range(DEBUG + 8, DEBUG + 12)
WORDS = DEBUG + 12

GENERAL = [EAX, ECX, EDX, EBX, -1, EBP, ESI, EDI]       # by number of register; ESP is in the VMCS
SEGMENTS = [ES, CS, SS, DS, FS, GS]                     # by number of segment register
CODE_SEGMENT, STACK_SEGMENT = 1, 2
FLAGS_ALWAYS, FLAGS_MAY = 0x202, 0x254dd5               # IF is always set; not VM, IOPL and what virtual-8086 mode has
UNUSABLE = 1 << 16
NOT_THERE = [4, 5]                                      # debug registers


def store(domain):
    """The words of a domain that is not inside."""
    domain.make_current()
    vmx = domain.vmx
    words = [0] * WORDS
    for k in range(8):
        if GENERAL[k] >= 0:
            words[GENERAL[k]] = domain.registers[k]
    for s in range(6):
        words[SEGMENTS[s]] = vmx.vmread(fields.GUEST_ES_SELECTOR + 2 * s)
    words[EIP] = vmx.vmread(fields.GUEST_RIP)
    words[ESP] = vmx.vmread(fields.GUEST_RSP)
    words[EFLAGS] = vmx.vmread(fields.GUEST_RFLAGS)
    traps = domain.traps
    for vector in range(VECTORS):
        words[TRAPS + 2 * vector] = vector | traps.flags[vector] << 8 | traps.selector[vector] << 16
        words[TRAPS + 2 * vector + 1] = traps.address[vector]
    words[FAST_TRAP] = traps.fast
    tables = domain.tables
    words[LDT_BASE] = tables.ldt_base
    words[LDT_ENTRIES] = tables.ldt_entries
    if tables.gdt[0] != NO_FRAME:
        for k in range(TABLE_PAGES):
            if tables.gdt[k] != NO_FRAME:
                words[GDT_FRAMES + k] = tables.gdt[k]
        words[GDT_ENTRIES] = tables.gdt_entries
    words[STACK_SELECTOR] = traps.stack_selector
    words[STACK_POINTER] = traps.stack_pointer
    words[BASE] = domain.paging.base << 12
    for k in range(8):
        words[DEBUG + k] = domain.debug[k]
    words[EVENT_SELECTOR] = traps.event_selector
    words[EVENT_ADDRESS] = traps.event_address
    words[FAILSAFE_SELECTOR] = traps.failsafe_selector
    words[FAILSAFE_ADDRESS] = traps.failsafe_address
    return words


def load(domain, words):
    """Puts a domain without page tables into that state. What is wrong with it in words, '' if nothing is; then the domain can only be destroyed."""
    domain.make_current()
    if words[BASE] & 0xfff or not domain.paging.set_base(words[BASE] >> 12):
        return 'its page directory is refused'
    why = load_tables(domain, words)
    if why == '':
        why = load_traps(domain, words)
    if why == '':
        why = load_segments(domain, words)
    if why != '':
        return why
    for k in range(8):
        if k not in NOT_THERE:
            value = accepted(k, words[DEBUG + k])
            if value < 0:
                return 'debug register %d is refused' % k
            domain.debug[k] = value
    vmx = domain.vmx
    vmx.vmwrite(fields.GUEST_DR7, domain.debug[7])
    for k in range(8):
        if GENERAL[k] >= 0:
            domain.registers[k] = words[GENERAL[k]]
    vmx.vmwrite(fields.GUEST_RIP, words[EIP])
    vmx.vmwrite(fields.GUEST_RSP, words[ESP])
    vmx.vmwrite(fields.GUEST_RFLAGS, words[EFLAGS] & FLAGS_MAY | FLAGS_ALWAYS)
    return ''


def load_tables(domain, words):
    entries = words[GDT_ENTRIES]
    if entries > 0:
        if entries <= LAST_RESERVED_DESCRIPTOR or entries > MOST_DESCRIPTORS:
            return 'its GDT has %d entries' % entries
        frames = [0] * TABLE_PAGES
        for k in range(TABLE_PAGES):
            frames[k] = words[GDT_FRAMES + k]
        if not domain.tables.set_gdt(frames, (entries + PER_FRAME - 1) // PER_FRAME, entries):
            return 'its GDT is refused'
    if words[LDT_ENTRIES] > 0 and not domain.tables.set_ldt(words[LDT_BASE], words[LDT_ENTRIES]):
        return 'its LDT is refused'
    return ''


def load_traps(domain, words):
    traps = domain.traps
    for vector in range(VECTORS):
        word = words[TRAPS + 2 * vector]
        address = words[TRAPS + 2 * vector + 1]
        if address != 0 and (word & 0xff != vector or not descriptors.is_kernel_selector(word >> 16)):
            return 'its handler of trap %d is refused' % vector
        traps.address[vector] = address
        traps.flags[vector] = word >> 8 & 0xff
        traps.selector[vector] = word >> 16
    if words[FAST_TRAP] != NO_FAST_TRAP:
        if not traps.may_be_fast(words[FAST_TRAP]):
            return 'its fast trap is refused'
        traps.set_fast_trap(words[FAST_TRAP])
    if not descriptors.is_kernel_selector(words[STACK_SELECTOR]):
        return 'its ring-1 stack is refused'
    traps.set_stack(words[STACK_SELECTOR] & 0xffff, words[STACK_POINTER])
    for selector, address in [(words[EVENT_SELECTOR], words[EVENT_ADDRESS]), (words[FAILSAFE_SELECTOR], words[FAILSAFE_ADDRESS])]:
        if address != 0 and not descriptors.is_kernel_selector(selector):
            return 'a callback of it is refused'
    traps.event_selector = words[EVENT_SELECTOR] & 0xffff
    traps.event_address = words[EVENT_ADDRESS]
    traps.failsafe_selector = words[FAILSAFE_SELECTOR] & 0xffff
    traps.failsafe_address = words[FAILSAFE_ADDRESS]
    return ''


def load_segments(domain, words):
    ring = words[CS] & descriptors.RPL
    if ring == 0:
        return 'it is in ring 0'
    for s in range(6):
        selector = words[SEGMENTS[s]] & 0xffff
        null = selector & ~descriptors.RPL == 0
        good = null and s != CODE_SEGMENT and s != STACK_SEGMENT
        if not null and domain.tables.find(selector):
            good = is_loadable(s, selector, domain.tables.high, ring)
        if not good:
            return 'segment register %d with selector 0x%x is refused' % (s, selector)
        put_segment(domain, s, selector, null)
    return ''


def is_loadable(s, selector, high, ring):
    """Whether a segment register in use in a ring can have a descriptor."""
    if s == CODE_SEGMENT:
        return descriptors.is_code_of(high, ring)
    if s == STACK_SEGMENT:
        wanted = descriptors.PRESENT | descriptors.ORDINARY | descriptors.WRITABLE
        return selector & descriptors.RPL == ring and high & (wanted | descriptors.CODE) == wanted and descriptors.dpl(high) == ring
    return descriptors.is_readable_by(high, ring, selector)


def put_segment(domain, s, selector, null):
    """A segment register in the VMCS, from the descriptor found."""
    vmx = domain.vmx
    tables = domain.tables
    vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * s, selector)
    if null:
        vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, UNUSABLE)
        return
    vmx.vmwrite(fields.GUEST_ES_BASE + 2 * s, descriptors.base(tables.low, tables.high))
    vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * s, descriptors.limit(tables.low, tables.high))
    vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * s, descriptors.access(descriptors.with_accessed(tables.high)))
