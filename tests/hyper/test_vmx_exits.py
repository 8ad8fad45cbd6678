"""VM exits: what they write and save, and where the host goes on (SDM vol. 3, chapter 27)."""
import pytest

from hyper.cpu import faults
from hyper.cpu.system import STOP_SHUTDOWN, STOP_VMEXIT
from hyper.vmx import controls, events, exits, fields, instructions, reasons, vmcs
from hyper.vmx.operation import SUCCEED
from vmx_parts import (WITH_EPT, DIRECTORY, MSR_LIST, CODE, STACK, VMCS, Interrupts, make_with_guest, enter, exit_reason, qualification)

F = fields


def inside(**wanted):
    vmx = make_with_guest(**wanted)
    enter(vmx)
    return vmx


def read(vmx, *encodings):
    return tuple([vmx.vmread(encoding) for encoding in encodings])


def test_an_exit_writes_reason_qualification_and_length_and_stops_for_the_vmm():
    vmx = inside()
    vmx.system.instruction_length = 3
    exits.intercept(vmx.system, faults.Intercept(reasons.INVLPG, 0xc0001000))
    assert vmx.system.stop == STOP_VMEXIT and not vmx.system.vmx_non_root
    assert read(vmx, F.EXIT_REASON, F.EXIT_QUALIFICATION, F.EXIT_INSTRUCTION_LENGTH) == (14, 0xc0001000, 3)
    assert read(vmx, F.EXIT_INTERRUPTION_INFORMATION, F.IDT_VECTORING_INFORMATION) == (0, 0)


def test_an_exit_for_an_ept_violation_writes_both_addresses():
    vmx = make_with_guest(WITH_EPT)
    enter(vmx)
    exits.intercept(vmx.system, faults.Intercept(reasons.EPT_VIOLATION, 0x181, 0xfee00123, 0xc0000123))
    assert vmx.read64(F.GUEST_PHYSICAL_ADDRESS) == 0xfee00123 and vmx.vmread(F.GUEST_LINEAR_ADDRESS) == 0xc0000123


def test_a_page_fault_exit_has_its_address_as_qualification_and_its_error_code():
    vmx = inside()
    exits.exception(vmx.system, faults.PF, events.HARDWARE_EXCEPTION, 6, 0x12345678)
    assert read(vmx, F.EXIT_REASON, F.EXIT_QUALIFICATION, F.EXIT_INTERRUPTION_INFORMATION, F.EXIT_INTERRUPTION_ERROR_CODE) == (
        0, 0x12345678, 0x80000b0e, 6)


def test_a_breakpoint_exit_is_a_software_exception_with_a_length_and_no_error_code():
    vmx = inside()
    vmx.system.instruction_length = 1
    exits.exception(vmx.system, faults.BP, events.SOFTWARE_EXCEPTION, faults.NO_ERROR_CODE, 0)
    assert read(vmx, F.EXIT_INTERRUPTION_INFORMATION, F.EXIT_INSTRUCTION_LENGTH) == (0x80000603, 1)


def test_an_external_interrupt_is_acknowledged_only_if_the_controls_say_so():
    vmx = inside()
    vmx.system.interrupts = Interrupts(0x20)
    exits.external_interrupt(vmx.system)
    assert exit_reason(vmx) == 1 and vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION) == 0 and vmx.system.interrupts.acknowledged == 0
    vmx = inside(exit=controls.ACKNOWLEDGE_INTERRUPT_ON_EXIT)
    vmx.system.interrupts = Interrupts(0x20)
    exits.external_interrupt(vmx.system)
    assert vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION) == 0x80000020 and vmx.system.interrupts.acknowledged == 1


def test_an_nmi_exit_blocks_further_nmis():
    vmx = inside()
    exits.nmi(vmx.system)
    assert vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION) == 0x80000202 and vmx.system.nmi_blocked


@pytest.mark.parametrize('take, reason', [(exits.triple_fault, 2), (exits.interrupt_window, 7), (exits.nmi_window, 8)])
def test_other_events_exit_with_their_reason_and_nothing_more(take, reason):
    vmx = inside()
    take(vmx.system)
    assert read(vmx, F.EXIT_REASON, F.EXIT_QUALIFICATION, F.EXIT_INTERRUPTION_INFORMATION) == (reason, 0, 0)


def test_an_event_in_delivery_is_the_idt_vectoring_information():
    vmx = inside()
    vmx.system.vectoring = events.information(faults.GP, events.HARDWARE_EXCEPTION, True)
    vmx.system.vectoring_error = 0x18
    exits.exception(vmx.system, faults.PF, events.HARDWARE_EXCEPTION, 0, 0x1000)
    assert read(vmx, F.IDT_VECTORING_INFORMATION, F.IDT_VECTORING_ERROR_CODE) == (0x80000b0d, 0x18) and vmx.system.vectoring == 0


def test_a_software_interrupt_in_delivery_gives_its_length():
    vmx = inside()
    vmx.system.vectoring = events.information(0x80, events.SOFTWARE_INTERRUPT, False)
    vmx.system.instruction_length = 2
    exits.exception(vmx.system, faults.PF, events.HARDWARE_EXCEPTION, 0, 0x1000)
    assert vmx.vmread(F.EXIT_INSTRUCTION_LENGTH) == 2


def test_an_injected_event_is_not_injected_again():
    vmx = inside()
    vmx.memory.write32(VMCS + vmcs.ENTRY_INTERRUPTION_INFORMATION, 0x80000020)
    exits.triple_fault(vmx.system)
    assert vmx.vmread(F.ENTRY_INTERRUPTION_INFORMATION) == 0x20


