"""The kernel's network on the rings: reached from this host through forwarded ports, and from domain to domain."""
import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from guestkit.mkfs import make_file_system
from test_kernel import HYPER, guests          # noqa: F401

SECONDS = 30
PAGE = b'<p>from the disk of a domain</p>\n'
BIG = bytes(i * 7 + i // 251 & 0xff for i in range(200000))


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(words):
    """A run until the block ends; it must have begun its server before the block begins."""
    if not HYPER.exists():
        pytest.skip(f'{HYPER} is not built: run make')
    child = subprocess.Popen([str(HYPER), 'run', *map(str, words), '--timeout', str(SECONDS), '--report', 'none'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    try:
        said = b''
        while b'httpd: ' not in said:
            line = child.stdout.readline()
            said += line
            if not line:
                if b'libslirp' in said:
                    pytest.skip('libslirp is not installed')
                raise AssertionError(said.decode('latin-1'))
        threading.Thread(target=child.stdout.read, daemon=True).start()
        yield
    finally:
        child.kill()
        child.wait()


@pytest.fixture(scope='module')
def server(guests, tmp_path_factory):          # noqa: F811
    """The ports of this host that lead to a domain's HTTP server and UDP echo."""
    place = tmp_path_factory.mktemp('network')
    files = place / 'files'
    files.mkdir()
    (files / 'index.html').write_bytes(PAGE)
    (files / 'big').write_bytes(BIG)
    disk = place / 'disk.img'
    make_file_system(disk, files, 4 << 20)
    web, echo = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    with running([guests / 'kernel-para.elf', '--mode', 'para', '--module', guests / 'archive.img', '--disk', f'{disk},ro', '--net',
                  f'user,forward=tcp:{web}-80,forward=udp:{echo}-7', '--append', 'init=/bin/httpd /disk']):
        yield web, echo


def get(port, path):
    with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', timeout=SECONDS) as answer:
        return answer.status, answer.headers['Content-Type'], answer.read()


def test_a_page_comes_from_the_disk(server):
    assert get(server[0], '/') == (200, 'text/html', PAGE)
    assert get(server[0], '/index.html')[2] == PAGE


def test_a_file_of_many_segments_comes_whole_again_and_again(server):
    for _ in range(3):
        assert get(server[0], '/big')[2] == BIG


def test_what_is_not_there_is_404_and_other_methods_are_501(server):
    with pytest.raises(urllib.error.HTTPError) as error:
        get(server[0], '/none')
    assert error.value.code == 404
    connection = http.client.HTTPConnection('127.0.0.1', server[0], timeout=SECONDS)
    connection.request('PUT', '/x', b'data')
    assert connection.getresponse().status == 501


def test_head_has_no_body(server):
    connection = http.client.HTTPConnection('127.0.0.1', server[0], timeout=SECONDS)
    connection.request('HEAD', '/big')
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b''


def test_many_connections_wait_for_their_turn(server):
    results = []
    threads = [threading.Thread(target=lambda: results.append(get(server[0], '/big')[2] == BIG)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert results == [True] * 8


def test_a_datagram_comes_back(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(SECONDS)
        client.connect(('127.0.0.1', server[1]))
        for data in (b'', b'one', b'x' * 1400):
            client.send(data)
            assert client.recv(2000) == data


def run_two(guests, second, *options):         # noqa: F811
    """Two domains, the second one sending datagrams to the first; its output and the report."""
    done = subprocess.run([HYPER, 'run', guests / 'kernel-para.elf', '--mode', 'para', '--module', guests / 'archive.img', '--net', 'domains', '--append',
                           'init=/bin/sleep 10000', '--domain', guests / 'kernel-para.elf', '--module', guests / 'archive.img', '--net', ','.join(['domains', *options]),
                           '--append', second, '--expect', 'bench network', '--report', 'json', '--timeout', str(SECONDS)], capture_output=True, text=True, check=False)
    return done.stdout, done.returncode, done.stderr


def test_datagrams_go_from_domain_to_domain_the_same_each_time(guests):        # noqa: F811
    outputs = [run_two(guests, 'micro=network:200') for _ in range(2)]
    assert all(status == 0 for _, status, _ in outputs), outputs[0]
    assert outputs[0][0] == outputs[1][0] and 'bench network 200' in outputs[0][0]
    assert json.loads(outputs[0][2])['domains'][1]['hypercalls']['net_update'] > 0


def test_a_rate_makes_the_network_slow(guests):        # noqa: F811
    times = []
    for options in ([], ['rate=1M']):
        text, status, _ = run_two(guests, 'micro=network:400', *options)
        assert status == 0, text
        times.append(int(re.search(r'bench network 400 (\d+)', text).group(1)))
    assert times[1] > 500000000 > times[0]              # 600 KB at 1 MB a second


def test_a_port_that_is_taken_is_bad_input(guests):    # noqa: F811
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        done = subprocess.run([HYPER, 'run', guests / 'kernel-para.elf', '--mode', 'para', '--module', guests / 'archive.img', '--net',
                               f'user,forward=tcp:{taken.getsockname()[1]}-80'], capture_output=True, text=True, timeout=SECONDS, check=False)
    if 'libslirp' in done.stderr:
        pytest.skip('libslirp is not installed')
    assert done.returncode == 2 and 'in use' in done.stderr
