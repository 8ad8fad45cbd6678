"""The counters of a run, as the engine reports them."""
import json
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class DomainReport:
    """Of one domain: `exits` by reason and `hypercalls` by name are counts; `died` says that it had to be stopped; `data` is all
    that the engine told."""
    name: str
    mode: str
    mmu: str
    state: str
    status: int
    died: bool
    instructions: int
    shadow_fills: int
    exits: dict
    hypercalls: dict
    data: dict = field(repr=False)

    @property
    def refusals(self):
        """What a paravirtual domain was refused: counts by reason."""
        return self.data.get('refusals', {})

    @property
    def last_refusals(self):
        """The last of them in words."""
        return self.data.get('last_refusals', [])

    @property
    def functions(self):
        """Exits by function of the kernel, the most frequent first: (function, reason, count). Empty without `symbols`."""
        return [tuple(row) for row in self.data.get('functions', [])]


@dataclass(frozen=True)
class Report:
    """Of a whole run: `machine_ns` of machine time passed in `seconds` of real time."""
    instructions: int
    machine_ns: int
    seconds: float
    stop: str
    status: int
    domains: tuple
    data: dict = field(repr=False)

    @property
    def mips(self):
        """Millions of guest instructions per second of real time."""
        return self.instructions / self.seconds / 1e6 if self.seconds else 0.0

    @classmethod
    def parse(cls, text):
        data = json.loads(text)
        names = [field.name for field in fields(DomainReport) if field.name != 'data']
        domains = tuple(DomainReport(**{name: domain[name] for name in names}, data=domain) for domain in data['domains'])
        return cls(data['instructions'], data['machine_ns'], data['seconds'], data['stop'], data['status'], domains, data)
