"""Exit handlers of full virtualization, on a VMCS without a processor."""
import pytest

from full_parts import A, BASE, D, Guest, P, PE_PG, PE_PG_WP, Recorder, U, W
from hyper.cpu import faults, models
from hyper.cpu.models.registers import Bank
from hyper.vmm.full import exit_dispatch
from hyper.vmm.full.dr_access import DR6_ONES, DR7_ONES
from hyper.vmm.full.emulator import Emulator
from hyper.vmm.full.injection import Injector
from hyper.vmm.full.vtlb import FEWEST_FRAMES, ShadowTables
from hyper.vmx import fields, reasons
from test_full_injection import Pic

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
RIP, LENGTH = 0x4000, 3
MOV_FROM, CLTS, LMSW = 1 << 4, 2 << 4, 3 << 4
IN, STRING, REP = 8, 16, 32
GP, UD = 13, 6
PE_ET = 0x11


class Domain(Guest):
    """What exit handlers need of a FullDomain, with shadow page tables."""

    def __init__(self):
        Guest.__init__(self)
        self.guest = self.processor
        self.model = models.find('core2duo')
        self.msrs = Bank(self.model)
        self.ept = None
        self.shadow = ShadowTables(self.processor, [0xd0000 + 0x1000 * k for k in range(FEWEST_FRAMES)])
        self.shadow_fills = 0
        self.emulator = Emulator(self.processor)
        self.injector = Injector(self.processor, Pic())
        self.port = Recorder()
        self.bus.add_ports(0x80, 0x83, self.port)
        self.debug = [0, 0, 0, 0, 0, 0, DR6_ONES, DR7_ONES]
        self.died = ''
        self.asleep = False
        self.reflected = None
        self.vmx.vmwrite(fields.CR0_MASK, 0xfffffff1)
        self.vmx.vmwrite(fields.CR4_MASK, 0xffffffff)
        self.vmx.vmwrite(fields.CR0_SHADOW, PE_ET)
        self.vmx.vmwrite(fields.GUEST_CR0, 0x80010031)

    def exit(self, reason, qualification=0):
        """How far RIP went."""
        self.vmx.vmwrite(fields.EXIT_QUALIFICATION, qualification)
        self.vmx.vmwrite(fields.EXIT_INSTRUCTION_LENGTH, LENGTH)
        self.vmx.vmwrite(fields.GUEST_RIP, RIP)
        self.reflected = None
        exit_dispatch.dispatch(self, reason)
        return self.vmx.vmread(fields.GUEST_RIP) - RIP

    def fault(self, address, error):
        self.vmx.vmwrite(fields.EXIT_INTERRUPTION_INFORMATION, 0x80000b0e)
        self.vmx.vmwrite(fields.EXIT_INTERRUPTION_ERROR_CODE, error)
        return self.exit(reasons.EXCEPTION_OR_NMI, address)

    def reflect(self, vector, error, address):
        self.reflected = vector, error, address
        self.injector.exception(vector, error)

    def die(self, why):
        self.died = why

    def exit_with(self, value, number):
        """A MOV of a value to a control register."""
        self.regs[EAX] = value
        return self.exit(reasons.CR_ACCESS, number)

    def debug_register(self, number):
        return self.debug[number]

    def set_debug_register(self, number, value):
        self.debug[number] = value

    def set_efer(self, value):
        self.paging.efer = value

    def sleep(self):
        self.asleep = True

    def time_stamp(self):
        return 0x123456789a

    def set_time_stamp(self, value):
        self.time_stamp_written = value


def test_cr3_is_kept_for_the_guest_and_flushes_the_shadow():
    domain = Domain()
    domain.fault(0x5000, 2)
    assert domain.shadow_fills == 1
    domain.regs[EBX] = 0x7000
    flushes = domain.vmx.flushes
    assert domain.exit(reasons.CR_ACCESS, 3 | EBX << 8) == LENGTH
    assert domain.paging.cr3 == 0x7000
    assert domain.vmx.vmread(fields.GUEST_CR3) == domain.shadow.root
    assert domain.vmx.flushes == flushes + 1
    assert domain.exit(reasons.CR_ACCESS, 3 | MOV_FROM | ECX << 8) == LENGTH
    assert domain.regs[ECX] == 0x7000


def test_esp_in_a_control_register_move_is_the_guests():
    domain = Domain()
    domain.vmx.vmwrite(fields.GUEST_RSP, 0x3000)
    domain.exit(reasons.CR_ACCESS, 3 | ESP << 8)
    assert domain.paging.cr3 == 0x3000


