import random

from hyper.board.pic import PicPair

from board_parts import Listener, initialized_pics


def out(pics, port, *values):
    for value in values:
        pics.write_port(port, 1, value)


def in_service(pics, port=0x20):
    out(pics, port, 0x0b)
    return pics.read_port(port, 1)


def requests(pics, port=0x20):
    out(pics, port, 0x0a)
    return pics.read_port(port, 1)


def test_before_it_is_initialized_nothing_is_pending():
    pics = PicPair(Listener())
    pics.set_line(0, True)
    assert not pics.pending()
    out(pics, 0x20, 0x11)
    pics.set_line(1, True)
    assert not pics.pending()


def test_an_edge_gives_its_vector_once():
    pics = initialized_pics()
    pics.set_line(4, True)
    assert pics.pending()
    assert pics.acknowledge() == 0x24
    assert in_service(pics) == 0x10
    out(pics, 0x20, 0x20)
    assert not pics.pending() and in_service(pics) == 0
    pics.set_line(4, False)
    pics.set_line(4, True)
    assert pics.pending()


def test_the_lower_number_has_priority_and_interrupts_the_higher():
    pics = initialized_pics()
    pics.set_line(5, True)
    pics.set_line(3, True)
    assert pics.acknowledge() == 0x23
    assert not pics.pending()
    pics.set_line(1, True)
    assert pics.acknowledge() == 0x21
    out(pics, 0x20, 0x20)
    assert in_service(pics) == 0x08 and not pics.pending()
    out(pics, 0x20, 0x20)
    assert pics.acknowledge() == 0x25


def test_the_slave_comes_through_input_2_and_both_need_an_end_of_interrupt():
    pics = initialized_pics()
    pics.set_line(8, True)
    assert pics.acknowledge() == 0x28
    assert in_service(pics, 0x20) == 0x04 and in_service(pics, 0xa0) == 0x01
    pics.set_line(12, True)
    assert not pics.pending()
    out(pics, 0xa0, 0x20)
    out(pics, 0x20, 0x20)
    assert pics.acknowledge() == 0x2c


def test_a_slave_request_that_arrives_during_another_is_a_new_edge_at_the_master():
    pics = initialized_pics()
    pics.set_line(12, True)
    assert pics.acknowledge() == 0x2c
    pics.set_line(8, True)
    out(pics, 0x20, 0x20)
    assert pics.acknowledge() == 0x28


def test_masked_inputs_wait():
    pics = initialized_pics()
    out(pics, 0x21, 0x10)
    pics.set_line(4, True)
    assert not pics.pending() and requests(pics) == 0x10
    assert pics.read_port(0x21, 1) == 0x10
    out(pics, 0x21, 0x00)
    assert pics.acknowledge() == 0x24


def test_a_request_that_goes_before_it_is_acknowledged_gives_the_spurious_vector():
    pics = initialized_pics()
    pics.set_line(3, True)
    pics.set_line(3, False)
    assert not pics.pending()
    assert pics.acknowledge() == 0x27 and in_service(pics) == 0


def test_a_spurious_slave_interrupt_is_vector_15_with_input_2_in_service():
    pics = initialized_pics()
    pics.set_line(10, True)
    pics.slave.mask = 0xff              # the mask falls between INT and INTA, before the master hears of it
    assert pics.acknowledge() == 0x2f
    assert in_service(pics, 0x20) == 0x04 and in_service(pics, 0xa0) == 0


def test_a_level_input_asks_again_as_long_as_it_is_high():
    pics = initialized_pics()
    out(pics, 0x4d0, 0xff)
    assert pics.read_port(0x4d0, 1) == 0xf8
    pics.set_line(5, True)
    assert pics.acknowledge() == 0x25
    out(pics, 0x20, 0x20)
    assert pics.acknowledge() == 0x25
    pics.set_line(5, False)
    out(pics, 0x20, 0x20)
    assert not pics.pending()


