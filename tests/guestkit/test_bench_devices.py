"""guestkit bench --devices: what it measures, and its table."""
import json
import os

import pytest

from guestkit.bench import devices
from guestkit.bench.command import bench
from guestkit.errors import BadInput

from test_kernel import HYPER, guests      # noqa: F401


@pytest.fixture
def quick(guests, tmp_path, monkeypatch):      # noqa: F811
    if not HYPER.exists():
        pytest.skip(f'{HYPER} is not built: run make')
    monkeypatch.setenv('HYPER', os.fspath(HYPER))

    def measure(*words):
        assert bench(['--devices', '--quick', '--guests', str(guests), '--out', str(tmp_path), *words]) == 0
        return json.loads((tmp_path / 'bench-devices.json').read_text())['devices']
    return measure


def test_a_ring_costs_fewer_exits_than_an_emulated_disk(quick, capsys):
    found = quick('--only', 'disk_read', '--mode', 'para', '--mode', 'full-vtlb')['disk_read']
    assert 0 < found['para']['exits_per_kb'] < found['full-vtlb']['exits_per_kb'] / 4
    assert found['para']['bytes_per_machine_second'] > found['full-vtlb']['bytes_per_machine_second']
    assert 'disk, reading' in capsys.readouterr().out


def test_the_network_is_measured_between_two_domains(quick):
    found = quick('--only', 'network')['network']
    assert list(found) == ['para'] and found['para']['bytes_per_second'] > 0 and found['para']['exits_per_kb'] > 0


def test_the_table_has_a_line_for_each_way():
    numbers = {'bytes_per_second': 2.5e6, 'bytes_per_machine_second': 1e9, 'instructions_per_kb': 24.2, 'exits_per_kb': 0.04}
    lines = devices.text({'console': {'para': numbers, 'native': numbers}}).splitlines()
    assert lines[2].split() == ['console', 'para', '2.38', 'MB/s', '954', 'MB/s', '24.2', '0.04'] and len(lines) == 4


def test_a_name_that_is_none_of_its_operations_is_refused():
    with pytest.raises(BadInput):
        bench(['--devices', '--only', 'fork'])
