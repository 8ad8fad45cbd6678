"""A TAP interface of this host: frames go through it both ways. Skipped where that is not permitted."""
import os
import socket
import subprocess

import pytest

from hyper import tap
from hyper.errors import UserError

EVERYTHING = 0x0300             # ETH_P_ALL, in network order
FRAME = '\x52\x54\x00\x12\x34\x56' + '\x52\x54\x00\x12\x34\x57' + '\x88\xb5' + 'a frame of no protocol'.ljust(50, '.')     # 88B5: for experiments


@pytest.fixture
def interface():
    name = 'hyper%d' % (os.getpid() % 100000)
    try:
        link = tap.connect(name)
    except UserError as error:
        pytest.skip(error.text)
    try:
        if subprocess.call(['ip', 'link', 'set', name, 'up']) != 0:
            pytest.skip('ip cannot switch it on')
        wire = socket.socket(17, socket.SOCK_RAW, EVERYTHING)       # AF_PACKET
        wire.bind((name, 0))
        wire.settimeout(5)
        yield link, wire
        wire.close()
    finally:
        link.close()


def received(read):
    """The first frame of ours; the host's kernel sends some of its own."""
    for _ in range(1000):
        frame = read()
        if frame[12:14] == FRAME[12:14]:
            return frame
    raise AssertionError('it did not come')


def test_frames_go_through_a_tap_interface_both_ways(interface):
    link, wire = interface
    link.send(FRAME)
    assert received(lambda: wire.recv(2000)) == FRAME
    wire.send(FRAME[::-1][:12] + FRAME[12:])
    assert received(link.receive)[12:] == FRAME[12:]


def test_an_interface_that_cannot_be_had_is_one_line():
    with pytest.raises(UserError) as caught:
        tap.connect('lo')
    assert '\n' not in caught.value.text and '--net tap,ifname=lo' in caught.value.text