def test_switching_paging_on_shows_the_guest_its_value_and_keeps_the_fixed_bits():
    domain = Domain()
    domain.fault(0x5000, 2)
    domain.regs[EAX] = 0xe0000019
    assert domain.exit(reasons.CR_ACCESS, 0) == LENGTH
    assert domain.vmx.vmread(fields.CR0_SHADOW) == 0xe0000019
    assert domain.vmx.vmread(fields.GUEST_CR0) == 0x80010039
    assert domain.paging.cr0 == 0xe0000019
    assert domain.shadow.touched_count == 0


@pytest.mark.parametrize('value', [0x80000010, 0x20000011])
def test_a_cr0_that_no_processor_takes_is_refused(value):
    domain = Domain()
    domain.regs[EAX] = value
    assert domain.exit(reasons.CR_ACCESS, 0) == 0
    assert domain.reflected == (GP, 0, 0)


def test_leaving_protected_mode_stops_the_domain_with_advice():
    domain = Domain()
    domain.regs[EAX] = 0x10
    domain.exit(reasons.CR_ACCESS, 0)
    assert '--mmu ept' in domain.died and 'native' in domain.died


def test_cr4_has_only_what_is_offered():
    domain = Domain()
    domain.regs[EAX] = 0x690
    assert domain.exit(reasons.CR_ACCESS, 4) == LENGTH
    assert domain.vmx.vmread(fields.CR4_SHADOW) == 0x690
    assert domain.vmx.vmread(fields.GUEST_CR4) == 0x2620       # PAE for the shadow
    assert domain.paging.cr4 & 0x10
    for bad in [0x4000, 0x2000, 0x80000000]:
        domain.regs[EAX] = bad
        assert domain.exit(reasons.CR_ACCESS, 4) == 0
        assert domain.reflected == (GP, 0, 0)


def test_pae_loads_the_pointers_with_each_control_register_and_refuses_malformed_ones():
    domain = Domain()
    domain.memory.write32(0x7020, 0x3001)
    domain.exit_with(0x7020, 3)
    domain.exit_with(0x20, 4)
    domain.exit_with(0x80000011, 0)
    assert domain.reflected is None and domain.paging.pointers == [0x3001, 0, 0, 0]
    domain.memory.write32(0x7060, 0x4003)
    domain.exit_with(0x7060, 3)
    assert domain.reflected == (GP, 0, 0) and domain.paging.cr3 == 0x7020
    domain.exit_with(0x30, 4)
    assert domain.reflected is None and domain.paging.pointers[0] == 0x3001


def test_efer_has_nxe_where_the_model_has_it():
    domain = Domain()
    domain.model = models.find('pentium-3')
    domain.regs[ECX] = 0xc0000080
    domain.exit(reasons.RDMSR)
    assert domain.reflected == (GP, 0, 0)
    domain.model = models.find('core2duo')
    domain.regs[EAX], domain.regs[EDX] = 0x800, 0
    assert domain.exit(reasons.WRMSR) == LENGTH and domain.paging.efer == 0x800
    domain.regs[EAX] = 0
    assert domain.exit(reasons.RDMSR) == LENGTH and domain.regs[EAX] == 0x800
    domain.regs[EAX] = 0x900
    domain.exit(reasons.WRMSR)
    assert domain.reflected == (GP, 0, 0)


def test_lmsw_sets_the_low_four_bits_and_cannot_clear_pe():
    domain = Domain()
    assert domain.exit(reasons.CR_ACCESS, LMSW | 0x000e << 16) == LENGTH
    assert domain.vmx.vmread(fields.CR0_SHADOW) == 0x1f
    assert domain.vmx.vmread(fields.GUEST_CR0) & 0xe == 0xe
    domain.exit(reasons.CR_ACCESS, LMSW | 0x0001 << 16)
    assert domain.vmx.vmread(fields.CR0_SHADOW) == 0x11
    assert domain.exit(reasons.CR_ACCESS, CLTS) == LENGTH


def test_a_page_fault_of_the_guest_reaches_it_with_cr2_and_code():
    domain = Domain()
    domain.map(0x5000, 0x6000, P)
    assert domain.fault(0x5678, 7) == 0
    assert domain.reflected == (14, 7, 0x5678)
    assert domain.shadow_fills == 0


def test_a_page_fault_on_device_memory_is_emulated():
    domain = Domain()
    device = Recorder()
    domain.bus.add_memory(0xfee00000, 0xfee00fff, device)
    domain.memory.write_bytes(RIP, '\xa3\x20\x00\xe0\xfe')
    assert domain.fault(0xfee00020, 2) == 5
    assert device.log == [('write', 0xfee00020, 4, 0)]


