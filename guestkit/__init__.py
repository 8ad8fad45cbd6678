"""Run operating systems on a machine of your own: bare, or as domains of a hypervisor.

    from guestkit import Machine

    with Machine('kernel.elf') as machine:
        print(machine.run(seconds=10).text)
"""
from guestkit.engine import models
from guestkit.errors import BadInput, EngineError, GuestkitError, GuestStopped, MemoryFault
from guestkit.machine import Domain, Guest, Machine, Reason, Stop
from guestkit.memory import Memory
from guestkit.registers import Registers
from guestkit.report import DomainReport, Report

__version__ = '0.1'
__all__ = ['BadInput', 'Domain', 'DomainReport', 'EngineError', 'Guest', 'GuestStopped', 'GuestkitError', 'Machine', 'Memory',
           'MemoryFault', 'Reason', 'Registers', 'Report', 'Stop', 'models']
