"""Hardware task switches, done by the VMM."""
import struct

from hyper.vmx import fields, reasons
from test_full_exits import Domain, LENGTH, RIP

GDT, OLD, NEW = 0x1000, 0x2000, 0x3000
CODE, DATA, OLD_TSS, NEW_TSS, ABSENT, USER_CODE = 0x08, 0x10, 0x18, 0x20, 0x28, 0x30
CALL, IRET, JMP, GATE = 0, 1 << 30, 2 << 30, 3 << 30
NT, TS_BIT = 0x4000, 8
ESP, EBX = 4, 3


def descriptor(base, limit, access):
    return struct.pack('<Q', limit & 0xffff | (base & 0xffffff) << 16 | (access & 0xf0ff) << 40 | (limit >> 16 & 15) << 48 | (base >> 24) << 56)


class Tasks(Domain):
    def __init__(self, cs=CODE, ss=DATA):
        Domain.__init__(self)
        self.memory.write_bytes(GDT, '\0' * 8 + descriptor(0, 0xfffff, 0xc09a) + descriptor(0, 0xfffff, 0xc092) + descriptor(OLD, 0x67, 0x8b) +
                                descriptor(NEW, 0x67, 0x89) + descriptor(NEW, 0x67, 0x09) + descriptor(0, 0xfffff, 0xc0fa))
        w = self.vmx.vmwrite
        w(fields.GUEST_GDTR_BASE, GDT)
        w(fields.GUEST_GDTR_LIMIT, 0x37)
        w(fields.GUEST_TR_SELECTOR, OLD_TSS)
        w(fields.GUEST_TR_ACCESS, 0x8b)
        w(fields.GUEST_TR_BASE, OLD)
        w(fields.GUEST_ES_SELECTOR, DATA)
        w(fields.GUEST_RSP, 0x7770)
        self.regs[EBX] = 0xb0b
        self.memory.write_bytes(NEW + 0x20, struct.pack('<II8I', 0x5000, 2, 1, 2, 3, 4, 0x6000, 6, 7, 8))
        for k in range(6):
            self.memory.write32(NEW + 0x48 + 4 * k, {1: cs, 2: ss}.get(k, DATA))

    def switch(self, source, selector=NEW_TSS):
        return self.exit(reasons.TASK_SWITCH, source | selector)

    def kind(self, selector):
        return self.memory.read8(GDT + selector + 5) & 15


def test_a_call_saves_the_old_task_loads_the_new_one_and_links_them():
    tasks = Tasks()
    tasks.switch(CALL)
    memory = tasks.memory
    assert memory.read32(OLD + 0x20) == RIP + LENGTH
    assert memory.read32(OLD + 0x28 + 4 * EBX) == 0xb0b
    assert memory.read32(OLD + 0x28 + 4 * ESP) == 0x7770
    assert memory.read32(OLD + 0x48) == DATA
    assert memory.read32(NEW) & 0xffff == OLD_TSS
    assert tasks.vmx.vmread(fields.GUEST_RIP) == 0x5000
    assert tasks.vmx.vmread(fields.GUEST_RSP) == 0x6000
    assert tasks.regs[:4] == [1, 2, 3, 4]
    assert tasks.vmx.vmread(fields.GUEST_RFLAGS) & NT
    assert tasks.vmx.vmread(fields.GUEST_TR_BASE) == NEW
    assert tasks.vmx.vmread(fields.GUEST_CS_ACCESS) == 0xc09b
    assert tasks.vmx.vmread(fields.GUEST_CR0) & TS_BIT
    assert (tasks.kind(OLD_TSS), tasks.kind(NEW_TSS)) == (11, 11)


def test_a_jump_leaves_the_old_task_available_and_iret_returns_without_nt():
    tasks = Tasks()
    tasks.switch(JMP)
    assert (tasks.kind(OLD_TSS), tasks.kind(NEW_TSS)) == (9, 11)
    assert not tasks.vmx.vmread(fields.GUEST_RFLAGS) & NT
    tasks = Tasks()
    tasks.vmx.vmwrite(fields.GUEST_RFLAGS, 2 | NT)
    tasks.memory.write8(GDT + NEW_TSS + 5, 0x8b)
    tasks.switch(IRET)
    assert not tasks.memory.read32(OLD + 0x24) & NT
    assert (tasks.kind(OLD_TSS), tasks.kind(NEW_TSS)) == (9, 11)


def test_an_exception_through_a_task_gate_pushes_its_error_code_and_returns_to_its_instruction():
    tasks = Tasks()
    tasks.vmx.vmwrite(fields.IDT_VECTORING_INFORMATION, 0x80000b08)
    tasks.vmx.vmwrite(fields.IDT_VECTORING_ERROR_CODE, 0)
    tasks.memory.write32(0x5ffc, 0x55)
    tasks.switch(GATE)
    assert tasks.memory.read32(OLD + 0x20) == RIP
    assert tasks.vmx.vmread(fields.GUEST_RSP) == 0x5ffc
    assert tasks.memory.read32(0x5ffc) == 0
    assert not tasks.injector.is_delivering()


def test_a_new_task_in_ring_3():
    tasks = Tasks(cs=USER_CODE | 3, ss=DATA)
    tasks.switch(JMP)
    assert tasks.reflected == (10, DATA, 0)
    tasks.memory.write_bytes(GDT + DATA, descriptor(0, 0xfffff, 0xc0f2))
    tasks = Tasks(cs=USER_CODE | 3, ss=DATA | 3)
    tasks.memory.write_bytes(GDT + DATA, descriptor(0, 0xfffff, 0xc0f2))
    tasks.switch(JMP)
    assert tasks.reflected is None
    assert tasks.guest.privilege() == 3


def test_what_is_no_task_is_refused():
    tasks = Tasks()
    tasks.switch(CALL, ABSENT)
    assert tasks.reflected == (11, ABSENT, 0)
    tasks.switch(CALL, 0x38)
    assert tasks.reflected == (13, 0x38, 0)
    tasks.switch(IRET, 0x38)
    assert tasks.reflected == (10, 0x38, 0)
    assert tasks.memory.read32(OLD + 0x20) == 0


def test_bad_segments_fault_in_the_new_task():
    tasks = Tasks(cs=DATA)
    tasks.switch(JMP)
    assert tasks.reflected == (10, DATA, 0)
    assert tasks.vmx.vmread(fields.GUEST_TR_BASE) == NEW
    tasks = Tasks(ss=0)
    tasks.switch(JMP)
    assert tasks.reflected == (10, 0, 0)