def test_events_cannot_be_delivered_through_device_memory():
    domain = Domain()
    domain.vmx.vmwrite(fields.IDT_VECTORING_INFORMATION, 0x80000020)
    domain.fault(0xfee00020, 2)
    assert 'stack' in domain.died


def test_port_access_moves_part_of_eax():
    domain = Domain()
    domain.regs[EAX] = 0xaabbccdd
    assert domain.exit(reasons.IO_INSTRUCTION, 0x80 << 16 | 1) == LENGTH
    assert domain.exit(reasons.IO_INSTRUCTION, 0x81 << 16 | IN) == LENGTH
    assert domain.regs[EAX] == 0xaabbcc44
    assert domain.port.log == [('out', 0x80, 2, 0xccdd), ('in', 0x81, 1)]


def test_ports_without_a_device_read_all_ones():
    domain = Domain()
    domain.exit(reasons.IO_INSTRUCTION, 0x1234 << 16 | IN | 1)
    assert domain.regs[EAX] == 0xffff


def test_repeated_string_output_takes_all_of_the_string():
    domain = Domain()
    domain.memory.write_bytes(RIP, '\xf3\x6e')
    domain.memory.write_bytes(0x5000, 'abc')
    domain.regs[ESI] = 0x5000
    domain.regs[ECX] = 3
    assert domain.exit(reasons.IO_INSTRUCTION, 0x80 << 16 | STRING | REP) == 2
    assert domain.port.log == [('out', 0x80, 1, ord(c)) for c in 'abc']
    assert (domain.regs[ESI], domain.regs[ECX]) == (0x5003, 0)


def test_string_input_stops_at_a_page_that_cannot_take_it_with_registers_to_go_on():
    domain = Domain()
    domain.map(RIP, RIP, P | W)
    domain.map(0x5000, 0x5000, P | W)
    domain.memory.write_bytes(RIP, '\xf3\x6c')
    domain.regs[EDI] = 0x5fff
    domain.regs[ECX] = 3
    assert domain.exit(reasons.IO_INSTRUCTION, 0x80 << 16 | STRING | REP | IN) == 0
    assert domain.reflected == (14, 2, 0x6000)
    assert (domain.regs[EDI], domain.regs[ECX]) == (0x6000, 2)
    assert len(domain.port.log) == 1


def test_a_very_long_string_goes_on_in_a_later_exit():
    domain = Domain()
    domain.memory.write_bytes(RIP, '\xf3\x6e')
    domain.regs[ESI] = 0x5000
    domain.regs[ECX] = 1500
    assert domain.exit(reasons.IO_INSTRUCTION, 0x80 << 16 | STRING | REP) == 0
    assert 0 < domain.regs[ECX] < 1500
    assert domain.exit(reasons.IO_INSTRUCTION, 0x80 << 16 | STRING | REP) == 2
    assert domain.regs[ECX] == 0


def test_cpuid_hides_vt_x_and_tells_of_the_hypervisor():
    domain = Domain()
    domain.regs[EAX] = 1
    assert domain.exit(reasons.CPUID) == LENGTH
    assert domain.regs[EAX] == 0x6f6
    assert domain.regs[ECX] & (1 << 5 | 1 << 31) == 1 << 31
    assert domain.regs[EDX] & 0x131 == domain.model.features & 0x131


def test_the_msrs_of_the_model_are_the_domains_own_and_checked():
    domain, other = Domain(), Domain()
    domain.regs[ECX], domain.regs[EAX], domain.regs[EDX] = 0x200, 0x80000006, 0xf
    assert domain.exit(reasons.WRMSR) == LENGTH
    domain.regs[EAX] = domain.regs[EDX] = 0
    assert domain.exit(reasons.RDMSR) == LENGTH
    assert (domain.regs[EAX], domain.regs[EDX]) == (0x80000006, 0xf)
    other.regs[ECX] = 0x200
    assert other.exit(reasons.RDMSR) == LENGTH
    assert (other.regs[EAX], other.regs[EDX]) == (0, 0)
    domain.regs[EAX] = 2                # no memory type
    assert domain.exit(reasons.WRMSR) == 0
    assert domain.reflected == (GP, 0, 0)


def test_rdpmc_reads_the_counters_of_the_model():
    domain = Domain()
    domain.regs[ECX] = 1
    domain.regs[EAX] = domain.regs[EDX] = 5
    assert domain.exit(reasons.RDPMC) == LENGTH
    assert (domain.regs[EAX], domain.regs[EDX]) == (0, 0)
    domain.regs[ECX] = 2
    assert domain.exit(reasons.RDPMC) == 0
    assert domain.reflected == (GP, 0, 0)


