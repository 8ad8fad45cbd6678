"""Events for the guest."""
from full_parts import Guest
from hyper.vmm.full.injection import Injector
from hyper.vmm.full.reflected import DF, GP, NO_ERROR, PF, UD
from hyper.vmx import controls, fields

IF = 0x200
HARDWARE, SOFTWARE = 0x80000300, 0x80000400


class Pic(object):
    def __init__(self):
        self.vectors = []

    def pending(self):
        return self.vectors != []

    def acknowledge(self):
        return self.vectors.pop(0)


class Machine(Guest):
    def __init__(self, flags=IF | 2):
        Guest.__init__(self)
        self.pic = Pic()
        self.injector = Injector(self.processor, self.pic)
        self.vmx.vmwrite(fields.GUEST_RFLAGS, flags)

    def enter(self):
        """The event that the entry injects, which the processor then clears."""
        self.injector.prepare()
        event = self.vmx.vmread(fields.ENTRY_INTERRUPTION_INFORMATION)
        self.vmx.vmwrite(fields.ENTRY_INTERRUPTION_INFORMATION, 0)
        return event

    def exit_while_delivering(self, event, error=0, length=0):
        self.vmx.vmwrite(fields.IDT_VECTORING_INFORMATION, event)
        self.vmx.vmwrite(fields.IDT_VECTORING_ERROR_CODE, error)
        self.vmx.vmwrite(fields.EXIT_INSTRUCTION_LENGTH, length)
        self.injector.exited()

    def window(self):
        return self.vmx.vmread(fields.PROCESSOR_CONTROLS) & controls.INTERRUPT_WINDOW_EXITING != 0


def test_an_interrupt_is_injected_when_the_guest_can_take_it():
    machine = Machine()
    assert machine.enter() == 0
    machine.pic.vectors = [0x20]
    assert machine.enter() == 0x80000020
    assert not machine.window()


def test_otherwise_the_window_is_waited_for():
    for flags, blocking in [(2, 0), (IF, 1), (IF, 2)]:
        machine = Machine(flags)
        machine.vmx.vmwrite(fields.GUEST_INTERRUPTIBILITY, blocking)
        machine.pic.vectors = [0x20]
        assert machine.enter() == 0
        assert machine.window()
        machine.vmx.vmwrite(fields.GUEST_RFLAGS, IF)
        machine.vmx.vmwrite(fields.GUEST_INTERRUPTIBILITY, 0)
        assert machine.enter() == 0x80000020
        assert not machine.window()


def test_a_second_interrupt_waits_for_the_window():
    machine = Machine()
    machine.pic.vectors = [0x20, 0x24]
    assert machine.enter() == 0x80000020
    assert machine.window()


def test_an_exception_goes_before_an_interrupt():
    machine = Machine()
    machine.pic.vectors = [0x20]
    assert machine.injector.exception(PF, 6)
    assert machine.enter() == HARDWARE | 0x800 | PF
    assert machine.vmx.vmread(fields.ENTRY_EXCEPTION_ERROR_CODE) == 6
    assert machine.window()
    assert machine.enter() == 0x80000020


def test_an_exception_without_error_code():
    machine = Machine()
    machine.injector.exception(UD, NO_ERROR)
    assert machine.enter() == HARDWARE | UD


def test_an_event_whose_delivery_was_cut_short_is_delivered_again():
    machine = Machine()
    machine.exit_while_delivering(SOFTWARE | 0x80, length=2)
    assert machine.injector.is_delivering()
    assert machine.enter() == SOFTWARE | 0x80
    assert machine.vmx.vmread(fields.ENTRY_INSTRUCTION_LENGTH) == 2
    machine.exit_while_delivering(HARDWARE | 0x800 | GP, error=0x50)
    assert machine.enter() == HARDWARE | 0x800 | GP
    assert machine.vmx.vmread(fields.ENTRY_EXCEPTION_ERROR_CODE) == 0x50
    assert machine.enter() == 0


def test_faults_while_delivering_follow_the_table_of_double_faults():
    for first, second, taken in [(PF, PF, DF), (PF, GP, DF), (GP, GP, DF), (GP, PF, PF), (UD, PF, PF), (0, 11, DF), (14, UD, UD)]:
        machine = Machine()
        machine.exit_while_delivering(HARDWARE | first)
        assert machine.injector.exception(second, 0)
        assert machine.enter() & 0xff == taken
    machine.exit_while_delivering(HARDWARE | DF)
    assert not machine.injector.exception(PF, 0)


def test_a_fault_of_an_int_instruction_replaces_it():
    machine = Machine()
    machine.exit_while_delivering(SOFTWARE | 0x80, length=2)
    machine.injector.exception(PF, 0)
    assert machine.enter() == HARDWARE | 0x800 | PF
    assert machine.enter() == 0


def test_an_external_interrupt_is_not_lost_by_a_fault_while_delivering_it():
    machine = Machine()
    machine.exit_while_delivering(0x80000020)
    machine.injector.exception(PF, 0)
    assert machine.enter() & 0xff == PF
    assert machine.window()
    assert machine.enter() == 0x80000020
    assert not machine.window()
