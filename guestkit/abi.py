"""`guestkit abi`: where the header of the paravirtual interface is, for guests that are built elsewhere."""
from guestkit.arguments import Parser
from guestkit.build import INCLUDE


def abi(words):
    """The command; returns the exit status."""
    parser = Parser(prog='guestkit abi', description='Where the header of the paravirtual interface is: #include <xen/xen-1.0.h>, with -D XEN_1_2 for that of 1.2.')
    parser.add_argument('--include-dir', action='store_true', help='prints the directory for the compiler: gcc -m32 -I$(guestkit abi --include-dir) ...')
    parser.add_argument('--header', action='store_true', help='prints the header itself')
    options = parser.parse_args(words)
    if options.header:
        print((INCLUDE / 'xen' / 'xen-1.0.h').read_text(), end='')
    elif options.include_dir:
        print(INCLUDE)
    else:
        parser.error('say what: --include-dir or --header')
    return 0
