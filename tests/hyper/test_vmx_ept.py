"""Extended page tables (SDM vol. 3, 28.2)."""
import pytest

from hyper.cpu import faults
from hyper.cpu.faults import Intercept
from hyper.cpu.mmu import READ, WRITE, FETCH
from hyper.vmx import controls, events, fields, reasons
from vmx_parts import WITH_EPT, CODE, EPT_TABLES, DIRECTORY, make, make_with_guest, enter

PML4, PDPT, PD, PT = [EPT_TABLES + k * 0x1000 for k in range(4)]
WRITE_BACK = 6 << 3


def make_ept(rights=7):
    """4 KB pages: guest 0-1FF000 at machine 40000 less nothing but page 5, which is at 77000."""
    vmx = make(WITH_EPT)
    w = vmx.memory.write64
    w(PML4, PDPT | 7)
    w(PDPT, PD | 7)
    w(PD, PT | 7)
    w(PT + 5 * 8, 0x77000 | WRITE_BACK | rights)
    w(PD + 8, 0 | 0x80 | WRITE_BACK | 7)            # guest 200000-3FFFFF at machine 0
    vmx.ept.set_pointer(PML4 | 0x1e)
    return vmx.ept


def caught(call, *arguments):
    with pytest.raises(Intercept) as exit:
        call(*arguments)
    return exit.value


def test_a_4_kb_page_is_found():
    ept = make_ept()
    for access in [READ, WRITE, FETCH, READ]:
        assert ept.translate(0x5123, access, 0) == 0x77123


def test_a_2_mb_page_is_found():
    assert make_ept().translate(0x2abcde, READ, 0) == 0xabcde


def test_a_missing_page_is_a_violation_with_both_addresses():
    exit = caught(make_ept().translate, 0x6000, WRITE, 0xc0006000)
    assert (exit.reason, exit.qualification, exit.physical, exit.linear) == (48, 0x182, 0x6000, 0xc0006000)


@pytest.mark.parametrize('rights, access, qualification', [(1, WRITE, 0x18a), (1, FETCH, 0x18c), (3, FETCH, 0x19c), (5, WRITE, 0x1aa)])
def test_an_access_without_the_right_is_a_violation_that_tells_the_rights(rights, access, qualification):
    ept = make_ept(rights)
    assert ept.translate(0x5000, READ, 0) == 0x77000
    assert caught(ept.translate, 0x5000, access, 0).qualification == qualification


def test_rights_are_those_that_every_level_gives():
    ept = make_ept()
    ept.memory.write64(PDPT, PD | 1)
    assert caught(ept.translate, 0x5000, WRITE, 0).qualification == 0x18a


@pytest.mark.parametrize('at, entry', [
    (PT + 40, 0x77000 | WRITE_BACK | 2), (PT + 40, 0x77000 | WRITE_BACK | 6), (PT + 40, 0x77000 | WRITE_BACK | 4), (PT + 40, 0x77000 | 2 << 3 | 7),
    (PT + 40, 0x77000 | 3 << 3 | 7), (PT + 40, 0x77000 | 7 << 3 | 7), (PT + 40, 1 << 36 | WRITE_BACK | 7), (PD, PT | 7 | 1 << 3), (PDPT, PD | 7 | 0x80),
    (PML4, PDPT | 7 | 0x80), (PD, 0x1000 | 0x80 | WRITE_BACK | 7)])
def test_a_malformed_entry_is_a_misconfiguration(at, entry):
    ept = make_ept()
    ept.memory.write64(at, entry)
    exit = caught(ept.translate, 0x5000, READ, 0)
    assert (exit.reason, exit.qualification, exit.physical) == (49, 0, 0x5000)


def test_tables_outside_ram_are_a_misconfiguration():
    ept = make_ept()
    ept.set_pointer(0x7fffff000 | 0x1e)
    assert caught(ept.translate, 0x5000, READ, 0).reason == 49


def test_a_right_added_is_seen_at_once_and_one_taken_away_after_a_flush():
    ept = make_ept(1)
    assert ept.translate(0x5000, READ, 0) == 0x77000
    ept.memory.write64(PT + 40, 0x77000 | WRITE_BACK | 3)
    assert ept.translate(0x5000, WRITE, 0) == 0x77000
    ept.memory.write64(PT + 40, 0)
    ept.flush()
    assert caught(ept.translate, 0x5000, READ, 0).reason == 48


def test_another_pointer_gives_other_translations():
    ept = make_ept()
    assert ept.translate(0x5000, READ, 0) == 0x77000
    ept.memory.write64(PT + 0x1000 + 40, 0x88000 | WRITE_BACK | 7)
    for k, table in enumerate([PML4, PDPT, PD]):
        ept.memory.write64(table + 0x4000, (table + 0x5000) | 7)
    ept.memory.write64(PML4 + 0x7000 + 40, 0x88000 | WRITE_BACK | 7)
    ept.set_pointer((PML4 + 0x4000) | 0x1e)
    assert ept.translate(0x5000, READ, 0) == 0x88000


