"""A guest in a process of its own, its console timed line by line, its memory looked at now and then."""
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

from guestkit.bench.lines import Lines
from guestkit.errors import GuestkitError


LOOK = 0.02                     # seconds between two looks at the memory


class BenchError(GuestkitError):
    """A guest did not do what it was to do."""


@dataclass(frozen=True)
class Outcome:
    """`rounds` and the `text` beside them; `peak` bytes of memory; `report` of the engine as a dict, {} if it is not ours."""
    rounds: list
    text: list
    status: int
    seconds: float
    peak: int
    report: dict


def run(words, seconds, lines=None):
    """Runs a command to its end, its standard output through Lines; raises BenchError after so many seconds."""
    lines = lines or Lines()
    begin = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        try:
            peak = read_lines(child, lines, begin + seconds)
        except BenchError:
            child.send_signal(signal.SIGKILL)
            raise BenchError(f'{" ".join(words)}: not done after {seconds} s; last it said: {lines.text[-3:]}') from None
        finally:
            child.stdout.close()
            child.wait()
        errors.seek(0)
        lines.text += errors.read().decode('latin-1').splitlines()
    return Outcome(lines.rounds, lines.text, child.returncode, time.monotonic() - begin, peak, {})


def read_lines(child, lines, end):
    """Reads the child's output to its end; the most memory that it was seen to have taken."""
    buffer = b''
    peak = 0
    while time.monotonic() < end:
        peak = max(peak, memory_of(child.pid))
        if not select.select([child.stdout], [], [], LOOK)[0]:
            continue
        data = os.read(child.stdout.fileno(), 65536)
        now = time.monotonic()
        if not data:
            return peak
        *whole, buffer = (buffer + data).split(b'\n')
        for line in whole:
            lines.line(line.decode('latin-1').rstrip('\r'), now)
    raise BenchError('time-out')


def memory_of(pid):
    """The most memory that a process has taken so far, in bytes. (What wait4() tells includes the memory of us, who started it.)"""
    try:
        with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith('VmHWM:')), 0)
    except OSError:
        return 0


def run_hyper(hyper, words, seconds, expect=0, lines=None):
    """bin/hyper run with these words; raises BenchError unless it ends with the status that is expected."""
    with tempfile.NamedTemporaryFile(prefix='guestkit-', suffix='.json') as report:
        outcome = run([hyper, 'run', *words, '--report', 'json', '--report-file', report.name], seconds, lines)
        if outcome.status != expect:
            raise BenchError(f'{hyper} run {" ".join(words)}: status {outcome.status}; it said: ' + ' / '.join(outcome.text[-6:]))
        return Outcome(outcome.rounds, outcome.text, outcome.status, outcome.seconds, outcome.peak, json.load(report))
