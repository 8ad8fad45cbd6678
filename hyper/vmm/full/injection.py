"""Events for the guest: interrupts of its PICs and its local APIC, NMI, exceptions that the VMM reflects, and events whose delivery an exit has cut
short (SDM vol. 3, 24.8.3 and 27.2.3)."""
from hyper.vmm.full.guest import BLOCKED_BY_MOV_SS, BLOCKED_BY_NMI, BLOCKED_BY_STI, FLAG_IF
from hyper.vmm.full.reflected import DE, DF, GP, NO_ERROR, PF, SS, TS, NP
from hyper.vmx import controls, fields

VALID, ERROR_VALID = 1 << 31, 1 << 11
TYPE_SHIFT = 8
EXTERNAL, NMI, HARDWARE_EXCEPTION, SOFTWARE_INTERRUPT, PRIVILEGED_SOFTWARE_EXCEPTION, SOFTWARE_EXCEPTION = 0, 2, 3, 4, 5, 6
NOTHING = 0
NMI_VECTOR = 2
NONE = -1


def is_contributory(vector):
    """SDM vol. 3, table 6-4."""
    return vector == DE or TS <= vector <= GP


class Injector(object):
    """`guest` is the GuestProcessor, `controller` has pending() and acknowledge(). After each exit `exited` must be called if the exit can have cut
    short the delivery of an event; before each entry, `prepare`."""
    _immutable_fields_ = ['guest', 'controller']

    def __init__(self, guest, controller):
        self.guest = guest
        self.controller = controller
        self.nmi = False                    # one waits
        self.controls = 0                   # the processor controls in force, with or without the window
        self.information = NOTHING          # of the event to inject on the next entry, as the VMCS has it
        self.error = 0
        self.length = 0
        self.interrupted = NONE             # vector of an acknowledged external interrupt still to be delivered

    def exited(self):
        """Takes the event that was being delivered when the exit happened: it is delivered again unless an exception replaces it."""
        guest = self.guest
        information = guest.read(fields.IDT_VECTORING_INFORMATION)
        self.information = NOTHING
        if information & VALID:
            self.information = information & ~(1 << 12)
            if information & ERROR_VALID:
                self.error = guest.read(fields.IDT_VECTORING_ERROR_CODE)
            kind = information >> TYPE_SHIFT & 7
            if kind >= SOFTWARE_INTERRUPT:
                self.length = guest.read(fields.EXIT_INSTRUCTION_LENGTH)

    def exception(self, vector, error):
        """Reflects an exception. False if it must end in a triple fault, by the rules of SDM vol. 3, table 6-5."""
        if self.information != NOTHING:
            first = self.information & 0xff
            kind = self.information >> TYPE_SHIFT & 7
            if kind == EXTERNAL:
                self.interrupted = first
            elif kind == HARDWARE_EXCEPTION:
                serious = is_contributory(vector) or vector == PF
                if first == DF and serious:
                    return False
                if first == PF and serious or is_contributory(first) and is_contributory(vector):
                    vector = DF
                    error = 0
        self.information = vector | HARDWARE_EXCEPTION << TYPE_SHIFT | VALID
        if error != NO_ERROR and not self.guest.is_in_real_mode():
            self.information |= ERROR_VALID
            self.error = error
        return True

    def has_interrupt(self):
        """Whether there is an interrupt or an NMI for the guest, which would also end its HLT."""
        return self.nmi or self.has_external()

    def has_external(self):
        return self.interrupted != NONE or self.controller.pending()

    def can_interrupt(self):
        guest = self.guest
        if not guest.read(fields.GUEST_RFLAGS) & FLAG_IF:
            return False
        return not guest.read(fields.GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)

    def can_take_nmi(self):
        return not self.guest.read(fields.GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI)

    def prepare(self):
        """Before an entry: injects what is due, and asks for an exit when the guest can take what has to wait."""
        if self.information == NOTHING and self.nmi and self.can_take_nmi():
            self.nmi = False
            self.information = NMI_VECTOR | NMI << TYPE_SHIFT | VALID
        if self.information == NOTHING and self.has_external() and self.can_interrupt():
            vector = self.interrupted
            if vector == NONE:
                vector = self.controller.acknowledge()
            self.interrupted = NONE
            self.information = vector & 0xff | EXTERNAL << TYPE_SHIFT | VALID
        if self.information != NOTHING:
            self.inject()
        self.open_windows(self.has_external(), self.nmi)

    def inject(self):
        guest = self.guest
        guest.write(fields.ENTRY_INTERRUPTION_INFORMATION, self.information)
        if self.information & ERROR_VALID:
            guest.write(fields.ENTRY_EXCEPTION_ERROR_CODE, self.error)
        if self.information >> TYPE_SHIFT & 7 >= SOFTWARE_INTERRUPT:
            guest.write(fields.ENTRY_INSTRUCTION_LENGTH, self.length)
        self.information = NOTHING

    def open_windows(self, for_interrupt, for_nmi):
        """Interrupt-window and NMI-window exiting, changed only when they must be."""
        value = self.controls & ~(controls.INTERRUPT_WINDOW_EXITING | controls.NMI_WINDOW_EXITING)
        if for_interrupt:
            value |= controls.INTERRUPT_WINDOW_EXITING
        if for_nmi:
            value |= controls.NMI_WINDOW_EXITING
        if value != self.controls:
            self.controls = value
            self.guest.write(fields.PROCESSOR_CONTROLS, value)

    def drop(self):
        """The event has been delivered by other means."""
        self.information = NOTHING

    def is_delivering(self):
        """Whether the last exit cut short the delivery of an event."""
        return self.information != NOTHING
