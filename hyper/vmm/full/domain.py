"""A fully virtualized domain: an unmodified guest with a PC of its own, in VMX non-root operation."""
from hyper.board.bus import Bus
from hyper.board.machine import jumps_to_itself
from hyper.board.pc import PC
from hyper.board.pic import InterruptListener
from hyper.board.power import PowerListener
from hyper.cpu.system import STOP_NONE, STOP_VMEXIT
from hyper.errors import UserError
from hyper.vmm.full import exit_dispatch, setup
from hyper.vmm.full.emulator import Emulator
from hyper.vmm.full.ept import ExtendedTables, frames_needed
from hyper.vmm.full.guest import CS, FLAG_IF, GuestProcessor
from hyper.vmm.full.injection import Injector
from hyper.vmm.full.memory import GuestMemory
from hyper.vmm.full.reflected import PF
from hyper.vmm.full.vtlb import ShadowTables
from hyper.vmx import fields, host

SHADOW_FRAMES = 160             # of 4 KB: a directory and tables for 636 MB of scattered linear memory before the shadow is emptied
LARGE_PAGES_OF_EPT = 1 << 16    # in IA32_VMX_EPT_VPID_CAP


class DomainInterrupts(InterruptListener):
    """The INTR wire of the domain's PICs."""

    def __init__(self, domain):
        self.domain = domain

    def interrupt_changed(self):
        self.domain.interrupt_changed()


class DomainPower(PowerListener):
    def __init__(self, domain):
        self.domain = domain

    def power_off(self):
        self.domain.end(0, 'powered off')

    def reset(self):
        self.domain.end(0, 'reset by the guest')

    def exit(self, status):
        self.domain.end(status, 'exited')
