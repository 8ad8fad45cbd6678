"""Domains that come and go while others run: made, paused and destroyed from outside."""
import json

import pytest
from rpython.rtyper.lltypesystem import rffi

from hyper import api
from hyper.board import machine as stops
from hyper.board.machine import World
from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.errors import UserError
from hyper.loader.file import ImageFile
from hyper.vmm.frames import FRAME
from hyper.vmm.hypervisor import Hypervisor
from hyper.vmm.para import guest_time

from para_parts import Console, MB, check_counts, image_of
from test_api import c_string
from test_main import image, kernel


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stops, 'POLL_UNTRANSLATED', 2000)


def started(memory=8 * MB):
    return Hypervisor(models.find('nehalem'), World(), [], memory=memory)


def waiting():
    """One in a world from which input may come later."""
    hypervisor = started()
    hypervisor.machine.world.input_closed = lambda: False
    hypervisor.machine.world.input_by_caller = lambda: True
    return hypervisor


def config(source='1: jmp 1b\n', memory=MB, mode='para', **more):
    return DomainConfig('d', mode, 'vtlb', memory, '', image_of(source), [], -1, Console(), **more)


def test_a_hypervisor_without_domains_waits_for_them():
    hypervisor = waiting()
    assert hypervisor.run(-1, -1, -1.0) == stops.WAITING
    domain = hypervisor.create(config('say hi\n finish\n'))
    assert hypervisor.run(-1, -1, -1.0) == stops.WAITING
    assert (domain.alive, domain.why) == (False, 'exited')


def test_a_paused_domain_does_not_run_and_others_do():
    hypervisor = started()
    one, two = hypervisor.create(config()), hypervisor.create(config())
    hypervisor.run(1000, -1, -1.0)
    hypervisor.pause(one)
    before = one.instructions
    hypervisor.run(4000, -1, -1.0)
    assert one.instructions == before and two.instructions > 3000
    assert one.state() == 'paused'
    hypervisor.unpause(one)
    hypervisor.unpause(one)
    hypervisor.pause(two)
    hypervisor.run(1000, -1, -1.0)
    assert one.instructions == before + 1000


def test_a_paused_domain_that_is_woken_stays_paused(monkeypatch):
    monkeypatch.setattr(guest_time.GuestTime, 'sleep', lambda self: self.clock.cancel(self.system_timer))
    hypervisor = waiting()
    domain = hypervisor.create(config('movl $~0, %d\n hyp 8\n 1: jmp 1b\n' % (0xc0000000 + MB + 4)))
    assert hypervisor.run(1000, -1, -1.0) == stops.WAITING
    assert domain.asleep
    hypervisor.pause(domain)
    domain.receive('x')
    before = domain.instructions
    assert hypervisor.run(1000, -1, -1.0) == stops.WAITING
    assert not domain.asleep and domain.instructions == before
    hypervisor.unpause(domain)
    hypervisor.run(1000, -1, -1.0)
    assert domain.instructions == before + 1000


@pytest.mark.parametrize('mode', ['para', 'full'])
def test_the_memory_of_a_destroyed_domain_is_given_out_again_and_cleared(mode):
    hypervisor = started()
    hypervisor.create(config())
    free = hypervisor.frames.free()
    for turn in range(12):              # more than there is memory for at once
        domain = hypervisor.create(config(memory=2 * MB) if mode == 'para' else full_config())
        at = domain.to_machine(False, MB + 8)
        assert hypervisor.memory.read32(at) == 0
        hypervisor.memory.write32(at, 0x12345678)
        hypervisor.run(500, -1, -1.0)
        assert domain.alive
        hypervisor.destroy(domain)
        check_counts(hypervisor)
        assert hypervisor.frames.free() == free
    assert [one.number for one in hypervisor.domains] == [0] and domain.number == 12


def full_config():
    return DomainConfig('f', 'full', 'vtlb', 2 * MB, '', ImageFile('f', kernel('\xeb\xfe')), [], -1, Console())


def test_a_domain_on_scattered_frames_runs_as_any_other():
    hypervisor = started()
    frames = [hypervisor.frames.take() for k in range(hypervisor.frames.free())]
    for frame in frames[::2]:
        hypervisor.frames.give_back(frame)
    domain = hypervisor.create(config('say fine\n finish\n'))
    assert domain.page_frames[1] != domain.page_frames[0] + 1
    hypervisor.run(2000, -1, 0.2)
    assert domain.why == 'exited' and domain.sink.text == 'fine'
    check_counts(hypervisor)


def test_a_domain_for_which_there_is_no_room_takes_nothing():
    hypervisor = started()
    hypervisor.create(config())
    free = hypervisor.frames.free()
    for one in (config(memory=16 * MB), config(memory=hypervisor.frames.free() * FRAME), full_config()):
        one.memory = max(one.memory, 16 * MB)
        with pytest.raises(UserError) as caught:
            hypervisor.create(one)
        assert 'no room' in caught.value.text
    bad = config()
    bad.command_line = 'x' * 5000
    with pytest.raises(UserError):
        hypervisor.create(bad)
    assert hypervisor.frames.free() == free
    check_counts(hypervisor)


def test_the_timers_of_a_destroyed_domain_are_gone():
    hypervisor = started()
    domain = hypervisor.create(full_config())
    domain.clock.schedule(stops.Timer(), 100)
    assert len(hypervisor.clock.timers) > 0
    hypervisor.destroy(domain)
    assert hypervisor.clock.timers == []


# -- scheduling

