"""Every entry of the opcode maps is executed by a program of the corpus, or by the snippets that are compared with the host's processor."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'oracle'))

import generate
import guest
import opcode_map
import sides
import untranslated
from hyper import main


ROUNDS = 12                     # of snippets: some end before the instruction that they were chosen for


def test_every_entry_of_the_opcode_maps_is_executed(tmpdir):
    wanted = opcode_map.entries()
    if 'x87' not in generate.KINDS:
        wanted = set([entry for entry in wanted if not 'd8' <= entry < 'e0'])
    with opcode_map.recording() as executed:
        run_corpus(str(tmpdir))
        for kind in sorted(generate.KINDS):
            run_snippets(kind, wanted, executed)
    missing = sorted(wanted - executed)
    assert not missing, '%d of %d entries: %s' % (len(missing), len(wanted), ', '.join(missing))


def run_corpus(directory):
    for program in guest.programs():
        if not program.translated_only:
            path = program.build(directory)
            for words in program.runs:
                main.entry_point(['hyper', 'run', path] + words + ['--report', 'none'])


def run_snippets(kind, wanted, executed):
    built = sides.Built()
    image = built.build_guest()
    built.remove()
    unmade = set()
    for seed in range(ROUNDS):
        batch, unmade = opcode_map.covering(kind, wanted - executed - unmade, seed)
        if batch.snippets:
            untranslated.run(image, batch.pack(), len(batch.snippets))
