"""VM entries: each class of check, and what is loaded (SDM vol. 3, chapter 26)."""
import pytest

from hyper.cpu import flags
from hyper.vmx import controls, events, exits, fields, host, reasons, vmcs
from hyper.vmx.operation import SUCCEED, FAIL_VALID
from vmx_parts import (CORE_2, WITH_EPT, DIRECTORY, IO_BITMAPS, MSR_BITMAP, MSR_LIST, EPT_TABLES, CODE, STACK, VMCS, OTHER_VMCS, REGION, make_with_guest,
                       load, fill, enter, enters, exit_reason, qualification)

F = fields


def refused(vmx, error):
    """Whether the entry fails as VMfailValid with this error, before anything is loaded."""
    eip = vmx.system.eip
    enter(vmx)
    return vmx.status == FAIL_VALID and vmx.error == error and vmx.failed_check != '' and not vmx.system.vmx_non_root and vmx.system.eip == eip


def failed_late(vmx, reason=33, expected_qualification=0):
    """Whether the entry fails like an exit, with the entry-failure bit."""
    enter(vmx)
    return (vmx.status == SUCCEED and not vmx.system.vmx_non_root and exit_reason(vmx) == 0x80000000 | reason and
            qualification(vmx) == expected_qualification and vmx.failed_check != '')


def write64(field, value):
    return [(field, value & 0xffffffff), (field + 1, value >> 32)]


def change(vmx, writes):
    for encoding, value in writes:
        vmx.vmwrite(encoding, value)
        assert vmx.status == SUCCEED


def test_the_guest_of_these_tests_can_be_entered():
    assert enters(make_with_guest()) and enters(make_with_guest(WITH_EPT))


# -- 26.2.1: controls

PRIMARY = 0x0401E172
BAD_CONTROLS = {
    'pin-based': [(F.PIN_CONTROLS, 0)],
    'pin-based, beyond': [(F.PIN_CONTROLS, 0x16 | 1 << 6)],
    'processor-based': [(F.PROCESSOR_CONTROLS, PRIMARY & ~2)],
    'processor-based, beyond': [(F.PROCESSOR_CONTROLS, PRIMARY | 1 << 27)],
    'CR3 targets': [(F.CR3_TARGET_COUNT, 5)],
    'I/O bitmap A': [(F.PROCESSOR_CONTROLS, PRIMARY | controls.USE_IO_BITMAPS), (F.IO_BITMAP_A, 0x801)],
    'I/O bitmap B': [(F.PROCESSOR_CONTROLS, PRIMARY | controls.USE_IO_BITMAPS)] + write64(F.IO_BITMAP_B, 1 << 36),
    'MSR bitmap': [(F.PROCESSOR_CONTROLS, PRIMARY | controls.USE_MSR_BITMAPS), (F.MSR_BITMAP, 8)],
    'virtual-APIC page': [(F.PROCESSOR_CONTROLS, PRIMARY | controls.USE_TPR_SHADOW), (F.VIRTUAL_APIC_ADDRESS, 16)],
    'TPR threshold': [(F.PROCESSOR_CONTROLS, PRIMARY | controls.USE_TPR_SHADOW), (F.VIRTUAL_APIC_ADDRESS, 0x9000), (F.TPR_THRESHOLD, 1)],
    'virtual NMIs': [(F.PIN_CONTROLS, 0x16 | controls.VIRTUAL_NMIS)],
    'NMI window': [(F.PROCESSOR_CONTROLS, PRIMARY | controls.NMI_WINDOW_EXITING)],
    'exit': [(F.EXIT_CONTROLS, 0)],
    'exit, beyond': [(F.EXIT_CONTROLS, 0x36DFF | 1 << 12)],
    'MSR-store list': [(F.EXIT_MSR_STORE_COUNT, 1), (F.EXIT_MSR_STORE_ADDRESS, 8)],
    'MSR-load list': [(F.EXIT_MSR_LOAD_COUNT, 2)] + write64(F.EXIT_MSR_LOAD_ADDRESS, (1 << 36) - 16),
    'entry': [(F.ENTRY_CONTROLS, 0)],
    'entry, beyond': [(F.ENTRY_CONTROLS, 0x11ff | 1 << 13)],
    'entry list': [(F.ENTRY_MSR_LOAD_COUNT, 1), (F.ENTRY_MSR_LOAD_ADDRESS, 4)],
    'entry to SMM': [(F.ENTRY_CONTROLS, 0x11ff | controls.ENTRY_TO_SMM)],
}


