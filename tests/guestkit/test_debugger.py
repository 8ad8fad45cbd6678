"""The debugger's commands on a small guest, and Ctrl-A b on a terminal."""
import fcntl
import io
import shutil
import struct
import termios

import pytest

from guestkit import Machine
from guestkit.debugger import PROMPT, Debugger

from test_terminal import ECHO, Session

CODE = bytes.fromhex('40 40 40 c7 05 00 20 10 00 78 56 34 12 ebfe')      # three times inc %eax; movl $0x12345678, 0x102000; jmp to itself
AT = 0x100000


def talk(*lines):
    """What the debugger says to the lines."""
    with Machine(CODE, at=AT, memory='2M') as machine:
        output = io.StringIO()
        debugger = Debugger(machine, stdin=io.StringIO(''.join(line + '\n' for line in lines)), stdout=output)
        debugger.use_rawinput = False
        debugger.cmdloop()
        return output.getvalue(), debugger.left


def test_it_shows_where_the_guest_is_and_steps_it():
    text, left = talk('step 2', 'go')
    assert 'eip 00100000' in text and 'eax 00000002' in text and 'eip 00100002' in text and not left


def test_it_runs_to_an_address_and_shows_memory():
    text, _ = talk('until 0x10000d', 'x 0x102000 4', 'xp 0x102000 2', 'x eip 2')
    assert '00102000  78 56 34 12' in text and '0010000d  eb fe' in text


def test_it_changes_registers_and_memory():
    text, _ = talk('set ebx 0x77', 'regs', 'write 0x101000 ebx', 'x 0x101000 4')
    assert 'ebx 00000077' in text and '00101000  77 00 00 00' in text


@pytest.mark.skipif(not shutil.which('objdump'), reason='needs objdump')
def test_it_disassembles():
    text, _ = talk('code')
    assert 'inc' in text and '%eax' in text


def test_quit_ends_the_guest_and_the_end_of_input_lets_it_run():
    assert talk('quit')[1] and not talk()[1]


def test_what_it_cannot_do_is_one_line():
    for line, words in (('frob', 'no such command'), ('x', 'not what it takes'), ('x here', 'neither a number'), ('set what 3', 'set takes'),
                        ('x 0xfff00000', 'not mapped'), ('domain 7', 'no such domain'), ('screenshot', 'PNG'), ('step -1', '1 or more')):
        text, _ = talk(line)
        answer = text.split(PROMPT)[1]
        assert words in answer and answer.count('\n') == 1, answer


def test_ctrl_a_b_breaks_into_it_and_go_runs_on(guest):
    session = Session(guest(ECHO))
    try:
        session.until(b'ready')
        session.type(b'\x01b')
        session.until(PROMPT.encode())
        session.type(b'x esp 4\n')
        session.until(PROMPT.encode() + b'x esp 4')
        session.seen = b''
        session.type(b'go\n')
        session.until(b'Ctrl-A x leaves')               # as at the beginning: the keys are the guest's again
        session.type(b'q')
        assert session.child.wait(20) == 7
    finally:
        session.close()


def test_ctrl_a_b_and_quit_leave(guest):
    session = Session(guest(ECHO))
    try:
        session.until(b'ready')
        session.type(b'\x01b')
        session.until(PROMPT.encode())
        session.type(b'quit\n')
        assert session.child.wait(20) == 130
    finally:
        session.close()


def test_ctrl_a_w_types_the_size_of_the_window(guest):
    session = Session(guest(ECHO))
    try:
        fcntl.ioctl(session.master, termios.TIOCSWINSZ, struct.pack('4H', 42, 123, 0, 0))
        session.until(b'ready')
        session.type(b'\x01w')
        for c in b' stty rows 42 cols 123\r':
            session.until(b'<%x>' % c)
            session.seen = session.seen.split(b'<%x>' % c, 1)[1]
        session.type(b'q')
        assert session.child.wait(20) == 7
    finally:
        session.close()
