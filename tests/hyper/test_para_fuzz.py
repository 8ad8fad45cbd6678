"""Random and boundary arguments for every hypercall: each returns, the frame table stays consistent, and other domains stay as they are.

tests/guestkit/para_fuzz.c does the same from inside a guest, on the native program.
"""
import random

import pytest

from hyper.vmm.para.layout import CONTINUE, M32
from para_parts import (Bench, DIRECTORY, DOM_MEM_OP, EXIT, FRAME, GET_DEBUGREG, MULTICALL, PAGES, PT_UPDATE, SET_CALLBACKS, SET_DEBUGREG, SET_FAST_TRAP, SET_GDT,
                        SET_TRAP_TABLE, STACK_SWITCH as SET_STACK, START_INFO, TABLE, UPDATE_DESCRIPTOR, UPDATE_VA_MAPPING, YIELD, check_counts, make)

DOMAINS, CALLS = 3, 50
BOUNDARIES = [0, 1, 2, 3, 7, 8, 31, 32, 0x80, 0x82, 255, 256, 295, 296, 512, 4095, 4096, 8191, 8192, 8193, 0xffff, 0x10000, 0x819, 0x821, 0x82b, 0x833, 0xfbffffff,
              0xfc000000, 0xfc3fffff, 0xfc400000, 0xfc421800, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffc, 0xffffffff]


class Fuzzer(object):
    def __init__(self, random):
        self.random = random
        self.bench = Bench(2)
        self.victim = self.bench.hypervisor.domains[1]
        for page in (22, 23, 24):
            self.bench.unmap(page)
        self.bench.read_only(40), self.bench.read_only(41)
        self.before = self.of_victim()
        self.done = 0

    def of_victim(self):
        """All memory of the other domain, and the hypervisor's tables for it."""
        storage = self.bench.table.memory.storage
        first = self.victim.page_frames[0]
        frames = range(first, first + PAGES) + [self.victim.shared_frame, self.victim.region >> 12, self.victim.traps.frame >> 12,
                                                self.victim.paging.private_table >> 12]
        return [bytes(storage[frame * FRAME:(frame + 1) * FRAME]) for frame in frames]

    def frame(self):
        """A frame number, of any owner."""
        choice = self.random.randrange(8)
        if choice < 5:
            return self.bench.frame(self.random.choice([20, 21, 22, 23, 24, 40, 41, DIRECTORY, TABLE, START_INFO, self.random.randrange(PAGES)]))
        if choice == 5:
            return self.random.randrange(self.bench.table.count + 2)
        if choice == 6:
            return self.random.choice([self.victim.page_frames[0], self.victim.shared_frame, self.bench.domain.shared_frame, self.bench.domain.region >> 12])
        return self.random.randrange(1 << 20)

    def entry(self):
        """A page-table entry."""
        return self.frame() << 12 | self.random.choice([0, 1, 3, 5, 7, 0x63, 0x83, 0x103, 0x1e7, self.random.randrange(4096)])

    def address(self):
        """A linear address of the guest's, mostly."""
        page = self.random.choice([1, 2, 20, 21, DIRECTORY, TABLE, START_INFO, PAGES, self.random.randrange(PAGES + 4)])
        return self.bench.address(page) + self.random.choice([0, 0, 4, 8, 0xff8, 0xffc, 0xffd, 0xfff, self.random.randrange(4096)])

    def value(self):
        choice = self.random.randrange(8)
        if choice < 2:
            return self.random.choice(BOUNDARIES)
        if choice == 2:
            return self.random.randrange(1 << 32)
        if choice == 3:
            return self.frame()
        if choice == 4:
            return self.entry()
        if choice == 5:
            return self.frame() << 12 | self.random.randrange(512) * 8
        if choice == 6:
            return self.address() >> 12
        return self.address()

    def request(self):
        """A request of pt_update."""
        command = self.random.choice([0, 0, 0, 2, 3, 3, 3, self.random.randrange(4)])
        if command == 0:
            return self.bench.address(self.random.choice([TABLE, DIRECTORY, 40, 41])) + self.random.randrange(1024) * 4, self.entry()
        if command == 2:
            return self.frame() << 12 | 2, self.value()
        if command == 3:
            extended = self.random.randrange(10)
            if extended in (6, 7, 8):
                return self.value() & ~3 | 3, extended | self.random.choice([0, 1, 8, 512, 8192, 0xffffff]) << 8
            return self.frame() << 12 | 3, extended
        return self.value() & ~3 | command, self.value()

    def selector(self):
        return self.random.choice([0x819, 0x821, 0x819, 0x821, 1, 9, 0xd, 0x82b, 0, 0x808, self.random.randrange(1 << 16)])

    def descriptor(self):
        low = self.random.choice([0, 0xffff, 0x20000010, 0x08191234, self.random.randrange(1 << 32)])
        high = self.random.choice([0, 0x00cfb200, 0x0040b201, 0x00c0ba00, 0x0000ec00, 0xc00ff200, 0x00cfb300, self.random.randrange(1 << 32)])
        return [low, high]

    def fill(self, page, number):
        """What a pointer of a hypercall may point to, where the guest can write."""
        words = []
        for k in range(16):
            if number == PT_UPDATE:
                words += list(self.request())
            elif number == SET_TRAP_TABLE:
                words += [self.selector() << 16 | self.random.choice([6, 0x380, 0x782, self.random.randrange(1 << 16)]), self.random.choice([0, 0xc0000000])]
            elif number == MULTICALL:
                called = self.random.randrange(22)
                words += [called] + self.arguments(called) + [0, 0]
            elif number == SET_GDT:
                words += [self.bench.frame(self.random.choice([22, 23, 24])) if self.random.randrange(3) else self.frame()]
            elif number == DOM_MEM_OP and k == 0:
                words += [self.random.randrange(3), self.random.choice([1, 2, self.value()]), self.bench.address(2)]
            elif number == UPDATE_DESCRIPTOR:
                words += self.descriptor()
            else:
                words += [self.value()]
        for k, word in enumerate(words):
            self.bench.domain.linear.write32(self.bench.address(page) + 4 * k, word & M32)

    def arguments(self, number):
        """Five arguments that a hypercall could have, with some that it could not."""
        here = self.bench.address(self.random.choice([1, 1, 1, 2, 20]))
        number_of = self.random.choice([1, 1, 2, 5, 512])
        at = self.frame() << 12 | self.random.randrange(512) * 8
        page = self.bench.address(self.random.choice([20, 21, 22, 23, 40, 41, self.random.randrange(PAGES)])) >> 12
        if number in (SET_STACK, SET_CALLBACKS):
            arguments = [self.selector(), self.address(), self.selector(), self.address(), 0]
        elif number == UPDATE_DESCRIPTOR:
            arguments = [at] + self.descriptor() + [0, 0]
        elif number == UPDATE_VA_MAPPING:
            arguments = [page, self.entry(), self.random.randrange(4), 0, 0]
        elif number in (SET_DEBUGREG, GET_DEBUGREG):
            arguments = [self.random.randrange(9), self.value(), 0, 0, 0]
        elif number == SET_FAST_TRAP:
            arguments = [self.random.choice([0, 0x80, 0x82, 14, 256]), 0, 0, 0, 0]
        else:
            arguments = [here, number_of, 0, 0, 0]
        for k in range(5):
            if self.random.randrange(12) == 0:
                arguments[k] = self.value()
        return arguments

    def call(self):
        bench = self.bench
        domain = bench.domain
        number = self.random.choice([PT_UPDATE, UPDATE_VA_MAPPING, self.random.randrange(24), self.random.randrange(24), self.random.choice(BOUNDARIES)])
        if number in (YIELD, EXIT):
            return
        self.fill(self.random.choice([1, 2, 20, 40, 41]), number)
        self.fill(1, number)
        arguments = self.arguments(number)
        for _ in range(3):
            result = bench.call(number, *arguments)
            domain.alive = True
            assert result == CONTINUE or -64 < result <= M32
            if result != CONTINUE:
                self.done += result >= 0
                break
            arguments = list(domain.arguments)
        if domain.descriptors_changed:
            domain.descriptors_changed = False
            domain.bounce.reload()
        domain.asleep = False
        if self.random.randrange(4) == 0:
            self.enter()
        check_counts(bench.hypervisor)


    def enter(self):
        """The guest's handlers are entered, wherever it has put them and its stack."""
        domain = self.bench.domain
        domain.events.send(2)
        domain.events.deliver()
        if domain.alive and domain.traps.address[6] != 0:
            domain.bounce.trap(6, 0, self.value(), 0)
        self.bench.start_again()