def test_another_policy_is_set_while_domains_run():
    hypervisor = started()
    one, two, three = [hypervisor.create(config("1: incl %eax\n jmp 1b\n")) for k in range(3)]
    hypervisor.pause(three)
    hypervisor.adjust(one, 5, 0, 0, 0)
    hypervisor.set_allowance(10000)
    hypervisor.run(60000, -1, -1.0)
    assert one.instructions > 1.4 * two.instructions
    hypervisor.set_policy('rr', 10000)
    before = one.instructions, two.instructions
    hypervisor.run(60000, -1, -1.0)
    assert [one.instructions - before[0], two.instructions - before[1]] == [30000, 30000]
    hypervisor.set_policy('bvt', 10000)                 # weights count again, what was used before does not
    before = one.instructions, two.instructions
    hypervisor.unpause(three)
    hypervisor.run(120000, -1, -1.0)
    used = [one.instructions - before[0], two.instructions - before[1], three.instructions]
    assert 1.4 * used[1] < used[0] < 3 * used[1] and abs(used[1] - used[2]) <= 20000


# -- by the C interface

def start(*words):
    handle = api.hyper_start(c_string('\n'.join(words)))
    assert handle >= 0, error()
    return handle


def error():
    return rffi.charp2str(api.hyper_error())


def create(handle, *words):
    return api.hyper_create(handle, c_string('\n'.join(words)))


def domains(handle):
    return json.loads(rffi.charp2str(api.hyper_report(handle)))['domains']


def test_domains_come_and_go_by_the_c_interface(image):
    handle = start('--machine-memory', '16M')
    path = image(kernel('\xeb\xfe'))
    assert create(handle, path, '--mode', 'full', '--memory', '2M') == 0
    assert create(handle, path, '--mode', 'full', '--memory', '2M', '--name', 'two') == 1
    assert api.hyper_run(handle, 3000, -1, -1.0) == stops.LIMIT
    assert api.hyper_control(handle, 0, c_string('pause')) == 0
    assert [(one['number'], one['name'], one['paused'], one['memory']) for one in domains(handle)] == [(0, 'kernel', True, 2 * MB), (1, 'two', False, 2 * MB)]
    assert api.hyper_get(handle, 1, c_string('eip')) == 0x100000
    assert api.hyper_control(handle, 0, c_string('destroy')) == 0
    assert [one['number'] for one in domains(handle)] == [1]
    assert api.hyper_control(handle, 0, c_string('pause')) < 0 and 'no such domain: 0' in error()
    assert api.hyper_get(handle, 0, c_string('eip')) < 0
    assert create(handle, path, '--mode', 'full', '--memory', '2M') == 2
    api.hyper_close(handle)


def schedule(handle, number, *words):
    return api.hyper_schedule(handle, number, c_string('\n'.join(words)))


def test_scheduling_is_set_and_told_by_the_c_interface(image):
    handle = start('--machine-memory', '16M')
    assert create(handle, image(kernel('\xeb\xfe')), '--mode', 'full', '--memory', '2M', '--warp', '3ms') == 0
    assert schedule(handle, 0, '--mcu-advance', '5', '--unwarp', '20ms') == 0
    assert domains(handle)[0]['scheduling'] == {'mcu_advance': 5, 'warp': 3000000, 'warp_limit': 0, 'unwarp': 20000000}
    assert schedule(handle, -1, '--allowance', '2ms') == 0
    assert json.loads(rffi.charp2str(api.hyper_report(handle)))['scheduler'] == {'policy': 'bvt', 'allowance': 2000000}
    for number, words, text in ((0, ['--mcu-advance', '0'], 'out of range'), (0, ['--warp', '11s'], 'out of range'), (0, ['--memory', '1M'], 'no option'),
                                (7, ['--warp', '1s'], 'no such domain'), (-1, ['--allowance', '2s'], '10us to 1s'), (-1, ['--scheduler', 'fair'], 'not known'),
                                (-1, ['--warp', '1s'], 'no option'), (0, ['--warp'], 'needs a value')):
        assert schedule(handle, number, *words) < 0
        assert text in error() and '\n' not in error()
    assert domains(handle)[0]['scheduling']['mcu_advance'] == 5
    assert schedule(handle, -1, '--scheduler', 'rr') == 0
    assert schedule(handle, 0, '--warp', '1s') < 0 and 'rr' in error()
    assert json.loads(rffi.charp2str(api.hyper_report(handle)))['scheduler'] == {'policy': 'rr', 'allowance': 5000000}
    api.hyper_close(handle)


def test_what_is_wrong_with_a_domain_or_a_verb_is_said_in_one_line(image):
    handle = start('--machine-memory', '16M')
    path = image(kernel('\xeb\xfe'))
    assert create(handle, path, '--mode', 'full', '--memory', '2M', '--name', 'one') == 0
    for words, text in (([path], '--mode native'), ([path, '--mode', 'full', '--name', 'one'], 'there is a domain of this name'),
                        ([path, '--mode', 'full', '--memory', '64M'], 'no room'), (['/nowhere', '--mode', 'para'], 'cannot be read'),
                        ([path, '--mode', 'full', '--copies', '2'], 'one domain'), ([path, '--mode', 'full', '--privileged'], '--privileged'),
                        ([path, '--mode', 'full', '--name', '12'], 'not a name')):
        assert create(handle, *words) < 0
        assert text in error() and '\n' not in error()
    assert api.hyper_control(handle, 0, c_string('fold')) < 0
    assert api.hyper_start(c_string('--memory\n3M')) < 0
    assert api.hyper_start(c_string('--machine-memory\n1M')) < 0
    api.hyper_close(handle)
