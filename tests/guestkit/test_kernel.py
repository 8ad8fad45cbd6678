"""The teaching kernel: it builds, and does the same on a bare machine, under both kinds of virtualization, and on a machine nobody here wrote."""
import os
import pathlib
import re
import select
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / 'guestkit' / 'guests'
HYPER = pathlib.Path(os.environ.get('HYPER', ROOT / 'bin' / 'hyper'))
QEMU = shutil.which('qemu-system-i386')
SECONDS = 60
MODES = {
    'qemu': None,
    'native': ['kernel-bare.elf', '--mode', 'native'],
    'para': ['kernel-para.elf', '--mode', 'para'],
    'para-2003': ['kernel-para.xen', '--mode', 'para'],
    'full-vtlb': ['kernel-bare.elf', '--mode', 'full', '--mmu', 'vtlb'],
    'full-ept': ['kernel-bare.elf', '--mode', 'full', '--mmu', 'ept'],
}


@pytest.fixture(scope='session')
def guests():
    """The directory of the built guests. They build without a word from the compiler."""
    out = ROOT / 'build' / 'guests'
    made = subprocess.run(['make', '-s', '-C', SOURCES, f'OUT={out}'], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert made.returncode == 0 and made.stdout == '', made.stdout
    return out


class Kernel:
    """Runs the kernel with a command line; its output without carriage returns, and whether it ended well."""

    def __init__(self, guests, mode):
        self.guests = guests
        self.mode = mode
        if mode == 'qemu' and QEMU is None:
            pytest.skip('qemu-system-i386 is not installed')
        if mode != 'qemu' and not HYPER.exists():
            pytest.skip(f'{HYPER} is not built: run make')

    def command(self, command_line, archive, memory):
        module = self.guests / archive
        if self.mode == 'qemu':
            return [QEMU, '-accel', 'tcg', '-m', memory, '-kernel', self.guests / 'kernel-bare.elf', '-initrd', module, '-append', command_line,
                    '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']
        image, *options = MODES[self.mode]
        return [HYPER, 'run', self.guests / image, *options, '--memory', memory, '--module', module, '--append', command_line, '--report', 'none']

    def run(self, command_line, archive='archive.img', memory='32M', typed=b''):
        done = subprocess.run(self.command(command_line, archive, memory), input=typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=SECONDS)
        return done.stdout.decode('latin-1').replace('\r', ''), done.returncode


@pytest.fixture(params=MODES)
def kernel(request, guests):
    return Kernel(guests, request.param)


def test_the_demonstration_runs_to_its_end(kernel):
    output, status = kernel.run('script=/etc/demo.sh')
    assert status == 0
    for text in ['3 lines, 23 words, 123 bytes', '2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 \n', '8 faults for 8 pages, and every word is there: yes',
                 'ends with status 139', 'from the innermost\nits status was 7\n']:
        assert text in output, output
    assert output.count('was interrupted for another again and again') == 3, output


def test_the_kernel_keeps_its_promises_to_programs(kernel):
    """Memory, signals, pipes, processes, and every way out of ring 3: guests/user/check.c."""
    output, status = kernel.run('init=/bin/check')
    passed = re.findall(r'^check: (\d+) of (\d+) passed$', output, re.MULTILINE)
    assert passed and passed[-1][0] == passed[-1][1] and int(passed[-1][1]) >= 40, output
    assert status == 0, output


def test_a_first_process_that_fails_is_told_outside(kernel):
    output, status = kernel.run('init=/bin/halt 5')
    assert status != 0, output


def test_a_missing_first_process_is_named(kernel):
    output, status = kernel.run('init=/bin/nothing')
    assert 'init=/bin/nothing: cannot be run' in output and status != 0, output


def test_a_damaged_archive_is_no_harm(kernel, tmp_path):
    data = bytearray((kernel.guests / 'archive.img').read_bytes())
    data[124:136] = b'77777777777\0'            # the first file's size
    damaged = tmp_path / 'damaged.img'
    damaged.write_bytes(data)
    output, status = kernel.run('init=/bin/init', archive=damaged)
    assert 'init=/bin/init: cannot be run' in output and status != 0, output


def test_four_megabytes_are_enough(kernel):
    output, status = kernel.run("init=/bin/sh -c 'guard; cat /etc/motd | wc'", memory='4M')
    assert '3 lines, 23 words, 123 bytes' in output and status == 0, output


def converse(command, exchanges):
    """Types each answer when its prompt has come; what the guest printed in all."""
    guest = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output = b''
    end = time.monotonic() + SECONDS
    for prompt, answer in exchanges:
        seen = len(output)
        while prompt not in output[seen:]:
            assert select.select([guest.stdout], [], [], max(end - time.monotonic(), 0))[0], output
            part = os.read(guest.stdout.fileno(), 4096)
            assert part, output
            output += part
        guest.stdin.write(answer)
        guest.stdin.flush()
    rest, _ = guest.communicate(timeout=SECONDS)
    return (output + rest).decode('latin-1').replace('\r', ''), guest.returncode


@pytest.mark.parametrize('mode', ['qemu', 'native', 'para', 'full-vtlb', 'full-ept'])
def test_the_shell_reads_what_is_typed(guests, mode):
    """With echo, the backspace key and control-C."""
    output, status = converse(Kernel(guests, mode).command('', 'archive.img', '32M'), [
        (b'$ ', b'echo one twx\x7fo | cat\r'), (b'$ ', b'sleep 1000000\r'), (b'sleep 1000000', b'\x03'), (b'$ ', b'echo $?\r'), (b'$ ', b'exit 0\r')])
    assert '\none two\n' in output and '\n130\n' in output and status == 0, output


@pytest.mark.parametrize('mode', ['native', 'para', 'full-vtlb', 'full-ept'])
def test_what_is_typed_before_the_prompt_is_not_lost(guests, mode):
    """But for the first byte, which may come before the port is set up."""
    output, status = Kernel(guests, mode).run('', typed=b'\recho early\rexit 0\r')
    assert re.search('^([$] )*early$', output, re.MULTILINE) and status == 0, output


def test_hypercalls_may_be_interrupts_as_in_2003(guests, tmp_path):
    image = tmp_path / 'kernel-para.elf'
    subprocess.run(['make', '-s', '-C', SOURCES, f'OUT={tmp_path}', 'HYPERCALL=int82', image], check=True)
    assert b'\x0f\x01\xc1' not in image.read_bytes()      # VMCALL
    kernel = Kernel(guests, 'para')
    command = kernel.command("init=/bin/sh -c 'primes 20'", 'archive.img', '32M')
    command[command.index(guests / 'kernel-para.elf')] = image
    assert b'2 3 5 7 11 13 17 19 ' in subprocess.run(command, stdout=subprocess.PIPE, timeout=SECONDS, check=True).stdout


@pytest.mark.parametrize('mode', ['native', 'para', 'full-vtlb', 'full-ept'])
def test_control_d_ends_the_shell_and_the_machine(guests, mode):
    output, status = Kernel(guests, mode).run('', typed=b'\r\x04')
    assert output.endswith('$ \n') and status == 0, output


OPERATIONS = ['null_call', 'signal', 'fork', 'exec', 'sh', 'mmap', 'prot_fault', 'page_fault', 'pipe_bandwidth'] + [
    f'context_switch_{processes}_{size}k' for processes in ['base', '2p', '4p', '8p'] for size in [0, 16, 64]]


def bench_lines(output):
    """{name: (iterations, nanoseconds, checksum or None)}; every round has said when it began."""
    found = re.findall(r'^begin (\w+)\nbench (\w+) (\d+) (\d+)(?: ([0-9a-f]{8}))?$', output, re.MULTILINE)
    assert all(begun == name for begun, name, *_ in found)
    return {name: (int(iterations), int(ns), checksum or None) for _, name, iterations, ns, checksum in found}


def test_every_operation_is_measured(kernel):
    output, status = kernel.run('init=/bin/bench ' + ' '.join(name + ':8' for name in OPERATIONS), 'bench.img')
    lines = bench_lines(output)
    assert status == 0 and sorted(lines) == sorted(OPERATIONS), output
    assert all(iterations == 8 and ns > 0 for iterations, ns, _ in lines.values()), lines


HOSTED = '''
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
typedef unsigned char u8; typedef unsigned int u32; typedef int s32;
struct measured { const char *name; u32 iterations; u32 (*run)(u32 iterations); };
static int measure(int argc, char **argv, const struct measured *all, u32 count, int has_checksum)
{
    for (u32 i = 0; i < count; i++)
        printf("%s %08x\\n", all[i].name, all[i].run(atoi(argv[1])));
    return 0;
}
#include SOURCE
'''


@pytest.fixture(scope='session')
def checksums(guests):
    """{name: checksum} of two iterations of each workload, compiled for the processor of the host."""
    found = {}
    for source in [SOURCES / 'user' / 'work.c', guests / 'user' / 'cold.c']:
        program = guests / ('hosted-' + source.stem)
        subprocess.run(['gcc', '-O0', '-w', '-x', 'c', '-', '-I', SOURCES / 'user', '-I', SOURCES / 'lib', '-DMEASURE_H', f'-DSOURCE="{source}"', '-o', program], input=HOSTED, text=True, check=True)
        for line in subprocess.check_output([program, '2'], text=True).splitlines():
            name, checksum = line.split()
            found[name] = checksum
    return found


def test_the_workloads_compute_what_the_host_computes(kernel, checksums):
    names = [name for name in checksums if name != 'cold']
    output, status = kernel.run('init=/bin/work ' + ' '.join(name + ':2' for name in names), 'bench.img')
    assert status == 0 and {name: line[2] for name, line in bench_lines(output).items()} == {name: checksums[name] for name in names}, output
    output, status = kernel.run('init=/bin/cold cold:2', 'bench.img')
    assert status == 0 and bench_lines(output)['cold'][2] == checksums['cold'], output


MICROS = {'para': ['nothing', 'vmcall', 'cr3', 'fill', 'batch', 'fresh'], 'native': ['nothing', 'port', 'cr3', 'cpuid', 'fill', 'fresh'],
          'full-vtlb': ['nothing', 'port', 'cr3', 'cpuid', 'fill', 'fresh'], 'full-ept': ['nothing', 'port', 'cr3', 'cpuid', 'fill', 'fresh']}


@pytest.mark.parametrize('mode', MICROS)
def test_the_back_ends_can_be_measured(guests, mode):
    for name in MICROS[mode]:
        output, status = Kernel(guests, mode).run(f'micro={name}:100')
        assert re.search(rf'^bench {name} 100 \d+$', output, re.MULTILINE) and status == 0, output
