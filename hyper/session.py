"""One run from options to exit status: the part that the command line and the C interface share."""

import os
import time

from rpython.rlib.objectmodel import we_are_translated

from hyper import network, report, symbols, tap
from hyper.board import atapi
from hyper.board.disk import Drive, NO_DRIVES, SECTOR, open_disk
from hyper.board.display import VideoMemory
from hyper.board.fittings import Fittings, Wire
from hyper.board.machine import Machine
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.cpu.templates import runner
from hyper.errors import UserError
from hyper.expect import Expectation, Watched
from hyper.loader import detect, firmware
from hyper.loader.file import ImageFile
from hyper.outside import Attachment, Outside
from hyper.options import CDROM, DOMAINS, EPT, FULL, MB, NATIVE, NO_TEMPLATES, PARA, PS2, ROUND_ROBIN, SEABIOS, TAP, parse, parse_policy, \
    parse_scheduling
from hyper.registers import SystemRegisters, dump
from hyper.vmm.hypervisor import Consoles, Hypervisor
from hyper.vmm.inspect import DomainRegisters, state_text
from hyper.vmm.para.build import interface_of
from hyper.vmm.para.domain import ParaDomain
from hyper.vmm.para.interface import XEN_1_0, XEN_1_2
from hyper.vmm.para.network.interface import usual_address
from hyper.vmm.para.saved import Restoring, Saving
from hyper.walk import walk

LARGEST_FILE = 1024 * MB
MOST_PAGES = 1 << 20            # of a saved domain
CHUNK = 1 << 20
PHYSICAL = 0                    # the spaces of read_memory and write_memory
LINEAR = 1
DISPLAY = 2                     # the memory of the display adapter
VIDEO_ROM = 'vgabios-stdvga.bin'        # SeaBIOS's for the display adapter; looked for beside its own image
WITH_EPT = 'nehalem'            # the model for --mmu ept if none is chosen
STATUS_NOT_PRINTED = 1          # of a run that ended well, but without the text that was expected


def read_file(name):
    """A whole file as an ImageFile; raises UserError."""
    parts = []
    try:
        descriptor = os.open(name, os.O_RDONLY, 0)
        try:
            total = 0
            part = os.read(descriptor, CHUNK)
            while part != '':
                parts.append(part)
                total += len(part)
                if total > LARGEST_FILE:
                    raise UserError("%s: larger than 1G; give a kernel image" % name)
                part = os.read(descriptor, CHUNK)
        finally:
            os.close(descriptor)
    except OSError as error:
        advice = "give the path of a readable file"
        if name == SEABIOS:
            advice = "install seabios, or give --firmware FILE or a kernel"
        raise UserError("%s: cannot be read (%s); %s" % (name, os.strerror(error.errno), advice))
    return ImageFile(name, ''.join(parts))


def beside(path, name):
    """The bytes of the file of that name in the directory of another, '' if there is none."""
    at = path.rfind('/') + 1
    assert at >= 0
    other = path[:at] + name
    if not os.path.exists(other):
        return ''
    return read_file(other).data


def find_model(name):
    model = models.find(name)
    if model is None:
        raise UserError("--cpu %s: not known; choose from %s" % (name, ', '.join(models.names())))
    return model


def base_name(path):
    """The last part of a path."""
    at = path.rfind('/') + 1
    assert at >= 0
    return path[at:]


def model_name(options):
    """The processor that is wanted, or else one that can do what is."""
    if options.cpu == '':
        if options.machine_memory > 0:
            return WITH_EPT             # any kind of domain may come
        for domain in options.domains:
            if domain.mode == FULL and domain.mmu == EPT:
                return WITH_EPT
    return options.cpu


class Sinks(object):
    """Gives each domain its console; the command line and the C interface have their own."""

    def sink(self, number, name):
        raise NotImplementedError

    def forget(self, number):
        """The domain is gone."""


class SessionConsoles(Consoles):
    """For domains that the privileged one makes."""

    def __init__(self, session):
        self.session = session

    def console(self, number, name):
        return self.session.watched(self.session.sinks.sink(number, name))

    def forget(self, number):
        self.session.sinks.forget(number)


