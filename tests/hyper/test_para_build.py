"""The domain builder: what a kernel finds in its memory and registers, and what cannot be built."""
import struct

import pytest

from hyper.config import DomainConfig
from hyper.cpu import models
from hyper.errors import UserError
from hyper.loader.file import ImageFile
from hyper.board.machine import World
from hyper.vmm.hypervisor import Hypervisor
from hyper.vmm.inspect import DomainRegisters
from para_parts import Console, LOAD, MB, MEMORY, check_counts, image_of

MODULE = ImageFile('archive', 'module' * 1000)


def build(image, memory=MEMORY, line='', modules=(), copies=1, cpu=''):
    configs = [DomainConfig('d', 'para', '', memory, line, image, list(modules), -1, Console()) for k in range(copies)]
    return Hypervisor(models.find(cpu), World(), configs)


def refused(words, *arguments, **options):
    with pytest.raises(UserError) as caught:
        build(*arguments, **options)
    assert '\n' not in caught.value.text
    for word in words:
        assert word in caught.value.text


class Memory(object):
    """A domain's memory by its kernel's addresses."""

    def __init__(self, domain):
        self.domain = domain

    def u32(self, address):
        return self.domain.paging.memory.read32(self.domain.linear_to_machine(address))

    def text(self, address, size):
        return ''.join(chr(self.domain.paging.memory.read8(self.domain.linear_to_machine(address + k))) for k in range(size))


def test_start_info_and_the_registers_are_as_the_interface_says():
    hypervisor = build(image_of('finish'), line='root=ram quiet', modules=[MODULE])
    domain = hypervisor.domains[0]
    memory = Memory(domain)
    start = 0xc00fd000
    assert [memory.u32(start + 4 * k) for k in range(5)] == [256, 0xc0100000, 0xc00ff000, 0xc0001000, 6000]
    assert memory.u32(start + 104) == 0 and memory.u32(start + 108) == 2
    assert memory.text(start + 112, 15) == 'root=ram quiet\0'
    assert memory.text(0xc0001000, 6000) == MODULE.data
    registers = DomainRegisters(domain)
    assert [registers.get(name) for name in ('cs', 'eip', 'ss', 'esp', 'ds', 'es', 'fs', 'gs', 'esi')] == [0x819, LOAD, 0x821, start, 0x821, 0x821, 0x821, 0x821, start]
    assert [registers.get(name) for name in ('eax', 'ebx', 'ecx', 'edx', 'edi', 'ebp')] == [0] * 6
    assert registers.get('eflags') == 0x202 and registers.get('cpl') == 1


def test_pages_are_mapped_in_order_tables_read_only_and_every_frame_knows_its_page():
    for memory in (1 * MB, 9 * MB):
        hypervisor = build(image_of('finish'), memory=memory)
        domain = hypervisor.domains[0]
        pages = memory >> 12
        tables = pages // 1024 + 1
        for page in range(pages):
            linear = LOAD + 4096 * page
            machine = domain.linear_to_machine(linear)
            entry = domain.paging.memory.read32(domain.linear.table_entry(linear))
            assert domain.paging.table.page(machine >> 12) == page
            assert (entry & 2 == 0) == (page >= pages - 1 - tables) and entry & 4 == 0
        assert domain.linear_to_machine(LOAD + memory) == domain.shared_frame << 12
        first = domain.paging.memory.read32(domain.linear_to_machine(LOAD + (pages - 1) * 4096) + 4 * 768) & ~0xfff
        assert first == domain.linear_to_machine(LOAD + (pages - 2) * 4096)
        check_counts(hypervisor)


def test_an_image_of_2003_starts_at_its_load_address():
    hypervisor = build(ImageFile('kernel', 'XenoGues' + struct.pack('<I', 0xc0400000) + '\xb8\x09\0\0\0\xcd\x82'))
    assert hypervisor.domains[0].linear_eip() == 0xc0400000
    hypervisor.run(100, -1, -1.0)
    assert hypervisor.domains[0].why == 'exited'


def test_a_kernel_without_room_is_refused_with_what_to_do():
    big = ImageFile('big', 'x' * (MEMORY - 0x4000))
    refused(['kernel', '--memory'], image_of('finish'), modules=[big])
    refused(['--memory'], image_of(' .skip 0xfd000'))
    build(image_of(' .skip 0xf0000'))
    refused(['hypervisor', '--memory', '959M'], image_of('finish'), memory=960 * MB)
    refused(['--append'], image_of('finish'), line='x' * 4000)
    refused(['--module', 'one'], image_of('finish'), modules=[MODULE, MODULE])
    refused(['neither'], ImageFile('kernel', 'rubbish'))
    refused(['--copies'], image_of('finish'), memory=512 * MB, copies=7)


def test_the_memory_of_100_domains_is_theirs_and_little_more():
    hypervisor = build(image_of('finish'), copies=3)
    assert hypervisor.memory.size < 3 * MEMORY + 96 * 1024
    check_counts(hypervisor)
