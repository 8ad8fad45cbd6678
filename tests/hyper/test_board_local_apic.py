"""The local APIC: registers, priority, the timer, messages, its pins, its place in the address space."""
import pytest

from board_parts import Board, initialized_pics
from hyper.board.local_apic import LocalApic
from hyper.cpu import models

BASE = 0xfee00000
ENABLED = 0x900
(ID, VERSION, TPR, PPR, EOI, LDR, DFR, SVR, ISR, TMR, IRR, ESR, ICR, ICR_HIGH, TIMER, THERMAL, COUNTER, LINT0, LINT1, ERROR, INITIAL, CURRENT, DIVIDE) = (
    0x20, 0x30, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x180, 0x200, 0x280, 0x300, 0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x390,
    0x3e0)
MASKED, PERIODIC, LEVEL = 1 << 16, 1 << 17, 1 << 15
SELF, ALL, OTHERS = 1 << 18, 2 << 18, 3 << 18


class Apic(object):
    """As firmware leaves it, on a board of its own."""

    def __init__(self, model='core2duo'):
        self.board = Board()
        self.pics = initialized_pics()
        self.apic = LocalApic(self.board.bus, self.board.clock, self.pics, self.board.listener, models.find(model))
        self.apic.connect()
        self.apic.reset()
        self.base = BASE

    def read(self, offset, size=4):
        return self.board.bus.read_memory(self.base + offset, size)

    def write(self, offset, value, size=4):
        self.board.bus.write_memory(self.base + offset, size, value)

    def irq(self, line, level=True):
        self.pics.set_line(line, level)

    def send(self, command, destination=0):
        self.write(ICR_HIGH, destination << 24)
        self.write(ICR, command)

    def heard(self, what):
        return self.board.listener.heard.count(what)

    def take(self):
        """The vector that the processor takes, or None."""
        return self.apic.acknowledge() if self.apic.pending() else None


def test_firmware_leaves_it_in_virtual_wire_mode():
    apic = Apic()
    assert (apic.read(SVR), apic.read(LINT0), apic.read(LINT1), apic.read(TIMER)) == (0x1ff, 0x700, 0x400, MASKED)
    assert apic.take() is None
    apic.irq(3)
    assert apic.take() == 0x23
    assert apic.read(ISR + 0x10) == 0           # the PICs' business, not the APIC's


def test_interrupts_of_the_pics_pass_whatever_the_task_priority():
    apic = Apic()
    apic.write(TPR, 0xff)
    apic.irq(3)
    assert apic.take() == 0x23


def test_a_masked_lint0_holds_the_pics_back():
    apic = Apic()
    apic.irq(3)
    apic.write(LINT0, MASKED | 0x700)
    assert apic.take() is None
    apic.write(LINT0, 0x700)
    assert apic.take() == 0x23


def test_switched_off_by_its_msr_it_is_not_there_and_the_pins_go_to_the_processor():
    apic = Apic()
    apic.write(LINT0, MASKED)
    apic.write(LINT1, MASKED)
    apic.apic.set_base(BASE)
    assert not apic.board.bus.is_memory(BASE)
    apic.irq(4)
    assert apic.take() == 0x24
    apic.apic.pulse_nmi_pin()
    assert apic.heard('NMI') == 1
    apic.apic.set_base(BASE | ENABLED)          # back, it is as after RESET
    assert (apic.read(SVR), apic.read(LINT0)) == (0xff, MASKED)


def test_its_registers_can_be_moved():
    apic = Apic()
    apic.write(TPR, 0x30)
    apic.apic.set_base(0x90000 | ENABLED)
    assert apic.board.bus.is_memory(0x90ff0) and not apic.board.bus.is_memory(BASE)
    apic.base = 0x90000
    assert apic.read(TPR) == 0x30


@pytest.mark.parametrize('model, version', [('pentium', 0x30010), ('pentium-2', 0x40011), ('pentium-3', 0x40011), ('core2duo', 0x50014),
                                            ('pentium-d', 0x50014), ('nehalem', 0x50014)])
