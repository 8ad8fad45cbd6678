"""The words of the `run` command line: what they mean, and what is wrong with them."""

from hyper.errors import UserError
from hyper.vmm.para.network.rule_text import address, parse_rule
from hyper.vmm.scheduler.parameters import LEAST_ALLOWANCE, MOST_ADVANCE, MOST_ALLOWANCE, Parameters

NATIVE = 'native'
PARA = 'para'
FULL = 'full'
MODES = [NATIVE, PARA, FULL]
VTLB = 'vtlb'
EPT = 'ept'
MMUS = [VTLB, EPT]
REPORTS = ['text', 'json', 'none']
XEN_1_0 = '1.0'
XEN_1_2 = '1.2'
INTERFACES = [XEN_1_0, XEN_1_2]
BORROWED_VIRTUAL_TIME = 'bvt'
ROUND_ROBIN = 'rr'
SCHEDULERS = [BORROWED_VIRTUAL_TIME, ROUND_ROBIN]
IDE = 'ide'
VIRTIO = 'virtio'
CDROM = 'cdrom'
USER = 'user'
TAP = 'tap'
DOMAINS = 'domains'
NETWORKS = [USER, TAP, DOMAINS]
MOST_INTERFACES = 8             # of a paravirtual domain
LONGEST_INTERFACE = 15          # characters of a name that Linux takes
ETHERNET_ADDRESS = '\x52\x54\x00\x12\x34\x56'   # locally administered; on a network that is the guest's own all can have the same

SEABIOS = '/usr/share/seabios/bios.bin'     # of Debian's package seabios

SERIAL = 'serial'
PS2 = 'ps2'
KEYBOARDS = [SERIAL, PS2]

KB = 1 << 10
MB = 1 << 20
GB = 1 << 30
DEFAULT_MEMORY = 32 * MB
LEAST_MEMORY = 1 * MB
LEAST_MACHINE_MEMORY = 8 * MB
DEFAULT_MACHINE_MEMORY = 512 * MB
MOST_MEMORY = 3 * GB
PAGE = 4096
MOST_COPIES = 1000
MOST_NAME = 64
TIME_UNITS = [('ns', 1), ('us', 1000), ('ms', 1000000), ('s', 1000000000)]
MOST_TIME = 1000000000          # of the number before the unit
MOST_DISKS = 16
MOST_IDE_DISKS = 4
TEMPLATES, NO_TEMPLATES = 8, -1         # interpretations of a block before it gets template code; it never does

