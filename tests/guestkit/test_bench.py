"""The benchmark: how rounds are timed and summed up, and a short run of it."""
import json
import os
import stat
import subprocess
import sys

import pytest

from conftest import HYPER, ROOT
from guestkit.bench import command, costs, domains, guests, limits, linux, operations, plot, round_trips, runs, show, tables, workloads
from guestkit.bench.child import BenchError, run, run_hyper
from guestkit.bench.lines import Lines, Round, steady
from guestkit.bench.operations import Cost
from guestkit.build import build_guests
from guestkit.linux.boot import Linux


def script(tmp_path, name, text):
    """A program that stands for an engine."""
    path = tmp_path / name
    path.write_text('#!/bin/bash\n' + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


# -- lines

def test_a_round_is_timed_from_its_first_line_to_its_second():
    lines = Lines()
    lines.line('kernel: bare machine', 0.5)
    lines.line('begin fork', 1.0)
    lines.line('bench fork 100 5000', 1.25)
    lines.line('begin sieve', 2.0)
    lines.line('bench sieve 10 77 0a0b0c0d', 4.0)
    assert lines.rounds == [Round('fork', 100, 5000, '', 0.25), Round('sieve', 10, 77, '0a0b0c0d', 2.0)]
    assert lines.rounds[0].ns == 2.5e6
    assert lines.text == ['kernel: bare machine']


def test_a_round_too_short_to_be_timed_has_a_length_all_the_same():
    lines = Lines()
    lines.line('begin disk_read', 7.0)
    lines.line('bench disk_read 409 12345', 7.0)
    assert steady(lines.rounds) > 0


@pytest.mark.parametrize('line', ['bench', 'bench x', 'bench x 1', 'bench x one 2', 'bench x 1 2 3 4', 'bench y 1 2', 'begin', 'begin a b', ''])
def test_what_is_not_a_round_is_text(line):
    lines = Lines()
    lines.line('begin x', 0.0)
    lines.line(line, 1.0)
    assert lines.rounds == [] and lines.text == [line]


def test_a_round_that_never_began_does_not_count_and_none_counts_twice():
    lines = Lines()
    lines.line('begin x', 1.0)
    lines.line('bench x 1 2', 2.0)
    lines.line('bench x 1 2', 9.0)
    assert [round.seconds for round in lines.rounds] == [1.0]


def test_the_first_round_is_left_out_and_the_median_of_the_others_counts():
    def rounds(*seconds):
        return [Round('x', 1, 0, '', value * 1e-9) for value in seconds]
    assert steady(rounds(100, 3, 1, 2)) == pytest.approx(2)
    assert steady(rounds(100, 4)) == pytest.approx(4)
    assert steady(rounds(7)) == pytest.approx(7)


# -- children

def test_lines_are_timed_as_they_arrive(tmp_path):
    engine = script(tmp_path, 'engine', 'echo begin x; sleep 0.3; printf "bench x 3 "; sleep 0.2; printf "9\\r\\n"; echo more; exit 4')
    outcome = run([engine], 20)
    assert outcome.status == 4 and outcome.text == ['more'] and outcome.peak > 0
    assert 0.5 <= outcome.rounds[0].seconds < 1.5 and outcome.rounds[0].iterations == 3


def test_a_child_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(BenchError, match='not done after 0.3 s'):
        run([script(tmp_path, 'engine', 'echo hello; exec sleep 60')], 0.3)


def test_an_engine_that_fails_is_an_error_with_its_words(tmp_path):
    with pytest.raises(BenchError, match='status 3.*it fell over'):
        run_hyper(script(tmp_path, 'hyper', 'echo it fell over >&2; exit 3'), ['x'], 20)


# -- summing up

def report(exits, hypercalls):
    return {'domains': [{'exits': exits, 'hypercalls': hypercalls}]}


def test_exits_are_those_of_an_iteration_without_the_boot():
    idle = operations.exits_of(report({'VMCALL': 50, 'HLT': 4}, {'pt_update': 10}))
    assert operations.per_iteration(report({'VMCALL': 250, 'HLT': 4, 'INVLPG': 1}, {'pt_update': 1010}), idle, 1000) == {
        'hypercall pt_update': 1.0, 'VMCALL': 0.2}


def test_round_trips_leave_out_what_is_not_theirs():
    def cost(ns, exits=()):
        return Cost(ns, 0, dict(exits), [])
    costs = {'para': {'nothing': cost(1), 'vmcall': cost(101)},
             'full-vtlb': {'nothing': cost(1), 'port': cost(201), 'forget': cost(300), 'fill': cost(700),
                           'cr3': cost(1001, {'EXCEPTION_OR_NMI': 1.5, 'CR_ACCESS': 1})},
             'full-ept': {'nothing': cost(2), 'device': cost(502)}}
    assert round_trips.round_trips(costs) == {'vmcall': 100, 'port_access': 200, 'cr3_write': 400, 'shadow_fill': 400, 'ept_violation': 500}
    assert round_trips.round_trips({}) == {}


def test_numbers_are_written_for_people():
    assert [tables.time_text(ns) for ns in (0.5, 12.34, 999.96, 1234, 45678900, 2e9, None)] == [
        '0.50 ns', '12.3 ns', '1.00 us', '1.23 us', '45.7 ms', '2.00 s', '-']
    assert tables.ratio_text(30, 20) == '1.50x' and tables.ratio_text(None, 1) == '-' and tables.ratio_text(1, None) == '-'
    assert [tables.count_text(value) for value in (72, 4407.6, 0.04, None)] == ['72', '4,407.6', '0', '-']
    assert tables.bytes_text(1536) == '1.50 KB' and tables.bytes_text(12) == '12 bytes'
    assert tables.table(['', 'a'], [['long', 1], ['x', 222]]) == '        a\n----  ---\nlong    1\nx     222\n'


DATA = {
    'operations': {'fork': {'native': 100.0, 'para': 200.0}, 'pipe_bandwidth': {'native': 65536.0}},
    'instructions': {'fork': {'native': 10, 'para': 12}},
    'exits': {'native': {'fork': {}}, 'para': {'fork': {'VMCALL': 6.0, 'hypercall pt_update': 5.0}}},
    'round_trips': {'vmcall': {'ns': 500.0, 'null_calls': 2.5}},
    'workloads': {'sieve': {'native': {'seconds': 1.0, 'instructions': 1e9, 'mips': 1000.0}, 'para': {'seconds': 1.5, 'instructions': 1e9, 'mips': 666.7}}},
    'without_jit': {'mips': {'sieve': 150.0}, 'geomean': 150.0, 'least': 150.0},
    'domains': {'count': 100, 'memory_bytes': 4 << 20, 'seconds': 3.0, 'peak_bytes': 300 << 20, 'bytes_per_domain': 1 << 20},
    'memory': {'guest_bytes': 32 << 20, 'peak_bytes': 90 << 20},
}


def test_the_tables_show_times_ratios_exits_and_round_trips():
    text = show.bench_text(DATA)
    for part in ('100 ns', '2.00x', '6 vmcall', '5 hypercall pt update', 'VMCALL (para)', '2.5', '1,000 MB/s', '667', '150', '1.00 MB', '90.0 MB'):
        assert part in text, text
    assert 'not measured: no' in show.bench_text({'without_jit': {'missing': 'no'}})


def test_the_plot_is_a_picture(tmp_path):
    pytest.importorskip('matplotlib', reason='matplotlib, the extra `plot`, is not installed')
    assert plot.plot(DATA, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG') and (tmp_path / 'a.png').stat().st_size > 10000
    assert not plot.plot({'operations': {}}, tmp_path / 'b.png')


def test_without_matplotlib_there_is_no_picture_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    assert not plot.plot(DATA, tmp_path / 'a.png')


def test_many_domains_are_shown_against_one(tmp_path):
    numbers = {'bytes_per_second': 2.5e6, 'bytes_per_machine_second': 1e9, 'instructions_per_kb': 24.2, 'exits_per_kb': 0.04}
    data = {'throughput': {'para': {'1': 500.0, '128': 480.0}, domains.LARGE: {'1': 100.0, '128': 50.0}},
            'shares': [{'mcu_advance': 10, 'due': 0.5, 'least': 0.495, 'most': 0.502}],
            'many': {'count': 500, 'seconds': 5.0, 'seconds_each': 0.01, 'peak_bytes': 1 << 30, 'bytes_each': 1 << 20},
            'costs': {'request': {'para': 200.0, 'full-vtlb': 300.0}, 'event': {'para': 1500.0}}, 'devices': {'console': {'para': numbers}}}
    text = show.domains_text(data)
    for part in ('96.0%', '50.0%', '49.50%', '1.00%', '10.0 ms and 1.00 MB each', '300 ns  1.50x', '1.50 us', '2.38 MB/s'):
        assert part in text, text
    pytest.importorskip('matplotlib', reason='matplotlib, the extra `plot`, is not installed')
    assert plot.plot_domains(data, tmp_path / 'a.png') and (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG')


def test_the_benchmark_of_domains_writes_what_it_measured(tmp_path, monkeypatch, capsys, built):
    data = {'throughput': {'para': {'1': 500.0, '128': 480.0}}}
    monkeypatch.setenv('HYPER', os.fspath(HYPER))
    monkeypatch.setattr(domains, 'domains', lambda setup, modes, quick, say: data if [mode.name for mode in modes] == ['para'] and quick else None)
    assert command.bench(['--domains', '--quick', '--mode', 'para', '--guests', str(built), '--out', str(tmp_path)]) == 0
    written = json.loads((tmp_path / 'bench-domains.json').read_text())
    assert written['throughput'] == data['throughput'] and written['host']['processors'] > 0
    assert '96.0%' in capsys.readouterr().out


def test_runs_take_turns_and_of_each_the_least_counts(monkeypatch):
    seen = []

    def measure(hyper, words):
        seen.append((words[0], int(words[2])))
        noise = {1: 5, 2: 0, 3: 9}[(len(seen) + 3) // 4]
        return runs.Run(int(words[2]) / 100 + noise, [int(words[2])], {'HLT': int(words[2]) // 10}, 7)
    monkeypatch.setattr(runs, 'measure', measure)
    one, two = runs.beyond('hyper', [(['one'], 100), (['two'], 200)], 1000, 3)
    assert seen == [('one', 100), ('one', 1100), ('two', 200), ('two', 1200)] * 3
    assert one.seconds == pytest.approx(10) and one.instructions == [1000] and two.exits == {'HLT': 100} and two.mips == pytest.approx(1e-4)


def test_a_host_too_busy_to_measure_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, 'beyond', lambda hyper, lines, length, times: [runs.Run(-0.1, [5], {}, 0) for _ in lines])
    with pytest.raises(BenchError, match='too busy'):
        domains.throughput(guests.Setup('hyper', None, tmp_path), guests.PARA, [1], 1000, 3)


# -- QEMU beside

def test_engines_take_turns_and_the_median_counts(monkeypatch):
    seen = []

    def time_one(setup, engine, name, share):
        seen.append(engine)
        return workloads.Timing({'a': [3, 1, 2], 'b': [9, 9, 9]}[engine][seen.count(engine) - 1], 5, 'same', 0)
    monkeypatch.setattr(workloads, 'time_one', time_one)
    timings = workloads.take_turns(None, ['a', 'b'], 'sieve', 3)
    assert seen == ['a', 'b'] * 3 and timings['a'].seconds == 2 and timings['b'].seconds == 9


def test_different_results_are_an_error(monkeypatch):
    monkeypatch.setattr(workloads, 'time_one', lambda setup, engine, name, share: workloads.Timing(1, 1, engine, 0))
    with pytest.raises(BenchError, match='different results'):
        workloads.take_turns(None, ['a', 'b'], 'sieve', 1)


def test_how_many_times_as_fast_is_a_geometric_mean_without_the_cold_workload(monkeypatch):
    seconds = {('sieve', guests.PARA): 1.0, ('crc32', guests.PARA): 4.0, ('cold', guests.PARA): 8.0}
    monkeypatch.setattr(workloads, 'time_one', lambda setup, engine, name, share: workloads.Timing(seconds.get((name, engine), 4.0), 1, '', 0))
    data = workloads.peers(None, 1, ['sieve', 'crc32', 'cold'])
    assert data['geomean']['para'] == pytest.approx(2) and data['least']['para'] == 1 and data['geomean']['full'] == 1
    assert data['cold']['para'] == 0.5 and set(data['workloads']) == {'sieve', 'crc32'}
    assert data['workloads']['sieve']['para_s'] == 1.0 and data['workloads']['sieve']['full_s'] == data['workloads']['sieve']['qemu_s'] == 4.0
    assert 'cold (by itself)' in show.peers_text(data)


def guestkit_bench(tmp_path, *words, **environment):
    done = subprocess.run([sys.executable, '-m', 'guestkit', 'bench', '--out', str(tmp_path), *words], capture_output=True, text=True, timeout=300,
                          env={**os.environ, 'HYPER': HYPER, 'PYTHONPATH': str(ROOT), **environment}, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def test_without_qemu_the_comparison_says_so(tmp_path):
    status, output, _ = guestkit_bench(tmp_path, '--peers', PATH='/nowhere')
    assert status == 0 and 'qemu-system-i386 is not installed' in output and not list(tmp_path.iterdir())


def test_what_is_missing_or_wrong_is_told(tmp_path):
    for words, said in (([], 'not built; run guestkit build'), (['--only', 'spoon'], 'choose from null_call'), (['--rounds', '0'], '1 to 1000')):
        status, _, errors = guestkit_bench(tmp_path, '--guests', str(tmp_path), *words)
        assert status == 2 and said in errors and errors.count('\n') == 1, errors
    assert 'run make' in guestkit_bench(tmp_path, HYPER='/nowhere/hyper')[2]


# -- for real

@pytest.fixture(scope='session')
def built():
    """The guests of the source tree."""
    directory = ROOT / 'build' / 'guests'
    if not (directory / 'bench.img').exists():
        build_guests(directory)
    return directory


def test_a_short_run_measures_every_way_to_run_the_kernel(tmp_path, built):
    status, output, errors = guestkit_bench(tmp_path, '--quick', '--rounds', '1', '--only', 'fork', '--guests', str(built))
    assert status == 0, errors
    data = json.loads((tmp_path / 'bench.json').read_text())
    assert set(data['operations']['fork']) == {'native', 'para', 'full-vtlb', 'full-ept'}
    assert all(1000 < ns < 1e9 for ns in data['operations']['fork'].values())
    assert data['instructions']['fork']['native'] > 1000
    assert data['exits']['para']['fork']['VMCALL'] >= 1 and data['exits']['full-vtlb']['fork']['CR_ACCESS'] >= 1
    assert 'full-ept' in output


def test_many_domains_run_in_one_process(built):
    setup = guests.Setup(HYPER, None, built)
    result = limits.many_domains(setup, 10)
    assert result['count'] == 10 and 0 < result['bytes_per_domain'] < 4 << 20


def test_sixteen_domains_get_their_shares_of_a_second_within_two_per_cent(built):
    rows = domains.shares(guests.Setup(HYPER, None, built))
    assert len(rows) == 4 and all(abs(share / row['due'] - 1) < 0.02 for row in rows for share in (row['least'], row['most'])), rows


def test_what_requests_of_a_domain_cost_is_measured_in_each_mode(built):
    setup = guests.Setup(HYPER, None, built)
    data = costs.measure(setup, [guests.PARA, guests.FULL_VTLB], True, lambda text: None)
    assert list(data) == list(costs.TEXTS)
    for name, row in data.items():
        assert list(row) == (['para'] if name == 'event' else ['para', 'full-vtlb'])
    for row in data.values():
        assert all(ns > 0 for ns in row.values()), data
    assert data['update_64']['para'] < data['update_1']['para']         # fewer hypercalls
    assert data['event']['para'] > data['request']['para']


def test_a_warped_domain_wakes_sooner_than_an_unwarped_one_beside_others_that_compute(built):
    setup = guests.Setup(HYPER, None, built)
    assert domains.latency(setup, 4, ('--warp', '50ms')) < domains.latency(setup, 4) / 2


def test_the_command_that_qemu_is_given_boots_the_same_kernel(built):
    words = guests.Setup(HYPER, None, built).qemu(workloads.append_for('sieve', 1.0))
    assert str(built / 'kernel-bare.elf') in words and str(built / 'bench.img') in words and 'init=/bin/work sieve:60' in words


# -- Linux

ANSWERS = 'sleep 0.1; echo bench boot 1 0; echo begin sort; sleep 0.1; echo bench sort 1 0 %s\n'
REPORT = 'echo \'{"instructions": 5000000, "domains": [{"exits": {"HLT": 7}}]}\' > "${@: -1}"\n'      # the last word is the report's file


def test_linux_is_timed_from_the_start_of_the_program_to_the_shell_and_then_each_work(tmp_path, monkeypatch):
    hyper = script(tmp_path, 'hyper', ANSWERS % 'abc' + REPORT)
    script(tmp_path, 'qemu-system-i386', 'sleep 0.3\n' + ANSWERS % 'abc' + 'exit 1\n')
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    files = Linux(tmp_path / 'vmlinuz', tmp_path / 'initrd', tmp_path / 'map')
    data = linux.measure(hyper, files, ['sort'], [guests.NATIVE], 1, True, lambda text: None)
    assert 0.1 <= data['work']['boot']['native'] < data['work']['boot']['qemu'] and data['work']['boot']['qemu'] >= 0.4
    assert data['work']['sort']['native'] >= 0.1 and data['exits'] == {'native': {'HLT': 7}} and data['instructions'] == {'native': 5000000}
    assert data['geomean']['native'] == pytest.approx(data['work']['sort']['qemu'] / data['work']['sort']['native'])
    text = show.linux_text({**data, 'kernel': 'vmlinuz'})
    assert 'to the shell' in text and 'as fast as QEMU' in text and '7 hlt' in text


def test_linux_must_come_to_the_same_results_everywhere(tmp_path, monkeypatch):
    hyper = script(tmp_path, 'hyper', ANSWERS % 'abc' + REPORT)
    script(tmp_path, 'qemu-system-i386', ANSWERS % 'xyz')
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    files = Linux(tmp_path / 'vmlinuz', tmp_path / 'initrd', tmp_path / 'map')
    with pytest.raises(BenchError, match='sort: different results: abc, xyz'):
        linux.measure(hyper, files, ['sort'], [guests.NATIVE], 1, True, lambda text: None)
    with pytest.raises(BenchError, match='gzip: not measured'):
        linux.measure(hyper, files, ['sort', 'gzip'], [guests.NATIVE], 1, False, lambda text: None)


def test_the_script_in_linux_does_each_work_between_two_lines():
    text = linux.script(['sort', 'fork_exec'])
    assert text.startswith('echo bench boot 1 0\necho begin sort\n') and text.count('echo begin') == 2 and '/bin/busybox true' in text
