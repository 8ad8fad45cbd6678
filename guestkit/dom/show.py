"""Tables of domains: as xl shows them, and live."""
import time

from rich.console import Console
from rich.live import Live
from rich.table import Table

NS = 1e9


def state(domain):
    """Six letters, as xl has them: running, blocked, paused, shut down, crashed, dying."""
    if not domain['alive']:
        return '----c-' if domain['died'] else '---s--'
    if domain['paused']:
        return '-bp---' if domain['asleep'] else '--p---'
    return '-b----' if domain['asleep'] else 'r-----'


def listing(answer):
    """The table of `guestkit dom list`."""
    lines = [f'{"Name":<40} {"ID":>5} {"Mem":>5} VCPUs\tState\tTime(s)']
    for domain in answer['domains']:
        lines.append(f'{domain["name"]:<40} {domain["number"]:>5} {domain["memory"] >> 20:>5} {1:>5}\t{state(domain)}\t{domain["instructions"] / NS:7.1f}')
    return '\n'.join(lines)


def time_text(ns):
    """In the largest unit of which it is a whole number."""
    if ns == 0:
        return '0'
    return next(f'{ns // unit}{name}' for name, unit in (('s', 10 ** 9), ('ms', 10 ** 6), ('us', 10 ** 3), ('ns', 1)) if ns % unit == 0)


def scheduling(answer):
    """The table of `guestkit dom sched`."""
    lines = [f'Scheduler: {answer["policy"]}, allowance {time_text(answer["allowance"])}',
             f'{"Name":<40} {"ID":>5} {"Weight":>6} {"Warp":>8} {"Limit":>8} {"Unwarp":>8}']
    for domain in answer['domains']:
        lines.append(f'{domain["name"]:<40} {domain["domain"]:>5} {domain["weight"]:>6} ' +
                     ' '.join(f'{time_text(domain[name]):>8}' for name in ('warp', 'warp_limit', 'unwarp')))
    return '\n'.join(lines)


def usage(before, after):
    """Of each domain by number: its share of machine time between two answers to `list`, from 0 to 1."""
    passed = after['machine_ns'] - before['machine_ns']
    then = {domain['number']: domain['instructions'] for domain in before['domains']}
    return {domain['number']: (domain['instructions'] - then.get(domain['number'], 0)) / passed if passed > 0 else 0.0 for domain in after['domains']}


def top_table(before, after):
    shares = usage(before, after)
    then = {domain['number']: domain for domain in before['domains']}
    count = len(after['domains'])
    table = Table(title=f'{count} {"domain" if count == 1 else "domains"}, machine time {after["machine_ns"] / NS:.1f} s')
    for name in ('Name', 'State'):
        table.add_column(name)
    for name in ('ID', 'CPU(s)', 'CPU(%)', 'Mem(K)', 'Exits/s', 'Hypercalls/s'):
        table.add_column(name, justify='right')
    seconds = max(after['machine_ns'] - before['machine_ns'], 1) / NS
    for domain in sorted(after['domains'], key=lambda one: (-shares[one['number']], one['number'])):
        old = then.get(domain['number'], {'exits': {}, 'hypercalls': {}})
        rates = [(sum(domain[kind].values()) - sum(old[kind].values())) / seconds for kind in ('exits', 'hypercalls')]
        table.add_row(domain['name'], state(domain), str(domain['number']), f'{domain["instructions"] / NS:.1f}', f'{100 * shares[domain["number"]]:.1f}',
                      str(domain['memory'] >> 10), *(f'{rate:.0f}' for rate in rates))
    return table


def top(client, seconds, rounds):
    """The live table; so many rounds, for ever if None."""
    console = Console()
    before = client.call('list')
    with Live(console=console, auto_refresh=False, screen=console.is_terminal and rounds is None) as live:
        while rounds is None or rounds > 0:
            time.sleep(seconds)
            after = client.call('list')
            live.update(top_table(before, after), refresh=True)
            before = after
            if rounds is not None:
                rounds -= 1