def test_initializing_forgets_edges_but_not_levels():
    pics = initialized_pics()
    out(pics, 0x4d0, 0x20)
    pics.set_line(3, True)
    pics.set_line(5, True)
    out(pics, 0x20, 0x11)
    out(pics, 0x21, 0x40, 0x04, 0x01)
    assert pics.acknowledge() == 0x45
    pics.set_line(5, False)
    out(pics, 0x20, 0x20)
    assert not pics.pending()


def test_a_specific_end_of_interrupt_ends_only_that_input():
    pics = initialized_pics()
    pics.set_line(6, True)
    pics.acknowledge()
    pics.set_line(1, True)
    pics.acknowledge()
    out(pics, 0x20, 0x66)
    assert in_service(pics) == 0x02


def test_rotating_puts_the_served_input_last():
    pics = initialized_pics()
    pics.set_line(3, True)
    pics.acknowledge()
    out(pics, 0x20, 0xa0)               # rotate on non-specific EOI
    pics.set_line(3, False)
    pics.set_line(3, True)
    pics.set_line(4, True)
    assert pics.acknowledge() == 0x24
    out(pics, 0x20, 0x20, 0xc0 | 7)     # set priority: 7 last, as at first
    pics.set_line(0, True)
    assert pics.acknowledge() == 0x20


def test_specific_rotation_ends_and_rotates():
    pics = initialized_pics()
    pics.set_line(2 + 3, True)
    pics.acknowledge()
    out(pics, 0x20, 0xe5)
    assert in_service(pics) == 0
    pics.set_line(6, True)
    pics.set_line(0, True)
    assert pics.acknowledge() == 0x26


def test_automatic_end_of_interrupt_leaves_nothing_in_service_and_may_rotate():
    pics = PicPair(Listener())
    out(pics, 0x20, 0x11)
    out(pics, 0x21, 0x20, 0x04, 0x03, 0x00)
    out(pics, 0x20, 0x80)               # rotate in automatic EOI mode
    pics.set_line(1, True)
    pics.set_line(3, True)
    assert pics.acknowledge() == 0x21
    assert in_service(pics) == 0
    pics.set_line(1, False)
    pics.set_line(1, True)
    assert pics.acknowledge() == 0x23
    assert pics.acknowledge() == 0x21


def test_special_mask_mode_lets_lower_priorities_through_a_masked_input_in_service():
    pics = initialized_pics()
    pics.set_line(1, True)
    pics.acknowledge()
    pics.set_line(6, True)
    assert not pics.pending()
    out(pics, 0x20, 0x68)
    out(pics, 0x21, 0x02)
    assert pics.acknowledge() == 0x26
    out(pics, 0x20, 0x20)               # ends 6: the masked one is left
    assert in_service(pics) == 0x02
    out(pics, 0x20, 0x48)
    pics.set_line(7, True)
    assert not pics.pending()


def test_special_fully_nested_mode_lets_a_higher_slave_input_interrupt_a_lower():
    pics = PicPair(Listener())
    out(pics, 0x20, 0x11)
    out(pics, 0x21, 0x20, 0x04, 0x11, 0x00)
    out(pics, 0xa0, 0x11)
    out(pics, 0xa1, 0x28, 0x02, 0x01, 0x00)
    pics.set_line(12, True)
    assert pics.acknowledge() == 0x2c
    pics.set_line(9, True)
    assert pics.acknowledge() == 0x29


def test_poll_acknowledges_and_names_the_input():
    pics = initialized_pics()
    out(pics, 0x20, 0x0c)
    assert pics.read_port(0x20, 1) == 0
    pics.set_line(5, True)
    out(pics, 0x20, 0x0c)
    assert pics.read_port(0x20, 1) == 0x85
    assert in_service(pics) == 0x20 and not pics.pending()


def test_it_survives_garbage():
    random.seed(1)
    pics = PicPair(Listener())
    for i in range(20000):
        port = random.choice([0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1])
        choice = random.randrange(4)
        if choice == 0:
            pics.write_port(port, 1, random.randrange(256))
        elif choice == 1:
            assert 0 <= pics.read_port(port, 1) <= 255
        elif choice == 2:
            pics.set_line(random.choice([0, 1] + range(3, 16)), random.randrange(2) == 1)
        else:
            assert 0 <= pics.acknowledge() <= 255
