"""Small guests under trap-and-emulate, with shadow and with extended page tables."""
import pytest

from assemble import assemble
from hyper.board.machine import Machine, World
from hyper.board.uart import CharSink
from hyper.cpu import models
from hyper.cpu.system import InterruptController
from hyper.errors import UserError
from hyper.loader.entry import EntryState
from hyper.vmm.domain import Host
from hyper.vmm.full.domain import FullDomain, frames_wanted
from hyper.vmx import host as vmx_host, reasons

MB = 1 << 20
BASE, SIZE = 4 * MB, 2 * MB
CODE = 0x8000
MOST_SLICES = 400
GDT = '\x00' * 8 + '\xff\xff\x00\x00\x00\x9b\xcf\x00' + '\xff\xff\x00\x00\x00\x93\xcf\x00'

OFF = '\n mov $0x604, %dx\n mov $0x2000, %ax\n out %ax, %dx\n'
SETUP = '''
    lgdt gdtr
    lidt idtr
    ljmp $8, $1f
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x7000, %esp
    jmp start
gdtr: .word 23
    .long gdt
    .align 8
gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
idtr: .word 0x7ff
    .long 0x6000
set_gate:           # vector eax, handler edx
    movw %dx, 0x6000(, %eax, 8)
    movw $8, 0x6002(, %eax, 8)
    movw $0x8e00, 0x6004(, %eax, 8)
    shr $16, %edx
    movw %dx, 0x6006(, %eax, 8)
    ret
paging:             # one to one: tables of 4 KB pages at 11000, directory at 10000
    movl $0x11003, 0x10000
    xor %eax, %eax
2:  mov %eax, %edx
    shl $12, %edx
    or $3, %edx
    mov %edx, 0x11000(, %eax, 4)
    inc %eax
    cmp $512, %eax
    jb 2b
    mov $0x10000, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80010000, %eax
    mov %eax, %cr0
    jmp 3f
3:  ret
off:
''' + OFF + '''
    hlt
start:
'''


class Console(CharSink):
    def __init__(self):
        self.text = ''

    def write_byte(self, b):
        self.text += chr(b)


class TimerInterrupt(InterruptController, Host):
    """The host's own interrupt: a device of the domain wants something."""

    def __init__(self, system):
        self.system = system
        self.requested = False

    def pending(self):
        return self.requested

    def acknowledge(self):
        self.requested = False
        return 0x20

    def domain_interrupted(self, domain):
        self.requested = True
        self.system.interrupt_changed()


class Guest(object):
    def __init__(self, mmu, source='', entry=None, code=None):
        model = models.find('nehalem' if mmu == 'ept' else 'core2duo')
        self.machine = Machine(8 * MB, model, World())
        system = self.machine.system
        vmx_host.start(system.vmx, 0x1000)
        assert system.vmx.status == 0
        self.system = system
        self.timer = TimerInterrupt(system)
        system.interrupts = self.timer
        self.console = Console()
        frames = [MB + 0x1000 * k for k in range(frames_wanted(SIZE, mmu == 'ept'))]
        self.domain = FullDomain(0, 'guest', system.vmx, model, self.machine.clock, self.machine.memory, BASE, SIZE, self.console, mmu == 'ept',
                                 0x2000, frames, self.timer)
        self.domain.memory.write_bytes(CODE, code or assemble(source, CODE))
        self.domain.start(entry or EntryState(CODE))

    def run(self):
        for k in range(MOST_SLICES):
            self.domain.run()
            if not self.domain.alive:
                return self
            if self.timer.pending():
                self.timer.acknowledge()
            if self.domain.asleep:
                self.machine.wait()
        raise AssertionError('the guest does not end')

    def exits(self, reason):
        return self.domain.exits[reason]


both = pytest.mark.parametrize('mmu', ['vtlb', 'ept'])


