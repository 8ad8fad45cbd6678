"""The debugger that Ctrl-A b breaks into: a prompt to look at a stopped guest, change it and step it."""
import cmd
import shutil
import subprocess
import tempfile

from guestkit.errors import GuestkitError
from guestkit.machine import ENDED, Reason

CODE_BYTES = 64                 # of guest code for `code`
PROMPT = '(guest) '
INTRO = 'The guest is stopped. help lists the commands, go runs it on, quit ends it.'


class Debugger(cmd.Cmd):
    """`machine` is stopped. After cmdloop() `left` says whether to end the guest; else it runs on."""
    prompt = PROMPT
    doc_header = 'Commands (help COMMAND says more). Numbers are decimal, or 0x and hexadecimal; a register can stand for its value:'

    def __init__(self, machine, **streams):
        super().__init__(**streams)
        self.machine = machine
        self.domain = machine.domains[0]
        self.left = False

    def say(self, text):
        print(text, file=self.stdout)

    # what cmd calls

    def preloop(self):
        self.say(INTRO)
        self.show()

    def onecmd(self, line):
        try:
            return super().onecmd(line)
        except GuestkitError as error:
            self.say(str(error))
        return False

    def emptyline(self):
        return False

    def default(self, line):
        if line == 'EOF':
            return self.do_go('')
        self.say(f'{line.split()[0]}: no such command; help lists them')
        return False

    # arguments

    def number(self, text):
        """A number, or a register's value."""
        try:
            return int(text, 0)
        except ValueError:
            if text in self.domain.regs:
                return self.domain.regs[text]
        raise GuestkitError(f'{text}: neither a number nor a register; write 4096, 0x1000 or eip')

    def numbers(self, line, *defaults):
        """As many numbers as there are defaults, of which the line can leave out the last ones; a default of None cannot be left out."""
        words = line.split()
        if len(words) > len(defaults) or None in defaults[len(words):]:
            raise GuestkitError('not what it takes; help COMMAND says what that is')
        return [self.number(word) for word in words] + list(defaults[len(words):])

    # commands

    def show(self):
        regs = self.domain.regs
        self.say(f'{self.domain.name}: {regs.instructions} instructions, ring {regs.cpl}{", halted" if regs.halted else ""}')
        self.say(str(regs))

    def do_regs(self, line):
        """regs: the registers."""
        self.show()

    def do_set(self, line):
        """set REGISTER VALUE: changes a register; nothing is checked or loaded with it."""
        words = line.split()
        if len(words) != 2 or words[0] not in self.domain.regs:
            raise GuestkitError('set takes a register and a value, like: set eax 0x10')
        self.domain.regs[words[0]] = self.number(words[1])

    def do_step(self, line):
        """step [COUNT]: executes instructions one by one."""
        count, = self.numbers(line, 1)
        stop = self.machine.step(count)
        if stop.reason in ENDED:
            self.say(f'the guest has ended: {stop.text}')
        self.show()

    def do_until(self, line):
        """until ADDRESS: runs until the instruction at that linear address is next; Ctrl-C ends that."""
        address, = self.numbers(line, None)
        try:
            stop = self.machine.run(until=address)
        except KeyboardInterrupt:
            self.say('interrupted')
        else:
            if stop.reason != Reason.ADDRESS:
                self.say(stop.text)
        self.show()

    def do_x(self, line):
        """x ADDRESS [SIZE]: memory at a linear address, by the guest's page tables."""
        self.dump(self.domain.linear, *self.numbers(line, None, 64))

    def do_xp(self, line):
        """xp ADDRESS [SIZE]: memory at a guest-physical address."""
        self.dump(self.domain.physical, *self.numbers(line, None, 64))

    def dump(self, memory, address, size):
        data = memory.read(address, min(size, 4096))
        for at in range(0, len(data), 16):
            part = data[at:at + 16]
            self.say(f'{address + at:08x}  {part.hex(" "):47}  ' + ''.join(chr(c) if 32 <= c < 127 else '.' for c in part))

    def do_write(self, line):
        """write ADDRESS VALUE: a word of 32 bits at a linear address."""
        address, value = self.numbers(line, None, None)
        self.domain.linear.write_u32(address, value)

    def do_code(self, line):
        """code [ADDRESS]: instructions from a linear address on, or from where the guest is; needs objdump."""
        regs = self.domain.regs
        address, = self.numbers(line, (regs.cs_base + regs.eip) & 0xffffffff)
        if shutil.which('objdump') is None:
            raise GuestkitError('code needs objdump; install binutils')
        data = self.domain.linear.read(address, CODE_BYTES)
        kind = 'i386' if regs.cs_access & 0x4000 else 'i8086'
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            listing = subprocess.run(['objdump', '-D', '-b', 'binary', '-m', kind, f'--adjust-vma={address}', file.name], capture_output=True, text=True,
                                     check=False).stdout
        for row in [row for row in listing.splitlines() if row.startswith((' ', '\t')) or ':\t' in row][:12]:
            self.say(row.strip())

    def do_domain(self, line):
        """domain [NUMBER]: which domain to look at; without a number, which there are."""
        if line:
            number, = self.numbers(line, None)
            if not 0 <= number < len(self.machine.domains):
                raise GuestkitError(f'{number}: no such domain')
            self.domain = self.machine.domains[number]
        for domain in self.machine.domains:
            self.say(f'{"*" if domain is self.domain else " "} {domain.number} {domain.name}')

    def do_stats(self, line):
        """stats: what has been counted up to now."""
        self.say(self.machine.summary())

    def do_screenshot(self, line):
        """screenshot FILE: what the screen shows, as a PNG file."""
        if not line:
            raise GuestkitError('screenshot takes the name of a PNG file')
        self.say('nothing is shown' if self.domain.screenshot(line) is None else f'{line} written')

    def do_go(self, line):
        """go: runs the guest on."""
        return True

    do_c = do_go

    def do_quit(self, line):
        """quit: ends the guest."""
        self.left = True
        return True
