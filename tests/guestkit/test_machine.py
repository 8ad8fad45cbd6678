"""Machines from Python."""
import gc
import os
import pathlib
import signal
import threading
import time

import pytest

from guestkit import BadInput, Guest, GuestkitError, GuestStopped, Machine, MemoryFault, Reason, engine

INCREMENTS = bytes([0x40] * 10)                                         # inc %eax, ten times
POWER_OFF = bytes.fromhex('66ba0406 66b80020 66ef')                     # mov $0x604, %dx; mov $0x2000, %ax; out %ax, (%dx)
SELF = bytes.fromhex('ebfe')                                            # jmp .
LOOP = bytes.fromhex('b900000040 49 75fd ebf6')                         # 1: mov $0x40000000, %ecx; 2: dec %ecx; jnz 2b; jmp 1b
TRIPLE_FAULT = bytes.fromhex('0f0b')                                    # ud2, with no interrupt table
WAIT = bytes.fromhex('fb f4 ebfd')                                      # sti; 1: hlt; jmp 1b
AT = 0x100000

ECHO = '''
#include "guest.h"
int main(const char *command_line)
{
    char c;
    print("name? ");
    do {
        while (!(inb(0x3fd) & 1))
            ;
        c = inb(0x3f8);
        write_console(&c, 1);
    } while (c != '.');
    print("\\nbye\\n");
    return 3;
}
'''


def machine(code, **options):
    options.setdefault('memory', '2M')
    return Machine(code, at=AT, **options)


def test_a_guest_runs_to_its_end(hello):
    with Machine(hello, append='world') as m:
        stop = m.run(seconds=20)
        assert stop.reason == Reason.POWERED_OFF and stop.status == 0 and stop.ended
        assert m.output == b'hello world\n'
        report = m.report()
        assert report.instructions > 100 and report.machine_ns >= report.instructions and report.status == 0
        assert report.domains[0].mode == 'native' and report.domains[0].name == pathlib.Path(hello).name


def test_a_run_ends_after_so_many_instructions_and_goes_on():
    with machine(INCREMENTS + POWER_OFF) as m:
        assert m.run(instructions=3).reason == Reason.INSTRUCTIONS
        assert (m.regs.eax, m.regs.eip, m.regs.instructions) == (3, AT + 3, 3)
        assert m.step().reason == Reason.INSTRUCTIONS
        assert m.step(2).reason == Reason.INSTRUCTIONS
        assert m.regs.eax == 6
        assert m.run(instructions=0).reason == Reason.INSTRUCTIONS and m.regs.eax == 6
        assert m.run().reason == Reason.POWERED_OFF
        assert m.step().ended


def test_a_run_ends_at_an_address():
    with machine(INCREMENTS + POWER_OFF) as m:
        stop = m.run(until=AT + 7)
        assert stop.reason == Reason.ADDRESS and not stop.ended
        assert m.regs.eax == 7 and m.regs.eip == AT + 7


def test_a_run_ends_after_so_many_seconds():
    with machine(LOOP) as m:
        before = time.monotonic()
        assert m.run(seconds=0.3).reason == Reason.TIMEOUT
        assert 0.3 <= time.monotonic() - before < 2
        assert m.report().status == 124
        assert m.run(seconds=0).reason == Reason.TIMEOUT
        assert m.run(instructions=1000).reason == Reason.INSTRUCTIONS


def test_slices_do_not_change_how_many_instructions_run():
    with machine(LOOP) as m, machine(LOOP) as other:
        for _ in range(5):
            m.run(seconds=0.01)
        count = m.regs.instructions
        assert other.run(instructions=count).reason == Reason.INSTRUCTIONS
        assert (other.regs.instructions, other.regs.ecx, other.regs.eip) == (count, m.regs.ecx, m.regs.eip)


def test_a_run_ends_when_text_is_printed_and_a_dialogue_goes_on(guest):
    with Machine(guest(ECHO)) as m:
        assert m.run(output='name? ', seconds=20).reason == Reason.OUTPUT
        m.type('Ada.')
        assert m.run(output=b'bye', seconds=20).reason == Reason.OUTPUT
        assert m.run().status == 3
        assert m.output == b'name? Ada.\nbye\n'


def test_text_that_no_run_has_looked_at_counts_without_running(hello):
    with Machine(hello) as m:
        m.run()
        before = m.regs.instructions
        assert m.run(output='hello').reason == Reason.OUTPUT
        assert m.regs.instructions == before
        assert m.run(output='hello').reason == Reason.POWERED_OFF