def test_the_version_tells_how_many_local_vectors_the_model_has(model, version):
    apic = Apic(model)
    assert apic.read(VERSION) == version
    for offset, needed in [(COUNTER, 0x40000), (THERMAL, 0x50000)]:
        apic.write(offset, 0x40)
        assert apic.read(offset) == (0x40 if version >= needed else 0)


def test_reserved_bits_of_registers_read_as_they_must():
    apic = Apic()
    for offset, value in [(TPR, 0xff), (LDR, 0xff000000), (DFR, 0xffffffff), (SVR, 0x3ff), (TIMER, 0x300ff), (LINT0, 0x1a7ff), (LINT1, 0x1a7ff),
                          (ERROR, 0x100ff), (ICR, 0xccfff), (ICR_HIGH, 0xff000000), (DIVIDE, 0xb), (ID, 0xff000000)]:
        apic.write(offset, 0xffffffff)
        assert apic.read(offset) == value, hex(offset)
    apic.write(VERSION, 0)
    assert apic.read(VERSION) == 0x50014


def test_only_the_first_four_of_sixteen_bytes_are_there():
    apic = Apic()
    assert apic.read(VERSION, 1) == 0x14 and apic.read(VERSION + 2, 1) == 5
    assert apic.read(VERSION + 4) == 0 and apic.read(VERSION + 2) == 0
    apic.write(TPR + 1, 0x55)
    apic.write(TPR, 0x55, 1)
    assert apic.read(TPR) == 0


def test_a_message_to_itself_is_taken_and_in_service_until_its_end():
    apic = Apic()
    apic.send(SELF | 0x41)
    assert apic.read(IRR + 0x20) == 2 and apic.read(ISR + 0x20) == 0
    assert apic.take() == 0x41
    assert apic.read(IRR + 0x20) == 0 and apic.read(ISR + 0x20) == 2
    assert apic.read(PPR) == 0x40
    apic.write(EOI, 0)
    assert apic.read(ISR + 0x20) == 0 and apic.read(PPR) == 0


def test_the_highest_request_goes_first_and_its_class_blocks_the_rest():
    apic = Apic()
    for vector in [0x51, 0x92, 0x5f, 0x31]:
        apic.send(SELF | vector)
    assert apic.take() == 0x92
    assert apic.take() is None
    apic.send(SELF | 0x9f)                      # same class
    assert apic.take() is None
    apic.send(SELF | 0xa0)
    assert apic.take() == 0xa0
    for expected in [None, 0x9f, 0x5f, 0x51, 0x31]:
        apic.write(EOI, 0)
        assert apic.take() == expected


def test_the_task_priority_holds_back_its_own_class_and_lower_ones():
    apic = Apic()
    apic.write(TPR, 0x52)
    apic.send(SELF | 0x5f)
    assert apic.take() is None and apic.read(PPR) == 0x52
    apic.write(TPR, 0x4f)
    assert apic.heard('interrupt') > 0
    assert apic.take() == 0x5f


def test_an_acknowledge_without_a_request_is_the_spurious_vector():
    apic = Apic()
    apic.write(LINT0, MASKED)
    apic.write(SVR, 0x1ef)
    assert apic.apic.acknowledge() == 0xef
    assert apic.read(ISR + 0x70) == 0


def test_software_disabling_masks_every_local_vector():
    apic = Apic()
    apic.write(TIMER, 0x40)
    apic.write(SVR, 0xff)
    assert all(apic.read(offset) & MASKED for offset in [TIMER, THERMAL, COUNTER, LINT0, LINT1, ERROR])
    apic.write(LINT0, 0x700)
    assert apic.read(LINT0) == MASKED | 0x700
    apic.write(SVR, 0x1ff)
    apic.write(LINT0, 0x700)
    assert apic.read(LINT0) == 0x700


