"""The conformance suite of the paravirtual interface, in both numberings, with all counts of frames checked after every hypercall. tests/guestkit/conformance
has the guest."""
import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import ROOT
from guestkit import Machine
from guestkit.build import build_file
from guestkit.dom.hypervisor import Hypervisor

SOURCES = sorted(path for path in (pathlib.Path(__file__).parent / 'conformance').iterdir() if path.suffix in ('.c', '.S'))
GROUPS = ('calls console keyboard debug_registers multicalls scheduling page_tables pins requests va_mapping machine_to_physical gdt ldt descriptor_updates '
          'trap_table callbacks fast_trap failsafe balloon times start_of_day').split()
ENDS = {
    'no_failsafe': 'a return to it faulted, and it has no failsafe callback for that',
    'bad_stack': 'its ring-1 stack cannot be used: ESP 0x1000',
    'bad_ring_1_stack': 'its ring-1 stack cannot be used: ESP 0xfc001000',
    'no_handler': 'trap 6, and it has no handler for it',
    'all_masked': 'waits for an event, and masks all of them',
    'leave': 'exited',
    'stop_itself': 'stopped itself',
}
ONLY_IN_1_2 = ('channels', 'stop_itself', 'virtual_disks')
HYPERCALLS = 21                 # of either version


def cases(names):
    return [(version, name) for version in ('1.0', '1.2') for name in names if version == '1.2' or name not in ONLY_IN_1_2]


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    """The guest for a version of the interface."""
    directory = tmp_path_factory.mktemp('conformance')
    built = {}

    def build(version):
        if version not in built:
            built[version] = directory / f'{version}.elf'
            build_file(SOURCES, built[version], 'para', ['XEN_1_2'] if version == '1.2' else [])
        return built[version]
    return build


@pytest.fixture
def run(image):
    """Runs a group; the machine's Stop, what the domain printed, its report."""
    def run(version, name):
        with Machine(image(version), mode='para', interface=version, memory='1M', append=name, check_frames=1) as machine:
            if name == 'keyboard':
                machine.run(output='type', seconds=60)
                machine.type('a')
            stop = machine.run(seconds=60)
            return stop, machine.output.decode(), machine.report().domains[0]
    return run


@pytest.mark.parametrize('version, group', cases([*GROUPS, 'channels']))
def test_the_interface_is_as_it_says(run, version, group):
    stop, output, domain = run(version, group)
    assert stop.status == 0 and domain.state == 'exited', stop
    count = re.search(rf'{group}: (\d+) checks, 0 failed', output)
    assert count and int(count[1]) > 0, output


@pytest.mark.parametrize('version, name', cases(ENDS))
def test_a_domain_ends_only_for_what_the_interface_says(run, version, name):
    stop, output, domain = run(version, name)
    assert domain.state == ENDS[name] and 'lives on' not in output
    assert stop.status == (0 if name in ('leave', 'stop_itself') else 3)


DISK_SECTORS = 128
WITH_DEVICES = {
    'block': ['--disk', '{disk}', '--disk', '{disk},ro', '--disk', '{disk},cdrom'],
    'block_control': ['--disk', '{disk}', '--disk', '{disk},ro', '--privileged'],
    'network': ['--net', 'domains'],
    'network_control': ['--net', 'domains', '--privileged'],
    'dom0_control': ['--privileged', '--memory', '2M'],
    'virtual_disks': ['--disk', '{disk}', '--disk', '{disk},ro', '--privileged'],
}


def words_of(image, group, version, more):
    return [str(image), '--mode', 'para', '--interface', version, '--memory', '1M', '--append', group, *more]


def with_disks(words, directory):
    """A disk for each word that wants one; each of its sectors begins with its number."""
    words = list(words)
    for k, word in enumerate(words):
        if '{disk}' in word:
            disk = directory / f'{k}.img'
            disk.write_bytes(b''.join(sector.to_bytes(4, 'little').ljust(512, b'.') for sector in range(DISK_SECTORS)))
            words[k] = word.format(disk=disk)
    return words