HELP = """hyper runs operating systems: on a bare PC, or as domains under its hypervisor.

  hyper run IMAGE [options] [--domain IMAGE [options]]...
  hyper run --kernel IMAGE [options]
  hyper models              the processors that --cpu knows
  hyper version

IMAGE is a kernel: multiboot or plain ELF, bzImage, a boot sector, a flat file (with --at), or, for --mode para,
an ELF linked at 0xc0000000 or a XenoGues image of 2003. Its console is your terminal.

How it runs (each --domain has its own; what is not given is as for the domain before it)
  --mode native             no hypervisor: the kernel owns the machine (the default)
  --mode para               a domain whose kernel knows the hypervisor and asks it by hypercalls
  --mode full               a domain whose kernel does not know: it is trapped and emulated
  --mmu vtlb|ept            full: shadow page tables (the default), or the processor's nested ones
  --interface 1.0|1.2       para: the Xen whose hypercalls the kernel knows (if not given, 3.0 where the image's notes say so,
                            else 1.0)
  --memory 32M              memory of the machine or domain; K, M or G
  --append TEXT             the kernel's command line
  --module FILE             a further file for the kernel: multiboot module or initial ramdisk; may be repeated
  --kernel FILE             the image, where it is not the first word; --initrd FILE is another word for --module
  --disk FILE[,WORD]...     a disk: a raw image, which keeps what is written to it; may be repeated. Words: ro (read-only),
                            snapshot (changes are forgotten), cdrom (an ISO image), ide (the default) or virtio (not for
                            para), rate=SIZE (para: the most bytes a second)
  --cdrom FILE              the same as --disk FILE,cdrom
  --net user[,WORD]...      a network adapter (virtio, or para: a ring); the guest reaches what you can; implies --realtime. Words:
                            forward=tcp:8080-80 (or udp: a port of this host to one of the guest)
  --net tap,ifname=NAME     the same, at a TAP interface of this host, which needs the right to open it; each may be followed
                            by ,mac=52:54:00:12:34:56, the adapter's address (not for para)
  --net domains[,WORD]...   para: an interface that reaches only other domains; may be repeated. Words of all, for para: rate=SIZE
                            (the most bytes sent a second), norules (nothing passes until rules say so), ip=10.0.2.40 (the address
                            that the usual rules and forward= are for, if not 10.0.2.15 plus the domain's number; tell its kernel)
  --firmware FILE           in place of a kernel: a ROM image with a PC's firmware, like SeaBIOS's bios.bin; its screen
                            and keyboard are the console. With disks and neither kernel nor firmware it is
                            /usr/share/seabios/bios.bin: the machine boots from them
  --keyboard serial|ps2     where what you type arrives: at the serial line (the default), or at the PC's keyboard
  --virtio-console          the console is a virtio one too (Linux: console=hvc0); keys go there once a driver opens it
  --at ADDRESS              loads IMAGE as a flat file at this physical address and starts it there
  --copies N                so many domains of this kind
  --name NAME               what the domain is called, if not by its image
  --privileged              para: the domain may control others (dom0_op)
  --mcu-advance N           para, full: the inverse of the domain's weight: one with 5 gets twice as much of the processor as one
                            with 10 (10 if not given)
  --warp TIME               para, full: the domain comes before others when it wakes, borrowing so much of its own future share
  --warp-limit TIME         for so long at a time, unlimited if not given;
  --unwarp TIME             and then not for so long, until it next wakes if not given

TIME is machine time, which is instructions: a number with ns, us, ms or s.

For the whole run
  --cpu MODEL               the processor, help for a list; if not given, nehalem for --mmu ept, else core2duo
  --scheduler bvt|rr        para, full: which domain runs, by Borrowed Virtual Time (the default) or in turn
  --allowance TIME          para, full: how long a domain may run on beside another with as good a claim (750us; rr 5ms)
  --timeout SECONDS         stops after so much real time, with status 124
  --instructions N          stops after N instructions
  --expect TEXT             stops with status 0 when a console prints the text; 1 if all ends without it
  --realtime                machine time keeps to the clock on the wall, for a person (it is deterministic otherwise)
  --report text|json|none   what to tell on stderr when all has ended: counts of exits and hypercalls (default text)
  --report-file FILE        tells it to a file instead
  --symbols FILE            counts exits by function of the kernel too: a System.map, or an ELF file with symbols
  --rule TEXT               para: where packets may go, beside the usual rules of --net: accept or count, and any of from=DOMAIN.INDEX
                            (or physical, any), to= (or physical), source=10.0.2.0/24, destination=, sport=, dport=80,
                            protocol=tcp (udp, ip, arp), with commas between; may be repeated
  --check-frames N          para: after every Nth hypercall checks all counts and types of machine frames against what page
                            tables and descriptor tables hold; 1 for every one
  --templates N             blocks that have been interpreted N times get template code (8), or off
  --jit PARAMETERS          of the JIT, as NAME=VALUE,... (threshold, function_threshold, trace_eagerness, ...), or off
  --final-state FILE        writes the machine's registers and a hash of its memory to a file, as JSON

Examples
  hyper run kernel.elf --append "root=ram quiet" --module archive.img
  hyper run --kernel bzImage --initrd initrd.gz --memory 64M --append "console=ttyS0"
  hyper run guest.elf --mode para --copies 2 --domain other.elf --mode full --mmu ept

Exit status: the guest's own (0 when it powers off; the byte that it writes to port 0xf4), 2 for bad input, 3 when a
domain had to be stopped, 124 for a time-out. Ctrl-C stops the run and still reports.
"""


class DiskOptions(object):
    """One --disk."""

    def __init__(self, file):
        self.file = file
        self.read_only = False
        self.snapshot = False
        self.interface = IDE
        self.rate = 0                   # bytes a second, 0 for no limit


class Forward(object):
    """A port of the host that leads to one of the guest; `interface` is the index of the interface that it leads to."""

    def __init__(self, is_udp, host_port, guest_port, interface):
        self.is_udp = is_udp
        self.host_port = host_port
        self.guest_port = guest_port
        self.interface = interface


class InterfaceOptions(object):
    """One --net: `kind` is a word of NETWORKS."""

    def __init__(self, kind):
        self.kind = kind
        self.rate = 0
        self.rules = True
        self.address = 0                # of IP, 0 for the usual one


