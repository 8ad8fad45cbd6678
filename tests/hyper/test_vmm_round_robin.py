from hyper.vmm.scheduler.round_robin import SLICE, RoundRobin

import scheduler_parts


class Bench(scheduler_parts.Bench):
    def __init__(self, count):
        scheduler_parts.Bench.__init__(self, RoundRobin, count)

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
    bench.run(SLICE // 2)
    bench.create()
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


def test_one_that_was_removed_is_not_run_before_it_is_added_again():
    bench = Bench(3)
    bench.scheduler.remove(bench.domains[1])
    assert [bench.turn() for k in range(4)] == [0, 2, 0, 2]
    bench.scheduler.add(bench.domains[1])
    assert [bench.turn() for k in range(3)] == [0, 2, 1]


def test_the_allowance_is_the_length_of_a_slice():
    bench = Bench(2)
    assert not bench.scheduler.set_allowance(0) and bench.scheduler.set_allowance(SLICE * 2)
    bench.scheduler.pick()
    assert not bench.run(SLICE) and bench.run(SLICE)