def make_paged_guest(directory_rights=7):
    """A guest whose page directory is guest page 5 (machine 77000), with a 4 MB page at linear 0."""
    vmx = make_with_guest(WITH_EPT, processor=controls.ACTIVATE_SECONDARY_CONTROLS, secondary=controls.ENABLE_EPT)
    w = vmx.memory.write64
    w(PML4, PDPT | 7)
    w(PDPT, PD | 7)
    w(PD, PT | 7)
    w(PT + 5 * 8, 0x77000 | WRITE_BACK | directory_rights)
    w(PT + 8 * 8, 0x88000 | WRITE_BACK | 7)
    vmx.memory.write32(0x77000, 0x83)
    vmx.memory.write32(0x88010, 0x12345678)
    vmx.write64(fields.EPT_POINTER, PML4 | 0x1e)
    vmx.vmwrite(fields.GUEST_CR3, 0x5000)
    enter(vmx)
    assert vmx.system.vmx_non_root
    return vmx


def test_the_guests_page_tables_are_themselves_translated():
    vmx = make_paged_guest()
    assert vmx.system.read_system(0x8010, 4) == 0x12345678
    assert vmx.memory.read32(0x77000) == 0xa3            # accessed


def test_setting_the_accessed_bit_in_a_table_that_ept_write_protects_is_a_violation_of_the_table():
    vmx = make_paged_guest(1)
    exit = caught(vmx.system.read_system, 0x8010, 4)
    assert (exit.reason, exit.qualification, exit.physical, exit.linear) == (48, 0x8a, 0x5000, 0x8010)


def test_the_ept_translates_only_while_the_guest_runs():
    from hyper.vmx import exits, instructions
    vmx = make_paged_guest()
    exits.triple_fault(vmx.system)
    vmx.vmm_host = False
    instructions.execute(vmx.system, instructions.VMRESUME)
    assert vmx.system.ept is vmx.ept
    exits.triple_fault(vmx.system)
    assert vmx.system.ept is None


def real_mode_guest(mapped):
    """An unrestricted guest in real mode at 20000 with its stack at 30000, whose first instruction is beyond the end of DS; so many pages are mapped,
    one to one."""
    vmx = make_with_guest(WITH_EPT, processor=controls.ACTIVATE_SECONDARY_CONTROLS, secondary=controls.ENABLE_EPT | controls.UNRESTRICTED_GUEST)
    w = vmx.memory.write64
    w(PML4, PDPT | 7)
    w(PDPT, PD | 7)
    w(PD, PT | 7)
    for page in range(mapped):
        w(PT + page * 8, page << 12 | WRITE_BACK | 7)
    vmx.vmwrite(fields.EPT_POINTER, PML4 | 0x1e)
    vmx.vmwrite(fields.GUEST_CR0, 0x30)
    for segment in range(6):
        selector = 0x2000 if segment == 1 else 0x3000
        vmx.vmwrite(fields.GUEST_ES_SELECTOR + 2 * segment, selector)
        vmx.vmwrite(fields.GUEST_ES_BASE + 2 * segment, selector << 4)
        vmx.vmwrite(fields.GUEST_ES_LIMIT + 2 * segment, 0xffff)
        vmx.vmwrite(fields.GUEST_ES_ACCESS + 2 * segment, 0x9b if segment == 1 else 0x93)
    vmx.vmwrite(fields.GUEST_RIP, 0)
    vmx.vmwrite(fields.GUEST_RSP, 0x100)
    vmx.vmwrite(fields.GUEST_IDTR_LIMIT, 0x3ff)
    vmx.memory.write_bytes(CODE, '\xa3\xff\xff')       # mov %ax, 0xffff
    return vmx


@pytest.mark.parametrize('mapped, bitmap, reason, field', [
    (256, 1 << faults.GP, reasons.EXCEPTION_OR_NMI, fields.EXIT_INTERRUPTION_INFORMATION),
    (CODE + 0x1000 >> 12, 0, reasons.EPT_VIOLATION, fields.IDT_VECTORING_INFORMATION)])
def test_an_exit_of_an_exception_in_real_mode_tells_no_error_code(mapped, bitmap, reason, field):
    vmx = real_mode_guest(mapped)
    vmx.vmwrite(fields.EXCEPTION_BITMAP, bitmap)
    vmx.enter(True)
    assert vmx.vmread(fields.EXIT_REASON) == reason
    assert vmx.vmread(field) == 1 << 31 | events.HARDWARE_EXCEPTION << 8 | faults.GP
