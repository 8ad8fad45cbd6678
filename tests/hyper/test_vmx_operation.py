"""VMX operation: the instructions and how they fail (SDM vol. 3, 30.3 and 30.4)."""
import pytest

from hyper.board.memory import Memory
from hyper.cpu import models
from hyper.cpu.faults import GuestFault, Intercept, UD, GP
from hyper.cpu.system import System
from hyper.vmx import controls, exits, fields, host, instructions, reasons, vmcs
from hyper.vmx.controls import Capabilities
from hyper.vmx.operation import VMX, SUCCEED, FAIL_INVALID, FAIL_VALID
from vmx_parts import CORE_2, WITH_EPT, MEMORY, REGION, VMCS, OTHER_VMCS, make, make_with_guest, load, enter, enters


def outside():
    """A processor not yet in VMX operation."""
    system = System(Memory(MEMORY), models.find('pentium-3'))
    system.vmx = VMX(system, Capabilities(CORE_2, 36))
    system.cr0 = 0x80000031
    system.cr4 = 0x2000
    system.memory.write32(REGION, 0xb)
    return system.vmx


def failed_with(vmx, error):
    assert vmx.error == error
    if vmx.current == -1:
        return vmx.status == FAIL_INVALID
    return vmx.status == FAIL_VALID and vmx.memory.read32(vmx.current + vmcs.INSTRUCTION_ERROR) == error


def test_vmxon_enters_vmx_operation_with_a_region_of_the_right_revision():
    vmx = outside()
    vmx.vmxon(REGION)
    assert vmx.status == SUCCEED and vmx.on and vmx.current == -1


@pytest.mark.parametrize('region', [REGION + 8, 1 << 36, REGION + 0x1000, MEMORY])
def test_vmxon_fails_invalid_for_a_region_misaligned_too_high_or_of_another_revision(region):
    vmx = outside()
    vmx.vmxon(region)
    assert vmx.status == FAIL_INVALID and not vmx.on


@pytest.mark.parametrize('cr0, cr4', [(0x31, 0x2000), (0x80000011, 0x2000), (0x80000031, 0), (0x80000031, 0x12000)])
def test_vmxon_faults_if_cr0_or_cr4_has_a_value_that_vmx_operation_does_not_allow(cr0, cr4):
    vmx = outside()
    vmx.system.cr0 = cr0
    vmx.system.cr4 = cr4
    with pytest.raises(GuestFault) as caught:
        vmx.vmxon(REGION)
    assert (caught.value.vector, caught.value.error) == (GP, 0) and not vmx.on


def test_vmxon_in_root_operation_fails_with_error_15():
    vmx = make()
    vmx.vmxon(REGION)
    assert failed_with(vmx, 15)
    load(vmx)
    vmx.vmxon(REGION)
    assert failed_with(vmx, 15)


def test_every_instruction_but_vmxon_is_undefined_outside_vmx_operation():
    vmx = outside()
    for call in [vmx.vmxoff, vmx.vmptrst, vmx.vmlaunch, vmx.vmresume, vmx.vmcall, lambda: vmx.vmclear(VMCS), lambda: vmx.vmptrld(VMCS),
                 lambda: vmx.vmread(fields.GUEST_RIP), lambda: vmx.vmwrite(fields.GUEST_RIP, 0)]:
        with pytest.raises(GuestFault) as caught:
            call()
        assert caught.value.vector == UD


def test_vmxoff_leaves_vmx_operation():
    vmx = make()
    load(vmx)
    vmx.vmxoff()
    assert vmx.status == SUCCEED and not vmx.on and vmx.current == -1


def test_vmclear_refuses_a_bad_address_and_the_vmxon_region():
    vmx = make_with_guest()
    vmx.vmclear(VMCS + 1)
    assert failed_with(vmx, 2)
    vmx.vmclear(1 << 40)
    assert failed_with(vmx, 2)
    vmx.vmclear(REGION)
    assert failed_with(vmx, 3)


def test_vmclear_of_the_current_vmcs_leaves_no_current_vmcs():
    vmx = make_with_guest()
    vmx.vmclear(OTHER_VMCS)
    assert vmx.current == VMCS
    vmx.vmclear(VMCS)
    assert vmx.status == SUCCEED and vmx.vmptrst() == -1


