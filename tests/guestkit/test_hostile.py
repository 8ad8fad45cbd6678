"""A domain that tries every known way out (tests/guestkit/conformance/hostile.c): each attempt is refused and told with its reason, and the domain beside it
neither stops nor computes anything else nor gets less than its share."""
import pathlib
import re

import pytest

from guestkit import Guest, Machine
from guestkit.build import build_file

SOURCES = sorted(path for path in (pathlib.Path(__file__).parent / 'conformance').iterdir() if path.suffix in ('.c', '.S'))
WITNESS = '''
#include "guest.h"
static u32 words[16384];
int main(const char *command_line)
{
    volatile struct xen_shared_info *info = (struct xen_shared_info *)start_info->shared_info;
    u32 sum = 0;
    for (u32 round = 0; round < 40; round++)
        for (u32 i = 0; i < 16384; i++)
            sum += words[i] = words[i] * 5 + i + round;
    hypercall(XEN_STACK_SWITCH, 0, 0, 0, 0);            /* refused, so there is something to tell of it too */
    print("sum %x\\n", sum);
    return info->events & 0;
}
'''
REASONS = [
    "a frame that is not the domain's", 'a writable mapping of a page table or descriptor table', 'a table in a frame that is mapped writable',
    "an unchecked update, which is the privileged domain's", 'an entry with bits that the interface does not allow',
    "a slot of a page directory that is the hypervisor's", 'a descriptor of ring 0', 'a gate or system segment other than a call gate',
    'a segment that reaches the hypervisor', "a descriptor that is the hypervisor's", 'a descriptor that is not allowed in a descriptor table',
    'a pointer to what the guest cannot access', 'a table that is pinned already', 'to unpin what is not pinned',
    'a handler or stack that is not in ring 1', 'an instruction of ring 0, or beyond a segment (#GP of the kernel)',
    "an access to the hypervisor's part of the address space", 'to give a frame back that is referred to', 'more memory than the domain began with',
]

OF_RINGS = ['an index of the block ring out of range, or over requests that have no response yet']


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    directory = tmp_path_factory.mktemp('hostile')
    (directory / 'witness.c').write_text(WITNESS)
    build_file([directory / 'witness.c'], directory / 'witness.elf', 'para')
    build_file(SOURCES, directory / '1.0.elf', 'para')
    build_file(SOURCES, directory / '1.2.elf', 'para', ['XEN_1_2'])
    return directory


def witness(images):
    return Guest(images / 'witness.elf', 'para', memory='1M', interface='1.0')


def hostile(images, version):
    return Guest(images / f'{version}.elf', 'para', memory='1M', append='hostile', interface=version)


@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_every_way_out_is_closed_and_told_by_reason(images, version):
    with Machine.of(hostile(images, version), check_frames=1) as machine:
        stop = machine.run(seconds=120)
        domain = machine.report().domains[0]
        assert stop.status == 0 and domain.state == 'exited', machine.output.decode()
        assert re.search(r'hostile: \d+ checks, 0 failed', machine.output.decode()), machine.output.decode()
        assert [reason for reason in REASONS + (OF_RINGS if version == '1.0' else []) if not domain.refusals.get(reason)] == []
        assert len(domain.last_refusals) == 16 and 'more memory than the domain began with' in domain.last_refusals[-1]
        summary = machine.summary()
    assert 'last refused to domain 0' in summary and "an unchecked update, which is the privileged domain's" in summary


@pytest.mark.parametrize('version', ['1.0', '1.2'])
def test_a_domain_beside_it_is_undisturbed(images, version):
    with Machine.of(witness(images)) as machine:
        machine.run(seconds=120, check=True)
        output, instructions, alone = machine.output, machine.report().domains[0].instructions, machine.report().machine_ns
    with Machine.of(witness(images), *[hostile(images, version)] * 3, check_frames=16) as machine:
        begun = machine.report().machine_ns
        machine.run(seconds=120, output=output)
        together = machine.report().machine_ns - begun
        machine.run(seconds=120)
        report = machine.report()
    first = report.domains[0]
    assert machine.output == output and first.state == 'exited' and first.instructions == instructions
    assert first.refusals == {'a handler or stack that is not in ring 1': 1}            # none of the others'
    assert together <= 4 * alone + 40_000_000                                           # a share among four, and the slices in progress
    assert [domain.state for domain in report.domains[1:]] == ['exited'] * 3