@pytest.mark.parametrize('what', sorted(BAD_CONTROLS))
def test_a_bad_control_is_refused_with_error_7(what):
    vmx = make_with_guest()
    change(vmx, BAD_CONTROLS[what])
    assert refused(vmx, 7)


BAD_SECONDARY = {
    'beyond': controls.DESCRIPTOR_TABLE_EXITING,
    'VPID 0': controls.ENABLE_VPID,
    'EPT pointer': controls.ENABLE_EPT,
    'unrestricted without EPT': controls.UNRESTRICTED_GUEST,
}


@pytest.mark.parametrize('what', sorted(BAD_SECONDARY))
def test_a_bad_secondary_control_is_refused_with_error_7_but_ignored_while_not_activated(what):
    vmx = make_with_guest(WITH_EPT)
    vmx.vmwrite(F.SECONDARY_CONTROLS, BAD_SECONDARY[what])
    assert enters(vmx)
    vmx.vmwrite(F.PROCESSOR_CONTROLS, PRIMARY | controls.ACTIVATE_SECONDARY_CONTROLS)
    assert refused(vmx, 7)


@pytest.mark.parametrize('pointer', [EPT_TABLES, EPT_TABLES | 0x1d, EPT_TABLES | 0x16, EPT_TABLES | 0x5e, 1 << 36 | 0x1e, EPT_TABLES | 0x11e])
def test_a_malformed_ept_pointer_is_refused(pointer):
    vmx = make_with_guest(WITH_EPT, processor=controls.ACTIVATE_SECONDARY_CONTROLS, secondary=controls.ENABLE_EPT)
    vmx.write64(F.EPT_POINTER, pointer)
    assert refused(vmx, 7)
    vmx.write64(F.EPT_POINTER, EPT_TABLES | 0x1e)
    assert enters(vmx)


def event(vector, kind, error=False):
    return [(F.ENTRY_INTERRUPTION_INFORMATION, events.information(vector, kind, error))]


BAD_EVENTS = {
    'reserved type': event(3, 1),
    'other event': event(0, 7),
    'reserved bits': [(F.ENTRY_INTERRUPTION_INFORMATION, 1 << 31 | 1 << 12 | 0x20)],
    'NMI with another vector': event(3, events.NMI),
    'exception above 31': event(32, events.HARDWARE_EXCEPTION),
    '#UD with an error code': event(6, events.HARDWARE_EXCEPTION, True),
    '#GP without one': event(13, events.HARDWARE_EXCEPTION),
    'an interrupt with one': event(13, events.EXTERNAL_INTERRUPT, True),
    'reserved bits in the error code': event(13, events.HARDWARE_EXCEPTION, True) + [(F.ENTRY_EXCEPTION_ERROR_CODE, 0x10000)],
    'INT n of length 0': event(0x80, events.SOFTWARE_INTERRUPT) + [(F.ENTRY_INSTRUCTION_LENGTH, 0)],
    'INT3 of length 16': event(3, events.SOFTWARE_EXCEPTION) + [(F.ENTRY_INSTRUCTION_LENGTH, 16)],
}


@pytest.mark.parametrize('what', sorted(BAD_EVENTS))
def test_a_malformed_event_is_refused_with_error_7(what):
    vmx = make_with_guest()
    change(vmx, BAD_EVENTS[what])
    assert refused(vmx, 7)


# -- 26.2.2 to 26.2.4: host state

