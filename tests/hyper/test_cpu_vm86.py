"""Virtual-8086 mode, its extensions (VME) and protected-mode virtual interrupts (SDM vol. 3, chapter 20); alignment checks."""
import struct

import pytest

from cpu_parts import CODE, DATA, HANDLERS, INNER_STACK, KERNEL_CODE, KERNEL_DATA, STACK, TSS, USER_CODE, USER_DATA, Guest, gate
from hyper.cpu import flags
from hyper.cpu.mode import TR

GP, AC = 13, 17
VM, IOPL, VIF, VIP, IF, TF = flags.VM, flags.IOPL, flags.VIF, flags.VIP, flags.IF, flags.TF
CR4_VME, CR4_PVI = 1, 2
SEGMENT = 0x1000                # of the code: linear 10000h, as CODE
REAL_HANDLER = 0x300            # offset in it


class Virtual(Guest):
    """Enters virtual-8086 mode at 1000:0000 with these flags. HLT there is #GP; INT 21h has a handler in the same segment. The bitmap of the TSS
    redirects only INT 22h to protected mode."""

    def __init__(self, source, image=0, cr4=0):
        Guest.__init__(self)
        self.write('.code16\n' + source + '\nhlt\n.org 0x300\ninc %bx; pushf; pop %dx; iret', CODE)
        self.write('add $12, %%esp; push $0; push $0; push $0; push $0; push $0; push $0x8000; push $%d; push $0x1000; push $0; iret' % (image | VM | 2), 0x5000)
        memory = self.memory
        memory.write_bytes(TSS + 0x66, struct.pack('<H', 0x88))
        memory.write_bytes(TSS + 0x68, '\0' * 0x20 + '\0' * 32)
        memory.write8(TSS + 0x68 + (0x22 >> 3), 1 << (0x22 & 7))
        self.system.set_segment(TR, 0x28, TSS, 0xff, 0x8b)
        memory.write32(0x21 * 4, SEGMENT << 16 | REAL_HANDLER)
        self.system.cr4 = cr4
        self.system.eip = 0x5000
        self.vector(0x21, gate(14, KERNEL_CODE, HANDLERS + 0x21 * 16, dpl=3))
        self.vector(0x22, gate(14, KERNEL_CODE, HANDLERS + 0x22 * 16, dpl=3))
        self.happened = self.run()


def test_entering_and_leaving_virtual_8086_mode():
    guest = Virtual('mov %cs, %ax; mov %ax, %ds; mov $0x1234, %cx; mov %cx, 0x4000')
    event = guest.happened
    assert (event.vector, event.error, event.cs, event.eflags & (VM | IOPL)) == (GP, 0, SEGMENT, VM)
    assert guest.memory.read16(DATA) == 0x1234
    assert guest.memory.read32(guest.esp + 20) == 0 and guest.memory.read32(guest.esp + 28) == SEGMENT       # SS, DS
    assert all(guest.system.selector[s] == 0 for s in (0, 3, 4, 5))


@pytest.mark.parametrize('source', ['cli', 'sti', 'pushf', 'popf', 'iret', 'int $0x21'])
def test_with_iopl_below_3_the_sensitive_instructions_fault(source):
    event = Virtual(source).happened
    assert (event.vector, event.error, event.eip) == (GP, 0, 0)


def test_with_iopl_3_they_work_on_if_and_int_goes_to_protected_mode():
    guest = Virtual('cli; pushf; pop %ax; sti; pushf; pop %bx; int $0x21', IOPL | IF)
    event = guest.happened
    assert (event.vector, event.eip) == (0x21, 8)
    assert guest.eax & IF == 0 and guest.ebx & IF and event.eflags & (VM | IF) == VM | IF


def test_with_vme_they_work_on_vif():
    guest = Virtual('pushf; pop %ax; sti; pushf; pop %bx; cli; pushf; pop %cx', 0, CR4_VME)
    assert guest.happened.vector == GP
    assert (guest.eax & (IF | IOPL), guest.ebx & (IF | IOPL), guest.ecx & (IF | IOPL)) == (IOPL, IOPL | IF, IOPL)
    assert guest.happened.eflags & (VIF | IF | IOPL) == 0


def test_with_vme_popf_and_iret_load_vif():
    guest = Virtual('push $0x202; popf; pushf; pop %ax; push $0x2; push %cs; push $1f; iret; 1: pushf; pop %bx', 0, CR4_VME)
    assert guest.eax & IF and not guest.ebx & IF and guest.happened.eflags & IF == 0


@pytest.mark.parametrize('source', ['pushfl', 'popfl', 'iretl', 'push $0x102; popf'])
def test_vme_has_no_32_bit_forms_and_no_trap_flag(source):
    event = Virtual(source, 0, CR4_VME).happened
    assert event.vector == GP and event.eip in (0, 3)


