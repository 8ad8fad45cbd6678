"""guestkit dom: domains come and go in a hypervisor of its own process, by the commands and by the socket."""
import json
import os
import pathlib
import re
import socket
import time

import pytest

from guestkit.build import build_file
from guestkit.cli import main
from guestkit.dom import configuration, protocol, show
from guestkit.errors import BadInput
from guestkit.machine import Machine
from guestkit.mkfs import make_file_system

ECHO = '''
#include "guest.h"
int main(const char *command_line)
{
    print("hello %s\\n", command_line);
    for (volatile u32 i = 0;; i++)
        ;
}
'''


@pytest.fixture
def socket_path(tmp_path, monkeypatch):
    path = tmp_path / 'run' / 'control.sock'
    monkeypatch.setenv(protocol.VARIABLE, str(path))
    return path


@pytest.fixture
def hypervisor(socket_path):
    """One that runs in a process; a connection to it."""
    assert main(['dom', 'start', '--memory', '64M', '--fast']) == 0
    with protocol.Client() as client:
        yield client
    try:
        main(['dom', 'stop'])
    except SystemExit:
        pass


@pytest.fixture
def toml(tmp_path, guest):
    def write(name='one', source=ECHO, **more):
        path = tmp_path / f'{name}.toml'
        values = {'kernel': guest(source, 'para'), 'memory': 2, 'extra': 'there', **more}
        path.write_text(''.join(f'{key} = {json.dumps(value)}\n' for key, value in values.items()))
        return str(path)
    return write


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'did not come'
        time.sleep(0.02)


def names(client):
    return [domain['name'] for domain in client.call('list')['domains']]


def test_a_domain_is_made_listed_paused_and_destroyed(hypervisor, toml, capsys):
    assert main(['dom', 'create', toml('one')]) == 0
    assert main(['dom', 'create', toml('two'), 'memory=3', '--paused']) == 0
    capsys.readouterr()
    assert main(['dom', 'list']) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ['Name', 'ID', 'Mem', 'VCPUs', 'State', 'Time(s)']
    assert rows[1][:5] == ['one', '0', '2', '1', 'r-----'] and rows[2][:5] == ['two', '1', '3', '1', '--p---']
    assert main(['dom', 'unpause', 'two']) == 0 and main(['dom', 'pause', '0']) == 0
    assert main(['dom', 'list', 'one', '--json']) == 0
    domain, = json.loads(capsys.readouterr().out)
    assert domain['paused'] and domain['name'] == 'one'
    before = hypervisor.call('list')['domains']
    until(lambda: hypervisor.call('list', domain='two')['domains'][0]['instructions'] > before[1]['instructions'])
    assert hypervisor.call('list', domain='one')['domains'][0]['instructions'] == domain['instructions']
    assert main(['dom', 'destroy', 'one']) == 0
    assert names(hypervisor) == ['two']


def test_the_console_shows_what_was_printed_and_what_is_typed_arrives(hypervisor, toml):
    hypervisor.call('create', config=configuration.read(toml('one')))
    with protocol.Client() as client:
        text = client.call('console', domain='one')['output']
        while 'hello there' not in text:
            text += client.receive()['output']
        assert hypervisor.call('input', domain='one', text='abc') is None
        hypervisor.call('destroy', domain='one')
        assert client.receive() == {'ended': 'destroyed'}


def test_a_domain_that_ends_is_gone_or_stays_or_comes_again_as_its_configuration_says(hypervisor, toml):
    source = '#include "guest.h"\nint main(const char *command_line) { print("done\\n"); return 0; }\n'
    for name, action in (('gone', 'destroy'), ('stays', 'preserve'), ('again', 'restart')):
        hypervisor.call('create', config=configuration.read(toml(name, source, on_poweroff=action)))
    until(lambda: 'gone' not in names(hypervisor))
    until(lambda: not next(one for one in hypervisor.call('list')['domains'] if one['name'] == 'stays')['alive'])
    until(lambda: max(one['number'] for one in hypervisor.call('list')['domains']) > 4)
    assert set(names(hypervisor)) <= {'stays', 'again'}


