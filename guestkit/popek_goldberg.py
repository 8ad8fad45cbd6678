"""`guestkit popek-goldberg`: what the sensitive but unprivileged instructions of IA-32 show to a program, on the bare machine and under a hypervisor.

By Popek and Goldberg's theorem (1974) a machine can be virtualized by trapping if every sensitive instruction is privileged. Robin and Irvine (USENIX
Security 2000) found 17 of IA-32 that are not. A program of the guest (guests/user/sensitive.c) executes them in ring 3 and prints what it sees. The
same program runs in each way; verdicts come from comparing what it saw with what it saw on the bare machine, and with the processor's registers and
segments as they were then.
"""
import argparse
import json
import pathlib

from guestkit.arguments import Parser
from guestkit.bench.guests import MODES, NATIVE, PARA
from guestkit.bench.tables import table
from guestkit.build import OUT
from guestkit.errors import BadInput, GuestkitError
from guestkit.machine import FOUND, Machine

ARCHIVE = 'archive.img'
APPEND = 'init=/bin/sensitive wait'
SECONDS = 60
SIGNAL = {4: '#UD', 8: '#DE', 11: '#GP'}        # what the kernel made a signal of
RING_3 = 3
ARITHMETIC_FLAGS, NEVER_PUSHED = 0x8d5, 0x30000        # the latter: RF, VM
MOST_STEPS = 100000             # of the kernel, from printing back to the program

TRUE, SAME, LEAK, DIFFERENT, TRAP = 'true', 'as native', 'leak', 'different', 'trap'

# the fields of an instruction's line, with the register that a processor has for it
REGISTERS = {('SGDT', 'base'): 'gdtr.base', ('SGDT', 'limit'): 'gdtr.limit', ('SIDT', 'base'): 'idtr.base', ('SIDT', 'limit'): 'idtr.limit',
             ('SLDT', 'selector'): 'ldtr', ('STR', 'selector'): 'tr', ('SMSW', 'cr0'): 'cr0'}

# why an instruction is sensitive; what it shows where the hypervisor lends the guest its own state; why it may be as natively in para; why in full
OWN_REGISTER = 'VT-x gives the guest a register of its own'
OWN_TABLES = 'the guest has descriptor tables of its own'
LENT_SELECTOR = "the selector is of the hypervisor's table"
SAME_SELECTOR = 'the kernel uses the same selector'
REASONS = {
    'SGDT': ('stores GDTR in any ring', "the table is the hypervisor's", 'the hypervisor has its table at the same place', OWN_REGISTER),
    'SIDT': ('stores IDTR in any ring', "the table is the hypervisor's", 'the hypervisor has its table at the same place', OWN_REGISTER),
    'SLDT': ('stores the selector of the LDT in any ring', "the selector is the hypervisor's", 'neither kernel has an LDT', OWN_REGISTER),
    'SMSW': ('stores the low part of CR0 in any ring', "CR0 is the hypervisor's, with bits that a kernel did not set",
             'the hypervisor has set the same bits', 'VT-x answers from the guest\'s CR0 and its read shadow'),
    'PUSHF': ('stores IF and IOPL in any ring', "the flags are the processor's, not the virtual ones", 'programs run with interrupts on and IOPL 0',
              "the guest's flags are the processor's"),
    'POPF': ('leaves IF and IOPL alone in an outer ring, and does not trap', "the flags are the processor's, not the virtual ones",
             'nothing has changed, and nobody has noticed', 'nothing has changed, as natively'),
    'LAR': ('reads the rights of any visible descriptor', "the descriptors are the hypervisor's", 'as many are visible, with the same rights',
            OWN_TABLES),
    'LSL': ('reads the limit of any visible descriptor', "the limit ends below the hypervisor's area", 'as many are visible, with the same limit',
            OWN_TABLES),
    'VERR/VERW': ('tell which descriptors can be read and written', "the descriptors are the hypervisor's", 'as many can be', OWN_TABLES),
    'POP': ('loads a segment by the ring it is executed in', LENT_SELECTOR, SAME_SELECTOR, OWN_TABLES),
    'PUSH': ('stores a selector, with its ring', LENT_SELECTOR, SAME_SELECTOR, OWN_TABLES),
    'CALL': ('pushes CS, with its ring', LENT_SELECTOR, SAME_SELECTOR, OWN_TABLES),
    'JMP': ('loads CS by the ring it is executed in', LENT_SELECTOR, SAME_SELECTOR, OWN_TABLES),
    'INT': ('goes through a gate of the IDT by its privilege', "the gates are the hypervisor's", 'only the gate of system calls is open to programs',
            'the guest has an IDT of its own'),
    'RET': ('loads CS by the ring it is executed in', LENT_SELECTOR, SAME_SELECTOR, OWN_TABLES),
    'STR': ('stores the selector of the task in any ring', "the task is the hypervisor's", 'the hypervisor has its task at the same place',
            OWN_REGISTER),
    'MOV': ('stores a selector, with its ring', LENT_SELECTOR, SAME_SELECTOR, OWN_TABLES),
}

