"""Domains with network interfaces are saved, restored and migrated: a web server goes on answering, and nothing that only one machine can have is in two."""
import re
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from guestkit.cli import main
from guestkit.dom import protocol
from guestkit.errors import BadInput
from guestkit.mkfs import make_file_system
from test_dom import migrate, names, output, until
from test_kernel import guests          # noqa: F401
from test_kernel_network import free_port

PAGE = b'<p>from a domain that moves</p>\n'
SECONDS = 20


def start(path):
    assert main(['dom', '--socket', str(path), 'start', '--memory', '64M']) == 0            # machine time keeps to the clock on the wall
    return protocol.Client(path)


@pytest.fixture
def here(tmp_path):
    path = tmp_path / 'here.sock'
    with start(path) as client:
        yield client
    main(['dom', '--socket', str(path), 'stop'])


@pytest.fixture
def there(tmp_path):
    path = tmp_path / 'there.sock'
    with start(path) as client:
        yield client
    main(['dom', '--socket', str(path), 'stop'])


@pytest.fixture
def web(here, guests, tmp_path):        # noqa: F811
    """The configuration of a web server that runs here, and the port of this host that leads to it."""
    files = tmp_path / 'files'
    files.mkdir()
    (files / 'index.html').write_bytes(PAGE)
    disk = tmp_path / 'disk.img'
    make_file_system(disk, files, 1 << 20)
    port = free_port(socket.SOCK_STREAM)
    config = {'name': 'web', 'kernel': str(guests / 'kernel-para.elf'), 'ramdisk': str(guests / 'archive.img'), 'memory': 4, 'disk': [str(disk)],
              'extra': 'init=/bin/httpd /disk', 'vif': [f'user,forward=tcp:{port}-80,rate=10M']}
    try:
        here.call('create', config=config)
    except BadInput as error:
        if 'libslirp' in str(error):
            pytest.skip('libslirp is not installed')
        raise
    output(here, 'web', 'httpd: ')
    return config, port


def get(port, seconds=SECONDS):
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=seconds) as answer:
        return answer.read()


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


class Asking:
    """Asks for the page again and again, each time by a new connection, until the block ends; `results` has True or False for each in order."""

    def __init__(self, port):
        self.port = port
        self.results = []
        self.ended = False
        self.thread = threading.Thread(target=self.ask, daemon=True)

    def ask(self):
        while not self.ended:
            try:
                self.results.append(get(self.port, 2) == PAGE)
            except OSError:
                self.results.append(False)
                time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        until(lambda: len(self.results) > 3)
        return self

    def __exit__(self, *error):
        self.ended = True
        self.thread.join(SECONDS)


def test_a_web_server_answers_while_it_is_migrated_and_afterwards(here, there, web):
    config, port = web
    assert get(port) == PAGE
    before = here.call('list')['domains'][0]['hypercalls'].get('net_update', 0)
    assert before > 0
    for source, target in ((here, there), (there, here)):
        with Asking(port) as asking:
            migrate(source, target, 'web')
            moved = len(asking.results)
            assert names(source) == [] and names(target) == ['web']
            until(lambda: len(asking.results) > moved + 10)
        assert all(asking.results[moved + 2:]), asking.results
        assert asking.results.count(False) <= 5
        assert get(port) == PAGE


def test_a_web_server_that_was_saved_answers_again_in_another_hypervisor(here, there, web, tmp_path):
    config, port = web
    file = tmp_path / 'web.saved'
    assert get(port) == PAGE
    here.call('save', domain='web', file=str(file))
    assert not is_open(port) and names(here) == []
    there.call('restore', file=str(file))
    for _ in range(3):
        assert get(port) == PAGE
    with pytest.raises(BadInput, match='in use by another machine'):
        here.call('restore', file=str(file))
    there.call('destroy', domain='web')
    assert not is_open(port)
    here.call('restore', file=str(file))
    assert get(port) == PAGE


def test_a_port_is_never_open_in_two_places(here, there, web, tmp_path):
    config, port = web
    file = str(tmp_path / 'web.saved')
    config = {**config, 'name': 'plain', 'disk': [], 'extra': 'init=/bin/httpd /'}
    with pytest.raises(BadInput, match=f'vif forward=: port {port} of this host cannot be had'):
        there.call('create', config=config)
    here.call('destroy', domain='web')
    here.call('create', config=config)
    output(here, 'plain', 'httpd: ')
    here.call('save', domain='plain', file=file, leave=True)
    with pytest.raises(BadInput, match=f'vif forward=: port {port} of this host cannot be had'):
        there.call('restore', file=file)
    assert names(there) == [] and is_open(port)
    here.call('destroy', domain='plain')
    there.call('restore', file=file)
    with pytest.raises(BadInput, match=f'port {port}'):
        here.call('create', config=config)
    there.call('destroy', domain='plain')
    assert not is_open(port)


