"""Tables of text."""


def table(heading, rows, left=False):
    """Text of a table: the first column flush left, the others flush right, or all of them left."""
    rows = [[str(cell) for cell in row] for row in [heading, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heading))]
    lines = ['  '.join(cell.ljust(width) if i == 0 or left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
             for row in rows]
    lines.insert(1, '  '.join('-' * width for width in widths))
    return '\n'.join(lines) + '\n'


def time_text(ns):
    """Nanoseconds for people: three digits and a unit."""
    if ns is None:
        return '-'
    for unit, factor in (('s', 1e9), ('ms', 1e6), ('us', 1e3)):
        if ns >= factor * 0.9995:
            return f'{digits(ns / factor)} {unit}'
    return f'{digits(ns)} ns'


def digits(value):
    """Three digits, as far as they are there."""
    if value >= 99.95:
        return f'{value:.0f}'
    return f'{value:.1f}' if value >= 9.995 else f'{value:.2f}'


def ratio_text(value, base):
    return '-' if value is None or not base else f'{digits(value / base)}x'


def count_text(value):
    """A count for an operation: whole if it is, else with a digit after the point."""
    return '-' if value is None else f'{value:,.0f}' if abs(value - round(value)) < 0.05 else f'{value:,.1f}'


def bytes_text(value):
    for unit, factor in (('GB', 1 << 30), ('MB', 1 << 20), ('KB', 1 << 10)):
        if value >= factor:
            return f'{digits(value / factor)} {unit}'
    return f'{value} bytes'
