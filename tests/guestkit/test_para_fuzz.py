"""Guests that feed every hypercall random arguments, on the native program: what they do harms only themselves."""
import json
import pathlib
import subprocess

import pytest

from conftest import HYPER
from guestkit.build import build_file

SOURCE = pathlib.Path(__file__).with_name('para_fuzz.c')
CALLS = 20000
WITNESS = '''
#include "guest.h"
static u32 words[16384];
int main(const char *command_line)
{
    u32 sum = 0;
    for (u32 round = 0; round < 60; round++)
        for (u32 i = 0; i < 16384; i++)
            sum += words[i] = words[i] * 5 + i + round;
    print("sum %x\\n", sum);
    return 0;
}
'''


@pytest.fixture(scope='session')
def fuzzer(tmp_path_factory):
    image = tmp_path_factory.mktemp('para') / 'fuzz.elf'
    build_file([SOURCE], image, 'para')
    return image


@pytest.fixture
def run(tmp_path):
    """Runs domains to their ends; exit status, output, report. Those that sleep for ever are stopped when nothing can wake them any more."""
    def run(*words):
        report = tmp_path / 'report.json'
        done = subprocess.run([HYPER, 'run', *map(str, words), '--timeout', '60', '--report', 'json', '--report-file', report], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=400, check=False)
        assert done.returncode in (0, 3), done.stderr
        assert b'RPython' not in done.stderr and b'Traceback' not in done.stderr
        told = json.loads(report.read_text())
        assert all(domain['state'] != 'running' for domain in told['domains'])
        return done.returncode, done.stdout, told
    return run


def test_fuzzing_domains_harm_neither_the_hypervisor_nor_a_witness(run, fuzzer, guest):
    witness = guest(WITNESS, 'para')
    alone = run(witness, '--mode', 'para', '--memory', '2M')[1]
    words = [witness, '--mode', 'para', '--memory', '2M']
    for seed in range(24):
        words += ['--domain', fuzzer, '--memory', '1M', '--append', f'{seed} {CALLS}']
    words += ['--domain', witness, '--memory', '2M']
    output, report = run(*words)[1:]
    sums = [line.split(b'| ')[-1] for line in output.splitlines() if b'| sum ' in line]
    assert sums == [alone.strip()] * 2
    domains = report['domains']
    assert all(domain['state'] == 'exited' for domain in (domains[0], domains[-1]))
    made = sum(sum(domain['hypercalls'].values()) for domain in domains)
    assert made > 24 * 500


@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_a_fuzzing_domain_that_is_privileged_harms_no_more_than_domains(run, tmp_path, version):
    disk = tmp_path / 'disk.img'
    disk.write_bytes(bytes(64 * 512))
    image = tmp_path / 'fuzz.elf'
    build_file([SOURCE], image, 'para', ['XEN_1_2'] if version == '1.2' else [])
    made = 0
    for seed in range(200, 204):
        words = ['--mode', 'para', '--memory', '1M', '--interface', version, '--net', 'domains', '--append', f'{seed} {CALLS // 2}', '--check-frames', '64']
        made += sum(run(image, *words, '--privileged', '--disk', disk, '--domain', image, *words)[2]['domains'][0]['hypercalls'].values())
    assert made > 4 * 500


@pytest.mark.parametrize('seed', range(100, 106))
def test_the_same_seed_gives_the_same_run(run, fuzzer, seed):
    runs = [run(fuzzer, '--mode', 'para', '--memory', '1M', '--append', f'{seed} {CALLS}') for _ in range(2)]
    assert runs[0][:2] == runs[1][:2]
    assert runs[0][2]['domains'] == runs[1][2]['domains']