def test_a_web_server_that_cannot_arrive_goes_on_where_it_was(here, there, web):
    config, port = web
    there.call('create', config={**config, 'name': 'other', 'disk': [], 'vif': ['domains']}, paused=True)        # has 10.0.2.15
    for _ in range(2):
        with pytest.raises(AssertionError, match='10.0.2.15 is that of another domain here'):
            migrate(here, there, 'web')
        assert names(here) == ['web'] and names(there) == ['other'] and get(port) == PAGE
    there.call('destroy', domain='other')
    migrate(here, there, 'web')
    assert get(port) == PAGE


def test_an_address_of_its_own_lets_two_servers_be_in_one_place(here, there, web, tmp_path):
    config, port = web
    second = free_port(socket.SOCK_STREAM)
    there.call('create', config={**config, 'name': 'second', 'disk': [], 'extra': 'ip=10.0.2.40 init=/bin/httpd /', 'vif': [f'user,ip=10.0.2.40,forward=tcp:{second}-80']})
    output(there, 'second', 'httpd: ')
    migrate(here, there, 'web')
    assert get(port) == PAGE
    with pytest.raises(urllib.error.HTTPError):
        get(second)
    there.call('destroy', domain='web')
    assert not is_open(port) and is_open(second)
    migrate(there, here, 'second')
    with pytest.raises(urllib.error.HTTPError):
        get(second)


def test_a_connection_to_a_domain_that_has_gone_is_reset(here, there, web):
    config, port = web
    here.call('create', config={**config, 'name': 'other', 'disk': [], 'vif': ['user']})           # so that the network outside stays
    with socket.create_connection(('127.0.0.1', port)) as client:
        client.settimeout(SECONDS)
        client.send(b'GET / HTTP/1.0\r\n')
        migrate(here, there, 'web')
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    assert get(port) == PAGE


def test_datagrams_go_between_domains_before_and_after_one_was_saved(here, guests, tmp_path):       # noqa: F811
    config = {'kernel': str(guests / 'kernel-para.elf'), 'ramdisk': str(guests / 'archive.img'), 'memory': 4, 'vif': ['domains']}
    file = str(tmp_path / 'one.saved')
    here.call('create', config={**config, 'name': 'echo', 'extra': 'init=/bin/sleep 100000'})
    output(here, 'echo', '10.0.2.15')
    for turn in range(3):
        here.call('create', config={**config, 'name': f'probe{turn}', 'extra': 'ip=10.0.2.16 micro=network:100', 'vif': ['domains,ip=10.0.2.16'], 'on_poweroff': 'preserve'})
        assert 'bench network 100' in output(here, f'probe{turn}', 'bench network ')
        here.call('destroy', domain=f'probe{turn}')
        here.call('save', domain='echo', file=file)
        here.call('restore', file=file)
    assert [domain['number'] for domain in here.call('list')['domains']] == [6]


def test_a_file_with_a_network_that_was_tampered_with_is_refused_in_one_line(here, there, web, tmp_path):
    config, port = web
    file = tmp_path / 'web.saved'
    here.call('save', domain='web', file=str(file))
    good = file.read_bytes()
    state = good[good.rindex(b'{"'):]
    assert b'"network_0": [' in state and b'"receive_0": [' in state and b'"rules": [' in state
    bad = [good.replace(state, re.sub(pattern, replacement, state, count=1)) for pattern, replacement in (
        (rb'"network_0": \[\d+', b'"network_0": [999999999999999'), (rb'"network_0": \[(\d+), \d+', rb'"network_0": [\1, 134744072'), (rb'"network_0": \[', b'"network_0": [1, '),
        (rb'"receive_0": \[', b'"receive_0": [1, '), (rb'"rules": \[\d+, \d+', b'"rules": [0, 0'), (rb'"rules"', b'"rule"'), (rb'"network_0"', b'"network_1"'),
        (rb'"frames": \[', b'"frames": [0, '))]
    bad += [good.replace(b'"vif": [', b'"vif": ["domains", '), good.replace(b'"version": 2', b'"version": 1'), good.replace(b'"vif"', b'"type": "hvm", "vif"'), good[:-100], good[:len(good) // 3]]
    for data in bad:
        assert data != good
        file.write_bytes(data)
        with pytest.raises(BadInput) as caught:
            there.call('restore', file=str(file))
        assert '\n' not in str(caught.value) and 'internal' not in str(caught.value)
        assert names(there) == [] and not is_open(port)
    file.write_bytes(good)
    there.call('restore', file=str(file))
    assert get(port) == PAGE