def test_an_exit_saves_the_guest_state():
    vmx = inside()
    s = vmx.system
    s.cr0, s.cr3, s.cr4 = 0xc0000031, 0x9000, 0x2090
    s.set_segment(4, 0x33, 0x1234000, 0xfffff, 0x40f3)
    s.gdtr_base, s.gdtr_limit, s.idtr_base, s.idtr_limit = 1, 2, 3, 4
    s.sysenter_cs, s.sysenter_esp, s.sysenter_eip = 5, 6, 7
    s.regs[4], s.eip, s.eflags, s.dr[7] = 8, 9, 0x287, 0x555
    s.halted = s.nmi_blocked = True
    exits.triple_fault(s)
    assert read(vmx, F.GUEST_CR0, F.GUEST_CR3, F.GUEST_CR4) == (0xc0000031, 0x9000, 0x2090)
    assert read(vmx, F.GUEST_FS_SELECTOR, F.GUEST_FS_BASE, F.GUEST_FS_LIMIT, F.GUEST_FS_ACCESS) == (0x33, 0x1234000, 0xfffff, 0x40f3)
    assert read(vmx, F.GUEST_GDTR_BASE, F.GUEST_GDTR_LIMIT, F.GUEST_IDTR_BASE, F.GUEST_IDTR_LIMIT) == (1, 2, 3, 4)
    assert read(vmx, F.GUEST_SYSENTER_CS, F.GUEST_SYSENTER_ESP, F.GUEST_SYSENTER_EIP) == (5, 6, 7)
    assert read(vmx, F.GUEST_RSP, F.GUEST_RIP, F.GUEST_RFLAGS, F.GUEST_DR7) == (8, 9, 0x287, 0x555)
    assert read(vmx, F.GUEST_ACTIVITY, F.GUEST_INTERRUPTIBILITY) == (1, 8)


@pytest.mark.parametrize('eflags, interruptibility, pending', [(0x202, 1, 0), (2, 2, 0), (0x302, 1, 1 << 14)])
def test_the_shadow_of_sti_or_mov_ss_is_saved_so_that_an_entry_takes_it_back(eflags, interruptibility, pending):
    vmx = inside()
    vmx.system.shadow = True
    vmx.system.shadow_of_stack = interruptibility == 2
    vmx.system.eflags = eflags
    exits.triple_fault(vmx.system)
    assert read(vmx, F.GUEST_INTERRUPTIBILITY, F.GUEST_PENDING_DEBUG) == (interruptibility, pending)
    enter(vmx, launch=False)
    assert vmx.system.vmx_non_root and vmx.system.shadow


def test_a_host_that_is_guest_code_goes_on_at_its_rip_with_its_own_state():
    vmx = make_with_guest()
    for encoding, value in [(F.HOST_RIP, 0x28000), (F.HOST_RSP, 0x29000), (F.HOST_CR3, 0xa000), (F.HOST_CR4, 0x2010), (F.HOST_GDTR_BASE, 0xb000),
                            (F.HOST_IDTR_BASE, 0xc000), (F.HOST_TR_BASE, 0xd000), (F.HOST_FS_SELECTOR, 0x20), (F.HOST_FS_BASE, 0xe000),
                            (F.HOST_SYSENTER_CS, 0x30), (F.HOST_SYSENTER_ESP, 0x31), (F.HOST_SYSENTER_EIP, 0x32)]:
        vmx.vmwrite(encoding, value)
    s = vmx.system
    instructions.execute(s, instructions.VMLAUNCH)
    assert s.vmx_non_root and s.eip == CODE
    s.cpl = 3
    s.regs[0] = 99
    exits.triple_fault(s)
    assert s.stop == 0 and not s.vmx_non_root
    assert (s.eip, s.regs[4], s.cr3, s.cr4, s.eflags, s.cpl) == (0x28000, 0x29000, 0xa000, 0x2010, 2, 0)
    assert (s.gdtr_base, s.gdtr_limit, s.idtr_base, s.idtr_limit) == (0xb000, 0xffff, 0xc000, 0xffff)
    assert (s.selector[1], s.base[1], s.limits[1], s.access[1]) == (8, 0, 0xffffffff, 0xc09b)
    assert (s.selector[4], s.base[4], s.access[4]) == (0x20, 0xe000, 0xc093) and s.access[5] & 0x10000
    assert (s.selector[7], s.base[7], s.limits[7], s.access[7]) == (0x18, 0xd000, 0x67, 0x8b) and s.access[6] == 0x10000
    assert (s.sysenter_cs, s.sysenter_esp, s.sysenter_eip, s.dr[7], s.regs[0]) == (0x30, 0x31, 0x32, 0x400, 99)
    assert exit_reason(vmx) == 2


def test_a_late_entry_failure_loads_the_state_of_a_guest_host():
    vmx = make_with_guest()
    vmx.vmwrite(F.HOST_RIP, 0x28000)
    vmx.vmwrite(F.GUEST_RFLAGS, 0)
    instructions.execute(vmx.system, instructions.VMLAUNCH)
    assert vmx.system.eip == 0x28000 and exit_reason(vmx) == 0x80000021
    assert vmx.vmread(F.GUEST_RIP) == CODE


def test_every_exit_reason_has_a_name_and_an_unknown_one_a_number():
    assert reasons.reason_name(reasons.VMCALL) == 'VMCALL'
    assert reasons.reason_name(0x80000021) == 'VM-entry failure: invalid guest state'
    assert reasons.reason_name(63) == 'exit reason 63' and reasons.reason_name(0xffff) == 'exit reason 65535'
    assert reasons.instruction_error_name(7) == 'VM entry with invalid control field(s)'