EXAMPLES = '''
Examples
  guestkit popek-goldberg                   a table: what each instruction shows natively, in para and in full
  guestkit popek-goldberg --mode para       only para, beside the bare machine
  guestkit popek-goldberg --json            the same for a program

Verdicts: true: on the bare machine, it is what the processor's register or descriptor holds. As native: the program cannot tell the difference. Leak:
it sees the hypervisor's own register or descriptor. Different: another value, which none of these explains. Trap: a fault that the bare machine
does not raise.
'''


def parser():
    parser = Parser(prog='guestkit popek-goldberg', description='What the 17 sensitive but unprivileged instructions of IA-32 show to a program.',
                    epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--mode', metavar='MODE', action='append', choices=[mode.name for mode in MODES],
                        help='only this way to run the kernel: para, full-vtlb, full-ept; may be repeated')
    parser.add_argument('--json', action='store_true', help='as JSON')
    parser.add_argument('--guests', metavar='DIRECTORY', default=OUT, help=f'where the guests are (default {OUT})')
    return parser


class Observation:
    """What one instruction showed in one mode. `seen`: numbers by field; `processor`: what the processor had for some of them."""

    def __init__(self, name, signal, seen):
        self.name = name
        self.signal = signal
        self.seen = seen
        self.processor = {}

    def text(self):
        if self.signal:
            return SIGNAL[self.signal]
        return ' '.join(f'{field} {value:x}' for field, value in self.seen.items())

    def differing(self, native):
        return [field for field, value in self.seen.items() if value != native.seen[field]]

    def is_true(self):
        """Whether all that can be compared is what the processor had."""
        return all(self.seen[field] == value for field, value in self.processor.items())

    def verdict(self, native):
        if self is native:
            return TRUE if self.is_true() else DIFFERENT
        if self.signal and not native.signal:
            return TRAP
        differing = self.differing(native)
        if self.signal == native.signal and not differing:
            return SAME
        if differing and all(field in self.processor and self.seen[field] == self.processor[field] for field in differing):
            return LEAK
        return DIFFERENT

    def reason(self, verdict, mode):
        why, lent, same, own = REASONS[self.name]
        return {TRUE: why, SAME: same if mode == PARA.name else own, LEAK: lent, TRAP: 'it is refused',
                DIFFERENT: 'neither what a program sees natively nor what the processor has'}[verdict]


def parse(output):
    """The Observations in the program's output, by the instructions' names; raises GuestkitError if one is missing."""
    found = {}
    for line in output.splitlines():
        name, *words = line.split(' ') if line else ['']
        if name in REASONS:
            fields = dict(word.split('=') for word in words)
            found[name] = Observation(name, int(fields.pop('signal')), {field: int(value, 16) for field, value in fields.items()})
    missing = [name for name in REASONS if name not in found]
    if missing:
        raise GuestkitError(f'the guest said nothing about {", ".join(missing)}; build the guests again with guestkit build')
    return found


def return_to_program(machine):
    """Runs on until the kernel has gone back to the program: then the segment registers are the program's."""
    for _ in range(MOST_STEPS):
        if machine.regs.cpl == RING_3:
            return
        machine.step()
    raise GuestkitError('the guest did not return to its program; build the guests again with guestkit build')


