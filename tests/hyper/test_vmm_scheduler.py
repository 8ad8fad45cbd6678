from hyper.board.clock import Clock
from hyper.vmm.scheduler import SLICE, Scheduler

from board_parts import Hand


class Domain(object):
    def __init__(self):
        self.alive = True
        self.asleep = False

    def can_run(self):
        return self.alive and not self.asleep


class Hypervisor(object):
    interrupts = 0

    def interrupt(self):
        self.interrupts += 1


class Bench(object):
    def __init__(self, count):
        self.hand = Hand()
        self.clock = Clock(self.hand)
        self.hypervisor = Hypervisor()
        self.scheduler = Scheduler(self.clock, self.hypervisor)
        self.domains = [Domain() for k in range(count)]
        for domain in self.domains:
            self.scheduler.add(domain)

    def run(self, ns):
        """The picked domain computes."""
        self.hand.time += ns
        self.clock.run_due(self.hand.time)
        return self.scheduler.must_leave()

    def turn(self):
        """Which domain ran until its slice was over."""
        domain = self.scheduler.pick()
        assert self.run(SLICE)
        self.scheduler.put_back()
        return self.domains.index(domain)


def test_domains_take_turns():
    bench = Bench(3)
    assert [bench.turn() for k in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_a_domain_keeps_the_processor_for_its_slice():
    bench = Bench(2)
    first = bench.scheduler.pick()
    assert not bench.run(SLICE - 1) and bench.hypervisor.interrupts == 0
    assert bench.scheduler.pick() is first
    assert bench.run(1) and bench.hypervisor.interrupts == 1


def test_alone_it_goes_on_after_an_interrupt_at_the_end_of_each_slice():
    bench = Bench(1)
    bench.scheduler.pick()
    for turn in range(1, 4):
        assert not bench.run(SLICE)
        assert bench.hypervisor.interrupts == turn


def test_one_that_wakes_gets_its_turn_after_the_slice_of_the_running_one():
    bench = Bench(1)
    assert bench.scheduler.pick() is bench.domains[0]
    bench.domains.append(Domain())
    bench.run(SLICE // 2)
    bench.scheduler.add(bench.domains[1])
    assert bench.run(SLICE // 2)
    bench.scheduler.put_back()
    assert bench.scheduler.pick() is bench.domains[1]


def test_one_that_sleeps_or_has_ended_is_not_run():
    bench = Bench(3)
    for attribute in ('asleep', 'alive'):
        domain = bench.scheduler.pick()
        setattr(domain, attribute, attribute == 'asleep')
        bench.scheduler.put_back()
    domain = bench.scheduler.pick()
    assert domain is bench.domains[2]
    assert not bench.run(SLICE)
    domain.asleep = True
    bench.scheduler.put_back()
    assert bench.scheduler.pick() is None and not bench.scheduler.scheduled


def test_the_running_domain_is_not_queued_twice():
    bench = Bench(1)
    domain = bench.scheduler.pick()
    bench.scheduler.add(domain)
    bench.scheduler.put_back()
    assert bench.scheduler.queue == [domain]
