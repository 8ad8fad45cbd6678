"""Small guests run in VMX non-root operation, by the VMM in RPython and by a host that is guest code itself."""
import pytest

pytest.importorskip('hyper.cpu.interrupts')

from hyper.board.bus import Bus
from hyper.cpu import faults
from hyper.cpu.state import EAX, EBX, ECX, EDX, ESP
from hyper.cpu.system import STOP_NONE, STOP_VMEXIT, STOP_DEADLINE, STOP_HALTED
from hyper.vmx import controls, events, fields, host, reasons
from hyper.vmx.operation import SUCCEED
from vmx_parts import (CORE_2, WITH_EPT, DIRECTORY, CODE, STACK, VMCS, OTHER_VMCS, REGION, EPT_TABLES, MSR_LIST, Interrupts, make, make_with_guest,
                       enter, exit_reason, qualification)

F = fields
VMCALL, HLT, CPUID, UD2, NOP, STI, IRET = '\x0f\x01\xc1', '\xf4', '\x0f\xa2', '\x0f\x0b', '\x90', '\xfb', '\xcf'
IDT, GDT, HANDLER = 0x40000, 0x41000, 0x21000


def make_guest(code, msrs=CORE_2, **wanted):
    """A guest of these bytes at CODE, with a GDT and an IDT whose every gate is an interrupt gate to HANDLER, which does VMCALL."""
    vmx = make_with_guest(msrs, **wanted)
    m = vmx.memory
    m.write_bytes(CODE, code)
    m.write_bytes(HANDLER, VMCALL + IRET)
    m.write64(GDT + 8, 0x00cf9b000000ffff)
    m.write64(GDT + 16, 0x00cf93000000ffff)
    for k in range(256):
        m.write32(IDT + 8 * k, 0x00080000 | (HANDLER & 0xffff))
        m.write32(IDT + 8 * k + 4, (HANDLER & 0xffff0000) | 0x8e00)
    for encoding, value in [(F.GUEST_GDTR_BASE, GDT), (F.GUEST_GDTR_LIMIT, 0x17), (F.GUEST_IDTR_BASE, IDT), (F.GUEST_IDTR_LIMIT, 0x7ff)]:
        vmx.vmwrite(encoding, value)
    return vmx


def run(vmx, launch=True):
    """Enter and return the exit's reason."""
    assert vmx.enter(launch) == STOP_VMEXIT and vmx.status == SUCCEED, vmx.failed_check
    return exit_reason(vmx)


def skip(vmx):
    """Past the instruction that exited."""
    vmx.vmwrite(F.GUEST_RIP, vmx.vmread(F.GUEST_RIP) + vmx.vmread(F.EXIT_INSTRUCTION_LENGTH))


def test_vmcall_exits_and_vmresume_goes_on_behind_it():
    vmx = make_guest('\x40' + VMCALL + '\x40\x40' + VMCALL)         # inc eax
    assert run(vmx) == reasons.VMCALL
    assert vmx.vmread(F.GUEST_RIP) == CODE + 1 and vmx.vmread(F.EXIT_INSTRUCTION_LENGTH) == 3 and vmx.system.regs[EAX] == 1
    skip(vmx)
    assert run(vmx, False) == reasons.VMCALL and vmx.system.regs[EAX] == 3 and vmx.vmread(F.GUEST_RIP) == CODE + 6


def test_an_exit_from_a_loop_counts_instructions_exactly():
    vmx = make_guest('\xb9\x0a\0\0\0' + '\x49\x75\xfd' + VMCALL)     # mov ecx, 10; dec ecx; jnz
    start = vmx.system.icount
    run(vmx)
    assert vmx.system.icount - start == 21


