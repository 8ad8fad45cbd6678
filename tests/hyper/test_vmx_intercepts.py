"""What exits from non-root operation, and with what qualification (SDM vol. 3, chapter 25 and 27.2.1)."""
import pytest

from hyper.cpu import faults
from hyper.cpu.faults import Intercept
from hyper.vmx import controls, fields, intercepts
from vmx_parts import IO_BITMAPS, MSR_BITMAP, make, make_with_guest, WITH_EPT, enter

F = fields


def inside(*writes, **wanted):
    vmx = make_with_guest(**wanted)
    for encoding, value in writes:
        vmx.vmwrite(encoding, value)
    enter(vmx)
    assert vmx.system.vmx_non_root
    return vmx.system


def caught(call, *arguments):
    """(reason, qualification) of the exit that a call asks for, or None."""
    try:
        call(*arguments)
    except Intercept as exit:
        return exit.reason, exit.qualification
    return None


@pytest.mark.parametrize('call, reason', [(intercepts.cpuid, 10), (intercepts.invd, 13)])
def test_some_instructions_exit_whatever_the_controls_say(call, reason):
    assert caught(call, inside()) == (reason, 0)


@pytest.mark.parametrize('call, control, reason', [(intercepts.hlt, controls.HLT_EXITING, 12), (intercepts.rdtsc, controls.RDTSC_EXITING, 16),
                                                   (intercepts.rdpmc, controls.RDPMC_EXITING, 15), (intercepts.pause, controls.PAUSE_EXITING, 40),
                                                   (intercepts.monitor, controls.MONITOR_EXITING, 39)])
def test_others_exit_if_their_control_says_so(call, control, reason):
    assert caught(call, inside()) is None
    assert caught(call, inside(processor=control)) == (reason, 0)


def test_wbinvd_exits_by_a_secondary_control():
    assert caught(intercepts.wbinvd, inside(processor=controls.ACTIVATE_SECONDARY_CONTROLS)) is None
    vmx = make_with_guest(WITH_EPT, processor=controls.ACTIVATE_SECONDARY_CONTROLS, secondary=controls.WBINVD_EXITING)
    enter(vmx)
    assert caught(intercepts.wbinvd, vmx.system) == (54, 0)


def test_mwait_tells_whether_monitor_has_chosen_a_line():
    assert caught(intercepts.mwait, inside(), True) is None
    system = inside(processor=controls.MWAIT_EXITING)
    assert caught(intercepts.mwait, system, False) == (36, 0)
    assert caught(intercepts.mwait, system, True) == (36, 1)


def test_invlpg_gives_its_address():
    assert caught(intercepts.invlpg, inside(), 0x1000) is None
    assert caught(intercepts.invlpg, inside(processor=controls.INVLPG_EXITING), 0xc0101000) == (14, 0xc0101000)


def test_mov_dr_gives_register_direction_and_general_register():
    assert caught(intercepts.mov_dr, inside(), 7, False, 3) is None
    system = inside(processor=controls.MOV_DR_EXITING)
    assert caught(intercepts.mov_dr, system, 7, False, 3) == (29, 0x307)
    assert caught(intercepts.mov_dr, system, 6, True, 1) == (29, 0x116)


def test_a_task_switch_gives_selector_and_source():
    assert caught(intercepts.task_switch, inside(), 0x28, intercepts.BY_JMP) == (9, 0x80000028)
    assert caught(intercepts.task_switch, inside(), 0x30, intercepts.BY_GATE) == (9, 0xc0000030)


# -- I/O

def test_without_controls_no_port_exits_and_with_unconditional_exiting_all_do():
    assert caught(intercepts.io, inside(), 0x60, 1, True) is None
    system = inside(processor=controls.UNCONDITIONAL_IO_EXITING)
    assert caught(intercepts.io, system, 0x60, 1, True) == (30, 0x600008)
    assert caught(intercepts.io, system, 0x1234, 4, False) == (30, 0x12340003)
    assert caught(intercepts.io, system, 0x80, 2, False, False, False, True) == (30, 0x800041)
    assert caught(intercepts.io, system, 0x1f0, 2, True, True, True) == (30, 0x1f00039)


