"""Random hypercalls with random structures: whatever a guest says, the frame table stays true and the hypervisor does not fail."""
import random

import pytest

from hyper.vmm.xen3.interface import CALLS
from xen3_parts import Bench, FREE, MemoryDisk, POINTERS, SELF, STACK, TABLES

ENDS = ('sched_op', 'sched_op_compat', 'iret')          # they may end the domain, or move it: tested elsewhere
NAMES = [name for name, call in CALLS if name not in ENDS and not name.startswith('hypercall')]
TIMES = 250


class Fuzzer(object):
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.bench = Bench(domains=2, disks=[MemoryDisk(64)], check=20)

    def page(self):
        return self.random.choice([self.random.randrange(32), self.random.randrange(POINTERS, STACK), TABLES])

    def word(self):
        """A word that might mean something: a frame, an address of either kind, an entry, a small number."""
        bench = self.bench
        kind = self.random.randrange(9)
        if kind == 0:
            return bench.frame(self.page())
        if kind == 1:
            return bench.machine(self.page(), self.random.randrange(0, 4096, 4)) | self.random.choice([0, 0, 1, 2, 3])
        if kind == 2:
            return bench.address(self.page(), self.random.choice([0, 0, 8, 4092, 4095]))
        if kind == 3:
            return bench.machine(self.page()) | self.random.choice([0, 1, 3, 5, 7, 7, 0x67, 0x87, 0x107])
        if kind == 4:
            return self.random.choice([0, 0xffffffff, 0x7fffffff, 0xf57fffff, 0xf5800000, 0xfc400000, 1 << 31])
        if kind == 5:
            return SELF | self.random.choice([0, 1 << 16, SELF << 16])
        if kind == 6:
            return self.random.getrandbits(32)
        return self.random.randrange(24)

    def fill(self):
        """Random words where structures and tables may be."""
        bench = self.bench
        for k in range(self.random.randrange(1, 16)):
            page = FREE + self.random.randrange(4)
            at = self.random.choice([0, 0, 8, 16, 24, 2048, 4088]) + 4 * k & 0xffc
            frame = bench.frame(page)
            if bench.paging.uses[frame] == 0 or bench.domain.linear.machine(bench.address(page), True) == bench.machine(page):
                bench.domain.linear.write32(bench.address(page, at), self.word())

    def run(self, times):
        bench = self.bench
        for k in range(times):
            bench.use(self.random.randrange(2))
            if not bench.domain.alive:
                break
            self.fill()
            arguments = [self.word() for j in range(5)]
            if self.random.randrange(2):
                arguments[self.random.randrange(3)] = bench.address(FREE + self.random.randrange(4))
            if self.random.randrange(2):
                arguments[self.random.randrange(3)] = self.random.randrange(30)
            bench.call(self.random.choice(NAMES), *arguments)
        assert bench.hypervisor.frame_table.checks.checker.check() == ''


@pytest.mark.parametrize('seed', range(4))
def test_random_hypercalls_leave_the_frame_table_true(seed):
    Fuzzer(seed).run(TIMES)