def test_a_pc_that_is_reset_begins_again_unless_its_configuration_says_otherwise(hypervisor, toml, guest):
    image = guest('#include "guest.h"\nint main(const char *command_line) { outb(0xcf9, 6); for (;;); }\n')
    for name, more in (('stays', {'on_reboot': 'preserve'}), ('gone', {'on_reboot': 'destroy'}), ('again', {})):
        hypervisor.call('create', config=configuration.read(toml(name, type='hvm', kernel=image, on_poweroff='destroy', **more)))
    until(lambda: max(one['number'] for one in hypervisor.call('list')['domains']) > 4)
    assert set(names(hypervisor)) <= {'stays', 'again'} and 'stays' in names(hypervisor)


def test_what_the_engine_refuses_is_told_by_the_names_of_the_file(hypervisor, toml):
    for more, text in (({'memory': 'much'}, 'memory much: not a size'), ({'memory': 0}, 'memory 0M: must be from 1M'), ({'vif': ['user,ip=0.0.0.1']}, 'vif ip=0.0.0.1: no address'),
                       ({'vif': ['wire']}, 'vif wire: '), ({'disk': ['/none']}, 'disk /none: ')):
        with pytest.raises(BadInput) as caught:
            hypervisor.call('create', config=configuration.read(toml('one', **more)))
        assert str(caught.value).startswith(text) and '--' not in str(caught.value), str(caught.value)


def test_what_is_wrong_is_an_error_in_one_line_and_serving_goes_on(hypervisor, toml, capsys):
    config = configuration.read(toml('one'))
    for command, arguments, text in (
            ('fold', {}, 'no such command'), ('pause', {'domain': 'nobody'}, 'no such domain'), ('pause', {}, 'domain: must be'),
            ('create', {}, 'configuration'), ('create', {'config': {'name': 'x'}}, 'kernel'), ('create', {'config': {**config, 'memory': '512M'}}, 'no room'),
            ('create', {'config': {**config, 'colour': 'red'}}, 'no such name'), ('create', {'config': {**config, 'memory': True}}, 'memory'),
            ('create', {'config': {**config, 'kernel': '/nowhere'}}, 'cannot be read'), ('create', {'config': {**config, 'extra': 'a\nb'}}, 'line break'),
            ('input', {'domain': 'nobody', 'text': 'x'}, 'no such domain')):
        with pytest.raises(BadInput) as caught:
            hypervisor.call(command, **arguments)
        assert text in str(caught.value) and '\n' not in str(caught.value)
    for line in (b'{', b'[]', b'"x"', b'{"command": 3}', b'\xff\xfe', b'[' * 100000, b'null'):
        hypervisor.socket.sendall(line + b'\n')
        assert 'error' in hypervisor.receive()
    hypervisor.call('create', config=config)
    with pytest.raises(BadInput, match='there is a domain of this name'):
        hypervisor.call('create', config=config)
    assert main(['dom', 'destroy', 'nobody']) == 2
    assert 'nobody: no such domain' in capsys.readouterr().err


def test_a_client_that_sends_a_line_without_end_loses_its_connection_only(hypervisor, socket_path):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(socket_path))
        with pytest.raises(OSError):
            for _ in range(64):
                channel.sendall(b'x' * 65536)
    assert hypervisor.call('list')['domains'] == []


def test_the_first_create_starts_a_hypervisor_and_stop_ends_it(socket_path, toml, capsys):
    assert main(['dom', 'list']) == 2
    assert 'no hypervisor answers' in capsys.readouterr().err
    assert main(['dom', 'create', toml('one')]) == 0
    assert main(['dom', 'start']) == 2
    assert main(['dom', 'stop']) == 0
    until(lambda: not socket_path.exists())


def test_a_socket_left_by_one_that_died_is_taken_over(socket_path, toml):
    socket_path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path))
    assert main(['dom', 'create', toml('one')]) == 0
    assert os.stat(socket_path).st_mode & 0o077 == 0
    assert main(['dom', 'stop']) == 0


def test_top_shows_a_row_for_each_domain(hypervisor, toml, capsys):
    hypervisor.call('create', config=configuration.read(toml('one')))
    assert main(['dom', 'top', '-n', '1', '-d', '0.1']) == 0
    assert 'one' in capsys.readouterr().out