@both
def test_a_guest_without_paging_prints_and_powers_off(mmu):
    guest = Guest(mmu, 'mov $0x41, %al\n out %al, $0xe9' + OFF).run()
    assert guest.console.text == 'A'
    assert (guest.domain.status, guest.domain.why) == (0, 'powered off')
    assert guest.exits(reasons.IO_INSTRUCTION) == 2


@both
def test_the_exit_device_gives_the_status(mmu):
    guest = Guest(mmu, 'mov $42, %al\n out %al, $0xf4\n hlt').run()
    assert guest.domain.status == 42


@both
def test_it_reads_back_the_control_registers_that_it_wrote(mmu):
    guest = Guest(mmu, SETUP + '''
        call paging
        mov %cr0, %eax
        mov %eax, 0x9000
        mov %cr3, %eax
        mov %eax, 0x9004
        mov %cr4, %eax
        mov %eax, 0x9008
        smsw %eax
        mov %eax, 0x900c
        jmp off''').run()
    memory = guest.domain.memory
    assert memory.read32(0x9000) == 0x80010011
    assert memory.read32(0x9004) == 0x10000
    assert memory.read32(0x9008) == 0
    assert memory.read32(0x900c) & 0xffff == 0x11


@both
def test_its_own_page_faults_reach_its_handler_with_address_and_code(mmu):
    guest = Guest(mmu, SETUP + '''
        mov $14, %eax
        mov $handler, %edx
        call set_gate
        call paging
        movl $0, 0x11000 + 0x90 * 4
        invlpg 0x90000
        movl $5, 0x90123
        mov 0x90000, %eax
        mov %eax, 0x9010
        jmp off
    handler:
        pop 0x9000
        mov %cr2, %eax
        mov %eax, 0x9004
        incl 0x9008
        movl $0x90003, 0x11000 + 0x90 * 4
        iret''').run()
    memory = guest.domain.memory
    assert (memory.read32(0x9000), memory.read32(0x9004), memory.read32(0x9008)) == (2, 0x90123, 1)
    assert memory.read32(0x90123) == 5
    assert memory.read32(0x11000 + 0x90 * 4) & 0x60 == 0x60


@both
def test_remapping_a_page_is_seen_after_invlpg_and_after_writing_cr3(mmu):
    guest = Guest(mmu, SETUP + '''
        movl $0x1111, 0x50000
        movl $0x2222, 0x51000
        movl $0x3333, 0x52000
        call paging
        mov 0x50000, %ebx
        movl $0x51003, 0x11000 + 0x50 * 4
        invlpg 0x50fff
        mov 0x50000, %ecx
        movl $0x52003, 0x11000 + 0x50 * 4
        mov %cr3, %eax
        mov %eax, %cr3
        mov 0x50000, %esi
        mov %ebx, 0x9000
        mov %ecx, 0x9004
        mov %esi, 0x9008
        jmp off''').run()
    assert [guest.domain.memory.read32(0x9000 + 4 * k) for k in range(3)] == [0x1111, 0x2222, 0x3333]


@both
def test_the_timer_interrupts_a_busy_guest_and_wakes_a_halted_one(mmu):
    guest = Guest(mmu, SETUP + '''
        mov $0x20, %eax
        mov $tick, %edx
        call set_gate
        movb $0x11, %al
        out %al, $0x20
        movb $0x20, %al
        out %al, $0x21
        movb $4, %al
        out %al, $0x21
        movb $1, %al
        out %al, $0x21
        movb $0xfe, %al
        out %al, $0x21
        movb $0x34, %al
        out %al, $0x43
        movb $12, %al
        out %al, $0x40
        movb $0, %al
        out %al, $0x40
        sti
    1:  cmpl $2, 0x9000
        jb 1b
        hlt
        cli
        jmp off
    tick:
        incl 0x9000
        push %eax
        movb $0x20, %al
        out %al, $0x20
        pop %eax
        iret''').run()
    assert guest.domain.memory.read32(0x9000) >= 3
    assert guest.exits(reasons.EXTERNAL_INTERRUPT) >= 2
    assert guest.exits(reasons.HLT) == 1