@pytest.mark.parametrize('code, reason, length, value', [
    (CPUID, 10, 2, 0), (HLT, 12, 1, 0), ('\x0f\x01\x38', 14, 3, 0x1000), ('\x0f\x31', 16, 2, 0), ('\x0f\x33', 15, 2, 0),
    ('\x0f\x32', 31, 2, 0), ('\x0f\x30', 32, 2, 0), ('\x0f\x22\xd8', 28, 3, 3), ('\x0f\x20\xdb', 28, 3, 0x313), ('\x0f\x23\xf8', 29, 3, 7),
    ('\xe4\x60', 30, 2, 0x600048), ('\xef', 30, 1, 0x3), ('\x0f\x08', 13, 2, 0), ('\xf3\x90', 40, 2, 0), ('\x0f\x06', 28, 2, 0x20),
    ('\x0f\x22\xc2', 28, 3, 0x200), ('\x6e', 30, 1, 0x10), ('\x0f\x79\xc0', 25, 3, 0), ('\x0f\x01\xc2', 20, 3, 0)])
def test_instructions_exit_with_reason_length_and_qualification(code, reason, length, value):
    vmx = make_guest(code, processor=controls.HLT_EXITING | controls.INVLPG_EXITING | controls.RDTSC_EXITING | controls.RDPMC_EXITING |
                     controls.MOV_DR_EXITING | controls.UNCONDITIONAL_IO_EXITING | controls.PAUSE_EXITING)
    for encoding, mask in [(F.CR0_MASK, 8), (F.CR0_SHADOW, 8)]:
        vmx.vmwrite(encoding, mask)
    vmx.system.regs = [0x1000, 1, 0, 0, 0, 0, 0x1000, 0x1000]
    assert run(vmx) == reason
    assert (vmx.vmread(F.EXIT_INSTRUCTION_LENGTH), qualification(vmx), vmx.vmread(F.GUEST_RIP)) == (length, value, CODE)


def test_an_exception_exits_if_the_bitmap_says_so_and_else_reaches_the_guests_handler():
    vmx = make_guest(UD2)
    vmx.vmwrite(F.EXCEPTION_BITMAP, 1 << faults.UD)
    assert run(vmx) == reasons.EXCEPTION_OR_NMI and vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION) == 0x80000306
    assert vmx.vmread(F.GUEST_RIP) == CODE
    vmx.vmwrite(F.EXCEPTION_BITMAP, 0)
    assert run(vmx, False) == reasons.VMCALL and vmx.vmread(F.GUEST_RIP) == HANDLER
    assert vmx.memory.read32(STACK - 12) == CODE


def test_a_page_fault_exits_with_its_address_and_does_not_touch_cr2():
    vmx = make_guest('\xa1\x34\x12\x00\x90')             # mov eax, [90001234h]
    vmx.system.cr2 = 0x77
    vmx.vmwrite(F.EXCEPTION_BITMAP, 1 << faults.PF)
    assert run(vmx) == reasons.EXCEPTION_OR_NMI
    assert (qualification(vmx), vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION), vmx.vmread(F.EXIT_INTERRUPTION_ERROR_CODE)) == (0x90001234, 0x80000b0e, 0)
    assert vmx.system.cr2 == 0x77


def test_int3_exits_as_a_software_exception_at_the_instruction():
    vmx = make_guest('\xcc')
    vmx.vmwrite(F.EXCEPTION_BITMAP, 1 << faults.BP)
    assert run(vmx) == reasons.EXCEPTION_OR_NMI
    assert (vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION), vmx.vmread(F.EXIT_INSTRUCTION_LENGTH), vmx.vmread(F.GUEST_RIP)) == (0x80000603, 1, CODE)


def test_three_faults_in_a_row_are_a_triple_fault_exit():
    vmx = make_guest(UD2)
    vmx.vmwrite(F.GUEST_IDTR_LIMIT, 0)
    assert run(vmx) == reasons.TRIPLE_FAULT


def test_an_external_interrupt_exits_whatever_the_guests_if_says():
    vmx = make_guest('\xeb\xfe', pin=controls.EXTERNAL_INTERRUPT_EXITING, exit=controls.ACKNOWLEDGE_INTERRUPT_ON_EXIT)
    vmx.system.interrupts = Interrupts(0x31)
    assert run(vmx) == reasons.EXTERNAL_INTERRUPT and vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION) == 0x80000031