def look(machine, observations):
    """Notes what the processor has for what was seen, while the program still runs: nothing it looked at has changed since."""
    regs = machine.regs
    for (name, field), value in expected(regs).items():
        observations[name].processor[field] = value


def expected(regs):
    """What the instructions must show of a processor with these registers, by instruction and field."""
    found = {(name, field): regs[register] for (name, field), register in REGISTERS.items()}
    flags = regs.eflags & ~(ARITHMETIC_FLAGS | NEVER_PUSHED)
    found.update({('PUSHF', 'eflags'): flags, ('POPF', 'eflags'): flags})
    access = regs.cs_access
    found['LAR', 'rights'] = access << 8 & 0xf0ff00
    found['LSL', 'limit'] = regs.cs_limit
    found['POP', 'es'] = regs.ss & ~RING_3
    for name, field in (('MOV', 'ds'), ('MOV', 'ss'), ('PUSH', 'cs'), ('PUSH', 'ss'), ('CALL', 'cs'), ('JMP', 'cs'), ('RET', 'cs')):
        found[name, field] = regs[field]
    found['CALL', 'pushed'] = regs.cs
    return found


def observe(mode, guests):
    """Runs the program in a mode; its Observations by name."""
    words = [str(guests / mode.kernel), *mode.words, '--module', str(guests / ARCHIVE), '--append', APPEND]
    with Machine.from_words(words) as machine:
        stop = machine.run(seconds=SECONDS, output='\nend')
        if stop is not FOUND:
            raise GuestkitError(f'the program did not come to its end ({mode.name}: {stop.text}); build the guests again with guestkit build')
        observations = parse(machine.output.decode('latin-1'))
        return_to_program(machine)
        look(machine, observations)
    return observations


def report(results):
    """What --json prints: for each instruction what each mode saw, with verdict and reason."""
    native = results[NATIVE.name]
    instructions = []
    for name in REASONS:
        modes = {}
        for mode, observations in results.items():
            observation = observations[name]
            verdict = observation.verdict(native[name])
            modes[mode] = {'verdict': verdict, 'reason': observation.reason(verdict, mode), 'signal': observation.signal, 'seen': observation.seen,
                           'processor': observation.processor}
        instructions.append({'instruction': name, 'sensitive': REASONS[name][0], 'modes': modes})
    summary = {mode: {} for mode in results}
    for instruction in instructions:
        for mode, told in instruction['modes'].items():
            summary[mode][told['verdict']] = summary[mode].get(told['verdict'], 0) + 1
    return {'instructions': instructions, 'summary': summary}


def text(told, results):
    modes = list(results)
    rows = []
    reasons = []
    for instruction in told['instructions']:
        name = instruction['instruction']
        row = [name]
        modes_of = {}
        for mode in modes:
            verdict = instruction['modes'][mode]['verdict']
            row.append(verdict if verdict == SAME else f'{verdict}: {results[mode][name].text()}')
            if mode != NATIVE.name:
                modes_of.setdefault(instruction['modes'][mode]['reason'], []).append(mode)
        rows.append(row)
        reasons.append([name, instruction['sensitive'] + ''.join(f'; {", ".join(modes)}: {reason}' for reason, modes in modes_of.items())])
    lines = [table(['in ring 3', *modes], rows, left=True), table(['', 'reason'], reasons, left=True)]
    for mode in modes:
        lines.append(f'{mode}: ' + ', '.join(f'{count} {verdict}' for verdict, count in told['summary'][mode].items()))
    return '\n'.join(lines)


def popek_goldberg(words):
    """The command; returns the exit status."""
    options = parser().parse_args(words)
    guests = pathlib.Path(options.guests)
    modes = [mode for mode in MODES if mode is NATIVE or options.mode is None or mode.name in options.mode]
    for name in [*{mode.kernel for mode in modes}, ARCHIVE]:
        if not (guests / name).exists():
            raise BadInput(f'{guests / name}: not built; run guestkit build, or give --guests')
    results = {mode.name: observe(mode, guests) for mode in modes}
    told = report(results)
    print(json.dumps(told, indent=2) if options.json else text(told, results))
    return 0