BAD_HOST = {
    'CR0': [(F.HOST_CR0, 0x31)],
    'CR4': [(F.HOST_CR4, 0)],
    'CR4, beyond': [(F.HOST_CR4, 0x12000)],
    'RPL': [(F.HOST_DS_SELECTOR, 0x13)],
    'TI': [(F.HOST_FS_SELECTOR, 4)],
    'null CS': [(F.HOST_CS_SELECTOR, 0)],
    'null SS': [(F.HOST_SS_SELECTOR, 0)],
    'null TR': [(F.HOST_TR_SELECTOR, 0)],
    '64-bit host': [(F.EXIT_CONTROLS, 0x36DFF | controls.HOST_ADDRESS_SPACE_SIZE)],
    '64-bit guest': [(F.ENTRY_CONTROLS, 0x11ff | controls.IA_32E_MODE_GUEST)],
}


@pytest.mark.parametrize('what', sorted(BAD_HOST))
def test_a_bad_host_state_is_refused_with_error_8(what):
    vmx = make_with_guest()
    change(vmx, BAD_HOST[what])
    assert refused(vmx, 8)


# -- 26.3.1: guest state

VM86 = [(F.GUEST_RFLAGS, 0x20002)]
for _s in range(6):
    VM86 += [(F.GUEST_ES_SELECTOR + 2 * _s, 0x1000), (F.GUEST_ES_BASE + 2 * _s, 0x10000), (F.GUEST_ES_LIMIT + 2 * _s, 0xffff),
             (F.GUEST_ES_ACCESS + 2 * _s, 0xf3)]
BAD_GUEST = {
    'CR0 without paging': [(F.GUEST_CR0, 0x31)],
    'CR0.NE': [(F.GUEST_CR0, 0x80000011)],
    'CR4.VMXE': [(F.GUEST_CR4, 0x10)],
    'CR4 beyond': [(F.GUEST_CR4, 0x12010)],
    'DEBUGCTL': [(F.GUEST_DEBUGCTL, 0x20)],
    'DEBUGCTL high': [(F.GUEST_DEBUGCTL + 1, 1)],
    'TR in the LDT': [(F.GUEST_TR_SELECTOR, 4)],
    'TR unusable': [(F.GUEST_TR_ACCESS, 0x1008b)],
    'TR no TSS': [(F.GUEST_TR_ACCESS, 0x82)],
    'TR not present': [(F.GUEST_TR_ACCESS, 0x0b)],
    'TR not system': [(F.GUEST_TR_ACCESS, 0x9b)],
    'TR limit': [(F.GUEST_TR_LIMIT, 0x100000)],
    'LDTR in the LDT': [(F.GUEST_LDTR_ACCESS, 0x82), (F.GUEST_LDTR_SELECTOR, 4)],
    'LDTR no LDT': [(F.GUEST_LDTR_ACCESS, 0x8b)],
    'RPL of SS and CS': [(F.GUEST_SS_SELECTOR, 0x13)],
    'CS is data': [(F.GUEST_CS_ACCESS, 0xc093)],
    'CS not accessed': [(F.GUEST_CS_ACCESS, 0xc09a)],
    'CS and SS DPL': [(F.GUEST_CS_ACCESS, 0xc0fb)],
    'conforming CS above SS': [(F.GUEST_CS_ACCESS, 0xc0ff)],
    'SS read-only': [(F.GUEST_SS_ACCESS, 0xc091)],
    'SS DPL': [(F.GUEST_SS_ACCESS, 0xc0f3), (F.GUEST_CS_ACCESS, 0xc0fb)],
    'DS not accessed': [(F.GUEST_DS_ACCESS, 0xc092)],
    'ES unreadable code': [(F.GUEST_ES_ACCESS, 0xc099)],
    'FS below its RPL': [(F.GUEST_FS_SELECTOR, 0x13)],
    'GS system': [(F.GUEST_GS_ACCESS, 0xc083)],
    'DS not present': [(F.GUEST_DS_ACCESS, 0xc013)],
    'DS reserved bits': [(F.GUEST_DS_ACCESS, 0xc193)],
    'byte granularity': [(F.GUEST_CS_ACCESS, 0x409b)],
    'page granularity': [(F.GUEST_ES_LIMIT, 0xffffe)],
    'virtual-8086 base': VM86 + [(F.GUEST_FS_BASE, 0x10010)],
    'virtual-8086 limit': VM86 + [(F.GUEST_DS_LIMIT, 0xfffff)],
    'virtual-8086 access': VM86 + [(F.GUEST_SS_ACCESS, 0x93)],
    'GDTR limit': [(F.GUEST_GDTR_LIMIT, 0x10000)],
    'IDTR limit': [(F.GUEST_IDTR_LIMIT, 0xffffffff)],
    'RFLAGS reserved': [(F.GUEST_RFLAGS, 0xa)],
    'RFLAGS bit 1': [(F.GUEST_RFLAGS, 0)],
    'RFLAGS high': [(F.GUEST_RFLAGS, 0x400002)],
    'interrupt with IF = 0': event(0x20, events.EXTERNAL_INTERRUPT),
    'activity': [(F.GUEST_ACTIVITY, 4)],
    'halted in ring 3': [(F.GUEST_ACTIVITY, 1), (F.GUEST_SS_ACCESS, 0xc0f3), (F.GUEST_CS_ACCESS, 0xc0fb), (F.GUEST_SS_SELECTOR, 0x13),
                         (F.GUEST_CS_SELECTOR, 0xb)],
    'halted behind STI': [(F.GUEST_ACTIVITY, 1), (F.GUEST_INTERRUPTIBILITY, 1), (F.GUEST_RFLAGS, 0x202)],
    'halted, #PF': [(F.GUEST_ACTIVITY, 1)] + event(14, events.HARDWARE_EXCEPTION, True),
    'shutdown, interrupt': [(F.GUEST_ACTIVITY, 2), (F.GUEST_RFLAGS, 0x202)] + event(0x20, events.EXTERNAL_INTERRUPT),
    'wait for SIPI, NMI': [(F.GUEST_ACTIVITY, 3)] + event(2, events.NMI),
    'interruptibility reserved': [(F.GUEST_INTERRUPTIBILITY, 0x20)],
    'STI and MOV SS': [(F.GUEST_INTERRUPTIBILITY, 3), (F.GUEST_RFLAGS, 0x202)],
    'STI with IF = 0': [(F.GUEST_INTERRUPTIBILITY, 1)],
    'SMI': [(F.GUEST_INTERRUPTIBILITY, 4)],
    'interrupt behind MOV SS': [(F.GUEST_INTERRUPTIBILITY, 2), (F.GUEST_RFLAGS, 0x202)] + event(0x20, events.EXTERNAL_INTERRUPT),
    'pending debug reserved': [(F.GUEST_PENDING_DEBUG, 0x10)],
    'pending step without TF': [(F.GUEST_INTERRUPTIBILITY, 2), (F.GUEST_PENDING_DEBUG, 1 << 14)],
    'TF without pending step': [(F.GUEST_INTERRUPTIBILITY, 2), (F.GUEST_RFLAGS, 0x102)],
}