@pytest.mark.parametrize('seed', range(12))
def test_no_hypercall_can_be_confused(seed):
    generator = random.Random(seed)
    done = 0
    for _ in range(DOMAINS):
        fuzzer = Fuzzer(generator)
        for _ in range(CALLS):
            fuzzer.call()
        assert fuzzer.of_victim() == fuzzer.before
        done += fuzzer.done
    assert done > DOMAINS * CALLS // 8              # hypercalls that were not refused


@pytest.mark.parametrize('seed', range(4))
def test_a_guest_of_random_bytes_harms_nobody(seed):
    """Random code in ring 1, with and without a handler that goes on behind what faults."""
    bytes = random.Random(seed).sample(range(256) * 8, 1500)
    code = ' mov $9, %eax\n hyp 0, $table\n jmp 1f\n table: .byte 6, 0\n .word 0x819\n .long on, 13, 0\n .word 0x819\n .long on, 0, 0\n'
    code = code.replace('.long on, 13, 0\n .word', '.long on\n .byte 13, 0\n .word') + ' on: incl (%esp)\n iret\n 1:'
    hypervisor = make([code + ''.join(' .byte %d\n' % byte for byte in bytes), ' 1: incl 0xc0010000\n cmpl $300, 0xc0010000\n jb 1b\n say "whole"\n finish\n'])
    hypervisor.run(3000, -1, -1.0)
    check_counts(hypervisor)
    for _ in range(20):
        if hypervisor.domains[1].alive:
            hypervisor.system.idle += 5000000
            hypervisor.run(1000, -1, -1.0)
    assert hypervisor.domains[1].text() == 'whole'
