"""`guestkit bench`."""
import argparse
from guestkit.arguments import Parser

EXAMPLES = '''
Examples
  guestkit bench                          all of it, some ten minutes; tables, build/bench.json, build/bench.png
  guestkit bench --quick                  the same with fewer and shorter rounds
  guestkit bench --only fork --only exec  some operations
  guestkit bench --peers                  the CPU workloads beside QEMU; build/bench-peers.json
'''


def parser():
    parser = Parser(prog='guestkit bench', description='Measures what each way to run a kernel costs.', epilog=EXAMPLES,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5)
    return parser


def bench(words):
    options = parser().parse_args(words)
    return 0
