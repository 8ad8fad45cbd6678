"""Random code in every mode: python -m tests.fuzz --instructions 10000000 --seed 1.

Whatever bytes a guest executes, they are an instruction or an exception, never an error of the engine. Guests run in a process of their own; if it dies,
the guest that killed it is named. Needs bin/libhyper.so, or another one in $HYPER_LIBRARY; with --untranslated the Python 2.7 that `make setup` has
prepared, or $PYTHON2.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

from guestkit import Machine

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
AT, RANDOM, REGISTERS, SEED, ROUNDS, CODE, END = 0x8000, 0x10000, 0x13000, 0x13800, 0x13804, 0x20000, 0x30000
MODES = ['ring 0', 'ring 0, 16 bit', 'ring 3', 'ring 3, 16 bit', 'virtual 8086', 'real']
PAGING = ['', 'paging', 'PAE']
UNDER = {'native': {}, 'vtlb': {'mode': 'full', 'mmu': 'vtlb'}, 'ept': {'mode': 'full', 'mmu': 'ept'}}
# prefixes and opcodes that random bytes reach too seldom
STARTS = [bytes.fromhex(text) for text in (
    '66 67 6667 0f 660f f20f f30f 0f38 660f38 0f3a 660f3a 0f00 0f01 0f01c1 0fae 0fba 0fc7 f3 f2 f0 64 65 2e d8 d9 da db dc dd de df 0f20 0f22 0f21 0f23 '
    '0f30 0f32 0f34 0f35 8e 8c c4 c5 0fb2 0fb4 9a ea ca cb cf cd 62 63 0f02 0f03 9d 17 c8 8f ff fe 0f71 0f72 0f73 0f77 0f6f 660f6f 0fa2 0f0b f4 fb').split()]
USUAL = [0, 1, 4, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, CODE, CODE + 0xffe, END - 2, END, 0x23, 0x33, 0x1b, 0x2b, 0x174,
         0xc0000080, 0x277, 0x200]


def assemble(mode, paging, directory):
    """The guest's own code for an index of MODES and of PAGING."""
    path = pathlib.Path(directory, f'{mode}{paging}')
    subprocess.run(['as', '--32', '--defsym', f'MODE={mode}', '--defsym', f'PAGING={paging}', '-o', f'{path}.o', HERE / 'guest.S'], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', hex(AT), '-o', f'{path}.elf', f'{path}.o'], check=True)
    subprocess.run(['objcopy', '-O', 'binary', '-j', '.text', f'{path}.elf', f'{path}.bin'], check=True)
    return pathlib.Path(f'{path}.bin').read_bytes()


def image(guest, seed):
    """The bytes from AT on."""
    r = random.Random(seed)
    data = bytearray(guest.ljust(RANDOM - AT, b'\0') + r.randbytes(END - RANDOM))
    for at in range(CODE - AT, END - AT, 8):
        if r.randrange(2):
            start = r.choice(STARTS)
            data[at:at + len(start)] = start
    registers = [r.choice(USUAL) if r.randrange(2) else r.choice([r.getrandbits(32), r.getrandbits(8), CODE + r.getrandbits(16)]) for _ in range(512)]
    data[REGISTERS - AT:SEED - AT] = struct.pack('<512I', *registers)
    data[SEED - AT:ROUNDS - AT + 4] = struct.pack('<II', r.getrandbits(32), 0)
    return bytes(data)


def check_state(machine):
    """What holds whenever a machine is at rest."""
    regs = machine.regs
    assert regs.eflags & 2 and regs.eflags & 0xffc08028 == 0, hex(regs.eflags)
    assert 0 <= regs.cpl <= 3
    if regs.cr0 & 1 and not regs.eflags & 0x20000:
        assert regs.cpl == regs.cs & 3
    assert not regs.cr0 & 0x80000000 or regs.cr0 & 1


def cases(seed):
    """Names of the guests of a seed, with what they are made from."""
    for under in UNDER:
        for mode, mode_name in enumerate(MODES):
            for paging, paging_name in enumerate(PAGING):
                if not (mode_name == 'real' and paging_name or mode_name == 'virtual 8086' and not paging_name):
                    yield f'{seed}: {mode_name} {paging_name} {under}', under, mode, paging


def model(under):
    return 'nehalem' if under == 'ept' else 'core2duo'


def run_native(code, under, instructions, directory):
    """Runs a guest in this process; how many instructions it executed, and how many times it entered its random code, as far as it knows."""
    with Machine(code, at=AT, memory='1M', cpu=model(under), **UNDER[under]) as machine:
        machine.run(instructions=instructions, seconds=20)
        if under == 'native':
            check_state(machine)
        report = machine.report()
        check_domains([domain.state for domain in report.domains])
        rounds = struct.unpack('<I', machine.physical.read(ROUNDS, 4))[0]
        # code in ring 0 writes anywhere
        return report.instructions, rounds if rounds < report.instructions else 0


def run_untranslated(code, under, instructions, directory):
    """The same in Python 2.7, which does not tell of entries."""
    image_file, report_file = pathlib.Path(directory, 'image'), pathlib.Path(directory, 'report')
    image_file.write_bytes(code)
    options = [word for name, value in UNDER[under].items() for word in (f'--{name}', value)]
    python = os.environ.get('PYTHON2', ROOT / 'build/venv2/bin/python')
    end = subprocess.run([python, ROOT / 'hyper/main.py', 'run', image_file, '--at', hex(AT), '--memory', '1M', '--cpu', model(under), *options,
                          '--instructions', str(instructions), '--timeout', '60', '--report', 'json', '--report-file', report_file],
                         env=dict(os.environ, PYTHONPATH=str(ROOT)), stdin=subprocess.DEVNULL, capture_output=True)
    assert b'Traceback' not in end.stderr, end.stderr.decode()
    report = json.loads(report_file.read_text())
    check_domains([domain['state'] for domain in report['domains']])
    return report['instructions'], 0


def check_domains(states):
    assert not any('hypervisor failed' in state or 'entry' in state for state in states), states


def work(connection, run, seed, instructions, slice_length):
    """Runs guests until so many instructions have been executed; tells of each before and after it."""
    with tempfile.TemporaryDirectory() as directory:
        guests = {}
        done = 0
        while done < instructions:
            for name, under, mode, paging in cases(seed):
                if (mode, paging) not in guests:
                    guests[mode, paging] = assemble(mode, paging, directory)
                connection.send(('begin', name))
                executed, rounds = run(image(guests[mode, paging], f'{seed} {mode} {paging}'), under, slice_length, directory)
                done += executed
                connection.send(('end', executed, rounds))
            seed += 1
    connection.send(('done', seed))


def main():
    parser = argparse.ArgumentParser(prog='python -m tests.fuzz', description='Executes random code in every mode and looks for errors of the engine.')
    parser.add_argument('--instructions', type=int, default=10000000, help='at least so many in all (default: 10000000)')
    parser.add_argument('--seed', type=int, default=1, help='the first (default: 1)')
    parser.add_argument('--slice', type=int, default=50000, help='instructions of one guest (default: 50000)')
    parser.add_argument('--untranslated', action='store_true', help='in Python 2.7 in place of the native engine; some twenty minutes for ten million')
    options = parser.parse_args()
    begin = time.time()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=work, args=(theirs, run_untranslated if options.untranslated else run_native, options.seed,
                                                            options.instructions, options.slice))
    child.start()
    theirs.close()
    name, guests, instructions, rounds, last = 'nothing', 0, 0, 0, None
    try:
        while last is None:
            message = ours.recv()
            if message[0] == 'begin':
                name = message[1]
            elif message[0] == 'end':
                guests += 1
                instructions += message[1]
                rounds += message[2]
            else:
                last = message[1]
    except EOFError:
        child.join()
        print(f'tests.fuzz: the engine failed (exit status {child.exitcode}) in guest {name}', file=sys.stderr)
        sys.exit(1)
    child.join()
    print(f'{guests} guests, {instructions} instructions, random code entered {rounds} times, {time.time() - begin:.0f} s, seeds {options.seed} to {last - 1}')


if __name__ == '__main__':
    main()