class DomainOptions(object):
    """One IMAGE with its options. `memory` in bytes; `at` is -1 when not given."""

    def __init__(self, image):
        self.image = image
        self.firmware = False           # the image is the machine's firmware
        self.mode = NATIVE
        self.mmu = VTLB
        self.mmu_given = False
        self.interface = ''             # '' when not given
        self.memory = DEFAULT_MEMORY
        self.append = ''
        self.modules = []
        self.disks = []
        self.network = ''               # '' for none
        self.tap = ''                   # the name of the TAP interface
        self.ethernet_address = ETHERNET_ADDRESS
        self.virtio_console = False
        self.interfaces = []            # of --mode para
        self.forwards = []
        self.keyboard = SERIAL
        self.at = -1
        self.copies = 1
        self.name = ''                  # '' when not given
        self.privileged = False
        self.scheduling = Parameters()

    def runs_firmware(self):
        """Whether it can begin in real mode."""
        return self.mode == NATIVE or self.mode == FULL and self.mmu == EPT

    def follow(self, before):
        """Takes over what domains in a row have in common."""
        self.mode = before.mode
        self.mmu = before.mmu
        self.memory = before.memory


class Options(object):
    """A whole `run`: `timeout` in seconds and `instructions` are negative when not given."""

    def __init__(self):
        self.domains = []
        self.cpu = ''
        self.timeout = -1.0
        self.instructions = -1
        self.report = 'text'
        self.report_file = ''
        self.final_state = ''
        self.jit = ''
        self.templates = TEMPLATES
        self.expect = ''                # '' when not given
        self.realtime = False
        self.symbols = ''
        self.rules = []                 # of the network between paravirtual domains
        self.check_frames = 0           # after so many hypercalls each time; 0 for never
        self.machine_memory = 0         # in bytes, 0 for what the domains need
        self.scheduler = BORROWED_VIRTUAL_TIME
        self.allowance = 0              # in ns, 0 when not given
        self.scheduled = ''             # an option about scheduling that was given
        self.weighted = ''              # one that only Borrowed Virtual Time knows

    def virtualized(self):
        return self.machine_memory > 0 or self.domains[0].mode != NATIVE


def parse_digits(text):
    """A non-negative number in decimal or 0x hexadecimal; -1 if the text is none."""
    base = 10
    at = 0
    if text.startswith('0x') or text.startswith('0X'):
        base = 16
        at = 2
    if at >= len(text) or len(text) - at > 15:
        return -1
    value = 0
    while at < len(text):
        c = text[at]
        if '0' <= c and c <= '9':
            digit = ord(c) - ord('0')
        elif 'a' <= c and c <= 'f':
            digit = ord(c) - ord('a') + 10
        elif 'A' <= c and c <= 'F':
            digit = ord(c) - ord('A') + 10
        else:
            return -1
        if digit >= base:
            return -1
        value = value * base + digit
        at += 1
    return value


def parse_number(option, text):
    value = parse_digits(text)
    if value < 0:
        raise UserError("%s %s: not a number; write digits, or 0x and hexadecimal digits" % (option, text))
    return value


def parse_size(option, text):
    """A size in bytes: digits, then K, M or G."""
    unit = 1
    digits = text
    end = len(text) - 1
    if end >= 0:
        last = text[end]
        if last == 'K' or last == 'k':
            unit = KB
        elif last == 'M' or last == 'm':
            unit = MB
        elif last == 'G' or last == 'g':
            unit = GB
        if unit > 1:
            digits = text[:end]
    value = parse_digits(digits)
    if value < 0:
        raise UserError("%s %s: not a size; write it like 512K, 32M or 1G" % (option, text))
    if value > MOST_MEMORY:                 # before it is multiplied
        raise UserError("%s %s: too much; 3G is the most" % (option, text))
    return value * unit


def parse_rate(option, text):
    rate = parse_size(option, text)
    if rate == 0:
        raise UserError("%s rate=%s: nothing would ever pass; leave it out for no limit" % (option, text))
    return rate


def parse_memory(option, text):
    size = parse_size(option, text)
    if size < LEAST_MEMORY or size > MOST_MEMORY:
        raise UserError("%s %s: must be from 1M to 3G; write it like 32M" % (option, text))
    if size % PAGE != 0:
        raise UserError("%s %s: must be whole pages of 4K; write it like 32M" % (option, text))
    return size