def test_a_guest_that_waits_for_input_returns_to_the_caller():
    with machine(WAIT) as m:
        assert m.run(seconds=20).reason == Reason.WAITING


def test_registers_are_attributes_and_a_mapping():
    with machine(SELF) as m:
        m.regs.eax = -1
        m.regs['ebx'] = 0x12345678
        assert m.regs['eax'] == 0xffffffff and m.regs.ebx == 0x12345678
        assert m.regs.cs_base == 0 and m.regs['cs.limit'] == 0xffffffff and m.regs.cr0 & 1
        assert dict(m.regs)['eip'] == AT and 'cr3' in m.regs and len(list(m.regs)) == len(m.regs)
        assert 'eax ffffffff' in str(m.regs) and 'cs_base' in dir(m.regs)


def test_a_register_that_is_none_is_named():
    with machine(SELF) as m:
        with pytest.raises(AttributeError, match='no register rax'):
            m.regs.rax
        with pytest.raises(KeyError):
            m.regs['rax']
        with pytest.raises(BadInput, match='rax'):
            m.regs['rax'] = 1
        with pytest.raises(BadInput, match='takes an integer'):
            m.regs.eax = 'one'


def test_memory_is_read_and_written():
    with machine(SELF) as m:
        m.physical[0x2000:0x2004] = b'abcd'
        m.linear[0x2004] = 0x65
        assert m.physical[0x2000:0x2006] == b'abcde\0' and m.physical[0x2001] == ord('b')
        assert m.linear.read_u32(0x2000) == 0x64636261 and m.linear.read_string(0x2001) == b'bcde'
        m.physical.write_u32(0x2008, 0xdeadbeef)
        assert m.physical.read(0x2008, 4) == bytes.fromhex('efbeadde')
        m.load(b'xyz', 0x3000)
        assert m.physical[0x3000:0x3003] == b'xyz'


def test_code_that_is_written_is_code_that_runs():
    with machine(SELF) as m:
        m.run(instructions=5)
        m.load(INCREMENTS + POWER_OFF, AT)
        assert m.run(instructions=100).reason == Reason.POWERED_OFF


def test_linear_memory_goes_through_the_page_tables():
    with machine(SELF) as m:
        m.physical.write_u32(0x4000, 0x5000 | 7)                # the directory: 0..4 MB
        m.physical.write_u32(0x5000 + 0x100 * 4, AT | 7)        # the table: where the code is
        m.physical.write_u32(0x5000 + 8 * 4, 0x6000 | 7)        # linear 0x8000
        m.physical[0x6000:0x6002] = b'hi'
        m.regs.cr3 = 0x4000
        m.regs.cr0 |= 0x80000000
        assert m.linear[0x8000:0x8002] == b'hi'
        with pytest.raises(MemoryFault, match='0x9000 is not mapped') as fault:
            m.linear.read(0x8ffe, 4)
        assert fault.value.data == b'\0\0'


def test_memory_that_is_not_there_is_a_fault_that_says_where():
    with machine(SELF) as m:
        with pytest.raises(MemoryFault, match='read of 8 bytes at physical 0x1ffffc: 0x200000 is beyond') as fault:
            m.physical.read(0x1ffffc, 8)
        assert len(fault.value.data) == 4
        with pytest.raises(MemoryFault, match='write of'):
            m.physical.write(0x1fffff, b'ab')
        for wrong in (slice(None, 5), slice(1, None), slice(5, 1), slice(1, 9, 2)):
            with pytest.raises(BadInput):
                m.physical[wrong]
        with pytest.raises(BadInput, match='cannot grow'):
            m.physical[0:4] = b'abc'
        with pytest.raises(BadInput):
            m.physical.read(0, -1)


def test_two_machines_run_in_turns_without_knowing_of_each_other():
    with machine(INCREMENTS + LOOP) as a, machine(INCREMENTS + POWER_OFF) as b:
        a.run(instructions=4)
        b.run(instructions=2)
        a.physical[0x2000] = 1
        assert (a.regs.eax, b.regs.eax) == (4, 2) and b.physical[0x2000] == 0
        assert b.run().reason == Reason.POWERED_OFF
        b.close()
        assert a.run(instructions=6).reason == Reason.INSTRUCTIONS and a.regs.eax == 10


def test_two_machines_with_output_have_each_their_own(hello):
    with Machine(hello, append='a') as a, Machine(hello, append='b') as b:
        a.run()
        b.run()
        assert (a.output, b.output) == (b'hello a\n', b'hello b\n')


