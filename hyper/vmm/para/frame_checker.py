"""Checks that the frame table is true: all counts and types are found again from what memory holds, and compared.

It knows nothing of how the counts came about. References are those of the entries of tables in use, of base pointers, of pins, of descriptor tables
in use and of the pages that the hypervisor itself writes to. Beside the counts it looks at what direct paging promises of contents: no forbidden bits,
no frame of another domain, the hypervisor's own slots in page directories, only descriptors that are allowed. And the processor must hold no
translation by which a domain could write to a table or to a frame of another.

--check-frames has this done after every so many hypercalls; the first difference stops the machine.
"""
from hyper.vmm.para.domain import ParaDomain
from hyper.vmm.para.frame_table import NO_OWNER, TYPE_NAMES, UNTYPED, WRITABLE


class FrameChecker(object):
    """`table` is the FrameTable, `domains` the list of those that there are, which may change."""
    _immutable_fields_ = ['table', 'domains', 'references', 'uses', 'kind']

    def __init__(self, table, domains):
        self.table = table
        self.domains = domains
        self.references = [0] * table.count     # as found
        self.uses = [0] * table.count
        self.kind = [UNTYPED] * table.count
        self.privileged = []
        self.problem = ''                       # the first one found

    def check(self):
        """What is wrong in words, '' if nothing is."""
        self.problem = ''
        owners = {}
        self.privileged = []                    # they may map frames of others
        for frame in range(self.table.count):
            self.references[frame] = 0
            self.uses[frame] = 0
            self.kind[frame] = UNTYPED
        for domain in self.domains:
            if isinstance(domain, ParaDomain):
                owners[domain.number] = domain.paging
                if domain.privileged:
                    self.privileged.append(domain.number)
                domain.tally(self)
        table = self.table
        for frame in range(table.count):
            paging = owners.get(table.owner[frame], None)
            if paging is None:
                continue
            if table.pinned[frame]:
                self.refer(paging.number, frame, table.kind[frame], 'a pin', frame)
            if table.uses[frame] > 0 and table.kind[frame] != WRITABLE:
                paging.tally(self, frame, table.kind[frame])
        frame = 0
        while frame < table.count and self.problem == '':
            self.compare(frame)
            frame += 1
        for domain in self.domains:
            if isinstance(domain, ParaDomain) and domain.alive:
                self.check_translations(domain)
        return self.problem

    def check_translations(self, domain):
        """Those that the processor holds of a domain; if it is stale and another one runs, they are dropped before they can be used."""
        vmx = domain.vmx
        if domain.paging.stale and domain.region != vmx.translated:
            return
        table = self.table
        for address in vmx.written(domain.region):
            frame = address >> 12
            if not 0 <= frame < table.count or table.owner[frame] != domain.number and domain.number not in self.privileged:
                self.report('the processor can write for domain %d to frame 0x%x, %s' % (domain.number, frame, self.whose(frame)))
            elif table.uses[frame] > 0 and table.kind[frame] != WRITABLE:
                self.report('the processor can write for domain %d to frame 0x%x, which is of type %s' % (
                    domain.number, frame, TYPE_NAMES[table.kind[frame]]))

    def refer(self, domain, frame, kind, what, at):
        """A domain refers to a frame: UNTYPED, or with the type that is needed; `what` does so in words, in frame `at`."""
        table = self.table
        if not 0 <= frame < table.count or table.owner[frame] != domain and (kind not in [UNTYPED, WRITABLE] or domain not in self.privileged):
            self.report('%s in frame 0x%x of domain %d refers to frame 0x%x, %s' % (what, at, domain, frame, self.whose(frame)))
            return
        self.references[frame] += 1
        if kind == UNTYPED:
            return
        self.uses[frame] += 1
        if self.kind[frame] != UNTYPED and self.kind[frame] != kind:
            self.report('frame 0x%x, %s, is of type %s and, for %s in frame 0x%x, of type %s' % (
                frame, self.whose(frame), TYPE_NAMES[self.kind[frame]], what, at, TYPE_NAMES[kind]))
        self.kind[frame] = kind

    def report(self, text):
        if self.problem == '':
            self.problem = text

    def whose(self, frame):
        if not 0 <= frame < self.table.count:
            return 'which is none'
        if self.table.owner[frame] == NO_OWNER:
            return 'no domain\'s'
        return 'domain %d\'s' % self.table.owner[frame]

    def compare(self, frame):
        """What is found of a frame with what the table says."""
        assert frame >= 0
        table = self.table
        kind = UNTYPED
        if table.uses[frame] > 0:
            kind = table.kind[frame]
        if table.references[frame] != self.references[frame] or table.uses[frame] != self.uses[frame] or kind != self.kind[frame]:
            self.report('frame 0x%x, %s, has %s in the frame table, but %s are found' % (
                frame, self.whose(frame), counts(table.references[frame], table.uses[frame], kind),
                counts(self.references[frame], self.uses[frame], self.kind[frame])))


def counts(references, uses, kind):
    return '%d references (%d of type %s)' % (references, uses, TYPE_NAMES[kind])


class PeriodicCheck(object):
    """Counts the hypercalls of all domains, and looks after every `every`."""
    _immutable_fields_ = ['checker', 'every']

    def __init__(self, checker, every):
        self.checker = checker
        self.every = every
        self.left = every
        self.checks = 0

    def after(self, domain, name):
        """After a hypercall of that name."""
        self.left -= 1
        if self.left == 0:
            self.left = self.every
            self.checks += 1
            problem = self.checker.check()
            if problem != '':
                domain.host.broken(domain, 'the frame table is wrong after %s of domain %d: %s' % (name, domain.number, problem))