def test_vmptrld_refuses_a_bad_address_the_vmxon_region_and_another_revision():
    vmx = make_with_guest()
    for address, error in [(VMCS + 4, 9), (1 << 36, 9), (REGION, 10), (OTHER_VMCS, 11), (MEMORY, 11)]:
        vmx.vmptrld(address)
        assert failed_with(vmx, error)
    assert vmx.vmptrst() == VMCS


def test_without_a_current_vmcs_instructions_fail_invalid():
    vmx = make()
    vmx.vmptrld(VMCS + 1)
    assert vmx.status == FAIL_INVALID
    for call in [vmx.vmlaunch, vmx.vmresume, lambda: vmx.vmread(fields.GUEST_RIP), lambda: vmx.vmwrite(fields.GUEST_RIP, 1)]:
        vmx.succeed()
        call()
        assert vmx.status == FAIL_INVALID


def test_each_field_reads_back_what_was_written_to_it_and_to_no_other():
    vmx = make(WITH_EPT)
    load(vmx)
    written = {}
    for k, field in enumerate(fields.FIELDS):
        if not field.read_only:
            value = 0x1001 + k if field.width == fields.WORD else 0x87654000 + k
            vmx.vmwrite(field.encoding, value)
            assert vmx.status == SUCCEED
            written[field.encoding] = value
            if field.width == fields.QUAD:
                vmx.vmwrite(field.encoding + 1, 0x12340000 + k)
                written[field.encoding + 1] = 0x12340000 + k
    for encoding in written:
        assert vmx.vmread(encoding) == written[encoding]
    assert vmx.memory.read32(VMCS) == 0xb and vmx.memory.read32(VMCS + vmcs.LAUNCH_STATE) == vmcs.CLEAR


def test_a_16_bit_field_drops_the_bits_that_it_does_not_have():
    vmx = make_with_guest()
    vmx.vmwrite(fields.GUEST_ES_SELECTOR, 0x12345678)
    assert vmx.vmread(fields.GUEST_ES_SELECTOR) == 0x5678


@pytest.mark.parametrize('encoding', [fields.GUEST_ES_SELECTOR + 1, 0x4030, 0x7fff, 0x1000, 0x10000 | fields.GUEST_RIP, 0xffffffff,
                                      fields.GUEST_RIP + 1, fields.VPID, fields.EPT_POINTER])
def test_an_encoding_that_the_processor_does_not_have_fails_with_error_12(encoding):
    vmx = make_with_guest()
    assert vmx.vmread(encoding) == -1 and failed_with(vmx, 12)
    vmx.succeed()
    vmx.vmwrite(encoding, 1)
    assert failed_with(vmx, 12)


def test_exit_information_cannot_be_written():
    vmx = make_with_guest()
    for field in fields.FIELDS:
        if field.kind == fields.EXIT_INFORMATION and not field.secondary:
            vmx.vmwrite(field.encoding, 1)
            assert failed_with(vmx, 13)


def test_no_two_fields_share_a_place_and_all_lie_in_the_region():
    places = set()
    for field in fields.FIELDS:
        for offset in range(field.offset, field.offset + field.bytes()):
            assert 16 <= offset < 2048 and offset not in places
            places.add(offset)


def test_vmlaunch_wants_a_clear_vmcs_and_vmresume_a_launched_one():
    vmx = make_with_guest()
    vmx.vmresume()
    assert failed_with(vmx, 5)
    enter(vmx)
    exits.vm_exit(vmx.system, reasons.HLT)
    vmx.vmlaunch()
    assert failed_with(vmx, 4)
    enter(vmx, launch=False)
    assert vmx.status == SUCCEED and vmx.system.vmx_non_root


def test_vmclear_makes_a_launched_vmcs_clear_again():
    vmx = make_with_guest()
    assert enters(vmx) and enters(vmx)


def test_an_entry_that_failed_leaves_the_vmcs_clear():
    vmx = make_with_guest()
    vmx.vmwrite(fields.GUEST_RFLAGS, 0)
    enter(vmx)
    assert not vmx.system.vmx_non_root
    vmx.vmresume()
    assert failed_with(vmx, 5)


def test_vmcall_in_root_operation_fails_with_error_1():
    vmx = make_with_guest()
    vmx.vmcall()
    assert failed_with(vmx, 1)