def parse_seconds(option, text):
    """A positive number with an optional fraction."""
    whole = 0
    fraction = 0.0
    unit = 0.0
    digits = 0
    for c in text:
        if c == '.' and unit == 0.0:
            unit = 1.0
        elif '0' <= c and c <= '9' and digits < 12:
            digits += 1
            if unit == 0.0:
                whole = whole * 10 + ord(c) - ord('0')
            else:
                unit = unit / 10
                fraction += unit * (ord(c) - ord('0'))
        else:
            digits = 0
            break
    if digits == 0 or whole + fraction == 0.0:
        raise UserError("%s %s: not a time; write seconds like 60 or 0.5" % (option, text))
    return whole + fraction


def parse_time(option, text):
    """A time in ns: digits, then ns, us, ms or s."""
    unit = 0
    digits = text
    for name, ns in TIME_UNITS:
        end = len(text) - len(name)
        if end >= 0 and text.endswith(name):
            assert end >= 0
            unit = ns
            digits = text[:end]
            break
    value = parse_digits(digits)
    if unit == 0 or value < 0 or value > MOST_TIME:
        raise UserError("%s %s: not a time; write it like 500us, 20ms or 1s" % (option, text))
    return value * unit


def parse_templates(option, text):
    """How often a block is interpreted before it gets template code; NO_TEMPLATES for off."""
    if text == 'off':
        return NO_TEMPLATES
    return parse_number(option, text)


def parse_choice(option, text, choices):
    for choice in choices:
        if choice == text:
            return text
    raise UserError("%s %s: not known; choose from %s" % (option, text, ', '.join(choices)))


def parse_name(option, text):
    """Letters, digits and a few signs; not all digits, since a number means a domain too."""
    digits = True
    for c in text:
        if not ('0' <= c and c <= '9'):
            digits = False
        if not ('0' <= c and c <= '9' or 'a' <= c and c <= 'z' or 'A' <= c and c <= 'Z' or c in '_-.+'):
            raise UserError("%s %s: not a name; write letters, digits, and . _ - +" % (option, text))
    if digits or len(text) > MOST_NAME:
        raise UserError("%s %s: not a name; write up to %d letters, digits, and . _ - +, not all digits" % (option, text, MOST_NAME))
    return text


def parse_disk(option, text):
    words = text.split(',')
    disk = DiskOptions(words[0])
    if words[0] == '':
        raise UserError("%s: needs the path of a raw disk image; see hyper --help" % option)
    for word in words[1:]:
        if word == 'ro':
            disk.read_only = True
        elif word == 'snapshot':
            disk.snapshot = True
        elif word == IDE or word == VIRTIO or word == CDROM:
            disk.interface = word
            disk.read_only = disk.read_only or word == CDROM
        elif word.startswith('rate='):
            disk.rate = parse_rate(option, word[5:])
        else:
            raise UserError("%s %s: %s is not known; choose from ro, snapshot, ide, virtio, cdrom, rate=SIZE" % (option, words[0], word))
    return disk


def parse_network(option, text, domain):
    words = text.split(',')
    interface = InterfaceOptions(parse_choice(option, words[0], NETWORKS))
    if domain.network == '' or domain.network == DOMAINS:
        domain.network = interface.kind
    for word in words[1:]:
        if word.startswith('ifname=') and interface.kind == TAP:
            domain.tap = word[len('ifname='):]
        elif word.startswith('mac=') and interface.kind != DOMAINS:
            domain.ethernet_address = parse_ethernet_address(option, word[len('mac='):])
        elif word.startswith('forward=') and interface.kind == USER:
            domain.forwards.append(parse_forward(option, word[len('forward='):], len(domain.interfaces)))
        elif word.startswith('ip='):
            interface.address = parse_network_address(option, word[len('ip='):])
        elif word.startswith('rate='):
            interface.rate = parse_rate(option, word[len('rate='):])
        elif word == 'norules':
            interface.rules = False
        else:
            raise UserError("%s %s: %s is not known; write user or tap,ifname=NAME or domains, and perhaps ,mac=52:54:00:12:34:56, ,forward=tcp:8080-80 (user), "
                            ",ip=10.0.2.40, ,rate=SIZE or ,norules (para)" % (option, words[0], word))
    if interface.kind == TAP and not 0 < len(domain.tap) <= LONGEST_INTERFACE:
        raise UserError("%s tap: needs the name of an interface, of at most %d characters; write tap,ifname=tap0" % (option, LONGEST_INTERFACE))
    domain.interfaces.append(interface)


