"""Random code in every mode, a short run (tests/fuzz; make fuzz is the long one)."""
import subprocess
import sys

import pytest

from conftest import ROOT


def test_any_bytes_are_executed_or_refused_in_every_mode():
    done = subprocess.run([sys.executable, '-m', 'tests.fuzz', '--instructions', '400000'], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert 'instructions' in done.stdout


def test_garbage_for_every_device_harms_nothing():
    done = subprocess.run([sys.executable, '-m', 'tests.fuzz.devices', '--seeds', '4', '--instructions', '300000'], cwd=ROOT, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('12 guests')


@pytest.mark.parametrize('every, calls', [(1, 5000), (256, 50000)])
def test_random_hypercalls_leave_every_invariant_intact(every, calls):
    done = subprocess.run([sys.executable, '-m', 'tests.fuzz.hypercalls', '--calls', str(calls), '--check-frames', str(every)], cwd=ROOT, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= calls
