from hyper.board.clock import NEVER, Timer

from board_parts import Board


class Note(Timer):
    def __init__(self, log, name, clock=None, period=0):
        self.log = log
        self.name = name
        self.clock = clock
        self.period = period

    def expire(self):
        self.log.append((self.name, self.when))
        if self.period:
            self.clock.schedule(self, self.when + self.period)


def test_timers_expire_in_order_of_time_and_those_of_one_moment_in_order_of_scheduling():
    board, log = Board(), []
    for name, when in [('c', 30), ('a', 10), ('b', 20), ('a2', 10)]:
        board.clock.schedule(Note(log, name), when)
    board.clock.run_due(20)
    assert log == [('a', 10), ('a2', 10), ('b', 20)]
    assert board.clock.next_deadline() == 30


def test_a_periodic_timer_keeps_its_phase_however_late_it_is_run():
    board, log = Board(), []
    board.clock.schedule(Note(log, 'p', board.clock, 100), 100)
    board.clock.run_due(350)
    assert log == [('p', 100), ('p', 200), ('p', 300)]
    assert board.clock.next_deadline() == 400


def test_scheduling_again_moves_a_timer_and_cancelling_removes_it():
    board, log = Board(), []
    timer = Note(log, 't')
    board.clock.schedule(timer, 10)
    board.clock.schedule(timer, 50)
    board.clock.run_due(49)
    assert log == []
    board.clock.cancel(timer)
    board.clock.cancel(timer)
    board.clock.run_due(1000)
    assert log == [] and board.clock.next_deadline() == NEVER


def test_the_listener_hears_of_a_new_earliest_deadline_and_of_no_other():
    board, log = Board(), []
    board.clock.listener = board.listener
    first, second = Note(log, '1'), Note(log, '2')
    board.clock.schedule(first, 100)
    board.clock.schedule(second, 200)
    assert board.listener.heard == ['deadline']
    board.clock.cancel(second)
    assert board.listener.heard == ['deadline']
    board.clock.schedule(second, 50)
    board.clock.run_due(60)
    assert board.listener.heard == ['deadline'] * 3
