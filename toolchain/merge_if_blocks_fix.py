"""Mends an optimisation of RPython 0.2.1 that gives wrong code: import this before translating.

rpython/translator/backendopt/merge_if_blocks.py makes one switch of a chain of blocks that each compare the same integer with a
constant. To do so it notes what every variable of the chain's later blocks is in the first block (`varmap`), by matching the
arguments of a link with the variables of the block that it leads to. It does that for both links out of each comparison, but only
the false one stays inside the chain. The true one leaves it; where it leads straight back to the head of a loop, the head's own
variables are entered, and if the chain starts at that head, or uses one of its variables, later links get the value that a variable
has in the next turn of the loop instead of this one. A loop over instruction prefixes is such a place:

    while True:
        byte = fetch()
        if byte == 0x66: size = 2
        elif byte == 0xf3: repeat = 1
        else: break

Here the same search follows the false links only.
"""

from rpython.flowspace.model import Constant, Variable, mkentrymap
from rpython.translator.backendopt import merge_if_blocks as broken

FALSE, TRUE = 0, 1


def comparison(block):
    """The variable and the constant that a block of a chain compares last."""
    first, second = block.operations[-1].args
    if isinstance(first, Variable):
        return first, second
    return second, first


def find_chain(first, entries):
    """The longest chain that starts at a block: its [(block, constant)], and what each variable used on the way out is in `first`."""
    values = {}
    for link in first.exits:
        for arg in link.args:
            values[arg] = arg
    chain = []
    block = first
    while True:
        compared, constant = comparison(block)
        inside = block.exits[FALSE]
        assert not inside.exitcase
        result = block.operations[-1].result
        if result in inside.args or result in block.exits[TRUE].args:
            return chain, values        # a switch does not compute it
        chain.append((block, constant))
        following = inside.target
        if len(entries[following]) != 1 or compared not in inside.args or not broken.is_chain_block(following):
            return chain, values
        if following.inputargs[inside.args.index(compared)] not in following.operations[0].args:
            return chain, values        # compares something else
        for arg, variable in zip(inside.args, following.inputargs):
            values[variable] = arg if isinstance(arg, Constant) else values[arg]
        block = following


def merge_one_chain(graph):
    """Makes a switch of the first chain found; False if there is none."""
    entries = mkentrymap(graph)
    for block in graph.iterblocks():
        if broken.is_chain_block(block, first=True):
            chain, values = find_chain(block, entries)
            if len(chain) > 1:
                compared, constant = comparison(block)
                broken.merge_chain(chain, compared, values, graph)
                return True
    return False


broken.merge_if_blocks_once = merge_one_chain
