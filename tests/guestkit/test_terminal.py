"""Ctrl-A, and a real terminal: a pty."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from conftest import ROOT
from guestkit.terminal import ASK_HELP, LEAVE, KeyFilter

ECHO = '''
#include "guest.h"
int main(const char *command_line)
{
    write_console("ready\\n", 6);
    for (;;) {
        char c;
        while (!(inb(0x3fd) & 1))
            ;
        c = inb(0x3f8);
        print("<%x>\\n", c);
        if (c == 'q')
            return 7;
    }
}
'''


def test_keys_pass_until_ctrl_a():
    keys = KeyFilter()
    assert keys.feed(b'ls\x03\r') == (b'ls\x03\r', [])
    assert keys.feed(b'a\x01xb') == (b'ab', [LEAVE])


def test_ctrl_a_twice_sends_it_once():
    assert KeyFilter().feed(b'\x01\x01\x01\x01x') == (b'\x01\x01x', [])


def test_ctrl_a_is_remembered_between_two_reads():
    keys = KeyFilter()
    assert keys.feed(b'\x01') == (b'', [])
    assert keys.feed(b'h') == (b'', [ASK_HELP])
    assert keys.feed(b'h') == (b'h', [])


def test_an_unknown_key_after_ctrl_a_is_swallowed():
    assert KeyFilter().feed(b'\x01zq') == (b'q', [])


class Session:
    """guestkit run on a terminal of its own."""

    def __init__(self, *words):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.child = subprocess.Popen([sys.executable, '-m', 'guestkit', 'run', *words], stdin=slave, stdout=slave, stderr=slave,
                                      cwd=ROOT, start_new_session=True)
        self.slave = slave
        self.seen = b''

    def type(self, keys):
        os.write(self.master, keys)

    def until(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end and self.child.poll() is None, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 4096)

    def close(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def on_terminal(guest):
    session = Session(guest(ECHO))
    yield session
    session.close()


def test_keys_reach_the_guest_and_ctrl_c_is_one_of_them(on_terminal):
    on_terminal.until(b'ready')
    on_terminal.type(b'a\x03')
    on_terminal.until(b'<61>')
    on_terminal.until(b'<3>')
    on_terminal.type(b'\x01\x01')
    on_terminal.until(b'<1>')
    on_terminal.type(b'q')
    assert on_terminal.child.wait(20) == 7


def test_ctrl_a_x_leaves_and_the_terminal_is_as_before(on_terminal):
    on_terminal.until(b'Ctrl-A x leaves')
    on_terminal.until(b'ready')
    assert not termios.tcgetattr(on_terminal.slave)[3] & termios.ECHO
    on_terminal.type(b'\x01h')
    on_terminal.until(b'Ctrl-A Ctrl-A')
    on_terminal.type(b'\x01x')
    assert on_terminal.child.wait(20) == 130
    assert termios.tcgetattr(on_terminal.slave) == on_terminal.before


def test_ctrl_a_s_shows_the_counters_and_ctrl_a_r_starts_the_guest_anew(on_terminal):
    on_terminal.until(b'ready')
    on_terminal.type(b'\x01s')
    on_terminal.until(b'million a second')
    on_terminal.seen = b''
    on_terminal.type(b'\x01r')
    on_terminal.until(b'ready')
    on_terminal.type(b'q')
    assert on_terminal.child.wait(20) == 7


# Prints the size that the virtio console's configuration has, by its legacy registers, whenever it changes.
WINDOW = '''
#include "guest.h"
int main(const char *command_line)
{
    u32 base, size, last = 0;

    asm volatile("outl %0, %1" : : "a"(0x80000000 | 24 << 11 | 0x10), "Nd"((u16)0xcf8));
    asm volatile("inl %1, %0" : "=a"(base) : "Nd"((u16)0xcfc));
    for (;;) {
        asm volatile("inl %1, %0" : "=a"(size) : "Nd"((u16)((base & ~3) + 20)));
        if (size != last)
            print("<%x>\\n", size);
        last = size;
        if (size == (50 << 16 | 100))
            return 7;
    }
}
'''


def test_a_guest_with_a_virtio_console_hears_of_the_size_of_the_window(guest):
    session = Session(guest(WINDOW), '--virtio-console')
    try:
        session.until(b'<%x>' % (25 << 16 | 80))
        for lines, columns in ((43, 132), (50, 100)):
            fcntl.ioctl(session.master, termios.TIOCSWINSZ, struct.pack('4H', lines, columns, 0, 0))
            session.child.send_signal(signal.SIGWINCH)
            if lines == 43:
                session.until(b'<%x>' % (lines << 16 | columns))
        assert session.child.wait(20) == 7
    finally:
        session.close()