def test_the_interrupt_window_opens_when_the_guest_sets_if():
    vmx = make_guest(NOP + STI + NOP + NOP + VMCALL, processor=controls.INTERRUPT_WINDOW_EXITING)
    assert run(vmx) == reasons.INTERRUPT_WINDOW
    assert vmx.vmread(F.GUEST_RIP) in (CODE + 3, CODE + 2) and vmx.vmread(F.GUEST_RFLAGS) & 0x200
    vmx.vmwrite(F.PROCESSOR_CONTROLS, vmx.vmread(F.PROCESSOR_CONTROLS) & ~controls.INTERRUPT_WINDOW_EXITING)
    assert run(vmx, False) == reasons.VMCALL


def test_an_open_interrupt_window_exits_at_once():
    vmx = make_guest(NOP, processor=controls.INTERRUPT_WINDOW_EXITING)
    vmx.vmwrite(F.GUEST_RFLAGS, 0x202)
    assert run(vmx) == reasons.INTERRUPT_WINDOW and vmx.vmread(F.GUEST_RIP) == CODE


# -- event injection

def inject(vmx, vector, kind, error=-1, length=0):
    vmx.vmwrite(F.ENTRY_INTERRUPTION_INFORMATION, events.information(vector, kind, error >= 0))
    vmx.vmwrite(F.ENTRY_EXCEPTION_ERROR_CODE, max(error, 0))
    vmx.vmwrite(F.ENTRY_INSTRUCTION_LENGTH, length)


@pytest.mark.parametrize('vector, kind, error, length, frame', [
    (0x20, events.EXTERNAL_INTERRUPT, -1, 0, [CODE, 8, 0x202]), (13, events.HARDWARE_EXCEPTION, 0x18, 0, [0x18, CODE, 8, 0x202]),
    (2, events.NMI, -1, 0, [CODE, 8, 0x202]), (0x80, events.SOFTWARE_INTERRUPT, -1, 2, [CODE + 2, 8, 0x202]),
    (3, events.SOFTWARE_EXCEPTION, -1, 1, [CODE + 1, 8, 0x202])])
def test_an_injected_event_is_delivered_through_the_guests_idt_once(vector, kind, error, length, frame):
    vmx = make_guest(NOP * 4 + HLT, processor=controls.HLT_EXITING)
    vmx.vmwrite(F.GUEST_RFLAGS, 0x202)
    inject(vmx, vector, kind, error, length)
    assert run(vmx) == reasons.VMCALL and vmx.vmread(F.GUEST_RIP) == HANDLER
    esp = vmx.vmread(F.GUEST_RSP)
    assert esp == STACK - 4 * len(frame)
    got = [vmx.memory.read32(esp + 4 * k) for k in range(len(frame))]
    got[-1] &= ~0x10000         # RF
    assert got == frame
    assert vmx.vmread(F.ENTRY_INTERRUPTION_INFORMATION) & events.VALID == 0


def test_injecting_an_interrupt_wakes_a_halted_guest():
    vmx = make_guest(HLT)
    vmx.vmwrite(F.GUEST_RFLAGS, 0x202)
    vmx.vmwrite(F.GUEST_ACTIVITY, 1)
    inject(vmx, 0x20, events.EXTERNAL_INTERRUPT)
    assert run(vmx) == reasons.VMCALL


def test_a_fault_in_delivering_an_injected_event_exits_with_the_event_as_vectoring_information():
    vmx = make_guest(NOP)
    vmx.vmwrite(F.GUEST_RFLAGS, 0x202)
    vmx.vmwrite(F.GUEST_RSP, 0x90000000)            # the stack is not mapped
    vmx.vmwrite(F.EXCEPTION_BITMAP, 1 << faults.PF)
    inject(vmx, 0x20, events.EXTERNAL_INTERRUPT)
    assert run(vmx) == reasons.EXCEPTION_OR_NMI
    assert vmx.vmread(F.IDT_VECTORING_INFORMATION) == 0x80000020 and qualification(vmx) & 0xfffff000 == 0x8ffff000
    assert vmx.vmread(F.GUEST_RIP) == CODE and vmx.vmread(F.GUEST_RSP) == 0x90000000