@both
def test_cpuid_and_msrs_are_the_domains(mmu):
    guest = Guest(mmu, '''
        mov $1, %eax
        cpuid
        mov %ecx, 0x9000
        mov $0x174, %ecx
        mov $8, %eax
        wrmsr
        xor %eax, %eax
        rdmsr
        mov %eax, 0x9004''' + OFF).run()
    assert guest.domain.memory.read32(0x9000) & 1 << 31
    assert not guest.domain.memory.read32(0x9000) & 1 << 5
    assert guest.domain.memory.read32(0x9004) == 8


@both
def test_addresses_without_memory_read_all_ones_and_forget_writes(mmu):
    guest = Guest(mmu, '''
        movl $7, 0xf0000000
        mov 0xf0000000, %eax
        mov %eax, 0x9000
        movzbl 0xf0000001, %eax
        mov %eax, 0x9004''' + OFF).run()
    assert guest.domain.memory.read32(0x9000) == 0xffffffff
    assert guest.domain.memory.read32(0x9004) == 0xff


@both
def test_string_output_goes_to_the_ports(mmu):
    guest = Guest(mmu, '''
        mov $text, %esi
        mov $5, %ecx
        mov $0xe9, %dx
        cld
        rep outsb''' + OFF + 'text: .ascii "hello"').run()
    assert guest.console.text == 'hello'


@both
def test_a_triple_fault_stops_the_domain(mmu):
    guest = Guest(mmu, 'lidt 1f\n int3\n 1: .word 0\n .long 0').run()
    assert guest.domain.status == 3
    assert 'triple fault' in guest.domain.why


@both
def test_halting_with_interrupts_off_stops_the_domain(mmu):
    guest = Guest(mmu, 'cli\n hlt').run()
    assert guest.domain.status == 3
    assert 'interrupts off' in guest.domain.why


@both
def test_its_memory_is_all_that_it_can_reach(mmu):
    guest = Guest(mmu, '''
        mov $0x200000, %edi
        mov $0x80000, %ecx
        mov $0x41414141, %eax
        mov %eax, (%edi)
        mov %eax, 0xfffffffc''' + OFF)
    machine = guest.machine
    before = machine.memory.read_bytes(BASE + SIZE, 8)
    guest.run()
    assert machine.memory.read_bytes(BASE + SIZE, 8) == before
    assert machine.memory.read32(0x200000) == 0


def test_real_mode_runs_with_extended_page_tables_only():
    entry = EntryState(0x7c00)
    entry.protected = False
    entry.cs = entry.ds = 0
    entry.eip = CODE
    source = '.code16\n mov $0x42, %al\n out %al, $0xe9\n mov $0x604, %dx\n mov $0x2000, %ax\n out %ax, %dx'
    guest = Guest('ept', source, entry).run()
    assert guest.console.text == 'B'
    with pytest.raises(UserError) as refusal:
        Guest('vtlb', source, entry)
    assert '--mmu ept' in str(refusal.value)


def test_with_shadow_tables_every_first_touch_exits_and_with_extended_ones_few_do():
    source = SETUP + 'call paging\n jmp off'
    shadow = Guest('vtlb', source).run()
    nested = Guest('ept', source).run()
    assert shadow.exits(reasons.EXCEPTION_OR_NMI) > 0 and shadow.exits(reasons.EPT_VIOLATION) == 0
    assert nested.exits(reasons.EXCEPTION_OR_NMI) == 0 and nested.exits(reasons.EPT_VIOLATION) > 0
    assert nested.exits(reasons.CR_ACCESS) == 0 and shadow.exits(reasons.CR_ACCESS) > 0