def test_msrs():
    domain = Domain()
    domain.regs[ECX] = 0x175
    domain.regs[EAX] = 0x8000
    assert domain.exit(reasons.WRMSR) == LENGTH
    domain.regs[EAX] = 0
    assert domain.exit(reasons.RDMSR) == LENGTH
    assert domain.regs[EAX] == 0x8000
    assert domain.vmx.vmread(fields.GUEST_SYSENTER_ESP) == 0x8000
    domain.regs[ECX] = 0x10
    domain.exit(reasons.RDMSR)
    assert (domain.regs[EAX], domain.regs[EDX]) == (0x3456789a, 0x12)
    domain.exit(reasons.WRMSR)
    assert domain.time_stamp_written == 0x123456789a
    for unknown in [0x480, 0xc0000081, 0xffffffff]:
        domain.regs[ECX] = unknown
        for reason in [reasons.RDMSR, reasons.WRMSR]:
            assert domain.exit(reason) == 0
            assert domain.reflected == (GP, 0, 0)


def test_debug_registers_are_the_guests_own():
    domain = Domain()
    domain.regs[EBX] = 0xffffffff
    assert domain.exit(reasons.DR_ACCESS, 7 | EBX << 8) == LENGTH
    assert domain.exit(reasons.DR_ACCESS, 5 | 1 << 4 | ECX << 8) == 0        # general detect, once
    assert domain.reflected == (1, -1, 0) and domain.debug[6] & 1 << 13
    assert domain.exit(reasons.DR_ACCESS, 5 | 1 << 4 | ECX << 8) == LENGTH
    assert domain.regs[ECX] == 0xffff07ff
    domain.vmx.vmwrite(fields.CR4_SHADOW, 8)
    assert domain.exit(reasons.DR_ACCESS, 5 | 1 << 4 | ECX << 8) == 0
    assert domain.reflected == (UD, -1, 0)
    domain.set_user()
    assert domain.exit(reasons.DR_ACCESS, 7 | 1 << 4 | ECX << 8) == 0
    assert domain.reflected == (GP, 0, 0)


def test_hlt_sleeps_until_an_interrupt_and_is_the_end_with_interrupts_off():
    domain = Domain()
    domain.vmx.vmwrite(fields.GUEST_RFLAGS, 0x202)
    assert domain.exit(reasons.HLT) == LENGTH
    assert domain.asleep
    domain = Domain()
    domain.injector.controller.vectors = [0x20]
    domain.vmx.vmwrite(fields.GUEST_RFLAGS, 0x202)
    domain.exit(reasons.HLT)
    assert not domain.asleep
    domain.vmx.vmwrite(fields.GUEST_RFLAGS, 2)
    domain.exit(reasons.HLT)
    assert 'interrupts off' in domain.died


def test_invlpg_forgets_a_page():
    domain = Domain()
    domain.memory.write32(0x1000, 0x2000 | P | W)
    domain.memory.write32(0x2000 + 5 * 4, 0x7000 | P | W)
    domain.paging.cr0, domain.paging.cr3 = PE_PG_WP, 0x1000
    domain.fault(0x5000, 2)
    assert domain.exit(reasons.INVLPG, 0x5000) == LENGTH
    assert domain.vmx.invalidated == [0x5000]


@pytest.mark.parametrize('reason', [reasons.VMCALL, reasons.VMXON, reasons.VMREAD, reasons.MONITOR, reasons.XSETBV])
def test_what_cpuid_does_not_offer_is_undefined(reason):
    domain = Domain()
    assert domain.exit(reason) == 0
    assert domain.reflected == (UD, -1, 0)


def test_every_exit_reason_is_survived():
    for reason in range(64):
        domain = Domain()
        domain.vmx.failed_check = 'a check'
        if reason != reasons.EPT_VIOLATION and reason != reasons.EXTERNAL_INTERRUPT:
            domain.exit(reason)


def test_an_instruction_that_exits_steps_and_unblocks_as_any_other():
    domain = Domain()
    domain.vmx.vmwrite(fields.GUEST_RFLAGS, 0x10102)
    domain.vmx.vmwrite(fields.GUEST_INTERRUPTIBILITY, 1)
    domain.exit(reasons.CPUID)
    assert domain.vmx.vmread(fields.GUEST_INTERRUPTIBILITY) == 0
    assert domain.vmx.vmread(fields.GUEST_PENDING_DEBUG) == 0x4000
    assert domain.vmx.vmread(fields.GUEST_RFLAGS) == 0x102
