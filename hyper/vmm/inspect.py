"""A domain's registers by their names in the manual, read from and written to its VMCS, and as text: for debuggers and reports."""
from hyper import registers
from hyper.registers import GENERAL, M32, RegisterFile, SEGMENTS, UNKNOWN, hex8, index_of
from hyper.vmm.domain import ESP, LAST_EXITS, WORDS_OF_EXIT
from hyper.vmx import fields
from hyper.vmx.reasons import reason_name

SETTABLE_FLAGS = 0x003f7fd5
FLAG_ALWAYS = 2
DPL_SHIFT = 5
SS = 2


class DomainRegisters(RegisterFile):
    """Of a domain that is not being run. Names are those of hyper.registers."""

    def __init__(self, domain):
        self.domain = domain
        self.vmx = domain.vmx

    def get(self, name):
        domain = self.domain
        if name == 'alive':
            return int(domain.alive)
        if name == 'paused':
            return int(domain.paused)
        if name == 'stopping':
            return int(domain.stopping)
        if name == 'suspended':
            return int(domain.suspended)
        if name == 'waits_for_disks':
            return int(domain.waits_for_disks())
        domain.make_current()
        at = index_of(GENERAL, name)
        if at == ESP:
            return self.vmx.vmread(fields.GUEST_RSP)
        if at >= 0:
            return domain.registers[at]
        if name == 'eflags':
            return self.vmx.vmread(fields.GUEST_RFLAGS)
        if name == 'cpl':
            return self.vmx.vmread(fields.GUEST_SS_ACCESS) >> DPL_SHIFT & 3
        if name == 'instructions':
            return domain.virtual_time()
        if name == 'time':
            return domain.system.now()
        if name == 'halted':
            return int(domain.asleep)
        if name == 'cr0' or name == 'cr2' or name == 'cr3' or name == 'cr4':
            return domain.control(ord(name[2]) - ord('0'))
        if len(name) == 3 and name.startswith('dr') and '0' <= name[2] and name[2] <= '7':
            return domain.debug[ord(name[2]) - ord('0')]
        field = field_of(name)
        if field < 0:
            return UNKNOWN
        return self.vmx.vmread(field)

    def set(self, name, value):
        """Sets a register, as a debugger does. False for a name that is none or cannot be set. What the processor does not accept stops the domain
        when it is run."""
        domain = self.domain
        domain.make_current()
        value &= M32
        at = index_of(GENERAL, name)
        if at == ESP:
            self.vmx.vmwrite(fields.GUEST_RSP, value)
        elif at >= 0:
            domain.registers[at] = value
        elif name == 'eflags':
            self.vmx.vmwrite(fields.GUEST_RFLAGS, value & SETTABLE_FLAGS | FLAG_ALWAYS)
        elif name == 'cr0' or name == 'cr2' or name == 'cr3' or name == 'cr4':
            return domain.set_control(ord(name[2]) - ord('0'), value)
        else:
            field = field_of(name)
            if field < 0:
                return False
            self.vmx.vmwrite(field, value)
        return True


def field_of(name):
    """The VMCS field of a register that is in it as it is, else -1."""
    if name == 'eip':
        return fields.GUEST_RIP
    if name == 'gdtr.base':
        return fields.GUEST_GDTR_BASE
    if name == 'gdtr.limit':
        return fields.GUEST_GDTR_LIMIT
    if name == 'idtr.base':
        return fields.GUEST_IDTR_BASE
    if name == 'idtr.limit':
        return fields.GUEST_IDTR_LIMIT
    dot = name.find('.')
    part = ''
    if dot >= 0:
        part = name[dot + 1:]
        name = name[:dot]
    at = index_of(SEGMENTS, name)
    if at < 0:
        return -1
    if part == '':
        return fields.GUEST_ES_SELECTOR + 2 * at
    if part == 'base':
        return fields.GUEST_ES_BASE + 2 * at
    if part == 'limit':
        return fields.GUEST_ES_LIMIT + 2 * at
    if part == 'access':
        return fields.GUEST_ES_ACCESS + 2 * at
    return -1


def state_text(domain):
    """Why the domain was stopped, its registers, and its last exits."""
    return 'domain %d %s was stopped: %s\n%s%s' % (domain.number, domain.name, domain.why, registers.dump(DomainRegisters(domain)),
                                                  last_exits(domain))


def last_exits(domain):
    """The exits before the domain stopped, the latest last."""
    count = min(domain.exit_count, LAST_EXITS)
    if count == 0:
        return 'no VM exits\n'
    lines = ['last exits:         time ns  eip       qualification  reason']
    for k in range(domain.exit_count - count, domain.exit_count):
        at = k % LAST_EXITS * WORDS_OF_EXIT
        assert at >= 0
        exit = domain.last_exits
        time = '%d' % exit[at + 3]
        lines.append('%s%s  %s  %s       %s' % (' ' * (27 - len(time)), time, hex8(exit[at + 1]), hex8(exit[at + 2]), reason_name(exit[at])))
    return '\n'.join(lines) + '\n'