@pytest.mark.parametrize('what', sorted(BAD_GUEST))
def test_a_bad_guest_state_fails_with_exit_reason_33(what):
    vmx = make_with_guest()
    change(vmx, BAD_GUEST[what])
    assert failed_late(vmx)


@pytest.mark.parametrize('what', sorted(BAD_GUEST))
def test_a_bad_guest_state_is_found_as_well_after_the_guest_has_run(what):
    vmx = make_with_guest()
    enter(vmx)
    exits.vm_exit(vmx.system, reasons.HLT)
    change(vmx, BAD_GUEST[what])
    enter(vmx, launch=False)
    assert exit_reason(vmx) == 0x80000021 and not vmx.system.vmx_non_root


def test_an_nmi_behind_sti_fails_with_qualification_3_and_one_blocked_otherwise_with_0():
    for blocking, rflags, expected in [(1, 0x202, 3), (2, 2, 0), (8, 2, 0)]:
        vmx = make_with_guest(pin=controls.NMI_EXITING | controls.VIRTUAL_NMIS)
        change(vmx, [(F.GUEST_INTERRUPTIBILITY, blocking), (F.GUEST_RFLAGS, rflags)] + event(2, events.NMI))
        assert failed_late(vmx, 33, expected)


@pytest.mark.parametrize('link', [VMCS, OTHER_VMCS, OTHER_VMCS + 8, 1 << 36])
def test_a_vmcs_link_pointer_to_no_other_vmcs_fails_with_qualification_4(link):
    vmx = make_with_guest()
    vmx.write64(F.VMCS_LINK_POINTER, link)
    assert failed_late(vmx, 33, 4)


