"""Guests of random system instructions under full virtualization, on the native program: they harm only themselves."""
import json
import pathlib
import subprocess
import sys

import pytest

from conftest import HYPER

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / 'hyper'))
import random_guest                     # noqa: E402

GUESTS = 20
WITNESS = '''
#include "guest.h"
int main(const char *command_line)
{
    u32 sum = 0;
    for (u32 i = 0; i < 1200000; i++)
        sum = sum * 5 + i;
    print("sum %x\\n", sum);
    return 0;
}
'''


@pytest.mark.parametrize('mmu', ['vtlb', 'ept'])
def test_random_guests_harm_neither_the_hypervisor_nor_a_witness(guest, tmp_path, mmu):
    report = tmp_path / 'report.json'
    run = [HYPER, 'run', guest(WITNESS), '--mode', 'full', '--mmu', mmu, '--memory', '2M', '--report', 'json', '--report-file', report,
           '--instructions', '200000000']
    alone = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    assert alone.returncode == 0
    for k in range(GUESTS):
        path = tmp_path / f'random{k}'
        path.write_bytes(random_guest.image(f'{mmu} {k}'))
        run += ['--domain', path, '--at', hex(random_guest.AT)]
    done = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    assert done.returncode == 3, done.stderr
    witness = [line.split(b'| ')[1] for line in done.stdout.splitlines() if b'| sum' in line]
    assert witness == [alone.stdout.strip()]
    domains = json.loads(report.read_text())['domains']
    assert not any('VM entry' in domain['state'] or 'VM-entry' in domain['state'] or 'hypervisor failed' in domain['state'] for domain in domains)
    assert sum(domain['died'] for domain in domains) > GUESTS // 2
