"""Garbage for every device on the native engine: python -m tests.fuzz.devices --seeds 100 --seed 1.

A guest programs the devices of its PC at random, in every way that it can run. Whatever happens to it, the engine goes on, and its disks' files stay as they
are where they are read-only or a snapshot. Needs bin/hyper, or another one in $HYPER.
"""
import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from guestkit.build import build_file

HERE = pathlib.Path(__file__).resolve().parent
HYPER = os.environ.get('HYPER', str(HERE.parents[1] / 'bin' / 'hyper'))
MODES = {'native': [], 'vtlb': ['--mode', 'full'], 'ept': ['--mode', 'full', '--mmu', 'ept']}
MEMORY = '4M'
SECTORS = 4096
STATUS_BAD_INPUT = 2
STATUS_OK = {0, 3, 124}         # ended, stopped for what it did, out of time


class EngineFailed(Exception):
    pass


def network():
    """Whether a network of user space can be had."""
    try:
        ctypes.CDLL('libslirp.so.0')
    except OSError:
        return False
    return True


def run(guest, directory, mode, seed, instructions):
    """One guest, every other one with a network, whose time then follows the wall, so that it may not be the same again; how many instructions it executed. Raises EngineFailed."""
    files = [directory / name for name in ('disk', 'cd', 'virtio')]
    for path in files:
        if not path.exists():
            path.write_bytes(bytes(range(256)) * (SECTORS * 2))
    before = [path.read_bytes() for path in files]
    report = directory / 'report'
    report.unlink(missing_ok=True)
    words = [HYPER, 'run', str(guest), *MODES[mode], '--memory', MEMORY, '--append', f'seed {seed}', '--disk', f'{files[0]},snapshot',
             '--cdrom', str(files[1]), '--disk', f'{files[2]},virtio,snapshot', '--virtio-console', '--instructions', str(instructions),
             '--timeout', '60', '--report', 'json', '--report-file', str(report)]
    if seed % 2 == 0 and network():
        words += ['--net', 'user']
    end = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if end.returncode not in STATUS_OK or b'rror' in end.stderr or not report.exists():
        raise EngineFailed(f'seed {seed}, {mode}: status {end.returncode}: {end.stderr[-1000:].decode("latin-1")}')
    told = json.loads(report.read_text())
    if any('hypervisor failed' in domain['state'] for domain in told['domains']):
        raise EngineFailed(f'seed {seed}, {mode}: {told["domains"]}')
    if [path.read_bytes() for path in files] != before:
        raise EngineFailed(f'seed {seed}, {mode}: a file has changed that must not')
    return told['instructions']


def main():
    parser = argparse.ArgumentParser(prog='python -m tests.fuzz.devices', description='Programs every device with garbage and looks for errors of the engine.')
    parser.add_argument('--seeds', type=int, default=100, help='so many guests in each mode (default: 100)')
    parser.add_argument('--seed', type=int, default=1, help='the first (default: 1)')
    parser.add_argument('--instructions', type=int, default=1000000, help='of one guest (default: 1000000)')
    options = parser.parse_args()
    begin = time.time()
    done = guests = 0
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        build_file([HERE / 'devices.c'], directory / 'devices.elf')
        try:
            for seed in range(options.seed, options.seed + options.seeds):
                for mode in MODES:
                    done += run(directory / 'devices.elf', directory, mode, seed, options.instructions)
                    guests += 1
        except EngineFailed as failed:
            print(f'tests.fuzz.devices: the engine failed: {failed}', file=sys.stderr)
            sys.exit(1)
    print(f'{guests} guests, {done} instructions, {time.time() - begin:.0f} s, seeds {options.seed} to {options.seed + options.seeds - 1}')


if __name__ == '__main__':
    main()