@pytest.mark.parametrize('code, divisor', [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)])
def test_the_timer_counts_nanoseconds_divided(code, divisor):
    apic = Apic()
    apic.write(DIVIDE, code)
    apic.write(TIMER, 0x40)
    apic.write(INITIAL, 1000)
    assert apic.read(CURRENT) == 1000
    apic.board.run_to(10 * divisor)
    assert apic.read(CURRENT) == 990
    apic.board.run_to(1000 * divisor - 1)
    assert apic.take() is None and apic.read(CURRENT) == 1
    apic.board.run_to(1000 * divisor)
    assert apic.take() == 0x40 and apic.read(CURRENT) == 0
    apic.write(EOI, 0)
    apic.board.run_to(5000 * divisor)
    assert apic.take() is None


def test_a_periodic_timer_starts_again():
    apic = Apic()
    apic.write(DIVIDE, 11)
    apic.write(TIMER, PERIODIC | 0x40)
    apic.write(INITIAL, 100)
    for k in range(1, 4):
        apic.board.run_to(100 * k - 1)
        assert apic.take() is None
        apic.board.run_to(100 * k)
        assert apic.read(CURRENT) == 100
        assert apic.take() == 0x40
        apic.write(EOI, 0)
    apic.write(INITIAL, 0)
    apic.board.run_to(1000)
    assert apic.take() is None and apic.read(CURRENT) == 0


def test_missed_periods_of_the_timer_become_one_request():
    apic = Apic()
    apic.write(DIVIDE, 11)
    apic.write(TIMER, PERIODIC | 0x40)
    apic.write(INITIAL, 1)
    apic.board.hand.time = 10 ** 9
    apic.board.clock.run_due(10 ** 9)           # ends at once
    assert apic.take() == 0x40
    assert apic.board.clock.next_deadline() == 10 ** 9 + 1