def parse_network_address(option, text):
    value = address(text)
    if value <= 0 or value >> 24 == 0 or value >> 28 >= 0xe:
        raise UserError("%s ip=%s: no address that a domain can have; write it like ip=10.0.2.40" % (option, text))
    return value


def parse_ethernet_address(option, text):
    parts = text.split(':')
    address = ''
    for part in parts:
        value = -1
        if len(part) == 2:
            value = parse_digits('0x' + part)
        if value >= 0:
            address += chr(value)
    if len(parts) != 6 or len(address) != 6 or ord(address[0]) & 1:
        raise UserError("%s: %s is no address of an adapter; write it like mac=52:54:00:12:34:56, its first byte even" % (option, text))
    return address


def parse_forward(option, text, interface):
    words = text.split(':')
    if len(words) == 2 and (words[0] == 'tcp' or words[0] == 'udp'):
        ports = words[1].split('-')
        if len(ports) == 2:
            host_port = parse_digits(ports[0])
            guest_port = parse_digits(ports[1])
            if 0 < host_port < 65536 and 0 < guest_port < 65536:
                return Forward(words[0] == 'udp', host_port, guest_port, interface)
    raise UserError("%s forward=%s: not known; write it like forward=tcp:8080-80, this host's port first" % (option, text))


class Parser(object):
    def __init__(self, words):
        self.words = words
        self.at = 0
        self.options = Options()

    def more(self):
        return self.at < len(self.words)

    def next(self):
        at = self.at
        assert at >= 0
        self.at += 1
        return self.words[at]

    def value(self, option):
        if not self.more():
            raise UserError("%s: needs a value after it; see hyper --help" % option)
        return self.next()

    def image(self, option):
        """A new domain; its image is the next word, or else what --kernel says."""
        name = ''
        if self.more() and not self.words[self.at].startswith('-'):
            name = self.next()
        domain = DomainOptions(name)
        domains = self.options.domains
        if len(domains) > 0:
            domain.follow(domains[len(domains) - 1])
        domains.append(domain)

    def parse(self):
        self.image("run")
        while self.more():
            word = self.next()
            if word == '--domain':
                self.image(word)
            elif not self.of_domain(word) and not self.of_run(word):
                if word.startswith('-'):
                    raise UserError("%s: no such option; see hyper --help" % word)
                raise UserError("%s: one image a domain; put --domain before a further one" % word)
        self.check()
        return self.options

    def of_domain(self, word):
        domain = self.options.domains[len(self.options.domains) - 1]
        if word == '--mode':
            domain.mode = parse_choice(word, self.value(word), MODES)
        elif word == '--mmu':
            domain.mmu = parse_choice(word, self.value(word), MMUS)
            domain.mmu_given = True
        elif word == '--interface':
            domain.interface = parse_choice(word, self.value(word), INTERFACES)
        elif word == '--memory':
            domain.memory = parse_memory(word, self.value(word))
        elif word == '--append':
            domain.append = self.value(word)
        elif word == '--kernel':
            if domain.image != '':
                raise UserError("--kernel: %s is the image already; give one of them" % domain.image)
            domain.image = self.value(word)
        elif word == '--firmware':
            if domain.image != '':
                raise UserError("--firmware: %s is the image already; give one of them" % domain.image)
            domain.image = self.value(word)
            domain.firmware = True
        elif word == '--module' or word == '--initrd':
            domain.modules.append(self.value(word))
        elif word == '--disk':
            domain.disks.append(parse_disk(word, self.value(word)))
        elif word == '--cdrom':
            domain.disks.append(parse_disk(word, self.value(word) + ',' + CDROM))
        elif word == '--net':
            parse_network(word, self.value(word), domain)
            if domain.network != DOMAINS:
                self.options.realtime = True    # what answers is outside, and waits for nobody
        elif word == '--keyboard':
            domain.keyboard = parse_choice(word, self.value(word), KEYBOARDS)
        elif word == '--virtio-console':
            domain.virtio_console = True
        elif word == '--at':
            domain.at = parse_number(word, self.value(word))
        elif word == '--copies':
            domain.copies = parse_number(word, self.value(word))
        elif word == '--name':
            domain.name = parse_name(word, self.value(word))
        elif word == '--privileged':
            domain.privileged = True
        else:
            return self.of_scheduling(domain.scheduling, word)
        return True

    def of_scheduling(self, parameters, word):
        if word == '--mcu-advance':
            parameters.mcu_advance = parse_number(word, self.value(word))
        elif word == '--warp':
            parameters.warp = parse_time(word, self.value(word))
        elif word == '--warp-limit':
            parameters.warp_limit = parse_time(word, self.value(word))
        elif word == '--unwarp':
            parameters.unwarp = parse_time(word, self.value(word))
        else:
            return False
        self.options.weighted = word
        if not parameters.are_good():
            raise UserError("%s: out of range; --mcu-advance is from 1 to %d, and the times are of at most 10s" % (word, MOST_ADVANCE))
        return True

    def of_run(self, word):
        options = self.options
        if word == '--cpu':
            options.cpu = self.value(word)
        elif word == '--timeout':
            options.timeout = parse_seconds(word, self.value(word))
        elif word == '--instructions':
            options.instructions = parse_number(word, self.value(word))
        elif word == '--report':
            options.report = parse_choice(word, self.value(word), REPORTS)
        elif word == '--report-file':
            options.report_file = self.value(word)
        elif word == '--final-state':
            options.final_state = self.value(word)
        elif word == '--templates':
            options.templates = parse_templates(word, self.value(word))
        elif word == '--jit':
            options.jit = self.value(word)
        elif word == '--expect':
            options.expect = self.value(word)
            if options.expect == '':
                raise UserError("--expect: an empty text is always there; give one that the guest prints")
        elif word == '--realtime':
            options.realtime = True
        elif word == '--symbols':
            options.symbols = self.value(word)
        elif word == '--rule':
            options.rules.append(parse_rule(self.value(word)))
        elif word == '--check-frames':
            options.check_frames = parse_number(word, self.value(word))
            if options.check_frames == 0:
                raise UserError("--check-frames 0: would never check; give 1 for every hypercall, or leave it out")
        else:
            return self.of_policy(word)
        return True

    def of_policy(self, word):
        options = self.options
        if word == '--scheduler':
            options.scheduler = parse_choice(word, self.value(word), SCHEDULERS)
        elif word == '--allowance':
            options.allowance = parse_time(word, self.value(word))
            if not LEAST_ALLOWANCE <= options.allowance <= MOST_ALLOWANCE:
                raise UserError("%s: must be from 10us to 1s" % word)
        else:
            return False
        options.scheduled = word
        return True

    def check(self):
        domains = self.options.domains
        count = 0
        for domain in domains:
            if domain.image == '' and len(domain.disks) > 0 and domain.runs_firmware():
                domain.image = SEABIOS
                domain.firmware = True
            if domain.image == '':
                raise UserError("run: the image comes first, or after --kernel or --firmware; see hyper --help")
            if domain.copies < 1 or domain.copies > MOST_COPIES:
                raise UserError("--copies %d: must be from 1 to %d" % (domain.copies, MOST_COPIES))
            count += domain.copies
            if domain.mmu_given and domain.mode != FULL:
                raise UserError("--mmu %s: only a domain of --mode full has the choice; add that or leave it out"
                                % domain.mmu)
            if domain.interface != '' and domain.mode != PARA:
                raise UserError("--interface %s: only a domain of --mode para has the choice; add that or leave it out"
                                % domain.interface)
            if domain.firmware and not domain.runs_firmware():
                raise UserError("--firmware: begins in real mode; give it --mode native, or --mode full --mmu ept")
            if domain.firmware and (domain.at >= 0 or len(domain.modules) > 0 or domain.append != ''):
                raise UserError("--firmware: finds by itself what to boot; leave out --at, --module and --append")
            if domain.privileged and domain.mode != PARA:
                raise UserError("--privileged: only a domain of --mode para can ask for it; add that or leave it out")
            if domain.name != '' and domain.copies > 1:
                raise UserError("--name %s: %d copies cannot have one name; leave out one of them" % (domain.name, domain.copies))
            if domain.at >= 0 and domain.mode == PARA:
                raise UserError("--at: a paravirtual image has its address in it; leave it out")
            self.check_disks(domain)
        if count > MOST_COPIES:
            raise UserError("%d domains: %d are the most; give fewer --copies" % (count, MOST_COPIES))
        for domain in domains:
            if domain.mode == NATIVE and count > 1:
                raise UserError("--mode native: the kernel owns the machine; for several give --mode para or full to all")
        if self.options.symbols != '' and not self.options.virtualized():
            raise UserError("--symbols: names what exits to the hypervisor, which --mode native has none of; leave it out")
        self.check_scheduling()

    def check_scheduling(self):
        options = self.options
        if options.weighted != '' and options.scheduler != BORROWED_VIRTUAL_TIME:
            raise UserError("%s: --scheduler %s gives all domains the same; leave one of them out" % (options.weighted, options.scheduler))
        if (options.weighted != '' or options.scheduled != '') and not options.virtualized():
            raise UserError("%s: --mode native has no domains to schedule; add --mode para or full, or leave it out" % (
                options.weighted or options.scheduled))

    def check_disks(self, domain):
        if domain.network == TAP and domain.copies > 1:
            raise UserError("--net tap: %d copies cannot share one interface; give each --domain its own" % domain.copies)
        if domain.keyboard == PS2 and domain.mode == PARA:
            raise UserError("--keyboard ps2: a domain of --mode para has no PC; give it --mode full, or leave it out")
        if domain.virtio_console and domain.mode == PARA:
            raise UserError("--virtio-console: a domain of --mode para has no PC; give it --mode full, or leave it out")
        if domain.network == DOMAINS and domain.mode != PARA:
            raise UserError("--net domains: only a domain of --mode para has such an interface; write --net user")
        for interface in domain.interfaces:
            if domain.mode != PARA and (interface.rate > 0 or not interface.rules or interface.address != 0):
                raise UserError("--net: rate=, ip= and norules are of --mode para; leave them out")
            if interface.address != 0 and domain.copies > 1:
                raise UserError("--net ip=: is the address of one domain; give it --copies 1")
        if len(domain.interfaces) > MOST_INTERFACES:
            raise UserError("--net: %d interfaces are the most of a domain" % MOST_INTERFACES)
        if len(domain.forwards) > 0 and domain.copies > 1:
            raise UserError("--net forward=: leads to one domain; give it --copies 1")
        if len(domain.disks) > MOST_DISKS:
            raise UserError("%d disks: %d are the most" % (len(domain.disks), MOST_DISKS))
        on_ide = 0
        for disk in domain.disks:
            if domain.mode == PARA and disk.interface == VIRTIO:
                raise UserError("--disk %s: a domain of --mode para has a ring of its own for disks; leave out virtio" % disk.file)
            if domain.mode != PARA and disk.rate > 0:
                raise UserError("--disk %s: only a domain of --mode para has disks of a limited rate; leave out rate=" % disk.file)
            if domain.mode != PARA and disk.interface != VIRTIO:
                on_ide += 1
            if domain.copies > 1 and not disk.read_only and not disk.snapshot:
                raise UserError("--disk %s: %d copies cannot write to one disk; add ,ro or ,snapshot" % (disk.file, domain.copies))
        if on_ide > MOST_IDE_DISKS:
            raise UserError("%d disks on IDE: %d are the most; add ,virtio to others" % (on_ide, MOST_IDE_DISKS))