def test_string_io_gives_the_linear_address_of_its_memory_operand():
    system = inside(processor=controls.UNCONDITIONAL_IO_EXITING)
    system.regs[6], system.regs[7] = 0x1000, 0x2000
    system.base[0] = 0x100000
    for is_in, linear in [(True, 0x102000), (False, 0x1000)]:
        with pytest.raises(Intercept) as exit:
            intercepts.io(system, 0x1f0, 2, is_in, True)
        assert exit.value.linear == linear


def test_the_io_bitmaps_choose_ports_and_an_access_that_touches_one_exits():
    system = inside((F.IO_BITMAP_A, IO_BITMAPS), (F.IO_BITMAP_B, IO_BITMAPS + 0x1000),
                    processor=controls.USE_IO_BITMAPS | controls.UNCONDITIONAL_IO_EXITING)
    system.memory.write8(IO_BITMAPS + 0x3f8 // 8, 1)
    system.memory.write8(IO_BITMAPS + 0x1000 + 1, 4)
    for port, size, exits in [(0x3f8, 1, True), (0x3f9, 1, False), (0x3f6, 4, True), (0x3f7, 1, False), (0x3f7, 2, True), (0x800a, 1, True),
                              (0x800b, 4, False), (0x8007, 4, True), (0xffff, 1, False), (0xffff, 2, True), (0, 1, False)]:
        assert (caught(intercepts.io, system, port, size, True) is not None) == exits


# -- MSRs

def test_without_bitmaps_every_msr_exits():
    assert caught(intercepts.rdmsr, inside(), 0x10) == (31, 0) and caught(intercepts.wrmsr, inside(), 0x174) == (32, 0)


def test_the_msr_bitmaps_choose_reads_and_writes_of_low_and_high_msrs():
    system = inside((F.MSR_BITMAP, MSR_BITMAP), processor=controls.USE_MSR_BITMAPS)
    w = system.memory.write8
    w(MSR_BITMAP + 0x174 // 8, 1 << (0x174 % 8))
    w(MSR_BITMAP + 0x400 + 0x80 // 8, 1)
    w(MSR_BITMAP + 0x800 + 0x10 // 8, 1)
    w(MSR_BITMAP + 0xc00 + 0x1fff // 8, 0x80)
    reads = [k for k in [0x10, 0x174, 0x175, 0x1fff, 0xc0000080, 0xc0001fff, 0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xffffffff]
             if caught(intercepts.rdmsr, system, k)]
    writes = [k for k in [0x10, 0x174, 0xc0000080, 0xc0001fff, 0x2000] if caught(intercepts.wrmsr, system, k)]
    assert reads == [0x174, 0xc0000080, 0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xffffffff]
    assert writes == [0x10, 0xc0001fff, 0x2000]


# -- control registers

def test_the_guest_sees_the_shadow_where_the_host_owns_bits():
    system = inside((F.CR0_MASK, 0x80000008), (F.CR0_SHADOW, 8), (F.CR4_MASK, 0x2000), (F.CR4_SHADOW, 0))
    assert intercepts.read_cr(system, 0) == 0x39
    assert intercepts.read_cr(system, 4) == 0x10


def test_a_write_exits_if_an_owned_bit_would_differ_from_the_shadow_and_else_leaves_it_alone():
    system = inside((F.CR0_MASK, 0x80000008), (F.CR0_SHADOW, 8))
    assert caught(intercepts.write_cr, system, 0, 2, 0x31) == (28, 0x200)
    assert caught(intercepts.write_cr, system, 0, 2, 0x80000039) == (28, 0x200)
    assert intercepts.write_cr(system, 0, 2, 0x10039) == 0x80010031
    system = inside((F.CR4_MASK, 0x2000), (F.CR4_SHADOW, 0))
    assert caught(intercepts.write_cr, system, 4, 5, 0x2010) == (28, 0x504)
    assert intercepts.write_cr(system, 4, 5, 0x90) == 0x2090


def test_cr3_accesses_exit_except_for_loads_of_a_target_value():
    system = inside((F.CR3_TARGET_COUNT, 2), (F.CR3_TARGET_0, 0x1000), (F.CR3_TARGET_1, 0x2000), (F.CR3_TARGET_2, 0x3000))
    assert caught(intercepts.read_cr, system, 3, 7) == (28, 0x713)
    assert caught(intercepts.write_cr, system, 3, 0, 0x3000) == (28, 3)
    assert intercepts.write_cr(system, 3, 0, 0x2000) == 0x2000


def test_cr3_accesses_do_not_exit_where_the_processor_can_do_without():
    msrs = WITH_EPT[:2] + [0xF7F9FFFE04006172 | 1 << 63] + WITH_EPT[3:]
    vmx = make_with_guest(msrs)
    enter(vmx)
    assert intercepts.read_cr(vmx.system, 3) == 0x4000 and intercepts.write_cr(vmx.system, 3, 0, 0x9000) == 0x9000


def test_clts_exits_or_does_nothing_or_is_left_to_the_processor():
    assert caught(intercepts.clts, inside((F.CR0_MASK, 8), (F.CR0_SHADOW, 8))) == (28, 0x20)
    assert intercepts.clts(inside((F.CR0_MASK, 8), (F.CR0_SHADOW, 0))) is True
    assert intercepts.clts(inside()) is False


def test_lmsw_exits_for_owned_bits_and_gives_its_source():
    system = inside((F.CR0_MASK, 0xb), (F.CR0_SHADOW, 0x0))
    assert caught(intercepts.lmsw, system, 0xabc8) == (28, 0xabc80030)
    assert caught(intercepts.lmsw, system, 0x1, True, 0x1234) == (28, 0x10070)
    assert intercepts.lmsw(system, 4) == 5              # EM is the guest's; PE, MP and TS stay as they are
    system = inside((F.CR0_MASK, 1), (F.CR0_SHADOW, 1))
    assert intercepts.lmsw(system, 8) & 8               # clearing PE by LMSW is no attempt at all


# -- exceptions

def test_the_exception_bitmap_chooses_exceptions():
    system = inside((F.EXCEPTION_BITMAP, 1 << 13))
    assert intercepts.exception_exits(system, faults.GP, 0) and not intercepts.exception_exits(system, faults.UD, -1)


@pytest.mark.parametrize('bit, mask, match, error, exits', [
    (1, 0, 0, 7, True), (0, 0, 0, 7, False), (1, 1, 0, 2, True), (1, 1, 0, 3, False), (0, 1, 0, 3, True), (0, 1, 0, 2, False),
    (1, 0, 0xffffffff, 2, False), (0, 0, 0xffffffff, 2, True)])
def test_page_faults_are_chosen_by_bitmap_mask_and_match(bit, mask, match, error, exits):
    system = inside((F.EXCEPTION_BITMAP, bit << 14), (F.PAGE_FAULT_MASK, mask), (F.PAGE_FAULT_MATCH, match))
    assert intercepts.exception_exits(system, faults.PF, error) == exits


def test_the_pin_and_window_controls_are_read():
    system = inside()
    assert not (intercepts.external_interrupt_exits(system) or intercepts.nmi_exits(system) or intercepts.interrupt_window_exits(system) or
                intercepts.nmi_window_exits(system))
    system = inside(pin=controls.EXTERNAL_INTERRUPT_EXITING | controls.NMI_EXITING | controls.VIRTUAL_NMIS,
                    processor=controls.INTERRUPT_WINDOW_EXITING | controls.NMI_WINDOW_EXITING)
    assert (intercepts.external_interrupt_exits(system) and intercepts.nmi_exits(system) and intercepts.interrupt_window_exits(system) and
            intercepts.nmi_window_exits(system))