def test_many_machines_one_after_the_other_leave_nothing_behind(hello):
    for i in range(50):
        with Machine(hello, append=str(i), memory='16M') as m:
            m.run()
            handle = m.handle
    assert handle < 50
    m = Machine(hello)
    handle = m.handle
    del m
    gc.collect()
    with Machine(hello) as m:
        assert m.handle == handle


def test_what_an_output_hook_raises_ends_the_run(hello):
    def hook(data):
        raise ValueError(data)
    with Machine(hello, on_output=hook) as m:
        with pytest.raises(ValueError, match='hello'):
            m.run()
        m.on_output = None
        assert m.run().reason == Reason.POWERED_OFF


def test_an_output_hook_may_look_at_the_machine_and_type(guest):
    seen = []

    def hook(data):
        seen.append((data, m.regs.esp))
        m.type('x.')
    with Machine(guest(ECHO), on_output=hook) as m:
        assert m.run(seconds=20).status == 3
    assert seen and all(0x100000 < esp < 0x200000 for _, esp in seen)


def test_another_thread_interrupts_a_run():
    with machine(LOOP) as m:
        threading.Timer(0.2, m.interrupt).start()
        stop = m.run(seconds=20)
        assert stop.reason == Reason.INTERRUPTED and stop.status == 130
        assert m.run(instructions=10).reason == Reason.INSTRUCTIONS


def test_ctrl_c_is_a_keyboard_interrupt():
    with machine(LOOP) as m:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            m.run(seconds=20)


def test_a_guest_that_crashed_is_told_and_raised_if_wanted():
    with machine(TRIPLE_FAULT) as m:
        stop = m.run()
        assert stop.reason == Reason.CRASHED and stop.status == 3
        assert 'eip 00100000' in m.summary()
        with pytest.raises(GuestStopped, match='triple fault') as raised:
            m.run(check=True)
        assert raised.value.stop == stop and 'triple fault' in raised.value.summary


def test_a_closed_machine_says_so():
    m = machine(SELF)
    m.close()
    m.close()
    for use in (m.run, m.step, m.report, m.summary, lambda: m.regs.eax, lambda: m.physical[0], lambda: m.type('x')):
        with pytest.raises(GuestkitError, match='closed'):
            use()
    assert repr(m) == '<Machine closed>'


@pytest.mark.parametrize('image, options, words', [
    ('/nowhere/kernel', {}, '/nowhere/kernel: cannot be read'),
    (b'\x7fELF', {}, 'truncated|damaged|whole'),
    (SELF, {'memory': '12'}, '--memory 12: must be'),
    (SELF, {'mode': 'half'}, 'choose from'),
    (SELF, {'cpu': 'z80'}, '--cpu z80: not known'),
    (SELF, {'append': 'a\nb'}, 'line break'),
    (SELF, {'mode': 'native', 'copies': 2}, 'owns the machine'),
    (SELF, {'mmu': 'ept'}, '--mmu ept'),
])
def test_what_cannot_be_made_is_one_line_that_says_why(image, options, words):
    options.setdefault('at', None if image == b'\x7fELF' else AT)
    with pytest.raises(BadInput, match=words) as raised:
        Machine(image, **options)
    assert '\n' not in str(raised.value)


def test_wrong_arguments_of_a_run_are_refused():
    with machine(SELF) as m:
        for options in ({'seconds': -1}, {'instructions': -1}, {'until': -1}):
            with pytest.raises(BadInput, match='cannot be negative'):
                m.run(**options)
        with pytest.raises(BadInput):
            m.step(0)
    with pytest.raises(BadInput, match='at least one'):
        Machine.of()


def test_machine_of_takes_guests(hello):
    with Machine.of(Guest(hello, append='x')) as m:
        m.run()
        assert m.output == b'hello x\n' and len(m.domains) == 1 and 'Domain 0' in repr(m.domains[0])


def test_a_library_that_is_not_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv('HYPER_LIBRARY', str(tmp_path / 'none.so'))
    with pytest.raises(GuestkitError, match='no such file'):
        engine.library_path()
    monkeypatch.setenv('HYPER_LIBRARY', '')
    monkeypatch.setattr(engine, 'PACKAGE', tmp_path / 'guestkit')
    with pytest.raises(GuestkitError, match='run make'):
        engine.library_path()
    (tmp_path / 'bad.so').write_bytes(b'nothing')
    with pytest.raises(GuestkitError, match='run make again'):
        engine.Engine(tmp_path / 'bad.so')