class Session(object):
    """A machine with what runs on it; made from Options, raises UserError if that cannot be."""

    def __init__(self, options, world, sinks):
        self.options = options
        self.seconds = 0.0              # of real time spent running
        self.names = []
        self.expectation = None
        if options.expect != '':
            self.expectation = Expectation(options.expect)
        self.symbols = None
        world.realtime = options.realtime
        self.hypervisor = None
        self.drives = []
        self.networks = []
        self.videos = []
        self.world = world
        self.sinks = sinks
        self.savings = {}               # Saving by number of domain
        self.restorings = {}            # likewise Restoring
        self.fittings = {}              # by number of domain, of those made since the start
        self.shared = Outside()         # of paravirtual domains
        self.attachments = {}           # to it, by number of domain
        try:
            self.build(world, self.configure(sinks))
        except UserError:
            self.close_fittings()
            raise

    def configure(self, sinks):
        """The DomainConfigs, with all files opened."""
        options = self.options
        total = {}                      # how many domains have an image of that name, then each name gets a number
        used = {}
        for domain in options.domains:
            name = base_name(domain.image)
            total[name] = total.get(name, 0) + domain.copies
        files = {}
        configs = []
        for domain in options.domains:
            image = self.file(files, domain.image)
            modules = []
            for name in domain.modules:
                modules.append(self.file(files, name))
            for copy in range(domain.copies):
                number = len(configs)
                name = base_name(domain.image)
                if domain.name != '':
                    name = domain.name
                elif total[name] > 1:
                    used[name] = used.get(name, 0) + 1
                    name = '%s.%d' % (name, used[name])
                self.names.append(name)
                configs.append(self.config_of(domain, name, image, modules, self.watched(sinks.sink(number, name)), self.fit(domain, number)))
        return configs

    def config_of(self, domain, name, image, modules, sink, fittings):
        """The DomainConfig of DomainOptions."""
        config = DomainConfig(name, domain.mode, domain.mmu, domain.memory, domain.append, image, modules, domain.at, sink, domain.interface, fittings,
                              self.options.symbols != '', domain.privileged, domain.scheduling)
        if domain.firmware:
            config.firmware = True
            config.video_rom = beside(image.name, VIDEO_ROM)
        return config

    def build(self, world, configs):
        if self.options.symbols != '':
            self.symbols = symbols.load(read_file(self.options.symbols))
        model = find_model(model_name(self.options))
        if self.options.virtualized():
            self.hypervisor = Hypervisor(model, world, configs, self.options.check_frames, self.options.machine_memory,
                                         self.options.scheduler, self.options.allowance)
            self.hypervisor.consoles = SessionConsoles(self)
            self.hypervisor.devices.router.configure(self.options.rules)
            self.machine = self.hypervisor.machine
        else:
            config = configs[0]
            self.machine = Machine(config.memory, model, world)
            self.machine.add_pc(config.sink, config.fittings)
            if config.firmware:
                self.machine.load(firmware.load(config.image))
                self.machine.add_firmware(config.image.data, config.video_rom)
            else:
                self.machine.load(detect.load(config.image, config.boot_request(model)))
        if self.options.templates != NO_TEMPLATES and we_are_translated():
            runner.create(self.machine.system, self.options.templates)
        if self.expectation is not None:
            self.expectation.machine = self.machine

    def watched(self, sink):
        """A console, looked at if a text is expected on it."""
        if self.expectation is None:
            return sink
        return Watched(self.expectation, sink)

    def file(self, files, name):
        """A file is read once, however many domains use it."""
        if name not in files:
            files[name] = read_file(name)
        return files[name]

    def fit(self, domain, number, alone=True):
        """The Fittings of a domain, with the files of its disks opened. If it is not alone, it may still run elsewhere: it has nothing yet that only one machine
        can have. Raises UserError."""
        drives = []
        try:
            for chosen in domain.disks:
                unit = atapi.BLOCK if chosen.interface == CDROM else SECTOR
                drives.append(Drive(open_disk(chosen.file, chosen.read_only, chosen.snapshot, unit, alone), chosen.interface, chosen.rate))
            link = None
            if domain.network != '' and domain.network != DOMAINS:
                link = self.connect(domain, number, alone)
        except UserError:
            for drive in drives:
                drive.disk.close()
            raise
        self.drives += drives
        video = None
        if domain.mode != PARA:
            video = VideoMemory()
            self.videos.append(video)
        fittings = Fittings(drives, link, domain.ethernet_address, video, domain.virtio_console, domain.keyboard == PS2)
        if domain.mode == PARA:
            fittings.interfaces = [Wire(chosen.kind != DOMAINS, chosen.rate, chosen.rules, chosen.address) for chosen in domain.interfaces]
        return fittings

    def connect(self, domain, number, alone):
        """The link of a domain to the network outside, None if that is for later."""
        if domain.mode == PARA:
            addresses = []
            for chosen in domain.interfaces:
                addresses.append(chosen.address if chosen.address != 0 else usual_address(number))
            attachment = Attachment(self.shared, domain.network, domain.tap, domain.forwards, addresses)
            if alone:
                attachment.attach(self.router())
            self.attachments[number] = attachment
            return self.shared.link
        if domain.network == TAP:
            link = tap.connect(domain.tap)
            self.networks.append(link)
            return link
        user = network.connect()
        try:
            for forward in domain.forwards:
                user.forward(forward.is_udp, forward.host_port, network.FIRST_ADDRESS, forward.guest_port)
        except UserError:
            user.close()
            raise
        self.networks.append(user)
        return user

    def router(self):
        """That of paravirtual domains, None while there is no hypervisor."""
        if self.hypervisor is None:
            return None
        return self.hypervisor.devices.router

    def close_fittings(self):
        for drive in self.drives:
            drive.disk.close()
        for link in self.networks:
            link.close()
        self.shared.close()
        for video in self.videos:
            video.close()

    def close(self):
        self.machine.close()
        self.close_fittings()

    # running

    def run(self, max_instructions, until_address, seconds):
        """See Machine.run; returns why the run ended."""
        before = time.time()
        if self.hypervisor is not None:
            reason = self.hypervisor.run(max_instructions, until_address, seconds)
        else:
            reason = self.machine.run(max_instructions, until_address, seconds)
        self.seconds += time.time() - before
        return reason

    def status(self):
        if self.expectation is not None and self.expectation.met:
            return 0
        status = 0
        if self.hypervisor is not None:
            status = self.hypervisor.status()
        else:
            status = self.machine.status()
        if status == 0 and self.expectation is not None:
            return STATUS_NOT_PRINTED
        return status

    def receive(self, number, text):
        """Console input for a domain."""
        if self.hypervisor is not None:
            self.domain(number).receive(text)
        else:
            self.machine.receiver.receive(text)

    # control of a hypervisor's domains; all raise UserError

    def create(self, words):
        """Makes the domain that the words of one --domain describe; its number."""
        hypervisor = self.controlled()
        options = parse(words)
        domain = options.domains[0]
        if len(options.domains) > 1 or domain.copies > 1:
            raise UserError("one domain is made at a time; leave out --domain and --copies")
        if domain.mode == NATIVE:
            raise UserError("--mode native: has the machine for itself; give --mode para or full")
        name = domain.name
        if name == '':
            name = base_name(domain.image)
        for other in hypervisor.domains:
            if other.name == name:
                raise UserError("%s: there is a domain of this name, number %d; give it another by --name" % (name, other.number))
        image = read_file(domain.image)
        modules = []
        for path in domain.modules:
            modules.append(read_file(path))
        number = hypervisor.number_of_next()
        fittings = self.fit(domain, number)
        try:
            hypervisor.create(self.config_of(domain, name, image, modules, self.watched(self.sinks.sink(number, name)), fittings))
        except UserError:
            self.sinks.forget(number)
            self.unfit(number, fittings)
            raise
        self.fittings[number] = fittings
        return number

    def control(self, number, verb):
        """`verb`: pause, unpause, destroy, or shutdown, which asks the guest to end. To move it: stop asks the guest to stop itself, unlock and lock are for
        what only one machine can have, its disks and its ports of this host."""
        hypervisor = self.controlled()
        domain = self.domain(number)
        if verb == 'pause':
            hypervisor.pause(domain)
        elif verb == 'unpause':
            if not domain.built:
                raise UserError("%s: is not built yet; that is for the domain that has made it" % domain.name)
            hypervisor.unpause(domain)
        elif verb == 'stop':
            domain.ask_to_stop()
        elif verb == 'shutdown':
            domain.ask_to_end()
        elif verb == 'unlock':
            for drive in self.drives_of(number):
                drive.disk.unlock()
            if number in self.attachments:
                self.attachments[number].release(self.router())
        elif verb == 'lock':
            self.lock(number)
        elif verb == 'destroy':
            if number in self.savings:
                self.end_saving(number)
            if number in self.restorings:
                del self.restorings[number]
            hypervisor.destroy(domain)
            if number in self.fittings:
                self.unfit(number, self.fittings[number])
                del self.fittings[number]
        else:
            raise UserError("%s: nothing that can be done with a domain" % verb)

    def schedule(self, number, words):
        """Sets what the words say of the scheduling: those of one domain, or with a negative number --scheduler and --allowance."""
        hypervisor = self.hypervisor
        if hypervisor is None:
            raise UserError("--mode native: has no domains to schedule")
        if number < 0:
            options = parse_policy(words)
            if options.scheduler != '' and options.scheduler != hypervisor.policy:
                hypervisor.set_policy(options.scheduler, options.allowance)
            elif options.allowance > 0:
                hypervisor.set_allowance(options.allowance)
            return
        domain = self.domain(number)
        if hypervisor.policy == ROUND_ROBIN:
            raise UserError("%s: the policy is rr, which gives all domains the same; choose bvt first" % domain.name)
        parameters = domain.account.parameters.copy()
        parse_scheduling(words, parameters)
        hypervisor.adjust(domain, parameters.mcu_advance, parameters.warp, parameters.warp_limit, parameters.unwarp)

    def lock(self, number):
        """The domain has what only one machine can have; raises UserError."""
        for drive in self.drives_of(number):
            drive.disk.lock()
        if number in self.attachments:
            self.attachments[number].attach(self.router())

    def drives_of(self, number):
        """Those of a domain made since the start."""
        if number in self.fittings:
            return self.fittings[number].drives
        return NO_DRIVES

    # a domain is taken out or put in, see hyper/vmm/para/saved.py

    def begin_saving(self, number):
        """How many pages the domain has. From now on it is logged which of them are written to."""
        self.controlled()
        domain = self.domain(number)
        if not isinstance(domain, ParaDomain):
            raise UserError("%s: only a domain of --mode para can be saved" % domain.name)
        if number in self.savings:
            raise UserError("%s: is being saved already" % domain.name)
        for other in self.savings:
            raise UserError("%s: wait until domain %d is saved" % (domain.name, other))
        saving = Saving(domain, self.drives_of(number))
        self.savings[number] = saving
        return len(saving.frames)

    def saving(self, number):
        if number not in self.savings:
            raise UserError("no such domain is being saved: %d" % number)
        return self.savings[number]

    def end_saving(self, number):
        saving = self.saving(number)
        saving.end()
        del self.savings[number]

    def begin_restoring(self, words, version, frames):
        """Makes a domain that is to get saved pages and state; its number. The words of one --domain say its name and disks."""
        hypervisor = self.controlled()
        domain = parse(['saved'] + words).domains[0]
        for other in hypervisor.domains:
            if other.name == domain.name:
                raise UserError("%s: there is a domain of this name, number %d; give it another" % (domain.name, other.number))
        if version != XEN_1_0.version and version != XEN_1_2.version:
            raise UserError("the saved domain is damaged: interface %s" % version)
        if domain.mode != PARA:
            raise UserError("the saved domain is damaged: its configuration is of --mode %s" % domain.mode)
        if len(frames) < 16 or len(frames) > MOST_PAGES:
            raise UserError("the saved domain is damaged: it has %d pages" % len(frames))
        number = hypervisor.number_of_next()
        fittings = self.fit(domain, number, False)
        try:
            made = hypervisor.create_saved(domain.name, interface_of(version), frames, self.watched(self.sinks.sink(number, domain.name)), fittings)
        except UserError:
            self.sinks.forget(number)
            self.unfit(number, fittings)
            raise
        made.account.set(domain.scheduling)
        self.fittings[number] = fittings
        self.restorings[number] = Restoring(made)
        return number

    def restoring(self, number):
        if number not in self.restorings:
            raise UserError("no such domain is being restored: %d" % number)
        return self.restorings[number]

    def finish_restoring(self, number, text):
        """The domain is complete, and paused; if its state is refused it is gone."""
        restoring = self.restoring(number)
        del self.restorings[number]
        try:
            restoring.finish(text)
            if number in self.attachments:
                addresses = []
                for interface in restoring.domain.interfaces:
                    addresses.append(interface.network_address)
                self.attachments[number].addresses = addresses
            self.lock(number)
        except UserError:
            self.control(number, 'destroy')
            raise

    def controlled(self):
        """The hypervisor, if its domains can come and go."""
        if self.hypervisor is None or not self.hypervisor.stays:
            raise UserError("domains of a run cannot come and go; start a hypervisor without any")
        return self.hypervisor

    def unfit(self, number, fittings):
        """Closes what a domain had that is gone."""
        if number in self.attachments:
            self.attachments[number].detach(self.router())
            del self.attachments[number]
        for drive in fittings.drives:
            self.hypervisor.devices.block.remove_disk(drive.disk)
            drive.disk.close()
            for k in range(len(self.drives)):
                if self.drives[k] is drive:
                    del self.drives[k]
                    break
        link = fittings.link
        if link is not None and len(fittings.interfaces) == 0:      # what paravirtual domains share stays
            link.close()
            for k in range(len(self.networks)):
                if self.networks[k] is link:
                    del self.networks[k]
                    break

    # looking in

    def domain(self, number):
        """The domain of a hypervisor; raises UserError if there is none."""
        domain = self.hypervisor.find(number)
        if domain is None:
            raise UserError("no such domain: %d" % number)
        return domain

    def has_domain(self, number):
        if self.hypervisor is None:
            return number == 0
        return self.hypervisor.find(number) is not None

    def registers(self, number):
        """The RegisterFile of a domain."""
        if self.hypervisor is not None:
            return DomainRegisters(self.domain(number))
        return SystemRegisters(self.machine.system)

    def pc(self, number):
        """The devices of a domain, None for one without."""
        if self.hypervisor is None:
            return self.machine.pc
        return self.domain(number).devices()

    def press(self, number, text):
        """Types on the keyboard of a domain's PC; False if it has none."""
        pc = self.pc(number)
        if pc is None:
            return False
        pc.keyboard.type(text)
        return True

    def move_mouse(self, number, right, down, buttons):
        pc = self.pc(number)
        if pc is None:
            return False
        pc.keyboard.move_mouse(right, down, buttons)
        return True

    def set_window(self, number, columns, lines):
        pc = self.pc(number)
        if pc is not None:
            pc.set_window(columns, lines)

    def screen(self, number):
        """What its screen shows, as hyper/board/screen.py has it."""
        pc = self.pc(number)
        if pc is None:
            return 'off\n'
        return pc.screen()

    def get(self, number, name):
        return self.registers(number).get(name)

    def set(self, number, name, value):
        return self.registers(number).set(name, value)

    def physical(self, number, space, address):
        """The machine-physical address of a byte, -1 if there is none."""
        if self.hypervisor is not None:
            return self.domain(number).to_machine(space == LINEAR, address)
        if space == LINEAR:
            system = self.machine.system
            address = walk(self.machine.memory, system.cr0, system.cr3, system.cr4, address)
        if self.machine.memory.contains(address, 1):
            return address
        return -1

    def read_memory(self, number, space, address, size):
        """Up to `size` bytes, fewer where memory ends or is not mapped."""
        if space == DISPLAY:
            pc = self.pc(number)
            if pc is None or pc.display is None:
                return ''
            return pc.display.memory.read_bytes(address, size)
        parts = []
        for i in range(size):
            physical = self.physical(number, space, address + i)
            if physical < 0:
                break
            parts.append(chr(self.machine.memory.read8(physical)))
        return ''.join(parts)

    def write_memory(self, number, space, address, data):
        """Writes bytes; how many until memory ended or was not mapped. The display's is not written."""
        if space == DISPLAY:
            return 0
        for i in range(len(data)):
            physical = self.physical(number, space, address + i)
            if physical < 0:
                return i
            self.machine.memory.write8(physical, ord(data[i]))
        return len(data)

    # telling

    def why_crashed(self):
        """What to show when the run ended badly: for every domain that was stopped the reason, its state and its last exits, and that an
        expected text did not come; '' if it ended well."""
        text = ''
        if self.expectation is not None and not self.expectation.met:
            text = 'hyper: --expect %s: no console printed it\n' % self.expectation.text
        if self.hypervisor is None:
            if not self.machine.crashed():
                return text
            return text + 'hyper: %s was stopped: %s\n%s' % (self.names[0], self.machine.why, dump(SystemRegisters(self.machine.system)))
        for domain in self.hypervisor.domains:
            if domain.died:
                text += 'hyper: ' + state_text(domain)
        if self.machine.crashed() and text == '':
            text = 'hyper: %s\n' % self.machine.why
        return text

    def report_text(self):
        if self.hypervisor is not None:
            return report.domains_text(self.hypervisor, self.seconds, self.symbols)
        return report.native_text(self.names[0], self.machine, self.seconds)

    def report_json(self):
        domains = []
        scheduler = ''
        if self.hypervisor is not None:
            for domain in self.hypervisor.domains:
                domains.append(report.domain_json(domain, self.symbols))
            scheduler = report.scheduler_json(self.hypervisor)
        else:
            domains.append(report.native_json(self.names[0], self.machine, self.status()))
        return report.run_json(self.machine, self.seconds, self.status(), scheduler, domains)