def test_an_injected_exception_does_not_exit_though_its_bit_in_the_bitmap_is_set():
    vmx = make_guest(NOP)
    vmx.vmwrite(F.EXCEPTION_BITMAP, 0xffffffff)
    inject(vmx, 14, events.HARDWARE_EXCEPTION, 2)
    assert run(vmx) == reasons.VMCALL and vmx.vmread(F.GUEST_RIP) == HANDLER


# -- stops that are not the guest's, MSR lists, state

def test_a_limit_of_instructions_comes_as_an_exit_with_no_reason_of_the_guests_and_the_guest_can_go_on():
    vmx = make_guest('\x40\xeb\xfd')                 # inc eax; jmp
    vmx.system.limit = vmx.system.icount + 1000
    assert vmx.enter(True) == STOP_DEADLINE
    assert exit_reason(vmx) == reasons.EXTERNAL_INTERRUPT and vmx.vmread(F.EXIT_INTERRUPTION_INFORMATION) == 0
    count = vmx.system.regs[EAX]
    assert count == 500
    vmx.system.limit += 1000
    assert vmx.enter(False) == STOP_DEADLINE and vmx.system.regs[EAX] == 2 * count


def test_what_the_processor_saved_passes_all_checks_again():
    vmx = make_guest(STI + '\x06\x07' + '\x8c\xd8\x8e\xd8' + VMCALL)       # push es; pop es; mov eax, ds; mov ds, eax
    run(vmx)
    skip(vmx)
    vmx.guest_checked = vmx.controls_checked = False
    vmx.enter(False)
    assert vmx.status == SUCCEED and vmx.failed_check == ''


def test_msr_lists_are_loaded_at_the_entry_and_stored_at_the_exit():
    vmx = make_guest(VMCALL)
    m = vmx.memory
    m.write32(MSR_LIST, 0x175)
    m.write64(MSR_LIST + 8, 0x1234)
    m.write32(MSR_LIST + 0x100, 0x174)
    vmx.vmwrite(F.ENTRY_MSR_LOAD_COUNT, 1)
    vmx.vmwrite(F.ENTRY_MSR_LOAD_ADDRESS, MSR_LIST)
    vmx.vmwrite(F.EXIT_MSR_STORE_COUNT, 1)
    vmx.vmwrite(F.EXIT_MSR_STORE_ADDRESS, MSR_LIST + 0x100)
    vmx.vmwrite(F.GUEST_SYSENTER_CS, 0x48)
    assert run(vmx) == reasons.VMCALL
    assert vmx.vmread(F.GUEST_SYSENTER_ESP) == 0x1234 and m.read64(MSR_LIST + 0x108) == 0x48


@pytest.mark.parametrize('index, reserved', [(0xc0000100, 0), (0x800, 0), (0x12345, 0), (0x175, 1)])
def test_an_msr_that_cannot_be_loaded_fails_the_entry_with_reason_34_and_its_number(index, reserved):
    vmx = make_guest(VMCALL)
    m = vmx.memory
    m.write32(MSR_LIST, 0x175)
    m.write32(MSR_LIST + 16, index)
    m.write32(MSR_LIST + 20, reserved)
    vmx.vmwrite(F.ENTRY_MSR_LOAD_COUNT, 2)
    vmx.vmwrite(F.ENTRY_MSR_LOAD_ADDRESS, MSR_LIST)
    assert vmx.enter(True) == STOP_VMEXIT
    assert exit_reason(vmx) == 0x80000022 and qualification(vmx) == 2


