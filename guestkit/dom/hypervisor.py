"""A hypervisor in this process whose domains come and go.

    from guestkit.dom.hypervisor import Hypervisor

    with Hypervisor(memory='256M') as hypervisor:
        domain = hypervisor.create({'name': 'one', 'kernel': 'build/guests/kernel-para.elf', 'ramdisk': 'build/guests/archive.img'})
        hypervisor.run(seconds=1)
        print(domain.output.decode())
        hypervisor.destroy(domain)
"""
import json
import weakref

from guestkit.dom import configuration as configurations
from guestkit.engine import engine
from guestkit.errors import BadInput, GuestkitError
from guestkit.machine import Domain, Reason


class Hypervisor:
    """`memory` is what all domains together can have; with `realtime` machine time keeps to the clock on the wall. A context manager."""

    def __init__(self, memory='512M', cpu=None, realtime=False, scheduler=None):
        words = ['--machine-memory', str(memory)]
        if cpu is not None:
            words += ['--cpu', cpu]
        if scheduler is not None:
            words += ['--scheduler', scheduler]
        if realtime:
            words.append('--realtime')
        self.engine = engine()
        self.handle = self.engine.call('hyper_start', '\n'.join(words).encode())
        self._finalizer = weakref.finalize(self, self.engine.call, 'hyper_close', self.handle)
        self.domains = {}               # Domain by number
        self.unfinished = set()         # numbers of those that are being restored
        self.on_new = None              # called with each new Domain
        self._error = None
        this = weakref.ref(self)
        self._callback = self.engine.ffi.callback('console_t', lambda number, data, size: this()._received(number, data, size),
                                                  onerror=lambda kind, error, trace: this()._failed(error))
        self.call('hyper_console', self._callback)

    def close(self):
        self._finalizer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def call(self, name, *arguments):
        """A function of the library on this machine."""
        if not self._finalizer.alive:
            raise GuestkitError('the hypervisor is closed; make a new one')
        return self.engine.call(name, self.handle, *arguments)

    # domains

    def create(self, configuration, paused=False):
        """Makes a domain from a configuration (see guestkit.dom.configuration); returns a Domain."""
        configurations.check(configuration)
        text = '\n'.join(configurations.words(configuration))
        number = self.make('hyper_create', text.encode('utf-8', 'surrogateescape'))
        domain = self._add(number, configuration)
        if paused:
            self.pause(domain)
        return domain

    def make(self, name, *arguments):
        """Calls what may refuse a configuration."""
        try:
            return self.call(name, *arguments)
        except BadInput as error:
            raise BadInput(configurations.named(str(error))) from None

    def _add(self, number, configuration):
        domain = Domain(self, number, configuration['name'])
        domain.configuration = configuration
        self.domains[number] = domain
        if self.on_new is not None:
            self.on_new(domain)
        return domain

    def look(self):
        """Learns of the domains that a privileged one has made or destroyed."""
        reports = {report['number']: report for report in self.report()['domains']}
        for number in list(self.domains):
            if number not in reports:
                del self.domains[number]
        for number, report in reports.items():
            if number not in self.domains and number not in self.unfinished:
                self._add(number, {'name': report['name'], 'on_poweroff': 'preserve', 'on_reboot': 'preserve', 'on_crash': 'preserve'})      # its end is for its maker

    def find(self, which):
        """The Domain of a name or number."""
        self.look()
        for domain in self.domains.values():
            if domain is which or domain.name == which or str(domain.number) == str(which):
                return domain
        raise BadInput(f'{which}: no such domain; see guestkit dom list')

    def pause(self, domain):
        domain.call('hyper_control', b'pause')

    def unpause(self, domain):
        domain.call('hyper_control', b'unpause')

    def shutdown(self, domain):
        """Asks the guest to end."""
        domain.call('hyper_control', b'shutdown')

    def destroy(self, domain):
        domain.call('hyper_control', b'destroy')
        self.domains.pop(domain.number, None)

    def schedule(self, domain, **settings):
        """Sets parameters of its scheduling: weight (a number), warp, warp_limit, unwarp (texts like '2ms'). Its configuration has them from then on."""
        domain.call('hyper_schedule', '\n'.join(configurations.words_of_sched(settings)).encode('utf-8', 'surrogateescape'))
        domain.configuration = {**domain.configuration, 'sched': {**domain.configuration.get('sched', {}), **settings}}

    def set_policy(self, policy=None, allowance=None):
        """Which domain runs: 'bvt' or 'rr'; for how long one may run on beside another with as good a claim (a text like '500us')."""
        words = (['--scheduler', policy] if policy is not None else []) + (['--allowance', allowance] if allowance is not None else [])
        self.call('hyper_schedule', -1, '\n'.join(configurations.checked(words)).encode('utf-8', 'surrogateescape'))

    # running

    def run(self, seconds, instructions=None):
        """Runs the domains for so long; returns a Reason. WAITING: nothing will happen before somebody does something."""
        reason = Reason(self.call('hyper_run', -1 if instructions is None else instructions, -1, seconds))
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return reason

    def _received(self, number, data, size):
        """From the engine, in the middle of a run."""
        if number not in self.domains:
            self.look()
        if number in self.domains:
            self.domains[number].received(self.engine.ffi.buffer(data, size)[:])

    def _failed(self, error):
        self._error = error
        self.engine.interrupt(self.handle)

    # telling

    def report(self):
        """The counters, as the engine's JSON has them."""
        self.call('hyper_status')
        return json.loads(self.engine.text('hyper_report', self.handle))

    def is_paused(self, domain):
        return bool(domain.call('hyper_get', b'paused'))

    def ended(self):
        """The Domains that have ended and are still there."""
        try:
            return [domain for domain in list(self.domains.values()) if not domain.call('hyper_get', b'alive')]
        except BadInput:
            self.look()                 # a privileged domain has destroyed one
            return self.ended()