def test_values_on_the_command_line_replace_those_of_the_file(tmp_path):
    path = tmp_path / 'web.toml'
    path.write_text('kernel = "k.elf"\nmemory = 16\n[sched]\nweight = 512\nwarp = "2ms"\n')
    made = configuration.read(path, ['memory=64', 'extra=quiet', 'type=hvm'])
    assert made['kernel'] == str(tmp_path / 'k.elf') and made['name'] == 'web'
    words = configuration.words(made)
    assert words[words.index('--memory') + 1] == '64M' and words[words.index('--append') + 1] == 'quiet' and words[words.index('--mode') + 1] == 'full'
    assert words[words.index('--mcu-advance') + 1] == '5' and words[words.index('--warp') + 1] == '2ms'


@pytest.mark.parametrize('text, complaint', [
    ('kernel = 3', 'kernel: must be a text'), ('memory = 16', 'kernel: a domain configuration must have it'), ('kernel = "k"\ntype = "zx"', 'type zx'),
    ('kernel = "k"\ncmdline = "a"\nextra = "b"', 'mean the same'), ('kernel = "k"\ndisk = [3]', 'disk: must be a list of texts'), ('kernel', 'not TOML'),
    ('kernel = "k"\ncpu_weight = 0', 'weight'), ('kernel = "k"\non_crash = "burn"', 'on_crash burn'), ('kernel = "k"\n[sched]\nslice = 3', 'sched.slice')])
def test_a_bad_file_is_an_error_in_one_line(tmp_path, text, complaint):
    path = tmp_path / 'web.toml'
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        configuration.read(path)
    assert complaint in str(caught.value) and '\n' not in str(caught.value)


def test_the_state_letters_are_those_of_xl():
    def letters(**values):
        return show.state({'alive': True, 'died': False, 'paused': False, 'asleep': False, **values})
    assert [letters(), letters(asleep=True), letters(paused=True), letters(alive=False), letters(alive=False, died=True)] == [
        'r-----', '-b----', '--p---', '---s--', '----c-']


# -- scheduling

def rows(client):
    return {row['name']: row for row in client.call('sched')['domains']}


def shares(client, instructions=150000000):
    """What each domain executes meanwhile, in parts of the first one's."""
    def counts():
        return [one['instructions'] for one in client.call('list')['domains']]
    before = counts()
    until(lambda: sum(counts()) - sum(before) > instructions)
    used = [after - then for after, then in zip(counts(), before)]
    return [one / used[0] for one in used]