def test_an_msr_that_cannot_be_stored_is_a_vmx_abort():
    vmx = make_guest(VMCALL)
    vmx.memory.write32(MSR_LIST, 0x12345)
    vmx.vmwrite(F.EXIT_MSR_STORE_COUNT, 1)
    vmx.vmwrite(F.EXIT_MSR_STORE_ADDRESS, MSR_LIST)
    assert vmx.enter(True) != STOP_VMEXIT
    assert vmx.memory.read32(VMCS + 4) == 1


def test_an_entry_refused_returns_without_running():
    vmx = make_guest(VMCALL)
    vmx.vmwrite(F.PIN_CONTROLS, 0)
    assert vmx.enter(True) == STOP_NONE and vmx.error == 7


def test_a_guest_behind_ept_exits_where_a_page_is_missing_and_goes_on_when_it_is_there():
    vmx = make_guest('\xa1\x00\x00\x05\x00' + VMCALL, WITH_EPT, processor=controls.ACTIVATE_SECONDARY_CONTROLS, secondary=controls.ENABLE_EPT)
    m = vmx.memory
    for k in range(3):
        m.write64(EPT_TABLES + k * 0x1000, (EPT_TABLES + (k + 1) * 0x1000) | 7)
    table = EPT_TABLES + 0x3000
    for page in range(0x42):
        m.write64(table + page * 8, page * 0x1000 | 0x37)
    m.write32(0x70000, 0xcafe)
    vmx.write64(F.EPT_POINTER, EPT_TABLES | 0x1e)
    assert run(vmx) == reasons.EPT_VIOLATION
    assert vmx.read64(F.GUEST_PHYSICAL_ADDRESS) == 0x50000 and qualification(vmx) == 0x181 and vmx.vmread(F.GUEST_LINEAR_ADDRESS) == 0x50000
    m.write64(table + 0x50 * 8, 0x70037)
    assert run(vmx, False) == reasons.VMCALL and vmx.system.regs[EAX] == 0xcafe


# -- a host that is guest code

def test_guest_code_can_be_a_host_itself():
    """A host at CODE in root operation enters a guest, gets its VMCALL, reads the reason, resumes it, and leaves VMX operation."""
    vmx = make_guest('')
    s = vmx.system
    guest, exit_handler = 0x24000, 0x25000
    m = vmx.memory
    m.write_bytes(guest, '\xbb\x2a\0\0\0' + VMCALL + '\x43' + VMCALL)              # mov ebx, 42; vmcall; inc ebx; vmcall
    m.write_bytes(CODE, '\x0f\x01\xc2' + '\xf4')                                    # vmlaunch; hlt
    m.write_bytes(exit_handler, '\xb8\x02\x44\0\0' + '\x0f\x78\xc1'                 # mov eax, EXIT_REASON; vmread ecx, eax
                  '\x83\xfb\x2b' + '\x74\x15'                                       # cmp ebx, 43; je done
                  '\xb8\x1e\x68\0\0' + '\x0f\x78\xc2'                               # mov eax, GUEST_RIP; vmread edx, eax
                  '\x83\xc2\x03' + '\x0f\x79\xc2' + '\x0f\x01\xc3' + '\xf4\xf4\xf4\xf4'      # add edx, 3; vmwrite eax, edx; vmresume
                  '\x0f\x01\xc4' + '\xf4')                                          # done: vmxoff; hlt
    vmx.vmwrite(F.GUEST_RIP, guest)
    vmx.vmwrite(F.HOST_RIP, exit_handler)
    vmx.vmwrite(F.HOST_RSP, STACK)
    vmx.vmwrite(F.HOST_CR3, DIRECTORY)
    vmx.vmwrite(F.HOST_CR4, 0x2010)
    s.cr3, s.cr4 = DIRECTORY, 0x2010
    s.mmu.flush()
    s.update_mode()
    s.eip = CODE
    assert s.run() == STOP_HALTED
    assert not vmx.on and not s.vmx_non_root
    assert s.regs[EBX] == 43 and s.regs[ECX] == reasons.VMCALL