def parse(words):
    """The Options of the words after `run`; raises UserError."""
    return Parser(words).parse()


def parse_scheduling(words, parameters):
    """Sets what the words (--mcu-advance, --warp, ...) say of Parameters."""
    parser = Parser(words)
    while parser.more():
        word = parser.next()
        if not parser.of_scheduling(parameters, word):
            raise UserError("%s: no option of a domain's scheduling; see guestkit dom sched --help" % word)


def parse_policy(words):
    """The Options with --scheduler, '' when not given, and --allowance."""
    parser = Parser(words)
    parser.options.scheduler = ''
    while parser.more():
        word = parser.next()
        if not parser.of_policy(word):
            raise UserError("%s: no option of the scheduler; see guestkit dom sched --help" % word)
    return parser.options


def parse_machine(words):
    """The Options of a machine whose domains are made later: --machine-memory, and those for a whole run."""
    parser = Parser(words)
    options = parser.options
    options.machine_memory = DEFAULT_MACHINE_MEMORY
    while parser.more():
        word = parser.next()
        if word == '--machine-memory':
            options.machine_memory = parse_memory(word, parser.value(word))
            if options.machine_memory < LEAST_MACHINE_MEMORY:
                raise UserError("--machine-memory: must be at least 8M, for the hypervisor itself needs some")
        elif not parser.of_run(word):
            raise UserError("%s: no option of a machine without domains; see guestkit dom start --help" % word)
    return options
