import pytest

from hyper.vmm.scheduler.borrowed_virtual_time import ALLOWANCE, BorrowedVirtualTime
from hyper.vmm.scheduler.parameters import LEAST_ALLOWANCE, LONGEST, MOST_ADVANCE, USUAL_ADVANCE

from scheduler_parts import Bench

MS, SECOND = 1000000, 1000000000


def bench_of(*advances):
    bench = Bench(BorrowedVirtualTime, len(advances))
    for domain, advance in zip(bench.domains, advances):
        assert bench.scheduler.adjust(domain, advance, 0, 0, 0)
    return bench


def warp(bench, domain, amount, limit=0, unwarp=0):
    assert bench.scheduler.adjust(domain, domain.account.parameters.mcu_advance, amount, limit, unwarp)


def sleeping_beside(computing, **warped):
    """A domain that sleeps and others that compute, until it wakes in the middle of a turn; the bench and the domain."""
    bench = bench_of(*[USUAL_ADVANCE] * (computing + 1))
    domain = bench.scheduler.pick()
    if warped:
        warp(bench, domain, **warped)
    bench.sleep()
    bench.compute(20 * MS + 123456)
    return bench, domain


def run_until(bench, domain):
    """All compute until it is the domain's turn."""
    for step in range(20000):
        if bench.scheduler.pick() is domain:
            return
        if bench.run(10000):
            bench.scheduler.put_back()
    assert False, 'it never runs'


def latency(bench, domain):
    """For how long the domain waits after it has been woken."""
    before = bench.hand.time
    bench.wake(domain)
    bench.clock.run_due(before)
    if bench.scheduler.must_leave():
        bench.scheduler.put_back()
    run_until(bench, domain)
    return bench.hand.time - before


def test_domains_of_one_weight_take_turns():
    assert bench_of(10, 10, 10).compute(20 * ALLOWANCE)[:12] == [0, 1, 2] * 4


@pytest.mark.parametrize('advances', [[10] * 16, [10, 20] * 8, [5, 10, 20, 40] * 4, range(10, 26), [1] + [16] * 15], ids=str)
def test_sixteen_domains_get_their_shares_within_two_per_cent_over_a_second(advances):
    bench = bench_of(*advances)
    bench.compute(SECOND)
    weights = [1.0 / advance for advance in advances]
    for time, weight in zip(bench.times(), weights):
        assert abs(time / (SECOND * weight / sum(weights)) - 1) < 0.02


def test_a_domain_runs_on_until_it_is_ahead_by_the_allowance():
    bench = bench_of(10, 10)
    bench.scheduler.set_allowance(3 * MS)
    first = bench.scheduler.pick()
    assert not bench.run(3 * MS - 1) and bench.hypervisor.interrupts == 0
    assert bench.scheduler.pick() is first
    assert bench.run(1) and bench.hypervisor.interrupts == 1


def test_alone_it_goes_on_after_an_interrupt_at_the_end_of_each_slice():
    bench = bench_of(10)
    assert bench.compute(100 * MS) == [0] and bench.hypervisor.interrupts == 20


def test_one_that_has_slept_does_not_make_up_for_it():
    bench = bench_of(10, 10)
    domain = bench.scheduler.pick()
    bench.sleep()
    bench.compute(500 * MS)
    bench.scheduler.put_back()
    bench.wake(domain)
    before = bench.times()
    bench.compute(600 * MS)
    for time, earlier in zip(bench.times(), before):
        assert abs(time - earlier - 50 * MS) <= ALLOWANCE


def test_one_that_wakes_when_no_other_can_run_does_not_fall_behind_who_then_wakes():
    bench = bench_of(10, 10)
    late = bench.scheduler.pick()
    bench.sleep()
    other = bench.scheduler.pick()
    bench.run(SECOND)
    bench.sleep()
    bench.wake(late)
    bench.wake(other)
    bench.compute(SECOND + 100 * MS)
    assert abs(other.time - SECOND - 50 * MS) <= ALLOWANCE


def test_a_new_domain_begins_where_the_others_are():
    bench = bench_of(10)
    bench.compute(SECOND)
    bench.create()
    bench.compute(SECOND + 100 * MS)
    assert abs(bench.domains[1].time - 50 * MS) <= ALLOWANCE


def test_a_warped_domain_runs_as_soon_as_it_wakes():
    assert latency(*sleeping_beside(4, amount=50 * MS)) == 0


def test_an_unwarped_domain_waits_for_its_turn():
    assert latency(*sleeping_beside(4)) > ALLOWANCE // 2


