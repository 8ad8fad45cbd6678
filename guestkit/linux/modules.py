"""The modules of a Debian kernel, by name, with those that they need before them."""
import re

from guestkit.errors import BadInput

DEPENDS = re.compile(rb'\0depends=([\w,-]*)\0')          # of the section .modinfo, whose strings end with zeros


def plain(name):
    """modprobe takes - and _ for the same."""
    return name.replace('-', '_')


def in_order(directory, names):
    """The files (paths) of the modules under a directory and of all that they depend on, in an order in which insmod takes them."""
    files = {plain(path.stem): path for path in directory.rglob('*.ko')}
    order = []

    def add(name, wanted_by):
        path = files.get(plain(name))
        if path is None:
            raise BadInput(f'{directory}: has no module {name}, which {wanted_by} needs; take a kernel package of Debian 12')
        if path in order:
            return
        found = DEPENDS.search(path.read_bytes())
        if found is None:
            raise BadInput(f'{path}: is no module that insmod would take; unpack the package anew')
        for other in filter(None, found[1].decode().split(',')):
            add(other, name)
        order.append(path)

    for name in names:
        add(name, 'the ramdisk')
    return order