def test_a_timer_whose_request_waits_has_no_deadline():
    apic = Apic()
    before = apic.board.clock.next_deadline()
    apic.write(TPR, 0xf0)
    apic.write(DIVIDE, 11)
    apic.write(TIMER, PERIODIC | 0x40)
    apic.write(INITIAL, 100)
    apic.board.run_to(130)
    assert apic.read(IRR + 0x40 // 2) == 1 and apic.board.clock.next_deadline() == before
    apic.write(TPR, 0)
    assert apic.take() == 0x40
    assert apic.board.clock.next_deadline() == 200


def test_a_masked_timer_counts_and_has_no_deadline():
    apic = Apic()
    apic.write(DIVIDE, 11)
    before = apic.board.clock.next_deadline()
    apic.write(TIMER, MASKED | PERIODIC | 0x40)
    apic.write(INITIAL, 100)
    assert apic.board.clock.next_deadline() == before
    apic.board.run_to(130)
    assert apic.read(CURRENT) == 70
    apic.write(TIMER, PERIODIC | 0x40)
    apic.board.run_to(199)
    assert apic.take() is None
    apic.board.run_to(200)
    assert apic.take() == 0x40


def test_changing_the_divisor_goes_on_from_the_current_count():
    apic = Apic()
    apic.write(DIVIDE, 11)
    apic.write(TIMER, 0x40)
    apic.write(INITIAL, 100)
    apic.board.run_to(50)
    apic.write(DIVIDE, 0)
    apic.board.run_to(149)
    assert apic.read(CURRENT) == 1 and apic.take() is None
    apic.board.run_to(150)
    assert apic.take() == 0x40


@pytest.mark.parametrize('command, destination, taken', [
    (0x41, 0, True), (0x41, 0xff, True), (0x41, 1, False), (SELF | 0x41, 7, True), (ALL | 0x41, 7, True), (OTHERS | 0x41, 0, False),
    (0x141, 0, True), (0x841, 0x02, True), (0x841, 0x06, True), (0x841, 0x01, False)])
def test_a_message_reaches_the_processor_only_if_it_is_addressed(command, destination, taken):
    apic = Apic()
    apic.write(LDR, 0x02000000)
    apic.send(command, destination)
    assert apic.take() == (0x41 if taken else None)
    assert apic.read(ICR) & 0x1000 == 0         # never busy


def test_logical_destinations_in_clusters():
    apic = Apic()
    apic.write(DFR, 0x0fffffff)
    apic.write(LDR, 0x24000000)
    for destination, taken in [(0x24, True), (0x2f, True), (0x34, False), (0x21, False), (0xf4, True)]:
        apic.send(0x841, destination)
        assert apic.take() == (0x41 if taken else None), hex(destination)
        apic.write(EOI, 0)


def test_nmi_and_init_can_be_sent_to_itself_but_not_by_shorthand():
    apic = Apic()
    apic.send(0x4400)
    assert apic.heard('NMI') == 1
    apic.send(SELF | 0x4400)
    assert apic.heard('NMI') == 1
    apic.send(0x8500)                           # level de-assert
    assert apic.heard('INIT') == 0
    apic.send(0x4500)
    assert apic.heard('INIT') == 1
    apic.send(0x4600)                           # a start-up message finds it running
    assert apic.take() is None


def test_errors_are_latched_by_a_write_and_told_by_an_interrupt():
    apic = Apic()
    apic.write(ERROR, 0xe0)
    apic.send(SELF | 0x0f)
    assert apic.read(ESR) == 0
    assert apic.take() == 0xe0
    apic.write(ESR, 0)
    assert apic.read(ESR) == 0x20
    apic.read(0x3f0)
    apic.write(ESR, 0)
    assert apic.read(ESR) == 0x80
    apic.write(ESR, 0)
    assert apic.read(ESR) == 0


def test_a_timer_with_an_illegal_vector_is_an_error():
    apic = Apic()
    apic.write(TIMER, 5)
    apic.write(INITIAL, 1)
    apic.board.run_to(10)
    apic.write(ESR, 0)
    assert apic.take() is None and apic.read(ESR) == 0x40


def test_a_message_that_nobody_accepts_is_an_error_on_the_serial_bus_only():
    for model, status in [('pentium-3', 4), ('core2duo', 0)]:
        apic = Apic(model)
        apic.send(0x41, 5)
        apic.write(ESR, 0)
        assert apic.read(ESR) == status


def test_lint0_as_a_fixed_interrupt_by_its_edge():
    apic = Apic()
    apic.write(LINT0, 0x45)
    apic.irq(3)
    assert apic.take() == 0x45
    apic.write(EOI, 0)
    assert apic.take() is None                  # the PICs still ask, but there is no edge


def test_lint0_as_a_level_comes_again_after_its_end():
    apic = Apic()
    apic.write(LINT0, LEVEL | 0x45)
    apic.irq(3)
    assert apic.take() == 0x45
    assert apic.read(LINT0) & 1 << 14 and apic.read(TMR + 0x20) == 0x20
    apic.write(EOI, 0)
    assert apic.take() == 0x45
    apic.irq(3, False)
    apic.write(EOI, 0)
    assert apic.take() is None and apic.read(LINT0) == LEVEL | 0x45


def test_lint1_is_nmi_unless_it_is_told_otherwise():
    apic = Apic()
    apic.apic.pulse_nmi_pin()
    assert apic.heard('NMI') == 1
    apic.write(LINT1, 0x46)
    apic.apic.pulse_nmi_pin()
    assert apic.heard('NMI') == 1 and apic.take() == 0x46
    apic.write(LINT1, MASKED | 0x400)
    apic.apic.pulse_nmi_pin()
    assert apic.heard('NMI') == 1


def test_no_write_breaks_it():
    """Whatever a guest writes, reading, time and acknowledging go on."""
    import random
    r = random.Random(7)
    apic = Apic()
    for _ in range(4000):
        value = r.choice([0, 1, 0xffffffff, r.getrandbits(32), r.getrandbits(8), 0x10000 | r.getrandbits(8)])
        apic.write(r.choice([r.randrange(0x1000), 16 * r.randrange(0x40)]), value, r.choice([1, 2, 4, 4, 4, 4]))
        apic.read(r.randrange(0xffd), r.choice([1, 2, 4]))
        apic.board.run_to(apic.board.hand.time + r.choice([0, 1, 100]))
        assert 0 <= apic.apic.acknowledge() <= 255