@both
def test_it_watches_its_own_data_and_steps_through_its_own_code(mmu):
    guest = Guest(mmu, SETUP + '''
        mov $1, %eax
        mov $handler, %edx
        call set_gate
        mov $0x9100, %eax
        mov %eax, %dr2
        mov $0xd000420, %eax
        mov %eax, %dr7
        movl $5, 0x9100
    1:  movl $6, 0x9104
        mov %dr7, %esi
        xor %eax, %eax
        mov %eax, %dr7
        pushf
        orl $0x100, (%esp)
        popf
        nop
    2:  cpuid
    3:  mov %dr0, %edi
    4:  pushf
        andl $~0x100, (%esp)
        popf
        movl $1b, 0x9200
        movl $2b, 0x9204
        movl $3b, 0x9208
        movl $4b, 0x920c
        mov %esi, 0x9210
        jmp off
    handler:
        push %eax
        push %ebx
        mov 0x9ffc, %ebx
        mov 8(%esp), %eax
        mov %eax, 0x9300(%ebx)
        mov %dr6, %eax
        mov %eax, 0x9304(%ebx)
        xor %eax, %eax
        mov %eax, %dr6
        addl $8, 0x9ffc
        pop %ebx
        pop %eax
        iret''').run()
    memory = guest.domain.memory
    assert guest.console.text == '' and guest.domain.why == 'powered off'
    labels = [memory.read32(0x9200 + 4 * k) for k in range(4)]
    traps = [(memory.read32(0x9300 + 8 * k), memory.read32(0x9304 + 8 * k)) for k in range(4)]
    # an exit (CPUID, MOV DR) does not lose a trap
    assert traps == [(labels[0], 0xffff0ff4), (labels[1], 0xffff4ff0), (labels[2], 0xffff4ff0), (labels[3], 0xffff4ff0)]
    assert memory.read32(0x9210) == 0xd000420


@both
def test_a_guest_with_pae_cannot_execute_what_it_has_marked(mmu):
    guest = Guest(mmu, SETUP + '''
        mov $14, %eax
        mov $handler, %edx
        call set_gate
        movl $0x11001, 0x10000              # page-directory-pointer table at 10000, directory at 11000, table at 12000
        movl $0x12003, 0x11000
        mov $0x12000, %edi
        mov $3, %eax
    1:  stosl
        movl $0, (%edi)
        add $4, %edi
        add $0x1000, %eax
        cmp $0x200003, %eax
        jb 1b
        movl $0x80000000, 0x12000 + 0x90 * 8 + 4
        mov $0xc0000080, %ecx
        rdmsr
        or $0x800, %eax
        wrmsr
        mov $0x20, %eax
        mov %eax, %cr4
        mov $0x10000, %eax
        mov %eax, %cr3
        mov %cr0, %eax
        or $0x80010000, %eax
        mov %eax, %cr0
        movb $0xc3, 0x90000
        mov %esp, %ebp
        mov $0x90000, %eax
        call *%eax
        jmp off
    handler:
        pop %eax
        mov %eax, 0x9000
        mov %cr2, %eax
        mov %eax, 0x9004
        andl $0, 0x12000 + 0x90 * 8 + 4
        invlpg 0x90000
        iret''').run()
    memory = guest.domain.memory
    assert guest.domain.why == 'powered off'
    assert (memory.read32(0x9000), memory.read32(0x9004)) == (0x11, 0x90000)
    assert memory.read32(0x12000 + 0x90 * 8) & 0x60 == 0x60


def test_memory_above_4_gb_is_none():
    """A 4 MB page of PSE-36 at physical 1_0000_0000 and more: reads as all ones, and nothing of the first 4 MB changes."""
    guest = Guest('ept', SETUP + '''
        movl $0x83, 0x10000
        movl $0x2083, 0x10004           # linear 400000 is physical 1_0000_0000
        mov $0x10000, %eax
        mov %eax, %cr3
        mov $0x10, %eax
        mov %eax, %cr4
        mov %cr0, %eax
        or $0x80000000, %eax
        mov %eax, %cr0
        movl $0x1234, 0x409000
        movzbl 0x409000, %eax
        add 0x9000, %eax
        cmp $0xff, %eax
        jne off
        mov $0x42, %al
        out %al, $0xe9
        jmp off''').run()
    assert guest.console.text == 'B'
