"""What is told of a run when it has ended: as text for people, as JSON for programs."""

from hyper import registers
from hyper.vmm.domain import PLACE_SHIFT, REASONS
from hyper.vmx.reasons import EXIT_REASON_CONSTANTS, EXIT_REASON_NAMES

MOST_COLUMNS = 4                # domains with a column of their own in the table of exits; of more only the sums are shown
MOST_ROWS = 12                  # domains with a row of their own
MOST_FUNCTIONS = 24             # of a kernel that are shown, of those that exit most
BETWEEN = '  '


def decimal(value, places):
    """A non-negative number with so many places after the point."""
    scale = 1
    for i in range(places):
        scale *= 10
    scaled = int(value * scale + 0.5)
    fraction = '%d' % (scaled % scale)
    return '%d.%s' % (scaled // scale, '0' * (places - len(fraction)) + fraction)


def quoted(text):
    """A JSON string."""
    parts = ['"']
    for c in text:
        if c == '"' or c == '\\':
            parts.append('\\' + c)
        elif ord(c) < 0x20 or ord(c) >= 0x7f:
            parts.append('\\u%s' % registers.hex4(ord(c)))
        else:
            parts.append(c)
    parts.append('"')
    return ''.join(parts)


def million_a_second(instructions, seconds):
    if seconds <= 0.0:
        return '0'
    return decimal(instructions / seconds / 1000000.0, 1)


class Table(object):
    """Rows of cells under a heading; the first column is flush left, so are those that `words` says, the others are numbers."""

    def __init__(self, words):
        self.words = words
        self.rows = []

    def add(self, row):
        self.rows.append(row)

    def text(self):
        columns = len(self.rows[0])
        widths = [0] * columns
        for row in self.rows:
            for i in range(columns):
                widths[i] = max(widths[i], len(row[i]))
        lines = []
        for row in self.rows:
            line = BETWEEN
            for i in range(columns):
                space = ' ' * (widths[i] - len(row[i]))
                if i < self.words:
                    line += row[i] + space + BETWEEN
                else:
                    line += space + row[i] + BETWEEN
            end = len(line)
            while end > 0 and line[end - 1] == ' ':
                end -= 1
            assert end >= 0
            lines.append(line[:end])
        return '\n'.join(lines) + '\n'


class Kind(object):
    """A kind of exit or hypercall: how often in each domain, and in all."""

    def __init__(self, name):
        self.name = name
        self.counts = []
        self.total = 0

    def add(self, count):
        self.counts.append(count)
        self.total += count


def exit_kinds(domains):
    kinds = []
    for reason in range(len(EXIT_REASON_NAMES)):
        kind = Kind(EXIT_REASON_NAMES[reason])
        for domain in domains:
            kind.add(domain.exits[reason])
        kinds.append(kind)
    return by_total(kinds)


def hypercall_kinds(domains):
    """By name, since domains may number their hypercalls differently."""
    kinds = []
    for domain in domains:
        for number in range(len(domain.hypercalls)):
            name = domain.hypercall_name(number)
            if domain.hypercalls[number] > 0 and find_kind(kinds, name) is None:
                kinds.append(Kind(name))
    for kind in kinds:
        for domain in domains:
            count = 0
            for number in range(len(domain.hypercalls)):
                if domain.hypercalls[number] > 0 and domain.hypercall_name(number) == kind.name:
                    count += domain.hypercalls[number]
            kind.add(count)
    return by_total(kinds)


def find_kind(kinds, name):
    for kind in kinds:
        if kind.name == name:
            return kind
    return None


class Function(Kind):
    """The exits from a function of a kernel for one reason."""

    def __init__(self, name, reason):
        Kind.__init__(self, name)
        self.reason = reason


def function_kinds(domains, symbols):
    """Exits by function and reason, those of one function and reason in one."""
    found = {}
    kinds = []
    for domain in domains:
        for place in domain.places:
            reason = place & REASONS - 1
            name = symbols.name(place >> PLACE_SHIFT)
            if name == '':
                name = '(in no function)'
            key = '%d %s' % (reason, name)
            if key not in found:
                found[key] = Function(name, reason)
                kinds.append(found[key])
            found[key].total += domain.places[place]
    return by_total(kinds)


def by_total(kinds):
    """Those that occurred, the most frequent first."""
    sorted = []
    for kind in kinds:
        if kind.total > 0:
            place = len(sorted)
            while place > 0 and sorted[place - 1].total < kind.total:
                place -= 1
            assert place >= 0
            sorted.insert(place, kind)
    return sorted


def total(counts):
    sum = 0
    for count in counts:
        sum += count
    return sum


def mode_of(domain):
    if domain.mmu == '':
        return domain.technique
    return domain.technique + '/' + domain.mmu


def state_of(domain):
    if domain.alive or domain.died:
        return domain.state()
    return '%s, status %d' % (domain.why, domain.status)


def domains_text(hypervisor, seconds, symbols):
    """The report of a hypervisor's run; `symbols` (Symbols) name the functions of a kernel, None if exits are not told by those."""
    domains = hypervisor.domains
    system = hypervisor.system
    text = 'hyper: %s: %s after %d instructions, %s s (%s million a second), machine time %s s\n\n' % (
        count_of(len(domains), 'domain'), hypervisor.machine.why, system.icount, decimal(seconds, 3), million_a_second(system.icount, seconds),
        decimal(system.now() / 1000000000.0, 3))
    table = Table(3)
    table.add(['domain', 'mode', 'ended', 'instructions', 'exits', 'hypercalls', 'table fills'])
    for domain in domains[:MOST_ROWS]:
        table.add(['%d %s' % (domain.number, domain.name), mode_of(domain), state_of(domain), '%d' % domain.virtual_time(), '%d' % total(domain.exits),
                   '%d' % total(domain.hypercalls), '%d' % domain.shadow_fills])
    text += table.text()
    if len(domains) > MOST_ROWS:
        text += '  and %d more\n' % (len(domains) - MOST_ROWS)
    text += kinds_text('exits by reason', domains, exit_kinds(domains))
    if symbols is not None:
        text += functions_text(function_kinds(domains, symbols))
    return text + kinds_text('hypercalls', domains, hypercall_kinds(domains)) + refusals_text(domains)


def refusal_kinds(domains):
    """By reason."""
    kinds = []
    for domain in domains:
        refusals = domain.refused()
        if refusals is not None:
            for reason in refusals.reasons():
                if find_kind(kinds, reason) is None:
                    kinds.append(Kind(reason))
    for kind in kinds:
        for domain in domains:
            refusals = domain.refused()
            kind.add(0 if refusals is None else refusals.counts.get(kind.name, 0))
    return by_total(kinds)


def refusals_text(domains):
    """What was refused, by reason, and the last of it in words for each domain."""
    text = kinds_text('refused', domains, refusal_kinds(domains))
    for domain in domains[:MOST_ROWS]:
        refusals = domain.refused()
        if refusals is not None and refusals.count > 0:
            text += '\n  last refused to domain %d\n' % domain.number
            for line in refusals.latest():
                text += '    ' + line + '\n'
    return text


def refusals_json(refusals):
    counts = []
    for reason in refusals.reasons():
        counts.append('%s: %d' % (quoted(reason), refusals.counts[reason]))
    last = []
    for line in refusals.latest():
        last.append(quoted(line))
    return ', "refusals": {%s}, "last_refusals": [%s]' % (', '.join(counts), ', '.join(last))


def count_of(number, thing):
    if number == 1:
        return '1 ' + thing
    return '%d %ss' % (number, thing)


def kinds_text(heading, domains, kinds):
    if len(kinds) == 0:
        return ''
    columns = len(domains)
    if columns > MOST_COLUMNS:
        columns = 0
    table = Table(1)
    row = [heading]
    for i in range(columns):
        row.append('domain %d' % domains[i].number)
    if columns != 1:
        row.append('all')
    table.add(row)
    for kind in kinds:
        row = [kind.name]
        for i in range(columns):
            row.append('%d' % kind.counts[i])
        if columns != 1:
            row.append('%d' % kind.total)
        table.add(row)
    return '\n' + table.text()


def functions_text(kinds):
    """The functions that exit most, and what share of all exits that is."""
    all = 0
    for kind in kinds:
        all += kind.total
    if all == 0:
        return ''
    table = Table(2)
    table.add(['exits by function', 'reason', 'count', 'share'])
    for kind in kinds[:MOST_FUNCTIONS]:
        assert isinstance(kind, Function)
        table.add([kind.name, EXIT_REASON_NAMES[kind.reason], '%d' % kind.total, decimal(100.0 * kind.total / all, 1) + '%'])
    text = '\n' + table.text()
    if len(kinds) > MOST_FUNCTIONS:
        text += '  and %d more\n' % (len(kinds) - MOST_FUNCTIONS)
    return text


def functions_json(kinds):
    functions = []
    for kind in kinds:
        assert isinstance(kind, Function)
        functions.append('[%s, "%s", %d]' % (quoted(kind.name), EXIT_REASON_CONSTANTS[kind.reason], kind.total))
    return ', "functions": [%s]' % ', '.join(functions)


def truth(value):
    return 'true' if value else 'false'


def domain_json(domain, symbols):
    exits = []
    for reason in range(len(domain.exits)):
        if domain.exits[reason] > 0:
            exits.append('"%s": %d' % (EXIT_REASON_CONSTANTS[reason], domain.exits[reason]))
    hypercalls = []
    for kind in hypercall_kinds([domain]):
        hypercalls.append('"%s": %d' % (kind.name, kind.total))
    functions = ''
    if symbols is not None:
        functions = functions_json(function_kinds([domain], symbols))
    refusals = domain.refused()
    if refusals is not None:
        functions += refusals_json(refusals)
    return ('{"number": %d, "name": %s, "mode": "%s", "mmu": "%s", "state": %s, "status": %d, "died": %s, "instructions": %d, "shadow_fills": %d, '
            '"alive": %s, "asleep": %s, "paused": %s, "privileged": %s, "memory": %d, "scheduling": %s, "exits": {%s}, "hypercalls": {%s}%s}' % (
                domain.number, quoted(domain.name), domain.technique, domain.mmu, quoted(domain.state()), domain.status,
                'true' if domain.died else 'false', domain.virtual_time(), domain.shadow_fills, truth(domain.alive), truth(domain.asleep),
                truth(domain.paused), truth(domain.privileged), domain.size, scheduling_json(domain.account.parameters), ', '.join(exits),
                ', '.join(hypercalls), functions))


def scheduling_json(parameters):
    """Times in ns."""
    return '{"mcu_advance": %d, "warp": %d, "warp_limit": %d, "unwarp": %d}' % (
        parameters.mcu_advance, parameters.warp, parameters.warp_limit, parameters.unwarp)


def scheduler_json(hypervisor):
    """The policy as --scheduler has it, the allowance in ns; a member of the report of a run."""
    return '"scheduler": {"policy": "%s", "allowance": %d}, ' % (hypervisor.policy, hypervisor.scheduler.allowance)


def run_json(machine, seconds, status, scheduler, domains):
    """The report of a run as JSON; `domains` are JSON objects, `scheduler` is a member or empty."""
    system = machine.system
    return '{"instructions": %d, "machine_ns": %d, "seconds": %s, "stop": %s, "status": %d, %s"domains": [\n%s]}\n' % (
        system.icount, system.now(), decimal(seconds, 6), quoted(machine.why), status, scheduler, ',\n'.join(domains))


def native_json(name, machine, status):
    return ('{"number": 0, "name": %s, "mode": "native", "mmu": "", "state": %s, "status": %d, "died": %s, "instructions": %d, "shadow_fills": 0, '
            '"exits": {}, "hypercalls": {}}' % (
                quoted(name), quoted(machine.why), status, 'true' if machine.crashed() else 'false', machine.system.icount))


def native_text(name, machine, seconds):
    system = machine.system
    return 'hyper: %s: %s after %d instructions, %s s (%s million a second), machine time %s s\n' % (
        name, machine.why, system.icount, decimal(seconds, 3), million_a_second(system.icount, seconds), decimal(system.now() / 1000000000.0, 3))