def test_a_guest_host_cannot_enter_while_mov_ss_blocks_events():
    vmx = make_with_guest()
    vmx.system.shadow = True
    vmx.system.shadow_at = vmx.system.icount - 1
    instructions.execute(vmx.system, instructions.VMLAUNCH)
    assert failed_with(vmx, 26)


def test_invept_and_invvpid_check_their_operands_and_exist_only_with_ept():
    vmx = make(WITH_EPT)
    load(vmx)
    vmx.invept(0)
    assert failed_with(vmx, 28)
    vmx.invept(1)
    assert vmx.status == SUCCEED
    for kind, vpid in [(4, 1), (1, 0), (0, 0x10000)]:
        vmx.invvpid(kind, vpid, 0)
        assert failed_with(vmx, 28)
    vmx.invvpid(2, 0, 0)
    assert vmx.status == SUCCEED
    for call in [lambda: make().invept(1), lambda: make().invvpid(2, 0, 0)]:
        with pytest.raises(GuestFault) as caught:
            call()
        assert caught.value.vector == UD


# -- as guest code executes them

def test_flags_tell_how_an_instruction_ended():
    vmx = make()
    system = vmx.system
    system.eflags = 0x8d5 | 2
    instructions.write(system, fields.GUEST_RIP, 1)
    assert system.eflags == 3                           # CF: VMfailInvalid
    load(vmx)
    instructions.write(system, 0x7fff, 1)
    assert system.eflags == 0x42                        # ZF: VMfailValid
    instructions.write(system, fields.GUEST_RIP, 1)
    assert system.eflags == 2
    assert instructions.read(system, fields.GUEST_RIP) == 1


def test_vmx_instructions_fault_outside_ring_0_and_in_real_and_virtual_8086_mode():
    vmx = make_with_guest()
    system = vmx.system
    system.cpl = 3
    with pytest.raises(GuestFault) as caught:
        instructions.check_access(system, False)
    assert (caught.value.vector, caught.value.error) == (GP, 0)
    system.eflags |= 1 << 17
    with pytest.raises(GuestFault) as caught:
        instructions.check_access(system, False)
    assert caught.value.vector == UD
    system.eflags = 2
    system.cr0 = 0x10
    with pytest.raises(GuestFault) as caught:
        instructions.check_pointer(system, instructions.VMXON)
    assert caught.value.vector == UD


def test_vmxon_is_undefined_without_cr4_vmxe():
    vmx = outside()
    vmx.system.cr4 = 0
    with pytest.raises(GuestFault) as caught:
        instructions.check_pointer(vmx.system, instructions.VMXON)
    assert caught.value.vector == UD


def test_a_processor_without_vtx_has_none_of_the_instructions():
    system = System(Memory(MEMORY), models.find('pentium-3'))
    with pytest.raises(GuestFault) as caught:
        instructions.execute(system, instructions.VMCALL)
    assert caught.value.vector == UD


@pytest.mark.parametrize('call, reason', [
    (lambda s: instructions.execute(s, 1), 18), (lambda s: instructions.execute(s, 2), 20), (lambda s: instructions.execute(s, 3), 24),
    (lambda s: instructions.execute(s, 4), 26), (lambda s: instructions.check_pointer(s, 0), 27), (lambda s: instructions.check_pointer(s, 1), 19),
    (lambda s: instructions.check_pointer(s, 2), 21), (lambda s: instructions.check_pointer(s, 3), 22),
    (lambda s: instructions.check_access(s, False), 23), (lambda s: instructions.check_access(s, True), 25)])
def test_in_non_root_operation_every_vmx_instruction_exits_with_its_reason(call, reason):
    vmx = make_with_guest()
    enter(vmx)
    with pytest.raises(Intercept) as caught:
        call(vmx.system)
    assert caught.value.reason == reason


def test_vmcall_exits_from_ring_3_but_vmlaunch_does_too_before_its_privilege_check():
    vmx = make_with_guest()
    enter(vmx)
    vmx.system.cpl = 3
    for number, reason in [(1, 18), (2, 20)]:
        with pytest.raises(Intercept) as caught:
            instructions.execute(vmx.system, number)
        assert caught.value.reason == reason