@pytest.mark.parametrize('source', ['sti', 'push $0x202; popf', 'push $0x202; push %cs; push $0; iret'])
def test_enabling_virtual_interrupts_while_one_is_pending_faults(source):
    event = Virtual(source, VIP, CR4_VME).happened
    assert event.vector == GP and event.eflags & (VIP | VIF) == VIP


@pytest.mark.parametrize('iopl, before', [(0, VIF), (0, 0), (IOPL, IF), (IOPL, 0)])
def test_int_n_goes_to_the_handler_of_the_8086_program_if_the_bitmap_says_so(iopl, before):
    guest = Virtual('int $0x21; pushf; pop %cx', iopl | before, CR4_VME)
    assert guest.happened.vector == GP and guest.happened.eip == 4
    assert guest.ebx == 1
    assert guest.edx & IF == 0 and (guest.ecx & IF != 0) == (before != 0)
    assert guest.ecx & IOPL == IOPL


def test_int_n_that_is_redirected_needs_iopl_3():
    event = Virtual('int $0x22', 0, CR4_VME).happened
    assert (event.vector, event.error) == (GP, 0)
    assert Virtual('int $0x22', IOPL, CR4_VME).happened.vector == 0x22


def test_an_interrupt_table_beyond_the_tss_faults():
    guest = Virtual('int $0x21', 0, CR4_VME)
    assert guest.ebx == 1
    guest.memory.write_bytes(TSS + 0x66, struct.pack('<H', 0x800))
    guest.system.eip, guest.system.halted = 0x5000, False
    assert guest.run().vector == GP


def test_protected_mode_virtual_interrupts():
    for cr4 in [0, CR4_PVI]:
        guest = Guest('sti; pushf; pop %eax; cli; pushf; pop %ebx; hlt', ring=3)
        guest.system.cr4 = cr4
        event = guest.run()
        assert event.vector == GP
        if cr4:
            assert event.eip == CODE + 6 and guest.eax & (VIF | IF) == VIF and guest.ebx & VIF == 0
        else:
            assert event.eip == CODE
    guest = Guest('sti; hlt', ring=3)
    guest.system.cr4, guest.system.eflags = CR4_PVI, VIP | 2
    assert guest.run().eip == CODE


# -- alignment checks

def unaligned(source, ring=3, am=1 << 18, ac=flags.AC):
    guest = Guest(source, ring)
    guest.system.cr0 |= am
    guest.system.eflags |= ac
    guest.system.update_mode()
    guest.vector(0x30, gate(14, KERNEL_CODE, HANDLERS + 0x30 * 16, dpl=3))
    return guest


@pytest.mark.parametrize('access, faults', [
    ('mov 0x14001, %eax', True), ('mov 0x14002, %eax', True), ('mov 0x14004, %eax', False), ('movw $1, 0x14002', False), ('movw $1, 0x14003', True),
    ('movb $1, 0x14003', False), ('incl 0x14002', True), ('push 0x14006', True), ('lodsl', True), ('stosw', True), ('fldl 0x14004', True),
    ('rep movsl', True), ('lea 0x14001, %eax', False)])
def test_unaligned_accesses_of_ring_3_fault_if_am_and_ac_are_set(access, faults):
    setup = 'mov $0x14001, %esi; mov %esi, %edi; mov $2, %ecx;'
    for ring, am, ac in [(3, 1 << 18, flags.AC), (0, 1 << 18, flags.AC), (3, 0, flags.AC), (3, 1 << 18, 0)]:
        guest = unaligned(setup + access + '; int $0x30', ring, am, ac)
        event = guest.run()
        if faults and ring == 3 and am and ac:
            assert (event.vector, event.error, event.eip) == (AC, 0, CODE + 12)
        else:
            assert event.vector == 0x30


def test_popf_turns_alignment_checks_on_and_off():
    guest = unaligned('mov 0x14001, %eax; pushf; orl $0x40000, (%esp); popf; mov 0x14004, %eax; pushf; andl $~0x40000, (%esp); popf;'
                      'mov 0x14001, %eax; pushf; orl $0x40000, (%esp); popf; mov 0x14001, %ebx', ac=0)
    event = guest.run()
    assert event.vector == AC and event.eip == CODE + len(guest.code) - 6


def test_an_unaligned_stack_of_ring_3_faults_and_the_processors_own_accesses_do_not():
    event = unaligned('mov $0x1fff2, %esp; push %eax').run()
    assert (event.vector, event.error, event.eip) == (AC, 0, CODE + 5)
    guest = unaligned('mov $0x1fff2, %esp; int $0x30')
    assert guest.run().vector == 0x30