@pytest.fixture
def run_with_devices(image, tmp_path):
    """What the domain printed, and its report."""
    def run(version, group):
        more = with_disks(WITH_DEVICES[group], tmp_path)
        with Machine.from_words([*words_of(image(version), group, version, more), '--check-frames', '1']) as machine:
            machine.run(seconds=60)
            return machine.output.decode(), machine.report().domains[0]
    return run


@pytest.mark.parametrize('version, group', cases(WITH_DEVICES))
def test_devices_and_control_are_as_the_interface_says(run_with_devices, version, group):
    output, domain = run_with_devices(version, group)
    count = re.search(rf'{group}: (\d+) checks, 0 failed', output)
    assert count and int(count[1]) > 0, output
    assert domain.state == 'exited'


@pytest.mark.parametrize('group, of_the_first', [('channel_pair', []), ('disk_pair', ['--disk', '{disk}', '--privileged'])])
def test_two_domains_see_what_passes_between_them(image, tmp_path, group, of_the_first):
    words = words_of(image('1.2'), group, '1.2', [])
    with Machine.from_words([*words, *with_disks(of_the_first, tmp_path), '--domain', *words, '--check-frames', '1']) as machine:
        stop = machine.run(seconds=60)
        assert stop.status == 0
        for domain in machine.domains:
            assert re.search(rf'{group}: \d+ checks, 0 failed', domain.output.decode()), domain.output.decode()


@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_a_domain_is_asked_to_stop_itself_and_to_end(image, version):
    with Hypervisor(memory='16M') as hypervisor:
        domain = hypervisor.create({'name': 'asked', 'kernel': str(image(version)), 'interface': version, 'memory': '1M', 'extra': 'asked',
                                    'on_poweroff': 'preserve'})
        hypervisor.run(seconds=60)
        assert domain.output.decode() == 'stop\n' and not hypervisor.is_paused(domain)
        domain.call('hyper_control', b'stop')
        hypervisor.run(seconds=60)
        assert hypervisor.is_paused(domain) and domain.output.decode() == 'stop\n'
        hypervisor.unpause(domain)
        hypervisor.run(seconds=60)
        assert domain.output.decode() == 'stop\nend\n'
        hypervisor.shutdown(domain)
        hypervisor.run(seconds=60)
        assert re.search(r'asked: \d+ checks, 0 failed', domain.output.decode()) and hypervisor.ended() == [domain]


@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_a_privileged_domain_controls_a_fully_virtualized_one(image, tmp_path, version):
    (tmp_path / 'other.c').write_text('#include "guest.h"\nint main(const char *line) { for (;;) asm volatile("pause"); }\n')
    build_file([tmp_path / 'other.c'], tmp_path / 'other.elf', 'bare', [])
    other = ['--domain', str(tmp_path / 'other.elf'), '--mode', 'full', '--memory', '2M', '--name', 'other']
    with Machine.from_words([*words_of(image(version), 'dom0_full', version, ['--privileged']), *other]) as machine:
        machine.run(seconds=60)
        assert re.search(r'dom0_full: \d+ checks, 0 failed', machine.domains[0].output.decode()), machine.domains[0].output.decode()


@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_the_suite_makes_every_hypercall(run, version):
    made = set()
    for group in [*GROUPS, 'channels', 'leave']:
        if (version, group) in cases([group]):
            made |= set(run(version, group)[2].hypercalls)
    assert len(made) == HYPERCALLS, sorted(made)


NOT_MET = {'too many references to a frame'}           # which would take 2^26 of them


