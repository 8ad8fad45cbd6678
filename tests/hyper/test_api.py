"""The C functions, called untranslated; guestkit's tests call them in libhyper.so."""

import json
import os

import pytest
pytest.importorskip('hyper.cpu.models')
from rpython.rtyper.lltypesystem import lltype, rffi

from hyper import api
from hyper.board import machine as stops

from test_board_machine import POWER_OFF, SELF, out
from test_main import image, kernel


def c_string(text):
    return rffi.str2charp(text)


def opened(path, *words):
    handle = api.hyper_open(c_string('\n'.join((path,) + words)))
    assert handle >= 0, rffi.charp2str(api.hyper_error())
    return handle


def test_a_run_by_steps_limits_and_address(image):
    handle = opened(image(kernel('\x40' * 10 + POWER_OFF + SELF)), '--memory', '2M')
    assert api.hyper_step(handle) == stops.LIMIT
    assert api.hyper_get(handle, 0, c_string('eax')) == 1
    assert api.hyper_run(handle, 2, -1, -1.0) == stops.LIMIT
    assert api.hyper_get(handle, 0, c_string('eip')) == 0x100003
    assert api.hyper_run(handle, -1, 0x100008, -1.0) == stops.ADDRESS
    assert api.hyper_get(handle, 0, c_string('eax')) == 8
    assert api.hyper_set(handle, 0, c_string('eax'), 100) == 0
    assert api.hyper_run(handle, 1, -1, -1.0) == stops.LIMIT
    assert api.hyper_get(handle, 0, c_string('eax')) == 101
    assert api.hyper_run(handle, -1, -1, -1.0) == stops.POWERED_OFF
    assert api.hyper_status(handle) == 0
    assert json.loads(rffi.charp2str(api.hyper_report(handle)))['instructions'] == 13
    api.hyper_close(handle)


def test_memory_is_read_and_written_and_code_follows(image):
    handle = opened(image(kernel(SELF)), '--memory', '2M')
    assert api.hyper_write(handle, 0, 0, 0x100000, rffi.str2charp(POWER_OFF + SELF), 12) == 12
    buffer = lltype.malloc(rffi.CCHARP.TO, 16, flavor='raw')
    assert api.hyper_read(handle, 0, 1, 0x100000, buffer, 10) == 10
    assert rffi.charpsize2str(buffer, 10) == POWER_OFF
    assert api.hyper_read(handle, 0, 0, (2 << 20) - 4, buffer, 16) == 4
    assert api.hyper_run(handle, 100, -1, -1.0) == stops.POWERED_OFF
    api.hyper_close(handle)


def test_what_is_wrong_is_a_negative_number_and_a_line(image):
    assert api.hyper_open(c_string('/nowhere/kernel')) < 0
    assert 'cannot be read' in rffi.charp2str(api.hyper_error())
    assert api.hyper_open(c_string('')) < 0
    assert api.hyper_run(12345, -1, -1, -1.0) < 0
    assert api.hyper_status(-1) < 0
    handle = opened(image(kernel(SELF)))
    assert api.hyper_get(handle, 0, c_string('rax')) < 0
    assert 'rax' in rffi.charp2str(api.hyper_error())
    assert api.hyper_get(handle, 1, c_string('eax')) < 0
    api.hyper_close(handle)
    assert api.hyper_step(handle) < 0
    assert not api.hyper_report(handle)


def test_a_handle_is_used_again_after_it_is_closed(image):
    path = image(kernel(SELF))
    first = opened(path)
    api.hyper_close(first)
    assert opened(path) == first
    api.hyper_close(first)


READ_ONE = ('\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7'          # 1: mov $0x3fd, %dx; in; test $1, %al; jz 1b
            '\x66\xba\xf8\x03\xec\x88\xc3')                 # mov $0x3f8, %dx; in (%dx), %al; mov %al, %bl


def test_input_from_a_descriptor_reaches_the_guest(image):
    handle = opened(image(kernel(READ_ONE + POWER_OFF + SELF)), '--memory', '2M')
    reading, writing = os.pipe()
    assert api.hyper_attach(handle, reading, 0) == 0
    os.write(writing, 'x')
    assert api.hyper_run(handle, 1000000, -1, -1.0) == stops.POWERED_OFF
    assert api.hyper_get(handle, 0, c_string('ebx')) & 0xff == ord('x')
    os.close(writing)
    os.close(reading)
    api.hyper_close(handle)
    assert api.hyper_attach(handle, 0, 0) < 0


def test_a_guest_that_only_input_can_wake_returns_to_the_caller(image):
    handle = opened(image(kernel('\xfb\xf4\xeb\xfd')), '--memory', '2M')            # sti; 1: hlt; jmp 1b
    assert api.hyper_run(handle, -1, -1, -1.0) == stops.WAITING
    assert api.hyper_input(handle, 0, c_string('x'), 1) == 0
    assert api.hyper_run(handle, -1, -1, -1.0) == stops.WAITING
    reading, writing = os.pipe()
    os.close(writing)
    assert api.hyper_attach(handle, reading, 0) == 0
    assert api.hyper_run(handle, -1, -1, -1.0) == stops.CRASHED
    assert 'no device will send one' in rffi.charp2str(api.hyper_summary(handle))
    os.close(reading)
    api.hyper_close(handle)
    assert not api.hyper_summary(handle)
