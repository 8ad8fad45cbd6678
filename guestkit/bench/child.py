"""A guest in a process of its own, its console timed line by line, its memory measured by the operating system."""
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
            read_lines(child.stdout.fileno(), lines, begin + seconds)
        except BenchError:
            child.send_signal(signal.SIGKILL)
            raise BenchError(f'{" ".join(words)}: not done after {seconds} s; last it said: {lines.text[-3:]}') from None
        finally:
            child.stdout.close()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines.text += errors.read().decode('latin-1').splitlines()
    return Outcome(lines.rounds, lines.text, child.returncode, time.monotonic() - begin, usage.ru_maxrss * 1024, {})


def read_lines(descriptor, lines, end):
    buffer = b''
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise BenchError('time-out')
        data = os.read(descriptor, 65536)
        now = time.monotonic()
        if not data:
            return
        *whole, buffer = (buffer + data).split(b'\n')
        for line in whole:
            lines.line(line.decode('latin-1').rstrip('\r'), now)


def run_hyper(hyper, words, seconds, expect=0):
    """bin/hyper run with these words; raises BenchError unless it ends with the status that is expected."""
    with tempfile.NamedTemporaryFile(prefix='guestkit-', suffix='.json') as report:
        outcome = run([hyper, 'run', *words, '--report', 'json', '--report-file', report.name], seconds)
        if outcome.status != expect:
            raise BenchError(f'{hyper} run {" ".join(words)}: status {outcome.status}; it said: ' + ' / '.join(outcome.text[-6:]))
        return Outcome(outcome.rounds, outcome.text, outcome.status, outcome.seconds, outcome.peak, json.load(report))