def reasons():
    """Why the hypervisor refuses something to a domain of these interfaces: arguments of `because`, and what that gets from two functions."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / 'hyper/vmm/para').rglob('*.py')]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    constants = {node.targets[0].id: node.value.value for node in nodes if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and
                 isinstance(node.value, ast.Constant)}
    given = [node.args[0] for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == 'because']
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and node.name in ('why_refused', 'update_descriptor'):
            given += [part.value for part in ast.walk(node) if isinstance(part, (ast.Return, ast.Assign))]
    texts = {node.value if isinstance(node, ast.Constant) else constants.get(node.id) for node in given if isinstance(node, (ast.Constant, ast.Name))}
    return {text for text in texts if isinstance(text, str) and text}


def test_the_suite_meets_every_refusal(run, run_with_devices):
    met = set()
    for version, group in cases([*GROUPS, 'channels']):
        met |= set(run(version, group)[2].refusals)
    for version, group in cases(WITH_DEVICES):
        met |= set(run_with_devices(version, group)[1].refusals)
    assert len(reasons()) > 50
    assert reasons() - met == NOT_MET


PYTHON2 = pathlib.Path(os.environ.get('PYTHON2', ROOT / 'build/venv2/bin/python'))


@pytest.mark.skipif(not PYTHON2.exists(), reason='make setup prepares the Python 2.7 for it')
@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_the_untranslated_engine_agrees(image, version):
    """All groups as domains of one machine."""
    groups = [group for group in [*GROUPS, 'channels'] if group != 'keyboard' and (version, group) in cases([group])]
    groups.sort(key=lambda group: group != 'start_of_day')              # which wants to be domain 0
    domains = sum((['--domain', image(version), '--mode', 'para', '--interface', version, '--memory', '1M', '--append', group] for group in groups), [])
    done = subprocess.run([PYTHON2, ROOT / 'hyper/main.py', 'run', *domains[1:], '--check-frames', '8', '--report', 'none'], env=dict(os.environ, PYTHONPATH=str(ROOT)),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert [group for group in groups if not re.search(rf'{group}: (\d+) checks, 0 failed', done.stdout)] == []


def test_the_header_is_found_by_a_compiler_anywhere(tmp_path):
    directory = subprocess.run([sys.executable, '-m', 'guestkit', 'abi', '--include-dir'], cwd=tmp_path, env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'},
                               check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / 'a.c').write_text('#include <xen/xen-1.0.h>\n_Static_assert(sizeof(struct xen_multicall_entry) == 32 && sizeof(struct xen_pt_request) == 8, "");\n'
                                  '_Static_assert(__builtin_offsetof(struct xen_shared_info, times) == OFFSET, "");\n'
                                  '_Static_assert(__builtin_offsetof(struct xen_start_info, cmd_line) == LINE, "");\n'
                                  '_Static_assert(__builtin_offsetof(struct xen_dom0_op, u.info.ran) == UNION + 44, "");\n'
                                  '#ifdef XEN_1_2\n_Static_assert(sizeof(struct xen_full_context) == 629 * 4 && sizeof(struct xen_extent) == 12, "");\n'
                                  '_Static_assert(__builtin_offsetof(struct xen_block_op, u.grow.extent) == 12 && sizeof(struct xen_disk_entry) == 12, "");\n'
                                  '#else\n_Static_assert(__builtin_offsetof(struct xen_dom0_op, u.build.module) == 284, "");\n#endif\n')
    for words in (['-DOFFSET=12', '-DLINE=112', '-DUNION=4'], ['-DXEN_1_2', '-DOFFSET=272', '-DLINE=28', '-DUNION=8']):
        subprocess.run(['gcc', '-m32', '-ffreestanding', '-Wall', '-Werror', f'-I{directory}', *words, '-c', 'a.c'], cwd=tmp_path, check=True)
    (tmp_path / 'a.S').write_text('#include <xen/xen-1.0.h>\n mov $XEN_UPDATE_VA_MAPPING, %eax\n')
    subprocess.run(['gcc', '-m32', f'-I{directory}', '-c', 'a.S'], cwd=tmp_path, check=True)