def test_a_vmcs_link_pointer_to_another_vmcs_is_taken():
    vmx = make_with_guest()
    host.clear_region(vmx, OTHER_VMCS)
    vmx.write64(F.VMCS_LINK_POINTER, OTHER_VMCS)
    assert enters(vmx)


def test_a_virtual_8086_guest_can_be_entered():
    vmx = make_with_guest()
    change(vmx, VM86)
    enter(vmx)
    assert vmx.system.vmx_non_root and vmx.system.cpl == 3 and vmx.system.mode.vm86


def test_setting_only_eflags_vm_after_an_exit_brings_the_segment_checks_back():
    vmx = make_with_guest()
    enter(vmx)
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.vmwrite(F.GUEST_RFLAGS, 0x20002)
    enter(vmx, launch=False)
    assert exit_reason(vmx) == 0x80000021


def test_only_an_unrestricted_guest_may_be_in_real_mode():
    vmx = make_with_guest(WITH_EPT, processor=controls.ACTIVATE_SECONDARY_CONTROLS, secondary=controls.ENABLE_EPT)
    vmx.write64(F.EPT_POINTER, EPT_TABLES | 0x1e)
    change(vmx, [(F.GUEST_CR0, 0x30), (F.GUEST_CS_ACCESS, 0x93), (F.GUEST_CS_LIMIT, 0xffff)])
    assert failed_late(vmx)
    vmx.vmwrite(F.SECONDARY_CONTROLS, controls.ENABLE_EPT | controls.UNRESTRICTED_GUEST)
    enter(vmx)
    assert vmx.system.vmx_non_root and not vmx.system.mode.protected and vmx.system.ept is vmx.ept


# -- 26.3.2: what is loaded

def test_the_guest_state_is_in_the_processor_after_the_entry():
    vmx = make_with_guest()
    change(vmx, [(F.GUEST_CR4, 0x2090), (F.GUEST_GDTR_BASE, 0x1234), (F.GUEST_GDTR_LIMIT, 0x77), (F.GUEST_IDTR_BASE, 0x5678), (F.GUEST_IDTR_LIMIT, 0x7ff),
                 (F.GUEST_SYSENTER_CS, 8), (F.GUEST_SYSENTER_ESP, 0x9000), (F.GUEST_SYSENTER_EIP, 0xa000), (F.GUEST_FS_BASE, 0xb000),
                 (F.GUEST_RFLAGS, 0x246), (F.GUEST_DR7, 0x455), (F.GUEST_INTERRUPTIBILITY, 9)])
    enter(vmx)
    s = vmx.system
    assert (s.cr0, s.cr3, s.cr4) == (0x80000031, DIRECTORY, 0x2090)
    assert (s.gdtr_base, s.gdtr_limit, s.idtr_base, s.idtr_limit) == (0x1234, 0x77, 0x5678, 0x7ff)
    assert (s.sysenter_cs, s.sysenter_esp, s.sysenter_eip) == (8, 0x9000, 0xa000)
    assert s.base[4] == 0xb000 and s.selector[1] == 8 and s.access[1] == 0xc09b and s.limits[0] == 0xffffffff
    assert (s.eip, s.regs[4], s.eflags, s.dr[7], s.cpl) == (CODE, STACK, 0x246, 0x455, 0)
    assert s.shadow and s.nmi_blocked and not s.halted and s.vmx_non_root


def test_bits_of_cr0_that_entries_do_not_change_keep_their_values():
    vmx = make_with_guest()
    vmx.system.cr0 |= 0x40000000
    vmx.vmwrite(F.GUEST_CR0, 0xa0010021)
    enter(vmx)
    assert vmx.system.cr0 == 0xc0010031