def test_weights_are_shown_and_set_while_domains_run(hypervisor, toml, capsys):
    for name, weight in (('one', 256), ('two', 512)):
        hypervisor.call('create', config=configuration.read(toml(name, cpu_weight=weight)))
    capsys.readouterr()
    assert main(['dom', 'sched']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'Scheduler: bvt, allowance 750us'
    assert [line.split() for line in lines[1:]] == [['Name', 'ID', 'Weight', 'Warp', 'Limit', 'Unwarp'], ['one', '0', '256', '0', '0', '0'], ['two', '1', '512', '0', '0', '0']]
    assert shares(hypervisor) == [1, pytest.approx(2, rel=0.05)]
    assert main(['dom', 'sched', '-d', 'one', '-w', '800', '--warp', '5ms', '--warp-limit', '500us', '--unwarp', '1s']) == 0
    assert capsys.readouterr().out == ''
    assert main(['dom', 'sched', 'one']) == 0
    assert capsys.readouterr().out.splitlines()[2].split() == ['one', '0', '853', '5ms', '500us', '1s']
    assert main(['dom', 'sched', 'one', '--warp', '0s', '--weight', '128']) == 0
    assert shares(hypervisor) == [1, pytest.approx(4, rel=0.05)]


def test_the_policy_and_allowance_are_set_while_domains_run(hypervisor, toml, capsys):
    for name, weight in (('one', 256), ('two', 512)):
        hypervisor.call('create', config=configuration.read(toml(name, cpu_weight=weight)))
    assert main(['dom', 'sched', '--policy', 'rr', '--allowance', '500us', '--json']) == 0
    answer = json.loads(capsys.readouterr().out[:])
    assert (answer['policy'], answer['allowance']) == ('rr', 500000)
    assert shares(hypervisor) == [1, pytest.approx(1, rel=0.05)]
    assert main(['dom', 'sched', 'one', '-w', '3']) == 2
    assert 'rr, which gives all domains the same' in capsys.readouterr().err
    assert main(['dom', 'sched', '--policy', 'bvt']) == 0
    assert hypervisor.call('sched')['allowance'] == 750000
    assert shares(hypervisor) == [1, pytest.approx(2, rel=0.05)]


def test_what_is_set_goes_with_a_saved_domain(hypervisor, second, toml, tmp_path):
    hypervisor.call('create', config=configuration.read(toml('one', cpu_weight=100)))
    hypervisor.call('sched', domain='one', weight=512, warp='2ms')
    hypervisor.call('save', domain='one', file=str(tmp_path / 'one.saved'))
    second.call('restore', file=str(tmp_path / 'one.saved'))
    assert rows(second)['one'] == {'domain': 0, 'name': 'one', 'weight': 512, 'mcu_advance': 5, 'warp': 2000000, 'warp_limit': 0, 'unwarp': 0}


def test_settings_that_cannot_be_are_errors_and_change_nothing(hypervisor, toml):
    hypervisor.call('create', config=configuration.read(toml('one')))
    before = hypervisor.call('sched')
    for arguments, text in (({'domain': 'one', 'weight': 0}, 'weight 0: must be'), ({'domain': 'one', 'weight': 'x'}, 'must be a number'), ({'weight': 3}, 'of which domain'),
                            ({'domain': 'nobody', 'weight': 3}, 'no such domain'), ({'domain': 'one', 'warp': '3'}, 'not a time'), ({'domain': 'one', 'warp': 'a\nb'}, 'line break'),
                            ({'domain': 'one', 'unwarp': '60s'}, 'out of range'), ({'policy': 'fair'}, 'not known'), ({'policy': 3}, 'texts'),
                            ({'allowance': '1ns'}, 'must be from'), ({'domain': 'one', 'warp_limit': True}, 'must be a text')):
        with pytest.raises(BadInput) as caught:
            hypervisor.call('sched', **arguments)
        assert text in str(caught.value) and '\n' not in str(caught.value)
    assert hypervisor.call('sched') == before


# -- a domain is saved, restored and migrated

# runs for long enough that a domain is caught in the middle of it
COUNT = '''
#include "guest.h"
static volatile u32 cells[16384];
int main(const char *command_line)
{
    u32 sum = 0;
    print("counting\\n");
    for (u32 round = 0; round < 8000; round++)
        for (u32 i = 0; i < 16384; i++)
            sum += cells[i] = cells[i] * 5 + i + round;
    print("sum %x\\n", sum);
    return 0;
}
'''


@pytest.fixture(scope='module')
def counted(guest):
    """What COUNT prints at last in a machine of its own."""
    with Machine(guest(COUNT, 'para'), mode='para', memory='2M') as machine:
        machine.run()
        line = machine.output.decode().splitlines()[-1]
    assert line.startswith('sum ')
    return line


def output(client, name, text):
    """Waits until a domain has printed the text."""
    with protocol.Client(client.path) as other:
        printed = other.call('console', domain=name)['output']
        while text not in printed:
            printed += other.receive().get('output', '')
    return printed


@pytest.fixture
def second(tmp_path):
    """Another hypervisor; a connection to it."""
    path = tmp_path / 'second.sock'
    assert main(['dom', '--socket', str(path), 'start', '--memory', '64M', '--fast']) == 0
    with protocol.Client(path) as client:
        yield client
    main(['dom', '--socket', str(path), 'stop'])


def test_a_domain_that_was_saved_goes_on_to_the_right_result(hypervisor, second, toml, tmp_path, counted):
    hypervisor.call('create', config=configuration.read(toml('one', COUNT, on_poweroff='preserve')))
    output(hypervisor, 'one', 'counting')
    file = str(tmp_path / 'one.saved')
    assert main(['dom', 'save', 'one', file]) == 0
    assert names(hypervisor) == []
    assert main(['dom', '--socket', str(second.path), 'restore', file]) == 0
    assert counted in output(second, 'one', 'sum ')
    assert main(['dom', 'restore', file, '--paused']) == 0                   # the file can be used again
    assert hypervisor.call('list')['domains'][0]['paused']


def test_a_saved_domain_can_be_left_running(hypervisor, toml, tmp_path, counted):
    hypervisor.call('create', config=configuration.read(toml('one', COUNT, on_poweroff='preserve')))
    assert main(['dom', 'save', '--leave', 'one', str(tmp_path / 'one.saved')]) == 0
    assert counted in output(hypervisor, 'one', 'sum ')


def test_a_domain_is_migrated_while_it_runs(hypervisor, second, toml, capsys, counted):
    hypervisor.call('create', config=configuration.read(toml('one', COUNT, on_poweroff='preserve')))
    output(hypervisor, 'one', 'counting')
    assert main(['dom', 'migrate', 'one', str(second.path)]) == 0
    told = capsys.readouterr().out
    assert 'round 1: ' in told and 'stopped; the rest' in told and 'down for' in told
    assert names(hypervisor) == [] and names(second) == ['one']
    assert counted in output(second, 'one', 'sum ')


def test_a_domain_that_cannot_arrive_runs_on_where_it_was(hypervisor, second, toml, capsys, counted):
    config = configuration.read(toml('one', COUNT, on_poweroff='preserve'))
    hypervisor.call('create', config=config)
    second.call('create', config=config, paused=True)
    assert main(['dom', 'migrate', 'one', str(second.path)]) == 2
    assert 'there is a domain of this name' in capsys.readouterr().err
    assert main(['dom', 'migrate', 'one', '/nowhere.sock']) == 2
    assert main(['dom', 'migrate', 'one', str(hypervisor.path)]) == 2
    assert counted in output(hypervisor, 'one', 'sum ')
    assert len(names(second)) == 1


def test_a_damaged_file_is_an_error_in_one_line_and_no_domain(hypervisor, toml, tmp_path):
    hypervisor.call('create', config=configuration.read(toml('one', COUNT)))
    file = tmp_path / 'one.saved'
    hypervisor.call('save', domain='one', file=str(file))
    good = file.read_bytes()
    header, _, rest = good.partition(b'\n')
    state = rest.rindex(b'{')
    damaged = [b'', b'x', good[:100], good[:-1], good[:len(good) // 2], good + b'x', b'{}\n' + rest, header.replace(b'"version": 2', b'"version": 9') + b'\n' + rest,
               header.replace(b'"frames": [', b'"frames": [-5, ') + b'\n' + rest, header + b'\n' + b'\xff' * 8 + rest[8:],
               header + b'\n' + b'\x00\xff\xff\x00' + rest[4:], good[:len(header) + 1 + state] + b'{}\n', good[:len(header) + 1 + state] + b'{"context": ["x"]}\n',
               good.replace(b'"context": [', b'"context": [1, '), good.replace(b'"kernel"', b'"colour"')]
    for data in damaged:
        file.write_bytes(data)
        with pytest.raises(BadInput) as caught:
            hypervisor.call('restore', file=str(file))
        assert '\n' not in str(caught.value), data[:80]
        assert names(hypervisor) == []
    file.write_bytes(good)
    hypervisor.call('restore', file=str(file))
    assert names(hypervisor) == ['one']


@pytest.fixture(scope='module')
def kernel(tmp_path_factory):
    """The kernel's directory."""
    out = tmp_path_factory.mktemp('kernel')
    assert main(['build', '-o', str(out)]) == 0
    return out


def test_a_privileged_guest_makes_builds_starts_watches_and_destroys_another(hypervisor, tmp_path):
    image = tmp_path / 'dom0.elf'
    build_file([pathlib.Path(__file__).with_name('dom0.c')], image, 'para')
    hypervisor.call('create', config={'name': 'zero', 'kernel': str(image), 'memory': 2, 'privileged': True, 'on_poweroff': 'preserve'})
    lines = output(hypervisor, 'zero', 'info 1').splitlines()
    assert lines == ['privileged 1', 'create 0', 'list 0, 64 frames', 'build with a table mapped writable -22', 'build 0', 'start 0',
                     'info: made, state 1, 64 pages, ran 1', 'destroy 0', 'info 1']
    assert names(hypervisor) == ['zero']


def migrate(source, target, name):
    """What the source tells of it."""
    source.send('migrate', domain=name, to=str(target.path))
    while 'result' not in (answer := source.receive()):
        assert 'error' not in answer, answer
    return answer['result']


WORK = ('crc32', 'quicksort_tree', 'bytecode')


def results(text):
    """The checksums that the guest's `work` has printed, by workload, and the numbers of `primes`."""
    return {**{name: re.search(rf'bench {name} \d+ \d+ (\w+)', text).group(1) for name in WORK}, 'primes': re.search(r'2 3 5 7 [0-9 ]+', text).group().strip()}


def test_a_kernel_with_several_processes_on_a_disk_is_migrated_to_other_frames(hypervisor, second, kernel, tmp_path):
    files = {'kernel': str(kernel / 'kernel-para.elf'), 'ramdisk': str(kernel / 'bench.img')}
    work = '; '.join(f'work {name}' for name in WORK)
    with Machine(files['kernel'], mode='para', memory='8M', modules=[files['ramdisk']], append=f'init=/bin/sh -c "{work}; primes 150"') as machine:
        machine.run()
        expected = results(machine.output.decode())
    second.call('create', config={**files, 'name': 'other', 'memory': 6}, paused=True)         # has the frames
    image = tmp_path / 'disk.img'
    make_file_system(image, None, 4 << 20)
    hypervisor.call('create', config={**files, 'name': 'shell', 'memory': 8, 'disk': [str(image)]})
    output(hypervisor, 'shell', '$ ')
    hypervisor.call('input', domain='shell', text=' & '.join(f'work {name} | put /disk/{name}' for name in WORK) + ' & primes 150 | put /disk/primes &\n')
    for source, target in ((hypervisor, second), (second, hypervisor), (hypervisor, second)):
        result = migrate(source, target, 'shell')
        assert set(result) == {'rounds', 'downtime_ms', 'domain'} and len(result['rounds']) > 1
        assert names(source) == (['other'] if source is second else [])
    text = typed(second, 'wait; echo all done; cat ' + ' '.join(f'/disk/{name}' for name in [*WORK, 'primes']) + '; sync; echo on disk\n', '\non disk')
    assert 'free' in text.splitlines()[0]                                                       # the console's history came along
    assert results(text.split('\nall done')[1]) == expected
    second.call('destroy', domain='shell')
    assert all(result.encode() in image.read_bytes() for result in expected.values())


def test_a_disk_is_never_in_two_places(hypervisor, second, kernel, tmp_path):
    image = tmp_path / 'disk.img'
    make_file_system(image, None, 1 << 20)
    config = {'kernel': str(kernel / 'kernel-para.elf'), 'ramdisk': str(kernel / 'archive.img'), 'memory': 4, 'disk': [str(image)]}
    hypervisor.call('create', config={**config, 'name': 'one'})
    output(hypervisor, 'one', '$ ')
    with pytest.raises(BadInput, match='in use by another machine'):
        second.call('create', config={**config, 'name': 'two'})
    file = str(tmp_path / 'one.saved')
    hypervisor.call('save', domain='one', file=file, leave=True)
    with pytest.raises(BadInput, match='in use by another machine'):
        second.call('restore', file=file)
    assert names(second) == []
    migrate(hypervisor, second, 'one')
    with pytest.raises(BadInput, match='in use by another machine'):
        hypervisor.call('create', config={**config, 'name': 'two'})


def test_what_cannot_be_saved_says_why(hypervisor, kernel, tmp_path):
    image = tmp_path / 'disk.img'
    make_file_system(image, None, 1 << 20)
    config = {'kernel': str(kernel / 'kernel-para.elf'), 'ramdisk': str(kernel / 'archive.img'), 'memory': 4}
    for name, more, reason in (('snapshot', {'disk': [f'{image},snapshot']}, 'snapshot'), ('zero', {'privileged': True}, 'privileged')):
        hypervisor.call('create', config={**config, **more, 'name': name}, paused=True)
        with pytest.raises(BadInput, match=reason):
            hypervisor.call('save', domain=name, file=str(tmp_path / 'x'))
        hypervisor.call('destroy', domain=name)


def typed(client, text, answer):
    client.call('input', domain='shell', text=text)
    return output(client, 'shell', answer)


def test_a_shell_is_migrated_to_other_frames_and_back(hypervisor, second, kernel, toml):
    path = toml('shell')
    config = {'name': 'shell', 'kernel': str(kernel / 'kernel-para.elf'), 'ramdisk': str(kernel / 'archive.img'), 'memory': 8}
    second.call('create', config=configuration.read(path, ['name=other', f'kernel={config["kernel"]}', 'memory=4']), paused=True)   # has the frames
    hypervisor.call('create', config=config)
    output(hypervisor, 'shell', '$ ')
    typed(hypervisor, 'echo before\n', 'before\n')
    for source, target in ((hypervisor, second), (second, hypervisor)):
        migrate(source, target, 'shell')
        output(target, 'shell', 'before\n')        # what was printed earlier came along
        typed(target, 'echo here | wc\n', '1 lines, 1 words, 5 bytes')
        typed(target, 'primes 100\n', '89 97')