def test_a_warped_domain_gets_no_more_than_its_share_in_the_long_run():
    bench = bench_of(10, 10)
    warp(bench, bench.domains[1], 20 * MS)
    assert bench.compute(15 * MS)[-1] == 1
    bench.compute(SECOND)
    assert abs(bench.domains[1].time - bench.domains[0].time) <= 20 * MS + 2 * ALLOWANCE


def test_the_warp_limit_ends_a_warp_and_the_unwarp_time_lets_it_begin_again():
    bench, domain = sleeping_beside(1, amount=500 * MS, limit=5 * MS, unwarp=40 * MS)
    woke = bench.hand.time
    assert latency(bench, domain) == 0
    bench.compute(woke + 5 * MS)
    assert domain.time == 5 * MS
    bench.compute(woke + 5 * MS + 40 * MS)
    unwarped = domain.time - 5 * MS
    assert abs(unwarped - 20 * MS) < 6 * MS                 # as any other, but for what the warp has cost it
    bench.compute(woke + 50 * MS)
    assert domain.time == 10 * MS + unwarped


def test_without_an_unwarp_time_a_warp_that_was_ended_begins_again_when_the_domain_wakes():
    bench, domain = sleeping_beside(1, amount=500 * MS, limit=2 * MS)
    assert latency(bench, domain) == 0
    bench.compute(bench.hand.time + 100 * MS)
    assert domain.time < 60 * MS
    run_until(bench, domain)
    bench.sleep()
    bench.compute(bench.hand.time + MS // 2)
    assert latency(bench, domain) == 0


def test_an_unwarp_time_holds_though_the_domain_sleeps():
    bench, domain = sleeping_beside(4, amount=500 * MS, limit=2 * MS, unwarp=SECOND)
    assert latency(bench, domain) == 0
    bench.run(2 * MS)
    run_until(bench, domain)
    bench.sleep()
    bench.compute(bench.hand.time + MS // 3)
    assert latency(bench, domain) > 0
    assert not domain.account.is_warped(bench.hand.time)


def test_one_that_yields_lets_another_run_for_an_allowance():
    bench = bench_of(10, 10)
    first = bench.scheduler.pick()
    bench.run(1000)
    bench.scheduler.put_back()
    second = bench.scheduler.pick()
    assert second is not first
    assert not bench.run(ALLOWANCE) and bench.run(1000)
    bench.scheduler.put_back()
    assert bench.scheduler.pick() is first
    bench.sleep()
    assert bench.scheduler.pick() is second
    bench.scheduler.put_back()
    assert bench.scheduler.pick() is second                 # there is nobody to yield to


def test_one_that_ends_or_is_removed_is_not_run():
    bench = bench_of(10, 10, 10)
    bench.scheduler.pick().alive = False
    bench.scheduler.put_back()
    bench.scheduler.remove(bench.domains[1])
    assert bench.compute(10 * MS) == [2]
    bench.sleep()
    assert bench.scheduler.pick() is None and not bench.scheduler.scheduled


def test_the_running_domain_is_not_queued_twice():
    bench = bench_of(10)
    bench.scheduler.add(bench.scheduler.pick())
    bench.scheduler.put_back()
    assert bench.scheduler.queue == bench.domains


def test_a_weight_that_is_set_while_it_runs_counts_from_then_on():
    bench = bench_of(10, 10)
    bench.compute(100 * MS)
    bench.scheduler.adjust(bench.scheduler.pick(), 30, 0, 0, 0)
    before = bench.times()
    slow = bench.domains.index(bench.scheduler.running)
    bench.compute(500 * MS)
    assert abs(bench.times()[slow] - before[slow] - 100 * MS) <= 2 * ALLOWANCE


def test_values_out_of_range_are_refused_and_change_nothing():
    bench = bench_of(10)
    domain = bench.domains[0]
    for values in [(0, 0, 0, 0), (MOST_ADVANCE + 1, 0, 0, 0), (-1, 0, 0, 0), (10, -1, 0, 0), (10, LONGEST + 1, 0, 0), (10, 0, LONGEST + 1, 0),
                   (10, 0, -1, 0), (10, 0, 0, -1), (10, 0, 0, LONGEST + 1)]:
        assert not bench.scheduler.adjust(domain, *values)
    assert domain.account.parameters.mcu_advance == 10
    assert not bench.scheduler.set_allowance(LEAST_ALLOWANCE - 1) and not bench.scheduler.set_allowance(2 * SECOND)
    assert bench.scheduler.allowance == ALLOWANCE