def test_fields_written_between_exit_and_entry_are_loaded_though_the_rest_is_kept():
    vmx = make_with_guest()
    enter(vmx)
    vmx.system.regs[0] = 77
    exits.vm_exit(vmx.system, reasons.HLT)
    change(vmx, [(F.GUEST_RIP, 0x21000), (F.GUEST_RSP, 0x2f000), (F.GUEST_RFLAGS, 0x202), (F.GUEST_CR3, 0x9000)])
    enter(vmx, launch=False)
    s = vmx.system
    assert (s.eip, s.regs[4], s.eflags, s.cr3, s.regs[0]) == (0x21000, 0x2f000, 0x202, 0x9000, 77)
    exits.vm_exit(vmx.system, reasons.HLT)
    change(vmx, [(F.GUEST_FS_BASE, 0x42), (F.GUEST_CR4, 0x2000)])
    enter(vmx, launch=False)
    assert s.base[4] == 0x42 and s.cr4 == 0x2000


def test_two_guests_in_turn_each_have_their_own_state():
    vmx = make_with_guest()
    enter(vmx)
    exits.vm_exit(vmx.system, reasons.HLT)
    load(vmx, OTHER_VMCS)
    fill(vmx)
    change(vmx, [(F.GUEST_FS_BASE, 0x1111), (F.GUEST_RIP, 0x22000)])
    enter(vmx)
    assert vmx.system.base[4] == 0x1111
    vmx.system.eip = 0x22005
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.vmptrld(VMCS)
    enter(vmx, launch=False)
    assert vmx.system.base[4] == 0 and vmx.system.eip == CODE
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.vmptrld(OTHER_VMCS)
    enter(vmx, launch=False)
    assert vmx.system.base[4] == 0x1111 and vmx.system.eip == 0x22005


def translated(vmx, linear):
    """Whether the TLB holds a translation for reading."""
    from hyper.board import raw
    from hyper.cpu.mode import TLB_INDEX
    return raw.load64(vmx.system.supervisor_tlb, (linear >> 7) & TLB_INDEX) == linear & 0xfffff000


def test_translations_survive_an_exit_and_entry_until_the_vmm_writes_guest_cr3_or_invalidates():
    vmx = make_with_guest()
    vmx.memory.write32(DIRECTORY + 4, 0x83 | 0x40 | 0x20)       # INVVPID forgets a large page as a whole, so a second one
    enter(vmx)
    vmx.system.read_system(0x50000, 4)
    vmx.system.read_system(0x460000, 4)
    assert translated(vmx, 0x50000) and translated(vmx, 0x460000)
    exits.vm_exit(vmx.system, reasons.HLT)
    enter(vmx, launch=False)
    assert translated(vmx, 0x50000) and translated(vmx, 0x460000)
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.invalidate(0x50123)
    enter(vmx, launch=False)
    assert not translated(vmx, 0x50000) and translated(vmx, 0x460000)
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.vmwrite(F.GUEST_CR3, DIRECTORY)
    enter(vmx, launch=False)
    assert not translated(vmx, 0x460000)


@pytest.mark.parametrize('field, value', [(F.GUEST_CR3, 0x9000), (F.GUEST_CR0, 0x80010031), (F.GUEST_CR4, 0x2000)])
def test_translations_are_dropped_when_what_they_depend_on_changes(field, value):
    vmx = make_with_guest()
    enter(vmx)
    vmx.system.read_system(0x50000, 4)
    exits.vm_exit(vmx.system, reasons.HLT)
    load(vmx, OTHER_VMCS)
    fill(vmx)
    vmx.vmwrite(field, value)
    vmx.flush_wanted = False
    enter(vmx)
    assert not translated(vmx, 0x50000)


def test_an_entry_by_guest_code_drops_all_translations():
    from hyper.vmx import instructions
    vmx = make_with_guest()
    enter(vmx)
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.system.read_system(0x50000, 4)
    instructions.execute(vmx.system, instructions.VMRESUME)
    assert vmx.system.vmx_non_root and not translated(vmx, 0x50000)


def test_the_tsc_offset_holds_in_the_guest_only():
    vmx = make_with_guest(processor=controls.USE_TSC_OFFSETTING)
    vmx.write64(F.TSC_OFFSET, 5000)
    vmx.system.tsc_offset = 100
    enter(vmx)
    assert vmx.system.tsc_offset == 5100
    vmx.system.tsc_offset += 7          # the guest writes the TSC
    exits.vm_exit(vmx.system, reasons.HLT)
    assert vmx.system.tsc_offset == 107
